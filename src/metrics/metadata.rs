//! What a node's part in the log of metadata counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The log of metadata, as this node knows it.
#[derive(Clone, Default)]
pub struct MetadataMetrics {
    epoch: Gauge,
    leads: Gauge,
    entries: Gauge,
    elections_won: Counter,
    /// How often metadata were taken over from a peer.
    pub taken_over: Counter,
    /// Records of dropped tables, and of partitions that were handed over, that were deleted.
    pub dropped_records: Counter,
}

impl MetadataMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "metadata_epoch",
            "Changes of the metadata that this node has applied",
            metrics.epoch.clone(),
        );
        registry.register("metadata_leader", "1 on the node that decides their order", metrics.leads.clone());
        let entries = "Entries of the log of metadata behind its last snapshot";
        registry.register("metadata_log_entries", entries, metrics.entries.clone());
        let won = "How often this node was elected to decide the order";
        registry.register("elections", won, metrics.elections_won.clone());
        let taken_over = "How often what a peer goes by was taken over because the leader was not heard";
        registry.register("metadata_taken_over", taken_over, metrics.taken_over.clone());
        let dropped = "Records of dropped tables, and of partitions that were handed over, that were deleted";
        registry.register("dropped_records", dropped, metrics.dropped_records.clone());
        metrics
    }

    /// How the log stands, and whether this node has just been elected.
    pub fn stands(&self, epoch: u64, leads: bool, entries: usize, elected: bool) {
        self.epoch.set(epoch.cast_signed());
        self.leads.set(i64::from(leads));
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.elections_won.inc_by(u64::from(elected));
    }
}
