//! How NATS is reached.

use watchme::adapters::bus::{Nats, NatsBus, NatsError, NatsSettings, jetstream::Namespace};
use watchme_actors::ports::EventBus;

use crate::support::nats::{Installation, PrivateServer, until};

#[test]
fn addresses_are_of_nats() {
    let settings = NatsSettings::new("one:4333, tls://two").unwrap();
    let servers: Vec<_> = settings.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["nats://one:4333", "tls://two"]);
    for wrong in ["", "http://one", "nats://", "one,,two", "nats://one:port"] {
        assert_eq!(NatsSettings::new(wrong).unwrap_err(), NatsError::Address, "{wrong}");
    }
}

#[test]
fn a_namespace_is_one_plain_word() {
    for right in ["watchme", "a", "staging-2", "t_1"] {
        assert_eq!(right.parse::<Namespace>().unwrap().to_string(), right);
    }
    let long = "x".repeat(33);
    for wrong in ["", "A", "1a", "a.b", "a b", "a*", "a>", "é", long.as_str()] {
        assert!(wrong.parse::<Namespace>().is_err(), "{wrong}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let settings =
        NatsSettings::new("nats://me:canary-password@one,nats://canary-token@two").unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains("canary") && shown.contains("nats://one:4222"), "{shown}");
}

#[tokio::test]
async fn the_credentials_of_the_address_are_used() {
    let credentials = ["--user", "watch me", "--pass", "s/3:c@t"];
    let Some(server) = PrivateServer::start_with(&credentials).await else { return };
    let address = server.url().replace("//", "//watch%20me:s%2F3%3Ac%40t@");
    let right = Installation::on(&address);
    let nats = right.connect().await;
    NatsBus::new(&nats).check().await.unwrap();

    let wrong = Installation::on(&server.url().replace("//", "//watch%20me:wrong@"));
    let nats = Nats::connect(&wrong.settings).await.unwrap();
    assert!(NatsBus::new(&nats).check().await.is_err());
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_told_at_once() {
    let mut settings = NatsSettings::new("nats://127.0.0.1:1").unwrap();
    settings.credentials = Some("/nowhere/at/all.creds".into());
    assert!(matches!(Nats::connect(&settings).await, Err(NatsError::Credentials(_))));
}

/// What is declared is made by whoever comes first, and a second one changes nothing.
#[tokio::test]
async fn several_replicas_may_start_at_once() {
    let Some(installation) = Installation::fresh() else { return };
    let connections = futures_util::future::join_all((0..5).map(|_| installation.connect())).await;
    for nats in &connections {
        let bus = NatsBus::new(nats);
        until("it is connected", || nats.is_connected()).await;
        drop(bus.consume(3).await.unwrap());
        bus.check().await.unwrap();
    }
}
