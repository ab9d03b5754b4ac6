//! The name of a request, in its answer, in every log line, and in its problem.

use std::rc::Rc;

use actix_web::dev::ServiceRequest;
use uuid::Uuid;

use super::REQUEST_ID_HEADER;

const MAX_LENGTH: usize = 128;

/// The caller's own id where it is well formed, else a new UUID.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Rc<str>);

impl RequestId {
    pub(crate) fn of(request: &ServiceRequest) -> Self {
        let sent = request.headers().get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok());
        match sent.filter(|text| is_well_formed(text)) {
            Some(text) => Self(text.into()),
            None => Self::new(),
        }
    }

    /// A new UUID.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer())[..].into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_well_formed(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn id_for(sent: &str) -> RequestId {
        let request = TestRequest::default().insert_header((REQUEST_ID_HEADER, sent));
        RequestId::of(&request.to_srv_request())
    }

    #[test]
    fn a_well_formed_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for("Ab.9_-").as_str(), "Ab.9_-");
        assert_eq!(id_for(&"a".repeat(128)).as_str().len(), 128);
        for bad in ["", "a b", "a\u{e9}", "<script>", &"a".repeat(129)] {
            let id = id_for(bad);
            assert!(Uuid::try_parse(id.as_str()).is_ok(), "{bad:?} became {id:?}");
        }
    }
}
