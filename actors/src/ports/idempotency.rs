//! Requests that may be repeated without being carried out twice.

/// A client's `Idempotency-Key`, bound to who sent it, where and with what. The store keeps it
/// for 24 h in the transaction of the effect; requests that are refused are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Caller and route: the same key elsewhere is another key. At most 200 characters.
    pub scope: String,
    /// As the client sent it; at most 200 characters.
    pub key: String,
    /// A keyed digest of the request's parameters, in hexadecimal.
    pub fingerprint: String,
    /// The same under the secret before, while a secret is being changed.
    pub previous_fingerprint: Option<String>,
}

/// Something that was created, by this request or by an earlier one with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<T> {
    /// By this request.
    Now(T),
    /// By an earlier request: this is what that one was answered, as it was then.
    Before(T),
}

impl<T> Created<T> {
    /// The thing, whoever created it.
    pub fn into_inner(self) -> T {
        match self {
            Self::Now(value) | Self::Before(value) => value,
        }
    }
}
