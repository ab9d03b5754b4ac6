-- What queries sort and filter by. The documents stand in a table of their own, so that counting
-- and skipping over a large catalogue reads narrow rows only.
CREATE TABLE movies (
    id INTEGER PRIMARY KEY,
    popularity REAL NOT NULL,
    vote_average REAL NOT NULL,
    -- The date as the number yyyymmdd: it sorts by date and is compared by year.
    released INTEGER,
    -- Titles in lower case by Unicode's rules, which SQLite's lower() does not know.
    title_key TEXT NOT NULL,
    original_title_key TEXT NOT NULL,
    language TEXT NOT NULL,
    -- Milliseconds since 1970.
    fetched_at INTEGER NOT NULL
) STRICT;

-- An index ends in the id, ascending, which breaks ties in both directions: hence one for each.
CREATE INDEX movies_by_popularity ON movies (popularity);
CREATE INDEX movies_by_popularity_desc ON movies (popularity DESC);
CREATE INDEX movies_by_rating ON movies (vote_average);
CREATE INDEX movies_by_rating_desc ON movies (vote_average DESC);
CREATE INDEX movies_by_release ON movies (released);
CREATE INDEX movies_by_release_desc ON movies (released DESC);
CREATE INDEX movies_by_title ON movies (title_key);
CREATE INDEX movies_by_title_desc ON movies (title_key DESC);
CREATE INDEX movies_by_fetch ON movies (fetched_at);

CREATE TABLE movie_documents (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE movie_genres (
    genre_id INTEGER NOT NULL,
    movie_id INTEGER NOT NULL,
    PRIMARY KEY (genre_id, movie_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX genres_of_movie ON movie_genres (movie_id, genre_id);

CREATE TABLE genres (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE projections (
    user_id TEXT PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_records (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
