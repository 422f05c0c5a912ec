//! What clients of one key did, and whether what they read agrees with it.
//!
//! ```text
//!  write      value, the values that its context covers, outcome, when it was acknowledged
//!  read       the values it showed, when it was begun
//!
//!  a write supersedes what its context covers, and what that superseded
//!  1  every write acknowledged before a read began is shown by it or superseded by something it shows
//!  2  nothing that is shown is superseded by something else that is shown
//!  3  nothing is shown that was never written, or that was refused with "nothing was written"
//! ```
//!
//! A write without an answer may be shown or not. Times are places in one order of all events, so no clock is trusted.

#![allow(dead_code, reason = "each test file uses its own part of this module")]

pub mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It must never be lost.
    Acknowledged { at: u64 },
    /// Nobody knows.
    Unknown,
    /// The answer was that nothing was written.
    NotApplied,
}

#[derive(Clone, Debug)]
struct Write {
    covers: BTreeSet<String>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
struct Read {
    shown: BTreeSet<String>,
    begun: u64,
    through: String,
}

#[derive(Clone, Debug, Default)]
struct KeyHistory {
    writes: BTreeMap<String, Write>,
    reads: Vec<Read>,
}

/// All keys. Shared by all clients.
#[derive(Default)]
pub struct History {
    events: AtomicU64,
    acknowledged: AtomicU64,
    keys: Mutex<BTreeMap<String, KeyHistory>>,
}

impl History {
    /// The next place in the order of all events.
    pub fn now(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    /// How many writes have been acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Before a write is sent: from here on it may be seen.
    pub fn begin_write(&self, key: &str, value: &str, covers: BTreeSet<String>) {
        let write = Write { covers, outcome: Outcome::Unknown };
        let before = self.with(key, |history| history.writes.insert(value.to_owned(), write));
        assert!(before.is_none(), "every value is written once");
    }

    /// Its answer, or that there was none.
    pub fn end_write(&self, key: &str, value: &str, outcome: Outcome) {
        self.with(key, |history| history.writes.get_mut(value).expect("it was begun").outcome = outcome);
        if matches!(outcome, Outcome::Acknowledged { .. }) {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub fn read(&self, key: &str, through: &str, begun: u64, shown: impl IntoIterator<Item = String>) {
        let read = Read { shown: shown.into_iter().collect(), begun, through: through.to_owned() };
        self.with(key, |history| history.reads.push(read));
    }

    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// How many writes were begun, acknowledged and left unknown, and how many reads were made.
    pub fn summary(&self) -> String {
        let keys = self.lock();
        let writes = || keys.values().flat_map(|history| history.writes.values());
        let unknown = writes().filter(|write| write.outcome == Outcome::Unknown).count();
        let reads: usize = keys.values().map(|history| history.reads.len()).sum();
        let (keys, writes) = (keys.len(), writes().count());
        format!("{keys} keys, {writes} writes, {} acknowledged, {unknown} unknown, {reads} reads", self.acknowledged())
    }

    /// Panics where anything contradicts the three rules. The first rule holds for reads that were begun at `complete_from` or later.
    pub fn assert_consistent(&self, complete_from: u64) {
        let keys = self.lock();
        let violations: Vec<String> =
            keys.iter().flat_map(|(key, history)| history.violations(key, complete_from)).collect();
        let first = violations[..violations.len().min(20)].join("\n");
        assert!(violations.is_empty(), "{} violations:\n{first}", violations.len());
    }

    fn with<T>(&self, key: &str, change: impl FnOnce(&mut KeyHistory) -> T) -> T {
        change(self.lock().entry(key.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, KeyHistory>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyHistory {
    fn violations(&self, key: &str, complete_from: u64) -> Vec<String> {
        let of_read = |read| self.violations_of(read, complete_from);
        self.reads.iter().flat_map(of_read).map(|what| format!("{key}: {what}")).collect()
    }

    fn violations_of(&self, read: &Read, complete_from: u64) -> Vec<String> {
        let superseded = self.superseded_by(&read.shown);
        let seen = |value: &String| read.shown.contains(value) || superseded.contains(value);
        let by = format!("a read through {}, begun at {}, that showed {:?}", read.through, read.begun, read.shown);
        let lost = self.writes.iter().filter_map(|(value, write)| match write.outcome {
            Outcome::Acknowledged { at } if at < read.begun && read.begun >= complete_from && !seen(value) => {
                Some(format!("{value}, acknowledged at {at}, is lost to {by}"))
            }
            _ => None,
        });
        let returned = read.shown.intersection(&superseded);
        let returned = returned.map(|value| format!("{value} has returned beside its successor in {by}"));
        let invented = read
            .shown
            .iter()
            .filter(|value| self.writes.get(*value).is_none_or(|write| write.outcome == Outcome::NotApplied));
        let invented = invented.map(|value| format!("{value} was never written, and yet {by}"));
        lost.chain(returned).chain(invented).collect()
    }

    /// All that these values have superseded, directly or not.
    fn superseded_by(&self, shown: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&String> = shown.iter().collect();
        while let Some(value) = open.pop() {
            let covers = self.writes.get(value).map(|write| &write.covers);
            open.extend(covers.into_iter().flatten().filter(|covered| found.insert((*covered).clone())));
        }
        found
    }
}
