//! The example subscriber, over a server that is killed under it.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/subscriber.rs"]
mod subscriber;

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use watchme::adapters::bus::NatsBus;
use watchme_actors::{domain::UserId, ports::EventBus};

use crate::{
    samples,
    support::nats::{Installation, PrivateServer, until},
};

#[tokio::test]
async fn the_example_goes_on_after_the_server_was_killed() {
    let Some(mut server) = PrivateServer::start().await else { return };
    let installation = Installation::on(server.url());
    let nats = installation.connect().await;
    let bus = NatsBus::new(&nats);
    let user = UserId::generate();
    let sent = samples::messages(user);
    assert!(bus.publish(sent[..2].to_vec()).await.iter().all(Result::is_ok));

    let (print, mut lines) = mpsc::unbounded_channel();
    let arguments = subscriber::Arguments {
        server: server.url().to_owned(),
        durable: Some("example".to_owned()),
        subject: installation.subject("watchme.watch.v1.>"),
    };
    let following = tokio::spawn(subscriber::follow(arguments, move |line| {
        let _ = print.send(line);
    }));
    let mut line = async || timeout(Duration::from_secs(30), lines.recv()).await.unwrap().unwrap();
    let (first, second) = (line().await, line().await);
    assert!(first.ends_with(&format!("marked {user} seq 1 Fight \"Club\" – é (550)")), "{first}");
    assert!(second.contains("updated"), "{second}");

    server.kill().await;
    server.again().await;
    until("NATS is connected again", || nats.is_connected()).await;
    assert!(bus.publish(sent[2..].to_vec()).await.iter().all(Result::is_ok));
    let mut last = line().await;
    while !last.contains("erased") {
        last = line().await;
    }
    assert!(last.ends_with(&format!("erased {user} seq 5")), "{last}");
    following.abort();
}
