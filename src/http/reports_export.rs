//! All reports in one answer, which is made while it is read: a page of users at a time, the next
//! one when the client has taken the one before.

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::Bytes,
};
use csv::{QuoteStyle, Terminator, WriterBuilder};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use watchme_actors::{
    domain::{GenreId, GenreList, MovieId, Report, ReportFacts, UserId},
    ports::StoreError,
    report::ReportHandle,
};

use super::{ErrorCode, Problem, reports::ReportBody, server::Exchange};

/// Exports that this process makes at once; more are refused.
const AT_ONCE: usize = 2;
/// After which a refused one may come again.
const AGAIN: Duration = Duration::from_secs(10);
/// Users of one page: some 75 kB.
const PAGE: u32 = 500;
/// Whoever takes longer is cut off.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A row: its fields are the columns, by these names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    user_id: UserId,
    total_films_watched: u64,
    most_watched_theme_id: Option<GenreId>,
    most_watched_theme_name: Option<Cow<'a, str>>,
    most_watched_theme_films_watched: Option<u64>,
    last_film_watched_movie_id: Option<MovieId>,
    last_film_watched_movie_name: Option<Cow<'a, str>>,
}

impl<'a> From<&'a Report> for Row<'a> {
    fn from(report: &'a Report) -> Self {
        let (theme, film) = (&report.most_watched_theme, &report.last_film_watched);
        Self {
            user_id: report.user_id,
            total_films_watched: report.total_films_watched,
            most_watched_theme_id: theme.as_ref().map(|theme| theme.theme_id),
            most_watched_theme_name: theme.as_ref().map(|theme| cell(&theme.theme_name)),
            most_watched_theme_films_watched: theme.as_ref().map(|it| it.total_films_watched),
            last_film_watched_movie_id: film.as_ref().map(|film| film.movie_id),
            last_film_watched_movie_name: film.as_ref().map(|film| cell(&film.movie_name)),
        }
    }
}

/// A form in which all reports are sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With a row of names, as RFC 4180 has it.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"reports.csv\"",
            Self::Ndjson => "attachment; filename=\"reports.ndjson\"",
        }
    }

    /// Whole lines, with the names of the columns before the first ones.
    fn lines(self, reports: impl Iterator<Item = Report>, first: bool) -> Result<Bytes, Broken> {
        match self {
            Self::Csv => {
                let mut rows = WriterBuilder::new()
                    .has_headers(first)
                    .terminator(Terminator::CRLF)
                    // Whatever else a spreadsheet takes for the end of a cell stands in quotes.
                    .quote_style(QuoteStyle::NonNumeric)
                    .from_writer(Vec::new());
                for report in reports {
                    rows.serialize(Row::from(&report))?;
                }
                Ok(rows.into_inner().map_err(csv::IntoInnerError::into_error)?.into())
            }
            Self::Ndjson => {
                let mut lines = Vec::new();
                for report in reports {
                    serde_json::to_writer(&mut lines, &ReportBody::from(report))?;
                    lines.push(b'\n');
                }
                Ok(lines.into())
            }
        }
    }
}

/// A text of others that no spreadsheet takes for a formula.
fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

/// Why an export broke off: the client sees an answer without its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it took longer than {} s", LONGEST.as_secs())]
    TooLong,
    #[error("a report could not be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a report could not be written: {0}")]
    Csv(#[from] csv::Error),
    #[error("a report could not be written: {0}")]
    Writing(#[from] std::io::Error),
}

/// The exports that may be under way.
pub(crate) struct Exports(Arc<Semaphore>);

impl Exports {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// Every user's report, in the order in which the accounts were made. Those that come or go
    /// meanwhile are in it or not.
    ///
    /// # Errors
    /// 503 where there is no place for it, or the first reports cannot be read.
    pub(crate) async fn answer(
        &self,
        req: &HttpRequest,
        reports: &ReportHandle,
        genres: Arc<GenreList>,
        form: Form,
    ) -> Result<HttpResponse, Problem> {
        let place = Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let detail = "as many exports as may be are under way";
            Problem::new(ErrorCode::Overloaded, detail).retry_after(AGAIN)
        })?;
        // Before the head is sent: what is wrong from the beginning has a status.
        let first = reports.reports_after(None, PAGE).await?;
        let export = Export {
            reports: reports.clone(),
            genres,
            form,
            next: Some(first),
            after: None,
            until: Instant::now() + LONGEST,
            exchange: req.conn_data::<Exchange>().cloned(),
            _place: place,
        };
        let mut response = HttpResponse::Ok();
        response
            .content_type(form.content_type())
            .insert_header((header::CONTENT_DISPOSITION, form.file_name()));
        Ok(match *req.method() {
            Method::HEAD => response.streaming(stream::empty::<Result<Bytes, Broken>>()),
            _ => response.streaming(export.lines()),
        })
    }
}

type Page = Option<(UserId, Vec<ReportFacts>)>;

struct Export {
    reports: ReportHandle,
    genres: Arc<GenreList>,
    form: Form,
    /// The first page, read already.
    next: Option<Page>,
    after: Option<UserId>,
    until: Instant,
    exchange: Option<Exchange>,
    _place: OwnedSemaphorePermit,
}

impl Export {
    fn lines(self) -> impl Stream<Item = Result<Bytes, Broken>> {
        stream::try_unfold(self, |mut export| async move {
            let lines = export.next_lines().await.inspect_err(|error| {
                tracing::warn!(%error, "an export broke off");
            })?;
            Ok(lines.map(|lines| (lines, export)))
        })
    }

    async fn next_lines(&mut self) -> Result<Option<Bytes>, Broken> {
        if Instant::now() > self.until {
            return Err(Broken::TooLong);
        }
        loop {
            let page = match self.next.take() {
                Some(first) => first,
                None => self.reports.reports_after(self.after, PAGE).await?,
            };
            if let Some(exchange) = &self.exchange {
                exchange.goes_on();
            }
            let Some((last, facts)) = page else { return Ok(None) };
            let first = self.after.replace(last).is_none();
            // Without a line it would be taken for the end: everybody of this page has gone.
            if !facts.is_empty() {
                let reports = facts.iter().map(|it| it.report(&self.genres));
                return self.form.lines(reports, first).map(Some);
            }
        }
    }
}

#[cfg(test)]
mod tests;
