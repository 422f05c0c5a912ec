//! Which ranges to compare with whom and when, and what to move once two copies differ.
//!
//! ```text
//!  range        one partition and one peer that is its other primary
//!  due          dirty at once; else once in every interval, each at a moment of its own
//!  compare      root ── equal ──▶ verified as of the moment of asking
//!                 └─ leaves ── list the keys of those that differ ── pull, push ──▶ verified
//! ```
//!
//! Both sides compare each range, for each wants to know by itself how old its proof is, and a root costs next to nothing; one
//! of the two, by the [partition's parity](drives), moves the records. If it does not, the other one does after a while.

use std::collections::BTreeMap;

use super::merkle::{Digest, LeafSet};
use super::node_id::NodeId;
use super::record_key::RecordKey;
use super::ring::PartitionId;
use super::topology::{Phase, Topology};

/// The first wait after a comparison that failed, in ms; it doubles up to [`RETRY_MAX_MS`].
const RETRY_MIN_MS: u64 = 1_000;

/// The longest wait after one.
const RETRY_MAX_MS: u64 = 60_000;

/// The longest where this node fetches the partition, and others wait for it.
const RETRY_AWAITED_MAX_MS: u64 = 2_000;

/// How soon a range is compared again of which a side goes by an older ring, in ms.
const LOOK_AGAIN_MS: u64 = 300;

/// How soon a range is looked at again that hints are bringing up to date, in ms.
const HINTS_PAUSE_MS: u64 = 1_000;

/// For so long at most hints come first, in ms: they may be stuck.
const HINTS_FIRST_MAX_MS: u64 = 600_000;

/// Whoever does not drive a range moves the records itself once it has differed this often.
const PATIENCE: u32 = 4;

/// What is known of one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// All that both sides held at this instant (ms since the Unix epoch), both hold. `None`: nothing is known.
    pub verified_ms: Option<u64>,
    /// Somebody has reason to believe that the copies differ.
    pub dirty: bool,
    /// Since when this process knows of it.
    known_since_ms: u64,
    due_ms: u64,
    /// Since when somebody wants it compared. A comparison that began before says nothing of what he has seen since.
    wanted_ms: u64,
    /// Comparisons in a row that did not end with two equal copies.
    failures: u32,
    /// Since when it has been left to hints, if it is.
    waits_since_ms: Option<u64>,
    mover: Mover,
    /// The epoch of the partition's latest step.
    fence: u64,
}

/// Which side moves the records where two copies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mover {
    /// One of the two, by the partition's number.
    ByParity,
    /// This node fetches the partition.
    Local,
    /// The peer fetches it.
    Peer,
}

/// What is known of all ranges of one peer, in few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many ranges there are.
    pub ranges: u64,
    /// How many of them have been verified within the interval, and are not dirty.
    pub verified: u64,
    /// How many are dirty.
    pub dirty: u64,
    /// How long ago the least recently verified one was, in ms; one that never has been counts from when it became known.
    pub oldest_ms: u64,
}

/// The ranges of one node.
#[derive(Debug, Default)]
pub struct Schedule {
    ranges: BTreeMap<(NodeId, PartitionId), Range>,
    interval_ms: u64,
}

impl Schedule {
    /// A schedule in which every range comes once in an interval.
    pub fn new(interval_ms: u64) -> Self {
        Self { ranges: BTreeMap::new(), interval_ms: interval_ms.max(1) }
    }

    /// The ranges are those of `local`. New ones are due at once; what is known of the others stays. While partitions move, whoever takes writes takes
    /// part, for tables of up to `widest` replicas, and a replica that fetches what it lacks is the one to move it.
    pub fn follow(&mut self, topology: &Topology, local: &NodeId, widest: usize, now_ms: u64) {
        let mut old = std::mem::take(&mut self.ranges);
        let ring = topology.ring();
        for partition in ring.partition_ids() {
            let n = if topology.phase(partition) == Phase::Settled { ring.n() } else { widest };
            if !topology.holds(local, partition, n) {
                continue;
            }
            let awaited = topology.awaited(partition);
            for peer in topology.holders(partition, n).into_iter().filter(|node| *node != local) {
                let mover = match (awaited.contains(local), awaited.contains(peer)) {
                    (true, false) => Mover::Local,
                    (false, true) => Mover::Peer,
                    _ => Mover::ByParity,
                };
                let place = (peer.clone(), partition);
                let fresh = Range {
                    verified_ms: None,
                    dirty: false,
                    known_since_ms: now_ms,
                    due_ms: now_ms,
                    wanted_ms: 0,
                    failures: 0,
                    waits_since_ms: None,
                    mover: Mover::ByParity,
                    fence: 0,
                };
                let known = old.remove(&place).unwrap_or(fresh);
                // What was verified before the partition's latest step says nothing of now.
                let fence = topology.fence(partition);
                let stepped = known.fence != fence && topology.phase(partition) != Phase::Settled;
                let due_ms = if stepped { now_ms } else { known.due_ms };
                self.ranges.insert(place, Range { mover, due_ms, fence, ..known });
            }
        }
    }

    /// What an earlier life knew.
    pub fn restore(&mut self, peer: &NodeId, partition: PartitionId, verified_ms: u64, now_ms: u64) {
        if let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) {
            // A clock that has been set back must not make a range look fresh for ever.
            range.verified_ms = Some(verified_ms.min(now_ms));
            range.due_ms = verified_ms.min(now_ms) + self.interval_ms / 2;
        }
    }

    /// Compare it at once. Returns whether that is a range of this node.
    pub fn mark_dirty(&mut self, peer: &NodeId, partition: PartitionId, now_ms: u64) -> bool {
        let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) else { return false };
        range.dirty = true;
        range.due_ms = range.due_ms.min(now_ms);
        range.wanted_ms = range.wanted_ms.max(now_ms);
        true
    }

    /// Compare all ranges of this peer from `from_ms` on: it was away, and nobody knows what it has missed, or lost.
    pub fn expect_all(&mut self, peer: &NodeId, from_ms: u64) {
        for (_, range) in self.of_mut(peer) {
            range.due_ms = from_ms;
            range.wanted_ms = range.wanted_ms.max(from_ms);
            range.failures = 0;
        }
    }

    /// Up to `limit` partitions to compare with this peer now: the dirty ones, then the least recently verified.
    pub fn due(&self, peer: &NodeId, now_ms: u64, limit: usize) -> Vec<PartitionId> {
        let due = self.of(peer).filter(|(_, range)| range.due_ms <= now_ms);
        let mut due: Vec<_> = due.map(|(partition, range)| (!range.dirty, range.verified_ms, partition)).collect();
        due.sort_unstable();
        due.into_iter().take(limit).map(|(.., partition)| partition).collect()
    }

    /// Both sides hold all that either held at `at_ms`, when the comparison began. `jitter` (0 to 1) spreads the next comparisons. Returns
    /// whether it was dirty, and is no more.
    pub fn verified(&mut self, peer: &NodeId, partition: PartitionId, at_ms: u64, jitter: f64) -> bool {
        let interval_ms = self.interval_ms;
        let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) else { return false };
        // Early enough that a range is not older than the interval when its turn has come.
        let wait_ms = interval_ms as f64 * (0.5 + 0.4 * jitter.clamp(0.0, 1.0));
        range.verified_ms = range.verified_ms.max(Some(at_ms));
        range.failures = 0;
        range.waits_since_ms = None;
        if at_ms < range.wanted_ms {
            range.due_ms = range.wanted_ms;
            return false;
        }
        range.due_ms = at_ms + wait_ms as u64;
        std::mem::take(&mut range.dirty)
    }

    /// The comparison did not come to an end, or the copies differ and are the other side's to repair.
    pub fn failed(&mut self, peer: &NodeId, partition: PartitionId, now_ms: u64, jitter: f64) {
        let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) else { return };
        let longest_ms = if range.mover == Mover::Local { RETRY_AWAITED_MAX_MS } else { RETRY_MAX_MS };
        let wait_ms = (RETRY_MIN_MS << range.failures.min(16)).min(longest_ms);
        range.failures = range.failures.saturating_add(1);
        range.due_ms = now_ms + (wait_ms as f64 * (0.5 + 0.5 * jitter.clamp(0.0, 1.0))) as u64;
    }

    /// Compare the range again in a moment: a side goes by an older ring yet.
    pub fn look_again(&mut self, peer: &NodeId, partition: PartitionId, now_ms: u64) {
        if let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) {
            range.due_ms = now_ms + LOOK_AGAIN_MS;
        }
    }

    /// Of the partitions that this node fetches, how many comparisons have failed and wait for their next try, and in how many ms the first has its turn.
    pub fn waiting(&self, now_ms: u64) -> (usize, Option<u64>) {
        let waits = |range: &&Range| range.mover == Mover::Local && range.failures > 0;
        let waiting: Vec<u64> =
            self.ranges.values().filter(waits).map(|range| range.due_ms.saturating_sub(now_ms)).collect();
        (waiting.len(), waiting.into_iter().min())
    }

    /// Whatever is fetched, by this node or from it, is compared at once.
    pub fn try_again(&mut self, now_ms: u64) {
        for range in self.ranges.values_mut().filter(|range| range.mover != Mover::ByParity) {
            (range.due_ms, range.failures) = (now_ms, 0);
        }
    }

    /// The copies differ, and hints are on their way that say why. Whether to leave it to them and look again a little later.
    pub fn waits_for_hints(&mut self, peer: &NodeId, partition: PartitionId, now_ms: u64) -> bool {
        let Some(range) = self.ranges.get_mut(&(peer.clone(), partition)) else { return false };
        if range.mover == Mover::Local {
            return false;
        }
        let since_ms = *range.waits_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) >= HINTS_FIRST_MAX_MS {
            return false;
        }
        range.due_ms = now_ms + HINTS_PAUSE_MS;
        true
    }

    /// Whether this node moves the records where the copies in this range differ.
    pub fn moves(&self, local: &NodeId, peer: &NodeId, partition: PartitionId) -> bool {
        let Some(range) = self.ranges.get(&(peer.clone(), partition)) else { return false };
        match range.mover {
            Mover::Local => true,
            Mover::Peer => false,
            Mover::ByParity => drives(local, peer, partition) || range.failures >= PATIENCE,
        }
    }

    /// What is known of a range.
    pub fn range(&self, peer: &NodeId, partition: PartitionId) -> Option<&Range> {
        self.ranges.get(&(peer.clone(), partition))
    }

    /// All ranges, by peer and partition.
    pub fn ranges(&self) -> impl Iterator<Item = (&NodeId, PartitionId, &Range)> {
        self.ranges.iter().map(|((peer, partition), range)| (peer, *partition, range))
    }

    /// How many ranges there are, and how many of them have been verified at this instant or later.
    pub fn verified_since(&self, at_ms: u64) -> (u64, u64) {
        let done =
            self.ranges.values().filter(|range| range.verified_ms.is_some_and(|verified_ms| verified_ms >= at_ms));
        (self.ranges.len() as u64, done.count() as u64)
    }

    /// The peers that there are ranges with.
    pub fn peers(&self) -> Vec<NodeId> {
        let mut peers: Vec<NodeId> = self.ranges.keys().map(|(peer, _)| peer.clone()).collect();
        peers.dedup();
        peers
    }

    /// How things stand with a peer.
    pub fn progress(&self, peer: &NodeId, now_ms: u64) -> Progress {
        let mut progress = Progress::default();
        for (_, range) in self.of(peer) {
            let age_ms = now_ms.saturating_sub(range.verified_ms.unwrap_or(range.known_since_ms));
            let is_fresh = range.verified_ms.is_some() && age_ms <= self.interval_ms;
            progress.ranges += 1;
            progress.dirty += u64::from(range.dirty);
            progress.verified += u64::from(is_fresh && !range.dirty);
            progress.oldest_ms = progress.oldest_ms.max(age_ms);
        }
        progress
    }

    fn of<'a>(&'a self, peer: &'a NodeId) -> impl Iterator<Item = (PartitionId, &'a Range)> {
        let whole = (peer.clone(), PartitionId(0))..=(peer.clone(), PartitionId(u32::MAX));
        self.ranges.range(whole).map(|((_, partition), range)| (*partition, range))
    }

    fn of_mut(&mut self, peer: &NodeId) -> impl Iterator<Item = (PartitionId, &mut Range)> {
        let whole = (peer.clone(), PartitionId(0))..=(peer.clone(), PartitionId(u32::MAX));
        self.ranges.range_mut(whole).map(|((_, partition), range)| (*partition, range))
    }
}

/// Which of the two sides of a range moves the records: half of the partitions each.
pub fn drives(local: &NodeId, peer: &NodeId, partition: PartitionId) -> bool {
    (local < peer) == partition.0.is_multiple_of(2)
}

/// One reading of a partition's leaves on both sides.
#[derive(Clone, Debug)]
pub struct Reading {
    /// This node's.
    pub ours: Vec<Digest>,
    /// The peer's.
    pub theirs: Vec<Digest>,
}

/// The leaves that differ in two readings, some time apart. Writes on their way make leaves differ that have nothing to be repaired: what one
/// side said at one time, and the other at the other, is an equal copy too.
pub fn still_differing(first: &Reading, second: &Reading) -> LeafSet {
    let pairs = [
        (&first.ours, &first.theirs),
        (&first.ours, &second.theirs),
        (&second.ours, &first.theirs),
        (&second.ours, &second.theirs),
    ];
    let sets = pairs.map(|(ours, theirs)| LeafSet::differing(ours, theirs));
    sets[1..].iter().fold(sets[0], |all, set| all.and(*set))
}

/// The leaves that nobody has touched between two readings.
pub fn untouched(first: &Reading, second: &Reading) -> LeafSet {
    let changed = [LeafSet::differing(&first.ours, &second.ours), LeafSet::differing(&first.theirs, &second.theirs)];
    (0..=u8::MAX).filter(|leaf| !changed.iter().any(|set| set.contains(*leaf))).collect()
}

/// Keys of one side, in order, with what stands for their records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Key and digest.
    pub records: Vec<(RecordKey, Digest)>,
    /// The list covers the keys up to and including this one; `None`: to the end.
    pub covers_up_to: Option<RecordKey>,
}

/// What two lists say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Keys that only this side holds, or holds otherwise.
    pub push: Vec<RecordKey>,
    /// Keys that only the other side holds, or holds otherwise.
    pub pull: Vec<RecordKey>,
    /// Both lists have been compared up to here; `None`: to the end.
    pub compared_up_to: Option<RecordKey>,
}

/// Compares two lists as far as both go.
pub fn differences(ours: &Listed, theirs: &Listed) -> Differences {
    let ends = [&ours.covers_up_to, &theirs.covers_up_to];
    let end = ends.into_iter().flatten().min();
    let within = |listed: &Listed| -> BTreeMap<RecordKey, Digest> {
        listed.records.iter().filter(|(key, _)| end.is_none_or(|end| key <= end)).cloned().collect()
    };
    let (ours, theirs) = (within(ours), within(theirs));
    let lacking = |some: &BTreeMap<RecordKey, Digest>, others: &BTreeMap<RecordKey, Digest>| {
        some.iter().filter(|(key, digest)| others.get(*key) != Some(*digest)).map(|(key, _)| key.clone()).collect()
    };
    Differences { push: lacking(&ours, &theirs), pull: lacking(&theirs, &ours), compared_up_to: end.cloned() }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
