//! Whole clusters in virtual time: some seeds hold every invariant, a seed repeats itself exactly, and a built-in defect is found.

use slipring::sim::{Defect, Plan, Violation, run, run_plan};

/// Enough to break the build, few enough for every build. `slipring-sim fuzz` runs as many as one likes.
const SEEDS: u64 = 12;

/// A built-in defect has to show within so many seeds.
const FOUND_WITHIN: u64 = 200;

#[test]
fn invariants_hold() {
    let mut acknowledged = 0;
    for seed in 0..SEEDS {
        let report = run(seed, None).expect("a run");
        assert_eq!(report.violations, [], "slipring-sim replay --seed {seed}");
        acknowledged += report.acknowledged;
    }
    assert!(acknowledged > 1_000, "only {acknowledged} writes were acknowledged: the runs prove little");
}

#[test]
fn a_seed_repeats_itself() {
    let hashes = |seed| {
        let report = run(seed, None).expect("a run");
        (report.trace_hash, report.events, report.lines)
    };
    assert_eq!(hashes(7), hashes(7));
    assert_ne!(hashes(7).0, hashes(8).0);
}

#[test]
fn a_run_without_faults_acknowledges_everything() {
    let plan = Plan { faults: Vec::new(), n: 3, r: 2, w: 2, ..Plan::drawn_from(1) };
    let report = run_plan(1, &plan).expect("a run");
    assert_eq!(report.violations, []);
    assert_eq!(report.writes, report.acknowledged);
}

/// The first seed that shows the defect, with what it showed.
fn first_violation(defect: Defect) -> Option<(u64, Violation)> {
    (0..FOUND_WITHIN).find_map(|seed| {
        let report = run(seed, Some(defect)).expect("a run");
        report.violations.into_iter().next().map(|violation| (seed, violation))
    })
}

#[test]
fn a_hint_that_goes_before_its_acknowledgement_is_found() {
    let (seed, violation) = first_violation(Defect::HintGoneBeforeItsAcknowledgement).expect("found");
    println!("seed {seed}: {violation:?}");
    assert!(run(seed, None).expect("a run").violations.is_empty(), "without the defect the seed is good");
}
