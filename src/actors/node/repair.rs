//! What a `Node` shard answers to anti-entropy: its trees, its keys, and whether they fit.

use actix::Handler;

use super::Node;
use crate::actors::node_parts::{Acknowledgement, StorageKey};
use crate::dynamo::merkle::{Digest, leaf_of};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::siblings::Siblings;
use crate::messages::repair::{
    AuditPartition, AuditProgress, BucketSlice, DistrustTree, ListBuckets, ReadLeaves, ReadRoot, RepairError, RootState,
};
use crate::messages::replica::StoredRecord;
use crate::messages::together::{Answers, Together};
use crate::storage::{ReadError, ScanRange, Space};

impl Node {
    /// What a refused write was to replace, or to delete, is still there.
    pub(super) fn take_back(&mut self, at: &StorageKey, refused: Option<&StoredRecord>) {
        if at.space != Space::Records {
            return;
        }
        let held = match self.storage.get(at.space, &at.key) {
            Ok(bytes) => bytes.and_then(|bytes| StoredRecord::from_bytes(&bytes)),
            Err(_) => {
                self.trees.distrust(at);
                None
            }
        };
        let held = held.map(|record| record.siblings).unwrap_or_default();
        let nothing = Siblings::default();
        self.trees.replace(at, refused.map_or(&nothing, |record| &record.siblings), &held);
    }

    /// Gives the answer once all that it covers is on the disk: a peer takes it as proof that this replica holds those records.
    fn answer_when_durable<T: Clone + Send + Sync + 'static>(
        &mut self,
        answers: &Answers<Result<T, RepairError>>,
        at: usize,
        answer: T,
    ) {
        let (refused, answers) = (self.trees.refused_since_now(), answers.clone());
        let settled = Answers::new(move |_, outcome: Result<(), _>| {
            let is_right = outcome.is_ok() && !refused();
            answers.give(at, if is_right { Ok(answer.clone()) } else { Err(RepairError::Unsettled) });
        });
        self.pending.acknowledge(self.pending.last_ticket(), Acknowledgement { answers: settled, at: 0 });
    }

    /// As anti-entropy last said; all of it where there is none.
    fn repair_speed_percent(&self) -> u8 {
        u8::try_from(self.metrics.repair.speed_percent.get())
            .ok()
            .filter(|percent| (1..100).contains(percent))
            .unwrap_or(100)
    }

    fn list_buckets(&mut self, list: &ListBuckets) -> Result<BucketSlice, RepairError> {
        let prefix = list.partition.0.to_be_bytes();
        let all = ScanRange::prefix(&prefix);
        let range = list.after.as_ref().map_or(all, |key| all.after(key.as_bytes()));
        let page = self.storage.scan(Space::Records, range, list.limit as usize).map_err(unreadable)?;
        if !page.corrupt.is_empty() {
            self.metrics.corrupt_records.inc_by(page.corrupt.len() as u64);
            self.trees.distrust_partition(list.partition);
        }
        let in_buckets = page.entries.into_iter().filter(|(key, _)| list.leaves.contains(leaf_of(key)));
        let record = |(key, value): (bytes::Bytes, bytes::Bytes)| {
            let digest = Digest::of_record(&key, &StoredRecord::from_bytes(&value)?.siblings);
            Some((RecordKey::try_from(key).ok()?, digest))
        };
        let covers_up_to = page.resume_after.and_then(|key| RecordKey::try_from(key).ok());
        let records = in_buckets.filter_map(record).collect();
        Ok(BucketSlice { records, covers_up_to, speed_percent: self.repair_speed_percent() })
    }
}

fn unreadable(error: ReadError) -> RepairError {
    RepairError::Unreadable { reason: error.to_string() }
}

impl Handler<Together<ReadRoot>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadRoot>, _: &mut Self::Context) {
        let epoch = self.ring.lasting_epoch();
        for (at, read) in requests.into_iter().enumerate() {
            let state = self.trees.log().map(|log| RootState {
                root: log.root(read.partition),
                trusted: log.trusts(read.partition),
                epoch,
            });
            match state {
                Some(state) => self.answer_when_durable(&answers, at, state),
                None => answers.give(at, Err(RepairError::Disabled)),
            }
        }
    }
}

impl Handler<Together<ReadLeaves>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadLeaves>, _: &mut Self::Context) {
        for (at, read) in requests.into_iter().enumerate() {
            match self.trees.log().map(|log| log.leaves(read.partition).to_vec()) {
                Some(leaves) => self.answer_when_durable(&answers, at, leaves),
                None => answers.give(at, Err(RepairError::Disabled)),
            }
        }
    }
}

impl Handler<Together<ListBuckets>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ListBuckets>, _: &mut Self::Context) {
        for (at, list) in requests.iter().enumerate() {
            answers.give(at, self.list_buckets(list));
        }
    }
}

impl Handler<Together<DistrustTree>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<DistrustTree>, _: &mut Self::Context) {
        for (at, distrust) in requests.into_iter().enumerate() {
            self.trees.distrust_partition(distrust.partition);
            answers.give(at, Ok(()));
        }
    }
}

impl Handler<AuditPartition> for Node {
    type Result = Result<AuditProgress, RepairError>;

    fn handle(&mut self, audit: AuditPartition, _: &mut Self::Context) -> Self::Result {
        if self.trees.log().is_none() {
            return Err(RepairError::Disabled);
        }
        let storage = std::sync::Arc::clone(&self.storage);
        let audited = self.trees.audit(storage.as_ref(), &self.pending, audit.partition, audit.limit);
        let progress = audited.map_err(unreadable)?;
        if let Some(finding) = progress.finding {
            self.metrics.corrupt_records.inc_by(finding.corrupt);
            if finding.corrupt + finding.corrected > 0 {
                // What is lost on the disk may live on in memory, and a write of the same would find nothing to do.
                self.cache.clear();
            }
            self.send_off_trees();
        }
        Ok(progress)
    }
}
