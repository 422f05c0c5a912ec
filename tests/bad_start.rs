//! A node that cannot start right does not start: it ends with exit code 2 and a message that names the place and the remedy, and
//! its data directory is as it was.

mod cluster;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cluster::{Cluster, Node, PATIENCE, do_get, do_put, get, put, values};
use slipring::config::Config;
use tempfile::TempDir;

/// The exit code and everything that the program says.
struct Ended {
    code: Option<i32>,
    output: String,
    errors: String,
}

/// Runs a command that must end by itself.
fn run(mut command: Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let output = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break Some(status);
        }
        if begun.elapsed() > PATIENCE {
            child.kill().expect("the child can be killed");
            break None;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let mut errors = String::new();
    stderr.read_to_string(&mut errors).expect("text");
    let output = output.join().expect("no panic").expect("text");
    assert!(status.is_some(), "the program does not end but serves; it says:\n{errors}");
    Ended { code: status.and_then(|status| status.code()), output, errors }
}

impl Ended {
    #[track_caller]
    fn must_refuse(&self, what: &str, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{what}: exit code; it says:\n{}", self.errors);
        for word in words {
            assert!(self.errors.contains(word), "{what}: `{word}` is not said, but:\n{}", self.errors);
        }
        assert!(!self.errors.contains("a defect in the program"), "{what}: it panics:\n{}", self.errors);
    }
}

/// Every file below a folder with its contents.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

#[track_caller]
fn assert_unchanged(what: &str, before: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) {
    let after = snapshot(folder);
    let touched: Vec<&PathBuf> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(touched.is_empty(), "{what}: a refused start has changed {touched:?}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy_folder(&path, &target) } else { fs::copy(&path, &target).map(drop).expect("a copy") }
    }
}

/// A node that has served once and holds one item; it is stopped.
struct Served {
    cluster: Cluster,
    folder: TempDir,
    copies: usize,
}

impl Served {
    async fn start() -> Self {
        let mut cluster = Cluster::start(1);
        let client = cluster.nodes[0].client().await;
        do_put(&client, &put("kept", "before", None)).await.expect("a put");
        cluster.nodes[0].kill();
        Self { cluster, folder: tempfile::tempdir().expect("a folder"), copies: 0 }
    }

    fn node(&mut self) -> &mut Node {
        &mut self.cluster.nodes[0]
    }

    /// A copy of the data directory as the node left it: each case may spoil its own.
    fn fresh_copy(&mut self) -> PathBuf {
        self.copies += 1;
        let copy = self.folder.path().join(self.copies.to_string());
        let original = self.folder.path().join("original");
        if !original.exists() {
            copy_folder(&self.cluster.nodes[0].data_dir, &original);
        }
        copy_folder(&original, &copy);
        self.cluster.nodes[0].data_dir = copy.clone();
        copy
    }

    /// The node starts on its data directory and has its item.
    async fn must_serve(&mut self, what: &str) {
        let node = self.node();
        node.start();
        node.assert_unharmed();
        let found = do_get(&node.client().await, &get("kept")).await.expect("a get");
        assert_eq!(values(&found), ["before"], "{what}");
        node.kill();
    }
}

/// The program with a configuration file and nothing from this process's environment.
fn with_file(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipring-node"));
    command.arg("--config").arg(file).args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLIPRING__")) {
        command.env_remove(name);
    }
    command
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let readable = folder.path().join("secret");
    fs::write(&readable, "a secret that all may read").expect("a file");
    fs::set_permissions(&readable, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    let public_secret = format!("[cluster]\nsecret_file = {:?}", readable.display().to_string());
    let missing_secret = format!("[cluster]\nsecret_file = {:?}", folder.path().join("none").display().to_string());
    let table: [(&str, &str, &[&str]); 17] = [
        ("an unknown key", "[replication]\nrr = 2", &["node.toml:2", "unknown key replication.rr", "replication.r?"]),
        ("an unknown section", "[replicaton]\nn = 3", &["node.toml:1", "did you mean [replication]?"]),
        ("partitions not a power of two", "[ring]\npartitions = 100", &["ring.partitions", "power of two in 8..="]),
        ("N out of range", "[replication]\nn = 10", &["replication.n", "1..=9"]),
        ("N = 0", "[replication]\nn = 0", &["replication.n", "1..=9"]),
        ("R over N", "[replication]\nn = 3\nr = 4", &["replication.r", "1..=3 (replication.n = 3)"]),
        ("W over N", "[replication]\nn = 1\nr = 1", &["replication.w", "1..=1 (replication.n = 1)"]),
        ("a negative limit", "[limits]\nrequest_timeout_ms = -1", &["limits.request_timeout_ms", "10..=600000"]),
        ("a text for a number", "[replication]\nn = \"3\"", &["replication.n", "an integer"]),
        ("malformed TOML", "[replication\nn = 3", &["node.toml:1"]),
        ("a name that is none", "[node]\nname = \"Node 1\"", &["node.name", "a-z, 0-9 or -"]),
        (
            "the bridge open to all",
            "[bridge]\nlisten = \"192.0.2.1:7400\"",
            &["bridge.listen", "cluster.secret_file", "cluster.insecure"],
        ),
        ("HTTP open to all", "[http]\nlisten = \"0.0.0.0:8000\"", &["http.listen", "cluster.insecure"]),
        ("a secret that others read", &public_secret, &["cluster.secret_file", "chmod"]),
        ("a secret that is not there", &missing_secret, &["cluster.secret_file", "No such file"]),
        ("founders without this node", "[cluster]\nfounders = [\"a:1\"]", &["cluster.founders", "127.0.0.1:7400"]),
        ("a log filter that is none", "[log]\nfilter = \"info,=\"", &["log.filter"]),
    ];
    for (what, toml, words) in table {
        let file = folder.path().join("node.toml");
        let toml = match toml.strip_prefix("[node]\n") {
            Some(rest) => format!("[node]\ndata_dir = {:?}\n{rest}\n", data_dir.display().to_string()),
            None => format!("{toml}\n[node]\ndata_dir = {:?}\n", data_dir.display().to_string()),
        };
        fs::write(&file, &toml).expect("a file");
        for arguments in [[].as_slice(), &["--check"]] {
            let ended = run(with_file(&file, arguments));
            ended.must_refuse(what, words);
            assert!(ended.errors.contains("nothing was started"), "{what}: {}", ended.errors);
            assert_eq!(ended.output, "", "{what}: nothing is printed as if it were in effect");
            assert!(!data_dir.exists(), "{what}: a data directory was made");
        }
    }
}

#[test]
fn a_bad_environment_or_file_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = run(with_file(&folder.path().join("none.toml"), &[]));
    missing.must_refuse("no configuration file", &["none.toml", "No such file"]);
    let file = folder.path().join("node.toml");
    fs::write(&file, "").expect("a file");
    let mut misspelt = with_file(&file, &[]);
    misspelt.env("SLIPRING__REPLICATION__RR", "2");
    run(misspelt).must_refuse("an unknown variable", &["SLIPRING__REPLICATION__RR", "SLIPRING__REPLICATION__R"]);
}

#[test]
fn check_prints_what_is_in_effect_and_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let file = folder.path().join("node.toml");
    let toml = format!("[node]\nname = \"b\"\ndata_dir = {:?}\n[replication]\nn = 5\n", data_dir.display().to_string());
    fs::write(&file, toml).expect("a file");
    let mut command = with_file(&file, &["--check"]);
    command.env("SLIPRING__REPLICATION__R", "4");
    let ended = run(command);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let printed = folder.path().join("printed.toml");
    fs::write(&printed, &ended.output).expect("a file");
    let config = Config::load(Some(&printed), &BTreeMap::new()).expect("what is printed is a configuration");
    assert_eq!((config.node.name.as_str(), config.replication.n, config.replication.r), ("b", 5, 4));
    assert_eq!(config.to_toml(), ended.output, "it prints every key");
    assert!(!data_dir.exists(), "a check makes no data directory");
}

/// The configuration must agree with what the data directory was founded with.
#[tokio::test]
async fn what_is_fixed_when_a_cluster_is_founded_cannot_be_changed_by_configuration() {
    let mut served = Served::start().await;
    let table: [(&str, &str, &str, &[&str]); 4] = [
        ("node.name", "other", "n0", &["belongs to node \"n0\", not to \"other\"", "node.name or node.data_dir"]),
        (
            "cluster.name",
            "other",
            "slipring",
            &["belongs to the cluster `slipring`, cluster.name = `other`", "node.data_dir"],
        ),
        ("ring.partitions", "512", "256", &["the ring has 256 partitions, ring.partitions = 512", "fixed"]),
        ("bridge.advertise", "127.0.0.1:1", "", &["knows no member `n0` at 127.0.0.1:1", "bridge.advertise are fixed"]),
    ];
    for (key, wrong, right, words) in table {
        let folder = served.fresh_copy();
        let before = snapshot(&folder);
        served.node().set(key, wrong);
        run(served.node().command()).must_refuse(key, words);
        assert_unchanged(key, &before, &folder);
        if right.is_empty() {
            served.node().unset(key)
        } else {
            served.node().set(key, right)
        }
        served.must_serve(key).await;
    }
}

/// Spoils a file of the data directory.
type Spoil = fn(&Path);

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).expect("a text file");
    fs::write(path, change(text)).expect("it can be written");
}

#[tokio::test]
async fn a_damaged_directory_is_not_touched() {
    let mut served = Served::start().await;
    let identity: &[&str] = &["IDENTITY is damaged", "restore the file from a backup"];
    let cluster: &[&str] = &["CLUSTER is damaged", "copy the file from another member"];
    let table: [(&str, Spoil, &[&str]); 10] = [
        (
            "a newer format",
            |root| rewrite(&root.join("IDENTITY"), |text| text.replace("format_version = 1", "format_version = 9")),
            &["has format 9, this release reads up to 1", "install a release"],
        ),
        ("an empty IDENTITY", |root| rewrite(&root.join("IDENTITY"), |_| String::new()), identity),
        (
            "half an IDENTITY",
            |root| rewrite(&root.join("IDENTITY"), |text| text[..text.len() - 12].to_owned()),
            identity,
        ),
        ("IDENTITY is noise", |root| fs::write(root.join("IDENTITY"), [0xFF; 100]).expect("written"), identity),
        (
            "an epoch that is no number",
            |root| rewrite(&root.join("IDENTITY"), |text| text.replace("epoch = \"", "epoch = \"x")),
            &["IDENTITY is damaged", "epoch is not a number"],
        ),
        ("an empty CLUSTER", |root| rewrite(&root.join("CLUSTER"), |_| String::new()), cluster),
        ("half a CLUSTER", |root| rewrite(&root.join("CLUSTER"), |text| text[..text.len() / 2].to_owned()), cluster),
        ("CLUSTER is noise", |root| fs::write(root.join("CLUSTER"), [0xFF; 100]).expect("written"), cluster),
        (
            "CLUSTER with a ring that is none",
            |root| rewrite(&root.join("CLUSTER"), |text| text.replacen("    0,\n", "    7,\n", 1)),
            &["the cluster's ring is damaged"],
        ),
        (
            "no IDENTITY beside the rest",
            |root| fs::remove_file(root.join("IDENTITY")).expect("removed"),
            &["not empty and not a data directory", "CLUSTER"],
        ),
    ];
    for (what, spoil, words) in table {
        let folder = served.fresh_copy();
        spoil(&folder);
        let before = snapshot(&folder);
        run(served.node().command()).must_refuse(what, words);
        assert_unchanged(what, &before, &folder);
    }
    served.fresh_copy();
    served.must_serve("a copy that nobody spoilt").await;
}

#[tokio::test]
async fn a_path_that_is_no_data_directory_is_not_touched() {
    let mut served = Served::start().await;
    let folder = served.folder.path().join("other");
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("file");
    fs::write(&file, "mine").expect("a file");
    let foreign = folder.join("foreign");
    fs::create_dir(&foreign).expect("a folder");
    fs::write(foreign.join("photo.jpg"), "mine").expect("a file");
    let before = snapshot(&folder);
    let table: [(&str, PathBuf, &[&str]); 3] = [
        ("a file", file.clone(), &["file is not a directory", "choose another path"]),
        ("a path below a file", file.join("data"), &["is not a directory"]),
        (
            "somebody else's folder",
            foreign,
            &["not empty and not a data directory", "photo.jpg", "choose an empty one"],
        ),
    ];
    for (what, path, words) in table {
        served.node().data_dir = path;
        run(served.node().command()).must_refuse(what, words);
        assert_unchanged(what, &before, &folder);
    }
}

#[tokio::test]
async fn ports_in_use_are_named() {
    let mut served = Served::start().await;
    let addresses = [("bridge.listen", served.node().bridge.clone()), ("http.listen", served.node().http.clone())];
    for (key, address) in addresses {
        let folder = served.fresh_copy();
        let before = snapshot(&folder);
        let held = TcpListener::bind(&address).expect("the port is free");
        run(served.node().command())
            .must_refuse(key, &[key, &address, "cannot be listened on", "is another node running?"]);
        assert_unchanged(key, &before, &folder);
        drop(held);
        served.must_serve(key).await;
    }
}

#[tokio::test]
async fn a_directory_in_use_is_left_to_its_user() {
    let mut cluster = Cluster::prepare(2, &[("cluster.founders", "[]")]);
    let [first, second] = &mut cluster.nodes[..] else { unreachable!("two nodes") };
    first.start();
    first.wait_until_ready();
    do_put(&first.client().await, &put("kept", "before", None)).await.expect("a put");
    second.data_dir = first.data_dir.clone();
    second.set("node.name", "n0");
    let state = |name: &str| fs::read(first.data_dir.join(name)).expect("a file");
    let before = (state("IDENTITY"), state("CLUSTER"));
    run(second.command())
        .must_refuse("a directory in use", &["in use by another process", "choose another data directory"]);
    assert_eq!(before, (state("IDENTITY"), state("CLUSTER")));
    let found = do_get(&first.client().await, &get("kept")).await.expect("a get");
    assert_eq!(values(&found), ["before"]);
    first.assert_unharmed();
}

/// Permissions do not bind the superuser, a read-only mount does: made in a mount namespace of its own.
#[tokio::test]
async fn a_read_only_directory_is_named() {
    let mut served = Served::start().await;
    let folder = served.fresh_copy();
    let before = snapshot(&folder);
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let inside = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&folder).arg(program);
        command
    };
    let allowed = inside("true").output().is_ok_and(|output| output.status.success());
    if !allowed {
        println!("NOTHING WAS TESTED: this machine allows no mounts in a namespace of one's own");
        return;
    }
    let node = served.node().command();
    let mut command = inside(&node.get_program().to_string_lossy());
    command.envs(node.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(command).must_refuse("a read-only directory", &["read-only file system", "remount it writable"]);
    assert_unchanged("a read-only directory", &before, &folder);
    served.must_serve("writable again").await;
}
