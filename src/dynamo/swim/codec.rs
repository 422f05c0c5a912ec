//! Who takes part, and how what they say is written: MessagePack, and only about members of this cluster.
//!
//! Nodes do not learn at the same instant that a member has come or gone. Whoever speaks must be a member; what a member says of a
//! stranger is passed over, and the rest of its message counts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Identity, Member, Message};
use serde::{Deserialize, Serialize};

use crate::dynamo::node_id::NodeId;

/// A member in one of its lives. SWIM's verdict "down" is final for a life; who hears it of himself begins another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The member.
    pub node: NodeId,
    /// Rises with each life: the data directory's epoch, plus one for each time that the cluster gave up on this process too early.
    pub generation: u64,
}

impl Identity for Life {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { node: self.node.clone(), generation: self.generation.saturating_add(1) })
    }

    fn addr(&self) -> NodeId {
        self.node.clone()
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.generation > other.generation
    }
}

/// Why a rumour was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RumourError {
    /// It cannot be written.
    #[error("not written: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// It is not what this version says.
    #[error("not understood: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// It is about somebody who does not belong to this cluster.
    #[error("{node} is no member of this cluster")]
    Stranger {
        /// Who.
        node: NodeId,
    },
}

/// Reads and writes rumours.
pub struct MemberCodec {
    members: Rc<RefCell<BTreeSet<NodeId>>>,
    /// Whose message is being read.
    speaker: Option<NodeId>,
}

impl MemberCodec {
    /// `members` belong to the cluster, whoever these are when a message is read.
    pub fn new(members: Rc<RefCell<BTreeSet<NodeId>>>) -> Self {
        Self { members, speaker: None }
    }

    fn is_known(&self, life: &Life) -> bool {
        self.members.borrow().contains(&life.node)
    }

    fn known(&self, life: &Life) -> Result<(), RumourError> {
        if self.is_known(life) { Ok(()) } else { Err(RumourError::Stranger { node: life.node.clone() }) }
    }
}

impl Codec<Life> for MemberCodec {
    type Error = RumourError;

    fn encode_header(&mut self, header: &Header<Life>, buf: impl BufMut) -> Result<(), RumourError> {
        Ok(rmp_serde::encode::write(&mut buf.writer(), header)?)
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Life>, RumourError> {
        let header: Header<Life> = rmp_serde::decode::from_read(buf.reader())?;
        self.known(&header.src)?;
        match &header.message {
            Message::PingReq { target: third, .. }
            | Message::IndirectAck { target: third, .. }
            | Message::IndirectPing { origin: third, .. }
            | Message::ForwardedAck { origin: third, .. } => self.known(third)?,
            _ => {}
        }
        self.speaker = Some(header.src.node.clone());
        Ok(header)
    }

    fn encode_member(&mut self, member: &Member<Life>, buf: impl BufMut) -> Result<(), RumourError> {
        Ok(rmp_serde::encode::write(&mut buf.writer(), member)?)
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<Life>, RumourError> {
        let member: Member<Life> = rmp_serde::decode::from_read(buf.reader())?;
        match self.speaker.clone() {
            _ if self.is_known(member.id()) => Ok(member),
            // Something has to stand in its place, and refusing it would lose the whole message, with the answer to a probe in it. That whoever speaks is
            // alive, in this life or an earlier one, is known by then: it changes nothing.
            Some(node) => Ok(Member::alive(Life { node, generation: 0 })),
            None => Err(RumourError::Stranger { node: member.id().node.clone() }),
        }
    }
}
