//! Detectors that speak to each other over a network that loses, delays and cuts, in a time that is only a number.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const SPEED: DetectionSpeed = DetectionSpeed {
    probe_interval: Duration::from_millis(500),
    probe_timeout: Duration::from_millis(150),
    suspicion: Duration::from_millis(2_500),
};

const STEP: Duration = Duration::from_millis(25);

fn node(at: usize) -> NodeId {
    NodeId::new(&format!("n{at}")).unwrap()
}

struct World {
    swims: Vec<Option<Swim>>,
    now: Duration,
    rng: StdRng,
    /// Due, and a number that keeps the order.
    flying: BTreeMap<(Duration, u64), (usize, usize, Bytes, KnownLife)>,
    sent: u64,
    loss: f64,
    delay_max_ms: u64,
    cut: BTreeSet<(usize, usize)>,
    stalled: BTreeSet<usize>,
    downs: Vec<(Duration, usize, usize)>,
    failed_probes: usize,
    /// Strangers may speak, and are refused.
    has_strangers: bool,
}

impl World {
    fn new(count: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let swims: Vec<_> = (0..count).map(|at| Some(swim(at, count, 1 << 32, rng.random()))).collect();
        let mut world = Self {
            swims,
            now: Duration::ZERO,
            rng,
            flying: BTreeMap::new(),
            sent: 0,
            loss: 0.0,
            delay_max_ms: 10,
            cut: BTreeSet::new(),
            stalled: BTreeSet::new(),
            downs: Vec::new(),
            failed_probes: 0,
            has_strangers: false,
        };
        for from in 0..count {
            (0..count).filter(|to| *to != from).for_each(|to| world.introduce(from, to));
        }
        world
    }

    fn introduce(&mut self, from: usize, to: usize) {
        let effects = self.swims[from].as_mut().map(|swim| swim.introduce_to(&node(to))).unwrap_or_default();
        self.carry(from, effects);
    }

    fn place(&self, name: &NodeId) -> usize {
        (0..self.swims.len()).find(|at| node(*at) == *name).unwrap()
    }

    fn carry(&mut self, from: usize, effects: Effects) {
        assert!(self.has_strangers || effects.refused.is_empty(), "{:?}", effects.refused);
        self.failed_probes += effects.failed_probes.len();
        let downs = effects.transitions.iter().filter(|change| change.to == PeerState::Down);
        let downs: Vec<_> = downs.map(|change| (self.now, from, self.place(&change.node))).collect();
        self.downs.extend(downs);
        for (to, datagram) in effects.datagrams {
            let to_at = self.place(&to);
            let lost = self.cut.contains(&(from, to_at)) || self.rng.random_bool(self.loss);
            if !lost {
                let known = self.swims[from].as_ref().unwrap().known(&to);
                let due = self.now + Duration::from_millis(self.rng.random_range(1..=self.delay_max_ms));
                self.sent += 1;
                self.flying.insert((due, self.sent), (from, to_at, datagram, known));
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= self.now
            {
                let ((due, number), (from, to, datagram, known)) = entry.remove_entry();
                if self.stalled.contains(&to) {
                    self.flying.insert((due + STEP, number), (from, to, datagram, known));
                } else if let Some(swim) = &mut self.swims[to] {
                    let effects = swim.receive(&node(from), &[datagram], known);
                    self.carry(to, effects);
                }
            }
            for at in 0..self.swims.len() {
                if let Some(swim) = self.swims[at].as_mut().filter(|_| !self.stalled.contains(&at)) {
                    let effects = swim.tick(self.now);
                    self.carry(at, effects);
                }
            }
        }
    }

    fn state(&self, at: usize, of: usize) -> PeerState {
        self.swims[at].as_ref().unwrap().state(&node(of))
    }

    fn all_up(&self) -> bool {
        let running: Vec<usize> = (0..self.swims.len()).filter(|at| self.swims[*at].is_some()).collect();
        running.iter().all(|at| running.iter().all(|of| at == of || self.state(*at, *of) != PeerState::Down))
    }
}

impl World {
    /// A node hears who belongs to the cluster; one that does not run begins to.
    fn follow(&mut self, at: usize, members: &BTreeSet<usize>, generation: u64) {
        let names: BTreeSet<NodeId> = members.iter().map(|at| node(*at)).collect();
        let effects = if let Some(swim) = &mut self.swims[at] {
            swim.follow(names)
        } else {
            let rng = StdRng::seed_from_u64(self.rng.random());
            self.swims[at] = Some(Swim::new(Life { node: node(at), generation }, names, SPEED, rng));
            Effects::default()
        };
        assert!(effects.transitions.is_empty(), "{:?}", effects.transitions);
        self.carry(at, effects);
    }
}

/// Everybody hears of each change at another time, up to four seconds late; nodes that were removed go on for a while as if nothing had happened.
#[test]
fn members_come_and_go_and_nobody_who_stays_is_called_down() {
    const COUNT: usize = 6;
    const STAYING: usize = 3;
    for seed in 0..40 {
        let mut world = World::new(STAYING, seed);
        world.swims.resize_with(COUNT, || None);
        world.has_strangers = true;
        world.run(Duration::from_secs(2));
        let mut members: BTreeSet<usize> = (0..STAYING).collect();
        for round in 1..8 {
            let before = members.clone();
            members = (0..COUNT).filter(|at| *at < STAYING || world.rng.random_bool(0.5)).collect();
            let begun = world.now;
            let mut late: Vec<(u64, usize)> = (0..COUNT).map(|at| (world.rng.random_range(0..4_000), at)).collect();
            late.sort_unstable();
            // The same process that comes back, or another one.
            let generation = (1 << 32) + if seed % 2 == 0 { 0 } else { round };
            for (after_ms, at) in late {
                let due = begun + Duration::from_millis(after_ms);
                world.run(due.saturating_sub(world.now));
                if members.contains(&at) {
                    world.follow(at, &members, generation);
                }
            }
            world.run(Duration::from_secs(2));
            (0..COUNT).filter(|at| !members.contains(at)).for_each(|at| world.swims[at] = None);
            world.run(Duration::from_secs(6));
            for (at, of) in members.iter().flat_map(|at| members.iter().map(move |of| (*at, *of))) {
                assert!(at == of || world.state(at, of) == PeerState::Up, "seed {seed}.{round}: n{of} for n{at}");
            }
            let stayed = |of: &usize| before.contains(of) && members.contains(of);
            let wrong: Vec<_> = world.downs.iter().filter(|(_, by, of)| members.contains(by) && stayed(of)).collect();
            assert!(wrong.is_empty(), "seed {seed}.{round}: {before:?} {members:?} {wrong:?}");
            world.downs.clear();
        }
    }
}

#[test]
fn whoever_is_gone_is_neither_probed_nor_suspected_nor_told_of() {
    let mut world = World::new(3, 5);
    world.run(Duration::from_secs(3));
    world.swims[2] = None;
    // In the middle of suspecting him.
    world.run(Duration::from_millis(1_600));
    world.has_strangers = true;
    let staying: BTreeSet<usize> = [0, 1].into();
    (0..2).for_each(|at| world.follow(at, &staying, 0));
    (world.failed_probes, world.sent) = (0, 0);
    world.flying.clear();
    for _ in 0..400 {
        world.run(STEP);
        assert!(world.flying.values().all(|(_, to, ..)| *to != 2), "nothing is sent to him");
    }
    assert_eq!((world.failed_probes, &world.downs), (0, &Vec::new()));
    assert!(world.sent > 0 && world.state(0, 1) == PeerState::Up && world.state(0, 2) == PeerState::Down);
    assert_eq!(world.swims[0].as_ref().unwrap().known(&node(2)), KnownLife::default());
}

fn swim(at: usize, count: usize, generation: u64, seed: u64) -> Swim {
    let own = Life { node: node(at), generation };
    Swim::new(own, (0..count).map(node).collect(), SPEED, StdRng::seed_from_u64(seed))
}

#[test]
fn members_know_each_other_at_once_and_keep_quiet_peace() {
    let mut world = World::new(5, 1);
    world.run(Duration::from_millis(100));
    assert!(world.all_up());
    world.run(Duration::from_secs(120));
    assert!(world.all_up() && world.failed_probes == 0 && world.downs.is_empty());
}

#[test]
fn a_dead_member_is_down_everywhere_in_time_and_nobody_else_is() {
    for seed in 0..100 {
        let count = 2 + usize::try_from(seed % 6).unwrap();
        let mut world = World::new(count, seed);
        world.run(Duration::from_secs(5));
        world.swims[0] = None;
        world.run(Duration::from_secs(5));
        for at in 1..count {
            assert_eq!(world.state(at, 0), PeerState::Down, "seed {seed}: n{at} of {count}");
        }
        assert!(world.all_up() && world.downs.iter().all(|(_, _, of)| *of == 0), "seed {seed}");
        // It comes back in a later life.
        world.swims[0] = Some(swim(0, count, 2 << 32, seed));
        world.introduce(0, 1);
        world.run(Duration::from_secs(3));
        assert!(world.all_up(), "seed {seed}");
    }
}

#[test]
fn two_seconds_of_silence_are_refuted() {
    for seed in 0..100 {
        let mut world = World::new(3 + usize::try_from(seed % 3).unwrap(), seed);
        world.run(Duration::from_millis(4_000 + 37 * seed));
        world.stalled.insert(0);
        world.run(Duration::from_secs(2));
        world.stalled.clear();
        world.run(Duration::from_secs(10));
        assert!(world.downs.is_empty() && world.all_up(), "seed {seed}: {:?}", world.downs);
    }
}

#[test]
fn who_is_reached_by_others_is_not_ejected_by_one_who_does_not_reach_him() {
    for seed in 0..50 {
        let mut world = World::new(3, seed);
        world.run(Duration::from_secs(3));
        world.cut.insert((0, 1));
        world.run(Duration::from_secs(60));
        world.cut.insert((1, 0));
        world.run(Duration::from_secs(60));
        assert!(world.downs.is_empty() && world.all_up(), "seed {seed}: {:?}", world.downs);
    }
}

#[test]
fn a_member_whose_links_all_flap_stays() {
    for seed in 0..40 {
        let mut world = World::new(4, seed);
        world.run(Duration::from_secs(3));
        for _ in 0..20 {
            for other in 1..4 {
                world.cut.extend([(0, other), (other, 0)]);
            }
            let phase = Duration::from_millis(world.rng.random_range(200..=2_000));
            world.run(phase);
            world.cut.clear();
            let phase = Duration::from_millis(world.rng.random_range(200..=2_000));
            world.run(phase);
        }
        world.run(Duration::from_secs(5));
        assert!(world.all_up(), "seed {seed}");
        assert!(world.downs.is_empty(), "seed {seed}: {:?}", world.downs);
    }
}

#[test]
fn after_a_full_split_all_are_one_again() {
    for seed in 0..400 {
        let count = 2 + usize::try_from(seed % 6).unwrap();
        let mut world = World::new(count, seed);
        world.run(Duration::from_secs(3));
        // Each on its own, or two sides.
        let side = |at: usize| if seed % 2 == 0 { at } else { at % 2 };
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        world.cut = pairs.filter(|(from, to)| side(*from) != side(*to)).collect();
        world.run(Duration::from_secs(12));
        assert!(!world.all_up(), "seed {seed}: the split was noticed");
        world.cut.clear();
        world.run(ANNOUNCE_INTERVAL * 4);
        assert!(world.all_up(), "seed {seed}: {count} members are one again");
        world.downs.clear();
        world.run(Duration::from_secs(8));
        assert!(world.all_up() && world.downs.is_empty(), "seed {seed}: and stay it");
    }
}

#[test]
fn a_member_that_has_forgotten_its_generation_is_believed_again() {
    for seed in 0..50 {
        let mut world = World::new(3, seed);
        world.run(Duration::from_secs(3));
        world.swims[0] = None;
        world.run(Duration::from_secs(1 + seed % 9));
        world.swims[0] = Some(swim(0, 3, 5, seed));
        world.introduce(0, 1);
        world.run(Duration::from_secs(6));
        assert!(world.all_up(), "seed {seed}");
        assert!(world.swims[0].as_ref().unwrap().own().generation > 1 << 32, "seed {seed}");
    }
}

#[test]
fn one_message_in_three_lost_ejects_nobody() {
    for seed in 0..6 {
        let mut world = World::new(5, seed);
        world.run(Duration::from_secs(3));
        world.loss = 0.3;
        world.run(Duration::from_secs(600));
        assert!(world.downs.len() <= 1, "seed {seed}: {:?}", world.downs);
        assert!(world.failed_probes > 0, "seed {seed}: there was something to refute");
    }
}

#[test]
fn strangers_and_nonsense_are_refused() {
    let mut members = swim(0, 2, 1, 7);
    let mut stranger = swim(1, 9, 1, 8);
    let hello = stranger.introduce_to(&node(0)).datagrams.remove(0).1;
    assert_eq!(
        members.receive(&node(1), std::slice::from_ref(&hello), KnownLife::default()).refused,
        Vec::<String>::new()
    );
    let mut stranger = swim(5, 9, 1, 8);
    let hello = stranger.introduce_to(&node(0)).datagrams.remove(0).1;
    // Whether he comes in his own name or in that of a member.
    assert_eq!(members.receive(&node(5), std::slice::from_ref(&hello), KnownLife::default()).refused.len(), 1);
    let effects = members.receive(&node(1), &[hello], KnownLife::default());
    assert_eq!(effects.refused, ["n5 is no member of this cluster"]);
    assert!(effects.datagrams.is_empty() && members.state(&node(5)) == PeerState::Down);
    let before = members.own().clone();
    let renewed = members.receive(&node(5), &[], KnownLife { generation: 9, suspected: None }).renewed;
    assert!(!renewed, "a stranger cannot make a member begin another life");
    assert_eq!(members.receive(&node(1), &[], KnownLife { generation: u64::MAX, suspected: Some(1) }).refused.len(), 1);
    assert_eq!(*members.own(), before, "a life after the last one is not begun");
}

mod nonsense {
    use proptest::prelude::*;

    use super::{Bytes, KnownLife, node, swim};

    proptest! {
        #[test]
        fn never_panics_and_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), generation in any::<u64>(), suspected in any::<Option<u16>>()) {
            let mut swim = swim(0, 3, 1, 7);
            let state = swim.state(&node(1));
            let effects = swim.receive(&node(1), &[Bytes::from(bytes)], KnownLife { generation, suspected });
            prop_assert!(effects.transitions.is_empty() && swim.state(&node(1)) == state);
        }
    }
}
