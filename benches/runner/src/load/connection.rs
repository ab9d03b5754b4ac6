//! One connection to a server, one request at a time.

use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    ops::Range,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const CONNECT: Duration = Duration::from_secs(5);
/// Most answers fit, so that one read is enough.
const INBOX: usize = 16 * 1024;
const HEADERS: usize = 48;

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// What is known of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where the body is in what was read.
    body: Range<usize>,
    /// The server closes the connection.
    pub(crate) last: bool,
}

impl Answer {
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

impl Connection {
    pub(crate) async fn open(target: SocketAddr) -> Result<Self> {
        let stream = timeout(CONNECT, TcpStream::connect(target)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Vec::with_capacity(INBOX) })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no answer that this client understands.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.inbox.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = parse(&self.inbox)?
                && self.inbox.len() >= answer.body.end
            {
                return Ok(answer);
            }
        }
    }

    /// The body of an answer, until the next exchange.
    pub(crate) fn body(&self, answer: &Answer) -> &[u8] {
        self.inbox.get(answer.body.clone()).unwrap_or_default()
    }
}

/// The answer whose head has been read as a whole; nothing when it has not.
fn parse(inbox: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed =
        response.parse(inbox).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let (mut length, mut last) = (None, false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            last = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Error::new(ErrorKind::InvalidData, "an answer in chunks"));
        }
    }
    let length = match (status, length) {
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        _ => return Err(Error::new(ErrorKind::InvalidData, "an answer without a length")),
    };
    Ok(Some(Answer { status, body: head..head.saturating_add(length), last }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_however_its_head_is_written() {
        let text = b"HTTP/1.1 201 Created\r\nConnection: close\r\nCONTENT-LENGTH: 2\r\n\r\n{}";
        let answer = parse(text).unwrap().unwrap();
        assert_eq!(answer, Answer { status: 201, body: 62..64, last: true });
        assert_eq!(parse(&text[..60]).unwrap(), None, "the head is not whole");
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_bytes(), 0);
    }

    #[test]
    fn what_it_would_misunderstand_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "SSH-2.0\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
