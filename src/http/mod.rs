//! The HTTP interface: JSON under `/api/v1`, its documentation, probes and metrics.
//!
//! A request passes, from the outside in: request id, metrics and the last word on errors
//! (`layers`), the span, the limit on its client, compression, the guard of its route (`guard`), then its handler, which
//! lives in the file named after the first segment of its path.

mod accept;
mod answers;
mod body;
mod check;
mod client_address;
mod conditional;
mod effect;
mod guard;
mod idempotency;
mod layers;
mod openapi;
mod openapi_headers;
mod openapi_texts;
mod pages;
mod policy;
mod problem;
mod query;
mod quotas;
mod red;
mod respond;
mod routes;
mod server;
mod shapes;
mod state;
mod throttle;
mod times;

mod admin;
mod admin_audit;
mod auth;
mod auth_email;
mod auth_password;
mod auth_recovery;
mod auth_refresh;
mod auth_sessions;
mod docs;
mod entitlements;
mod genres;
mod health;
mod metrics;
mod metrics_caches;
mod metrics_reading;
mod metrics_resources;
mod movies;
mod movies_asked;
mod movies_query;
mod movies_trending;
mod packages;
mod packages_read;
mod reports;
mod reports_export;
mod subscriptions;
mod users;
mod watched;
mod watched_at;
mod watched_plays;

pub use openapi::document;
pub use problem::{ErrorCode, FieldError, Problem};
pub use server::{ServerSettings, server};
pub use state::{AppState, Auth, Ports, Readiness, Settings};
