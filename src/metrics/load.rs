//! How much is asked of this node, in sums: neither keys nor partitions are labels.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::balancing::BalancingMetrics;
use crate::dynamo::load::{Balance, LoadRates};

type Rate = Gauge<f64, AtomicU64>;

/// The metrics whose names begin with `slipring_partition_load_`, and what stands beside them.
#[derive(Clone, Default)]
pub struct LoadMetrics {
    requests_per_s: Rate,
    bytes_per_s: Rate,
    hottest_share: Rate,
    share: Rate,
    of_mean: Rate,
    cpu_percent: Rate,
    /// What is done about it.
    pub balancing: BalancingMetrics,
}

impl LoadMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self { balancing: BalancingMetrics::new(registry), ..Self::default() };
        let gauges = [
            (
                "partition_load_requests_per_second",
                "Requests for this node's copies of all partitions",
                &metrics.requests_per_s,
            ),
            ("partition_load_bytes_per_second", "The bytes of these copies", &metrics.bytes_per_s),
            (
                "partition_load_hottest_share",
                "The part of these requests that goes to one partition, the most loaded",
                &metrics.hottest_share,
            ),
            ("partition_load_share", "This node's part of the load of all members that can be reached", &metrics.share),
            (
                "partition_load_of_mean",
                "This node's load over the mean of these members, by weight: 1 is balanced",
                &metrics.of_mean,
            ),
            ("cpu_percent", "Processor time that this process takes; 100 is one core", &metrics.cpu_percent),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        metrics
    }

    /// What is asked of this node, and of its most loaded partition.
    pub fn asked(&self, all: LoadRates, hottest: LoadRates) {
        self.requests_per_s.set(all.requests_per_s());
        self.bytes_per_s.set(all.bytes_per_s);
        let share = if all.requests_per_s() > 0.0 { hottest.requests_per_s() / all.requests_per_s() } else { 0.0 };
        self.hottest_share.set(share);
    }

    /// How this node compares with the others.
    pub fn balance(&self, balance: Balance) {
        self.share.set(balance.share);
        self.of_mean.set(balance.of_mean);
    }

    /// The processor time that this process takes: 100 is one core.
    pub fn cpu_percent(&self, percent: f64) {
        self.cpu_percent.set(percent);
    }
}
