//! The requests that belong to a key, as far as a router looks at them.

use std::time::Duration;

use super::attempts::Effect;
use super::route_map::RouteMap;
use crate::dynamo::ring::PartitionId;
use crate::messages::client::{Delete, Get, Put};
use crate::wire::operation::BridgeRequest;

/// A request that one node serves better than the others.
pub(super) trait Routed: BridgeRequest<Error: std::error::Error> {
    /// What it does to the data.
    const EFFECT: Effect;

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

impl Routed for Get {
    const EFFECT: Effect = Effect::Reads;

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_key(&self.key)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}

impl Routed for Put {
    const EFFECT: Effect = Effect::Writes;

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_item(&self.table, &self.item)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}

impl Routed for Delete {
    const EFFECT: Effect = Effect::Writes;

    fn partition(&self, map: &RouteMap) -> Option<PartitionId> {
        map.partition_of_key(&self.key)
    }

    fn timeout_ms(&mut self) -> &mut Option<u32> {
        &mut self.timeout_ms
    }
}
