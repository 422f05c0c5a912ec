//! Where the messages of one member of the log of metadata go: this node's own part in it, or a `Peer`.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Recipient};

use crate::messages::metadata::{EnrolLog, FetchMetadata, Propose, ReadEpoch, StepLog};
use crate::messages::together::Together;

/// One member of the log.
#[derive(Clone)]
pub struct LogRecipients {
    /// Takes the log's messages.
    pub step: Recipient<Together<StepLog>>,
    /// Hears who takes part.
    pub enrol: Recipient<Together<EnrolLog>>,
    /// Takes proposals, if it leads.
    pub propose: Recipient<Together<Propose>>,
    /// Says how far it is.
    pub epoch: Recipient<Together<ReadEpoch>>,
    /// Says what it goes by.
    pub fetch: Recipient<Together<FetchMetadata>>,
}

impl LogRecipients {
    /// The recipients of an actor that takes all of them.
    pub fn of<A>(address: &Addr<A>) -> Self
    where
        A: Actor
            + Handler<Together<StepLog>>
            + Handler<Together<EnrolLog>>
            + Handler<Together<Propose>>
            + Handler<Together<ReadEpoch>>
            + Handler<Together<FetchMetadata>>,
        A::Context: ToEnvelope<A, Together<StepLog>>
            + ToEnvelope<A, Together<EnrolLog>>
            + ToEnvelope<A, Together<Propose>>
            + ToEnvelope<A, Together<ReadEpoch>>
            + ToEnvelope<A, Together<FetchMetadata>>,
    {
        Self {
            step: address.clone().recipient(),
            enrol: address.clone().recipient(),
            propose: address.clone().recipient(),
            epoch: address.clone().recipient(),
            fetch: address.clone().recipient(),
        }
    }
}
