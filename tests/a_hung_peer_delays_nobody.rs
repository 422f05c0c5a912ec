//! A process that hangs with its connections open is worse than a dead one: nothing refuses, nothing answers. Requests go on
//! through the others, reads ask somebody else, the peer is soon counted as down, and gets what it missed once it goes on.

mod cluster;

use cluster::{Cluster, PATIENCE, do_get, do_put, get, primaries, put, values, wait_until_every_primary_holds};
use futures_util::future::join_all;
use slipring::client::Client;
use slipring::messages::client::Get;

const KEYS: usize = 40;

fn key(number: usize) -> String {
    format!("k{number}")
}

#[tokio::test]
async fn requests_go_on_while_a_peer_hangs_and_it_catches_up_afterwards() {
    let cluster = Cluster::start(3);
    let (hung, healthy) = (&cluster.nodes[2], &cluster.nodes[0]);
    let client = healthy.client().await;
    for number in 0..KEYS {
        do_put(&client, &put(&key(number), "old", None)).await.unwrap();
        wait_until_every_primary_holds(&client, &key(number), &["old"]).await;
    }
    let asks_hung = keys_whose_second_answer_is_due_from(&client, &hung.name, &healthy.name).await;
    assert!(!asks_hung.is_empty());

    let begun = std::time::Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no read was ever answered while the hung peer counted as up");
        cluster.wait_until_connected();
        let hedged = healthy.metric_sum("slipring_hedged_reads_total");
        hung.hang();
        let gets: Vec<Get> = asks_hung.iter().map(|key| get(key)).collect();
        for found in join_all(gets.iter().map(|get| do_get(&client, get))).await {
            assert_eq!(values(&found.unwrap()), ["old"], "answered although the second replica hangs");
        }
        // On a machine so slow that the peer has been given up meanwhile, nobody was asked in its place: once more.
        if healthy.sees(&hung.name) == Some(true) {
            let more = healthy.metric_sum("slipring_hedged_reads_total") - hedged;
            assert!(more >= asks_hung.len() as f64, "each of those reads has asked the third replica: {more}");
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

/// R = 2 is the coordinator itself and the next in the list.
async fn keys_whose_second_answer_is_due_from(client: &Client, peer: &str, local: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for key in (0..KEYS).map(key) {
        if primaries(client, &key).await.iter().find(|node| *node != local).is_some_and(|node| node == peer) {
            keys.push(key);
        }
    }
    keys
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
