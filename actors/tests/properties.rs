//! Laws of the domain, over generated cases.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use watchme_actors::domain::{
    Entitlement, EntitlementMode, EventId, FoldOutcome, Genre, GenreId, GenreList, GenreSet,
    LastFilm, MarkedMovie, MovieId, MovieSnapshot, Page, PageRequest, Projection, RemoteGenre,
    Timestamp, UserId, WatchChange, WatchEvent, WatchedMark,
};

fn genre(id: i64) -> GenreId {
    GenreId::try_from(id).unwrap()
}

fn genre_sets() -> impl Strategy<Value = GenreSet> {
    prop::collection::vec(1_i64..8, 0..5).prop_map(|ids| ids.into_iter().map(genre).collect())
}

proptest! {
    #[test]
    fn any_permits_what_shares_a_genre(movie in genre_sets(), held in genre_sets()) {
        let entitlement = Entitlement { genres: held.clone(), mode: EntitlementMode::Any };
        let shared = movie.iter().any(|id| held.iter().any(|other| other == id));
        prop_assert_eq!(entitlement.permits(&movie), shared);
    }

    #[test]
    fn all_permits_what_is_wholly_held_and_not_empty(movie in genre_sets(), held in genre_sets()) {
        let entitlement = Entitlement { genres: held.clone(), mode: EntitlementMode::All };
        let whole = !movie.is_empty() && movie.iter().all(|id| held.iter().any(|other| other == id));
        prop_assert_eq!(entitlement.permits(&movie), whole);
    }

    #[test]
    fn all_is_never_wider_than_any(movie in genre_sets(), held in genre_sets()) {
        let any = Entitlement { genres: held.clone(), mode: EntitlementMode::Any };
        let all = Entitlement { genres: held, mode: EntitlementMode::All };
        prop_assert!(!all.permits(&movie) || any.permits(&movie));
    }

    #[test]
    fn more_packages_never_take_a_movie_away(
        movie in genre_sets(), held in genre_sets(), added in genre_sets(), all in any::<bool>(),
    ) {
        let mode = if all { EntitlementMode::All } else { EntitlementMode::Any };
        let wider: GenreSet = held.iter().chain(added.iter()).collect();
        let before = Entitlement { genres: held, mode }.permits(&movie);
        let after = Entitlement { genres: wider, mode }.permits(&movie);
        prop_assert!(!before || after);
    }

    #[test]
    fn pages_together_are_the_list(items in prop::collection::vec(any::<u16>(), 0..250), size in 1_u32..150) {
        let page = |number| Page::cut(items.iter(), PageRequest::new(number, size).unwrap());
        let total = page(1).total_pages();
        let mut seen = Vec::new();
        for number in 1..=u32::try_from(total).unwrap() {
            let page = page(number);
            prop_assert_eq!(page.is_first(), number == 1);
            prop_assert_eq!(page.is_last(), u64::from(number) == total);
            prop_assert!(!page.items.is_empty());
            seen.extend(page.items.into_iter().copied());
        }
        prop_assert_eq!(&seen, &items);
        let beyond = page(u32::try_from(total).unwrap() + 1);
        prop_assert!(beyond.items.is_empty() && beyond.is_last());
        prop_assert_eq!(total == 0, beyond.is_first() && items.is_empty());
    }

    #[test]
    fn a_genre_list_matches_its_source_after_the_changes(
        old in prop::collection::btree_map(1_i64..20, "[a-c]{1,2}", 0..12),
        retired in prop::collection::btree_set(1_i64..20, 0..6),
        new in prop::collection::btree_map(1_i64..20, "[a-c]{1,2}", 1..12),
    ) {
        let stored: GenreList = old
            .iter()
            .map(|(id, name)| Genre {
                id: genre(*id),
                name: name.clone(),
                retired: retired.contains(id),
                updated_at: Timestamp::EPOCH,
            })
            .collect();
        let source: Vec<RemoteGenre> =
            new.iter().map(|(id, name)| RemoteGenre { id: genre(*id), name: name.clone() }).collect();
        let now = Timestamp::from_millis(1);
        let changes = stored.changes_to_match(&source, now);
        let after: GenreList = stored.iter().cloned().chain(changes.iter().cloned()).collect();
        for entry in after.iter() {
            let listed = new.get(&i64::from(entry.id));
            prop_assert_eq!(entry.retired, listed.is_none());
            if let Some(name) = listed {
                prop_assert_eq!(&entry.name, name);
            }
        }
        let known: BTreeSet<i64> = after.iter().map(|entry| i64::from(entry.id)).collect();
        prop_assert!(new.keys().all(|id| known.contains(id)));
        prop_assert!(after.changes_to_match(&source, now).is_empty());
    }
}

/// What a user does to one of a few movies.
#[derive(Debug, Clone, Copy)]
enum Act {
    Toggle,
    Correct { at: i64 },
}

/// A user's marks, kept the plain way, with the events that each act makes.
#[derive(Debug, Clone)]
struct Model {
    user: UserId,
    seq: u64,
    marks: BTreeMap<MovieId, WatchedMark>,
    events: Vec<WatchEvent>,
}

impl Model {
    fn new() -> Self {
        Self { user: UserId::generate(), seq: 0, marks: BTreeMap::new(), events: Vec::new() }
    }

    fn act(&mut self, number: i64, act: Act, at: i64) {
        let id = MovieId::try_from(number).unwrap();
        let genres: GenreSet = [genre(number % 3 + 1), genre(number % 2 + 4)].into_iter().collect();
        let snapshot = MovieSnapshot { id, title: format!("movie {number}"), genres };
        let movie = MarkedMovie {
            movie_id: id,
            movie_name: snapshot.title.clone(),
            genre_ids: snapshot.genres.clone(),
        };
        let next = self.seq + 1;
        let change = match (act, self.marks.contains_key(&id)) {
            (Act::Toggle, false) => {
                let watched_at = Timestamp::from_millis(at);
                let mark = WatchedMark {
                    movie: snapshot,
                    watched_at,
                    marked_at: watched_at,
                    marked_seq: next,
                    plays: Vec::new(),
                };
                self.marks.insert(id, mark);
                WatchChange::Marked { movie, watched_at, last_film: self.last_film() }
            }
            (Act::Toggle, true) => {
                self.marks.remove(&id);
                WatchChange::Unmarked { movie, last_film: self.last_film() }
            }
            (Act::Correct { .. }, false) => return,
            (Act::Correct { at }, true) => {
                let watched_at = Timestamp::from_millis(at);
                self.marks.get_mut(&id).unwrap().watched_at = watched_at;
                WatchChange::Updated { movie, watched_at, last_film: self.last_film() }
            }
        };
        self.seq = next;
        self.events.push(WatchEvent {
            id: EventId::generate(),
            user_id: self.user,
            seq: next,
            at: Timestamp::from_millis(at),
            change,
        });
    }

    fn last_film(&self) -> Option<LastFilm> {
        self.marks
            .values()
            .max_by_key(|mark| (mark.watched_at, mark.marked_seq))
            .map(|mark| LastFilm { movie_id: mark.movie.id, movie_name: mark.movie.title.clone() })
    }

    fn truth(&self) -> Projection {
        Projection::rebuilt(self.user, self.seq, self.marks.values())
    }
}

/// Folds deliveries as the ReportActor does: gaps are rebuilt from what is true at that moment.
fn deliver(model: &Model, deliveries: &[usize]) -> Projection {
    let mut projection = Projection::empty(model.user);
    for index in deliveries {
        match projection.fold(&model.events[*index]) {
            FoldOutcome::Applied(next) => projection = next,
            FoldOutcome::Duplicate => {}
            FoldOutcome::Gap => projection = model.truth(),
            FoldOutcome::Erased => unreachable!("nobody is erased here"),
        }
    }
    projection
}

fn histories() -> impl Strategy<Value = Model> {
    let act = prop_oneof![
        3 => Just(None),
        1 => (0_i64..50).prop_map(Some),
    ];
    prop::collection::vec((1_i64..7, act, 0_i64..50), 1..40).prop_map(|acts| {
        let mut model = Model::new();
        for (number, correct, at) in acts {
            model.act(number, correct.map_or(Act::Toggle, |at| Act::Correct { at }), at);
        }
        model
    })
}

proptest! {
    #[test]
    fn folding_in_order_is_counting_anew(model in histories()) {
        let deliveries: Vec<usize> = (0..model.events.len()).collect();
        prop_assert_eq!(deliver(&model, &deliveries), model.truth());
    }

    #[test]
    fn any_order_and_any_duplication_give_the_same_report(
        model in histories(),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        // Everything at least once, somewhere among random repetitions.
        let count = model.events.len();
        prop_assume!(count > 0);
        let mut deliveries: Vec<usize> = shuffle.iter().map(|index| index.index(count)).collect();
        for (event, place) in (0..count).zip(shuffle.iter().cycle()) {
            let at = place.index(deliveries.len() + 1);
            deliveries.insert(at, event);
        }
        if deliveries.is_empty() {
            deliveries = (0..count).rev().collect();
        }
        prop_assert_eq!(deliver(&model, &deliveries), model.truth());
    }

    #[test]
    fn a_lost_event_is_made_good_by_the_next(model in histories(), lost in any::<prop::sample::Index>()) {
        prop_assume!(model.events.len() > 1);
        let lost = lost.index(model.events.len() - 1);
        let deliveries: Vec<usize> = (0..model.events.len()).filter(|index| *index != lost).collect();
        prop_assert_eq!(deliver(&model, &deliveries), model.truth());
    }

    #[test]
    fn a_report_counts_each_movie_once_in_each_genre(model in histories()) {
        let report = model.truth().facts().report(&GenreList::default());
        prop_assert_eq!(report.total_films_watched, model.marks.len() as u64);
        prop_assert_eq!(report.last_film_watched, model.last_film());
        let mut counts: BTreeMap<GenreId, u64> = BTreeMap::new();
        for mark in model.marks.values() {
            for id in mark.movie.genres.iter() {
                *counts.entry(id).or_default() += 1;
            }
        }
        let best = counts.iter().max_by_key(|(id, films)| (**films, std::cmp::Reverse(**id)));
        let theme = report.most_watched_theme;
        prop_assert_eq!(theme.map(|it| (it.theme_id, it.total_films_watched)), best.map(|(id, films)| (*id, *films)));
    }
}

#[test]
fn an_event_survives_its_wire_form() {
    let mut model = Model::new();
    model.act(1, Act::Toggle, 1_000);
    model.act(1, Act::Correct { at: 2_000 }, 1_001);
    model.act(1, Act::Toggle, 1_002);
    let erased = WatchEvent { change: WatchChange::Erased, seq: 4, ..model.events[0].clone() };
    for event in model.events.iter().chain([&erased]) {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(serde_json::from_str::<WatchEvent>(&text).unwrap(), *event, "{text}");
    }
}
