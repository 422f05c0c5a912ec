//! What clients did with one key after another. What must follow from it is in `rules`.
//!
//! ```text
//!   a write supersedes what its context covers, and what that superseded: its past
//! ```
//!
//! Every write has a name of its own; the name of a delete is never shown. A write without an answer may be shown or not.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::Bits;
use super::rules;
use crate::dynamo::version::Dot;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It must never be lost.
    Acknowledged,
    /// Nobody knows.
    Unknown,
    /// The answer was that nothing was written.
    NotApplied,
}

/// Something that must not happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key concerned; none: the cluster as a whole.
    pub key: Option<String>,
    /// The write concerned, if it is one.
    pub write: Option<String>,
    /// What happened.
    pub what: String,
}

/// A write as its author describes it.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// Its name.
    pub name: String,
    /// Who writes.
    pub author: String,
    /// Whether it is a delete.
    pub deletes: bool,
    /// The names that its context covers.
    pub covers: BTreeSet<String>,
    /// Hidden after so many milliseconds.
    pub ttl_ms: Option<u64>,
    /// What the value contains, where it is a set.
    pub elements: BTreeSet<String>,
    /// What its author took out of the set.
    pub removes: Option<String>,
}

/// A version that a read has shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name of the write.
    pub name: String,
    /// Its dot.
    pub dot: Dot,
    /// What the value contains, where it is a set.
    pub elements: BTreeSet<String>,
}

/// What a run promises its clients.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// R + W > N among primaries, and nobody forgets: a read sees every write that was acknowledged before it began.
    pub reads_see_acknowledged: bool,
    /// What was acknowledged is there in the end.
    pub keeps_acknowledged: bool,
    /// How far the clocks of two nodes may be apart, in ms; none: too far to say when a value expires.
    pub clock_error_max_ms: Option<u64>,
    /// Nobody writes without having read.
    pub nobody_writes_blindly: bool,
}

pub(super) struct Write {
    pub(super) intent: Intent,
    pub(super) past: Bits,
    pub(super) outcome: Outcome,
    pub(super) began_ms: u64,
    pub(super) acknowledged_ms: Option<u64>,
    /// It was sent a second time, and may be there twice.
    pub(super) is_resent: bool,
}

/// The writes of one key, in the order in which they began.
#[derive(Default)]
pub(super) struct KeyHistory {
    pub(super) writes: Vec<Write>,
    pub(super) places: BTreeMap<String, usize>,
    /// Whose dot each one is.
    pub(super) dots: BTreeMap<Dot, usize>,
    acknowledged: Bits,
}

impl KeyHistory {
    /// What these writes have superseded, directly or not.
    pub(super) fn past_of(&self, writes: impl IntoIterator<Item = usize>) -> Bits {
        let mut past = Bits::default();
        writes.into_iter().for_each(|at| past.extend(&self.writes[at].past));
        past
    }
}

/// What was known when a read began.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub(super) began_ms: u64,
    pub(super) acknowledged: Bits,
    /// What acknowledged deletes have superseded.
    pub(super) deleted: Bits,
}

/// The writes of all keys, and the violations that have shown.
pub struct History {
    promises: Promises,
    keys: BTreeMap<String, KeyHistory>,
    reads: u64,
    most_siblings: usize,
    violations: Vec<Violation>,
}

impl History {
    /// Nothing has happened.
    #[must_use]
    pub fn new(promises: Promises) -> Self {
        Self { promises, keys: BTreeMap::new(), reads: 0, most_siblings: 0, violations: Vec::new() }
    }

    /// Before a write is sent: from here on it may be seen.
    pub fn begin_write(&mut self, key: &str, intent: Intent, now_ms: u64) {
        let history = self.keys.entry(key.to_owned()).or_default();
        let covered: Vec<usize> = intent.covers.iter().filter_map(|name| history.places.get(name).copied()).collect();
        let mut past = history.past_of(covered.iter().copied());
        covered.into_iter().for_each(|at| past.insert(at));
        history.places.insert(intent.name.clone(), history.writes.len());
        history.writes.push(Write {
            intent,
            past,
            outcome: Outcome::Unknown,
            began_ms: now_ms,
            acknowledged_ms: None,
            is_resent: false,
        });
    }

    /// The same write is sent once more.
    pub fn resend(&mut self, key: &str, name: &str) {
        if let Some(write) = self.write_mut(key, name) {
            write.is_resent = true;
        }
    }

    /// Its answer. Of a write that was sent twice nobody can say that it was not done.
    pub fn end_write(&mut self, key: &str, name: &str, outcome: Outcome, now_ms: u64) {
        let Some(history) = self.keys.get_mut(key) else { return };
        let Some(at) = history.places.get(name).copied() else { return };
        let write = &mut history.writes[at];
        match outcome {
            Outcome::Acknowledged => {
                write.outcome = outcome;
                write.acknowledged_ms = Some(now_ms);
                history.acknowledged.insert(at);
            }
            Outcome::NotApplied if write.is_resent => {}
            Outcome::NotApplied | Outcome::Unknown => write.outcome = outcome,
        }
    }

    fn write_mut(&mut self, key: &str, name: &str) -> Option<&mut Write> {
        let history = self.keys.get_mut(key)?;
        let at = *history.places.get(name)?;
        Some(&mut history.writes[at])
    }

    /// When a write began, in ms.
    #[must_use]
    pub fn began_ms(&self, key: &str, name: &str) -> Option<u64> {
        let history = self.keys.get(key)?;
        history.places.get(name).map(|at| history.writes[*at].began_ms)
    }

    /// Before a read is sent.
    #[must_use]
    pub fn begin_read(&self, key: &str, now_ms: u64) -> Reading {
        let Some(history) = self.keys.get(key) else { return Reading { began_ms: now_ms, ..Reading::default() } };
        let is_gone = |write: &Write| write.intent.deletes && write.outcome == Outcome::Acknowledged;
        let deletes = (0..history.writes.len()).filter(|at| is_gone(&history.writes[*at]));
        Reading { began_ms: now_ms, acknowledged: history.acknowledged.clone(), deleted: history.past_of(deletes) }
    }

    /// What a read has shown.
    pub fn read(&mut self, key: &str, shown: &[Shown], reading: &Reading, now_ms: u64) {
        self.reads += 1;
        self.most_siblings = self.most_siblings.max(shown.len());
        let history = self.keys.entry(key.to_owned()).or_default();
        let mut found = rules::contradictions(history, &self.promises, shown, reading);
        if self.promises.reads_see_acknowledged {
            found.extend(rules::staleness(history, &self.promises, shown, reading, now_ms));
        }
        self.report_all(key, found);
    }

    /// What a read of all replicas has shown after everything was healed and quiet: nothing may be missing.
    pub fn last_read(&mut self, key: &str, shown: &[Shown], now_ms: u64) {
        let reading = self.begin_read(key, now_ms);
        self.reads += 1;
        let history = self.keys.entry(key.to_owned()).or_default();
        let mut found = rules::contradictions(history, &self.promises, shown, &reading);
        if self.promises.keeps_acknowledged {
            found.extend(rules::staleness(history, &self.promises, shown, &reading, now_ms));
            found.extend(rules::lost_elements(history, shown));
        }
        self.report_all(key, found);
    }

    /// The keys that were written or read.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// What has been found so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Adds what somebody else has found.
    pub fn report(&mut self, key: Option<&str>, write: Option<&str>, what: String) {
        let (key, write) = (key.map(str::to_owned), write.map(str::to_owned));
        self.violations.push(Violation { key, write, what });
    }

    fn report_all(&mut self, key: &str, found: Vec<(String, String)>) {
        found.into_iter().for_each(|(write, what)| self.report(Some(key), Some(&write), what));
    }

    /// How many writes were begun, how many of them acknowledged, and how many reads were answered.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, u64) {
        let writes = || self.keys.values().flat_map(|history| &history.writes);
        let acknowledged = writes().filter(|write| write.outcome == Outcome::Acknowledged).count();
        (writes().count(), acknowledged, self.reads)
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
