//! Chains of hand-overs: slots that change owners together, so that more of them stay where they were.
//!
//! ```text
//!   a slot goes home        b has one too many now       c has room for one more, or is x
//!        x ──► b                   b ──► c                     c ──► (x)
//! ```
//!
//! Members are the nodes of a graph, the cheapest hand-over from one to another is its edge, and a cycle whose prices
//! sum to less than nothing is a chain worth making (cycle cancelling, as for flows of least cost). A chain may end
//! where it did not begin if the shares allow it: then it is a cycle through the zones of both ends and, where they
//! are not the same, through the node that stands for the whole ring.

use std::collections::BTreeSet;

use super::assignment::{Assignment, MOVE};

/// How many times the edges are relaxed: about the length of the longest chain that is found.
const ROUNDS_MAX: usize = 24;
/// How many prices are asked for over all chains (a quarter of a second at most).
const PRICES_MAX: usize = 1 << 23;
/// How many chains are looked for at least, however large the ring is.
const CHAINS_MIN: usize = 4;

/// From one node of the graph to another.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    /// By how much prices rise.
    rise: i64,
    /// The slot that is handed over; none on the way to a zone, or to the ring, and from there.
    slot: Option<usize>,
}

/// Makes chains until nothing moves that need not, or no chain is found any more.
pub(super) fn shorten(assignment: &mut Assignment<'_>) {
    let prices = assignment.slots() * assignment.demands.zone_of.len();
    let chains_max = (PRICES_MAX / prices).max(CHAINS_MIN);
    let mut disappointing = BTreeSet::new();
    for _ in 0..chains_max {
        if assignment.moved() <= assignment.moved_least() {
            return;
        }
        let edges = edges(assignment, &disappointing);
        let Some(chain) = falling_cycle(&edges, nodes(assignment)) else { return };
        match make(assignment, &chain) {
            Ok(()) => disappointing.clear(),
            Err(dearer) => disappointing.extend(dearer),
        }
    }
}

/// The members, their zones, and the ring.
fn nodes(assignment: &Assignment<'_>) -> usize {
    assignment.demands.zone_of.len() + assignment.demands.zone_share.len() + 1
}

fn edges(assignment: &Assignment<'_>, disappointing: &BTreeSet<(usize, usize)>) -> Vec<Edge> {
    let members = assignment.demands.zone_of.len();
    let mut edges = handovers(assignment, disappointing);
    let ring = nodes(assignment) - 1;
    let mut allow = |from, to| edges.push(Edge { from, to, rise: 0, slot: None });
    for (member, &zone) in assignment.demands.zone_of.iter().enumerate() {
        if assignment.can_spare(member) {
            allow(members + zone, member);
        }
        if assignment.can_take(member) {
            allow(member, members + zone);
        }
    }
    for zone in 0..assignment.demands.zone_share.len() {
        if assignment.zone_can_spare(zone) {
            allow(ring, members + zone);
        }
        if assignment.zone_can_take(zone) {
            allow(members + zone, ring);
        }
    }
    edges
}

/// The cheapest hand-over of each member to each other that costs no more than one move.
fn handovers(assignment: &Assignment<'_>, disappointing: &BTreeSet<(usize, usize)>) -> Vec<Edge> {
    let members = assignment.demands.zone_of.len();
    let mut cheapest: Vec<Option<(i64, usize, usize)>> = vec![None; members * members];
    for slot in 0..assignment.slots() {
        let Some(owner) = assignment.owner(slot) else { continue };
        let now = assignment.price(slot, owner);
        for to in (0..members).filter(|&to| to != owner) {
            let rise = assignment.price(slot, to) - now;
            if rise > MOVE || disappointing.contains(&(slot, to)) {
                continue;
            }
            let found = (rise, assignment.breaks_pattern(slot, to), slot);
            let best = &mut cheapest[owner * members + to];
            if best.is_none_or(|best| found < best) {
                *best = Some(found);
            }
        }
    }
    let edge = |(at, found): (usize, Option<(i64, usize, usize)>)| {
        found.map(|(rise, _, slot)| Edge { from: at / members, to: at % members, rise, slot: Some(slot) })
    };
    cheapest.into_iter().enumerate().filter_map(edge).collect()
}

/// A cycle whose rises sum to less than nothing (Bellman and Ford, from everywhere at once).
fn falling_cycle(edges: &[Edge], nodes: usize) -> Option<Vec<Edge>> {
    let mut height = vec![0; nodes];
    let mut came_by: Vec<Option<Edge>> = vec![None; nodes];
    for _ in 0..ROUNDS_MAX {
        let mut falls = false;
        for edge in edges {
            if height[edge.from] + edge.rise < height[edge.to] {
                height[edge.to] = height[edge.from] + edge.rise;
                came_by[edge.to] = Some(*edge);
                falls = true;
            }
        }
        if !falls {
            return None;
        }
        if let Some(cycle) = cycle(&came_by) {
            return Some(cycle);
        }
    }
    None
}

/// A cycle of the edges by which the nodes were reached, in the order of its hand-overs.
fn cycle(came_by: &[Option<Edge>]) -> Option<Vec<Edge>> {
    let mut met_from = vec![usize::MAX; came_by.len()];
    for start in 0..came_by.len() {
        let mut at = start;
        while met_from[at] == usize::MAX {
            met_from[at] = start;
            match came_by[at] {
                Some(edge) => at = edge.from,
                None => break,
            }
        }
        if met_from[at] != start || came_by[at].is_none() {
            continue;
        }
        let mut cycle = Vec::new();
        let end = at;
        while let Some(edge) = came_by[at] {
            cycle.push(edge);
            at = edge.from;
            if at == end {
                cycle.reverse();
                return Some(cycle);
            }
        }
    }
    None
}

/// Makes the hand-overs of a chain, or says which of them cost more than was thought, because others of the chain are
/// near, and makes none.
fn make(assignment: &mut Assignment<'_>, chain: &[Edge]) -> Result<(), Vec<(usize, usize)>> {
    let mut made = Vec::new();
    let mut dearer = Vec::new();
    let mut sum = 0;
    for edge in chain {
        let Some((slot, owner)) = edge.slot.and_then(|slot| Some((slot, assignment.owner(slot)?))) else { continue };
        let rise = assignment.price(slot, edge.to) - assignment.price(slot, owner);
        assignment.set(slot, Some(edge.to));
        made.push((slot, owner));
        sum += rise;
        if rise > edge.rise {
            dearer.push((slot, edge.to));
        }
    }
    if sum < 0 {
        return Ok(());
    }
    for (slot, owner) in made.into_iter().rev() {
        assignment.set(slot, Some(owner));
    }
    Err(dearer)
}
