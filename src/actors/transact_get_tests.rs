//! Two items that one transaction has prepared, and a record that is just being written: one look finds it decided, and the next one does not.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use tokio::time::Instant;

use super::transact_get;
use crate::dynamo::context;
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::siblings::{Version, Versions};
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};
use crate::item::{Action, Decision, Intent, Item, Standing, TableSchema, TransactionId, TransactionRecord};
use crate::messages::TraceId;
use crate::messages::client::{GetError, GetReply};
use crate::messages::modify::ReadSurely;
use crate::messages::transaction::TransactGet;

const TRANSACTION: TransactionId = TransactionId(7);

/// Stands for the coordinator. Counts how often it is asked for the record.
struct Stage {
    looks: Arc<AtomicUsize>,
    /// What the record says, look by look; `None`: there is none. The last one goes on.
    record: Vec<Option<&'static str>>,
}

impl Actor for Stage {
    type Context = Context<Self>;
}

impl Handler<ReadSurely> for Stage {
    type Result = Result<GetReply, GetError>;

    fn handle(&mut self, read: ReadSurely, _: &mut Self::Context) -> Self::Result {
        assert!(read.as_stored, "the intents are what matters");
        let value = if read.table == TableSchema::transactions().name.as_str() {
            let look = self.looks.fetch_add(1, Ordering::Relaxed);
            self.record[look.min(self.record.len() - 1)].map(record)
        } else {
            Some(intent())
        };
        let dot = Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_unix_ms(1) };
        let versions: Versions = value
            .into_iter()
            .map(|value| Version { dot, value: Some(value), expires_at_ms: None, tenure: 1 })
            .collect();
        Ok(GetReply { versions, context: context::Context::new(&read.key, VersionVector::new()) })
    }
}

fn intent() -> Bytes {
    let (before, after) = (Some(Bytes::from_static(b"before")), Some(Bytes::from_static(b"after")));
    Intent { transaction: TRANSACTION, deadline_ms: 1, before, after }.to_bytes()
}

/// A record in this state.
fn record(state: &'static str) -> Bytes {
    let begin = TransactionRecord::begin(TRANSACTION, 1, &[]);
    let Action::Put(pending) = begin.action else { panic!("it is put") };
    let decided = match state {
        "committed" => TransactionRecord::commit(),
        _ => return pending.to_bytes(),
    };
    let item = decided.decide(Some(&pending), &Item::new()).expect("it is pending").expect("an item");
    let standing = TransactionRecord::of_item(&item).map(|record| record.standing);
    assert_eq!(standing, Some(Standing::Decided(Decision::Committed)));
    item.to_bytes()
}

fn read(record: Vec<Option<&'static str>>) -> (Vec<Option<Bytes>>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let looks = Arc::<AtomicUsize>::default();
        let stage = Stage { looks: Arc::clone(&looks), record }.start();
        let keys = ["a", "b"].map(|key| ("t".to_owned(), Bytes::from_static(key.as_bytes()))).into();
        let get = TransactGet { trace: TraceId(1), keys, timeout_ms: None };
        let overdue_at = Instant::now() + Duration::from_secs(5);
        let found = transact_get(Rc::new(stage.recipient()), get, overdue_at).await.expect("it can be read");
        (found, looks.load(Ordering::Relaxed))
    })
}

#[test]
fn both_items_are_shown_as_one_look_at_the_record_says() {
    let both = |value: &'static [u8]| vec![Some(Bytes::from_static(value)); 2];
    assert_eq!(read(vec![Some("committed"), Some("pending")]), (both(b"after"), 1));
    assert_eq!(read(vec![Some("pending"), Some("committed")]), (both(b"before"), 1));
    // Who finds no record looks again before he believes that nothing was decided.
    assert_eq!(read(vec![None, Some("committed")]), (both(b"after"), 2));
    assert_eq!(read(vec![None]), (both(b"before"), 2));
}
