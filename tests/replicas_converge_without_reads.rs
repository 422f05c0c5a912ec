//! Replicas that differ, for whatever reason, become equal by themselves: nobody reads, nobody runs anything.

mod virtual_cluster;

use std::time::Duration;

use actix::Addr;
use slipring::actors::anti_entropy::AntiEntropy;
use slipring::dynamo::ring::PartitionId;
use slipring::messages::repair::{
    ControlRepair, ControlRepairError, DescribeRepair, MarkDirty, RepairAction, RepairStatus,
};
use slipring::storage::{Batch, Persist, Space, Storage};
use tokio::time::sleep;
use virtual_cluster::{Link, VirtualCluster, on_one_thread};

/// Every range comes once in this time.
const INTERVAL_S: u64 = 60;

fn key(at: usize) -> String {
    format!("key{at}")
}

/// Whether all primaries hold the same, and something, of each key.
fn equal(cluster: &VirtualCluster, keys: usize) -> bool {
    (0..keys).all(|at| {
        let copies = cluster.stored(&key(at));
        copies[0].is_some() && copies.windows(2).all(|pair| pair[0] == pair[1])
    })
}

async fn intervals(count: u64) {
    sleep(Duration::from_secs(INTERVAL_S * count)).await;
}

async fn status(repair: &Addr<AntiEntropy>) -> RepairStatus {
    repair.send(DescribeRepair).await.expect("it lives").expect("it answers")
}

/// What all say to this.
async fn control_all(cluster: &VirtualCluster, action: RepairAction) -> Vec<RepairStatus> {
    let mut told = Vec::new();
    for repair in &cluster.repairs {
        told.push(repair.send(ControlRepair { action }).await.expect("it lives").expect("it is written down"));
    }
    told
}

/// Writes of which one replica hears nothing, not even as a hint.
async fn written_without(cluster: &VirtualCluster, missing: usize, keys: usize) {
    for from in 0..cluster.names.len() {
        cluster.link(from, missing, Link::Silent);
    }
    for at in 0..keys {
        let to = (0..cluster.names.len()).find(|node| *node != missing).expect("another");
        cluster.put(to, &key(at), "v", None).await.expect("two of three");
    }
    sleep(Duration::from_secs(5)).await;
    for from in 0..cluster.names.len() {
        cluster.link(from, missing, Link::Up);
    }
}

/// There is no hinted handoff in this cluster, so the dropped messages are gone for good.
#[tokio::test(start_paused = true)]
async fn dropped_messages_are_made_up_for() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        written_without(&cluster, 2, 40).await;
        intervals(2).await;
        assert!(!equal(&cluster, 40), "without anti-entropy they stay different");
        cluster.start_repair(INTERVAL_S);
        intervals(2).await;
        assert!(equal(&cluster, 40));
        // To the third node, at most once from each of the others.
        let moved = cluster.metrics.repair.keys_repaired.get();
        assert!((40..=80).contains(&moved), "{moved} records were moved");
        for repair in &cluster.repairs {
            let status = status(repair).await;
            assert!(
                status.peers.iter().all(|peer| peer.verified == peer.ranges && peer.oldest_unverified_s <= INTERVAL_S)
            );
        }
        intervals(3).await;
        assert_eq!(cluster.metrics.repair.keys_repaired.get(), moved, "and then there is peace");
        assert_eq!(cluster.metrics.repair.leaves_corrected.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_disk_is_filled_again() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        for at in 0..60 {
            cluster.put(0, &key(at), "v", None).await.expect("written");
        }
        cluster.start_repair(INTERVAL_S);
        intervals(1).await;
        cluster.wipe(1);
        cluster.start_repair(INTERVAL_S);
        intervals(2).await;
        assert!(equal(&cluster, 60));
        let moved = cluster.metrics.repair.keys_repaired.get();
        assert!((60..=120).contains(&moved), "{moved} records were moved");
    })
    .await;
}

/// The tree still speaks of a record that can no longer be read: only an audit finds that.
#[tokio::test(start_paused = true)]
async fn rot_is_found_and_repaired() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        for at in 0..50 {
            cluster.put(0, &key(at), "v", None).await.expect("written");
        }
        sleep(Duration::from_secs(1)).await;
        assert!(equal(&cluster, 50));
        let (rotten, lost) = (cluster.record_key(&key(3)), cluster.record_key(&key(4)));
        assert!(cluster.disks[1].corrupt(Space::Records, rotten.as_bytes()));
        let mut batch = Batch::default();
        batch.delete(Space::Records, lost.as_bytes().clone());
        cluster.disks[1].commit(&batch, Persist::Sync).expect("deleted behind everybody's back");
        assert!(!equal(&cluster, 50));
        cluster.start_repair(INTERVAL_S);
        intervals(4).await;
        assert!(equal(&cluster, 50));
        let moved = cluster.metrics.repair.keys_repaired.get();
        assert!((2..=4).contains(&moved), "{moved} records were moved");
        assert_eq!(cluster.metrics.repair.leaves_corrected.get(), 2);
    })
    .await;
}

/// A write to a record that is gone without a trace leaves a tree that counts the lost one too. The comparison notices that the trees differ
/// where the records do not, and both sides check theirs, long before the audit's turn.
#[tokio::test(start_paused = true)]
async fn a_write_over_a_lost_record_does_not_keep_trees_different() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 3), false);
        for at in 0..20 {
            cluster.put(0, &key(at), "v", None).await.expect("written");
        }
        let (rotten, lost) = (cluster.record_key(&key(3)), cluster.record_key(&key(4)));
        assert!(cluster.disks[1].corrupt(Space::Records, rotten.as_bytes()));
        let mut batch = Batch::default();
        batch.delete(Space::Records, lost.as_bytes().clone());
        cluster.disks[1].commit(&batch, Persist::Sync).expect("deleted behind everybody's back");
        cluster.crash(1);
        for at in [3, 4] {
            cluster.put(0, &key(at), "w", None).await.expect("written");
        }
        cluster.start_repair(100_000);
        sleep(Duration::from_secs(60)).await;
        assert!(equal(&cluster, 20));
        cluster.assert_trees_fit();
        for repair in &cluster.repairs {
            assert!(status(repair).await.peers.iter().all(|peer| peer.verified == peer.ranges));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_leaves_no_tree_to_be_rebuilt() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        for round in 0..4 {
            for at in 0..15 {
                cluster.put(round % 3, &key(at), "v", None).await.expect("written");
            }
            cluster.assert_trees_fit();
            cluster.crash(round % 3);
            cluster.assert_trees_fit();
            cluster.start_repair(INTERVAL_S);
            intervals(2).await;
        }
        assert_eq!(cluster.metrics.repair.trees_rebuilt.get(), 0);
        assert_eq!(cluster.metrics.repair.leaves_corrected.get(), 0);
        assert!(cluster.metrics.repair.records_audited.get() > 0);
        assert!(equal(&cluster, 15));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn paused_it_moves_nothing_and_resumed_it_does() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_repair(INTERVAL_S);
        let told = control_all(&cluster, RepairAction::Pause).await;
        assert!(told.iter().all(|status| status.paused));
        written_without(&cluster, 2, 20).await;
        intervals(3).await;
        assert!(!equal(&cluster, 20));
        control_all(&cluster, RepairAction::Resume).await;
        control_all(&cluster, RepairAction::Run).await;
        intervals(1).await;
        assert!(equal(&cluster, 20));
        let run = status(&cluster.repairs[0]).await.run.expect("a run");
        assert_eq!((run.done, run.eta_s), (run.total, Some(0)));
    })
    .await;
}

/// An operator who has paused it finds it paused, whatever has happened to the process since.
#[tokio::test(start_paused = true)]
async fn a_pause_outlives_its_process_and_ends_when_it_is_told() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_repair(INTERVAL_S);
        control_all(&cluster, RepairAction::Pause).await;
        written_without(&cluster, 2, 10).await;
        (0..3).for_each(|at| cluster.crash(at));
        cluster.start_repair(INTERVAL_S);
        intervals(3).await;
        assert!(!equal(&cluster, 10));
        for repair in &cluster.repairs {
            assert!(status(repair).await.paused);
        }
        control_all(&cluster, RepairAction::Resume).await;
        (0..3).for_each(|at| cluster.crash(at));
        cluster.start_repair(INTERVAL_S);
        intervals(2).await;
        assert!(equal(&cluster, 10));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_disk_does_not_take_is_not_promised() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_repair(INTERVAL_S);
        cluster.disks[0].set_full(true);
        let repair = cluster.repairs[0].clone();
        let told = repair.send(ControlRepair { action: RepairAction::Pause }).await.expect("it lives");
        assert!(matches!(told, Err(ControlRepairError::NotDurable { .. })), "{told:?}");
        assert!(status(&repair).await.paused, "it is done for now");
        cluster.disks[0].set_full(false);
        cluster.start_repair(INTERVAL_S);
        assert!(!status(&cluster.repairs[0]).await.paused, "as it was told");
    })
    .await;
}

/// What is marked is compared long before its turn, also where the process that was told has ended since.
#[tokio::test(start_paused = true)]
async fn a_dirty_mark_outlives_its_process() {
    const LONG_S: u64 = 100_000;
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_repair(LONG_S);
        sleep(Duration::from_secs(60)).await;
        written_without(&cluster, 2, 1).await;
        sleep(Duration::from_secs(60)).await;
        assert!(!equal(&cluster, 1), "its turn has not come");
        let partition: PartitionId = cluster.record_key(&key(0)).partition();
        // Told, and ended before they act on it.
        cluster.repairs.iter().for_each(|repair| repair.do_send(ControlRepair { action: RepairAction::Pause }));
        for (at, repair) in cluster.repairs.iter().enumerate().take(2) {
            let peer = cluster.names[2].clone();
            repair
                .send(MarkDirty { partition, peer })
                .await
                .expect("it lives")
                .unwrap_or_else(|error| panic!("{at}: {error}"));
        }
        control_all(&cluster, RepairAction::Resume).await;
        cluster.start_repair(LONG_S);
        sleep(Duration::from_secs(30)).await;
        assert!(equal(&cluster, 1));
        assert_eq!(status(&cluster.repairs[0]).await.peers.iter().map(|peer| peer.dirty).sum::<u64>(), 0);
    })
    .await;
}

/// What hints will bring is not moved by comparing as well.
#[tokio::test(start_paused = true)]
async fn hints_come_first() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        (0..3).for_each(|from| cluster.link(from, 2, Link::Down));
        cluster.see(&[0, 1]).await;
        for at in 0..60 {
            cluster.put(at % 2, &key(at), "v", None).await.expect("two of three");
        }
        (0..3).for_each(|from| cluster.link(from, 2, Link::Up));
        (0..2).for_each(|at| cluster.start_handoff(at, None));
        cluster.see(&[0, 1, 2]).await;
        cluster.start_repair(INTERVAL_S);
        intervals(2).await;
        assert!(equal(&cluster, 60));
        assert_eq!(cluster.metrics.repair.keys_repaired.get(), 0, "nothing was left for comparing");
        for at in 0..3 {
            assert!(status(&cluster.repairs[at]).await.peers.iter().all(|peer| peer.verified == peer.ranges));
        }
    })
    .await;
}
