//! Real processes: what was deleted is gone from every disk after a while, not before a node that was away is back, and never comes back.

mod cluster;

use cluster::{Cluster, Node, do_get, do_put, get, put};
use slipring::client::Client;
use slipring::item::TableSchema;
use slipring::messages::TraceId;
use slipring::messages::client::{Delete, PutReply};

const KEYS: usize = 40;

fn key(at: usize) -> String {
    format!("k{at}")
}

async fn do_delete(client: &Client, key: &str) -> PutReply {
    let key = TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes();
    let delete =
        Delete { trace: TraceId::default(), table: "kv".to_owned(), key, context: None, w: None, timeout_ms: None };
    client.request(&delete).await.expect("deleted")
}

fn tombstones(node: &Node) -> serde_json::Value {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    let output =
        command.args(["--connect", &node.bridge, "tombstones", "--json"]).output().expect("slipring-admin starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn kept(node: &Node, reason: &str) -> u64 {
    let told = tombstones(node);
    let rows = told["kept"].as_array().expect("rows").iter().filter(|row| row["reason"] == reason);
    rows.map(|row| row["records"].as_u64().expect("a number")).sum()
}

#[tokio::test]
async fn deleted_keys_leave_every_disk_once_all_nodes_agree() {
    let settings = [
        ("garbage.walk_interval_s", "1"),
        ("garbage.tombstones_min_age_s", "1"),
        // Two questions about a tombstone are the further apart the longer a request may take.
        ("limits.request_timeout_ms", "500"),
    ];
    let mut cluster = Cluster::start_with(3, &settings);
    let client = cluster.nodes[0].client().await;
    for at in 0..KEYS {
        do_put(&client, &put(&key(at), "old", None)).await.expect("written");
    }
    cluster.kill(&[2]);
    for at in 0..KEYS {
        do_delete(&client, &key(at)).await;
    }
    do_put(&client, &put("stays", "here", None)).await.expect("written");
    for node in &cluster.nodes[..2] {
        node.wait_until("keeps what it decides about for the node that is away", || kept(node, "member_unknown") > 0);
    }

    cluster.start_all();
    for node in &cluster.nodes {
        node.wait_until("holds no tombstone any more", || {
            let told = tombstones(node);
            told["kept"] == serde_json::json!([]) && told["walked_s_ago"] != serde_json::Value::Null
        });
    }
    let collected: f64 = cluster.nodes.iter().map(|node| node.metric_sum("slipring_tombstones_collected_total")).sum();
    assert_eq!(collected as usize, KEYS);
    assert!(cluster.nodes.iter().any(|node| node.log_text().contains("tombstones that nothing can bring")));

    // Not even a restart of all finds them again.
    for node in &mut cluster.nodes {
        node.restart();
    }
    cluster.start_all();
    let client = cluster.nodes[1].client().await;
    for at in 0..KEYS {
        assert!(do_get(&client, &get(&key(at))).await.expect("read").versions.is_empty());
    }
    assert_eq!(do_get(&client, &get("stays")).await.expect("read").versions.len(), 1);
}
