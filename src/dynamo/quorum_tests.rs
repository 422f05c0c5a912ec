//! Any order and any duplication of replies gives one terminal verdict, and it is the right one.

use proptest::prelude::*;

use super::{Quorum, QuorumError, ReadTally, Verdict, WriteTally};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::{Replica, Role};
use crate::dynamo::siblings::Siblings;

fn node(number: usize) -> NodeId {
    NodeId::new(&format!("n{number}")).unwrap()
}

#[test]
fn nobody_stands_in_for_a_primary_that_answers() {
    let mut tally: WriteTally<()> = WriteTally::new(1, true, &replicas(&[false, true]));
    let spares = [node(7)];
    assert_eq!((tally.replace(0, &spares), tally.replace(9, &spares)), (None, None));
    assert_eq!(tally.replace(1, &spares), Some(&spares[0]));
    assert_eq!((tally.replacement(0), tally.replacement(1)), (None, Some(&spares[0])));
    assert_eq!(tally.verdict(), Verdict::Pending);
}

fn replicas(fallbacks: &[bool]) -> Vec<Replica> {
    let role =
        |at: usize, fallback: bool| if fallback { Role::Fallback { for_node: node(100 + at) } } else { Role::Primary };
    fallbacks.iter().enumerate().map(|(at, fallback)| Replica { node: node(at), role: role(at, *fallback) }).collect()
}

#[test]
fn a_quorum_that_cannot_be_is_refused() {
    assert_eq!(Quorum::new(0, 0, 0), Err(QuorumError::NoCopies));
    assert_eq!(Quorum::new(3, 4, 2), Err(QuorumError::ReadOutOfRange { r: 4, n: 3 }));
    assert_eq!(Quorum::new(3, 0, 2), Err(QuorumError::ReadOutOfRange { r: 0, n: 3 }));
    assert_eq!(Quorum::new(3, 2, 4), Err(QuorumError::WriteOutOfRange { w: 4, n: 3 }));
    assert_eq!(Quorum::new(3, 2, 0), Err(QuorumError::WriteOutOfRange { w: 0, n: 3 }));
}

#[test]
fn a_small_cluster_holds_a_copy_on_every_member() {
    let quorum = Quorum::new(3, 2, 3).unwrap();
    assert_eq!(quorum.in_cluster_of(1), Quorum::new(1, 1, 1).unwrap());
    assert_eq!(quorum.in_cluster_of(2), Quorum::new(2, 2, 2).unwrap());
    assert_eq!(quorum.in_cluster_of(30), quorum);
}

/// A permutation of replies in which some arrive twice: (place, whether it succeeded).
fn arrivals(count: usize) -> impl Strategy<Value = (Vec<bool>, Vec<usize>)> {
    let outcomes = prop::collection::vec(any::<bool>(), count);
    let order = prop::collection::vec(0..count, 0..count)
        .prop_flat_map(move |twice| Just((0..count).chain(twice).collect::<Vec<_>>()).prop_shuffle());
    (outcomes, order)
}

proptest! {
    #[test]
    fn a_write_has_one_verdict(
        (fallbacks, (outcomes, order)) in (1..6_usize).prop_flat_map(|n| (prop::collection::vec(any::<bool>(), n), arrivals(n))),
        w in 1..6_usize, sloppy in any::<bool>(),
    ) {
        let mut tally: WriteTally<()> = WriteTally::new(w, sloppy, &replicas(&fallbacks));
        let mut terminal = None;
        for at in order {
            let verdict = tally.record(at, outcomes[at].then_some(()).ok_or(()));
            if let Some(before) = terminal { prop_assert_eq!(verdict, before); }
            if verdict != Verdict::Pending { terminal = Some(verdict); }
        }
        let counted = fallbacks.iter().zip(&outcomes).filter(|(fallback, ok)| **ok && (sloppy || !**fallback)).count();
        prop_assert_eq!(tally.acknowledged(), counted);
        prop_assert_eq!(tally.verdict(), if counted >= w { Verdict::Reached } else { Verdict::Failed });
    }

    /// However many stand-ins have no room: each spare is asked once, for one place; a place counts once, for whoever holds it at last.
    #[test]
    fn spares_take_the_places_of_stand_ins_that_are_full(
        stand_ins in prop::collection::vec(any::<bool>(), 1..6), has_room in prop::collection::vec(any::<bool>(), 10),
        spare_count in 0..5_usize, w in 1..6_usize, order in any::<prop::sample::Index>(),
    ) {
        let (list, spares) = (replicas(&stand_ins), (50..50 + spare_count).map(node).collect::<Vec<_>>());
        let mut tally: WriteTally<()> = WriteTally::new(w, true, &list);
        let mut waiting: Vec<(usize, NodeId)> = list.iter().map(|replica| replica.node.clone()).enumerate().collect();
        let (mut asked, mut held, mut full) = (0, 0, 0);
        while !waiting.is_empty() {
            let (at, who) = waiting.swap_remove(order.index(waiting.len()));
            prop_assert_eq!(tally.replacement(at).unwrap_or(&list[at].node), &who);
            if !stand_ins[at] || has_room[asked.max(at) % has_room.len()] {
                held += 1;
                tally.record(at, Ok(()));
                prop_assert_eq!(tally.replace(at, &spares), None, "what it holds is not given away");
            } else if let Some(spare) = tally.replace(at, &spares) {
                prop_assert_eq!(spare, &spares[asked]);
                waiting.push((at, spare.clone()));
                asked += 1;
            } else {
                prop_assert_eq!(asked, spares.len(), "given up while there is somebody to ask");
                full += 1;
                tally.record(at, Err(()));
            }
            prop_assert_eq!((tally.acknowledged(), tally.outstanding().count()), (held, waiting.len()));
        }
        prop_assert_eq!(tally.failures().count(), full);
        prop_assert_eq!(tally.verdict(), if held >= w { Verdict::Reached } else { Verdict::Failed });
    }

    #[test]
    fn a_read_asks_no_more_than_it_needs_and_has_one_verdict(
        (outcomes, order) in (1..6_usize).prop_flat_map(arrivals), r in 1..6_usize,
    ) {
        let mut tally: ReadTally<Siblings, ()> = ReadTally::new(r, outcomes.len());
        let mut asked = std::collections::BTreeSet::new();
        // Replies arrive in the given order as far as the replica has been asked; each failure makes room for the next question.
        for _ in 0..outcomes.len() + 1 {
            while let Some(at) = tally.ask() {
                prop_assert!(asked.insert(at), "asked twice");
                prop_assert!(tally.answered() + tally.waiting() <= r);
            }
            for at in &order {
                if asked.contains(at) {
                    tally.record(*at, outcomes[*at].then(Siblings::default).ok_or(()));
                }
            }
        }
        prop_assert!(tally.clone().unanimous().is_ok(), "all hold nothing");
        let enough = outcomes.iter().filter(|ok| **ok).count() >= r;
        prop_assert_eq!(tally.ask(), None);
        prop_assert_eq!(tally.record(0, Err(())), if enough { Verdict::Reached } else { Verdict::Failed });
    }
}
