//! The load of partitions and of nodes: how much is asked of copies lately, and whether nodes bear what is theirs.
//!
//! ```text
//!   counts since the last look ──▶ LoadMeter ──▶ rates per second     of each partition, and of all together
//!   loads and weights of members ──▶ balance ──▶ share, part of the mean, inside or outside the band
//! ```

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::decay::Decay;
use super::ring::PartitionId;

/// A node is out of balance when its load is further from the mean than this part of it (Dynamo paper, section 6.2 and figure 6).
pub const BAND: f64 = 0.15;

/// What is less than this, per second, is forgotten.
const FORGOTTEN_PER_S: f64 = 1e-3;

/// What was asked of copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCount {
    /// Copies that were read, or compared.
    pub reads: u64,
    /// Copies that were written, or found to be there already.
    pub writes: u64,
    /// The size of all of them.
    pub bytes: u64,
}

impl AddAssign for LoadCount {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.bytes += other.bytes;
    }
}

/// What is asked of copies, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadRates {
    /// Copies read, or compared.
    pub reads_per_s: f64,
    /// Copies written.
    pub writes_per_s: f64,
    /// Their bytes.
    pub bytes_per_s: f64,
}

impl LoadRates {
    /// Reads and writes.
    pub fn requests_per_s(&self) -> f64 {
        self.reads_per_s + self.writes_per_s
    }
}

impl AddAssign for LoadRates {
    fn add_assign(&mut self, other: Self) {
        self.reads_per_s += other.reads_per_s;
        self.writes_per_s += other.writes_per_s;
        self.bytes_per_s += other.bytes_per_s;
    }
}

/// Turns counts into rates. Room: about 100 bytes for each partition that something is asked of.
#[derive(Clone, Debug)]
pub struct LoadMeter {
    decay: Decay,
    began_ms: u64,
    looked_ms: u64,
    partitions: BTreeMap<PartitionId, Faded>,
    total: Faded,
}

/// Decayed sums of reads, writes and bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Faded([f64; 3]);

impl Faded {
    fn fade(&mut self, left: f64) {
        self.0.iter_mut().for_each(|sum| *sum *= left);
    }

    fn add(&mut self, count: LoadCount, left: f64) {
        let counts = [count.reads, count.writes, count.bytes];
        self.0.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count as f64 * left);
    }

    fn rates(&self, per_s: f64) -> LoadRates {
        let [reads_per_s, writes_per_s, bytes_per_s] = self.0.map(|sum| sum * per_s);
        LoadRates { reads_per_s, writes_per_s, bytes_per_s }
    }
}

impl LoadMeter {
    /// Counting begins now.
    pub fn new(decay: Decay, now_ms: u64) -> Self {
        Self { decay, began_ms: now_ms, looked_ms: now_ms, partitions: BTreeMap::new(), total: Faded::default() }
    }

    /// What was counted since the last look, evenly in between for all that is known.
    pub fn record(&mut self, counted: impl IntoIterator<Item = (PartitionId, LoadCount)>, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.looked_ms);
        self.looked_ms = self.looked_ms.max(now_ms);
        let (before, since) = (self.decay.left_after(elapsed_ms), self.decay.left_of_spread(elapsed_ms));
        self.total.fade(before);
        self.partitions.values_mut().for_each(|faded| faded.fade(before));
        for (partition, count) in counted {
            self.total.add(count, since);
            self.partitions.entry(partition).or_default().add(count, since);
        }
        let per_s = self.per_s();
        self.partitions.retain(|_, faded| faded.rates(per_s).requests_per_s() >= FORGOTTEN_PER_S);
    }

    /// All partitions together, as of the last look.
    pub fn total(&self) -> LoadRates {
        self.total.rates(self.per_s())
    }

    /// The partitions that something is asked of, most of it first, as of the last look.
    pub fn partitions(&self) -> Vec<(PartitionId, LoadRates)> {
        let per_s = self.per_s();
        let rates = self.partitions.iter().map(|(partition, faded)| (*partition, faded.rates(per_s))).collect();
        most_loaded_first(rates)
    }

    fn per_s(&self) -> f64 {
        self.decay.per_s(self.looked_ms - self.began_ms)
    }
}

/// By requests; of equals the lower partition first.
pub fn most_loaded_first(mut partitions: Vec<(PartitionId, LoadRates)>) -> Vec<(PartitionId, LoadRates)> {
    let requests = |(_, rates): &(PartitionId, LoadRates)| rates.requests_per_s();
    partitions.sort_by(|a, b| requests(b).total_cmp(&requests(a)).then(a.0.cmp(&b.0)));
    partitions
}

/// How a member's load compares with that of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// Its part of the load of all, 0 to 1.
    pub share: f64,
    /// Its load over what its weight would have it bear: 1 is just that.
    pub of_mean: f64,
}

impl Balance {
    /// Whether it is no further from the mean than [`BAND`].
    pub fn is_inside_band(&self) -> bool {
        (self.of_mean - 1.0).abs() <= BAND
    }
}

/// Compares loads, each with the weight (at least 1) of its member. Where nothing is asked of anybody, all are alike.
pub fn balance(members: &[(u32, f64)]) -> Vec<Balance> {
    let weight = |(weight, _): &(u32, f64)| f64::from((*weight).max(1));
    let total: f64 = members.iter().map(|(_, load)| load).sum();
    let weights: f64 = members.iter().map(weight).sum();
    let compare = |member: &(u32, f64)| {
        let due = weight(member) / weights;
        let share = if total > 0.0 { member.1 / total } else { due };
        Balance { share, of_mean: share / due }
    };
    members.iter().map(compare).collect()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
