-- How much each movie was viewed and marked in an hour; hours are counted from the first of 1970.
CREATE TABLE scores (
    hour INTEGER NOT NULL,
    movie_id INTEGER NOT NULL,
    score INTEGER NOT NULL,
    PRIMARY KEY (hour, movie_id)
) STRICT, WITHOUT ROWID;
