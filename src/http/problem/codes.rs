//! The one table of error codes: what a program reads, the status, what a person reads.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// Why a request was refused. The words are stable: clients branch on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant),* }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable, snake_case word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The HTTP status that it always comes with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// A short sentence, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// The framework could not make sense of the request.
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request could not be read";
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not valid JSON";
    /// A query parameter is unknown or not valid.
    InvalidQuery = "invalid_query", BAD_REQUEST, "A query parameter is not valid";
    /// A request header is not valid.
    InvalidHeader = "invalid_header", BAD_REQUEST, "A request header is not valid";
    /// No credentials.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Sign in first";
    /// The access token cannot be accepted.
    InvalidToken = "invalid_token", UNAUTHORIZED, "The access token is not valid";
    /// The access token was good once.
    TokenExpired = "token_expired", UNAUTHORIZED, "The access token has expired";
    /// The token's account was deleted or disabled.
    AccountInactive = "account_inactive", UNAUTHORIZED, "The account cannot be used any more";
    /// The token's session was ended, or has expired.
    SessionEnded = "session_ended", UNAUTHORIZED, "The session has ended: sign in again";
    /// Login failed.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "E-mail address or password is wrong";
    /// The refresh token cannot be accepted (any more).
    InvalidRefreshToken = "invalid_refresh_token", UNAUTHORIZED, "The refresh token is not valid: sign in again";
    /// Only admins may.
    AdminOnly = "admin_only", FORBIDDEN, "Only an admin may do this";
    /// Only the owner may, admins included.
    NotOwner = "not_owner", FORBIDDEN, "Only the owner may change this";
    /// An admin has locked the account.
    AccountDisabled = "account_disabled", FORBIDDEN, "The account is disabled";
    /// The account can only be used to verify its address.
    EmailNotVerified = "email_not_verified", FORBIDDEN, "Verify your e-mail address first";
    /// The current password that came with a change is another one.
    WrongPassword = "wrong_password", FORBIDDEN, "The current password is wrong";
    /// No active subscription permits the movie.
    MovieNotEntitled = "movie_not_entitled", FORBIDDEN, "Your subscriptions do not include this movie";
    /// The operator has switched self-service off.
    SelfServiceOff = "self_service_off", FORBIDDEN, "Only an admin can subscribe users here";
    /// No such route.
    NotFound = "not_found", NOT_FOUND, "There is nothing at this address";
    /// No such account, or not one that the caller may know of.
    UserNotFound = "user_not_found", NOT_FOUND, "There is no such user";
    /// No such session, or not one of the caller's.
    SessionNotFound = "session_not_found", NOT_FOUND, "There is no such session";
    /// No such package.
    PackageNotFound = "package_not_found", NOT_FOUND, "There is no such package";
    /// No such subscription, or not one that the caller may know of.
    SubscriptionNotFound = "subscription_not_found", NOT_FOUND, "There is no such subscription";
    /// No such movie.
    MovieNotFound = "movie_not_found", NOT_FOUND, "There is no such movie";
    /// The caller has not marked the movie.
    NotWatched = "not_watched", NOT_FOUND, "The movie is not marked as watched";
    /// The mark has no such play.
    PlayNotFound = "play_not_found", NOT_FOUND, "There is no such play";
    /// The address exists, the method does not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This method is not allowed here";
    /// No acceptable encoding or media type.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "Nothing that the client accepts can be sent";
    /// Head or body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// Another account has the address.
    EmailTaken = "email_taken", CONFLICT, "Another account has this e-mail address";
    /// The last active admin has to stay one.
    LastAdmin = "last_admin", CONFLICT, "This is the last active admin";
    /// Another package has the name.
    PackageNameTaken = "package_name_taken", CONFLICT, "Another package has this name";
    /// The package takes no changes and no new subscriptions.
    PackageArchived = "package_archived", CONFLICT, "The package is archived";
    /// The user holds the package already.
    AlreadySubscribed = "already_subscribed", CONFLICT, "There is an active subscription to this package";
    /// The mark has as many plays as it may have.
    TooManyPlays = "too_many_plays", CONFLICT, "The movie has as many plays as it may have";
    /// Another replica is synchronising.
    SyncRunning = "sync_running", CONFLICT, "A synchronisation is under way elsewhere";
    /// The editor saw another version.
    VersionMismatch = "version_mismatch", PRECONDITION_FAILED, "The package has changed since you read it";
    /// The body is too large.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The address is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "The address is too long";
    /// The body is not of a type that the route takes.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be application/json";
    /// The body parses, but its values are not valid.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "Some values are not valid";
    /// The token that came by mail is unknown, used or expired.
    InvalidMailToken = "invalid_mail_token", UNPROCESSABLE_ENTITY, "The token is not valid any more: ask for a new one";
    /// The key came before, with other parameters.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used with other parameters";
    /// `If-Match` is missing.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "If-Match is required";
    /// Too many requests.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    /// The headers are too large.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request headers are too large";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    /// A store does not answer.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "A store is unavailable";
    /// More is being asked than can be done at once.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The service is busy";
    /// No list of genres has been fetched yet.
    GenresNotReady = "genres_not_ready", SERVICE_UNAVAILABLE, "The list of genres is not there yet";
    /// No way to send mails has been set up.
    MailUnavailable = "mail_unavailable", SERVICE_UNAVAILABLE, "Mails cannot be sent from here";
    /// TMDb cannot be asked, and the answer is not stored.
    MetadataUnavailable = "metadata_unavailable", SERVICE_UNAVAILABLE, "The source of the catalogue is unavailable";
}

impl ErrorCode {
    /// The code for an error that the framework answered without one.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::NOT_ACCEPTABLE => Self::NotAcceptable,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadersTooLarge,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            other if other.is_client_error() => Self::MalformedRequest,
            _ => Self::Internal,
        }
    }
}
