//! The log of metadata with real actors in virtual time: who leads, who votes, what a minority may do, and who is taken in again.

use std::collections::BTreeSet;
use std::time::Duration;

use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::swim::DetectionSpeed;
use slipring::item::{TableName, TableSchema};
use slipring::messages::metadata::{ChangeError, MetadataStatus};
use slipring::metadata::TableChange;
use slipring::sim::{Cast, Delay, ObservedCluster, observe};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);

fn play(seed: u64, nodes: usize, story: impl AsyncFnOnce(&mut ObservedCluster)) {
    println!("seed {seed}");
    let speed = DetectionSpeed {
        probe_interval: Duration::from_millis(500),
        probe_timeout: Duration::from_millis(150),
        suspicion: Duration::from_millis(2_500),
    };
    observe(seed, &Cast { nodes, delay: Delay { min_ms: 1, max_ms: 5 }, speed }, story).expect("it runs");
}

fn create(name: &str) -> TableChange {
    TableChange::Create(TableSchema { name: TableName::new(name).expect("a name"), ..TableSchema::kv() })
}

fn place(node: &NodeId) -> usize {
    node.as_str().trim_start_matches('n').parse().expect("a number")
}

/// The leader on whom these nodes agree, as soon as they do.
async fn leader(cluster: &mut ObservedCluster, nodes: &[usize]) -> usize {
    let mut found = None;
    let agreed = async |cluster: &mut ObservedCluster| {
        let mut leaders = BTreeSet::new();
        for at in nodes {
            leaders.insert(cluster.metadata(*at).await.and_then(|status| status.leader));
        }
        found = if leaders.len() == 1 { leaders.pop_first().flatten() } else { None };
        found.as_ref().is_some_and(|leader| nodes.contains(&place(leader)))
    };
    cluster.until(PATIENCE, agreed).await.expect("they agree on a leader");
    place(&found.expect("a leader"))
}

async fn statuses(cluster: &mut ObservedCluster, nodes: &[usize]) -> Vec<MetadataStatus> {
    let mut all = Vec::new();
    for at in nodes {
        all.extend(cluster.metadata(*at).await);
    }
    all
}

/// All of these nodes hold the same.
async fn are_equal(cluster: &mut ObservedCluster, nodes: &[usize]) -> bool {
    let all = statuses(cluster, nodes).await;
    let said: BTreeSet<(u64, u64)> = all.iter().map(|status| (status.epoch, status.digest)).collect();
    all.len() == nodes.len() && said.len() == 1
}

fn others(nodes: usize, without: usize) -> Vec<usize> {
    (0..nodes).filter(|at| *at != without).collect()
}

#[test]
fn another_node_leads_soon_when_the_leader_is_gone() {
    for (seed, silently) in [(1, false), (2, true), (3, false)] {
        play(seed, 5, async |cluster| {
            let all = [0, 1, 2, 3, 4];
            let first = leader(cluster, &all).await;
            cluster.change_tables((first + 1) % 5, create("before")).await.expect("any node takes it");
            cluster.crash(first, silently).await;
            let left = others(5, first);
            let changed = cluster.change_tables(left[0], create("after")).await;
            changed.expect("whoever asks waits for the election");
            assert_ne!(leader(cluster, &left).await, first);
            cluster.start(first);
            let equal = async |cluster: &mut ObservedCluster| are_equal(cluster, &all).await;
            cluster.until(PATIENCE, equal).await.expect("it catches up");
        });
    }
}

#[test]
fn a_minority_changes_nothing_and_follows_once_it_is_healed() {
    play(4, 5, async |cluster| {
        leader(cluster, &[0, 1, 2, 3, 4]).await;
        for one in [0, 1] {
            for other in [2, 3, 4] {
                cluster.part(one, other);
            }
        }
        leader(cluster, &[2, 3, 4]).await;
        let refused = cluster.change_tables(0, create("minority")).await.expect_err("two of five");
        assert!(matches!(refused, Some(ChangeError::NoLeader | ChangeError::Unknown)), "{refused:?}");
        let epoch = cluster.change_tables(3, create("majority")).await.expect("three of five");
        cluster.heal();
        let equal = async |cluster: &mut ObservedCluster| are_equal(cluster, &[0, 1, 2, 3, 4]).await;
        cluster.until(PATIENCE, equal).await.expect("all follow");
        assert!(cluster.metadata(0).await.expect("it answers").epoch >= epoch);
    });
}

#[test]
fn five_of_seven_vote_and_who_is_away_for_long_gives_his_vote_away() {
    play(5, 7, async |cluster| {
        let all: Vec<usize> = (0..7).collect();
        let first = leader(cluster, &all).await;
        let status = cluster.metadata(first).await.expect("it answers");
        assert_eq!((status.voters.len(), status.learners.len()), (5, 2));
        let gone = status.voters.iter().map(place).find(|at| *at != first).expect("another voter");
        cluster.crash(gone, false).await;
        sleep(Duration::from_secs(15)).await;
        let early = cluster.metadata(first).await.expect("it answers");
        assert_eq!(early.voters, status.voters, "a restart costs no vote");
        let replaced = async |cluster: &mut ObservedCluster| {
            let now = cluster.metadata(first).await;
            now.is_some_and(|now| now.voters.len() == 5 && !now.voters.iter().any(|node| place(node) == gone))
        };
        cluster.until(PATIENCE, replaced).await.expect("somebody else votes");
        cluster.start(gone);
        let equal = async |cluster: &mut ObservedCluster| are_equal(cluster, &all).await;
        cluster.until(PATIENCE, equal).await.expect("he learns");
    });
}

#[test]
fn whoever_lost_his_disk_is_taken_in_again_and_votes() {
    play(6, 3, async |cluster| {
        let first = leader(cluster, &[0, 1, 2]).await;
        cluster.change_tables(first, create("kept")).await.expect("changed");
        // The leader itself.
        cluster.crash(first, false).await;
        cluster.wipe(first);
        cluster.start(first);
        let votes = async |cluster: &mut ObservedCluster| {
            let now = cluster.metadata(first).await;
            now.is_some_and(|now| now.takes_part && now.voters.len() == 3) && are_equal(cluster, &[0, 1, 2]).await
        };
        cluster.until(PATIENCE, votes).await.expect("three voters again");
        let other = (first + 1) % 3;
        cluster.crash(other, false).await;
        cluster.change_tables(first, create("decided")).await.expect("its vote counts");
    });
}
