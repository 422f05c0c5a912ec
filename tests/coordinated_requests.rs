//! What the coordinator makes of replicas that are slow, silent, gone or forgetful: real actors, virtual time.

mod virtual_cluster;

use std::time::Duration;

use slipring::dynamo::preference_list::Role;
use slipring::messages::client::{GetError, PutError, WriteOutcome};
use slipring::messages::hints::CountHints;
use slipring::storage::{Batch, Persist, Space, Storage as _};
use tokio::time::{Instant, sleep};
use virtual_cluster::{LINK_DELAY, Link, REQUEST_TIMEOUT, VirtualCluster, on_one_thread, values};

#[tokio::test(start_paused = true)]
async fn a_put_takes_one_round_trip_and_is_read_everywhere() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        let begun = Instant::now();
        cluster.put(0, "k", "v", None).await.unwrap();
        assert!(begun.elapsed() < LINK_DELAY * 4, "mint here, then one round trip: {:?}", begun.elapsed());
        for at in 0..3 {
            assert_eq!(values(&cluster.get(at, "k", 2).await.unwrap()), ["v"]);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_replica_delays_neither_puts_nor_gets() {
    on_one_thread(async {
        for to in [1, 2] {
            let cluster = VirtualCluster::start(3, (3, 2, 2), true);
            // The other one is known to be slower: this one is asked first.
            cluster.link(0, 3 - to, Link::Slow(5));
            for _ in 0..10 {
                cluster.get(0, "k", 2).await.unwrap();
            }
            let hedged_before = cluster.metrics.hedged_reads.get();
            cluster.link(0, to, Link::Silent);
            let begun = Instant::now();
            cluster.put(0, "k", "v", None).await.unwrap();
            cluster.get(0, "k", 2).await.unwrap();
            assert!(begun.elapsed() < REQUEST_TIMEOUT / 4, "{:?}", begun.elapsed());
            assert!(cluster.metrics.hedged_reads.get() > hedged_before, "it was asked first, and did not answer");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_cannot_be_met_is_refused_and_says_who_was_missing() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.see(&[0]).await;
        let refused = cluster.put(0, "k", "v", None).await.unwrap_err();
        let PutError::QuorumNotReached { needed: 2, got: 0, failures, outcome } = refused else { panic!("{refused}") };
        assert_eq!((failures.len(), outcome), (2, WriteOutcome::NotApplied));
        assert!(matches!(cluster.get(0, "k", 2).await, Err(GetError::QuorumNotReached { needed: 2, .. })));
        assert!(cluster.get(0, "k", 1).await.unwrap().versions.is_empty(), "nothing was written");
        cluster.put_w(0, "k", "v", None, Some(1)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_quorum_fails_on_the_way_says_that_it_may_survive() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 3), true);
        cluster.link(0, 2, Link::Silent);
        let begun = Instant::now();
        let refused = cluster.put(0, "k", "v", None).await.unwrap_err();
        assert!(
            matches!(refused, PutError::QuorumNotReached { needed: 3, got: 2, outcome: WriteOutcome::Unknown, .. }),
            "{refused}"
        );
        assert!(begun.elapsed() <= REQUEST_TIMEOUT + LINK_DELAY, "by its deadline");
        assert_eq!(values(&cluster.get(1, "k", 1).await.unwrap()), ["v"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fallback_stands_in_when_sloppy_and_counts_for_nobody_when_strict() {
    on_one_thread(async {
        for sloppy in [true, false] {
            let mut cluster = VirtualCluster::start(5, (3, 2, 2), sloppy);
            let primaries = cluster.primaries("k");
            let here = primaries[0];
            let live: Vec<usize> = (0..5).filter(|at| !primaries[1..].contains(at)).collect();
            cluster.see(&live).await;
            let outcome = cluster.put(here, "k", "v", None).await;
            assert_eq!(outcome.is_ok(), sloppy, "{outcome:?}");
            if sloppy {
                let place = cluster.place(here, "k").await;
                let fallbacks: Vec<_> = place.replicas.iter().filter(|held| held.role != Role::Primary).collect();
                assert_eq!(fallbacks.len(), 2);
                let holds = |at: usize| fallbacks[at].holds.as_ref().is_ok_and(|held| held.versions().len() == 1);
                assert!(holds(0) && holds(1), "{fallbacks:?}");
                assert_eq!(values(&cluster.get(here, "k", 2).await.unwrap()), ["v"]);
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_mint_is_not_answered_with_a_second_dot() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(5, (3, 2, 2), true);
        let primaries = cluster.primaries("k");
        let stranger = (0..5).find(|at| !primaries.contains(at)).unwrap();
        cluster.link(stranger, primaries[0], Link::AnswerLost);
        let outcome = cluster.put(stranger, "k", "v", None).await;
        assert!(
            matches!(outcome, Err(PutError::QuorumNotReached { outcome: WriteOutcome::Unknown, .. })),
            "{outcome:?}"
        );
        // Where it is certain that nothing was done, the next replica mints.
        cluster.link(stranger, primaries[0], Link::Down);
        cluster.put(stranger, "other", "v", None).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_fails_on_the_way_gets_a_hint() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.link(0, 2, Link::Down);
        cluster.put(0, "k", "v", None).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let place = cluster.place(0, "k").await;
        let hint = place
            .replicas
            .iter()
            .find(|held| matches!(&held.role, Role::Fallback { for_node } if *for_node == cluster.names[2]));
        let hint = hint.expect("the coordinator keeps a hint");
        assert_eq!((&hint.node, hint.holds.as_ref().unwrap().versions().len()), (&cluster.names[0], 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_brings_a_replica_up_to_date() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.put_w(0, "k", "v", None, Some(3)).await.unwrap();
        cluster.wipe(2);
        cluster.get(0, "k", 3).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        assert_eq!(values(&cluster.get(2, "k", 1).await.unwrap()), ["v"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_write_survives_the_crash_of_every_node() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        let mut context = None;
        for round in 0..20 {
            let reply = cluster.put(round % 3, "k", &round.to_string(), context).await.unwrap();
            context = Some(reply.context);
            (0..3).for_each(|at| cluster.crash(at));
            // A start takes longer than this.
            cluster.clock.fetch_add(5, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(values(&cluster.get((round + 1) % 3, "k", 2).await.unwrap()), [round.to_string()]);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lost_its_disk_does_not_make_an_unseen_write_disappear() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 1, 1), true);
        let first = cluster.put_w(0, "k", "first", None, Some(3)).await.unwrap();
        cluster.put_w(0, "k", "kept", Some(first.context), Some(3)).await.unwrap();
        cluster.wipe(0);
        // The client reads nothing from the wiped node and writes twice through it, the second time knowing the first.
        cluster.see(&[0]).await;
        let x = cluster.put(0, "k", "x", None).await.unwrap();
        cluster.put(0, "k", "y", Some(x.context)).await.unwrap();
        cluster.see(&[0, 1, 2]).await;
        assert_eq!(values(&cluster.get(0, "k", 3).await.unwrap()), ["kept", "y"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_write_from_the_future_is_refused_by_its_replicas() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        let mut reply = cluster.put(0, "k", "v", None).await.unwrap();
        // The whole cluster's clock goes back a minute; the minting replica's own does not, and its dots are now far ahead.
        cluster.clock.fetch_sub(60_000, std::sync::atomic::Ordering::Relaxed);
        let refused = cluster.put(0, "k", "w", Some(reply.context.clone())).await;
        assert!(refused.is_err(), "{refused:?}");
        assert!(cluster.metrics.clock_skew_refusals.get() >= 1);
        cluster.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
        reply = cluster.put(0, "k", "x", Some(reply.context)).await.unwrap();
        assert!(reply.siblings >= 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_the_disk_refused_is_not_counted() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 1), true);
        cluster.link(0, 2, Link::Down);
        cluster.disks[0].set_full(true);
        cluster.put(0, "k", "v", None).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        assert_eq!(cluster.nodes[0].send(CountHints).await.unwrap(), []);
        cluster.disks[0].set_full(false);
        cluster.put(0, "k", "w", None).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        assert_eq!(cluster.nodes[0].send(CountHints).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_copy_is_repaired_by_the_reads_that_meet_it() {
    on_one_thread(async {
        for r in [2, 3] {
            let mut cluster = VirtualCluster::start(3, (3, 2, 3), true);
            cluster.put(0, "k", "v", None).await.unwrap();
            let first = cluster.primaries("k")[0];
            let record = cluster.record("k");
            assert!(cluster.disks[first].corrupt(Space::Records, record.as_bytes()));
            // Its memory is gone, and it reads what lies on its disk.
            cluster.crash(first);
            let found = cluster.get(first, "k", r).await;
            assert_eq!(found.is_ok(), r == 2, "two others are sound: {found:?}");
            sleep(REQUEST_TIMEOUT).await;
            assert_eq!(values(&cluster.get(first, "k", 3).await.unwrap()), ["v"], "repaired after R = {r}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_copy_that_nobody_else_has_is_given_up_by_the_read_that_meets_it() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        let (disk, record) = (&cluster.disks[cluster.primaries("k")[0]], cluster.record("k"));
        let mut batch = Batch::default();
        batch.put(Space::Records, record.as_bytes().clone(), vec![1, 2, 3]);
        disk.commit(&batch, Persist::Sync).unwrap();
        assert!(disk.corrupt(Space::Records, record.as_bytes()));
        assert!(cluster.get(0, "k", 3).await.is_err());
        sleep(REQUEST_TIMEOUT).await;
        assert_eq!(values(&cluster.get(0, "k", 3).await.unwrap()), [""; 0]);
    })
    .await;
}
