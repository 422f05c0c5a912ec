//! The index of waiting hints against a plain map; destinations against the ring.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Destination, HintBounds, Waiting, destination, is_dispensable, others};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::{Member, PartitionId, Ring};
use crate::dynamo::topology::Topology;

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u8, u64, u64),
    Remove(u32, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0_u32..4, 0_u8..6, 0_u64..100, 0_u64..50).prop_map(|(p, k, bytes, since)| Step::Insert(p, k, bytes, since)),
        1 => (0_u32..4, 0_u8..6).prop_map(|(p, k)| Step::Remove(p, k)),
    ];
    prop::collection::vec(step, 0..60)
}

fn key(partition: u32, number: u8) -> RecordKey {
    RecordKey::new(PartitionId(partition), "kv", &[number])
}

fn ring(count: usize, n: usize) -> Ring {
    let member = |at| Member { id: node(at), zone: None, weight: 1 };
    let members: Vec<Member> = (0..count).map(member).collect();
    claim(None, &members, 16, n).expect("a ring")
}

fn node(at: usize) -> NodeId {
    NodeId::new(&format!("n{at}")).expect("a name")
}

proptest! {
    #[test]
    fn the_index_agrees_with_a_plain_map(steps in steps(), before_ms in 0_u64..60) {
        let (mut waiting, mut model) = (Waiting::default(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(partition, number, bytes, since) => {
                    let before = model.insert(key(partition, number), (bytes, since)).map(|(bytes, _)| bytes);
                    prop_assert_eq!(waiting.insert(key(partition, number), bytes, since), before);
                }
                Step::Remove(partition, number) => {
                    let before = model.remove(&key(partition, number)).map(|(bytes, _)| bytes);
                    prop_assert_eq!(waiting.remove(&key(partition, number)), before);
                }
            }
        }
        prop_assert_eq!(waiting.len(), model.len());
        prop_assert_eq!(waiting.is_empty(), model.is_empty());
        prop_assert_eq!(waiting.bytes(), model.values().map(|(bytes, _)| bytes).sum::<u64>());
        prop_assert_eq!(waiting.oldest_ms(), model.values().map(|(_, since)| *since).min());
        let partitions: BTreeSet<PartitionId> = model.keys().map(RecordKey::partition).collect();
        prop_assert!(waiting.partitions().eq(partitions));
        prop_assert!(waiting.after(None).eq(model.keys()));
        // Page by page, in the order of age, each once.
        let mut older: Vec<(u64, RecordKey)> = Vec::new();
        while let Some(next) = waiting.older_than(before_ms, older.last()).next() {
            older.push(next.clone());
        }
        let mut expected: Vec<_> =
            model.iter().filter(|(_, (_, since))| *since < before_ms).map(|(key, (_, since))| (*since, key.clone())).collect();
        expected.sort();
        prop_assert_eq!(older, expected);
    }

    #[test]
    fn a_hint_goes_to_its_target_or_to_all_owners_and_to_nobody_else(count in 1_usize..7, n in 1_usize..4, at in 0_usize..8, partition in 0_u32..16) {
        let (ring, target, partition) = (ring(count, n), node(at), PartitionId(partition));
        let owners: Vec<NodeId> = ring.primaries(partition, n).cloned().collect();
        let topology = Topology::settled(ring);
        match destination(&topology, partition, n, &target) {
            Destination::Target => prop_assert!(owners.contains(&target)),
            Destination::Owners(found) => prop_assert!(found == owners && !owners.contains(&target)),
        }
        let others = others(&topology, partition, n, &target);
        prop_assert!(!others.contains(&target) && others.iter().all(|other| owners.contains(other)));
        prop_assert!(others.len() + 1 >= owners.len());
    }

    #[test]
    fn nothing_exceeds_the_bound(max_bytes in 0_u64..1000, growths in prop::collection::vec(0_u64..200, 0..50)) {
        let bounds = HintBounds { max_bytes, max_age_ms: 1 };
        let held = growths.into_iter().fold(0, |held, growth| if bounds.take(held, growth) { held + growth } else { held });
        prop_assert!(held <= max_bytes);
    }
}

/// Handed to the old owner alone, after the new one has copied all there was, it would be lost with the old owner's copy.
#[test]
fn while_a_partition_moves_a_hint_goes_to_both_sides() {
    let (before, after) = (ring(4, 1), ring(5, 1));
    let mut topology = Topology::settled(before);
    topology.begin(after, vec![1], BTreeSet::new()).expect("nothing moves yet");
    let moving = topology.moving().next().expect("something moves");
    let holders: Vec<NodeId> = topology.holders(moving, 1).into_iter().cloned().collect();
    assert_eq!(holders.len(), 2);
    for target in &holders {
        assert_eq!(destination(&topology, moving, 1, target), Destination::Owners(holders.clone()));
    }
}

#[test]
fn a_hint_is_given_up_only_when_w_primaries_hold_it() {
    assert!(is_dispensable(2, 2));
    assert!(!is_dispensable(1, 2));
    assert!(!is_dispensable(2, 3), "with W = N it never is");
}

#[test]
fn a_hint_is_too_old_after_its_age_and_not_before() {
    let bounds = HintBounds { max_bytes: 1, max_age_ms: 100 };
    assert_eq!(bounds.too_old_before_ms(1_000), 900);
    assert_eq!(bounds.too_old_before_ms(50), 0, "a clock that begins at 0 makes nothing old");
}
