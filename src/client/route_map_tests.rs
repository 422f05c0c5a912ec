use proptest::prelude::*;

use super::{Description, RouteMap, RouteMapError};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::{Member, Ring, RingError};
use crate::item::{AttributeValue, Item, Key, KeyValue, TableSchema};
use crate::messages::admin::{NodeRow, RingDescription};

/// The ring as a node has it, for the N of its cluster.
fn any_ring() -> impl Strategy<Value = Ring> {
    (1..9_usize, 0..7_u32, 1..5_usize, any::<u64>()).prop_flat_map(|(count, bits, n, epoch)| {
        let owners = prop::collection::vec(0..count as u16, 1_usize << bits);
        let zones = prop::collection::vec(prop::option::of(0..3_u8), count);
        (owners, zones).prop_map(move |(owners, zones)| {
            let member = |(number, zone): (usize, &Option<u8>)| Member {
                id: NodeId::new(&format!("n{number}")).unwrap(),
                zone: zone.map(|zone| format!("z{zone}")),
                weight: 1,
            };
            Ring::new(epoch, n, zones.iter().enumerate().map(member).collect(), owners).unwrap()
        })
    })
}

fn row(member: &Member) -> NodeRow {
    NodeRow {
        name: member.id.clone(),
        address: format!("{}.example:7400", member.id),
        state: "up".to_owned(),
        zone: member.zone.clone(),
        weight: member.weight,
        partitions: 0,
        share_percent: 0.0,
        this_node: false,
        reachable: true,
    }
}

/// What a node with this ring answers, with the members in some order.
fn description(ring: &Ring, turn: usize) -> Description {
    let mut nodes: Vec<NodeRow> = ring.members().iter().map(row).collect();
    let by = turn % nodes.len();
    nodes.rotate_left(by);
    let owners = ring.partition_ids().map(|partition| ring.owner(partition).clone()).collect();
    let ring = RingDescription { epoch: ring.epoch(), owners, balance: 1.0 };
    Description { nodes, ring, tables: vec![TableSchema::kv()] }
}

fn item(key: &str) -> Item {
    [("key".to_owned(), AttributeValue::S(key.to_owned())), ("v".to_owned(), AttributeValue::Bool(true))]
        .into_iter()
        .collect()
}

proptest! {
    /// The client must find what the nodes find, or every request would take a hop and nobody would notice.
    #[test]
    fn a_key_is_placed_and_walked_as_its_nodes_do(ring in any_ring(), turn in 0..9_usize, key in "\\PC{1,20}") {
        let map = RouteMap::of(description(&ring, turn)).unwrap();
        let whole = Key { partition: KeyValue::S(key.clone()), sort: None };
        // As the coordinator does it.
        let record = RecordKey::placed("kv", 0, |bytes| whole.append_to(bytes), |bytes| ring.partition_of(bytes));
        let partition = map.partition_of_key(&whole.to_bytes()).unwrap();
        prop_assert_eq!(partition, record.partition());
        prop_assert_eq!(map.partition_of_item("kv", &item(&key).to_bytes()), Some(partition));
        prop_assert_eq!(map.walk(partition).collect::<Vec<_>>(), ring.walk(partition).collect::<Vec<_>>());
        prop_assert_eq!(map.owner(partition), ring.primaries(partition, ring.n()).next().unwrap());
        prop_assert_eq!(map.epoch(), ring.epoch());
    }

    #[test]
    fn the_sort_key_does_not_place(ring in any_ring(), key in "[a-z]{1,9}", sort in "[a-z]{1,9}") {
        let map = RouteMap::of(description(&ring, 0)).unwrap();
        let with = |sort: Option<&String>| {
            let (partition, sort) = (KeyValue::S(key.clone()), sort.map(|sort| KeyValue::S(sort.clone())));
            map.partition_of_key(&Key { partition, sort }.to_bytes())
        };
        prop_assert_eq!(with(Some(&sort)), with(None));
    }

    #[test]
    fn every_member_has_its_address(ring in any_ring(), turn in 0..9_usize) {
        let map = RouteMap::of(description(&ring, turn)).unwrap();
        let expected: Vec<(NodeId, String)> =
            ring.members().iter().map(|member| (member.id.clone(), format!("{}.example:7400", member.id))).collect();
        prop_assert_eq!(map.addresses().clone().into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_older_map_never_replaces_a_newer_one(ring in any_ring(), one in any::<u64>(), other in any::<u64>()) {
        let of_epoch = |epoch| {
            let mut description = description(&ring, 0);
            description.ring.epoch = epoch;
            RouteMap::of(description).unwrap()
        };
        prop_assert_eq!(of_epoch(one).supersedes(&of_epoch(other)), one >= other);
    }
}

fn three() -> Description {
    let member = |name: &str| Member { id: NodeId::new(name).unwrap(), zone: None, weight: 1 };
    description(&Ring::new(1, 3, ["a", "b", "c"].map(member).to_vec(), vec![0, 1, 2, 0]).unwrap(), 0)
}

#[test]
fn answers_that_straddle_a_change_are_no_map() {
    let mut description = three();
    description.nodes.pop();
    let owner = NodeId::new("c").unwrap();
    assert_eq!(RouteMap::of(description), Err(RouteMapError::UnknownOwner { owner }));
    let mut description = three();
    description.ring.owners.pop();
    assert!(matches!(RouteMap::of(description), Err(RouteMapError::Ring(RingError::Partitions { .. }))));
    let mut description = three();
    description.nodes.extend(description.nodes.clone());
    assert!(matches!(RouteMap::of(description), Err(RouteMapError::Ring(RingError::MemberOrder { .. }))));
}

#[test]
fn what_cannot_be_placed_is_not() {
    let map = RouteMap::of(three()).unwrap();
    assert_eq!(map.partition_of_item("unknown", &item("k").to_bytes()), None);
    assert_eq!(map.partition_of_item("kv", b"not an item"), None);
    assert_eq!(map.partition_of_item("kv", &Item::new().to_bytes()), None);
    assert_eq!(map.partition_of_key(b"\xffnot a key"), None);
}
