//! A client in another language, from its registry, receives events and finds them as published.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use async_nats::jetstream;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};
use watchme::adapters::bus::NatsBus;
use watchme_actors::{domain::UserId, ports::EventBus};

use crate::{
    samples,
    support::{engines, nats::Installation},
};

/// The interpreter of the subscriber: `python3`, or what this variable names.
const PYTHON: &str = "WATCHME_TEST_PYTHON";
const PATIENCE: Duration = Duration::from_secs(60);

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/foreign").join(file)
}

fn ran(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Python with the pinned requirements, made once for each list of them.
fn python() -> Option<PathBuf> {
    let named = std::env::var(PYTHON).ok().filter(|path| !path.is_empty());
    let system = named.clone().unwrap_or_else(|| "python3".to_owned());
    let there = Command::new(&system).args(["-c", "import venv, ensurepip"]).output();
    if !there.is_ok_and(|it| it.status.success()) {
        assert!(named.is_none(), "{PYTHON} names no Python that can make environments");
        let reason = format!("no python3 with venv, and {PYTHON} is not set");
        let noted = watchme_engines::note_skip("Python", &engines::test(), &reason);
        return engines::had(noted.map(|()| None));
    }
    let requirements = example("requirements.txt");
    let digest = Sha256::digest(fs::read(&requirements).unwrap());
    let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    let done = folder.join("complete");
    if !done.exists() {
        let _ = fs::remove_dir_all(&folder);
        ran(Command::new(system).args(["-m", "venv"]).arg(&folder));
        ran(Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements));
        fs::write(done, "").unwrap();
    }
    Some(folder.join("bin/python"))
}

/// The subscriber, listening.
async fn subscriber(python: &Path, installation: &Installation, count: usize) -> Child {
    let mut child = tokio::process::Command::new(python)
        .arg(example("subscriber.py"))
        .args(["--server", &installation.url()])
        .args(["--namespace", &installation.settings.namespace.to_string()])
        .args(["--count", &count.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    loop {
        match timeout(PATIENCE, notes.next_line()).await.unwrap().unwrap() {
            Some(note) if note == "# ready" => break,
            Some(note) => seen.push(note),
            None => panic!("it ended: {seen:#?}"),
        }
    }
    // What it says later must not block it.
    tokio::spawn(async move { while let Ok(Some(_)) = notes.next_line().await {} });
    child
}

#[tokio::test]
async fn a_foreign_client_finds_events_as_published() {
    let Some(python) = python() else { return };
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    drop(bus.consume(0).await.unwrap());
    let user = UserId::generate();
    let sent = samples::messages(user);

    let child = subscriber(&python, &installation, sent.len()).await;
    assert!(bus.publish(sent.clone()).await.iter().all(Result::is_ok));
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let kinds = ["marked", "updated", "unmarked", "unmarked", "erased"];
    let expected: Vec<_> = kinds
        .iter()
        .zip(1..)
        .map(|(kind, seq)| format!("valid watchme.watch.v1.{kind} {user} {seq} "))
        .collect();
    for (line, expected) in printed.lines().zip(&expected) {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(printed.lines().count(), expected.len());

    // It would have noticed one that is not.
    let child = subscriber(&python, &installation, 1).await;
    let subject = installation.subject(&format!("watchme.watch.v1.0.marked.{user}"));
    let wrong = sent[0].payload.replace("\"seq\":1", "\"seq\":0");
    let context = jetstream::new(installation.raw().await);
    let body = format!("{{\"type\": \"watchme.watch.v1.marked\", \"data\": {wrong}}}");
    context.publish(subject, body.into()).await.unwrap().await.unwrap();
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}
