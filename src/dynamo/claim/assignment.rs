//! An assignment in the making, and what is wrong with it.
//!
//! Each slot has a *price* for each member: what its neighbours have against it, and one for moving it. A change is
//! good when the prices fall. All choices are made in a fixed order, ties by a hash of slot and member, which scatters
//! a member's neighbours over all others, so that many stand in for it.

use xxhash_rust::xxh3::xxh3_64;

use super::demands::Demands;

/// The price of a slot that changes its owner.
pub(super) const MOVE: i64 = 1;
/// The price of a zone that holds one slot too many of a window: more than moving every slot.
const ZONE_CLASH: i64 = 1 << 20;
/// The price of a slot whose owner is not of its lane.
const OFF_LANE: i64 = 1 << 28;
/// The price of two neighbours that are the same: more than any number of the above.
const NODE_CLASH: i64 = 1 << 40;

/// Slots and their owners, by number. The [`Demands`] say what may be owned; counts are kept up with every change.
pub(super) struct Assignment<'a> {
    pub(super) demands: &'a Demands,
    before: &'a [Option<usize>],
    /// Whether moving a slot has a price.
    keeps: bool,
    attempt: usize,
    owners: Vec<Option<usize>>,
    counts: Vec<usize>,
    zone_counts: Vec<usize>,
}

impl<'a> Assignment<'a> {
    /// What is left of the owners before: a slot off its lane is vacant.
    pub(super) fn new(demands: &'a Demands, before: &'a [Option<usize>]) -> Self {
        let mut assignment = Self::vacant(demands, before, 0);
        assignment.keeps = true;
        for (slot, &owner) in before.iter().enumerate() {
            assignment.set(slot, owner.filter(|&owner| demands.is_in_lane(slot, owner)));
        }
        assignment
    }

    /// Nothing is owned, and who did own it does not count until all is.
    ///
    /// Each attempt chooses otherwise among what is equally good.
    pub(super) fn vacant(demands: &'a Demands, before: &'a [Option<usize>], attempt: usize) -> Self {
        Self {
            demands,
            before,
            keeps: false,
            attempt,
            owners: vec![None; before.len()],
            counts: vec![0; demands.zone_of.len()],
            zone_counts: vec![0; demands.zone_share.len()],
        }
    }

    /// Each slot goes to a member of its zone: to who had it, if that one may keep it, or to who suits it best.
    pub(super) fn of_zones(demands: &'a Demands, before: &'a [Option<usize>], zones: &[usize]) -> Self {
        let mut assignment = Self::vacant(demands, before, 0);
        assignment.keeps = true;
        let members = |zone: usize| (0..demands.zone_of.len()).filter(move |&member| demands.zone_of[member] == zone);
        for (slot, &zone) in zones.iter().enumerate() {
            let kept = before[slot].filter(|&owner| demands.zone_of[owner] == zone);
            assignment.set(slot, kept.filter(|&owner| assignment.can_take(owner)));
        }
        for (slot, &zone) in zones.iter().enumerate() {
            if assignment.owners[slot].is_none() {
                let best = members(zone).min_by_key(|&member| {
                    let missing = demands.share[member].least.saturating_sub(assignment.counts[member]);
                    let price = assignment.price(slot, member);
                    (!assignment.can_take(member), price, std::cmp::Reverse(missing), assignment.scatter(slot, member))
                });
                assignment.set(slot, best);
            }
        }
        assignment
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.owners.len()
    }

    /// Who owns the slot now.
    pub(super) fn owner(&self, slot: usize) -> Option<usize> {
        self.owners[slot]
    }

    /// Whether the slot had an owner who is still a member, and has another now.
    pub(super) fn is_taken_from_member(&self, slot: usize) -> bool {
        self.before[slot].is_some() && self.before[slot] != self.owners[slot]
    }

    /// Gives the slot an owner, or none.
    pub(super) fn set(&mut self, slot: usize, owner: Option<usize>) {
        if let Some(old) = std::mem::replace(&mut self.owners[slot], owner) {
            self.counts[old] -= 1;
            self.zone_counts[self.demands.zone_of[old]] -= 1;
        }
        if let Some(new) = owner {
            self.counts[new] += 1;
            self.zone_counts[self.demands.zone_of[new]] += 1;
        }
    }

    /// Whether the member, and its zone, may own one slot more; `instead_of` is who would lose it.
    pub(super) fn has_room(&self, member: usize, instead_of: Option<usize>) -> bool {
        let zone = self.demands.zone_of[member];
        let same_zone = instead_of.is_some_and(|other| self.demands.zone_of[other] == zone);
        self.counts[member] < self.demands.share[member].most
            && (same_zone || self.zone_counts[zone] < self.demands.zone_share[zone].most)
    }

    /// Whether the member may own one slot less.
    pub(super) fn can_spare(&self, member: usize) -> bool {
        self.counts[member] > self.demands.share[member].least
    }

    /// Whether the member may own one slot more, whatever its zone may.
    pub(super) fn can_take(&self, member: usize) -> bool {
        self.counts[member] < self.demands.share[member].most
    }

    /// Whether the zone may own one slot less.
    pub(super) fn zone_can_spare(&self, zone: usize) -> bool {
        self.zone_counts[zone] > self.demands.zone_share[zone].least
    }

    /// Whether the zone may own one slot more.
    pub(super) fn zone_can_take(&self, zone: usize) -> bool {
        self.zone_counts[zone] < self.demands.zone_share[zone].most
    }

    /// How many slots have another owner than before.
    pub(super) fn moved(&self) -> usize {
        self.owners.iter().zip(self.before).filter(|(owner, before)| owner != before).count()
    }

    /// How many slots must have another owner than before for the shares alone.
    pub(super) fn moved_least(&self) -> usize {
        self.demands.moved_least(self.before)
    }

    /// What speaks against the member as owner of the slot.
    pub(super) fn price(&self, slot: usize, member: usize) -> i64 {
        let stays = !self.keeps || self.before[slot].is_none_or(|owner| owner == member);
        let in_lane = self.demands.is_in_lane(slot, member);
        self.clash(slot, member) + if stays { 0 } else { MOVE } + if in_lane { 0 } else { OFF_LANE }
    }

    /// What the neighbours of the slot have against the member: its other slots nearby, and its zone's.
    pub(super) fn clash(&self, slot: usize, member: usize) -> i64 {
        let reach = self.demands.window - 1;
        let zone = self.demands.zone_of[member];
        let places = self.demands.places[zone];
        let last = self.slots() - 1;
        // The number of slots is a power of two. A neighbour of another zone is no concern.
        let kin = |slot: usize| self.owners[slot & last].filter(|&owner| self.demands.zone_of[owner] == zone);
        let base = slot + self.slots();
        let mut same = 0;
        let mut in_window = 0;
        for at in base - reach..base {
            in_window += usize::from(kin(at).is_some());
            same += i64::from(kin(at) == Some(member));
        }
        let mut crowded = i64::from(in_window >= places);
        for step in 1..=reach {
            in_window += usize::from(kin(base + step).is_some());
            in_window -= usize::from(kin(base + step - reach - 1).is_some());
            same += i64::from(kin(base + step) == Some(member));
            crowded += i64::from(in_window >= places);
        }
        same * NODE_CLASH + crowded * ZONE_CLASH
    }

    /// Gives every vacant slot to the member it suits best, going round the ring.
    pub(super) fn fill(&mut self) {
        let vacant: Vec<usize> = (0..self.slots()).filter(|&slot| self.owners[slot].is_none()).collect();
        for (filled, &slot) in vacant.iter().enumerate() {
            let left = (self.slots() - slot).min(vacant.len() - filled);
            let best = (0..self.counts.len()).filter(|&member| self.has_room(member, None)).min_by_key(|&member| {
                let patience = self.patience(member, left);
                (
                    self.price(slot, member),
                    patience.min(0),
                    if self.starts_pattern(slot) { 0 } else { self.breaks_pattern(slot, member) },
                    patience,
                    self.scatter(slot, member),
                )
            });
            self.set(slot, best);
        }
    }

    /// Whether a new pattern may begin here: with each, others neighbour each other, so that not always the same member
    /// stands in. The lengths were found by trial: longer ones make standing in uneven, shorter ones make a leave move more.
    fn starts_pattern(&self, slot: usize) -> bool {
        let window = self.demands.window;
        let rows = if 2 * self.counts.len() > 3 * window { 4 } else { 8 };
        (slot / window).is_multiple_of(rows)
    }

    /// With few members, in how many of the two slots a window away the member does not stand.
    ///
    /// A pattern that repeats leaves a vacant slot only N - 1 different neighbours, so that others fit in when a member
    /// leaves. From 2N members on there is always one that fits, and mixing all with all serves better.
    pub(super) fn breaks_pattern(&self, slot: usize, member: usize) -> usize {
        let window = self.demands.window;
        if self.counts.len() >= 2 * window {
            return 0;
        }
        let last = self.slots() - 1;
        let around = [slot + window, slot + self.slots() - window];
        around.into_iter().filter(|at| self.owners[at & last] != Some(member)).count()
    }

    /// How long the member can wait for its next slot with so many left: below zero if it, or its zone, needs
    /// nearly every place that it can have from here on, and the less it can wait the lower.
    fn patience(&self, member: usize, left: usize) -> i64 {
        let demands = self.demands;
        let (share, zone) = (demands.share[member], demands.zone_of[member]);
        let window = demands.window as i64;
        let slack = |places: usize, wanted: usize, has: usize| {
            (left * places) as i64 - wanted.saturating_sub(has) as i64 * window
        };
        let own_slack = slack(1, share.least, self.counts[member]);
        let zone_slack = slack(demands.places[zone], demands.zone_share[zone].least, self.zone_counts[zone]);
        let least_slack = own_slack.min(zone_slack);
        if least_slack <= window {
            return least_slack - (1 << 32);
        }
        // In rounds: who has the smaller part of its share comes first.
        (self.counts[member] * 1024 / share.most.max(1)) as i64
    }

    /// Moves slots from who has too many to who has too few, until every member has its share.
    pub(super) fn settle(&mut self) {
        for slot in 0..self.slots() {
            if self.owners[slot].is_none() {
                self.give_to_neediest(slot);
            }
        }
        while let Some((slot, member)) = self.best_settlement() {
            self.set(slot, Some(member));
        }
        self.keeps = true;
    }

    /// A slot that no member had room for while its zone was full.
    fn give_to_neediest(&mut self, slot: usize) {
        let neediest = (0..self.counts.len()).min_by_key(|&member| {
            let share = self.demands.share[member];
            (self.counts[member] as i64 - share.most as i64, self.price(slot, member))
        });
        self.set(slot, neediest);
    }

    /// The best slot to take from a member with too many, for one with too few where there is one.
    fn best_settlement(&self) -> Option<(usize, usize)> {
        let members: Vec<usize> = (0..self.counts.len()).collect();
        let is_needy = |&member: &usize| self.counts[member] < self.demands.share[member].least;
        let needy: Vec<usize> = members.iter().copied().filter(is_needy).collect();
        self.cheapest_settlement(&needy).or_else(|| self.cheapest_settlement(&members))
    }

    /// Each settlement leaves less too much and less too little, so they come to an end.
    fn cheapest_settlement(&self, takers: &[usize]) -> Option<(usize, usize)> {
        (0..self.slots())
            .filter_map(|slot| Some((slot, self.owners[slot]?)))
            .flat_map(|(slot, owner)| takers.iter().map(move |&taker| (slot, owner, taker)))
            .filter(|&(_, owner, taker)| self.has_room(taker, Some(owner)) && self.is_relief(owner, taker))
            .min_by_key(|&(slot, owner, taker)| {
                let rise = self.price(slot, taker) - self.price(slot, owner);
                let keeps_excess = !self.has_too_many(owner, taker);
                let breaks = self.breaks_pattern(slot, taker);
                (keeps_excess, rise, breaks, self.scatter(slot, taker))
            })
            .map(|(slot, _, taker)| (slot, taker))
    }

    fn is_relief(&self, owner: usize, taker: usize) -> bool {
        let is_needy = self.counts[taker] < self.demands.share[taker].least;
        self.has_too_many(owner, taker) || is_needy && self.can_spare(owner)
    }

    /// Whether the member, or its zone if the taker's is another, has more than it may own.
    fn has_too_many(&self, owner: usize, taker: usize) -> bool {
        let demands = self.demands;
        let (zone, other) = (demands.zone_of[owner], demands.zone_of[taker]);
        let zone_has = self.zone_counts[zone] > demands.zone_share[zone].most;
        self.counts[owner] > demands.share[owner].most || zone_has && zone != other && self.can_spare(owner)
    }

    /// What all slots have against their neighbours.
    pub(super) fn clashes(&self) -> i64 {
        let owners = self.owners.iter().enumerate();
        owners.filter_map(|(slot, &owner)| Some(self.clash(slot, owner?))).sum()
    }

    /// The owners found.
    pub(super) fn into_owners(self) -> Vec<u16> {
        // Members are counted by 16 bits (`MAX_MEMBERS`), and after `settle` no slot is vacant.
        self.owners.into_iter().map(|owner| owner.map_or(u16::MAX, |at| at as u16)).collect()
    }

    /// A number that looks random and is the same on every node.
    fn scatter(&self, slot: usize, member: usize) -> u64 {
        xxh3_64(&[slot, member, self.attempt].map(|part| (part as u64).to_le_bytes()).concat())
    }
}
