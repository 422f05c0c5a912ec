//! How fast background work may go: a budget per second, and less of it while requests take longer than they used to.

use super::latency::Latencies;

/// The least share of its budget that background work keeps: it slows down, and does not stop.
const LEAST_SHARE: f64 = 1.0 / 16.0;

/// The share that it may have while anybody is served. Above it speed is found by going a little too fast again and again, and each time requests wait.
const SERVED_SHARE: f64 = 1.0 / 10.0;

/// Requests that take this many times as long as usual are a reason to slow down. They may take 1.5 times as long; what is measured comes some seconds
/// late, and speed is found by going a little too fast again and again.
const TOLERANCE: f64 = 1.25;

/// How much of a new observation goes into what is usual: of a higher one only where nothing was spent meanwhile, or as little as may be.
const LEARNING: f64 = 0.05;

/// So much may be spent at once, in seconds' worth of what may be spent now.
const BURST_S: f64 = 0.05;

/// A budget of several kinds of things per second, such as records and bytes.
#[derive(Clone, Debug)]
pub struct Pace<const K: usize> {
    per_s: [f64; K],
    /// May be negative: what was spent beyond the budget is waited for.
    left: [f64; K],
    at_ms: u64,
    share: f64,
    /// Whether anything was spent since the last observation.
    worked: bool,
    /// Of reads and of writes.
    usual_s: Latencies,
}

impl<const K: usize> Pace<K> {
    /// A full budget, of which as much may be spent as while somebody is served, until it is known that nobody is.
    pub fn new(per_s: [u64; K], now_ms: u64) -> Self {
        let per_s = per_s.map(|rate| (rate as f64).max(1.0));
        Self {
            per_s,
            left: per_s.map(|rate| rate * BURST_S),
            at_ms: now_ms,
            share: SERVED_SHARE,
            worked: false,
            usual_s: [None; 2],
        }
    }

    /// Spends, and says how many ms to wait before going on. `at_most` is the share that somebody else allows who works as well.
    pub fn spend(&mut self, spent: [u64; K], at_most: f64, now_ms: u64) -> u64 {
        self.worked = true;
        let share = self.share.min(at_most).max(LEAST_SHARE);
        let elapsed_s = now_ms.saturating_sub(self.at_ms) as f64 / 1_000.0;
        self.at_ms = self.at_ms.max(now_ms);
        let mut wait_s = 0.0_f64;
        for ((left, per_s), spent) in self.left.iter_mut().zip(self.per_s).zip(spent) {
            let rate = per_s * share;
            let refilled = (*left + elapsed_s * rate).min(rate * BURST_S);
            *left = refilled - spent as f64;
            wait_s = wait_s.max(-*left / rate);
        }
        (wait_s * 1_000.0).ceil().max(0.0) as u64
    }

    /// How long reads and writes take now. Either more than usual: half the speed; else, or where nobody is in the way, a little faster again.
    pub fn observe(&mut self, latencies_s: Latencies) {
        // What is slow although next to nothing is done is slow for another reason.
        let undisturbed = !std::mem::take(&mut self.worked) || self.share <= LEAST_SHARE;
        let both = self.usual_s.iter_mut().zip(latencies_s);
        let slower = both.fold(false, |slower, (usual_s, latency_s)| {
            slower | latency_s.is_some_and(|latency_s| is_unusual(usual_s, latency_s, undisturbed))
        });
        let most = if latencies_s.iter().any(Option::is_some) { SERVED_SHARE } else { 1.0 };
        self.share = if slower { (self.share / 2.0).max(LEAST_SHARE) } else { (self.share * 1.25).min(most) };
    }

    /// The part of the budget that may be spent now: 1 is all of it.
    pub fn share(&self) -> f64 {
        self.share
    }
}

/// Whether it takes longer than usual; and learns what is.
fn is_unusual(usual_s: &mut Option<f64>, latency_s: f64, undisturbed: bool) -> bool {
    let known_s = *usual_s.get_or_insert(latency_s);
    let weight = match latency_s < known_s {
        true => 4.0 * LEARNING,
        false if undisturbed => LEARNING,
        false => 0.0,
    };
    *usual_s = Some(known_s + weight * (latency_s - known_s));
    latency_s > known_s * TOLERANCE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LEAST_SHARE, Pace, SERVED_SHARE};

    proptest! {
        /// Whoever waits as he is told never exceeds the budget by more than one burst and one step.
        #[test]
        fn the_budget_is_kept(steps in prop::collection::vec((0..200_u64, 0..5_000_u64), 1..100)) {
            let mut pace = Pace::new([100, 10_000], 0);
            let (mut now_ms, mut spent) = (0, [0_u64; 2]);
            for (records, bytes) in steps {
                let wait_ms = pace.spend([records, bytes], 1.0, now_ms);
                spent = [spent[0] + records, spent[1] + bytes];
                now_ms += wait_ms;
                let allowed = |rate: f64| rate * (now_ms as f64 / 1_000.0 + 0.25) + 1e-6;
                prop_assert!(spent[0] as f64 <= allowed(100.0) && spent[1] as f64 <= allowed(10_000.0), "{spent:?} at {now_ms}");
            }
        }

        #[test]
        fn it_slows_down_while_either_kind_takes_longer_and_recovers(slow in 0.02..0.5_f64) {
            let mut pace = Pace::new([100], 0);
            (0..50).for_each(|_| pace.observe([Some(0.001), Some(0.01)]));
            prop_assert_eq!(pace.share(), SERVED_SHARE);
            (0..4).for_each(|_| pace.observe([None, Some(slow)]));
            prop_assert!(pace.share() <= LEAST_SHARE);
            (0..20).for_each(|_| pace.observe([None, None]));
            prop_assert_eq!(pace.share(), 1.0);
        }
    }

    /// What it makes slow itself must not become usual, or it would go on making it slow.
    #[test]
    fn what_it_slows_down_itself_does_not_become_usual() {
        let mut pace = Pace::new([100], 0);
        (0..50).for_each(|_| pace.observe([Some(0.01), None]));
        for round in 0..200 {
            pace.spend([1], 1.0, round * 1_000);
            // Requests are slow as soon as it goes at more than a tenth of its speed.
            let latency_s = if pace.share() > 0.1 { 0.02 } else { 0.01 };
            pace.observe([Some(latency_s), None]);
            assert!(round < 5 || pace.share() < 0.13, "{} in round {round}", pace.share());
        }
    }

    #[test]
    fn it_goes_no_faster_than_somebody_else_allows() {
        let mut pace = Pace::new([5_000], 0);
        pace.spend([25], 1.0, 0);
        assert_eq!(pace.spend([50], 1.0, 0), 100);
        assert_eq!(pace.spend([50], 0.01, 100), 220, "what was waited for counts a sixteenth, too");
    }

    #[test]
    fn what_is_slow_for_good_becomes_usual() {
        let mut pace = Pace::new([100], 0);
        (0..50).for_each(|_| pace.observe([Some(0.01), None]));
        (0..200).for_each(|_| pace.observe([Some(0.1), None]));
        assert_eq!(pace.share(), SERVED_SHARE);
    }
}
