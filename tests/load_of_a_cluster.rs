//! Every node knows what is asked of the whole cluster, as far as the others can be reached: each request of a client is counted once, and each
//! request for a copy where the copy is.

mod virtual_cluster;

use std::time::Duration;

use slipring::messages::load::{ClusterLoad, DescribeLoad, LoadTotals, MemberLoad};
use tokio::time::sleep;
use virtual_cluster::{Link, VirtualCluster, on_one_thread};

/// Longer than the pause between two looks at what was counted.
const A_LOOK: Duration = Duration::from_millis(2_500);

async fn load(cluster: &VirtualCluster, at: usize) -> ClusterLoad {
    let asked = DescribeLoad { keys: 10, partitions: 10 };
    cluster.monitors[at].send(asked).await.expect("it lives").expect("it answers")
}

fn sum(load: &ClusterLoad, of: impl Fn(&LoadTotals) -> f64) -> f64 {
    load.members.iter().filter_map(|member| member.totals.as_ref()).map(of).sum()
}

fn is_near(told: f64, expected: f64) -> bool {
    (told - expected).abs() <= 1e-6 * expected.abs()
}

#[tokio::test(start_paused = true)]
async fn each_request_is_counted_once_and_each_copy_where_it_is() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.start_load_monitors();
        for turn in 0..60 {
            cluster.put(turn % 3, "hot", "value", None).await.expect("written");
            cluster.get(turn % 3, "hot", 2).await.expect("read");
            cluster.put(turn % 3, &format!("cold-{turn}"), "value", None).await.expect("written");
        }
        cluster.delete(1, "cold-0").await.expect("deleted");
        sleep(A_LOOK).await;
        let load = load(&cluster, 1).await;
        let clients = sum(&load, |totals| totals.clients_per_s);
        assert!(is_near(load.keys.total_per_s(), clients), "{load:?}");
        let hot = &load.keys.keys()[0];
        assert_eq!(hot.key, cluster.record_key("hot"));
        // 120 of 181 requests, as they fade alike: the time between the first and the last is short.
        let share = hot.at_least_per_s / load.keys.total_per_s();
        assert!((share - 120.0 / 181.0).abs() < 0.01, "{share}");
        assert_eq!(hot.at_least_per_s, hot.at_most_per_s, "so few keys are counted exactly");

        // 121 writes at three copies; 60 reads and the one of the delete at two.
        let (reads, writes) =
            (sum(&load, |totals| totals.copies.reads_per_s), sum(&load, |totals| totals.copies.writes_per_s));
        assert!((writes / reads - 121.0 * 3.0 / (61.0 * 2.0)).abs() < 0.05, "{writes} writes, {reads} reads");
        assert!(sum(&load, |totals| totals.copies.bytes_per_s) > 0.0);
        let first = &load.partitions[0];
        assert_eq!(first.partition, cluster.record_key("hot").partition());
        assert_eq!(first.owner, cluster.names[cluster.primaries("hot")[0]]);
        let of_all = first.copies.requests_per_s() / (reads + writes);
        assert!(of_all > 0.5, "{of_all}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_named_and_the_others_are_told() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.start_load_monitors();
        for turn in 0..30 {
            cluster.put(turn % 3, "hot", "value", None).await.expect("written");
        }
        sleep(A_LOOK).await;
        let silent =
            |load: &ClusterLoad| -> Vec<bool> { load.members.iter().map(|member| member.totals.is_none()).collect() };
        let all = load(&cluster, 0).await;
        assert_eq!(silent(&all), [false, false, false]);
        for link in [Link::Silent, Link::Down, Link::AnswerLost] {
            cluster.link(0, 2, link);
            let two = load(&cluster, 0).await;
            assert_eq!(silent(&two), [false, false, true], "{link:?}");
            assert!(two.keys.total_per_s() > 0.0 && two.keys.total_per_s() < all.keys.total_per_s());
        }
        cluster.link(0, 2, Link::Up);
        cluster.see(&[0, 1]).await;
        assert_eq!(silent(&load(&cluster, 0).await), [false, false, true], "nobody waits for one that is down");
        cluster.see(&[0, 1, 2]).await;
        assert_eq!(silent(&load(&cluster, 0).await), [false, false, false]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn yesterdays_hot_key_leaves_and_rates_fade() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.start_load_monitors();
        for _ in 0..200 {
            cluster.get(0, "yesterday", 2).await.expect("read");
        }
        sleep(A_LOOK).await;
        assert_eq!(load(&cluster, 2).await.keys.keys()[0].key, cluster.record_key("yesterday"));
        sleep(Duration::from_secs(120)).await;
        cluster.get(1, "today", 2).await.expect("read");
        sleep(A_LOOK).await;
        let load = load(&cluster, 2).await;
        assert_eq!(load.keys.keys()[0].key, cluster.record_key("today"));
        assert_eq!(load.partitions[0].partition, cluster.record_key("today").partition());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn processor_time_is_what_the_process_says() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), true);
        cluster.start_load_monitors();
        sleep(Duration::from_secs(30)).await;
        let load = load(&cluster, 0).await;
        let percent = |member: &MemberLoad| member.totals.and_then(|totals| totals.cpu_percent).expect("it is known");
        for (at, member) in load.members.iter().enumerate() {
            let expected = 25.0 * (at as f64 + 1.0);
            assert!((percent(member) - expected).abs() < 0.1, "{member:?}");
        }
    })
    .await;
}

/// What a stand-in keeps for a node that is away is work of the stand-in.
#[tokio::test(start_paused = true)]
async fn a_stand_ins_work_counts_for_the_stand_in() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(4, (3, 2, 2), true);
        cluster.start_load_monitors();
        let primaries = cluster.primaries("k");
        let stand_in = (0..4).find(|at| !primaries.contains(at)).expect("four nodes");
        let others: Vec<usize> = (0..4).filter(|at| *at != primaries[2]).collect();
        cluster.see(&others).await;
        cluster.put(primaries[0], "k", "value", None).await.expect("written");
        sleep(A_LOOK).await;
        let load = load(&cluster, primaries[0]).await;
        let kept = load.members[stand_in].totals.expect("it answers").copies;
        assert!(kept.writes_per_s > 0.0, "{kept:?}");
        let written: Vec<bool> = primaries[..2]
            .iter()
            .map(|at| load.members[*at].totals.expect("it answers").copies.writes_per_s > 0.0)
            .collect();
        assert_eq!(written, [true, true]);
    })
    .await;
}
