//! What anti-entropy counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics whose names begin with `slipring_aae_`.
#[derive(Clone, Default)]
pub struct RepairMetrics {
    /// Comparisons of a partition with a peer that ended with two equal copies.
    pub ranges_verified: Counter,
    /// Records brought to this node or to a peer.
    pub keys_repaired: Counter,
    /// Their bytes.
    pub bytes_repaired: Counter,
    /// Records read and checked against their digest.
    pub records_audited: Counter,
    /// Leaves of trees that said other than the records.
    pub leaves_corrected: Counter,
    /// Trees that had to be made anew from the records.
    pub trees_rebuilt: Counter,
    /// Age of the oldest comparison that counts, in seconds.
    pub oldest_unverified_s: Gauge,
    /// Ranges known to differ, or that may.
    pub ranges_dirty: Gauge,
    /// 1 while an operator has paused it.
    pub paused: Gauge,
    /// The part of its speed at which it works now, in percent. Peers are told, and go no faster.
    pub speed_percent: Gauge,
}

impl RepairMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let counters = [
            (
                "aae_ranges_verified",
                "Comparisons of a partition with a peer that ended with equal copies",
                &metrics.ranges_verified,
            ),
            (
                "aae_keys_repaired",
                "Records that anti-entropy brought to this node or to a peer",
                &metrics.keys_repaired,
            ),
            ("aae_repaired_bytes", "Bytes of those records", &metrics.bytes_repaired),
            ("aae_records_audited", "Records read and checked against their digest", &metrics.records_audited),
            ("aae_leaves_corrected", "Leaves of trees that said other than the records", &metrics.leaves_corrected),
            ("aae_trees_rebuilt", "Trees made anew from the records", &metrics.trees_rebuilt),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges = [
            (
                "aae_oldest_unverified_seconds",
                "Time since the least recently verified range was last known to be equal",
                &metrics.oldest_unverified_s,
            ),
            ("aae_ranges_dirty", "Ranges that are known to differ, or may", &metrics.ranges_dirty),
            (
                "aae_speed_percent",
                "The part of its speed that anti-entropy allows itself now, for the sake of requests",
                &metrics.speed_percent,
            ),
            ("aae_paused", "1 while an operator has paused anti-entropy", &metrics.paused),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        metrics
    }
}
