//! `docker-compose.yml` is in step with what the tests run and with what the service understands.
//! It cannot be started here; `docker compose config` has the last word on its form.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;
use url::Url;
use watchme::config::Config;
use watchme_engines::versions;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn compose() -> Value {
    let text = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn services() -> serde_json::Map<String, Value> {
    compose()["services"].as_object().unwrap().clone()
}

/// A value as compose would put it in place, with something for every secret.
fn interpolated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').expect("it is closed");
        out += before;
        out += match variable.split_once(":-") {
            Some((_, default)) => default,
            None => "a-secret-that-is-longer-than-thirty-two-bytes",
        };
        rest = after;
    }
    out + rest
}

#[test]
fn the_engines_are_those_that_the_tests_run() {
    let services = services();
    for (service, image) in [
        ("mysql", versions::MYSQL_IMAGE),
        ("mongodb", versions::MONGODB_IMAGE),
        ("nats", versions::NATS_IMAGE),
        ("prometheus", versions::PROMETHEUS_IMAGE),
    ] {
        assert_eq!(services[service]["image"], image);
    }
    let command: Vec<&str> =
        services["mysql"]["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for argument in versions::MYSQL_ARGUMENTS {
        assert!(command.contains(&argument), "{argument}");
    }
}

#[test]
fn every_service_is_pinned_and_watched() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let tag = image.split_once(':').expect("an image has a tag").1;
        assert!(tag.starts_with(|it: char| it.is_ascii_digit() || it == 'v'), "{name}: {image}");
        assert!(!service["healthcheck"]["test"].is_null(), "{name} has a health check");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
    }
}

#[test]
fn what_is_mounted_is_there() {
    let compose = compose();
    for (name, service) in services() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(path) => assert!(root().join(path).exists(), "{name}: {path}"),
                None => assert!(compose["volumes"].get(source).is_some(), "{name}: {source}"),
            }
        }
    }
}

#[test]
fn the_service_understands_its_settings_and_runs_as_several() {
    let service = services()["watchme"].clone();
    assert!(service["deploy"]["replicas"].as_u64().unwrap() >= 2);
    let environment: BTreeMap<String, String> = service["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), interpolated(value.as_str().unwrap())))
        .collect();
    let missing = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let config = Config::load(&|name| environment.get(name).cloned(), &missing).unwrap();
    assert!(config.is_replicated());
    // Clients are told apart behind the load balancer.
    let network = &compose()["networks"]["default"]["ipam"]["config"][0]["subnet"];
    let trusted: Vec<String> =
        config.network.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, [network.as_str().unwrap()]);
    // Mails go to the server beside it.
    let mails = config.accounts.mail.smtp_url.as_ref().expect("it is set");
    let mails = Url::parse(mails.expose()).unwrap();
    assert!(service["depends_on"].get(mails.host_str().unwrap()).is_some());
    // So do traces.
    let traces = config.traces.endpoint.as_ref().expect("it is set");
    assert!(services().contains_key(traces.host_str().unwrap()), "{traces}");
    assert_eq!(traces.port(), Some(4318), "OTLP over HTTP");
    let shown = config.print();
    for name in environment.keys() {
        assert!(shown.contains(name.as_str()), "{name} is a setting");
    }
}

/// What the image is built of: everything of the workspace, and how it is built.
#[test]
fn the_image_is_built_of_the_whole_workspace() {
    let manifest: toml::Value =
        toml::from_str(&fs::read_to_string(root().join("Cargo.toml")).unwrap()).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    for member in members.iter().map(|it| it.as_str().unwrap()).chain([".cargo", "Cargo.lock"]) {
        let folder = member.split('/').next().unwrap();
        let allowed = ignored.lines().any(|line| line.strip_prefix('!') == Some(folder));
        assert!(allowed, "{folder} is not in the image's context");
    }
}
