//! The settings of traces: those of OpenTelemetry by their own names, as far as there is a choice.

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;
use watchme_actors::domain::Invalid;

use super::{
    Secret,
    parse::{url, wrong},
    source::{
        Show::{Masked, Plain},
        Source,
    },
};

/// The only protocol there is; it goes to another port than gRPC.
const PROTOCOL: &str = "http/protobuf";
/// Where a collector takes traces, below its own address.
const PATH: [&str; 2] = ["v1", "traces"];

/// Where traces go, and how many of them.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// Where spans are posted; nothing is traced when `None`.
    pub endpoint: Option<Url>,
    /// Sent with them; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// The service's name.
    pub service_name: String,
    /// What else is said of the service, such as `deployment.environment.name`.
    pub attributes: Vec<(String, String)>,
    /// The share of traces that is kept of those that begin here, from 0 to 1.
    pub sample: f64,
}

pub(super) fn traces(source: &mut Source<'_>) -> Option<TraceConfig> {
    let endpoint = source.get("OTEL_EXPORTER_OTLP_ENDPOINT", None, Plain, endpoint);
    source.get("OTEL_EXPORTER_OTLP_PROTOCOL", Some(PROTOCOL), Plain, |text| {
        let known = text == PROTOCOL;
        known.then_some(()).ok_or_else(|| wrong(format!("must be `{PROTOCOL}`")))
    });
    let headers = source.get("OTEL_EXPORTER_OTLP_HEADERS", None, Masked, |text| {
        pairs(text)?.into_iter().map(header).collect()
    });
    let service_name =
        source.get("OTEL_SERVICE_NAME", Some("watchme"), Plain, |text| Ok(text.to_owned()));
    let attributes = source.get("OTEL_RESOURCE_ATTRIBUTES", None, Plain, pairs);
    let sample = source.get("WATCHME_TRACE_SAMPLE", Some("1"), Plain, |text| {
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        share.ok_or_else(|| wrong("must be a number from 0 to 1, such as 0.1"))
    });
    Some(TraceConfig {
        endpoint,
        headers: headers.unwrap_or_default(),
        service_name: service_name?,
        attributes: attributes.unwrap_or_default(),
        sample: sample?,
    })
}

fn endpoint(text: &str) -> Result<Url, Invalid> {
    let mut url = url(text, &["http", "https"])?;
    // It is shown to operators.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not carry a name or a password; OTEL_EXPORTER_OTLP_HEADERS may"));
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(PATH);
    }
    Ok(url)
}

/// `key=value` with commas between, values percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Invalid> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
    };
    text.split(',')
        .map(|part| pair(part).ok_or_else(|| wrong("must be `key=value`, separated by commas")))
        .collect()
}

fn header((name, value): (String, String)) -> Result<(String, Secret), Invalid> {
    let fits = HeaderName::try_from(&name).is_ok() && HeaderValue::try_from(&value).is_ok();
    fits.then(|| (name, Secret::new(value)))
        .ok_or_else(|| wrong("must be headers of HTTP, as `name=value`, separated by commas"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn spans_are_posted_below_the_address_of_the_collector() {
        for (set, posted) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otel.example/", "https://otel.example/v1/traces"),
            ("https://otel.example/in/here/", "https://otel.example/in/here/v1/traces"),
        ] {
            assert_eq!(endpoint(set).unwrap().as_str(), posted);
        }
        for wrong in ["localhost:4318", "grpc://localhost", "https://me:secret@otel.example"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_pairs_whose_values_may_be_encoded() {
        let read = |text: &str| -> Result<Vec<_>, Invalid> {
            pairs(text)?.into_iter().map(header).collect()
        };
        let headers = read("authorization=Basic%20YTpi, x-tenant = a=b").unwrap();
        let shown: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(shown, [("authorization", "Basic YTpi"), ("x-tenant", "a=b")]);
        for wrong in ["authorization", "=x", "a b=c", "a=%0a", "a=b,"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
