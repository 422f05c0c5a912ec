//! Real processes: a node whose disk is lost is made equal to the others again by itself, with nobody reading anything; and a
//! node that is killed has no tree of digests to rebuild.

mod cluster;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use cluster::{Cluster, Node, do_put, eventually, put};
use slipring::dynamo::merkle::{Digest, LEAVES, leaf_of};
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::tree_log::{SLOTS, TREE_PREFIX, TreeLog};
use slipring::dynamo::tree_recovery::{Standing, recover};
use slipring::messages::client::Put;
use slipring::messages::repair::RepairAction;
use slipring::messages::replica::StoredRecord;
use slipring::storage::{EngineOptions, FjallStorage, ScanRange, Space, Storage};

const KEYS: usize = 400;

/// Every replica holds every key when this returns: whoever is killed then has missed nothing that a hint would bring.
async fn fill(cluster: &Cluster, keys: usize, value: &str) {
    let client = cluster.nodes[0].client().await;
    for at in 0..keys {
        let everywhere = Put { w: Some(3), ..put(&format!("key{at}"), value, None) };
        do_put(&client, &everywhere).await.expect("written");
    }
}

/// Every range of this node has been verified since it was asked.
async fn verify_all(node: &Node) {
    node.control_repair(RepairAction::Run).await;
    node.wait_until_run_is_over().await;
}

/// All records on a disk, by key.
fn records(storage: &dyn Storage) -> BTreeMap<Bytes, Digest> {
    let page = storage.scan(Space::Records, ScanRange::all(), usize::MAX).expect("the records can be read");
    assert_eq!((page.corrupt.len(), page.resume_after), (0, None));
    let digest = |key: &Bytes, value: &Bytes| {
        Digest::of_record(key, &StoredRecord::from_bytes(value).expect("a record").siblings)
    };
    page.entries.iter().map(|(key, value)| (key.clone(), digest(key, value))).collect()
}

/// The disk of a node that does not run.
fn open(data_dir: &Path) -> FjallStorage {
    FjallStorage::open(&data_dir.join("engine"), EngineOptions::default()).expect("the engine opens")
}

/// The stored trees say what the stored records say, in every partition.
fn assert_trees_fit(storage: &dyn Storage) {
    let page = storage.scan(Space::Meta, ScanRange::prefix(TREE_PREFIX), usize::MAX).expect("the trees can be read");
    let entries = page.entries.into_iter().map(|(key, value)| (key, Some(value)));
    let standing = Standing { slots: SLOTS, has_records: true, clears_away: false };
    let log = TreeLog::new(u64::MAX, 0, recover(entries, |_| true, standing));
    let mut expected: BTreeMap<_, [Digest; LEAVES]> = BTreeMap::new();
    for (key, digest) in records(storage) {
        let partition = RecordKey::try_from(key.clone()).expect("a record key").partition();
        let leaf = &mut expected.entry(partition).or_insert([Digest::EMPTY; LEAVES])[usize::from(leaf_of(&key))];
        *leaf = leaf.replaced(Digest::EMPTY, digest);
    }
    assert!(!expected.is_empty());
    for (partition, leaves) in expected {
        assert!(log.trusts(partition), "partition {partition} would have to be rebuilt");
        assert!(log.leaves(partition) == leaves, "partition {partition}: the tree says other than the records");
    }
}

#[tokio::test]
async fn a_node_without_its_disk_becomes_equal_with_no_reads() {
    let mut cluster = Cluster::start(3);
    fill(&cluster, KEYS, "v").await;
    cluster.kill(&[2]);
    cluster.nodes[2].lose_disk();
    cluster.start_all();
    verify_all(&cluster.nodes[2]).await;
    let moved: f64 = cluster.metric_sum("slipring_aae_keys_repaired_total");
    assert!(moved >= KEYS as f64, "{moved} records were moved");
    assert_eq!(cluster.metric_sum("slipring_read_repairs_total"), 0.0);
    for node in &cluster.nodes {
        let status = node.repair_status().await;
        assert_eq!(status.peers.len(), 2, "{status:?}");
        assert!(status.peers.iter().all(|peer| peer.reachable && peer.ranges == 256), "{status:?}");
    }
    cluster.nodes.iter_mut().for_each(Node::kill);
    let disks: Vec<FjallStorage> = cluster.nodes.iter().map(|node| open(&node.data_dir)).collect();
    let first = records(&disks[0]);
    assert_eq!(first.len(), KEYS);
    assert!(disks[1..].iter().all(|disk| records(disk) == first), "all replicas hold the same");
    disks.iter().for_each(|disk| assert_trees_fit(disk));
}

#[tokio::test]
async fn a_killed_node_has_no_tree_to_rebuild() {
    // Every partition is audited within 3 seconds.
    let mut cluster = Cluster::start_with(3, &[("anti_entropy.audit_interval_s", "3"), ("ring.partitions", "64")]);
    for round in 0..5 {
        fill(&cluster, 20, &format!("{round}")).await;
        let client = cluster.nodes[0].client().await;
        let writing: Vec<_> = (0..200)
            .map(|at| {
                let (client, put) = (client.clone(), put(&format!("key{at}"), &format!("{round}"), None));
                tokio::spawn(async move { drop(do_put(&client, &put).await) })
            })
            .collect();
        let victim = 1 + round % 2;
        cluster.nodes[victim].kill();
        for write in writing {
            write.await.expect("it ends");
        }
        assert_trees_fit(&open(&cluster.nodes[victim].data_dir));
        cluster.start_all();
    }
    verify_all(&cluster.nodes[0]).await;
    eventually("everything has been audited", async || {
        cluster.nodes.iter().all(|node| node.metric_sum("slipring_aae_records_audited_total") >= 200.0)
    })
    .await;
    assert_eq!(cluster.metric_sum("slipring_aae_trees_rebuilt_total"), 0.0);
    assert_eq!(cluster.metric_sum("slipring_aae_leaves_corrected_total"), 0.0);
}
