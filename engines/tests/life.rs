//! Each engine, from its start to its end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use watchme_engines::{Engine, EngineError, Instance, Options, private_or_skip};

fn instance(engine: Engine, test: &str) -> Option<Instance> {
    private_or_skip(engine, &Options::default(), test).unwrap()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn becomes(wanted: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if wanted() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// What holds for every engine.
fn lives(engine: Engine, test: &str) {
    let Some(mut server) = instance(engine, test) else { return };
    let (url, port) = (server.url().to_owned(), server.port());
    assert!(server.is_running() && listens(port));
    // Only native servers have their data where a test can put a mark.
    let mark = server.data_dir().map(|data| data.join("watchme-test-mark"));
    let marked = || mark.as_ref().is_none_or(|mark| mark.exists());
    if let Some(mark) = &mark {
        fs::write(mark, "").unwrap();
    }

    assert!(matches!(server.erase_data(), Err(EngineError::Running(_))));
    for end in [Instance::kill, Instance::stop] {
        end(&mut server).unwrap();
        assert!(!server.is_running() && !listens(port));
        server.start().unwrap();
        assert!(server.is_running() && listens(port) && marked());
        assert_eq!((server.url(), server.port()), (url.as_str(), port));
    }

    server.kill().unwrap();
    server.erase_data().unwrap();
    assert!(mark.is_none() || !marked());
    server.start().unwrap();

    let mut other = instance(engine, test).expect("a second one beside the first");
    assert_ne!(other.port(), port);
    assert!(other.is_running() && server.is_running());

    drop(server);
    assert!(!listens(port));
    assert!(mark.is_none_or(|mark| !mark.parent().is_some_and(|data| data.exists())));
}

#[test]
fn mysql_lives() {
    lives(Engine::MySql, "mysql_lives");
}

#[test]
fn mongodb_lives() {
    lives(Engine::MongoDb, "mongodb_lives");
}

#[test]
fn nats_lives() {
    lives(Engine::Nats, "nats_lives");
}

/// Asks JetStream over the text protocol, and gives its answer.
fn jetstream(port: u16, subject: &str, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = request.len();
    write!(
        stream,
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\n\
         PUB $JS.API.{subject} answer {length}\r\n{request}\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("MSG answer")).unwrap();
    lines.next().unwrap()
}

#[test]
fn a_stream_outlives_a_kill_and_goes_with_the_store() {
    let test = "a_stream_outlives_a_kill_and_goes_with_the_store";
    let Some(mut nats) = instance(Engine::Nats, test) else { return };
    let port = nats.port();
    let created = jetstream(port, "STREAM.CREATE.KEPT", r#"{"name":"KEPT","subjects":["kept.>"]}"#);
    assert!(created.contains("stream_create_response"), "{created}");

    nats.kill().unwrap();
    nats.start().unwrap();
    assert!(jetstream(port, "STREAM.NAMES", "").contains("KEPT"));

    nats.stop().unwrap();
    nats.erase_data().unwrap();
    nats.start().unwrap();
    assert!(!jetstream(port, "STREAM.NAMES", "").contains("KEPT"));
}

const STARTER: &str = "WATCHME_ENGINES_TEST_STARTER";

/// The other half of the test below, in a process of its own; nothing otherwise.
#[test]
fn starter() {
    if std::env::var_os(STARTER).is_none() {
        return;
    }
    let nats = instance(Engine::Nats, "starter").expect("NATS");
    let folder = nats.data_dir().unwrap_or_default();
    println!("\nstarted {} {}", nats.port(), folder.display());
    loop {
        thread::park();
    }
}

#[test]
fn an_engine_ends_when_its_starter_is_killed() {
    let test = "an_engine_ends_when_its_starter_is_killed";
    if instance(Engine::Nats, test).is_none() {
        return;
    }
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "starter", "--nocapture"])
        .env(STARTER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = BufReader::new(starter.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find(|line| line.starts_with("started "))
        .unwrap();
    let mut words = line.split(' ').skip(1);
    let port: u16 = words.next().unwrap().parse().unwrap();
    let folder = PathBuf::from(words.next().unwrap());
    assert!(listens(port));

    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(becomes(|| !listens(port)), "the server outlived its starter");
    assert!(becomes(|| !folder.exists()), "the data outlived its server");
}
