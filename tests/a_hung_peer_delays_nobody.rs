//! A process that hangs with its connections open is worse than a dead one: nothing refuses, nothing answers. Requests go on
//! through the others, reads ask somebody else, the peer is soon counted as down, and gets what it missed once it goes on.

mod cluster;

use cluster::{Cluster, PATIENCE, do_get, do_put, get, put, values, wait_until_every_primary_holds};
use futures_util::future::join_all;
use slipring::messages::client::Get;

const KEYS: usize = 40;

fn key(number: usize) -> String {
    format!("k{number}")
}

#[tokio::test]
async fn requests_go_on_while_a_peer_hangs_and_it_catches_up_afterwards() {
    // Any of the other two is asked: sooner or later it is the one that hangs, whatever was learned of it before.
    let cluster = Cluster::start_with(3, &[("routing.reads", "random")]);
    let (hung, healthy) = (&cluster.nodes[2], &cluster.nodes[0]);
    let client = healthy.client().await;
    for number in 0..KEYS {
        do_put(&client, &put(&key(number), "old", None)).await.unwrap();
        wait_until_every_primary_holds(&client, &key(number), &["old"]).await;
    }

    let begun = std::time::Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no read was ever answered while the hung peer counted as up");
        cluster.wait_until_connected();
        let hedged = healthy.metric_sum("slipring_hedged_reads_total");
        hung.hang();
        let gets: Vec<Get> = (0..KEYS).map(|number| get(&key(number))).collect();
        for found in join_all(gets.iter().map(|get| do_get(&client, get))).await {
            assert_eq!(values(&found.unwrap()), ["old"], "answered although the second replica hangs");
        }
        // Nobody has asked it, or, on a machine so slow that it has been given up meanwhile, nobody else was asked in its place: once more.
        let more = healthy.metric_sum("slipring_hedged_reads_total") - hedged;
        if healthy.sees(&hung.name) == Some(true) && more > 0.0 {
            break;
        }
        hung.go_on();
    }

    write_through_both(&cluster, "while it hangs").await;
    healthy.wait_until_sees(&hung.name, false);
    cluster.nodes[1].wait_until_sees(&hung.name, false);
    write_through_both(&cluster, "while it counts as down").await;

    hung.go_on();
    cluster.wait_until_connected();
    for number in 0..KEYS {
        let missed = ["while it counts as down"];
        wait_until_every_primary_holds(&client, &key(number), &missed).await;
    }
}

/// Every key gets this value, through one healthy node or the other, and is read back through the other one.
async fn write_through_both(cluster: &Cluster, value: &str) {
    let clients = [cluster.nodes[0].client().await, cluster.nodes[1].client().await];
    for number in 0..KEYS {
        let (writer, reader) = (&clients[number % 2], &clients[(number + 1) % 2]);
        let seen = do_get(writer, &get(&key(number))).await.expect("two nodes are a quorum");
        do_put(writer, &put(&key(number), value, Some(seen.context))).await.expect("two nodes are a quorum");
        assert_eq!(values(&do_get(reader, &get(&key(number))).await.expect("two nodes are a quorum")), [value]);
    }
}
