//! Settings that keep what this test is not about out of its way.

/// Without throttles (every test comes from one address) and without mails to wait for.
pub const UNTHROTTLED: &[(&str, &str)] = &[
    ("WATCHME_LOGIN_FREE_FAILURES", "off"),
    ("WATCHME_LIMIT_LOGIN", "off"),
    ("WATCHME_LIMIT_REGISTER", "off"),
    ("WATCHME_LIMIT_FORGOT", "off"),
    ("WATCHME_LIMIT_FORGOT_CLIENT", "off"),
    ("WATCHME_LIMIT_REFRESH", "off"),
    ("WATCHME_LIMIT_CLIENT", "off"),
    ("WATCHME_EMAIL_VERIFICATION", "off"),
];
