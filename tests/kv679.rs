//! The six known ways in which a store with version vectors loses an acknowledged write because a replica's count of its own writes
//! went backwards (Riak's issue kv679 and its test cases), played by a whole cluster: real actors, network, disks, hints.
//!
//! In each, `kept` was acknowledged, and nobody saw it before writing over its key: it has to be there in the end, beside `y`.

use slipring::sim::{Defect, Ending, Plan, Scene, Seen, Visitor, play};

const KEY: &str = "basket";

/// One answer is enough for everything, so that a replica that has forgotten is asked alone. Replicas are not compared: that would tell it what it
/// has forgotten.
fn plan(nodes: usize) -> Plan {
    Plan {
        nodes,
        workers: 1,
        n: 3,
        r: 1,
        w: 1,
        sloppy: true,
        compared_every_s: None,
        cache_bytes: 0,
        faults: Vec::new(),
        clock_error_max_ms: 0,
        ..Plan::drawn_from(0).without_moves()
    }
}

/// Writes twice: first what `seen` says, then over the first.
async fn twice(client: &mut Visitor, seen: &Seen) -> Seen {
    let first = client.put(KEY, seen).await.expect("acknowledged");
    client.put(KEY, &first).await.expect("acknowledged")
}

/// In the end all replicas show exactly these.
async fn shows(scene: &mut Scene, expected: &[&Seen]) {
    scene.heal();
    scene.settle().await;
    let found = scene.client("onlooker", 0).get(KEY, Some(3)).await.expect("an answer");
    let expected: Vec<&String> = expected.iter().flat_map(|seen| &seen.covers).collect();
    assert_eq!(found.covers.iter().collect::<Vec<_>>(), expected);
}

fn holds(ending: &Ending) {
    let lines: Vec<String> = ending.lines.iter().map(ToString::to_string).collect();
    assert_eq!(ending.violations, [], "{}", lines.join("\n"));
}

#[test]
fn a_local_record_is_lost_and_written_anew() {
    let ending = play(&plan(3), async |scene: &mut Scene| {
        let (primaries, _) = scene.primaries_and_others(KEY);
        let mut client = scene.client("a", primaries[0]);
        let kept = twice(&mut client, &Seen::default()).await;
        scene.settle().await;
        scene.forget(primaries[0], KEY);
        let y = twice(&mut client, &Seen::default()).await;
        shows(scene, &[&kept, &y]).await;
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_fallback_answers_that_it_holds_nothing() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        let (primaries, others) = scene.primaries_and_others(KEY);
        let mut client = scene.client("b", others[0]);
        scene.part(&primaries, &others);
        scene.settle().await;
        let kept = twice(&mut client, &Seen::default()).await;
        // It goes to its owners, and who has minted it holds it no more.
        scene.heal();
        scene.settle().await;
        scene.part(&primaries, &others);
        scene.settle().await;
        let nothing = client.get(KEY, None).await.expect("an answer");
        assert!(nothing.covers.is_empty());
        let y = twice(&mut client, &nothing).await;
        shows(scene, &[&kept, &y]).await;
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_fallback_has_handed_over_and_then_sees_an_old_copy_of_its_own() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        let (primaries, others) = scene.primaries_and_others(KEY);
        let (f, g) = (others[0], others[1]);
        scene.part(&primaries, &others);
        scene.settle().await;
        let mut client = scene.client("f", f);
        let first = client.put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.settle().await;
        scene.part(&[f], &[g]);
        scene.settle().await;
        let kept = client.put(KEY, &first).await.expect("acknowledged");
        // What f keeps goes to its owners, and f has it no more; g still keeps the old copy.
        scene.heal();
        scene.part(&[g], &[primaries[0], primaries[1], primaries[2], f]);
        scene.settle().await;
        scene.heal();
        scene.part(&primaries, &others);
        scene.settle().await;
        let old = client.get(KEY, Some(2)).await.expect("an answer");
        assert_eq!(old.covers, first.covers, "g's copy");
        let y = twice(&mut client, &old).await;
        shows(scene, &[&kept, &y]).await;
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_tombstone_is_gone_and_the_key_written_anew() {
    let ending = play(&plan(3), async |scene: &mut Scene| {
        let (primaries, _) = scene.primaries_and_others(KEY);
        let mut client = scene.client("a", primaries[0]);
        let gone = client.put(KEY, &Seen::default()).await.expect("acknowledged");
        client.delete(KEY, &gone).await.expect("acknowledged");
        let seen = scene.client("b", primaries[1]).get(KEY, Some(3)).await.expect("an answer");
        let kept = client.put(KEY, &seen).await.expect("acknowledged");
        scene.settle().await;
        scene.forget(primaries[0], KEY);
        let y = twice(&mut client, &Seen::default()).await;
        shows(scene, &[&kept, &y]).await;
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_tombstone_is_handed_over_and_gone_and_the_key_written_anew_at_a_fallback() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        let (primaries, others) = scene.primaries_and_others(KEY);
        let (a, b) = (primaries[0], primaries[1]);
        let gone = scene.client("a", a).put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.settle().await;
        // Deleted while a is away: a fallback keeps the tombstone for it, and hands it over.
        let everybody_else: Vec<usize> = (0..5).filter(|at| *at != a).collect();
        scene.part(&[a], &everybody_else);
        scene.settle().await;
        scene.client("b", b).delete(KEY, &gone).await.expect("acknowledged");
        scene.heal();
        scene.settle().await;
        let mut client = scene.client("c", a);
        let seen = client.get(KEY, None).await.expect("an answer");
        assert!(seen.covers.is_empty(), "the tombstone has arrived");
        let kept = client.put(KEY, &seen).await.expect("acknowledged");
        scene.settle().await;
        scene.forget(a, KEY);
        scene.part(&primaries, &others);
        scene.settle().await;
        let x = scene.client("d", others[0]).put(KEY, &Seen::default()).await.expect("acknowledged");
        scene.heal();
        scene.settle().await;
        let y = client.put(KEY, &x).await.expect("acknowledged");
        shows(scene, &[&kept, &y]).await;
    });
    holds(&ending.expect("a run"));
}

/// The disk and the clock of a node are set back, and it writes on.
async fn disk_and_clock_go_backwards(scene: &mut Scene) {
    let (primaries, _) = scene.primaries_and_others(KEY);
    let a = primaries[0];
    let mut client = scene.client("a", a);
    let first = client.put(KEY, &Seen::default()).await.expect("acknowledged");
    scene.settle().await;
    scene.copy_disk(a);
    let kept = client.put(KEY, &first).await.expect("acknowledged");
    scene.settle().await;
    scene.crash(a).await;
    scene.set_back(a);
    // It begins when its copy was made, and lives through that time once more.
    scene.set_clock(a, -31_000);
    scene.part(&[a], &primaries[1..]);
    scene.start(a);
    scene.settle().await;
    scene.settle().await;
    let mut again = scene.client("b", a);
    let old = again.get(KEY, None).await.expect("an answer");
    assert_eq!(old.covers, first.covers, "what the copy held");
    let y = twice(&mut again, &old).await;
    scene.set_clock(a, 0);
    shows(scene, &[&kept, &y]).await;
}

#[test]
fn an_id_would_be_used_again_after_the_disk_and_the_clock_went_backwards() {
    holds(&play(&plan(3), disk_and_clock_go_backwards).expect("a run"));
}

/// The same with the mistake that the scenario is about.
#[test]
#[should_panic(expected = "left: [\"b-2\"]")]
fn an_epoch_that_is_not_durable_loses_the_write() {
    let plan = Plan { defect: Some(Defect::EpochNotDurable), ..plan(3) };
    holds(&play(&plan, disk_and_clock_go_backwards).expect("a run"));
}
