//! Every setting: its variable, its default and what it accepts.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use url::Url;
use watchme_actors::domain::{Email, EntitlementMode, Invalid};

use super::{
    Config, LogFormat, PackageCreators, Secret, TmdbConfig,
    accounts::accounts,
    engines::{Engines, engines},
    network::network,
    source::{Show, Source},
    traces::traces,
};
use crate::auth::Password;

const MIN_SECRET_BYTES: usize = 32;

pub(super) fn config(source: &mut Source<'_>) -> Option<Config> {
    use Show::{Masked, Plain};
    let listen = source.get("WATCHME_LISTEN", Some("127.0.0.1:8080"), Plain, |text| {
        text.parse().map_err(|_| wrong("must be an address and a port such as 0.0.0.0:8080"))
    });
    let workers = source.get("WATCHME_WORKERS", None, Plain, number(1..=1024));
    let data_dir =
        source.get("WATCHME_DATA_DIR", Some("./data"), Plain, |text| Ok(PathBuf::from(text)));
    let engines = engines(source);
    let tmdb = tmdb(source);
    let jwt_secret = source.get("JWT_SECRET", None, Masked, signing_secret);
    let jwt_secret_previous = source.get("JWT_SECRET_PREVIOUS", None, Masked, signing_secret);
    let accounts = accounts(source, !engines.as_ref().is_some_and(Engines::is_embedded));
    let network = network(source);
    let admin_email = source.get("WATCHME_ADMIN_EMAIL", None, Plain, str::parse::<Email>);
    let admin_password = source.get("WATCHME_ADMIN_PASSWORD", None, Masked, |text| {
        text.parse::<Password>().map(|_| Secret::new(text))
    });
    let genre_sync_interval = source.get(
        "WATCHME_GENRE_SYNC_INTERVAL",
        Some("2h"),
        Plain,
        duration(Duration::from_secs(1)..=Duration::from_secs(7 * 86_400)),
    );
    let movie_ttl = source.get(
        "WATCHME_MOVIE_TTL",
        Some("5m"),
        Plain,
        duration(Duration::from_secs(1)..=Duration::from_secs(86_400)),
    );
    let catalogue_pages = source.get("WATCHME_CATALOGUE_PAGES", Some("50"), Plain, number(1..=500));
    let package_creators = source.get(
        "WATCHME_PACKAGE_CREATORS",
        Some("admin"),
        Plain,
        choice(&[("admin", PackageCreators::Admin), ("users", PackageCreators::Users)]),
    );
    let entitlement_mode = source.get(
        "WATCHME_ENTITLEMENT_MODE",
        Some("any"),
        Plain,
        choice(&[("any", EntitlementMode::Any), ("all", EntitlementMode::All)]),
    );
    let self_service = source.get(
        "WATCHME_SELF_SERVICE",
        Some("on"),
        Plain,
        choice(&[("on", true), ("off", false)]),
    );
    let traces = traces(source);
    let log_filter = source.get("RUST_LOG", Some("info"), Plain, |text| {
        tracing_subscriber::EnvFilter::try_new(text)
            .map(|_| text.to_owned())
            .map_err(|_| wrong("must be a filter such as `info` or `info,watchme=debug`"))
    });
    let log_format = source.get(
        "WATCHME_LOG_FORMAT",
        None,
        Plain,
        choice(&[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]),
    );
    let Engines { sql, mongodb, nats } = engines?;
    let config = Config {
        listen: listen?,
        workers,
        data_dir: data_dir?,
        sql,
        mongodb,
        nats,
        tmdb: tmdb?,
        jwt_secret,
        jwt_secret_previous,
        accounts: accounts?,
        network: network?,
        admin_email,
        admin_password,
        genre_sync_interval: genre_sync_interval?,
        movie_ttl: movie_ttl?,
        catalogue_pages: catalogue_pages?,
        package_creators: package_creators?,
        entitlement_mode: entitlement_mode?,
        self_service: self_service?,
        traces: traces?,
        log_filter: log_filter?,
        log_format,
        settings: Vec::new(),
    };
    for reason in insecure(&config) {
        source.wrong(reason);
    }
    Some(config)
}

/// What a start in production is refused for.
fn insecure(config: &Config) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if !config.is_production() {
        return reasons;
    }
    if config.jwt_secret.is_none() {
        reasons.push("JWT_SECRET must be set, to at least 32 bytes, with DATABASE_URL=mysql://…, MONGODB_URL or NATS_URL: every replica has to know the same");
    }
    for (secret, reason) in [
        (
            &config.jwt_secret,
            "JWT_SECRET can be guessed: set it to what `openssl rand -hex 32` prints",
        ),
        (
            &config.jwt_secret_previous,
            "JWT_SECRET_PREVIOUS can be guessed: unset it, which ends the sessions that it signed",
        ),
    ] {
        if secret.as_ref().is_some_and(Secret::is_weak) {
            reasons.push(reason);
        }
    }
    if config.accounts.email_verification && config.accounts.mail.smtp_url.is_none() {
        reasons.push("WATCHME_SMTP_URL must be set for the mails that verify addresses, or WATCHME_EMAIL_VERIFICATION to `off`");
    }
    reasons
}

fn tmdb(source: &mut Source<'_>) -> Option<TmdbConfig> {
    use Show::{Masked, Plain};
    let api_key = source.get("TMDB_API_KEY", None, Masked, |text| Ok(Secret::new(text)));
    let web = |text: &str| match url(text, &["http", "https"])? {
        // It is shown to operators, and the one for images to everybody.
        url if !url.username().is_empty() || url.password().is_some() => {
            Err(wrong("must not carry a name or a password; TMDB_PROXY may"))
        }
        url => Ok(url),
    };
    let base_url = source.get("TMDB_BASE_URL", Some("https://api.themoviedb.org/3"), Plain, web);
    let image_base_url =
        source.get("TMDB_IMAGE_BASE_URL", Some("https://image.tmdb.org/t/p"), Plain, web);
    let language = source.get("TMDB_LANGUAGE", Some("en-US"), Plain, |text| {
        let letters = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic());
        let known = match text.split_once('-') {
            Some((language, region)) => letters(language) && letters(region),
            None => letters(text),
        };
        known.then(|| text.to_owned()).ok_or_else(|| wrong("must be a language such as en-US"))
    });
    let proxy = source.get("TMDB_PROXY", None, Masked, |text| {
        url(text, &["http", "https", "socks5", "socks5h"]).map(|_| Secret::new(text))
    });
    let rate = source.get("TMDB_RATE", Some("40"), Plain, number(1..=1000));
    Some(TmdbConfig {
        api_key,
        base_url: base_url?,
        image_base_url: image_base_url?,
        language: language?,
        proxy,
        rate: rate?,
    })
}

pub(super) fn url(text: &str, schemes: &[&str]) -> Result<Url, Invalid> {
    let accepts = || format!("must be a URL that begins with {}://", schemes.join(":// or "));
    match Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(url),
        _ => Err(wrong(accepts())),
    }
}

fn signing_secret(text: &str) -> Result<Secret, Invalid> {
    if text.len() < MIN_SECRET_BYTES {
        return Err(wrong(format!(
            "must have at least {MIN_SECRET_BYTES} bytes, as `openssl rand -hex 32` prints them"
        )));
    }
    Ok(Secret::new(text))
}

pub(super) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, Invalid>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            Err(wrong(format!("must be a whole number from {} to {}", range.start(), range.end())))
        }
    }
}

pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(&str) -> Result<Duration, Invalid> {
    move |text| match humantime::parse_duration(text) {
        Ok(duration) if range.contains(&duration) => Ok(duration),
        _ => Err(wrong(format!(
            "must be a time such as `90s`, `5m` or `2h`, from {} to {}",
            humantime::format_duration(*range.start()),
            humantime::format_duration(*range.end())
        ))),
    }
}

pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, Invalid> {
    move |text| {
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            wrong(format!("must be {}", all.join(" or ")))
        })
    }
}

pub(super) fn wrong(accepts: impl Into<String>) -> Invalid {
    Invalid::new("wrong_setting", accepts)
}
