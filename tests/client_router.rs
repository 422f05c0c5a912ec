//! A router sends each request to a node that stores the key, and goes on when a node dies: nothing that was acknowledged is lost.

mod cluster;
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use cluster::{Cluster, eventually, fresh_seed, get, primaries, put, values};
use history::load::block_on;
use history::{History, Outcome};
use slipring::client::{RouteError, Router, RouterOptions};
use slipring::dynamo::context::Context;
use slipring::messages::client::WriteOutcome;
use slipring::wire::handshake::Secret;

const WRITERS: usize = 4;

fn options() -> RouterOptions {
    RouterOptions { seed: fresh_seed(), ..RouterOptions::default() }
}

fn connected(router: &Router) -> BTreeSet<String> {
    router.connections().into_iter().map(|(node, _)| node.to_string()).collect()
}

/// How many requests of clients each node has coordinated.
fn coordinated(cluster: &Cluster) -> BTreeMap<String, u64> {
    let count = |node: &cluster::Node| (node.name.clone(), node.metric_sum("slipring_requests_total") as u64);
    cluster.nodes.iter().map(count).collect()
}

#[test]
fn every_request_goes_straight_to_the_owner_of_its_key() {
    let cluster = Cluster::start(5);
    block_on(async {
        // One seed, and not the node that the others are told to ask.
        let router = Router::connect(&[&cluster.nodes[3].bridge], options()).await.expect("a router");
        assert_eq!(connected(&router), cluster.nodes.iter().map(|node| node.name.clone()).collect());

        let keys: Vec<String> = (0..200).map(|number| format!("key-{number}")).collect();
        let witness = cluster.nodes[0].client().await;
        let mut expected = coordinated(&cluster);
        for key in &keys {
            // As the nodes say, not as the router computes it.
            let owner = primaries(&witness, key).await.remove(0);
            *expected.get_mut(&owner).expect("a node") += 2;
        }
        for key in &keys {
            let context = router.put(put(key, "v", None)).await.expect("all nodes are up").context;
            let found = router.get(get(key)).await.expect("all nodes are up");
            assert_eq!((values(&found), found.context), (vec!["v".to_owned()], context));
        }
        assert_eq!(coordinated(&cluster), expected, "a request that went elsewhere took a hop");
        let counts = router.counts();
        assert_eq!((counts.requests, counts.to_owner, counts.retries), (400, 400, 0));
    });
}

#[test]
fn a_router_that_is_not_let_in_says_why() {
    let mut cluster = Cluster::prepare(1, &[("cluster.name", "\"orders\"")]);
    let secret = cluster.nodes[0].log.with_extension("secret");
    std::fs::write(&secret, "a secret of some length").expect("a secret file");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    let quoted = format!("{:?}", secret.display().to_string());
    cluster.nodes[0].set("cluster.secret_file", &quoted);
    cluster.nodes[0].start();
    cluster.nodes[0].wait_until_ready();
    let seeds = [cluster.nodes[0].bridge.clone()];
    let refused = |secret: Option<&str>, name: Option<&str>| {
        let secret = secret.map(|secret| Secret::new(secret.as_bytes().to_vec()));
        let options = RouterOptions { secret, cluster_name: name.map(str::to_owned), ..options() };
        block_on(Router::connect(&seeds, options)).err().map(|error| error.to_string())
    };
    let right = Some("a secret of some length");
    assert_eq!(refused(right, Some("orders")), None);
    let error = refused(Some("a secret of another sort"), None).expect("the wrong secret");
    assert!(error.contains(&seeds[0]) && error.contains("does not know the cluster secret"), "{error}");
    let error = refused(None, None).expect("no secret");
    assert!(error.contains("the cluster secret does not match"), "{error}");
    let error = refused(right, Some("billing")).expect("the wrong name");
    assert!(error.contains("belongs to the cluster named `orders`, not `billing`"), "{error}");
}

#[test]
fn requests_go_on_when_a_node_dies_and_use_it_again_when_it_is_back() {
    let mut cluster = Cluster::start_with(3, &[("storage.durability", "\"always\"")]);
    let load = Load::start(&cluster);
    load.wait_for_writes(&cluster, 100);
    for victim in [1, 0, 2] {
        cluster.nodes[victim].kill();
        // What follows is written while the node is away.
        load.wait_for_writes(&cluster, 200);
        assert!(!connected(&load.router).contains(&cluster.nodes[victim].name));
        cluster.nodes[victim].start();
        cluster.nodes[victim].wait_until_ready();
        cluster.nodes[victim]
            .wait_until("is used again", || cluster.nodes[victim].metric_sum("slipring_requests_total") > 20.0);
        load.wait_for_writes(&cluster, 50);
    }
    cluster.wait_until_connected();
    let (router, history) = load.stop();
    let counts = router.counts();
    println!("{}; {counts:?}", history.summary());
    history.assert_consistent(0);
    assert!(counts.retries as f64 <= 100.0 + 0.1 * counts.requests as f64, "{counts:?}");
}

#[test]
fn a_node_that_hangs_is_left_and_what_waits_for_it_is_told() {
    let cluster = Cluster::start(3);
    block_on(async {
        let router = Router::connect(&cluster.addresses(), options()).await.expect("a router");
        let hung = &cluster.nodes[2];
        let witness = cluster.nodes[0].client().await;
        let mut owned = Vec::new();
        for number in 0.. {
            let key = format!("key-{number}");
            if primaries(&witness, &key).await[0] == hung.name {
                owned.push(key);
            }
            if owned.len() == 2 {
                break;
            }
        }
        router.put(put(&owned[0], "before", None)).await.expect("all nodes are up");
        hung.hang();
        let (read, written) =
            tokio::join!(router.get(get(&owned[0])), router.put(put(&owned[1], "into the void", None)));
        assert_eq!(values(&read.expect("another replica answers")), ["before"]);
        let error = written.expect_err("nobody can know whether it was written");
        assert!(matches!(&error, RouteError::Unanswered { node, .. } if node.as_str() == hung.name), "{error}");
        assert_eq!(error.outcome(), WriteOutcome::Unknown);
        assert!(!connected(&router).contains(&hung.name));
        hung.go_on();
        eventually("it is connected again", async || connected(&router).contains(&hung.name)).await;
    });
}

/// Writers that each write a chain of values to keys of their own, all through clones of one router.
struct Load {
    router: Router,
    history: Arc<History>,
    stop: Arc<AtomicBool>,
    writers: JoinHandle<()>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let (history, stop) = (Arc::new(History::default()), Arc::new(AtomicBool::new(false)));
        let seeds = [cluster.nodes[0].bridge.clone()];
        let (hand_out, router) = std::sync::mpsc::channel();
        let (shared, stopped) = (Arc::clone(&history), Arc::clone(&stop));
        let writers = std::thread::spawn(move || {
            block_on(async {
                let router = Router::connect(&seeds, options()).await.expect("a router");
                hand_out.send(router.clone()).expect("the test waits for it");
                let write = |number| write_chain(router.clone(), Arc::clone(&shared), Arc::clone(&stopped), number);
                futures_util::future::join_all((0..WRITERS).map(write)).await;
                // Here, where the router's connections live.
                read_everything(&router, &shared).await;
            });
        });
        Self { router: router.recv().expect("a router"), history, stop, writers }
    }

    /// Waits until so many more writes have been acknowledged.
    fn wait_for_writes(&self, cluster: &Cluster, more: u64) {
        let moment = self.history.acknowledged() + more;
        let running = cluster.nodes.iter().find(|node| node.is_running()).expect("a node runs");
        running.wait_until("and the others acknowledge writes", || self.history.acknowledged() >= moment);
    }

    /// Ends the writers and reads every key once more; all nodes must be up.
    fn stop(self) -> (Router, Arc<History>) {
        self.stop.store(true, Ordering::SeqCst);
        self.writers.join().expect("the writers end well");
        (self.router, self.history)
    }
}

/// Puts with the context of the put before; after one whose fate is not known, with that of a read.
async fn write_chain(router: Router, history: Arc<History>, stop: Arc<AtomicBool>, number: usize) {
    let (mut context, mut covers): (Option<Context>, BTreeSet<String>) = (None, BTreeSet::new());
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        // New keys now and then, so that all nodes own some and no history grows long.
        let key = format!("chain-{number}-{}", turn / 20);
        if turn % 20 == 0 {
            (context, covers) = (None, BTreeSet::new());
        }
        let value = format!("w{number}.{turn}");
        history.begin_write(&key, &value, covers.clone());
        match router.put(put(&key, &value, context.clone())).await {
            Ok(reply) => {
                history.end_write(&key, &value, Outcome::Acknowledged { at: history.now() });
                context = Some(reply.context);
                covers.insert(value);
            }
            Err(error) => {
                let outcome = match error.outcome() {
                    WriteOutcome::NotApplied => Outcome::NotApplied,
                    WriteOutcome::Unknown => Outcome::Unknown,
                };
                history.end_write(&key, &value, outcome);
                let begun = history.now();
                if let Ok(found) = router.get(get(&key)).await {
                    covers = values(&found).into_iter().collect();
                    history.read(&key, "the router", begun, covers.clone());
                    context = Some(found.context);
                }
            }
        }
    }
}

async fn read_everything(router: &Router, history: &History) {
    for key in history.keys() {
        let begun = history.now();
        let found = router.get(get(&key)).await.expect("all nodes are up");
        history.read(&key, "the router", begun, values(&found));
    }
}
