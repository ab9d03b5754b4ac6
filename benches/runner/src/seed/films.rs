//! Films after the pattern of those that are stored.

use std::path::Path;

use super::File;
use crate::error::Outcome;

/// Numbers of films begin here: TMDb has none so high.
const FIRST: i64 = 100_000_000;

/// Adds films to the catalogue of a data folder until it has so many. Each has the form, the language
/// and the genres of one that was there, and a popularity, a rating, a date and a title of its own.
///
/// # Errors
/// When the tables are not those that this knows.
pub(crate) fn films(data: &Path, wanted: u32) -> Outcome<()> {
    let mut file = File::open(&data.join("documents.db"))?;
    file.run("BEGIN", &[])?;
    file.run(PATTERNS, &[])?;
    file.run(NEW, &[i64::from(wanted), FIRST])?;
    for statement in
        [MOVIES, DOCUMENTS, GENRES, "DROP TABLE temp.new", "DROP TABLE temp.patterns", "COMMIT"]
    {
        file.run(statement, &[])?;
    }
    file.close()
}

const PATTERNS: &str = "CREATE TEMP TABLE patterns AS
    SELECT row_number() OVER (ORDER BY m.id) - 1 AS place, m.title_key, m.original_title_key,
        m.language, m.fetched_at, d.document
    FROM movies m JOIN movie_documents d ON d.id = m.id";

/// Binds: how many there shall be, the first number.
const NEW: &str = "CREATE TEMP TABLE new AS
    WITH RECURSIVE n(i) AS (
        SELECT 0 WHERE (SELECT count(*) FROM temp.patterns) < ?1
        UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 - (SELECT count(*) FROM temp.patterns))
    SELECT i, ?2 + i AS id, i % (SELECT count(*) FROM temp.patterns) AS place,
        round((i * 7919 % 1000003) / 997.0, 3) AS popularity, round((i * 31 % 97) / 10.0, 1) AS rating,
        1915 + i % 110 AS year, 1 + i / 110 % 12 AS month, 1 + i / 1320 % 28 AS day
    FROM n";

const MOVIES: &str = "INSERT INTO movies (id, popularity, vote_average, released, title_key,
        original_title_key, language, fetched_at)
    SELECT n.id, n.popularity, n.rating, n.year * 10000 + n.month * 100 + n.day,
        p.title_key || ' ' || n.i, p.original_title_key || ' ' || n.i, p.language, p.fetched_at
    FROM temp.new n JOIN (SELECT * FROM temp.patterns ORDER BY place) p ON p.place = n.place
    ORDER BY n.id";

const DOCUMENTS: &str = "INSERT INTO movie_documents (id, document)
    SELECT n.id, json_set(p.document, '$.id', n.id,
        '$.title', json_extract(p.document, '$.title') || ' ' || n.i,
        '$.originalTitle', json_extract(p.document, '$.originalTitle') || ' ' || n.i,
        '$.popularity', n.popularity, '$.voteAverage', n.rating,
        '$.releaseDate', printf('%04d-%02d-%02d', n.year, n.month, n.day))
    FROM temp.new n JOIN temp.patterns p ON p.place = n.place ORDER BY n.id";

const GENRES: &str = "INSERT INTO movie_genres (genre_id, movie_id)
    SELECT g.value, d.id FROM temp.new n JOIN movie_documents d ON d.id = n.id,
        json_each(d.document, '$.genres') g
    ORDER BY g.value, d.id";
