//! One client: speaks the bridge protocol to one node at a time, writes values that nobody else writes, and notes what it saw.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::cluster::record_key;
use super::frames::READ_TRACE;
use super::history::{Intent, Outcome, Reading, Shown};
use super::stage::Stage;
use crate::client::{CallError, Client, ConnectOptions};
use crate::dynamo::context::Context;
use crate::dynamo::version::VersionVector;
use crate::item::{AttributeValue, Item, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, GetReply, Put, PutError, PutReply, WriteOutcome};

/// A client waits this long for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// One write in this many whose answer did not come is sent a second time.
const RESENT_ONE_IN: u32 = 4;

/// What a client has seen of a key.
#[derive(Clone, Default)]
pub struct Seen {
    /// The values that its context covers, as far as they are not superseded by each other.
    pub covers: BTreeSet<String>,
    /// The context.
    pub context: Option<Context>,
    /// All that those values contain, where they are sets.
    pub elements: BTreeSet<String>,
}

/// What is put, beside its name.
#[derive(Clone, Default)]
pub(super) struct Value {
    pub(super) elements: BTreeSet<String>,
    /// Whether it contains its own name, too.
    pub(super) adds_its_name: bool,
    pub(super) removes: Option<String>,
    pub(super) ttl_ms: Option<u64>,
}

/// One client.
pub struct Session {
    pub(super) stage: Stage,
    name: String,
    pub(super) rng: StdRng,
    connected: Option<(usize, Client)>,
    /// How many writes it has begun: names them.
    writes: u64,
}

impl Session {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(stage: Stage, name: String, rng: StdRng) -> Self {
        Self { stage, name, rng, connected: None, writes: 0 }
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

    /// Breaks the connection, if there is one.
    pub fn leave(&mut self) {
        self.connected = None;
    }

    /// Reads a key and notes what is shown.
    pub async fn get(&mut self, key: &str, r: Option<u8>) -> Option<Seen> {
        let (reading, reply) = self.ask(key, r).await?;
        let shown = shown(&reply);
        let now_ms = self.stage.trace.now_ms();
        self.stage.history.borrow_mut().read(key, &shown, &reading, now_ms);
        self.check_context(key, &reply);
        let elements = shown.iter().flat_map(|one| one.elements.iter().cloned()).collect();
        let covers = shown.into_iter().map(|one| one.name).collect();
        Some(Seen { covers, context: Some(reply.context), elements })
    }

    /// Reads a key from all replicas, and expects nothing to be missing.
    pub async fn get_finally(&mut self, key: &str, r: u8) -> bool {
        let Some((_, reply)) = self.ask(key, Some(r)).await else { return false };
        let now_ms = self.stage.trace.now_ms();
        self.stage.history.borrow_mut().last_read(key, &shown(&reply), now_ms);
        true
    }

    async fn ask(&mut self, key: &str, r: Option<u8>) -> Option<(Reading, GetReply)> {
        let encoded = TableSchema::kv().key_from_text(key, None).ok()?.to_bytes();
        let trace = TraceId(self.rng.random::<u64>() | READ_TRACE);
        let get = Get { trace, table: "kv".to_owned(), key: encoded, r, timeout_ms: None };
        let (node, client) = self.connected.as_ref()?;
        let reading = self.stage.history.borrow().begin_read(key, self.stage.trace.now_ms());
        let answer = client.request(&get).await;
        let said = answer.as_ref().map_or_else(|error| error.to_string(), |reply| format!("{:?}", names(reply)));
        self.stage.trace.tell(Some(key), format!("{} get via n{node}: {said}", self.name));
        if answer.as_ref().is_err_and(is_hopeless) {
            self.connected = None;
        }
        answer.ok().map(|reply| (reading, reply))
    }

    /// A context covers what is shown with it.
    fn check_context(&self, key: &str, reply: &GetReply) {
        let Some(seen) = self.vector(key, Some(&reply.context)) else { return };
        if let Some(outside) = reply.versions.iter().find(|version| !seen.contains(&version.dot)) {
            let what = format!("the context of a read does not cover {}, which it shows", outside.dot);
            self.stage.history.borrow_mut().report(Some(key), None, what);
        }
    }

    fn vector(&self, key: &str, context: Option<&Context>) -> Option<VersionVector> {
        let record = record_key(&self.stage.ring, key)?;
        context?.for_key(record.as_bytes()).ok().cloned()
    }

    /// Writes a new value over what has been seen. What the reply covers, if it was acknowledged.
    pub(super) async fn put(&mut self, key: &str, seen: &Seen, value: Value) -> Option<Seen> {
        let name = self.next_name("");
        let mut elements = value.elements;
        if value.adds_its_name {
            elements.insert(name.clone());
        }
        let put = Put {
            trace: TraceId(self.rng.random::<u64>() & !READ_TRACE),
            table: "kv".to_owned(),
            item: item(key, &name, &elements).to_bytes(),
            context: seen.context.clone(),
            ttl_ms: value.ttl_ms,
            w: None,
            timeout_ms: None,
        };
        let (node, client) = self.connected.clone()?;
        let (ttl_ms, removes) = (value.ttl_ms, value.removes);
        let intent = Intent { name: name.clone(), ttl_ms, removes, elements: elements.clone(), ..self.intent(seen) };
        self.begin(key, intent, node);
        let mut reply = self.end(key, &name, seen, client.request(&put).await);
        if reply.is_none() && self.connected.is_none() && self.rng.random_ratio(1, RESENT_ONE_IN) {
            reply = self.send_again(key, &name, seen, &put).await;
        }
        let context = Some(reply?.context);
        Some(Seen { covers: [name].into(), context, elements })
    }

    async fn send_again(&mut self, key: &str, name: &str, seen: &Seen, put: &Put) -> Option<PutReply> {
        let node = self.rng.random_range(0..self.stage.addresses.len());
        let client = self.connect(node).await?.clone();
        self.stage.trace.tell(Some(key), format!("{} sends {name} again, via n{node}", self.name));
        self.stage.history.borrow_mut().resend(key, name);
        self.end(key, name, seen, client.request(put).await)
    }

    /// Deletes what has been seen.
    pub(super) async fn delete(&mut self, key: &str, seen: &Seen) -> Option<()> {
        let encoded = TableSchema::kv().key_from_text(key, None).ok()?;
        let name = self.next_name("delete-");
        let delete = Delete {
            trace: TraceId(self.rng.random::<u64>() & !READ_TRACE),
            table: "kv".to_owned(),
            key: encoded.to_bytes(),
            context: seen.context.clone(),
            w: None,
            timeout_ms: None,
        };
        let (node, client) = self.connected.clone()?;
        self.begin(key, Intent { name: name.clone(), deletes: true, ..self.intent(seen) }, node);
        self.end(key, &name, seen, client.request(&delete).await).map(drop)
    }

    fn next_name(&mut self, prefix: &str) -> String {
        self.writes += 1;
        format!("{prefix}{}-{}", self.name, self.writes)
    }

    fn intent(&self, seen: &Seen) -> Intent {
        Intent { author: self.name.clone(), covers: seen.covers.clone(), ..Intent::default() }
    }

    fn begin(&self, key: &str, intent: Intent, node: usize) {
        let Intent { name, covers, ttl_ms, .. } = &intent;
        let expiry = ttl_ms.map_or_else(String::new, |ttl_ms| format!(", for {ttl_ms} ms"));
        self.stage.trace.tell(Some(key), format!("{} writes {name} via n{node} over {covers:?}{expiry}", self.name));
        self.stage.history.borrow_mut().begin_write(key, intent, self.stage.trace.now_ms());
    }

    fn end(
        &mut self,
        key: &str,
        name: &str,
        seen: &Seen,
        answer: Result<PutReply, CallError<PutError>>,
    ) -> Option<PutReply> {
        let (outcome, said) = match &answer {
            Ok(_) => (Outcome::Acknowledged, "acknowledged".to_owned()),
            Err(error) => (outcome(error), error.to_string()),
        };
        self.stage.trace.tell(Some(key), format!("{name}: {said}"));
        self.stage.history.borrow_mut().end_write(key, name, outcome, self.stage.trace.now_ms());
        if answer.as_ref().is_err_and(is_hopeless) {
            self.connected = None;
        }
        let reply = answer.ok()?;
        let covers = |context| self.vector(key, context).unwrap_or_default();
        if !covers(Some(&reply.context)).descends(&covers(seen.context.as_ref())) {
            let what = format!("{name}: the context of its reply does not cover that of the request");
            self.stage.history.borrow_mut().report(Some(key), Some(name), what);
        }
        Some(reply)
    }
}

/// The answer will not come: this connection has to be given up.
fn is_hopeless<E>(error: &CallError<E>) -> bool {
    !matches!(error, CallError::Refused(_))
}

/// What an error promises.
pub(super) fn outcome(error: &CallError<PutError>) -> Outcome {
    match error {
        CallError::Refused(PutError::QuorumNotReached { outcome: WriteOutcome::Unknown, .. })
        | CallError::ConnectionLost
        | CallError::TimedOut { .. }
        | CallError::BadAnswer { .. } => Outcome::Unknown,
        CallError::Refused(_) | CallError::NotSent { .. } => Outcome::NotApplied,
    }
}

fn item(key: &str, name: &str, elements: &BTreeSet<String>) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut attributes = vec![("key".to_owned(), text(key)), ("value".to_owned(), text(name))];
    if !elements.is_empty() {
        attributes.push(("elements".to_owned(), AttributeValue::Ss(elements.clone())));
    }
    attributes.into_iter().collect()
}

/// The name of the write that left this value.
pub(super) fn name_of(value: Option<&Bytes>) -> Option<String> {
    match Item::from_bytes(value?).ok()?.get("value") {
        Some(AttributeValue::S(name)) => Some(name.clone()),
        _ => None,
    }
}

fn elements_of(value: Option<&Bytes>) -> BTreeSet<String> {
    match value.and_then(|bytes| Item::from_bytes(bytes).ok()).as_ref().and_then(|item| item.get("elements")) {
        Some(AttributeValue::Ss(elements)) => elements.clone(),
        _ => BTreeSet::new(),
    }
}

fn shown(reply: &GetReply) -> Vec<Shown> {
    let one = |version: &crate::dynamo::siblings::Version| {
        let (value, dot) = (version.value.as_ref(), version.dot);
        Some(Shown { name: name_of(value)?, dot, elements: elements_of(value) })
    };
    reply.versions.iter().filter_map(one).collect()
}

fn names(reply: &GetReply) -> Vec<String> {
    reply.versions.iter().filter_map(|version| name_of(version.value.as_ref())).collect()
}
