//! The laws of siblings, checked against a cluster of replicas in miniature: lineages grow by real writes and merges,
//! replicas forget, and a set of all writes ever acknowledged says what must still be there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Change, Mint, Siblings, Version, Versions};
use crate::dynamo::hlc::{Hlc, HlcTime};
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};

/// One replica's memory of the key: what it stores, and since when it has held it without a gap.
struct Replica {
    id: ReplicaId,
    clock: Hlc,
    born: Option<HlcTime>,
    siblings: Siblings,
}

impl Replica {
    fn new(directory: u64) -> Self {
        let clock = Hlc::starting_above(HlcTime::default());
        Self { id: ReplicaId { directory, epoch: 1 << 32 }, clock, born: None, siblings: Siblings::default() }
    }

    fn write(&mut self, context: &VersionVector, change: Change) -> Dot {
        let dot = Dot { replica: self.id, time: self.clock.tick(0) };
        let since = *self.born.get_or_insert(dot.time);
        self.siblings.write(context, Mint { dot, since }, change);
        dot
    }

    fn receive(&mut self, siblings: &Siblings) {
        let now = self.clock.tick(0);
        self.born.get_or_insert(now);
        self.siblings.merge(siblings);
    }

    /// The record is gone (corrupt, handed off, reaped); the clock goes on.
    fn forget(&mut self) {
        self.born = None;
        self.siblings = Siblings::default();
    }

    /// The data directory is set back to an older copy and the process restarts: clock and disk run backwards, the epoch does not.
    fn restore(&mut self, older: (Option<HlcTime>, Siblings)) {
        self.clock = Hlc::starting_above(HlcTime::default());
        self.id.epoch += 1 << 32;
        (self.born, self.siblings) = older;
        // What this life minted, and whatever was minted since the copy was taken, is not remembered: begin a new span.
        if self.born.is_some() {
            self.born = Some(self.clock.tick(0));
        }
    }
}

fn value(text: &str) -> Change {
    Change { value: Some(Bytes::copy_from_slice(text.as_bytes())), expires_at_ms: None, tenure: 0 }
}

fn texts(siblings: &Siblings) -> BTreeSet<String> {
    siblings.visible(0).filter_map(|v| v.value.as_ref()).map(|v| String::from_utf8_lossy(v).into_owned()).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

const TOMBSTONE: Change = Change { value: None, expires_at_ms: None, tenure: 0 };

#[test]
fn two_writes_with_the_same_context_are_siblings_and_the_merged_context_joins_them() {
    let mut a = Replica::new(1);
    let mut b = Replica::new(2);
    a.write(&VersionVector::new(), value("base"));
    b.receive(&a.siblings);
    let context = a.siblings.context().clone();
    a.write(&context, value("milk"));
    b.write(&context, value("eggs"));
    a.receive(&b.siblings);
    assert_eq!(texts(&a.siblings), set(&["milk", "eggs"]));
    let merged = a.siblings.context().clone();
    a.write(&merged, value("milk, eggs"));
    b.receive(&a.siblings);
    assert_eq!(texts(&b.siblings), set(&["milk, eggs"]));
}

#[test]
fn interleaved_clients_never_leave_more_siblings_than_clients() {
    let mut replica = Replica::new(1);
    let mut contexts = [VersionVector::new(), VersionVector::new()];
    for round in 0..100 {
        let client = round % 2;
        replica.write(&contexts[client].clone(), value(&round.to_string()));
        assert!(replica.siblings.versions().len() <= 2, "round {round}");
        contexts[client] = replica.siblings.context().clone();
    }
}

#[test]
fn expiry_hides_at_once_and_reaping_keeps_the_dot() {
    let mut a = Replica::new(1);
    a.write(&VersionVector::new(), Change { expires_at_ms: Some(10), ..value("short") });
    assert_eq!(a.siblings.visible(9).count(), 1);
    assert_eq!(a.siblings.visible(10).count(), 0);
    let unreaped = a.siblings.clone();
    assert!(a.siblings.reap(10));
    assert!(!a.siblings.reap(10));
    let mut merged = unreaped;
    merged.merge(&a.siblings);
    assert_eq!(merged, a.siblings);
}

#[test]
fn latest_wins_keeps_exactly_one_whatever_the_order() {
    let (mut a, mut b) = (Replica::new(1), Replica::new(2));
    a.write(&VersionVector::new(), value("old"));
    b.clock.tick(5);
    b.write(&VersionVector::new(), value("new"));
    let (mut ab, mut ba) = (a.siblings.clone(), b.siblings.clone());
    ab.merge(&b.siblings);
    ab.keep_latest();
    ba.merge(&a.siblings);
    ba.keep_latest();
    assert_eq!(ab, ba);
    assert_eq!(texts(&ab), set(&["new"]));
}

/// The six known ways in which a version-vector store loses an acknowledged write because a replica's count of its own
/// writes went backwards (they are Riak's issue kv679 and its test cases). In each, "kept" was acknowledged and nobody saw it before writing over it.
mod a_replica_that_forgets_loses_no_acknowledged_write {
    use super::{Replica, TOMBSTONE, VersionVector, set, texts, value};

    #[test]
    fn local_record_lost_then_rewritten() {
        let (mut a, mut b) = (Replica::new(1), Replica::new(2));
        a.write(&VersionVector::new(), value("first"));
        let context = a.siblings.context().clone();
        a.write(&context, value("kept"));
        b.receive(&a.siblings);
        a.forget();
        a.write(&VersionVector::new(), value("x"));
        let seen = a.siblings.context().clone();
        a.write(&seen, value("y"));
        b.receive(&a.siblings);
        a.receive(&b.siblings.clone());
        assert_eq!(texts(&b.siblings), set(&["kept", "y"]));
        assert_eq!(a.siblings, b.siblings);
    }

    #[test]
    fn a_fallback_that_answers_not_found() {
        let (mut primary, mut fallback) = (Replica::new(1), Replica::new(2));
        primary.write(&VersionVector::new(), value("kept"));
        // The client reads "not found" from the fallback and writes twice through it, the second time knowing the first.
        fallback.write(&fallback.siblings.context().clone(), value("x"));
        let seen = fallback.siblings.context().clone();
        fallback.write(&seen, value("y"));
        primary.receive(&fallback.siblings);
        assert_eq!(texts(&primary.siblings), set(&["kept", "y"]));
    }

    #[test]
    fn two_fallbacks_one_of_which_handed_off_and_then_saw_an_old_copy_of_its_own() {
        let (mut primary, mut f, mut g) = (Replica::new(1), Replica::new(2), Replica::new(3));
        f.write(&VersionVector::new(), value("first"));
        let old_copy = f.siblings.clone();
        let seen = f.siblings.context().clone();
        f.write(&seen, value("kept"));
        primary.receive(&f.siblings);
        f.forget(); // handed off and deleted
        g.receive(&old_copy);
        f.receive(&g.siblings); // the old copy comes back, with f's own earlier dot in it
        let stale = f.siblings.context().clone();
        f.write(&stale, value("x"));
        let seen = f.siblings.context().clone();
        f.write(&seen, value("y"));
        primary.receive(&f.siblings);
        assert_eq!(texts(&primary.siblings), set(&["kept", "y"]));
    }

    #[test]
    fn a_tombstone_reaped_and_rewritten() {
        let (mut a, mut b) = (Replica::new(1), Replica::new(2));
        a.write(&VersionVector::new(), value("gone"));
        let seen = a.siblings.context().clone();
        a.write(&seen, TOMBSTONE);
        b.receive(&a.siblings);
        let seen = b.siblings.context().clone();
        a.write(&seen, value("kept"));
        b.receive(&a.siblings);
        a.forget(); // reaped here, alive at b
        a.write(&VersionVector::new(), value("x"));
        let seen = a.siblings.context().clone();
        a.write(&seen, value("y"));
        b.receive(&a.siblings);
        assert_eq!(texts(&b.siblings), set(&["kept", "y"]));
    }

    #[test]
    fn a_tombstone_reaped_and_rewritten_with_handoff() {
        let (mut a, mut b, mut fallback) = (Replica::new(1), Replica::new(2), Replica::new(3));
        a.write(&VersionVector::new(), value("gone"));
        fallback.receive(&a.siblings);
        let seen = fallback.siblings.context().clone();
        fallback.write(&seen, TOMBSTONE);
        a.receive(&fallback.siblings);
        fallback.forget();
        a.write(&a.siblings.context().clone(), value("kept"));
        b.receive(&a.siblings);
        a.forget();
        fallback.write(&VersionVector::new(), value("x"));
        a.receive(&fallback.siblings);
        let seen = a.siblings.context().clone();
        a.write(&seen, value("y"));
        b.receive(&a.siblings);
        assert_eq!(texts(&b.siblings), set(&["kept", "y"]));
    }

    #[test]
    fn a_reused_id_after_the_disk_and_the_clock_went_backwards() {
        let (mut a, mut b) = (Replica::new(1), Replica::new(2));
        a.write(&VersionVector::new(), value("first"));
        let copy = (a.born, a.siblings.clone());
        let seen = a.siblings.context().clone();
        a.write(&seen, value("kept"));
        b.receive(&a.siblings);
        a.restore(copy);
        let seen = a.siblings.context().clone();
        a.write(&seen, value("x"));
        let seen = a.siblings.context().clone();
        a.write(&seen, value("y"));
        b.receive(&a.siblings);
        assert_eq!(texts(&b.siblings), set(&["kept", "y"]));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { replica: usize, client: usize, delete: bool },
    Read { replica: usize, client: usize },
    Exchange { from: usize, to: usize },
    Forget { replica: usize },
    Restore { replica: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 0..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(replica, client, delete)| Step::Write { replica, client, delete }),
        4 => (0..3_usize, 0..4_usize).prop_map(|(replica, client)| Step::Read { replica, client }),
        4 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Exchange { from, to }),
        1 => (0..3_usize).prop_map(|replica| Step::Forget { replica }),
        1 => (0..3_usize).prop_map(|replica| Step::Restore { replica }),
    ]
}

/// Three replicas, four clients and an archive that hears of every write and forgets none.
struct World {
    replicas: Vec<Replica>,
    saved: Vec<(Option<HlcTime>, Siblings)>,
    contexts: Vec<VersionVector>,
    /// What each client has truly seen: its context, as a plain set of dots.
    seen: Vec<BTreeSet<Dot>>,
    written: BTreeSet<Dot>,
    superseded: BTreeSet<Dot>,
    archive: Siblings,
    /// The true history below each version: every dot seen by its writer, or by the writers of those.
    past: BTreeMap<Dot, BTreeSet<Dot>>,
}

impl World {
    fn new() -> Self {
        Self {
            replicas: (1..=3).map(Replica::new).collect(),
            saved: vec![(None, Siblings::default()); 3],
            contexts: vec![VersionVector::new(); 4],
            seen: vec![BTreeSet::new(); 4],
            written: BTreeSet::new(),
            superseded: BTreeSet::new(),
            archive: Siblings::default(),
            past: BTreeMap::new(),
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Write { replica, client, delete } => {
                let change = if delete { TOMBSTONE } else { value("v") };
                let dot = self.replicas[replica].write(&self.contexts[client].clone(), change);
                assert!(self.written.insert(dot), "dot {dot} minted twice");
                self.superseded.extend(self.seen[client].iter().copied());
                self.past.insert(dot, self.seen[client].clone());
                self.archive.merge(&self.replicas[replica].siblings);
            }
            Step::Read { replica, client } => {
                let siblings = self.replicas[replica].siblings.clone();
                self.contexts[client].merge(siblings.context());
                for version in siblings.versions() {
                    let past = self.past[&version.dot].clone();
                    self.seen[client].extend(past);
                    self.seen[client].insert(version.dot);
                }
            }
            Step::Exchange { from, to } => {
                let siblings = self.replicas[from].siblings.clone();
                self.replicas[to].receive(&siblings);
            }
            Step::Forget { replica } => self.replicas[replica].forget(),
            Step::Restore { replica } => {
                let older = std::mem::replace(
                    &mut self.saved[replica],
                    (self.replicas[replica].born, self.replicas[replica].siblings.clone()),
                );
                self.replicas[replica].restore(older);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn exactly_the_writes_that_no_later_writer_saw_survive(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        let kept: BTreeSet<Dot> = world.archive.versions().iter().map(|v| v.dot).collect();
        let expected: BTreeSet<Dot> = world.written.difference(&world.superseded).copied().collect();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn merge_is_commutative_associative_idempotent(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        let [a, b, c] = [0, 1, 2].map(|at: usize| world.replicas[at].siblings.clone());
        let join = |x: &Siblings, y: &Siblings| { let mut z = x.clone(); z.merge(y); z };
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a);
    }

    #[test]
    fn fingerprints_are_equal_where_the_states_are(steps in prop::collection::vec(step(), 1..40), reaped in any::<bool>()) {
        let mut world = World::new();
        let mut states = vec![Siblings::default()];
        for step in &steps {
            world.apply(step);
            states.extend(world.replicas.iter().map(|replica| replica.siblings.clone()));
        }
        if reaped && let Some(last) = states.last().cloned() {
            let expiring: Versions =
                last.versions.iter().map(|version| Version { expires_at_ms: Some(1), ..version.clone() }).collect();
            let mut gone = Siblings { versions: expiring, ..last };
            states.push(gone.clone());
            gone.reap(2);
            states.push(gone);
        }
        for a in &states {
            for b in &states {
                prop_assert_eq!(a == b, a.fingerprint() == b.fingerprint());
            }
        }
    }
}
