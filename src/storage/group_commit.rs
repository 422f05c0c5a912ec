//! One thread that writes, so that many puts share one disk sync.
//!
//! ```text
//!  submit ─┐
//!  submit ─┼─▶ channel ─▶ gather (all that waits) ─▶ one commit, one sync ─▶ one outcome per submitter
//!  submit ─┘                 ▲                                                   │
//!                            └── what arrives meanwhile is the next group ◀──────┘
//! ```
//!
//! The thread never waits for a group to fill: a lone put is written at once, and under load a group
//! is whatever arrived during the last sync. If the thread dies, what was not reported may or may not
//! have been applied; a node does not survive it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Batch, CommitError, Persist, Storage};

/// A group is closed once it has this many bytes of keys and values: larger ones sync no faster per
/// byte, and delay their first put.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// ... or this many writes.
const GROUP_WRITES: usize = 4096;

/// A submitter's number for a batch. Each submitter counts for itself, strictly upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of all batches that one submitter had in one group.
#[derive(Clone, Debug)]
pub struct CommitOutcome {
    /// The first ticket of the group.
    pub first: u64,
    /// The last ticket of the group. Every ticket submitted from first to last is meant.
    pub last: u64,
    /// `Ok`: applied, and as durable as [`Durability`] says. `Err`: see [`CommitError`].
    pub result: Result<(), CommitError>,
}

/// Receives outcomes, in the order of tickets. Called on the commit thread, once per group: it must
/// only pass the outcome on.
pub type OutcomeSink = Box<dyn Fn(CommitOutcome) + Send>;

/// When a commit is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk: an acknowledged put survives a power loss.
    Always,
    /// Once it is in the operating system's buffers: an acknowledged put survives a crash of the
    /// process, and a power loss may take the last `sync_interval` of them.
    Interval {
        /// Longest time between a commit and the sync that covers it.
        sync_interval: Duration,
    },
}

/// Where a batch is handed in. What a node holds; cheap, and never waits.
pub trait Committer: Send {
    /// Hands in a batch. Its outcome comes through the sink. `ticket` must be larger than the last.
    fn submit(&self, ticket: u64, batch: Batch);

    /// Bytes of keys and values that this submitter has handed in and that have no outcome yet: the
    /// measure for admission, since the queue itself is unbounded.
    fn backlog_bytes(&self) -> usize;
}

/// Hands out committers: the commit thread, or what a simulation puts in its place.
pub trait CommitterSource: Send + Sync {
    /// A new submitter, whose outcomes go to `sink`.
    fn committer(&self, sink: OutcomeSink) -> Box<dyn Committer>;
}

/// The commit thread. Dropping it without [`shutdown`](Self::shutdown) also drains and joins.
pub struct GroupCommit {
    requests: Sender<Request>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<OnceLock<CommitError>>,
}

enum Request {
    Commit(PendingCommit),
    Shutdown,
}

/// A batch on its way to the thread. If it never gets there, because the thread has been shut down, it
/// says so itself: no ticket stays without an outcome.
struct PendingCommit {
    submitter: Arc<Submitter>,
    ticket: u64,
    batch: Batch,
    arrived: bool,
}

impl PendingCommit {
    fn arrive(mut self) -> (Arc<Submitter>, u64, Batch) {
        self.arrived = true;
        let batch = std::mem::take(&mut self.batch);
        (Arc::clone(&self.submitter), self.ticket, batch)
    }
}

impl Drop for PendingCommit {
    fn drop(&mut self) {
        if !self.arrived {
            let mut alone = Group::default();
            let batch = std::mem::take(&mut self.batch);
            alone.add(Arc::clone(&self.submitter), self.ticket, batch);
            alone.report(&Err(CommitError::Closed));
        }
    }
}

/// One end of a conversation with the commit thread. The sink is behind a lock only because a
/// submitter may find the thread gone and then reports to itself.
struct Submitter {
    sink: Mutex<OutcomeSink>,
    backlog_bytes: AtomicUsize,
}

impl Submitter {
    fn report(&self, outcome: CommitOutcome) {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)(outcome);
    }
}

impl GroupCommit {
    /// Starts the thread. It is the only one that may write to `storage` from now on.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(storage: Arc<dyn Storage>, durability: Durability) -> std::io::Result<Self> {
        let (requests, queue) = mpsc::channel();
        let failure = Arc::new(OnceLock::new());
        let mut thread = CommitThread {
            storage,
            durability,
            queue,
            unsynced_since: None,
            disk_is_full: false,
            failure: Arc::clone(&failure),
        };
        let handle = std::thread::Builder::new().name("commit".to_owned()).spawn(move || thread.run())?;
        Ok(Self { requests, thread: Some(handle), failure })
    }

    /// Why the thread takes no more commits, if so: a commit, or an interval's sync, has failed in a
    /// way that leaves open what is on the disk. The node must stop.
    #[must_use]
    pub fn failure(&self) -> Option<&CommitError> {
        self.failure.get()
    }

    /// Writes and reports all that was submitted before, syncs, and joins the thread. What is
    /// submitted later is answered with [`CommitError::Closed`].
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        // The thread is gone when this cannot be sent.
        let _ = self.requests.send(Request::Shutdown);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the commit thread panicked");
        }
    }
}

impl CommitterSource for GroupCommit {
    fn committer(&self, sink: OutcomeSink) -> Box<dyn Committer> {
        Box::new(ChannelCommitter {
            requests: self.requests.clone(),
            submitter: Arc::new(Submitter { sink: Mutex::new(sink), backlog_bytes: AtomicUsize::new(0) }),
        })
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.stop();
    }
}

struct ChannelCommitter {
    requests: Sender<Request>,
    submitter: Arc<Submitter>,
}

impl Committer for ChannelCommitter {
    fn submit(&self, ticket: u64, batch: Batch) {
        let backlog = &self.submitter.backlog_bytes;
        backlog.fetch_add(batch.bytes(), Ordering::Relaxed);
        // One that cannot be sent is dropped here, and reports itself.
        let _ = self.requests.send(Request::Commit(PendingCommit {
            submitter: Arc::clone(&self.submitter),
            ticket,
            batch,
            arrived: false,
        }));
    }

    fn backlog_bytes(&self) -> usize {
        self.submitter.backlog_bytes.load(Ordering::Relaxed)
    }
}

/// Requests that are committed together.
#[derive(Default)]
struct Group {
    batch: Batch,
    parts: Vec<GroupPart>,
}

/// What one submitter has in a group.
struct GroupPart {
    submitter: Arc<Submitter>,
    first: u64,
    last: u64,
    bytes: usize,
}

impl Group {
    fn add(&mut self, submitter: Arc<Submitter>, ticket: u64, batch: Batch) {
        let bytes = batch.bytes();
        self.batch.append(batch);
        // One submitter per worker thread: a handful, so a walk is the quickest lookup.
        let known = self.parts.iter_mut().find(|part| Arc::ptr_eq(&part.submitter, &submitter));
        match known {
            Some(part) => {
                part.last = ticket;
                part.bytes += bytes;
            }
            None => self.parts.push(GroupPart { submitter, first: ticket, last: ticket, bytes }),
        }
    }

    fn is_full(&self) -> bool {
        self.batch.bytes() >= GROUP_BYTES || self.batch.len() >= GROUP_WRITES
    }

    fn report(self, result: &Result<(), CommitError>) {
        for part in self.parts {
            let backlog = &part.submitter.backlog_bytes;
            backlog.fetch_sub(part.bytes, Ordering::Relaxed);
            part.submitter.report(CommitOutcome { first: part.first, last: part.last, result: result.clone() });
        }
    }
}

struct CommitThread {
    storage: Arc<dyn Storage>,
    durability: Durability,
    queue: Receiver<Request>,
    /// When the oldest commit was made that no sync covers yet.
    unsynced_since: Option<Instant>,
    /// The last commit was refused for want of room. Until one succeeds, deletes are not grouped with
    /// puts, which would be refused together with them.
    disk_is_full: bool,
    failure: Arc<OnceLock<CommitError>>,
}

impl CommitThread {
    fn run(&mut self) {
        while self.turn().is_continue() {}
        self.sync_if_due(Duration::ZERO);
    }

    /// One group, or one sync of an interval.
    fn turn(&mut self) -> ControlFlow<()> {
        let flow = match self.next_request() {
            Ok(request) => self.gather_and_commit(request),
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
        };
        if let Durability::Interval { sync_interval } = self.durability {
            self.sync_if_due(sync_interval);
        }
        flow
    }

    fn next_request(&self) -> Result<Request, RecvTimeoutError> {
        match (self.durability, self.unsynced_since) {
            (Durability::Interval { sync_interval }, Some(since)) => {
                self.queue.recv_timeout(sync_interval.saturating_sub(since.elapsed()))
            }
            _ => Ok(self.queue.recv()?),
        }
    }

    /// Commits `request` and all that waits behind it, as one group if it fits.
    fn gather_and_commit(&mut self, request: Request) -> ControlFlow<()> {
        let mut group = Group::default();
        let mut next = Some(request);
        while let Some(request) = next {
            let Request::Commit(pending) = request else {
                self.commit(group);
                return ControlFlow::Break(());
            };
            let (submitter, ticket, batch) = pending.arrive();
            if let Err(refused) = batch.check() {
                // It must not take the others down with it, nor be reported out of turn.
                self.commit(std::mem::take(&mut group));
                let mut alone = Group::default();
                alone.add(submitter, ticket, batch);
                alone.report(&Err(refused));
            } else {
                if self.disk_is_full && group.batch.only_deletes() != batch.only_deletes() {
                    self.commit(std::mem::take(&mut group));
                }
                group.add(submitter, ticket, batch);
            }
            if group.is_full() {
                break;
            }
            next = self.queue.try_recv().ok();
        }
        self.commit(group);
        ControlFlow::Continue(())
    }

    fn commit(&mut self, group: Group) {
        if group.parts.is_empty() {
            return;
        }
        let result = if self.failure.get().is_some() {
            // Not tried, so nothing of it is applied.
            Err(CommitError::ReadOnly)
        } else {
            self.storage.commit(&group.batch, self.persist(&group.batch))
        };
        if !group.batch.only_deletes() {
            self.disk_is_full = matches!(result, Err(CommitError::DiskFull { .. }));
        }
        match &result {
            Ok(()) => self.note_unsynced(&group.batch),
            Err(error) => self.note_failure(error),
        }
        group.report(&result);
    }

    const fn persist(&self, batch: &Batch) -> Persist {
        match self.durability {
            Durability::Interval { .. } if !batch.demands_sync() => Persist::Buffer,
            Durability::Always | Durability::Interval { .. } => Persist::Sync,
        }
    }

    fn note_unsynced(&mut self, batch: &Batch) {
        match self.persist(batch) {
            Persist::Buffer => drop(self.unsynced_since.get_or_insert_with(Instant::now)),
            // A sync covers all that was committed before it.
            Persist::Sync => self.unsynced_since = None,
        }
    }

    fn note_failure(&self, error: &CommitError) {
        if error.must_stop() && self.failure.set(error.clone()).is_ok() {
            tracing::error!(%error, "storage failed, no more writes until a restart");
        }
    }

    fn sync_if_due(&mut self, interval: Duration) {
        let is_due = self.unsynced_since.is_some_and(|since| since.elapsed() >= interval);
        if is_due {
            self.unsynced_since = None;
            if let Err(error) = self.storage.sync() {
                self.note_failure(&error);
            }
        }
    }
}
