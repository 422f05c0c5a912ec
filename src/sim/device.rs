//! A disk as a process reads it: with errors while it ails, and with the defects that a run has built in.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::defect::Defect;
use super::disk::Ailments;
use crate::storage::{
    Batch, CommitError, MemoryStorage, Persist, ReadError, ScanPage, ScanRange, Space, Storage, Usage,
};

/// The reading end of a disk.
pub(super) struct Device {
    pub(super) storage: MemoryStorage,
    pub(super) ailments: Arc<Ailments>,
    pub(super) defect: Option<Defect>,
}

impl Device {
    fn refuse_if_unreadable(&self, space: Space) -> Result<(), ReadError> {
        if self.ailments.is_unreadable() {
            return Err(ReadError::Io { space, source: Arc::new(io::Error::other("simulated read error")) });
        }
        Ok(())
    }

    /// A hint that has been read is gone.
    fn forget(&self, key: &[u8]) {
        let mut forgotten = Batch::default();
        forgotten.delete(Space::Hints, Bytes::copy_from_slice(key));
        // A disk that refuses this keeps the hint, which is no harm.
        let _ = self.storage.commit(&forgotten, Persist::Sync);
    }
}

impl Storage for Device {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.refuse_if_unreadable(space)?;
        let found = self.storage.get(space, key)?;
        let forgets = self.defect == Some(Defect::HintGoneBeforeItsAcknowledgement) && space == Space::Hints;
        if forgets && found.is_some() {
            self.forget(key);
        }
        Ok(found)
    }

    fn scan(&self, space: Space, range: ScanRange<'_>, limit: usize) -> Result<ScanPage, ReadError> {
        self.refuse_if_unreadable(space)?;
        let mut page = self.storage.scan(space, range, limit)?;
        if self.defect == Some(Defect::ClockNotPersisted) && space == Space::Meta {
            page.entries.retain(|(key, _)| !key.starts_with(b"hlc_ceiling/"));
        }
        Ok(page)
    }

    fn commit(&self, batch: &Batch, persist: Persist) -> Result<(), CommitError> {
        self.storage.commit(batch, persist)
    }

    fn sync(&self) -> Result<(), CommitError> {
        self.storage.sync()
    }

    fn usage(&self) -> Usage {
        self.storage.usage()
    }
}
