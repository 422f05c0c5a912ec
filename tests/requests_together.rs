//! Requests that arrive together share their messages, and nothing else: each has its own answer, as soon as its own replicas allow it.

mod virtual_cluster;

use std::time::Duration;

use slipring::item::{AttributeValue, Item, TableSchema};
use slipring::messages::TraceId;
use slipring::messages::client::{Get, GetError, Put, PutError, WriteOutcome};
use slipring::messages::together::Together;
use tokio::time::{Instant, sleep};
use virtual_cluster::{LINK_DELAY, Link, REQUEST_TIMEOUT, VirtualCluster, on_one_thread, values};

const KEYS: usize = 40;

fn name(number: usize) -> String {
    format!("key-{number}")
}

fn put(key: &str, value: &str) -> Put {
    let item: Item = [("key", key), ("value", value)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())))
        .collect();
    let (trace, table, item) = (TraceId::default(), "kv".to_owned(), item.to_bytes());
    Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None }
}

fn get(key: &str, r: u8) -> Get {
    let key = TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes();
    Get { trace: TraceId::default(), table: "kv".to_owned(), key, r: Some(r), timeout_ms: None }
}

fn all_puts(round: &str) -> Vec<Put> {
    (0..KEYS).map(|number| put(&name(number), &format!("{round}-{number}"))).collect()
}

fn all_gets(r: u8) -> Vec<Get> {
    (0..KEYS).map(|number| get(&name(number), r)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_answer_in_its_own_place() {
    on_one_thread(async {
        for nodes in [3, 6] {
            let cluster = VirtualCluster::start(nodes, (3, 2, 2), true);
            let mut puts = all_puts("v");
            puts[7].table = "none".to_owned();
            let answers = cluster.put_together(0, puts).await;
            for (number, answer) in answers.iter().enumerate() {
                assert_eq!(answer.is_ok(), number != 7, "{number}: {answer:?}");
            }
            assert!(matches!(answers[7], Err(PutError::NoSuchTable { .. })));
            for r in [1, 2, 3] {
                for at in 0..nodes {
                    sleep(LINK_DELAY * 2).await;
                    let mut gets = all_gets(r);
                    gets[9].table = "none".to_owned();
                    for (number, answer) in cluster.get_together(at, gets).await.into_iter().enumerate() {
                        match (number, answer) {
                            (9, answer) => assert!(matches!(answer, Err(GetError::NoSuchTable { .. }))),
                            (7, answer) => assert!(answer.unwrap().versions.is_empty()),
                            (_, answer) => assert_eq!(values(&answer.unwrap()), [format!("v-{number}")]),
                        }
                    }
                }
            }
        }
    })
    .await;
}

/// With six nodes most keys can do without any one of them. None may wait for those that cannot.
#[tokio::test(start_paused = true)]
async fn a_silent_replica_delays_only_those_who_need_it() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(6, (3, 2, 3), true);
        cluster.link(0, 4, Link::Silent);
        let (together, mut answers) = answered_when(all_puts("v"));
        let begun = Instant::now();
        cluster.coordinators[0].do_send(together);
        let mut quick = 0;
        for _ in 0..KEYS {
            let (number, outcome, at) = answers.recv().await.expect("everybody is answered");
            let needs_the_silent_one = cluster.primaries(&name(number)).contains(&4);
            assert_eq!(outcome.is_err(), needs_the_silent_one, "{number}: {outcome:?}");
            if outcome.is_ok() {
                quick += 1;
                assert!(at.duration_since(begun) < LINK_DELAY * 5, "{number}: {:?}", at.duration_since(begun));
            }
        }
        assert!((5..KEYS - 5).contains(&quick), "both kinds of keys are there: {quick}");
    })
    .await;
}

type Answered = (usize, Result<slipring::messages::client::PutReply, PutError>, Instant);

/// Puts, and their answers with the time when each of them came.
fn answered_when(requests: Vec<Put>) -> (Together<Put>, tokio::sync::mpsc::UnboundedReceiver<Answered>) {
    let (sender, answers) = tokio::sync::mpsc::unbounded_channel();
    let answers_to = slipring::messages::together::Answers::new(move |at, outcome| {
        sender.send((at, outcome, Instant::now())).expect("the test listens");
    });
    (Together { requests, answers: answers_to }, answers)
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_asked_first_and_is_silent_is_passed_over() {
    on_one_thread(async {
        for silent in [1, 2] {
            let cluster = VirtualCluster::start(3, (3, 2, 2), true);
            cluster.put_together(0, all_puts("v")).await.into_iter().for_each(|answer| drop(answer.unwrap()));
            // The other one is known to be slower: this one is asked first.
            cluster.link(0, 3 - silent, Link::Slow(5));
            for _ in 0..10 {
                cluster.get_together(0, all_gets(2)).await.into_iter().for_each(|answer| drop(answer.unwrap()));
            }
            let hedged_before = cluster.metrics.hedged_reads.get();
            cluster.link(0, silent, Link::Silent);
            let begun = Instant::now();
            for (number, answer) in cluster.get_together(0, all_gets(2)).await.into_iter().enumerate() {
                assert_eq!(values(&answer.unwrap()), [format!("v-{number}")]);
            }
            assert!(begun.elapsed() < REQUEST_TIMEOUT / 4, "{:?}", begun.elapsed());
            let hedged = cluster.metrics.hedged_reads.get();
            assert_eq!(hedged - hedged_before, KEYS as u64, "the silent one was asked first, and did not answer");
            assert_eq!(cluster.metrics.hedges_won.get(), hedged, "the other one answered");
            assert_eq!(cluster.metrics.hedges_withheld.get(), 0);
        }
    })
    .await;
}

/// Hedges help against one slow replica. When all are slow they stay within their share of the reads, and what was saved up.
#[tokio::test(start_paused = true)]
async fn hedges_are_bounded_when_every_replica_is_slow() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.link(0, 1, Link::Silent);
        cluster.link(0, 2, Link::Silent);
        let mut reads = 0;
        while reads < 4_000 {
            let together: Vec<Get> = std::iter::repeat_with(|| all_gets(2)).take(20).flatten().collect();
            reads += together.len();
            cluster.get_together(0, together).await.into_iter().for_each(|answer| drop(answer.unwrap_err()));
        }
        let (hedged, withheld) = (cluster.metrics.hedged_reads.get(), cluster.metrics.hedges_withheld.get());
        let (saved, group_max) = (1_000, 20 * KEYS as u64);
        let allowed = saved + reads as u64 / 20 + group_max;
        assert!((saved..=allowed).contains(&hedged), "{hedged} of {reads} reads were hedged, {allowed} are allowed");
        assert!(withheld > 0 && cluster.metrics.hedges_won.get() == 0, "{withheld}");
    })
    .await;
}

/// Copies that differ are told in full, merged, and repaired; copies that do not are not sent.
#[tokio::test(start_paused = true)]
async fn what_differs_is_merged_and_repaired() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 3), true);
        cluster.put_together(0, all_puts("old")).await.into_iter().for_each(|answer| drop(answer.unwrap()));
        cluster.wipe(0);
        for (number, answer) in cluster.get_together(0, all_gets(3)).await.into_iter().enumerate() {
            assert_eq!(values(&answer.unwrap()), [format!("old-{number}")]);
        }
        sleep(Duration::from_millis(50)).await;
        for (number, answer) in cluster.get_together(0, all_gets(1)).await.into_iter().enumerate() {
            assert_eq!(values(&answer.unwrap()), [format!("old-{number}")], "the wiped copy has been repaired");
        }
    })
    .await;
}

/// A node's writes see those before them that are still on their way to its disk. So a write that found the disk full may come back with
/// a later one of its key that found room: it must not be said to be gone.
#[tokio::test(start_paused = true)]
async fn a_write_that_found_all_disks_full_is_not_said_to_be_gone() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), true);
        for disk in &cluster.disks {
            disk.set_full(true);
        }
        let refused = cluster.put_w(0, "k", "v", None, Some(1)).await.unwrap_err();
        assert!(matches!(refused, PutError::QuorumNotReached { outcome: WriteOutcome::Unknown, .. }), "{refused:?}");
        for disk in &cluster.disks {
            disk.set_full(false);
        }
        cluster.put(0, "k", "w", None).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_exceeds_the_limit_is_refused_and_the_rest_is_done() {
    on_one_thread(async {
        let cluster = VirtualCluster::start_with_inflight_max(3, (3, 2, 2), true, 10);
        let answers = cluster.put_together(0, all_puts("v")).await;
        let overloaded = answers.iter().filter(|answer| matches!(answer, Err(PutError::Overloaded(_)))).count();
        assert_eq!((overloaded, answers.iter().filter(|answer| answer.is_ok()).count()), (KEYS - 10, 10));
        assert_eq!(cluster.metrics.shed.get(), (KEYS - 10) as u64);
        sleep(REQUEST_TIMEOUT).await;
        assert!(cluster.put(0, "k", "v", None).await.is_ok(), "the credits have come back");
    })
    .await;
}
