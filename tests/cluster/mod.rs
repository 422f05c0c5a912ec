//! Real node processes for tests: started on free ports, killed like a power cut, started again, and gone when the test ends.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

mod ports;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use slipring::client::{CallError, Client, ConnectOptions};
use slipring::dynamo::context::Context;
use slipring::dynamo::preference_list::Role as Part;
use slipring::item::{AttributeValue, Item, TableSchema};
use slipring::messages::TraceId;
use slipring::messages::client::{Get, GetError, GetReply, Put, PutError, PutReply, Where, WhereReplica, WhereReply};
use slipring::messages::repair::{ControlRepair, DescribeRepair, RepairAction, RepairStatus};
use slipring::wire::handshake::Role;
use tempfile::TempDir;

use ports::{PortLease, lease_ports};

/// Long enough for a slow machine; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what anti-entropy has brought to this node and to its peers.
const RECORDS_MOVED: &str = "slipring_aae_keys_repaired_total";

/// A cluster of real processes.
pub struct Cluster {
    pub nodes: Vec<Node>,
    folder: TempDir,
    _ports: Vec<PortLease>,
}

/// One process, running or not.
pub struct Node {
    pub name: String,
    pub bridge: String,
    pub http: String,
    pub data_dir: PathBuf,
    pub log: PathBuf,
    settings: BTreeMap<String, String>,
    process: Option<Child>,
}

impl Cluster {
    /// `count` nodes with the defaults, all serving and all connected to each other.
    pub fn start(count: usize) -> Self {
        Self::start_with(count, &[])
    }

    /// The same, with settings (`("replication.sloppy", "false")`) on every node.
    pub fn start_with(count: usize, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::prepare(count, settings);
        cluster.nodes.iter_mut().for_each(Node::start);
        cluster.wait_until_connected();
        cluster
    }

    /// Nodes that have not been started.
    pub fn prepare(count: usize, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = lease_ports(count * 2);
        let address = |lease: &PortLease| format!("127.0.0.1:{}", lease.port);
        let founders: Vec<String> = ports[..count].iter().map(|port| format!("{:?}", address(port))).collect();
        let founders = if count == 1 { "[]".to_owned() } else { format!("[{}]", founders.join(", ")) };
        let node = |at: usize| {
            let name = format!("n{at}");
            let mut own = BTreeMap::from([
                ("node.name".to_owned(), name.clone()),
                ("node.workers".to_owned(), "1".to_owned()),
                ("cluster.founders".to_owned(), founders.clone()),
            ]);
            own.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            Node {
                data_dir: folder.path().join(&name),
                log: folder.path().join(format!("{name}.log")),
                bridge: address(&ports[at]),
                http: address(&ports[count + at]),
                settings: own,
                name,
                process: None,
            }
        };
        Self { nodes: (0..count).map(node).collect(), folder, _ports: ports }
    }

    /// One more node, which waits to be joined by those that are there. It has not been started.
    pub fn add_node(&mut self) -> usize {
        let (at, addresses) = (self.nodes.len(), self.lease_addresses(2));
        let name = format!("n{at}");
        let mut settings = self.nodes[0].settings.clone();
        settings.remove("cluster.founders");
        let seeds: Vec<String> = self.nodes.iter().map(|node| format!("{:?}", node.bridge)).collect();
        settings.insert("cluster.seeds".to_owned(), format!("[{}]", seeds.join(", ")));
        settings.insert("node.name".to_owned(), name.clone());
        self.nodes.push(Node {
            data_dir: self.folder.path().join(&name),
            log: self.folder.path().join(format!("{name}.log")),
            bridge: addresses[0].clone(),
            http: addresses[1].clone(),
            settings,
            name,
            process: None,
        });
        at
    }

    /// More addresses of this machine that nobody else has while the cluster lives.
    pub fn lease_addresses(&mut self, count: usize) -> Vec<String> {
        let leases = lease_ports(count);
        let addresses = leases.iter().map(|lease| format!("127.0.0.1:{}", lease.port)).collect();
        self._ports.extend(leases);
        addresses
    }

    /// Waits until every running node sees who runs and who does not.
    pub fn wait_until_connected(&self) {
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            node.wait_until_ready();
            for peer in &self.nodes {
                node.wait_until_sees(&peer.name, peer.is_running());
            }
        }
    }

    /// `kill -9` for some, and the others have noticed.
    pub fn kill(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|at| self.nodes[*at].kill());
        self.wait_until_connected();
    }

    /// Starts those that do not run; all of them see each other again.
    pub fn start_all(&mut self) {
        self.nodes.iter_mut().filter(|node| !node.is_running()).for_each(Node::start);
        self.wait_until_connected();
    }

    /// The place of the node with this name.
    pub fn at(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.name == name).expect("a node of this cluster")
    }

    /// The sum of a metric over all running nodes.
    pub fn metric_sum(&self, name: &str) -> f64 {
        self.nodes.iter().filter(|node| node.is_running()).map(|node| node.metric_sum(name)).sum()
    }

    /// Waits until all nodes, which all must run, have the same roots in every range that they share: each has compared each of its
    /// ranges, from both sides, without having had to move a record, and none is dirty.
    pub async fn wait_until_replicas_are_equal(&self) {
        let begun = Instant::now();
        loop {
            let moved = self.metric_sum(RECORDS_MOVED);
            let mut said = Vec::new();
            for node in &self.nodes {
                node.control_repair(RepairAction::Run).await;
            }
            for node in &self.nodes {
                said.push(node.wait_until_run_is_over().await);
            }
            let is_dirty = said.iter().flat_map(|status| &status.peers).any(|peer| peer.dirty > 0);
            if self.metric_sum(RECORDS_MOVED) == moved && !is_dirty {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the replicas never became equal: {said:?}");
        }
    }

    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.bridge.clone()).collect()
    }
}

impl Node {
    /// Starts the process; it need not be ready when this returns.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let process = self.command().stdout(Stdio::null()).stderr(log).spawn().expect("slipring-node starts");
        self.process = Some(process);
    }

    /// The command that starts this node, for tests that expect it to refuse.
    pub fn command(&self) -> Command {
        // Another build, a release or an older one, is put to the same tests by SLIPRING_TEST_NODE.
        let program = std::env::var_os("SLIPRING_TEST_NODE").unwrap_or(env!("CARGO_BIN_EXE_slipring-node").into());
        let mut command = Command::new(program);
        command.env("SLIPRING__NODE__DATA_DIR", format!("{:?}", self.data_dir.display().to_string()));
        command.env("SLIPRING__BRIDGE__LISTEN", &self.bridge).env("SLIPRING__HTTP__LISTEN", &self.http);
        for (key, value) in &self.settings {
            command.env(format!("SLIPRING__{}", key.replace('.', "__").to_uppercase()), value);
        }
        command
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    /// Back to the default for the next start.
    pub fn unset(&mut self, key: &str) {
        self.settings.remove(key);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the process can be killed");
            process.wait().expect("the process ends");
        }
    }

    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }

    /// Waits until the process has ended by itself. Its exit code.
    pub fn wait_until_ended(&mut self) -> Option<i32> {
        self.wait_until_ended_within(PATIENCE)
    }

    /// The same for a process that has much to hand over before.
    pub fn wait_until_ended_within(&mut self, patience: Duration) -> Option<i32> {
        let begun = Instant::now();
        loop {
            let process = self.process.as_mut().expect("it has been started");
            if let Some(status) = process.try_wait().expect("a process that can be asked") {
                self.process = None;
                return status.code();
            }
            assert!(begun.elapsed() < patience, "{} never ended; its log ends:\n{}", self.name, tail(&self.log));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the process in its tracks, with its connections open: `SIGSTOP`.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process_id().expect("a running process")).expect("a process id");
        kill_process(Pid::from_raw(id).expect("a process id"), signal).expect("the process can be signalled");
    }

    /// A new disk: everything that the node has stored is gone.
    pub fn lose_disk(&self) {
        assert!(!self.is_running(), "{} runs", self.name);
        std::fs::remove_dir_all(&self.data_dir).expect("the data directory can be removed");
    }

    /// Waits until this node counts `peer` as up, or as down.
    pub fn wait_until_sees(&self, peer: &str, up: bool) {
        let state = if up { "up" } else { "down" };
        self.wait_until(&format!("sees {peer} {state}"), || self.sees(peer) == Some(up));
    }

    /// Whether this node counts `peer` as up; `None` where it does not answer.
    pub fn sees(&self, peer: &str) -> Option<bool> {
        let (_, text) = http_get(&self.http, "/metrics")?;
        let sample = format!("slipring_peer_up{{peer=\"{peer}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&sample)).map(|value| value == "1")
    }

    /// Whether the cluster, as this node knows it, calls `peer` down.
    pub fn calls_down(&self, peer: &str) -> bool {
        let down = format!("slipring_peer_state{{peer=\"{peer}\",state=\"down\"}} 1");
        http_get(&self.http, "/metrics").is_some_and(|(_, text)| text.lines().any(|line| line == down))
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// What the process has logged, over all its lives.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whatever happened: the process serves, and nothing in it has panicked.
    pub fn assert_unharmed(&self) {
        self.wait_until_ready();
        let log = self.log_text();
        let defect = log.lines().find(|line| line.contains("a defect in the program") || line.contains("panicked at"));
        assert_eq!(defect, None, "{} has panicked", self.name);
    }

    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub fn wait_until_ready(&self) {
        self.wait_until("is ready", || http_get(&self.http, "/health").is_some_and(|(status, _)| status == 200));
    }

    /// Waits until it says that it waits to be joined.
    pub fn wait_until_waiting(&self) {
        let waits = |(_, text): (u16, String)| text.contains("waiting to be joined");
        self.wait_until("waits to be joined", || http_get(&self.http, "/health").is_some_and(waits));
    }

    /// Waits for a condition that must come true; on failure prints the end of the log.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "{} never {what}; its log ends:\n{}", self.name, tail(&self.log));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The sum of all samples of a metric; 0 where the node does not answer.
    pub fn metric_sum(&self, name: &str) -> f64 {
        let Some((_, text)) = http_get(&self.http, "/metrics") else { return 0.0 };
        let sample = |line: &str| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with(['{', ' '])).then(|| line.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        };
        text.lines().filter_map(sample).sum()
    }

    /// Tells anti-entropy what to do. How it stands then.
    pub async fn control_repair(&self, action: RepairAction) -> RepairStatus {
        self.admin().await.request(&ControlRepair { action }).await.expect("it answers")
    }

    /// How anti-entropy stands.
    pub async fn repair_status(&self) -> RepairStatus {
        self.admin().await.request(&DescribeRepair).await.expect("it answers")
    }

    /// Waits until this node has verified every range since it was last told to.
    pub async fn wait_until_run_is_over(&self) -> RepairStatus {
        let begun = Instant::now();
        loop {
            let status = self.repair_status().await;
            if status.run.as_ref().is_some_and(|run| run.total > 0 && run.done == run.total) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{} never verified every range: {status:?}", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A connection as an application.
    pub async fn client(&self) -> Client {
        Client::connect(&self.bridge, ConnectOptions::default()).await.expect("the node takes connections")
    }

    /// A connection as an admin.
    pub async fn admin(&self) -> Client {
        let options = ConnectOptions { role: Role::Admin, ..ConnectOptions::default() };
        Client::connect(&self.bridge, options).await.expect("the node takes connections")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, tail(&self.log));
        }
        self.kill();
    }
}

/// Runs `slipring-admin` against a node.
pub fn admin(node: &Node, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    command.args(["--connect", &node.bridge]).args(arguments).output().expect("it runs")
}

/// Its answer as JSON. It must succeed.
pub fn ask(node: &Node, arguments: &[&str]) -> Value {
    let output = admin(node, &[arguments, &["--json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("JSON")
}

/// The exit code, and what is said of the failure.
pub fn refusal(node: &Node, arguments: &[&str]) -> (i32, String) {
    let output = admin(node, arguments);
    (output.status.code().expect("it exits"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A seed that no other run has had.
pub fn fresh_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// An item of the built-in table.
pub fn item(key: &str, value: &str) -> Item {
    [("key".to_owned(), AttributeValue::S(key.to_owned())), ("value".to_owned(), AttributeValue::S(value.to_owned()))]
        .into_iter()
        .collect()
}

/// What `item` put there.
pub fn value_of(bytes: &[u8]) -> String {
    match Item::from_bytes(bytes).expect("an item").get("value") {
        Some(AttributeValue::S(value)) => value.clone(),
        other => panic!("no value: {other:?}"),
    }
}

/// The values of all siblings, sorted.
pub fn values(reply: &GetReply) -> Vec<String> {
    let mut values: Vec<String> =
        reply.versions.iter().filter_map(|version| version.value.as_ref()).map(|v| value_of(v)).collect();
    values.sort();
    values
}

/// A put to `kv` with everything at its default.
pub fn put(key: &str, value: &str, context: Option<Context>) -> Put {
    Put {
        trace: TraceId::default(),
        table: "kv".to_owned(),
        item: item(key, value).to_bytes(),
        context,
        ttl_ms: None,
        w: None,
        timeout_ms: None,
    }
}

/// A get from `kv` with everything at its default.
pub fn get(key: &str) -> Get {
    Get { trace: TraceId::default(), table: "kv".to_owned(), key: key_bytes(key), r: None, timeout_ms: None }
}

pub fn key_bytes(key: &str) -> bytes::Bytes {
    TableSchema::kv().key_from_text(key, None).expect("a key").to_bytes()
}

pub async fn do_put(client: &Client, put: &Put) -> Result<PutReply, CallError<PutError>> {
    client.request(put).await
}

pub async fn do_get(client: &Client, get: &Get) -> Result<GetReply, CallError<GetError>> {
    client.request(get).await
}

/// Waits for a condition that must come true.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The values that a replica holds, sorted; `None` where it did not answer.
pub fn held(replica: &WhereReplica) -> Option<Vec<String>> {
    let versions = replica.holds.as_ref().ok()?.versions();
    let mut values: Vec<String> =
        versions.iter().filter_map(|version| version.value.as_ref()).map(|v| value_of(v)).collect();
    values.sort();
    Some(values)
}

/// The primaries of a key, in order.
pub async fn primaries(client: &Client, key: &str) -> Vec<String> {
    let place = place(client, key).await;
    place
        .replicas
        .iter()
        .filter(|replica| replica.role == Part::Primary)
        .map(|replica| replica.node.to_string())
        .collect()
}

/// Waits until every primary holds exactly these values. Asks without repairing anything.
pub async fn wait_until_every_primary_holds(client: &Client, key: &str, values: &[&str]) {
    eventually(&format!("every primary of {key} holds {values:?}"), async || {
        let place = place(client, key).await;
        let mut primaries = place.replicas.iter().filter(|replica| replica.role == Part::Primary);
        primaries.all(|replica| held(replica).is_some_and(|held| held == values))
    })
    .await;
}

/// The hints for a key: who keeps one for whom, and the values in it.
pub async fn hints(client: &Client, key: &str) -> Vec<(String, String, Vec<String>)> {
    let place = place(client, key).await;
    let hint = |replica: &WhereReplica| match &replica.role {
        Part::Primary => None,
        Part::Fallback { for_node } => {
            let values = held(replica).filter(|values| !values.is_empty())?;
            Some((replica.node.to_string(), for_node.to_string(), values))
        }
    };
    place.replicas.iter().filter_map(hint).collect()
}

pub async fn place(client: &Client, key: &str) -> WhereReply {
    let request = Where { trace: TraceId::default(), table: "kv".to_owned(), key: key_bytes(key) };
    client.request(&request).await.expect("where answers")
}

/// A GET in as little HTTP as there is: status and body.
pub fn http_get(address: &str, path: &str) -> Option<(u16, String)> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
