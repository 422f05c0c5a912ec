//! Members come, go and are replaced while clients write and read: no request fails for want of data on its way, no acknowledged write is lost, no read
//! misses an item, also where processes are killed in the middle. Real processes, N = 3, R = W = 2.
//!
//! `SLIPRING_TEST_ITEMS=200000 cargo test --release --test members two_nodes -- --nocapture` is the long form.

mod cluster;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cluster::{Cluster, Node, PATIENCE, admin, ask, get, put, refusal, values};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use slipring::client::{RouteError, Router, RouterOptions};

const CLIENTS: usize = 3;
/// How requests may fail.
const NOT_AT_ALL: usize = 0;
/// A process ends by itself.
const WITH_ITS_CONNECTION: usize = 1;
/// A process is killed.
const IN_ANY_WAY: usize = 2;
/// Keys of each client.
const KEYS: usize = 400;

/// How many partitions each member owns, by name.
fn shares(node: &Node) -> BTreeMap<String, u64> {
    let nodes = ask(node, &["nodes"]);
    let row =
        |row: &Value| (row["name"].as_str().expect("a name").to_owned(), row["partitions"].as_u64().expect("a number"));
    nodes.as_array().expect("a list").iter().map(row).collect()
}

fn nothing_moves(node: &Node) -> bool {
    let output = admin(node, &["tasks", "--json"]);
    output.status.success() && output.stdout.trim_ascii() == b"[]"
}

/// How long so many items may take to move.
fn patience() -> Duration {
    PATIENCE * u32::try_from(2 + items(0) / 10_000).expect("few")
}

/// Waits until nothing moves any more, for a node that is asked and for all others.
fn wait_until_at_rest(cluster: &Cluster) {
    for node in cluster.nodes.iter().filter(|node| node.is_running()) {
        let begun = Instant::now();
        while !nothing_moves(node) {
            assert!(begun.elapsed() < patience(), "{}: partitions move for ever: {}", node.name, ask(node, &["tasks"]));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn assert_balanced(node: &Node, names: &[&str]) {
    let shares = shares(node);
    assert_eq!(shares.keys().map(String::as_str).collect::<Vec<_>>(), names);
    let (least, greatest) = (shares.values().min(), shares.values().max());
    assert!(greatest.zip(least).is_some_and(|(greatest, least)| greatest - least <= 1), "{shares:?}");
}

/// What clients do until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    /// What may fail now, or might a moment ago.
    may_fail: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<BTreeMap<String, String>>>,
}

impl Load {
    /// `items` of them are there already.
    fn begin(cluster: &Cluster, items: usize) -> Self {
        let (stop, may_fail, done) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let addresses: Vec<String> =
            cluster.nodes.iter().filter(|node| node.is_running()).map(|node| node.bridge.clone()).collect();
        let client = |number| {
            let client = Client {
                number,
                items,
                stop: Arc::clone(&stop),
                may_fail: Arc::clone(&may_fail),
                done: Arc::clone(&done),
                acknowledged: BTreeMap::new(),
            };
            let addresses = addresses.clone();
            std::thread::spawn(move || block_on(client.work(addresses)))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, may_fail, done, clients }
    }

    /// While this happens requests may fail like this.
    fn while_failing<T>(&self, how: usize, happening: impl FnOnce() -> T) -> T {
        self.may_fail.store(how, Ordering::SeqCst);
        let outcome = happening();
        // Requests that were under way end, and connections are made anew.
        std::thread::sleep(Duration::from_secs(3));
        self.may_fail.store(NOT_AT_ALL, Ordering::SeqCst);
        outcome
    }

    /// The last value that was acknowledged, by key.
    fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::SeqCst);
        let written = self.clients.into_iter().map(|client| client.join().expect("every request was served"));
        let written = written.flatten().collect();
        println!("{} requests", self.done.load(Ordering::SeqCst));
        written
    }
}

struct Client {
    number: usize,
    items: usize,
    stop: Arc<AtomicBool>,
    may_fail: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    acknowledged: BTreeMap<String, String>,
}

impl Client {
    async fn work(mut self, addresses: Vec<String>) -> BTreeMap<String, String> {
        let router = Router::connect(&addresses, RouterOptions::default()).await.expect("a node answers");
        for round in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let key = format!("c{}-{}", self.number, round % KEYS);
            let read = self.served(&key, "get", async || router.get(get(&key)).await).await;
            if let Some(expected) = self.acknowledged.get(&key) {
                assert!(
                    values(&read).contains(expected),
                    "{key}: {expected} was acknowledged, a read shows {:?}",
                    values(&read)
                );
            }
            let (old, expected) = old((round * 7_919 + self.number) % self.items);
            let read_old = self.served(&old, "get", async || router.get(get(&old)).await).await;
            assert_eq!(values(&read_old), [expected], "{old} was there before");
            let value = format!("v{round}");
            let context = read.context;
            self.served(&key, "put", async || router.put(put(&key, &value, Some(context.clone()))).await).await;
            self.acknowledged.insert(key, value);
        }
        self.acknowledged
    }

    /// What fails is tried again where it may fail.
    async fn served<T, E: std::error::Error>(
        &self,
        key: &str,
        what: &str,
        request: impl AsyncFn() -> Result<T, RouteError<E>>,
    ) -> T {
        let begun = Instant::now();
        loop {
            let before = self.may_fail.load(Ordering::SeqCst);
            match request().await {
                Ok(reply) => {
                    self.done.fetch_add(1, Ordering::SeqCst);
                    return reply;
                }
                Err(error) => {
                    let may_fail = before.max(self.may_fail.load(Ordering::SeqCst));
                    let is_lost = error.to_string().contains("the connection was lost");
                    let may = may_fail == IN_ANY_WAY || (may_fail == WITH_ITS_CONNECTION && is_lost);
                    assert!(may && begun.elapsed() < PATIENCE, "{what} of {key} failed: {error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

/// One story at a time: what a machine cannot bear says nothing of a cluster.
fn alone() -> MutexGuard<'static, ()> {
    static STAGE: Mutex<()> = Mutex::new(());
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn block_on<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(story)
}

/// Whatever was acknowledged is there, through every node, and all replicas hold the same.
fn assert_nothing_lost(cluster: &Cluster, written: &BTreeMap<String, String>) {
    for node in cluster.nodes.iter().filter(|node| node.is_running()) {
        block_on(async {
            let client = node.client().await;
            let check = async |(key, value): (&String, &String)| {
                let read = cluster::do_get(&client, &get(key)).await.expect("read");
                assert!(values(&read).contains(value), "{key} through {}: {value} was acknowledged", node.name);
            };
            stream::iter(written).for_each_concurrent(TOGETHER, check).await;
        });
    }
}

/// Requests that are under way at the same time where many are made.
const TOGETHER: usize = 64;

fn old(number: usize) -> (String, String) {
    (format!("old-{number}"), format!("o{number}"))
}

fn preload(cluster: &Cluster, count: usize) -> BTreeMap<String, String> {
    block_on(async {
        let client = cluster.nodes[0].client().await;
        let write = async |number| {
            let (key, value) = old(number);
            cluster::do_put(&client, &put(&key, &value, None)).await.expect("written");
        };
        stream::iter(0..count).for_each_concurrent(TOGETHER, write).await;
    });
    (0..count).map(old).collect()
}

/// How many items there are before anything happens.
fn items(default: usize) -> usize {
    std::env::var("SLIPRING_TEST_ITEMS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// A node that is started with seeds, joined, and committed.
fn join(cluster: &mut Cluster, through: usize) -> usize {
    let at = cluster.add_node();
    cluster.nodes[at].start();
    cluster.nodes[at].wait_until_waiting();
    let address = cluster.nodes[at].bridge.clone();
    ask(&cluster.nodes[through], &["cluster", "join", &address]);
    at
}

fn commit(node: &Node) -> Value {
    ask(node, &["cluster", "commit"])
}

#[test]
fn two_nodes_join_one_leaves_and_a_dead_one_is_replaced_under_load() {
    let _alone = alone();
    let mut cluster = Cluster::start(3);
    let mut written = preload(&cluster, items(300));
    let load = Load::begin(&cluster, items(300));
    let begun = Instant::now();
    let step = |what: &str| println!("{what} after {:.1} s", begun.elapsed().as_secs_f64());

    let fourth = join(&mut cluster, 0);
    let plan = ask(&cluster.nodes[1], &["cluster", "plan"]);
    assert_eq!(plan["fewest_replicas"], 3);
    assert_eq!(plan["copies_moved"], plan["copies_moved_least"], "{plan}");
    commit(&cluster.nodes[1]);
    cluster.nodes[fourth].wait_until_ready();
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[fourth], &["n0", "n1", "n2", "n3"]);
    step("n3 has joined");

    let fifth = join(&mut cluster, fourth);
    commit(&cluster.nodes[0]);
    cluster.nodes[fifth].wait_until_ready();
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[0], &["n0", "n1", "n2", "n3", "n4"]);
    step("n4 has joined");

    ask(&cluster.nodes[0], &["cluster", "leave", "n1"]);
    commit(&cluster.nodes[0]);
    // Its connections end with it, and it is gone for good.
    load.while_failing(WITH_ITS_CONNECTION, || {
        assert_eq!(cluster.nodes[1].wait_until_ended_within(patience()), Some(0));
    });
    assert_balanced(&cluster.nodes[0], &["n0", "n2", "n3", "n4"]);
    step("n1 has left");
    let again = cluster.nodes[1].command().output().expect("it runs");
    // It may have to look into its log first.
    assert!(matches!(again.status.code(), Some(0 | 2)), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("has left the cluster"));

    load.while_failing(IN_ANY_WAY, || cluster.nodes[2].kill());
    let sixth = cluster.add_node();
    cluster.nodes[sixth].start();
    cluster.nodes[sixth].wait_until_waiting();
    let address = cluster.nodes[sixth].bridge.clone();
    ask(&cluster.nodes[0], &["cluster", "replace", "n2", "--with", &address]);
    commit(&cluster.nodes[3]);
    cluster.nodes[sixth].wait_until_ready();
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[sixth], &["n0", "n3", "n4", "n5"]);
    step("n2 has been replaced");

    written.extend(load.end());
    assert_nothing_lost(&cluster, &written);
    cluster.nodes.iter().filter(|node| node.is_running()).for_each(Node::assert_unharmed);
}

fn leader(cluster: &Cluster) -> usize {
    let node = cluster.nodes.iter().find(|node| node.is_running()).expect("one runs");
    let begun = Instant::now();
    loop {
        if let Some(name) = ask(node, &["metadata"])["leader"].as_str() {
            return cluster.at(name);
        }
        assert!(begun.elapsed() < PATIENCE, "nobody leads");
    }
}

/// Slow enough to be killed in the middle: clients leave a tenth of it.
const SLOWLY: (&str, &str) = ("anti_entropy.records_per_s", "800");
const MOVED_SLOWLY: usize = 600;

/// Whoever is killed in the middle of a move.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Node(usize),
    Leader,
}

/// Kills and restarts them in turn. The first two die for certain while partitions move.
fn kill_in_turn(cluster: &mut Cluster, load: &Load, asked: usize, victims: &[Victim]) {
    for (round, victim) in victims.iter().enumerate() {
        let at = match *victim {
            Victim::Node(at) => at,
            Victim::Leader => leader(cluster),
        };
        assert!(round > 1 || !nothing_moves(&cluster.nodes[asked]), "it was over before {victim:?} was killed");
        load.while_failing(IN_ANY_WAY, || {
            cluster.nodes[at].restart();
            cluster.nodes[at].wait_until_ready();
        });
    }
}

#[test]
fn a_kill_of_target_leader_or_source_only_delays_a_join() {
    let _alone = alone();
    let mut cluster = Cluster::start_with(3, &[SLOWLY]);
    let mut written = preload(&cluster, MOVED_SLOWLY);
    let load = Load::begin(&cluster, MOVED_SLOWLY);
    let fourth = join(&mut cluster, 0);
    commit(&cluster.nodes[0]);
    cluster.nodes[fourth].wait_until_ready();
    let victims = [Victim::Node(fourth), Victim::Leader, Victim::Node(1), Victim::Node(fourth)];
    kill_in_turn(&mut cluster, &load, 0, &victims);
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[0], &["n0", "n1", "n2", "n3"]);
    written.extend(load.end());
    assert_nothing_lost(&cluster, &written);
}

#[test]
fn a_kill_of_source_leader_or_target_only_delays_a_leave() {
    let _alone = alone();
    let mut cluster = Cluster::start_with(4, &[SLOWLY]);
    let mut written = preload(&cluster, MOVED_SLOWLY);
    let load = Load::begin(&cluster, MOVED_SLOWLY);
    ask(&cluster.nodes[0], &["cluster", "leave", "n1"]);
    commit(&cluster.nodes[0]);
    kill_in_turn(&mut cluster, &load, 0, &[Victim::Node(1), Victim::Leader, Victim::Node(0)]);
    // Its connections end with it.
    load.while_failing(WITH_ITS_CONNECTION, || assert_eq!(cluster.nodes[1].wait_until_ended(), Some(0)));
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[0], &["n0", "n2", "n3"]);
    written.extend(load.end());
    assert_nothing_lost(&cluster, &written);
}

#[test]
fn a_kill_of_target_leader_or_source_only_delays_a_replacement() {
    let _alone = alone();
    let mut cluster = Cluster::start_with(3, &[SLOWLY]);
    let mut written = preload(&cluster, MOVED_SLOWLY);
    let load = Load::begin(&cluster, MOVED_SLOWLY);
    // Whoever leads the log dies first.
    let dead = leader(&cluster);
    let [one, other] = [(dead + 1) % 3, (dead + 2) % 3];
    let name = |at: usize| format!("n{at}");
    load.while_failing(IN_ANY_WAY, || cluster.nodes[dead].kill());
    let heir = cluster.add_node();
    cluster.nodes[heir].start();
    cluster.nodes[heir].wait_until_waiting();
    let address = cluster.nodes[heir].bridge.clone();
    ask(&cluster.nodes[one], &["cluster", "replace", &name(dead), "--with", &address]);
    commit(&cluster.nodes[other]);
    cluster.nodes[heir].wait_until_ready();
    kill_in_turn(&mut cluster, &load, one, &[Victim::Node(heir), Victim::Leader, Victim::Node(one)]);
    wait_until_at_rest(&cluster);
    let mut names = [one, other, heir].map(name);
    names.sort();
    assert_balanced(&cluster.nodes[heir], &names.each_ref().map(String::as_str));
    written.extend(load.end());
    assert_nothing_lost(&cluster, &written);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let _alone = alone();
    let mut cluster = Cluster::start(3);
    let before = ask(&cluster.nodes[0], &["metadata"])["epoch"].clone();
    let unused = cluster.lease_addresses(1).remove(0);
    let own = cluster.nodes[1].bridge.clone();
    let node = &cluster.nodes[0];
    let cases: [(&[&str], i32, &str); 8] = [
        (&["cluster", "commit"], 4, "nothing is staged"),
        (&["cluster", "plan"], 4, "nothing is staged"),
        (&["cluster", "join", &unused], 5, "cannot be joined"),
        (&["cluster", "join", &own], 5, "a member already"),
        (&["cluster", "leave", "n9"], 3, "n9 is no member"),
        (&["cluster", "leave", "n1"], 4, "2 members cannot keep replication.n = 3 copies"),
        (&["cluster", "weight", "n1", "0"], 2, "0 is not in 1..=64"),
        (&["cluster", "leave", "Not A Name"], 2, ""),
    ];
    for (arguments, code, said) in cases {
        let (exit, text) = refusal(node, arguments);
        assert_eq!(exit, code, "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    assert_eq!(ask(node, &["metadata"])["epoch"], before);

    let fourth = join(&mut cluster, 0);
    let (exit, text) = refusal(&cluster.nodes[1], &["cluster", "join", &cluster.nodes[fourth].bridge.clone()]);
    assert_eq!((exit, text.is_empty()), (0, false), "staged once more is staged: {text}");
    assert!(admin(&cluster.nodes[1], &["cluster", "abort"]).status.success());
    assert_eq!(refusal(&cluster.nodes[2], &["cluster", "commit"]).0, 4);
    cluster.nodes[fourth].wait_until_waiting();
}

/// Whatever addresses are reused: a node of another cluster, or one that waits for another, is never taken in.
#[test]
fn clusters_never_merge() {
    let _alone = alone();
    let mut one = Cluster::start(3);
    let other = Cluster::start(1);
    let (exit, text) = refusal(&one.nodes[0], &["cluster", "join", &other.nodes[0].bridge]);
    assert_eq!(exit, 5, "{text}");
    assert!(text.contains("not a member of this cluster") || text.contains("another cluster"), "{text}");
    let stranger = one.add_node();
    one.nodes[stranger].set("cluster.name", "elsewhere");
    one.nodes[stranger].start();
    one.nodes[stranger].wait_until_waiting();
    let (exit, text) = refusal(&one.nodes[0], &["cluster", "join", &one.nodes[stranger].bridge.clone()]);
    assert_eq!(exit, 5, "{text}");
    assert!(text.contains("elsewhere"), "{text}");
}

/// The last two members of the log: whoever leads it leaves, and the other decides alone from then on.
#[test]
fn the_leader_of_two_leaves_and_the_other_goes_on() {
    let _alone = alone();
    let mut cluster = Cluster::start_with(2, &[("replication.n", "1"), ("replication.r", "1"), ("replication.w", "1")]);
    let written = preload(&cluster, 100);
    let leaver = leader(&cluster);
    let other = 1 - leaver;
    let name = cluster.nodes[leaver].name.clone();
    ask(&cluster.nodes[other], &["cluster", "leave", &name]);
    commit(&cluster.nodes[other]);
    assert_eq!(cluster.nodes[leaver].wait_until_ended(), Some(0));
    let begun = Instant::now();
    while !admin(&cluster.nodes[other], &["create", "orders", "--key", "id"]).status.success() {
        assert!(begun.elapsed() < PATIENCE, "nobody decides any more");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_nothing_lost(&cluster, &written);
}

/// What `tasks` shows, once there is something.
fn tasks(node: &Node) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let tasks = ask(node, &["tasks"]);
        let tasks = tasks.as_array().expect("a list").clone();
        if !tasks.is_empty() {
            return tasks;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing has begun to move");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_until_done(node: &Node, at_least: u64) {
    let begun = Instant::now();
    let done = || tasks(node).iter().filter_map(|task| task["done"].as_u64()).sum::<u64>();
    while done() < at_least {
        assert!(begun.elapsed() < PATIENCE, "{}: not even {at_least} partitions have moved", node.name);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_join_and_a_leave_that_are_cancelled_in_the_middle_leave_everything_as_it_was() {
    let _alone = alone();
    let mut cluster = Cluster::start_with(3, &[SLOWLY]);
    let mut written = preload(&cluster, MOVED_SLOWLY);
    let load = Load::begin(&cluster, MOVED_SLOWLY);

    let fourth = join(&mut cluster, 0);
    commit(&cluster.nodes[0]);
    cluster.nodes[fourth].wait_until_ready();
    wait_until_done(&cluster.nodes[0], 5);
    let id = tasks(&cluster.nodes[1])[0]["id"].as_str().expect("a name").to_owned();
    let shown = ask(&cluster.nodes[2], &["task", "show", &id]);
    assert_eq!((&shown[0]["owner"], &shown[0]["returns"]), (&Value::from("n3"), &Value::from(false)), "{shown}");
    assert!(shown[0]["waiting"].is_u64(), "its owner is asked: {shown}");
    ask(&cluster.nodes[1], &["task", "cancel", &id]);
    // Whoever is new leaves, with his connections, and its process ends.
    load.while_failing(WITH_ITS_CONNECTION, || assert_eq!(cluster.nodes[fourth].wait_until_ended(), Some(0)));
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[0], &["n0", "n1", "n2"]);
    let (exit, said) = refusal(&cluster.nodes[0], &["task", "cancel", &id]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("there is no task"), "{said}");

    let fifth = join(&mut cluster, 0);
    commit(&cluster.nodes[0]);
    cluster.nodes[fifth].wait_until_ready();
    wait_until_at_rest(&cluster);
    ask(&cluster.nodes[0], &["cluster", "leave", "n1"]);
    commit(&cluster.nodes[2]);
    wait_until_done(&cluster.nodes[0], 5);
    let id = tasks(&cluster.nodes[0])[0]["id"].as_str().expect("a name").to_owned();
    let whole = id.rsplit_once('-').expect("move-N-owner").0;
    let (exit, said) = refusal(&cluster.nodes[0], &["task", "retry", whole]);
    assert!(exit == 0 || (exit == 4 && said.contains("waits for its next try")), "{exit}: {said}");
    ask(&cluster.nodes[0], &["task", "cancel", whole]);
    let (exit, said) = refusal(&cluster.nodes[0], &["task", "cancel", whole]);
    assert!(exit == 3 || (exit == 4 && said.contains("going back already")), "{exit}: {said}");
    wait_until_at_rest(&cluster);
    assert_balanced(&cluster.nodes[0], &["n0", "n1", "n2", "n4"]);
    written.extend(load.end());
    assert_nothing_lost(&cluster, &written);
    cluster.nodes.iter().filter(|node| node.is_running()).for_each(Node::assert_unharmed);
}
