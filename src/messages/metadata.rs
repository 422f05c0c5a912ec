//! How members agree on metadata: the log's own messages, proposals, and what an operator asks.
//!
//! ```text
//!  ChangeTables   operator to any node: done once this node has applied it
//!  Propose        any node to the leader
//!  StepLog        member to member: the protocol's messages
//!  ReadEpoch      any node to any other: how far are you?
//!  FetchMetadata  one that does not hear the leader to one that is further: what do you go by?
//!  EnrolLog       a member whose disk is another one to everybody: I take part under this number
//! ```

use actix::{Message, Recipient};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

use super::LinkError;
use super::admin::AdminError;
use crate::consensus;
use crate::dynamo::node_id::NodeId;
use crate::metadata::{Command, CommandError, Metadata, TableChange};

/// Which epoch of the metadata does the receiver go by?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, LinkError>")]
pub struct ReadEpoch;

/// What does the receiver go by, if that is newer than this?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Option<FetchedMetadata>, LinkError>")]
pub struct FetchMetadata {
    /// The epoch of the metadata that the sender goes by.
    pub known: u64,
}

/// The answer to [`FetchMetadata`]: what was agreed on, as a value. It makes nobody's log longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedMetadata {
    /// The entry of the log that it goes up to, at least.
    pub index: u64,
    /// [`Metadata::to_bytes`](crate::metadata::Metadata::to_bytes).
    pub state: Bytes,
}

/// Somebody here was refused because of this epoch of the ring.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct HeardOfRing {
    /// The epoch.
    pub epoch: u64,
}

/// Messages of the log. Losing or doubling them does no harm.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<(), LinkError>")]
pub struct StepLog {
    /// Who sends them.
    pub from: NodeId,
    /// In the order in which they were made.
    pub messages: Vec<consensus::Message>,
}

/// The sender does not take part in the log, or not under this number yet. Said until it does.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<(), LinkError>")]
pub struct EnrolLog {
    /// The member.
    pub from: NodeId,
    /// Its number.
    pub log_id: u64,
}

/// Have this agreed on. Only the leader can. The answer is the epoch in which it holds. Asking again with the same number does it once.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, ProposeError>")]
pub struct Propose {
    /// Drawn by whoever wants it.
    pub number: u64,
    /// What is wanted.
    pub command: Command,
}

/// Why a proposal was not agreed on, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ProposeError {
    /// It was agreed on that it cannot be done: nothing has changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The receiver does not lead, and nothing was proposed. Ask the leader.
    #[error("not the leader")]
    NotLeader,
    /// It was proposed, and whether it will be agreed on is not known: look before asking again.
    #[error("it was proposed and may be agreed on yet: look whether it has been done before asking again")]
    Unknown,
    /// The leader was not reached; after a lost connection or a time-out it may be agreed on yet.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Change the tables. The answer is the epoch in which it holds; this node has applied it.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<u64, ChangeError>")]
pub struct ChangeTables {
    /// What is wanted.
    pub change: TableChange,
}

/// Why the metadata was not changed, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ChangeError {
    /// It cannot be done: nothing has changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// Most of those who decide on metadata cannot be reached: nothing was changed. Data is read and written all the same.
    #[error("no leader: most of the nodes that decide on metadata cannot be reached; nothing was changed")]
    NoLeader,
    /// It was proposed, and whether it will be done is not known: look whether it has been before trying again.
    #[error("no answer in time: whether it will be done is not known; look whether it has been before trying again")]
    Unknown,
}

/// How the metadata stands.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<MetadataStatus, AdminError>")]
pub struct DescribeMetadata;

/// The answer to [`DescribeMetadata`], as the node that answers knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStatus {
    /// Counts the changes.
    pub epoch: u64,
    /// Stands for what the metadata say: nodes with the same epoch have the same.
    pub digest: u64,
    /// So many changes the log of the node that answers is behind what it goes by: it has taken over from a peer what the leader did not tell it.
    pub log_behind: u64,
    /// Who decides the order, if that is known.
    pub leader: Option<NodeId>,
    /// The term of that leader.
    pub term: u64,
    /// Those who decide, as far as they are members, by name.
    pub voters: Vec<NodeId>,
    /// Those who only learn, by name.
    pub learners: Vec<NodeId>,
    /// Whether this node takes part.
    pub takes_part: bool,
    /// The last entry of the log that has been applied here.
    pub applied: u64,
    /// How many entries there are behind the last snapshot.
    pub entries: u64,
}

/// The metadata has changed.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct MetadataChanged(pub Arc<Metadata>);

/// Send all metadata from now on, and the present one at once, to this recipient.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FollowMetadata(pub Recipient<MetadataChanged>);
