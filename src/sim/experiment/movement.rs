//! What moves when nodes join and leave, on rings as [`claim`] makes them.
//!
//! ```text
//!   nodes = [3, 30, 3]     3 ─▶ 4 ─▶ ... ─▶ 30 ─▶ 29 ─▶ ... ─▶ 3      one change after another, whoever leaves drawn at random
//!   each change            partitions with another owner, copies to be fetched; and the least of both
//! ```

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::Serialize;

use super::plan::Relocation;
use crate::dynamo::claim::{ClaimError, Movement, claim};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, Ring};

/// What one join or leave moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// Q.
    pub partitions: u32,
    /// How many nodes there were.
    pub nodes_before: usize,
    /// How many there are.
    pub nodes_after: usize,
    /// Partitions with another owner.
    pub owners: usize,
    /// The least that the shares allow.
    pub owners_least: usize,
    /// Copies that nodes have to fetch.
    pub copies: usize,
    /// The least by which nodes come to what they have.
    pub copies_least: usize,
}

impl Moved {
    /// Partitions with another owner, over the least.
    #[must_use]
    pub fn owners_over_least(&self) -> f64 {
        ratio(self.owners, self.owners_least)
    }

    /// Copies to be fetched, over the least.
    #[must_use]
    pub fn copies_over_least(&self) -> f64 {
        ratio(self.copies, self.copies_least)
    }

    /// Whether a node has come.
    #[must_use]
    pub fn is_join(&self) -> bool {
        self.nodes_after > self.nodes_before
    }
}

/// Where nothing has to move, nothing over it is 1.
fn ratio(moved: usize, least: usize) -> f64 {
    if moved == least { 1.0 } else { moved as f64 / least as f64 }
}

/// All changes, for one number of partitions after another.
///
/// # Errors
///
/// The numbers describe no ring.
pub(super) fn measure(relocation: &Relocation, rng: &mut StdRng) -> Result<Vec<Moved>, ClaimError> {
    let mut moved = Vec::new();
    for &partitions in &relocation.partitions {
        let mut members: Vec<Member> = Vec::new();
        let mut ring: Option<Ring> = None;
        let mut joined = 0..;
        for &goal in &relocation.nodes {
            while members.len() != goal || ring.is_none() {
                let nodes_before = members.len();
                if nodes_before < goal {
                    members.extend(joined.next().and_then(|number| newcomer(number, relocation.zones)));
                } else {
                    members.remove(rng.random_range(0..nodes_before));
                }
                // The first nodes found the cluster together.
                if ring.is_none() && members.len() < goal {
                    continue;
                }
                let next = claim(ring.as_ref(), &members, partitions, relocation.n)?;
                moved.extend(ring.map(|ring| row(&ring, &next)));
                ring = Some(next);
            }
        }
    }
    Ok(moved)
}

/// Nodes come to the zones in turn.
fn newcomer(number: usize, zones: usize) -> Option<Member> {
    let zone = number.checked_rem(zones).map(|zone| format!("z{zone}"));
    NodeId::new(&format!("n{number:04}")).ok().map(|id| Member { id, zone, weight: 1 })
}

fn row(before: &Ring, after: &Ring) -> Moved {
    let Movement { owners, owners_least, copies, copies_least } = Movement::between(before, after);
    let (nodes_before, nodes_after) = (before.members().len(), after.members().len());
    Moved { partitions: after.partitions(), nodes_before, nodes_after, owners, owners_least, copies, copies_least }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::{Moved, Relocation, measure, newcomer};

    #[test]
    fn every_size_on_the_way_is_one_change() {
        let relocation = Relocation { partitions: vec![16, 32], n: 2, zones: 0, nodes: vec![3, 5, 2, 2, 3] };
        let moved = measure(&relocation, &mut StdRng::seed_from_u64(1)).expect("rings");
        let sizes = |one: &Moved| (one.nodes_before, one.nodes_after);
        let way = [(3, 4), (4, 5), (5, 4), (4, 3), (3, 2), (2, 3)];
        let (small, large) = moved.split_at(way.len());
        assert_eq!(small.iter().map(sizes).collect::<Vec<_>>(), way);
        assert_eq!(large.iter().map(sizes).collect::<Vec<_>>(), way);
        assert!(small.iter().all(|one| one.partitions == 16) && large.iter().all(|one| one.partitions == 32));
        assert!(moved.iter().all(|one| one.owners >= one.owners_least && one.copies >= one.copies_least));
    }

    #[test]
    fn nodes_come_to_the_zones_in_turn() {
        let zones: Vec<_> = (0..3).map(|number| newcomer(number, 2).expect("a member").zone).collect();
        assert_eq!(zones, ["z0", "z1", "z0"].map(|zone| Some(zone.to_owned())));
        assert_eq!(newcomer(0, 0).expect("a member").zone, None);
    }
}
