//! Who owns what while the ring moves: two rings, and for each partition how far it has come from one to the other.
//!
//! ```text
//!              writes go to      reads go to     goes on when
//!  Copying     old and new       old             every new replica holds what the old ones held when they began to refuse whoever does not know of it
//!  Switched    old and new       new             so many old replicas refuse reads of before that no read quorum of them is left
//!  Settled     new               new
//! ```
//!
//! Every step counts the *epoch* up and raises the *fence* of the partition to it: a replica refuses whoever assumes an older epoch than the fence of
//! the partition that he speaks of. So a write that only old replicas took was taken before the copying ended, and a read that only old ones answer
//! cannot miss a write that only new ones took. A partition whose replicas stay the same is settled at once.
//!
//! Writes that depend on what an item is are put in order at one node, the partition's *sequencer*: the first replica in the order of the walk that is not
//! *sidelined*, as nodes are that cannot be reached. Whenever that becomes another node, a new *tenure* begins, and the fence rises with it: what the former one
//! decides from then on, no quorum takes.
//!
//! A move that is [cancelled](Topology::cancel) goes back: the rings change places. Old replicas have W of all writes until a partition is settled, so that
//! only what was settled has to be copied back.
//!
//! ```text
//!  was          becomes      because
//!  Copying      Settled      nobody has read from the new ring
//!  Switched     Switched     the old ring holds everything, and answers; who has read from the new one must be refused first
//!  Settled      Copying      the old ring lacks what has been written since
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;
use super::ring::{PartitionId, Ring};

/// How far a partition has come from the old ring to the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// New replicas fetch what they lack. The old ones answer reads.
    Copying,
    /// New replicas hold everything and answer reads. Old ones still take writes, for whoever reads there.
    Switched,
    /// The old ring means nothing any more.
    Settled,
}

/// Which ring says who replicates a partition.
#[derive(Clone, Copy, Debug)]
pub struct Rings<'a> {
    /// Its primaries answer reads, and a write needs W of them.
    pub reading: &'a Arc<Ring>,
    /// While the partition moves: a write needs W of this one's primaries, too.
    pub writing_too: Option<&'a Arc<Ring>>,
}

/// The ring, or two of them while one gives way to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "TopologyRecord", from = "TopologyRecord")]
pub struct Topology {
    epoch: u64,
    /// The newest ring.
    ring: Arc<Ring>,
    /// The epoch of each partition's latest step.
    fences: Vec<u64>,
    transition: Option<Transition>,
    /// Who puts no writes in order.
    sidelined: BTreeSet<NodeId>,
    /// The epoch in which the present sequencer of each partition became that.
    tenures: Vec<u64>,
}

/// How many replicas a table has by the older ring, and by the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Level {
    /// By the older one.
    pub before: usize,
    /// By the newer one.
    pub now: usize,
}

impl Level {
    /// The number stays.
    pub fn same(n: usize) -> Self {
        Self { before: n, now: n }
    }

    /// Whether it changes.
    pub fn changes(self) -> bool {
        self.before != self.now
    }

    fn reversed(self) -> Self {
        Self { before: self.now, now: self.before }
    }
}

/// From one ring to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The epoch in which it began: its name, also once it goes back.
    began: u64,
    /// It was cancelled, and goes back to where it came from.
    returns: bool,
    from: Arc<Ring>,
    /// Of each partition.
    phases: Vec<Phase>,
    /// Those that are not settled, in order.
    moving: BTreeSet<PartitionId>,
    /// The numbers of replicas that tables have.
    levels: Vec<Level>,
    /// Tables whose N changes, by number: N, R and W by the older ring.
    resized: BTreeMap<u32, [u8; 3]>,
    /// Old replicas that are lost: nobody waits for what they held.
    lost: BTreeSet<NodeId>,
    /// Which new replicas hold all of their partition, where not all of them do.
    arrived: BTreeMap<PartitionId, BTreeSet<NodeId>>,
}

/// The ring cannot move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// One change at a time.
    #[error("the ring is moving already")]
    Moving,
    /// The number of partitions is fixed.
    #[error("the ring has {present} partitions and keeps them, not {asked}")]
    Partitions {
        /// What it has.
        present: u32,
        /// What was asked for.
        asked: u32,
    },
}

/// A move cannot go back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// It is over, or there never was one.
    #[error("nothing of that name moves")]
    Over,
    /// Once is enough.
    #[error("it is going back already")]
    Returns,
    /// Who is lost cannot fetch anything.
    #[error("partitions of {node} have gone to others for good, and {node} is lost: let it come to its end")]
    Lost {
        /// The node.
        node: NodeId,
    },
}

impl Topology {
    /// Nothing moves.
    pub fn settled(ring: Ring) -> Self {
        let epoch = ring.epoch();
        let slots = ring.partitions() as usize;
        Self {
            epoch,
            fences: vec![epoch; slots],
            ring: Arc::new(ring),
            transition: None,
            sidelined: BTreeSet::new(),
            tenures: vec![epoch; slots],
        }
    }

    /// Counts the steps of all partitions, from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The newest ring: who owns what once nothing moves any more.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// The ring before, while the ring moves.
    pub fn transition(&self) -> Option<&Transition> {
        self.transition.as_ref()
    }

    /// The least epoch that whoever speaks of this partition must assume.
    pub fn fence(&self, partition: PartitionId) -> u64 {
        self.fences.get(self.slot(partition)).copied().unwrap_or(self.epoch)
    }

    /// Where writes that depend on what an item is are put in order, of a table with `n` replicas; `None`: all of them are sidelined.
    pub fn sequencer(&self, partition: PartitionId, n: usize) -> Option<&NodeId> {
        let mut primaries = self.rings(partition).reading.primaries(partition, n);
        primaries.find(|node| !self.sidelined.contains(*node))
    }

    /// The epoch in which the partition's present sequencer became that.
    pub fn tenure(&self, partition: PartitionId) -> u64 {
        self.tenures.get(self.slot(partition)).copied().unwrap_or(self.epoch)
    }

    /// Who puts no writes in order.
    pub fn sidelined(&self) -> &BTreeSet<NodeId> {
        &self.sidelined
    }

    /// From now on the node puts no writes in order, or does so again. Returns whether that is news.
    pub fn sideline(&mut self, node: &NodeId, sidelined: bool) -> bool {
        if self.ring.member(node).is_none() || self.sidelined.contains(node) == sidelined {
            return false;
        }
        let before = self.sequencers();
        if sidelined {
            self.sidelined.insert(node.clone())
        } else {
            self.sidelined.remove(node)
        };
        self.epoch += 1;
        self.begin_tenures(&before);
        true
    }

    /// The sequencer of each partition, however many replicas it has.
    fn sequencers(&self) -> Vec<Option<NodeId>> {
        self.ring.partition_ids().map(|partition| self.sequencer(partition, usize::MAX).cloned()).collect()
    }

    /// Where the sequencer is another one than before, its tenure begins now.
    fn begin_tenures(&mut self, before: &[Option<NodeId>]) {
        let changed = self.ring.partition_ids().zip(before);
        let changed = changed.filter(|(partition, before)| self.sequencer(*partition, usize::MAX) != before.as_ref());
        let slots: Vec<usize> = changed.map(|(partition, _)| self.slot(partition)).collect();
        for slot in slots {
            (self.tenures[slot], self.fences[slot]) = (self.epoch, self.epoch);
        }
    }

    /// How far a partition has come.
    pub fn phase(&self, partition: PartitionId) -> Phase {
        let slot = self.slot(partition);
        self.transition.as_ref().and_then(|moving| moving.phases.get(slot)).copied().unwrap_or(Phase::Settled)
    }

    /// Which ring, or rings, a request about this partition goes by.
    pub fn rings(&self, partition: PartitionId) -> Rings<'_> {
        let Some(Transition { from, .. }) = &self.transition else {
            return Rings { reading: &self.ring, writing_too: None };
        };
        match self.phase(partition) {
            Phase::Copying => Rings { reading: from, writing_too: Some(&self.ring) },
            Phase::Switched => Rings { reading: &self.ring, writing_too: Some(from) },
            Phase::Settled => Rings { reading: &self.ring, writing_too: None },
        }
    }

    /// Whoever must hold a partition of which there are `n` replicas: those that answer reads first, each node once.
    pub fn holders(&self, partition: PartitionId, n: usize) -> Vec<&NodeId> {
        let Rings { reading, writing_too } = self.rings(partition);
        let mut holders: Vec<&NodeId> = reading.primaries(partition, n).collect();
        let others = writing_too.into_iter().flat_map(|ring| ring.primaries(partition, n));
        for node in others {
            if !holders.contains(&node) {
                holders.push(node);
            }
        }
        holders
    }

    /// Whether the node must hold the partition, of which there are `n` replicas.
    pub fn holds(&self, node: &NodeId, partition: PartitionId, n: usize) -> bool {
        let Rings { reading, writing_too } = self.rings(partition);
        let among = |ring: &Ring| ring.primaries(partition, n).any(|holder| holder == node);
        among(reading) || writing_too.is_some_and(|ring| among(ring))
    }

    /// Everybody who owns anything in either ring.
    pub fn nodes(&self) -> BTreeSet<&NodeId> {
        let from = self.transition.iter().flat_map(|moving| moving.from.members());
        self.ring.members().iter().chain(from).map(|member| &member.id).collect()
    }

    /// The replicas of a partition in the newer ring that were none in the older one, for any table; nobody where nothing moves.
    pub fn newcomers(&self, partition: PartitionId) -> BTreeSet<&NodeId> {
        let moving = self.transition.as_ref();
        moving.map(|moving| newcomers(&moving.from, &self.ring, &moving.levels, partition)).unwrap_or_default()
    }

    /// The new replicas of a partition that is being copied, which do not hold all of it yet.
    pub fn awaited(&self, partition: PartitionId) -> BTreeSet<&NodeId> {
        let Some(moving) = self.transition.as_ref().filter(|_| self.phase(partition) == Phase::Copying) else {
            return BTreeSet::new();
        };
        let arrived = moving.arrived.get(&partition);
        self.newcomers(partition)
            .into_iter()
            .filter(|node| !arrived.is_some_and(|arrived| arrived.contains(*node)))
            .collect()
    }

    /// Moves toward another ring. `levels` are the numbers of replicas that tables have, `lost` the nodes whose copies nobody waits for.
    ///
    /// # Errors
    ///
    /// See [`MoveError`]; nothing has changed then.
    pub fn begin(&mut self, to: Ring, levels: Vec<usize>, lost: BTreeSet<NodeId>) -> Result<(), MoveError> {
        self.begin_resizing(to, levels.into_iter().map(Level::same).collect(), BTreeMap::new(), lost)
    }

    /// The same, where a table gets another number of replicas. `resized` are N, R and W of before, by the table's number.
    ///
    /// # Errors
    ///
    /// See [`MoveError`]; nothing has changed then.
    pub fn begin_resizing(
        &mut self,
        to: Ring,
        mut levels: Vec<Level>,
        resized: BTreeMap<u32, [u8; 3]>,
        lost: BTreeSet<NodeId>,
    ) -> Result<(), MoveError> {
        if self.transition.is_some() {
            return Err(MoveError::Moving);
        }
        if to.partitions() != self.ring.partitions() {
            return Err(MoveError::Partitions { present: self.ring.partitions(), asked: to.partitions() });
        }
        levels.sort_unstable();
        levels.dedup();
        self.epoch += 1;
        let began = self.epoch;
        let phase = |stays: bool, _| if stays { Phase::Settled } else { Phase::Copying };
        self.turn_to(to, levels, phase, |from, phases, levels| {
            let moving = unsettled(&phases);
            let arrived = BTreeMap::new();
            Transition { began, returns: false, from, phases, moving, levels, resized, lost, arrived }
        });
        Ok(())
    }

    /// Goes back to where the move that began in this epoch came from. `resized` are N, R and W, as they are now, of the tables whose N it changes.
    ///
    /// # Errors
    ///
    /// See [`CancelError`]; nothing has changed then.
    pub fn cancel(&mut self, began: u64, resized: BTreeMap<u32, [u8; 3]>) -> Result<(), CancelError> {
        let moving = self.transition.as_ref().filter(|moving| moving.began == began).ok_or(CancelError::Over)?;
        if moving.returns {
            return Err(CancelError::Returns);
        }
        let (back, before) = (Ring::clone(&moving.from), moving.phases.clone());
        let levels: Vec<Level> = moving.levels.iter().map(|level| level.reversed()).collect();
        let settled = self.ring.partition_ids().filter(|partition| self.phase(*partition) == Phase::Settled);
        let lost = settled
            .flat_map(|partition| newcomers(&self.ring, &back, &levels, partition))
            .find(|node| moving.lost.contains(*node));
        if let Some(node) = lost {
            return Err(CancelError::Lost { node: node.clone() });
        }
        self.epoch += 1;
        let phase = |stays: bool, slot: usize| match before[slot] {
            Phase::Settled if !stays => Phase::Copying,
            Phase::Switched => Phase::Switched,
            Phase::Copying | Phase::Settled => Phase::Settled,
        };
        self.turn_to(back, levels, phase, |from, phases, levels| {
            let (moving, lost, arrived) = (unsettled(&phases), BTreeSet::new(), BTreeMap::new());
            Transition { began, returns: true, from, phases, moving, levels, resized, lost, arrived }
        });
        Ok(())
    }

    /// The ring gives way to another one in the present epoch. `phase` says how far a partition is that keeps its replicas or does not.
    fn turn_to(
        &mut self,
        to: Ring,
        levels: Vec<Level>,
        phase: impl Fn(bool, usize) -> Phase,
        transition: impl FnOnce(Arc<Ring>, Vec<Phase>, Vec<Level>) -> Transition,
    ) {
        let before = self.sequencers();
        let (from, to) = (Arc::clone(&self.ring), to.at_epoch(self.epoch));
        let mut phases = Vec::with_capacity(self.fences.len());
        for (slot, (partition, fence)) in to.partition_ids().zip(&mut self.fences).enumerate() {
            // Where N changes so do quorums, also where all nodes hold everything.
            let changes = |level: &Level| {
                level.changes() || !from.primaries(partition, level.now).eq(to.primaries(partition, level.now))
            };
            let stays = levels.iter().all(|level| !level.changes() && same_nodes(&from, &to, partition, level.now));
            phases.push(phase(stays, slot));
            if levels.iter().any(changes) {
                *fence = self.epoch;
            }
        }
        self.ring = Arc::new(to);
        self.transition = Some(transition(from, phases, levels));
        self.pass_over_nobody();
        self.end();
        self.begin_tenures(&before);
    }

    /// The partitions that are not settled, in order.
    pub fn moving(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.transition.iter().flat_map(|moving| moving.moving.iter().copied())
    }

    /// The node holds all of these partitions. Returns whether that is news.
    pub fn arrived(&mut self, node: &NodeId, partitions: &[PartitionId]) -> bool {
        let news: Vec<PartitionId> =
            partitions.iter().copied().filter(|partition| self.awaited(*partition).contains(node)).collect();
        if news.is_empty() {
            return false;
        }
        let before = self.sequencers();
        let Some(moving) = self.transition.as_mut() else { return false };
        for partition in news {
            moving.arrived.entry(partition).or_default().insert(node.clone());
        }
        self.epoch += 1;
        self.pass_over_nobody();
        self.begin_tenures(&before);
        true
    }

    /// Enough old replicas of these partitions refuse old reads. Returns whether that is news.
    pub fn release(&mut self, partitions: &[PartitionId]) -> bool {
        let switched = |partition: &PartitionId| self.phase(*partition) == Phase::Switched;
        let place = |partition: &PartitionId| (*partition, self.slot(*partition));
        let news: Vec<(PartitionId, usize)> =
            partitions.iter().filter(|partition| switched(partition)).map(place).collect();
        let Some(moving) = self.transition.as_mut().filter(|_| !news.is_empty()) else { return false };
        self.epoch += 1;
        for (partition, slot) in news {
            moving.phases[slot] = Phase::Settled;
            moving.moving.remove(&partition);
            self.fences[slot] = self.epoch;
        }
        self.end();
        true
    }

    /// Partitions that wait for nobody are switched.
    fn pass_over_nobody(&mut self) {
        let copying = self.moving().filter(|partition| self.phase(*partition) == Phase::Copying);
        let complete: Vec<PartitionId> = copying.filter(|partition| self.awaited(*partition).is_empty()).collect();
        for partition in complete {
            let slot = self.slot(partition);
            if let Some(moving) = &mut self.transition {
                moving.phases[slot] = Phase::Switched;
                moving.arrived.remove(&partition);
                self.fences[slot] = self.epoch;
            }
        }
    }

    fn end(&mut self) {
        if self.transition.as_ref().is_some_and(|moving| moving.moving.is_empty()) {
            self.transition = None;
            self.sidelined.retain(|node| self.ring.member(node).is_some());
            self.ring = Arc::new(Ring::clone(&self.ring).at_epoch(self.epoch));
        }
    }

    fn slot(&self, partition: PartitionId) -> usize {
        partition.0 as usize & (self.fences.len() - 1)
    }
}

impl Transition {
    /// The epoch in which the move began. It keeps it when it goes back.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Whether it was cancelled and goes back.
    pub fn returns(&self) -> bool {
        self.returns
    }

    /// The ring that gives way.
    pub fn from(&self) -> &Arc<Ring> {
        &self.from
    }

    /// The numbers of replicas that tables have, in order.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The greatest of them.
    pub fn widest(&self) -> usize {
        self.levels.iter().map(|level| level.before.max(level.now)).max().unwrap_or(1)
    }

    /// The tables whose N changes, by number: N, R and W by the older ring.
    pub fn resized(&self) -> &BTreeMap<u32, [u8; 3]> {
        &self.resized
    }

    /// The nodes whose copies nobody waits for.
    pub fn lost(&self) -> &BTreeSet<NodeId> {
        &self.lost
    }

    /// How many partitions are in this phase.
    pub fn count(&self, phase: Phase) -> usize {
        self.phases.iter().filter(|known| **known == phase).count()
    }
}

fn unsettled(phases: &[Phase]) -> BTreeSet<PartitionId> {
    let partitions = (0..).map(PartitionId).zip(phases);
    partitions.filter(|(_, phase)| **phase != Phase::Settled).map(|(partition, _)| partition).collect()
}

pub(super) fn same_nodes(one: &Ring, other: &Ring, partition: PartitionId, n: usize) -> bool {
    let nodes = |ring: &Ring| ring.primaries(partition, n).cloned().collect::<BTreeSet<NodeId>>();
    nodes(one) == nodes(other)
}

/// Who replicates the partition in the later ring and did not in the earlier one, for any table. Of a table whose N changes that is everybody: with another
/// N the old replicas' quorums mean nothing, so that each of the new ones has to hold all that there is.
fn newcomers<'a>(from: &Ring, to: &'a Ring, levels: &[Level], partition: PartitionId) -> BTreeSet<&'a NodeId> {
    let is_new = |node: &&NodeId, level: &Level| {
        level.changes() || !from.primaries(partition, level.before).any(|old| old == *node)
    };
    levels.iter().flat_map(|level| to.primaries(partition, level.now).filter(|node| is_new(node, level))).collect()
}

/// As it is stored and sent.
#[derive(Clone, Serialize, Deserialize)]
struct TopologyRecord {
    epoch: u64,
    ring: Ring,
    fences: Vec<u64>,
    transition: Option<TransitionRecord>,
    #[serde(default)]
    sidelined: BTreeSet<NodeId>,
    #[serde(default)]
    tenures: Vec<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct TransitionRecord {
    began: u64,
    returns: bool,
    from: Ring,
    phases: Vec<Phase>,
    levels: Vec<Level>,
    resized: BTreeMap<u32, [u8; 3]>,
    lost: BTreeSet<NodeId>,
    arrived: BTreeMap<PartitionId, BTreeSet<NodeId>>,
}

impl From<Topology> for TopologyRecord {
    fn from(topology: Topology) -> Self {
        let Topology { epoch, ring, fences, transition, sidelined, tenures } = topology;
        let record = |Transition { began, returns, from, phases, levels, resized, lost, arrived, .. }| {
            TransitionRecord { began, returns, from: Ring::clone(&from), phases, levels, resized, lost, arrived }
        };
        let transition = transition.map(record);
        Self { epoch, ring: Ring::clone(&ring), fences, transition, sidelined, tenures }
    }
}

impl From<TopologyRecord> for Topology {
    fn from(record: TopologyRecord) -> Self {
        let TopologyRecord { epoch, ring, mut fences, transition, sidelined, mut tenures } = record;
        let partitions = ring.partitions() as usize;
        // What is damaged refuses too much rather than too little.
        fences.resize(partitions, epoch);
        tenures.resize(partitions, epoch);
        let fits = |record: &TransitionRecord| {
            record.from.partitions() as usize == partitions && record.phases.len() == partitions
        };
        let moving = |TransitionRecord { began, returns, from, phases, levels, resized, lost, arrived }| Transition {
            began,
            returns,
            from: Arc::new(from),
            moving: unsettled(&phases),
            phases,
            levels,
            resized,
            lost,
            arrived,
        };
        let transition = transition.filter(fits).map(moving);
        Self { epoch, ring: Arc::new(ring), fences, transition, sidelined, tenures }
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
