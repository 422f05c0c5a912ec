//! An expired value vanishes through every node at once, from gets and from scans; what is left of it is its place in the history.

mod cluster;

use cluster::{Cluster, do_get, do_put, eventually, get, place, put, value_of, values};
use slipring::client::Client;
use slipring::dynamo::siblings::Siblings;
use slipring::messages::TraceId;
use slipring::messages::client::{Put, Scan};

const HOUR_MS: u64 = 3_600_000;

#[tokio::test]
async fn an_expired_value_is_hidden_everywhere_and_can_be_written_over() {
    let cluster = Cluster::start(3);
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        clients.push(node.client().await);
    }
    let with_ttl = |key, value, ttl_ms| Put { ttl_ms: Some(ttl_ms), ..put(key, value, None) };
    do_put(&clients[0], &with_ttl("long", "stays", HOUR_MS)).await.unwrap();
    do_put(&clients[1], &with_ttl("short", "goes", 300)).await.unwrap();
    do_put(&clients[2], &put("plain", "stays", None)).await.unwrap();

    for client in &clients {
        eventually("the value vanishes", async || do_get(client, &get("short")).await.unwrap().versions.is_empty())
            .await;
    }
    for client in &clients {
        assert!(do_get(client, &get("short")).await.unwrap().versions.is_empty(), "and stays away");
        assert_eq!(values(&do_get(client, &get("long")).await.unwrap()), ["stays"]);
        assert_eq!(scanned(client).await, ["stays", "stays"]);
    }

    eventually("every replica remembers its dot and its time", async || {
        let marks = place(&clients[0], "short").await;
        let remembers = |holds: &Siblings| holds.versions().len() == 1 && holds.versions()[0].expires_at_ms.is_some();
        marks.replicas.len() == 3 && marks.replicas.iter().all(|replica| replica.holds.as_ref().is_ok_and(remembers))
    })
    .await;

    let seen = do_get(&clients[0], &get("short")).await.unwrap();
    let over = do_put(&clients[1], &put("short", "back", Some(seen.context))).await.unwrap();
    assert_eq!(over.siblings, 1, "the expired version is superseded");
    for client in &clients {
        assert_eq!(values(&do_get(client, &get("short")).await.unwrap()), ["back"]);
        assert_eq!(scanned(client).await, ["back", "stays", "stays"]);
    }
}

/// All values that a scan shows, sorted.
async fn scanned(client: &Client) -> Vec<String> {
    let scan = Scan {
        trace: TraceId::default(),
        table: "kv".to_owned(),
        cursor: None,
        until: None,
        limit: 100,
        r: None,
        timeout_ms: None,
    };
    let reply = client.request(&scan).await.expect("the scan is answered");
    assert_eq!(reply.next, None);
    let mut values: Vec<String> =
        reply.items.iter().flatten().filter_map(|version| version.value.as_ref()).map(|v| value_of(v)).collect();
    values.sort();
    values
}
