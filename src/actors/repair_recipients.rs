//! Where anti-entropy's messages about one replica go: a `Node` of this process or a `Peer`.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Recipient};

use crate::messages::hints::HintedPartitions;
use crate::messages::repair::{DistrustTree, ListBuckets, ReadLeaves, ReadRoot};
use crate::messages::replica::{ReadReplica, WriteReplica};
use crate::messages::together::Together;

/// One replica, as anti-entropy speaks to it.
#[derive(Clone)]
pub struct RepairRecipients {
    /// Says what stands for a partition.
    pub root: Recipient<Together<ReadRoot>>,
    /// Says what stands for its buckets.
    pub leaves: Recipient<Together<ReadLeaves>>,
    /// Lists keys.
    pub list: Recipient<Together<ListBuckets>>,
    /// Is told that its tree does not fit.
    pub distrust: Recipient<Together<DistrustTree>>,
    /// Reads records.
    pub read: Recipient<Together<ReadReplica>>,
    /// Stores records.
    pub write: Recipient<Together<WriteReplica>>,
}

impl RepairRecipients {
    /// The recipients of an actor that takes all of these messages.
    pub fn of<A>(address: &Addr<A>) -> Self
    where
        A: Actor
            + Handler<Together<ReadRoot>>
            + Handler<Together<ReadLeaves>>
            + Handler<Together<ListBuckets>>
            + Handler<Together<DistrustTree>>
            + Handler<Together<ReadReplica>>
            + Handler<Together<WriteReplica>>,
        A::Context: ToEnvelope<A, Together<ReadRoot>>
            + ToEnvelope<A, Together<ReadLeaves>>
            + ToEnvelope<A, Together<ListBuckets>>
            + ToEnvelope<A, Together<DistrustTree>>
            + ToEnvelope<A, Together<ReadReplica>>
            + ToEnvelope<A, Together<WriteReplica>>,
    {
        Self {
            root: address.clone().recipient(),
            leaves: address.clone().recipient(),
            list: address.clone().recipient(),
            distrust: address.clone().recipient(),
            read: address.clone().recipient(),
            write: address.clone().recipient(),
        }
    }
}

/// Another member, as anti-entropy speaks to it.
#[derive(Clone)]
pub struct RepairPeer {
    /// Its replicas.
    pub replica: RepairRecipients,
    /// Where it keeps hints.
    pub hints: Recipient<Together<HintedPartitions>>,
}

impl RepairPeer {
    /// The recipients of a link.
    pub fn of<A>(address: &Addr<A>) -> Self
    where
        A: Actor
            + Handler<Together<ReadRoot>>
            + Handler<Together<ReadLeaves>>
            + Handler<Together<ListBuckets>>
            + Handler<Together<DistrustTree>>
            + Handler<Together<ReadReplica>>
            + Handler<Together<WriteReplica>>
            + Handler<Together<HintedPartitions>>,
        A::Context: ToEnvelope<A, Together<ReadRoot>>
            + ToEnvelope<A, Together<ReadLeaves>>
            + ToEnvelope<A, Together<ListBuckets>>
            + ToEnvelope<A, Together<DistrustTree>>
            + ToEnvelope<A, Together<ReadReplica>>
            + ToEnvelope<A, Together<WriteReplica>>
            + ToEnvelope<A, Together<HintedPartitions>>,
    {
        Self { replica: RepairRecipients::of(address), hints: address.clone().recipient() }
    }
}
