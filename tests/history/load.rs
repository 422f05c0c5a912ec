//! Clients that write and read while nodes are killed under them: keys of their own and keys that they share, contexts handed back.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use slipring::client::{CallError, Client, ConnectOptions};
use slipring::dynamo::context::Context;
use slipring::messages::client::{PutError, WriteOutcome};

use super::{History, Outcome};
use crate::cluster::{Cluster, do_get, do_put, fresh_seed, get, put, values};

const WRITERS: u64 = 6;
const SHARED_KEYS: usize = 3;

/// New keys are taken after so many kills, so that no history grows beyond what can be checked.
const KILLS_PER_GENERATION: usize = 10;

/// A run's seed and how many kills it makes. Prints how to repeat it.
pub fn settings(test: &str, kills: usize) -> (u64, usize) {
    let (seed, kills) = (setting("SLIPRING_TEST_SEED", fresh_seed()), setting("SLIPRING_TEST_KILLS", kills));
    println!("again: SLIPRING_TEST_SEED={seed} SLIPRING_TEST_KILLS={kills} cargo test --test {test}");
    (seed, kills)
}

/// The writers and what they share.
pub struct Load {
    pub history: Arc<History>,
    generation: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Writers that go on until they are stopped.
    pub fn start(cluster: &Cluster, seed: u64) -> Self {
        let (history, generation, stop) = <(Arc<History>, Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let start = |number| {
            let writer = Writer {
                history: Arc::clone(&history),
                generation: Arc::clone(&generation),
                stop: Arc::clone(&stop),
                nodes: cluster.addresses(),
                number,
                rng: StdRng::seed_from_u64(seed ^ (number + 1)),
                connection: None,
                written: 0,
            };
            std::thread::spawn(move || block_on(writer.run()))
        };
        let writers = (0..WRITERS).map(start).collect();
        Self { history, generation, stop, writers }
    }

    /// Kills nodes while the writers write, in turn, sometimes the next one as well, sometimes and at the end all at once, and starts
    /// them again. How often each was killed.
    pub fn kill_nodes(&self, cluster: &mut Cluster, kills: usize, seed: u64) -> Vec<usize> {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = cluster.nodes.len();
        let mut killed = vec![0; count];
        while killed.iter().sum::<usize>() < kills {
            let next = killed.iter().sum::<usize>();
            self.wait_for_writes(cluster, rng.random_range(1..150));
            let last = next + count >= kills;
            let victims: Vec<usize> = match rng.random_range(0..100) {
                0..15 => (0..count).collect(),
                _ if last => (0..count).collect(),
                15..35 => vec![next % count, (next + 1) % count],
                _ => vec![next % count],
            };
            for at in &victims {
                cluster.nodes[*at].kill();
                killed[*at] += 1;
            }
            if victims.len() <= count - 2 && rng.random_bool(0.5) {
                // The others serve alone for a while.
                self.wait_for_writes(cluster, rng.random_range(1..50));
            }
            victims.iter().for_each(|at| cluster.nodes[*at].start());
            if rng.random_bool(0.8) {
                victims.iter().for_each(|at| cluster.nodes[*at].wait_until_ready());
            }
            self.generation.store(killed.iter().sum::<usize>() / KILLS_PER_GENERATION, Ordering::SeqCst);
        }
        killed
    }

    /// From now on the writers write other keys: those so far stay as they are, whoever missed their last writes.
    pub fn leave_the_keys(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until so many more writes have been acknowledged.
    pub fn wait_for_writes(&self, cluster: &Cluster, more: u64) {
        let moment = self.history.acknowledged() + more;
        cluster.nodes[0].wait_until("and the others acknowledge writes", || self.history.acknowledged() >= moment);
    }

    /// Ends the writers, waits for their requests under way, starts every node, and reads every key through every node.
    pub fn stop(self, cluster: &mut Cluster, before_the_last_reads: impl FnOnce(&Cluster)) -> Arc<History> {
        self.stop.store(true, Ordering::SeqCst);
        self.writers.into_iter().for_each(|writer| writer.join().expect("a writer ends well"));
        cluster.start_all();
        before_the_last_reads(cluster);
        block_on(read_everything(cluster, &self.history));
        self.history
    }
}

/// One client: what it knows of its own key, and its connection.
struct Writer {
    history: Arc<History>,
    generation: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    nodes: Vec<String>,
    number: u64,
    rng: StdRng,
    connection: Option<(usize, Client)>,
    written: u64,
}

/// What a client has seen of a key: the context, and the values that it covers.
#[derive(Clone, Default)]
struct Seen {
    context: Option<Context>,
    values: BTreeSet<String>,
}

impl Writer {
    async fn run(mut self) {
        let (mut generation, mut own) = (usize::MAX, Seen::default());
        while !self.stop.load(Ordering::SeqCst) {
            let now = self.generation.load(Ordering::SeqCst);
            if now != generation {
                (generation, own) = (now, Seen::default());
            }
            if self.rng.random_bool(0.5) {
                own = self.write_own(&format!("{generation:03}/own-{}", self.number), own).await;
            } else {
                let key = format!("{generation:03}/shared-{}", self.rng.random_range(0..SHARED_KEYS));
                self.write_shared(&key).await;
            }
            if self.rng.random_bool(0.05) {
                self.connection = None;
            }
        }
    }

    /// A chain of puts by one writer, mostly without a read in between.
    async fn write_own(&mut self, key: &str, seen: Seen) -> Seen {
        let seen = if self.rng.random_bool(0.2) { self.read(key).await.unwrap_or(seen) } else { seen };
        self.write(key, seen.clone()).await.unwrap_or(seen)
    }

    /// Read, merge and write, and sometimes once more with what the put answered; or blindly.
    async fn write_shared(&mut self, key: &str) {
        let seen = if self.rng.random_bool(0.1) { Some(Seen::default()) } else { self.read(key).await };
        let Some(seen) = seen else { return };
        if let Some(seen) = self.write(key, seen).await
            && self.rng.random_bool(0.3)
        {
            self.write(key, seen).await;
        }
    }

    async fn read(&mut self, key: &str) -> Option<Seen> {
        let (node, client) = self.connected().await?;
        let begun = self.history.now();
        match do_get(&client, &get(key)).await {
            Ok(found) => {
                let values: BTreeSet<String> = values(&found).into_iter().collect();
                self.history.read(key, &format!("n{node}"), begun, values.clone());
                Some(Seen { context: Some(found.context), values })
            }
            Err(error) => self.lose_connection_after(&error),
        }
    }

    async fn write(&mut self, key: &str, seen: Seen) -> Option<Seen> {
        let (_, client) = self.connected().await?;
        let value = format!("w{}.{}", self.number, self.written);
        self.written += 1;
        let history = Arc::clone(&self.history);
        history.begin_write(key, &value, seen.values.clone());
        match do_put(&client, &put(key, &value, seen.context)).await {
            Ok(reply) => {
                history.end_write(key, &value, Outcome::Acknowledged { at: history.now() });
                let values = seen.values.into_iter().chain([value]).collect();
                Some(Seen { context: Some(reply.context), values })
            }
            Err(error) => {
                history.end_write(key, &value, outcome(&error));
                self.lose_connection_after(&error)
            }
        }
    }

    /// The connection there is, or one to any node that takes it.
    async fn connected(&mut self) -> Option<(usize, Client)> {
        if self.connection.as_ref().is_none_or(|(_, client)| client.is_closed()) {
            let node = self.rng.random_range(0..self.nodes.len());
            self.connection = match Client::connect(&self.nodes[node], ConnectOptions::default()).await {
                Ok(client) => Some((node, client)),
                Err(_) => {
                    // The node is away, and a dial that is refused at once is no reason to spin.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    None
                }
            };
        }
        self.connection.clone()
    }

    fn lose_connection_after<T, E>(&mut self, error: &CallError<E>) -> Option<T> {
        if !matches!(error, CallError::Refused(_)) {
            self.connection = None;
        }
        None
    }
}

fn outcome(error: &CallError<PutError>) -> Outcome {
    match error {
        CallError::Refused(PutError::QuorumNotReached { outcome: WriteOutcome::Unknown, .. }) => Outcome::Unknown,
        CallError::Refused(_) | CallError::NotSent { .. } => Outcome::NotApplied,
        CallError::ConnectionLost | CallError::TimedOut { .. } | CallError::BadAnswer { .. } => Outcome::Unknown,
    }
}

/// Every key through every node, R = 2.
async fn read_everything(cluster: &Cluster, history: &History) {
    for node in &cluster.nodes {
        let client = node.client().await;
        for key in history.keys() {
            let begun = history.now();
            let found = do_get(&client, &get(&key)).await.expect("all nodes are up");
            history.read(&key, &node.name, begun, values(&found));
        }
    }
}

/// Runs it on this thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let given = |text: String| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number"));
    std::env::var(name).map_or(default, given)
}
