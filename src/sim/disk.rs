//! A disk in memory behind a committer that takes its time, and the crash that forgets what it had not finished.
//!
//! ```text
//!   submit ──▶ queue ──▶ group (what waits) ──▶ write latency ──▶ commit and sync ──▶ report
//!                                                    └── a crash here: the group is kept whole, or not at all
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::defect::Defect;
use super::device::Device;
use crate::dynamo::tree_log::TREE_PREFIX;
use crate::storage::{
    Batch, CommitError, CommitOutcome, Committer, CommitterSource, MemoryStorage, OutcomeSink, Persist, Space, Storage,
    Write,
};

/// How many times longer a slow disk takes.
const SLOWNESS: u64 = 100;

/// How a disk writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskHabits {
    /// The shortest that a group takes to be written, in milliseconds.
    pub latency_min_ms: u64,
    /// The longest, in milliseconds.
    pub latency_max_ms: u64,
    /// Whether a group may begin to be written between two batches that are submitted at the same instant, as with a thread that runs beside
    /// those who submit.
    pub divides_instants: bool,
}

/// Where instants are divided, one in this many batches comes too late for its group.
const LATE_ONE_IN: u32 = 4;

/// What is wrong with a disk for a while.
#[derive(Default)]
pub(super) struct Ailments {
    slow: AtomicBool,
    unreadable: AtomicBool,
}

impl Ailments {
    pub(super) fn is_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Relaxed)
    }
}

/// One node's disk. It outlives the processes that write to it.
pub struct Disk {
    /// What is on it.
    pub storage: MemoryStorage,
    /// The group that is being written.
    writing: Arc<Mutex<Option<Batch>>>,
    ailments: Arc<Ailments>,
    habits: DiskHabits,
    defect: Option<Defect>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn empty(habits: DiskHabits, defect: Option<Defect>) -> Self {
        Self { storage: MemoryStorage::new(), writing: Arc::default(), ailments: Arc::default(), habits, defect }
    }

    /// The committer of a process that starts, and its writer, which has to be run in that process.
    pub(super) fn open(&self, seed: u64) -> (SimulatedCommit, DiskWriter) {
        let (queue, waiting) = unbounded_channel();
        let writer = DiskWriter {
            storage: self.storage.clone(),
            writing: Arc::clone(&self.writing),
            ailments: Arc::clone(&self.ailments),
            habits: self.habits,
            defect: self.defect,
            waiting,
            rng: StdRng::seed_from_u64(seed),
        };
        (SimulatedCommit { queue }, writer)
    }

    /// As a process reads it.
    pub(super) fn reader(&self) -> Arc<dyn Storage> {
        Arc::new(Device { storage: self.storage.clone(), ailments: Arc::clone(&self.ailments), defect: self.defect })
    }

    /// Writes take a hundred times as long, or no more.
    pub fn set_slow(&self, slow: bool) {
        self.ailments.slow.store(slow, Ordering::Relaxed);
    }

    /// Reads fail, or no more.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.ailments.unreadable.store(unreadable, Ordering::Relaxed);
    }

    /// Puts another disk's contents in the place of its own.
    pub fn replace(&mut self, storage: MemoryStorage) {
        self.storage = storage;
    }

    /// The power fails. What was being written may be there, whole; what was reported before a sync may not.
    pub fn crash(&self, rng: &mut StdRng) {
        let writing = lock(&self.writing).take();
        if let Some(batch) = writing {
            // A full or failing disk refuses it: then it is not there.
            let _ = self.storage.commit(&batch, Persist::Buffer);
        }
        self.storage.crash(rng.random(), true);
    }
}

/// Hands out the committers of one process.
pub(super) struct SimulatedCommit {
    queue: UnboundedSender<Waiting>,
}

impl CommitterSource for SimulatedCommit {
    fn committer(&self, sink: OutcomeSink) -> Box<dyn Committer> {
        let submitter = Arc::new(Submitter { sink: Mutex::new(sink), backlog_bytes: AtomicUsize::new(0) });
        Box::new(SimulatedCommitter { queue: self.queue.clone(), submitter })
    }
}

struct Submitter {
    sink: Mutex<OutcomeSink>,
    backlog_bytes: AtomicUsize,
}

struct Waiting {
    submitter: Arc<Submitter>,
    ticket: u64,
    batch: Batch,
}

struct SimulatedCommitter {
    queue: UnboundedSender<Waiting>,
    submitter: Arc<Submitter>,
}

impl Committer for SimulatedCommitter {
    fn submit(&self, ticket: u64, batch: Batch) {
        self.submitter.backlog_bytes.fetch_add(batch.bytes(), Ordering::Relaxed);
        // The writer is gone only when its process is: then nobody waits for an outcome either.
        let _ = self.queue.send(Waiting { submitter: Arc::clone(&self.submitter), ticket, batch });
    }

    fn backlog_bytes(&self) -> usize {
        self.submitter.backlog_bytes.load(Ordering::Relaxed)
    }
}

/// Writes what waits, group by group.
pub(super) struct DiskWriter {
    storage: MemoryStorage,
    writing: Arc<Mutex<Option<Batch>>>,
    ailments: Arc<Ailments>,
    habits: DiskHabits,
    defect: Option<Defect>,
    waiting: UnboundedReceiver<Waiting>,
    rng: StdRng,
}

impl DiskWriter {
    /// Runs as long as its process.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let mut group = vec![first];
            while !self.next_is_late()
                && let Ok(next) = self.waiting.try_recv()
            {
                group.push(next);
            }
            let mut batch = Batch::default();
            group.iter().for_each(|one| batch.append(one.batch.clone()));
            if self.defect == Some(Defect::AcknowledgedBeforeSync) {
                let result = self.storage.commit(&batch, Persist::Buffer);
                report(group, &result);
                self.rest().await;
                let _ = self.storage.sync();
            } else {
                let result = self.write(batch).await;
                report(group, &result);
            }
        }
    }

    async fn write(&mut self, batch: Batch) -> Result<(), CommitError> {
        if self.defect == Some(Defect::TreeOutsideTheBatch) {
            let (trees, others) = batch.writes().iter().cloned().partition(is_of_a_tree);
            self.write_whole(batch_of(others)).await?;
            return self.write_whole(batch_of(trees)).await;
        }
        self.write_whole(batch).await
    }

    async fn write_whole(&mut self, batch: Batch) -> Result<(), CommitError> {
        *lock(&self.writing) = Some(batch.clone());
        self.rest().await;
        lock(&self.writing).take();
        self.storage.commit(&batch, Persist::Sync)
    }

    fn next_is_late(&mut self) -> bool {
        self.habits.divides_instants && !self.waiting.is_empty() && self.rng.random_ratio(1, LATE_ONE_IN)
    }

    async fn rest(&mut self) {
        let DiskHabits { latency_min_ms, latency_max_ms, .. } = self.habits;
        let usual_ms = self.rng.random_range(latency_min_ms..=latency_max_ms);
        let slowness = if self.ailments.slow.load(Ordering::Relaxed) { SLOWNESS } else { 1 };
        sleep(Duration::from_millis(usual_ms * slowness)).await;
    }
}

fn is_of_a_tree(write: &Write) -> bool {
    write.space() == Space::Meta && write.key().starts_with(TREE_PREFIX)
}

fn batch_of(writes: Vec<Write>) -> Batch {
    let mut batch = Batch::default();
    writes.into_iter().for_each(|write| batch.push(write));
    batch
}

/// Each submitter hears once of all that it has in the group.
fn report(group: Vec<Waiting>, result: &Result<(), CommitError>) {
    let mut parts: Vec<(Arc<Submitter>, u64, u64, usize)> = Vec::new();
    for Waiting { submitter, ticket, batch } in group {
        match parts.iter_mut().find(|(known, ..)| Arc::ptr_eq(known, &submitter)) {
            Some((_, _, last, bytes)) => (*last, *bytes) = (ticket, *bytes + batch.bytes()),
            None => parts.push((submitter, ticket, ticket, batch.bytes())),
        }
    }
    for (submitter, first, last, bytes) in parts {
        submitter.backlog_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let outcome = CommitOutcome { first, last, result: result.clone() };
        submitter.sink.lock().unwrap_or_else(PoisonError::into_inner)(outcome);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
