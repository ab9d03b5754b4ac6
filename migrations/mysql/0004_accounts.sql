-- Whether somebody who reads the address's mail has said so; who had an account before was let in.
ALTER TABLE users ADD COLUMN email_verified SMALLINT NOT NULL DEFAULT 1;
-- The address that the user wants to have, until it is verified.
ALTER TABLE users ADD COLUMN pending_email VARCHAR(254);

-- One row for each family of refresh tokens. Access tokens name it: when it goes, they end.
CREATE TABLE sessions (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    -- Unless it is used before.
    idle_until BIGINT NOT NULL,
    -- However often it is used.
    ends_at BIGINT NOT NULL,
    -- SHA-256 of the refresh token that counts, in hexadecimal.
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- The token before it, when it was exchanged, and what it was exchanged for, sealed under it:
    -- an answer that was lost is given again for a moment.
    parent_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    rotated_at BIGINT,
    sealed_child VARCHAR(300),
    user_agent VARCHAR(200),
    address VARCHAR(45),
    KEY sessions_user (user_id, id),
    KEY sessions_idle (idle_until),
    CONSTRAINT sessions_holder FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Mails that wait to be written and sent. Who is written to is looked up only then, so that a
-- request takes as long whether there is such an account or not.
CREATE TABLE mail_queue (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(32) NOT NULL,
    address VARCHAR(254) NOT NULL,
    -- The account that it is about, where that is known.
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    created_at BIGINT NOT NULL,
    attempts INT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    KEY mail_queue_next (next_at, id),
    KEY mail_queue_creation (created_at),
    KEY mail_queue_user (user_id),
    KEY mail_queue_address (address)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Tokens that were sent by mail, each good for one use.
CREATE TABLE mail_tokens (
    -- SHA-256 of the token, in hexadecimal.
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    -- `recovery` or `verification`.
    purpose VARCHAR(16) NOT NULL,
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- Where it was sent.
    email VARCHAR(254) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY mail_tokens_owner (user_id, purpose),
    KEY mail_tokens_expiry (expires_at),
    CONSTRAINT mail_tokens_holder FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE throttles (
    -- What is limited, and a keyed digest of whom.
    name VARCHAR(100) NOT NULL PRIMARY KEY,
    -- When the next request would have been expected at an even pace (GCRA), in microseconds since 1970.
    arrival BIGINT NOT NULL DEFAULT 0,
    failures INT NOT NULL DEFAULT 0,
    blocked_until BIGINT NOT NULL DEFAULT 0,
    -- From then on the row says nothing that its absence would not say.
    expires_at BIGINT NOT NULL,
    KEY throttles_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- No reference to users: what was done outlives who did it.
CREATE TABLE audit_log (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- `request`, `command` or `start`.
    origin VARCHAR(16) NOT NULL,
    actor_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    address VARCHAR(45),
    request_id VARCHAR(128),
    action VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject_kind VARCHAR(32) NOT NULL,
    subject_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- JSON objects of what changed, without secrets.
    before_state TEXT,
    after_state TEXT,
    KEY audit_log_actor (actor_id, at),
    KEY audit_log_subject (subject_id, at),
    KEY audit_log_action (action, at),
    KEY audit_log_at (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
