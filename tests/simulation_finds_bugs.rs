//! The simulator tested: each mistake that can be built into a cluster shows within 200 seeds, and without it the same seed is good.

use std::ops::ControlFlow;
use std::thread::available_parallelism;

use slipring::sim::{Defect, Report, run, sweep};

/// A mistake has to show within so many seeds.
const FOUND_WITHIN: u64 = 200;

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

fn is_found(defect: Defect) {
    let report = first_violation(defect).unwrap_or_else(|| panic!("{} is not found", defect.name()));
    println!("{}: seed {}: {}", defect.name(), report.seed, report.violations[0].what);
    let without = run(report.seed, None).expect("a run");
    assert_eq!(without.violations, [], "{}", without.explain());
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
fn every_mistake_has_its_test() {
    let source = include_str!("simulation_finds_bugs.rs");
    for defect in Defect::ALL {
        assert!(source.contains(&format!("is_found(Defect::{defect:?})")), "{defect:?}");
    }
}
