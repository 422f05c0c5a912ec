//! The log as the protocol reads it: all of it in memory, for it is short. What is on the disk follows [`Change`](super::Change)s.

use std::collections::VecDeque;

use raft::eraftpb;
use raft::{GetEntriesContext, RaftState, StorageError};

use super::forms::{Electorate, Entry, HardState, Snapshot};

/// A snapshot and the entries behind it, without a gap.
pub(super) struct MemoryLog {
    pub(super) hard: HardState,
    pub(super) electorate: Electorate,
    pub(super) snapshot: Snapshot,
    entries: VecDeque<Entry>,
}

impl MemoryLog {
    pub(super) fn new(hard: HardState, snapshot: Snapshot, entries: Vec<Entry>) -> Self {
        Self { hard, electorate: snapshot.electorate.clone(), snapshot, entries: entries.into() }
    }

    pub(super) fn last(&self) -> u64 {
        self.snapshot.index + self.entries.len() as u64
    }

    /// The term of an entry, or of the snapshot's last one.
    pub(super) fn term_of(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.snapshot.index)? {
            0 => Some(self.snapshot.term),
            behind => self.entries.get(behind as usize - 1).map(|entry| entry.term),
        }
    }

    /// Entries that replace all from the first one on.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let keep = first.index.saturating_sub(self.snapshot.index + 1);
        self.entries.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.entries.extend(entries.iter().cloned());
    }

    /// Everything before is replaced.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        self.electorate = snapshot.electorate.clone();
        self.hard.commit = self.hard.commit.max(snapshot.index);
        self.entries.clear();
        self.snapshot = snapshot;
    }

    /// The entries up to the snapshot's are dropped; those behind it stay.
    pub(super) fn compact(&mut self, snapshot: Snapshot) {
        let dropped = snapshot.index.saturating_sub(self.snapshot.index);
        self.entries.drain(..self.entries.len().min(usize::try_from(dropped).unwrap_or(usize::MAX)));
        self.snapshot = snapshot;
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl raft::Storage for MemoryLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard.to_raft(), self.snapshot.electorate.to_raft()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        let Some(from) = low.checked_sub(self.snapshot.index + 1) else {
            return Err(StorageError::Compacted.into());
        };
        let count = high.saturating_sub(low);
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let wanted = self.entries.iter().skip(from as usize).take(count as usize);
        let mut entries = wanted.map(Entry::to_raft).collect();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing = if index < self.snapshot.index { StorageError::Compacted } else { StorageError::Unavailable };
        self.term_of(index).ok_or_else(|| missing.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.snapshot.index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _: u64) -> raft::Result<eraftpb::Snapshot> {
        if self.snapshot.index < request_index {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(self.snapshot.to_raft())
    }
}
