//! What the double has been asked.

use std::time::{Duration, Instant};

use actix_web::HttpRequest;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// From 1, in order of arrival.
    pub number: usize,
    /// When.
    pub at: Instant,
    /// Its path, the version included.
    pub path: String,
    /// Its query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What was answered; 0 when nothing was.
    pub status: u16,
}

impl SeenRequest {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let query = url::form_urlencoded::parse(request.query_string().as_bytes());
        let headers = request.headers().iter();
        Self {
            number: 0,
            at: Instant::now(),
            path: request.path().to_owned(),
            query: query.into_owned().collect(),
            headers: headers
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            status: 0,
        }
    }

    /// A parameter of the query.
    pub fn param(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// The most of these requests that came within any one second.
pub fn highest_rate(requests: &[SeenRequest]) -> usize {
    let mut first = 0;
    let mut highest = 0;
    for (last, request) in requests.iter().enumerate() {
        while request.at.duration_since(requests[first].at) >= Duration::from_secs(1) {
            first += 1;
        }
        highest = highest.max(last - first + 1);
    }
    highest
}
