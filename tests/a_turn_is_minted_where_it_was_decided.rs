//! What a sequencer has decided gets its dot from the sequencer. By the clock of another replica, which may be ahead, an attempt that fails could win
//! over what the sequencer writes afterwards.

mod virtual_cluster;

use std::sync::atomic::Ordering;

use slipring::item::{AttributeValue, Item, KeyValue, TableSchema};
use slipring::messages::TraceId;
use slipring::messages::client::{PutError, WriteOutcome};
use slipring::messages::modify::WriteSequenced;
use virtual_cluster::{VirtualCluster, on_one_thread};

#[actix::test]
async fn no_other_replica_mints_for_a_sequencer_that_cannot() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.ahead_ms[1].store(10_000, Ordering::Relaxed);
        // The others refuse it: a time stamp from the future is on one disk, and in what its reader has seen.
        let seen = cluster.put_w(1, "k", "ahead", None, Some(1)).await.expect("one copy is wanted").context;
        let before = cluster.stored("k");
        let key = slipring::item::Key { partition: KeyValue::S("k".to_owned()), sort: None };
        let item = Item::from_iter([("key", AttributeValue::S("k".to_owned()))]);
        let write = WriteSequenced {
            trace: TraceId(1),
            epoch: 1,
            table: TableSchema::kv().name.as_str().to_owned(),
            key: key.to_bytes(),
            seen,
            item: Some(item.to_bytes()),
            timeout_ms: None,
        };
        let refused = cluster.coordinators[0].send(write).await.expect("the coordinator lives");
        let Err(PutError::QuorumNotReached { outcome: WriteOutcome::NotApplied, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(cluster.stored("k"), before, "nothing is left of it");
    })
    .await;
}
