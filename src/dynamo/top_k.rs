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
//! Room: `capacity` times a key and about 200 bytes, whatever is counted.

use xxhash_rust::xxh3::xxh3_64;

use super::decay::Decay;
use super::key_index::KeyIndex;
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
    /// The counts and the places of their counters, each before its two children, which are not smaller.
    heap: Vec<(f64, usize)>,
    index: KeyIndex,
    total: f64,
}

#[derive(Clone, Debug)]
struct Counter<K> {
    key: K,
    hash: u64,
    /// At most so much of it was another key's.
    over_by: f64,
    in_heap: usize,
}

impl<K: AsRef<[u8]> + Ord + Clone> TopK<K> {
    /// A sketch of at most `capacity` keys (at least one) that begins to count now.
    pub fn new(capacity: usize, decay: Decay, now_ms: u64) -> Self {
        Self {
            capacity: capacity.max(1),
            index: KeyIndex::new(capacity),
            decay,
            began_ms: now_ms,
            unit_ms: now_ms,
            now_ms,
            event: 1.0,
            counters: Vec::new(),
            heap: Vec::new(),
            total: 0.0,
        }
    }

    /// A key is asked for. Time does not run backwards: what is before the last time counts as then.
    pub fn count(&mut self, key: &K, now_ms: u64) {
        self.advance(now_ms);
        self.total += self.event;
        let hash = xxh3_64(key.as_ref());
        if let Some(place) = self.index.find(hash, |place| self.counters[place].key == *key) {
            let at = self.counters[place].in_heap;
            self.heap[at].0 += self.event;
            self.sink(at);
        } else if self.counters.len() < self.capacity {
            let (place, in_heap) = (self.counters.len(), self.heap.len());
            self.counters.push(Counter { key: key.clone(), hash, over_by: 0.0, in_heap });
            self.heap.push((self.event, place));
            self.index.insert(hash, place);
            self.rise(in_heap);
        } else {
            let (count, place) = self.heap[0];
            self.heap[0].0 += self.event;
            let least = &mut self.counters[place];
            self.index.remove(least.hash, place);
            self.index.insert(hash, place);
            *least = Counter { key: key.clone(), hash, over_by: count, in_heap: 0 };
            self.sink(0);
        }
    }

    /// What is known now, in events per second.
    pub fn ranking(&mut self, now_ms: u64) -> Ranking<K> {
        self.advance(now_ms);
        let per_s = self.decay.per_s(self.now_ms - self.began_ms) / self.event;
        let ranked = |(count, place): &(f64, usize)| {
            let Counter { key, over_by, .. } = &self.counters[*place];
            Ranked { key: key.clone(), at_least_per_s: (count - over_by) * per_s, at_most_per_s: count * per_s }
        };
        let is_full = self.counters.len() == self.capacity;
        let least = if is_full { self.heap.first().map_or(0.0, |(count, _)| *count) } else { 0.0 };
        Ranking::new(self.heap.iter().map(ranked).collect(), least * per_s, self.total * per_s)
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
            self.heap.iter_mut().for_each(|(count, _)| *count *= smaller);
            self.counters.iter_mut().for_each(|counter| counter.over_by *= smaller);
        }
        self.event = 1.0 / self.decay.left_after(now_ms - self.unit_ms);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.counters[self.heap[a].1].in_heap = a;
        self.counters[self.heap[b].1].in_heap = b;
    }

    /// A count has grown: it goes below those that are smaller now.
    fn sink(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let children = self.heap.get(left..(left + 2).min(self.heap.len())).unwrap_or_default();
            let Some(least) = (0..children.len()).min_by(|a, b| children[*a].0.total_cmp(&children[*b].0)) else {
                return;
            };
            if self.heap[at].0 <= children[least].0 {
                return;
            }
            self.swap(at, left + least);
            at = left + least;
        }
    }

    /// A count is new: it goes above those that are greater.
    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.heap[at].0 < self.heap[(at - 1) / 2].0 {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }
}

#[cfg(test)]
#[path = "top_k_tests.rs"]
mod tests;
