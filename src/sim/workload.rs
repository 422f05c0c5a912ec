//! Clients: each speaks the bridge protocol to one node at a time, writes values that nobody else writes, and notes what it saw.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{sleep, timeout};

use super::history::{History, Outcome};
use super::network::Network;
use super::trace::Trace;
use crate::client::{CallError, Client, ConnectOptions};
use crate::dynamo::context::Context;
use crate::item::{AttributeValue, Item, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, GetReply, Put, PutError, PutReply, WriteOutcome};

/// A client waits this long for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// What all clients share.
#[derive(Clone)]
pub struct Stage {
    /// The network.
    pub network: Network,
    /// The nodes' addresses.
    pub addresses: Vec<String>,
    /// What is done and seen.
    pub history: Rc<RefCell<History>>,
    /// Where it is told.
    pub trace: Trace,
    /// Set when it is time to leave.
    pub over: Rc<Cell<bool>>,
}

/// One client.
pub struct Session {
    stage: Stage,
    name: String,
    rng: StdRng,
    connected: Option<(usize, Client)>,
    /// How many writes it has begun: names them.
    writes: u64,
    /// What the last put's reply covers: its key, the values and the context.
    last_put: Option<(String, Seen)>,
}

/// What a client has seen of a key.
#[derive(Clone, Default)]
pub struct Seen {
    /// The values that its context covers, as far as they are not superseded by each other.
    pub covers: BTreeSet<String>,
    /// The context.
    pub context: Option<Context>,
}

impl Session {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(stage: Stage, name: String, rng: StdRng) -> Self {
        Self { stage, name, rng, connected: None, writes: 0, last_put: None }
    }

    /// Does one thing after another until it is time to leave.
    pub async fn play(mut self, keys: usize, think_max_ms: u64) {
        while !self.stage.over.get() {
            sleep(Duration::from_millis(self.rng.random_range(1..=think_max_ms))).await;
            if self.rng.random_ratio(1, 10) {
                self.connected = None;
            }
            let node = self.rng.random_range(0..self.stage.addresses.len());
            let key = format!("k{}", self.rng.random_range(0..keys));
            if self.connect(node).await.is_some() {
                self.act(&key).await;
            }
        }
    }

    async fn act(&mut self, key: &str) {
        match self.rng.random_range(0..20) {
            0..3 => drop(self.get(key, None).await),
            3..5 => drop(self.put(key, Seen::default()).await),
            5..8 => {
                if let Some((key, seen)) = self.last_put.take() {
                    self.put(&key, seen).await;
                }
            }
            8..11 => {
                if let Some(seen) = self.get(key, None).await {
                    self.delete(key, seen).await;
                }
            }
            _ => {
                if let Some(seen) = self.get(key, None).await {
                    self.put(key, seen).await;
                }
            }
        }
    }

    /// The connection that there is, or one to this node.
    pub async fn connect(&mut self, node: usize) -> Option<&Client> {
        if self.connected.as_ref().is_none_or(|(_, client)| client.is_closed()) {
            self.connected = None;
            let address = &self.stage.addresses[node];
            let nonce = self.rng.random();
            let dial = async {
                let stream = self.stage.network.connect(&self.name, address).await.ok()?;
                let options = ConnectOptions { timeout: PATIENCE, ..ConnectOptions::default() };
                Client::introduce(stream, address, options, nonce).await.ok()
            };
            self.connected = timeout(PATIENCE, dial).await.ok().flatten().map(|client| (node, client));
        }
        self.connected.as_ref().map(|(_, client)| client)
    }

    /// Reads a key and notes what is shown.
    pub async fn get(&mut self, key: &str, r: Option<u8>) -> Option<Seen> {
        let reply = self.ask(key, r).await?;
        let shown = values(&reply);
        self.stage.history.borrow_mut().read(key, &shown);
        Some(Seen { covers: shown.into_iter().collect(), context: Some(reply.context) })
    }

    /// Reads a key from all replicas, and expects nothing to be missing.
    pub async fn get_finally(&mut self, key: &str, r: u8) -> bool {
        let Some(reply) = self.ask(key, Some(r)).await else { return false };
        self.stage.history.borrow_mut().last_read(key, &values(&reply));
        true
    }

    async fn ask(&mut self, key: &str, r: Option<u8>) -> Option<GetReply> {
        let encoded = TableSchema::kv().key_from_text(key, None).ok()?.to_bytes();
        let get = Get { trace: TraceId::default(), table: "kv".to_owned(), key: encoded, r, timeout_ms: None };
        let (node, client) = self.connected.as_ref()?;
        let answer = client.request(&get).await;
        let said = answer.as_ref().map_or_else(|error| error.to_string(), |reply| format!("{:?}", values(reply)));
        self.stage.trace.tell(Some(key), format!("{} get via n{node}: {said}", self.name));
        if answer.as_ref().is_err_and(is_hopeless) {
            self.connected = None;
        }
        answer.ok()
    }

    /// Writes a new value over what has been seen. Whether it was acknowledged.
    pub async fn put(&mut self, key: &str, seen: Seen) -> bool {
        let value = self.next_name("");
        let attributes = [("key", key), ("value", value.as_str())];
        let item: Item =
            attributes.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).collect();
        let put = Put {
            trace: TraceId(self.rng.random()),
            table: "kv".to_owned(),
            item: item.to_bytes(),
            context: seen.context,
            ttl_ms: None,
            w: None,
            timeout_ms: None,
        };
        let Some((node, client)) = self.connected.clone() else { return false };
        self.begin(key, &value, false, seen.covers, node);
        let reply = self.end(key, &value, client.request(&put).await);
        let Some(PutReply { context, .. }) = reply else { return false };
        self.last_put = Some((key.to_owned(), Seen { covers: [value].into(), context: Some(context) }));
        true
    }

    async fn delete(&mut self, key: &str, seen: Seen) {
        let Ok(encoded) = TableSchema::kv().key_from_text(key, None) else { return };
        let name = self.next_name("delete-");
        let delete = Delete {
            trace: TraceId(self.rng.random()),
            table: "kv".to_owned(),
            key: encoded.to_bytes(),
            context: seen.context,
            w: None,
            timeout_ms: None,
        };
        let Some((node, client)) = self.connected.clone() else { return };
        self.begin(key, &name, true, seen.covers, node);
        self.end(key, &name, client.request(&delete).await);
    }

    fn next_name(&mut self, prefix: &str) -> String {
        self.writes += 1;
        format!("{prefix}{}-{}", self.name, self.writes)
    }

    fn begin(&self, key: &str, name: &str, deletes: bool, covers: BTreeSet<String>, node: usize) {
        self.stage.trace.tell(Some(key), format!("{} writes {name} via n{node} over {covers:?}", self.name));
        self.stage.history.borrow_mut().begin_write(key, name, deletes, covers);
    }

    fn end(&mut self, key: &str, name: &str, answer: Result<PutReply, CallError<PutError>>) -> Option<PutReply> {
        let (outcome, said) = match &answer {
            Ok(_) => (Outcome::Acknowledged, "acknowledged".to_owned()),
            Err(error) => (outcome(error), error.to_string()),
        };
        self.stage.trace.tell(Some(key), format!("{name}: {said}"));
        self.stage.history.borrow_mut().end_write(key, name, outcome);
        if answer.as_ref().is_err_and(is_hopeless) {
            self.connected = None;
        }
        answer.ok()
    }
}

/// The answer will not come: this connection has to be given up.
fn is_hopeless<E>(error: &CallError<E>) -> bool {
    !matches!(error, CallError::Refused(_))
}

/// What an error promises.
fn outcome(error: &CallError<PutError>) -> Outcome {
    match error {
        CallError::Refused(PutError::QuorumNotReached { outcome: WriteOutcome::Unknown, .. })
        | CallError::ConnectionLost
        | CallError::TimedOut { .. }
        | CallError::BadAnswer { .. } => Outcome::Unknown,
        CallError::Refused(_) | CallError::NotSent { .. } => Outcome::NotApplied,
    }
}

/// The values of all siblings, in their order.
fn values(reply: &GetReply) -> Vec<String> {
    let text = |bytes: &bytes::Bytes| match Item::from_bytes(bytes).ok()?.get("value") {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    };
    reply.versions.iter().filter_map(|version| version.value.as_ref().and_then(text)).collect()
}
