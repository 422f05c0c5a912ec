//! What a node counts of exchanges of owners that bring nodes into the band.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The metrics whose names begin with `slipring_balancer_`.
#[derive(Clone, Default)]
pub struct BalancingMetrics {
    proposed: Counter,
    committed: Counter,
}

impl BalancingMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let proposed = "Exchanges of owners that this node would have begun, and left to an operator";
        registry.register("balancer_exchanges_proposed", proposed, metrics.proposed.clone());
        let committed = "Exchanges of owners that this node has begun by itself";
        registry.register("balancer_exchanges_committed", committed, metrics.committed.clone());
        metrics
    }

    /// One is left to an operator.
    pub fn proposed(&self) {
        self.proposed.inc();
    }

    /// One has begun.
    pub fn committed(&self) {
        self.committed.inc();
    }
}
