//! A quorum that the live nodes can form is served, one that they cannot is refused in words, and nothing hangs. The nodes
//! that were away hold everything once they are back, without anybody having read it.

mod cluster;

use cluster::{Cluster, do_get, do_put, get, put, values, wait_until_every_primary_holds};
use slipring::client::CallError;
use slipring::messages::client::{GetError, PutError, WriteOutcome};

#[tokio::test]
async fn a_quorum_is_served_while_it_can_be_met_and_refused_in_words_when_it_cannot() {
    let mut cluster = Cluster::start(3);
    cluster.kill(&[2]);
    let client = cluster.nodes[0].client().await;

    do_put(&client, &put("two-of-three", "kept", None)).await.unwrap();
    let refused =
        do_put(&client, &slipring::messages::client::Put { w: Some(3), ..put("three", "refused", None) }).await;
    let Err(CallError::Refused(PutError::QuorumNotReached { needed: 3, outcome, .. })) = refused else {
        panic!("W = 3 with two nodes: {refused:?}");
    };
    assert_eq!(outcome, WriteOutcome::NotApplied);
    assert_eq!(values(&do_get(&client, &get("three")).await.unwrap()), [""; 0], "what was not applied is nowhere");

    cluster.kill(&[1]);
    do_put(&client, &slipring::messages::client::Put { w: Some(1), ..put("one-of-three", "kept too", None) })
        .await
        .unwrap();
    let one = do_get(&client, &slipring::messages::client::Get { r: Some(1), ..get("two-of-three") }).await.unwrap();
    assert_eq!(values(&one), ["kept"]);
    let refused = do_get(&client, &get("two-of-three")).await;
    let Err(CallError::Refused(GetError::QuorumNotReached { needed: 2, .. })) = refused else {
        panic!("R = 2 with one node: {refused:?}");
    };
    let refused = do_put(&client, &put("two", "refused", None)).await;
    assert!(matches!(refused, Err(CallError::Refused(PutError::QuorumNotReached { needed: 2, .. }))), "{refused:?}");

    cluster.start_all();
    for (key, value) in [("two-of-three", "kept"), ("one-of-three", "kept too")] {
        wait_until_every_primary_holds(&client, key, &[value]).await;
    }
    assert_eq!(cluster.metric_sum("slipring_read_repairs_total"), 0.0, "the hints did it");
}
