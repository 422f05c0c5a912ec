//! Whole clusters in virtual time: some seeds hold every invariant, and a seed repeats itself exactly.
//!
//! `SLIPRING_SIM_FIRST_SEED` chooses the seeds that are otherwise drawn from the date.

use std::ops::{ControlFlow, Range};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use slipring::sim::{Plan, play, run, run_plan, sweep};

/// The same in every build.
const FIXED: Range<u64> = 0..32;

/// As many others, new on each day. `slipring-sim fuzz` runs as many as one likes.
const FRESH: u64 = 32;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

fn first_fresh_seed() -> u64 {
    let chosen = std::env::var("SLIPRING_SIM_FIRST_SEED").ok();
    let today = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a date").as_secs() / SECONDS_PER_DAY;
    chosen.map_or_else(|| today() * 1_000, |seed| seed.parse().expect("SLIPRING_SIM_FIRST_SEED is a number"))
}

fn all_hold(seeds: Range<u64>) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut acknowledged, mut simulated_ms) = (0, 0);
    let swept = sweep(seeds.clone(), threads, None, |_, report| {
        assert_eq!(report.violations, [], "{}", report.explain());
        acknowledged += report.acknowledged;
        simulated_ms += report.simulated_ms;
        ControlFlow::Continue(())
    });
    swept.expect("every run can be made");
    let seeds = seeds.end - seeds.start;
    assert!(acknowledged as u64 > seeds * 100, "only {acknowledged} writes were acknowledged: the runs prove little");
    assert!(simulated_ms > seeds * 270_000, "only {simulated_ms} ms were simulated");
}

#[test]
fn every_invariant_holds_for_the_fixed_seeds() {
    all_hold(FIXED);
}

#[test]
fn every_invariant_holds_for_the_seeds_of_the_day() {
    let first = first_fresh_seed();
    println!("the first seed is {first}: SLIPRING_SIM_FIRST_SEED={first} runs them again");
    all_hold(first..first + FRESH);
}

#[test]
fn a_seed_repeats_itself_also_on_another_thread() {
    let hashes = |seed| {
        let report = run(seed, None).expect("a run");
        (report.trace_hash, report.events, report.lines)
    };
    for seed in [7, 20, 33] {
        let other = thread::spawn(move || hashes(seed));
        assert!(hashes(seed) == other.join().expect("a run"), "seed {seed} did not repeat itself");
    }
    assert_ne!(hashes(7).0, hashes(8).0);
}

#[test]
fn a_run_without_faults_acknowledges_everything() {
    let plan = Plan { faults: Vec::new(), n: 3, r: 2, w: 2, ..Plan::drawn_from(1).without_moves() };
    let report = run_plan(1, &plan).expect("a run");
    assert_eq!(report.violations, [], "{}", report.explain());
    assert_eq!(report.writes, report.acknowledged);
}

#[test]
fn thirty_nodes_take_one_in_and_let_one_go() {
    let plan = Plan {
        nodes: 29,
        spares: 1,
        partitions: 128,
        workers: 1,
        n: 3,
        r: 2,
        w: 2,
        sloppy: false,
        faults: Vec::new(),
        clients: 3,
        keys: 30,
        think_max_ms: 2_000,
        ..Plan::drawn_from(1)
    };
    let ending = play(&plan, async |scene| {
        scene.employ();
        assert!(scene.join(29).await, "n29 is joined");
        assert_eq!(scene.members().len(), 30);
        assert!(scene.leave(3).await, "n3 leaves");
        assert_eq!(scene.members().len(), 29);
        scene.settle().await;
    });
    let ending = ending.expect("a run");
    let lines: Vec<String> = ending.lines.iter().map(ToString::to_string).collect();
    assert_eq!(ending.violations, [], "{}", lines.join("\n"));
    assert!(lines.len() > 200, "clients have worked");
}
