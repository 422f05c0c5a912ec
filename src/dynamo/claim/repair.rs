//! Local search: exchanges that take away what is wrong with an assignment, at the least movement.

use super::assignment::Assignment;

/// How many slots are compared without finding a new best until the search ends (a quarter of a second at most).
const PATIENCE_COMPARISONS: usize = 1 << 20;
/// How many clashing slots are tried at a step.
const TRIED_SLOTS: usize = 6;
/// How many steps a slot rests after it has changed, so that the search does not run in circles.
const REST_STEPS: usize = 10;
/// How many times to go over the moved slots to take moves back.
const POLISH_ROUNDS: usize = 4;

/// A change of owners that keeps what members may own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The slot goes to the member.
    Give { slot: usize, to: usize },
    /// The two slots exchange their owners.
    Swap { one: usize, other: usize },
}

/// Removes clashes: makes the best change to a clashing slot, even one that makes things worse for now, and keeps the
/// best assignment seen (tabu search). Bounded, and does nothing if there are no clashes.
pub(super) fn repair(assignment: &mut Assignment<'_>) {
    let slots = assignment.slots();
    let patience = (PATIENCE_COMPARISONS / TRIED_SLOTS / slots).max(REST_STEPS);
    let mut resting_until = vec![0; slots];
    let mut rise = 0;
    let mut best = (rise, owners(assignment));
    let mut best_step = 0;
    for step in 0.. {
        let clashing = clashing(assignment);
        if clashing.is_empty() || step > best_step + patience {
            break;
        }
        let is_free = |slot: usize| resting_until[slot] <= step;
        let ready: Vec<usize> = clashing.into_iter().filter(|&slot| is_free(slot)).collect();
        let found =
            tried(&ready, step).filter_map(|slot| best_change(assignment, slot, is_free)).min_by_key(|&(by, _)| by);
        let Some((by, change)) = found else { continue };
        apply(assignment, change);
        slots_of(change).for_each(|slot| resting_until[slot] = step + REST_STEPS);
        rise += by;
        if rise < best.0 {
            best = (rise, owners(assignment));
            best_step = step;
        }
    }
    for (slot, owner) in best.1.into_iter().enumerate() {
        assignment.set(slot, owner);
    }
}

/// Some of the slots: all in turn, as the steps go on.
fn tried(ready: &[usize], step: usize) -> impl Iterator<Item = usize> {
    let first = step * TRIED_SLOTS;
    (0..ready.len().min(TRIED_SLOTS)).map(move |at| ready[(first + at) % ready.len()])
}

/// Takes back moves that turn out not to be needed.
pub(super) fn polish(assignment: &mut Assignment<'_>) {
    for _ in 0..POLISH_ROUNDS {
        let mut improved = false;
        for slot in 0..assignment.slots() {
            if !assignment.is_taken_from_member(slot) {
                continue;
            }
            if let Some((_, change)) = best_change(assignment, slot, |_| true).filter(|&(rise, _)| rise < 0) {
                apply(assignment, change);
                improved = true;
            }
        }
        if !improved {
            break;
        }
    }
}

fn owners(assignment: &Assignment<'_>) -> Vec<Option<usize>> {
    (0..assignment.slots()).map(|slot| assignment.owner(slot)).collect()
}

fn clashing(assignment: &Assignment<'_>) -> Vec<usize> {
    (0..assignment.slots())
        .filter(|&slot| assignment.owner(slot).is_some_and(|owner| assignment.clash(slot, owner) > 0))
        .collect()
}

/// The change of the slot by which prices rise least (fall most), and the rise.
fn best_change(assignment: &mut Assignment<'_>, slot: usize, is_free: impl Fn(usize) -> bool) -> Option<(i64, Change)> {
    let owner = assignment.owner(slot)?;
    let members = assignment.demands.zone_of.len();
    let now = assignment.price(slot, owner);
    let prices: Vec<i64> = (0..members).map(|to| assignment.price(slot, to)).collect();
    let mut best: Option<(i64, Change)> = None;
    let mut consider = |rise: i64, change: Change| {
        if best.is_none_or(|(least, _)| rise < least) {
            best = Some((rise, change));
        }
    };
    for to in (0..members).filter(|&to| to != owner) {
        if assignment.can_spare(owner) && assignment.has_room(to, Some(owner)) {
            consider(prices[to] - now, Change::Give { slot, to });
        }
    }
    for other in (0..assignment.slots()).filter(|&other| is_free(other)) {
        let Some(there) = assignment.owner(other).filter(|&there| there != owner) else {
            continue;
        };
        let rise = if near(assignment, slot, other) {
            near_swap_rise(assignment, slot, other, owner, there)
        } else {
            prices[there] - now + assignment.price(other, owner) - assignment.price(other, there)
        };
        consider(rise, Change::Swap { one: slot, other });
    }
    best
}

fn near(assignment: &Assignment<'_>, one: usize, other: usize) -> bool {
    let apart = one.abs_diff(other);
    apart.min(assignment.slots() - apart) < assignment.demands.window
}

/// The rise of an exchange between slots that see each other: made one after the other, and taken back.
fn near_swap_rise(assignment: &mut Assignment<'_>, one: usize, other: usize, here: usize, there: usize) -> i64 {
    let mut rise = assignment.price(one, there) - assignment.price(one, here);
    assignment.set(one, Some(there));
    rise += assignment.price(other, here) - assignment.price(other, there);
    assignment.set(one, Some(here));
    rise
}

fn apply(assignment: &mut Assignment<'_>, change: Change) {
    match change {
        Change::Give { slot, to } => assignment.set(slot, Some(to)),
        Change::Swap { one, other } => {
            let (here, there) = (assignment.owner(one), assignment.owner(other));
            assignment.set(one, there);
            assignment.set(other, here);
        }
    }
}

fn slots_of(change: Change) -> impl Iterator<Item = usize> {
    match change {
        Change::Give { slot, .. } => [Some(slot), None],
        Change::Swap { one, other } => [Some(one), Some(other)],
    }
    .into_iter()
    .flatten()
}
