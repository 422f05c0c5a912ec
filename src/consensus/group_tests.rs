//! Members of one log over a network that loses, doubles and reorders, on disks that forget what was not synced: they agree, and go on agreeing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{
    Candidate, Change, Content, Effect, Electorate, Entry, Kind, LogGroup, LogRole, MemberChange, Message, Rank,
    StepRefusal, Stored, next_change,
};

/// One member: what it has in memory, what is on its disk, and what it has applied.
struct Member {
    group: Option<LogGroup>,
    disk: Stored,
    /// Written, and not synced yet.
    unsynced: Vec<(Vec<Change>, Option<u64>)>,
    applied: BTreeMap<u64, Bytes>,
    /// What the applied entries have led to: all commands, in order.
    state: Vec<u8>,
}

/// More entries than this are replaced by a snapshot.
const ENTRIES_MAX: usize = 12;

struct World {
    members: BTreeMap<u64, Member>,
    wire: Vec<Message>,
    /// What was agreed on at each place, by anybody.
    agreed: BTreeMap<u64, Bytes>,
    rng: StdRng,
}

fn first_stored(ids: &[u64]) -> Stored {
    LogGroup::genesis(Electorate { voters: ids.to_vec(), learners: Vec::new() }, Bytes::new())
}

impl World {
    fn new(seed: u64, count: u64) -> Self {
        let ids: Vec<u64> = (1..=count).collect();
        let mut world = Self {
            members: BTreeMap::new(),
            wire: Vec::new(),
            agreed: BTreeMap::new(),
            rng: StdRng::seed_from_u64(seed),
        };
        for id in &ids {
            world.add(*id, first_stored(&ids));
        }
        world
    }

    fn add(&mut self, id: u64, disk: Stored) {
        let member = Member { group: None, disk, unsynced: Vec::new(), applied: BTreeMap::new(), state: Vec::new() };
        self.members.insert(id, member);
        self.start(id);
    }

    fn start(&mut self, id: u64) {
        let seed = self.rng.random();
        let member = self.members.get_mut(&id).expect("a member");
        member.state = member.disk.snapshot.state.to_vec();
        member.applied.clear();
        member.group = Some(LogGroup::recover(id, member.disk.clone(), seed).expect("its own disk"));
        self.settle(id);
    }

    /// What was not synced is forgotten.
    fn crash(&mut self, id: u64) {
        let member = self.members.get_mut(&id).expect("a member");
        member.group = None;
        member.unsynced.clear();
    }

    fn with<T>(&mut self, id: u64, act: impl FnOnce(&mut LogGroup) -> T) -> Option<T> {
        let done = act(self.members.get_mut(&id)?.group.as_mut()?);
        self.settle(id);
        Some(done)
    }

    fn settle(&mut self, id: u64) {
        let member = self.members.get_mut(&id).expect("a member");
        if let Some(group) = &mut member.group {
            let effects = group.take_effects();
            self.carry_out(id, effects);
        }
        self.compact(id, ENTRIES_MAX);
    }

    fn compact(&mut self, id: u64, most: usize) {
        let member = self.members.get_mut(&id).expect("a member");
        let state = Bytes::from(member.state.clone());
        if let Some(group) = member.group.as_mut().filter(|group| group.wants_snapshot(most)) {
            let effect = group.compact(state);
            self.carry_out(id, effect.into_iter().collect());
        }
    }

    fn carry_out(&mut self, id: u64, effects: Vec<Effect>) {
        for effect in effects {
            let member = self.members.get_mut(&id).expect("a member");
            match effect {
                Effect::Persist { changes, then } => member.unsynced.push((changes, then)),
                Effect::Send(message) => self.wire.push(message),
                Effect::Restore { state, .. } => member.state = state.to_vec(),
                Effect::Apply { index, command } => {
                    member.state.extend_from_slice(&command);
                    member.applied.insert(index, command.clone());
                    let known = self.agreed.entry(index).or_insert_with(|| command.clone());
                    assert_eq!(*known, command, "two things were agreed on at {index}");
                }
            }
        }
    }

    /// The disk has the oldest of what was written.
    fn sync(&mut self, id: u64) {
        let member = self.members.get_mut(&id).expect("a member");
        if member.unsynced.is_empty() {
            return;
        }
        let (changes, then) = member.unsynced.remove(0);
        changes.into_iter().for_each(|change| write(&mut member.disk, change));
        if let (Some(number), Some(group)) = (then, &mut member.group) {
            let effects = group.persisted(number);
            self.carry_out(id, effects);
        }
    }

    fn deliver(&mut self, message: &Message) -> Option<Result<(), StepRefusal>> {
        let outcome = self.with(message.to, |group| group.step(message));
        // Links tell whether a message has arrived.
        match (&outcome, message.kind) {
            (None, kind) => self.with(message.from, |group| group.unreachable(message.to, kind)),
            (Some(_), Kind::Snapshot) => self.with(message.from, |group| group.snapshot_arrived(message.to)),
            (Some(_), _) => None,
        };
        outcome
    }

    fn lose(&mut self, message: &Message) {
        self.with(message.from, |group| group.unreachable(message.to, message.kind));
    }

    /// One random step.
    fn step(&mut self) {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        let id = ids[self.rng.random_range(0..ids.len())];
        match self.rng.random_range(0..1_000) {
            0..150 => _ = self.with(id, LogGroup::tick),
            150..450 => self.sync(id),
            450..452 => self.crash(id),
            452..472 if self.members[&id].group.is_none() => self.start(id),
            472..482 => self.compact(id, 0),
            482..520 => {
                let command = self.rng.random::<u64>().to_be_bytes().to_vec();
                let _ = self.with(id, |group| group.propose(command));
            }
            _ if self.wire.is_empty() => {}
            roll => {
                let at = self.rng.random_range(0..self.wire.len());
                let message = self.wire.swap_remove(at);
                if roll >= 980 {
                    return self.lose(&message);
                }
                if roll >= 950 {
                    self.wire.push(message.clone());
                }
                if let Some(outcome) = self.deliver(&message) {
                    assert!(!matches!(outcome, Err(StepRefusal::SetBack { .. })), "no disk was set back: {outcome:?}");
                }
            }
        }
    }

    /// Time passes on a network and disks without faults, until `holds` or for too long.
    fn calm(&mut self, holds: impl Fn(&Self) -> bool) {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        for id in &ids {
            if self.members[id].group.is_none() {
                self.start(*id);
            }
        }
        for _ in 0..600 {
            if holds(self) {
                return;
            }
            for id in &ids {
                self.with(*id, LogGroup::tick);
            }
            for _ in 0..6 {
                for id in &ids {
                    while !self.members[id].unsynced.is_empty() {
                        self.sync(*id);
                    }
                }
                let wire = std::mem::take(&mut self.wire);
                for message in wire {
                    let refused = self.deliver(&message);
                    if let Some(Err(StepRefusal::SetBack { .. })) = refused {
                        self.members.get_mut(&message.to).expect("a member").group = None;
                    }
                }
            }
        }
        panic!("it never came true");
    }

    fn leader(&self) -> Option<u64> {
        let leads = |member: &&Member| member.group.as_ref().is_some_and(|group| group.role() == LogRole::Leader);
        let (id, _) = self.members.iter().filter(|(_, member)| leads(member)).max_by_key(|(_, member)| term(member))?;
        Some(*id)
    }
}

fn term(member: &Member) -> u64 {
    member.group.as_ref().map_or(0, LogGroup::term)
}

/// A message that says nothing but this.
fn message(kind: Kind, from: u64, to: u64, term: u64) -> Message {
    Message {
        kind,
        from,
        to,
        term,
        log_term: 0,
        index: 0,
        entries: Vec::new(),
        commit: 0,
        commit_term: 0,
        snapshot: None,
        request_snapshot: 0,
        reject: false,
        reject_hint: 0,
        context: Bytes::new(),
    }
}

/// What `LogOnDisk` does with a change, on a value.
fn write(disk: &mut Stored, change: Change) {
    match change {
        Change::Hard(hard) => disk.hard = hard,
        Change::Restore(snapshot) => {
            disk.entries.clear();
            disk.snapshot = snapshot;
        }
        Change::Compact(snapshot) => {
            disk.entries.retain(|entry| entry.index > snapshot.index);
            disk.snapshot = snapshot;
        }
        Change::Append(entries) => {
            let first = entries.first().map_or(u64::MAX, |entry| entry.index);
            disk.entries.retain(|entry| entry.index < first);
            disk.entries.extend(entries);
        }
    }
}

#[test]
fn members_agree_whatever_is_lost_doubled_reordered_or_forgotten() {
    let mut busy = 0;
    for seed in 0..60 {
        println!("seed {seed}: cargo test --lib members_agree_whatever -- --nocapture");
        let mut world = World::new(seed, 1 + seed % 5);
        for _ in 0..4_000 {
            world.step();
        }
        let last = world.agreed.keys().last().copied().unwrap_or(0);
        busy += usize::from(world.agreed.len() > 5);
        world.calm(|world| world.leader().is_some());
        let leader = world.leader().expect("a leader");
        let marker = b"the last one".to_vec();
        world.with(leader, |group| group.propose(marker.clone())).expect("it runs").expect("it leads");
        world.calm(|world| world.members.values().all(|member| member.state.ends_with(b"the last one")));
        let states: BTreeSet<&Vec<u8>> = world.members.values().map(|member| &member.state).collect();
        assert_eq!(states.len(), 1, "seed {seed}: the same commands in the same order everywhere");
        let whole: Vec<u8> = world.agreed.values().flat_map(|command| command.to_vec()).collect();
        assert_eq!(**states.first().expect("a state"), whole, "seed {seed}: nothing that was agreed on is lost");
        assert!(world.agreed.keys().last().is_some_and(|now| *now > last));
    }
    assert!(busy > 30, "something is agreed on in the midst of it in most worlds, not in {busy} of 60");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed: u64| {
        let mut world = World::new(seed, 3);
        (0..4_000).for_each(|_| world.step());
        world.agreed
    };
    assert_eq!(run(7), run(7));
    assert!(!run(7).is_empty());
}

/// Lets the leader take one step toward the electorate that these members need.
fn care(world: &mut World, members: &[u64]) {
    let Some(leader) = world.leader() else { return };
    let known = |group: &LogGroup| -> BTreeMap<u64, Candidate> {
        let candidate = |id: u64| Candidate { is_there: true, has_caught_up: group.has_caught_up(id), stays: true };
        members.iter().map(|id| (*id, candidate(*id))).collect()
    };
    world.with(leader, |group| {
        let change = next_change(group.electorate(), &known(group), leader);
        // The one before may not have been applied yet.
        change.map(|change| group.propose_change(change))
    });
}

#[test]
fn a_lost_disk_is_replaced_by_a_new_number_and_the_log_goes_on() {
    let mut world = World::new(3, 3);
    world.calm(|world| world.leader().is_some());
    let leader = world.leader().expect("a leader");
    world.with(leader, |group| group.propose(b"before".to_vec()));
    world.calm(|world| world.members.values().all(|member| member.state == b"before"));
    let lost = (1..=3).find(|id| *id != leader).expect("a follower");
    world.members.remove(&lost);
    world.add(9, Stored::default());
    let members: Vec<u64> = world.members.keys().copied().collect();
    for _ in 0..20 {
        care(&mut world, &members);
        let looks = std::cell::Cell::new(0);
        world.calm(|_| looks.replace(looks.get() + 1) > 20);
    }
    let electorate = world.members[&leader].group.as_ref().expect("it runs").electorate().clone();
    assert_eq!(electorate, Electorate { voters: members, learners: Vec::new() });
    assert_eq!(world.members[&9].state, b"before");
}

/// Entries of a leader that was lost are replaced by those of the next one: said twice at once, that is no sign of a disk that was set back.
#[test]
fn an_append_that_comes_twice_replaces_what_was_never_agreed_on() {
    let mut stored = first_stored(&[1, 2, 3]);
    let nothing = |index, term| Entry { index, term, content: Content::Nothing };
    let first = stored.snapshot.index + 1;
    stored.entries = vec![nothing(first, 1), nothing(first + 1, 1)];
    stored.hard.term = 1;
    let mut group = LogGroup::recover(1, stored.clone(), 7).expect("a log");
    group.take_effects();
    let append = Message {
        log_term: stored.snapshot.term,
        index: stored.snapshot.index,
        entries: vec![nothing(first, 2), nothing(first + 1, 2)],
        commit: first + 1,
        ..message(Kind::Append, 2, 1, 2)
    };
    assert_eq!(group.step(&append), Ok(()));
    assert_eq!(group.step(&append), Ok(()));
    let other = Message { term: 3, entries: vec![nothing(first, 3)], ..append };
    assert!(matches!(group.step(&other), Err(StepRefusal::SetBack { .. })), "that one contradicts what was agreed on");
}

#[test]
fn a_disk_that_was_set_back_is_noticed() {
    let mut world = World::new(5, 3);
    world.calm(|world| world.leader().is_some());
    let leader = world.leader().expect("a leader");
    let follower = (1..=3).find(|id| *id != leader).expect("a follower");
    let copy = world.members[&follower].disk.clone();
    for number in 0..5_u8 {
        world.with(leader, |group| group.propose(vec![number]));
    }
    world.calm(|world| world.members.values().all(|member| member.state == [0, 1, 2, 3, 4]));
    world.crash(follower);
    world.members.get_mut(&follower).expect("a member").disk = copy;
    world.start(follower);
    let commit = world.members[&leader].group.as_ref().expect("it runs").applied();
    let heartbeat = Message { commit, ..message(Kind::Heartbeat, leader, follower, term(&world.members[&leader])) };
    let refused = world.with(follower, |group| group.step(&heartbeat)).expect("it runs");
    assert!(matches!(refused, Err(StepRefusal::SetBack { .. })), "{refused:?}");
    let stranger = Message { to: 77, ..heartbeat };
    let refused = world.with(follower, |group| group.step(&stranger)).expect("it runs");
    assert_eq!(refused, Err(StepRefusal::NotForUs { to: 77 }));
}

#[test]
fn only_the_leader_takes_proposals_and_one_change_at_a_time() {
    let mut world = World::new(11, 3);
    world.calm(|world| world.leader().is_some());
    let leader = world.leader().expect("a leader");
    let follower = (1..=3).find(|id| *id != leader).expect("a follower");
    assert!(world.with(follower, |group| group.propose(vec![1])).expect("it runs").is_err());
    let change = MemberChange { member: 8, rank: Rank::Learner };
    assert!(world.with(leader, |group| group.propose_change(change)).expect("it runs").is_ok());
    assert!(world.with(leader, |group| group.propose_change(change)).expect("it runs").is_err());
}
