#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{io, path::Path, time::Duration};

use watchme_actors::domain::EntitlementMode;

use super::{Config, ConfigError, Database, LogFormat, PackageCreators};

fn load(env: &[(&str, &str)], file: Option<&str>) -> Result<Config, ConfigError> {
    Config::load(
        &|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        &|path| match file {
            Some(text) if path == Path::new("watchme.toml") => Ok(text.to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    )
}

fn refused(env: &[(&str, &str)], file: Option<&str>) -> String {
    load(env, file).unwrap_err().to_string()
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let config = load(&[], None).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, Path::new("./data"));
    assert!(matches!(config.sql.database, Database::Embedded) && config.is_embedded());
    assert_eq!((config.sql.connections, config.sql.acquire_timeout), (16, Duration::from_secs(2)));
    assert!(config.tmdb.api_key.is_none());
    assert_eq!(config.tmdb.base_url.as_str(), "https://api.themoviedb.org/3");
    assert_eq!(config.tmdb.rate, 40);
    assert_eq!(config.accounts.sessions.access_token_ttl, Duration::from_secs(900));
    assert_eq!(config.genre_sync_interval, Duration::from_secs(7200));
    assert_eq!(config.movie_ttl, Duration::from_secs(300));
    assert_eq!(config.catalogue_pages, 50);
    assert_eq!(config.package_creators, PackageCreators::Admin);
    assert_eq!(config.entitlement_mode, EntitlementMode::Any);
    assert!(config.self_service);
    assert!(config.log_format.is_none());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let file = "listen = \"0.0.0.0:1\"\ncatalogue_pages = 7\nself_service = false\n";
    let config = load(&[("WATCHME_LISTEN", "127.0.0.1:0"), ("RUST_LOG", "")], Some(file)).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.catalogue_pages, 7);
    assert!(!config.self_service);
    assert_eq!(config.log_filter, "info", "an empty variable counts as not set");
    let shown = config.print();
    let origin = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit("# ").next().unwrap().to_owned()
    };
    assert_eq!(origin("WATCHME_LISTEN"), "environment");
    assert_eq!(origin("WATCHME_CATALOGUE_PAGES"), "file");
    assert_eq!(origin("WATCHME_MOVIE_TTL"), "default");
}

#[test]
fn every_wrong_value_is_named_in_one_message_with_what_it_accepts() {
    let message = refused(
        &[
            ("WATCHME_LISTEN", "here"),
            ("WATCHME_CATALOGUE_PAGES", "501"),
            ("WATCHME_MOVIE_TTL", "five"),
            ("WATCHME_ENTITLEMENT_MODE", "some"),
            ("WATCHME_ADMIN_EMAIL", "root"),
            ("JWT_SECRET", "short"),
        ],
        None,
    );
    for part in [
        "WATCHME_LISTEN (from the environment) must be an address and a port",
        "WATCHME_CATALOGUE_PAGES (from the environment) must be a whole number from 1 to 500",
        "WATCHME_MOVIE_TTL (from the environment) must be a time",
        "WATCHME_ENTITLEMENT_MODE (from the environment) must be `any` or `all`",
        "WATCHME_ADMIN_EMAIL (from the environment) must be an e-mail address",
        "JWT_SECRET (from the environment) must have at least 32 bytes",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    assert!(!message.contains("short"));
}

#[test]
fn the_file_may_only_hold_settings() {
    let message = refused(&[], Some("listne = \"0.0.0.0:1\"\n[tmdb]\nkey = 1\n"));
    assert!(message.contains("`listne` in the file is not a setting"), "{message}");
    assert!(message.contains("`tmdb` must be a text"), "{message}");
    assert!(refused(&[], Some("listen = ")).contains("is not valid TOML"));
    assert!(refused(&[("WATCHME_CONFIG", "other.toml")], None).contains("other.toml"));
}

#[test]
fn traces_are_off_until_they_have_somewhere_to_go() {
    let off = load(&[], None).unwrap().traces;
    assert!(off.endpoint.is_none() && off.service_name == "watchme" && off.sample == 1.0);
    let set = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary"),
        ("OTEL_SERVICE_NAME", "films"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging"),
        ("WATCHME_TRACE_SAMPLE", "0.25"),
    ];
    let config = load(&set, None).unwrap();
    assert_eq!((config.traces.service_name.as_str(), config.traces.sample), ("films", 0.25));
    assert_eq!(config.traces.attributes[0].1, "staging");
    assert!(!format!("{config:?}{}", config.print()).contains("canary"));
    // gRPC has a port of its own: to send it HTTP would fail for ever, and silently.
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    for wrong in [grpc, ("WATCHME_TRACE_SAMPLE", "1.5"), ("WATCHME_TRACE_SAMPLE", "NaN")] {
        assert!(refused(&[wrong], None).contains(wrong.0), "{wrong:?}");
    }
}

#[test]
fn each_engine_can_be_set_by_itself_or_all_together() {
    let file = load(&[("DATABASE_URL", "sqlite:///var/lib/watchme.db")], None).unwrap();
    assert!(file.is_embedded());
    let Database::Sqlite(path) = file.sql.database else { panic!("a file was set") };
    assert_eq!(path, Path::new("/var/lib/watchme.db"));

    let secret = ("JWT_SECRET", "a secret that has thirty-two bytes");
    let mail = ("WATCHME_SMTP_URL", "smtps://watchme:canary@mail.example");
    let engines = [
        ("DATABASE_URL", "mysql://watchme:canary@db.example/watchme?ssl-mode=VERIFY_IDENTITY"),
        ("MONGODB_URL", "mongodb://watchme:canary@a.example,b.example/watchme?tls=true"),
        ("NATS_URL", "tls://canary@a.example:4222,tls://canary@b.example"),
    ];
    let from = ("WATCHME_MAIL_FROM", "no-reply@films.example");
    for engine in engines {
        let one = load(&[engine, secret, mail, from], None).unwrap();
        assert!(!one.is_embedded() && !one.is_replicated(), "{engine:?}");
        let message = refused(&[engine], None);
        assert!(message.contains("JWT_SECRET must be set"), "{message}");
        assert!(message.contains("WATCHME_SMTP_URL must be set"), "{message}");
        let message = refused(&[engine, secret, mail], None);
        assert!(message.contains("WATCHME_MAIL_FROM must be set"), "{message}");
    }
    load(&[mail], None).unwrap();
    let all = load(&[engines[0], engines[1], engines[2], secret, mail, from], None).unwrap();
    assert!(all.accounts.email_verification);
    assert!(all.is_replicated());
    assert_eq!(all.nats.as_ref().unwrap().namespace, "watchme");
    assert!(!all.print().contains("canary") && !format!("{all:?}").contains("canary"));
}

#[test]
fn secrets_that_can_be_guessed_stop_a_start_in_production() {
    let weak = "changemechangemechangemechangeme";
    let nats = ("NATS_URL", "nats://localhost");
    let verification = ("WATCHME_EMAIL_VERIFICATION", "off");
    for variable in ["JWT_SECRET", "JWT_SECRET_PREVIOUS"] {
        let good = ("JWT_SECRET", "a secret that has thirty-two bytes");
        let message = refused(&[(variable, weak), good, nats, verification], None);
        assert!(message.contains(&format!("{variable} can be guessed")), "{message}");
        assert!(!message.contains(weak));
        load(&[(variable, weak)], None).unwrap();
    }
    let message = refused(&[("WATCHME_ADMIN_PASSWORD", "Password1!")], None);
    assert!(message.contains("WATCHME_ADMIN_PASSWORD") && message.contains("tried first"));
}

#[test]
fn limits_networks_and_origins_are_parsed() {
    let config = load(&[], None).unwrap();
    assert!(!config.accounts.email_verification);
    let limit = config.accounts.throttles.forgot.unwrap();
    assert_eq!((limit.count.get(), limit.period), (5, Duration::from_secs(3_600)));
    let set = [
        ("WATCHME_LIMIT_FORGOT", "off"),
        ("WATCHME_LOGIN_FREE_FAILURES", "off"),
        ("WATCHME_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("WATCHME_CORS_ORIGINS", "https://app.example.com,http://localhost:3000"),
    ];
    let config = load(&set, None).unwrap();
    assert!(config.accounts.throttles.forgot.is_none());
    assert!(config.accounts.throttles.login_delays.is_none());
    assert_eq!(config.network.trusted_proxies.len(), 2);
    assert_eq!(config.network.cors_origins[1], "http://localhost:3000");
    for (variable, value, accepts) in [
        ("WATCHME_LIMIT_LOGIN", "300", "such as `60/1h`"),
        ("WATCHME_LIMIT_LOGIN", "0/1s", "such as `60/1h`"),
        ("WATCHME_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "addresses or networks"),
        ("WATCHME_CORS_ORIGINS", "https://app.example.com/", "without a path"),
        ("WATCHME_CORS_ORIGINS", "*", "without a path"),
        ("WATCHME_SMTP_URL", "mail.example:25", "smtp:// or smtps://"),
        ("WATCHME_MAIL_FROM", "nobody", "must be an address"),
    ] {
        let message = refused(&[(variable, value)], None);
        assert!(message.contains(variable) && message.contains(accepts), "{message}");
    }
}

#[test]
fn addresses_of_engines_that_cannot_be_right_are_refused() {
    for (variable, value, accepts) in [
        ("DATABASE_URL", "postgres://x/y", "sqlite://"),
        ("DATABASE_URL", "mysql://root@localhost", "must name the database"),
        ("MONGODB_URL", "http://localhost", "mongodb://"),
        ("NATS_URL", "nats://a:4222,localhost", "nats:// or tls://"),
        ("WATCHME_NATS_REPLICAS", "6", "from 1 to 5"),
        ("WATCHME_SQL_ACQUIRE_TIMEOUT", "3s", "must be a time"),
        ("WATCHME_MONGODB_CONNECTIONS", "0", "from 1 to 1000"),
    ] {
        let message = refused(&[(variable, value)], None);
        assert!(message.contains(variable) && message.contains(accepts), "{message}");
    }
}

#[test]
fn the_file_of_the_readme_is_understood() {
    let readme = include_str!("../../README.md");
    let file = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = load(&[], Some(file)).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.tmdb.language, "de-DE");
}

#[test]
fn the_settings_of_several_replicas_in_the_readme_are_enough() {
    let readme = include_str!("../../README.md");
    let wide = readme.split("## On engines, several replicas wide").nth(1).unwrap();
    let block = wide.split("```").nth(1).unwrap();
    let lines = block.lines().map(|line| line.split('#').next().unwrap());
    let settings: Vec<(&str, String)> = lines
        .flat_map(str::split_whitespace)
        .map(|setting| setting.split_once('=').unwrap())
        .map(|(name, value)| (name, value.replace('…', "Zk3vQ9xLr7TgW2pYb8NcJ5mHd4FsA6eU")))
        .map(|(name, value)| match name {
            "WATCHME_ADMIN_EMAIL" => (name, "admin@example.com".to_owned()),
            _ => (name, value),
        })
        .collect();
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = load(&settings, None).unwrap();
    assert!(config.is_replicated() && config.accounts.email_verification);
    assert_eq!(config.network.trusted_proxies.len(), 1);
}

#[test]
fn addresses_with_credentials_are_refused() {
    for variable in ["TMDB_BASE_URL", "TMDB_IMAGE_BASE_URL"] {
        let error = load(&[(variable, "https://user:canary@proxy.example/3")], None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(variable) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn secrets_are_never_printed() {
    let canary = "canary-canary-canary-canary-canary";
    let config = load(
        &[
            ("JWT_SECRET", canary),
            ("JWT_SECRET_PREVIOUS", canary),
            ("TMDB_API_KEY", canary),
            ("WATCHME_ADMIN_PASSWORD", canary),
            ("TMDB_PROXY", "http://user:canary@localhost:1"),
            ("WATCHME_LOG_FORMAT", "json"),
        ],
        None,
    )
    .unwrap();
    assert_eq!(config.log_format, Some(LogFormat::Json));
    assert_eq!(config.jwt_secret.as_ref().unwrap().expose(), canary);
    for text in [config.print(), format!("{config:?}")] {
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("***"));
    }
}
