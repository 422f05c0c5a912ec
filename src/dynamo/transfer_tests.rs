//! The promise of moving partitions, on a model of replicas: whatever order nodes learn of steps in, a read sees every write that was acknowledged
//! before it began.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::{MovingQuorum, Transfers};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::replicas_of;
use crate::dynamo::quorum::{Quorum, Quorums, Verdict, WriteTally};
use crate::dynamo::ring::{Member, PartitionId, Ring};
use crate::dynamo::topology::{CancelError, Level, Phase, Topology, same_nodes};

const PARTITIONS: u32 = 8;

/// The first of them are written and read.
const ASKED_FOR: u32 = 2;

/// Coordinators may be so many steps behind.
const RINGS_KNOWN: usize = 8;

fn node(number: u8) -> NodeId {
    NodeId::new(&format!("n{number}")).expect("a name")
}

fn members(numbers: &BTreeSet<u8>) -> Vec<Member> {
    numbers.iter().map(|number| Member { id: node(*number), zone: None, weight: 1 }).collect()
}

/// One step of the world. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    /// A node learns of a newer ring.
    Learn { node: u8, how_far: u8 },
    /// A coordinator that knows one of the rings writes; some replicas do not hear of it.
    Write { knows: u8, partition: u8, deaf: u8 },
    /// A coordinator reads; some replicas do not answer.
    Read { knows: u8, partition: u8, deaf: u8 },
    /// Two nodes are brought to the same in all partitions that both hold.
    Compare { one: u8, other: u8 },
    /// A node says what it knows.
    Say { node: u8 },
    /// Members change, if nothing moves.
    Change { members: u8 },
    /// What moves shall go back.
    Cancel,
    /// The table gets another N, R and W, if nothing moves.
    Resize { to: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let byte = any::<u8>;
    prop_oneof![
        3 => (byte(), byte()).prop_map(|(node, how_far)| Step::Learn { node, how_far }),
        4 => (byte(), byte(), byte()).prop_map(|(knows, partition, deaf)| Step::Write { knows, partition, deaf }),
        4 => (byte(), byte(), byte()).prop_map(|(knows, partition, deaf)| Step::Read { knows, partition, deaf }),
        8 => (byte(), byte()).prop_map(|(one, other)| Step::Compare { one, other }),
        4 => byte().prop_map(|node| Step::Say { node }),
        2 => byte().prop_map(|members| Step::Change { members }),
        1 => Just(Step::Cancel),
        1 => byte().prop_map(|to| Step::Resize { to }),
    ]
}

#[derive(Default)]
struct Node {
    knows: usize,
    holds: BTreeMap<PartitionId, BTreeSet<u32>>,
    transfers: Transfers,
}

/// The number of the one table.
const TABLE: u32 = 7;

struct World {
    /// What rings are claimed for.
    n: usize,
    /// All rings so far; the last is the newest.
    rings: Vec<Topology>,
    /// N, R and W of the table, by each of them.
    quorums: Vec<Quorum>,
    nodes: BTreeMap<NodeId, Node>,
    acknowledged: BTreeMap<PartitionId, BTreeSet<u32>>,
    written: u32,
    moved: usize,
    resized: usize,
    /// How many partitions were in each phase when a move was cancelled.
    cancelled: BTreeMap<Phase, usize>,
}

impl World {
    fn new(quorum: Quorum, first: &BTreeSet<u8>) -> Self {
        let ring = claim(None, &members(first), PARTITIONS, quorum.n()).expect("a ring");
        let nodes = (0..6).map(|number| (node(number), Node::default())).collect();
        let rings = vec![Topology::settled(ring)];
        let (acknowledged, cancelled) = (BTreeMap::new(), BTreeMap::new());
        let (n, quorums) = (quorum.n(), vec![quorum]);
        Self { n, rings, quorums, nodes, acknowledged, written: 0, moved: 0, resized: 0, cancelled }
    }

    fn newest(&self) -> &Topology {
        self.rings.last().expect("there is one")
    }

    /// Whether the replica takes what is said under this epoch.
    fn takes(&self, replica: &NodeId, partition: PartitionId, epoch: u64) -> bool {
        epoch >= self.rings[self.nodes[replica].knows].fence(partition)
    }

    fn quorums(&self, knows: usize) -> Quorums {
        let now = self.quorums[knows];
        let resized = self.rings[knows].transition().and_then(|moving| moving.resized().get(&TABLE));
        let before = resized.map(|&[n, r, w]| Quorum::new(n, r, w).expect("a quorum"));
        Quorums { before: before.unwrap_or(now), now }
    }

    /// Among so many replicas of before and of now.
    fn widest(&self, knows: usize) -> usize {
        let Quorums { before, now } = self.quorums(knows);
        before.n().max(now.n())
    }

    fn push(&mut self, ring: Topology, quorum: Quorum) {
        self.rings.push(ring);
        self.quorums.push(quorum);
    }

    fn quorum(&self) -> Quorum {
        *self.quorums.last().expect("there is one")
    }

    fn write(&mut self, knows: usize, partition: PartitionId, deaf: u8) {
        let ring = self.rings[knows].clone();
        let (list, quorum) = replicas_of(&ring, partition, self.quorums(knows), false, |_| true);
        let mut tally = WriteTally::<()>::of_list(quorum.w(), false, &list);
        self.written += 1;
        for (at, replica) in list.replicas().iter().enumerate() {
            let hears = deaf & (1 << (at % 8)) == 0 && self.takes(&replica.node, partition, ring.epoch());
            if hears && let Some(node) = self.nodes.get_mut(&replica.node) {
                node.holds.entry(partition).or_default().insert(self.written);
            }
            tally.record(at, if hears { Ok(()) } else { Err(()) });
        }
        if tally.verdict() == Verdict::Reached {
            self.acknowledged.entry(partition).or_default().insert(self.written);
        }
    }

    /// What an answered read misses.
    fn read(&self, knows: usize, partition: PartitionId, deaf: u8) -> BTreeSet<u32> {
        let ring = &self.rings[knows];
        let (list, quorum) = replicas_of(ring, partition, self.quorums(knows), false, |_| true);
        let answers =
            list.reading().iter().enumerate().filter(|(at, replica)| {
                deaf & (1 << (at % 8)) == 0 && self.takes(&replica.node, partition, ring.epoch())
            });
        let answers: Vec<&NodeId> = answers.map(|(_, replica)| &replica.node).take(quorum.r()).collect();
        if answers.len() < quorum.r() {
            return BTreeSet::new();
        }
        let held = |node: &&NodeId| self.nodes[*node].holds.get(&partition).cloned().unwrap_or_default();
        let seen: BTreeSet<u32> = answers.iter().flat_map(held).collect();
        self.acknowledged.get(&partition).map(|all| all - &seen).unwrap_or_default()
    }

    fn compare(&mut self, one: &NodeId, other: &NodeId, partition: PartitionId) {
        let topology = &self.rings[self.nodes[one].knows];
        let holders = topology.holders(partition, self.widest(self.nodes[one].knows));
        if one == other || !holders.contains(&one) || !holders.contains(&other) {
            return;
        }
        let epoch = |node: &NodeId| self.rings[self.nodes[node].knows].epoch();
        let (ours, theirs) = (epoch(one), epoch(other));
        let held = |node: &NodeId| self.nodes[node].holds.get(&partition).cloned().unwrap_or_default();
        let both = &held(one) | &held(other);
        for node in [one, other] {
            if let Some(node) = self.nodes.get_mut(node) {
                node.holds.insert(partition, both.clone());
            }
        }
        let Some(Node { transfers, .. }) = self.nodes.get_mut(one) else { return };
        transfers.compared(other, partition, ours.min(theirs));
        transfers.adopted(other, partition, theirs);
        transfers.adopted(one, partition, ours);
    }

    fn say(&mut self, who: &NodeId) {
        let known = &self.rings[self.nodes[who].knows];
        let Quorums { before, now } = self.quorums(self.nodes[who].knows);
        let before = [before.n(), before.r(), before.w()];
        let quorums = [MovingQuorum { before, n_now: now.n() }].into();
        let transfers = &self.nodes[who].transfers;
        let complete = transfers.complete(known, who, &quorums, |_| false);
        let free = transfers.releasable(known, who, &quorums, |_| false);
        let mut next = self.newest().clone();
        if next.ring().epoch() == known.ring().epoch() && (next.arrived(who, &complete) | next.release(&free)) {
            self.push(next, self.quorum());
        }
    }

    fn change(&mut self, chosen: u8) {
        let mut next = self.newest().clone();
        if next.transition().is_some() {
            return;
        }
        let numbers: BTreeSet<u8> = (0..6).filter(|number| chosen & (1 << number) != 0).collect();
        if numbers.len() < self.n {
            return;
        }
        let ring = claim(Some(next.ring()), &members(&numbers), PARTITIONS, self.n).expect("a ring");
        next.begin(ring, vec![self.quorum().n()], BTreeSet::new()).expect("nothing moves");
        self.moved += 1;
        self.push(next, self.quorum());
    }

    fn resize(&mut self, to: Quorum) {
        let (mut next, from) = (self.newest().clone(), self.quorum());
        if next.transition().is_some() || from.n() == to.n() {
            return;
        }
        let level = Level { before: from.n(), now: to.n() };
        let ring = Ring::clone(next.ring());
        let before = [(TABLE, [from.n(), from.r(), from.w()].map(|number| number as u8))].into();
        next.begin_resizing(ring, vec![level], before, BTreeSet::new()).expect("nothing moves");
        self.resized += 1;
        self.push(next, to);
    }

    fn cancel(&mut self) {
        let mut next = self.newest().clone();
        let Some(began) = next.transition().map(|moving| moving.began()) else { return };
        for phase in next.ring().partition_ids().map(|partition| next.phase(partition)).collect::<Vec<_>>() {
            *self.cancelled.entry(phase).or_default() += 1;
        }
        let Quorums { before, now } = self.quorums(self.rings.len() - 1);
        let resized = next.transition().map_or_else(BTreeMap::new, |moving| moving.resized().clone());
        let numbers = |quorum: Quorum| [quorum.n(), quorum.r(), quorum.w()].map(|number| number as u8);
        let resized = resized.into_keys().map(|table| (table, numbers(now))).collect();
        if next.cancel(began, resized).is_ok() {
            self.push(next, before);
        }
    }

    /// A node that knows of newer rings deletes what it holds for nobody any more.
    fn learn(&mut self, target: &NodeId, knows: usize) {
        let ring = &self.rings[knows];
        let (n, Some(node)) = (self.widest(knows), self.nodes.get_mut(target)) else { return };
        node.knows = knows;
        node.transfers.follow(ring);
        node.holds.retain(|at, _| ring.phase(*at) != Phase::Settled || ring.holds(target, *at, n));
    }

    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let chosen = |number: u8| node(number % 6);
        // Few, so that much happens to each.
        let partition = |number: u8| PartitionId(u32::from(number) % ASKED_FOR);
        let rings = self.rings.len();
        // Rings that are long gone are known by nobody.
        let known = |number: u8| rings - 1 - usize::from(number) % rings.min(RINGS_KNOWN);
        match step {
            Step::Learn { node, how_far } => {
                let (target, ahead) = (chosen(*node), usize::from(*how_far % 4) + 1);
                self.learn(&target, (self.nodes[&target].knows + ahead).min(rings - 1));
            }
            Step::Write { knows, partition: at, deaf } => self.write(known(*knows), partition(*at), *deaf),
            Step::Read { knows, partition: at, deaf } => {
                let missed = self.read(known(*knows), partition(*at), *deaf);
                prop_assert!(missed.is_empty(), "a read misses {missed:?}");
            }
            Step::Compare { one, other } => {
                for at in (0..PARTITIONS).map(PartitionId) {
                    self.compare(&chosen(*one), &chosen(*other), at);
                }
            }
            Step::Say { node } => self.say(&chosen(*node)),
            Step::Change { members } => self.change(*members),
            Step::Cancel => self.cancel(),
            Step::Resize { to } => self.resize(SIZES.map(quorum_of)[usize::from(*to) % SIZES.len()]),
        }
        Ok(())
    }

    /// Everybody learns of everything and compares: then nothing moves any more.
    fn come_to_rest(&mut self) {
        for _ in 0..4 {
            let newest = self.rings.len() - 1;
            (0..6).for_each(|number| self.learn(&node(number), newest));
            for at in (0..PARTITIONS).map(PartitionId) {
                for (one, other) in (0..6).flat_map(|one| (0..6).map(move |other| (node(one), node(other)))) {
                    self.compare(&one, &other, at);
                }
            }
            (0..6).for_each(|number| self.say(&node(number)));
        }
    }
}

fn quorum() -> impl Strategy<Value = Quorum> {
    prop_oneof![Just([3, 2, 2]), Just([3, 1, 3]), Just([3, 3, 1]), Just([2, 2, 1]), Just([1, 1, 1])].prop_map(quorum_of)
}

/// What the table may become.
const SIZES: [[u8; 3]; 9] =
    [[3, 2, 2], [3, 1, 3], [3, 3, 1], [2, 2, 1], [1, 1, 1], [2, 1, 2], [4, 2, 3], [4, 3, 2], [5, 3, 3]];

fn quorum_of([n, r, w]: [u8; 3]) -> Quorum {
    Quorum::new(n, r, w).expect("a quorum")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_read_misses_an_acknowledged_write(quorum in quorum(), steps in prop::collection::vec(step(), 0..400)) {
        let mut world = World::new(quorum, &(0..4).collect());
        for step in &steps {
            world.run(step)?;
        }
        world.come_to_rest();
        prop_assert!(world.newest().transition().is_none(), "{:?}", world.newest().transition());
        for at in world.newest().ring().partition_ids() {
            prop_assert_eq!(world.newest().phase(at), Phase::Settled);
            let missed = world.read(world.rings.len() - 1, at, 0);
            prop_assert!(missed.is_empty(), "in the end a read misses {:?}", missed);
        }
    }
}

/// The random histories reach all phases, or they would prove little.
#[test]
fn a_whole_move_takes_its_steps_in_order() {
    let mut world = World::new(Quorum::new(3, 2, 2).expect("a quorum"), &(0..4).collect());
    for at in 0..PARTITIONS {
        world.write(0, PartitionId(at), 0);
    }
    world.change(0b01_1111);
    assert!(world.newest().transition().is_some_and(|moving| moving.count(Phase::Copying) > 0));
    world.come_to_rest();
    assert_eq!(world.newest().transition(), None);
    assert!(world.rings.iter().any(|ring| ring.transition().is_some_and(|moving| moving.count(Phase::Switched) > 0)));
    assert_eq!(world.moved, 1);
}

/// Members change from one set to the other, which needs copies; what has been read and written meanwhile is there in the end.
fn half_moved(settles: bool) -> World {
    let mut world = World::new(Quorum::new(3, 2, 2).expect("a quorum"), &(0..4).collect());
    for at in 0..PARTITIONS {
        world.write(0, PartitionId(at), 0);
    }
    world.change(0b11_1110);
    let until = if settles { Phase::Settled } else { Phase::Switched };
    let has_come = |world: &World| (0..ASKED_FOR).all(|at| world.newest().phase(PartitionId(at)) >= until);
    while !has_come(&world) {
        let newest = world.rings.len() - 1;
        (0..6).for_each(|number| world.learn(&node(number), newest));
        for at in (0..ASKED_FOR).map(PartitionId) {
            for (one, other) in (0..6).flat_map(|one| (0..6).map(move |other| (node(one), node(other)))) {
                world.compare(&one, &other, at);
            }
        }
        for number in 0..6 {
            if !has_come(&world) {
                world.say(&node(number));
            }
        }
    }
    world
}

#[test]
fn a_cancelled_move_goes_back_from_every_phase() {
    for settles in [false, true] {
        let mut world = half_moved(settles);
        let before = world.newest().clone();
        let moving = before.transition().expect("the other partitions have not moved");
        let (began, old) = (moving.began(), Ring::clone(moving.from()));
        for at in 0..PARTITIONS {
            world.write(world.rings.len() - 1, PartitionId(at), 0);
        }
        world.cancel();
        let back = world.newest().clone();
        assert!(back.transition().is_some_and(|moving| moving.returns() && moving.began() == began));
        for at in back.ring().partition_ids() {
            let stays = same_nodes(&old, before.ring(), at, 3);
            let expected = match before.phase(at) {
                Phase::Settled if !stays => Phase::Copying,
                Phase::Switched => Phase::Switched,
                _ => Phase::Settled,
            };
            assert_eq!(back.phase(at), expected, "{at} was {:?}", before.phase(at));
        }
        assert_eq!(world.newest().clone().cancel(began, BTreeMap::new()), Err(CancelError::Returns));
        world.come_to_rest();
        let end = world.newest();
        assert_eq!(end.transition(), None);
        assert_eq!((end.ring().members(), end.epoch() > back.epoch()), (old.members(), true));
        assert!(old.partition_ids().all(|at| end.ring().owner(at) == old.owner(at)));
        for at in 0..PARTITIONS {
            assert_eq!(world.read(world.rings.len() - 1, PartitionId(at), 0), BTreeSet::new());
        }
        assert_eq!(world.newest().clone().cancel(began, BTreeMap::new()), Err(CancelError::Over));
    }
}

/// The random histories cancel in all phases, or they would prove little.
#[test]
fn random_histories_cancel_in_every_phase() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut cancelled: BTreeMap<Phase, usize> = BTreeMap::new();
    let mut resized = 0;
    for _ in 0..200 {
        let steps = prop::collection::vec(step(), 400).new_tree(&mut runner).expect("steps").current();
        let mut world = World::new(Quorum::new(3, 2, 2).expect("a quorum"), &(0..4).collect());
        for step in &steps {
            world.run(step).expect("nothing is missed");
        }
        for (phase, count) in world.cancelled {
            *cancelled.entry(phase).or_default() += count;
        }
        resized += world.resized;
    }
    assert_eq!(cancelled.keys().count(), 3, "{cancelled:?}");
    assert!(resized > 100, "{resized}");
}

/// What a look costs in a great ring of which little moves: partitions that do not move are not looked at.
#[test]
fn a_look_goes_through_what_moves_and_not_through_the_ring() {
    const GREAT: u32 = 16_384;
    let all: Vec<Member> = members(&(0..8).collect());
    let mut owners: Vec<u16> = (0..GREAT).map(|at| (at % 8) as u16).collect();
    let before = Ring::new(1, 3, all.clone(), owners.clone()).expect("a ring");
    for at in [100, 5_000, 9_999] {
        owners[at] = (owners[at] + 3) % 8;
    }
    let mut topology = Topology::settled(before);
    let next = Ring::new(2, 3, all, owners).expect("a ring");
    topology.begin(next, vec![3], BTreeSet::new()).expect("nothing moves");
    let moving: Vec<PartitionId> = topology.moving().collect();
    let unsettled = |at: &PartitionId| topology.phase(*at) != Phase::Settled;
    assert_eq!(moving, topology.ring().partition_ids().filter(unsettled).collect::<Vec<_>>());
    assert_eq!(moving.len(), 9, "each has three holders, the partitions before it too");

    let timed = |look: &dyn Fn() -> usize| {
        let begun = std::time::Instant::now();
        (look(), begun.elapsed())
    };
    let awaited = |partitions: &mut dyn Iterator<Item = PartitionId>| -> usize {
        partitions.map(|at| topology.awaited(at).len()).sum()
    };
    let (whole, before) = timed(&|| awaited(&mut topology.ring().partition_ids()));
    let (part, now) = timed(&|| awaited(&mut topology.moving()));
    assert_eq!(whole, part, "nobody is awaited elsewhere");
    println!("{GREAT} partitions, {} move: {before:?} through the ring, {now:?} through what moves", moving.len());

    // Nobody is asked for whose partition does not move.
    let asked = std::cell::Cell::new(0);
    let transfers = Transfers::default();
    for number in 0..8 {
        let is_reachable = |_: &NodeId| {
            asked.set(asked.get() + 1);
            true
        };
        transfers.complete(&topology, &node(number), &[quorum_of([3, 2, 2]).into()].into(), is_reachable);
        transfers.releasable(&topology, &node(number), &[quorum_of([3, 2, 2]).into()].into(), |_| {
            unreachable!("nothing has switched")
        });
    }
    assert!(asked.get() <= 9 * 3, "{} questions", asked.get());
}

/// A read of the new N, of replicas that had nothing, or of fewer than before, sees what was there.
#[test]
fn another_n_takes_its_steps_like_a_move() {
    let cases = [
        // Not all replicas hear of a write where W allows for that.
        ([3, 2, 2], 0b100, [5, 1, 5]),
        ([3, 2, 2], 0b001, [5, 3, 3]),
        ([5, 1, 5], 0, [2, 1, 2]),
        ([5, 3, 3], 0b0_0011, [1, 1, 1]),
        ([5, 3, 3], 0b0_0110, [2, 1, 1]),
    ];
    for (from, deaf, to) in cases {
        let mut world = World::new(quorum_of(from), &(0..6).collect());
        for at in 0..PARTITIONS {
            world.write(0, PartitionId(at), deaf);
        }
        world.resize(quorum_of(to));
        let moving = world.newest().transition().expect("all partitions move");
        assert_eq!(moving.count(Phase::Copying), PARTITIONS as usize);
        assert_eq!(
            world.newest().awaited(PartitionId(0)).len(),
            usize::from(to[0]),
            "each new replica has to hold everything"
        );
        world.come_to_rest();
        assert_eq!(world.newest().transition(), None);
        for at in (0..PARTITIONS).map(PartitionId) {
            assert!(!world.acknowledged[&at].is_empty());
            // Whichever replicas answer.
            for deaf in 0..32 {
                assert_eq!(world.read(world.rings.len() - 1, at, deaf), BTreeSet::new());
            }
        }
    }
}
