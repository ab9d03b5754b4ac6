//! What is asked, with which key, and of whom.

use watchme::adapters::metadata::{TmdbHttp, TmdbKey, TmdbSettings, TmdbSetupError};

use super::*;
use crate::support::tmdb_double::V4_TOKEN;

#[tokio::test]
async fn a_v3_key_goes_into_the_query_and_nowhere_else() {
    let (double, tmdb) = start().await;
    action(&tmdb).await.unwrap();
    let seen = double.requests().remove(0);
    assert_eq!(seen.param("api_key"), Some(V3_KEY));
    assert!(seen.headers.iter().all(|(_, value)| !value.contains(V3_KEY)), "{seen:?}");
}

#[tokio::test]
async fn a_v4_token_goes_into_a_header_and_nowhere_else() {
    let double = TmdbDouble::start().await;
    let tmdb = client(TmdbSettings { key: V4_TOKEN.parse().unwrap(), ..settings(&double) });
    action(&tmdb).await.unwrap();
    let seen = double.requests().remove(0);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {V4_TOKEN}").as_str()));
    assert!(seen.query.iter().all(|(_, value)| !value.contains(V4_TOKEN)), "{seen:?}");
}

#[test]
fn only_the_two_kinds_of_key_are_taken() {
    for good in [V3_KEY, "  0123456789ABCDEF0123456789abcdef\n", V4_TOKEN] {
        assert!(good.parse::<TmdbKey>().is_ok(), "{good}");
    }
    let long = "0".repeat(33);
    for bad in ["", "secret", &long, "z123456789abcdef0123456789abcdef", "a.b", "a..c", "a.b.c d"] {
        assert!(bad.parse::<TmdbKey>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn each_question_has_its_documented_address() {
    let double = TmdbDouble::start().await;
    let tmdb = client(TmdbSettings { language: "fr-FR".to_owned(), ..settings(&double) });
    tmdb.genres().await.unwrap();
    tmdb.discover(genre(18), 7).await.unwrap();
    tmdb.search("a b&c=é/..?#%", 2).await.unwrap();
    avatar(&tmdb).await.unwrap();

    let seen = double.requests();
    let asked: Vec<_> = seen
        .iter()
        .map(|request| {
            let mut query = request.query.clone();
            query.retain(|(name, _)| name != "api_key");
            query.sort();
            let query: Vec<_> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{}?{}", request.path, query.join("&"))
        })
        .collect();
    assert_eq!(
        asked,
        [
            "/3/genre/movie/list?language=fr-FR",
            "/3/discover/movie?include_adult=false&language=fr-FR&page=7&sort_by=popularity.desc&with_genres=18",
            "/3/search/movie?include_adult=false&language=fr-FR&page=2&query=a b&c=é/..?#%",
            "/3/movie/19995?append_to_response=credits&language=fr-FR",
        ]
    );
    let agent = format!("watchme/{}", env!("CARGO_PKG_VERSION"));
    assert!(seen.iter().all(|request| request.header("user-agent") == Some(&agent)));
    assert!(seen.iter().all(|request| request.header("accept-encoding").unwrap().contains("gzip")));
    assert_eq!(double.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn the_base_address_keeps_its_path_with_or_without_a_slash_at_its_end() {
    let double = TmdbDouble::start().await;
    for end in ["", "/"] {
        let base_url = format!("{}{end}", double.url()).parse().unwrap();
        let tmdb = client(TmdbSettings { base_url, ..settings(&double) });
        assert!(avatar(&tmdb).await.unwrap().is_some(), "{end}");
    }
}

#[test]
fn addresses_that_cannot_work_are_refused_at_once() {
    for address in ["ftp://example.com/3", "mailto:a@example.com", "file:///tmp"] {
        let settings = TmdbSettings::new(address.parse().unwrap(), V3_KEY.parse().unwrap());
        let made = TmdbHttp::new(settings, Arc::new(StoppedClock));
        assert_eq!(made.err(), Some(TmdbSetupError::BaseUrl), "{address}");
    }
}

#[test]
fn https_works_without_a_provider_installed_by_hand() {
    let address = watchme::adapters::metadata::DEFAULT_TMDB_URL.parse().unwrap();
    client(TmdbSettings::new(address, V3_KEY.parse().unwrap()));
}

#[tokio::test]
async fn a_proxy_gets_every_request() {
    // The double stands in for the proxy: the name below can be resolved by nobody.
    let proxy = TmdbDouble::start().await;
    let tmdb = client(TmdbSettings {
        base_url: "http://tmdb.invalid/3".parse().unwrap(),
        proxy: Some(format!("http://{}", proxy.url().authority()).parse().unwrap()),
        ..settings(&proxy)
    });
    assert_eq!(avatar(&tmdb).await.unwrap().unwrap().title, "Avatar");
    assert_eq!(proxy.requests()[0].header("host"), Some("tmdb.invalid"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (double, tmdb) = start().await;
    let other = TmdbDouble::start().await;
    double.set(Behaviour::Redirect(other.url().into()));
    assert_all(&tmdb, "malformed").await;
    assert!(other.requests().is_empty());
}

#[test]
fn the_key_and_passwords_are_never_shown() {
    for secret in [V3_KEY, V4_TOKEN] {
        let key: TmdbKey = secret.parse().unwrap();
        let mut settings =
            TmdbSettings::new("https://me:pass@example.com/3?token=t0ken".parse().unwrap(), key);
        settings.proxy = Some("http://me:pass@proxy.example:3128".parse().unwrap());
        let shown = format!("{} {:?} {settings:?}", settings.key, settings.key);
        for hidden in [secret, "pass", "t0ken"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(shown.contains("example.com/3") && shown.contains("proxy.example"), "{shown}");
    }
}

#[tokio::test]
async fn no_error_tells_the_key() {
    for secret in [V3_KEY, V4_TOKEN] {
        let mut double = TmdbDouble::start().await;
        let tmdb = client(TmdbSettings {
            key: secret.parse().unwrap(),
            request_timeout: SHORT,
            ..settings(&double)
        });
        let echo = format!(r#"{{"status_code":5,"status_message":"bad key {secret}"}}"#);
        for behaviour in [
            Behaviour::Raw(400, echo.clone()),
            Behaviour::Raw(401, echo),
            Behaviour::Raw(200, secret.to_owned()),
            Behaviour::Status(500),
            Behaviour::Dead,
            Behaviour::HalfBody,
            Behaviour::Slow(SHORT * 3),
            Behaviour::Redirect("/elsewhere".to_owned()),
        ] {
            double.set(behaviour.clone());
            for error in errors(&tmdb).await {
                assert!(!format!("{error} {error:?}").contains(secret), "{behaviour:?}: {error}");
            }
        }
        double.stop();
        for error in errors(&tmdb).await {
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }
}
