//! Where a node's bytes live.
//!
//! ```text
//!  Node actor ── Committer ──┐            point reads, scans
//!  Node actor ── Committer ──┤ GroupCommit     │
//!                            ▼ (one thread)    ▼
//!                        ┌──────── Storage ────────┐
//!                        │ FjallStorage │ MemoryStorage │
//!                        └──────────────┴───────────────┘
//!  DataDirectory: lock, identity, epoch, and the engine's own folder
//! ```
//!
//! [`Storage`] is the whole contract: a checksum-verified point read, an ordered scan, an atomic
//! commit, a sync. [`FjallStorage`] keeps it on a disk; [`MemoryStorage`] keeps it in memory and can
//! crash, tear, rot and fill up on demand. Both store every value inside the same [`frame`].
//! [`GroupCommit`] lets many submitters share one disk sync. [`DataDirectory`] makes sure that one
//! process owns the folder and that no two lives of a node share an epoch.

mod atomic_file;
mod batch;
mod contract;
#[cfg(test)]
mod contract_disks;
#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod contract_trees;
mod data_directory;
#[cfg(test)]
mod data_directory_tests;
mod errors;
mod fjall_errors;
mod fjall_options;
mod fjall_storage;
#[cfg(test)]
mod fjall_storage_tests;
pub mod frame;
mod group_commit;
#[cfg(test)]
mod group_commit_tests;
mod identity;
mod journal_tail;
mod memory_journal;
mod memory_storage;
#[cfg(test)]
mod memory_storage_tests;
mod reclaim;
mod reclaimer;
mod space_gate;

pub use atomic_file::atomic_write;
pub use batch::{Batch, MAX_KEY_BYTES, MAX_VALUE_BYTES, Persist, Space, Write};
pub use contract::{SCAN_PAGE_BYTES, ScanPage, ScanRange, Storage, Usage};
pub use data_directory::{ClaimedDirectory, DataDirectory, StateFile};
pub use errors::{CommitError, OpenError, ReadError, StateFileError};
pub use fjall_errors::EngineOpenError;
pub use fjall_options::EngineOptions;
pub use fjall_storage::FjallStorage;
pub use group_commit::{CommitOutcome, Committer, CommitterSource, Durability, GroupCommit, OutcomeSink, Ticket};
pub use memory_storage::MemoryStorage;
pub use space_gate::{SpaceProbe, SpaceReading};
