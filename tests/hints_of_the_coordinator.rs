//! Where no node is left to stand in, the coordinator keeps the hint. It survives the coordinator's death and is handed over.

mod cluster;

use cluster::{Cluster, do_put, eventually, hints, put, wait_until_every_primary_holds};

#[tokio::test]
async fn the_coordinator_keeps_the_hint_where_nobody_can_stand_in() {
    let mut cluster = Cluster::start(3);
    cluster.kill(&[2]);
    let client = cluster.nodes[0].client().await;
    do_put(&client, &put("k", "missed", None)).await.unwrap();
    let kept = [("n0".to_owned(), "n2".to_owned(), vec!["missed".to_owned()])];
    eventually("the coordinator keeps a hint", async || hints(&client, "k").await == kept).await;

    cluster.kill(&[0]);
    cluster.nodes[0].start();
    cluster.wait_until_connected();
    let client = cluster.nodes[1].client().await;
    assert_eq!(hints(&client, "k").await, kept, "it survives kill -9");

    cluster.start_all();
    wait_until_every_primary_holds(&client, "k", &["missed"]).await;
    eventually("the hint is gone", async || hints(&client, "k").await.is_empty()).await;
    cluster.nodes[0].wait_until("has no hints", || cluster.nodes[0].metric_sum("slipring_hints_pending_keys") == 0.0);
    assert_eq!(cluster.metric_sum("slipring_read_repairs_total"), 0.0);
}
