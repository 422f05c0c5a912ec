//! A node is away for longer than the others can keep its writes: they go on, say what is missing, and hand over what they kept.

mod cluster;

use cluster::{Cluster, Node, do_put, put, wait_until_every_primary_holds};
use slipring::messages::admin::{DescribeHints, HintState, HintsRow};

/// `limits.hints_max_bytes`, the least that can be configured.
const MAX_BYTES: u64 = 1 << 20;

const VALUE_BYTES: usize = 50_000;

/// Several times what two nodes can keep.
const WRITES: usize = 120;

async fn rows(node: &Node) -> Vec<HintsRow> {
    node.admin().await.request(&DescribeHints).await.expect("an answer")
}

/// Waits until the node says this of what it keeps for the third.
async fn wait_for_row(node: &Node, what: &str, holds: impl Fn(&HintsRow) -> bool) -> HintsRow {
    let mut found = None;
    cluster::eventually(what, async || {
        found = rows(node).await.into_iter().find(|row| row.pending.target.as_str() == "n2" && holds(row));
        found.is_some()
    })
    .await;
    found.expect("found")
}

/// What the admin program prints.
fn admin(node: &Node, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    let output = command.arg("--connect").arg(&node.bridge).args(arguments).output().expect("slipring-admin starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn writes_go_on_past_the_bound_and_what_is_missing_is_remembered() {
    // Anti-entropy would take over what is dirty.
    let settings = [("limits.hints_max_bytes", MAX_BYTES.to_string()), ("anti_entropy.enabled", "false".to_owned())];
    let mut cluster = Cluster::start_with(3, &settings.each_ref().map(|(key, value)| (*key, value.as_str())));
    cluster.kill(&[2]);
    let clients = [cluster.nodes[0].client().await, cluster.nodes[1].client().await];
    for number in 0..WRITES {
        let value = format!("{number:0>VALUE_BYTES$}");
        do_put(&clients[number % 2], &put(&format!("k{number}"), &value, None)).await.expect("two of three hold it");
    }
    let mut dirty = Vec::new();
    for node in &cluster.nodes[..2] {
        let row = wait_for_row(node, "the overflow is seen", |row| row.dirty_ranges > 0).await;
        assert_eq!(row.state, HintState::TargetDown);
        assert!(row.pending.keys > 5 && row.pending.bytes <= MAX_BYTES + 1_000, "{row:?}");
        assert!(node.metric_sum("slipring_hints_dropped_total") > 0.0);
        assert!(node.log_text().contains("their ranges are marked for repair"));
        dirty.push(row.dirty_ranges);
    }

    let said = admin(&cluster.nodes[0], &["hints"]);
    for part in ["FOR", "target down", "n2 misses writes of ", "that no hint will bring"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    let said = admin(&cluster.nodes[0], &["status"]);
    assert!(said.contains("range(s) differ from what n2 should hold"), "{said}");
    let said: serde_json::Value = serde_json::from_str(&admin(&cluster.nodes[0], &["hints", "--json"])).expect("JSON");
    assert_eq!(said[0]["target"], "n2");
    assert_eq!((&said[0]["state"], &said[0]["eta_s"]), (&"target_down".into(), &serde_json::Value::Null));

    cluster.nodes[0].restart();
    cluster.start_all();
    for (node, dirty) in cluster.nodes[..2].iter().zip(dirty) {
        let row = wait_for_row(node, "what was kept is handed over", |row| row.state == HintState::OnlyDirty).await;
        assert_eq!(row.pending.keys, 0);
        assert!(row.dirty_ranges >= dirty, "also after kill -9: {row:?}, and {dirty} before");
        node.wait_until("counts no hints", || node.metric_sum("slipring_hints_pending_bytes") == 0.0);
    }
    let delivered = cluster.metric_sum("slipring_hints_delivered_total");
    assert!(delivered > 10.0, "{delivered}");
}

#[tokio::test]
async fn what_no_hint_brings_anti_entropy_brings() {
    let mut cluster = Cluster::start_with(3, &[("limits.hints_max_bytes", &MAX_BYTES.to_string())]);
    cluster.kill(&[2]);
    let client = cluster.nodes[0].client().await;
    for number in 0..WRITES {
        let value = format!("{number:0>VALUE_BYTES$}");
        do_put(&client, &put(&format!("k{number}"), &value, None)).await.expect("two of three hold it");
    }
    assert!(cluster.metric_sum("slipring_hints_dropped_total") > 0.0);
    cluster.start_all();
    for number in 0..WRITES {
        let value = format!("{number:0>VALUE_BYTES$}");
        wait_until_every_primary_holds(&client, &format!("k{number}"), &[&value]).await;
    }
    assert!(cluster.metric_sum("slipring_aae_keys_repaired_total") > 0.0);
    assert_eq!(cluster.metric_sum("slipring_read_repairs_total"), 0.0);
}
