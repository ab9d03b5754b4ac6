//! Where a request belongs in a distributed trace (W3C Trace Context).

use actix_web::{dev::ServiceRequest, http::header::HeaderName};
use watchme_actors::domain::TraceParent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The caller's trace, where it sent one that is well formed; a new one otherwise. Of two, nobody
/// can say which one counts.
pub(super) fn of(req: &ServiceRequest) -> TraceParent {
    let mut sent = req.headers().get_all(TRACEPARENT).filter_map(|value| value.to_str().ok());
    match (sent.next().map(str::parse::<TraceParent>), sent.next()) {
        (Some(Ok(parent)), None) => parent.child(),
        _ => TraceParent::generate(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_of(sent: &[&'static str]) -> String {
        let mut request = TestRequest::default();
        for value in sent {
            request = request.append_header((TRACEPARENT, *value));
        }
        of(&request.to_srv_request()).to_string()
    }

    #[test]
    fn a_well_formed_trace_goes_on_and_any_other_begins_anew() {
        let child = trace_of(&[SENT]);
        assert_eq!((&child[..36], &child[52..]), (&SENT[..36], &SENT[52..]));
        assert_ne!(child, SENT, "this is another piece of work");
        let other = SENT.replace("0af", "1af");
        for wrong in [&[][..], &["x"], &[SENT, SENT], &[&other[1..].to_owned().leak()[..]]] {
            assert_ne!(trace_of(wrong)[..36], SENT[..36], "{wrong:?}");
        }
    }
}
