//! Who is sidelined when, and what a topology makes of it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{RETURN_AFTER_MS, Sidelining};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::Member;
use crate::dynamo::topology::Topology;

fn node(number: usize) -> NodeId {
    NodeId::new(["a", "b", "c", "d"][number]).expect("a name")
}

fn topology() -> Topology {
    let members = [0, 1, 2, 3].map(|number| Member { id: node(number), zone: None, weight: 1 });
    Topology::settled(claim(None, &members, 16, 3).expect("a ring"))
}

fn all_but(gone: &[usize]) -> BTreeSet<NodeId> {
    (0..4).filter(|number| !gone.contains(number)).map(node).collect()
}

#[test]
fn who_cannot_be_reached_is_sidelined_at_once_and_comes_back_when_he_has_stayed() {
    let (mut topology, mut seen) = (topology(), Sidelining::default());
    assert_eq!(seen.next(&topology, &all_but(&[]), 0), None);
    assert_eq!(seen.next(&topology, &all_but(&[1]), 1), Some((node(1), true)));
    assert!(topology.sideline(&node(1), true));
    assert_eq!(seen.next(&topology, &all_but(&[1]), 2), None);
    assert_eq!(seen.next(&topology, &all_but(&[]), 100), None);
    assert_eq!(seen.next(&topology, &all_but(&[1]), 200), None, "it is gone again: what it had stayed counts no more");
    assert_eq!(seen.next(&topology, &all_but(&[]), 300), None);
    assert_eq!(seen.next(&topology, &all_but(&[]), 299 + RETURN_AFTER_MS), None);
    assert_eq!(seen.next(&topology, &all_but(&[]), 300 + RETURN_AFTER_MS), Some((node(1), false)));
    assert!(topology.sideline(&node(1), false));
    assert_eq!(seen.next(&topology, &all_but(&[]), 301 + RETURN_AFTER_MS), None);
}

proptest! {
    /// Where the sequencer is another node than before, the tenure and the fence are those of this epoch; elsewhere they stay.
    #[test]
    fn a_tenure_begins_where_the_sequencer_changes_and_nowhere_else(
        changes in proptest::collection::vec((0..4_usize, any::<bool>()), 1..12),
    ) {
        let mut topology = topology();
        for (number, sidelined) in changes {
            let before = topology.clone();
            let news = topology.sideline(&node(number), sidelined);
            prop_assert_eq!(news, before.sidelined().contains(&node(number)) != sidelined);
            for partition in topology.ring().partition_ids() {
                let stays = before.sequencer(partition, usize::MAX) == topology.sequencer(partition, usize::MAX);
                let expected = if stays { before.tenure(partition) } else { topology.epoch() };
                prop_assert_eq!(topology.tenure(partition), expected);
                prop_assert!(topology.fence(partition) >= topology.tenure(partition));
                let first = topology.ring().primaries(partition, 3).find(|node| !topology.sidelined().contains(*node));
                prop_assert_eq!(topology.sequencer(partition, 3), first);
            }
        }
    }
}
