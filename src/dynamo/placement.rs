//! Other owners for a few partitions, so that nodes bear load by their weights and not only partitions.
//!
//! ```text
//!  load of a partition / N  = load of each of its copies
//!  partition p is owned by b ──▶ b keeps copies of p, p-1 … p-N+1: their load is the *burden* of p
//!  owners of p and q change places ──▶ a and b change burdens: load(a) -= burden(p) - burden(q), load(b) += the same
//! ```
//!
//! Reads are taken to be spread evenly over the copies, which is what routing strives for. Greedy: of all exchanges with the node that is
//! furthest from the mean, the one that takes most from the sum of squares of what nodes have too much or too little, until all nodes are well
//! inside the band or nothing helps. A partition may also change hands alone, where shares of partitions leave room for one more or less.
//!
//! What `claim` demands is kept: no two of N neighbouring partitions come to the same owner, or to a zone that has its part of them, where they had
//! not before. What a single partition asks of each of its holders cannot be divided: no ring balances one hot key.

use std::collections::BTreeMap;

use super::load::BAND;
use super::node_id::NodeId;
use super::ring::{Member, PartitionId, Ring, zone_numbers};

/// Exchanges are looked for until every node is this near the mean: well inside the band, so that noise does not carry it out again.
pub const TARGET: f64 = 0.10;

/// An exchange that brings no node nearer to the mean by this part of it is not worth the copies that it moves.
pub const WORTHWHILE: f64 = 0.05;

/// At most this part of the partitions is exchanged at a time.
const EXCHANGES_MAX_PART: usize = 8;

/// And this many in small rings.
const EXCHANGES_MAX_LEAST: usize = 8;

/// Pairs of partitions that are compared for one exchange; of more only every second, third … is.
const PAIRS_MAX: usize = 1 << 21;

/// What an exchange must take from the sum of squares, as a part of a node's mean load.
const GAIN_MIN: f64 = 1e-4;

/// How much nearer to the target all nodes together must come for more exchanges to be worth it.
const STEP_MIN: f64 = 0.01;

/// Which partitions shall have other owners, and what that does.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The new owners; empty where nothing helps.
    pub owners: BTreeMap<PartitionId, NodeId>,
    /// Every member, by name.
    pub nodes: Vec<Borne>,
    /// How many copies of partitions have to be fetched.
    pub copies: usize,
    /// Partitions that are more than a node should bear by themselves: whoever holds one of them stays outside the band.
    pub too_hot: Vec<PartitionId>,
}

/// What a node bears, over what its weight would have it bear: 1 is just that.
#[derive(Clone, Debug, PartialEq)]
pub struct Borne {
    /// The node.
    pub node: NodeId,
    /// Now.
    pub before: f64,
    /// With the new owners.
    pub after: f64,
}

impl Borne {
    /// Whether the new owners bring it nearer to the mean by [`WORTHWHILE`] or more. `measured` is what it really bears: where that is on the other
    /// side of the mean than what is reckoned, it would be led away from it.
    pub fn is_helped(&self, measured: f64) -> bool {
        let taken = if measured > 1.0 { self.before - self.after } else { self.after - self.before };
        taken >= WORTHWHILE && (self.before - 1.0).abs() - (self.after - 1.0).abs() >= WORTHWHILE
    }
}

impl Placement {
    /// How far the node that is furthest from the mean is from it: before, and after.
    pub fn spread(&self) -> [f64; 2] {
        let greatest = |of_mean: fn(&Borne) -> f64| {
            self.nodes.iter().map(|borne| (of_mean(borne) - 1.0).abs()).fold(0.0, f64::max)
        };
        [greatest(|borne| borne.before), greatest(|borne| borne.after)]
    }

    /// Whether it helps one of these nodes, of which is known what they really bear.
    pub fn helps(&self, measured: &BTreeMap<NodeId, f64>) -> bool {
        let is_helped = |borne: &Borne| measured.get(&borne.node).is_some_and(|of_mean| borne.is_helped(*of_mean));
        !self.owners.is_empty() && self.nodes.iter().any(is_helped)
    }
}

/// Looks for few exchanges of owners that bring every node into the band. `loads` are the requests per second for all copies of a partition.
pub fn place(ring: &Ring, loads: &BTreeMap<PartitionId, f64>) -> Placement {
    let load = |partition: &PartitionId| loads.get(partition).copied().filter(|load| *load > 0.0).unwrap_or(0.0);
    let holders = ring.n().min(ring.owners()).max(1);
    let per_copy: Vec<f64> = ring.partition_ids().map(|partition| load(&partition) / holders as f64).collect();
    let before = of_mean(ring, &per_copy);
    let unchanged = || (BTreeMap::new(), before.clone(), 0);
    // Who keeps everything anyway cannot be relieved.
    let owners = if ring.members().len() > ring.n() { Search::new(ring, &per_copy).run() } else { BTreeMap::new() };
    let (owners, after, copies) = match ring.with_owners(&owners) {
        // The search takes the N partitions that end with one for those whose copies its owner keeps. Where neighbours clash that is not all.
        Some(next) if !owners.is_empty() => {
            let after = of_mean(&next, &per_copy);
            if is_no_worse(&before, &after) { (owners, after, copies_moved(ring, &next)) } else { unchanged() }
        }
        _ => unchanged(),
    };
    let nodes = ring.members().iter().zip(before.iter().zip(&after));
    let nodes =
        nodes.map(|(member, (before, after))| Borne { node: member.id.clone(), before: *before, after: *after });
    Placement { owners, nodes: nodes.collect(), copies, too_hot: too_hot(ring, &per_copy) }
}

/// Why a ring may not take the place of another one in which only owners were exchanged; `None` where it may.
pub fn objection(before: &Ring, after: &Ring) -> Option<&'static str> {
    let spacing = Spacing::new(before.members(), before.n(), before.partitions() as usize);
    if spacing.clashes(&places(after)) > spacing.clashes(&places(before)) {
        return Some("neighbouring partitions would come to the same node or zone");
    }
    let shares = shares(before.members(), before.partitions() as usize);
    let count = |ring: &Ring, member: &Member| ring.owned_by(&member.id).count();
    let is_off = |(member, share): (&Member, &f64)| !is_fair(*share, count(before, member), count(after, member));
    before.members().iter().zip(&shares).any(is_off).then_some("a node would own too many partitions, or too few")
}

/// What each member bears, in the order of their names. Where nothing is asked of anybody, all bear the same.
fn of_mean(ring: &Ring, per_copy: &[f64]) -> Vec<f64> {
    let mut borne = vec![0.0; ring.members().len()];
    for (partition, load) in ring.partition_ids().zip(per_copy) {
        for holder in ring.primaries(partition, ring.n()) {
            if let Ok(at) = ring.members().binary_search_by(|member| member.id.cmp(holder)) {
                borne[at] += load;
            }
        }
    }
    let due = due(ring.members(), borne.iter().sum());
    borne.iter().zip(due).map(|(load, due)| if due > 0.0 { load / due } else { 1.0 }).collect()
}

/// What the members should bear by their weights.
fn due(members: &[Member], total: f64) -> Vec<f64> {
    let weights: f64 = members.iter().map(|member| f64::from(member.weight.max(1))).sum();
    members.iter().map(|member| total * f64::from(member.weight.max(1)) / weights).collect()
}

/// How many partitions the members should own by their weights.
fn shares(members: &[Member], partitions: usize) -> Vec<f64> {
    due(members, partitions as f64)
}

/// Whether a member may own so many partitions: within one of its share, or no further from it than before.
fn is_fair(share: f64, before: usize, after: usize) -> bool {
    let off = |count: usize| (count as f64 - share).abs();
    // Shares are fractions: a hair more than one is one.
    off(after) <= off(before).max(1.0) + 1e-9
}

fn is_no_worse(before: &[f64], after: &[f64]) -> bool {
    let spread = |all: &[f64]| all.iter().map(|of_mean| (of_mean - 1.0).abs()).fold(0.0, f64::max);
    spread(after) <= spread(before) + 1e-9 && excess(after) < excess(before)
}

/// What all nodes together are beyond the target.
fn excess(of_mean: &[f64]) -> f64 {
    of_mean.iter().map(|of_mean| ((of_mean - 1.0).abs() - TARGET).max(0.0)).sum()
}

fn copies_moved(before: &Ring, after: &Ring) -> usize {
    let fetched = |partition: PartitionId| {
        let is_new = |holder: &&NodeId| !before.primaries(partition, before.n()).any(|old| old == *holder);
        after.primaries(partition, after.n()).filter(is_new).count()
    };
    before.partition_ids().map(fetched).sum()
}

fn too_hot(ring: &Ring, per_copy: &[f64]) -> Vec<PartitionId> {
    let holders = ring.n().min(ring.owners()).max(1) as f64;
    let due = due(ring.members(), per_copy.iter().sum::<f64>() * holders);
    let most = due.into_iter().fold(0.0, f64::max) * (1.0 + BAND);
    ring.partition_ids().zip(per_copy).filter(|(_, load)| **load > most).map(|(partition, _)| partition).collect()
}

/// The owners, as places among the members.
fn places(ring: &Ring) -> Vec<usize> {
    let place = |owner: &NodeId| ring.members().binary_search_by(|member| member.id.cmp(owner)).unwrap_or_default();
    ring.partition_ids().map(|partition| place(ring.owner(partition))).collect()
}

/// What neighbours must not have in common.
struct Spacing {
    /// So many neighbours have distinct owners.
    window: usize,
    zone_of: Vec<usize>,
    /// How many of them one zone may hold.
    places: usize,
}

impl Spacing {
    fn new(members: &[Member], n: usize, partitions: usize) -> Self {
        let zone_of = zone_numbers(members);
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        zone_of.iter().for_each(|zone| *sizes.entry(*zone).or_default() += 1);
        let seats = n.min(members.len());
        let suffices = |limit: &usize| sizes.values().map(|size| size.min(limit)).sum::<usize>() >= seats;
        let window = if members.len() >= n { n.min(partitions) } else { 1 };
        Self { window, zone_of, places: (1..=seats).find(suffices).unwrap_or(seats) }
    }

    /// What neighbours have against the owner of this partition, one of so many; `owner` says who owns which.
    fn clashes_at(&self, owner: impl Fn(usize) -> usize, partitions: usize, slot: usize) -> usize {
        let (reach, base) = (self.window - 1, slot + partitions);
        // The number of partitions is a power of two.
        let owner = |at: usize| owner(at & (partitions - 1));
        let (own, zone) = (owner(slot), self.zone_of[owner(slot)]);
        let same = (1..=reach).flat_map(|step| [base - step, base + step]).filter(|at| owner(*at) == own).count();
        let in_zone = |from: usize| (from..=from + reach).filter(|at| self.zone_of[owner(*at)] == zone).count();
        same + (base - reach..=base).filter(|from| in_zone(*from) > self.places).count()
    }

    fn clashes(&self, owners: &[usize]) -> usize {
        (0..owners.len()).map(|slot| self.clashes_at(|at| owners[at], owners.len(), slot)).sum()
    }

    /// Whether neighbours have no more against these owners than against those of now.
    fn admits(&self, owners: &[usize], changes: &[(usize, usize)]) -> bool {
        let next = |at: usize| changes.iter().find(|(slot, _)| *slot == at).map_or(owners[at], |(_, owner)| *owner);
        let slots = || changes.iter().map(|(slot, _)| *slot);
        let now: usize = slots().map(|slot| self.clashes_at(|at| owners[at], owners.len(), slot)).sum();
        slots().map(|slot| self.clashes_at(next, owners.len(), slot)).sum::<usize>() <= now
    }
}

/// Partitions that change hands.
#[derive(Clone, Copy, Debug)]
enum Exchange {
    /// The owners of two change places.
    Swap(usize, usize),
    /// One gets another owner.
    Give(usize, usize),
}

/// Owners in the making, and what nodes bear with them.
struct Search<'a> {
    ring: &'a Ring,
    spacing: Spacing,
    shares: Vec<f64>,
    counts_before: Vec<usize>,
    counts: Vec<usize>,
    owners: Vec<usize>,
    /// Of each partition: what comes to a node with it.
    burdens: Vec<f64>,
    borne: Vec<f64>,
    due: Vec<f64>,
}

impl<'a> Search<'a> {
    fn new(ring: &'a Ring, per_copy: &[f64]) -> Self {
        let (members, partitions, n) = (ring.members(), per_copy.len(), ring.n().min(per_copy.len()));
        let owners = places(ring);
        let kept = |slot: usize| (0..n).map(|back| per_copy[(slot + partitions - back) & (partitions - 1)]).sum();
        let burdens: Vec<f64> = (0..partitions).map(kept).collect();
        let (mut counts, mut borne) = (vec![0; members.len()], vec![0.0; members.len()]);
        for (owner, burden) in owners.iter().zip(&burdens) {
            counts[*owner] += 1;
            borne[*owner] += burden;
        }
        Self {
            ring,
            spacing: Spacing::new(members, n, partitions),
            shares: shares(members, partitions),
            counts_before: counts.clone(),
            counts,
            owners,
            due: due(members, borne.iter().sum()),
            burdens,
            borne,
        }
    }

    /// The partitions that get another owner: after the exchange from which on it hardly got better.
    fn run(mut self) -> BTreeMap<PartitionId, NodeId> {
        let before = self.owners.clone();
        let (spread_before, mut best) = (self.spread(), (excess(&self.of_mean()), before.clone()));
        for _ in 0..(before.len() / EXCHANGES_MAX_PART).max(EXCHANGES_MAX_LEAST) {
            if best.0 <= 0.0 {
                break;
            }
            let Some(exchange) = self.furthest_first().into_iter().find_map(|node| self.best_for(node)) else { break };
            self.exchange(exchange);
            let reached = excess(&self.of_mean());
            if self.spread() <= spread_before && (reached <= best.0 - STEP_MIN || reached <= 0.0) {
                best = (reached, self.owners.clone());
            }
        }
        let changed = self.ring.partition_ids().zip(best.1.iter().zip(&before)).filter(|(_, (new, old))| new != old);
        changed.map(|(partition, (new, _))| (partition, self.ring.members()[*new].id.clone())).collect()
    }

    fn of_mean(&self) -> Vec<f64> {
        self.borne.iter().zip(&self.due).map(|(load, due)| if *due > 0.0 { load / due } else { 1.0 }).collect()
    }

    fn spread(&self) -> f64 {
        self.of_mean().into_iter().map(|of_mean| (of_mean - 1.0).abs()).fold(0.0, f64::max)
    }

    /// The nodes that are beyond the target.
    fn furthest_first(&self) -> Vec<usize> {
        let off: Vec<f64> = self.of_mean().into_iter().map(|of_mean| (of_mean - 1.0).abs()).collect();
        let mut nodes: Vec<usize> = (0..off.len()).filter(|node| off[*node] > TARGET).collect();
        nodes.sort_by(|one, other| off[*other].total_cmp(&off[*one]).then(one.cmp(other)));
        nodes
    }

    fn best_for(&self, node: usize) -> Option<Exchange> {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..self.owners.len()).partition(|slot| self.owners[*slot] == node);
        let stride = (own.len() * others.len()).div_ceil(PAIRS_MAX).max(1);
        let pairs = own.iter().flat_map(|slot| others.iter().map(|other| Exchange::Swap(*slot, *other)));
        let members = || (0..self.borne.len()).filter(|member| *member != node);
        let gives = own.iter().flat_map(|slot| members().map(|member| Exchange::Give(*slot, member)));
        let takes = others.iter().map(|slot| Exchange::Give(*slot, node));
        let mut best = (GAIN_MIN * self.due[node], None);
        for exchange in pairs.step_by(stride).chain(gives).chain(takes) {
            let gain = self.gain(exchange);
            if gain > best.0 && self.is_allowed(exchange) {
                best = (gain, Some(exchange));
            }
        }
        best.1
    }

    /// From whom to whom, and how much.
    fn shifted(&self, exchange: Exchange) -> (usize, usize, f64) {
        match exchange {
            Exchange::Swap(one, other) => {
                (self.owners[one], self.owners[other], self.burdens[one] - self.burdens[other])
            }
            Exchange::Give(slot, to) => (self.owners[slot], to, self.burdens[slot]),
        }
    }

    /// What it takes from the sum of squares.
    fn gain(&self, exchange: Exchange) -> f64 {
        let (from, to, load) = self.shifted(exchange);
        let square = |node: usize, more: f64| (self.borne[node] - self.due[node] + more).powi(2) / self.due[node];
        square(from, 0.0) - square(from, -load) + square(to, 0.0) - square(to, load)
    }

    fn is_allowed(&self, exchange: Exchange) -> bool {
        let (from, to, _) = self.shifted(exchange);
        if let Exchange::Give(..) = exchange {
            let is_fair = |node: usize, count: usize| is_fair(self.shares[node], self.counts_before[node], count);
            // Who owns nothing is passed over by walks, and is no member any more.
            if self.counts[from] < 2 || !is_fair(from, self.counts[from] - 1) || !is_fair(to, self.counts[to] + 1) {
                return false;
            }
        }
        self.spacing.admits(&self.owners, &self.changes(exchange))
    }

    fn changes(&self, exchange: Exchange) -> Vec<(usize, usize)> {
        match exchange {
            Exchange::Swap(one, other) => vec![(one, self.owners[other]), (other, self.owners[one])],
            Exchange::Give(slot, to) => vec![(slot, to)],
        }
    }

    fn exchange(&mut self, exchange: Exchange) {
        let (from, to, load) = self.shifted(exchange);
        for (slot, owner) in self.changes(exchange) {
            self.counts[self.owners[slot]] -= 1;
            self.counts[owner] += 1;
            self.owners[slot] = owner;
        }
        self.borne[from] -= load;
        self.borne[to] += load;
    }
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
