//! Limits, outages and answers that are none.

use super::*;
use crate::support::tmdb_double::V4_TOKEN;

async fn retry_after(
    double: &TmdbDouble,
    tmdb: &TmdbHttp,
    header: Option<&str>,
) -> Option<Duration> {
    double.set(Behaviour::Limited { retry_after: header.map(str::to_owned) });
    match action(tmdb).await {
        Err(MetadataError::RateLimited { retry_after }) => retry_after,
        other => panic!("{header:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_limit_is_told_with_the_time_to_wait() {
    let (double, tmdb) = start().await;
    let seconds = Duration::from_secs;
    for (header, wait) in [
        (None, None),
        (Some("7"), Some(seconds(7))),
        (Some("0"), Some(seconds(0))),
        (Some("Sun, 01 Mar 2026 12:00:30 GMT"), Some(seconds(30))),
        (Some("Sun, 01 Mar 2026 11:00:00 GMT"), Some(seconds(0))),
        // More than an hour is not believed.
        (Some("999999999"), Some(seconds(3600))),
        (Some("Sun, 01 Mar 2099 12:00:00 GMT"), Some(seconds(3600))),
        (Some("soon"), None),
        (Some("-1"), None),
        (Some(""), None),
        (Some("99999999999999999999999"), None),
    ] {
        assert_eq!(retry_after(&double, &tmdb, header).await, wait, "{header:?}");
    }
    assert_all(&tmdb, "rate_limited").await;
}

#[tokio::test]
async fn the_double_limits_what_comes_within_a_second() {
    let (double, tmdb) = start().await;
    double.set(Behaviour::RateLimited { per_second: 3, retry_after: Some("1".to_owned()) });
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(avatar(&tmdb).await.map(|_| ()).map_err(|error| error.kind()));
    }
    assert_eq!(kinds[..4], [Ok(()), Ok(()), Ok(()), Err("rate_limited")]);
    assert_eq!(double.highest_rate(), 5);
    let answered: Vec<u16> = double.requests().iter().map(|request| request.status).collect();
    assert_eq!(answered, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn a_refused_key_is_told_apart() {
    let double = TmdbDouble::start().await;
    for wrong in ["f".repeat(32), V4_TOKEN.replace("c2ln", "AAAA")] {
        let tmdb = client(TmdbSettings { key: wrong.parse().unwrap(), ..settings(&double) });
        assert_all(&tmdb, "unauthorized").await;
    }
    let tmdb = client(settings(&double));
    double.set(Behaviour::Status(403));
    assert_all(&tmdb, "unauthorized").await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let double = TmdbDouble::start().await;
    let tmdb = client(TmdbSettings { request_timeout: SHORT, ..settings(&double) });
    double.set(Behaviour::Slow(Duration::from_secs(20)));
    let begun = std::time::Instant::now();
    assert_all(&tmdb, "unavailable").await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    double.set(Behaviour::Slow(Duration::from_millis(10)));
    assert!(avatar(&tmdb).await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_that_is_dropped_is_an_outage_and_it_passes() {
    let (double, tmdb) = start().await;
    avatar(&tmdb).await.unwrap();
    double.set(Behaviour::Dead);
    assert_all(&tmdb, "unavailable").await;
    double.set(Behaviour::Normal);
    assert!(avatar(&tmdb).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_outage() {
    let (mut double, tmdb) = start().await;
    avatar(&tmdb).await.unwrap();
    double.stop();
    assert_all(&tmdb, "unavailable").await;
}

/// Or another test's double, which answers, could be given the port of one that is gone.
#[tokio::test]
async fn the_double_keeps_its_port_when_it_has_stopped() {
    let mut double = TmdbDouble::start().await;
    let port = double.url().port().unwrap();
    double.stop();
    let error = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn server_errors_are_outages_whatever_their_body() {
    let (double, tmdb) = start().await;
    for behaviour in [
        Behaviour::Status(500),
        Behaviour::Status(503),
        Behaviour::Html(502),
        Behaviour::Raw(504, String::new()),
    ] {
        double.set(behaviour);
        assert_all(&tmdb, "unavailable").await;
    }
}

#[tokio::test]
async fn other_refusals_say_what_tmdb_said() {
    let (double, tmdb) = start().await;
    let error = tmdb.discover(genre(28), 501).await.unwrap_err();
    assert!(matches!(&error, MetadataError::Refused(why) if why.contains("code 22")), "{error}");
    assert!(!error.is_transient());
    double.set(Behaviour::Status(422));
    assert_all(&tmdb, "refused").await;
    double.set(Behaviour::Html(405));
    assert_all(&tmdb, "malformed").await;
}

#[tokio::test]
async fn what_is_not_tmdbs_json_is_malformed() {
    let (double, tmdb) = start().await;
    for behaviour in [
        Behaviour::Html(200),
        Behaviour::HalfBody,
        Behaviour::Truncated,
        raw(""),
        raw("null"),
        raw("[]"),
        raw("{}"),
        raw("\"text\""),
        raw(r#"{"genres":null,"results":null,"page":1,"total_pages":1}"#),
        raw(r#"{"genres":{},"results":{},"page":1,"total_pages":1}"#),
        raw(r#"{"genres":[],"results":[],"page":1}"#),
        raw(&"[".repeat(10_000)),
        Behaviour::Raw(204, String::new()),
    ] {
        double.set(behaviour.clone());
        for error in errors(&tmdb).await {
            assert_eq!(error.kind(), "malformed", "{behaviour:?}: {error}");
        }
    }
    double.set(Behaviour::Normal);
    assert!(avatar(&tmdb).await.unwrap().is_some());
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let (double, tmdb) = start().await;
    // Compressed, sixteen megabytes are sixteen kilobytes on the wire.
    double.set(Behaviour::Huge(16 * 1024 * 1024));
    let error = action(&tmdb).await.unwrap_err();
    assert!(
        matches!(&error, MetadataError::Malformed(why) if why.contains("longer than 4194304")),
        "{error}"
    );
}
