-- Types: those that sqlx's `Any` maps on every engine. Times are milliseconds since 1970 in UTC,
-- flags SMALLINT, identifiers CHAR(36), sets of genres JSON arrays of ids.

CREATE TABLE users (
    id CHAR(36) NOT NULL PRIMARY KEY,
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
    cancelled_at BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX users_email ON users (email);
CREATE INDEX users_role ON users (role, status);
CREATE INDEX users_watch_changed ON users (watch_changed_at, id);

CREATE TABLE packages (
    id CHAR(36) NOT NULL PRIMARY KEY,
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
    created_by CHAR(36) REFERENCES users (id) ON DELETE SET NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX packages_live_name ON packages (live_name_key);
CREATE INDEX packages_archived ON packages (archived_at, id);
CREATE INDEX packages_created_by ON packages (created_by);

CREATE TABLE package_versions (
    package_id CHAR(36) NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    version INT NOT NULL,
    name VARCHAR(100) NOT NULL,
    genres TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (package_id, version)
) WITHOUT ROWID;

CREATE TABLE package_version_genres (
    package_id CHAR(36) NOT NULL,
    version INT NOT NULL,
    genre_id BIGINT NOT NULL,
    PRIMARY KEY (package_id, version, genre_id),
    FOREIGN KEY (package_id, version)
        REFERENCES package_versions (package_id, version) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE subscriptions (
    id CHAR(36) NOT NULL PRIMARY KEY,
    user_id CHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    package_id CHAR(36) NOT NULL REFERENCES packages (id),
    -- The version that was the latest when it was made.
    version INT NOT NULL,
    starts_at BIGINT NOT NULL,
    -- 9223372036854775807 while it is open, so that one comparison finds what has not ended.
    ends_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX subscriptions_user ON subscriptions (user_id, id);
CREATE INDEX subscriptions_holdings ON subscriptions (user_id, ends_at);
CREATE INDEX subscriptions_overlap ON subscriptions (user_id, package_id, ends_at);
CREATE INDEX subscriptions_package ON subscriptions (package_id);

CREATE TABLE marks (
    user_id CHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    movie_id BIGINT NOT NULL,
    title TEXT NOT NULL,
    genres TEXT NOT NULL,
    -- The latest of its plays.
    watched_at BIGINT NOT NULL,
    marked_at BIGINT NOT NULL,
    marked_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, movie_id)
) WITHOUT ROWID;
CREATE INDEX marks_latest ON marks (user_id, watched_at DESC, marked_seq DESC);

CREATE TABLE mark_genres (
    user_id CHAR(36) NOT NULL,
    movie_id BIGINT NOT NULL,
    genre_id BIGINT NOT NULL,
    PRIMARY KEY (user_id, movie_id, genre_id),
    FOREIGN KEY (user_id, movie_id) REFERENCES marks (user_id, movie_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- The order of the key is that of a mark's plays, so that the latest needs no second index.
CREATE TABLE plays (
    user_id CHAR(36) NOT NULL,
    movie_id BIGINT NOT NULL,
    watched_at BIGINT NOT NULL,
    id CHAR(36) NOT NULL,
    -- 1 when only the day is known.
    day_only SMALLINT NOT NULL,
    PRIMARY KEY (user_id, movie_id, watched_at, id),
    FOREIGN KEY (user_id, movie_id) REFERENCES marks (user_id, movie_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- No reference to users: a user's last event, `erased`, outlives the account.
CREATE TABLE outbox (
    -- AUTOINCREMENT: a number is never given twice, or a late acknowledgement would meet another event.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id CHAR(36) NOT NULL,
    user_id CHAR(36) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- 0 waits, 1 published, 2 buried.
    state SMALLINT NOT NULL DEFAULT 0,
    published_at BIGINT,
    buried_at BIGINT,
    buried_reason TEXT
);
CREATE UNIQUE INDEX outbox_event ON outbox (event_id);
CREATE INDEX outbox_user ON outbox (user_id);
CREATE INDEX outbox_waiting ON outbox (state, id) WHERE state = 0;
CREATE INDEX outbox_published ON outbox (state, published_at) WHERE state = 1;

CREATE TABLE idempotency_keys (
    -- `<user id> <route>` or `anonymous <route>`.
    scope VARCHAR(200) NOT NULL,
    client_key VARCHAR(200) NOT NULL,
    fingerprint VARCHAR(200) NOT NULL,
    -- The user whom the stored answer is about, so that it goes with the account.
    owner CHAR(36),
    -- NULL only inside the transaction that carries the request out.
    answer TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, client_key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_owner ON idempotency_keys (owner);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE leases (
    name VARCHAR(100) NOT NULL PRIMARY KEY,
    owner CHAR(36) NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
