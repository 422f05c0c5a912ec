use std::collections::BTreeSet;

use proptest::prelude::*;
use slipring::client::{Description, RouteMap};
use slipring::dynamo::node_id::NodeId;
use slipring::messages::admin::{NodeRow, RingDescription};

use super::{Lane, Route};

/// A cluster of so many members with a partition for each letter.
fn map(members: usize, owners: &[usize]) -> RouteMap {
    let name = |at: usize| NodeId::new(&format!("n{at}")).unwrap();
    let row = |at: usize| NodeRow {
        name: name(at),
        address: format!("n{at}:7400"),
        state: "up".to_owned(),
        zone: None,
        weight: 1,
        partitions: 0,
        share_percent: 0.0,
        this_node: at == 0,
        reachable: true,
    };
    let owners = owners.iter().map(|at| name(at % members)).collect();
    let ring = RingDescription { epoch: 1, owners, balance: 1.0 };
    RouteMap::of(Description { nodes: (0..members).map(row).collect(), ring, tables: Vec::new() }).unwrap()
}

fn lanes(route: Option<Route>, map: &RouteMap, connections: usize, keys: usize) -> Vec<Lane> {
    let addresses = ["x:1".to_owned(), "y:1".to_owned()];
    Route::lanes(route, &addresses, Some(map), connections, keys, 0).unwrap().0
}

fn own_keys(lane: &Lane) -> impl Iterator<Item = usize> + '_ {
    lane.own.clone().map(|at| lane.keys.number(at))
}

fn addresses(lanes: &[Lane]) -> BTreeSet<&str> {
    lanes.iter().map(|lane| lane.address.as_str()).collect()
}

proptest! {
    #[test]
    fn over_the_ring_each_key_is_read_and_written_at_its_owner_and_has_one_writer(
        members in 1..5_usize, more in 0..6_usize, keys in 0..200_usize,
        owners in (0..5_u32).prop_flat_map(|bits| prop::collection::vec(0..5_usize, 1_usize << bits)),
    ) {
        let map = map(members, &owners);
        let lanes = lanes(Some(Route::Ring), &map, members + more, keys);
        prop_assert_eq!(lanes.len(), members + more);
        for lane in &lanes {
            for at in 0..lane.keys.len() {
                let partition = map.partition_of_key(&lane.keys.encoded(at)).unwrap();
                prop_assert_eq!(&map.addresses()[map.owner(partition)], &lane.address);
            }
        }
        let mut written: Vec<usize> = lanes.iter().flat_map(own_keys).collect();
        written.sort_unstable();
        prop_assert_eq!(written, (0..keys).collect::<Vec<_>>());
    }

    #[test]
    fn otherwise_every_key_is_read_over_every_lane(connections in 1..9_usize, keys in 0..200_usize) {
        let map = map(3, &[0, 1, 2, 0]);
        for (route, expected) in [
            (None, &["x:1", "y:1"][..]),
            (Some(Route::First), &["x:1"][..]),
            (Some(Route::Random), &["n0:7400", "n1:7400", "n2:7400"][..]),
        ] {
            let lanes = lanes(route, &map, connections, keys);
            prop_assert_eq!(addresses(&lanes), expected.iter().take(connections).copied().collect::<BTreeSet<_>>());
            prop_assert!(lanes.iter().all(|lane| lane.keys.len() == keys));
            prop_assert_eq!(lanes.iter().flat_map(own_keys).collect::<Vec<_>>(), (0..keys).collect::<Vec<_>>());
        }
    }
}

#[test]
fn too_few_keys_or_connections_are_refused() {
    let map = map(3, &[0, 1, 2, 0]);
    let refused = |connections, keys| {
        let made = Route::lanes(Some(Route::Ring), &[], Some(&map), connections, keys, 16);
        made.err().map(|failure| failure.to_string()).unwrap_or_default()
    };
    assert!(refused(2, 1000).contains("more --connections"));
    assert!(refused(3, 40).contains("ask for more keys"));
    assert_eq!(refused(3, 1000), "");
}

#[test]
fn the_spread_is_told() {
    let map = map(3, &[0, 1, 2, 0]);
    let spread = Route::lanes(Some(Route::Random), &[], Some(&map), 4, 100, 1).unwrap().1;
    assert_eq!(spread.to_string(), "route: random; 4 connection(s) to 3 node(s)");
    assert_eq!(serde_json::to_value(&spread).unwrap()["route"], "random");
}
