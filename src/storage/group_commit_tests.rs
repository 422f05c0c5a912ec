//! The commit thread, with an engine that a test can hold back and count.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Batch, CommitError, CommitOutcome, Committer, CommitterSource, Durability, GroupCommit, MemoryStorage, Persist,
    ReadError, ScanPage, ScanRange, Space, Storage, Usage,
};

/// A memory engine whose commits wait for permission, if a test wants, and are counted.
struct Gated {
    memory: MemoryStorage,
    /// One message lets one commit through; `None`: all pass.
    permits: Option<Mutex<Receiver<()>>>,
    /// Receives the size of each batch as its commit begins.
    begun: Mutex<Sender<usize>>,
    syncs: AtomicUsize,
}

impl Storage for Gated {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.memory.get(space, key)
    }

    fn scan(&self, s: Space, range: ScanRange<'_>, limit: usize) -> Result<ScanPage, ReadError> {
        self.memory.scan(s, range, limit)
    }

    fn commit(&self, batch: &Batch, persist: Persist) -> Result<(), CommitError> {
        let _ = self.begun.lock().unwrap().send(batch.len());
        if let Some(permits) = &self.permits {
            let _ = permits.lock().unwrap().recv();
        }
        self.memory.commit(batch, persist)
    }

    fn sync(&self) -> Result<(), CommitError> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.memory.sync()
    }

    fn usage(&self) -> Usage {
        self.memory.usage()
    }
}

struct Rig {
    storage: Arc<Gated>,
    permit: Sender<()>,
    begun: Receiver<usize>,
    group_commit: GroupCommit,
}

impl Rig {
    fn new(durability: Durability, gated: bool) -> Self {
        let (permit, permits) = mpsc::channel();
        let (begun_sender, begun) = mpsc::channel();
        let storage = Arc::new(Gated {
            memory: MemoryStorage::new(),
            permits: gated.then(|| Mutex::new(permits)),
            begun: Mutex::new(begun_sender),
            syncs: AtomicUsize::new(0),
        });
        Self { group_commit: GroupCommit::start(storage.clone(), durability).unwrap(), storage, permit, begun }
    }

    fn submitter(&self) -> (Box<dyn Committer>, Receiver<CommitOutcome>) {
        let (sink, outcomes) = mpsc::channel();
        let committer = self.group_commit.committer(Box::new(move |outcome| {
            let _ = sink.send(outcome);
        }));
        (committer, outcomes)
    }

    /// Waits until a commit has begun, and says how many writes it has.
    fn begun(&self) -> usize {
        self.begun.recv_timeout(PATIENCE).unwrap()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

fn one_put(key: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put(Space::Records, key.to_be_bytes().to_vec(), &b"value"[..]);
    batch
}

fn next(outcomes: &Receiver<CommitOutcome>) -> (u64, u64, Result<(), CommitError>) {
    let outcome = outcomes.recv_timeout(PATIENCE).unwrap();
    (outcome.first, outcome.last, outcome.result)
}

#[test]
fn what_waits_is_one_commit_and_one_outcome_per_submitter() {
    let rig = Rig::new(Durability::Always, true);
    let (a, a_outcomes) = rig.submitter();
    let (b, b_outcomes) = rig.submitter();
    a.submit(1, one_put(1));
    assert_eq!(rig.begun(), 1, "a lone put does not wait for company");
    for ticket in 2..=20 {
        a.submit(ticket, one_put(ticket));
    }
    b.submit(7, one_put(100));
    assert_eq!(a.backlog_bytes(), 20 * 13);
    rig.permit.send(()).unwrap();
    assert!(matches!(next(&a_outcomes), (1, 1, Ok(()))));
    assert_eq!(rig.begun(), 20, "all that waited");
    rig.permit.send(()).unwrap();
    assert!(matches!(next(&a_outcomes), (2, 20, Ok(()))));
    assert!(matches!(next(&b_outcomes), (7, 7, Ok(()))));
    assert!(a_outcomes.try_recv().is_err() && b_outcomes.try_recv().is_err());
    assert_eq!((a.backlog_bytes(), b.backlog_bytes()), (0, 0));
}

#[test]
fn an_outcome_with_always_means_that_a_crash_cannot_take_it() {
    let rig = Rig::new(Durability::Always, false);
    let (committer, outcomes) = rig.submitter();
    for ticket in 1..=50 {
        committer.submit(ticket, one_put(ticket));
        assert!(next(&outcomes).2.is_ok());
        rig.storage.memory.crash(ticket, true);
        let key = ticket.to_be_bytes();
        assert!(rig.storage.get(Space::Records, &key).unwrap().is_some());
    }
}

#[test]
fn groups_end_at_their_limits() {
    let rig = Rig::new(Durability::Always, true);
    let (committer, outcomes) = rig.submitter();
    committer.submit(1, one_put(1));
    assert_eq!(rig.begun(), 1);
    for ticket in 2..=5002 {
        committer.submit(ticket, one_put(ticket));
    }
    for ticket in 5003..=5012 {
        let mut batch = Batch::default();
        batch.put(Space::Records, &b"large"[..], vec![0; 1 << 20]);
        committer.submit(ticket, batch);
    }
    for (writes, last) in [(4096, 1), (909, 4097), (4, 5006), (2, 5010)] {
        rig.permit.send(()).unwrap();
        assert_eq!(next(&outcomes).1, last);
        assert_eq!(rig.begun(), writes);
    }
    rig.permit.send(()).unwrap();
    assert_eq!(next(&outcomes).1, 5012);
}

#[test]
fn a_full_disk_refuses_the_group_and_later_ones_succeed_again() {
    let rig = Rig::new(Durability::Always, false);
    let (committer, outcomes) = rig.submitter();
    rig.storage.memory.set_full(true);
    committer.submit(1, one_put(1));
    assert!(matches!(next(&outcomes), (1, 1, Err(CommitError::DiskFull { .. }))));
    assert!(rig.group_commit.failure().is_none());
    rig.storage.memory.set_full(false);
    committer.submit(2, one_put(2));
    assert!(matches!(next(&outcomes), (2, 2, Ok(()))));
}

/// Otherwise a full disk could not be emptied while clients keep trying to put.
#[test]
fn deletes_get_through_between_puts_on_a_full_disk() {
    let rig = Rig::new(Durability::Always, true);
    let (committer, outcomes) = rig.submitter();
    rig.storage.memory.set_full(true);
    committer.submit(1, one_put(1));
    rig.begun();
    rig.permit.send(()).unwrap();
    assert!(next(&outcomes).2.is_err());
    committer.submit(2, one_put(2));
    rig.begun();
    let mut delete = Batch::default();
    delete.delete(Space::Records, &b"key"[..]);
    for (ticket, batch) in [(3, one_put(3)), (4, delete.clone()), (5, delete), (6, one_put(6))] {
        committer.submit(ticket, batch);
    }
    for _ in 0..4 {
        rig.permit.send(()).unwrap();
    }
    let outcomes: Vec<_> = (0..4).map(|_| next(&outcomes)).collect();
    let ranges: Vec<_> = outcomes.iter().map(|o| (o.0, o.1, o.2.is_ok())).collect();
    assert_eq!(ranges, [(2, 2, false), (3, 3, false), (4, 5, true), (6, 6, false)]);
}

#[test]
fn after_an_io_error_everything_is_refused_untried() {
    let rig = Rig::new(Durability::Always, false);
    let (committer, outcomes) = rig.submitter();
    rig.storage.memory.fail_next_write();
    committer.submit(1, one_put(1));
    assert!(matches!(next(&outcomes), (1, 1, Err(CommitError::Io { .. }))));
    assert!(rig.group_commit.failure().unwrap().must_stop());
    rig.storage.memory.crash(1, false);
    committer.submit(2, one_put(2));
    assert!(matches!(next(&outcomes), (2, 2, Err(CommitError::ReadOnly))));
    let key = 2_u64.to_be_bytes();
    assert_eq!(rig.storage.get(Space::Records, &key).unwrap(), None);
}

#[test]
fn a_batch_that_no_engine_takes_fails_alone_and_in_its_turn() {
    let rig = Rig::new(Durability::Always, true);
    let (committer, outcomes) = rig.submitter();
    committer.submit(1, one_put(1));
    rig.begun();
    committer.submit(2, one_put(2));
    let mut bad = Batch::default();
    bad.put(Space::Records, Bytes::new(), &b"value"[..]);
    committer.submit(3, bad);
    committer.submit(4, one_put(4));
    for _ in 0..3 {
        rig.permit.send(()).unwrap();
    }
    assert!(matches!(next(&outcomes), (1, 1, Ok(()))));
    assert!(matches!(next(&outcomes), (2, 2, Ok(()))));
    assert!(matches!(next(&outcomes), (3, 3, Err(CommitError::KeySize { key_bytes: 0 }))));
    assert!(matches!(next(&outcomes), (4, 4, Ok(()))));
    assert_eq!(committer.backlog_bytes(), 0);
}

#[test]
fn an_interval_reports_at_once_and_syncs_when_it_is_over() {
    let sync_interval = Duration::from_millis(100);
    let rig = Rig::new(Durability::Interval { sync_interval }, false);
    let (committer, outcomes) = rig.submitter();
    let started = Instant::now();
    committer.submit(1, one_put(1));
    assert!(next(&outcomes).2.is_ok());
    assert!(rig.storage.usage().write_buffer_bytes > 0 || started.elapsed() >= sync_interval);
    while rig.storage.syncs.load(Ordering::SeqCst) == 0 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(started.elapsed() >= sync_interval);
    std::thread::sleep(3 * sync_interval);
    assert_eq!(rig.storage.syncs.load(Ordering::SeqCst), 1, "nothing new, no sync");
}

#[test]
fn a_steady_stream_does_not_put_the_sync_off() {
    let sync_interval = Duration::from_millis(20);
    let rig = Rig::new(Durability::Interval { sync_interval }, false);
    let (committer, outcomes) = rig.submitter();
    let started = Instant::now();
    let mut ticket = 0;
    while started.elapsed() < Duration::from_millis(300) {
        ticket += 1;
        committer.submit(ticket, one_put(ticket));
        next(&outcomes).2.unwrap();
    }
    let syncs = rig.storage.syncs.load(Ordering::SeqCst);
    assert!((3..=15).contains(&syncs), "{syncs} syncs");
}

#[test]
fn a_failed_interval_sync_is_told_with_the_next_commit() {
    let sync_interval = Duration::from_millis(10);
    let rig = Rig::new(Durability::Interval { sync_interval }, false);
    let (committer, outcomes) = rig.submitter();
    committer.submit(1, one_put(1));
    next(&outcomes).2.unwrap();
    rig.storage.memory.fail_next_write();
    let started = Instant::now();
    while rig.group_commit.failure().is_none() {
        // The first sync may have come before the failure was set up.
        assert!(started.elapsed() < PATIENCE);
        committer.submit(2, one_put(2));
        std::thread::sleep(Duration::from_millis(1));
    }
    committer.submit(3, one_put(3));
    let refused = outcomes.iter().find(|outcome| outcome.last == 3).unwrap();
    assert!(matches!(refused.result, Err(CommitError::ReadOnly)));
}

#[test]
fn shutdown_writes_what_was_submitted_and_refuses_what_comes_later() {
    let sync_interval = Duration::from_secs(3600);
    let rig = Rig::new(Durability::Interval { sync_interval }, false);
    let (committer, outcomes) = rig.submitter();
    for ticket in 1..=1000 {
        committer.submit(ticket, one_put(ticket));
    }
    rig.group_commit.shutdown();
    let last = outcomes.try_iter().inspect(|o| assert!(o.result.is_ok())).last();
    assert_eq!(last.unwrap().last, 1000);
    assert_eq!(rig.storage.usage().write_buffer_bytes, 0, "synced on the way out");
    let page = rig.storage.scan(Space::Records, ScanRange::all(), 2000).unwrap();
    assert_eq!(page.entries.len(), 1000);

    committer.submit(1001, one_put(1001));
    assert!(matches!(next(&outcomes), (1001, 1001, Err(CommitError::Closed))));
    assert_eq!(committer.backlog_bytes(), 0);
}

/// Also those that lie in the queue behind the shutdown are answered.
#[test]
fn no_ticket_stays_without_an_outcome_around_a_shutdown() {
    for _ in 0..50 {
        let rig = Rig::new(Durability::Always, false);
        let (committer, outcomes) = rig.submitter();
        let submitting = std::thread::spawn(move || {
            for ticket in 1..=2000 {
                committer.submit(ticket, one_put(ticket));
            }
            committer
        });
        std::thread::sleep(Duration::from_micros(200));
        rig.group_commit.shutdown();
        assert_eq!(submitting.join().unwrap().backlog_bytes(), 0);
        let answered: u64 = outcomes.try_iter().map(|o| o.last - o.first + 1).sum();
        assert_eq!(answered, 2000);
    }
}

/// Each of many submitters gets every ticket back exactly once and in order.
#[test]
fn no_ticket_is_lost_doubled_or_reordered() {
    let rig = Rig::new(Durability::Always, false);
    let submitters: Vec<_> = (0..4).map(|_| rig.submitter()).collect();
    std::thread::scope(|scope| {
        for (lane, (committer, outcomes)) in submitters.into_iter().enumerate() {
            scope.spawn(move || {
                for ticket in 1..=5000 {
                    committer.submit(ticket, one_put(ticket * 4 + lane as u64));
                }
                let mut expected = 1;
                while expected <= 5000 {
                    let (first, last, result) = next(&outcomes);
                    assert!(result.is_ok() && first == expected && last >= first);
                    expected = last + 1;
                }
            });
        }
    });
}
