//! The double's answers.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, rt, web};
use serde_json::{Value, json};

use super::{
    Behaviour, V3_KEY, V4_TOKEN,
    catalogue::{Film, TmdbCatalogue},
    faults,
    record::SeenRequest,
};

/// What the test and the server share.
pub(super) struct Shared {
    state: Mutex<State>,
    connections: AtomicUsize,
}

struct State {
    behaviour: Behaviour,
    catalogue: TmdbCatalogue,
    requests: Vec<SeenRequest>,
    count: usize,
    accepted: Vec<Instant>,
}

/// A second handle of the client's connection.
pub(super) struct Connection(pub(super) TcpStream);

impl Shared {
    pub(super) fn new(catalogue: TmdbCatalogue) -> Self {
        let (behaviour, requests, accepted) = (Behaviour::Normal, Vec::new(), Vec::new());
        Self {
            state: Mutex::new(State { behaviour, catalogue, requests, count: 0, accepted }),
            connections: AtomicUsize::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    pub(super) fn edit(&self, change: impl FnOnce(&mut TmdbCatalogue)) {
        change(&mut self.state().catalogue);
    }

    pub(super) fn requests(&self) -> Vec<SeenRequest> {
        self.state().requests.clone()
    }

    pub(super) fn forget_requests(&self) {
        self.state().requests.clear();
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

pub(super) async fn answer(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let mut seen = SeenRequest::of(&request);
    let behaviour = {
        let mut state = shared.state();
        state.count += 1;
        seen.number = state.count;
        state.requests.push(seen.clone());
        state.behaviour.clone()
    };
    if let Behaviour::Slow(time) = behaviour {
        rt::time::sleep(time).await;
    }
    if behaviour == Behaviour::Dead
        && let Some(Connection(stream)) = request.conn_data::<Connection>()
    {
        // A failure means that the client was quicker.
        let _ = stream.shutdown(Shutdown::Both);
        return HttpResponse::Ok().finish();
    }
    let mut state = shared.state();
    let response = state.respond(&seen, &behaviour);
    let status = response.status().as_u16();
    if let Some(found) = state.requests.iter_mut().find(|found| found.number == seen.number) {
        found.status = status;
    }
    response
}

impl State {
    fn respond(&mut self, request: &SeenRequest, behaviour: &Behaviour) -> HttpResponse {
        match behaviour {
            Behaviour::Limited { retry_after } => return faults::limited(retry_after.as_deref()),
            Behaviour::RateLimited { per_second, retry_after } => {
                self.accepted.retain(|at| at.elapsed() < Duration::from_secs(1));
                if self.accepted.len() >= *per_second {
                    return faults::limited(retry_after.as_deref());
                }
                self.accepted.push(Instant::now());
            }
            Behaviour::Status(status) => return faults::status(*status),
            Behaviour::Html(status) => return faults::html(*status),
            Behaviour::Raw(status, body) => {
                return HttpResponse::build(StatusCode::from_u16(*status).unwrap())
                    .content_type("application/json")
                    .body(body.clone());
            }
            Behaviour::Huge(size) => return HttpResponse::Ok().body(vec![0; *size]),
            Behaviour::Redirect(to) => {
                return HttpResponse::Found()
                    .insert_header((header::LOCATION, to.as_str()))
                    .finish();
            }
            _ => {}
        }
        if !has_key(request) {
            return faults::status(401);
        }
        let mut answer = match self.catalogue.answer(request) {
            Ok(answer) => answer,
            Err(status) => return faults::status(status),
        };
        match behaviour {
            Behaviour::WrongFields => faults::wrong_fields(&mut answer),
            Behaviour::BlankGenreNames
                if request.path.ends_with("/genre/movie/list")
                    && request.param("language") != Some("en-US") =>
            {
                faults::blank_names(&mut answer);
            }
            _ => {}
        }
        let body = answer.to_string();
        match behaviour {
            Behaviour::HalfBody => faults::half_body(&body),
            Behaviour::Truncated => HttpResponse::Ok()
                .content_type("application/json")
                .body(body.as_bytes()[..body.len() / 2].to_vec()),
            _ => HttpResponse::Ok().content_type("application/json;charset=utf-8").body(body),
        }
    }
}

fn has_key(request: &SeenRequest) -> bool {
    request.param("api_key") == Some(V3_KEY)
        || request.header("authorization") == Some(&format!("Bearer {V4_TOKEN}"))
}

impl TmdbCatalogue {
    /// The answer or the status of a refusal.
    fn answer(&self, request: &SeenRequest) -> Result<Value, u16> {
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match path[..] {
            ["3", "genre", "movie", "list"] => {
                let genres = self.genres.iter().map(|(id, name)| json!({ "id": id, "name": name }));
                Ok(json!({ "genres": genres.collect::<Vec<_>>() }))
            }
            ["3", "discover", "movie"] => {
                let wanted = request.param("with_genres").and_then(|id| id.parse::<i64>().ok());
                let has = |film: &Film| wanted.is_none_or(|genre| film.genres.contains(&genre));
                self.page(&self.most_popular_first(has), request)
            }
            ["3", "search", "movie"] => {
                let text = request.param("query").unwrap_or_default().to_lowercase();
                let has = |film: &Film| {
                    !text.trim().is_empty()
                        && (film.title.to_lowercase().contains(&text)
                            || film.original_title.to_lowercase().contains(&text))
                };
                self.page(&self.most_popular_first(has), request)
            }
            ["3", "movie", id] => {
                let film =
                    id.parse().ok().and_then(|id: i64| self.movies.get(&id)).ok_or(404u16)?;
                let credits = request
                    .param("append_to_response")
                    .is_some_and(|parts| parts.split(',').any(|part| part == "credits"));
                Ok(film.details(&self.genres, credits))
            }
            _ => Err(404),
        }
    }

    fn page(&self, found: &[&Film], request: &SeenRequest) -> Result<Value, u16> {
        let page: usize = request.param("page").unwrap_or("1").parse().map_err(|_| 400u16)?;
        if !(1..=500).contains(&page) {
            return Err(400);
        }
        let rows = found.iter().skip((page - 1) * 20).take(20).map(|film| film.row());
        Ok(json!({
            "page": page,
            "results": rows.collect::<Vec<_>>(),
            "total_pages": self.claimed_pages.unwrap_or(found.len().div_ceil(20) as u64),
            "total_results": found.len(),
        }))
    }
}
