//! What clients did with one key after another, and what must follow from it.
//!
//! ```text
//!   a write supersedes what its context covers, and what that superseded
//!
//!   at any time   nothing is shown beside what supersedes it, nothing is shown twice, nothing is shown that was never written or that
//!                 was answered with "nothing was written"
//!   in the end    every acknowledged write is shown, or superseded by something shown or by a delete; nothing is shown that an
//!                 acknowledged delete has superseded
//! ```
//!
//! A write without an answer may be shown or not.

use std::collections::{BTreeMap, BTreeSet};

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
    /// What happened.
    pub what: String,
}

struct Write {
    deletes: bool,
    covers: BTreeSet<String>,
    outcome: Outcome,
}

/// The writes of all keys, and the violations that reads have shown. Names of writes are unique.
#[derive(Default)]
pub struct History {
    keys: BTreeMap<String, BTreeMap<String, Write>>,
    reads: u64,
    violations: Vec<Violation>,
}

impl History {
    /// Before a write is sent: from here on it may be seen. A delete has a name, too, which is never shown.
    pub fn begin_write(&mut self, key: &str, name: &str, deletes: bool, covers: BTreeSet<String>) {
        let write = Write { deletes, covers, outcome: Outcome::Unknown };
        self.keys.entry(key.to_owned()).or_default().insert(name.to_owned(), write);
    }

    /// Its answer.
    pub fn end_write(&mut self, key: &str, name: &str, outcome: Outcome) {
        if let Some(write) = self.keys.get_mut(key).and_then(|writes| writes.get_mut(name)) {
            write.outcome = outcome;
        }
    }

    /// What a read has shown.
    pub fn read(&mut self, key: &str, shown: &[String]) {
        self.reads += 1;
        let none = BTreeMap::new();
        let found = contradictions(self.keys.get(key).unwrap_or(&none), shown);
        self.report(key, found);
    }

    /// What a read of all replicas has shown after everything was healed and quiet.
    pub fn last_read(&mut self, key: &str, shown: &[String]) {
        self.read(key, shown);
        let none = BTreeMap::new();
        let found = losses(self.keys.get(key).unwrap_or(&none), shown);
        self.report(key, found);
    }

    /// The keys that were written.
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
    pub fn report(&mut self, key: &str, found: Vec<String>) {
        self.violations.extend(found.into_iter().map(|what| Violation { key: Some(key.to_owned()), what }));
    }

    /// How many writes were begun, how many of them acknowledged, and how many reads were answered.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, u64) {
        let writes = || self.keys.values().flat_map(BTreeMap::values);
        let acknowledged = writes().filter(|write| write.outcome == Outcome::Acknowledged).count();
        (writes().count(), acknowledged, self.reads)
    }
}

fn contradictions(writes: &BTreeMap<String, Write>, shown: &[String]) -> Vec<String> {
    let superseded = superseded_by(writes, shown.iter());
    let mut met = BTreeSet::new();
    let mut found = Vec::new();
    for value in shown {
        if superseded.contains(value) {
            found.push(format!("{value} is shown beside what supersedes it: {shown:?}"));
        }
        if !met.insert(value) {
            found.push(format!("{value} is shown twice: {shown:?}"));
        }
        match writes.get(value).map(|write| write.outcome) {
            None => found.push(format!("{value} was never written, and is shown: {shown:?}")),
            Some(Outcome::NotApplied) => {
                found.push(format!("{value} was answered with \"nothing was written\", and is shown: {shown:?}"));
            }
            Some(Outcome::Acknowledged | Outcome::Unknown) => {}
        }
    }
    found
}

fn losses(writes: &BTreeMap<String, Write>, shown: &[String]) -> Vec<String> {
    let names =
        |wanted: fn(&Write) -> bool| writes.iter().filter(move |(_, write)| wanted(write)).map(|(name, _)| name);
    let deletes = names(|write| write.deletes && write.outcome != Outcome::NotApplied);
    let seen = superseded_by(writes, shown.iter().chain(deletes));
    let lost = names(|write| write.outcome == Outcome::Acknowledged && !write.deletes)
        .filter(|name| !shown.contains(name) && !seen.contains(*name))
        .map(|name| format!("{name} was acknowledged, and is lost: {shown:?}"));
    let deleted = superseded_by(writes, names(|write| write.deletes && write.outcome == Outcome::Acknowledged));
    let returned = shown.iter().filter(|value| deleted.contains(*value));
    lost.chain(returned.map(|value| format!("{value} was deleted, and has come back: {shown:?}"))).collect()
}

/// All that these writes have superseded, directly or not.
fn superseded_by<'a>(writes: &'a BTreeMap<String, Write>, names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = names.collect();
    while let Some(name) = open.pop() {
        let covers = writes.get(name).map(|write| &write.covers);
        open.extend(covers.into_iter().flatten().filter(|covered| found.insert((*covered).clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{History, Outcome};

    fn history(writes: &[(&str, bool, &[&str], Outcome)]) -> History {
        let mut history = History::default();
        for (name, deletes, covers, outcome) in writes {
            history.begin_write("k", name, *deletes, covers.iter().map(|value| (*value).to_owned()).collect());
            history.end_write("k", name, *outcome);
        }
        history
    }

    fn found(mut history: History, shown: &[&str]) -> usize {
        history.last_read("k", &shown.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        history.violations().len()
    }

    #[test]
    fn each_rule_can_be_kept_and_broken() {
        use Outcome::{Acknowledged, NotApplied, Unknown};
        let chain: &[(&str, bool, &[&str], Outcome)] =
            &[("a", false, &[], Acknowledged), ("b", false, &["a"], Unknown), ("c", false, &["b"], Acknowledged)];
        assert_eq!(found(history(chain), &["c"]), 0);
        assert_eq!(found(history(chain), &["b"]), 1, "c is lost");
        assert_eq!(found(history(chain), &["a", "c"]), 1, "a has returned");
        assert_eq!(found(history(chain), &["c", "c"]), 1, "c is there twice");
        assert_eq!(found(history(chain), &["c", "x"]), 1, "x was never written");
        let deleted: &[(&str, bool, &[&str], Outcome)] =
            &[("a", false, &[], Acknowledged), ("d", true, &["a"], Acknowledged), ("n", false, &[], NotApplied)];
        assert_eq!(found(history(deleted), &[]), 0);
        assert_eq!(found(history(deleted), &["a"]), 1, "a has come back");
        assert_eq!(found(history(deleted), &["n"]), 1, "n was never applied");
    }
}
