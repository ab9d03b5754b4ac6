//! What is asked, as bytes.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    load::Requests,
    users::{PASSWORD, User},
};

/// `GET` of a path.
pub(crate) fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let mut request = Vec::new();
    head(&mut request, "GET", path, token);
    request.extend_from_slice(b"\r\n");
    request
}

/// `POST` of JSON to a path.
pub(crate) fn post(path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let mut request = Vec::new();
    head(&mut request, "POST", path, token);
    let length = body.len();
    let _ =
        write!(request, "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    request
}

fn head(request: &mut Vec<u8>, method: &str, path: &str, token: Option<&str>) {
    // Writing to memory does not fail.
    let _ = write!(request, "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    if let Some(token) = token {
        let _ = write!(request, "authorization: Bearer {token}\r\n");
    }
}

/// Every path by every user, in turn, over and over.
pub(crate) fn reads(users: &[User], paths: &[String]) -> Requests {
    in_turn(
        paths
            .iter()
            .flat_map(|path| users.iter().map(|user| get(path, Some(&user.token))))
            .collect(),
    )
}

/// Logins of these accounts, in turn, over and over.
pub(crate) fn logins(emails: &[String]) -> Requests {
    let login = |email| serde_json::json!({ "email": email, "password": PASSWORD }).to_string();
    in_turn(emails.iter().map(|email| post("/api/v1/auth/login", None, &login(email))).collect())
}

fn in_turn(requests: Vec<Vec<u8>>) -> Requests {
    let next = AtomicUsize::new(0);
    Arc::new(move |_, request| {
        let turn = next.fetch_add(1, Ordering::Relaxed) % requests.len();
        request.extend_from_slice(&requests[turn]);
    })
}

/// Marks of films that were not marked before: each of so many connections is a user of its own, and
/// becomes the next one when all films are marked. When all users are done as well they begin again,
/// and mark what is marked.
pub(crate) fn marks(users: &[User], films: &[u32], connections: usize) -> Requests {
    let marks = Marks::new(users, films);
    let turns: Vec<AtomicUsize> = (0..connections).map(|_| AtomicUsize::new(0)).collect();
    Arc::new(move |connection, request| {
        let turn = turns[connection % connections].fetch_add(1, Ordering::Relaxed);
        marks.write(connection + connections * (turn / marks.films.len()), turn, request);
    })
}

/// The same, of all users in turn, however many connections there are.
pub(crate) fn marks_in_turn(users: &[User], films: &[u32]) -> Requests {
    let marks = Marks::new(users, films);
    let next = AtomicUsize::new(0);
    Arc::new(move |_, request| {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        marks.write(turn, turn / marks.heads.len(), request);
    })
}

struct Marks {
    /// What follows the path, of each user.
    heads: Vec<String>,
    films: Vec<u32>,
    /// By how many films a user may go on, and still come to all of them.
    steps: Vec<usize>,
}

impl Marks {
    fn new(users: &[User], films: &[u32]) -> Self {
        let head = |user: &User| {
            format!(
                " HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
                user.token
            )
        };
        let steps = (1..=films.len()).filter(|step| gcd(*step, films.len()) == 1).collect();
        Self { heads: users.iter().map(head).collect(), films: films.to_vec(), steps }
    }

    /// Each user begins with another film and has another order: people do not watch the same films
    /// at the same time, and a store would have it easy whose rows lie together then.
    fn write(&self, user: usize, turn: usize, request: &mut Vec<u8>) {
        let user = user % self.heads.len();
        let step = self.steps[user % self.steps.len()];
        let film = self.films[(user + turn % self.films.len() * step) % self.films.len()];
        let _ = write!(request, "PUT /api/v1/watched/{film}");
        request.extend_from_slice(self.heads[user].as_bytes());
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Lists that nobody has asked for before: orders and filters in turn, each at a page of its own, and
/// each without a genre that no film has, so that no two are the same.
pub(crate) struct FreshLists {
    /// Paths with a query, and how many pages they have.
    pub(crate) lists: Vec<(String, u64)>,
    /// Only the last page of each.
    pub(crate) last: bool,
}

/// What keeps two lists from being the same: no film has a genre from here on.
const NO_GENRE: usize = 1_000_000;

impl FreshLists {
    /// Asked for by these users in turn.
    pub(crate) fn requests(self, users: &[User]) -> Requests {
        let tokens: Vec<String> = users.iter().map(|user| user.token.clone()).collect();
        let next = AtomicUsize::new(0);
        Arc::new(move |_, request| {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let (path, pages) = &self.lists[turn % self.lists.len()];
            // A walk through all pages that looks like chance: the step is prime.
            let page = if self.last { *pages } else { 1 + (turn as u64 * 7_919) % pages };
            let path = format!("{path}&pageNumber={page}&excludeGenreId={}", NO_GENRE + turn);
            head(request, "GET", &path, Some(&tokens[turn % tokens.len()]));
            request.extend_from_slice(b"\r\n");
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::users::users;

    fn asked(requests: &Requests, connection: usize) -> String {
        let mut request = Vec::new();
        requests(connection, &mut request);
        String::from_utf8(request).unwrap()
    }

    #[test]
    fn no_film_is_marked_twice_before_all_are_marked() {
        let users = users(0..6).unwrap();
        let requests = marks(&users, &[11, 12, 13], 2);
        let seen: HashSet<_> = (0..18).map(|turn| asked(&requests, turn % 2)).collect();
        assert_eq!(seen.len(), 18);
        assert!(seen.contains(&asked(&requests, 0)), "and then they begin again");
    }

    #[test]
    fn users_in_turn_mark_every_film_once() {
        let users = users(0..4).unwrap();
        let requests = marks_in_turn(&users, &[11, 12, 13]);
        let seen: Vec<_> = (0..12).map(|turn| asked(&requests, turn % 7)).collect();
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 12);
        let of = |request: &String| request.split("Bearer ").nth(1).map(str::to_owned);
        assert_eq!(
            seen[..4].iter().map(of).collect::<HashSet<_>>().len(),
            4,
            "all before one again"
        );
        assert_eq!(asked(&requests, 0), seen[0], "and then they begin again");
    }

    #[test]
    fn each_user_has_an_order_of_its_own() {
        let films: Vec<u32> = (0..10).collect();
        let requests = marks(&users(0..4).unwrap(), &films, 4);
        let film = |user| -> u32 {
            let request = asked(&requests, user);
            let path = request.split(' ').nth(1).unwrap();
            path.rsplit('/').next().unwrap().parse().unwrap()
        };
        let step = |user| {
            let first = film(user);
            (film(user) + 10 - first) % 10
        };
        assert_eq!((0..4).map(step).collect::<Vec<_>>(), [1, 3, 7, 9]);
    }

    #[test]
    fn no_two_fresh_lists_are_the_same() {
        let lists =
            vec![("/movies?sort=title".to_owned(), 3), ("/movies?sort=-title".to_owned(), 2)];
        let fresh = FreshLists { lists, last: false }.requests(&users(0..2).unwrap());
        let seen: HashSet<_> = (0..100).map(|_| asked(&fresh, 0)).collect();
        assert_eq!(seen.len(), 100);
        assert!(
            (1..=3).all(|page| seen.iter().any(|it| it.contains(&format!("pageNumber={page}&"))))
        );
    }
}
