//! What a ring must look like for these members: shares, spacing and, where the spacing leaves no choice, lanes.
//!
//! ```text
//!  slot         0  1  2  3  4  5  6  7  8  9 ...        N = 3, zones x, y and z
//!  lane         x  y  z  x  y  z  x  y  z  x            exactly N zones: each N-th slot is of the same zone
//! ```

use super::super::ring::{Member, zone_numbers};
use super::shares::{ONE, Share, ZoneLimit, shares};

/// Whom a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Anybody.
    Open,
    /// The members of one zone.
    Zone(usize),
    /// One member.
    Member(usize),
}

/// What is demanded of an assignment of slots (partitions) to members (by number).
pub(super) struct Demands {
    /// How many neighbouring slots are to have distinct owners; 1 if nothing needs to be kept apart.
    pub(super) window: usize,
    /// The zone of each member.
    pub(super) zone_of: Vec<usize>,
    /// How many of a window's slots each zone may hold.
    pub(super) places: Vec<usize>,
    /// What each member may own.
    pub(super) share: Vec<Share>,
    /// What each zone may own.
    pub(super) zone_share: Vec<Share>,
    /// Whom slot p is for, at p modulo the length; empty if all slots are open.
    lanes: Vec<Lane>,
    /// The slots from here to the end of the ring are open: too few for another round of the lanes.
    lanes_end: usize,
}

impl Demands {
    /// The demands of `members` for `n` replicas; `before` is who owned each slot.
    pub(super) fn new(members: &[Member], before: &[Option<usize>], n: usize) -> Self {
        let partitions = before.len();
        let zone_of = zone_numbers(members);
        let sizes = zone_sizes(&zone_of);
        let places = places(&sizes, n);
        let spaced = members.len() >= n;
        let limits = limits(members, &zone_of, &places, spaced.then_some(n), partitions);
        let (share, zone_share) = member_shares(&zone_of, &shares(&limits, partitions));
        let lanes = lanes(&zone_of, &sizes, &places, n);
        let lanes_end = partitions - partitions % n;
        let mut demands = Self {
            window: if spaced { n.min(partitions) } else { 1 },
            zone_of,
            places,
            share,
            zone_share,
            lanes: Vec::new(),
            lanes_end,
        };
        demands.lanes = demands.nearest_order(lanes, before);
        demands
    }

    /// How many of the slots must change their owner for the shares alone, wherever they lie.
    ///
    /// A zone, and each member of it, must grow to its least share and shrink to its greatest. What a zone's members
    /// must shed comes to what it must gain beside it, and the other way round.
    pub(super) fn moved_least(&self, before: &[Option<usize>]) -> usize {
        let mut has = vec![0; self.zone_of.len()];
        before.iter().flatten().for_each(|&owner| has[owner] += 1);
        let mut zones = vec![(0, 0, 0); self.zone_share.len()];
        for ((&zone, share), &has) in self.zone_of.iter().zip(&self.share).zip(&has) {
            let (in_zone, gain, loss) = &mut zones[zone];
            *in_zone += has;
            *gain += share.least.saturating_sub(has);
            *loss += has.saturating_sub(share.most);
        }
        let vacant = before.iter().filter(|owner| owner.is_none()).count();
        let (mut gains, mut losses) = (0, vacant);
        for ((has, gain, loss), share) in zones.into_iter().zip(&self.zone_share) {
            gains += gain.max((share.least + loss).saturating_sub(has));
            losses += loss.max((has + gain).saturating_sub(share.most));
        }
        gains.max(losses)
    }

    /// Whether the spacing prescribes the zone or member of nearly every slot.
    pub(super) fn is_rigid(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Whether the slot is for the member.
    pub(super) fn is_in_lane(&self, slot: usize, member: usize) -> bool {
        if self.lanes.is_empty() || slot >= self.lanes_end {
            return true;
        }
        self.admits(self.lanes[slot % self.lanes.len()], member)
    }

    fn admits(&self, lane: Lane, member: usize) -> bool {
        match lane {
            Lane::Open => true,
            Lane::Zone(zone) => self.zone_of[member] == zone,
            Lane::Member(only) => member == only,
        }
    }

    /// Gives each lane the column in which most slots are of its members already, the clearest case first.
    fn nearest_order(&self, lanes: Vec<Lane>, before: &[Option<usize>]) -> Vec<Lane> {
        let mut order: Vec<Option<Lane>> = vec![None; lanes.len()];
        let mut waiting: Vec<Lane> = lanes;
        while !waiting.is_empty() {
            let mut best = (0, 0, 0);
            let mut best_held = None;
            for (at, &lane) in waiting.iter().enumerate() {
                for column in (0..order.len()).filter(|&column| order[column].is_none()) {
                    let held = self.held_in_column(lane, column, order.len(), before);
                    if best_held.is_none_or(|most| held > most) {
                        best_held = Some(held);
                        best = (at, column, held);
                    }
                }
            }
            order[best.1] = Some(waiting.remove(best.0));
        }
        order.into_iter().flatten().collect()
    }

    fn held_in_column(&self, lane: Lane, column: usize, columns: usize, before: &[Option<usize>]) -> usize {
        if lane == Lane::Open {
            return 0;
        }
        (column..self.lanes_end)
            .step_by(columns)
            .filter(|&slot| before[slot].is_some_and(|member| self.admits(lane, member)))
            .count()
    }
}

fn zone_sizes(zone_of: &[usize]) -> Vec<usize> {
    let zones = zone_of.iter().max().map_or(0, |last| last + 1);
    let mut sizes = vec![0; zones];
    for &zone in zone_of {
        sizes[zone] += 1;
    }
    sizes
}

/// How many of n neighbours each zone may hold: as few as suffice to seat n (or all members, if fewer).
fn places(sizes: &[usize], n: usize) -> Vec<usize> {
    let seats: usize = sizes.iter().sum::<usize>().min(n);
    let seated = |limit: usize| sizes.iter().map(|&size| size.min(limit)).collect::<Vec<_>>();
    (1..=seats).map(seated).find(|places| places.iter().sum::<usize>() >= seats).unwrap_or_else(|| sizes.to_vec())
}

/// What each zone and its members can bear: all there is, unless `spaced` for so many neighbours.
fn limits(
    members: &[Member],
    zone_of: &[usize],
    places: &[usize],
    spaced: Option<usize>,
    partitions: usize,
) -> Vec<ZoneLimit> {
    let all = partitions as u128 * ONE;
    let limits = |part: fn(usize, usize) -> u128| -> Vec<ZoneLimit> {
        places
            .iter()
            .enumerate()
            .map(|(zone, &places)| {
                let weights =
                    members.iter().zip(zone_of).filter(|&(_, &of)| of == zone).map(|(member, _)| member.weight);
                ZoneLimit {
                    weights: weights.collect(),
                    per_member: spaced.map_or(all, |n| part(partitions, n)),
                    in_all: spaced.map_or(all, |n| part(partitions * places, n)),
                }
            })
            .collect()
    };
    let whole = limits(|slots, n| (slots / n) as u128 * ONE);
    let borne: u128 = whole.iter().map(|zone| zone.in_all.min(zone.per_member * zone.weights.len() as u128)).sum();
    if borne >= all { whole } else { limits(|slots, n| slots as u128 * ONE / n as u128) }
}

/// The shares by member, and by zone.
fn member_shares(zone_of: &[usize], shares: &[(Share, Vec<Share>)]) -> (Vec<Share>, Vec<Share>) {
    let mut in_zone: Vec<_> = shares.iter().map(|(_, members)| members.iter()).collect();
    let by_member = zone_of.iter().filter_map(|&zone| in_zone[zone].next().copied()).collect();
    (by_member, shares.iter().map(|(zone, _)| *zone).collect())
}

/// The lanes that each N neighbours must fill if there is no choice between zones (or members), else none.
fn lanes(zone_of: &[usize], sizes: &[usize], places: &[usize], n: usize) -> Vec<Lane> {
    if places.iter().sum::<usize>() > n {
        return Vec::new();
    }
    let mut lanes = Vec::with_capacity(n);
    for (zone, &places) in places.iter().enumerate() {
        if places == sizes[zone] {
            let members = (0..zone_of.len()).filter(|&member| zone_of[member] == zone);
            lanes.extend(members.map(Lane::Member));
        } else {
            lanes.extend(std::iter::repeat_n(Lane::Zone(zone), places));
        }
    }
    // With fewer members than n the others' places are kept open for those who may join.
    lanes.resize(n, Lane::Open);
    lanes
}
