//! The bound on what is changed at the same time.
//!
//! Who has to wait for the store is told so by the store itself; but to find that out, and to tell
//! it, costs as much as a small read. With thousands of requests at once it is that cost which keeps
//! those waiting who were let in. So what comes on top of very many is refused before anything else
//! is looked at.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

use crate::http::{AppState, ErrorCode, Problem};

/// Changes under way at once, at most: as many as may wait for the store.
const MOST: usize = 1_024;

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct Door(AtomicUsize);

/// A change under way, until dropped.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    fn enter(&self) -> Option<Inside<'_>> {
        let inside = Inside(&self.0);
        (self.0.fetch_add(1, Ordering::Relaxed) < MOST).then_some(inside)
    }
}

/// Lets a change in, unless too many are under way. What only reads always passes.
pub(crate) async fn admitted<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = req.app_data::<web::Data<AppState>>().cloned();
    let inside = match &state {
        Some(state) if !req.method().is_safe() => match state.door.enter() {
            None => {
                let (request, _) = req.into_parts();
                let problem = Problem::of(ErrorCode::Overloaded);
                let response = HttpResponse::from_error(problem).map_into_right_body();
                return Ok(ServiceResponse::new(request, response));
            }
            inside => inside,
        },
        _ => None,
    };
    let response = next.call(req).await?.map_into_left_body();
    drop(inside);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_let_in_as_have_room() {
        let door = Door::default();
        let mut inside: Vec<_> = std::iter::from_fn(|| door.enter()).collect();
        assert_eq!(inside.len(), MOST);
        assert!(door.enter().is_none(), "who was refused takes no room");
        inside.pop();
        assert!(door.enter().is_some());
    }
}
