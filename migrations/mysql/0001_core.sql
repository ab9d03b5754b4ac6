-- Types: those that sqlx's `Any` maps on every engine. Times are milliseconds since 1970 in UTC,
-- flags SMALLINT, identifiers CHAR(36), sets of genres JSON arrays of ids. Text compares by its
-- code points: what is equal without regard to case is stored folded beside it.

CREATE TABLE users (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    email VARCHAR(254) NOT NULL,
    name VARCHAR(100) NOT NULL,
    -- The name in lower case: what filters compare with, on every engine alike.
    name_key VARCHAR(400) NOT NULL,
    role VARCHAR(16) NOT NULL,
    status VARCHAR(16) NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- The number of the last change of the user's marks; 0 before the first.
    watch_seq BIGINT NOT NULL DEFAULT 0,
    -- When that number was given; NULL before the first.
    watch_changed_at BIGINT,
    -- When a subscription was last cancelled: no mark is judged at an earlier moment than this.
    cancelled_at BIGINT NOT NULL DEFAULT 0,
    UNIQUE KEY users_email (email),
    KEY users_role (role, status),
    KEY users_watch_changed (watch_changed_at, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE packages (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    name_key VARCHAR(400) NOT NULL,
    -- The same while the package is not archived, else NULL: names are unique among live packages.
    live_name_key VARCHAR(400),
    genres TEXT NOT NULL,
    version INT NOT NULL,
    floor_version INT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    archived_at BIGINT,
    created_by CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    UNIQUE KEY packages_live_name (live_name_key),
    KEY packages_archived (archived_at, id),
    KEY packages_created_by (created_by),
    CONSTRAINT packages_maker FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE package_versions (
    package_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version INT NOT NULL,
    name VARCHAR(100) NOT NULL,
    genres TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (package_id, version),
    CONSTRAINT versions_package FOREIGN KEY (package_id) REFERENCES packages (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE package_version_genres (
    package_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version INT NOT NULL,
    genre_id BIGINT NOT NULL,
    PRIMARY KEY (package_id, version, genre_id),
    CONSTRAINT genres_version FOREIGN KEY (package_id, version)
        REFERENCES package_versions (package_id, version) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE subscriptions (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    package_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- The version that was the latest when it was made.
    version INT NOT NULL,
    starts_at BIGINT NOT NULL,
    -- 9223372036854775807 while it is open, so that one comparison finds what has not ended.
    ends_at BIGINT NOT NULL,
    KEY subscriptions_user (user_id, id),
    KEY subscriptions_holdings (user_id, ends_at),
    KEY subscriptions_overlap (user_id, package_id, ends_at),
    KEY subscriptions_package (package_id),
    CONSTRAINT subscriptions_holder FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT subscriptions_held FOREIGN KEY (package_id) REFERENCES packages (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE marks (
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    movie_id BIGINT NOT NULL,
    title TEXT NOT NULL,
    genres TEXT NOT NULL,
    -- The latest of its plays.
    watched_at BIGINT NOT NULL,
    marked_at BIGINT NOT NULL,
    marked_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, movie_id),
    KEY marks_latest (user_id, watched_at DESC, marked_seq DESC),
    CONSTRAINT marks_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE mark_genres (
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    movie_id BIGINT NOT NULL,
    genre_id BIGINT NOT NULL,
    PRIMARY KEY (user_id, movie_id, genre_id),
    CONSTRAINT genres_mark FOREIGN KEY (user_id, movie_id)
        REFERENCES marks (user_id, movie_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The order of the key is that of a mark's plays, so that the latest needs no second index.
CREATE TABLE plays (
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    movie_id BIGINT NOT NULL,
    watched_at BIGINT NOT NULL,
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- 1 when only the day is known.
    day_only SMALLINT NOT NULL,
    PRIMARY KEY (user_id, movie_id, watched_at, id),
    CONSTRAINT plays_mark FOREIGN KEY (user_id, movie_id)
        REFERENCES marks (user_id, movie_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- No reference to users: a user's last event, `erased`, outlives the account.
CREATE TABLE outbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind VARCHAR(16) NOT NULL,
    payload MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 0 waits, 1 published, 2 buried.
    state SMALLINT NOT NULL DEFAULT 0,
    published_at BIGINT,
    buried_at BIGINT,
    buried_reason MEDIUMTEXT,
    UNIQUE KEY outbox_event (event_id),
    KEY outbox_user (user_id),
    KEY outbox_state (state, id),
    KEY outbox_published (state, published_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE idempotency_keys (
    -- `<user id> <route>` or `anonymous <route>`.
    scope VARCHAR(200) NOT NULL,
    client_key VARCHAR(200) NOT NULL,
    fingerprint VARCHAR(200) NOT NULL,
    -- The user whom the stored answer is about, so that it goes with the account.
    owner CHAR(36) CHARACTER SET ascii COLLATE ascii_bin,
    -- NULL only inside the transaction that carries the request out.
    answer MEDIUMTEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, client_key),
    KEY idempotency_keys_owner (owner),
    KEY idempotency_keys_created (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE leases (
    name VARCHAR(100) NOT NULL PRIMARY KEY,
    owner CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    expires_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
