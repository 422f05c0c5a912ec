use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::claim::claim;
use super::super::ring::Member;
use super::*;

fn ring(count: usize, n: usize) -> Ring {
    let members: Vec<Member> = (0..count)
        .map(|number| Member { id: NodeId::new(&format!("n{number:02}")).unwrap(), zone: None, weight: 1 })
        .collect();
    claim(None, &members, 32, n).unwrap()
}

#[derive(Debug, Clone)]
struct Scene {
    ring: Ring,
    partition: PartitionId,
    n: usize,
    up: BTreeSet<NodeId>,
}

impl Scene {
    fn list(&self, sloppy: bool) -> PreferenceList {
        preference_list(&self.ring, self.partition, self.n, sloppy, |id| self.up.contains(id), |_| true)
    }
}

/// A partition of a ring whose nodes are up or not; shrinks to up. The n may differ from the claimed.
fn scene() -> impl Strategy<Value = Scene> {
    (1..9_usize, 1..5_usize, 1..6_usize, 0..32_u32).prop_flat_map(|(count, claimed_n, n, at)| {
        prop::collection::vec(any::<bool>(), count).prop_map(move |down| {
            let ring = ring(count, claimed_n);
            let is_up = |&(_, &down): &(&Member, &bool)| !down;
            let up = ring.members().iter().zip(&down).filter(is_up);
            let up = up.map(|(member, _)| member.id.clone()).collect();
            Scene { ring, partition: PartitionId(at), n, up }
        })
    })
}

fn stands_for(replica: &Replica) -> &NodeId {
    match &replica.role {
        Role::Primary => &replica.node,
        Role::Fallback { for_node } => for_node,
    }
}

proptest! {
    #[test]
    fn the_primaries_are_the_first_n_of_the_walk(scene in scene(), sloppy: bool) {
        let first: Vec<NodeId> = scene.ring.walk(scene.partition).take(scene.n).cloned().collect();
        let list = scene.list(sloppy);
        prop_assert_eq!(list.primaries(), first);
    }

    #[test]
    fn replicas_are_reachable_distinct_and_in_their_roles(scene in scene(), sloppy: bool) {
        let list = scene.list(sloppy);
        let mut nodes = BTreeSet::new();
        for replica in list.replicas() {
            prop_assert!(scene.up.contains(&replica.node));
            prop_assert!(nodes.insert(&replica.node));
            let is_primary = list.primaries().contains(&replica.node);
            match &replica.role {
                Role::Primary => prop_assert!(is_primary),
                Role::Fallback { for_node } => {
                    prop_assert!(sloppy && !is_primary);
                    prop_assert!(list.primaries().contains(for_node));
                    prop_assert!(!scene.up.contains(for_node));
                }
            }
        }
    }

    #[test]
    fn every_primary_has_one_place_in_order_or_is_absent(scene in scene(), sloppy: bool) {
        let list = scene.list(sloppy);
        let held: Vec<&NodeId> = list.replicas().iter().map(stands_for).collect();
        let (absent, present): (Vec<&NodeId>, Vec<&NodeId>) =
            list.primaries().iter().partition(|id| list.absent().contains(id));
        prop_assert_eq!(held, present);
        prop_assert_eq!(absent, list.absent().iter().collect::<Vec<_>>());
        prop_assert_eq!(list.replicas().len() + list.absent().len(), list.primaries().len());
    }

    #[test]
    fn spares_are_the_next_n_who_can_be_reached_and_only_where_somebody_stands_in(scene in scene(), sloppy: bool) {
        let list = scene.list(sloppy);
        let idle: Vec<NodeId> = scene.ring.walk(scene.partition).skip(scene.n)
            .filter(|id| scene.up.contains(id) && list.replicas().iter().all(|replica| replica.node != **id))
            .take(scene.n).cloned().collect();
        let is_stood_in = list.replicas().iter().any(|replica| replica.role != Role::Primary);
        prop_assert_eq!(list.spares(), if is_stood_in { &idle[..] } else { &[] });
        prop_assert!(list.spares().is_empty() || list.absent().is_empty());
    }

    /// Whoever is full gives its place to a spare, as long as there is one; nothing else changes, and it comes to an end.
    #[test]
    fn without_the_full_stand_ins_spares_hold_their_places(scene in scene(), full in prop::collection::btree_set(0..9_usize, 0..9)) {
        let full: Vec<NodeId> = full.iter().filter_map(|at| scene.ring.members().get(*at)).map(|member| member.id.clone()).collect();
        let full: Vec<&NodeId> = full.iter().collect();
        let mut list = scene.list(true);
        let is_full = |replica: &Replica| replica.role != Role::Primary && full.contains(&&replica.node);
        while let Some(next) = list.without(&full) {
            let gone = list.replicas().iter().filter(|replica| is_full(replica)).count().min(list.spares().len());
            prop_assert!(gone > 0);
            prop_assert_eq!(next.spares(), &list.spares()[gone..]);
            prop_assert_eq!((next.primaries(), next.absent()), (list.primaries(), list.absent()));
            let mut taken = list.spares().iter();
            for (before, after) in list.replicas().iter().zip(next.replicas()) {
                let expected = if is_full(before) { taken.next().unwrap_or(&before.node) } else { &before.node };
                prop_assert_eq!((&after.node, &after.role), (expected, &before.role));
            }
            list = next;
        }
        prop_assert!(list.spares().is_empty() || !list.replicas().iter().any(is_full));
    }

    #[test]
    fn a_primary_is_absent_only_if_strict_or_nobody_is_left(scene in scene()) {
        let list = scene.list(true);
        if !list.absent().is_empty() {
            prop_assert_eq!(list.replicas().len(), scene.up.len());
        }
        let strict = scene.list(false);
        prop_assert!(strict.absent().iter().all(|id| !scene.up.contains(id)));
        prop_assert!(strict.replicas().iter().all(|replica| replica.role == Role::Primary));
    }

    #[test]
    fn a_node_that_goes_down_changes_only_its_own_place(scene in scene(), index in 0..9_usize) {
        let all = Scene {
            up: scene.ring.members().iter().map(|member| member.id.clone()).collect(),
            ..scene
        };
        let down = &all.ring.members()[index % all.ring.members().len()].id;
        let mut fewer = all.clone();
        fewer.up.remove(down);
        let (before, after) = (all.list(true), fewer.list(true));
        let others = |list: &PreferenceList| -> Vec<Replica> {
            list.replicas().iter().filter(|replica| stands_for(replica) != down).cloned().collect()
        };
        prop_assert_eq!(others(&before), others(&after));
        let position = |list: &PreferenceList| {
            list.replicas().iter().position(|replica| stands_for(replica) == down)
        };
        if after.absent().is_empty() {
            prop_assert_eq!(position(&before), position(&after));
        }
    }
}

#[test]
fn the_nearest_node_after_the_primaries_stands_in_where_one_is_missing() {
    let members = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| Member {
        id: NodeId::new(name).unwrap(),
        zone: None,
        weight: 1,
    });
    let ring = Ring::new(1, 3, members.to_vec(), (0..8).collect()).unwrap();
    let down = |names: &'static str| move |id: &NodeId| !names.contains(id.as_str());
    let shown = |list: &PreferenceList| {
        let place = |replica: &Replica| format!("{}>{}", replica.node, stands_for(replica));
        list.replicas().iter().map(place).collect::<Vec<_>>().join(" ")
    };
    let list = |names, sloppy| preference_list(&ring, PartitionId(0), 3, sloppy, down(names), |_| true);
    assert_eq!(shown(&list("", true)), "a>a b>b c>c");
    assert_eq!(shown(&list("bd", true)), "a>a e>b c>c");
    assert_eq!(shown(&list("ac", true)), "d>a b>b e>c");
    assert_eq!(shown(&list("bd", false)), "a>a c>c");
    let spares = |list: PreferenceList| list.spares().iter().map(NodeId::as_str).collect::<String>();
    assert_eq!((spares(list("b", true)), spares(list("bdf", true))), ("efg".to_owned(), "gh".to_owned()));
    assert_eq!((spares(list("", true)), spares(list("b", false))), (String::new(), String::new()));
    let few = list("abcdefg", true);
    assert_eq!(shown(&few), "h>a");
    assert_eq!(few.absent().iter().map(NodeId::as_str).collect::<String>(), "bc");
}

/// Or what he keeps for others would go with him when the move is cancelled, or done.
#[test]
fn who_comes_or_goes_stands_in_for_nobody() {
    let member = |name: &str| Member { id: NodeId::new(name).unwrap(), zone: None, weight: 1 };
    let (four, five) = (["a", "b", "c", "d"].map(member), ["a", "b", "c", "e", "f"].map(member));
    let before = claim(None, &four, 8, 3).unwrap();
    let next = claim(Some(&before), &five, 8, 3).unwrap();
    let mut topology = Topology::settled(before);
    topology.begin(next, vec![3], BTreeSet::new()).unwrap();
    let gone = NodeId::new("a").unwrap();
    for partition in topology.ring().partition_ids() {
        let quorum = Quorum::new(3, 2, 2).unwrap();
        let (list, _) = replicas_of(&topology, partition, quorum, true, |node| *node != gone);
        for Replica { node, role } in list.replicas() {
            let comes_or_goes = ["d", "e", "f"].contains(&node.as_str());
            assert!(*role == Role::Primary || !comes_or_goes, "{node} stands in in {partition}");
        }
    }
}
