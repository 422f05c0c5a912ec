use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::dynamo::claim::claim;
use crate::dynamo::claim::shares::Share;
use crate::dynamo::ring::{Member, PartitionId};

/// Clusters never grow beyond.
const NODES_MAX: usize = 30;
/// Changes of a history.
const CHANGES: usize = 200;
/// Up to here the spacing leaves enough choice.
const TIGHT: f64 = 0.6;
/// From so many partitions for the least share on, whole partitions leave a balance of 95 %: 19 of 20.
const SHARE_FOR_95_PERCENT: usize = 19;

/// What a history is drawn from.
#[derive(Debug, Clone, Copy)]
struct History {
    seed: u64,
    partitions: u32,
    n: usize,
    zones: usize,
    weight_max: u32,
    fewest: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Join,
    Leave,
    Weight,
}

fn member(number: usize, zone: Option<usize>, weight: u32) -> Member {
    let zone = zone.map(|zone| format!("zone-{zone}"));
    Member { id: NodeId::new(&format!("node-{number:03}")).unwrap(), zone, weight }
}

impl History {
    /// Comes to the zone with the fewest members.
    fn newcomer(&self, members: &[Member], number: usize, rng: &mut StdRng) -> Member {
        let name = |zone: usize| format!("zone-{zone}");
        let size = |zone: &usize| members.iter().filter(|member| member.zone == Some(name(*zone))).count();
        member(number, (0..self.zones).min_by_key(size), rng.random_range(1..=self.weight_max))
    }

    /// Makes all changes, and shows each to `check`. Every message names the seed.
    fn play(&self, mut check: impl FnMut(&str, Change, &Ring, &Ring)) {
        let rng = &mut StdRng::seed_from_u64(self.seed);
        let mut members = Vec::new();
        for number in 0..self.fewest + 4 {
            members.push(self.newcomer(&members, number, rng));
        }
        let mut ring = claim(None, &members, self.partitions, self.n).unwrap();
        let mut grows = true;
        for at in 0..CHANGES {
            grows ^= rng.random_range(0..20) == 0;
            let draw = rng.random_range(0..10);
            let change = if self.weight_max > 1 && draw >= 8 {
                let index = rng.random_range(0..members.len());
                members[index].weight = rng.random_range(1..=self.weight_max);
                Change::Weight
            } else if members.len() <= self.fewest || members.len() < NODES_MAX && (draw < 3 || grows && draw < 6) {
                members.push(self.newcomer(&members, 100 + at, rng));
                Change::Join
            } else {
                members.remove(rng.random_range(0..members.len()));
                Change::Leave
            };
            let next = claim(Some(&ring), &members, self.partitions, self.n).unwrap();
            check(&format!("{self:?}, change {at}, {change:?} to {} members", members.len()), change, &ring, &next);
            ring = next;
        }
    }
}

fn owned(ring: &Ring) -> Vec<usize> {
    ring.members().iter().map(|member| ring.owned_by(&member.id).count()).collect()
}

fn zone_of<'a>(ring: &'a Ring, id: &'a NodeId) -> &'a str {
    ring.member(id).and_then(|member| member.zone.as_deref()).unwrap_or(id.as_str())
}

/// What part of that which the spacing bears the greatest zone, or member, owns.
fn tightness(ring: &Ring) -> f64 {
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    ring.partition_ids().for_each(|partition| *zones.entry(zone_of(ring, ring.owner(partition))).or_default() += 1);
    zones.values().max().copied().unwrap_or_default() as f64 * ring.n() as f64 / f64::from(ring.partitions())
}

fn demands(ring: &Ring) -> Demands {
    Demands::new(ring.members(), &vec![None; ring.partitions() as usize], ring.n())
}

/// A fifth over the least, or one partition where that is less.
fn is_near(moved: usize, least: usize, unit: usize) -> bool {
    moved * 5 <= least * 6 || moved <= least + unit
}

/// No member owns a partition more or less than its share rounded up or down; so it is used to 95 % where that is so.
fn assert_balanced(story: &str, ring: &Ring) {
    let shares = demands(ring).share;
    for (owned, share) in owned(ring).into_iter().zip(&shares) {
        assert!((share.least..=share.most).contains(&owned), "{story}: {owned} for {share:?}");
    }
    let weight: u32 = ring.members().iter().map(|member| member.weight).sum();
    let share = |member: &Member| f64::from(ring.partitions()) * f64::from(member.weight) / f64::from(weight);
    let spaced = ring.partitions() as usize / ring.n();
    let is_cut = ring.members().iter().any(|member| share(member) > spaced as f64);
    let is_fine = shares.iter().all(|share| share.least >= SHARE_FOR_95_PERCENT);
    if is_fine && !is_cut && ring.members().iter().all(|member| member.zone.is_none()) {
        let over = |(owned, member): (usize, &Member)| owned as f64 / share(member);
        let greatest = owned(ring).into_iter().zip(ring.members()).map(over).fold(0.0, f64::max);
        assert!(1.0 / greatest >= 0.95, "{story}: balance {}", 1.0 / greatest);
    }
}

fn assert_neighbours_are_distinct(story: &str, ring: &Ring) {
    let n = ring.n() as u32;
    for partition in ring.partition_ids() {
        for behind in 1..n {
            let other = PartitionId(partition.0 + behind);
            assert!(ring.owner(partition) != ring.owner(other), "{story}: partitions {partition} and {other}");
        }
    }
}

#[test]
fn joins_leaves_and_weights_move_at_most_a_fifth_more_than_they_must() {
    for (seed, n, partitions) in [(11, 1, 256), (12, 2, 256), (13, 3, 256), (14, 4, 256), (15, 5, 256), (16, 3, 1024)] {
        let history = History { seed, partitions, n, zones: 0, weight_max: 4, fewest: 2 * n + 3 };
        let mut judged = 0;
        history.play(|story, _, before, after| {
            assert_balanced(story, after);
            assert_neighbours_are_distinct(story, after);
            if tightness(before).max(tightness(after)) > TIGHT {
                return;
            }
            judged += 1;
            let moved = Movement::between(before, after);
            assert!(is_near(moved.owners, moved.owners_least, 1), "{story}: {moved:?}");
            assert!(is_near(moved.copies, moved.copies_least, n), "{story}: {moved:?}");
        });
        assert!(judged > CHANGES / 2, "seed {seed}: only {judged} changes are not tight");
    }
}

/// No two of a partition's N replicas in one zone, whatever happened; and little moves where no zone is tight.
#[test]
fn zones_stay_apart_and_little_moves_where_none_is_near_what_the_spacing_bears() {
    for (seed, n, zones) in [(21, 2, 4), (22, 3, 6), (23, 2, 2), (24, 3, 3)] {
        let history = History { seed, partitions: 256, n, zones, weight_max: 1, fewest: 3 * zones };
        let mut judged = 0;
        history.play(|story, _, before, after| {
            assert_balanced(story, after);
            for partition in after.partition_ids() {
                let met: BTreeSet<&str> = after.primaries(partition, n).map(|id| zone_of(after, id)).collect();
                let there: BTreeSet<&str> = after.members().iter().map(|member| zone_of(after, &member.id)).collect();
                assert_eq!(met.len(), n.min(there.len()), "{story}: partition {partition}");
            }
            let exactly_n = zones == n;
            if !exactly_n && tightness(before).max(tightness(after)) > TIGHT {
                return;
            }
            judged += 1;
            let moved = Movement::between(before, after);
            assert!(is_near(moved.owners, moved.owners_least, 1), "{story}: {moved:?}");
        });
        assert!(judged > CHANGES / 5, "seed {seed}: only {judged} changes are not tight");
    }
}

/// With N members or fewer each stores everything: owners may have to move, but no copy that need not.
#[test]
fn where_everybody_stores_everything_only_missing_copies_are_fetched() {
    for n in 2..=5 {
        let mut members: Vec<Member> = (0..n + 1).map(|number| member(number, None, 1)).collect();
        let mut ring = claim(None, &members, 256, n).unwrap();
        while members.len() > 1 {
            members.remove(members.len() / 2);
            let next = claim(Some(&ring), &members, 256, n).unwrap();
            let moved = Movement::between(&ring, &next);
            assert_eq!(moved.copies, moved.copies_least, "N {n} to {}: {moved:?}", members.len());
            ring = next;
        }
    }
}

/// All rings of few partitions, tried out: the least that moves if shares and spacing are kept.
struct Exhaustive<'a> {
    demands: &'a Demands,
    before: &'a [Option<usize>],
    owners: Vec<usize>,
    /// The least found; more than all at first.
    least: usize,
}

/// None if no ring keeps shares and spacing.
fn least_of_all_rings(demands: &Demands, before: &[Option<usize>]) -> Option<usize> {
    let mut all = Exhaustive { demands, before, owners: Vec::new(), least: before.len() + 1 };
    all.extend(0);
    (all.least <= before.len()).then_some(all.least)
}

impl Exhaustive<'_> {
    fn extend(&mut self, moved: usize) {
        let (slot, slots) = (self.owners.len(), self.before.len());
        if moved >= self.least {
            return;
        }
        if slot == slots {
            if self.keeps_shares() {
                self.least = moved;
            }
            return;
        }
        for member in 0..self.demands.zone_of.len() {
            self.owners.push(member);
            if self.is_apart() && self.count(|&owner| owner == member) <= self.demands.share[member].most {
                self.extend(moved + usize::from(self.before[slot] != Some(member)));
            }
            self.owners.pop();
        }
    }

    /// Whether the last slot differs in zone from those before it, and the last ones of the ring from the first.
    fn is_apart(&self) -> bool {
        let (length, slots, reach) = (self.owners.len(), self.before.len(), self.demands.window - 1);
        let zone = |slot: usize| self.demands.zone_of[self.owners[slot]];
        let last = length - 1;
        let near = (1..=reach.min(last)).map(|back| last - back);
        let round = (0..reach.min(last)).filter(|first| first + slots - last <= reach);
        near.chain(round).all(|other| zone(other) != zone(last))
    }

    fn count(&self, is_one: impl Fn(&usize) -> bool) -> usize {
        self.owners.iter().filter(|owner| is_one(owner)).count()
    }

    fn keeps_shares(&self) -> bool {
        let Demands { zone_of, share, zone_share, .. } = self.demands;
        let fits = |count: usize, share: &Share| (share.least..=share.most).contains(&count);
        (0..share.len()).all(|member| fits(self.count(|&owner| owner == member), &share[member]))
            && (0..zone_share.len()).all(|zone| fits(self.count(|&owner| zone_of[owner] == zone), &zone_share[zone]))
    }
}

/// One replica needs no spacing: then the least for the shares is the least of all rings.
#[test]
fn the_least_for_the_shares_is_that_of_all_rings_without_spacing() {
    for seed in 0..300 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let members: Vec<Member> =
            (0..rng.random_range(1..=4)).map(|number| member(number, None, rng.random_range(1..=4))).collect();
        // One more than there are is somebody who has left.
        let before: Vec<Option<usize>> =
            (0..8).map(|_| Some(rng.random_range(0..=members.len())).filter(|owner| *owner < members.len())).collect();
        let demands = Demands::new(&members, &before, 1);
        assert_eq!(least_of_all_rings(&demands, &before), Some(demands.moved_least(&before)), "seed {seed}");
    }
}

/// Where 1.2 times the least for the shares cannot be had, and what the claim does there.
#[test]
fn no_ring_moves_less_where_the_spacing_leaves_no_choice() {
    let plain = |numbers: &[usize]| -> Vec<Member> { numbers.iter().map(|&at| member(at, None, 1)).collect() };
    let zoned = |zones: &[usize]| -> Vec<Member> {
        zones.iter().enumerate().map(|(number, &zone)| member(number, Some(zone), 1)).collect()
    };
    // The owners before, by number; who is there afterwards; N.
    let cases = [
        // Exactly N members are left (number 2 has gone): every second partition is the same member's.
        ("N members", vec![0, 1, 2, 0, 1, 2, 0, 1], plain(&[0, 1]), 2),
        // N + 1 are left (number 4 has gone): each vacant partition has all four as neighbours.
        ("N + 1 members", vec![0, 1, 4, 2, 3, 0, 4, 1, 2, 3, 4, 0, 1, 2, 3, 0], plain(&[0, 1, 2, 3]), 3),
        // Zone 0 has half of the members and N = 2: it must have every second partition, and has not.
        ("a zone at its limit", vec![0, 2, 1, 3, 2, 0, 3, 1], zoned(&[0, 0, 1, 2, 0, 3]), 2),
    ];
    for (name, before, members, n) in cases {
        let before: Vec<Option<usize>> =
            before.into_iter().map(|at| Some(at).filter(|at| *at < members.len())).collect();
        let demands = Demands::new(&members, &before, n);
        let least = demands.moved_least(&before);
        let possible = least_of_all_rings(&demands, &before).expect(name);
        assert!(possible * 5 > least * 6, "{name}: {possible} is near {least}");
        let found = super::super::nearest(&demands, &before);
        assert_eq!(found.clashes(), 0, "{name}");
        assert!(is_near(found.moved(), possible, 0), "{name}: {} where {possible} are possible", found.moved());
    }
}
