//! What makes a node forget what it has acknowledged: its disk is lost, set back, damaged.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::Cluster;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::messages::cluster::FoundedCluster;
use crate::sim::disk::Disk;
use crate::sim::process::ClusterFile;
use crate::storage::{Batch, MemoryStorage, Persist, ScanRange, Space, Storage as _};

/// A disk as it was at an instant.
pub(super) struct DiskCopy {
    storage: MemoryStorage,
    cluster_file: Option<FoundedCluster>,
    /// The life in which it was made.
    life: u64,
    damaged: BTreeSet<PartitionId>,
}

impl Cluster {
    /// Gives a node that does not run an empty disk under a new id.
    pub fn wipe(&mut self, at: usize) {
        self.trace.tell(None, format!("n{at} has lost its disk"));
        let node = &mut self.nodes[at];
        node.disk = Disk::empty(self.plan.disk, self.plan.defect);
        node.directory = self.rng.random();
        node.cluster_file = ClusterFile::default();
        node.life = 0;
        node.copy = None;
        node.damaged.clear();
        node.forgettings += 1;
        self.roster.forgets(at);
    }

    /// Whether a copy of this node's disk has been made and not been used.
    #[must_use]
    pub fn has_copy(&self, at: usize) -> bool {
        self.nodes[at].copy.is_some()
    }

    /// Makes a copy of a node's disk.
    pub fn copy_disk(&mut self, at: usize) {
        self.trace.tell(None, format!("n{at}'s disk is copied"));
        let node = &mut self.nodes[at];
        node.copy = Some(DiskCopy {
            storage: node.disk.storage.copy(),
            cluster_file: node.cluster_file.borrow().clone(),
            life: node.life,
            damaged: node.damaged.clone(),
        });
    }

    /// Sets the disk of a node that does not run back to its copy. Its epoch goes back, too, but for the part that is drawn.
    pub fn set_back(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(DiskCopy { storage, cluster_file, life, damaged }) = node.copy.take() {
            self.trace.tell(None, format!("n{at}'s disk is set back to life {life}"));
            node.disk.replace(storage);
            node.cluster_file = Rc::new(RefCell::new(cluster_file));
            node.life = life;
            node.damaged = damaged;
            node.forgettings += 1;
            self.roster.forgets(at);
        }
    }

    /// Damages one of the values that a node stores: a bit flips, or another value lies in its place.
    pub fn rot(&mut self, at: usize, misdirected: bool) {
        let node = &mut self.nodes[at];
        let disk = &node.disk.storage;
        let spaces = [Space::Records, Space::Hints];
        let stored =
            |space| disk.scan(space, ScanRange::all(), usize::MAX).map(|page| page.entries).unwrap_or_default();
        let keys: Vec<(Space, Bytes)> =
            spaces.iter().flat_map(|space| stored(*space).into_iter().map(|(key, _)| (*space, key))).collect();
        let Some((space, key)) = keys.choose(&mut self.rng).cloned() else { return };
        let others: Vec<&Bytes> =
            keys.iter().filter(|(of, other)| *of == space && *other != key).map(|(_, other)| other).collect();
        let damaged = match others.choose(&mut self.rng).filter(|_| misdirected) {
            Some(other) => disk.misdirect(space, &key, other),
            None => disk.corrupt(space, &key),
        };
        if damaged {
            node.forgettings += 1;
            node.damaged.extend(partition_of(space, &key));
            self.trace.tell(None, format!("n{at}'s {} lies damaged on its disk", describe(space, &key)));
        }
    }

    /// A node's copy of a key is gone from its disk.
    pub fn forget(&mut self, at: usize, key: &str) {
        let Some(record) = self.record_key(key) else { return };
        let mut gone = Batch::default();
        gone.delete(Space::Records, record.as_bytes().clone());
        // A disk that refuses this keeps it: nothing was forgotten then.
        if self.nodes[at].disk.storage.commit(&gone, Persist::Sync).is_ok() {
            self.trace.tell(Some(key), format!("n{at}'s copy is gone"));
            self.nodes[at].forgettings += 1;
            self.nodes[at].damaged.insert(record.partition());
        }
    }

    /// How often a node has forgotten something that it had acknowledged.
    #[must_use]
    pub fn forgettings(&self, at: usize) -> u64 {
        self.nodes[at].forgettings
    }
}

/// Whose tree stands for this value. Hints are in none.
fn partition_of(space: Space, key: &Bytes) -> Option<PartitionId> {
    let record = RecordKey::try_from(key.clone()).ok();
    record.filter(|_| space == Space::Records).map(|record| record.partition())
}

/// A stored value, for the timeline.
fn describe(space: Space, key: &Bytes) -> String {
    let text: String = key.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect();
    format!("{space:?} {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}
