//! What a `Node` shard knows of the ring: whom it refuses, what it must still know after a restart, and which records are no longer its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::Handler;
use bytes::Bytes;

use super::Node;
use crate::actors::node_parts::StorageKey;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Siblings;
use crate::dynamo::topology::{Phase, Topology};
use crate::messages::metadata::MetadataChanged;
use crate::messages::replica::{ReadReplicaError, StaleEpoch, StorageRefusal};
use crate::messages::together::Answers;
use crate::storage::{ReadError, ScanRange, Space, Storage};

/// Where the newest epoch that a shard has gone by is kept.
const EPOCH_KEY_PREFIX: &[u8] = b"ring_epoch/";

/// The ring, as a shard knows it.
pub(super) struct KnownRing {
    /// This node.
    local: NodeId,
    /// `None` until it has been told.
    topology: Option<Arc<Topology>>,
    /// The greatest number of replicas that any table has.
    widest: usize,
    /// The newest epoch that an earlier life went by or promised: whatever is older is refused even where an older ring is all that is known.
    inherited: u64,
    /// What the disk says of this life: the next one inherits it.
    on_disk: u64,
    /// What is on its way to the disk: the ticket and the epoch.
    on_its_way: Option<(u64, u64)>,
    /// In partitions of which somebody has spoken who knows more: what he was promised.
    promised: BTreeMap<PartitionId, u64>,
    /// Whoever was promised an epoch that is not on the disk yet, with what he is told then.
    bound: Vec<Bound>,
}

/// A read that binds, and waits for that.
struct Bound {
    epoch: u64,
    answers: Answers<Result<Siblings, ReadReplicaError>>,
    at: usize,
    read: Siblings,
}

impl KnownRing {
    /// What the last life left: the newest epoch that any shard went by or promised.
    pub(super) fn load(local: NodeId, storage: &dyn Storage) -> Result<Self, ReadError> {
        let page = storage.scan(Space::Meta, ScanRange::prefix(EPOCH_KEY_PREFIX), usize::MAX)?;
        let epoch = |value: &Bytes| <[u8; 8]>::try_from(value.as_ref()).ok().map(u64::from_be_bytes);
        let inherited = page.entries.iter().filter_map(|(_, value)| epoch(value)).max().unwrap_or(0);
        Ok(Self {
            local,
            topology: None,
            widest: 1,
            inherited,
            on_disk: inherited,
            on_its_way: None,
            promised: BTreeMap::new(),
            bound: Vec::new(),
        })
    }

    fn epoch(&self) -> u64 {
        self.topology.as_ref().map_or(0, |topology| topology.epoch())
    }

    /// The epoch that this shard goes by once all that is on its way is on the disk.
    pub(super) fn lasting_epoch(&self) -> u64 {
        self.on_its_way.map_or(self.on_disk, |(_, epoch)| epoch).min(self.epoch())
    }

    /// What the next life must know.
    fn bequest(&self) -> u64 {
        self.promised.values().copied().fold(self.epoch(), u64::max)
    }

    /// Whoever speaks of the partition and assumes this epoch knows too little.
    pub(super) fn refuses(&self, partition: PartitionId, epoch: u64) -> Option<StaleEpoch> {
        let known = self.topology.as_ref().map_or(0, |topology| topology.fence(partition));
        let known = known.max(self.promised.get(&partition).copied().unwrap_or(0));
        let needed = if self.epoch() < self.inherited { self.inherited.max(known) } else { known };
        (epoch < needed).then_some(StaleEpoch { epoch: needed })
    }

    /// From now on whoever speaks of the partition and assumes less than this epoch is refused.
    fn promise(&mut self, partition: PartitionId, epoch: u64) {
        if epoch > self.epoch() {
            let promised = self.promised.entry(partition).or_default();
            *promised = epoch.max(*promised);
        }
    }

    /// Whether the partition has been handed over to others for good.
    pub(super) fn has_left(&self, partition: PartitionId) -> bool {
        let Some(topology) = self.topology.as_ref().filter(|known| known.epoch() >= self.inherited) else {
            return false;
        };
        topology.phase(partition) == Phase::Settled && !topology.holds(&self.local, partition, self.widest)
    }
}

impl Node {
    /// Answers a read that binds once the promise is on the disk; [`send_off`](Self::send_off) must follow.
    pub(super) fn answer_bound(
        &mut self,
        partition: PartitionId,
        epoch: u64,
        read: Siblings,
        answers: &Answers<Result<Siblings, ReadReplicaError>>,
        at: usize,
    ) {
        self.ring.promise(partition, epoch);
        if epoch <= self.ring.on_disk {
            return answers.give(at, Ok(read));
        }
        self.ring.bound.push(Bound { epoch, answers: answers.clone(), at, read });
        self.remember_epoch();
    }

    /// Puts the epoch that this shard goes by, or has promised, on its way to the disk, unless it is there.
    pub(super) fn remember_epoch(&mut self) {
        let epoch = self.ring.bequest();
        if epoch <= self.ring.on_disk || self.ring.on_its_way.is_some() {
            return;
        }
        let key = Bytes::from([EPOCH_KEY_PREFIX, self.shard.to_string().as_bytes()].concat());
        self.gathered.put(Space::Meta, key.clone(), Bytes::copy_from_slice(&epoch.to_be_bytes()));
        // What has been promised must not be forgotten, whatever `storage.durability` says of records.
        self.gathered.demand_sync();
        let ticket = self.pending.add(StorageKey { space: Space::Meta, key }, None);
        self.ring.on_its_way = Some((ticket, epoch));
    }

    /// The disk has taken, or refused, all up to this ticket.
    pub(super) fn epoch_settled(&mut self, last: u64, refused: Option<&StorageRefusal>) {
        let Some((_, epoch)) = self.ring.on_its_way.take_if(|(ticket, _)| *ticket <= last) else { return };
        if let Some(refused) = refused {
            for Bound { answers, at, read, .. } in self.ring.bound.drain(..) {
                // Reads go on where the disk is full: then the promise lives as long as this process, and is tried again with the next such read.
                let is_full = matches!(refused, StorageRefusal::DiskFull { .. });
                let unkept = || ReadReplicaError::Unreadable { reason: refused.to_string() };
                answers.give(at, is_full.then_some(read).ok_or_else(unkept));
            }
            return;
        }
        self.ring.on_disk = self.ring.on_disk.max(epoch);
        for Bound { answers, at, read, .. } in self.ring.bound.extract_if(.., |bound| bound.epoch <= epoch) {
            answers.give(at, Ok(read));
        }
        // There may be a newer one by now.
        self.remember_epoch();
    }
}

impl Handler<MetadataChanged> for Node {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        self.tables = metadata.live_tables();
        self.ring.widest = metadata.widest();
        self.ring.topology = Some(Arc::clone(metadata.topology()));
        let epoch = self.ring.epoch();
        self.ring.promised.retain(|_, promised| *promised > epoch);
        self.remember_epoch();
        self.send_off();
    }
}
