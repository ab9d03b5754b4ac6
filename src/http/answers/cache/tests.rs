#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{cell::Cell, rc::Rc};

use actix_web::{
    body::MessageBody,
    http::{
        StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH},
    },
    test::TestRequest,
};
use tokio::sync::Notify;

use super::*;
use crate::http::layers::agreeing;

const MAX_AGE: Duration = Duration::from_secs(300);
const FIRST: Stamp = Stamp { of: 1, genres: 1 };

fn cache_of(bytes: u64, outlasts_store: bool, alone: Alone) -> Arc<AnswerCache<u32>> {
    let bounds = Bounds { name: "test", bytes, max_age: MAX_AGE, outlasts_store, key_bytes: |_| 0 };
    Arc::new(AnswerCache::new(bounds, alone))
}

fn cache() -> Arc<AnswerCache<u32>> {
    cache_of(1 << 20, false, Alone::never())
}

fn later(stamp: Stamp) -> Stamp {
    Stamp { of: stamp.of + 1, ..stamp }
}

fn body_of(response: HttpResponse) -> String {
    String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
}

/// What is given for the key 1, where making it would give this text.
async fn given(cache: &Arc<AnswerCache<u32>>, stamp: Stamp, text: &'static str) -> String {
    let served = cache.get(&1, stamp, || async move { Encoded::of(&text) }).await.unwrap();
    let request = TestRequest::default().to_http_request();
    body_of(cache.respond(&request, &1, &served).await)
}

/// Lets what was spawned come to its end.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn away() -> Problem {
    Problem::of(ErrorCode::StoreUnavailable)
}

#[actix_web::test]
async fn an_answer_is_made_once_and_again_when_something_has_changed() {
    let cache = cache();
    assert_eq!(given(&cache, FIRST, "a").await, "\"a\"");
    assert_eq!(given(&cache, FIRST, "b").await, "\"a\"");
    let second = later(FIRST);
    assert_eq!(given(&cache, second, "c").await, "\"c\"");
    assert_eq!(given(&cache, second, "d").await, "\"c\"");
    let renamed = Stamp { genres: 2, ..second };
    assert_eq!(given(&cache, renamed, "e").await, "\"e\"");
    let CacheStatus { hits, misses, stale, .. } = cache.status();
    assert_eq!((hits, misses, stale), (2, 3, 0));
}

#[actix_web::test]
async fn many_who_wait_wait_for_one() {
    let cache = cache();
    let (made, gate) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (cache, made, gate) = (Arc::clone(&cache), Rc::clone(&made), Rc::clone(&gate));
            rt::spawn(async move {
                let make = || async move {
                    made.set(made.get() + 1);
                    gate.notified().await;
                    Encoded::of(&made.get())
                };
                cache.get(&1, FIRST, make).await.unwrap().entry.answer.body()
            })
        })
        .collect();
    settled().await;
    assert_eq!(made.get(), 1);
    gate.notify_one();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), "1");
    }
    assert_eq!(cache.status().misses, 50);
}

#[actix_web::test]
async fn who_waits_goes_on_when_the_first_one_goes_away() {
    let cache = cache();
    let first = {
        let cache = Arc::clone(&cache);
        rt::spawn(async move { cache.get(&1, FIRST, std::future::pending).await.is_ok() })
    };
    settled().await;
    let second = {
        let cache = Arc::clone(&cache);
        rt::spawn(async move { given(&cache, FIRST, "b").await })
    };
    settled().await;
    first.abort();
    assert_eq!(second.await.unwrap(), "\"b\"");
}

#[actix_web::test]
async fn many_who_wait_in_vain_are_told_once_and_the_next_one_tries_again() {
    let cache = cache();
    let tried = Rc::new(Cell::new(0));
    let outcomes = futures_util::future::join_all((0..50).map(|_| {
        let (cache, tried) = (Arc::clone(&cache), Rc::clone(&tried));
        async move {
            let make = || async move {
                tried.set(tried.get() + 1);
                tokio::task::yield_now().await;
                Err(away())
            };
            cache.get(&1, FIRST, make).await.err().unwrap().code()
        }
    }))
    .await;
    assert!(outcomes.iter().all(|code| *code == ErrorCode::StoreUnavailable));
    assert_eq!(tried.get(), 1);
    assert_eq!(given(&cache, FIRST, "b").await, "\"b\"");
}

#[actix_web::test]
async fn who_comes_after_a_change_does_not_join_who_came_before() {
    let cache = cache();
    let gate = Rc::new(Notify::new());
    let early = {
        let (cache, gate) = (Arc::clone(&cache), Rc::clone(&gate));
        rt::spawn(async move {
            let make = || async move {
                gate.notified().await;
                Encoded::of(&"old")
            };
            cache.get(&1, FIRST, make).await.unwrap().entry.answer.body()
        })
    };
    settled().await;
    let second = later(FIRST);
    assert_eq!(given(&cache, second, "new").await, "\"new\"");
    gate.notify_one();
    assert_eq!(early.await.unwrap(), "\"old\"");
    assert_eq!(given(&cache, second, "newer").await, "\"new\"", "the late one replaces nothing");
}

#[actix_web::test]
async fn an_answer_past_its_time_is_given_while_another_one_is_made() {
    tokio::time::pause();
    let cache = cache();
    given(&cache, FIRST, "a").await;
    tokio::time::advance(MAX_AGE).await;
    assert_eq!(given(&cache, FIRST, "b").await, "\"a\"");
    // Only one is made, however many come.
    assert_eq!(given(&cache, FIRST, "c").await, "\"a\"");
    settled().await;
    assert_eq!(given(&cache, FIRST, "d").await, "\"b\"");
    assert_eq!(cache.status().stale, 2);
    // Much later nobody is given it.
    tokio::time::advance(MAX_AGE + GRACE).await;
    assert_eq!(given(&cache, FIRST, "e").await, "\"e\"");
    // Nor what is known to be untrue.
    tokio::time::advance(MAX_AGE).await;
    assert_eq!(given(&cache, later(FIRST), "f").await, "\"f\"");
}

#[actix_web::test]
async fn where_it_cannot_be_made_anew_it_is_tried_again() {
    tokio::time::pause();
    let cache = cache();
    given(&cache, FIRST, "a").await;
    tokio::time::advance(MAX_AGE).await;
    let failed = cache.get(&1, FIRST, || async { Err(away()) }).await.unwrap();
    assert_eq!(failed.entry.answer.body(), "\"a\"");
    settled().await;
    assert_eq!(given(&cache, FIRST, "b").await, "\"a\"");
    settled().await;
    assert_eq!(given(&cache, FIRST, "c").await, "\"b\"");
}

#[actix_web::test]
async fn where_nobody_tells_of_changes_an_answer_does_not_count_for_long() {
    tokio::time::pause();
    let (told, alone) = (cache(), cache_of(1 << 20, false, Alone::always()));
    for cache in [&told, &alone] {
        given(cache, FIRST, "a").await;
    }
    tokio::time::advance(MAX_AGE_ALONE / 2).await;
    for cache in [&told, &alone] {
        assert_eq!(given(cache, FIRST, "b").await, "\"a\"");
    }
    tokio::time::advance(MAX_AGE_ALONE / 2).await;
    assert_eq!(given(&told, FIRST, "c").await, "\"a\"");
    assert_eq!(given(&alone, FIRST, "c").await, "\"c\"");
}

#[actix_web::test]
async fn an_old_answer_is_better_than_none_where_that_was_said() {
    for outlasts in [true, false] {
        let cache = cache_of(1 << 20, outlasts, Alone::never());
        given(&cache, FIRST, "a").await;
        let failed = cache.get(&1, later(FIRST), || async { Err(away()) }).await;
        if outlasts {
            let served = failed.unwrap();
            assert!(served.stale && served.entry.answer.body() == "\"a\"");
        } else {
            assert_eq!(failed.err().unwrap().code(), ErrorCode::StoreUnavailable);
        }
        let other = Problem::of(ErrorCode::Internal);
        let failed = cache.get(&1, later(FIRST), || async { Err(other) }).await;
        assert_eq!(failed.err().unwrap().code(), ErrorCode::Internal);
    }
}

#[actix_web::test]
async fn nobody_waits_long_who_can_be_given_an_old_answer() {
    tokio::time::pause();
    let cache = cache_of(1 << 20, true, Alone::never());
    given(&cache, FIRST, "a").await;
    let second = later(FIRST);
    let gate = Rc::new(Notify::new());
    let slowly = || {
        let gate = Rc::clone(&gate);
        async move {
            gate.notified().await;
            Encoded::of(&"b")
        }
    };
    for _ in 0..2 {
        let began = Instant::now();
        let served = cache.get(&1, second, slowly).await.unwrap();
        assert!(served.stale && served.entry.answer.body() == "\"a\"");
        assert!(began.elapsed() < 2 * PATIENCE);
    }
    gate.notify_waiters();
    settled().await;
    assert_eq!(given(&cache, second, "c").await, "\"b\"", "it went on being made");
}

#[actix_web::test]
async fn what_is_not_to_be_kept_is_not() {
    let cache = cache();
    let made = async |text: &'static str| {
        let served = cache.get_or_make(&1, FIRST, async || Encoded::of(&text)).await.unwrap();
        served.entry.answer.body()
    };
    assert_eq!(made("a").await, "\"a\"");
    assert_eq!(made("b").await, "\"b\"");
    given(&cache, FIRST, "c").await;
    assert_eq!(made("d").await, "\"c\"");
}

#[actix_web::test]
async fn the_bound_holds_with_every_coding() {
    const BYTES: u64 = 256 * 1024;
    let cache = cache_of(BYTES, false, Alone::never());
    let held = |cache: &AnswerCache<u32>| {
        let entries = cache.entries.iter();
        entries.map(|(_, kept)| (kept.entry.answer.bytes() + OVERHEAD) as u64).sum::<u64>()
    };
    for key in 0..400 {
        // Hexadecimal digits shrink to half.
        let text: String = (0..256).map(|n| format!("{:016x}", tag(key, n))).collect();
        let make = || async move { Encoded::of(&text) };
        let served = cache.get(&key, FIRST, make).await.unwrap();
        let before = cache.status().bytes;
        for coding in ["gzip", "br"] {
            let request = agreeing(TestRequest::default().insert_header((ACCEPT_ENCODING, coding)));
            let response = cache.respond(&request, &key, &served).await;
            assert_eq!(response.headers().get(CONTENT_ENCODING).unwrap(), coding);
        }
        let status = cache.status();
        assert!(key > 10 || status.bytes > before, "what was added counts");
        assert!(status.bytes <= BYTES, "{status:?}");
        assert_eq!(status.bytes, held(&cache));
    }
    assert!(cache.status().bytes > BYTES / 2);
}

fn tag(key: u32, number: u32) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    (key, number).hash(&mut hasher);
    hasher.finish()
}

#[actix_web::test]
async fn who_has_an_answer_is_not_sent_it() {
    let cache = cache();
    let served = cache.get(&1, FIRST, || async { Encoded::of(&"a") }).await.unwrap();
    let request = agreeing(TestRequest::default().insert_header((ACCEPT_ENCODING, "gzip")));
    let first = cache.respond(&request, &1, &served).await;
    let known = first.headers().get(ETAG).unwrap().clone();
    let again = TestRequest::default().insert_header((IF_NONE_MATCH, known.clone()));
    let again = cache.respond(&again.to_http_request(), &1, &served).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers().get(ETAG), Some(&known));
    assert_eq!(body_of(again), "");
    // A version says nothing of the rest.
    let make = || async { Encoded::of_version(3, &"a") };
    let served = cache.get(&2, FIRST, make).await.unwrap();
    let request = TestRequest::default().insert_header((IF_NONE_MATCH, "\"3\""));
    let answer = cache.respond(&request.to_http_request(), &2, &served).await;
    assert_eq!(answer.headers().get(ETAG).unwrap(), "\"3\"");
    assert_eq!((answer.status(), body_of(answer)), (StatusCode::OK, "\"a\"".to_owned()));
}
