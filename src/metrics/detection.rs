//! What the failure detector counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::PeerLabel;
use crate::dynamo::link_meter::LinkQuality;
use crate::dynamo::node_id::NodeId;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PeerStateLabels {
    peer: String,
    state: &'static str,
}

/// What members are said to be, what links are like, and how suspicions end.
#[derive(Clone, Default)]
pub struct DetectionMetrics {
    states: Family<PeerStateLabels, Gauge>,
    probe_failures: Family<PeerLabel, Counter>,
    round_trips: Family<PeerLabel, Gauge<f64, AtomicU64>>,
    losses: Family<PeerLabel, Gauge<f64, AtomicU64>>,
    gossip_messages: Counter,
    gossip_bytes: Counter,
    /// Peers that began to be suspected.
    pub suspicions: Counter,
    /// Peers that were given up.
    pub peers_given_up: Counter,
    /// Suspicions that the suspect has refuted.
    pub refutations: Counter,
    /// Suspicions of this node that it has refuted.
    pub own_refutations: Counter,
    /// Times that the cluster gave up this node although it was running.
    pub own_renewals: Counter,
    /// Times that the failure detector itself was kept from running.
    pub detector_stalls: Counter,
}

impl DetectionMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let states = "1 for what the cluster says of a member: up, suspect, down";
        registry.register("peer_state", states, metrics.states.clone());
        registry.register("probe_failures", "Probes that nobody answered, by peer", metrics.probe_failures.clone());
        let (round_trips, losses) = (metrics.round_trips.clone(), metrics.losses.clone());
        registry.register_with_unit("link_round_trip", "Mean round trip to a peer", Unit::Seconds, round_trips);
        registry.register_with_unit(
            "link_loss",
            "Pings to a peer that were not answered in time",
            Unit::Ratios,
            losses,
        );
        let gossip_bytes = metrics.gossip_bytes.clone();
        registry.register_with_unit("gossip", "Bytes of the failure detector's messages", Unit::Bytes, gossip_bytes);
        let counters = [
            ("gossip_messages", "Messages of the failure detector that were sent", &metrics.gossip_messages),
            ("suspicions", "Peers that began to be suspected", &metrics.suspicions),
            ("peers_given_up", "Peers that were up and are counted as down", &metrics.peers_given_up),
            ("refutations", "Suspicions that the suspect has refuted", &metrics.refutations),
            ("own_refutations", "Suspicions of this node that it has refuted", &metrics.own_refutations),
            ("own_renewals", "Times that the cluster gave up this node although it was running", &metrics.own_renewals),
            (
                "detector_stalls",
                "Times that the failure detector itself was kept from running",
                &metrics.detector_stalls,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        metrics
    }

    /// The cluster says this of a member, and none of the other things that it might.
    pub fn peer_state(&self, peer: &NodeId, state: &'static str, all: [&'static str; 3]) {
        for other in all {
            let labels = PeerStateLabels { peer: peer.to_string(), state: other };
            self.states.get_or_create(&labels).set(i64::from(other == state));
        }
    }

    /// A member is one no more: nothing is said of it. What has been counted stays.
    pub fn forget_peer(&self, peer: &NodeId, all: [&'static str; 3]) {
        for state in all {
            self.states.remove(&PeerStateLabels { peer: peer.to_string(), state });
        }
        let label = PeerLabel { peer: peer.to_string() };
        self.round_trips.remove(&label);
        self.losses.remove(&label);
    }

    /// A member was probed, and neither it nor anybody on its behalf has answered.
    pub fn probe_failed(&self, peer: &NodeId) {
        self.probe_failures.get_or_create(&PeerLabel { peer: peer.to_string() }).inc();
    }

    /// The pings of a link say this.
    pub fn link_measured(&self, peer: &NodeId, quality: LinkQuality) {
        let label = PeerLabel { peer: peer.to_string() };
        if let Some(round_trip) = quality.round_trip {
            self.round_trips.get_or_create(&label).set(round_trip.as_secs_f64());
        }
        self.losses.get_or_create(&label).set(f64::from(quality.loss_percent) / 100.0);
    }

    /// The failure detector has sent a message of this many bytes.
    pub fn gossip_sent(&self, bytes: usize) {
        self.gossip_messages.inc();
        self.gossip_bytes.inc_by(bytes as u64);
    }

    /// How many messages the failure detector has sent, and their bytes.
    pub fn gossip_totals(&self) -> (u64, u64) {
        (self.gossip_messages.get(), self.gossip_bytes.get())
    }
}
