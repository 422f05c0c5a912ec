//! A node is away for longer than the others can keep its writes: they go on, say what is missing, and hand over what they kept.

mod cluster;

use cluster::{Cluster, Node, do_put, put};
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

#[tokio::test]
async fn writes_go_on_past_the_bound_and_what_is_missing_is_remembered() {
    let mut cluster = Cluster::start_with(3, &[("limits.hints_max_bytes", &MAX_BYTES.to_string())]);
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
