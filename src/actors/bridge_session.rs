//! One connection that another node, a client or an admin has made: frames in, messages to the actors, replies out.
//!
//! The listener starts it after the handshake. It decides only whether an operation suits the role; the rest is the receivers'
//! business. When the connection ends, replies on their way have nowhere to go; what they report has happened all the same.

use std::rc::Rc;

use actix::dev::RecipientRequest;
use actix::{Actor, Context, Handler, Message, Recipient};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tracing::warn;

use super::coordination::ReplicaRecipients;
use super::link::FramesArrived;
use crate::dynamo::ring::PartitionId;
use crate::messages::admin::{DescribeNodes, DescribeRing, DescribeStatus, ReadMetrics};
use crate::messages::client::{AnswerAlone, Delete, Get, ListTables, Put, Scan, Where};
use crate::messages::replica::{CoordinateWrite, ReadReplica, ScanReplica, WriteReplica};
use crate::wire::frame::{Frame, FrameKind, PayloadError};
use crate::wire::handshake::Role;
use crate::wire::operation::{BridgeRequest, Operation};
use crate::wire::outbox::Outbox;

/// Where the operations of a connection go, on the worker that serves it.
#[derive(Clone)]
pub struct SessionRecipients {
    /// Writes an item.
    pub put: Recipient<Put>,
    /// Deletes an item.
    pub delete: Recipient<Delete>,
    /// Reads an item.
    pub get: Recipient<Get>,
    /// Reads items that this node can answer alone.
    pub answer_alone: Recipient<AnswerAlone>,
    /// Reads a slice of a table.
    pub scan: Recipient<Scan>,
    /// Shows a key's place.
    pub place: Recipient<Where>,
    /// Lists the tables.
    pub tables: Recipient<ListTables>,
    /// This node's shards, for its peers.
    pub shards: Vec<ReplicaRecipients>,
    /// The node's status.
    pub status: Recipient<DescribeStatus>,
    /// The members.
    pub nodes: Recipient<DescribeNodes>,
    /// The ring.
    pub ring: Recipient<DescribeRing>,
    /// The metrics.
    pub metrics: Recipient<ReadMetrics>,
}

impl SessionRecipients {
    fn shard(&self, partition: PartitionId) -> &ReplicaRecipients {
        &self.shards[partition.0 as usize % self.shards.len()]
    }
}

/// Why a connection is given up. Nothing of the frame was acted on.
#[derive(Debug, thiserror::Error)]
enum Misbehaviour {
    #[error("operation {number} is unknown to this version")]
    UnknownOperation { number: u16 },
    #[error("{operation:?} is not for the role `{role}`")]
    WrongRole { operation: Operation, role: &'static str },
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

    fn dispatch(&self, frame: &Frame, gets: &mut GetsTogether) -> Result<(), Misbehaviour> {
        let number = frame.operation;
        let operation = Operation::from_number(number).ok_or(Misbehaviour::UnknownOperation { number })?;
        self.check_role(operation)?;
        let to = &self.recipients;
        match operation {
            Operation::Put => self.serve(frame, |_| &to.put),
            Operation::Delete => self.serve(frame, |_| &to.delete),
            Operation::Get => gets.take(frame),
            Operation::Scan => self.serve(frame, |_| &to.scan),
            Operation::Where => self.serve(frame, |_| &to.place),
            Operation::ListTables => self.serve(frame, |_| &to.tables),
            Operation::CoordinateWrite => {
                self.serve(frame, |m: &CoordinateWrite| &to.shard(m.key.partition()).coordinate)
            }
            Operation::WriteReplica => self.serve(frame, |m: &WriteReplica| &to.shard(m.key.partition()).write),
            Operation::ReadReplica => self.serve(frame, |m: &ReadReplica| &to.shard(m.key.partition()).read),
            Operation::ScanReplica => self.serve(frame, |m: &ScanReplica| &to.shard(m.partition).scan),
            Operation::DescribeStatus => self.serve(frame, |_| &to.status),
            Operation::DescribeNodes => self.serve(frame, |_| &to.nodes),
            Operation::DescribeRing => self.serve(frame, |_| &to.ring),
            Operation::ReadMetrics => self.serve(frame, |_| &to.metrics),
        }
    }

    fn check_role(&self, operation: Operation) -> Result<(), Misbehaviour> {
        let (role, allowed) = match self.role {
            Role::Peer { .. } => ("peer", 20..=39),
            Role::Client => ("client", 1..=19),
            Role::Admin if operation.number() <= 19 => return Ok(()),
            Role::Admin => ("admin", 40..=59),
        };
        if allowed.contains(&operation.number()) { Ok(()) } else { Err(Misbehaviour::WrongRole { operation, role }) }
    }

    /// Hands a message to its receiver and the answer to the outbox, in whatever order answers come.
    fn serve<'a, M: BridgeRequest>(
        &self,
        frame: &Frame,
        receiver: impl FnOnce(&M) -> &'a Recipient<M>,
    ) -> Result<(), Misbehaviour> {
        let message: M = frame.decode()?;
        let asked = receiver(&message).clone().send(message);
        actix::spawn(pass_on(asked, self.outbox.clone(), frame.id));
        Ok(())
    }

    /// Gets that came in one read are asked together; those that need other nodes then go their own ways.
    fn serve_gets(&self, gets: GetsTogether) {
        let asked = self.recipients.answer_alone.send(AnswerAlone(gets.gets));
        let (outbox, get) = (self.outbox.clone(), self.recipients.get.clone());
        actix::spawn(async move {
            let Ok(answers) = asked.await else { return outbox.close() };
            for (id, answer) in gets.ids.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => push_reply::<Get>(&outbox, id, &answer),
                    Err(asks_others) => drop(actix::spawn(pass_on(get.send(asks_others), outbox.clone(), id))),
                }
            }
        });
    }
}

/// The gets of one read, and the numbers of their frames.
#[derive(Default)]
struct GetsTogether {
    ids: Vec<u64>,
    gets: Vec<Get>,
}

impl GetsTogether {
    fn take(&mut self, frame: &Frame) -> Result<(), Misbehaviour> {
        self.gets.push(frame.decode()?);
        self.ids.push(frame.id);
        Ok(())
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
        let mut gets = GetsTogether::default();
        for frame in &frames {
            let outcome = match frame.kind {
                FrameKind::Request => self.dispatch(frame, &mut gets),
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
        if !gets.ids.is_empty() {
            self.serve_gets(gets);
        }
    }
}

impl Handler<ConnectionEnded> for BridgeSession {
    type Result = ();

    fn handle(&mut self, _: ConnectionEnded, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}
