//! A full disk: writes are refused with an error that says so, reads go on, and once there is space writes go on by themselves.
//! Nothing that was acknowledged is lost, also when the process is killed while the disk is full.
//!
//! The disk is a small file system in memory, mounted in a namespace of the test's own; where that is not permitted the test says
//! that it did nothing.

mod cluster;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::{Cluster, Node, do_get, do_put, eventually, get, put, values};
use slipring::client::{CallError, Client};
use slipring::messages::admin::{DescribeStatus, Status};
use slipring::messages::client::{FailureReason, PutError};
use slipring::messages::replica::{StorageRefusal, WriteReplicaError};

const MIB: u64 = 1 << 20;

/// The size of the disk.
const DISK_BYTES: u64 = 256 * MIB;

/// What somebody else keeps on it.
const FILLER_BYTES: u64 = 96 * MIB;

/// `storage.reserve_bytes`.
const RESERVE_BYTES: u64 = 48 * MIB;

/// A value's length.
const VALUE_BYTES: usize = 256 * 1024;

/// Tells the inner process from the outer one.
const INSIDE: &str = "SLIPRING_TEST_INSIDE_NAMESPACE";

const NAME: &str = "writes_are_refused_on_a_full_disk_and_go_on_when_there_is_space";

#[test]
fn writes_are_refused_on_a_full_disk_and_go_on_when_there_is_space() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(story());
    }
    let in_namespace = |program: &Path| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]).arg(program);
        command
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut probe = in_namespace(Path::new("mount"));
    let mounted = probe.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("NOTHING WAS TESTED: this machine allows no mounts in a namespace of one's own");
        return;
    }
    let mut test = in_namespace(&std::env::current_exe().expect("this program"));
    let status = test.args([NAME, "--exact", "--nocapture"]).env(INSIDE, "1").status().expect("the test starts again");
    assert!(status.success(), "see above");
}

/// A node whose data directory is on the small disk.
struct Small {
    cluster: Cluster,
    disk: tempfile::TempDir,
    /// What was acknowledged: key and value.
    kept: BTreeMap<String, String>,
    tried: usize,
}

impl Small {
    fn start() -> Self {
        let disk = tempfile::tempdir().expect("a folder");
        let size = format!("size={DISK_BYTES}");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.path()).status().expect("mount");
        assert!(mounted.success(), "the disk cannot be mounted");
        let reserve = RESERVE_BYTES.to_string();
        let mut cluster = Cluster::prepare(1, &[("storage.reserve_bytes", &reserve)]);
        cluster.nodes[0].data_dir = disk.path().join("data");
        cluster.nodes[0].start();
        cluster.wait_until_connected();
        Self { cluster, disk, kept: BTreeMap::new(), tried: 0 }
    }

    fn node(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    fn filler(&self) -> std::path::PathBuf {
        self.disk.path().join("filler")
    }

    fn fill(&self) {
        fs::write(self.filler(), vec![1; usize::try_from(FILLER_BYTES).expect("it fits")]).expect("there is space");
    }

    async fn put_next(&mut self, client: &Client) -> Result<(), CallError<PutError>> {
        let key = format!("key-{}", self.tried);
        let value = incompressible(self.tried as u64 + 1);
        self.tried += 1;
        do_put(client, &put(&key, &value, None)).await?;
        self.kept.insert(key, value);
        Ok(())
    }

    /// Puts until the disk is full. The refusal is typed and names what is free and what is kept free.
    async fn put_until_refused(&mut self, client: &Client) {
        let most = DISK_BYTES / VALUE_BYTES as u64;
        for _ in 0..most {
            if let Err(error) = self.put_next(client).await {
                return check_refusal(&error);
            }
        }
        panic!("{most} values of {VALUE_BYTES} bytes fit on a disk of {DISK_BYTES} bytes");
    }

    async fn everything_kept_is_there(&self, client: &Client) {
        for (key, value) in &self.kept {
            let found = do_get(client, &get(key)).await.unwrap_or_else(|error| panic!("{key}: {error}"));
            assert!(values(&found) == [value.as_str()], "{key} is lost or changed");
        }
        for number in 0..self.tried {
            let key = format!("key-{number}");
            if !self.kept.contains_key(&key) {
                let found = do_get(client, &get(&key)).await.unwrap_or_else(|error| panic!("{key}: {error}"));
                assert!(found.versions.is_empty(), "{key} was refused, and is there");
            }
        }
    }
}

fn check_refusal(error: &CallError<PutError>) {
    let CallError::Refused(PutError::QuorumNotReached { failures, .. }) = error else { panic!("{error:?}") };
    let [failure] = &failures[..] else { panic!("one replica: {failures:?}") };
    let FailureReason::Write(WriteReplicaError::Storage(StorageRefusal::DiskFull { free_bytes, reserve_bytes })) =
        failure.reason
    else {
        panic!("{failure:?}");
    };
    assert!((RESERVE_BYTES..=RESERVE_BYTES * 5 / 4).contains(&reserve_bytes), "{reserve_bytes}");
    assert!(free_bytes < reserve_bytes + 4 * VALUE_BYTES as u64, "{free_bytes} of {reserve_bytes}");
    let said = error.to_string();
    for word in ["disk full", &free_bytes.to_string(), "storage.reserve_bytes", &reserve_bytes.to_string()] {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

/// Text that no compression makes smaller.
fn incompressible(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from((state >> 32) % 64).expect("below 64"))
    };
    (0..VALUE_BYTES).map(|_| next()).collect()
}

async fn status(node: &Node) -> Status {
    node.admin().await.request(&DescribeStatus).await.expect("a status")
}

async fn story() {
    let mut small = Small::start();
    small.fill();
    let client = small.node().client().await;
    small.put_until_refused(&client).await;
    let held = small.kept.len();
    assert!(held > 10, "only {held} values fit");

    // Full: reads go on, and whoever looks is told. Flushing may make a little room once more, so each look follows a refusal.
    small.everything_kept_is_there(&client).await;
    let mut told = status(small.node()).await;
    eventually("status says that writes are refused", async || {
        small.put_until_refused(&client).await;
        told = status(small.node()).await;
        told.read_only
    })
    .await;
    assert!(told.warnings.iter().any(|warning| warning.contains("the disk is full")), "{:?}", told.warnings);
    eventually("the node counts itself as read-only", async || {
        small.put_until_refused(&client).await;
        small.node().metric_sum("slipring_read_only") == 1.0
    })
    .await;
    small.everything_kept_is_there(&client).await;

    // Killed while full: it starts again, and reads.
    small.cluster.nodes[0].restart();
    small.cluster.wait_until_connected();
    let client = small.node().client().await;
    small.everything_kept_is_there(&client).await;
    small.put_until_refused(&client).await;

    // Space: writes go on by themselves.
    fs::remove_file(small.filler()).expect("the filler can be removed");
    eventually("writes are taken again", async || small.put_next(&client).await.is_ok()).await;
    let told = status(small.node()).await;
    assert!(!told.read_only, "status says that the disk is full: {told:?}");
    small.node().wait_until("counts itself as writable", || small.node().metric_sum("slipring_read_only") == 0.0);
    small.put_until_refused(&client).await;
    assert!(small.kept.len() > held + 50, "{} values, and {held} before there was space", small.kept.len());
    small.everything_kept_is_there(&client).await;

    small.cluster.nodes[0].restart();
    small.cluster.wait_until_connected();
    let client = small.node().client().await;
    small.everything_kept_is_there(&client).await;
    small.node().assert_unharmed();
}
