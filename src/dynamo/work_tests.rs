//! Laws of what is borne: it adds up, units do not matter, what is not known does not count, and nodes bear what their copies do.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LoadWeights, Measures, weighed, weighed_partitions};
use crate::dynamo::claim::claim;
use crate::dynamo::load::LoadRates;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::placement::place;
use crate::dynamo::ring::{Member, PartitionId, Ring};

fn ring(nodes: usize, n: usize) -> Ring {
    let member = |number| Member { id: NodeId::new(&format!("n{number:02}")).expect("a name"), zone: None, weight: 1 };
    claim(None, &(0..nodes).map(member).collect::<Vec<_>>(), 64, n).expect("a ring")
}

fn weights() -> impl Strategy<Value = LoadWeights> {
    (0..5_u32, 0..5_u32, 0..5_u32).prop_map(|(requests, bytes, cpu)| LoadWeights { requests, bytes, cpu })
}

fn rates(loads: &[(f64, f64)]) -> BTreeMap<PartitionId, LoadRates> {
    let of =
        |(requests, bytes): &(f64, f64)| LoadRates { reads_per_s: *requests, writes_per_s: 0.0, bytes_per_s: *bytes };
    (0..).map(PartitionId).zip(loads.iter().map(of)).collect()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * (1.0 + one.abs().max(other.abs()))
}

proptest! {
    #[test]
    fn it_adds_up_to_the_requests_and_units_do_not_matter(
        weights in weights(),
        all in prop::collection::vec((0.0..1e4_f64, 0.0..1e7_f64, 0.0..400.0_f64), 1..12),
        unit in 0.001..1000.0_f64,
    ) {
        let measures = |unit: f64| -> Vec<Measures> {
            all.iter().map(|(requests, bytes, cpu)| Measures { requests: *requests, bytes: bytes * unit, cpu: Some(cpu * unit) }).collect()
        };
        let borne = weighed(weights, &measures(1.0));
        prop_assert!(close(borne.iter().sum(), all.iter().map(|one| one.0).sum()));
        for (one, other) in borne.iter().zip(weighed(weights, &measures(unit))) {
            prop_assert!(close(*one, other), "{one} in one unit is {other} in another");
        }
    }

    #[test]
    fn what_one_does_not_tell_counts_for_nobody(
        weights in weights(),
        all in prop::collection::vec((1.0..1e4_f64, 1.0..1e7_f64, 1.0..400.0_f64), 2..12),
        silent in any::<prop::sample::Index>(),
    ) {
        let silent = silent.index(all.len());
        let measures: Vec<Measures> = all
            .iter()
            .enumerate()
            .map(|(at, (requests, bytes, cpu))| Measures { requests: *requests, bytes: *bytes, cpu: (at != silent).then_some(*cpu) })
            .collect();
        let without = LoadWeights { cpu: 0, ..weights };
        prop_assert_eq!(weighed(weights, &measures), weighed(without, &measures));
    }

    #[test]
    fn where_only_requests_count_they_are_what_is_borne(all in prop::collection::vec((0.0..1e4_f64, 0.0..1e7_f64), 1..12)) {
        let measures: Vec<Measures> =
            all.iter().map(|(requests, bytes)| Measures { requests: *requests, bytes: *bytes, cpu: Some(1.0) }).collect();
        for (borne, (requests, _)) in weighed(LoadWeights::REQUESTS, &measures).into_iter().zip(&all) {
            prop_assert!(close(borne, *requests));
        }
    }

    /// Where copies of a partition are asked alike and work costs the same everywhere, what is reckoned from partitions is what is measured of nodes.
    #[test]
    fn nodes_bear_what_their_copies_bear(
        weights in weights(),
        nodes in 4..9_usize,
        loads in prop::collection::vec((0.0..100.0_f64, 0.0..1e5_f64), 64),
    ) {
        let ring = ring(nodes, 3);
        let partitions = rates(&loads);
        let costs: Vec<f64> = {
            let plain: Vec<Measures> = partitions.values().map(|rates| Measures::of(rates, None)).collect();
            weighed(LoadWeights { cpu: 0, ..weights }, &plain)
        };
        let mut measured: BTreeMap<NodeId, Measures> = BTreeMap::new();
        for ((partition, rates), cost) in partitions.iter().zip(&costs) {
            for holder in ring.primaries(*partition, 3) {
                let of_node = measured.entry(holder.clone()).or_default();
                of_node.requests += rates.requests_per_s() / 3.0;
                of_node.bytes += rates.bytes_per_s / 3.0;
                *of_node.cpu.get_or_insert(0.0) += cost / 3.0;
            }
        }
        let cpu = measured.iter().map(|(node, of_node)| (node.clone(), of_node.cpu.unwrap_or(0.0))).collect();
        let of_partitions = weighed_partitions(weights, &ring, &partitions, &cpu);
        let of_nodes = weighed(weights, &measured.values().copied().collect::<Vec<_>>());
        for ((node, _), borne) in measured.iter().zip(of_nodes) {
            let held: f64 = ring
                .partition_ids()
                .filter(|partition| ring.primaries(*partition, 3).any(|holder| holder == node))
                .map(|partition| of_partitions[&partition] / 3.0)
                .sum();
            prop_assert!(close(held, borne), "{node}: {held} of its copies, {borne} by itself");
        }
    }
}

/// All partitions are asked for alike, those of one node for great items.
#[test]
fn bytes_move_partitions_where_requests_do_not() {
    let ring = ring(5, 2);
    let first = ring.members()[0].id.clone();
    let is_great = |partition: &PartitionId| ring.owner(*partition) == &first;
    let load = |partition: PartitionId| (10.0, if is_great(&partition) { 100_000.0 } else { 100.0 });
    let partitions = rates(&ring.partition_ids().map(load).collect::<Vec<_>>());
    let spread = |weights: LoadWeights| {
        let placed = place(&ring, &weighed_partitions(weights, &ring, &partitions, &BTreeMap::new()));
        (placed.owners.len(), placed.spread())
    };
    let (moved, _) = spread(LoadWeights::REQUESTS);
    assert_eq!(moved, 0, "requests are even");
    let (moved, [before, after]) = spread(LoadWeights { requests: 1, bytes: 1, cpu: 0 });
    assert!(moved > 0 && before > 0.15 && after < 0.15, "{moved} partitions: {before} became {after}");
}

/// A node whose requests cost more bears more, and its partitions are those that cost.
#[test]
fn processor_time_is_put_down_to_the_copies_of_the_node() {
    let ring = ring(4, 1);
    let partitions = rates(&[(10.0, 0.0); 64]);
    let (slow, quick) = (ring.members()[0].id.clone(), ring.members()[1].id.clone());
    let cpu = ring.members().iter().map(|member| (member.id.clone(), if member.id == slow { 80.0 } else { 20.0 }));
    let weights = LoadWeights { requests: 0, bytes: 0, cpu: 1 };
    let of = weighed_partitions(weights, &ring, &partitions, &cpu.collect());
    let held = |node: &NodeId| ring.owned_by(node).map(|partition| of[&partition]).sum::<f64>();
    assert!(close(held(&slow), 4.0 * held(&quick)), "{} and {}", held(&slow), held(&quick));
    // Of a node that does not tell nothing is guessed.
    let silent = weighed_partitions(weights, &ring, &partitions, &[(slow, 80.0)].into());
    assert!(silent.values().all(|borne| close(*borne, 10.0)));
}
