//! The clients of an experiment: each takes a batch of requests, sends it at once, waits for all answers, and takes the next.
//!
//! A put goes over everything that any client has been told of its key so far, as in an application that keeps what it has read:
//! siblings arise only among puts that are under way together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::{IteratorRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use super::floor::floor_ms;
use super::keys::KeyPicker;
use super::plan::{Coordinator, Operation, Order, Setup, Workload};
use crate::client::{Client, ConnectOptions};
use crate::dynamo::context::Context;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::version::VersionVector;
use crate::item::{AttributeValue, Item};
use crate::messages::TraceId;
use crate::messages::client::{Get, Put};
use crate::sim::cluster::{Cluster, SimError, part_of};
use crate::sim::network::Network;

/// A client waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of all requests of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// How long each successful one took, in ms.
    pub(super) latencies_ms: Vec<f64>,
    /// The least that each of these can take.
    pub(super) floors_ms: Vec<f64>,
    /// How many failed.
    pub(super) failed: usize,
}

/// A key, and where it belongs.
struct KnownKey {
    name: String,
    record: RecordKey,
    primaries: BTreeSet<usize>,
    /// What the clients have seen of it.
    seen: RefCell<VersionVector>,
}

/// What all clients share.
pub(super) struct Load {
    network: Network,
    addresses: Vec<String>,
    setup: Setup,
    keys: Vec<KnownKey>,
    /// The least mean, by what is asked for and whether the node that is asked holds a copy.
    floors_ms: BTreeMap<(Operation, bool), f64>,
    /// What is still to be asked for, with the place of the key.
    waiting: RefCell<VecDeque<(Operation, usize)>>,
    measured: RefCell<BTreeMap<Operation, Measured>>,
}

impl Load {
    pub(super) fn new(setup: &Setup, cluster: &Cluster, network: &Network, rng: &mut StdRng) -> Result<Self, SimError> {
        let ways =
            [Operation::Get, Operation::Put].into_iter().flat_map(|operation| [(operation, false), (operation, true)]);
        let floors_ms = ways.map(|way| (way, floor_ms(setup, way.0, way.1, rng))).collect();
        let known = |at: usize| {
            let name = format!("key{at}");
            let no_key = || SimError::Plan(format!("{name} is no key"));
            let record = cluster.record_key(&name).ok_or_else(no_key)?;
            let primaries = cluster.primaries(record.partition());
            Ok(KnownKey { name, record, primaries, seen: RefCell::default() })
        };
        Ok(Self {
            network: network.clone(),
            addresses: cluster.addresses(),
            setup: setup.clone(),
            keys: (0..setup.workload.keys).map(known).collect::<Result<_, SimError>>()?,
            floors_ms,
            waiting: RefCell::default(),
            measured: RefCell::default(),
        })
    }

    /// Everything that is asked for, in parts that follow each other.
    pub(super) fn phases(&self, rng: &mut StdRng) -> Vec<VecDeque<(Operation, usize)>> {
        let Workload { puts, gets, order, keys, choice, .. } = self.setup.workload;
        let picker = KeyPicker::new(choice, keys);
        let mut draw = |operation, count: usize| -> Vec<(Operation, usize)> {
            (0..count).map(|_| (operation, picker.pick(rng))).collect()
        };
        let (puts, gets) = (draw(Operation::Put, puts), draw(Operation::Get, gets));
        let phases = match order {
            Order::Phases => vec![puts, gets],
            Order::Mixed => {
                let mut both = [puts, gets].concat();
                both.shuffle(rng);
                vec![both]
            }
        };
        phases.into_iter().filter(|phase| !phase.is_empty()).map(VecDeque::from).collect()
    }

    /// The clients, connected to every node that they can reach.
    pub(super) async fn clients(self: &Rc<Self>, rng: &mut StdRng) -> Vec<LoadClient> {
        let client = |at| LoadClient {
            load: Rc::clone(self),
            name: format!("c{at}"),
            rng: part_of(rng),
            connections: BTreeMap::new(),
        };
        let mut clients: Vec<LoadClient> = (0..self.setup.workload.clients).map(client).collect();
        join_all(clients.iter_mut().map(LoadClient::connect_everywhere)).await;
        clients
    }

    pub(super) fn begin(&self, phase: VecDeque<(Operation, usize)>) {
        *self.waiting.borrow_mut() = phase;
    }

    /// What has been measured so far.
    pub(super) fn measured(&self, operation: Operation) -> Measured {
        self.measured.borrow().get(&operation).cloned().unwrap_or_default()
    }

    fn next_batch(&self) -> Vec<(Operation, usize)> {
        let mut waiting = self.waiting.borrow_mut();
        let count = self.setup.workload.batch.min(waiting.len());
        waiting.drain(..count).collect()
    }

    fn note(&self, operation: Operation, took: Option<Duration>, is_replica: bool) {
        let mut measured = self.measured.borrow_mut();
        let measured = measured.entry(operation).or_default();
        match took {
            Some(took) => {
                measured.latencies_ms.push(took.as_secs_f64() * 1_000.0);
                measured.floors_ms.extend(self.floors_ms.get(&(operation, is_replica)));
            }
            None => measured.failed += 1,
        }
    }
}

/// One client.
pub(super) struct LoadClient {
    load: Rc<Load>,
    name: String,
    rng: StdRng,
    connections: BTreeMap<usize, Client>,
}

impl LoadClient {
    async fn connect_everywhere(&mut self) {
        for node in 0..self.load.addresses.len() {
            self.connect(node).await;
        }
    }

    /// The connection to a node; none: it does not listen.
    async fn connect(&mut self, node: usize) -> Option<Client> {
        if let Some(client) = self.connections.get(&node).filter(|client| !client.is_closed()) {
            return Some(client.clone());
        }
        let address = &self.load.addresses[node];
        let stream = self.load.network.connect(&self.name, address).await.ok()?;
        let options = ConnectOptions { timeout: PATIENCE, ..ConnectOptions::default() };
        let client = Client::introduce(stream, address, options, self.rng.random()).await.ok()?;
        self.connections.insert(node, client.clone());
        Some(client)
    }

    /// Until nothing is left to be asked for.
    pub(super) async fn work(mut self) -> Self {
        loop {
            let batch = self.load.next_batch();
            if batch.is_empty() {
                return self;
            }
            let mut under_way = Vec::with_capacity(batch.len());
            for (operation, key) in batch {
                let node = self.coordinator(key);
                let connected = self.connect(node).await;
                let trace = TraceId(self.rng.random());
                under_way.push(request(Rc::clone(&self.load), connected, operation, key, node, trace));
            }
            join_all(under_way).await;
            sleep(Duration::from_millis(self.load.setup.workload.pause_ms)).await;
        }
    }

    fn coordinator(&mut self, key: usize) -> usize {
        let any = self.rng.random_range(0..self.load.addresses.len());
        match self.load.setup.workload.coordinator {
            Coordinator::Any => any,
            Coordinator::NotSlow => {
                let slow = self.load.setup.slow_node.node;
                (0..self.load.addresses.len()).filter(|at| *at != slow).choose(&mut self.rng).unwrap_or(any)
            }
            Coordinator::Primary => self.load.keys[key].primaries.iter().copied().choose(&mut self.rng).unwrap_or(any),
        }
    }
}

async fn request(
    load: Rc<Load>,
    client: Option<Client>,
    operation: Operation,
    key: usize,
    node: usize,
    trace: TraceId,
) {
    let known = &load.keys[key];
    let sent = Instant::now();
    let seen = match &client {
        None => None,
        Some(client) if operation == Operation::Get => get(client, known, trace).await,
        Some(client) => put(client, known, load.setup.workload.value_bytes, trace).await,
    };
    let took = seen.as_ref().map(|_| sent.elapsed());
    if let Some(vector) = seen.as_ref().and_then(|context| context.for_key(known.record.as_bytes()).ok()) {
        known.seen.borrow_mut().merge(vector);
    }
    load.note(operation, took, known.primaries.contains(&node));
}

async fn get(client: &Client, known: &KnownKey, trace: TraceId) -> Option<Context> {
    let key = bytes::Bytes::copy_from_slice(known.record.key());
    let get = Get { trace, table: "kv".to_owned(), key, r: None, timeout_ms: None };
    client.request(&get).await.ok().map(|reply| reply.context)
}

async fn put(client: &Client, known: &KnownKey, value_bytes: usize, trace: TraceId) -> Option<Context> {
    let attributes = [("key", known.name.clone()), ("value", "x".repeat(value_bytes))];
    let item: Item = attributes.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text))).collect();
    let seen = known.seen.borrow().clone();
    let put = Put {
        trace,
        table: "kv".to_owned(),
        item: item.to_bytes(),
        context: Some(Context::new(known.record.as_bytes(), seen)),
        ttl_ms: None,
        w: None,
        timeout_ms: None,
    };
    client.request(&put).await.ok().map(|reply| reply.context)
}

/// The same chance for every case of an experiment, so that cases differ in their setups only.
pub(super) fn chance(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
