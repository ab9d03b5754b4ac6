use std::os::unix::fs::PermissionsExt;

use super::*;

/// A `docker` that notes what it is told.
fn docker(folder: &tempfile::TempDir) -> PathBuf {
    let program = folder.path().join("docker");
    let told = folder.path().join("told");
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> '{}'\necho true\n", told.display()))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn a_container_is_run_once_started_again_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let run = (vec!["--publish=1:2".to_owned()], vec!["--flag".to_owned()]);
    let mut container =
        Container::new(docker(&folder), Engine::Nats, "image:1", run, Box::new(|| true)).unwrap();
    let name = container.name.clone();
    container.start().unwrap();
    assert!(container.is_running());
    container.kill().unwrap();
    assert!(!container.is_running());
    container.start().unwrap();
    container.stop().unwrap();
    container.erase().unwrap();
    container.start().unwrap();
    drop(container);

    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let expected = [
        format!("run --detach --name={name} --publish=1:2 image:1 --flag"),
        format!("inspect --format {{{{.State.Running}}}} {name}"),
        format!("kill {name}"),
        format!("start {name}"),
        format!("stop -t 30 {name}"),
        format!("rm --force --volumes {name}"),
        format!("run --detach --name={name} --publish=1:2 image:1 --flag"),
        format!("rm --force --volumes {name}"),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn names_differ_so_that_many_can_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let new = || {
        let run = (Vec::new(), Vec::new());
        Container::new(docker(&folder), Engine::MySql, "i:1", run, Box::new(|| true)).unwrap()
    };
    assert_ne!(new().name, new().name);
}
