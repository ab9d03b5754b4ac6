//! Connections that send as soon as they were answered.

use std::{rc::Rc, time::Instant};

use super::{Connection, lane::Shared};

/// Works until the window closes. What is answered within it counts.
pub(super) async fn work(lane: Rc<Shared>, number: usize, mut connection: Option<Connection>) {
    let window = lane.window;
    let mut request = Vec::new();
    loop {
        let now = Instant::now();
        if now >= window.until {
            return;
        }
        lane.request(number, &mut request);
        let counts = |answered| window.from <= answered && answered < window.until;
        lane.exchange(&mut connection, &request, now, counts).await;
    }
}
