//! The body of a request: read by the extractor, judged by the handler when its turn comes.

use std::{
    fmt::{self, Write},
    pin::Pin,
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, error::Category};
use watchme_actors::domain::Invalid;
use zeroize::{Zeroize, Zeroizing};

use super::{ErrorCode, FieldError, Problem, layers::Place};

const MAX_BYTES: usize = 64 * 1024;
/// A body that is too large is read on and thrown away up to this, so that the client gets to
/// read the answer.
const MAX_DRAINED: usize = 16 * 1024 * 1024;
/// For the whole body to arrive: the server has no timer of its own for it.
const ARRIVAL: Duration = Duration::from_secs(7);

/// The request's body was read to its end. Its extractor notes it.
pub(crate) struct BodyTaken;

/// A body of at most 64 KiB. What is wrong with it is remembered: extracting it fails only where too
/// many changes are under way.
pub(crate) struct RawBody {
    content: Result<Bytes, ErrorCode>,
    is_json: bool,
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = req.content_type().eq_ignore_ascii_case("application/json");
        let announced = req
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let mut payload = payload.take();
        let req = req.clone();
        Box::pin(async move {
            if announced.is_some_and(|length| length > MAX_DRAINED) {
                return Ok(Self { content: Err(ErrorCode::BodyTooLarge), is_json });
            }
            let place = req.extensions().get::<Place>().cloned();
            place.iter().for_each(Place::leave);
            let content = tokio::time::timeout(ARRIVAL, read(&mut payload)).await;
            if matches!(content, Ok(Ok(_))) {
                req.extensions_mut().insert(BodyTaken);
            }
            if !place.iter().all(Place::enter) {
                return Err(Problem::of(ErrorCode::Overloaded));
            }
            Ok(Self { content: content.unwrap_or(Err(ErrorCode::RequestTimeout)), is_json })
        })
    }
}

async fn read(payload: &mut Payload) -> Result<Bytes, ErrorCode> {
    let mut content = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ErrorCode::MalformedRequest)?;
        seen = seen.saturating_add(chunk.len());
        if seen > MAX_DRAINED {
            break;
        }
        if seen <= MAX_BYTES {
            content.extend_from_slice(&chunk);
        } else {
            // Fifty such bodies at once are to take no more than their connections do.
            content = BytesMut::new();
        }
    }
    if seen > MAX_BYTES { Err(ErrorCode::BodyTooLarge) } else { Ok(content.freeze()) }
}

impl RawBody {
    /// The body as JSON.
    ///
    /// # Errors
    /// 415, 413 and 408; 400 for what is not JSON; 422 for what is not of this shape.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let content = self.content()?;
        // The whole text first: a syntax error behind a wrong value is a syntax error. And an
        // object: out of an array serde would fill the fields by their order.
        if json::<Shape>(content)? != Shape::Object {
            let error = FieldError::new("body", Invalid::new("invalid_type", "must be an object"));
            return Err(Problem::invalid(ErrorCode::ValidationFailed, vec![error]));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(content);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            match error.inner().classify() {
                Category::Data => {
                    let error = explain(&path, &error.inner().to_string());
                    Problem::invalid(ErrorCode::ValidationFailed, vec![error])
                }
                _ => Problem::of(ErrorCode::MalformedJson),
            }
        })
    }

    /// The body as JSON, or the default where there is none.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        match &self.content {
            Ok(content) if content.is_empty() => Ok(T::default()),
            _ => self.parse(),
        }
    }

    /// The same text for bodies that mean the same: without blanks, keys in order. Its memory is
    /// wiped: it may hold a password.
    pub(crate) fn canonical(&self) -> Result<Zeroizing<String>, Problem> {
        match &self.content {
            Ok(content) if content.is_empty() => Ok(Zeroizing::default()),
            _ => {
                let content = self.content()?;
                let value = json::<Value>(content)?;
                // Room for all of it: a text that grows leaves copies behind.
                let mut text = Zeroizing::new(String::with_capacity(2 * content.len()));
                let written = write!(text, "{value}");
                wipe(value);
                written.map_err(|_| Problem::of(ErrorCode::Internal))?;
                Ok(text)
            }
        }
    }

    fn content(&self) -> Result<&[u8], Problem> {
        // Without a body the type does not matter: what is missing is the body.
        let empty = matches!(&self.content, Ok(content) if content.is_empty());
        if !self.is_json && !empty {
            return Err(Problem::of(ErrorCode::UnsupportedMediaType));
        }
        self.content.as_deref().map_err(|code| Problem::of(*code))
    }
}

fn json<'de, T: Deserialize<'de>>(content: &'de [u8]) -> Result<T, Problem> {
    serde_json::from_slice(content).map_err(|error| {
        let place = format!("at line {} column {}", error.line(), error.column());
        Problem::new(ErrorCode::MalformedJson, format!("the body is not valid JSON {place}"))
    })
}

/// Wipes every text of a value; keys are none of a client's secrets.
fn wipe(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(values) => values.into_iter().for_each(wipe),
        Value::Object(fields) => fields.into_iter().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What JSON is, without a copy of what it says.
#[derive(PartialEq, Eq)]
enum Shape {
    Object,
    Other,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

/// Looks at every part. (`IgnoredAny` skips: it takes what is no Unicode, and nesting without end.)
struct Looking;

impl<'de> Visitor<'de> for Looking {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<Shape>()?.is_some() {}
        Ok(Shape::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Shape, A::Error> {
        while fields.next_entry::<Shape, Shape>()?.is_some() {}
        Ok(Shape::Object)
    }
}

/// A field that may be left out but, where it is given, is not null: with
/// `#[serde(default, deserialize_with = "given")]`.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// What serde says about a value, without echoing the value.
pub(crate) fn explain(path: &str, message: &str) -> FieldError {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    let (field, reason) = if message.starts_with("unknown field") {
        (quoted.to_owned(), Invalid::new("unknown_field", "is not a known field"))
    } else if message.starts_with("missing field") {
        (quoted.to_owned(), Invalid::new("required", "is required"))
    } else if message.starts_with("duplicate field") {
        (quoted.to_owned(), Invalid::new("duplicate", "must be given once"))
    } else {
        // The last one: what was found stands before it, and may hold the words itself.
        let expected = message.rsplit_once(", expected ").map(|(_, rest)| {
            match rest.split(" at line ").next().unwrap_or(rest) {
                "i64" | "u64" | "u32" => "a whole number",
                "a sequence" => "a list",
                "a boolean" => "true or false",
                rest if rest.starts_with("struct ") => "an object",
                rest => rest,
            }
        });
        let reason =
            expected.map_or_else(|| "is not valid".to_owned(), |what| format!("must be {what}"));
        let field = if path == "." { "body" } else { path };
        return FieldError::new(field, Invalid::new("invalid_type", reason));
    };
    let parent = path.strip_suffix(field.as_str()).unwrap_or(path).trim_matches('.');
    // It is the client's own text, and goes into a log line.
    let field: String = field.chars().filter(|c| !c.is_control()).take(100).collect();
    let full = if parent.is_empty() { field } else { format!("{parent}.{field}") };
    FieldError::new(&full, reason)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::{FromRequest, test::TestRequest};

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Sample {
        name: String,
        genre_ids: Vec<i64>,
    }

    async fn body(content_type: &'static str, bytes: impl Into<Bytes>) -> RawBody {
        let request = TestRequest::post().insert_header(("Content-Type", content_type));
        let (request, mut payload) = request.set_payload(bytes).to_http_parts();
        RawBody::from_request(&request, &mut payload).await.unwrap()
    }

    async fn refused(bytes: impl Into<Bytes>) -> Problem {
        body("application/json", bytes).await.parse::<Sample>().unwrap_err()
    }

    fn first_field(problem: &Problem) -> (String, String) {
        let error = problem.errors().first().unwrap();
        (error.field.clone(), error.code.to_string())
    }

    #[actix_web::test]
    async fn a_body_parses_with_any_spelling_of_its_type() {
        let text = r#"{"name": "a", "genreIds": [1]}"#;
        for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
            let parsed: Sample = body(content_type, text).await.parse().unwrap();
            assert_eq!(parsed, Sample { name: "a".into(), genre_ids: vec![1] });
        }
    }

    #[actix_web::test]
    async fn the_type_comes_before_the_size_and_the_size_before_the_syntax() {
        let large = vec![b'x'; MAX_BYTES + 1];
        let of = |body: RawBody| body.parse::<Sample>().unwrap_err().code();
        assert_eq!(of(body("text/plain", large.clone()).await), ErrorCode::UnsupportedMediaType);
        assert_eq!(of(body("application/json", large).await), ErrorCode::BodyTooLarge);
        assert_eq!(of(body("application/json", "{").await), ErrorCode::MalformedJson);
        assert_eq!(of(body("application/json", "").await), ErrorCode::MalformedJson);
        assert_eq!(of(body("application/json", "{} x").await), ErrorCode::MalformedJson);
        let deep = "[".repeat(10_000);
        assert_eq!(of(body("application/json", deep).await), ErrorCode::MalformedJson);
        assert_eq!(
            of(body("application/json", r#"{"name":"\ud800"}"#).await),
            ErrorCode::MalformedJson
        );
    }

    #[actix_web::test]
    async fn what_is_looked_at_is_what_a_value_could_be_made_of() {
        for text in [
            "{}",
            r#"{"a":[null,true,-1,18446744073709551615,1.5,"\u00e9\n",{"b":{}}]}"#,
            r#"{"a":1,"a":2}"#,
            "[]",
            "null",
            "1e999",
            r#"{"a":"\udc00"}"#,
            "{\"a\":\"\u{0}\"}",
            "{\"a\":01}",
            &format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127)),
            &format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126)),
        ] {
            let (value, shape) = (json::<Value>(text.as_bytes()), json::<Shape>(text.as_bytes()));
            match (value, shape) {
                (Ok(value), Ok(shape)) => {
                    assert_eq!(value.is_object(), shape == Shape::Object, "{text}");
                }
                (Err(_), Err(_)) => {}
                (value, _) => panic!("{text}: {}", value.is_ok()),
            }
        }
        assert!(json::<Shape>(b"{\"a\":\"\xff\"}").is_err());
    }

    #[actix_web::test]
    async fn a_syntax_error_behind_a_wrong_value_is_a_syntax_error() {
        assert_eq!(refused(r#"{"name": 1, "#).await.code(), ErrorCode::MalformedJson);
    }

    #[actix_web::test]
    async fn a_wrong_shape_names_the_field() {
        for (text, field, code) in [
            (r#"{"name": 1, "genreIds": []}"#, "name", "invalid_type"),
            (r#"{"name": "a", "genreIds": [1, "2"]}"#, "genreIds[1]", "invalid_type"),
            (r#"{"name": "a"}"#, "genreIds", "required"),
            (r#"{"name": "a", "genreIds": [], "x": 1}"#, "x", "unknown_field"),
            (r#"{"name": "a", "name": "b", "genreIds": []}"#, "name", "duplicate"),
        ] {
            let problem = refused(text).await;
            assert_eq!(problem.code(), ErrorCode::ValidationFailed, "{text}");
            assert_eq!(first_field(&problem), (field.to_owned(), code.to_owned()), "{text}");
        }
        assert_eq!(refused("7").await.code(), ErrorCode::ValidationFailed);
        assert_eq!(first_field(&refused("7").await).0, "body");
    }

    #[actix_web::test]
    async fn the_value_is_not_echoed() {
        let problem = refused(r#"{"name": "a", "genreIds": ["canary"]}"#).await;
        assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
    }

    #[actix_web::test]
    async fn bodies_that_mean_the_same_have_one_canonical_text() {
        let first = body("application/json", r#"{"a":1, "b": [2]}"#).await.canonical().unwrap();
        let second = body("application/json", r#"{ "b":[2],"a":1}"#).await.canonical().unwrap();
        assert_eq!(first, second);
    }

    #[actix_web::test]
    async fn a_body_may_be_left_out_where_it_has_a_default() {
        let parsed: Sample = body("text/plain", "").await.parse_or_default().unwrap();
        assert_eq!(parsed, Sample::default());
    }
}
