//! The keys that are asked for most, in little room: the Space-Saving sketch of Metwally, Agrawal and El Abbadi ("Efficient Computation of Frequent
//! and Top-k Elements in Data Streams", 2005), with a past that fades.
//!
//! ```text
//!   a key that is there     its counter grows
//!   a new key, room left    it gets a counter
//!   a new key, no room      it takes over the least counter, and remembers how much of it is not its own
//! ```
//!
//! So a counter is never too low, and too high by no more than what it remembers; and whatever has more than 1/capacity of all that was counted
//! is there. Fading is forward decay (Cormode et al., 2009): instead of shrinking what is there, what comes weighs more and more, so that the
//! order of the counters does not depend on when one looks.
//!
//! Room: `capacity` times a key and about 150 bytes, whatever is counted.

use std::collections::BTreeMap;

use super::decay::Decay;
use super::ranking::{Ranked, Ranking};

/// After this many half-lives the unit of all counters is chosen anew, long before a number ends.
const HALF_LIVES_MAX: u64 = 64;

/// Counts how often keys are asked for.
#[derive(Clone, Debug)]
pub struct TopK<K> {
    capacity: usize,
    decay: Decay,
    began_ms: u64,
    /// Counters are in units of one event at this instant.
    unit_ms: u64,
    now_ms: u64,
    /// What one event of now is in that unit: 2 to the half-lives since then.
    event: f64,
    counters: Vec<Counter<K>>,
    /// Places of counters, each before those of its two children, which are not smaller.
    heap: Vec<usize>,
    places: BTreeMap<K, usize>,
    total: f64,
}

#[derive(Clone, Debug)]
struct Counter<K> {
    key: K,
    count: f64,
    /// At most so much of it was another key's.
    over_by: f64,
    in_heap: usize,
}

impl<K: Ord + Clone> TopK<K> {
    /// A sketch of at most `capacity` keys (at least one) that begins to count now.
    pub fn new(capacity: usize, decay: Decay, now_ms: u64) -> Self {
        Self {
            capacity: capacity.max(1),
            decay,
            began_ms: now_ms,
            unit_ms: now_ms,
            now_ms,
            event: 1.0,
            counters: Vec::new(),
            heap: Vec::new(),
            places: BTreeMap::new(),
            total: 0.0,
        }
    }

    /// A key is asked for. Time does not run backwards: what is before the last time counts as then.
    pub fn count(&mut self, key: &K, now_ms: u64) {
        self.advance(now_ms);
        self.total += self.event;
        if let Some(place) = self.places.get(key) {
            let counter = &mut self.counters[*place];
            counter.count += self.event;
            let at = counter.in_heap;
            self.sink(at);
        } else if self.counters.len() < self.capacity {
            let (place, in_heap) = (self.counters.len(), self.heap.len());
            self.counters.push(Counter { key: key.clone(), count: self.event, over_by: 0.0, in_heap });
            self.heap.push(place);
            self.places.insert(key.clone(), place);
            self.rise(in_heap);
        } else {
            let place = self.heap[0];
            let least = &mut self.counters[place];
            self.places.remove(&least.key);
            self.places.insert(key.clone(), place);
            least.key = key.clone();
            least.over_by = least.count;
            least.count += self.event;
            self.sink(0);
        }
    }

    /// What is known now, in events per second.
    pub fn ranking(&mut self, now_ms: u64) -> Ranking<K> {
        self.advance(now_ms);
        let per_s = self.decay.per_s(self.now_ms - self.began_ms) / self.event;
        let ranked = |counter: &Counter<K>| Ranked {
            key: counter.key.clone(),
            at_least_per_s: (counter.count - counter.over_by) * per_s,
            at_most_per_s: counter.count * per_s,
        };
        let is_full = self.counters.len() == self.capacity;
        let least = if is_full { self.heap.first().map_or(0.0, |place| self.counters[*place].count) } else { 0.0 };
        Ranking::new(self.counters.iter().map(ranked).collect(), least * per_s, self.total * per_s)
    }

    fn advance(&mut self, now_ms: u64) {
        if now_ms <= self.now_ms {
            return;
        }
        self.now_ms = now_ms;
        let half_lives = (now_ms - self.unit_ms) / self.decay.half_life_ms();
        if half_lives > HALF_LIVES_MAX {
            self.unit_ms += half_lives * self.decay.half_life_ms();
            // A power of two: nothing is rounded, and the order stays.
            let smaller = self.decay.left_after(half_lives * self.decay.half_life_ms());
            self.total *= smaller;
            for counter in &mut self.counters {
                counter.count *= smaller;
                counter.over_by *= smaller;
            }
        }
        self.event = 1.0 / self.decay.left_after(now_ms - self.unit_ms);
    }

    fn count_at(&self, in_heap: usize) -> f64 {
        self.counters[self.heap[in_heap]].count
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.counters[self.heap[a]].in_heap = a;
        self.counters[self.heap[b]].in_heap = b;
    }

    /// A counter has grown: it goes below those that are smaller now.
    fn sink(&mut self, mut at: usize) {
        loop {
            let children = [2 * at + 1, 2 * at + 2].into_iter().filter(|child| *child < self.heap.len());
            let Some(least) = children.min_by(|a, b| self.count_at(*a).total_cmp(&self.count_at(*b))) else { return };
            if self.count_at(at) <= self.count_at(least) {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }

    /// A counter is new: it goes above those that are greater.
    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.count_at(at) < self.count_at((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }
}

#[cfg(test)]
#[path = "top_k_tests.rs"]
mod tests;
