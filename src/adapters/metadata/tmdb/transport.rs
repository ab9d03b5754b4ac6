//! One GET request to TMDb, and what its failures mean.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{
    Client, Proxy, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use url::Url;
use watchme_actors::ports::{Clock, MetadataError, current_trace};

use super::{
    clean,
    settings::{TmdbKey, TmdbSettings, TmdbSetupError},
    wire::Refusal,
};
use crate::telemetry::{Kind, Span, Traces};

/// Largest body, decompressed: TMDb's own stay well below 1 MiB.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// A longer wait than this is not believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
const MAX_REASON: usize = 300;

pub(super) struct Transport {
    client: Client,
    base_url: Url,
    key: TmdbKey,
    clock: Arc<dyn Clock>,
    traces: Option<Traces>,
}

impl Transport {
    pub(super) fn new(
        settings: &TmdbSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TmdbSetupError> {
        if !matches!(settings.base_url.scheme(), "http" | "https") {
            return Err(TmdbSetupError::BaseUrl);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = settings.key.bearer_token() {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| client_error("the token has odd characters"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = Client::builder()
            .user_agent(concat!("watchme/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .tcp_keepalive(Duration::from_secs(60))
            .gzip(true)
            // TMDb's API does not redirect: whoever does must not get the key.
            .redirect(Policy::none())
            .referer(false)
            .no_proxy();
        let builder = match &settings.proxy {
            Some(url) => builder.proxy(Proxy::all(url.clone()).map_err(|_| TmdbSetupError::Proxy)?),
            None => builder,
        };
        let client = builder.build().map_err(|error| client_error(&chain(&error.without_url())))?;
        Ok(Self {
            client,
            base_url: settings.base_url.clone(),
            key: settings.key.clone(),
            clock,
            traces: settings.traces.clone(),
        })
    }

    /// The body of a 2xx answer; `None` when TMDb itself says that there is no such thing.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<Vec<u8>>, MetadataError> {
        let mut span = match &self.traces {
            Some(traces) => self.span(traces, path),
            None => Span::default(),
        };
        let outcome = self.exchange(self.url(path, query), &mut span).await;
        if let Err(error) = &outcome {
            span.failed(error.kind());
        }
        outcome
    }

    /// A span for a request. Neither the key nor what somebody searches for is in a path.
    fn span(&self, traces: &Traces, path: &[&str]) -> Span {
        let mut span = traces.begin(Kind::Client, "GET", current_trace());
        if !span.is_recorded() {
            return span;
        }
        let mut url = self.url(path, &[]);
        url.set_query(None);
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let parts = path.iter().map(|part| if number(part) { "{id}" } else { part });
        let base = self.base_url.path().trim_end_matches('/');
        let template = parts.fold(base.to_owned(), |path, part| path + "/" + part);
        span.rename(format!("GET {template}"));
        span.note("http.request.method", "GET");
        span.note("server.address", url.host_str().unwrap_or_default().to_owned());
        if let Some(port) = url.port_or_known_default() {
            span.note("server.port", i64::from(port));
        }
        span.note("url.full", String::from(url));
        span.note("url.template", template);
        span
    }

    async fn exchange(&self, url: Url, span: &mut Span) -> Result<Option<Vec<u8>>, MetadataError> {
        let response = self.client.get(url).send().await;
        let response = response.map_err(|error| self.unavailable(error))?;
        let status = response.status();
        span.note("http.response.status_code", i64::from(status.as_u16()));
        if status.is_success() {
            return self.body(response).await.map(Some);
        }
        if status.is_redirection() {
            return Err(MetadataError::Malformed(format!("a redirect ({status}), not followed")));
        }
        if status.is_server_error() {
            return Err(MetadataError::Unavailable(format!("status {status}")));
        }
        let retry_after = self.retry_after(response.headers());
        // Read even where it is not needed, so that the connection can be used again.
        let body = self.body(response).await.unwrap_or_default();
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        match (status, refusal) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                Err(MetadataError::Unauthorized)
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => Err(MetadataError::RateLimited { retry_after }),
            (StatusCode::NOT_FOUND, Some(_)) => Ok(None),
            // A wrong address or something in between: must not pass for "no such movie".
            (StatusCode::NOT_FOUND, None) => {
                Err(MetadataError::Malformed("a 404 that is not TMDb's own".to_owned()))
            }
            (_, Some(refusal)) => Err(MetadataError::Refused(self.reason(status, refusal))),
            // A proxy or a gateway refuses, not TMDb: it says nothing of what was asked for.
            (_, None) => {
                Err(MetadataError::Malformed(format!("a {status} that is not TMDb's own")))
            }
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base_url.clone();
        // Every http(s) address has path segments; joining would replace the version.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let key = self.key.query_value().map(|key| ("api_key", key));
        url.query_pairs_mut().extend_pairs(query.iter().copied().chain(key));
        url
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, MetadataError> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => {
                    return Err(MetadataError::Malformed(format!(
                        "the answer is longer than {MAX_BODY} bytes"
                    )));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) if error.is_timeout() => return Err(self.unavailable(error)),
                Err(_) => {
                    return Err(MetadataError::Malformed("the answer broke off".to_owned()));
                }
            }
        }
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if text.bytes().all(|b| b.is_ascii_digit()) {
            Duration::from_secs(text.parse().ok()?)
        } else {
            let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            let now = self.clock.now().as_millis();
            // A moment that has passed means: at once.
            Duration::from_millis(
                u64::try_from(until.as_millisecond().saturating_sub(now)).unwrap_or(0),
            )
        };
        Some(wait.min(MAX_RETRY_AFTER))
    }

    fn unavailable(&self, error: reqwest::Error) -> MetadataError {
        let what = if error.is_timeout() { "too slow" } else { "no answer" };
        // The address can hold the key.
        let cause = self.key.redact(&chain(&error.without_url()));
        MetadataError::Unavailable(format!("{what}: {cause}"))
    }

    fn reason(&self, status: StatusCode, refusal: Refusal) -> String {
        let message = clean::line(refusal.status_message, MAX_REASON).unwrap_or_default();
        self.key.redact(&format!("{status}, code {}: {message}", refusal.status_code))
    }
}

fn client_error(reason: &str) -> TmdbSetupError {
    TmdbSetupError::Client(reason.to_owned())
}

/// An error with its causes: reqwest's own words do not say why.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
