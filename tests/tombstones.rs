//! Tombstones go when nothing of what they deleted is left, and not before.

mod virtual_cluster;

use std::time::Duration;

use slipring::dynamo::collection::Kept;
use slipring::messages::garbage::{DescribeTombstones, TombstoneReport};
use tokio::time::sleep;
use virtual_cluster::{Link, SETTLING_TIME, VirtualCluster, on_one_thread, values};

const MIN_AGE: Duration = Duration::from_secs(5);

/// A walk begins every ten seconds, and takes the settling time.
const TWO_WALKS: Duration = Duration::from_secs(2 * (10 + 28 + 2));

async fn report(cluster: &VirtualCluster, at: usize) -> TombstoneReport {
    cluster.collectors[at].send(DescribeTombstones).await.expect("it lives").expect("it answers")
}

/// Why the first primary keeps tombstones, one reason for all.
async fn why(cluster: &VirtualCluster, key: &str) -> Vec<Kept> {
    let report = report(cluster, cluster.primaries(key)[0]).await;
    report.kept.into_iter().map(|row| row.why).collect()
}

fn is_gone(cluster: &VirtualCluster, key: &str) -> bool {
    cluster.stored(key).iter().all(Option::is_none)
}

/// A cluster in which `key` was written and deleted.
async fn with_a_tombstone(nodes: usize, key: &str) -> VirtualCluster {
    let mut cluster = VirtualCluster::start(nodes, (3, 2, 2), true);
    cluster.start_garbage_collectors(MIN_AGE);
    cluster.put(0, key, "old", None).await.expect("written");
    cluster.delete(0, key).await.expect("deleted");
    sleep(Duration::from_secs(1)).await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_that_all_hold_goes_and_the_key_begins_anew() {
    on_one_thread(async {
        let mut cluster = with_a_tombstone(5, "a").await;
        cluster.start_repair(5);
        assert!(cluster.stored("a").iter().all(Option::is_some));
        sleep(Duration::from_secs(10) + SETTLING_TIME - MIN_AGE).await;
        assert!(!is_gone(&cluster, "a"), "the members are asked twice");
        sleep(TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"));
        cluster.assert_trees_fit();
        let told = report(&cluster, cluster.primaries("a")[0]).await;
        assert_eq!((told.collected, told.kept), (1, Vec::new()));

        cluster.put(1, "a", "new", None).await.expect("written");
        assert_eq!(values(&cluster.get(2, "a", 3).await.expect("read")), ["new"]);
        cluster.assert_trees_fit();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_young_one_stays() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.start_garbage_collectors(Duration::from_secs(3_600));
        cluster.put(0, "a", "old", None).await.expect("written");
        cluster.delete(0, "a").await.expect("deleted");
        sleep(TWO_WALKS).await;
        assert_eq!(why(&cluster, "a").await, [Kept::Young]);
        assert!(!is_gone(&cluster, "a"));
    })
    .await;
}

/// Also a member that stores nothing of the partition may keep a hint of it.
#[tokio::test(start_paused = true)]
async fn it_stays_while_any_member_is_silent() {
    on_one_thread(async {
        let cluster = with_a_tombstone(5, "a").await;
        let primaries = cluster.primaries("a");
        let silent = (0..5).find(|at| !primaries.contains(at)).expect("five nodes");
        (0..5).for_each(|from| cluster.link(from, silent, Link::Silent));
        sleep(TWO_WALKS).await;
        assert_eq!(why(&cluster, "a").await, [Kept::Unknown(cluster.names[silent].clone())]);
        assert!(!is_gone(&cluster, "a"));
        (0..5).for_each(|from| cluster.link(from, silent, Link::Up));
        sleep(TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_stays_while_a_replica_holds_what_it_deletes() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_garbage_collectors(MIN_AGE);
        let primaries = cluster.primaries("a");
        cluster.put(primaries[0], "a", "old", None).await.expect("written");
        // The last primary does not hear of the delete; nobody keeps a hint in a strict quorum of three.
        (0..3).for_each(|from| cluster.link(from, primaries[2], Link::Silent));
        cluster.delete(primaries[0], "a").await.expect("deleted");
        sleep(Duration::from_secs(5)).await;
        (0..3).for_each(|from| cluster.link(from, primaries[2], Link::Up));
        sleep(TWO_WALKS).await;
        let kept = why(&cluster, "a").await;
        let reasons =
            [Kept::Differs(cluster.names[primaries[2]].clone()), Kept::Hinted(cluster.names[primaries[0]].clone())];
        assert!(kept.len() == 1 && reasons.contains(&kept[0]), "{kept:?}");
        assert!(cluster.stored("a").iter().all(Option::is_some));

        for at in 0..3 {
            cluster.start_handoff(at, None);
        }
        sleep(TWO_WALKS + TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"), "{:?}", why(&cluster, "a").await);
        assert_eq!(values(&cluster.get(1, "a", 3).await.expect("read")), Vec::<String>::new());
    })
    .await;
}

/// A hint of the key may hold a version from before the delete: only whoever keeps it knows.
#[tokio::test(start_paused = true)]
async fn it_stays_while_anybody_keeps_a_hint_of_the_key() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(4, (3, 2, 2), true);
        cluster.start_garbage_collectors(MIN_AGE);
        let primaries = cluster.primaries("a");
        let stand_in = (0..4).find(|at| !primaries.contains(at)).expect("four nodes");
        let others: Vec<usize> = (0..4).filter(|at| *at != primaries[2]).collect();
        cluster.see(&others).await;
        cluster.put(primaries[0], "a", "old", None).await.expect("written, once for the stand-in");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(cluster.hints_kept(stand_in).await, 1);
        // Nobody hands it over. The primaries agree on the delete all the same.
        cluster.see(&[0, 1, 2, 3]).await;
        cluster.delete(primaries[0], "a").await.expect("deleted");
        sleep(TWO_WALKS).await;
        assert_eq!(why(&cluster, "a").await, [Kept::Hinted(cluster.names[stand_in].clone())]);
        assert!(!is_gone(&cluster, "a"));

        cluster.start_handoff(stand_in, None);
        sleep(TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"), "{:?}", why(&cluster, "a").await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_was_away_in_between_may_have_brought_something_back() {
    on_one_thread(async {
        let mut cluster = with_a_tombstone(4, "a").await;
        let first = cluster.primaries("a")[0];
        let away = (0..4).find(|at| *at != first).expect("four nodes");
        let others: Vec<usize> = (0..4).filter(|at| *at != away).collect();
        sleep(Duration::from_secs(15)).await;
        cluster.see(&others).await;
        sleep(Duration::from_secs(1)).await;
        cluster.see(&[0, 1, 2, 3]).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(why(&cluster, "a").await, [Kept::Settling], "the walk does not wait for what it may not do");
        sleep(SETTLING_TIME).await;
        assert!(!is_gone(&cluster, "a"));
        sleep(TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"));
    })
    .await;
}

/// A deletion that the disk refuses leaves the record and its digest; the others get the tombstone back, and all begin again.
#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_it_and_gives_it_back() {
    on_one_thread(async {
        let mut cluster = with_a_tombstone(3, "a").await;
        cluster.start_repair(5);
        let full = cluster.primaries("a")[1];
        cluster.disks[full].set_full(true);
        sleep(TWO_WALKS).await;
        assert!(cluster.stored("a").iter().any(Option::is_some), "it was not deleted on the full disk");
        cluster.assert_trees_fit();
        cluster.disks[full].set_full(false);
        sleep(TWO_WALKS + TWO_WALKS).await;
        assert!(is_gone(&cluster, "a"));
        cluster.assert_trees_fit();
    })
    .await;
}
