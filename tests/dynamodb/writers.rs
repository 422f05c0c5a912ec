//! Clients of the DynamoDB API that go on while nodes are killed under them: each knows what was acknowledged to it, and what may have been done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::{Answer, Connection};

/// A client with a connection to any node that takes it.
pub struct Client {
    nodes: Vec<String>,
    pub rng: StdRng,
    connection: Option<Connection>,
}

/// What became of a request.
pub enum Outcome {
    Answered(Answer),
    /// There was no answer, or one that says that nobody knows: it may have been done, also later.
    Unknown,
    /// Nothing was sent: no node was there.
    NotSent,
}

impl Client {
    pub fn new(nodes: Vec<String>, seed: u64) -> Self {
        Self { nodes, rng: StdRng::seed_from_u64(seed), connection: None }
    }

    /// Asks over the connection that there is, or over a new one to any node.
    pub fn ask(&mut self, operation: &str, parameters: &Value) -> Outcome {
        let node = self.rng.random_range(0..self.nodes.len());
        if self.rng.random_bool(0.5) {
            self.connection = None;
        }
        let connection = self.connection.take().map_or_else(|| Connection::open(&self.nodes[node]), Ok);
        let Ok(mut connection) = connection else {
            // A dial that is refused at once is no reason to spin.
            std::thread::sleep(Duration::from_millis(2));
            return Outcome::NotSent;
        };
        match connection.ask(operation, parameters) {
            Ok(answer) => {
                let is_known = answer.status < 500 && answer.error() != "ThrottlingException";
                self.connection = Some(connection).filter(|_| is_known);
                if is_known { Outcome::Answered(answer) } else { Outcome::Unknown }
            }
            Err(error) => {
                let is_hung = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(!is_hung, "a request was left hanging");
                Outcome::Unknown
            }
        }
    }
}

/// Clients on threads of their own, until they are told to stop.
pub struct Running<T> {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<T>>,
}

/// What a client on its thread sees of the run.
#[derive(Clone)]
pub struct Run {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Run {
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// One more was acknowledged.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }
}

impl<T: Send + 'static> Running<T> {
    pub fn start(
        count: u64,
        nodes: &[String],
        seed: u64,
        work: impl Fn(u64, Client, &Run) -> T + Clone + Send + 'static,
    ) -> Self {
        let (stop, done) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let start = |number: u64| {
            let (work, run) = (work.clone(), Run { stop: Arc::clone(&stop), done: Arc::clone(&done) });
            let client = Client::new(nodes.to_vec(), seed ^ (number + 1));
            std::thread::spawn(move || work(number, client, &run))
        };
        let threads = (0..count).map(start).collect();
        Self { stop, done, threads }
    }

    /// How many requests have been acknowledged.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Ends all of them. What each has come to.
    pub fn stop(self) -> Vec<T> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().map(|thread| thread.join().expect("a client ends well")).collect()
    }
}
