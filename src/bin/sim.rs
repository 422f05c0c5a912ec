//! `slipring-sim`: runs simulated clusters, seed after seed, and shows what led to a violation.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use slipring::sim::{Report, SimError, Violation, run};

/// What the program returns when an invariant was violated.
const VIOLATED: u8 = 9;

/// The real actors of a whole cluster on one thread in virtual time. The same seed gives the same run.
#[derive(Parser)]
#[command(name = "slipring-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds; stop at the first violation (exit code 9)
    Fuzz {
        /// How many seeds
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        first_seed: u64,
        /// Run the remaining seeds after a violation, too
        #[arg(long)]
        keep_going: bool,
    },
    /// Run one seed and print what happened
    Replay {
        /// The seed
        #[arg(long)]
        seed: u64,
        /// Print the whole timeline, also without a violation
        #[arg(long)]
        timeline: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fuzz { seeds, first_seed, keep_going } => fuzz(first_seed, seeds, keep_going),
        Command::Replay { seed, timeline } => replay(seed, timeline),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(VIOLATED),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every invariant held.
fn fuzz(first_seed: u64, seeds: u64, keep_going: bool) -> Result<bool, SimError> {
    let (mut writes, mut acknowledged, mut reads, mut violated) = (0, 0, 0, 0);
    for seed in first_seed..first_seed.saturating_add(seeds) {
        let report = run(seed, None)?;
        writes += report.writes;
        acknowledged += report.acknowledged;
        reads += report.reads;
        if !report.violations.is_empty() {
            violated += 1;
            if keep_going {
                println!("seed {seed}: {}", report.violations[0].what);
            } else {
                explain(seed, &report);
                return Ok(false);
            }
        }
    }
    println!(
        "{seeds} seeds from {first_seed}: {violated} with violations; {writes} writes, {acknowledged} acknowledged, {reads} reads"
    );
    Ok(violated == 0)
}

fn replay(seed: u64, timeline: bool) -> Result<bool, SimError> {
    let report = run(seed, None)?;
    println!("{:?}", report.plan);
    println!("{} writes, {} acknowledged, {} reads", report.writes, report.acknowledged, report.reads);
    if timeline {
        print_lines(&report, |_| true);
    }
    if !report.violations.is_empty() {
        explain(seed, &report);
    }
    println!("{} events, trace hash: {:016x}", report.events, report.trace_hash);
    Ok(report.violations.is_empty())
}

/// The violations, how to see them again, and what happened to the first key concerned.
fn explain(seed: u64, report: &Report) {
    println!("seed {seed} violates {} invariants:", report.violations.len());
    for Violation { key, what } in report.violations.iter().take(10) {
        println!("  {}: {what}", key.as_deref().unwrap_or("cluster"));
    }
    println!("what led to it:");
    let key = report.violations.first().and_then(|violation| violation.key.clone());
    print_lines(report, |of| of.is_none() || of == key.as_deref());
    println!("again: slipring-sim replay --seed {seed}");
}

fn print_lines(report: &Report, wanted: impl Fn(Option<&str>) -> bool) {
    for line in report.lines.iter().filter(|line| wanted(line.key.as_deref())) {
        println!("{:>8} ms  {:<7} {}", line.at_ms, line.key.as_deref().unwrap_or("-"), line.what);
    }
}
