//! A `Node` shard's trees: opened with the shard, changed with each record, written with each batch, checked against the records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tracing::info;

use super::node_parts::{Pending, StorageKey};
use crate::dynamo::merkle::{Digest, LEAVES, leaf_of};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Siblings;
use crate::dynamo::tree_log::{SLOTS, TREE_PREFIX, TreeLog, trees_are_off};
use crate::dynamo::tree_recovery::{Recovered, Standing, recover};
use crate::messages::repair::{AuditFinding, AuditProgress};
use crate::messages::replica::StoredRecord;
use crate::storage::{Batch, ReadError, ScanRange, Space, Storage};

/// How many values are read from disk at once when a node starts.
const LOAD_SLICE: usize = 1024;

/// Stands for a batch that holds nothing but trees among the writes on their way.
const TREES_ALONE: &[u8] = TREE_PREFIX;

/// The trees, if anti-entropy is on.
pub(super) struct NodeTrees {
    log: Option<TreeLog>,
    audit: Option<Audit>,
    /// Off: what has to be said once in this life.
    off_marker: Option<(Bytes, Bytes)>,
    /// Counts refused batches: a digest that was taken before one and is answered after it may count what is not there.
    refusals: Arc<AtomicU64>,
}

/// A partition that is being read through.
struct Audit {
    partition: PartitionId,
    /// The records up to this key are in the sums, and what happens to them from now on.
    upto: Option<Bytes>,
    leaves: Box<[Digest; LEAVES]>,
    corrupt: u64,
}

impl NodeTrees {
    pub(super) fn open(
        storage: &dyn Storage,
        shard: usize,
        shards: usize,
        epoch: u64,
        enabled: bool,
    ) -> Result<Self, ReadError> {
        let log = if enabled { Some(open_log(storage, shard, shards, epoch)?) } else { None };
        let off_marker = (!enabled).then(|| trees_are_off(epoch));
        Ok(Self { log, audit: None, off_marker, refusals: Arc::default() })
    }

    pub(super) fn log(&self) -> Option<&TreeLog> {
        self.log.as_ref()
    }

    /// The record is about to be replaced in the batch that is being gathered. Hints are in no tree.
    pub(super) fn replace(&mut self, at: &StorageKey, before: &Siblings, after: &Siblings) {
        let (Some(log), Some(partition)) = (&mut self.log, partition_of(at)) else { return };
        let (before, after) = (Digest::of_record(&at.key, before), Digest::of_record(&at.key, after));
        log.replace(&at.key, partition, before, after);
        if let Some(audit) = &mut self.audit
            && audit.partition == partition
            && audit.upto.as_ref().is_some_and(|upto| at.key <= *upto)
        {
            let leaf = &mut audit.leaves[usize::from(leaf_of(&at.key))];
            *leaf = leaf.replaced(before, after);
        }
    }

    /// A record that cannot be read: what the tree says of it is not known.
    pub(super) fn distrust(&mut self, at: &StorageKey) {
        if let Some(partition) = partition_of(at) {
            self.distrust_partition(partition);
        }
    }

    pub(super) fn distrust_partition(&mut self, partition: PartitionId) {
        if let Some(log) = &mut self.log {
            log.distrust(partition);
        }
    }

    /// Adds to a batch with puts in it what the trees have to write with it.
    pub(super) fn join(&mut self, batch: &mut Batch, ticket: u64) {
        if let Some((key, value)) = self.off_marker.clone() {
            batch.put(Space::Meta, key, value);
        }
        for (key, value) in self.log.iter_mut().flat_map(|log| log.take_writes(ticket)) {
            match value {
                Some(value) => batch.put(Space::Meta, key, value),
                None => batch.delete(Space::Meta, key),
            }
        }
    }

    /// A batch of their own, where trees wait to be written and no record does.
    pub(super) fn alone(&mut self, pending: &mut Pending) -> Option<Batch> {
        if !self.log.as_ref()?.has_writes() {
            return None;
        }
        let at = StorageKey { space: Space::Meta, key: Bytes::from_static(TREES_ALONE) };
        let mut batch = Batch::default();
        self.join(&mut batch, pending.add(at, None));
        Some(batch)
    }

    /// Before anybody is told what became of the batches up to this ticket.
    pub(super) fn settle(&mut self, ticket: u64, refused: bool) {
        if refused {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        } else {
            self.off_marker = None;
        }
        if let Some(log) = &mut self.log {
            log.settle(ticket, refused);
        }
    }

    /// Says later whether a batch has been refused since now.
    pub(super) fn refused_since_now(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (refusals, before) = (Arc::clone(&self.refusals), self.refusals.load(Ordering::Relaxed));
        move || refusals.load(Ordering::Relaxed) != before
    }

    /// The next slice of an audit. What is on its way to the disk counts as if it were there, as it does in the tree.
    pub(super) fn audit(
        &mut self,
        storage: &dyn Storage,
        pending: &Pending,
        partition: PartitionId,
        limit: usize,
    ) -> Result<AuditProgress, ReadError> {
        let fresh = || Audit { partition, upto: None, leaves: Box::new([Digest::EMPTY; LEAVES]), corrupt: 0 };
        let mut audit = self.audit.take().filter(|audit| audit.partition == partition).unwrap_or_else(fresh);
        let prefix = partition.0.to_be_bytes();
        let range =
            audit.upto.as_deref().map_or(ScanRange::prefix(&prefix), |upto| ScanRange::prefix(&prefix).after(upto));
        let page = storage.scan(Space::Records, range, limit)?;
        let mut progress = AuditProgress { records: page.entries.len() as u64, ..AuditProgress::default() };
        for (key, value) in &page.entries {
            progress.bytes += value.len() as u64;
            audit.corrupt += u64::from(!audit.add(key, Some(value), pending));
        }
        for key in &page.corrupt {
            audit.corrupt += u64::from(!audit.add(key, None, pending));
        }
        let seen = |key: &Bytes| {
            page.corrupt.contains(key) || page.entries.binary_search_by(|(known, _)| known.cmp(key)).is_ok()
        };
        for key in pending.records_after(&prefix, audit.upto.as_ref(), page.resume_after.as_ref()) {
            if !seen(&key) {
                audit.add(&key, None, pending);
            }
        }
        match page.resume_after {
            Some(last) => {
                audit.upto = Some(last);
                self.audit = Some(audit);
            }
            None => progress.finding = self.finish(&audit),
        }
        Ok(progress)
    }

    fn finish(&mut self, audit: &Audit) -> Option<AuditFinding> {
        let log = self.log.as_mut()?;
        let was_distrusted = !log.trusts(audit.partition);
        let corrected = log.checked(audit.partition, &audit.leaves) as u64;
        Some(AuditFinding { corrupt: audit.corrupt, corrected, was_distrusted })
    }
}

impl Audit {
    /// Whether the record, as it is or will be, can be read. One that is about to go is none.
    fn add(&mut self, key: &Bytes, value: Option<&Bytes>, pending: &Pending) -> bool {
        let at = StorageKey { space: Space::Records, key: key.clone() };
        let siblings = match (pending.latest(&at), value) {
            (Some(None), _) => return true,
            (Some(Some(record)), _) => Some(record.siblings.clone()),
            (None, value) => value.and_then(|bytes| StoredRecord::from_bytes(bytes)).map(|record| record.siblings),
        };
        let Some(siblings) = siblings else { return false };
        let leaf = &mut self.leaves[usize::from(leaf_of(key))];
        *leaf = leaf.replaced(Digest::EMPTY, Digest::of_record(key, &siblings));
        true
    }
}

fn partition_of(at: &StorageKey) -> Option<PartitionId> {
    let is_record = at.space == Space::Records;
    is_record.then(|| RecordKey::try_from(at.key.clone()).ok()).flatten().map(|key| key.partition())
}

fn open_log(storage: &dyn Storage, shard: usize, shards: usize, epoch: u64) -> Result<TreeLog, ReadError> {
    let recovered = recover_from(storage, shard, shards)?;
    if !recovered.whole || !recovered.distrusted.is_empty() {
        info!(shard, "some trees of digests are missing or not certain: they are made from the records, once");
    }
    Ok(TreeLog::new(epoch, shard, recovered))
}

/// What a shard that starts on this storage makes of the trees that earlier lives left there.
///
/// # Errors
///
/// The storage cannot be read.
pub fn recover_from(storage: &dyn Storage, shard: usize, shards: usize) -> Result<Recovered, ReadError> {
    let mut entries = Vec::new();
    let mut after: Option<Bytes> = None;
    loop {
        let all = ScanRange::prefix(TREE_PREFIX);
        let range = after.as_deref().map_or(all, |last| all.after(last));
        let page = storage.scan(Space::Meta, range, LOAD_SLICE)?;
        entries.extend(page.entries.into_iter().map(|(key, value)| (key, Some(value))));
        entries.extend(page.corrupt.into_iter().map(|key| (key, None)));
        match page.resume_after {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let first = storage.scan(Space::Records, ScanRange::all(), 1)?;
    let has_records = !first.entries.is_empty() || !first.corrupt.is_empty();
    let standing = Standing { slots: SLOTS, has_records, clears_away: shard == 0 };
    Ok(recover(entries, |partition| partition.0 as usize % shards == shard, standing))
}
