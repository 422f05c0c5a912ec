//! The story of a read of several items as they all were at one time: read all of them, look what became of the transactions that have prepared any of them,
//! and read all of them again, until two readings are the same.
//!
//! What did not change between two readings was so at every instant between the end of the first and the begin of the second. Each transaction is looked up
//! once, and its items are shown as that says: while its record is being written, one look may find it decided and the next one not.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::modify_in_turn::{newest, standing};
use super::settle_intents::shown;
use crate::dynamo::siblings::Versions;
use crate::item::{Decision, Intent, Standing, TableSchema, TransactionId, TransactionRecord};
use crate::messages::client::{GetError, GetReply};
use crate::messages::modify::ReadSurely;
use crate::messages::transaction::{TransactGet, TransactGetError};
use crate::messages::{LinkError, TraceId};

/// The pause before items that changed are read again.
const PAUSE: Duration = Duration::from_millis(5);

/// So often items that go on changing are read.
const READINGS_MAX: u32 = 10;

pub(super) async fn transact_get(
    read: Rc<Recipient<ReadSurely>>,
    request: TransactGet,
    overdue_at: Instant,
) -> Result<Vec<Option<Bytes>>, TransactGetError> {
    let reader = Reader { read, trace: request.trace, overdue_at };
    let mut before = reader.read_all(&request.keys).await?;
    let mut without_record = BTreeSet::new();
    for reading in 1..READINGS_MAX {
        let decisions = reader.decisions(&before, &mut without_record).await?;
        let now = reader.read_all(&request.keys).await?;
        let changing: Vec<bool> = before.iter().zip(&now).map(|(before, now)| before != now).collect();
        if let Some(decisions) = decisions.filter(|_| !changing.contains(&true)) {
            return Ok(now.into_iter().map(|versions| as_decided(versions, &decisions)).collect());
        }
        if Instant::now() >= overdue_at || reading + 1 == READINGS_MAX {
            return Err(TransactGetError::Conflict { changing });
        }
        before = now;
        sleep(PAUSE * reading).await;
    }
    Err(TransactGetError::Conflict { changing: vec![true; before.len()] })
}

fn as_decided(versions: Versions, decisions: &BTreeMap<TransactionId, Decision>) -> Option<Bytes> {
    let settled =
        |version| decisions.iter().try_fold(version, |version, (id, decision)| shown(version, *id, *decision));
    newest(versions.into_iter().filter_map(settled))
}

struct Reader {
    read: Rc<Recipient<ReadSurely>>,
    trace: TraceId,
    overdue_at: Instant,
}

impl Reader {
    /// What became of the transactions that have prepared any of these. One that is under way counts as one that is aborted. `None`: there is no record of
    /// one for the first time; it is over, and its items say so by now, or it never began.
    async fn decisions(
        &self,
        items: &[Versions],
        without_record: &mut BTreeSet<TransactionId>,
    ) -> Result<Option<BTreeMap<TransactionId, Decision>>, GetError> {
        let mut decisions = BTreeMap::new();
        for transaction in prepared_by(items)? {
            let key = TransactionRecord::key(transaction).to_bytes();
            let record = self.read(TableSchema::transactions().name.as_str(), &key).await?;
            let decision = match newest(record).and_then(|bytes| standing(&bytes)) {
                Some(Standing::Decided(decision)) => decision,
                Some(Standing::Pending) => Decision::Aborted,
                None if without_record.insert(transaction) => return Ok(None),
                None => Decision::Aborted,
            };
            decisions.insert(transaction, decision);
        }
        Ok(Some(decisions))
    }

    /// The items as they are stored.
    async fn read_all(&self, keys: &[(String, Bytes)]) -> Result<Vec<Versions>, GetError> {
        let replies = join_all(keys.iter().map(|(table, key)| self.read(table, key))).await;
        replies.into_iter().collect()
    }

    async fn read(&self, table: &str, key: &Bytes) -> Result<Versions, GetError> {
        let left = self.overdue_at.saturating_duration_since(Instant::now()).as_millis();
        let timeout_ms = Some(u32::try_from(left).unwrap_or(u32::MAX));
        let (trace, table, key) = (self.trace, table.to_owned(), key.clone());
        let stopped = |_| GetError::InvalidKey { reason: LinkError::Stopped.to_string() };
        let read = ReadSurely { trace, table, key, least_epoch: 0, as_stored: true, puts_back: false, timeout_ms };
        self.read.send(read).await.map_err(stopped)?.map(|reply: GetReply| reply.versions)
    }
}

/// The transactions that have prepared any of these.
fn prepared_by(items: &[Versions]) -> Result<BTreeSet<TransactionId>, GetError> {
    let values = items.iter().flatten().filter_map(|version| version.value.as_ref());
    let intents = values.filter(|bytes| Intent::is_one(bytes)).map(Intent::from_bytes);
    let damaged = |_| GetError::InvalidKey { reason: "the stored item is damaged".to_owned() };
    intents.map(|intent| intent.map(|intent| intent.transaction).map_err(damaged)).collect()
}

#[cfg(test)]
#[path = "transact_get_tests.rs"]
mod tests;
