//! A node that stands in for two primaries of the same key, now for the one and now for the other, keeps two copies of which
//! neither knows the other's writes. What it mints in one of them must not claim to have seen what it minted in the other.

mod cluster;

use cluster::{Cluster, do_get, do_put, eventually, get, hints, primaries, put, values};
use slipring::messages::client::Get;

const KEY: &str = "basket";

#[tokio::test]
async fn writes_minted_for_one_primary_survive_writes_minted_for_another() {
    let mut cluster = Cluster::start(5);
    let client = cluster.nodes[0].client().await;
    let primaries: Vec<usize> = primaries(&client, KEY).await.iter().map(|name| cluster.at(name)).collect();
    let stand_in = first_stand_in(&mut cluster, primaries[1]).await;
    let client = cluster.nodes[stand_in].client().await;

    // In the place of the second primary, then in that of the first, then in that of the second again.
    do_put(&client, &put(KEY, "milk", None)).await.unwrap();
    cluster.kill(&[primaries[0]]);
    do_put(&client, &put(KEY, "eggs", None)).await.unwrap();
    cluster.nodes[primaries[0]].start();
    cluster.wait_until_connected();
    let name = cluster.nodes[stand_in].name.clone();
    let first = cluster.nodes[primaries[0]].name.clone();
    let owed = async || hints(&client, KEY).await.iter().any(|(keeper, owner, _)| *keeper == name && *owner == first);
    eventually("the first primary has what was minted for it", async || !owed().await).await;
    do_put(&client, &put(KEY, "tea", None)).await.unwrap();

    cluster.start_all();
    for node in &cluster.nodes {
        node.wait_until("has no hints", || node.metric_sum("slipring_hints_pending_keys") == 0.0);
    }
    let found = do_get(&client, &Get { r: Some(3), ..get(KEY) }).await.unwrap();
    assert_eq!(values(&found), ["eggs", "milk", "tea"], "three blind writes, none of which has seen another");
}

/// Kills the primary; the node that stands in for it.
async fn first_stand_in(cluster: &mut Cluster, primary: usize) -> usize {
    cluster.kill(&[primary]);
    let alive = cluster.nodes.iter().find(|node| node.is_running()).expect("a live node");
    let client = alive.client().await;
    let place = cluster::place(&client, KEY).await;
    let stand_in =
        place.replicas.iter().find(|replica| replica.role != slipring::dynamo::preference_list::Role::Primary);
    cluster.at(stand_in.expect("a stand-in").node.as_str())
}
