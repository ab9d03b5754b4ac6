//! The bound on what is changed at the same time.
//!
//! Who has to wait for the store is told so by the store itself; but to find that out, and to tell
//! it, costs as much as a small read. With thousands of requests at once it is that cost which keeps
//! those waiting who were let in. So what comes on top of very many is refused before anything else
//! is looked at.

use std::{
    cell::Cell,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use futures_util::poll;

use crate::http::{AppState, ErrorCode, Problem};

/// Changes under way at once, at most: under a load that takes all cores, as many as are made within a
/// tenth of a second.
const MOST: usize = 512;

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct Door(AtomicUsize);

/// A request's place among them, which it leaves while its body arrives, and while it waits for what it
/// needs to begin: who is slow keeps nobody out.
#[derive(Clone)]
pub(crate) struct Place(Rc<Inside>);

struct Inside {
    door: Arc<Door>,
    is_in: Cell<bool>,
}

impl Place {
    fn new(door: &Arc<Door>) -> Self {
        Self(Rc::new(Inside { door: Arc::clone(door), is_in: Cell::new(false) }))
    }

    /// Takes the place; whether there is room.
    pub(crate) fn enter(&self) -> bool {
        let Inside { door, is_in } = &*self.0;
        if !is_in.replace(true) && door.0.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.leave();
        }
        is_in.get()
    }

    /// Gives the place up.
    pub(crate) fn leave(&self) {
        self.0.leave();
    }
}

/// Waits for something before anything is changed: outside, if there is anything to wait for.
///
/// # Errors
/// `Overloaded` where there is no room to come back to.
pub(crate) async fn aside<T>(
    req: &HttpRequest,
    work: impl Future<Output = T>,
) -> Result<T, Problem> {
    let mut work = pin!(work);
    if let Poll::Ready(outcome) = poll!(&mut work) {
        return Ok(outcome);
    }
    let place = req.extensions().get::<Place>().cloned();
    place.iter().for_each(Place::leave);
    let outcome = work.await;
    if place.iter().all(Place::enter) {
        Ok(outcome)
    } else {
        Err(Problem::of(ErrorCode::Overloaded))
    }
}

impl Inside {
    fn leave(&self) {
        if self.is_in.replace(false) {
            self.door.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Lets a change in, unless too many are under way. What only reads always passes.
pub(crate) async fn admitted<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = req.app_data::<web::Data<AppState>>();
    let place = state.filter(|_| !req.method().is_safe()).map(|state| Place::new(&state.door));
    if let Some(place) = &place {
        if !place.enter() {
            let (request, _) = req.into_parts();
            let problem = Problem::of(ErrorCode::Overloaded);
            let response = HttpResponse::from_error(problem).map_into_right_body();
            return Ok(ServiceResponse::new(request, response));
        }
        req.extensions_mut().insert(place.clone());
    }
    let outcome = next.call(req).await;
    if let Some(place) = place {
        place.leave();
    }
    Ok(outcome?.map_into_left_body())
}

#[cfg(test)]
mod tests {
    use actix_http::h1;
    use actix_web::{FromRequest, ResponseError, http::StatusCode, test::TestRequest};
    use futures_util::future::pending;
    use tokio::sync::oneshot;

    use super::*;
    use crate::http::body::RawBody;

    #[tokio::test]
    async fn a_slow_body_keeps_nobody_out_and_may_find_no_room_afterwards() {
        let door = Arc::<Door>::default();
        let (req, _) = TestRequest::put().to_http_parts();
        let slow = Place::new(&door);
        assert!(slow.enter());
        req.extensions_mut().insert(slow);
        let (mut sender, payload) = h1::Payload::create(false);
        let mut body = RawBody::from_request(&req, &mut payload.into());
        assert!(poll!(&mut body).is_pending());
        let others: Vec<_> = (0..MOST).map(|_| Place::new(&door)).filter(Place::enter).collect();
        assert_eq!(others.len(), MOST);
        sender.feed_eof();
        let refused = body.await.err().map(|problem| problem.status_code());
        assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
    }

    #[tokio::test]
    async fn who_waits_aside_keeps_nobody_out_and_may_find_no_room_afterwards() {
        let door = Arc::<Door>::default();
        let request = || {
            let req = TestRequest::put().to_http_request();
            let place = Place::new(&door);
            assert!(place.enter());
            req.extensions_mut().insert(place);
            req
        };
        let inside = || door.0.load(Ordering::Relaxed);
        let first = request();
        assert_eq!(aside(&first, async { 1 }).await.ok(), Some(1));
        let (tell, told) = oneshot::channel();
        let mut waiting = Box::pin(aside(&first, told));
        assert!(poll!(&mut waiting).is_pending());
        assert_eq!(inside(), 0);
        let others: Vec<_> = (0..MOST).map(|_| request()).collect();
        let _ = tell.send(2);
        let refused = waiting.await.err().map(|problem| problem.code());
        assert_eq!((refused, inside()), (Some(ErrorCode::Overloaded), MOST));
        drop(others);
        // The client goes away.
        let second = request();
        let mut gone = Box::pin(aside(&second, pending::<()>()));
        assert!(poll!(&mut gone).is_pending());
        drop(gone);
        drop((first, second));
        assert_eq!(inside(), 0);
    }

    #[test]
    fn as_many_are_let_in_as_have_room() {
        let door = Arc::<Door>::default();
        let place = || Place::new(&door);
        let inside: Vec<_> = (0..MOST).map(|_| place()).filter(Place::enter).collect();
        assert_eq!(inside.len(), MOST);
        assert!(!place().enter(), "who was refused takes no room");
        inside[0].leave();
        inside[0].leave();
        let next = place();
        assert!(next.enter() && next.enter(), "one place for each");
        assert!(!inside[0].enter());
        drop((next, inside));
        assert_eq!(door.0.load(Ordering::Relaxed), 0);
    }
}
