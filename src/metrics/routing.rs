//! What is counted of the choice of replicas for reads.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::PeerLabel;
use crate::dynamo::node_id::NodeId;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FirstLabel {
    first: &'static str,
}

/// Whom reads ask. Reads that go together are one choice.
#[derive(Clone)]
pub struct RoutingMetrics {
    /// Choices whose first replica was the one that is nearest on the ring.
    pub nearest_first: Counter,
    /// Choices whose first replica was another.
    pub other_first: Counter,
    expected: Family<PeerLabel, Gauge<f64, AtomicU64>>,
    passed_over: Family<PeerLabel, Counter>,
}

/// What concerns one peer, looked up once.
#[derive(Clone)]
pub struct PeerRouting {
    /// In which time it is expected to answer, in seconds.
    pub expected_s: Gauge<f64, AtomicU64>,
    /// Choices against it because another one was expected to answer sooner.
    pub passed_over: Counter,
}

impl RoutingMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let choices: Family<FirstLabel, Counter> = Family::default();
        let help = "Choices of replicas for reads, by whether the first was the nearest on the ring";
        registry.register("read_choices", help, choices.clone());
        let expected = Family::default();
        let help = "Time in which a peer is expected to answer a read";
        registry.register_with_unit("replica_answer", help, Unit::Seconds, expected.clone());
        let passed_over = Family::default();
        let help = "Choices of replicas for reads against a peer that was expected to be slower";
        registry.register("replica_passed_over", help, passed_over.clone());
        let first = |first| choices.get_or_create(&FirstLabel { first }).clone();
        Self { nearest_first: first("nearest"), other_first: first("other"), expected, passed_over }
    }

    /// What concerns one peer.
    pub fn of_peer(&self, peer: &NodeId) -> PeerRouting {
        let label = PeerLabel { peer: peer.to_string() };
        let expected_s = self.expected.get_or_create(&label).clone();
        PeerRouting { expected_s, passed_over: self.passed_over.get_or_create(&label).clone() }
    }
}
