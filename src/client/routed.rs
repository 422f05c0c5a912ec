//! The requests that belong to a key, as far as a router looks at them.

use std::time::Duration;

use super::attempts::Effect;
use super::route_map::RouteMap;
use crate::dynamo::ring::PartitionId;
use crate::messages::client::{Delete, Get, GetError, Put, PutError, WriteOutcome};
use crate::wire::operation::BridgeRequest;

/// A request that one node serves better than the others.
pub(super) trait Routed: BridgeRequest<Error: std::error::Error> {
    /// What it does to the data.
    const EFFECT: Effect;

    /// Whether this refusal says that the node reached none of the replicas and nothing was done: it may be leaving, or be cut off, and another node may reach them.
    fn reached_nobody(error: &Self::Error) -> bool;

    /// Where its key belongs; `None`: the map does not know its table, or no node will take it for a key.
    fn partition(&self, map: &RouteMap) -> Option<PartitionId>;

    /// When the node is to give up, as the message has it.
    fn timeout_ms(&mut self) -> &mut Option<u32>;

    /// How long it may take: what it says itself, and no longer than `most`.
    fn bound(&mut self, most: Duration) -> Duration {
        self.timeout_ms().map_or(most, |own| most.min(Duration::from_millis(own.into())))
    }

    /// Has the node give up after `left`, and say then what became of the request.
    fn give_up_after(&mut self, left: Duration) {
        *self.timeout_ms() = Some(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
    }
}

fn wrote_nowhere(error: &PutError) -> bool {
    matches!(error, PutError::QuorumNotReached { got: 0, outcome: WriteOutcome::NotApplied, .. })
}

impl Routed for Get {
    const EFFECT: Effect = Effect::Reads;

    fn reached_nobody(error: &GetError) -> bool {
        matches!(error, GetError::QuorumNotReached { got: 0, .. })
    }

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_key(&self.key)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}

impl Routed for Put {
    const EFFECT: Effect = Effect::Writes;

    fn reached_nobody(error: &PutError) -> bool {
        wrote_nowhere(error)
    }

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_item(&self.table, &self.item)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}

impl Routed for Delete {
    const EFFECT: Effect = Effect::Writes;

    fn reached_nobody(error: &PutError) -> bool {
        wrote_nowhere(error)
    }

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_key(&self.key)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}
