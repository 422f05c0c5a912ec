//! One connection that another node, a client or an admin has made: frames in, messages to the actors, replies out.
//!
//! The listener starts it after the handshake. It decides only whether an operation suits the role, and whether a peer speaks in its own name;
//! the rest is the receivers' business. When the connection ends, replies on their way have nowhere to go; what they report has happened all the same.

use std::collections::BTreeMap;
use std::rc::Rc;

use actix::dev::RecipientRequest;
use actix::{Actor, Context, Handler, Message, Recipient};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tracing::warn;

use super::coordination::ReplicaRecipients;
use super::garbage_collector::GarbageRecipients;
use super::link::FramesArrived;
use super::log_recipients::LogRecipients;
use super::repair_recipients::RepairRecipients;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;
use crate::messages::admin::{DescribeHints, DescribeNodes, DescribeRing, DescribeStatus, ReadMetrics};
use crate::messages::balancing::Rebalance;
use crate::messages::client::{Delete, Get, ListTables, Put, Query, Scan, Where};
use crate::messages::detection::{DescribeLinks, Gossip};
use crate::messages::garbage::{CollectTombstones, DescribeTombstones, ProbeTombstones};
use crate::messages::hints::HintedPartitions;
use crate::messages::load::{DescribeLoad, ReadLoad};
use crate::messages::metadata::{ChangeTables, DescribeMetadata, EnrolLog, FetchMetadata, Propose, ReadEpoch, StepLog};
use crate::messages::modify::{Modify, SequenceModify};
use crate::messages::repair::{ControlRepair, DescribeRepair, DistrustTree, ListBuckets, ReadLeaves, ReadRoot};
use crate::messages::replica::{CompareReplica, CoordinateWrite, ReadReplica, ScanReplica, WriteReplica};
use crate::messages::ring::{ChangeRing, CommitPlan, DescribePlan, DescribeTasks, StageNode, TendMove};
use crate::messages::together::{Answers, Together};
use crate::messages::transaction::{TransactGet, TransactWrite};
use crate::wire::frame::{Frame, FrameKind, PayloadError};
use crate::wire::handshake::Role;
use crate::wire::operation::{BridgeRequest, Operation};
use crate::wire::outbox::Outbox;

/// Where the operations of a connection go, on the worker that serves it.
#[derive(Clone)]
pub struct SessionRecipients {
    /// Writes an item.
    pub put: Recipient<Together<Put>>,
    /// Deletes an item.
    pub delete: Recipient<Delete>,
    /// Reads an item.
    pub get: Recipient<Together<Get>>,
    /// Reads a slice of a table.
    pub scan: Recipient<Scan>,
    /// Reads items of one partition key.
    pub query: Recipient<Query>,
    /// Changes an item as it is.
    pub modify: Recipient<Modify>,
    /// Changes several items.
    pub transact_write: Recipient<TransactWrite>,
    /// Reads several items at one time.
    pub transact_get: Recipient<TransactGet>,
    /// This node's sequencers, for its peers.
    pub sequencers: Vec<Recipient<Together<SequenceModify>>>,
    /// Shows a key's place.
    pub place: Recipient<Where>,
    /// Lists the tables.
    pub tables: Recipient<ListTables>,
    /// This node's shards, for its peers.
    pub shards: Vec<ReplicaRecipients>,
    /// Hears rumours.
    pub gossip: Recipient<Together<Gossip>>,
    /// Who reaches whom.
    pub links: Recipient<DescribeLinks>,
    /// The same shards, for their anti-entropy.
    pub repairs: Vec<RepairRecipients>,
    /// Where this node keeps hints.
    pub hinted: Recipient<Together<HintedPartitions>>,
    /// This node's part in the log of metadata.
    pub log: LogRecipients,
    /// How the metadata stands.
    pub metadata: Recipient<DescribeMetadata>,
    /// Changes the tables.
    pub change_tables: Recipient<ChangeTables>,
    /// Stages nodes that wait to be joined.
    pub stage_node: Recipient<StageNode>,
    /// Changes the ring.
    pub change_ring: Recipient<ChangeRing>,
    /// What a commit would do.
    pub plan: Recipient<DescribePlan>,
    /// Commits.
    pub commit_plan: Recipient<CommitPlan>,
    /// What moves.
    pub tasks: Recipient<DescribeTasks>,
    /// What this node knows of a move.
    pub moves: Recipient<Together<TendMove>>,
    /// Balances the load.
    pub rebalance: Recipient<Rebalance>,
    /// The same shards, for their garbage collectors.
    pub garbage: Vec<GarbageRecipients>,
    /// Which tombstones are there, and why.
    pub tombstones: Recipient<DescribeTombstones>,
    /// How far anti-entropy is.
    pub repair_status: Recipient<DescribeRepair>,
    /// Runs, pauses, resumes it.
    pub repair_control: Recipient<ControlRepair>,
    /// The node's status.
    pub status: Recipient<DescribeStatus>,
    /// The members.
    pub nodes: Recipient<DescribeNodes>,
    /// The ring.
    pub ring: Recipient<DescribeRing>,
    /// The metrics.
    pub metrics: Recipient<ReadMetrics>,
    /// What waits for other nodes.
    pub hints: Recipient<DescribeHints>,
    /// What is asked of the cluster.
    pub cluster_load: Recipient<DescribeLoad>,
    /// What is asked of this node.
    pub load: Recipient<Together<ReadLoad>>,
}

/// Why a connection is given up. Nothing of the frame was acted on.
#[derive(Debug, thiserror::Error)]
enum Misbehaviour {
    #[error("operation {number} is unknown to this version")]
    UnknownOperation { number: u16 },
    #[error("{operation:?} is not for the role `{role}`")]
    WrongRole { operation: Operation, role: &'static str },
    #[error("{session} claims to be {claimed}")]
    FalseName { session: NodeId, claimed: NodeId },
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// The server side of one connection.
pub struct BridgeSession {
    who: String,
    role: Role,
    outbox: Outbox,
    recipients: Rc<SessionRecipients>,
    /// Connections given up for what was said on them.
    refused: Counter,
}

/// The connection has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ConnectionEnded;

impl BridgeSession {
    /// `who` names the other side in the logs.
    pub fn new(who: String, role: Role, outbox: Outbox, recipients: Rc<SessionRecipients>, refused: Counter) -> Self {
        Self { who, role, outbox, recipients, refused }
    }

    fn dispatch(&self, frame: &Frame, gathered: &mut Gathered) -> Result<(), Misbehaviour> {
        let number = frame.operation;
        let operation = Operation::from_number(number).ok_or(Misbehaviour::UnknownOperation { number })?;
        self.check_role(operation)?;
        let to = &self.recipients;
        let shard = |partition: PartitionId| partition.0 as usize % to.shards.len();
        match operation {
            Operation::Put => gathered.puts.take(frame, |_| 0),
            Operation::Get => gathered.gets.take(frame, |_| 0),
            Operation::CoordinateWrite => gathered.coordinates.take(frame, |m| shard(m.key.partition())),
            Operation::WriteReplica => gathered.writes.take(frame, |m| shard(m.key.partition())),
            Operation::ReadReplica => gathered.reads.take(frame, |m| shard(m.key.partition())),
            Operation::CompareReplica => gathered.compares.take(frame, |m| shard(m.key.partition())),
            Operation::ScanReplica => gathered.scans.take(frame, |m| shard(m.partition)),
            Operation::Gossip => self.take_from(frame, &mut gathered.gossips, |gossip: &Gossip| &gossip.0.from),
            Operation::StepLog => self.take_from(frame, &mut gathered.steps, |step: &StepLog| &step.from),
            Operation::EnrolLog => self.take_from(frame, &mut gathered.enrolments, |enrol: &EnrolLog| &enrol.from),
            Operation::ReadEpoch => gathered.epochs.take(frame, |_| 0),
            Operation::FetchMetadata => gathered.fetches.take(frame, |_| 0),
            Operation::TendMove => gathered.moves.take(frame, |_| 0),
            Operation::Propose => gathered.proposals.take(frame, |_| 0),
            Operation::ReadRoot => gathered.roots.take(frame, |m| shard(m.partition)),
            Operation::ReadLeaves => gathered.leaves.take(frame, |m| shard(m.partition)),
            Operation::ListBuckets => gathered.lists.take(frame, |m| shard(m.partition)),
            Operation::DistrustTree => gathered.distrusts.take(frame, |m| shard(m.partition)),
            Operation::ProbeTombstones => gathered.probes.take(frame, |m| shard(m.partition)),
            Operation::CollectTombstones => gathered.collects.take(frame, |m| shard(m.partition)),
            Operation::HintedPartitions => gathered.hinted.take(frame, |_| 0),
            Operation::DescribeTombstones => self.serve(frame, &to.tombstones),
            Operation::DescribeRepair => self.serve(frame, &to.repair_status),
            Operation::ControlRepair => self.serve(frame, &to.repair_control),
            Operation::Delete => self.serve(frame, &to.delete),
            Operation::Scan => self.serve(frame, &to.scan),
            Operation::Modify => self.serve(frame, &to.modify),
            Operation::TransactWrite => self.serve(frame, &to.transact_write),
            Operation::TransactGet => self.serve(frame, &to.transact_get),
            Operation::SequenceModify => self.sequence(frame, gathered),
            Operation::Query => self.serve(frame, &to.query),
            Operation::Where => self.serve(frame, &to.place),
            Operation::ListTables => self.serve(frame, &to.tables),
            Operation::DescribeLinks => self.serve(frame, &to.links),
            Operation::DescribeStatus => self.serve(frame, &to.status),
            Operation::DescribeNodes => self.serve(frame, &to.nodes),
            Operation::DescribeRing => self.serve(frame, &to.ring),
            Operation::ReadMetrics => self.serve(frame, &to.metrics),
            Operation::DescribeHints => self.serve(frame, &to.hints),
            Operation::DescribeMetadata => self.serve(frame, &to.metadata),
            Operation::ChangeTables => self.serve(frame, &to.change_tables),
            Operation::StageNode => self.serve(frame, &to.stage_node),
            Operation::ChangeRing => self.serve(frame, &to.change_ring),
            Operation::DescribePlan => self.serve(frame, &to.plan),
            Operation::CommitPlan => self.serve(frame, &to.commit_plan),
            Operation::DescribeTasks => self.serve(frame, &to.tasks),
            Operation::Rebalance => self.serve(frame, &to.rebalance),
            Operation::DescribeLoad => self.serve(frame, &to.cluster_load),
            Operation::ReadLoad => gathered.loads.take(frame, |_| 0),
        }
    }

    /// To the sequencer of the key's shard.
    fn sequence(&self, frame: &Frame, gathered: &mut Gathered) -> Result<(), Misbehaviour> {
        gathered.sequenced.take(frame, |m| m.partition.0 as usize % self.recipients.sequencers.len())
    }

    fn check_role(&self, operation: Operation) -> Result<(), Misbehaviour> {
        let number = operation.number();
        let (role, allowed) = match self.role {
            Role::Peer { .. } => ("peer", matches!(number, 20..=39 | 51)),
            Role::Client => ("client", number <= 19),
            Role::Admin => ("admin", number <= 19 || matches!(number, 40..=59)),
        };
        if allowed { Ok(()) } else { Err(Misbehaviour::WrongRole { operation, role }) }
    }

    /// What is believed of its sender, whom it names: whoever came in as one member may not speak for another.
    fn take_from<M: BridgeRequest>(
        &self,
        frame: &Frame,
        requests: &mut Requests<M>,
        sender: impl FnOnce(&M) -> &NodeId,
    ) -> Result<(), Misbehaviour> {
        let message: M = frame.decode()?;
        let claimed = sender(&message);
        if let Role::Peer { member, .. } = &self.role
            && member.member.id != *claimed
        {
            return Err(Misbehaviour::FalseName { session: member.member.id.clone(), claimed: claimed.clone() });
        }
        requests.add(0, frame.id, message);
        Ok(())
    }

    /// Hands a message to its receiver and the answer to the outbox, in whatever order answers come.
    fn serve<M: BridgeRequest>(&self, frame: &Frame, receiver: &Recipient<M>) -> Result<(), Misbehaviour> {
        let message: M = frame.decode()?;
        actix::spawn(pass_on(receiver.send(message), self.outbox.clone(), frame.id));
        Ok(())
    }

    /// Sends on what came in one read.
    fn send_on(&self, gathered: Gathered) {
        let (to, outbox) = (&self.recipients, &self.outbox);
        let Gathered {
            puts,
            gets,
            coordinates,
            writes,
            reads,
            compares,
            scans,
            gossips,
            roots,
            leaves,
            lists,
            distrusts,
            probes,
            collects,
            hinted,
            steps,
            enrolments,
            proposals,
            loads,
            sequenced,
            epochs,
            fetches,
            moves,
        } = gathered;
        puts.send(|_| &to.put, outbox);
        gets.send(|_| &to.get, outbox);
        coordinates.send(|shard| &to.shards[shard].coordinate, outbox);
        writes.send(|shard| &to.shards[shard].write, outbox);
        reads.send(|shard| &to.shards[shard].read, outbox);
        compares.send(|shard| &to.shards[shard].compare, outbox);
        scans.send(|shard| &to.shards[shard].scan, outbox);
        gossips.send(|_| &to.gossip, outbox);
        roots.send(|shard| &to.repairs[shard].root, outbox);
        leaves.send(|shard| &to.repairs[shard].leaves, outbox);
        lists.send(|shard| &to.repairs[shard].list, outbox);
        distrusts.send(|shard| &to.repairs[shard].distrust, outbox);
        probes.send(|shard| &to.garbage[shard].probe, outbox);
        collects.send(|shard| &to.garbage[shard].collect, outbox);
        hinted.send(|_| &to.hinted, outbox);
        steps.send(|_| &to.log.step, outbox);
        enrolments.send(|_| &to.log.enrol, outbox);
        proposals.send(|_| &to.log.propose, outbox);
        loads.send(|_| &to.load, outbox);
        epochs.send(|_| &to.log.epoch, outbox);
        fetches.send(|_| &to.log.fetch, outbox);
        moves.send(|_| &to.moves, outbox);
        sequenced.send(|shard| &to.sequencers[shard], outbox);
    }
}

/// The requests of one read that go on together.
#[derive(Default)]
struct Gathered {
    puts: Requests<Put>,
    gets: Requests<Get>,
    coordinates: Requests<CoordinateWrite>,
    writes: Requests<WriteReplica>,
    reads: Requests<ReadReplica>,
    compares: Requests<CompareReplica>,
    scans: Requests<ScanReplica>,
    gossips: Requests<Gossip>,
    roots: Requests<ReadRoot>,
    leaves: Requests<ReadLeaves>,
    lists: Requests<ListBuckets>,
    distrusts: Requests<DistrustTree>,
    probes: Requests<ProbeTombstones>,
    collects: Requests<CollectTombstones>,
    hinted: Requests<HintedPartitions>,
    steps: Requests<StepLog>,
    enrolments: Requests<EnrolLog>,
    proposals: Requests<Propose>,
    loads: Requests<ReadLoad>,
    sequenced: Requests<SequenceModify>,
    epochs: Requests<ReadEpoch>,
    fetches: Requests<FetchMetadata>,
    moves: Requests<TendMove>,
}

/// Requests of one kind by receiver, with the numbers of their frames.
struct Requests<M>(BTreeMap<usize, (Vec<u64>, Vec<M>)>);

impl<M> Default for Requests<M> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<M: BridgeRequest> Requests<M> {
    fn take(&mut self, frame: &Frame, receiver: impl FnOnce(&M) -> usize) -> Result<(), Misbehaviour> {
        let message: M = frame.decode()?;
        self.add(receiver(&message), frame.id, message);
        Ok(())
    }

    fn add(&mut self, receiver: usize, id: u64, message: M) {
        let (ids, requests) = self.0.entry(receiver).or_default();
        ids.push(id);
        requests.push(message);
    }

    fn send<'a>(self, receiver: impl Fn(usize) -> &'a Recipient<Together<M>>, outbox: &Outbox) {
        for (number, (ids, requests)) in self.0 {
            let replies = outbox.clone();
            let answers = Answers::new(move |at: usize, answer| push_reply::<M>(&replies, ids[at], &answer));
            // Whoever asks a receiver that has stopped must not wait for ever.
            if receiver(number).try_send(Together { requests, answers }).is_err() {
                outbox.close();
            }
        }
    }
}

async fn pass_on<M: BridgeRequest>(asked: RecipientRequest<M>, outbox: Outbox, id: u64) {
    match asked.await {
        Ok(answer) => push_reply::<M>(&outbox, id, &answer),
        Err(_) => outbox.close(),
    }
}

fn push_reply<M: BridgeRequest>(outbox: &Outbox, id: u64, answer: &M::Result)
where
    M::Result: Serialize,
{
    if let Err(error) = outbox.push(FrameKind::Reply, M::OPERATION.number(), id, answer) {
        warn!(%error, "an answer could not be sent: the connection is closed");
        outbox.close();
    }
}

impl Actor for BridgeSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<FramesArrived> for BridgeSession {
    type Result = ();

    fn handle(&mut self, FramesArrived(frames): FramesArrived, _: &mut Self::Context) {
        let mut gathered = Gathered::default();
        for frame in &frames {
            let outcome = match frame.kind {
                FrameKind::Request => self.dispatch(frame, &mut gathered),
                FrameKind::Ping => self.outbox.push(FrameKind::Pong, 0, frame.id, &()).map_err(Misbehaviour::from),
                FrameKind::Reply | FrameKind::Pong => Ok(()),
            };
            if let Err(misbehaviour) = outcome {
                self.refused.inc();
                warn!(from = self.who, %misbehaviour, "the connection is closed");
                self.outbox.close();
                return;
            }
        }
        self.send_on(gathered);
    }
}

impl Handler<ConnectionEnded> for BridgeSession {
    type Result = ();

    fn handle(&mut self, _: ConnectionEnded, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}
