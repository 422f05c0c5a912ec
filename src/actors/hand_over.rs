//! The story of the hints that wait for one node: read some, send them to where they belong, settle those that are durable there.
//!
//! ```text
//!   the target owns the partition no longer     to all its owners               all have it: settled
//!   the target is up                            to the target                   it has it: settled
//!   down, or it refuses, and the hint is old    to the other primaries          W have it: given up, the range becomes dirty
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use super::coordination::ask_all;
use crate::dynamo::handoff_rate::{HandoffRate, Pace};
use crate::dynamo::hint::{Destination, destination, is_dispensable, others};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::precedence::Insistence;
use crate::dynamo::quorum::{Quorum, Quorums};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::item::Conflict;
use crate::messages::TraceId;
use crate::messages::cluster::View;
use crate::messages::hints::{
    CountHints, ForgetDirty, Hint, NextHints, SettleHints, Settlement, SurveyHints, WhichHints,
};
use crate::messages::replica::{Slot, WriteReplica, WriteReplicaError};
use crate::messages::together::Together;

/// How many hints travel to one target at once.
const BATCH_MAX: usize = 64;

/// One shard of this node's `Node`.
#[derive(Clone)]
pub struct HintShard {
    /// Names the next hints.
    pub next: Recipient<NextHints>,
    /// Deletes settled ones.
    pub settle: Recipient<SettleHints>,
    /// Counts them.
    pub count: Recipient<CountHints>,
    /// Tells what waits and what is dirty.
    pub survey: Recipient<SurveyHints>,
    /// Forgets dirty ranges.
    pub forget: Recipient<ForgetDirty>,
    /// Takes writes, where this node is the owner now.
    pub write: Recipient<Together<WriteReplica>>,
}

/// How fast all hints together may go.
pub(super) struct Pacing {
    pub(super) rate: HandoffRate,
    pub(super) pace: Pace,
    /// Instants are told as seconds since then.
    pub(super) since: Instant,
}

impl Pacing {
    fn wait_for(&mut self, hints: usize) -> Duration {
        let now_s = self.since.elapsed().as_secs_f64();
        let wait_s = self.pace.reserve(hints, self.rate.rate(), now_s);
        Duration::try_from_secs_f64(wait_s).unwrap_or_default()
    }
}

/// All hints of one node, from every shard.
pub(super) struct Handover {
    pub(super) target: NodeId,
    pub(super) view: Arc<View>,
    pub(super) shards: Rc<Vec<HintShard>>,
    pub(super) peers: Rc<BTreeMap<NodeId, Recipient<Together<WriteReplica>>>>,
    pub(super) pacing: Rc<RefCell<Pacing>>,
    /// The partitions of the hints that the target stores no longer.
    pub(super) strays: BTreeSet<PartitionId>,
    /// Hints from before this instant are too old, in ms since the Unix epoch.
    pub(super) too_old_before_ms: u64,
    /// How many have been settled.
    pub(super) settled: Rc<Cell<u64>>,
}

impl Handover {
    /// Whether nothing is left that should have gone by now.
    pub(super) async fn run(&self) -> bool {
        let before = self.settled.get();
        let mut complete = true;
        for shard in self.shards.iter() {
            complete &= self.serve(shard).await;
        }
        let hints = self.settled.get() - before;
        if hints > 0 {
            info!(target = %self.target, hints, complete, "hints were handed over");
        }
        complete
    }

    async fn serve(&self, shard: &HintShard) -> bool {
        if self.is_up() && self.walk(shard, None, None).await {
            return true;
        }
        if !self.is_up() {
            for stray in &self.strays {
                // Sorts before every key of the partition: no table has an empty name.
                let begin = RecordKey::new(*stray, "", &[]);
                self.walk(shard, Some(begin), Some(*stray)).await;
            }
        }
        self.give_up_the_old(shard).await;
        false
    }

    fn is_up(&self) -> bool {
        self.view.reachable.contains(&self.target) && self.peers.contains_key(&self.target)
    }

    /// Hands over in the order of keys, after one of them, in one partition or all. Whether everything has gone.
    async fn walk(&self, shard: &HintShard, mut after: Option<RecordKey>, within: Option<PartitionId>) -> bool {
        let mut complete = true;
        loop {
            let Some(mut hints) = self.next(shard, WhichHints::ByKey(after)).await else { return false };
            let Some(last) = hints.last() else { return complete };
            after = Some(last.key.clone());
            hints.retain(|hint| within.is_none_or(|partition| hint.key.partition() == partition));
            if hints.is_empty() {
                return complete;
            }
            let (strays, owned): (Vec<_>, Vec<_>) =
                hints.into_iter().map(|hint| (self.owners(&hint), hint)).partition(|(owners, _)| owners.is_some());
            let strays = strays.into_iter().map(|(owners, hint)| (hint, owners.unwrap_or_default())).collect();
            complete &= self.retarget(shard, strays).await;
            match self.deliver(shard, owned.into_iter().map(|(_, hint)| hint).collect()).await {
                Ok(all) => complete &= all,
                Err(error) => {
                    debug!(target = %self.target, %error, "hints could not be handed over yet");
                    return false;
                }
            }
        }
    }

    /// The next hints, once there is room for them; `None`: they cannot be read.
    async fn next(&self, shard: &HintShard, which: WhichHints) -> Option<Vec<Hint>> {
        let limit = self.pacing.borrow().rate.batch(BATCH_MAX);
        let next = NextHints { target: self.target.clone(), which, limit };
        let hints = shard.next.send(next).await.ok()?.ok()?;
        let wait = self.pacing.borrow_mut().wait_for(hints.len());
        sleep(wait).await;
        Some(hints)
    }

    /// Who stores it now, where that is not the target.
    fn owners(&self, hint: &Hint) -> Option<Vec<NodeId>> {
        let n = self.quorum(hint).n();
        match destination(&self.view.topology, hint.key.partition(), n, &self.target) {
            Destination::Target => None,
            Destination::Owners(owners) => Some(owners),
        }
    }

    /// To the target. Whether it took all; an error that goes for later ones as well ends the walk.
    async fn deliver(&self, shard: &HintShard, hints: Vec<Hint>) -> Result<bool, WriteReplicaError> {
        if hints.is_empty() || !self.is_up() {
            return Ok(hints.is_empty());
        }
        let writes = hints.iter().map(|hint| self.write(hint)).collect();
        let outcomes = ask_all(self.peers.get(&self.target), writes).await;
        let durable = hints.into_iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(hint, _)| hint);
        self.settle(shard, durable.collect(), Settlement::Delivered);
        let refused: Vec<WriteReplicaError> = outcomes.into_iter().filter_map(Result::err).collect();
        let complete = refused.is_empty();
        let ends = |error: &WriteReplicaError| !matches!(error, WriteReplicaError::ClockTooFarAhead(_));
        refused.into_iter().find(ends).map_or(Ok(complete), Err)
    }

    /// To those who store the partition now. Whether all of them have all.
    async fn retarget(&self, shard: &HintShard, hints: Vec<(Hint, Vec<NodeId>)>) -> bool {
        let holders = self.spread(shard, &hints).await;
        let count = hints.len();
        let everywhere = hints.into_iter().zip(holders).filter(|((_, owners), holders)| *holders == owners.len());
        let settled: Vec<Hint> = everywhere.map(|((hint, _), _)| hint).collect();
        let complete = settled.len() == count;
        self.settle(shard, settled, Settlement::Retargeted);
        complete
    }

    async fn give_up_the_old(&self, shard: &HintShard) {
        let (before_ms, mut after) = (self.too_old_before_ms, None);
        loop {
            let Some(hints) = self.next(shard, WhichHints::ByAge { before_ms, after }).await else { return };
            let Some(last) = hints.last() else { return };
            after = Some((last.since_ms, last.key.clone()));
            let enough = |hint: &Hint, holders: usize| is_dispensable(holders, self.quorum(hint).w());
            let sheltered = hints.into_iter().map(|hint| (self.shelters(&hint), hint));
            let old: Vec<(Hint, Vec<NodeId>)> = sheltered
                .filter(|(shelters, hint)| enough(hint, shelters.len()))
                .map(|(shelters, hint)| (hint, shelters))
                .collect();
            let holders = self.spread(shard, &old).await;
            let settled = old.into_iter().zip(holders).filter(|((hint, _), holders)| enough(hint, *holders));
            self.settle(shard, settled.map(|((hint, _), _)| hint).collect(), Settlement::GivenUp);
        }
    }

    /// The other primaries that are up. None where the hint belongs to them anyway.
    fn shelters(&self, hint: &Hint) -> Vec<NodeId> {
        if self.owners(hint).is_some() {
            return Vec::new();
        }
        let mut others = others(&self.view.topology, hint.key.partition(), self.quorum(hint).n(), &self.target);
        others.retain(|node| self.view.reachable.contains(node));
        others
    }

    /// Sends each to its nodes, as an ordinary write. How many of them have it on disk.
    async fn spread(&self, shard: &HintShard, hints: &[(Hint, Vec<NodeId>)]) -> Vec<usize> {
        let mut by_node: BTreeMap<&NodeId, Vec<usize>> = BTreeMap::new();
        for (at, (_, nodes)) in hints.iter().enumerate() {
            nodes.iter().for_each(|node| by_node.entry(node).or_default().push(at));
        }
        let ask = |(node, places): (&NodeId, Vec<usize>)| {
            let writes = places.iter().map(|at| self.write(&hints[*at].0)).collect();
            let recipient = if *node == self.view.local { Some(&shard.write) } else { self.peers.get(node) };
            async move { (ask_all(recipient, writes).await, places) }
        };
        let mut holders = vec![0; hints.len()];
        for (outcomes, places) in join_all(by_node.into_iter().map(ask)).await {
            let durable = places.into_iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
            durable.for_each(|(at, _)| holders[at] += 1);
        }
        holders
    }

    fn settle(&self, shard: &HintShard, hints: Vec<Hint>, how: Settlement) {
        if !hints.is_empty() {
            self.settled.set(self.settled.get() + hints.len() as u64);
            shard.settle.do_send(SettleHints { target: self.target.clone(), hints, how });
        }
    }

    fn write(&self, hint: &Hint) -> WriteReplica {
        let table = self.view.stored_table(hint.key.table());
        WriteReplica {
            trace: TraceId::default(),
            epoch: self.view.topology.epoch(),
            key: hint.key.clone(),
            slot: Slot::Own,
            siblings: hint.siblings.clone(),
            conflict: table.map_or(Conflict::Siblings, |table| table.conflict),
            insists: Insistence::Nothing,
        }
    }

    fn quorum(&self, hint: &Hint) -> Quorum {
        // While a table's N changes a hint finds its way to whoever holds it by either.
        let Quorums { before, now } = self.view.quorums(hint.key.table(), None, None);
        let wider = if before.n() > now.n() { before } else { now };
        wider.in_cluster_of(self.view.ring().owners())
    }
}
