//! Looks at a disk from outside, as the next life will find it: the trees of digests that it will believe say what the records say.
//!
//! ```text
//!   metadata ── as a node reads it when it starts ──▶ trees that are trusted ─┐
//!   records  ── the sum of their digests ─────────────────────────────────────┴▶ equal, bucket by bucket
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::actors::node_trees::recover_from;
use crate::dynamo::merkle::{Digest, LEAVES, leaf_of};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::tree_log::TreeLog;
use crate::messages::replica::StoredRecord;
use crate::storage::{MemoryStorage, ReadError, ScanRange, Space, Storage as _};

/// The digests of the buckets of each partition, as far as there are records.
type Sums = BTreeMap<PartitionId, [Digest; LEAVES]>;

/// Those of `partitions` whose tree is trusted, and wrong. A partition with a damaged record is nobody's proof: it does not belong to them.
pub(super) fn misfits(
    disk: &MemoryStorage,
    partitions: impl Iterator<Item = PartitionId>,
) -> Result<BTreeSet<PartitionId>, ReadError> {
    // One shard that owns everything reads what several would.
    let log = TreeLog::new(u64::MAX, 0, recover_from(disk, 0, 1)?);
    let sums = sums_of_records(disk)?;
    let is_wrong = |at: &PartitionId| log.leaves(*at) != *sums.get(at).unwrap_or(&[Digest::EMPTY; LEAVES]);
    Ok(partitions.filter(|at| log.trusts(*at)).filter(is_wrong).collect())
}

fn sums_of_records(disk: &MemoryStorage) -> Result<Sums, ReadError> {
    let mut sums = Sums::new();
    for (key, value) in disk.scan(Space::Records, ScanRange::all(), usize::MAX)?.entries {
        let (Ok(place), Some(record)) = (RecordKey::try_from(key.clone()), StoredRecord::from_bytes(&value)) else {
            continue;
        };
        let leaves = sums.entry(place.partition()).or_insert([Digest::EMPTY; LEAVES]);
        let leaf = &mut leaves[usize::from(leaf_of(&key))];
        *leaf = leaf.replaced(Digest::EMPTY, Digest::of_record(&key, &record.siblings));
    }
    Ok(sums)
}
