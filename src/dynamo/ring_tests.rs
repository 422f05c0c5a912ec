use proptest::prelude::*;

use super::*;

fn member(name: &str, zone: Option<&str>) -> Member {
    Member { id: NodeId::new(name).unwrap(), zone: zone.map(str::to_owned), weight: 1 }
}

fn unzoned(count: usize) -> Vec<Member> {
    (0..count).map(|number| member(&format!("n{number:02}"), None)).collect()
}

fn names<'a>(nodes: impl Iterator<Item = &'a NodeId>) -> String {
    nodes.map(NodeId::as_str).collect::<Vec<_>>().join(" ")
}

/// Any ring: a power of two of partitions, owners at random, zones for some.
fn any_ring() -> impl Strategy<Value = Ring> {
    (1..9_usize, 0..7_u32, 1..5_usize).prop_flat_map(|(count, bits, n)| {
        let owners = prop::collection::vec(0..count as u16, 1_usize << bits);
        let zones = prop::collection::vec(prop::option::of(0..3_u8), count);
        (owners, zones).prop_map(move |(owners, zones)| {
            let mut members = unzoned(count);
            for (member, zone) in members.iter_mut().zip(zones) {
                member.zone = zone.map(|zone| format!("z{zone}"));
            }
            Ring::new(7, n, members, owners).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn a_walk_names_every_owner_once_and_begins_with_its_own(ring in any_ring()) {
        let owners: BTreeSet<&NodeId> = ring.partition_ids().map(|p| ring.owner(p)).collect();
        for partition in ring.partition_ids() {
            let walk: Vec<&NodeId> = ring.walk(partition).collect();
            prop_assert_eq!(walk[0], ring.owner(partition));
            prop_assert_eq!(walk.len(), owners.len());
            prop_assert_eq!(walk.into_iter().collect::<BTreeSet<_>>(), owners.clone());
        }
    }

    #[test]
    fn every_beginning_of_a_walk_spreads_over_zones_as_evenly_as_it_can(ring in any_ring()) {
        let zones = zone_numbers(ring.members());
        let zone_of = |id: &NodeId| {
            zones[ring.members().iter().position(|member| member.id == *id).unwrap()]
        };
        for partition in ring.partition_ids() {
            let walk: Vec<usize> = ring.walk(partition).map(zone_of).collect();
            for n in 1..=walk.len() {
                let count = |part: &[usize], zone: usize| part.iter().filter(|&&z| z == zone).count();
                let most = zones.iter().map(|&zone| count(&walk[..n], zone)).max().unwrap();
                // A zone that holds fewer than another by two has no member left.
                for &zone in &zones {
                    let held = count(&walk[..n], zone);
                    prop_assert!(held + 1 >= most || held == count(&walk, zone));
                }
            }
        }
    }

    #[test]
    fn each_partition_is_owned_by_whom_its_owner_says(ring in any_ring()) {
        let mut seen = 0;
        for member in ring.members() {
            for partition in ring.owned_by(&member.id) {
                prop_assert_eq!(ring.owner(partition), &member.id);
                seen += 1;
            }
        }
        prop_assert_eq!(seen, ring.partitions());
        prop_assert_eq!(ring.owned_by(&NodeId::new("stranger").unwrap()).count(), 0);
    }

    #[test]
    fn a_ring_survives_being_sent(ring in any_ring()) {
        let packed = rmp_serde::to_vec(&ring).unwrap();
        prop_assert_eq!(&rmp_serde::from_slice::<Ring>(&packed).unwrap(), &ring);
        let json = serde_json::to_string(&ring).unwrap();
        prop_assert_eq!(serde_json::from_str::<Ring>(&json).unwrap(), ring);
    }

    #[test]
    fn the_partition_of_a_key_is_the_top_bits_of_its_hash(key in any::<Vec<u8>>(), bits in 0..9_u32) {
        let ring = Ring::new(1, 3, unzoned(1), vec![0; 1 << bits]).unwrap();
        let exact = (u128::from(xxh3_64(&key)) << bits) >> 64;
        prop_assert_eq!(u128::from(ring.partition_of(&key).0), exact);
    }
}

#[test]
fn the_partition_of_a_key_never_changes() {
    // Stored data depends on it: a new hash or seed would lose every key.
    let ring = Ring::new(1, 3, unzoned(1), vec![0; 256]).unwrap();
    let partitions = ["", "a", "cart:42"].map(|key| ring.partition_of(key.as_bytes()).0);
    assert_eq!(partitions, [0x2d, 0xe6, 0x0f]);
}

#[test]
fn a_partition_beyond_the_last_goes_round() {
    let ring = Ring::new(1, 3, unzoned(4), vec![0, 1, 2, 3]).unwrap();
    assert_eq!(ring.owner(PartitionId(5)).as_str(), "n01");
    assert_eq!(names(ring.walk(PartitionId(7))), "n03 n00 n01 n02");
}

#[test]
fn a_walk_passes_over_repeats_and_lets_other_zones_go_first() {
    let members = vec![member("a", Some("x")), member("b", Some("x")), member("c", Some("y")), member("d", None)];
    let ring = Ring::new(1, 3, members, vec![0, 0, 1, 2, 3, 1, 2, 3]).unwrap();
    assert_eq!(names(ring.walk(PartitionId(0))), "a c d b");
    assert_eq!(names(ring.primaries(PartitionId(3), 3)), "c d b");
    assert_eq!(names(ring.primaries(PartitionId(3), 9)), "c d b a");
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let refused = |n, members, owners| Ring::new(1, n, members, owners).unwrap_err();
    let of_partitions = |partitions| RingError::Partitions { partitions, max: MAX_PARTITIONS };
    assert_eq!(refused(0, unzoned(1), vec![0]), RingError::NoReplicas);
    assert_eq!(refused(3, unzoned(1), vec![]), of_partitions(0));
    assert_eq!(refused(3, unzoned(1), vec![0; 3]), of_partitions(3));
    let max = MAX_MEMBERS;
    assert_eq!(refused(3, vec![], vec![0]), RingError::Members { members: 0, max });
    assert_eq!(refused(3, unzoned(2), vec![0, 2]), RingError::Owner { partition: 1, owner: 2, members: 2 });
    let unsorted = vec![member("b", None), member("a", None)];
    let id = NodeId::new("a").unwrap();
    assert_eq!(refused(3, unsorted, vec![0]), RingError::MemberOrder { id });
}

#[test]
fn a_broken_ring_does_not_come_in_through_serde() {
    let ring = Ring::new(1, 3, unzoned(2), vec![0, 1]).unwrap();
    let json = serde_json::to_string(&ring).unwrap();
    assert!(serde_json::from_str::<Ring>(&json).is_ok());
    assert!(serde_json::from_str::<Ring>(&json.replace("[0,1]", "[0,2]")).is_err());
    assert!(serde_json::from_str::<Ring>(&json.replace("[0,1]", "[0,1,1]")).is_err());
}
