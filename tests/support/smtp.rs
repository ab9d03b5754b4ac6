//! A mail server that a test drives: it takes mails over real SMTP, or misbehaves.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use super::mails::Received;

/// How it treats those who connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes what comes.
    #[default]
    Willing,
    /// It answers `RCPT` with this code, and repeats the address.
    Refusing(u16),
    /// It takes the connection and says nothing.
    Silent,
    /// It ends the connection when the mail is half there.
    Cutting,
}

#[derive(Default)]
struct State {
    mood: Mood,
    received: Vec<Received>,
    conversations: usize,
}

/// A mail server. Dropping it ends it.
pub struct SmtpDouble {
    port: u16,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl SmtpDouble {
    /// A willing one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                shared.lock().unwrap().conversations += 1;
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away is the test's business.
                    let _ = converse(stream, &state).await;
                });
            }
        });
        Self { port, state, serving }
    }

    /// For `WATCHME_SMTP_URL`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// From now on.
    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Every mail that it has taken.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// How often somebody connected.
    pub fn conversations(&self) -> usize {
        self.state.lock().unwrap().conversations
    }

    /// Waits until it has taken so many mails to an address; gives them.
    pub async fn mails_to(&self, address: &str, count: usize) -> Vec<Received> {
        let all = async {
            loop {
                let mut mails = self.received();
                mails.retain(|mail| mail.to == address);
                if mails.len() >= count {
                    return mails;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("the mails come")
    }
}

impl Drop for SmtpDouble {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mood = || state.lock().unwrap().mood;
    if mood() == Mood::Silent {
        sleep(Duration::from_secs(600)).await;
    }
    stream.write_all(b"220 double ESMTP\r\n").await?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word: String = line.chars().take(4).collect::<String>().to_uppercase();
        let answer = match (word.as_str(), mood()) {
            ("EHLO" | "HELO", _) => "250 double".to_owned(),
            ("RCPT", Mood::Refusing(code)) => format!("{code} not for {}", line.trim()),
            ("RCPT", _) => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                "250 fine".to_owned()
            }
            ("DATA", mood) => {
                stream.write_all(b"354 go on\r\n").await?;
                if mood == Mood::Cutting {
                    stream.read_line(&mut line).await?;
                    return Ok(());
                }
                let raw = content(&mut stream).await?;
                let received = Received { to: std::mem::take(&mut to), raw };
                state.lock().unwrap().received.push(received);
                "250 taken".to_owned()
            }
            ("QUIT", _) => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

async fn content(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut raw = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.as_str() {
            ".\r\n" | "" => return Ok(raw),
            line => raw += line.strip_prefix('.').unwrap_or(line),
        }
    }
}
