//! The story of a change on its way to where its key's writes are put in order: the sequencer of its partition, as the nodes know it.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::Recipient;
use tokio::time::{Instant, sleep, timeout_at};

use super::coordination::ask;
use super::views::Views;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::record_key::RecordKey;
use crate::item::{Conflict, Key, TableSchema};
use crate::messages::LinkError;
use crate::messages::client::PutError;
use crate::messages::cluster::View;
use crate::messages::metadata::HeardOfRing;
use crate::messages::modify::{Modified, Modify, ModifyError, SequenceModify};
use crate::messages::replica::StaleEpoch;
use crate::messages::together::Together;

/// The pause before a node is asked again that was not reached, or that sees another one in front: views differ for a moment only.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How the sequencers of the cluster are reached.
pub(super) struct Ways {
    pub(super) views: Views,
    /// Of this node's shards.
    pub(super) here: Vec<Recipient<Together<SequenceModify>>>,
    pub(super) peers: BTreeMap<NodeId, Recipient<Together<SequenceModify>>>,
    /// Told of newer rings than this node's; `None` until this node's worker runs.
    pub(super) rings: Option<Recipient<HeardOfRing>>,
    pub(super) overdue_at: Instant,
}

/// Asks until there is an answer that counts. Asked again is only where it is certain that nothing was done.
pub(super) async fn pass_on(ways: Ways, modify: Modify) -> Result<Modified, ModifyError> {
    loop {
        let view = ways.views.now();
        let key = record_key(&view, &modify)?;
        let first = sequencer(&view, &modify, &key)?;
        let sequence = SequenceModify {
            epoch: view.topology.epoch(),
            partition: key.partition(),
            forwarded: false,
            modify: modify.clone(),
        };
        let refused = match ways.ask(&view, first, sequence).await {
            Err(ModifyError::Stale(stale)) => {
                ways.catch_up(stale).await;
                ModifyError::Stale(stale)
            }
            Err(
                again @ (ModifyError::NotFirst
                | ModifyError::Link(LinkError::Unreachable | LinkError::Overloaded(_))
                | ModifyError::Write(PutError::RingMoved)),
            ) => {
                sleep(RETRY_PAUSE).await;
                again
            }
            done => return done,
        };
        if Instant::now() >= ways.overdue_at {
            return Err(refused);
        }
    }
}

/// The sender sees this node in front of the others, and this node sees another one: that one is asked, and nobody else.
pub(super) async fn pass_on_once(
    ways: &Ways,
    first: NodeId,
    epoch: u64,
    modify: Modify,
) -> Result<Modified, ModifyError> {
    let view = ways.views.now();
    let key = record_key(&view, &modify)?;
    let partition = key.partition();
    ways.ask(&view, first, SequenceModify { epoch, partition, forwarded: true, modify }).await
}

impl Ways {
    async fn ask(&self, view: &View, first: NodeId, sequence: SequenceModify) -> Result<Modified, ModifyError> {
        let recipient = match first == view.local {
            true if self.here.is_empty() => None,
            true => self.here.get(sequence.partition.0 as usize % self.here.len()),
            false => self.peers.get(&first),
        };
        let late = Err(ModifyError::Link(LinkError::TimedOut));
        timeout_at(self.overdue_at, ask(recipient, sequence)).await.unwrap_or(late)
    }

    async fn catch_up(&self, StaleEpoch { epoch }: StaleEpoch) {
        if let Some(rings) = &self.rings {
            rings.do_send(HeardOfRing { epoch });
        }
        // Too late is as good as never: the deadline is looked at next.
        let _ = timeout_at(self.overdue_at, self.views.of_epoch(epoch)).await;
    }
}

/// The record that a change is about.
pub(super) fn record_key(view: &View, modify: &Modify) -> Result<RecordKey, ModifyError> {
    let table = table(view, modify)?;
    if table.conflict != Conflict::Lww {
        return Err(ModifyError::KeepsSiblings { table: modify.table.clone() });
    }
    let invalid = |reason: String| ModifyError::InvalidKey { reason };
    let key = Key::from_bytes(&modify.key).map_err(|error| invalid(error.to_string()))?;
    table.check_key(&key).map_err(|error| invalid(error.to_string()))?;
    let partition = view.ring().partition_of(&key.partition_bytes());
    Ok(RecordKey::new(partition, &table.storage_name(), &modify.key))
}

/// Who puts the writes of a key in order.
pub(super) fn sequencer(view: &View, modify: &Modify, key: &RecordKey) -> Result<NodeId, ModifyError> {
    let quorum = view.quorum_for(Some(table(view, modify)?));
    let node = view.topology.sequencer(key.partition(), quorum.n());
    node.cloned().ok_or(ModifyError::Link(LinkError::Unreachable))
}

fn table<'a>(view: &'a View, modify: &Modify) -> Result<&'a TableSchema, ModifyError> {
    view.table(&modify.table).ok_or_else(|| ModifyError::NoSuchTable { table: modify.table.clone() })
}
