//! The simulator tested: each mistake that can be built into a cluster shows within 200 seeds, and without it the same seed is good.
//! What a mistake does to a client, where its traces on a disk are seen first, is played out by a script.

use std::ops::ControlFlow;
use std::thread::available_parallelism;

use slipring::sim::{Defect, Ending, Plan, Report, Scene, Seen, play, run, sweep};

/// A mistake has to show within so many seeds.
const FOUND_WITHIN: u64 = 200;

const KEY: &str = "basket";

fn first_violation(defect: Defect) -> Option<Report> {
    let threads = available_parallelism().map_or(1, usize::from);
    let mut found = None;
    let swept = sweep(0..FOUND_WITHIN, threads, Some(defect), |_, report| match report.violations.is_empty() {
        true => ControlFlow::Continue(()),
        false => {
            found = Some(report);
            ControlFlow::Break(())
        }
    });
    swept.expect("every run can be made");
    found
}

fn is_found(defect: Defect) -> Report {
    let report = first_violation(defect).unwrap_or_else(|| panic!("{} is not found", defect.name()));
    println!("{}: seed {}: {}", defect.name(), report.seed, report.violations[0].what);
    let without = run(report.seed, None).expect("a run");
    assert_eq!(without.violations, [], "{}", without.explain());
    report
}

#[test]
fn a_write_that_is_acknowledged_before_it_is_synced() {
    is_found(Defect::AcknowledgedBeforeSync);
}

#[test]
fn an_epoch_that_is_not_durable() {
    is_found(Defect::EpochNotDurable);
}

#[test]
fn a_hint_that_goes_before_its_acknowledgement() {
    is_found(Defect::HintGoneBeforeItsAcknowledgement);
}

#[test]
fn tombstones_that_are_dropped_by_their_age() {
    is_found(Defect::TombstoneDroppedByAge);
}

#[test]
fn a_read_repair_that_does_not_merge() {
    is_found(Defect::ReadRepairWithoutMerge);
}

#[test]
fn a_clock_that_forgets_its_ceiling() {
    is_found(Defect::ClockNotPersisted);
}

#[test]
fn fallbacks_that_count_in_strict_mode() {
    is_found(Defect::FallbacksCountInStrictMode);
}

#[test]
fn trees_that_are_written_apart_from_their_records() {
    let report = is_found(Defect::TreeOutsideTheBatch);
    assert!(report.violations[0].what.contains("trees say other than the records"), "{}", report.explain());
}

#[test]
fn reads_that_are_answered_by_an_incomplete_owner() {
    is_found(Defect::ReadsFromIncompleteOwner);
}

#[test]
fn an_old_owner_that_acknowledges() {
    is_found(Defect::OldOwnerAcknowledges);
}

#[test]
fn a_write_that_is_acknowledged_though_it_is_outranked() {
    let report = is_found(Defect::OutrankedIsAcknowledged);
    assert!(report.violations[0].what.contains("was acknowledged"), "{}", report.explain());
}

#[test]
fn every_mistake_has_its_test() {
    let source = include_str!("simulation_finds_bugs.rs");
    for defect in Defect::ALL {
        assert!(source.contains(&format!("is_found(Defect::{defect:?})")), "{defect:?}");
    }
}

/// Three replicas of which two are a quorum, and hints that are soon given up.
fn strict(defect: Option<Defect>) -> Plan {
    let (faults, clock_error_max_ms) = (Vec::new(), 0);
    let plan =
        Plan { nodes: 3, n: 3, r: 2, w: 2, sloppy: false, hints_max_age_s: 1, ..Plan::drawn_from(0).without_moves() };
    Plan { workers: 1, cache_bytes: 0, faults, clock_error_max_ms, defect, ..plan }
}

/// One replica misses the delete, and comes back when the others have dropped what they knew of it.
async fn a_replica_sleeps_through_a_delete(scene: &mut Scene) {
    let (primaries, _) = scene.primaries_and_others(KEY);
    let (away, here) = (primaries[0], &primaries[1..]);
    let mut client = scene.client("a", here[0]);
    let gone = client.put(KEY, &Seen::default()).await.expect("acknowledged");
    scene.settle().await;
    scene.part(&[away], here);
    scene.settle().await;
    client.delete(KEY, &gone).await.expect("acknowledged");
    // Longer than it takes to give up the hint, which is looked at once a minute.
    for _ in 0..6 {
        scene.settle().await;
    }
    scene.heal();
    scene.settle().await;
}

/// The same with five nodes, a sloppy quorum, and hints that stay.
fn sloppy(defect: Option<Defect>) -> Plan {
    Plan { nodes: 5, sloppy: true, hints_max_age_s: 3_600, ..strict(defect) }
}

/// A fallback keeps a value for a replica that is down, and goes down itself while all replicas delete it.
async fn a_hint_sleeps_through_a_delete(scene: &mut Scene) {
    let (primaries, others) = scene.primaries_and_others(KEY);
    let (away, here) = (primaries[0], primaries[1]);
    scene.crash(away).await;
    scene.settle().await;
    let mut client = scene.client("a", here);
    let gone = client.put(KEY, &Seen::default()).await.expect("acknowledged");
    scene.settle().await;
    for other in &others {
        scene.crash(*other).await;
    }
    scene.start(away);
    scene.settle().await;
    client.delete(KEY, &gone).await.expect("acknowledged");
    scene.settle().await;
    for other in &others {
        scene.start(*other);
    }
    scene.settle().await;
}

/// Whether a value is said to have come back that was deleted, and that nothing is said without the mistake.
fn comes_back(plan: fn(Option<Defect>) -> Plan, script: impl AsyncFn(&mut Scene)) {
    let told = |ending: &Ending| ending.lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let without = play(&plan(None), &script).expect("a run");
    assert_eq!(without.violations, [], "{}", told(&without));
    let with = play(&plan(Some(Defect::TombstoneDroppedByAge)), &script).expect("a run");
    let found = with.violations.iter().any(|violation| violation.what.contains("a-1 was deleted, and has come back"));
    assert!(found, "{:?}\n{}", with.violations, told(&with));
}

#[test]
fn tombstones_that_are_dropped_by_their_age_bring_back_what_an_absent_replica_holds() {
    comes_back(strict, a_replica_sleeps_through_a_delete);
}

#[test]
fn tombstones_that_are_dropped_by_their_age_bring_back_what_a_hint_holds() {
    comes_back(sloppy, a_hint_sleeps_through_a_delete);
}
