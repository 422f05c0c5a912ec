//! A node that was killed and started again takes part in writes as soon as the others see it: its clock does not run ahead of
//! theirs, however often that happens.

mod cluster;

use cluster::{Cluster, do_put, put, wait_until_every_primary_holds};
use slipring::messages::client::Put;

#[tokio::test]
async fn a_restarted_node_mints_time_stamps_that_the_others_accept() {
    let mut cluster = Cluster::start(3);
    for round in 0..4 {
        let client = cluster.nodes[0].client().await;
        let key = format!("k{round}");
        do_put(&client, &Put { w: Some(3), ..put(&key, "v", None) }).await.unwrap();
        wait_until_every_primary_holds(&client, &key, &["v"]).await;
        cluster.kill(&[0]);
        cluster.start_all();
    }
}
