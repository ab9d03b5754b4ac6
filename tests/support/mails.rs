//! Mails as those who get them read them.

use std::{path::Path, time::Duration};

use tokio::time::sleep;

/// A mail that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Whom it went to.
    pub to: String,
    /// All of it.
    pub raw: String,
}

impl Received {
    /// A header; empty when it is missing.
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.raw.split_once("\r\n\r\n").expect("a mail has a head");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = unfolded.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    /// The part of a type, such as `text/plain`, as it is read.
    pub fn part(&self, kind: &str) -> String {
        let start = self.raw.find(&format!("Content-Type: {kind}")).expect("it has such a part");
        let (head, rest) = self.raw[start..].split_once("\r\n\r\n").expect("a part has a head");
        let body = rest.split("\r\n--").next().unwrap();
        if head.contains("quoted-printable") { unquoted(body) } else { body.to_owned() }
    }

    /// The token in its text.
    pub fn token(&self) -> String {
        let is_token = |word: &&str| {
            word.len() == 43
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let text = self.part("text/plain");
        let found = text.split([' ', '=', '\r', '\n']).find(is_token);
        found.unwrap_or_else(|| panic!("no token: {text}")).to_owned()
    }
}

fn unquoted(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let code: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&code, 16).expect("quoted"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// The mails in a folder, in the order in which they were written.
pub fn in_folder(folder: &Path) -> Vec<Received> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "eml"));
    paths.sort();
    let read = |path| {
        let raw = std::fs::read_to_string(path).unwrap();
        let mail = Received { to: String::new(), raw };
        Received { to: mail.header("To"), ..mail }
    };
    paths.into_iter().map(read).collect()
}

/// Waits until a folder has so many mails to an address; gives them.
pub async fn to_in_folder(folder: &Path, address: &str, count: usize) -> Vec<Received> {
    let all = async {
        loop {
            let mut mails = in_folder(folder);
            mails.retain(|mail| mail.to == address);
            if mails.len() >= count {
                return mails;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the mails come")
}
