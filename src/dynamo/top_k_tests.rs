use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Decay, TopK};
use crate::dynamo::ranking::{Ranked, Ranking};

type Key = [u8; 2];

fn key(number: u16) -> Key {
    number.to_be_bytes()
}

const HALF_LIFE_MS: u64 = 10_000;

fn decay() -> Decay {
    Decay::with_half_life_ms(HALF_LIFE_MS)
}

/// Keys with the ms since the event before.
fn events(keys: u16, most: usize) -> impl Strategy<Value = Vec<(Key, u64)>> {
    // A quarter of the keys take most of the events; now and then nobody asks for long.
    let key = prop_oneof![3 => 0..keys.div_ceil(4), 1 => 0..keys].prop_map(key);
    let pause_ms = prop_oneof![30 => 0..200_u64, 1 => 0..100_000_u64];
    prop::collection::vec((key, pause_ms), 1..most)
}

/// A sketch of the events, the exact rates, and the end.
fn count(events: &[(Key, u64)], capacity: usize) -> (TopK<Key>, BTreeMap<Key, f64>, u64) {
    let mut sketch = TopK::new(capacity, decay(), 0);
    let mut now_ms = 0;
    let mut times = Vec::new();
    for (key, pause_ms) in events {
        now_ms += pause_ms;
        sketch.count(key, now_ms);
        times.push((*key, now_ms));
    }
    let mut exact = BTreeMap::new();
    let per_s = decay().per_s(now_ms);
    for (key, at_ms) in times {
        *exact.entry(key).or_default() += decay().left_after(now_ms - at_ms) * per_s;
    }
    (sketch, exact, now_ms)
}

fn slack(rate: f64) -> f64 {
    1e-9 * (1.0 + rate)
}

fn check_bounds(ranking: &Ranking<Key>, exact: &BTreeMap<Key, f64>) -> Result<(), TestCaseError> {
    let total: f64 = exact.values().sum();
    prop_assert!(
        (ranking.total_per_s() - total).abs() <= slack(total),
        "{} in all, not {total}",
        ranking.total_per_s()
    );
    for Ranked { key, at_least_per_s, at_most_per_s } in ranking.keys() {
        let rate = exact.get(key).copied().unwrap_or_default();
        prop_assert!(*at_least_per_s <= rate + slack(rate), "{key:?}: {rate}, said to be at least {at_least_per_s}");
        prop_assert!(*at_most_per_s >= rate - slack(rate), "{key:?}: {rate}, said to be at most {at_most_per_s}");
    }
    let unlisted = exact.iter().filter(|(key, _)| ranking.keys().iter().all(|ranked| ranked.key != **key));
    for (key, rate) in unlisted {
        let bound = ranking.unlisted_per_s();
        prop_assert!(*rate <= bound + slack(bound), "{key:?}: {rate}, not listed, so at most {bound}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn rates_lie_in_their_bounds(events in events(40, 400), capacity in 1_usize..30) {
        let (mut sketch, exact, now_ms) = count(&events, capacity);
        let ranking = sketch.ranking(now_ms);
        prop_assert!(ranking.keys().len() <= capacity);
        check_bounds(&ranking, &exact)?;
    }

    /// The promise of the sketch: the error is no more than all events over the capacity.
    #[test]
    fn no_bound_is_wider_than_the_mean_counter(events in events(60, 400), capacity in 1_usize..30) {
        let (mut sketch, _, now_ms) = count(&events, capacity);
        let ranking = sketch.ranking(now_ms);
        let widest = ranking.total_per_s() / capacity as f64;
        prop_assert!(ranking.unlisted_per_s() <= widest + slack(widest));
        for ranked in ranking.keys() {
            prop_assert!(ranked.at_most_per_s - ranked.at_least_per_s <= widest + slack(widest), "{ranked:?} of {widest}");
        }
    }

    #[test]
    fn with_room_for_all_it_is_exact(events in events(20, 300)) {
        let (mut sketch, exact, now_ms) = count(&events, 21);
        let ranking = sketch.ranking(now_ms);
        prop_assert_eq!(ranking.keys().len(), exact.len());
        prop_assert_eq!(ranking.unlisted_per_s(), 0.0);
        for ranked in ranking.keys() {
            let rate = exact[&ranked.key];
            prop_assert_eq!(ranked.at_least_per_s, ranked.at_most_per_s);
            prop_assert!((ranked.at_most_per_s - rate).abs() <= slack(rate));
        }
        let in_order: Vec<f64> = ranking.keys().iter().map(|ranked| exact[&ranked.key]).collect();
        prop_assert!(in_order.windows(2).all(|pair| pair[0] >= pair[1] - slack(pair[0])), "{:?}", in_order);
    }

    /// What is certainly more frequent comes first, whoever else is there.
    #[test]
    fn the_order_is_right_where_it_can_be_known(events in events(40, 400), capacity in 2_usize..30) {
        let (mut sketch, exact, now_ms) = count(&events, capacity);
        let ranking = sketch.ranking(now_ms);
        let keys = ranking.keys();
        for (at, first) in keys.iter().enumerate() {
            for later in &keys[at + 1..] {
                prop_assert!(later.at_least_per_s <= first.at_least_per_s);
                if first.at_least_per_s >= later.at_most_per_s {
                    let (first, later) = (exact[&first.key], exact[&later.key]);
                    prop_assert!(first >= later - slack(later), "{first} before {later}");
                }
            }
        }
    }

    /// Sketches of parts of the events, merged in any order, keep their bounds.
    #[test]
    fn merged_sketches_keep_their_bounds(
        events in events(40, 400),
        parts in 1_usize..5,
        capacity in 1_usize..20,
        kept in 1_usize..60,
        backwards in any::<bool>(),
    ) {
        let (_, exact, now_ms) = count(&events, 1);
        let mut sketches: Vec<TopK<Key>> = (0..parts).map(|_| TopK::new(capacity, decay(), 0)).collect();
        let mut at_ms = 0;
        for (turn, (key, pause_ms)) in events.iter().enumerate() {
            at_ms += pause_ms;
            sketches[(turn * 7 + usize::from(key[1])) % parts].count(key, at_ms);
        }
        let mut rankings: Vec<Ranking<Key>> = sketches.iter_mut().map(|sketch| sketch.ranking(now_ms)).collect();
        if backwards {
            rankings.reverse();
        }
        let merged = rankings.into_iter().fold(Ranking::default(), |all, one| all.merge(one).first(kept));
        prop_assert!(merged.keys().len() <= kept);
        check_bounds(&merged, &exact)?;
    }

    /// When one looks, and how often, changes nothing.
    #[test]
    fn looking_changes_nothing(events in events(40, 200), capacity in 1_usize..20) {
        let (mut unseen, _, now_ms) = count(&events, capacity);
        let mut seen = TopK::new(capacity, decay(), 0);
        let mut at_ms = 0;
        for (key, pause_ms) in &events {
            at_ms += pause_ms;
            seen.count(key, at_ms);
            let _ = seen.ranking(at_ms);
        }
        prop_assert_eq!(seen.ranking(now_ms), unseen.ranking(now_ms));
    }

    /// A key that was hot gives way to one that is, after as many half-lives as its rate has doublings.
    #[test]
    fn yesterdays_hot_key_leaves(doublings in 1_u64..12, capacity in 1_usize..10) {
        let mut sketch = TopK::new(capacity, decay(), 0);
        (0..1_u64 << doublings).for_each(|_| sketch.count(&key(1), 0));
        let later_ms = HALF_LIFE_MS * (doublings + 1);
        sketch.count(&key(2), later_ms);
        let ranking = sketch.ranking(later_ms);
        if capacity > 1 {
            prop_assert_eq!(ranking.keys()[0].key, key(2));
        }
        let total = 1.5 * decay().per_s(later_ms);
        prop_assert!((ranking.total_per_s() - total).abs() < slack(total), "{} for {total}", ranking.total_per_s());
    }

    #[test]
    fn a_steady_rate_is_told(per_s in 1_u64..500, seconds in 2_u64..100) {
        let mut sketch = TopK::new(4, decay(), 0);
        let all = per_s * seconds;
        (0..all).for_each(|turn| sketch.count(&key(1), turn * 1_000 / per_s));
        let told = sketch.ranking(seconds * 1_000).keys()[0].at_least_per_s;
        // An event of one ms counts as if it were at the end of the ms, and whole ones lie up to 1/per_s apart.
        prop_assert!((told / per_s as f64 - 1.0).abs() < 0.08, "{told} for {per_s}");
    }
}

#[test]
fn after_a_year_without_a_request_it_counts_as_before() {
    let mut sketch = TopK::new(2, decay(), 0);
    (0..100).for_each(|number| sketch.count(&key(number), 5));
    let year_ms = 365 * 24 * 3_600_000;
    assert_eq!(sketch.ranking(year_ms).total_per_s(), 0.0);
    sketch.count(&key(7), year_ms);
    sketch.count(&key(7), year_ms);
    sketch.count(&key(8), year_ms);
    let ranking = sketch.ranking(year_ms);
    let keys: Vec<Key> = ranking.keys().iter().map(|ranked| ranked.key).collect();
    assert_eq!(keys, [key(7), key(8)]);
    assert_eq!(ranking.keys()[0].at_least_per_s, 2.0 * decay().per_s(year_ms));
}

#[test]
fn a_clock_that_goes_back_counts_as_one_that_stands() {
    let mut sketch = TopK::new(2, decay(), 1_000);
    sketch.count(&key(1), 500);
    sketch.count(&key(1), 0);
    assert_eq!(sketch.ranking(200).total_per_s(), 2.0 * decay().per_s(0));
}
