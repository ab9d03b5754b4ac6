//! Exports over a real connection whose client takes its time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use actix::Arbiter;
use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    rt::net::TcpSocket,
    web::{self, Data},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchme_actors::{
    domain::{LastFilm, ThemeCount},
    ports::{ProcessLeases, Reports, SoleProcess},
    report::ReportPorts,
    testing::fakes::{DrivenClock, MemoryBus, MemoryDocuments, ScriptedMarks},
    trending::Tally,
};

use super::*;

const USERS: usize = 10_000;
/// Pages that may be on the way: in the server's buffer and in those of both sockets.
const ON_THE_WAY: usize = 6;
const BUFFER: u32 = 16 * 1024;

struct World {
    marks: ScriptedMarks,
    address: SocketAddr,
    server: ServerHandle,
}

/// Users in the store, and a server that exports their reports.
async fn world() -> World {
    let (marks, documents, clock) =
        (ScriptedMarks::new(), MemoryDocuments::new(), DrivenClock::default());
    for _ in 0..USERS {
        let user = UserId::generate();
        let _ = marks.mark(user, 550, watchme_actors::ports::Clock::now(&clock));
        documents.replace(&marks.truth(user)).await.unwrap();
    }
    let reports = ReportHandle::start(
        &Arbiter::current(),
        ReportPorts {
            reports: Arc::new(documents.clone()),
            watch_log: Arc::new(marks.clone()),
            bus: Arc::new(MemoryBus::new()),
            sync_log: Arc::new(documents),
            leases: ProcessLeases::new(Arc::new(SoleProcess)),
            tally: Tally::default(),
            clock: Arc::new(clock),
        },
    );
    let state = Data::new((Exports::new(), reports));
    let app = move || App::new().app_data(state.clone()).route("/", web::get().to(export));
    let socket = TcpSocket::new_v4().unwrap();
    // Connections have the buffers of their listener.
    socket.set_send_buffer_size(BUFFER).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    World { marks, address, server: handle }
}

async fn export(req: HttpRequest, state: Data<(Exports, ReportHandle)>) -> HttpResponse {
    let form = if req.query_string() == "csv" { Form::Csv } else { Form::Ndjson };
    match state.0.answer(&req, &state.1, Arc::default(), form).await {
        Ok(response) => response,
        Err(problem) => HttpResponse::from_error(problem),
    }
}

impl World {
    async fn ask(&self, target: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

/// The whole lines of a body that was sent in chunks, each of which is whole lines.
fn lines(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let lines = body.lines().filter(|line| line.starts_with(['{', '"']));
    lines.map(str::to_owned).collect()
}

fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"\r\n0\r\n\r\n")
}

#[actix_web::test]
async fn pages_are_read_as_the_client_takes_them() {
    let world = world().await;
    let mut stream = world.ask("/").await;
    let (mut answer, mut part) = (Vec::new(), vec![0; 4 * 1024]);
    loop {
        let read = stream.read(&mut part).await.unwrap();
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
        let taken = lines(&answer).len() / PAGE as usize;
        let fetched = world.marks.lists_read();
        assert!(fetched <= taken + ON_THE_WAY, "{fetched} pages were read, {taken} taken");
    }
    assert!(is_whole(&answer));
    let lines = lines(&answer);
    assert_eq!(lines.len(), USERS);
    let mut ids: Vec<String> = Vec::new();
    for line in &lines {
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(report["totalFilmsWatched"], 1);
        assert_eq!(report["lastFilmWatched"]["movieName"], "Movie 550");
        ids.push(report["userId"].as_str().unwrap().to_owned());
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "each user once, in order");
    assert_eq!(world.marks.lists_read(), USERS / PAGE as usize + 1);
    world.server.stop(false).await;
}

#[actix_web::test]
async fn a_store_that_fails_midway_is_seen_by_the_client() {
    let world = world().await;
    let mut stream = world.ask("/?csv").await;
    let (mut answer, mut part) = (Vec::new(), vec![0; 4 * 1024]);
    while lines(&answer_or_head(&answer)).len() < USERS / 4 {
        let read = stream.read(&mut part).await.unwrap();
        answer.extend_from_slice(&part[..read]);
    }
    world.marks.set_failing(true);
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!is_whole(&answer), "nobody takes it for all there is");
    let lines = lines(&answer);
    assert!((USERS / 4..USERS).contains(&lines.len()), "{} lines", lines.len());
    assert_eq!(lines[1].matches(',').count(), 6);
    // From the beginning it has a status.
    let mut stream = world.ask("/").await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    world.server.stop(false).await;
}

/// What there is, or an empty answer before its head has come.
fn answer_or_head(answer: &[u8]) -> Vec<u8> {
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    if answer.windows(4).any(|it| it == b"\r\n\r\n") { answer.to_vec() } else { head.to_vec() }
}

#[actix_web::test]
async fn there_are_only_so_many_at_once() {
    let world = world().await;
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        let mut stream = world.ask("/").await;
        stream.read_exact(&mut [0; 1024]).await.unwrap();
        held.push(stream);
    }
    let refused = async || {
        let mut stream = world.ask("/").await;
        let mut answer = vec![0; 1024];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        let refused = answer.starts_with("HTTP/1.1 503");
        assert_eq!(refused, answer.contains("retry-after: 10"), "{answer}");
        refused
    };
    assert!(refused().await);
    // Whoever goes leaves a place.
    held.pop();
    let mut tries = 0;
    while refused().await {
        tries += 1;
        assert!(tries < 1_000, "the place is not given back");
        tokio::task::yield_now().await;
    }
    world.server.stop(false).await;
}

#[test]
fn a_cell_is_never_a_formula_and_a_text_stays_one_cell() {
    let report = |name: &str| Report {
        user_id: "0190f5fe-7c00-7a00-8000-000000000001".parse().unwrap(),
        total_films_watched: 12,
        most_watched_theme: Some(ThemeCount {
            theme_id: 18.try_into().unwrap(),
            theme_name: "Drama".to_owned(),
            total_films_watched: 7,
        }),
        last_film_watched: Some(LastFilm {
            movie_id: 550.try_into().unwrap(),
            movie_name: name.to_owned(),
        }),
    };
    let csv = |report: Report, first| {
        let bytes = Form::Csv.lines([report].into_iter(), first).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(
        csv(report("Fight Club"), true),
        "\"userId\",\"totalFilmsWatched\",\"mostWatchedThemeId\",\"mostWatchedThemeName\",\
         \"mostWatchedThemeFilmsWatched\",\"lastFilmWatchedMovieId\",\"lastFilmWatchedMovieName\"\r\n\
         \"0190f5fe-7c00-7a00-8000-000000000001\",12,18,\"Drama\",7,550,\"Fight Club\"\r\n"
    );
    for (name, written) in [
        ("=1+1", "\"'=1+1\""),
        ("+1", "\"'+1\""),
        ("-1", "\"'-1\""),
        ("@SUM(A1)", "\"'@SUM(A1)\""),
        ("\t=1", "\"'\t=1\""),
        ("\r=1", "\"'\r=1\""),
        ("a;=1", "\"a;=1\""),
        ("a\",=1", "\"a\"\",=1\""),
        ("Se7en, part\r\n=2", "\"Se7en, part\r\n=2\""),
    ] {
        assert!(csv(report(name), false).ends_with(&format!(",550,{written}\r\n")), "{name:?}");
    }
    let nothing = Report { most_watched_theme: None, last_film_watched: None, ..report("") };
    assert!(csv(nothing, false).ends_with(",12,\"\",\"\",\"\",\"\",\"\"\r\n"));
}
