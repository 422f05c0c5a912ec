//! A machine that is held up, or starved, stops all nodes for some seconds. Nobody was away: when they go on, they go on as if nothing had been.

mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, do_put, put};

/// Longer than a link bears the silence of a peer.
const HELD_UP: Duration = Duration::from_secs(4);

/// For so long it is looked whether requests are served; whoever gives up a link does so with the next ping.
const AWAKE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn whoever_was_stopped_himself_gives_up_no_link() {
    let cluster = Cluster::start(3);
    let client = cluster.nodes[0].client().await;
    do_put(&client, &put("before", "x", None)).await.expect("all are up");
    cluster.nodes.iter().for_each(cluster::Node::hang);
    std::thread::sleep(HELD_UP);
    cluster.nodes.iter().for_each(cluster::Node::go_on);
    let (awake, mut number) = (Instant::now(), 0);
    while awake.elapsed() < AWAKE {
        do_put(&client, &put(&format!("k{number}"), "x", None)).await.expect("all are up");
        number += 1;
    }
    for node in &cluster.nodes {
        let log = std::fs::read_to_string(&node.log).expect("a log");
        assert!(!log.contains("disconnected"), "{} has given up a link:\n{log}", node.name);
    }
}
