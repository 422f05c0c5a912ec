use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Differences, Listed, RETRY_MAX_MS, Reading, Schedule, differences, drives, still_differing};
use crate::dynamo::claim::claim;
use crate::dynamo::merkle::{Digest, LEAVES};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::{Member, PartitionId, Ring};
use crate::dynamo::topology::Topology;

fn node(at: usize) -> NodeId {
    NodeId::new(&format!("n{at}")).unwrap()
}

fn ring(nodes: usize) -> Ring {
    let members: Vec<Member> = (0..nodes).map(|at| Member { id: node(at), zone: None, weight: 1 }).collect();
    claim(None, &members, 16, 3).unwrap()
}

fn digest(content: u8) -> Digest {
    Digest::from_bytes([content; 16])
}

fn key(name: u8) -> RecordKey {
    RecordKey::new(PartitionId(1), "t", &[name])
}

fn listed(records: &BTreeMap<u8, u8>, after: Option<&RecordKey>, limit: usize) -> Listed {
    let all = records.iter().map(|(name, content)| (key(*name), digest(*content)));
    let mut rest: Vec<_> = all.filter(|(key, _)| after.is_none_or(|after| key > after)).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let covers_up_to = more.then(|| rest.last().map(|(key, _)| key.clone())).flatten();
    Listed { records: rest, covers_up_to }
}

fn contents() -> impl Strategy<Value = BTreeMap<u8, u8>> {
    prop::collection::btree_map(any::<u8>(), 1..4_u8, 0..60)
}

proptest! {
    /// Slice by slice, with slices of any size on either side, every key that differs is found exactly once, and no other.
    #[test]
    fn slices_find_the_set_difference(ours in contents(), theirs in contents(), a in 1..20_usize, b in 1..20_usize) {
        let (mut push, mut pull, mut after, mut rounds) = (Vec::new(), Vec::new(), None, 0);
        loop {
            let Differences { push: more_push, pull: more_pull, compared_up_to } =
                differences(&listed(&ours, after.as_ref(), a), &listed(&theirs, after.as_ref(), b));
            push.extend(more_push);
            pull.extend(more_pull);
            rounds += 1;
            prop_assert!(rounds <= 130, "no end");
            match compared_up_to {
                Some(end) => after = Some(end),
                None => break,
            }
        }
        let lacking = |some: &BTreeMap<u8, u8>, others: &BTreeMap<u8, u8>| -> Vec<RecordKey> {
            some.iter().filter(|(name, content)| others.get(*name) != Some(*content)).map(|(name, _)| key(*name)).collect()
        };
        prop_assert_eq!(push, lacking(&ours, &theirs));
        prop_assert_eq!(pull, lacking(&theirs, &ours));
    }

    /// A leaf that was equal at any two of the readings is left alone; one that nobody has touched and that differs is not.
    #[test]
    fn leaves_that_differ_for_good_are_found(
        rotten in prop::collection::btree_set(any::<u8>(), 0..5), first in any::<u8>(), second in any::<u8>(),
    ) {
        let mut base = vec![digest(1); LEAVES];
        let (ours, mut theirs) = (base.clone(), base.clone());
        rotten.iter().for_each(|leaf| theirs[usize::from(*leaf)] = digest(9));
        // A write is on its way to the peer in the first reading, another from it in the second.
        let mut late = ours.clone();
        late[usize::from(first)] = digest(2);
        base[usize::from(first)] = digest(2);
        let mut caught_up = theirs.clone();
        if !rotten.contains(&first) {
            caught_up[usize::from(first)] = digest(2);
        }
        if !rotten.contains(&second) && second != first {
            caught_up[usize::from(second)] = digest(3);
        }
        let before = Reading { ours: late.clone(), theirs: theirs.clone() };
        let after = Reading { ours: late, theirs: caught_up };
        let found = still_differing(&before, &after);
        prop_assert!((0..=255).all(|leaf| found.contains(leaf) == rotten.contains(&leaf)), "{:?}", found);
    }

    /// Every pair of primaries compares every partition, both see to it, exactly one of them moves records.
    #[test]
    fn every_range_is_driven_by_one_side(nodes in 2..6_usize) {
        let ring = ring(nodes);
        let schedule = |at| {
            let mut schedule = Schedule::new(1_000);
            schedule.follow(&Topology::settled(ring.clone()), &node(at), 3, 0);
            schedule
        };
        let schedules: Vec<Schedule> = (0..nodes).map(schedule).collect();
        for partition in ring.partition_ids() {
            for (a, b) in (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                let are_primaries = [a, b].iter().all(|at| ring.primaries(partition, 3).any(|id| *id == node(*at)));
                prop_assert_eq!(schedules[a].range(&node(b), partition).is_some(), are_primaries);
                prop_assert!(drives(&node(a), &node(b), partition) != drives(&node(b), &node(a), partition));
            }
        }
    }

    /// However the comparisons end and whenever: no range is forgotten, and with a peer that answers none grows older than the interval.
    #[test]
    fn no_range_starves(failures in prop::collection::vec(any::<bool>(), 0..60), jitter in 0.0..1.0_f64) {
        let ring = ring(3);
        let mut schedule = Schedule::new(100_000);
        schedule.follow(&Topology::settled(ring.clone()), &node(0), 3, 0);
        let peer = node(1);
        let mut outcomes = failures.into_iter();
        // What has failed is tried again by then.
        let mut answers_since_ms = RETRY_MAX_MS;
        let mut now_ms = 0;
        while now_ms < answers_since_ms + 200_000 {
            for partition in schedule.due(&peer, now_ms, 4) {
                if outcomes.next().unwrap_or(false) {
                    schedule.failed(&peer, partition, now_ms, jitter);
                    answers_since_ms = now_ms + RETRY_MAX_MS;
                } else {
                    schedule.verified(&peer, partition, now_ms, jitter);
                }
            }
            if now_ms > answers_since_ms {
                let progress = schedule.progress(&peer, now_ms);
                prop_assert_eq!(progress.verified, progress.ranges);
                prop_assert!(progress.oldest_ms <= 100_000, "{:?}", progress);
            }
            now_ms += 100;
        }
    }
}

#[test]
fn what_is_dirty_comes_first_and_at_once() {
    let ring = ring(3);
    let mut schedule = Schedule::new(100_000);
    schedule.follow(&Topology::settled(ring.clone()), &node(0), 3, 0);
    let peer = node(1);
    for partition in schedule.due(&peer, 0, 99) {
        schedule.verified(&peer, partition, 1_000, 0.5);
    }
    assert_eq!(schedule.due(&peer, 2_000, 99), []);
    assert!(schedule.mark_dirty(&peer, PartitionId(7), 2_000));
    assert!(!schedule.mark_dirty(&node(9), PartitionId(7), 2_000));
    assert_eq!(schedule.due(&peer, 2_000, 99), [PartitionId(7)]);
    assert_eq!(schedule.progress(&peer, 2_000).dirty, 1);
    schedule.expect_all(&peer, 3_000);
    assert_eq!(schedule.due(&peer, 3_000, 1), [PartitionId(7)]);
    assert!(schedule.verified(&peer, PartitionId(7), 3_000, 0.5));
    assert_eq!(schedule.progress(&peer, 3_000).dirty, 0);
    assert_eq!(schedule.due(&peer, 3_000, 99).len(), 15);
}

/// Whoever marks a range, or asks for all of them, while one is being compared wants a comparison that begins then.
#[test]
fn a_comparison_that_began_before_it_was_wanted_is_not_the_one() {
    let mut schedule = Schedule::new(100_000);
    schedule.follow(&Topology::settled(ring(3)), &node(0), 3, 0);
    let (peer, partition) = (node(1), PartitionId(7));
    schedule.expect_all(&peer, 5_000);
    assert!(!schedule.verified(&peer, partition, 4_990, 0.5));
    assert!(schedule.due(&peer, 5_000, 99).contains(&partition));
    assert_eq!(
        schedule.range(&peer, partition).and_then(|range| range.verified_ms),
        Some(4_990),
        "it is proof all the same"
    );
    schedule.verified(&peer, partition, 5_000, 0.5);
    assert!(!schedule.due(&peer, 6_000, 99).contains(&partition));

    assert!(schedule.mark_dirty(&peer, partition, 7_000));
    assert!(!schedule.verified(&peer, partition, 6_990, 0.5), "the mark stays");
    assert_eq!((schedule.progress(&peer, 7_000).dirty, schedule.due(&peer, 7_000, 1)), (1, vec![partition]));
    assert!(schedule.verified(&peer, partition, 7_000, 0.5));
    assert_eq!(schedule.progress(&peer, 7_000).dirty, 0);
}

#[test]
fn a_side_that_does_not_drive_takes_over_after_a_while() {
    let ring = ring(3);
    let (local, peer) = (node(0), node(1));
    let mut schedule = Schedule::new(100_000);
    schedule.follow(&Topology::settled(ring.clone()), &local, 3, 0);
    let partition = PartitionId(1);
    assert!(!schedule.moves(&local, &peer, partition));
    (0..4).for_each(|_| schedule.failed(&peer, partition, 0, 0.5));
    assert!(schedule.moves(&local, &peer, partition));
}

#[test]
fn a_range_is_left_to_hints_but_not_for_ever() {
    let mut schedule = Schedule::new(100_000);
    schedule.follow(&Topology::settled(ring(3)), &node(0), 3, 0);
    let (peer, partition) = (node(1), PartitionId(3));
    assert!(schedule.waits_for_hints(&peer, partition, 5_000));
    assert!(!schedule.due(&peer, 5_500, 16).contains(&partition), "it is looked at a little later");
    assert!(schedule.due(&peer, 6_000, 16).contains(&partition));
    assert!(schedule.waits_for_hints(&peer, partition, 604_999));
    assert!(!schedule.waits_for_hints(&peer, partition, 605_000), "the hints may be stuck");
    schedule.verified(&peer, partition, 606_000, 0.5);
    assert!(schedule.waits_for_hints(&peer, partition, 700_000), "another time, other hints");
    assert!(!schedule.waits_for_hints(&node(7), partition, 0), "no range of this node");
}
