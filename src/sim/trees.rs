//! Whether the trees of digests on a disk say what its records say.

use std::collections::BTreeMap;

use crate::dynamo::merkle::{Digest, LEAVES, leaf_of};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::tree_log::{SLOTS, TREE_PREFIX, TreeLog};
use crate::dynamo::tree_recovery::{Standing, recover};
use crate::messages::replica::StoredRecord;
use crate::storage::{MemoryStorage, ScanRange, Space, Storage as _};

/// The first partition whose stored tree would be trusted by the next life, and is wrong.
pub(super) fn misfit(disk: &MemoryStorage) -> Option<PartitionId> {
    let stored = |space, range| disk.scan(space, range, usize::MAX).unwrap_or_default();
    let page = stored(Space::Meta, ScanRange::prefix(TREE_PREFIX));
    let damaged = page.corrupt.into_iter().map(|key| (key, None));
    let entries = page.entries.into_iter().map(|(key, value)| (key, Some(value))).chain(damaged);
    let records = stored(Space::Records, ScanRange::all());
    let standing = Standing { slots: SLOTS, has_records: !records.entries.is_empty(), clears_away: false };
    let log = TreeLog::new(u64::MAX, 0, recover(entries, |_| true, standing));
    let mut expected: BTreeMap<PartitionId, [Digest; LEAVES]> = BTreeMap::new();
    for (key, value) in records.entries {
        let (Ok(place), Some(record)) = (RecordKey::try_from(key.clone()), StoredRecord::from_bytes(&value)) else {
            continue;
        };
        let leaves = expected.entry(place.partition()).or_insert([Digest::EMPTY; LEAVES]);
        let leaf = &mut leaves[usize::from(leaf_of(&key))];
        *leaf = leaf.replaced(Digest::EMPTY, Digest::of_record(&key, &record.siblings));
    }
    let mut partitions = expected.into_iter();
    partitions.find(|(partition, leaves)| log.trusts(*partition) && log.leaves(*partition) != *leaves).map(|(at, _)| at)
}
