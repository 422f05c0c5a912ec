//! While primaries are away the next nodes of the ring stand in for them and count toward W, unless quorums are strict. What they
//! keep survives their own death and is handed to the primaries, and then it is gone from them.

mod cluster;

use cluster::{
    Cluster, do_get, do_put, eventually, get, hints, primaries, put, values, wait_until_every_primary_holds,
};
use slipring::client::CallError;
use slipring::messages::client::{GetError, PutError};

const KEY: &str = "basket";

/// Kills all primaries of the key but one: the places of that one, of the dead and of the stand-ins.
async fn kill_two_primaries(cluster: &mut Cluster) -> (usize, Vec<usize>, Vec<usize>) {
    let client = cluster.nodes[0].client().await;
    let primaries: Vec<usize> = primaries(&client, KEY).await.iter().map(|name| cluster.at(name)).collect();
    let others = (0..cluster.nodes.len()).filter(|at| !primaries.contains(at)).collect();
    cluster.kill(&primaries[1..]);
    (primaries[0], primaries[1..].to_vec(), others)
}

#[tokio::test]
async fn stand_ins_count_toward_the_quorum_and_hand_over_what_they_kept() {
    let mut cluster = Cluster::start(5);
    let (alive, dead, stand_ins) = kill_two_primaries(&mut cluster).await;
    let client = cluster.nodes[alive].client().await;

    do_put(&client, &put(KEY, "milk", None)).await.unwrap();
    for at in [alive, stand_ins[0], stand_ins[1]] {
        let reader = cluster.nodes[at].client().await;
        assert_eq!(values(&do_get(&reader, &get(KEY)).await.unwrap()), ["milk"], "through {}", cluster.nodes[at].name);
    }
    let mut expected: Vec<_> = stand_ins
        .iter()
        .zip(&dead)
        .map(|(keeper, owner)| (cluster.nodes[*owner].name.clone(), cluster.nodes[*keeper].name.clone()))
        .collect();
    expected.sort();
    let kept = async || {
        let hints = hints(&client, KEY).await;
        assert!(hints.iter().all(|(_, _, values)| values == &["milk"]), "{hints:?}");
        let mut owners: Vec<_> = hints.iter().map(|(_, owner, _)| owner.clone()).collect();
        owners.sort();
        let keepers = hints.iter().all(|(keeper, _, _)| stand_ins.contains(&cluster.at(keeper)));
        keepers && owners.iter().eq(expected.iter().map(|(owner, _)| owner))
    };
    eventually("each stand-in keeps a hint for a dead primary", kept).await;

    cluster.kill(&stand_ins);
    stand_ins.iter().for_each(|at| cluster.nodes[*at].start());
    cluster.wait_until_connected();
    assert_eq!(hints(&client, KEY).await.len(), 2, "hints survive kill -9 of those who keep them");
    for at in &stand_ins {
        let keeper = &cluster.nodes[*at];
        keeper.wait_until("counts its hint", || keeper.metric_sum("slipring_hints_pending_keys") == 1.0);
    }

    cluster.start_all();
    wait_until_every_primary_holds(&client, KEY, &["milk"]).await;
    eventually("no hint is left", async || hints(&client, KEY).await.is_empty()).await;
    for node in &cluster.nodes {
        node.wait_until("has no hints", || node.metric_sum("slipring_hints_pending_keys") == 0.0);
    }
    assert_eq!(cluster.metric_sum("slipring_hints_delivered_total"), 2.0);
}

#[tokio::test]
async fn strict_quorums_take_no_stand_ins() {
    let mut cluster = Cluster::start_with(5, &[("replication.sloppy", "false")]);
    let (alive, _, stand_ins) = kill_two_primaries(&mut cluster).await;
    for at in [alive, stand_ins[0]] {
        let client = cluster.nodes[at].client().await;
        let refused = do_put(&client, &put(KEY, "milk", None)).await;
        assert!(
            matches!(refused, Err(CallError::Refused(PutError::QuorumNotReached { needed: 2, .. }))),
            "{refused:?}"
        );
        let refused = do_get(&client, &get(KEY)).await;
        assert!(
            matches!(refused, Err(CallError::Refused(GetError::QuorumNotReached { needed: 2, .. }))),
            "{refused:?}"
        );
        assert_eq!(hints(&client, KEY).await, [], "and nothing was written");
    }
}
