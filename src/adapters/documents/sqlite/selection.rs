//! [`MovieQuery`] as SQL. It has to agree with [`MovieQuery::matches`] in every case.

use sqlx::{QueryBuilder, Sqlite};
use watchme_actors::domain::{
    EntitlementMode, GenreMode, GenreSet, MovieQuery, MovieSort, MovieSortKey, PageRequest,
};

use super::json::numbers;

/// Counts the movies that match.
pub(super) fn counting(query: &MovieQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM movies AS m WHERE ");
    push_conditions(&mut sql, query);
    sql
}

/// The ids of one page, in order. Only ids: what an order has to skip is never read whole.
pub(super) fn page_of(query: &MovieQuery, page: PageRequest) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT m.id FROM movies AS m WHERE ");
    push_conditions(&mut sql, query);
    sql.push(order(query.sort));
    sql.push(" LIMIT ").push_bind(i64::from(page.size()));
    sql.push(" OFFSET ").push_bind(i64::try_from(page.offset()).unwrap_or(i64::MAX));
    sql
}

// NULL is the smallest value in SQLite: unknown dates come first when ascending, as they have to.
fn order(sort: MovieSort) -> &'static str {
    match (sort.key, sort.descending) {
        (MovieSortKey::Popularity, false) => " ORDER BY m.popularity, m.id",
        (MovieSortKey::Popularity, true) => " ORDER BY m.popularity DESC, m.id",
        (MovieSortKey::Rating, false) => " ORDER BY m.vote_average, m.id",
        (MovieSortKey::Rating, true) => " ORDER BY m.vote_average DESC, m.id",
        (MovieSortKey::ReleaseDate, false) => " ORDER BY m.released, m.id",
        (MovieSortKey::ReleaseDate, true) => " ORDER BY m.released DESC, m.id",
        (MovieSortKey::Title, false) => " ORDER BY m.title_key, m.id",
        (MovieSortKey::Title, true) => " ORDER BY m.title_key DESC, m.id",
    }
}

fn push_conditions(sql: &mut QueryBuilder<Sqlite>, query: &MovieQuery) {
    push_genres(sql, query);
    let filter = &query.filter;
    if let Some(year) = filter.year_from {
        sql.push(" AND m.released >= ").push_bind(i64::from(year) * 10_000);
    }
    if let Some(year) = filter.year_to {
        sql.push(" AND m.released < ").push_bind((i64::from(year) + 1) * 10_000);
    }
    if let Some(rating) = filter.min_rating {
        sql.push(" AND m.vote_average >= ").push_bind(rating);
    }
    if let Some(language) = &filter.language {
        sql.push(" AND m.language = ").push_bind(language.clone());
    }
    if let Some(watched) = query.watched {
        sql.push(if watched { " AND m.id IN " } else { " AND m.id NOT IN " });
        push_each(sql, numbers(query.watched_movies.iter().copied()));
    }
    if let Some(text) = &filter.text {
        let text = text.to_lowercase();
        sql.push(" AND (instr(m.title_key, ").push_bind(text.clone());
        sql.push(") > 0 OR instr(m.original_title_key, ").push_bind(text).push(") > 0)");
    }
}

// The `+` keeps SQLite from seeking once for each genre of the set: a movie has two or three, and
// looking each of them up in the set is four times faster.
fn push_genres(sql: &mut QueryBuilder<Sqlite>, query: &MovieQuery) {
    let wanted = &query.filter.genres;
    let permitted = &query.entitlement.genres;
    sql.push("1 = 1");
    if !wanted.is_empty() {
        match query.filter.genre_mode {
            GenreMode::Any => push_has_genre(sql, wanted, true),
            GenreMode::All => {
                let count = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
                sql.push(" AND ").push_bind(count).push(
                    " = (SELECT count(*) FROM movie_genres AS g WHERE g.movie_id = m.id AND +g.genre_id IN ",
                );
                push_each(sql, numbers(wanted.iter()));
                sql.push(")");
            }
        }
    }
    // A movie that has a wanted genre has a permitted one, when all wanted ones are permitted.
    if wanted.is_empty() || !wanted.is_subset(permitted) {
        push_has_genre(sql, permitted, true);
    }
    if query.entitlement.mode == EntitlementMode::All {
        sql.push(" AND NOT EXISTS (SELECT 1 FROM movie_genres AS g WHERE g.movie_id = m.id AND g.genre_id NOT IN ");
        push_each(sql, numbers(permitted.iter()));
        sql.push(")");
    }
    if !query.filter.excluded_genres.is_empty() {
        push_has_genre(sql, &query.filter.excluded_genres, false);
    }
}

fn push_has_genre(sql: &mut QueryBuilder<Sqlite>, genres: &GenreSet, has: bool) {
    sql.push(
        " AND EXISTS (SELECT 1 FROM movie_genres AS g WHERE g.movie_id = m.id AND +g.genre_id IN ",
    );
    push_each(sql, numbers(genres.iter()));
    // Never a bare EXISTS: SQLite 3.51 makes a join of it, and its OFFSET then counts a movie once
    // for each of its genres.
    sql.push(if has { ") IS TRUE" } else { ") IS FALSE" });
}

fn push_each(sql: &mut QueryBuilder<Sqlite>, array: String) {
    sql.push("(SELECT value FROM json_each(").push_bind(array).push("))");
}
