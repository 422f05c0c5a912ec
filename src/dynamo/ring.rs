//! Who owns which slice of the hash space.
//!
//! ```text
//!  hash of a key (64 bits)     0 ........................................ 2^64
//!  partition = its top bits    |  0  |  1  |  2  |  3  |  4  | ... | Q-1 |  and round again
//!  owner                         a     b     c     d     a           b
//!  walk of partition 1                 b  >  c  >  d  >  a
//! ```
//!
//! The *walk* of a partition names every owner once, in the order in which going round the ring meets them: its
//! first N are the primaries, the others are the fallbacks (Dynamo, sections 4.2, 4.3 and 6.2, strategy 3). A ring
//! never changes; [`claim`](super::claim::claim) makes the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::node_id::NodeId;
use super::preference_list::PreferenceList;

/// The greatest number of partitions of a ring: a claim of so many takes seconds.
pub const MAX_PARTITIONS: u32 = 1 << 14;
/// The greatest number of members of a ring: the walks take `2 * partitions * members` bytes.
pub const MAX_MEMBERS: usize = 1024;

/// One of the Q equal slices of the ring, counted from 0.
///
/// A number of Q or more goes round the ring: partition Q is partition 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u32);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A member of the cluster as the ring sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub id: NodeId,
    /// What fails together with it (a rack, a data centre). A member without a zone is a zone of its own.
    pub zone: Option<String>,
    /// Its share of the partitions, relative to the weights of the others; at least 1.
    pub weight: u32,
}

/// An immutable assignment of Q partitions to members.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RingRecord", into = "RingRecord")]
pub struct Ring {
    epoch: u64,
    n: usize,
    /// Sorted by id, each id once, never empty.
    members: Vec<Member>,
    /// The owner of each partition, as an index into `members`; the length is a power of two.
    owners: Vec<u16>,
    /// The walks of all partitions, one after another, each of `walk_length` indexes into `members`.
    walks: Vec<u16>,
    /// How many members own a partition at all.
    walk_length: usize,
    /// What each partition's preference list is while all its primaries are reachable, for the claimed `n`.
    healthy: Vec<PreferenceList>,
}

/// Why parts do not make a ring. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The number of partitions is no power of two, or too great.
    #[error("a ring has a power of two of partitions, at most {max}, not {partitions}")]
    Partitions {
        /// The number given.
        partitions: usize,
        /// The greatest number allowed.
        max: u32,
    },
    /// There are no members, or too many.
    #[error("a ring has 1 to {max} members, not {members}")]
    Members {
        /// The number given.
        members: usize,
        /// The greatest number allowed.
        max: usize,
    },
    /// A name occurs twice, or the members are not in the order of their names.
    #[error("members must be sorted by name and each name unique, which {id} is not")]
    MemberOrder {
        /// The member that does not follow the one before it.
        id: NodeId,
    },
    /// A partition's owner is no member.
    #[error("the owner of partition {partition} is member number {owner} of {members}")]
    Owner {
        /// The partition.
        partition: usize,
        /// The index given.
        owner: u16,
        /// How many members there are.
        members: usize,
    },
    /// The ring was claimed for no replicas.
    #[error("a ring is claimed for at least 1 replica")]
    NoReplicas,
}

impl Ring {
    /// Makes the ring of these parts: `owners[p]` is the index in `members` of the owner of partition p, `n` the number
    /// of replicas for which it was claimed.
    pub fn new(epoch: u64, n: usize, members: Vec<Member>, owners: Vec<u16>) -> Result<Self, RingError> {
        refuse_broken_parts(n, &members, &owners)?;
        let (walks, walk_length) = all_walks(&members, &owners);
        let mut ring = Self { epoch, n, members, owners, walks, walk_length, healthy: Vec::new() };
        ring.healthy =
            ring.partition_ids().map(|partition| PreferenceList::of_primaries(ring.primaries(partition, n))).collect();
        Ok(ring)
    }

    /// The number of this ring: each claim counts one up from the ring before it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The same ring under another number.
    pub fn at_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// The same ring with other owners of some partitions; `None` where there is no such partition, or no such member.
    pub fn with_owners(&self, others: &BTreeMap<PartitionId, NodeId>) -> Option<Self> {
        let mut owners = self.owners.clone();
        for (partition, owner) in others {
            let at = self.members.binary_search_by(|member| member.id.cmp(owner)).ok()?;
            *owners.get_mut(partition.0 as usize)? = u16::try_from(at).ok()?;
        }
        Self::new(self.epoch, self.n, self.members.clone(), owners).ok()
    }

    /// How many members own a partition at all.
    pub fn owners(&self) -> usize {
        self.walk_length
    }

    /// The number of replicas for which the ring was claimed.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Q, the number of partitions.
    pub fn partitions(&self) -> u32 {
        self.owners.len() as u32
    }

    /// Every partition, from 0.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions()).map(PartitionId)
    }

    /// The members, sorted by id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that name.
    pub fn member(&self, id: &NodeId) -> Option<&Member> {
        let at = self.members.binary_search_by(|m| m.id.cmp(id)).ok()?;
        self.members.get(at)
    }

    /// Who owns the partition.
    pub fn owner(&self, partition: PartitionId) -> &NodeId {
        &self.members[usize::from(self.owners[self.slot(partition)])].id
    }

    /// The partition of a key: the top bits of the xxh3 hash (64 bits, seed 0) of its bytes.
    pub fn partition_of(&self, key_bytes: &[u8]) -> PartitionId {
        let bits = self.owners.len().trailing_zeros();
        let slice = xxh3_64(key_bytes).checked_shr(u64::BITS - bits).unwrap_or(0);
        PartitionId(slice as u32)
    }

    /// The partitions that a node owns, in order; none if it is no member.
    pub fn owned_by(&self, id: &NodeId) -> impl Iterator<Item = PartitionId> + use<'_> {
        let member = self.members.binary_search_by(|m| m.id.cmp(id)).ok();
        self.partition_ids().filter(move |&p| member == Some(usize::from(self.owners[self.slot(p)])))
    }

    /// Every owner once, in the order in which they stand in for a partition: its own owner first, then round the ring.
    ///
    /// Where zones share the ring unevenly a node waits until each zone that has one left has had its turn: the first
    /// n of a walk lie in n zones if there are n, and are spread as evenly as possible if there are fewer.
    pub fn walk(&self, partition: PartitionId) -> impl ExactSizeIterator<Item = &NodeId> + Clone + use<'_> {
        let start = self.slot(partition) * self.walk_length;
        self.walks[start..start + self.walk_length].iter().map(|&at| &self.members[usize::from(at)].id)
    }

    /// The n nodes that store a partition, its owner first; all owners if there are fewer.
    pub fn primaries(
        &self,
        partition: PartitionId,
        n: usize,
    ) -> impl ExactSizeIterator<Item = &NodeId> + Clone + use<'_> {
        self.walk(partition).take(n)
    }

    /// The list of a partition whose primaries are all reachable, for the claimed `n`; shares what was made at
    /// construction.
    pub(super) fn healthy(&self, partition: PartitionId) -> &PreferenceList {
        &self.healthy[self.slot(partition)]
    }

    /// The mean load over the greatest, where a node's load is its partitions per weight: 1 is perfect.
    pub fn balance(&self) -> f64 {
        let load = |member: &Member| self.owned_by(&member.id).count() as f64 / f64::from(member.weight.max(1));
        let loads: Vec<f64> = self.members.iter().map(load).collect();
        let greatest = loads.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        loads.iter().sum::<f64>() / loads.len().max(1) as f64 / greatest
    }

    fn slot(&self, partition: PartitionId) -> usize {
        // The length is a power of two, so the mask is the remainder.
        partition.0 as usize & (self.owners.len() - 1)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("epoch", &self.epoch)
            .field("n", &self.n)
            .field("members", &self.members)
            .field("owners", &self.owners)
            .finish_non_exhaustive()
    }
}

fn refuse_broken_parts(n: usize, members: &[Member], owners: &[u16]) -> Result<(), RingError> {
    if n == 0 {
        return Err(RingError::NoReplicas);
    }
    let partitions = owners.len();
    if !partitions.is_power_of_two() || partitions > MAX_PARTITIONS as usize {
        return Err(RingError::Partitions { partitions, max: MAX_PARTITIONS });
    }
    if !(1..=MAX_MEMBERS).contains(&members.len()) {
        return Err(RingError::Members { members: members.len(), max: MAX_MEMBERS });
    }
    if let Some(pair) = members.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        return Err(RingError::MemberOrder { id: pair[1].id.clone() });
    }
    match owners.iter().position(|&owner| usize::from(owner) >= members.len()) {
        Some(partition) => Err(RingError::Owner { partition, owner: owners[partition], members: members.len() }),
        None => Ok(()),
    }
}

/// The walks of all partitions, and the length of each.
fn all_walks(members: &[Member], owners: &[u16]) -> (Vec<u16>, usize) {
    let zones = zone_numbers(members);
    let walk_length = owners.iter().collect::<BTreeSet<_>>().len();
    let mut walks = Vec::with_capacity(owners.len() * walk_length);
    for start in 0..owners.len() {
        let mut seen = vec![false; members.len()];
        let mut met_in_zone = vec![0_usize; members.len()];
        let mut met = Vec::with_capacity(walk_length);
        for step in 0..owners.len() {
            let owner = owners[(start + step) & (owners.len() - 1)];
            let at = usize::from(owner);
            if !std::mem::replace(&mut seen[at], true) {
                met.push((met_in_zone[zones[at]], owner));
                met_in_zone[zones[at]] += 1;
                if met.len() == walk_length {
                    break;
                }
            }
        }
        // Stable: first the first of each zone in ring order, then the second of each, and so on.
        met.sort_by_key(|&(turn, _)| turn);
        walks.extend(met.into_iter().map(|(_, owner)| owner));
    }
    (walks, walk_length)
}

/// The zone of each member as a number from 0; a member without a zone is a zone of its own.
pub(super) fn zone_numbers(members: &[Member]) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let mut next = 0..members.len();
    members
        .iter()
        .filter_map(|member| match &member.zone {
            None => next.next(),
            Some(zone) => match numbers.get(zone) {
                Some(&number) => Some(number),
                None => next.next().inspect(|&number| {
                    numbers.insert(zone, number);
                }),
            },
        })
        .collect()
}

/// A ring as it is stored and sent: what cannot be computed from the rest.
#[derive(Serialize, Deserialize)]
struct RingRecord {
    epoch: u64,
    n: usize,
    members: Vec<Member>,
    owners: Vec<u16>,
}

impl TryFrom<RingRecord> for Ring {
    type Error = RingError;

    fn try_from(record: RingRecord) -> Result<Self, RingError> {
        Self::new(record.epoch, record.n, record.members, record.owners)
    }
}

impl From<Ring> for RingRecord {
    fn from(ring: Ring) -> Self {
        Self { epoch: ring.epoch, n: ring.n, members: ring.members, owners: ring.owners }
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
