//! A node that has lost its disk joins its old cluster again under its name, and a read brings it what it has lost.

mod cluster;

use cluster::{Cluster, do_get, do_put, get, held, place, put, values, wait_until_every_primary_holds};
use slipring::messages::client::Get;

#[tokio::test]
async fn a_read_repairs_a_node_that_has_lost_its_disk() {
    // Nothing else brings it back meanwhile.
    let mut cluster = Cluster::start_with(3, &[("anti_entropy.enabled", "false")]);
    let client = cluster.nodes[0].client().await;
    do_put(&client, &put("k", "v", None)).await.unwrap();
    wait_until_every_primary_holds(&client, "k", &["v"]).await;
    let old_disk = cluster.nodes[2].client().await.welcome().directory;

    cluster.kill(&[2]);
    cluster.nodes[2].lose_disk();
    cluster.start_all();

    let replaced = cluster.nodes[2].client().await;
    let welcome = replaced.welcome();
    assert_eq!(welcome.member.member.id.as_str(), "n2");
    assert_ne!(welcome.directory, old_disk);
    assert_eq!(welcome.founded, client.welcome().founded, "it has joined its old cluster and founded no other");
    let holds = async || {
        let place = place(&client, "k").await;
        place.replicas.iter().find(|replica| replica.node.as_str() == "n2").and_then(held)
    };
    assert_eq!(holds().await.unwrap(), [""; 0], "what was lost is lost so far");

    let found = do_get(&client, &Get { r: Some(3), ..get("k") }).await.unwrap();
    assert_eq!(values(&found), ["v"]);
    wait_until_every_primary_holds(&client, "k", &["v"]).await;
    cluster.nodes[0].wait_until("counts the repair", || cluster.metric_sum("slipring_read_repairs_total") == 1.0);

    let next = do_put(&replaced, &put("k", "w", Some(found.context))).await.unwrap();
    assert_eq!(next.siblings, 1, "it serves, and mints under its new disk's name");
}
