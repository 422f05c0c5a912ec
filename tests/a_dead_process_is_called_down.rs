//! Real processes: one is killed, the others agree that it is down; it comes back, and they agree that it is up. All of it as
//! `slipring-admin` shows it.

mod cluster;

use std::process::Command;
use std::time::Instant;

use cluster::{Cluster, Node};
use serde_json::Value;

fn admin(node: &Node, command: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_slipring-admin"))
        .args(["--connect", &node.bridge, "--json", command])
        .output()
        .expect("slipring-admin runs");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// State and reachability of a member, as `node` shows them.
fn shown(node: &Node, member: &str) -> Option<(String, bool)> {
    let nodes = admin(node, "nodes");
    let row = nodes.as_array()?.iter().find(|row| row["name"] == member)?;
    Some((row["state"].as_str()?.to_owned(), row["reachable"].as_bool()?))
}

/// What `node` says of the link between two members: state, and whether it is asymmetric.
fn link(node: &Node, from: &str, to: &str) -> Option<(String, bool)> {
    let links = admin(node, "links");
    let link = links.as_array()?.iter().find(|link| link["from"] == from && link["to"] == to)?;
    Some((link["state"].as_str()?.to_owned(), link["asymmetric"].as_bool()?))
}

#[test]
fn and_up_once_it_is_back() {
    let mut cluster = Cluster::start(3);
    let up = Some(("up".to_owned(), true));
    for at in 0..3 {
        for of in ["n0", "n1", "n2"] {
            cluster.nodes[at].wait_until(&format!("shows {of} up"), || shown(&cluster.nodes[at], of) == up);
        }
    }
    let measured = |from: &str, to: &str| link(&cluster.nodes[0], from, to) == Some(("up".to_owned(), false));
    cluster.nodes[0].wait_until("has heard how all links are", || {
        measured("n0", "n1") && measured("n1", "n2") && measured("n2", "n1") && measured("n2", "n0")
    });

    cluster.nodes[2].kill();
    let killed = Instant::now();
    let down = Some(("down".to_owned(), false));
    for at in [0, 1] {
        cluster.nodes[at].wait_until("shows n2 down", || shown(&cluster.nodes[at], "n2") == down);
        eprintln!("n{at} called n2 down {} ms after the kill", killed.elapsed().as_millis());
        assert_eq!(shown(&cluster.nodes[at], "n0"), up);
        assert_eq!(shown(&cluster.nodes[at], "n1"), up);
        let state = |state: &str| {
            let (_, text) = cluster::http_get(&cluster.nodes[at].http, "/metrics").expect("metrics");
            text.lines().any(|line| line == format!("slipring_peer_state{{peer=\"n2\",state=\"{state}\"}} 1"))
        };
        assert!(state("down") && !state("up") && !state("suspect"));
        assert!(cluster.nodes[at].log_text().contains("down: it has not been heard of for too long"));
    }
    cluster.nodes[1].wait_until("has no link to n2", || {
        link(&cluster.nodes[1], "n0", "n2").is_some_and(|(state, _)| state == "down")
    });

    cluster.nodes[2].start();
    for at in 0..3 {
        for of in ["n0", "n1", "n2"] {
            cluster.nodes[at].wait_until(&format!("shows {of} up again"), || shown(&cluster.nodes[at], of) == up);
        }
    }
    assert_eq!(cluster.metric_sum("slipring_own_renewals_total"), 0.0, "nobody was given up who was running");
}
