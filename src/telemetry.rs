//! Log lines: for people on a terminal, else one JSON object a line, on the standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::config::{Config, LogFormat};

/// What the operator has asked for, without the lines that the client of NATS writes at each attempt
/// to come back: the bus tells once what is wrong. Who wants them names them.
fn filter(asked: &str) -> String {
    if asked.contains("async_nats") { asked.to_owned() } else { format!("{asked},async_nats=off") }
}

/// Logging could not be started.
#[derive(Debug, Clone, thiserror::Error)]
#[error("logging cannot be started: {0}")]
pub struct TelemetryError(String);

/// Starts logging for the whole process. Panics are logged as errors, without their backtrace.
///
/// # Errors
/// When the filter cannot be read or logging was started before.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter(&config.log_filter))
        .map_err(|error| TelemetryError(error.to_string()))?;
    let terminal = io::stderr().is_terminal();
    let format =
        config.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let lines = match format {
        LogFormat::Pretty => fmt::layer().with_writer(io::stderr).with_ansi(terminal).boxed(),
        // The request's id stands in the span, and so in every line.
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(io::stderr)
            .boxed(),
    };
    registry()
        .with(lines)
        .with(filter)
        .try_init()
        .map_err(|error| TelemetryError(error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, reason = panic.payload_as_str().unwrap_or("unknown"), "panic");
    }));
    Ok(())
}
