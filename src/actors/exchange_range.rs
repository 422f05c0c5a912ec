//! The story of one comparison: roots, then leaves, then keys, then records; whatever is not needed is not asked for.
//!
//! Nothing here is all or nothing: a record that has been moved stays moved, and a comparison that is broken off begins anew with what is
//! still different.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::anti_entropy::Workshop;
use super::coordination::{ask, ask_all};
use super::repair_recipients::RepairRecipients;
use crate::dynamo::exchange::{Differences, Listed, Reading, differences, still_differing, untouched};
use crate::dynamo::merkle::LeafSet;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::precedence::Insistence;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Siblings;
use crate::dynamo::topology::Phase;
use crate::messages::TraceId;
use crate::messages::hints::HintedPartitions;
use crate::messages::repair::{
    AuditPartition, BucketSlice, DistrustTree, ListBuckets, ReadLeaves, ReadRoot, RepairError, RootState,
};
use crate::messages::replica::{ReadReplica, ReadReplicaError, Slot, WriteReplica, WriteReplicaError};
use crate::messages::ring::RangeCompared;

/// How many partitions' roots are asked for at once.
const ROOTS: usize = 64;

/// The time between two readings of leaves that differ: longer than a write takes to reach all replicas.
const SETTLE: Duration = Duration::from_millis(300);

/// Records that a replica looks at for one message: whoever is served on its thread waits for so long, about a fifth of a millisecond.
const LIST_SLICE: u32 = 32;

/// The same for an audit.
const AUDIT_SLICE: usize = 32;

/// Records that travel together: reading and merging one costs several times as much as looking at it.
const MOVE_SLICE: usize = 2;

/// Looking at so many records costs about what moving one does.
const LOOKS_PER_MOVE: u32 = 8;

/// What a record takes beside its key and payload, in bytes.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Why a comparison was broken off. What it has moved stays moved.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error(transparent)]
    Ask(#[from] RepairError),
    #[error(transparent)]
    Read(#[from] ReadReplicaError),
    #[error(transparent)]
    Write(#[from] WriteReplicaError),
    #[error("paused, or stopping")]
    Paused,
    #[error("the leaves differ and the keys do not: both trees are checked")]
    TreesDoNotFit,
}

/// Compares the ranges of this peer whose turn has come.
pub(super) async fn compare_due(workshop: &Workshop, peer: &NodeId, peer_recipients: &RepairRecipients) {
    let now_ms = workshop.now_ms();
    let due = workshop.schedule.borrow().due(peer, now_ms, ROOTS);
    if due.is_empty() {
        return;
    }
    let roots = |partition: &PartitionId| ReadRoot { partition: *partition };
    let ours = join_all(due.iter().map(|partition| ask(Some(&workshop.shard(*partition).root), roots(partition))));
    let theirs = ask_all(Some(&peer_recipients.root), due.iter().map(roots).collect());
    let (ours, theirs): (Vec<_>, Vec<_>) = join(ours, theirs).await;
    let differ =
        |(ours, theirs): (&Roots, &Roots)| matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours.root != theirs.root);
    let hinted = match ours.iter().zip(&theirs).any(differ) {
        true => hinted_partitions(workshop, peer).await,
        false => BTreeSet::new(),
    };
    for ((partition, ours), theirs) in due.into_iter().zip(ours).zip(theirs) {
        if !workshop.works() {
            return;
        }
        let range = Range { workshop, peer, recipients: peer_recipients, partition, peer_speed: Cell::new(1.0) };
        settle_roots(&range, now_ms, (ours, theirs), &hinted).await;
    }
}

/// What one side said of its root.
type Roots = Result<RootState, RepairError>;

async fn settle_roots(range: &Range<'_>, at_ms: u64, roots: (Roots, Roots), hinted: &BTreeSet<PartitionId>) {
    let &Range { workshop, peer, partition, .. } = range;
    let epochs = roots.0.as_ref().ok().zip(roots.1.as_ref().ok()).map(|(ours, theirs)| [ours.epoch, theirs.epoch]);
    if workshop.repairing.borrow().values().any(|busy| *busy == partition) {
        // With another peer: what that one brings need not come twice. It stays due.
        return;
    }
    match roots {
        (Ok(ours), _) if !ours.trusted => {
            restore_trust(workshop, partition).await;
            workshop.failed(peer, partition);
        }
        (Ok(ours), Ok(theirs)) if theirs.trusted && ours.root == theirs.root => {
            workshop.verified(peer, partition, at_ms);
            range.report(epochs, Ok(()));
        }
        (Ok(_), Ok(_)) if hinted.contains(&partition) && waits_for_hints(workshop, peer, partition) => {}
        (Ok(_), Ok(theirs))
            if theirs.trusted && workshop.schedule.borrow().moves(&workshop.view.borrow().local, peer, partition) =>
        {
            workshop.repairing.borrow_mut().insert(peer.clone(), partition);
            let outcome = range.exchange(at_ms).await;
            workshop.repairing.borrow_mut().remove(peer);
            match outcome {
                Ok(()) => {
                    workshop.verified(peer, partition, at_ms);
                    range.report(epochs, Ok(()));
                }
                Err(error) => {
                    debug!(%peer, %partition, %error, "a comparison was broken off");
                    workshop.failed(peer, partition);
                    range.report(epochs, Err(error.to_string()));
                }
            }
        }
        // The peer moves the records, or has to check its tree first, or did not answer.
        (ours, theirs) => {
            workshop.failed(peer, partition);
            let why = ours.and(theirs).map_or_else(|error| error.to_string(), |_| "the copies differ yet".to_owned());
            range.report(epochs, Err(why));
        }
    }
}

/// Of which partitions anybody keeps hints for either side: they bring most of what differs, and bring it first.
async fn hinted_partitions(workshop: &Workshop, peer: &NodeId) -> BTreeSet<PartitionId> {
    let keepers: Vec<_> = {
        let view = workshop.view.borrow();
        let keepers = workshop.hint_keepers.borrow();
        let reachable = keepers.iter().filter(|(node, _)| view.reachable.contains(*node));
        reachable.map(|(_, keeper)| keeper.clone()).collect()
    };
    let targets = vec![workshop.view.borrow().local.clone(), peer.clone()];
    let asked = keepers.iter().map(|keeper| ask(Some(keeper), HintedPartitions { targets: targets.clone() }));
    // Whoever does not answer is not waited for.
    join_all(asked).await.into_iter().filter_map(Result::ok).flatten().collect()
}

fn waits_for_hints(workshop: &Workshop, peer: &NodeId, partition: PartitionId) -> bool {
    workshop.schedule.borrow_mut().waits_for_hints(peer, partition, workshop.now_ms())
}

/// Checks a tree that is not believed, unless somebody has done so meanwhile.
async fn restore_trust(workshop: &Workshop, partition: PartitionId) {
    let _one_at_a_time = workshop.auditing.lock().await;
    let now = ask(Some(&workshop.shard(partition).root), ReadRoot { partition }).await;
    if now.is_ok_and(|now| !now.trusted) {
        audit_slices(workshop, partition).await;
    }
}

/// Checks a partition's tree against its records.
pub(super) async fn audit(workshop: &Workshop, partition: PartitionId) {
    let _one_at_a_time = workshop.auditing.lock().await;
    audit_slices(workshop, partition).await;
}

async fn audit_slices(workshop: &Workshop, partition: PartitionId) {
    let auditor = &workshop.auditors[partition.0 as usize % workshop.auditors.len()];
    while workshop.works() {
        let progress = match auditor.send(AuditPartition { partition, limit: AUDIT_SLICE }).await {
            Ok(Ok(progress)) => progress,
            Ok(Err(error)) => return debug!(%partition, %error, "an audit was broken off"),
            Err(_) => return,
        };
        workshop.metrics.repair.records_audited.inc_by(progress.records);
        if let Some(finding) = progress.finding {
            workshop.metrics.repair.leaves_corrected.inc_by(finding.corrected);
            workshop.metrics.repair.trees_rebuilt.inc_by(u64::from(finding.was_distrusted));
            if finding.corrupt > 0 || (finding.corrected > 0 && !finding.was_distrusted) {
                warn!(%partition, corrupt = finding.corrupt, "records are damaged or lost: they are fetched from the other replicas");
            }
            if finding.corrected > 0 {
                mark_all_dirty(workshop, partition);
            }
            return;
        }
        workshop.spend(progress.records, progress.bytes, 1.0).await;
    }
}

/// Whatever the tree says now, the peers have not been compared with it.
fn mark_all_dirty(workshop: &Workshop, partition: PartitionId) {
    let now_ms = workshop.now_ms();
    for peer in workshop.peers.borrow().keys() {
        workshop.schedule.borrow_mut().mark_dirty(peer, partition, now_ms);
    }
}

/// One partition and one peer.
struct Range<'a> {
    workshop: &'a Workshop,
    peer: &'a NodeId,
    recipients: &'a RepairRecipients,
    partition: PartitionId,
    /// The part of its own speed that the peer allows itself: its clients may suffer where this node has none.
    peer_speed: Cell<f64>,
}

impl Range<'_> {
    /// Tells of a comparison where it matters, because the partition moves: it is looked at again until both sides go by the partition's latest step.
    fn report(&self, epochs: Option<[u64; 2]>, outcome: Result<(), String>) {
        let view = std::sync::Arc::clone(&self.workshop.view.borrow());
        if view.topology.phase(self.partition) == Phase::Settled {
            return;
        }
        let [local_epoch, peer_epoch] = epochs.unwrap_or_default();
        if local_epoch.min(peer_epoch) < view.topology.fence(self.partition) {
            self.workshop.look_again(self.peer, self.partition);
        }
        let (peer, partition) = (self.peer.clone(), self.partition);
        self.workshop.transfer.do_send(RangeCompared { peer, partition, local_epoch, peer_epoch, outcome });
    }

    /// Ends with `Ok` when both sides hold all that either held at `at_ms`.
    async fn exchange(&self, at_ms: u64) -> Result<(), BrokenOff> {
        let first = self.read_leaves().await?;
        let second = if self.is_fetched() { first.clone() } else { self.read_after_settling().await? };
        let leaves = still_differing(&first, &second);
        if leaves.is_empty() {
            return Ok(());
        }
        let (mut after, mut pulled, mut pushed) = (None, 0, 0);
        loop {
            let Differences { push, pull, compared_up_to } = self.compare_keys(leaves, after.take()).await?;
            let fetched = self.pull(pull).await?;
            pulled += fetched.len();
            pushed += self.push(push, &fetched).await?;
            match compared_up_to {
                Some(end) => after = Some(end),
                None => break,
            }
        }
        if pulled + pushed > 0 {
            info!(peer = %self.peer, partition = %self.partition, pulled, pushed, at_ms, "a partition was repaired");
            return Ok(());
        }
        self.check_trees(leaves, &second).await
    }

    /// Whether one of the two fetches the partition: most of what differs is missing there, and others wait for it.
    fn is_fetched(&self) -> bool {
        self.workshop.view.borrow().topology.phase(self.partition) == Phase::Copying
    }

    /// What differs only because a write is under way no longer does then.
    async fn read_after_settling(&self) -> Result<Reading, BrokenOff> {
        sleep(SETTLE).await;
        self.read_leaves().await
    }

    async fn read_leaves(&self) -> Result<Reading, BrokenOff> {
        let read = ReadLeaves { partition: self.partition };
        let local = &self.workshop.shard(self.partition).leaves;
        let (ours, theirs) = join(ask(Some(local), read.clone()), ask(Some(&self.recipients.leaves), read)).await;
        Ok(Reading { ours: ours?, theirs: theirs? })
    }

    async fn compare_keys(&self, leaves: LeafSet, after: Option<RecordKey>) -> Result<Differences, BrokenOff> {
        let list = ListBuckets { partition: self.partition, leaves, after, limit: LIST_SLICE };
        let local = &self.workshop.shard(self.partition).list;
        let (ours, theirs) = join(ask(Some(local), list.clone()), ask(Some(&self.recipients.list), list)).await;
        let listed = |slice: BucketSlice| Listed { records: slice.records, covers_up_to: slice.covers_up_to };
        let (ours, theirs) = (ours?, theirs?);
        self.peer_speed.set(f64::from(theirs.speed_percent) / 100.0);
        let (ours, theirs) = (listed(ours), listed(theirs));
        self.workshop.spend(u64::from(LIST_SLICE / LOOKS_PER_MOVE), 0, self.peer_speed.get()).await;
        let found = differences(&ours, &theirs);
        if !self.workshop.works() {
            return Err(BrokenOff::Paused);
        }
        Ok(found)
    }

    /// Merges the peer's copies into this node's. Returns the peer's.
    async fn pull(&self, keys: Vec<RecordKey>) -> Result<BTreeMap<RecordKey, Siblings>, BrokenOff> {
        let mut fetched = BTreeMap::new();
        for keys in keys.chunks(MOVE_SLICE) {
            let records = read(&self.recipients.read, self.workshop.epoch(), keys).await?;
            self.store(&self.workshop.shard(self.partition).write, &records).await?;
            fetched.extend(records);
        }
        Ok(fetched)
    }

    /// Merges this node's copies into the peer's, unless they are what the peer has said that it holds.
    async fn push(&self, keys: Vec<RecordKey>, fetched: &BTreeMap<RecordKey, Siblings>) -> Result<usize, BrokenOff> {
        let mut pushed = 0;
        for keys in keys.chunks(MOVE_SLICE) {
            let own = &self.workshop.shard(self.partition).read;
            let mut records = read(own, self.workshop.epoch(), keys).await?;
            records.retain(|(key, siblings)| fetched.get(key) != Some(siblings));
            self.store(&self.recipients.write, &records).await?;
            pushed += records.len();
        }
        Ok(pushed)
    }

    async fn store(
        &self,
        to: &actix::Recipient<crate::messages::together::Together<WriteReplica>>,
        records: &[(RecordKey, Siblings)],
    ) -> Result<(), BrokenOff> {
        let write = |(key, siblings): &(RecordKey, Siblings)| WriteReplica {
            trace: TraceId::default(),
            epoch: self.workshop.epoch(),
            key: key.clone(),
            slot: Slot::Own,
            siblings: siblings.clone(),
            conflict: self.workshop.conflict(key.table()),
            insists: Insistence::Nothing,
        };
        if records.is_empty() {
            return Ok(());
        }
        let outcomes = ask_all(Some(to), records.iter().map(write).collect()).await;
        let size = |(key, siblings): &(RecordKey, Siblings)| {
            (key.as_bytes().len() + siblings.payload_bytes() + RECORD_OVERHEAD_BYTES) as u64
        };
        let (count, bytes) = (records.len() as u64, records.iter().map(size).sum());
        self.workshop
            .metrics
            .repair
            .keys_repaired
            .inc_by(outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64);
        self.workshop.metrics.repair.bytes_repaired.inc_by(bytes);
        self.workshop.spend(count, bytes, self.peer_speed.get()).await;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }

    /// No key differs. If leaves that nobody has touched meanwhile differ all the same, one of the trees is wrong.
    async fn check_trees(&self, leaves: LeafSet, before: &Reading) -> Result<(), BrokenOff> {
        let now = self.read_leaves().await?;
        let wrong = leaves.and(untouched(before, &now)).and(LeafSet::differing(&now.ours, &now.theirs));
        if wrong.is_empty() {
            return Ok(());
        }
        warn!(peer = %self.peer, partition = %self.partition, leaves = wrong.len(), "two trees differ and their records do not: both are checked");
        let distrust = DistrustTree { partition: self.partition };
        let local = &self.workshop.shard(self.partition).distrust;
        let (ours, theirs) =
            join(ask(Some(local), distrust.clone()), ask(Some(&self.recipients.distrust), distrust)).await;
        ours.and(theirs)?;
        Err(BrokenOff::TreesDoNotFit)
    }
}

/// The copies of these keys; one that holds nothing is left out.
async fn read(
    from: &actix::Recipient<crate::messages::together::Together<ReadReplica>>,
    epoch: u64,
    keys: &[RecordKey],
) -> Result<Vec<(RecordKey, Siblings)>, BrokenOff> {
    let read = |key: &RecordKey| ReadReplica {
        trace: TraceId::default(),
        epoch,
        key: key.clone(),
        slot: Slot::Own,
        binds: false,
    };
    let copies = ask_all(Some(from), keys.iter().map(read).collect()).await;
    let mut records = Vec::with_capacity(keys.len());
    for (key, copy) in keys.iter().zip(copies) {
        let siblings = copy?;
        if !siblings.is_empty() {
            records.push((key.clone(), siblings));
        }
    }
    Ok(records)
}
