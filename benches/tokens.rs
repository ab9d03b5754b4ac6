//! What every request of somebody who is signed in costs before anything else.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use watchme::{
    auth::{Keys, Tokens},
    config::Secret,
};
use watchme_actors::{
    domain::{SessionId, UserId},
    ports::SystemClock,
};

fn tokens(criterion: &mut Criterion) {
    let secret = Secret::new("no secret: it signs what only a benchmark believes");
    let keys = Keys { current: secret, previous: None };
    let tokens = Tokens::new(&keys, Duration::from_secs(3_600), Arc::new(SystemClock));
    let issued = tokens.issue(UserId::generate(), SessionId::generate()).unwrap().token;
    criterion.bench_function("a token is verified", |bencher| {
        bencher.iter(|| tokens.verify(black_box(&issued)).unwrap());
    });
    criterion.bench_function("a token is issued", |bencher| {
        let (user, session) = (UserId::generate(), SessionId::generate());
        bencher.iter(|| tokens.issue(black_box(user), session).unwrap());
    });
}

criterion_group!(benches, tokens);
criterion_main!(benches);
