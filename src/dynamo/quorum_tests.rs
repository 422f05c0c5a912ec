//! Any order and any duplication of replies gives one terminal verdict, and it is the right one.

use proptest::prelude::*;

use super::{Quorum, QuorumError, ReadTally, Verdict, WriteTally};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::{Replica, Role};
use crate::dynamo::siblings::Siblings;

fn node(number: usize) -> NodeId {
    NodeId::new(&format!("n{number}")).unwrap()
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
