//! Whom the reads of one coordinator ask, and what it learns of those who were asked.
//!
//! Not an actor: its coordinator and the stories of its reads share it. It decides nothing: [`ReplicaRanking`] does, or chance where the
//! configuration says so. What it has learned dies with it, and is learned again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use tokio::time::Instant;
use tracing::debug;

use crate::config::ReadOrder;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::Replica;
use crate::dynamo::replica_ranking::{Ending, ReplicaRanking};
use crate::messages::cluster::View;
use crate::messages::replica::ReadReplicaError;
use crate::metrics::{Metrics, PeerRouting};

/// What a coordinator's reads share.
pub struct ReadRouting {
    reads: ReadOrder,
    /// The ranking's times count from here.
    epoch: Instant,
    learned: RefCell<Learned>,
    metrics: Metrics,
}

struct Learned {
    ranking: ReplicaRanking,
    rng: StdRng,
    /// Of those who have been asked.
    peers: BTreeMap<NodeId, PeerRouting>,
}

impl ReadRouting {
    /// Knows nobody yet.
    pub fn new(reads: ReadOrder, seed: u64, metrics: Metrics) -> Self {
        let learned =
            Learned { ranking: ReplicaRanking::default(), rng: StdRng::seed_from_u64(seed), peers: BTreeMap::new() };
        Self { reads, epoch: Instant::now(), learned: RefCell::new(learned), metrics }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Brings replicas, none of them this node, into the order in which they are asked: as many as are `needed`, then those to turn to.
    pub(super) fn arrange(&self, replicas: &mut [Replica], needed: usize) {
        if replicas.len() < 2 || needed == 0 {
            return;
        }
        let now = self.now();
        let Learned { ranking, rng, peers } = &mut *self.learned.borrow_mut();
        let nearest = replicas[0].node.clone();
        match self.reads {
            ReadOrder::Fastest => ranking.rank(replicas, needed, now, rng),
            ReadOrder::Random => replicas.shuffle(rng),
        }
        let counters = &self.metrics.routing;
        let first = if replicas[0].node == nearest { &counters.nearest_first } else { &counters.other_first };
        first.inc();
        let (asked, others) = replicas.split_at(needed.min(replicas.len()));
        let Some(last) = asked.last() else { return };
        let slower = others.iter().filter(|other| ranking.is_slower(&other.node, &last.node, now));
        for peer in slower.filter_map(|other| peers.get(&other.node)) {
            peer.passed_over.inc();
        }
    }

    /// A peer is asked for `count` answers at once.
    pub(super) fn ask(self: &Rc<Self>, node: &NodeId, count: usize) -> Asked {
        let Learned { ranking, peers, .. } = &mut *self.learned.borrow_mut();
        peers.entry(node.clone()).or_insert_with(|| self.metrics.routing.of_peer(node));
        ranking.begin(node, count, self.now());
        let (routing, node) = (Rc::clone(self), node.clone());
        Asked { routing, node, count, since: Instant::now(), ending: Ending::Unheard }
    }

    fn end(&self, asked: &Asked) {
        let Learned { ranking, peers, .. } = &mut *self.learned.borrow_mut();
        let now = self.now();
        ranking.end(&asked.node, asked.count, asked.since.elapsed(), asked.ending, now);
        if let Some((peer, expected_s)) = peers.get(&asked.node).zip(ranking.expected_s(&asked.node, now)) {
            peer.expected_s.set(expected_s);
        }
    }

    /// Whoever is no member any more is forgotten.
    pub(super) fn view_changed(&self, view: &View) {
        let (Learned { ranking, peers, .. }, members) = (&mut *self.learned.borrow_mut(), view.topology.nodes());
        ranking.keep_members(|node| members.contains(node));
        peers.retain(|node, _| members.contains(node));
    }
}

/// Reads that a peer has been asked for. They end with the answers, or unheard where nobody waits any more.
pub(super) struct Asked {
    routing: Rc<ReadRouting>,
    node: NodeId,
    count: usize,
    since: Instant,
    ending: Ending,
}

impl Asked {
    /// These are the answers.
    pub(super) fn answered<T>(mut self, outcomes: &[Result<T, ReadReplicaError>]) {
        let failed = outcomes.iter().find_map(|outcome| outcome.as_ref().err().filter(|error| is_failure(error)));
        if let Some(error) = failed {
            debug!(peer = %self.node, %error, "a peer did not answer a read, and counts as slow");
        }
        self.ending = if failed.is_some() { Ending::Failed } else { Ending::Answered };
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.routing.end(self);
    }
}

/// A damaged copy says nothing of other keys, and is mended by the read that finds it.
fn is_failure(error: &ReadReplicaError) -> bool {
    !matches!(error, ReadReplicaError::Corrupt)
}
