//! What was deleted does not come back, and its tombstone goes all the same: scripts with whole simulated clusters, whose invariants report every value
//! that is shown although a delete has superseded it.

use std::time::Duration;

use slipring::sim::{Ending, Plan, Scene, Seen, play};

const KEY: &str = "basket";

/// Long enough for a tombstone to grow old, and for two walks with their settling time.
const COLLECTION: Duration = Duration::from_secs(90);

fn plan(nodes: usize) -> Plan {
    Plan {
        nodes,
        workers: 2,
        n: 3,
        r: 1,
        w: 1,
        sloppy: true,
        cache_bytes: 0,
        faults: Vec::new(),
        clock_error_max_ms: 0,
        hints_max_age_s: 3_600,
        tombstones_min_age_s: 5,
        ..Plan::drawn_from(0).without_moves()
    }
}

async fn written_and_deleted(scene: &mut Scene, at: usize) {
    let mut client = scene.client("a", at);
    let seen = client.put(KEY, &Seen::default()).await.expect("acknowledged");
    scene.settle().await;
    client.delete(KEY, &seen).await.expect("acknowledged");
}

async fn shows_nothing(scene: &mut Scene) {
    let found = scene.client("onlooker", 0).get(KEY, Some(3)).await.expect("an answer");
    assert!(found.covers.is_empty(), "{:?}", found.covers);
}

fn holds(ending: &Ending) {
    let lines: Vec<String> = ending.lines.iter().map(ToString::to_string).collect();
    assert_eq!(ending.violations, [], "{}", lines.join("\n"));
}

#[test]
fn all_replicas_forget_a_deleted_key_and_take_it_anew() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        let (primaries, _) = scene.primaries_and_others(KEY);
        written_and_deleted(scene, primaries[0]).await;
        assert_eq!(scene.holders(KEY), 3);
        scene.wait(COLLECTION).await;
        assert_eq!(scene.holders(KEY), 0);
        let new = scene.client("b", primaries[1]).put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.settle().await;
        let found = scene.client("onlooker", 0).get(KEY, Some(3)).await.expect("an answer");
        assert_eq!(found.covers, new.covers);
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_replica_that_was_away_holds_the_old_value_when_it_returns() {
    let ending = play(&plan(3), async |scene: &mut Scene| {
        let (primaries, _) = scene.primaries_and_others(KEY);
        let mut client = scene.client("a", primaries[0]);
        let seen = client.put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.settle().await;
        scene.crash(primaries[2]).await;
        scene.settle().await;
        client.delete(KEY, &seen).await.expect("acknowledged");
        scene.wait(COLLECTION).await;
        assert_eq!(scene.holders(KEY), 3, "nobody knows what the absent one holds");
        scene.start(primaries[2]);
        scene.settle().await;
        shows_nothing(scene).await;
        scene.wait(COLLECTION).await;
        assert_eq!(scene.holders(KEY), 0);
    });
    holds(&ending.expect("a run"));
}

/// A stand-in took the write while a primary was away, and is away itself while everybody else agrees on the delete.
#[test]
fn a_stand_in_returns_with_an_old_hint() {
    let ending = play(&plan(4), async |scene: &mut Scene| {
        let (primaries, others) = scene.primaries_and_others(KEY);
        scene.crash(primaries[2]).await;
        scene.settle().await;
        let mut client = scene.client("a", primaries[0]);
        let seen = client.put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.settle().await;
        scene.crash(others[0]).await;
        scene.start(primaries[2]);
        scene.settle().await;
        client.delete(KEY, &seen).await.expect("acknowledged");
        scene.wait(COLLECTION).await;
        assert_eq!(scene.holders(KEY), 3, "nobody knows what the stand-in keeps");
        scene.start(others[0]);
        scene.settle().await;
        shows_nothing(scene).await;
        scene.wait(COLLECTION).await;
        assert_eq!(scene.holders(KEY), 0);
        shows_nothing(scene).await;
    });
    holds(&ending.expect("a run"));
}
