//! What a data directory mints is later than all that was ever on its disk, also where the disk has refused the batch in which the clock's ceiling was.

mod virtual_cluster;

use virtual_cluster::{VirtualCluster, on_one_thread};

#[actix::test]
async fn the_next_life_mints_later() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(1, (1, 1, 1), false);
        cluster.disks[0].set_full(true);
        cluster.put(0, "refused", "x", None).await.expect_err("the disk is full");
        cluster.disks[0].set_full(false);
        cluster.put(0, "k", "before", None).await.expect("there is room");
        let latest = |cluster: &VirtualCluster, key| cluster.stored(key)[0].as_ref().and_then(|record| record.latest());
        let before = latest(&cluster, "k").expect("it is stored");
        cluster.crash(0);
        // Another key: a write of the same one goes by what is stored of it.
        cluster.put(0, "other", "after", None).await.expect("there is room");
        assert!(latest(&cluster, "other").expect("it is stored") > before);
    })
    .await;
}
