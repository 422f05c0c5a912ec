//! A node with several workers is one node: whichever worker takes a request, it finds the shard that owns the partition, before
//! and after a restart, and the shards' hints are all handed over.

mod cluster;

use std::collections::BTreeMap;

use cluster::{Cluster, do_get, do_put, get, put, value_of, values, wait_until_every_primary_holds};
use slipring::client::Client;
use slipring::messages::TraceId;
use slipring::messages::client::Scan;

const KEYS: usize = 60;

fn pair(number: usize, round: usize) -> (String, String) {
    (format!("k{number:02}"), format!("v{number}.{round}"))
}

#[tokio::test]
async fn every_worker_serves_every_key() {
    let mut cluster = Cluster::start_with(3, &[("node.workers", "2")]);
    write_all(&cluster, &[0, 1, 2], 0).await;
    check_all(&cluster, 0).await;

    cluster.kill(&[0, 1, 2]);
    cluster.start_all();
    check_all(&cluster, 0).await;

    cluster.kill(&[2]);
    write_all(&cluster, &[0, 1], 1).await;
    cluster.kill(&[0]);
    cluster.nodes[0].start();
    cluster.wait_until_connected();
    cluster.start_all();
    let client = cluster.nodes[1].client().await;
    for (key, value) in (0..KEYS).map(|number| pair(number, 1)) {
        wait_until_every_primary_holds(&client, &key, &[&value]).await;
    }
    for node in &cluster.nodes {
        node.wait_until("has no hints", || node.metric_sum("slipring_hints_pending_keys") == 0.0);
    }
    check_all(&cluster, 1).await;
}

/// Several connections to each node, so that all its workers have some.
async fn connections(cluster: &Cluster, nodes: &[usize]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..4 {
        for at in nodes {
            clients.push(cluster.nodes[*at].client().await);
        }
    }
    clients
}

async fn write_all(cluster: &Cluster, nodes: &[usize], round: usize) {
    let clients = connections(cluster, nodes).await;
    for number in 0..KEYS {
        let (key, value) = pair(number, round);
        let client = &clients[number % clients.len()];
        let seen = do_get(client, &get(&key)).await.expect("two nodes are a quorum");
        assert_eq!(
            do_put(client, &put(&key, &value, Some(seen.context))).await.expect("two nodes are a quorum").siblings,
            1
        );
    }
}

/// By get, by `where` and by scan.
async fn check_all(cluster: &Cluster, round: usize) {
    let clients = connections(cluster, &[0, 1, 2]).await;
    for number in 0..KEYS {
        let (key, value) = pair(number, round);
        for client in &clients {
            assert_eq!(
                values(&do_get(client, &get(&key)).await.expect("two nodes are a quorum")),
                std::slice::from_ref(&value)
            );
        }
        let client = &clients[number % clients.len()];
        wait_until_every_primary_holds(client, &key, &[&value]).await;
    }
    let mut expected: Vec<String> = (0..KEYS).map(|number| pair(number, round).1).collect();
    expected.sort();
    for client in &clients {
        assert_eq!(scanned(client).await, expected);
    }
}

/// All values, in slices of a size that does not divide their number.
async fn scanned(client: &Client) -> Vec<String> {
    let mut found: BTreeMap<String, ()> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let scan = Scan {
            trace: TraceId::default(),
            table: "kv".to_owned(),
            cursor,
            until: None,
            limit: 7,
            r: None,
            timeout_ms: None,
        };
        let reply = client.request(&scan).await.expect("the scan is answered");
        for version in reply.items.iter().flatten() {
            let value = value_of(version.value.as_ref().expect("a scan shows what is visible"));
            assert_eq!(found.insert(value.clone(), ()), None, "{value} comes once");
        }
        match reply.next {
            Some(next) => cursor = Some(next),
            None => return found.into_keys().collect(),
        }
    }
}
