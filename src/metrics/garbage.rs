//! What the garbage collector counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::dynamo::collection::{Kept, KeptCounts};

/// Every reason for which a tombstone is kept, as it is called in labels.
const REASONS: [&str; 8] =
    ["young", "left_to_another", "member_unknown", "hinted", "differs", "settling", "waiting", "ring_moves"];

/// Expired values and tombstones.
#[derive(Clone, Default)]
pub struct GarbageMetrics {
    /// Tombstones that went by this node's decision, as far as it held them.
    pub tombstones_collected: Counter,
    /// Expired values whose payload was reaped.
    pub ttl_reaped: Counter,
    tombstones: Family<ReasonLabel, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl GarbageMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let collected = "Tombstones dropped because nothing of what they deleted is left";
        registry.register("tombstones_collected", collected, metrics.tombstones_collected.clone());
        registry.register("ttl_reaped", "Expired values whose payload was reaped", metrics.ttl_reaped.clone());
        let kept = "Tombstones that the last walk through the records found, by the reason for which they are kept";
        registry.register("tombstones", kept, metrics.tombstones.clone());
        metrics
    }

    /// The last walk has found these.
    pub fn kept(&self, kept: &KeptCounts) {
        for reason in REASONS {
            let of_it = kept.iter().filter(|(why, ..)| label(why) == reason).map(|(.., count)| count.records);
            self.tombstones.get_or_create(&ReasonLabel { reason }).set(of_it.sum::<u64>().cast_signed());
        }
    }
}

fn label(why: &Kept) -> &'static str {
    match why {
        Kept::Young => REASONS[0],
        Kept::LeftTo(_) => REASONS[1],
        Kept::Unknown(_) => REASONS[2],
        Kept::Hinted(_) => REASONS[3],
        Kept::Differs(_) => REASONS[4],
        Kept::Settling => REASONS[5],
        Kept::Waiting => REASONS[6],
        Kept::RingMoves => REASONS[7],
    }
}
