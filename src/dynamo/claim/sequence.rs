//! The nearest sequence of zones that keeps the spacing, where few zones leave little choice.
//!
//! ```text
//!  slot           0  1  2  3  4  5  6  7 ...
//!  zone before    x  y  z  x  w  y  x  z         w grows: one more w may push all that follows by one
//!  zone now       x  y  w  x  z  y  x  w         state = the last N - 1 zones; a step = the zone of the next slot
//! ```
//!
//! Exchanges one by one do not get over such a push, for every slot of it alone makes things worse. Here all slots are
//! decided at once: the cheapest walk through the states, round the ring (dynamic programming). Each zone has a toll
//! that rises while it gets more than its share and falls while it gets less (Lagrange multipliers). Members without a
//! zone are zones of their own.

use xxhash_rust::xxh3::xxh3_64;

use super::assignment::Assignment;
use super::demands::Demands;

/// What it costs that a slot changes its zone. Tolls are of the same scale.
const MOVE: i64 = 1 << 10;
/// How many moves a slot more than a zone's share, or less, is worth: near what the spacing bears one takes dozens.
const OFF_SHARE: usize = 64;
/// Of what is equally good each slot likes something else, by less than this.
const TASTE: u64 = 32;
/// How many steps are looked at in all, over all walks (a quarter of a second at most).
const STEPS_MAX: usize = 1 << 26;
/// With fewer walks the tolls do not settle.
const WALKS_MIN: usize = 16;
/// More walks make nothing better.
const WALKS_MAX: usize = 128;
/// No walk leads here.
const NOWHERE: i64 = i64::MAX / 2;

/// From a state to the next, over the next slot's zone.
#[derive(Clone, Copy)]
struct Step {
    from: usize,
    zone: usize,
    to: usize,
}

/// All states in which the spacing holds, and the steps between them that keep it.
struct Steps {
    states: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

/// What a walk is measured by.
struct Search<'a> {
    demands: &'a Demands,
    zone_before: Vec<Option<usize>>,
    /// Where all walks begin and end.
    start: usize,
}

/// The assignment that follows the nearest sequence of zones; none if there are too many to look at, or nothing to be
/// near to.
pub(super) fn nearest<'a>(demands: &'a Demands, before: &'a [Option<usize>]) -> Option<Assignment<'a>> {
    let steps = Steps::new(demands, STEPS_MAX / WALKS_MIN / before.len())?;
    let zone_before: Vec<_> = before.iter().map(|owner| owner.map(|member| demands.zone_of[member])).collect();
    let (start, state) = steps.start(&zone_before)?;
    let search = Search { demands, zone_before, start };
    let count = (STEPS_MAX / before.len() / steps.steps.len()).min(WALKS_MAX);
    let mut tolls = vec![0; demands.places.len()];
    let mut walks = Vec::with_capacity(count);
    for at in 0..count {
        let walk = steps.cheapest(&search, &tolls, state)?;
        for (toll, by) in tolls.iter_mut().zip(search.off_share(&walk)) {
            *toll += 2 * by * MOVE / (4 + at as i64);
        }
        walks.push(walk);
    }
    let mut best = walks.iter().min_by_key(|walk| search.cost(walk))?.clone();
    while let Some(better) = search.best_splice(&best, &walks) {
        best = better;
    }
    best.rotate_right(start);
    Some(Assignment::of_zones(demands, before, &best))
}

impl Search<'_> {
    /// By how much each zone has more than its share, or, below 0, less.
    fn off_share(&self, walk: &[usize]) -> Vec<i64> {
        let mut has = vec![0; self.demands.places.len()];
        walk.iter().for_each(|&zone| has[zone] += 1);
        self.off(&has)
    }

    fn off(&self, has: &[usize]) -> Vec<i64> {
        let shares = self.demands.zone_share.iter();
        has.iter().zip(shares).map(|(&has, share)| has as i64 - has.clamp(share.least, share.most) as i64).collect()
    }

    fn moves(&self, walked: usize, zone: usize) -> bool {
        let slots = self.zone_before.len();
        self.zone_before[(self.start + walked) & (slots - 1)] != Some(zone)
    }

    /// What is off its share moves later, and much with it.
    fn cost(&self, walk: &[usize]) -> usize {
        let moved = walk.iter().enumerate().filter(|&(walked, &zone)| self.moves(walked, zone)).count();
        moved + off_cost(&self.off_share(walk))
    }

    /// The best walk that follows one until both are in the same state, then another, if it is better than the first.
    fn best_splice(&self, best: &[usize], walks: &[Vec<usize>]) -> Option<Vec<usize>> {
        let splices = walks.iter().flat_map(|walk| [(best, &walk[..]), (&walk[..], best)]);
        let found = splices.filter_map(|(head, tail)| Some((self.best_cut(head, tail)?, head, tail)));
        let ((cost, cut), head, tail) = found.min_by_key(|&((cost, _), _, _)| cost)?;
        (cost < self.cost(best)).then(|| [&head[..cut], &tail[cut..]].concat())
    }

    /// Where to go from one walk to the other, and what it costs.
    fn best_cut(&self, head: &[usize], tail: &[usize]) -> Option<(usize, usize)> {
        let mut has = vec![0; self.demands.places.len()];
        tail.iter().for_each(|&zone| has[zone] += 1);
        let mut moved = tail.iter().enumerate().filter(|&(walked, &zone)| self.moves(walked, zone)).count();
        let mut alike = 0;
        let mut best = None;
        for walked in 0..head.len() {
            let (old, new) = (tail[walked], head[walked]);
            has[old] -= 1;
            has[new] += 1;
            moved = moved + usize::from(self.moves(walked, new)) - usize::from(self.moves(walked, old));
            alike = if old == new { alike + 1 } else { 0 };
            if alike >= self.demands.window - 1 {
                let cost = moved + off_cost(&self.off(&has));
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, walked + 1));
                }
            }
        }
        best
    }
}

fn off_cost(off: &[i64]) -> usize {
    OFF_SHARE * off.iter().map(|by| by.unsigned_abs() as usize).sum::<usize>()
}

impl Steps {
    /// None if there are more than `most` of them, or no spacing to keep.
    fn new(demands: &Demands, most: usize) -> Option<Self> {
        let (zones, window) = (demands.places.len(), demands.window);
        if window < 2 || zones.checked_pow(window as u32 - 1).is_none_or(|states| states > most) {
            return None;
        }
        let fits =
            |state: &[usize], zone: usize| state.iter().filter(|&&other| other == zone).count() < demands.places[zone];
        let mut states: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 1..window {
            let longer = |state: &Vec<usize>| -> Vec<Vec<usize>> {
                (0..zones).filter(|&zone| fits(state, zone)).map(|zone| [&state[..], &[zone]].concat()).collect()
            };
            states = states.iter().flat_map(longer).collect();
        }
        let mut steps = Vec::new();
        for (from, state) in states.iter().enumerate() {
            for zone in (0..zones).filter(|&zone| fits(state, zone)) {
                let next = [&state[1..], &[zone]].concat();
                let to = states.binary_search(&next).ok()?;
                steps.push(Step { from, zone, to });
            }
        }
        (steps.len() <= most).then_some(Self { states, steps })
    }

    /// The first slot behind one of the states, and that state: the walk begins there and comes back to it.
    fn start(&self, zone_before: &[Option<usize>]) -> Option<(usize, usize)> {
        let length = self.states.first()?.len();
        (length..zone_before.len()).find_map(|slot| {
            let state: Option<Vec<usize>> = zone_before[slot - length..slot].iter().copied().collect();
            Some((slot, self.states.binary_search(&state?).ok()?))
        })
    }

    /// The zones of the cheapest walk once round the ring and back to the state.
    fn cheapest(&self, search: &Search<'_>, tolls: &[i64], state: usize) -> Option<Vec<usize>> {
        let slots = search.zone_before.len();
        let mut cost = vec![NOWHERE; self.states.len()];
        cost[state] = 0;
        let mut came_by = vec![usize::MAX; slots * self.states.len()];
        let mut price = vec![0; tolls.len()];
        for walked in 0..slots {
            for (zone, price) in price.iter_mut().enumerate() {
                *price = tolls[zone] + if search.moves(walked, zone) { MOVE } else { 0 } + taste(walked, zone);
            }
            let mut next = vec![NOWHERE; self.states.len()];
            let came_by = &mut came_by[walked * self.states.len()..][..self.states.len()];
            for (at, step) in self.steps.iter().enumerate() {
                let sum = cost[step.from].saturating_add(price[step.zone]);
                if cost[step.from] < NOWHERE && sum < next[step.to] {
                    next[step.to] = sum;
                    came_by[step.to] = at;
                }
            }
            cost = next;
        }
        let mut zones = vec![0; slots];
        let mut at = state;
        for walked in (0..slots).rev() {
            let step = self.steps.get(came_by[walked * self.states.len() + at])?;
            zones[walked] = step.zone;
            at = step.from;
        }
        (at == state).then_some(zones)
    }
}

fn taste(walked: usize, zone: usize) -> i64 {
    (xxh3_64(&[walked, zone].map(|part| (part as u64).to_le_bytes()).concat()) % TASTE) as i64
}
