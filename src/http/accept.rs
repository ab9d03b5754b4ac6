//! Which form of an answer a client wants, out of `Accept` (RFC 9110, section 12.5.1).

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header, Quality},
};

/// The wanted one of what is offered, best first where the client does not care; `None` where it
/// takes none of them. A header that cannot be read is taken for none.
pub(crate) fn best<T: Copy>(req: &HttpRequest, offered: &[(&str, T)]) -> Option<T> {
    let accepted = Accept::parse(req).map(|accept| accept.0).unwrap_or_default();
    if accepted.is_empty() {
        return offered.first().map(|(_, form)| *form);
    }
    let mut best: Option<(Quality, T)> = None;
    for (kind, form) in offered {
        // What is said of this type counts, whatever is said of all like it.
        let said = accepted
            .iter()
            .filter_map(|range| Some((covers(range.item.essence_str(), kind)?, range.quality)))
            .max_by_key(|(closeness, _)| *closeness);
        if let Some((_, quality)) = said
            && quality > Quality::ZERO
            && best.is_none_or(|(so_far, _)| quality > so_far)
        {
            best = Some((quality, *form));
        }
    }
    best.map(|(_, form)| form)
}

/// How closely a range of media types names this one; `None` where it does not.
fn covers(range: &str, kind: &str) -> Option<u8> {
    let (main, sub) = range.split_once('/')?;
    match (main, sub) {
        ("*", "*") => Some(0),
        (main, "*") => kind.split_once('/').is_some_and(|(of, _)| of == main).then_some(1),
        _ => (range == kind).then_some(2),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const OFFERED: [(&str, &str); 3] =
        [("application/json", "json"), ("text/csv", "csv"), ("application/x-ndjson", "ndjson")];

    fn wanted(accept: &'static str) -> Option<&'static str> {
        best(&TestRequest::default().insert_header(("accept", accept)).to_http_request(), &OFFERED)
    }

    #[test]
    fn who_does_not_care_gets_the_first() {
        assert_eq!(best(&TestRequest::default().to_http_request(), &OFFERED), Some("json"));
        for any in ["*/*", "application/*", "", "nonsense", "text/html,*/*;q=0.8"] {
            assert_eq!(wanted(any), Some("json"), "{any}");
        }
    }

    #[test]
    fn the_most_wanted_one_wins_and_what_is_named_closest_counts() {
        for (accept, form) in [
            ("text/csv", "csv"),
            ("Text/CSV; charset=utf-8", "csv"),
            ("application/x-ndjson", "ndjson"),
            ("text/*", "csv"),
            ("text/csv;q=0.5, application/x-ndjson", "ndjson"),
            ("text/csv;q=0.5, application/x-ndjson;q=0.4", "csv"),
            ("text/csv, application/json", "json"),
            ("application/json;q=0, */*", "csv"),
            ("*/*;q=0.1, application/x-ndjson;q=0.2", "ndjson"),
            ("application/*;q=0.9, application/json;q=0.1, text/csv;q=0.5", "ndjson"),
        ] {
            assert_eq!(wanted(accept), Some(form), "{accept}");
        }
    }

    #[test]
    fn who_takes_nothing_of_it_gets_nothing() {
        for none in ["text/html", "text/csv;q=0", "image/*, application/xml", "*/*;q=0"] {
            assert_eq!(wanted(none), None, "{none}");
        }
    }
}
