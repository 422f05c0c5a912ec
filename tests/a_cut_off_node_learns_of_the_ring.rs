//! A node that the leader of the log does not reach goes by the ring that its peers know: requests through it go on while partitions move, and its log
//! catches up later. Whole nodes in virtual time.

use slipring::messages::metadata::{DescribeMetadata, MetadataStatus};
use slipring::sim::{Ending, Plan, Scene, Seen, play};

const KEYS: usize = 40;

fn plan() -> Plan {
    Plan {
        nodes: 4,
        spares: 1,
        partitions: 32,
        workers: 1,
        n: 3,
        r: 2,
        w: 2,
        sloppy: false,
        faults: Vec::new(),
        clients: 2,
        keys: 30,
        ..Plan::drawn_from(1)
    }
}

async fn metadata(scene: &mut Scene, node: usize) -> MetadataStatus {
    let mut visitor = scene.client("asks", node);
    visitor.ask(&DescribeMetadata).await.expect("it is sent").expect("it is answered")
}

async fn leader(scene: &mut Scene) -> usize {
    let leader = metadata(scene, 0).await.leader.expect("somebody leads");
    leader.as_str().trim_start_matches('n').parse().expect("a number")
}

/// Every key is written and read through this node. How many requests were not served.
async fn failures_through(scene: &mut Scene, node: usize, round: &str) -> usize {
    let mut client = scene.client(&format!("{round} through n{node}"), node);
    let mut failures = 0;
    for key in (0..KEYS).map(|number| format!("{round}-{number}")) {
        failures += usize::from(client.put(&key, &Seen::default()).await.is_none());
        failures += usize::from(client.get(&key, None).await.is_none());
    }
    failures
}

fn text(ending: &Ending) -> String {
    ending.lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The leader is not heard by a follower, who is heard by it or not, while a node joins.
fn cut_off(both_ways: bool) {
    let ending = play(&plan(), async |scene| {
        let leader = leader(scene).await;
        // Not the first member: through that one the operator has a node joined.
        let deaf = (1..4).find(|at| *at != leader).expect("there are four");
        scene.cut(leader, deaf);
        if both_ways {
            scene.cut(deaf, leader);
        }
        scene.employ();
        scene.settle().await;
        let before = metadata(scene, deaf).await;
        // Where it falls to the deaf one to say that old replicas may let go, that waits.
        let _ = scene.join(4).await;
        let other = (0..4).find(|at| *at != deaf && *at != leader).expect("there are four");
        scene.settle().await;
        let (known, newest) = (metadata(scene, deaf).await, metadata(scene, other).await);
        assert!(newest.epoch > before.epoch, "the ring has moved: {newest:?}");
        assert_eq!(
            (known.epoch, known.digest),
            (newest.epoch, newest.digest),
            "what is agreed on has come another way"
        );
        assert!(known.log_behind > 0 && known.applied < newest.applied, "and not by the log: {known:?}");
        assert_eq!(failures_through(scene, deaf, "cut").await, 0, "requests go on through n{deaf}");

        // What was taken over is not on the disk: it comes again.
        scene.crash(deaf).await;
        scene.start(deaf);
        scene.settle().await;
        let again = metadata(scene, deaf).await;
        assert!(again.epoch >= newest.epoch && again.log_behind > 0, "{again:?}");
        assert_eq!(failures_through(scene, deaf, "restarted").await, 0, "requests go on through n{deaf}");

        scene.heal();
        scene.settle().await;
        scene.settle().await;
        let (healed, newest) = (metadata(scene, deaf).await, metadata(scene, other).await);
        assert_eq!((healed.epoch, healed.digest), (newest.epoch, newest.digest));
        assert_eq!((healed.log_behind, healed.applied), (0, newest.applied), "the log has caught up");
        assert!(healed.epoch >= again.epoch, "nothing older than before");
    });
    let ending = ending.expect("a run");
    assert_eq!(ending.violations, [], "{}", text(&ending));
}

#[test]
fn who_neither_hears_the_leader_nor_is_heard_serves_while_the_ring_moves() {
    cut_off(true);
}

#[test]
fn who_only_does_not_hear_the_leader_serves_while_the_ring_moves() {
    cut_off(false);
}
