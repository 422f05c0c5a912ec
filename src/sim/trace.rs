//! What happened, in order: a hash of all of it, and lines for whoever has to understand a failure.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Virtual milliseconds since the run began.
    pub at_ms: u64,
    /// The key that it is about; none: it is about the whole cluster.
    pub key: Option<String>,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  {:<7} {}", self.at_ms, self.key.as_deref().unwrap_or("-"), self.what)
    }
}

/// The record of one run. Clones write into the same one.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Record>>);

struct Record {
    began: Instant,
    hasher: Xxh3,
    events: u64,
    lines: Vec<Line>,
}

impl Trace {
    /// An empty record whose time starts now.
    #[must_use]
    pub fn begin() -> Self {
        let record = Record { began: Instant::now(), hasher: Xxh3::new(), events: 0, lines: Vec::new() };
        Self(Arc::new(Mutex::new(record)))
    }

    /// Bytes have arrived.
    pub fn delivered(&self, from: &str, to: &str, bytes: &[u8]) {
        let mut record = self.lock();
        record.stamp();
        record.hasher.update(from.as_bytes());
        record.hasher.update(to.as_bytes());
        record.hasher.update(bytes);
    }

    /// Something has happened that a reader of the timeline wants to know.
    pub fn tell(&self, key: Option<&str>, what: impl Into<String>) {
        let (mut record, what) = (self.lock(), what.into());
        let at_ms = record.stamp();
        record.hasher.update(what.as_bytes());
        record.lines.push(Line { at_ms, key: key.map(str::to_owned), what });
    }

    /// Virtual milliseconds since the run began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.lock().now_ms()
    }

    /// Stands for everything that has happened so far, in order.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.lock().hasher.digest()
    }

    /// How much has happened so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn stamp(&mut self) -> u64 {
        let at_ms = self.now_ms();
        self.events += 1;
        self.hasher.update(&at_ms.to_le_bytes());
        at_ms
    }
}
