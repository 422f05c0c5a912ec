//! Laws of placement: constraints are kept, nobody is worse off, many small loads come into the band, and it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{BAND, Placement, objection, place};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, PartitionId, Ring};

type Loads = BTreeMap<PartitionId, f64>;

fn members(weights: &[u32], zones: usize) -> Vec<Member> {
    let member = |(number, weight): (usize, &u32)| Member {
        id: NodeId::new(&format!("n{number:02}")).expect("a name"),
        zone: (zones > 0).then(|| format!("z{}", number % zones)),
        weight: *weight,
    };
    weights.iter().enumerate().map(member).collect()
}

fn ring(weights: &[u32], zones: usize, partitions: u32, n: usize) -> Ring {
    claim(None, &members(weights, zones), partitions, n).expect("a ring")
}

/// One of ten partitions has nine of ten requests.
fn skewed(ring: &Ring, seed: u64) -> Loads {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut partitions: Vec<PartitionId> = ring.partition_ids().collect();
    partitions.shuffle(&mut rng);
    let hot = partitions.len().div_ceil(10);
    let mut load = |at: usize| {
        let mean = if at < hot { 900.0 / hot as f64 } else { 100.0 / (partitions.len() - hot) as f64 };
        mean * rng.random_range(0.8..1.2)
    };
    (0..partitions.len()).map(|at| (partitions[at], load(at))).collect()
}

/// Constraints, and that what is said of the new ring is so.
fn check(ring: &Ring, loads: &Loads, placed: &Placement) -> Ring {
    let next = ring.with_owners(&placed.owners).expect("known partitions and members");
    assert_eq!(objection(ring, &next), None);
    assert!(
        placed.owners.iter().all(|(partition, owner)| ring.owner(*partition) != owner),
        "only what changes is named"
    );
    let [before, after] = placed.spread();
    assert!(after <= before + 1e-6, "{before} became {after}");
    let again = place(&next, loads);
    for (borne, now) in placed.nodes.iter().zip(&again.nodes) {
        assert!((borne.after - now.before).abs() < 1e-6, "{borne:?} is really {now:?}");
        assert!(ring.owned_by(&borne.node).next().is_none() || next.owned_by(&borne.node).next().is_some());
    }
    if placed.owners.is_empty() {
        assert_eq!((placed.copies, after), (0, before));
    }
    next
}

fn is_inside(placed: &Placement) -> bool {
    placed.nodes.iter().all(|borne| (borne.after - 1.0).abs() <= BAND)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn constraints_are_kept_and_nobody_is_further_from_the_mean_than_the_furthest_was(
        weights in prop::collection::vec(1..4_u32, 1..12),
        zones in 0..5_usize,
        size in 3..8_u32,
        n in 1..5_usize,
        hot in prop::collection::vec((any::<u32>(), 0.0..1000.0), 0..40),
    ) {
        let ring = ring(&weights, zones, 1 << size, n);
        let loads = hot.into_iter().map(|(at, load)| (PartitionId(at % ring.partitions()), load)).collect();
        let placed = place(&ring, &loads);
        check(&ring, &loads, &placed);
        prop_assert_eq!(&placed, &place(&ring, &loads), "the same for the same");
    }

    #[test]
    fn many_small_loads_come_into_the_band(nodes in 5..30_usize, n in 2..4_usize, zones in prop::sample::select(vec![0_usize, 5]), seed in any::<u64>()) {
        let ring = ring(&vec![1; nodes], zones, if nodes < 9 { 256 } else { 1024 }, n);
        let loads = skewed(&ring, seed);
        let placed = place(&ring, &loads);
        check(&ring, &loads, &placed);
        prop_assert!(is_inside(&placed), "{:?}", placed.nodes);
        prop_assert!(placed.owners.len() <= ring.partitions() as usize / 4);
    }

    #[test]
    fn once_it_is_inside_nothing_more_is_exchanged(nodes in 4..12_usize, seed in any::<u64>()) {
        let ring = ring(&vec![1; nodes], 0, 256, 2);
        let loads = skewed(&ring, seed);
        let placed = place(&ring, &loads);
        let next = check(&ring, &loads, &placed);
        let again = place(&next, &loads);
        let measured = again.nodes.iter().map(|borne| (borne.node.clone(), borne.before)).collect();
        prop_assert!(!is_inside(&placed) || !again.helps(&measured));
    }
}

#[test]
fn weights_count() {
    let ring = ring(&[1, 2, 1, 3, 1, 2, 1], 0, 256, 3);
    let loads = skewed(&ring, 7);
    let placed = place(&ring, &loads);
    check(&ring, &loads, &placed);
    assert!(is_inside(&placed), "{:?}", placed.nodes);
}

#[test]
fn a_few_hot_partitions_of_one_node_are_shared_out() {
    let ring = ring(&[1; 4], 0, 64, 2);
    let first = ring.members()[0].id.clone();
    let hot: Loads = ring.owned_by(&first).take(8).map(|partition| (partition, 100.0)).collect();
    let placed = place(&ring, &hot);
    check(&ring, &hot, &placed);
    assert!((placed.nodes[0].before - 2.0).abs() < 1e-9, "{:?}", placed.nodes);
    assert!(is_inside(&placed), "{:?}", placed.nodes);
    assert!(placed.owners.len() <= 16 && placed.copies > 0, "{:?}", placed.owners);
    assert!(placed.helps(&[(first, 2.0)].into()));
}

#[test]
fn where_there_are_hardly_more_nodes_than_copies_neighbours_change_places() {
    let ring = ring(&[1; 4], 0, 64, 3);
    let first = ring.members()[0].id.clone();
    let is_away = |partition: &PartitionId| !ring.primaries(*partition, 3).any(|holder| *holder == first);
    let hot: Loads = ring.partition_ids().filter(is_away).take(8).map(|partition| (partition, 100.0)).collect();
    let placed = place(&ring, &hot);
    check(&ring, &hot, &placed);
    assert!(placed.nodes[0].before < 1e-9 && placed.nodes[0].after >= 1.0 - BAND, "{:?}", placed.nodes);
}

#[test]
fn one_hot_partition_stays_what_it_is_and_is_named() {
    let ring = ring(&[1; 6], 0, 64, 2);
    let hot = PartitionId(17);
    let loads: Loads = ring.partition_ids().map(|at| (at, if at == hot { 1000.0 } else { 1.0 })).collect();
    let placed = place(&ring, &loads);
    check(&ring, &loads, &placed);
    assert_eq!(placed.too_hot, [hot]);
    let only: Loads = [(hot, 1000.0)].into();
    let placed = place(&ring, &only);
    assert!(placed.owners.is_empty() && !is_inside(&placed), "moving it helps nobody");
}

#[test]
fn nothing_is_exchanged_where_nothing_can_be_gained() {
    for (nodes, n) in [(1, 1), (3, 3), (2, 3)] {
        let ring = ring(&vec![1; nodes], 0, 64, n);
        let placed = place(&ring, &skewed(&ring, 3));
        assert!(placed.owners.is_empty(), "all nodes keep everything, or there is one");
    }
    let ring = ring(&[1; 5], 0, 64, 3);
    let placed = place(&ring, &Loads::new());
    assert!(placed.owners.is_empty() && placed.nodes.iter().all(|borne| borne.before == 1.0));
}

#[test]
fn a_large_ring_takes_no_time_to_speak_of() {
    let ring = ring(&[1; 30], 3, 1024, 3);
    let loads = skewed(&ring, 1);
    let begun = Instant::now();
    let placed = place(&ring, &loads);
    let elapsed = begun.elapsed();
    check(&ring, &loads, &placed);
    println!("{elapsed:?}, {} partitions, {} copies, {:?}", placed.owners.len(), placed.copies, placed.spread());
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[test]
fn who_is_measured_on_the_other_side_of_the_mean_is_not_helped() {
    let borne = super::Borne { node: NodeId::new("a").expect("a name"), before: 1.4, after: 1.05 };
    assert!(borne.is_helped(1.3) && !borne.is_helped(0.7));
    let hardly = super::Borne { after: 1.36, ..borne };
    assert!(!hardly.is_helped(1.3));
}

#[test]
fn an_exchange_that_puts_neighbours_together_is_objected_to() {
    let ring = ring(&[1; 5], 0, 64, 3);
    let beside = [(PartitionId(1), ring.owner(PartitionId(0)).clone())].into();
    assert!(objection(&ring, &ring.with_owners(&beside).expect("a ring")).is_some());
    let all: BTreeMap<PartitionId, NodeId> =
        ring.partition_ids().map(|at| (at, ring.members()[0].id.clone())).collect();
    assert!(objection(&ring, &ring.with_owners(&all).expect("a ring")).is_some());
    assert_eq!(objection(&ring, &ring), None);
    assert!(ring.with_owners(&[(PartitionId(64), ring.members()[0].id.clone())].into()).is_none());
    assert!(ring.with_owners(&[(PartitionId(1), NodeId::new("nobody").expect("a name"))].into()).is_none());
}
