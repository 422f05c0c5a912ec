//! Links that are slow, break in the middle of a frame, end early, or come and go. Whatever was acknowledged is there in the end, the cluster goes on
//! serving, every connection comes back by itself, and the replicas end up equal.

mod cluster;
mod fault_proxy;
mod history;

use std::time::Duration;

use cluster::Cluster;
use fault_proxy::FaultProxy;
use history::load::{Load, block_on, settings};

/// Of all pairs of nodes, the one whose turn it is.
fn pair(cluster: &Cluster, turn: usize) -> (&str, &str) {
    let (from, to) = [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)][turn % 6];
    (&cluster.nodes[from].name, &cluster.nodes[to].name)
}

/// Ends the load: what was acknowledged is there, through every node, and all of them hold the same.
fn check(load: Load, cluster: &mut Cluster) {
    // R + W > N, and with three nodes there is no stand-in: every read must be complete.
    // The last reads would repair what they meet.
    let history = load.stop(cluster, |cluster| block_on(cluster.wait_until_replicas_are_equal()));
    println!("{}", history.summary());
    history.assert_consistent(0);
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}

#[test]
fn connections_that_break_in_the_middle_of_a_frame_come_back() {
    let (seed, breaks) = settings("broken_links", 36);
    let (proxy, mut cluster) = FaultProxy::start_cluster(3, &[]);
    let load = Load::start(&cluster, seed);
    for turn in 0..breaks {
        load.wait_for_writes(&cluster, 20);
        let (from, to) = pair(&cluster, turn);
        if turn % 2 == 0 {
            proxy.reset(from, to)
        } else {
            proxy.truncate(from, to)
        }
        load.leave_the_keys();
    }
    // The last one happens with the next bytes: a ping at the latest.
    cluster.nodes[0].wait_until("and the others are cut off often enough", || proxy.broken() >= breaks);
    load.wait_for_writes(&cluster, 20);
    cluster.wait_until_connected();
    let lost = cluster.metric_sum("slipring_link_errors_total");
    println!("{lost} requests lost their answers");
    check(load, &mut cluster);
}

#[test]
fn slow_links_only_take_longer() {
    let (seed, _) = settings("broken_links", 0);
    let (proxy, mut cluster) = FaultProxy::start_cluster(3, &[]);
    for turn in 0..6 {
        let (from, to) = pair(&cluster, turn);
        proxy.delay(from, to, Duration::from_millis(200));
    }
    let load = Load::start(&cluster, seed);
    load.wait_for_writes(&cluster, 100);
    for node in &cluster.nodes {
        assert!(cluster.nodes.iter().all(|peer| node.sees(&peer.name) == Some(true)), "nobody counts as down");
    }
    check(load, &mut cluster);
}

#[test]
fn a_flapping_link_loses_nothing_and_stops_nobody() {
    let (seed, flaps) = settings("broken_links", 10);
    let (proxy, mut cluster) = FaultProxy::start_cluster(3, &[]);
    let load = Load::start(&cluster, seed);
    for _ in 0..flaps {
        proxy.cut("n0", "n1");
        // The fault itself has a length; that the cluster serves meanwhile is seen by its acknowledgements.
        load.wait_for_writes(&cluster, 10);
        std::thread::sleep(Duration::from_millis(500));
        load.leave_the_keys();
        proxy.heal("n0", "n1");
        load.wait_for_writes(&cluster, 10);
        std::thread::sleep(Duration::from_millis(500));
    }
    cluster.wait_until_connected();
    assert_eq!(cluster.metric_sum("slipring_peers_given_up_total"), 0.0, "nobody was ejected");
    check(load, &mut cluster);
}
