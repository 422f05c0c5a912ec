//! Hot keys of one node are shared out by exchanging owners, while clients write and read: by the cluster itself, or when an operator says so.
//! Real processes, N = R = W = 2.

mod cluster;

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use cluster::{Cluster, Node, PATIENCE, admin, ask, get, place, put, values};
use serde_json::Value;
use slipring::client::{Router, RouterOptions};

/// Each has a key of its own in every hot partition.
const CLIENTS: usize = 3;
/// Partitions of one node that take nearly all requests.
const HOT_PARTITIONS: usize = 8;
/// One request of so many goes to a key of anywhere.
const COLD_EACH: usize = 12;
/// Balancing waits for what is measured to settle, and may need a second step.
const BALANCED_WITHIN: Duration = PATIENCE.saturating_mul(5);

fn start(placement: &str) -> Cluster {
    let settings = [
        ("replication.n", "2"),
        ("replication.r", "2"),
        ("replication.w", "2"),
        ("ring.partitions", "64"),
        // A machine that is busy with other things is slow, and that is not the point.
        ("limits.request_timeout_ms", "30000"),
        ("balancing.placement", placement),
        ("balancing.patience_s", "2"),
    ];
    Cluster::start_with(4, &settings)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait(what: &str, load: &Load, node: &Node, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while load.goes_on() && !holds() {
        let told = String::from_utf8_lossy(&admin(node, &["top", "nodes"]).stdout).into_owned();
        assert!(begun.elapsed() < BALANCED_WITHIN, "it never came true that {what}:\n{told}");
        sleep(Duration::from_millis(500));
    }
}

fn nothing_moves(cluster: &Cluster) -> bool {
    cluster.nodes.iter().all(|node| admin(node, &["tasks", "--json"]).stdout.trim_ascii() == b"[]")
}

fn all_are_inside_the_band(node: &Node) -> bool {
    let told = ask(node, &["top", "nodes"]);
    told.as_array().is_some_and(|rows| rows.iter().all(|row| row["load"]["in_balance"] == true))
}

fn of_mean(node: &Node, name: &str) -> f64 {
    let told = ask(node, &["top", "nodes"]);
    let row = told.as_array().and_then(|rows| rows.iter().find(|row| row["node"] == name));
    row.and_then(|row| row["load"]["of_mean_percent"].as_f64()).unwrap_or(100.0)
}

fn block_on<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(story)
}

/// For each client a key in each of some partitions that n0 owns.
fn hot_keys(cluster: &Cluster) -> Vec<Vec<String>> {
    block_on(async {
        let client = cluster.nodes[0].client().await;
        let mut found: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for number in 0.. {
            let key = format!("hot-{number}");
            let at = place(&client, &key).await;
            let is_wanted = found.contains_key(&at.partition.0) || found.len() < HOT_PARTITIONS;
            if at.replicas[0].node.as_str() == "n0" && is_wanted {
                let keys = found.entry(at.partition.0).or_default();
                if keys.len() < CLIENTS {
                    keys.push(key);
                }
            }
            if found.len() == HOT_PARTITIONS && found.values().all(|keys| keys.len() == CLIENTS) {
                break;
            }
        }
        (0..CLIENTS).map(|client| found.values().map(|keys| keys[client].clone()).collect()).collect()
    })
}

/// What clients do until they are told to stop. No request may fail.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<BTreeMap<String, String>>>,
}

impl Load {
    /// Whether no client has failed yet.
    fn goes_on(&self) -> bool {
        self.clients.iter().all(|client| !client.is_finished())
    }

    fn begin(cluster: &Cluster) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = |(number, keys): (usize, Vec<String>)| {
            let (stop, done, addresses) = (Arc::clone(&stop), Arc::clone(&done), cluster.addresses());
            std::thread::spawn(move || block_on(work(number, keys, addresses, &stop, &done)))
        };
        let clients = hot_keys(cluster).into_iter().enumerate().map(client).collect();
        Self { stop, done, clients }
    }

    /// The last value that was acknowledged, by key.
    fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::SeqCst);
        let written = self.clients.into_iter().flat_map(|client| client.join().expect("every request was served"));
        let written = written.collect();
        println!("{} requests", self.done.load(Ordering::SeqCst));
        written
    }
}

async fn work(
    number: usize,
    hot: Vec<String>,
    addresses: Vec<String>,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> BTreeMap<String, String> {
    let options = RouterOptions { request_timeout: PATIENCE, connect_timeout: PATIENCE, ..RouterOptions::default() };
    let router = Router::connect(&addresses, options).await.expect("a node answers");
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let is_cold = round % COLD_EACH == 0;
        let key = if is_cold { format!("cold-{number}-{}", round % 997) } else { hot[round % hot.len()].clone() };
        let read = router.get(get(&key)).await.unwrap_or_else(|error| panic!("get of {key} failed: {error}"));
        if let Some(expected) = acknowledged.get(&key) {
            assert!(
                values(&read).contains(expected),
                "{key}: {expected} was acknowledged, there is {:?}",
                values(&read)
            );
        }
        let value = format!("v{round}");
        let written = router.put(put(&key, &value, Some(read.context))).await;
        written.unwrap_or_else(|error| panic!("put of {key} failed: {error}"));
        acknowledged.insert(key, value);
        done.fetch_add(2, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    acknowledged
}

/// Whatever was acknowledged is there, through every node.
fn assert_nothing_lost(cluster: &Cluster, written: &BTreeMap<String, String>) {
    for node in &cluster.nodes {
        block_on(async {
            let client = node.client().await;
            for (key, value) in written {
                let read = cluster::do_get(&client, &get(key)).await.expect("read");
                assert!(values(&read).contains(value), "{key} through {}: {value} was acknowledged", node.name);
            }
        });
        node.assert_unharmed();
    }
}

/// Nobody's number of partitions is more than one off its share.
fn assert_fair(node: &Node) {
    let nodes = ask(node, &["nodes"]);
    for row in nodes.as_array().expect("a list") {
        let partitions = row["partitions"].as_u64().expect("a number");
        assert!((15..=17).contains(&partitions), "{nodes}");
    }
}

#[test]
fn a_cluster_that_may_shares_out_the_hot_keys_of_one_node_by_itself() {
    let cluster = start("auto");
    let load = Load::begin(&cluster);
    let begun = |cluster: &Cluster| cluster.metric_sum("slipring_balancer_exchanges_committed_total") >= 1.0;
    wait("owners exchange partitions", &load, &cluster.nodes[1], || begun(&cluster));
    let node = &cluster.nodes[2];
    wait("every node is inside the band", &load, node, || nothing_moves(&cluster) && all_are_inside_the_band(node));
    let written = load.end();
    assert_fair(node);
    assert_nothing_lost(&cluster, &written);
}

#[test]
fn an_operator_is_told_and_balances_the_load() {
    let cluster = start("propose");
    let quiet = ask(&cluster.nodes[1], &["cluster", "rebalance"]);
    assert_eq!((&quiet["verdict"], &quiet["plan"]), (&"idle".into(), &Value::Null), "{quiet}");

    let load = Load::begin(&cluster);
    let node = &cluster.nodes[3];
    let proposed = || cluster.metric_sum("slipring_balancer_exchanges_proposed_total");
    wait("an exchange is proposed", &load, node, || proposed() >= 1.0);
    let hint = said(&admin(node, &["top", "nodes"]));
    assert!(hint.contains("`cluster rebalance` would balance this"), "{hint}");
    let before = of_mean(node, "n0");
    assert!(before > 115.0, "{before}");

    let told = ask(node, &["cluster", "rebalance"]);
    assert_eq!(told["verdict"], "staged", "{told}");
    assert_eq!(told["plan"]["partitions_moved"], told["partitions"], "{told}");
    assert_eq!(told["plan"]["copies_moved"], told["copies"], "{told}");
    assert_eq!(told["plan"]["fewest_replicas"], 2, "{told}");
    let refused = admin(&cluster.nodes[0], &["cluster", "leave", "n1"]);
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains("an exchange of owners is done by itself"), "{}", said(&refused));
    let again = admin(node, &["cluster", "rebalance"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("partitions get other owners, to balance the load"));

    ask(&cluster.nodes[0], &["cluster", "commit"]);
    wait("every node is inside the band", &load, node, || nothing_moves(&cluster) && all_are_inside_the_band(node));
    wait("there is nothing left to do", &load, node, || ask(node, &["cluster", "rebalance"])["verdict"] == "balanced");
    let written = load.end();
    assert_fair(node);
    assert_eq!(cluster.metric_sum("slipring_balancer_exchanges_committed_total"), 0.0, "an operator did");
    assert_nothing_lost(&cluster, &written);
}
