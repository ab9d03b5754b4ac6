//! The one route table: method, path, handler, who may, and the errors of the handler's own.
//!
//! Everything else follows from it: registration, guards, 405 with `Allow`, and the paths, access
//! and error codes of the OpenAPI document. Of two paths that match, one without
//! a place for a value wins, else the first in the table.

use std::collections::HashSet;

use actix_web::{
    HttpResponse, Resource, Route,
    guard::{Any, Get, Head, Method as MethodGuard},
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use utoipa::OpenApi;

use super::{
    ErrorCode, Problem, admin, admin_audit, auth, auth_email, auth_password, auth_recovery,
    auth_refresh, auth_sessions, docs, entitlements, genres, guard, health, metrics, movies,
    movies_trending, openapi::Complete, packages, policy::Access, reports, subscriptions, users,
    watched, watched_plays,
};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Module and function of the handler: its operation's id.
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// What the handler may answer besides what access, body and query bring.
    pub(crate) errors: &'static [ErrorCode],
    /// The route that leads to the handler, without its guards.
    pub(crate) handler: fn() -> Route,
}

macro_rules! routes {
    ($($method:ident $path:literal => $module:ident :: $handler:ident, $access:ident
       $(, [$($code:ident),* $(,)?])?;)*) => {
        /// Every route, in order of matching.
        pub(crate) static TABLE: &[Row] = &[$(Row {
            method: Method::$method,
            path: $path,
            name: concat!(stringify!($module), "_", stringify!($handler)),
            access: Access::$access,
            errors: &[$($(ErrorCode::$code),*)?],
            handler: || web::route().to($module::$handler),
        }),*];

        /// What the handlers say of themselves; `openapi` completes it out of the table.
        #[derive(OpenApi)]
        #[openapi(paths($($module::$handler),*), modifiers(&Complete))]
        pub(crate) struct ApiDoc;
    };
}

routes! {
    GET "/api/v1/movies" => movies::list, User, [Overloaded, GenresNotReady];
    GET "/api/v1/movies/popular" => movies::popular, User, [Overloaded, GenresNotReady];
    GET "/api/v1/movies/trending" => movies_trending::list, User, [Overloaded, GenresNotReady];
    GET "/api/v1/movies/search" => movies::search, User, [Overloaded, GenresNotReady];
    GET "/api/v1/movies/{id}" => movies::details, User, [MovieNotFound, MovieNotEntitled, MetadataUnavailable, Overloaded, GenresNotReady];

    GET "/api/v1/watched" => watched::list, User, [GenresNotReady];
    GET "/api/v1/watched/{movieId}" => watched::read, User, [MovieNotFound, NotWatched, GenresNotReady];
    PUT "/api/v1/watched/{movieId}" => watched::mark, User, [MovieNotFound, MovieNotEntitled, MetadataUnavailable, Overloaded, GenresNotReady];
    DELETE "/api/v1/watched/{movieId}" => watched::unmark, User, [MovieNotFound];
    POST "/api/v1/watched/{movieId}/plays" => watched_plays::add, User, [MovieNotFound, NotWatched, TooManyPlays];
    DELETE "/api/v1/watched/{movieId}/plays/{playId}" => watched_plays::delete, User, [MovieNotFound, NotWatched, PlayNotFound];

    POST "/api/v1/auth/register" => auth::register, Public, [EmailTaken, MailUnavailable, Overloaded];
    POST "/api/v1/auth/login" => auth::login, Public, [InvalidCredentials, AccountDisabled, Overloaded];
    POST "/api/v1/auth/refresh" => auth_refresh::refresh, Public, [InvalidRefreshToken];
    POST "/api/v1/auth/logout" => auth_sessions::logout, SignedIn;
    GET "/api/v1/auth/sessions" => auth_sessions::list, SignedIn;
    DELETE "/api/v1/auth/sessions/{id}" => auth_sessions::end, SignedIn, [SessionNotFound];
    PUT "/api/v1/auth/password" => auth_password::change, User, [WrongPassword, Overloaded];
    POST "/api/v1/auth/password/forgot" => auth_recovery::forgot, Public, [MailUnavailable];
    POST "/api/v1/auth/password/reset" => auth_recovery::reset, Public, [InvalidMailToken, Overloaded];
    POST "/api/v1/auth/email/verify" => auth_email::verify, Public, [InvalidMailToken, EmailTaken];
    POST "/api/v1/auth/email/verification" => auth_email::send_again, SignedIn, [MailUnavailable];

    GET "/api/v1/users/me" => users::me, SignedIn;
    GET "/api/v1/users" => users::list, Admin;
    GET "/api/v1/users/{id}" => users::read, SelfOrAdmin;
    PUT "/api/v1/users/{id}" => users::replace, Owner, [EmailTaken, TooManyRequests, MailUnavailable];
    DELETE "/api/v1/users/{id}" => users::delete, SelfOrAdmin, [LastAdmin];
    PATCH "/api/v1/admin/users/{id}" => admin::change_user, Admin, [UserNotFound, LastAdmin];
    GET "/api/v1/admin/audit" => admin_audit::list, Admin;

    GET "/api/v1/genres" => genres::list, User, [GenresNotReady];
    GET "/api/v1/genres/sync" => genres::sync_status, Admin;
    POST "/api/v1/genres/sync" => genres::sync_now, Admin, [SyncRunning, MetadataUnavailable, Overloaded];

    GET "/api/v1/packages" => packages::list, User, [AdminOnly, GenresNotReady];
    POST "/api/v1/packages" => packages::create, PackageCreator, [PackageNameTaken, GenresNotReady];
    GET "/api/v1/packages/{id}" => packages::read, User, [PackageNotFound, GenresNotReady];
    GET "/api/v1/packages/{id}/versions" => packages::versions, User, [PackageNotFound, GenresNotReady];
    PUT "/api/v1/packages/{id}" => packages::edit, PackageCreator, [NotOwner, PackageNotFound, PackageNameTaken, PackageArchived, VersionMismatch, GenresNotReady];
    DELETE "/api/v1/packages/{id}" => packages::archive, Admin, [PackageNotFound];

    GET "/api/v1/subscriptions" => subscriptions::list, User;
    POST "/api/v1/subscriptions" => subscriptions::create, User, [SelfServiceOff, PackageNotFound, PackageArchived, AlreadySubscribed];
    DELETE "/api/v1/subscriptions/{id}" => subscriptions::cancel, User, [SubscriptionNotFound];
    GET "/api/v1/users/{id}/subscriptions" => subscriptions::list_of_user, Admin, [UserNotFound];
    POST "/api/v1/users/{id}/subscriptions" => subscriptions::create_for_user, Admin, [UserNotFound, PackageNotFound, PackageArchived, AlreadySubscribed];
    GET "/api/v1/entitlements" => entitlements::read, User, [Overloaded, GenresNotReady];

    DELETE "/api/v1/admin/cache/movies" => admin::forget_movies, Admin;
    DELETE "/api/v1/admin/cache/movies/{id}" => admin::forget_movie, Admin, [MovieNotFound];

    GET "/api/v1/reports/me" => reports::mine, User, [Overloaded, GenresNotReady];
    GET "/api/v1/reports" => reports::list, Admin, [Overloaded, GenresNotReady];
    GET "/api/v1/reports/users/{id}" => reports::of_user, Admin, [UserNotFound, Overloaded, GenresNotReady];

    GET "/livez" => health::livez, Public;
    GET "/readyz" => health::readyz, Public;
    GET "/health" => health::health, Public;
    GET "/metrics" => metrics::metrics, Public;
    GET "/api/openapi.json" => docs::openapi_json, Public;
}

/// Registers the table: rows of one path share a resource, paths of one kind of thing a scope. What is
/// of another kind is told by the beginning of its path, which costs next to nothing; to compare a path
/// with one that has a place for a value costs the most by far.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let mut seen = HashSet::new();
    let mut kinds: Vec<(&str, Vec<Resource>)> = Vec::new();
    let (dynamic, fixed): (Vec<_>, Vec<_>) = TABLE.iter().partition(|row| row.path.contains('{'));
    for Row { path, .. } in fixed.into_iter().chain(dynamic).filter(|row| seen.insert(row.path)) {
        let kind = kind(path);
        let resource = resource(path, &path[kind.len()..]);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, resources)) => resources.push(resource),
            None => kinds.push((kind, vec![resource])),
        }
    }
    for (kind, resources) in kinds {
        let scope = resources.into_iter().fold(web::scope(kind), |scope, it| scope.service(it));
        config.service(scope);
    }
}

/// What a path is about, as its beginning: `/api/v1/movies` of `/api/v1/movies/{id}`. No path matches
/// one of another kind.
fn kind(path: &str) -> &str {
    let of_version = path.strip_prefix("/api/v1/").and_then(|rest| rest.split_once('/'));
    of_version.map_or(path, |(_, rest)| &path[..path.len() - rest.len() - 1])
}

/// The rows of a path, whose end this is within its kind.
fn resource(path: &str, end: &str) -> Resource {
    let rows = || TABLE.iter().filter(|row| row.path == path);
    let resource = rows().fold(web::resource(end), |resource, row| resource.route(route(row)));
    resource.default_service(refuse_method(allowed(rows().map(|row| &row.method))))
}

fn route(row: &'static Row) -> Route {
    let route = (row.handler)();
    // Whatever can be read can be asked for its head; the server leaves the body out.
    let route = if row.method == Method::GET {
        route.guard(Any(Get()).or(Head()))
    } else {
        route.guard(MethodGuard(row.method.clone()))
    };
    route.wrap(from_fn(move |req, next| guard::enter(row, req, next)))
}

/// The value of `Allow` for an address that answers these methods.
pub(crate) fn allowed<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut allow: Vec<&str> = Vec::new();
    for method in methods {
        allow.push(method.as_str());
        if *method == Method::GET {
            allow.push("HEAD");
        }
    }
    allow.join(", ")
}

/// The answer to every method that an address does not have.
pub(crate) fn refuse_method(allow: String) -> Route {
    web::to(move || {
        let problem = Problem::method_not_allowed(allow.clone());
        async move { HttpResponse::from_error(problem) }
    })
}

#[cfg(test)]
mod tests {
    use actix_web::Handler;

    use super::*;

    /// Bytes of the future of a handler.
    fn size<Args, H: Handler<Args>>(_: H) -> usize {
        size_of::<H::Future>()
    }

    /// Else the other's paths were never reached: a scope takes all that begins as it does.
    #[test]
    fn no_kind_of_thing_is_within_another() {
        let kinds: HashSet<_> = TABLE.iter().map(|row| kind(row.path)).collect();
        for row in TABLE {
            let within = kinds.iter().filter(|kind| {
                row.path
                    .strip_prefix(**kind)
                    .is_some_and(|end| end.is_empty() || end.starts_with('/'))
            });
            assert_eq!(within.count(), 1, "{}", row.path);
        }
    }

    /// It is copied several times on its way to where it is polled.
    #[test]
    fn what_answers_from_memory_has_no_room_for_more() {
        for (handler, size) in [
            ("movies::list", size(movies::list)),
            ("movies::popular", size(movies::popular)),
            ("movies::search", size(movies::search)),
            ("movies::details", size(movies::details)),
            ("movies_trending::list", size(movies_trending::list)),
            ("genres::list", size(genres::list)),
            ("packages::list", size(packages::list)),
            ("packages::read", size(packages::read)),
            ("packages::versions", size(packages::versions)),
            ("entitlements::read", size(entitlements::read)),
        ] {
            assert!(size <= 1_024, "{handler} takes {size} bytes");
        }
    }
}
