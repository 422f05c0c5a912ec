//! Steps of a topology: what they change, and what they do not.

use std::collections::BTreeSet;

use super::{MoveError, Phase, Topology};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, PartitionId, Ring};

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a name")
}

fn ring(before: Option<&Ring>, names: &str) -> Ring {
    let member = |name: char| Member { id: node(&name.to_string()), zone: None, weight: 1 };
    claim(before, &names.chars().map(member).collect::<Vec<_>>(), 16, 3).expect("a ring")
}

fn moving(from: &str, to: &str) -> Topology {
    let mut topology = Topology::settled(ring(None, from));
    let to = ring(Some(topology.ring()), to);
    topology.begin(to, vec![3], BTreeSet::new()).expect("nothing moves yet");
    topology
}

fn partitions(topology: &Topology, phase: Phase) -> Vec<PartitionId> {
    topology.ring().partition_ids().filter(|partition| topology.phase(*partition) == phase).collect()
}

#[test]
fn a_join_moves_only_partitions_that_get_a_new_replica() {
    let topology = moving("abcd", "abcde");
    let copying = partitions(&topology, Phase::Copying);
    assert!(!copying.is_empty());
    for partition in topology.ring().partition_ids() {
        let rings = topology.rings(partition);
        let is_new = topology.ring().primaries(partition, 3).any(|holder| *holder == node("e"));
        assert!(!is_new || copying.contains(&partition));
        assert_eq!(rings.writing_too.is_some(), copying.contains(&partition));
        assert!(!rings.reading.primaries(partition, 3).any(|holder| *holder == node("e")), "it holds nothing yet");
        assert!(topology.fence(partition) == topology.epoch() || !copying.contains(&partition));
    }
}

#[test]
fn a_partition_waits_for_all_its_new_replicas() {
    let mut topology = moving("abc", "defg");
    let all = partitions(&topology, Phase::Copying);
    assert_eq!(all.len(), 16);
    let first: Vec<NodeId> = topology.awaited(all[0]).into_iter().cloned().collect();
    assert_eq!(first.len(), 3);
    for arriving in &first {
        assert_eq!(topology.phase(all[0]), Phase::Copying);
        assert!(!topology.release(&all[..1]), "it has not switched");
        let epoch = topology.epoch();
        assert!(topology.arrived(arriving, &all[..1]));
        assert_eq!(topology.epoch(), epoch + 1);
        assert!(!topology.arrived(arriving, &all[..1]), "that is no news");
    }
    assert_eq!(topology.phase(all[0]), Phase::Switched);
    assert_eq!(topology.fence(all[0]), topology.epoch());
    assert_eq!(topology.rings(all[0]).reading, topology.ring());
    assert!(topology.release(&all));
    assert_eq!(topology.phase(all[0]), Phase::Settled);
    assert_eq!(topology.fence(all[0]), topology.epoch(), "a hint for an old replica must not be taken there any more");
    assert_eq!(topology.phase(all[1]), Phase::Copying, "those that wait are not released");
}

#[test]
fn whoever_only_leaves_is_let_go_of_and_the_ring_comes_to_rest() {
    let mut topology = moving("abcd", "abc");
    let ring_epoch = topology.ring().epoch();
    for name in ["a", "b", "c"] {
        topology.arrived(&node(name), &partitions(&topology, Phase::Copying));
    }
    assert!(partitions(&topology, Phase::Copying).is_empty());
    assert!(topology.nodes().contains(&node("d")));
    topology.release(&partitions(&topology, Phase::Switched));
    assert_eq!(topology.transition(), None);
    assert!(!topology.nodes().contains(&node("d")));
    assert!(topology.ring().epoch() > ring_epoch, "what was said of the transition is old now");
}

#[test]
fn one_change_at_a_time_and_always_as_many_partitions() {
    let mut topology = moving("abc", "abcd");
    let again = ring(Some(topology.ring()), "abcde");
    assert_eq!(topology.begin(again, vec![3], BTreeSet::new()), Err(MoveError::Moving));
    let mut settled = Topology::settled(ring(None, "abc"));
    let member = Member { id: node("a"), zone: None, weight: 1 };
    let other = claim(None, &[member], 8, 3).expect("a ring");
    assert_eq!(settled.begin(other, vec![3], BTreeSet::new()), Err(MoveError::Partitions { present: 16, asked: 8 }));
}

#[test]
fn a_topology_is_what_it_was_after_it_has_been_stored() {
    let mut topology = moving("abcd", "bcde");
    let some = partitions(&topology, Phase::Copying);
    topology.arrived(&node("e"), &some[..some.len() / 2]);
    let bytes = rmp_serde::to_vec(&topology).expect("a plain value");
    assert_eq!(rmp_serde::from_slice::<Topology>(&bytes).expect("the same"), topology);
}
