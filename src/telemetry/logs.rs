//! Log lines: for people on a terminal, else one JSON object a line, on the standard error.

use std::{
    fmt::{self, Write},
    io::{self, IsTerminal},
};
#[cfg(unix)]
use std::{fs::File, sync::Arc};

use serde::{Serializer, ser::SerializeMap};
use tracing::{Event, Subscriber, span::Record};
use tracing_log::NormalizeEvent;
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::{
    EnvFilter, Layer,
    field::RecordFields,
    filter::Targets,
    fmt::{
        self as lines, FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry,
    registry::LookupSpan,
    util::SubscriberInitExt,
};
use watchme_actors::ports::current_trace;

use super::TelemetryError;
use crate::config::{Config, LogFormat};

/// Bytes that hardly a line has more of.
const LINE: usize = 512;
/// Those of a time of RFC 3339 with microseconds.
const TIME: usize = 27;

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

fn json_lines<S>() -> lines::Layer<S, Members, Line>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines::layer().fmt_fields(Members).event_format(Line)
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

/// A line of JSON, with the innermost span of the log, and with the ids of trace and span of the work
/// that writes it, in the names that viewers of logs look for. With the library's own lines a read costs
/// 6 % more: they are handed on in small parts, and the fields of a span are sorted first.
struct Line;

impl<S> FormatEvent<S, Members> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // What comes from the crate `log` has its target among its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut time = String::with_capacity(TIME);
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (level, target) = (metadata.level().as_str(), metadata.target());
        let first = [("timestamp", time.as_str()), ("level", level), ("target", target)];
        let mut line = String::with_capacity(LINE);
        line.push('{');
        line.push_str(&members(&first, event)?);
        if let Some(span) = context.parent_span() {
            let name = serde_json::to_string(span.name()).map_err(|_| fmt::Error)?;
            write!(line, r#","span":{{"name":{name}"#)?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Members>>() {
                push(&mut line, fields);
            }
            line.push('}');
        }
        if let Some(trace) = current_trace() {
            let (trace, span) = (trace.trace_id(), trace.span_id());
            write!(line, r#","trace_id":"{trace:032x}","span_id":"{span:016x}""#)?;
        }
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// Writes fields as the members of an object, in their order. One that is told twice stands there twice, of
/// which readers take the last.
struct Members;

impl<'a> FormatFields<'a> for Members {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        writer.write_str(&members(&[], fields)?)
    }

    fn add_fields(
        &self,
        current: &'a mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        push(&mut current.fields, &members(&[], fields)?);
        Ok(())
    }
}

/// Adds members to others.
fn push(others: &mut String, members: &str) {
    if !others.is_empty() && !members.is_empty() {
        others.push(',');
    }
    others.push_str(members);
}

/// The members of an object, without its braces.
fn members(first: &[(&str, &str)], fields: impl RecordFields) -> Result<String, fmt::Error> {
    let object = object(first, fields).map_err(|_| fmt::Error)?;
    let mut text = String::from_utf8(object).map_err(|_| fmt::Error)?;
    text.pop();
    text.remove(0);
    Ok(text)
}

fn object(first: &[(&str, &str)], fields: impl RecordFields) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(LINE);
    let mut serializer = serde_json::Serializer::new(&mut text);
    let mut object = serializer.serialize_map(None)?;
    for (name, value) in first {
        object.serialize_entry(name, value)?;
    }
    let mut visitor = SerdeMapVisitor::new(object);
    fields.record(&mut visitor);
    visitor.finish()?;
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{error, info, info_span, subscriber::with_default};
    use tracing_log::{format_trace, log};
    use watchme_actors::domain::Timestamp;

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

    #[test]
    fn a_line_says_when_and_where_it_was_written_and_what_it_holds_in_its_types() {
        let lines = logged(|| {
            let error = io::Error::other("a \"reason\"\nin two lines");
            error!(target: "some\"where", %error, size = 0.5, known = true, none = None::<u8>, "told");
            tracing::event!(tracing::Level::WARN, none = None::<u8>);
        });
        let time = lines[0]["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok(), "{time}");
        let mut told = lines[0].clone();
        told["timestamp"].take();
        assert_eq!(
            told,
            json!({
                "timestamp": null, "level": "ERROR", "target": "some\"where", "message": "told",
                "error": "a \"reason\"\nin two lines", "size": 0.5, "known": true,
            })
        );
        assert_eq!((&lines[1]["level"], lines[1].as_object().unwrap().len()), (&json!("WARN"), 3));
    }

    #[test]
    fn a_line_of_a_library_that_uses_the_crate_log_says_where_it_comes_from() {
        let lines = logged(|| {
            let metadata = log::Metadata::builder().target("a_library").build();
            let args = format_args!("connected");
            let record = log::Record::builder().metadata(metadata).args(args).build();
            format_trace(&record).unwrap();
        });
        assert_eq!(
            (&lines[0]["target"], &lines[0]["message"]),
            (&json!("a_library"), &json!("connected"))
        );
    }
}
