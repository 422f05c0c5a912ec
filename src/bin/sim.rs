//! `slipring-sim`: runs simulated clusters, seed after seed, and shows what led to a violation; runs experiments.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
use slipring::dynamo::swim::DetectionSpeed;
use slipring::sim::experiment::Experiment;
use slipring::sim::{Cast, Defect, Delay, SimError, measure_detection, run, sweep};

/// What the program returns when an invariant was violated.
const VIOLATED: u8 = 9;

/// What the program returns when it was called wrongly, or an experiment file is wrong.
const USAGE: u8 = 2;

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
        /// How many seeds run at the same time; without it as many as there are cores
        #[arg(long)]
        threads: Option<usize>,
        /// Test the tester: build a mistake into the cluster
        #[arg(long, value_parser = PossibleValuesParser::new(Defect::ALL.map(Defect::name)))]
        defect: Option<String>,
    },
    /// Measure what speeds of failure detection cost, and print them as a table
    Detection {
        /// How many nodes; several, by commas
        #[arg(long, value_delimiter = ',', default_value = "5,20")]
        nodes: Vec<usize>,
        /// How many deaths of a node
        #[arg(long, default_value_t = 50)]
        deaths: u64,
        /// Hours of a network that loses 30 % of all that is sent
        #[arg(long, default_value_t = 1.0)]
        lossy_hours: f64,
    },
    /// Run one seed and print what happened
    Replay {
        /// The seed
        #[arg(long)]
        seed: u64,
        /// Print the whole timeline, also without a violation
        #[arg(long)]
        timeline: bool,
        /// Build a mistake into the cluster
        #[arg(long, value_parser = PossibleValuesParser::new(Defect::ALL.map(Defect::name)))]
        defect: Option<String>,
    },
    /// Measure what a cluster costs, as a file describes it, and print a table
    Experiment {
        /// The file; examples are in config/experiments
        file: PathBuf,
        /// The seed: the same one gives the same outcome
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
        /// Draw the figure into this file, as SVG
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
        /// At most so many requests of each kind in each case, and small rings: a quick look
        #[arg(long, value_name = "COUNT")]
        requests_max: Option<usize>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fuzz { seeds, first_seed, keep_going, threads, defect } => {
            let threads = threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
            let fuzz = Fuzz { first_seed, seeds, keep_going, threads, defect: named(defect.as_deref()) };
            fuzz.run()
        }
        Command::Replay { seed, timeline, defect } => replay(seed, timeline, named(defect.as_deref())),
        Command::Experiment { file, seed, json, plot, requests_max } => {
            return experiment(&file, seed, json, plot.as_deref(), requests_max);
        }
        Command::Detection { nodes, deaths, lossy_hours } => detection(&nodes, deaths, lossy_hours),
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

fn named(defect: Option<&str>) -> Option<Defect> {
    Defect::ALL.into_iter().find(|known| Some(known.name()) == defect)
}

/// Runs the experiment of a file.
fn experiment(file: &Path, seed: u64, json: bool, plot: Option<&Path>, requests_max: Option<usize>) -> ExitCode {
    let experiment = match Experiment::load(file) {
        Ok(experiment) => experiment,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(USAGE);
        }
    };
    let experiment = match requests_max {
        Some(most) => experiment.shortened(most),
        None => experiment,
    };
    match show(&experiment, seed, json, plot) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(experiment: &Experiment, seed: u64, json: bool, plot: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let outcome = experiment.run(seed)?;
    if let Some(file) = plot {
        let svg = experiment.draw(&outcome)?;
        std::fs::write(file, svg).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    match json {
        true => println!("{:#}", outcome.to_json()),
        false => println!("{}", outcome.to_text()),
    }
    Ok(())
}

struct Fuzz {
    first_seed: u64,
    seeds: u64,
    keep_going: bool,
    threads: usize,
    defect: Option<Defect>,
}

impl Fuzz {
    /// Whether every invariant held.
    fn run(&self) -> Result<bool, SimError> {
        let (mut run, mut violated) = (0_u64, 0_u64);
        let (mut writes, mut acknowledged, mut reads, mut simulated_ms) = (0, 0, 0, 0);
        let seeds = self.first_seed..self.first_seed.saturating_add(self.seeds);
        sweep(seeds, self.threads, self.defect, |seed, report| {
            run += 1;
            writes += report.writes;
            acknowledged += report.acknowledged;
            reads += report.reads;
            simulated_ms += report.simulated_ms;
            let Some(first) = report.violations.first() else { return ControlFlow::Continue(()) };
            violated += 1;
            if self.keep_going {
                println!("seed {seed}: {}", first.what);
                return ControlFlow::Continue(());
            }
            print!("{}", report.explain());
            ControlFlow::Break(())
        })?;
        let hours = simulated_ms as f64 / 3_600_000.0;
        println!(
            "{run} seeds from {}: {violated} with violations; {hours:.1} simulated hours; {writes} writes, {acknowledged} acknowledged, \
             {reads} reads",
            self.first_seed
        );
        Ok(violated == 0)
    }
}

/// The speeds of the table in `docs/failure-detection.md`: `probe_interval_ms`, `probe_timeout_ms`, `suspicion_ms`.
const SPEEDS: [[u64; 3]; 4] = [[200, 60, 1_000], [500, 150, 2_500], [1_000, 300, 5_000], [2_000, 600, 10_000]];

fn detection(nodes: &[usize], deaths: u64, lossy_hours: f64) -> Result<bool, SimError> {
    println!(
        "| nodes | probe interval | probe timeout | suspicion | messages/s | bytes/s | down after, median | longest | suspicions/h | false downs/h |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for nodes in nodes {
        for [interval, limit, suspicion] in SPEEDS {
            let speed = DetectionSpeed {
                probe_interval: Duration::from_millis(interval),
                probe_timeout: Duration::from_millis(limit),
                suspicion: Duration::from_millis(suspicion),
            };
            let cast = Cast { nodes: *nodes, delay: Delay { min_ms: 1, max_ms: 5 }, speed };
            let cost = measure_detection(&cast, deaths, lossy_hours)?;
            println!(
                "| {nodes} | {interval} ms | {limit} ms | {suspicion} ms | {:.1} | {:.0} | {:.1} s | {:.1} s | {:.1} | {:.2} |",
                cost.messages_per_s,
                cost.bytes_per_s,
                cost.detected_median.as_secs_f64(),
                cost.detected_max.as_secs_f64(),
                cost.suspicions_per_hour,
                cost.false_downs_per_hour,
            );
        }
    }
    Ok(true)
}

fn replay(seed: u64, timeline: bool, defect: Option<Defect>) -> Result<bool, SimError> {
    let report = run(seed, defect)?;
    println!("{:?}", report.plan);
    println!("{} writes, {} acknowledged, {} reads", report.writes, report.acknowledged, report.reads);
    if timeline {
        report.lines.iter().for_each(|line| println!("{line}"));
    }
    print!("{}", report.explain());
    println!("{} events, trace hash: {:016x}", report.events, report.trace_hash);
    Ok(report.violations.is_empty())
}
