//! With stand-ins a read may miss a write for a while. Once all nodes are back and all hints are handed over, every acknowledged
//! write is there, whoever stood in for whom and was killed meanwhile; and what was superseded never comes back.

mod cluster;
mod history;

use cluster::Cluster;
use history::load::{Load, settings};

#[test]
fn every_write_that_a_stand_in_acknowledged_survives() {
    let (seed, kills) = settings("hinted_writes_survive_kill", 30);
    let mut cluster = Cluster::start(5);
    let load = Load::start(&cluster, seed);
    let killed = load.kill_nodes(&mut cluster, kills, seed);
    let mut complete_from = 0;
    let events = std::sync::Arc::clone(&load.history);
    let history = load.stop(&mut cluster, |cluster| {
        for node in &cluster.nodes {
            node.wait_until("has no hints", || node.metric_sum("slipring_hints_pending_keys") == 0.0);
        }
        complete_from = events.now();
    });

    println!("{killed:?} kills per node; {}", history.summary());
    let handed_over = cluster.metric_sum("slipring_hints_delivered_total");
    println!("{handed_over} hints were handed over by the last lives");
    history.assert_consistent(complete_from);
}
