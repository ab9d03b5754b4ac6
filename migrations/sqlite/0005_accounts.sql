-- Whether somebody who reads the address's mail has said so; who had an account before was let in.
ALTER TABLE users ADD COLUMN email_verified SMALLINT NOT NULL DEFAULT 1;
-- The address that the user wants to have, until it is verified.
ALTER TABLE users ADD COLUMN pending_email VARCHAR(254);

-- One row for each family of refresh tokens. Access tokens name it: when it goes, they end.
CREATE TABLE sessions (
    id CHAR(36) NOT NULL PRIMARY KEY,
    user_id CHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    -- Unless it is used before.
    idle_until BIGINT NOT NULL,
    -- However often it is used.
    ends_at BIGINT NOT NULL,
    -- SHA-256 of the refresh token that counts, in hexadecimal.
    token_hash CHAR(64) NOT NULL,
    -- The token before it, when it was exchanged, and what it was exchanged for, sealed under it:
    -- an answer that was lost is given again for a moment.
    parent_hash CHAR(64),
    rotated_at BIGINT,
    sealed_child VARCHAR(300),
    user_agent VARCHAR(200),
    address VARCHAR(45)
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_idle ON sessions (idle_until);

-- Mails that wait to be written and sent. Who is written to is looked up only then, so that a
-- request takes as long whether there is such an account or not.
CREATE TABLE mail_queue (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind VARCHAR(32) NOT NULL,
    address VARCHAR(254) NOT NULL,
    -- The account that it is about, where that is known.
    user_id CHAR(36),
    created_at BIGINT NOT NULL,
    attempts INT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL
);
CREATE INDEX mail_queue_next ON mail_queue (next_at, id);
CREATE INDEX mail_queue_creation ON mail_queue (created_at);
CREATE INDEX mail_queue_user ON mail_queue (user_id);
CREATE INDEX mail_queue_address ON mail_queue (address);

-- Tokens that were sent by mail, each good for one use.
CREATE TABLE mail_tokens (
    -- SHA-256 of the token, in hexadecimal.
    token_hash CHAR(64) NOT NULL PRIMARY KEY,
    -- `recovery` or `verification`.
    purpose VARCHAR(16) NOT NULL,
    user_id CHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Where it was sent.
    email VARCHAR(254) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX mail_tokens_user ON mail_tokens (user_id, purpose);
CREATE INDEX mail_tokens_expiry ON mail_tokens (expires_at);

CREATE TABLE throttles (
    -- What is limited, and a keyed digest of whom.
    name VARCHAR(100) NOT NULL PRIMARY KEY,
    -- When the next request would have been expected at an even pace (GCRA), in microseconds since 1970.
    arrival BIGINT NOT NULL DEFAULT 0,
    failures INT NOT NULL DEFAULT 0,
    blocked_until BIGINT NOT NULL DEFAULT 0,
    -- From then on the row says nothing that its absence would not say.
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX throttles_expiry ON throttles (expires_at);

-- No reference to users: what was done outlives who did it.
CREATE TABLE audit_log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    -- `request`, `command` or `start`.
    origin VARCHAR(16) NOT NULL,
    actor_id CHAR(36),
    address VARCHAR(45),
    request_id VARCHAR(128),
    action VARCHAR(64) NOT NULL,
    subject_kind VARCHAR(32) NOT NULL,
    subject_id VARCHAR(64) NOT NULL,
    -- JSON objects of what changed, without secrets.
    before_state TEXT,
    after_state TEXT
);
CREATE INDEX audit_log_actor ON audit_log (actor_id, at);
CREATE INDEX audit_log_subject ON audit_log (subject_id, at);
CREATE INDEX audit_log_action ON audit_log (action, at);
CREATE INDEX audit_log_at ON audit_log (at);
