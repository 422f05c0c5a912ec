//! Who takes part, and how what they say is written: MessagePack, and only about members of this cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// Who belongs to the cluster.
    pub members: Arc<BTreeSet<NodeId>>,
}

impl MemberCodec {
    fn known(&self, life: &Life) -> Result<(), RumourError> {
        let known = self.members.contains(&life.node);
        if known { Ok(()) } else { Err(RumourError::Stranger { node: life.node.clone() }) }
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
        Ok(header)
    }

    fn encode_member(&mut self, member: &Member<Life>, buf: impl BufMut) -> Result<(), RumourError> {
        Ok(rmp_serde::encode::write(&mut buf.writer(), member)?)
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<Life>, RumourError> {
        let member: Member<Life> = rmp_serde::decode::from_read(buf.reader())?;
        self.known(member.id())?;
        Ok(member)
    }
}
