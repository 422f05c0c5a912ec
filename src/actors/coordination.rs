//! What a request needs besides itself: the view it started with, the replicas it may speak to, its deadline.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};
use tokio::time::{Instant, timeout_at};

use super::node::WallClock;
use super::read_routing::{Asked, ReadRouting};
use super::views::Views;
use crate::dynamo::hedge_budget::HedgeBudget;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::{PreferenceList, replicas_of};
use crate::dynamo::quantile::Quantile;
use crate::dynamo::quorum::{Quorum, QuorumError};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::item::TableSchema;
use crate::messages::LinkError;
use crate::messages::cluster::View;
use crate::messages::metadata::HeardOfRing;
use crate::messages::replica::{CompareReplica, CoordinateWrite, ReadReplica, ScanReplica, StaleEpoch, WriteReplica};
use crate::messages::together::Together;
use crate::metrics::Metrics;

/// Where the messages of one replica go: a `Node` of this process or a `Peer`.
#[derive(Clone)]
pub struct ReplicaRecipients {
    /// Mints.
    pub coordinate: Recipient<Together<CoordinateWrite>>,
    /// Stores.
    pub write: Recipient<Together<WriteReplica>>,
    /// Reads.
    pub read: Recipient<Together<ReadReplica>>,
    /// Compares.
    pub compare: Recipient<Together<CompareReplica>>,
    /// Scans.
    pub scan: Recipient<Together<ScanReplica>>,
}

impl ReplicaRecipients {
    /// The recipients of an actor that takes all replica messages.
    pub fn of<A>(address: &Addr<A>) -> Self
    where
        A: Actor
            + Handler<Together<CoordinateWrite>>
            + Handler<Together<WriteReplica>>
            + Handler<Together<ReadReplica>>
            + Handler<Together<CompareReplica>>
            + Handler<Together<ScanReplica>>,
        A::Context: ToEnvelope<A, Together<CoordinateWrite>>
            + ToEnvelope<A, Together<WriteReplica>>
            + ToEnvelope<A, Together<ReadReplica>>
            + ToEnvelope<A, Together<CompareReplica>>
            + ToEnvelope<A, Together<ScanReplica>>,
    {
        Self {
            coordinate: address.clone().recipient(),
            write: address.clone().recipient(),
            read: address.clone().recipient(),
            compare: address.clone().recipient(),
            scan: address.clone().recipient(),
        }
    }
}

/// Every replica of the cluster, as one worker reaches it.
#[derive(Clone)]
pub struct Replicas {
    /// This node.
    pub local: NodeId,
    /// Its shards, in order.
    pub shards: Vec<ReplicaRecipients>,
    /// The other members.
    pub peers: BTreeMap<NodeId, ReplicaRecipients>,
}

impl Replicas {
    /// Who takes messages about `partition` for `node`; `None`: no such member.
    pub fn of(&self, node: &NodeId, partition: PartitionId) -> Option<&ReplicaRecipients> {
        if *node == self.local { Some(self.local_shard(partition)) } else { self.peers.get(node) }
    }

    /// The number of this node's shard for `partition`.
    pub fn shard_of(&self, partition: PartitionId) -> usize {
        partition.0 as usize % self.shards.len()
    }

    /// This node's shard for `partition`.
    pub fn local_shard(&self, partition: PartitionId) -> &ReplicaRecipients {
        &self.shards[self.shard_of(partition)]
    }
}

/// N, R and W of a request as they were when it came, and what it asks for beside what its table says.
#[derive(Clone, Copy)]
pub struct Terms {
    /// As they were then.
    pub quorum: Quorum,
    r: Option<u8>,
    w: Option<u8>,
    /// Only the key's own replicas count, and nobody stands in.
    pub strict: bool,
}

impl Terms {
    /// The same, for which nobody stands in.
    pub fn strictly(self) -> Self {
        Self { strict: true, ..self }
    }
}

/// The surroundings of one request, or of several that go together.
#[derive(Clone)]
pub struct Coordination {
    /// The cluster as it was when the request came, or when it turned out that it must be asked anew.
    pub view: Arc<View>,
    /// Whether that is another one than when the request came.
    pub is_newer: bool,
    /// The cluster as it is.
    pub views: Views,
    /// Whom it may speak to.
    pub replicas: Rc<Replicas>,
    /// When it is answered at the latest.
    pub deadline: Instant,
    /// How long replicas take to answer a read.
    pub read_latency: Rc<RefCell<Quantile>>,
    /// How many reads may ask one replica more.
    pub hedges: Rc<RefCell<HedgeBudget>>,
    /// Whom reads ask.
    pub routing: Rc<ReadRouting>,
    /// The wall clock.
    pub wall: WallClock,
    /// Where it counts.
    pub metrics: Metrics,
    /// Told of newer rings: this node may not hear who decides about them.
    pub rings: Recipient<HeardOfRing>,
    /// Given back when the request is answered.
    pub permit: Rc<Permit>,
}

impl Coordination {
    /// Who is responsible for a key, as things are, and how many of them it takes.
    pub fn replicas_of(&self, table: &str, partition: PartitionId, terms: Terms) -> (PreferenceList, Quorum) {
        let view = &self.view;
        let is_resizing = view.topology.transition().is_some_and(|moving| !moving.resized().is_empty());
        // What a table says changes seldom; it is looked up only where it may have.
        let quorums = match self.is_newer || is_resizing {
            true => view.quorums(table, terms.r, terms.w),
            false => terms.quorum.into(),
        };
        let sloppy = view.sloppy && !terms.strict;
        replicas_of(&view.topology, partition, quorums, sloppy, |node| view.reachable.contains(node))
    }

    /// The epoch that replica messages say.
    pub fn epoch(&self) -> u64 {
        self.view.topology.epoch()
    }

    /// A replica knows a newer ring: the same surroundings with a view of that epoch; `None`: none has come before the deadline.
    pub(super) async fn caught_up(&self, StaleEpoch { epoch }: StaleEpoch) -> Option<Rc<Self>> {
        self.metrics.stale_epochs.inc();
        self.rings.do_send(HeardOfRing { epoch });
        let view = timeout_at(self.deadline, self.views.of_epoch(epoch)).await.ok()?;
        (Instant::now() < self.deadline).then(|| Rc::new(Self { view, is_newer: true, ..self.clone() }))
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&TableSchema> {
        self.view.table(name)
    }

    /// The table's quorum with a request's own R and W. In a small cluster it takes fewer ([`replicas_of`](Self::replicas_of)).
    pub fn terms(&self, table: &TableSchema, r: Option<u8>, w: Option<u8>) -> Result<Terms, QuorumError> {
        let defaults = self.view.quorum;
        let or = |own: Option<u8>, default: usize| own.unwrap_or(u8::try_from(default).unwrap_or(u8::MAX));
        let n = or(table.n, defaults.n());
        let quorum = Quorum::new(n, or(r.or(table.r), defaults.r()), or(w.or(table.w), defaults.w()))?;
        Ok(Terms { quorum, r, w, strict: false })
    }

    /// The table's terms for a read from so many of the key's own replicas that one of them holds whatever W have acknowledged.
    pub fn sure_terms(&self, table: &TableSchema) -> Result<Terms, QuorumError> {
        let quorum = self.terms(table, None, None)?.quorum;
        let r = quorum.r().max(quorum.n() - quorum.w() + 1);
        Ok(self.terms(table, u8::try_from(r).ok(), None)?.strictly())
    }

    /// After this long a read asks one replica more.
    pub fn hedge_after(&self) -> Duration {
        Duration::from_secs_f64(self.read_latency.borrow().estimate())
    }

    /// Whether so many reads, which wait for somebody slow, may ask one replica more.
    pub fn may_hedge(&self, reads: usize) -> bool {
        let granted = self.hedges.borrow_mut().spend(reads);
        let counter = if granted { &self.metrics.hedged_reads } else { &self.metrics.hedges_withheld };
        counter.inc_by(reads as u64);
        granted
    }

    /// Notes that a node is asked for so many answers, unless it is this one.
    pub(super) fn ask_peer(&self, node: &NodeId, count: usize) -> Option<Asked> {
        (*node != self.view.local).then(|| self.routing.ask(node, count))
    }

    /// The key's place in storage. Items with the same partition key share a partition.
    pub fn record_key(&self, table: &TableSchema, key: &crate::item::Key) -> RecordKey {
        let partition_of = |partition_key: &[u8]| self.view.ring().partition_of(partition_key);
        RecordKey::placed(&table.storage_name(), key.encoded_capacity(), |bytes| key.append_to(bytes), partition_of)
    }
}

/// Some of a bounded number of requests in flight; dropping it makes room for as many others.
pub struct Permit {
    used: Rc<Cell<usize>>,
    count: usize,
}

impl Permit {
    /// Takes `count` of `max`, if there are as many.
    pub fn take(used: &Rc<Cell<usize>>, count: usize, max: usize) -> Option<Self> {
        if used.get() + count > max {
            return None;
        }
        used.set(used.get() + count);
        Some(Self { used: Rc::clone(used), count })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.set(self.used.get() - self.count);
    }
}

/// Requests that travel together because they go the same way.
pub(super) trait Group: Sized {
    /// One request.
    type Member;

    /// A group of one.
    fn of(cx: &Coordination, first: Self::Member) -> Self;

    /// Takes in what goes the same way; hands back any other.
    fn join(&mut self, cx: &Coordination, one: Self::Member) -> Option<Self::Member>;
}

/// Each member joins the first group that takes it in, or founds another.
pub(super) fn grouped<G: Group>(cx: &Coordination, members: impl Iterator<Item = G::Member>) -> Vec<G> {
    let mut groups: Vec<G> = Vec::new();
    for member in members {
        let left = groups.iter_mut().try_fold(member, |member, group| group.join(cx, member));
        groups.extend(left.map(|member| G::of(cx, member)));
    }
    groups
}

/// Sends a replica message; a receiver that has stopped is an answer like any other.
pub(super) async fn ask<M, T, E>(recipient: Option<&Recipient<Together<M>>>, message: M) -> Result<T, E>
where
    M: Message<Result = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<LinkError> + Send + 'static,
{
    let Some(recipient) = recipient else { return Err(LinkError::Unreachable.into()) };
    let (alone, answer) = Together::alone(message);
    recipient.do_send(alone);
    answer.await.unwrap_or_else(|_| Err(LinkError::Stopped.into()))
}

/// Sends replica messages together; the answers come all at once, in the order of the messages.
pub(super) async fn ask_all<M, T, E>(recipient: Option<&Recipient<Together<M>>>, messages: Vec<M>) -> Vec<Result<T, E>>
where
    M: Message<Result = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<LinkError> + Send + 'static,
{
    let (count, failed) = (messages.len(), |error: LinkError| Err(E::from(error)));
    let Some(recipient) = recipient else { return (0..count).map(|_| failed(LinkError::Unreachable)).collect() };
    let (together, answers) = Together::gathered(messages);
    recipient.do_send(together);
    answers.await.unwrap_or_else(|_| (0..count).map(|_| failed(LinkError::Stopped)).collect())
}
