//! Links between real processes are cut, in one direction or both. Each side goes on as its quorums allow; after the healing hints bring everybody
//! what he missed, without a read.

mod cluster;
mod fault_proxy;

use std::time::Instant;

use cluster::{Cluster, do_get, do_put, get, put, values, wait_until_every_primary_holds};
use fault_proxy::FaultProxy;
use slipring::client::{CallError, Client};
use slipring::messages::client::{Get, GetError, Put, PutError, WriteOutcome};

const KEYS: usize = 30;

fn key(number: usize) -> String {
    format!("k{number}")
}

fn put_w(key: &str, value: &str, w: u8) -> Put {
    Put { w: Some(w), ..put(key, value, None) }
}

fn repairs(cluster: &Cluster) -> f64 {
    cluster.metric_sum("slipring_read_repairs_total")
}

/// All nodes hold the same, and owe nobody anything; reads have repaired so much before. Asks without repairing anything.
async fn all_hold(cluster: &Cluster, expected: &[&str], repaired: f64) {
    for node in &cluster.nodes {
        node.wait_until("has no hints", || node.metric_sum("slipring_hints_pending_keys") == 0.0);
        node.assert_unharmed();
    }
    let client = cluster.nodes[0].client().await;
    for number in 0..KEYS {
        wait_until_every_primary_holds(&client, &key(number), expected).await;
    }
    assert_eq!(repairs(cluster), repaired, "no read was needed");
    assert_eq!(cluster.metric_sum("slipring_hints_dropped_total"), 0.0);
    // Not only the values, and not only of these keys.
    cluster.wait_until_replicas_are_equal().await;
}

async fn minority_serves_itself(alone: &Client) {
    for number in 0..KEYS {
        let refused = do_put(alone, &put(&key(number), "refused", None)).await;
        let Err(CallError::Refused(PutError::QuorumNotReached { needed: 2, got: 0, outcome, .. })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(outcome, WriteOutcome::NotApplied);
        do_put(alone, &put_w(&key(number), "minority", 1)).await.expect("one copy is wanted, and there is one");
        let refused = do_get(alone, &get(&key(number))).await;
        assert!(
            matches!(refused, Err(CallError::Refused(GetError::QuorumNotReached { needed: 2, .. }))),
            "{refused:?}"
        );
        let found = do_get(alone, &Get { r: Some(1), ..get(&key(number)) }).await.expect("one copy");
        assert_eq!(values(&found), ["before", "minority"]);
    }
}

async fn partition(sloppy: &str) {
    let (proxy, cluster) = FaultProxy::start_cluster(3, &[("replication.sloppy", sloppy)]);
    let [one, two, alone] = &cluster.nodes[..] else { panic!("three nodes") };
    let clients = [one.client().await, two.client().await];
    for number in 0..KEYS {
        do_put(&clients[0], &put(&key(number), "before", None)).await.expect("all are up");
        wait_until_every_primary_holds(&clients[0], &key(number), &["before"]).await;
    }

    let cut_at = Instant::now();
    proxy.cut(&alone.name, &one.name);
    proxy.cut(&alone.name, &two.name);
    for node in [one, two] {
        node.wait_until_sees(&alone.name, false);
        alone.wait_until_sees(&node.name, false);
    }
    for number in 0..KEYS {
        let client = &clients[number % 2];
        do_put(client, &put(&key(number), "majority", None)).await.expect("two of three are a quorum");
        let found = do_get(&clients[(number + 1) % 2], &get(&key(number))).await.expect("two of three are a quorum");
        assert_eq!(values(&found), ["before", "majority"]);
    }
    minority_serves_itself(&alone.client().await).await;
    for node in [one, two] {
        node.wait_until("calls the lonely one down", || node.calls_down(&alone.name));
        println!("{} calls {} down {:?} after the cut at the latest", node.name, alone.name, cut_at.elapsed());
    }

    let repaired = repairs(&cluster);
    proxy.heal(&alone.name, &one.name);
    proxy.heal(&alone.name, &two.name);
    cluster.wait_until_connected();
    for node in [one, two] {
        node.wait_until("calls nobody down", || !node.calls_down(&alone.name));
    }
    all_hold(&cluster, &["before", "majority", "minority"], repaired).await;
}

#[tokio::test]
async fn both_sides_of_a_partition_go_on_and_agree_after_the_healing() {
    partition("true").await;
}

#[tokio::test]
async fn strict_quorums_serve_and_agree_as_well() {
    partition("false").await;
}

#[tokio::test]
async fn a_cut_in_one_direction_stops_nobody() {
    let (proxy, cluster) = FaultProxy::start_cluster(3, &[]);
    let [deaf, mute, third] = &cluster.nodes[..] else { panic!("three nodes") };
    proxy.cut_one_way(&mute.name, &deaf.name);
    // Neither has a link that works: requests or answers are lost. The third one reaches both.
    deaf.wait_until_sees(&mute.name, false);
    mute.wait_until_sees(&deaf.name, false);
    for (at, node) in cluster.nodes.iter().enumerate() {
        let client = node.client().await;
        for number in (at..KEYS).step_by(3) {
            do_put(&client, &put(&key(number), "cut", None)).await.expect("everybody reaches two of three");
            assert_eq!(values(&do_get(&client, &get(&key(number))).await.expect("two of three")), ["cut"]);
        }
    }
    assert_eq!((third.sees(&deaf.name), third.sees(&mute.name)), (Some(true), Some(true)));
    assert_eq!(cluster.metric_sum("slipring_peers_given_up_total"), 0.0, "a cut between two ejects neither");

    let repaired = repairs(&cluster);
    proxy.heal(&mute.name, &deaf.name);
    cluster.wait_until_connected();
    all_hold(&cluster, &["cut"], repaired).await;
}
