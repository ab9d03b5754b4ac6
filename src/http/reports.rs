//! `/reports`: what users have watched, in four fields.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Data,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{GenreId, Invalid, MovieId, Page, PageRequest, Report, UserId},
    ports::UserFilter,
};

use super::{
    AppState, ErrorCode, Problem, accept,
    check::Check,
    guard::Caller,
    pages::{self, PageBody},
    query,
    reports_export::Form,
    respond, users,
};

/// A user's report. Exactly these four fields.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Report, example = json!({
    "userId": "0190f5fe-7c00-7a00-8000-000000000001", "totalFilmsWatched": 12,
    "mostWatchedTheme": {"themeId": 18, "themeName": "Drama", "totalFilmsWatched": 7},
    "lastFilmWatched": {"movieId": 550, "movieName": "Fight Club"}}))]
pub(crate) struct ReportBody {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    /// Distinct movies.
    #[schema(minimum = 0)]
    total_films_watched: u64,
    /// The genre with the highest count, ties to the lowest id.
    most_watched_theme: Option<ThemeBody>,
    /// The latest viewing, ties to the latest mark.
    last_film_watched: Option<FilmBody>,
}

/// How many movies of one genre were watched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportTheme)]
pub(crate) struct ThemeBody {
    #[schema(value_type = u32, minimum = 1)]
    theme_id: GenreId,
    theme_name: String,
    #[schema(minimum = 1)]
    total_films_watched: u64,
}

/// The movie that was watched last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportFilm)]
pub(crate) struct FilmBody {
    #[schema(value_type = u32, minimum = 1)]
    movie_id: MovieId,
    movie_name: String,
}

impl From<Report> for ReportBody {
    fn from(report: Report) -> Self {
        Self {
            user_id: report.user_id,
            total_films_watched: report.total_films_watched,
            most_watched_theme: report.most_watched_theme.map(|theme| ThemeBody {
                theme_id: theme.theme_id,
                theme_name: theme.theme_name,
                total_films_watched: theme.total_films_watched,
            }),
            last_film_watched: report
                .last_film_watched
                .map(|film| FilmBody { movie_id: film.movie_id, movie_name: film.movie_name }),
        }
    }
}

/// Read one's own report
///
/// It never lags behind one's own marks.
#[utoipa::path(get, path = "/api/v1/reports/me", tag = "reports",
    responses((status = 200, description = "The caller's report", body = ReportBody)))]
pub(crate) async fn mine(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    report_of(&state, caller.id, ErrorCode::AccountInactive).await
}

/// Read a user's report
#[utoipa::path(get, path = "/api/v1/reports/users/{id}", tag = "reports",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "The user's report", body = ReportBody)))]
pub(crate) async fn of_user(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    report_of(&state, users::user_id(&req)?, ErrorCode::UserNotFound).await
}

async fn report_of(
    state: &AppState,
    user: UserId,
    missing: ErrorCode,
) -> Result<HttpResponse, Problem> {
    let found = state.handles.reports.report(user).await?.ok_or_else(|| Problem::of(missing))?;
    respond::ok(&ReportBody::from(found.report(&*state.handles.genres.wait_for_list().await?)))
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportsQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

/// What the list of reports can be sent as.
const FORMS: [(&str, Option<Form>); 3] = [
    ("application/json", None),
    ("text/csv", Some(Form::Csv)),
    ("application/x-ndjson", Some(Form::Ndjson)),
];

/// List every user's report
///
/// In the order in which the accounts were made, those who watched nothing included. As JSON a page
/// of them; as `text/csv` or `application/x-ndjson`, where `Accept` prefers that, all of them, sent
/// as fast as they are read: then there are no pages to ask for, and an answer that breaks off
/// without its end (its last chunk) is not complete. In a CSV file, a text that a spreadsheet would
/// take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", params(ReportsQuery),
    responses((status = 200, description = "A page of reports, or all of them, one a line",
        content((PageBody<ReportBody> = "application/json"), (String = "text/csv"),
            (ReportBody = "application/x-ndjson")))))]
pub(crate) async fn list(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let wanted: ReportsQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let form = accept::best(&req, &FORMS);
    if let Some(Some(_all)) = form {
        for (field, text) in [("pageNumber", &wanted.page_number), ("pageSize", &wanted.page_size)]
        {
            if text.is_some() {
                check.refuse(field, Invalid::new("unexpected", "is for pages of JSON"));
            }
        }
    }
    check.done()?;
    let mut response = match form {
        Some(None) => respond::ok(&page_of(&state, page).await?)?,
        Some(Some(form)) => {
            let genres = state.handles.genres.wait_for_list().await?;
            state.exports.answer(&req, &state.handles.reports, genres, form).await?
        }
        None => {
            let kinds = FORMS.map(|(kind, _)| kind).join(", ");
            let detail = format!("reports can be sent as {kinds}");
            return Err(Problem::new(ErrorCode::NotAcceptable, detail));
        }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

async fn page_of(state: &AppState, page: PageRequest) -> Result<PageBody<ReportBody>, Problem> {
    let users = state.ports.accounts.users(&UserFilter::default(), page).await?;
    let ids: Vec<UserId> = users.items.iter().map(|user| user.id).collect();
    let found = state.handles.reports.reports(&ids).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let items = found.iter().map(|facts| facts.report(&genres).into()).collect();
    let page = Page::<ReportBody> { items, total_items: users.total_items, request: users.request };
    Ok(page.into())
}
