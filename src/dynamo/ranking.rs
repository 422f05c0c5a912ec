//! What sketches know of the keys that are asked for most, and what several of them know together.
//!
//! Of a key in the list it is known between which two rates it lies; of any other key, which rate it does not exceed. Merging keeps both
//! true (Agarwal et al., "Mergeable Summaries", 2012): a key that only one side lists may have come to the other side as often as the other's unlisted
//! keys.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A key and how often it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked<K> {
    /// The key.
    pub key: K,
    /// It is asked for so often, or more often, per second.
    pub at_least_per_s: f64,
    /// And not more often than this.
    pub at_most_per_s: f64,
}

/// Keys, by what is certain of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking<K> {
    keys: Vec<Ranked<K>>,
    unlisted_per_s: f64,
    total_per_s: f64,
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), unlisted_per_s: 0.0, total_per_s: 0.0 }
    }
}

impl<K: Ord> Ranking<K> {
    /// Puts keys, each of which is there once, in order.
    pub fn new(mut keys: Vec<Ranked<K>>, unlisted_per_s: f64, total_per_s: f64) -> Self {
        keys.sort_by(by_certain_rate);
        Self { keys, unlisted_per_s, total_per_s }
    }

    /// The keys, those first that are certainly asked for most.
    pub fn keys(&self) -> &[Ranked<K>] {
        &self.keys
    }

    /// No other key is asked for more often than this, per second.
    pub fn unlisted_per_s(&self) -> f64 {
        self.unlisted_per_s
    }

    /// How often all keys together are asked for, per second. This is exact.
    pub fn total_per_s(&self) -> f64 {
        self.total_per_s
    }

    /// What both know of what was counted at two places.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let mut sides: BTreeMap<K, [Option<(f64, f64)>; 2]> = BTreeMap::new();
        for (side, ranked) in [self.keys, other.keys].into_iter().enumerate() {
            for Ranked { key, at_least_per_s, at_most_per_s } in ranked {
                sides.entry(key).or_default()[side] = Some((at_least_per_s, at_most_per_s));
            }
        }
        let unlisted = [self.unlisted_per_s, other.unlisted_per_s];
        let both = |(key, known): (K, [Option<(f64, f64)>; 2])| {
            let [a, b] = [0, 1].map(|side| known[side].unwrap_or((0.0, unlisted[side])));
            Ranked { key, at_least_per_s: a.0 + b.0, at_most_per_s: a.1 + b.1 }
        };
        let keys = sides.into_iter().map(both).collect();
        Self::new(keys, unlisted[0] + unlisted[1], self.total_per_s + other.total_per_s)
    }

    /// Only the first `count`.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        let dropped = self.keys.drain(count.min(self.keys.len())..);
        self.unlisted_per_s = dropped.map(|ranked| ranked.at_most_per_s).fold(self.unlisted_per_s, f64::max);
        self
    }

    /// Only as many of the first as have no more than `max` in size together.
    #[must_use]
    pub fn within(self, max: usize, size: impl Fn(&K) -> usize) -> Self {
        let mut left = max;
        let fits = |ranked: &&Ranked<K>| {
            let rest = left.checked_sub(size(&ranked.key));
            left = rest.unwrap_or_default();
            rest.is_some()
        };
        let count = self.keys.iter().take_while(fits).count();
        self.first(count)
    }

    /// Only those that are certainly asked for so often.
    #[must_use]
    pub fn from_rate(self, per_s: f64) -> Self {
        let count = self.keys.partition_point(|ranked| ranked.at_least_per_s >= per_s);
        self.first(count)
    }
}

fn by_certain_rate<K: Ord>(a: &Ranked<K>, b: &Ranked<K>) -> Ordering {
    let certain = b.at_least_per_s.total_cmp(&a.at_least_per_s);
    certain.then(b.at_most_per_s.total_cmp(&a.at_most_per_s)).then_with(|| a.key.cmp(&b.key))
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
