//! Prints what is watched, one line per event, as it happens:
//!
//! ```sh
//! cargo run --example subscriber -- nats://localhost:4222
//! ```
//!
//! The server may be named by `NATS_URL` instead; without either it is the one on this machine. It
//! needs nothing of WatchMe but the document `nats/asyncapi.yaml`, which says what comes. With
//! `--durable <name>` it goes on where it stopped the last time, without it begins with what comes
//! from now on. It goes on when the server was away, and when the stream was made anew.
//!
//! The events of a deleted account disappear from the stream, all but the last, `erased`. So that
//! one may be the first that a subscriber sees of a user; what it keeps of the user it deletes.

use std::{error::Error, time::Duration};

use async_nats::{
    ConnectOptions,
    jetstream::{
        self, Message,
        consumer::{DeliverPolicy, pull},
    },
};
use clap::Parser;
use futures_util::StreamExt;
use serde_json::Value;

/// Prints the watch events of a WatchMe installation.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Arguments {
    /// Where NATS is.
    #[arg(env = "NATS_URL", default_value = "nats://localhost:4222")]
    pub(crate) server: String,
    /// Go on where the subscriber of this name stopped; the first time, with the oldest event.
    #[arg(long)]
    pub(crate) durable: Option<String>,
    /// Which events.
    #[arg(long, default_value = "watchme.watch.v1.>")]
    pub(crate) subject: String,
}

/// How long the server keeps the place of a subscriber without a name that is away.
const REMEMBERED: Duration = Duration::from_secs(300);
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Gives every event to `print`, for ever.
///
/// # Errors
/// When the address is none. Whatever else goes wrong is tried again.
pub(crate) async fn follow(
    arguments: Arguments,
    mut print: impl FnMut(String),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = ConnectOptions::new()
        .name("watchme-subscriber")
        .retry_on_initial_connect()
        .connect(&arguments.server)
        .await?;
    let context = jetstream::new(client.clone());
    // A consumer with a random name lives on for a while after a cut.
    let random = client.new_inbox().replace('.', "-");
    let config = pull::Config {
        name: Some(arguments.durable.clone().unwrap_or(random)),
        durable_name: arguments.durable.clone(),
        deliver_policy: match arguments.durable {
            Some(_) => DeliverPolicy::All,
            None => DeliverPolicy::New,
        },
        inactive_threshold: if arguments.durable.is_some() { Duration::ZERO } else { REMEMBERED },
        filter_subject: arguments.subject.clone(),
        ..Default::default()
    };
    loop {
        if let Err(error) = read(&context, &config, &mut print).await {
            eprintln!("# {error}; trying again");
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

/// Reads until something fails.
async fn read(
    context: &jetstream::Context,
    config: &pull::Config,
    print: &mut impl FnMut(String),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stream = context.stream_by_subject(config.filter_subject.clone()).await?;
    let stream = context.get_stream(stream).await?;
    let name = config.name.clone().unwrap_or_default();
    let consumer = stream.get_or_create_consumer(&name, config.clone()).await?;
    eprintln!("# listening to {}", config.filter_subject);
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        print(line(&message));
        // Only now: what could not be printed comes again.
        message.ack().await?;
    }
    Ok(())
}

/// `2026-11-20T06:00:00Z marked <user> seq 7 Fight Club (550)`.
fn line(message: &Message) -> String {
    let Ok(event) = serde_json::from_slice::<Value>(&message.payload) else {
        return format!("{} cannot be read", message.subject);
    };
    let data = &event["data"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let movie = match &data["movie"] {
        Value::Null => String::new(),
        movie => format!(" {} ({})", text(&movie["movieName"]), movie["movieId"]),
    };
    let (time, kind, user) = (text(&event["time"]), text(&data["type"]), text(&event["subject"]));
    format!("{time} {kind} {user} seq {}{movie}", data["seq"])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    follow(Arguments::parse(), |line| println!("{line}")).await
}
