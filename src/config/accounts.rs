//! The settings of accounts: passwords, sessions, mails and throttles.

use std::{num::NonZeroU32, time::Duration};

use lettre::message::Mailbox;
use url::Url;
use watchme_actors::domain::{Invalid, LoginDelays, RateLimit};

use super::{
    Secret,
    parse::{choice, duration, number, url, wrong},
    source::{
        Show::{Masked, Plain},
        Source,
    },
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// How passwords are hashed: argon2id (RFC 9106).
#[derive(Debug, Clone, Copy)]
pub struct PasswordConfig {
    /// Memory of one hash, in KiB, from 8 to 1,048,576.
    pub memory: u32,
    /// Passes over the memory, from 1 to 20.
    pub passes: u32,
    /// Lanes, from 1 to 16.
    pub lanes: u32,
    /// How many may wait for a core; more are refused at once.
    pub queue: usize,
    /// How long one may wait for a core.
    pub wait: Duration,
}

/// For how long somebody stays signed in.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// For how long an access token counts.
    pub access_token_ttl: Duration,
    /// A session that is not used for so long ends.
    pub idle: Duration,
    /// After so long a session ends, however often it is used.
    pub lifetime: Duration,
    /// For how long a refresh token that was exchanged is answered with what it was exchanged for.
    pub grace: Duration,
}

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `smtp://` or `smtps://`; may carry a password. Without it mails are written to the data
    /// folder, where there is one.
    pub smtp_url: Option<Secret>,
    /// Whom mails come from.
    pub from: Mailbox,
    /// The front end that links in mails lead to; without it mails carry the token alone.
    pub web_url: Option<Url>,
    /// For how long a token that sets a new password counts.
    pub recovery_ttl: Duration,
    /// For how long a token that verifies an address counts.
    pub verification_ttl: Duration,
}

/// How often something may be done, over all replicas; `None` where it is not limited.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThrottleConfig {
    /// Failed logins of one account; `None` when they cost nothing.
    pub login_delays: Option<LoginDelays>,
    /// Logins from one client address.
    pub login: Option<RateLimit>,
    /// Accounts made from one client address.
    pub register: Option<RateLimit>,
    /// Recoveries of one account.
    pub forgot: Option<RateLimit>,
    /// Recoveries asked for from one client address.
    pub forgot_client: Option<RateLimit>,
    /// Refreshes from one client address.
    pub refresh: Option<RateLimit>,
    /// Every request from one client address, counted by each replica for itself.
    pub client: Option<RateLimit>,
}

/// Accounts.
#[derive(Debug, Clone)]
pub struct AccountsConfig {
    /// How passwords are hashed.
    pub passwords: PasswordConfig,
    /// For how long somebody stays signed in.
    pub sessions: SessionConfig,
    /// Whether addresses are verified.
    pub email_verification: bool,
    /// How mails are sent.
    pub mail: MailConfig,
    /// How often something may be done.
    pub throttles: ThrottleConfig,
    /// For how long the audit log is kept.
    pub audit_retention: Duration,
}

pub(super) fn accounts(source: &mut Source<'_>, is_production: bool) -> Option<AccountsConfig> {
    let passwords = passwords(source);
    let sessions = sessions(source);
    let usual = if is_production { "on" } else { "off" };
    let switch = choice(&[("on", true), ("off", false)]);
    let email_verification = source.get("WATCHME_EMAIL_VERIFICATION", Some(usual), Plain, switch);
    let mail = mail(source, is_production);
    let throttles = throttles(source);
    let audit_retention =
        source.get("WATCHME_AUDIT_RETENTION", Some("365d"), Plain, duration(DAY..=3_650 * DAY));
    Some(AccountsConfig {
        passwords: passwords?,
        sessions: sessions?,
        email_verification: email_verification?,
        mail: mail?,
        throttles: throttles?,
        audit_retention: audit_retention?,
    })
}

fn passwords(source: &mut Source<'_>) -> Option<PasswordConfig> {
    let memory = source.get("WATCHME_PASSWORD_MEMORY", Some("19456"), Plain, number(8..=1_048_576));
    let passes = source.get("WATCHME_PASSWORD_PASSES", Some("2"), Plain, number(1..=20));
    let lanes = source.get("WATCHME_PASSWORD_LANES", Some("1"), Plain, number(1..=16));
    let queue = source.get("WATCHME_PASSWORD_QUEUE", Some("32"), Plain, number(0..=10_000));
    let wait =
        source.get("WATCHME_PASSWORD_WAIT", Some("2s"), Plain, duration(SECOND..=30 * SECOND));
    let config = PasswordConfig {
        memory: memory?,
        passes: passes?,
        lanes: lanes?,
        queue: queue?,
        wait: wait?,
    };
    if config.memory < 8 * config.lanes {
        source.wrong(
            "WATCHME_PASSWORD_MEMORY must be at least 8 KiB for each of WATCHME_PASSWORD_LANES",
        );
    }
    Some(config)
}

fn sessions(source: &mut Source<'_>) -> Option<SessionConfig> {
    let ttl = duration(SECOND..=DAY);
    let access_token_ttl = source.get("WATCHME_ACCESS_TOKEN_TTL", Some("15m"), Plain, ttl);
    let idle = source.get("WATCHME_SESSION_IDLE", Some("30d"), Plain, duration(SECOND..=365 * DAY));
    let lifetime =
        source.get("WATCHME_SESSION_LIFETIME", Some("90d"), Plain, duration(SECOND..=365 * DAY));
    let grace = source.get(
        "WATCHME_REFRESH_GRACE",
        Some("10s"),
        Plain,
        duration(Duration::ZERO..=60 * SECOND),
    );
    Some(SessionConfig {
        access_token_ttl: access_token_ttl?,
        idle: idle?,
        lifetime: lifetime?,
        grace: grace?,
    })
}

fn mail(source: &mut Source<'_>, is_production: bool) -> Option<MailConfig> {
    let smtp_url = source.get("WATCHME_SMTP_URL", None, Masked, |text| {
        url(text, &["smtp", "smtps"]).map(|_| Secret::new(text))
    });
    // A domain that nobody has: no server of others takes mails that come from it.
    let usual = "WatchMe <no-reply@watchme.example>";
    let mut from_usual = false;
    let from = source.get("WATCHME_MAIL_FROM", Some(usual), Plain, |text| {
        from_usual = text == usual;
        text.parse()
            .map_err(|_| wrong("must be an address such as `WatchMe <no-reply@example.com>`"))
    });
    if is_production && smtp_url.is_some() && from_usual {
        source.wrong("WATCHME_MAIL_FROM must be set to an address of your own for the mails that WATCHME_SMTP_URL takes");
    }
    let web_url = source.get("WATCHME_WEB_URL", None, Plain, |text| url(text, &["http", "https"]));
    let day = || duration(60 * SECOND..=7 * DAY);
    let recovery_ttl = source.get("WATCHME_RECOVERY_TOKEN_TTL", Some("30m"), Plain, day());
    let verification_ttl = source.get("WATCHME_VERIFICATION_TOKEN_TTL", Some("24h"), Plain, day());
    Some(MailConfig {
        smtp_url,
        from: from?,
        web_url,
        recovery_ttl: recovery_ttl?,
        verification_ttl: verification_ttl?,
    })
}

fn throttles(source: &mut Source<'_>) -> Option<ThrottleConfig> {
    let free = source.get("WATCHME_LOGIN_FREE_FAILURES", Some("5"), Plain, |text| match text {
        "off" => Ok(None),
        text => number(1..=1_000)(text).map(Some),
    });
    let delays = || duration(SECOND..=DAY);
    let first = source.get("WATCHME_LOGIN_DELAY", Some("1s"), Plain, delays());
    let most = source.get("WATCHME_LOGIN_DELAY_MAX", Some("15m"), Plain, delays());
    let login = source.get("WATCHME_LIMIT_LOGIN", Some("300/15m"), Plain, limit);
    let register = source.get("WATCHME_LIMIT_REGISTER", Some("60/1h"), Plain, limit);
    let forgot = source.get("WATCHME_LIMIT_FORGOT", Some("5/1h"), Plain, limit);
    let forgot_client = source.get("WATCHME_LIMIT_FORGOT_CLIENT", Some("60/1h"), Plain, limit);
    let refresh = source.get("WATCHME_LIMIT_REFRESH", Some("6000/1h"), Plain, limit);
    let client = source.get("WATCHME_LIMIT_CLIENT", Some("2000/1s"), Plain, limit);
    let (free, first, most) = (free?, first?, most?);
    Some(ThrottleConfig {
        login_delays: free.map(|free_failures| LoginDelays { free_failures, first, most }),
        login: login?,
        register: register?,
        forgot: forgot?,
        forgot_client: forgot_client?,
        refresh: refresh?,
        client: client?,
    })
}

/// A limit such as `60/1h`, or `off`.
fn limit(text: &str) -> Result<Option<RateLimit>, Invalid> {
    if text == "off" {
        return Ok(None);
    }
    let parse = |(count, period): (&str, &str)| {
        let count = NonZeroU32::new(number(1..=1_000_000)(count.trim()).ok()?)?;
        let period = duration(SECOND..=DAY)(period.trim()).ok()?;
        Some(RateLimit { count, period })
    };
    text.split_once('/').and_then(parse).map(Some).ok_or_else(|| {
        wrong("must be a number and a period from 1s to 1day, such as `60/1h`, or `off`")
    })
}
