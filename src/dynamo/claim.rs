//! Who shall own which partition: the next ring.
//!
//! ```text
//!  members, weights, zones ──► Demands    how many partitions each member shall own; what may stand side by side
//!  the previous owners ──────► Assignment vacate ► fill ► settle ► repair ► polish ──► owners of the next ring
//! ```
//!
//! What is demanded, the first before the second and so on where they conflict:
//!
//! 1. **Distinct neighbours.** Any N neighbouring partitions, round the end of the ring too, have N owners.
//! 2. **Distinct zones.** Any N neighbours lie in N zones; with fewer zones none holds more of the N than an even
//!    spread needs (two of three for two zones). A member without a zone is a zone of its own.
//! 3. **Balance.** A member owns its weight's share of Q, rounded down or up. A share that the first two
//!    cannot bear is cut to what they can (a node: Q/N; a zone: the same times its places among N), and the others take
//!    the rest by their weights.
//! 4. **Little movement.** Of the rings that the first three leave, one near the previous ring. Measured with equal
//!    weights over random joins and leaves: a join moves the newcomer's share and no more; a leave that keeps 2N - 1
//!    members moves at most 1.11 times what the leaver owned. With fewer left a vacant partition can have all others as
//!    neighbours: down to N + 1 members it was up to 1.6 times for N = 3 (1.1 on average), and for N = 5 once 5 times.
//!
//! Where they cannot be had: with fewer than N members there is nothing to keep apart, and every member is in every
//! walk. With exactly N members or zones the pattern is rigid (it repeats every N partitions): it holds but for a
//! few partitions where the ring closes, if N does not divide Q; weights do not count in it; and to get there from more
//! members or zones moves up to three times the share of owners (where N members are left, each stores everything
//! anyway). Shares so coarse that `members * (Q / N) < Q`, rounded down, leave some neighbours equal.
//! The walk passes over a neighbour that repeats, so even then a preference list holds distinct nodes and zones.
//!
//! The answer depends on nothing but the arguments, and not on the order of the members.

mod assignment;
mod demands;
mod repair;
mod shares;

use super::node_id::NodeId;
use super::ring::{MAX_MEMBERS, MAX_PARTITIONS, Member, Ring, RingError};
use assignment::Assignment;
use demands::Demands;

/// How often to start from nothing where clashes remain near the previous ring.
const FRESH_ATTEMPTS: usize = 4;

/// Why no ring could be claimed. The previous ring stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is nobody to own anything.
    #[error("a ring needs at least one member")]
    NoMembers,
    /// More members than a ring can name.
    #[error("a ring has at most {max} members, not {members}")]
    TooManyMembers {
        /// How many were given.
        members: usize,
        /// The greatest number allowed.
        max: usize,
    },
    /// Two members have the same name.
    #[error("the name {id} is given to more than one member")]
    DuplicateMember {
        /// The name.
        id: NodeId,
    },
    /// A member that could own nothing; leave it out instead.
    #[error("the weight of {id} is 0; give at least 1, or leave the member out")]
    ZeroWeight {
        /// The member.
        id: NodeId,
    },
    /// The number of partitions is no power of two, or too great.
    #[error("a ring has a power of two of partitions, at most {max}, not {partitions}")]
    Partitions {
        /// The number given.
        partitions: u32,
        /// The greatest number allowed.
        max: u32,
    },
    /// The number of partitions is fixed when the cluster is created.
    #[error("the ring has {previous} partitions and keeps them, {requested} were asked for")]
    PartitionsChanged {
        /// That of the previous ring.
        previous: u32,
        /// That asked for.
        requested: u32,
    },
    /// No replicas are asked for.
    #[error("a ring is claimed for at least 1 replica")]
    NoReplicas,
    /// The owners found do not make a ring.
    #[error("the claim made no valid ring")]
    Ring {
        /// What is wrong with them.
        #[from]
        source: RingError,
    },
}

/// Assigns owners. `previous` is the ring to move away from as little as possible.
///
/// `n` is the number of replicas for which neighbours are kept apart. The epoch of the ring is one more than that of
/// `previous`, or 1. See the [module](self) for what is demanded of a ring.
pub fn claim(previous: Option<&Ring>, members: &[Member], partitions: u32, n: usize) -> Result<Ring, ClaimError> {
    let mut members = members.to_vec();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    refuse(previous, &members, partitions, n)?;
    let before = previous_owners(previous, &members, partitions);
    let demands = Demands::new(&members, &before, n);
    let owners = nearest(&demands, &before).into_owners();
    let epoch = previous.map_or(1, |ring| ring.epoch().saturating_add(1));
    Ok(Ring::new(epoch, n, members, owners)?)
}

/// The assignment near the owners before, or one from nothing where that has fewer clashes.
fn nearest<'a>(demands: &'a Demands, before: &'a [Option<usize>]) -> Assignment<'a> {
    let mut best = search(Assignment::new(demands, before));
    if demands.is_rigid() {
        return best;
    }
    for attempt in 1..=FRESH_ATTEMPTS {
        if best.clashes() == 0 {
            break;
        }
        let fresh = search(Assignment::vacant(demands, before, attempt));
        if fresh.clashes() < best.clashes() {
            best = fresh;
        }
    }
    best
}

fn search(mut assignment: Assignment<'_>) -> Assignment<'_> {
    assignment.fill();
    assignment.settle();
    repair::repair(&mut assignment);
    repair::polish(&mut assignment);
    assignment
}

fn refuse(previous: Option<&Ring>, sorted: &[Member], partitions: u32, n: usize) -> Result<(), ClaimError> {
    if sorted.is_empty() {
        return Err(ClaimError::NoMembers);
    }
    if sorted.len() > MAX_MEMBERS {
        return Err(ClaimError::TooManyMembers { members: sorted.len(), max: MAX_MEMBERS });
    }
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(ClaimError::DuplicateMember { id: pair[0].id.clone() });
    }
    if let Some(member) = sorted.iter().find(|member| member.weight == 0) {
        return Err(ClaimError::ZeroWeight { id: member.id.clone() });
    }
    if !partitions.is_power_of_two() || partitions > MAX_PARTITIONS {
        return Err(ClaimError::Partitions { partitions, max: MAX_PARTITIONS });
    }
    if n == 0 {
        return Err(ClaimError::NoReplicas);
    }
    match previous.map(Ring::partitions) {
        Some(previous) if previous != partitions => {
            Err(ClaimError::PartitionsChanged { previous, requested: partitions })
        }
        _ => Ok(()),
    }
}

/// Who owned each partition, as an index into the members of now; `None` for who is gone.
fn previous_owners(previous: Option<&Ring>, members: &[Member], partitions: u32) -> Vec<Option<usize>> {
    match previous {
        None => vec![None; partitions as usize],
        Some(ring) => ring
            .partition_ids()
            .map(|partition| {
                let owner = ring.owner(partition);
                members.binary_search_by(|m| m.id.cmp(owner)).ok()
            })
            .collect(),
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
