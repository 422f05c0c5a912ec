//! Who is up: between the `FailureDetector`s of all nodes, from `Peer` to `FailureDetector`, and from there to `RingManager`.

use actix::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::LinkError;
use super::admin::AdminError;
use crate::dynamo::link_matrix::{LinkCell, LinkRow};
use crate::dynamo::link_meter::LinkQuality;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::standing::Standing;
use crate::dynamo::swim::KnownLife;

/// What one detector says to another, as a question and as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rumours {
    /// Who says it.
    pub from: NodeId,
    /// Datagrams of the SWIM protocol, in order.
    pub datagrams: Vec<Bytes>,
    /// What is known there of the member that is spoken to.
    pub known: KnownLife,
    /// Somebody's links, as he has described them.
    pub row: Option<LinkRow>,
}

/// Rumours for a peer. The answer is what its detector says to that, in the same breath: whoever can ask can be answered, whether or
/// not there is a link in the other direction. An error means that they are lost, which the protocol foresees.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Rumours, LinkError>")]
pub struct Gossip(pub Rumours);

/// A peer has answered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct GossipAnswered(pub Rumours);

/// A link has been measured anew.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct LinkMeasured {
    /// The peer it leads to.
    pub node: NodeId,
    /// The thread whose link it is.
    pub worker: usize,
    /// What is known of it.
    pub quality: LinkQuality,
}

/// A peer's standing has changed.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct StandingChanged {
    /// The peer.
    pub node: NodeId,
    /// How it stands now.
    pub standing: Standing,
}

/// Who reaches whom, as far as this node has been told?
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[rtype(result = "Result<Vec<LinkCell>, AdminError>")]
pub struct DescribeLinks;
