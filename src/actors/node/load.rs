//! What a shard's copies are asked for, by partition: whether it is by a client's request, by repair or by a hint that arrives.

use std::rc::Rc;

use actix::Handler;

use super::Node;
use crate::dynamo::load::LoadCount;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Siblings;
use crate::messages::load::TakeCounts;
use crate::messages::replica::{ReadReplicaError, ScanSlice, StoredRecord};

type Found = Result<Option<Rc<StoredRecord>>, ReadReplicaError>;

impl Node {
    /// A copy is to be written. Minting is not counted: the write that follows it is.
    pub(super) fn count_write(&mut self, partition: PartitionId, siblings: &Siblings) {
        let bytes = siblings.payload_bytes() as u64;
        *self.asked.entry(partition).or_default() += LoadCount { reads: 0, writes: 1, bytes };
    }

    /// A copy was read, whether or not it is sent.
    pub(super) fn count_read(&mut self, partition: PartitionId, found: &Found) {
        let held = found.as_ref().ok().and_then(Option::as_ref);
        let bytes = held.map_or(0, |record| record.siblings.payload_bytes() as u64);
        *self.asked.entry(partition).or_default() += LoadCount { reads: 1, writes: 0, bytes };
    }

    /// A slice of a partition was read.
    pub(super) fn count_scan(&mut self, partition: PartitionId, slice: &Result<ScanSlice, ReadReplicaError>) {
        let records = slice.as_ref().map(|slice| slice.records.as_slice()).unwrap_or_default();
        let bytes: usize = records.iter().map(|(_, siblings)| siblings.payload_bytes()).sum();
        *self.asked.entry(partition).or_default() += LoadCount { reads: 1, writes: 0, bytes: bytes as u64 };
    }
}

impl Handler<TakeCounts> for Node {
    type Result = actix::MessageResult<TakeCounts>;

    fn handle(&mut self, _: TakeCounts, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(std::mem::take(&mut self.asked).into_iter().collect())
    }
}
