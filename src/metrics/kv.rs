//! What the KV API counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

/// Requests of the KV API, and those of them that wait.
#[derive(Clone)]
pub struct KvMetrics {
    requests: Family<RequestLabels, Counter>,
    /// Reads that wait for news now.
    pub waiters: Gauge,
    /// Looks that such reads have taken.
    pub looks: Counter,
}

impl KvMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register("kv_requests", "Requests of the KV API by method and status", requests.clone());
        let waiters = Gauge::default();
        registry.register("kv_waiters", "Reads of the KV API that wait for news now", waiters.clone());
        let looks = Counter::default();
        registry.register("kv_looks", "Quorum reads made for those that wait for news", looks.clone());
        Self { requests, waiters, looks }
    }

    /// A request has been answered.
    pub fn answered(&self, method: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { method, status }).inc();
    }
}
