//! Where a record lives: partition, table and key as one byte string, which is its storage key.
//!
//! ```text
//!  +-----------------+-----------+---+------------------------+
//!  | partition, BE32 | table     | 0 | order-preserving key   |
//!  +-----------------+-----------+---+------------------------+
//! ```
//!
//! Partition first, so that a partition is one contiguous range: it can be scanned, moved and dropped as a whole.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ring::PartitionId;

const TABLE_END: u8 = 0;
const PARTITION_BYTES: usize = 4;

/// A record's storage key. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bytes", into = "Bytes")]
pub struct RecordKey(Bytes);

/// The bytes are not a record key: no peer of this version sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a record key: partition, table and key are not all there")]
pub struct RecordKeyError;

impl RecordKey {
    /// Joins the three parts. `table` holds no zero byte (table names are letters, digits, `_`, `-` and `.`).
    pub fn new(partition: PartitionId, table: &str, key: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(PARTITION_BYTES + table.len() + 1 + key.len());
        put_prefix(&mut bytes, partition, table);
        bytes.extend_from_slice(key);
        Self(bytes.into())
    }

    /// Joins table and key in one go, and puts in front the partition that `partition_of` finds for the bytes of the partition key.
    /// `append_key` appends the key's bytes, about `key_bytes` of them, and says how many are those of the partition key.
    pub fn placed(
        table: &str,
        key_bytes: usize,
        append_key: impl FnOnce(&mut Vec<u8>) -> usize,
        partition_of: impl FnOnce(&[u8]) -> PartitionId,
    ) -> Self {
        let mut bytes = Vec::with_capacity(PARTITION_BYTES + table.len() + 1 + key_bytes);
        put_prefix(&mut bytes, PartitionId(0), table);
        let begin = bytes.len();
        let end = begin + append_key(&mut bytes);
        let partition = partition_of(&bytes[begin..end]);
        bytes[..PARTITION_BYTES].copy_from_slice(&partition.0.to_be_bytes());
        Self(bytes.into())
    }

    /// The partition it belongs to.
    pub fn partition(&self) -> PartitionId {
        let (partition, _) = self.0.split_first_chunk::<PARTITION_BYTES>().unwrap_or((&[0; PARTITION_BYTES], &[]));
        PartitionId(u32::from_be_bytes(*partition))
    }

    /// The table's name; empty where the bytes are not text.
    pub fn table(&self) -> &str {
        let rest = &self.0[PARTITION_BYTES..];
        let end = rest.iter().position(|byte| *byte == TABLE_END).unwrap_or(0);
        std::str::from_utf8(&rest[..end]).unwrap_or_default()
    }

    /// The item's key bytes, as `item::Key` orders them.
    pub fn key(&self) -> &[u8] {
        let rest = &self.0[PARTITION_BYTES..];
        let end = rest.iter().position(|byte| *byte == TABLE_END).unwrap_or(rest.len() - 1);
        &rest[end + 1..]
    }

    /// The whole storage key.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for RecordKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn put_prefix(bytes: &mut Vec<u8>, partition: PartitionId, table: &str) {
    bytes.extend_from_slice(&partition.0.to_be_bytes());
    bytes.extend_from_slice(table.as_bytes());
    bytes.push(TABLE_END);
}

impl TryFrom<Bytes> for RecordKey {
    type Error = RecordKeyError;

    fn try_from(bytes: Bytes) -> Result<Self, RecordKeyError> {
        let table_ends = bytes.get(PARTITION_BYTES..).is_some_and(|rest| rest.contains(&TABLE_END));
        if table_ends { Ok(Self(bytes)) } else { Err(RecordKeyError) }
    }
}

impl From<RecordKey> for Bytes {
    fn from(key: RecordKey) -> Self {
        key.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition().0, self.key().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{PartitionId, RecordKey};

    proptest! {
        #[test]
        fn parts_read_back(partition in any::<u32>(), table in "[a-z.]{1,9}", key in prop::collection::vec(any::<u8>(), 0..20)) {
            let record = RecordKey::new(PartitionId(partition), &table, &key);
            prop_assert_eq!(record.partition(), PartitionId(partition));
            prop_assert_eq!((record.table(), record.key()), (table.as_str(), &key[..]));
            prop_assert!(record.as_bytes().starts_with(RecordKey::new(PartitionId(partition), &table, b"").as_bytes()));
            let append = |bytes: &mut Vec<u8>| { bytes.extend_from_slice(&key); key.len() / 2 };
            let placed = RecordKey::placed(&table, key.len(), append, |partition_key| {
                assert_eq!(partition_key, &key[..key.len() / 2]);
                PartitionId(partition)
            });
            prop_assert_eq!(&placed, &record);
            prop_assert_eq!(RecordKey::try_from(record.as_bytes().clone()), Ok(record));
        }

        #[test]
        fn any_bytes_are_refused_or_taken_apart(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(record) = RecordKey::try_from(Bytes::from(bytes)) {
                let _ = (record.partition(), record.key().len());
            }
        }
    }
}
