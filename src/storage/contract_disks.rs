//! The disks that the contract tests run on: one in memory, one in a folder with a played device.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{EngineOptions, FjallStorage, MemoryStorage, Space, SpaceReading, Storage};

/// A disk that a test can open engines on, one after the other.
pub(super) trait Disk {
    type Engine: Storage;
    fn new() -> Self;
    /// Opens the engine, after the last one has been dropped.
    fn open(&self) -> Self::Engine;
    /// Takes the power away, where that can be played.
    fn crash(&self);
    fn set_full(&self, full: bool);
    /// Flips a bit of a stored value.
    fn corrupt(&self, engine: &Self::Engine, space: Space, key: &[u8]);
}

pub(super) struct MemoryDisk(MemoryStorage);

impl Disk for MemoryDisk {
    type Engine = MemoryStorage;

    fn new() -> Self {
        Self(MemoryStorage::new())
    }

    fn open(&self) -> MemoryStorage {
        self.0.clone()
    }

    fn crash(&self) {
        self.0.crash(7, true);
    }

    fn set_full(&self, full: bool) {
        self.0.set_full(full);
    }

    fn corrupt(&self, _: &MemoryStorage, space: Space, key: &[u8]) {
        assert!(self.0.corrupt(space, key));
    }
}

pub(super) struct FolderDisk {
    folder: tempfile::TempDir,
    full: Arc<AtomicBool>,
}

impl FolderDisk {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Disk for FolderDisk {
    type Engine = FjallStorage;

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), full: Arc::default() }
    }

    fn open(&self) -> FjallStorage {
        let full = Arc::clone(&self.full);
        let probe = move || {
            let free_bytes = if full.load(Ordering::Relaxed) { 0 } else { 1 << 40 };
            Ok(SpaceReading { free_bytes, device_bytes: 1 << 40 })
        };
        FjallStorage::open_with_probe(self.path(), EngineOptions::default(), Box::new(probe)).unwrap()
    }

    fn crash(&self) {}

    fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
        // The last reading of the device serves for 50 ms.
        std::thread::sleep(std::time::Duration::from_millis(60));
    }

    fn corrupt(&self, engine: &FjallStorage, space: Space, key: &[u8]) {
        let keyspace = engine.keyspace(space);
        let mut stored = keyspace.get(key).unwrap().unwrap().to_vec();
        *stored.last_mut().unwrap() ^= 1;
        keyspace.insert(key, &stored[..]).unwrap();
    }
}
