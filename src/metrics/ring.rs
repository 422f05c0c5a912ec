//! What a node counts of the ring and of partitions that move.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The ring, as this node knows it.
#[derive(Clone, Default)]
pub struct RingMetrics {
    epoch: Gauge,
    awaited: Gauge,
    stalled: Gauge,
    sidelined: Gauge,
}

impl RingMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("ring_epoch", "Steps of the ring that this node knows of", metrics.epoch.clone());
        let awaited = "Copies of partitions that their new replicas do not hold yet, in the whole cluster";
        registry.register("partitions_awaited", awaited, metrics.awaited.clone());
        let stalled = "Nodes that should fetch partitions and have not got any for a minute";
        registry.register("tasks_stalled", stalled, metrics.stalled.clone());
        let sidelined = "Nodes that put no writes in order because they could not be reached";
        registry.register("nodes_sidelined", sidelined, metrics.sidelined.clone());
        metrics
    }

    /// The ring is known up to this epoch.
    pub fn knows(&self, epoch: u64) {
        self.epoch.set(epoch.cast_signed());
    }

    /// So many nodes put no writes in order.
    pub fn sidelines(&self, nodes: usize) {
        self.sidelined.set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    /// So many copies are awaited, by so many nodes that get none.
    pub fn moves(&self, awaited: usize, stalled: usize) {
        self.awaited.set(i64::try_from(awaited).unwrap_or(i64::MAX));
        self.stalled.set(i64::try_from(stalled).unwrap_or(i64::MAX));
    }
}
