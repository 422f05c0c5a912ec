//! A hot spot on real processes is shown by `top`, by key and by partition, whichever node is asked; and what `top` cannot do it says.

mod cluster;

use std::io::Write as _;
use std::process::{Command, Stdio};

use cluster::{Cluster, Node, do_get, do_put, eventually, fresh_seed, get, http_get, primaries, put};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use slipring::client::Client;

/// 10 % of them take 90 % of the requests.
const KEYS: usize = 500;
const HOT_KEYS: usize = KEYS / 10;

/// One of these takes that part of the requests by itself.
const HOTTEST: &str = "user:0";
const HOTTEST_SHARE: f64 = 0.4;

/// Requests under way per client.
const TOGETHER: usize = 16;

struct Said {
    out: String,
    err: String,
    exit: i32,
}

fn admin(bridge: &str, arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    command.arg("--connect").arg(bridge).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("slipring-admin starts");
    process.stdin.take().expect("it has an input").write_all(input.as_bytes()).expect("it reads");
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { out: text(output.stdout), err: text(output.stderr), exit: output.status.code().unwrap_or(-1) }
}

/// The program runs beside the load that this thread makes.
async fn run(node: &Node, arguments: &[&str]) -> Said {
    let (bridge, arguments) =
        (node.bridge.clone(), arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let said = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        admin(&bridge, &arguments, "")
    });
    said.await.expect("it ends")
}

async fn ask(node: &Node, arguments: &[&str]) -> Value {
    let said = run(node, &[&["--json"], arguments].concat()).await;
    assert_eq!(said.exit, 0, "{arguments:?}: {}", said.err);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

fn key(rng: &mut StdRng) -> String {
    if rng.random::<f64>() < HOTTEST_SHARE {
        return HOTTEST.to_owned();
    }
    let hot = rng.random::<f64>() < 0.9;
    format!("user:{}", if hot { rng.random_range(0..HOT_KEYS) } else { rng.random_range(HOT_KEYS..KEYS) })
}

/// Reads, and a write now and then, until nobody waits for it any more.
async fn load(client: Client, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    loop {
        let keys: Vec<String> = (0..TOGETHER).map(|_| key(&mut rng)).collect();
        join_all(keys.iter().map(async |key| drop(do_get(&client, &get(key)).await))).await;
        let key = key(&mut rng);
        if key != HOTTEST {
            // Without a context it is a sibling of what is there; a limit may refuse it.
            let _ = do_put(&client, &put(&key, "value", None)).await;
        }
    }
}

/// `check` while all nodes are under load.
async fn under_load(cluster: &Cluster, check: impl Future<Output = ()>) {
    let seed = fresh_seed();
    println!("seed {seed}");
    let running = cluster.nodes.iter().filter(|node| node.is_running());
    let clients = join_all(running.map(Node::client)).await;
    let loads = clients.into_iter().zip(seed..).map(|(client, seed)| load(client, seed));
    tokio::select! {
        biased;
        () = check => {}
        _ = join_all(loads) => {}
    }
}

async fn check_keys(cluster: &Cluster) {
    let expected = place_of_hottest(cluster).await;
    for node in &cluster.nodes {
        eventually("the hottest key is the first, with its part of the requests", async || {
            let told = ask(node, &["top", "keys", "--limit", "5"]).await;
            let first = &told["keys"][0];
            first["key"] == HOTTEST
                && first["share_percent"].as_f64().is_some_and(|share| (35.0..50.0).contains(&share))
        })
        .await;
        let told = ask(node, &["top", "keys", "--limit", "5"]).await;
        let keys = told["keys"].as_array().expect("a list");
        assert_eq!((keys.len(), &told["silent"]), (5, &serde_json::json!([])), "{told}");
        assert_eq!((&keys[0]["table"], &keys[0]["sort"]), (&"kv".into(), &Value::Null));
        assert_eq!(keys[0]["partition"], expected.0);
        let is_hot = |key: &Value| {
            key["key"]
                .as_str()
                .and_then(|key| key.strip_prefix("user:")?.parse().ok())
                .is_some_and(|number: usize| number < HOT_KEYS)
        };
        assert!(keys.iter().all(is_hot), "{told}");
        let at_most = |key: &Value| key["at_most_per_s"].as_f64() >= key["requests_per_s"].as_f64();
        assert!(keys.iter().all(at_most), "{told}");
    }
    let text = run(&cluster.nodes[1], &["top", "keys"]).await;
    assert!(text.exit == 0 && text.out.starts_with("TABLE") && text.out.contains(HOTTEST), "{}{}", text.out, text.err);
}

async fn place_of_hottest(cluster: &Cluster) -> (u64, String) {
    let place = ask(&cluster.nodes[0], &["where", "kv", HOTTEST]).await;
    let owner = primaries(&cluster.nodes[0].client().await, HOTTEST).await[0].clone();
    (place["partition"].as_u64().expect("a partition"), owner)
}

async fn check_partitions(cluster: &Cluster) {
    let (partition, owner) = place_of_hottest(cluster).await;
    for node in &cluster.nodes {
        eventually("its partition is the first", async || {
            let told = ask(node, &["top", "partitions"]).await;
            let first = &told["partitions"][0];
            first["partition"] == partition && first["share_percent"].as_f64().is_some_and(|share| share > 30.0)
        })
        .await;
        let told = ask(node, &["top", "partitions"]).await;
        let rows = told["partitions"].as_array().expect("a list");
        assert_eq!((rows.len(), &rows[0]["owner"]), (10, &owner.as_str().into()), "{told}");
        assert!(rows[0]["bytes_per_s"].as_f64().is_some_and(|bytes| bytes > 0.0), "{told}");
    }
    let text = run(&cluster.nodes[1], &["top", "partitions", "--limit", "1"]).await;
    assert_eq!((text.exit, text.out.lines().count()), (0, 3), "{}{}", text.out, text.err);
}

async fn check_nodes(cluster: &Cluster) {
    for node in &cluster.nodes {
        // A node takes what its shards have counted once a second, for the first time a second after its start.
        eventually("every node has counted", async || {
            let told = ask(node, &["top", "nodes"]).await;
            let counts = |row: &Value| row["load"]["requests_per_s"].as_f64().is_some_and(|rate| rate > 0.0);
            told.as_array().is_some_and(|rows| rows.iter().all(counts))
        })
        .await;
        let told = ask(node, &["top", "nodes"]).await;
        let rows = told.as_array().expect("a list");
        let names: Vec<&Value> = rows.iter().map(|row| &row["node"]).collect();
        assert_eq!(names, ["n0", "n1", "n2"], "{told}");
        let number = |row: &Value, what: &str| row["load"][what].as_f64().unwrap_or_else(|| panic!("{what}: {told}"));
        let shares: f64 = rows.iter().map(|row| number(row, "share_percent")).sum();
        assert!((99.0..101.0).contains(&shares), "{told}");
        for row in rows {
            assert!(number(row, "requests_per_s") > 0.0 && number(row, "clients_per_s") > 0.0, "{told}");
            let in_balance = (number(row, "of_mean_percent") - 100.0).abs() <= 15.0;
            // What is shown is rounded.
            let is_clear = ((number(row, "of_mean_percent") - 100.0).abs() - 15.0).abs() > 0.1;
            assert!(!is_clear || row["load"]["in_balance"] == in_balance, "{told}");
        }
    }
    eventually("the processor time is known", async || {
        let told = ask(&cluster.nodes[0], &["top", "nodes"]).await;
        told.as_array().is_some_and(|rows| rows.iter().all(|row| row["load"]["cpu_percent"].as_f64() > Some(0.0)))
    })
    .await;
}

async fn check_metrics(node: &Node) {
    let compared = "slipring_partition_load_share";
    eventually("it has compared itself with the others", async || node.metric_sum(compared) > 0.0).await;
    assert!(node.metric_sum("slipring_partition_load_requests_per_second") > 0.0);
    assert!(node.metric_sum("slipring_partition_load_hottest_share") > 0.1);
    assert!(node.metric_sum("slipring_partition_load_of_mean") > 0.0);
    let (_, metrics) = http_get(&node.http, "/metrics").expect("metrics");
    assert!(!metrics.contains("user:"), "a key is no label");
}

#[tokio::test]
async fn a_hot_spot_is_seen_from_every_node() {
    let mut cluster = Cluster::start(3);
    let client = cluster.nodes[0].client().await;
    do_put(&client, &put(HOTTEST, "value", None)).await.expect("written");
    under_load(&cluster, async {
        check_keys(&cluster).await;
        check_partitions(&cluster).await;
        check_nodes(&cluster).await;
        check_metrics(&cluster.nodes[0]).await;
    })
    .await;

    cluster.kill(&[2]);
    under_load(&cluster, async {
        for what in ["keys", "partitions", "nodes"] {
            let said = run(&cluster.nodes[0], &["top", what]).await;
            assert_eq!((said.exit, said.err.as_str()), (0, "no answer from: n2\n"), "top {what}: {}", said.out);
        }
        let told = ask(&cluster.nodes[0], &["top", "nodes"]).await;
        assert_eq!(told[2]["load"], Value::Null, "{told}");
    })
    .await;
    cluster.nodes[..2].iter().for_each(Node::assert_unharmed);
}

#[test]
fn a_quiet_cluster_says_so_and_mistakes_are_answered() {
    let cluster = Cluster::start(1);
    let bridge = cluster.nodes[0].bridge.as_str();
    let script = admin(bridge, &[], "top keys\ntop partitions\ntop nodes\ntop keys --json\n");
    assert_eq!((script.exit, script.err.as_str()), (0, ""), "{}", script.out);
    let lines: Vec<&str> = script.out.lines().collect();
    assert_eq!(lines[..2], ["no client has asked for a key lately", "no copy has been asked for lately"]);
    let keys: Value = serde_json::from_str(lines.last().expect("a line")).expect("JSON");
    assert_eq!(keys["keys"], serde_json::json!([]));

    let mistakes: [(&[&str], &str); 6] = [
        (&["top"], "<WHAT>"),
        (&["top", "kyes"], "[possible values: keys, partitions, nodes]"),
        (&["top", "keys", "--limit", "0"], "0 is not in 1..=256"),
        (&["top", "partitions", "--limit", "257"], "257 is not in 1..=256"),
        (&["top", "nodes", "--limit", "few"], "invalid value 'few'"),
        (&["top", "nodes", "n0"], "unexpected argument 'n0'"),
    ];
    for (arguments, part) in mistakes {
        let said = admin(bridge, arguments, "");
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(part), "{arguments:?}: {}", said.err);
    }
}
