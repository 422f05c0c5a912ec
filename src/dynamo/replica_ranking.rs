//! Which replicas a read asks: those that are expected to answer first.
//!
//! ```text
//!   expected wait = time to answer × (1 + outstanding / usual outstanding)
//!                        │                  └─ requests of this coordinator that the replica has not answered
//!                        └─ mean of its recent answers, halved with each second and 64 choices without one;
//!                           at least as long as it has been silent while something was outstanding
//!
//!   choice: two candidates at random, the one with the shorter wait; chance where the waits are about equal
//! ```
//!
//! Two choices, and not simply the best: coordinators do not know of each other, and if all of them sent what they have to the replica
//! that looks best they would make it the worst (Mitzenmacher, "The power of two choices", 2001; C3, Suresh et al., NSDI 2015, ranks
//! replicas by time and queue as well). The slowest of three is still never chosen where two others do.
//!
//! What is known of a replica that is not asked gets old, and with it the replica looks faster, until it is tried again. It takes time
//! *and* choices: with time alone a coordinator that reads little would spend a good part of its reads on trying.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt as _};

use super::node_id::NodeId;
use super::preference_list::Replica;

/// What is known of a time to answer counts half after this time without an answer, if it was also passed over often enough.
const HALF_LIFE: Duration = Duration::from_secs(1);

/// So many choices against a replica count as much as [`HALF_LIFE`]: one that is ten times slower is tried by one read group in about 150.
const PASSES_PER_HALVING: f64 = 64.0;

/// The least weight of an answer in the mean.
const LEAST_WEIGHT: f64 = 1.0 / 32.0;

/// Shorter times are not told apart, in seconds: between quick replicas the queue decides.
const LEAST_S: f64 = 50e-6;

/// A failure counts as an answer that took at least so long, in seconds: one that comes at once must not attract more reads.
const FAILURE_S: f64 = 1.0;

/// Waits that differ by less than this factor are about equal.
const TELLING: f64 = 1.25;

/// How much a new number of outstanding requests weighs in the usual one.
const USUAL_WEIGHT: f64 = 1.0 / 32.0;

/// How a request to a replica ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Answered,
    /// Without one: time-out, broken connection, too much under way, unreadable storage.
    Failed,
    /// Nobody waits any more. It would have taken at least as long as it was waited for.
    Unheard,
}

/// What one coordinator knows of the replicas that it asks.
#[derive(Clone, Debug, Default)]
pub struct ReplicaRanking {
    /// Those that have been asked.
    peers: BTreeMap<NodeId, Peer>,
    /// The mean number of requests outstanding to a replica when it is asked.
    usual_outstanding: f64,
}

#[derive(Clone, Debug, Default)]
struct Peer {
    /// The mean time to answer, in seconds.
    took_s: f64,
    /// When that mean was last told something; never, for one that has only been asked.
    told_at: Option<Duration>,
    /// Choices since then in which another one was taken.
    passed_over: u32,
    /// Requests that have begun and not ended.
    outstanding: usize,
    /// Since when it has said nothing although something was outstanding; without meaning while nothing is.
    silent_since: Duration,
}

impl Peer {
    /// How many times what is known of it has halved.
    fn staleness(&self, now: Duration) -> f64 {
        let Some(told_at) = self.told_at else { return f64::INFINITY };
        let halvings = now.saturating_sub(told_at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        halvings.min(f64::from(self.passed_over) / PASSES_PER_HALVING)
    }

    /// The share of what was known that still counts.
    fn kept(&self, now: Duration) -> f64 {
        0.5_f64.powf(self.staleness(now))
    }

    fn expected_s(&self, now: Duration) -> f64 {
        let silence = if self.outstanding > 0 { now.saturating_sub(self.silent_since) } else { Duration::ZERO };
        (self.took_s * self.kept(now)).max(silence.as_secs_f64()).max(LEAST_S)
    }
}

impl ReplicaRanking {
    /// Brings the replicas into the order in which they are asked: as many as are `needed` by choice, then the others, the quickest first.
    pub fn rank(&mut self, replicas: &mut [Replica], needed: usize, now: Duration, rng: &mut impl Rng) {
        let needed = needed.min(replicas.len());
        for place in 0..needed {
            let left = replicas.len() - place;
            if left > 1 {
                let one = rng.random_range(0..left);
                let other = (one + rng.random_range(1..left)) % left;
                let better = self.better(replicas, [place + one, place + other], now, rng);
                replicas.swap(place, better);
            }
        }
        let others = &mut replicas[needed..];
        if others.len() > 1 {
            others.sort_by(|a, b| self.wait_s(&a.node, now).total_cmp(&self.wait_s(&b.node, now)));
        }
        for Replica { node, .. } in others {
            if let Some(peer) = self.peers.get_mut(node) {
                peer.passed_over = peer.passed_over.saturating_add(1);
            }
        }
    }

    fn better(&self, replicas: &[Replica], [one, other]: [usize; 2], now: Duration, rng: &mut impl Rng) -> usize {
        let [first, second] = [one, other].map(|at| &replicas[at].node);
        let takes_one = if self.is_slower(first, second, now) {
            false
        } else {
            self.is_slower(second, first, now) || rng.random_bool(0.5)
        };
        if takes_one { one } else { other }
    }

    /// Whether the first one is expected to make a read wait longer than the second, by more than chance.
    pub fn is_slower(&self, node: &NodeId, than: &NodeId, now: Duration) -> bool {
        self.wait_s(node, now) > TELLING * self.wait_s(than, now)
    }

    /// How long one more request would wait, in seconds.
    fn wait_s(&self, node: &NodeId, now: Duration) -> f64 {
        let Some(peer) = self.peers.get(node) else { return LEAST_S };
        peer.expected_s(now) * (1.0 + peer.outstanding as f64 / self.usual_outstanding.max(1.0))
    }

    /// In which time the replica is expected to answer, whatever is outstanding, in seconds; `None`: it has never been asked.
    pub fn expected_s(&self, node: &NodeId, now: Duration) -> Option<f64> {
        self.peers.get(node).map(|peer| peer.expected_s(now))
    }

    /// How many requests to the replica have begun and not ended.
    pub fn outstanding(&self, node: &NodeId) -> usize {
        self.peers.get(node).map_or(0, |peer| peer.outstanding)
    }

    /// The replica is asked for `count` answers at once.
    pub fn begin(&mut self, node: &NodeId, count: usize, now: Duration) {
        let peer = self.peers.entry(node.clone()).or_default();
        if peer.outstanding == 0 {
            peer.silent_since = now;
        }
        peer.outstanding += count;
        self.usual_outstanding += USUAL_WEIGHT * (peer.outstanding as f64 - self.usual_outstanding);
    }

    /// What [`Self::begin`] began has ended, after a time of `took`.
    pub fn end(&mut self, node: &NodeId, count: usize, took: Duration, ending: Ending, now: Duration) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.outstanding = peer.outstanding.saturating_sub(count);
        let took_s = match ending {
            Ending::Answered => took.as_secs_f64(),
            Ending::Failed => took.as_secs_f64().max(FAILURE_S),
            Ending::Unheard if took.as_secs_f64() <= peer.took_s => return,
            Ending::Unheard => took.as_secs_f64(),
        };
        if ending != Ending::Unheard {
            peer.silent_since = now;
        }
        // What has been forgotten is what the new answer stands for.
        let weight = (1.0 - peer.kept(now)).max(LEAST_WEIGHT);
        peer.took_s += weight * (took_s - peer.took_s);
        peer.told_at = Some(now);
        peer.passed_over = 0;
    }

    /// Forgets those who are not members any more, once nothing is outstanding to them.
    pub fn keep_members(&mut self, is_member: impl Fn(&NodeId) -> bool) {
        self.peers.retain(|node, peer| is_member(node) || peer.outstanding > 0);
    }
}

#[cfg(test)]
#[path = "replica_ranking_tests.rs"]
mod tests;
