//! Log lines: for people on a terminal, else one JSON object a line, on the standard error.

use std::{
    fmt,
    io::{self, IsTerminal},
};
#[cfg(unix)]
use std::{fs::File, sync::Arc};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::Targets,
    fmt::{
        self as lines, FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Format, Json, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry,
    registry::LookupSpan,
    util::SubscriberInitExt,
};
use watchme_actors::ports::current_trace;

use super::TelemetryError;
use crate::config::{Config, LogFormat};

/// What the operator has asked for, without the lines that the client of NATS writes at each attempt
/// to come back: the bus tells once what is wrong. Who wants them names them. Where no spans are
/// named, none are looked at.
fn filter<S: Subscriber>(asked: &str) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError> {
    let asked =
        if asked.contains("async_nats") { asked.into() } else { format!("{asked},async_nats=off") };
    let directives: Vec<_> = asked.split(',').filter(|it| !it.is_empty()).collect();
    // What the plain filter would take for something else.
    let plain = !directives.iter().any(|it| it.contains('[') || it.ends_with('='));
    if plain && let Ok(targets) = directives.join(",").parse::<Targets>() {
        return Ok(targets.boxed());
    }
    let filter =
        EnvFilter::try_new(asked).map_err(|error| TelemetryError::Logs(error.to_string()))?;
    Ok(filter.boxed())
}

/// Standard error, without the lock that threads which log at the same time would wait for: a line is
/// one write, which a file takes whole, and a pipe up to 4 KiB; hardly one is longer.
#[cfg(unix)]
fn standard_error() -> io::Result<Arc<File>> {
    use std::os::fd::AsFd;

    Ok(Arc::new(io::stderr().as_fd().try_clone_to_owned()?.into()))
}

/// Standard error.
#[cfg(not(unix))]
fn standard_error() -> io::Result<fn() -> io::Stderr> {
    Ok(io::stderr)
}

fn json_lines<S>() -> lines::Layer<S, JsonFields, Placed<Format<Json>>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_current_span(false)
        .map_event_format(Placed)
}

/// Starts logging for the whole process. Panics are logged as errors, without their backtrace.
///
/// # Errors
/// When the filter cannot be read or logging was started before.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    let filter = filter(&config.log_filter)?;
    let terminal = io::stderr().is_terminal();
    let out = standard_error().map_err(|error| TelemetryError::Logs(error.to_string()))?;
    let format =
        config.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let lines = match format {
        LogFormat::Pretty => lines::layer().with_writer(out).with_ansi(terminal).boxed(),
        // The request's id stands in the span, and so in every line.
        LogFormat::Json => json_lines().with_writer(out).boxed(),
    };
    registry()
        .with(lines)
        .with(filter)
        .try_init()
        .map_err(|error| TelemetryError::Logs(error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, reason = panic.payload_as_str().unwrap_or("unknown"), "panic");
    }));
    Ok(())
}

/// Lines of JSON that begin with the ids of trace and span of the work that writes them, in the
/// names that viewers of logs look for, and with the innermost span of the log. The latter as it was
/// written when it began: the library's own way is to read and write it anew for each line.
struct Placed<F>(F);

impl<S, N, F> FormatEvent<S, N> for Placed<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_char('{')?;
        if let Some(trace) = current_trace() {
            let (trace, span) = (trace.trace_id(), trace.span_id());
            write!(writer, "\"trace_id\":\"{trace:032x}\",\"span_id\":\"{span:016x}\",")?;
        }
        if let Some(span) = context.parent_span() {
            write!(writer, "\"span\":{{\"name\":\"{}\"", span.name())?;
            let extensions = span.extensions();
            let fields =
                extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            match fields.and_then(|fields| fields.strip_prefix('{')) {
                None | Some("}") => writer.write_char('}')?,
                Some(fields) => {
                    writer.write_char(',')?;
                    writer.write_str(fields)?;
                }
            }
            writer.write_char(',')?;
        }
        let mut rest = WithoutFirst { writer: &mut writer, first: true };
        self.0.format_event(context, Writer::new(&mut rest), event)
    }
}

/// Drops the first character, the brace that opens an object: it is written already.
struct WithoutFirst<'a, 'w> {
    writer: &'a mut Writer<'w>,
    first: bool,
}

impl fmt::Write for WithoutFirst<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.first && !text.is_empty() {
            self.first = false;
            return self.writer.write_str(text.strip_prefix('{').unwrap_or(text));
        }
        self.writer.write_str(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{info, info_span, subscriber::with_default};

    use super::*;

    /// The lines that something logs.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);

        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let written = Lines::default();
        let out = written.clone();
        let lines = json_lines().with_writer(move || out.clone());
        with_default(registry().with(lines), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_its_span_whatever_that_holds() {
        let lines = logged(|| {
            info!("outside");
            info_span!("bare").in_scope(|| info!("in a bare one"));
            let span = info_span!("late", id = 1, found = tracing::field::Empty);
            span.in_scope(|| info!(n = 2, "before"));
            span.record("found", "a \"word\"");
            span.in_scope(|| info!("after"));
        });
        let spans: Vec<_> = lines.iter().map(|line| line.get("span").cloned()).collect();
        assert_eq!(
            spans,
            [
                None,
                Some(json!({ "name": "bare" })),
                Some(json!({ "name": "late", "id": 1 })),
                Some(json!({ "name": "late", "id": 1, "found": "a \"word\"" })),
            ]
        );
        assert_eq!((&lines[2]["message"], &lines[2]["n"]), (&json!("before"), &json!(2)));
    }
}
