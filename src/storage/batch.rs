//! What can be written: puts and deletes, gathered into a [`Batch`] that is applied whole or not at
//! all.

use bytes::Bytes;

use super::CommitError;

/// Longest key in bytes that an engine takes (fjall stores key lengths in 16 bits).
pub const MAX_KEY_BYTES: usize = u16::MAX as usize;

/// Longest value in bytes that an engine takes. Far above the largest item (400 KiB): it leaves room
/// for many siblings, and stops a broken length from becoming a 4 GiB write.
pub const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

/// A keyspace of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Replicas of items: many, and large enough to be kept apart from their keys.
    Records,
    /// Writes held for peers that are down.
    Hints,
    /// The node's own durable state: counters, schemas, terms.
    Meta,
}

impl Space {
    /// Every space, in the order of their tags.
    pub const ALL: [Self; 3] = [Self::Records, Self::Hints, Self::Meta];

    /// The byte that stands for this space on disk. Never reuse one.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Hints => 2,
            Self::Meta => 3,
        }
    }

    /// The space that `tag` stands for, if any.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.tag() == tag)
    }

    /// The name used on disk, in logs and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Hints => "hints",
            Self::Meta => "meta",
        }
    }
}

/// How far a commit must have got when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// On the disk: it survives a power loss.
    Sync,
    /// In the operating system's buffers: it survives the process, not a power loss.
    Buffer,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stores `value` under `key`, whatever was there before.
    Put {
        /// The keyspace.
        space: Space,
        /// 1 to [`MAX_KEY_BYTES`] bytes.
        key: Bytes,
        /// At most [`MAX_VALUE_BYTES`] bytes; may be empty.
        value: Bytes,
    },
    /// Removes `key`; nothing happens when it is absent.
    Delete {
        /// The keyspace.
        space: Space,
        /// 1 to [`MAX_KEY_BYTES`] bytes.
        key: Bytes,
    },
}

impl Write {
    /// The keyspace that is written to.
    #[must_use]
    pub const fn space(&self) -> Space {
        match self {
            Self::Put { space, .. } | Self::Delete { space, .. } => *space,
        }
    }

    /// The key that is written.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    /// Bytes of key and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key, .. } => key.len(),
        }
    }

    fn check(&self) -> Result<(), CommitError> {
        let key_bytes = self.key().len();
        if key_bytes == 0 || key_bytes > MAX_KEY_BYTES {
            return Err(CommitError::KeySize { key_bytes });
        }
        match self {
            Self::Put { value, .. } if value.len() > MAX_VALUE_BYTES => {
                Err(CommitError::ValueSize { value_bytes: value.len() })
            }
            _ => Ok(()),
        }
    }
}

/// Writes that are applied together, in order: a later one of the same key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
    bytes: usize,
    demands_sync: bool,
}

impl Batch {
    /// It is reported once it is on the disk, whatever [`Durability`](super::Durability) says: a vote must not be forgotten.
    pub fn demand_sync(&mut self) {
        self.demands_sync = true;
    }

    /// Whether it must be on the disk when it is reported.
    #[must_use]
    pub const fn demands_sync(&self) -> bool {
        self.demands_sync
    }

    /// Adds a put.
    pub fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.push(Write::Put { space, key: key.into(), value: value.into() });
    }

    /// Adds a delete.
    pub fn delete(&mut self, space: Space, key: impl Into<Bytes>) {
        self.push(Write::Delete { space, key: key.into() });
    }

    /// Adds one write.
    pub fn push(&mut self, write: Write) {
        self.bytes += write.bytes();
        self.writes.push(write);
    }

    /// Moves every write of `other` behind the writes of this batch.
    pub fn append(&mut self, mut other: Self) {
        self.bytes += other.bytes;
        self.demands_sync |= other.demands_sync;
        self.writes.append(&mut other.writes);
    }

    /// The writes, in the order in which they are applied.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Whether it can only make room: such a batch is still taken when a put no longer is.
    #[must_use]
    pub fn only_deletes(&self) -> bool {
        let is_delete = |write: &Write| matches!(write, Write::Delete { .. });
        self.writes.iter().all(is_delete)
    }

    /// Number of writes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether every write is one that an engine takes.
    ///
    /// # Errors
    ///
    /// [`CommitError::KeySize`] or [`CommitError::ValueSize`] of the first write that is not.
    pub fn check(&self) -> Result<(), CommitError> {
        self.writes.iter().try_for_each(Write::check)
    }
}
