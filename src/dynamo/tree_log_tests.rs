use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::{TreeLog, TreeWrite, trees_are_off};
use crate::dynamo::merkle::{Digest, LEAVES, leaf_of};
use crate::dynamo::ring::PartitionId;
use crate::dynamo::tree_recovery::{Standing, recover};

const PARTITIONS: u32 = 4;

/// Few, so that they are used again and again.
const SLOTS: u64 = 6;

/// A disk with records (by key: a number that stands for the content) and with what the trees wrote.
#[derive(Clone, Default)]
struct Disk {
    records: BTreeMap<u8, u64>,
    meta: BTreeMap<Bytes, Bytes>,
}

struct Batch {
    ticket: u64,
    records: Vec<(u8, u64)>,
    meta: Vec<TreeWrite>,
}

/// A node with one or two shards that share a disk.
struct Life {
    logs: Vec<TreeLog>,
    /// What each key will hold once all that is on its way is there.
    latest: BTreeMap<u8, (u64, u64)>,
    flying: VecDeque<(usize, Batch)>,
    ticket: u64,
}

fn partition(key: u8) -> PartitionId {
    PartitionId(u32::from(key) % PARTITIONS)
}

fn digest(key: u8, content: u64) -> Digest {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&content.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    bytes[8] = key;
    if content == 0 { Digest::EMPTY } else { Digest::from_bytes(bytes) }
}

fn expected(disk: &Disk, of: PartitionId) -> [Digest; LEAVES] {
    let mut leaves = [Digest::EMPTY; LEAVES];
    for (key, content) in disk.records.iter().filter(|(key, _)| partition(**key) == of) {
        let leaf = &mut leaves[usize::from(leaf_of(&[*key]))];
        *leaf = leaf.replaced(Digest::EMPTY, digest(*key, *content));
    }
    leaves
}

impl Life {
    fn begin(epoch: u64, shards: usize, disk: &Disk) -> Self {
        let entries = || disk.meta.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let log = |shard: usize| {
            let standing = Standing { slots: SLOTS, has_records: !disk.records.is_empty(), clears_away: shard == 0 };
            let recovered = recover(entries(), |partition| partition.0 as usize % shards == shard, standing);
            TreeLog::new(epoch, shard, recovered)
        };
        Self { logs: (0..shards).map(log).collect(), latest: BTreeMap::new(), flying: VecDeque::new(), ticket: 0 }
    }

    fn shard(&self, key: u8) -> usize {
        partition(key).0 as usize % self.logs.len()
    }

    fn put(&mut self, disk: &Disk, key: u8, content: u64) {
        self.ticket += 1;
        let (shard, ticket) = (self.shard(key), self.ticket);
        let before = self.latest.get(&key).map_or_else(|| disk.records.get(&key).copied(), |(_, held)| Some(*held));
        let log = &mut self.logs[shard];
        log.replace(&[key], partition(key), digest(key, before.unwrap_or(0)), digest(key, content));
        self.latest.insert(key, (ticket, content));
        let meta = log.take_writes(ticket);
        self.flying.push_back((shard, Batch { ticket, records: vec![(key, content)], meta }));
    }

    /// The oldest batch reaches the disk, or is refused; its shard is told at once (the other batches fly meanwhile).
    fn land(&mut self, disk: &mut Disk, refused: bool) {
        let Some((shard, batch)) = self.flying.pop_front() else { return };
        if !refused {
            disk.records.extend(batch.records.iter().copied());
            for (key, value) in batch.meta {
                match value {
                    Some(value) => drop(disk.meta.insert(key, value)),
                    None => drop(disk.meta.remove(&key)),
                }
            }
        }
        self.logs[shard].settle(batch.ticket, refused);
        for (key, content) in batch.records {
            if self.latest.get(&key).is_some_and(|(ticket, _)| *ticket == batch.ticket) {
                self.latest.remove(&key);
                let held = disk.records.get(&key).copied().unwrap_or(0);
                if refused {
                    self.logs[shard].replace(&[key], partition(key), digest(key, content), digest(key, held));
                }
            }
        }
    }

    fn check(&self, disk: &Disk) -> Result<(), TestCaseError> {
        for of in (0..PARTITIONS).map(PartitionId) {
            let log = &self.logs[of.0 as usize % self.logs.len()];
            if log.trusts(of) {
                prop_assert!(log.leaves(of) == expected(disk, of), "partition {}", of);
            }
        }
        Ok(())
    }

    fn trusts_all(&self) -> bool {
        (0..PARTITIONS).map(PartitionId).all(|of| self.logs[of.0 as usize % self.logs.len()].trusts(of))
    }

    fn audit(&mut self, disk: &Disk) {
        for of in (0..PARTITIONS).map(PartitionId) {
            let shards = self.logs.len();
            let log = &mut self.logs[of.0 as usize % shards];
            log.checked(of, &expected(disk, of));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u64),
    Land,
    Refuse,
    Crash { shards: usize },
}

fn steps(refusals: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..24_u8, 1..9_u64).prop_map(|(key, content)| Step::Put(key, content)),
        10 => Just(Step::Land),
        refusals => Just(Step::Refuse),
        1 => (1..3_usize).prop_map(|shards| Step::Crash { shards }),
    ];
    prop::collection::vec(step, 0..200)
}

fn play(
    steps: Vec<Step>,
    mut after_start: impl FnMut(&mut Life, &Disk) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut disk = Disk::default();
    let mut epoch = 1;
    let mut life = Life::begin(epoch, 1, &disk);
    for step in steps.into_iter().chain([Step::Crash { shards: 1 }]) {
        if life.flying.len() as u64 >= SLOTS {
            life.land(&mut disk, false);
        }
        match step {
            Step::Put(key, content) => life.put(&disk, key, content),
            Step::Land => life.land(&mut disk, false),
            Step::Refuse => life.land(&mut disk, true),
            Step::Crash { shards } => {
                epoch += 1;
                life = Life::begin(epoch, shards, &disk);
                after_start(&mut life, &disk)?;
            }
        }
        if life.flying.is_empty() {
            life.check(&disk)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// `kill -9` at any instant: the trees are there and right, with nothing to rebuild.
    #[test]
    fn after_a_crash_the_trees_say_what_the_records_say(steps in steps(0)) {
        play(steps, |life, disk| {
            prop_assert!(life.trusts_all());
            life.check(disk)
        })?;
    }

    /// With refused batches between those that are taken, what is not certain is not trusted.
    #[test]
    fn after_refusals_and_a_crash_no_tree_that_is_trusted_is_wrong(steps in steps(4)) {
        play(steps, |life, disk| {
            life.check(disk)?;
            if !life.trusts_all() {
                life.audit(disk);
            }
            Ok(())
        })?;
    }

    /// A value that has rotted is no reason to believe what is left.
    #[test]
    fn what_rots_is_not_trusted(steps in steps(0), at: prop::sample::Index, put_after: bool) {
        let mut disk = Disk::default();
        let mut life = Life::begin(1, 1, &disk);
        for step in steps {
            match step {
                Step::Put(key, content) => life.put(&disk, key, content),
                _ => life.land(&mut disk, false),
            }
        }
        if put_after {
            life.put(&disk, 1, 77);
        }
        while !life.flying.is_empty() {
            life.land(&mut disk, false);
        }
        prop_assume!(!disk.meta.is_empty());
        let damaged = at.get(&disk.meta.keys().cloned().collect::<Vec<_>>()).clone();
        let entries = disk.meta.iter().map(|(key, value)| (key.clone(), (*key != damaged).then(|| value.clone())));
        let standing = Standing { slots: SLOTS, has_records: true, clears_away: true };
        let logs = vec![TreeLog::new(2, 0, recover(entries, |_| true, standing))];
        Life { logs, latest: BTreeMap::new(), flying: VecDeque::new(), ticket: 0 }.check(&disk)?;
    }
}

#[test]
fn a_directory_of_an_earlier_format_is_checked_once() {
    let mut disk = Disk { records: [(1, 1), (2, 2)].into(), meta: BTreeMap::new() };
    let mut life = Life::begin(1, 1, &disk);
    assert!(!life.trusts_all());
    life.audit(&disk);
    assert!(life.trusts_all());
    for _ in 0..PARTITIONS {
        life.put(&disk, 5, 5);
        life.land(&mut disk, false);
    }
    let life = Life::begin(2, 1, &disk);
    assert!(life.trusts_all());
    life.check(&disk).unwrap();
}

#[test]
fn a_life_without_trees_makes_them_worthless() {
    let mut disk = Disk::default();
    let mut life = Life::begin(1, 1, &disk);
    life.put(&disk, 1, 1);
    life.land(&mut disk, false);
    assert!(Life::begin(2, 1, &disk).trusts_all());
    let (key, value) = trees_are_off(2);
    disk.meta.insert(key, value);
    disk.records.insert(1, 2);
    let mut life = Life::begin(3, 1, &disk);
    assert!((0..PARTITIONS).all(|of| !life.logs[0].trusts(PartitionId(of))));
    life.audit(&disk);
    for _ in 0..=PARTITIONS {
        life.put(&disk, 1, 3);
        life.land(&mut disk, false);
    }
    let life = Life::begin(4, 1, &disk);
    assert!(life.trusts_all());
    life.check(&disk).unwrap();
}

/// What a start has to read stays bounded, however many lives there were.
#[test]
fn slots_of_earlier_lives_are_cleared_away() {
    let mut disk = Disk::default();
    for epoch in 1..50 {
        let mut life = Life::begin(epoch, 1, &disk);
        for key in 0..12 {
            life.put(&disk, key, epoch);
            life.land(&mut disk, false);
        }
    }
    assert!(disk.meta.len() as u64 <= u64::from(PARTITIONS) + 3 * SLOTS + 2, "{} values", disk.meta.len());
}

/// What cannot be read when a write is taken back leaves a leaf that nobody knows to be right: the next life must know that, too.
#[test]
fn what_is_not_believed_is_not_believed_by_the_next_life() {
    let mut disk = Disk::default();
    let mut life = Life::begin(1, 1, &disk);
    life.put(&disk, 1, 10);
    life.land(&mut disk, false);
    assert!(life.trusts_all());
    // The record that a refused write was to replace cannot be read: as if there were none.
    life.put(&disk, 1, 11);
    let (_, refused) = life.flying.pop_front().expect("a batch");
    life.logs[0].settle(refused.ticket, true);
    life.latest.clear();
    life.logs[0].distrust(partition(1));
    life.logs[0].replace(&[1], partition(1), digest(1, 11), Digest::EMPTY);
    // The first batch that says so is refused as well.
    life.put(&disk, 2, 20);
    life.land(&mut disk, true);
    life.put(&disk, 2, 21);
    life.land(&mut disk, false);
    let next = Life::begin(2, 1, &disk);
    assert!(!next.logs[0].trusts(partition(1)), "it says other than the record");
    next.check(&disk).expect("what is believed is right");

    // Once it has been checked, the next life believes it, whatever else waits for a page.
    let mut life = next;
    let of = partition(1);
    let held = expected(&disk, of);
    life.logs[0].checked(of, &held);
    life.put(&disk, 2, 22);
    life.land(&mut disk, false);
    let next = Life::begin(3, 1, &disk);
    assert!(next.logs[0].trusts(of));
    next.check(&disk).expect("what is believed is right");
}
