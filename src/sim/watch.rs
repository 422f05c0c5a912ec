//! Looks at the disks from outside, as no client can: what a replica has once held it must not forget, and hints stay within their bounds.
//!
//! ```text
//!   copy of a key    its clock only grows; a dot that it covers does not come back
//!   tombstone        goes when nothing of what it has deleted is left on any disk
//!   data directory   what it mints is later than all that it had on its own disk before
//!   hints            no more bytes for one node than the bound, and none when all is quiet
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::cluster::Cluster;
use super::defect::Defect;
use super::history::History;
use super::session::name_of;
use super::swarm::Plan;
use super::trace::Trace;
use crate::dynamo::collection::dead_since_ms;
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::siblings::{Siblings, Version};
use crate::messages::replica::StoredRecord;
use crate::storage::{Batch, Persist, ScanRange, Space, Storage as _};

/// A hint is counted with more than its payload: so much may be beyond the bound, per shard, in bytes.
const HINT_SLACK_BYTES: u64 = 64 << 10;

/// With the defect, tombstones are dropped at this age, in ms.
const TOMBSTONE_AGE_MS: u64 = 5_000;

/// What one node held of one key when it was last looked at.
struct Held {
    forgettings: u64,
    siblings: Siblings,
}

/// Which clock minted: the data directory, as the dot says it, and the shard.
type Minter = (u64, usize);

/// The onlooker.
pub struct Watch {
    workers: usize,
    hints_max_bytes: u64,
    drops_tombstones: bool,
    history: Rc<RefCell<History>>,
    trace: Trace,
    held: BTreeMap<(usize, String), Held>,
    /// The latest dots that lay on their minter's own disk, and when that was seen, in ms.
    minted: BTreeMap<Minter, Vec<(u64, HlcTime)>>,
    /// Data directories that have been set back: their clocks, too.
    set_back: bool,
}

impl Watch {
    /// It writes what it finds into the history.
    #[must_use]
    pub fn new(plan: &Plan, history: Rc<RefCell<History>>, trace: Trace) -> Self {
        Self {
            workers: plan.workers,
            hints_max_bytes: plan.hints_max_bytes,
            drops_tombstones: plan.defect == Some(Defect::TombstoneDroppedByAge),
            history,
            trace,
            held: BTreeMap::new(),
            minted: BTreeMap::new(),
            set_back: plan.faults.iter().any(|fault| fault.makes_forget()),
        }
    }

    /// Looks at everything once.
    pub fn look(&mut self, cluster: &Cluster) {
        let keys = self.history.borrow().keys();
        for key in keys {
            let copies = cluster.copies(&key);
            // Who has handed over need not hold it any more, and whoever takes over begins anew.
            self.held.retain(|(at, of), _| *of != key || copies.iter().any(|(holder, _)| holder == at));
            for (at, siblings) in copies {
                self.look_at(cluster, &key, at, siblings.unwrap_or_default());
            }
        }
        self.weigh_hints(cluster);
        if self.drops_tombstones {
            drop_old_tombstones(cluster);
        }
    }

    fn look_at(&mut self, cluster: &Cluster, key: &str, at: usize, siblings: Siblings) {
        let forgettings = cluster.forgettings(at);
        let before = self.held.get(&(at, key.to_owned()));
        if before.is_some_and(|before| before.siblings == siblings && before.forgettings == forgettings) {
            return;
        }
        self.trace.tell(Some(key), format!("n{at} holds {}", describe(&siblings)));
        if let Some(before) = before.filter(|before| before.forgettings == forgettings)
            && let Some(what) = forgotten(&before.siblings, &siblings)
        {
            self.history.borrow_mut().report(Some(key), None, format!("n{at} has forgotten: {what}"));
        }
        if let Some(before) = before.filter(|before| before.forgettings == forgettings)
            && siblings.is_empty()
            && dead_since_ms(&before.siblings).is_some()
            && let Some(what) = left_over(cluster, key, &before.siblings)
        {
            let what = format!("n{at} has dropped a tombstone too early: {what}");
            self.history.borrow_mut().report(Some(key), None, what);
        }
        if !self.set_back {
            self.check_order(cluster, key, at, &siblings);
        }
        self.held.insert((at, key.to_owned()), Held { forgettings, siblings });
    }

    /// A write that began after a dot of the same minter was on its disk has a later dot.
    fn check_order(&mut self, cluster: &Cluster, key: &str, at: usize, siblings: &Siblings) {
        let Some(shard) = cluster.record_key(key).map(|record| record.partition().0 as usize % self.workers) else {
            return;
        };
        let now_ms = self.trace.now_ms();
        for version in siblings.versions() {
            let minter = (version.dot.replica.directory, shard);
            let minted = self.minted.entry(minter).or_default();
            let name = name_of(version.value.as_ref());
            let began_ms = name.as_ref().and_then(|name| self.history.borrow().began_ms(key, name));
            let earlier = began_ms.and_then(|began_ms| minted.iter().rfind(|(seen_ms, _)| *seen_ms < began_ms));
            if let (Some((seen_ms, floor)), Some(name)) = (earlier, &name)
                && version.dot.time <= *floor
            {
                let what = format!(
                    "{name} has the dot {}, although {floor} was on the same disk at {seen_ms} ms",
                    version.dot
                );
                self.history.borrow_mut().report(Some(key), Some(name), what);
            }
            let is_own = version.dot.replica.directory == cluster.directory(at);
            if is_own && minted.last().is_none_or(|(_, latest)| *latest < version.dot.time) {
                minted.push((now_ms, version.dot.time));
            }
        }
    }

    fn weigh_hints(&mut self, cluster: &Cluster) {
        let most = self.workers as u64 * (self.hints_max_bytes + HINT_SLACK_BYTES);
        for at in 0..cluster.count() {
            for (target, bytes) in hints(cluster, at).into_iter().filter(|(_, bytes)| *bytes > most) {
                let what =
                    format!("n{at} keeps {bytes} bytes of hints for {target}, the bound is {}", self.hints_max_bytes);
                self.history.borrow_mut().report(None, None, what);
            }
        }
    }

    /// When all has been healed and quiet for long enough, every hint has reached its owner.
    pub fn expect_no_hints(&mut self, cluster: &Cluster) {
        for at in cluster.roster().serving() {
            for (target, bytes) in hints(cluster, at) {
                let what = format!("n{at} still keeps {bytes} bytes of hints for {target}");
                self.history.borrow_mut().report(None, None, what);
            }
        }
    }
}

/// What is gone of `before` that nothing explains.
///
/// A record without any value may go altogether: that tombstones are collected too early shows when what they deleted comes back.
fn forgotten(before: &Siblings, after: &Siblings) -> Option<String> {
    if *after == Siblings::default() && before.versions().iter().all(|version| version.value.is_none()) {
        return None;
    }
    if let Some(lost) = before.versions().iter().find(|version| !after.context().contains(&version.dot)) {
        return Some(format!("{} is unknown to it now", lost.dot));
    }
    let returned = after.versions().iter().find(|version| {
        before.context().contains(&version.dot) && !before.versions().iter().any(|other| other.dot == version.dot)
    });
    returned.map(|returned| format!("{} was superseded, and is back", returned.dot))
}

/// What is still held, by whomever and for whomever, of what a tombstone has deleted.
fn left_over(cluster: &Cluster, key: &str, tombstone: &Siblings) -> Option<String> {
    let record = cluster.record_key(key)?;
    let holders = cluster.holders(record.partition());
    cluster.roster().serving().into_iter().find_map(|at| {
        let disk = &cluster.disk(at).storage;
        let own = disk.get(Space::Records, record.as_bytes()).ok().flatten().filter(|_| holders.contains(&at));
        let hints = disk.scan(Space::Hints, ScanRange::all(), usize::MAX).map(|page| page.entries).unwrap_or_default();
        let of_key = hints.into_iter().filter(|(place, _)| place.ends_with(record.as_bytes())).map(|(_, value)| value);
        let held = own.into_iter().chain(of_key).filter_map(|bytes| StoredRecord::from_bytes(&bytes));
        // What expires is hidden everywhere, whoever still has its bytes.
        let is_value = |version: &Version| version.value.is_some() && version.expires_at_ms.is_none();
        let deleted = |version: &&Version| is_value(version) && tombstone.context().contains(&version.dot);
        let versions: Vec<Version> = held.flat_map(|record| record.siblings.versions().to_vec()).collect();
        versions.iter().find(deleted).map(|version| format!("n{at} still holds {}", version.dot))
    })
}

/// The bytes that a node keeps for each other one.
pub(super) fn hints(cluster: &Cluster, at: usize) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    let Ok(page) = cluster.disk(at).storage.scan(Space::Hints, ScanRange::all(), usize::MAX) else { return bytes };
    for (key, value) in page.entries {
        let target = key.split(|byte| *byte == 0).next().unwrap_or_default();
        *bytes.entry(String::from_utf8_lossy(target).into_owned()).or_default() += value.len() as u64;
    }
    bytes
}

/// For the timeline.
pub(super) fn describe(siblings: &Siblings) -> String {
    let one =
        |version: &Version| name_of(version.value.as_ref()).unwrap_or_else(|| format!("tombstone {}", version.dot));
    let versions: Vec<String> = siblings.versions().iter().map(one).collect();
    if versions.is_empty() { "nothing".to_owned() } else { format!("[{}]", versions.join(", ")) }
}

/// A defect: what a garbage collector would do that looks at nothing but the age.
fn drop_old_tombstones(cluster: &Cluster) {
    for at in 0..cluster.count() {
        let (disk, now_ms) = (cluster.disk(at), cluster.clock(at).now_ms());
        let Ok(page) = disk.storage.scan(Space::Records, ScanRange::all(), usize::MAX) else { continue };
        let is_old =
            |version: &Version| version.value.is_none() && version.dot.time.unix_ms() + TOMBSTONE_AGE_MS < now_ms;
        let mut dropped = Batch::default();
        for (key, value) in page.entries {
            let record = StoredRecord::from_bytes(&value);
            if record.is_some_and(|record| record.siblings.versions().iter().all(is_old)) {
                dropped.delete(Space::Records, key);
            }
        }
        // A disk that refuses this keeps them, which is no harm.
        let _ = disk.storage.commit(&dropped, Persist::Sync);
    }
}
