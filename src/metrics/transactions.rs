//! What is counted of transactions.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::messages::transaction::{TransactError, Transacted};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What became of transactions.
#[derive(Clone)]
pub struct TransactionMetrics {
    /// Brought to an end here because their coordinator was gone.
    pub recovered: Counter,
    committed: Counter,
    cancelled: Counter,
    aborted: Counter,
    unknown: Counter,
}

impl TransactionMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let outcomes: Family<OutcomeLabel, Counter> = Family::default();
        let help = "Transactions that write, by what the client was told";
        registry.register("transactions", help, outcomes.clone());
        let recovered = Counter::default();
        let help = "Transactions brought to an end because their coordinator was gone";
        registry.register("transactions_recovered", help, recovered.clone());
        let of = |outcome| outcomes.get_or_create(&OutcomeLabel { outcome }).clone();
        let (committed, cancelled, aborted, unknown) = (of("committed"), of("cancelled"), of("aborted"), of("unknown"));
        Self { recovered, committed, cancelled, aborted, unknown }
    }

    /// Of one transaction.
    pub fn count(&self, told: &Result<Transacted, TransactError>) {
        match told {
            Ok(_) => &self.committed,
            Err(TransactError::Unknown { .. }) => &self.unknown,
            Err(TransactError::Aborted { .. } | TransactError::Overloaded(_)) => &self.aborted,
            Err(_) => &self.cancelled,
        }
        .inc();
    }
}
