//! A replica that has answered a read that binds refuses whoever assumes an older epoch, also after it has lost its memory.

mod virtual_cluster;

use slipring::actors::coordination::ReplicaRecipients;
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::siblings::Siblings;
use slipring::messages::TraceId;
use slipring::messages::replica::{ReadReplica, ReadReplicaError, Slot, StaleEpoch};
use slipring::messages::together::Together;
use virtual_cluster::{VirtualCluster, on_one_thread};

/// What the replica says to one who assumes this epoch.
async fn read(
    cluster: &VirtualCluster,
    key: &RecordKey,
    epoch: u64,
    binds: bool,
) -> Result<Siblings, ReadReplicaError> {
    let (read, answer) =
        Together::alone(ReadReplica { trace: TraceId(1), epoch, key: key.clone(), slot: Slot::Own, binds });
    ReplicaRecipients::of(&cluster.nodes[0]).read.do_send(read);
    answer.await.expect("an answer")
}

#[actix::test]
async fn what_is_promised_outlives_the_process() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(1, (1, 1, 1), false);
        let key = cluster.record_key("k");
        assert_eq!(read(&cluster, &key, 7, false).await, Ok(Siblings::default()));
        assert_eq!(read(&cluster, &key, 1, false).await, Ok(Siblings::default()), "nobody was promised anything");
        assert_eq!(read(&cluster, &key, 9, true).await, Ok(Siblings::default()));
        let refused = Err(ReadReplicaError::Stale(StaleEpoch { epoch: 9 }));
        assert_eq!(read(&cluster, &key, 8, false).await, refused);
        cluster.crash(0);
        assert_eq!(read(&cluster, &key, 8, false).await, refused);
        assert_eq!(read(&cluster, &key, 9, false).await, Ok(Siblings::default()));
    })
    .await;
}
