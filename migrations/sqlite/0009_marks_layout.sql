-- Where marks stand: a user's in the order of time, which is how they are read, so that the rows are their
-- own index by time. Whether a user has marked a movie is asked of an index by movie: a film that
-- many watch on an evening is in one place. A mark still changes two places, but only one of them holds rows,
-- and there a user's new marks come together at the end.
CREATE TABLE marks_in_order (
    user_id CHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    movie_id BIGINT NOT NULL,
    title TEXT NOT NULL,
    genres TEXT NOT NULL,
    -- The latest of its plays.
    watched_at BIGINT NOT NULL,
    marked_at BIGINT NOT NULL,
    marked_seq BIGINT NOT NULL,
    -- The latest first: [identifier, watched_at, day_only] each.
    plays TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (user_id, watched_at, marked_seq)
) WITHOUT ROWID;
INSERT INTO marks_in_order
    (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
    SELECT user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays FROM marks;
DROP TABLE marks;
ALTER TABLE marks_in_order RENAME TO marks;
CREATE UNIQUE INDEX marks_movie ON marks (movie_id, user_id);
