//! Who may do what, said a second time: a wrong word in the service's own table fails here.

/// Who may use an operation, in the words of the document's `x-access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Public,
    /// Anybody who is signed in, also before the address is verified.
    SignedIn,
    User,
    Admin,
    /// Oneself also before the address is verified.
    SelfOrAdmin,
    Owner,
    PackageCreator,
}

impl Access {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::SignedIn => "signed_in",
            Self::User => "user",
            Self::Admin => "admin",
            Self::SelfOrAdmin => "self_or_admin",
            Self::Owner => "owner",
            Self::PackageCreator => "package_creator",
        }
    }
}

/// Whose the thing is that the path names beside a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// Everybody's, or the path names none.
    Open,
    /// The owner's; to others there is none.
    Owners,
    /// The owner's; admins may too; to others there is none.
    OwnersAndAdmins,
}

/// One operation and who may use it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) thing: Thing,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Anonymous,
    /// With a token that was an admin's and has expired.
    Expired,
    /// With the token of an admin who was disabled.
    Disabled,
    /// With the token of an admin who signed out.
    Ended,
    /// A user whom nothing of the request belongs to.
    Other,
    /// The user whom the request is about.
    Owner,
    /// An admin whom nothing of the request belongs to.
    Admin,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done.
    Granted,
    /// It is refused before anything else of the request is looked at.
    Refused(u16),
    /// The thing that the path names is none to this caller.
    Hidden,
}

impl Caller {
    pub(crate) const ALL: [Self; 7] = [
        Self::Anonymous,
        Self::Expired,
        Self::Disabled,
        Self::Ended,
        Self::Other,
        Self::Owner,
        Self::Admin,
    ];
}

impl Rule {
    /// What the policy says, where admins alone create packages.
    pub(crate) fn verdict(&self, caller: Caller) -> Verdict {
        use Verdict::{Granted, Hidden, Refused};
        match (caller, self.access) {
            (_, Access::Public) => Granted,
            (Caller::Anonymous | Caller::Expired | Caller::Disabled | Caller::Ended, _) => {
                Refused(401)
            }
            (Caller::Other | Caller::Owner, Access::Admin | Access::PackageCreator) => Refused(403),
            (Caller::Other, Access::SelfOrAdmin | Access::Owner) => Refused(404),
            (Caller::Admin, Access::Owner) => Refused(403),
            (Caller::Other, _) if self.thing != Thing::Open => Hidden,
            (Caller::Admin, _) if self.thing == Thing::Owners => Hidden,
            _ => Granted,
        }
    }
}

const fn rule(method: &'static str, path: &'static str, access: Access) -> Rule {
    Rule { method, path, access, thing: Thing::Open }
}

const fn owners(method: &'static str, path: &'static str, access: Access) -> Rule {
    Rule { method, path, access, thing: Thing::Owners }
}

/// Every operation of the document.
pub(crate) const POLICY: &[Rule] = &[
    rule("POST", "/api/v1/auth/register", Access::Public),
    rule("POST", "/api/v1/auth/login", Access::Public),
    rule("POST", "/api/v1/auth/refresh", Access::Public),
    rule("POST", "/api/v1/auth/logout", Access::SignedIn),
    rule("GET", "/api/v1/auth/sessions", Access::SignedIn),
    owners("DELETE", "/api/v1/auth/sessions/{id}", Access::SignedIn),
    rule("PUT", "/api/v1/auth/password", Access::User),
    rule("POST", "/api/v1/auth/password/forgot", Access::Public),
    rule("POST", "/api/v1/auth/password/reset", Access::Public),
    rule("POST", "/api/v1/auth/email/verify", Access::Public),
    rule("POST", "/api/v1/auth/email/verification", Access::SignedIn),
    rule("GET", "/api/v1/users/me", Access::SignedIn),
    rule("GET", "/api/v1/users", Access::Admin),
    rule("GET", "/api/v1/users/{id}", Access::SelfOrAdmin),
    rule("PUT", "/api/v1/users/{id}", Access::Owner),
    rule("DELETE", "/api/v1/users/{id}", Access::SelfOrAdmin),
    rule("PATCH", "/api/v1/admin/users/{id}", Access::Admin),
    rule("GET", "/api/v1/admin/audit", Access::Admin),
    rule("GET", "/api/v1/genres", Access::User),
    rule("GET", "/api/v1/genres/sync", Access::Admin),
    rule("POST", "/api/v1/genres/sync", Access::Admin),
    rule("GET", "/api/v1/packages", Access::User),
    rule("POST", "/api/v1/packages", Access::PackageCreator),
    rule("GET", "/api/v1/packages/{id}", Access::User),
    rule("GET", "/api/v1/packages/{id}/versions", Access::User),
    rule("PUT", "/api/v1/packages/{id}", Access::PackageCreator),
    rule("DELETE", "/api/v1/packages/{id}", Access::Admin),
    rule("GET", "/api/v1/subscriptions", Access::User),
    rule("POST", "/api/v1/subscriptions", Access::User),
    Rule {
        thing: Thing::OwnersAndAdmins,
        ..rule("DELETE", "/api/v1/subscriptions/{id}", Access::User)
    },
    rule("GET", "/api/v1/users/{id}/subscriptions", Access::Admin),
    rule("POST", "/api/v1/users/{id}/subscriptions", Access::Admin),
    rule("GET", "/api/v1/entitlements", Access::User),
    rule("GET", "/api/v1/movies", Access::User),
    rule("GET", "/api/v1/movies/popular", Access::User),
    rule("GET", "/api/v1/movies/trending", Access::User),
    rule("GET", "/api/v1/movies/search", Access::User),
    rule("GET", "/api/v1/movies/{id}", Access::User),
    rule("DELETE", "/api/v1/admin/cache/movies", Access::Admin),
    rule("DELETE", "/api/v1/admin/cache/movies/{id}", Access::Admin),
    rule("GET", "/api/v1/watched", Access::User),
    // A mark is its user's: the same path names another one for everybody.
    owners("GET", "/api/v1/watched/{movieId}", Access::User),
    rule("PUT", "/api/v1/watched/{movieId}", Access::User),
    rule("DELETE", "/api/v1/watched/{movieId}", Access::User),
    owners("POST", "/api/v1/watched/{movieId}/plays", Access::User),
    owners("DELETE", "/api/v1/watched/{movieId}/plays/{playId}", Access::User),
    rule("GET", "/api/v1/reports/me", Access::User),
    rule("GET", "/api/v1/reports", Access::Admin),
    rule("GET", "/api/v1/reports/users/{id}", Access::Admin),
    rule("GET", "/livez", Access::Public),
    rule("GET", "/readyz", Access::Public),
    rule("GET", "/health", Access::Public),
    rule("GET", "/metrics", Access::Public),
    rule("GET", "/api/openapi.json", Access::Public),
];
