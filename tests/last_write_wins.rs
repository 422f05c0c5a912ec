//! Tables in which the last write wins: it is the one that began last, and not the one whose node has the fastest clock, or knows the newest ring.

mod virtual_cluster;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use slipring::dynamo::siblings::Change;
use slipring::item::Conflict;
use slipring::messages::TraceId;
use slipring::messages::client::{PutError, WriteOutcome};
use slipring::messages::replica::{CoordinateWrite, CoordinateWriteError, Slot, StaleEpoch};
use slipring::messages::together::Together;
use tokio::time::sleep;
use virtual_cluster::{Link, VirtualCluster, on_one_thread, values};

const KEY: &str = "k";

/// Within `max_clock_skew_ms`.
const AHEAD_MS: u64 = 300;

fn started() -> VirtualCluster {
    let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
    cluster.keep_the_last_write();
    cluster
}

async fn seen_through_all(cluster: &VirtualCluster) -> BTreeSet<Vec<String>> {
    let mut seen = BTreeSet::new();
    for at in 0..cluster.names.len() {
        seen.insert(values(&cluster.get(at, KEY, 2).await.expect("two of three")));
    }
    seen
}

fn only(value: &str) -> BTreeSet<Vec<String>> {
    [vec![value.to_owned()]].into()
}

#[actix::test]
async fn a_put_wins_over_one_before_it_by_a_node_whose_clock_is_ahead() {
    on_one_thread(async {
        let cluster = started();
        cluster.ahead_ms[0].store(AHEAD_MS, Ordering::Relaxed);
        // What is ahead reaches one of the others only.
        cluster.link(0, 2, Link::Down);
        cluster.put(0, KEY, "first", None).await.expect("two of three");
        cluster.link(0, 2, Link::Up);
        cluster.put(2, KEY, "second", None).await.expect("acknowledged");
        assert_eq!(seen_through_all(&cluster).await, only("second"));
        assert_eq!(cluster.metrics.outranked_puts.get(), 1);

        cluster.put(0, KEY, "third", None).await.expect("acknowledged");
        cluster.delete(2, KEY).await.expect("acknowledged");
        assert_eq!(seen_through_all(&cluster).await, [vec![]].into());
    })
    .await;
}

#[actix::test]
async fn what_is_outranked_is_not_acknowledged_before_it_wins() {
    on_one_thread(async {
        let cluster = started();
        cluster.ahead_ms[0].store(AHEAD_MS, Ordering::Relaxed);
        cluster.link(0, 2, Link::Down);
        cluster.put(0, KEY, "first", None).await.expect("two of three");
        // Node 0 does not answer; node 1 says what is in the way, and the second round does not reach anybody.
        cluster.link(2, 0, Link::Silent);
        cluster.link(2, 1, Link::Slow(500));
        let second = cluster.put(2, KEY, "second", None);
        let cut = async {
            sleep(Duration::from_millis(700)).await;
            cluster.link(2, 1, Link::Down);
        };
        let (refused, ()) = tokio::join!(second, cut);
        let Err(PutError::QuorumNotReached { outcome, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(outcome, WriteOutcome::Unknown, "its own node has it");
    })
    .await;
}

#[actix::test]
async fn puts_at_once_are_all_acknowledged_and_one_stays() {
    on_one_thread(async {
        let cluster = started();
        (0..3).for_each(|at| cluster.ahead_ms[at].store(at as u64 * 100, Ordering::Relaxed));
        (0..3).for_each(|from| {
            (0..3).for_each(|to| cluster.link(from, to, Link::Slow(1 + (from * 7 + to * 5) as u64 % 11)))
        });
        let names: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let puts = names.iter().enumerate().map(|(number, name)| cluster.put(number % 3, KEY, name, None));
        join_all(puts).await.into_iter().for_each(|put| drop(put.expect("acknowledged")));
        assert!(cluster.metrics.outranked_puts.get() <= 60, "nobody is asked for more than one round more");
        assert_eq!(seen_through_all(&cluster).await.len(), 1);
        cluster.put(0, KEY, "last", None).await.expect("acknowledged");
        assert_eq!(seen_through_all(&cluster).await, only("last"));
    })
    .await;
}

/// Or else a write that supersedes what its replica held would have the lower rank, and copies could drop each other in a circle.
#[actix::test]
async fn nobody_mints_in_an_older_tenure_than_what_he_holds() {
    on_one_thread(async {
        let cluster = started();
        cluster.tell(0, cluster.sidelining(cluster.primaries(KEY)[0])).await;
        cluster.put(0, KEY, "first", None).await.expect("acknowledged");
        let mint = |tenure| {
            let (together, answer) = Together::alone(CoordinateWrite {
                trace: TraceId::default(),
                epoch: 2,
                key: cluster.record_key(KEY),
                slot: Slot::Own,
                context: None,
                change: Change { value: None, expires_at_ms: None, tenure },
                conflict: Conflict::Lww,
                above: None,
            });
            cluster.nodes[0].do_send(together);
            answer
        };
        let older = mint(1).await.expect("the node lives");
        assert_eq!(older, Err(CoordinateWriteError::Stale(StaleEpoch { epoch: 2 })));
        mint(2).await.expect("the node lives").expect("it is minted");
    })
    .await;
}

#[actix::test]
async fn a_put_wins_over_one_before_it_in_a_ring_that_its_node_has_not_heard_of() {
    on_one_thread(async {
        // Whether its own copy says so, or the other replicas.
        for to_its_node in [Link::Up, Link::Down] {
            let cluster = started();
            let first = cluster.primaries(KEY)[0];
            cluster.tell(0, cluster.sidelining(first)).await;
            cluster.link(0, 1, to_its_node);
            cluster.put(0, KEY, "first", None).await.expect("acknowledged");
            cluster.link(0, 1, Link::Up);
            let later = async {
                sleep(Duration::from_millis(100)).await;
                cluster.tell(1, cluster.sidelining(first)).await;
            };
            let (second, ()) = tokio::join!(cluster.put(1, KEY, "second", None), later);
            second.expect("acknowledged once its node has heard of the ring");
            assert_eq!(seen_through_all(&cluster).await, only("second"));

            let refused = cluster.put(2, KEY, "third", None).await;
            assert!(
                matches!(refused, Err(PutError::QuorumNotReached { .. })),
                "its node never hears of it: {refused:?}"
            );
        }
    })
    .await;
}
