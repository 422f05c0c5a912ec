//! The part of the contract that trees of digests rest on: a batch is there as a whole after a crash, or not at all, and what has rotted is named.
//! Trees and their records, written batch by batch, crashed and recovered, on whatever engine holds them.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::contract_disks::Disk;
use super::{Batch, Persist, ScanRange, Space, Storage};
use crate::dynamo::merkle::{Digest, LEAVES, leaf_of};
use crate::dynamo::ring::PartitionId;
use crate::dynamo::tree_log::{TREE_PREFIX, TreeLog};
use crate::dynamo::tree_recovery::{Standing, recover};

const PARTITIONS: u8 = 4;

/// Few, so that they are used again and again.
const SLOTS: u64 = 8;

/// Batches that wait for one sync.
const GROUP: usize = 4;

fn partition(key: u8) -> PartitionId {
    PartitionId(u32::from(key % PARTITIONS))
}

fn digest(key: u8, content: Option<u64>) -> Digest {
    let Some(content) = content else { return Digest::EMPTY };
    let mut bytes = [key; 16];
    bytes[..8].copy_from_slice(&content.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    Digest::from_bytes(bytes)
}

fn stored(engine: &impl Storage, key: u8) -> Option<u64> {
    let value = engine.get(Space::Records, &[key]).unwrap()?;
    Some(u64::from_be_bytes(value[..].try_into().unwrap()))
}

/// One shard that writes records and their trees.
struct Life<'a, E> {
    engine: &'a E,
    log: TreeLog,
    /// What each key will hold once all that is on its way is there.
    latest: BTreeMap<u8, u64>,
    ticket: u64,
}

impl<'a, E: Storage> Life<'a, E> {
    fn begin(engine: &'a E, epoch: u64) -> Self {
        let page = engine.scan(Space::Meta, ScanRange::prefix(TREE_PREFIX), usize::MAX).unwrap();
        let sound = page.entries.into_iter().map(|(key, value)| (key, Some(value)));
        let entries = sound.chain(page.corrupt.into_iter().map(|key| (key, None)));
        let has_records = !engine.scan(Space::Records, ScanRange::all(), 1).unwrap().entries.is_empty();
        let standing = Standing { slots: SLOTS, has_records, clears_away: true };
        let log = TreeLog::new(epoch, 0, recover(entries, |_| true, standing));
        Self { engine, log, latest: BTreeMap::new(), ticket: 0 }
    }

    fn held(&self, key: u8) -> Option<u64> {
        self.latest.get(&key).copied().or_else(|| stored(self.engine, key))
    }

    /// A record and what its tree has to write with it. Returns whether the engine took them.
    fn put(&mut self, key: u8, content: u64) -> bool {
        self.ticket += 1;
        let before = digest(key, self.held(key));
        self.log.replace(&[key], partition(key), before, digest(key, Some(content)));
        let mut batch = Batch::default();
        batch.put(Space::Records, vec![key], content.to_be_bytes().to_vec());
        for (key, value) in self.log.take_writes(self.ticket) {
            match value {
                Some(value) => batch.put(Space::Meta, key, value),
                None => batch.delete(Space::Meta, key),
            }
        }
        self.engine.commit(&batch, Persist::Buffer).is_ok()
    }

    /// The batches so far are on the disk.
    fn sync(&mut self) {
        self.engine.sync().unwrap();
        self.log.settle(self.ticket, false);
    }

    /// The last batch is not, and never will be.
    fn take_back(&mut self, key: u8, content: u64) {
        self.log.settle(self.ticket, true);
        self.log.replace(&[key], partition(key), digest(key, Some(content)), digest(key, stored(self.engine, key)));
    }

    /// The trees that are trusted say what the records say. Returns how many are.
    fn check(&self) -> usize {
        let mut expected = BTreeMap::from_iter((0..PARTITIONS).map(|at| (partition(at), [Digest::EMPTY; LEAVES])));
        for (key, _) in self.engine.scan(Space::Records, ScanRange::all(), usize::MAX).unwrap().entries {
            let key = key[0];
            let leaf = &mut expected.get_mut(&partition(key)).unwrap()[usize::from(leaf_of(&[key]))];
            *leaf = leaf.replaced(Digest::EMPTY, digest(key, stored(self.engine, key)));
        }
        let trusted = expected.iter().filter(|(partition, _)| self.log.trusts(**partition));
        trusted.inspect(|(at, leaves)| assert!(self.log.leaves(**at) == **leaves, "partition {at}")).count()
    }
}

/// `kill -9` between any two batches, or between a batch and its sync: nothing has to be rebuilt.
pub(super) fn trees_say_what_the_records_say_after_every_crash<D: Disk>() {
    let (disk, mut rng) = (D::new(), StdRng::seed_from_u64(7));
    for epoch in 1..16 {
        let engine = disk.open();
        let mut life = Life::begin(&engine, epoch);
        assert_eq!(life.check(), usize::from(PARTITIONS), "life {epoch}");
        for turn in 0..rng.random_range(0..60) {
            assert!(life.put(rng.random_range(0..24), rng.random_range(1..1000)));
            if turn % GROUP == GROUP - 1 {
                life.sync();
            }
        }
        drop(engine);
        disk.crash();
    }
}

/// A disk that is full refuses whole batches; those before and after them count.
pub(super) fn trees_are_right_or_not_trusted_after_refusals<D: Disk>() {
    let (disk, mut rng) = (D::new(), StdRng::seed_from_u64(8));
    for epoch in 1..6 {
        let engine = disk.open();
        let mut life = Life::begin(&engine, epoch);
        assert_eq!(life.check(), usize::from(PARTITIONS), "all refusals had been heard of");
        for full in [false, true, false] {
            disk.set_full(full);
            for _ in 0..10 {
                let (key, content) = (rng.random_range(0..24), rng.random_range(1..1000));
                assert_eq!(life.put(key, content), !full);
                if full { life.take_back(key, content) } else { life.sync() }
            }
        }
        assert_eq!(life.check(), usize::from(PARTITIONS));
        drop(engine);
        disk.crash();
    }
}

/// Whatever value of the trees has rotted: what is left of them is believed only where it is right.
pub(super) fn trees_that_have_rotted_are_not_trusted<D: Disk>() {
    let mut distrusted = 0;
    for seed in 0..8 {
        let (disk, mut rng) = (D::new(), StdRng::seed_from_u64(seed));
        {
            let engine = disk.open();
            let mut life = Life::begin(&engine, 1);
            (0..30).for_each(|_| assert!(life.put(rng.random_range(0..24), rng.random_range(1..1000))));
            life.sync();
            let page = engine.scan(Space::Meta, ScanRange::prefix(TREE_PREFIX), usize::MAX).unwrap();
            let keys: Vec<Bytes> = page.entries.into_iter().map(|(key, _)| key).collect();
            disk.corrupt(&engine, Space::Meta, keys.choose(&mut rng).unwrap());
        }
        distrusted += usize::from(PARTITIONS) - Life::begin(&disk.open(), 2).check();
    }
    assert!(distrusted > 0);
}
