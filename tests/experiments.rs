//! Experiments: every published file runs, a seed repeats itself, the quorum experiment is at its floor, and a wrong file says why.

use std::path::{Path, PathBuf};
use std::process::Command;

use slipring::sim::experiment::{Case, Experiment, Findings, Order, Outcome, Subject, Trial};

/// Enough to see that a file runs.
const FEW: usize = 40;

/// How far a mean may be above its floor to count as being at it, in percent.
const AT_THE_FLOOR_PERCENT: f64 = 5.0;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/experiments")
}

fn load(name: &str) -> Experiment {
    Experiment::load(&folder().join(name)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn trials(outcome: Outcome) -> Vec<Trial> {
    match outcome.findings {
        Findings::Trials(trials) => trials,
        Findings::Balance { .. } | Findings::Movement(_) => panic!("not an experiment with clusters"),
    }
}

/// The cases of a file that are called by these names.
fn only(mut experiment: Experiment, names: &[&str]) -> Experiment {
    if let Subject::Cluster { cases, .. } = &mut experiment.subject {
        cases.retain(|case| names.contains(&case.name.as_str()));
        assert_eq!(cases.len(), names.len());
    }
    experiment
}

#[test]
fn every_published_file_runs_and_is_drawn() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).expect("config/experiments") {
        let path = entry.expect("a file").path();
        let mut experiment = Experiment::load(&path).unwrap_or_else(|problems| panic!("{problems}")).shortened(FEW);
        if let Subject::Cluster { cases, .. } = &mut experiment.subject {
            cases.truncate(3);
        }
        let outcome = experiment.run(1).expect("a run");
        let svg = experiment.draw(&outcome).expect("a figure");
        assert!(svg.starts_with("<svg") && svg.contains("<polyline"), "{}", path.display());
        assert!(outcome.to_text().contains('|') && outcome.to_json()["seed"] == 1, "{}", path.display());
        if let Findings::Trials(trials) = &outcome.findings {
            for trial in trials {
                let asked = &trial.case.setup.workload;
                let answered =
                    |figures: &slipring::sim::experiment::Figures| figures.sample.summary().count + figures.failed;
                assert_eq!(
                    (answered(&trial.get), answered(&trial.put)),
                    (asked.gets, asked.puts),
                    "{}",
                    trial.case.name
                );
            }
        }
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} files");
}

#[test]
fn the_means_with_one_copy_are_at_the_floor_of_the_topology() {
    let outcome = only(load("quorums.toml"), &["R=1 W=3", "R=3 W=1"]).run(1).expect("a run");
    let [few_reads, few_writes] = &trials(outcome)[..] else { panic!("two cases") };
    for (name, figures, floor_ms) in
        [("get with R = 1", &few_reads.get, 20.0), ("put with W = 1", &few_writes.put, 21.0)]
    {
        assert_eq!((figures.sample.summary().count, figures.failed), (1_000, 0), "{name}");
        // One round trip of the client, and one sync for the put.
        assert_eq!(figures.floor_ms, floor_ms, "{name}");
        let over_percent = figures.over_floor_percent().expect("a floor");
        assert!((0.0..=AT_THE_FLOOR_PERCENT).contains(&over_percent), "{name}: {over_percent} % over the floor");
    }
}

/// Means, by more than chance allows: three standard errors, which are nothing where links do not vary.
#[test]
fn nothing_is_faster_than_its_floor() {
    let outcome = load("quorums.toml").shortened(200).run(3).expect("a run");
    for trial in trials(outcome) {
        for figures in [&trial.get, &trial.put] {
            let summary = figures.sample.summary();
            let chance_ms = 3.0 * summary.deviation / (summary.count as f64).sqrt() + 1e-9;
            let (mean_ms, floor_ms) = (summary.mean, figures.floor_ms);
            assert!(mean_ms + chance_ms >= floor_ms, "{}: {mean_ms} < {floor_ms}", trial.case.name);
        }
    }
}

/// Names sort as texts, so that n10 comes before n2.
#[test]
fn more_than_ten_nodes_serve() {
    let outcome = only(load("nodes.toml"), &["N=3 R=2 W=2, 12 nodes"]).shortened(FEW).run(1).expect("a run");
    let trial = &trials(outcome)[0];
    assert_eq!((trial.get.sample.summary().count, trial.put.sample.summary().count), (FEW, FEW));
}

#[test]
fn a_seed_repeats_itself() {
    for name in ["quorums.toml", "faults.toml", "balance.toml", "movement.toml"] {
        let mut experiment = load(name).shortened(FEW);
        if let Subject::Cluster { cases, .. } = &mut experiment.subject {
            // The last one varies, or has a fault.
            cases.drain(..cases.len() - 1);
        }
        let json = |seed| experiment.run(seed).expect("a run").to_json();
        let first = json(5);
        assert_eq!(first, json(5), "{name}");
        assert_ne!(first, json(6), "{name}");
    }
}

/// One message of a processor follows another: no more gets are answered than the nodes together can be told of.
#[test]
fn throughput_is_bounded_by_the_processors() {
    let mut experiment = only(load("nodes.toml"), &["N=3 R=1 W=2, 3 nodes", "N=3 R=2 W=2, 3 nodes"]).shortened(1_500);
    if let Subject::Cluster { cases, .. } = &mut experiment.subject {
        for Case { setup, .. } in cases {
            setup.workload.puts = 100;
            assert_eq!(setup.workload.order, Order::Phases);
        }
    }
    // R = 1 costs one message of the three nodes, R = 2 costs three; a message takes 1 ms.
    for (trial, most) in trials(experiment.run(1).expect("a run")).iter().zip([3_000.0, 1_000.0]) {
        let rate = trial.get.per_second;
        assert!(rate <= most && rate >= 0.8 * most, "{}: {rate} of {most} per second", trial.case.name);
    }
}

/// With 2N - 1 nodes or more; and where every node stores everything no copy is fetched that was there.
#[test]
fn joins_and_leaves_move_at_most_a_fifth_more_than_they_must() {
    let Findings::Movement(moved) = load("movement.toml").shortened(FEW).run(1).expect("a run").findings else {
        panic!("not an experiment with joins and leaves")
    };
    assert_eq!(moved.len(), 2 * 27);
    for one in moved {
        if one.is_join() || one.nodes_after >= 5 {
            assert!(one.owners_over_least() <= 1.2 && one.copies_over_least() <= 1.2, "{one:?}");
        }
        assert!(one.nodes_after > 3 || one.copies == one.copies_least, "{one:?}");
    }
}

#[test]
fn a_wrong_file_says_where_and_what_would_be_right() {
    let table = [
        ("[cluster]\nnodez = 3", "e.toml:2: unknown key cluster.nodez: did you mean cluster.nodes?"),
        ("[cluster]\nnodes = 65", "e.toml:2: cluster.nodes = 65 is out of range: must be 1..=64"),
        ("[cluster]\nnodes = -1", "e.toml:2: cluster.nodes = -1 is out of range: must be 1..=64"),
        ("[cluster]\nnodes = \"3\"", "e.toml:2: cluster.nodes = \"3\" has the wrong type: must be an integer (1..=64)"),
        (
            "[cluster]\npartitions = 100",
            "e.toml:2: cluster.partitions = 100 is out of range: must be a power of two in 8..=4096",
        ),
        ("[cluster]\nn = 5", "e.toml:2: cluster.n = 5 is out of range: must be 1..=3 (nodes = 3)"),
        ("[cluster]\nr = 4", "e.toml:2: cluster.r = 4 is out of range: must be 1..=3 (n = 3)"),
        (
            "[cluster]\nquorum = \"lax\"",
            "e.toml:2: cluster.quorum = \"lax\" is not allowed: must be \"sloppy\" or \"strict\"",
        ),
        ("cluster = 3", "e.toml:1: cluster = 3 has the wrong type: must be a section [cluster] with keys"),
        (
            "[[case]]\nname = \"a\"\ncluster.w = 4",
            "e.toml:3: case.cluster.w = 4 is out of range: must be 1..=3 (n = 3)",
        ),
        (
            "[[case]]\nname = \"a\"\ncluster.n = 1\ncluster.r = 1",
            "e.toml:3: case.cluster.w = 2 is out of range: must be 1..=1 (n = 1)",
        ),
        (
            "[[case]]\nname = \"a\"\n[[case]]\nname = \"a\"",
            "e.toml:4: case.name = \"a\" is not allowed: must be a name that no other case has",
        ),
        ("case = 3", "e.toml:1: case = 3 has the wrong type: must be an array of tables ([[case]])"),
        ("[link]\nspread_ms = 1e9", "e.toml:2: link.spread_ms = 1e9 is out of range: must be 0..=1000"),
        ("[link]\nspread_ms = nan", "e.toml:2: link.spread_ms = nan is out of range: must be 0..=1000"),
        (
            "[disk]\nsync_least_ms = 9",
            "e.toml:1: disk.sync_most_ms = 0 is out of range: must be at least 9 (sync_least_ms = 9)",
        ),
        (
            "[workload]\nchoice = \"zip\"",
            "e.toml:2: workload.choice = \"zip\" is not allowed: must be \"uniform\" or \"hotspot\" or \"zipf\"",
        ),
        ("[slow_node]\nnode = 3", "e.toml:2: slow_node.node = 3 is out of range: must be 0..=2 (nodes = 3)"),
        ("[slow_node]\ncpu_times = 0.5", "e.toml:2: slow_node.cpu_times = 0.5 is out of range: must be 1..=1000000"),
        (
            "[routing]\nreads = \"nearest\"",
            "e.toml:2: routing.reads = \"nearest\" is not allowed: must be \"fastest\" or \"random\"",
        ),
        ("[[fault]]\nnode = 3", "e.toml:2: fault.node = 3 is out of range: must be 0..=2 (nodes = 3)"),
        (
            "[[case]]\nname = \"a\"\n[[fault]]\nin_cases = [\"b\"]",
            "e.toml:4: fault.in_cases = \"b\" is not allowed: must be the name of a case (a)",
        ),
        (
            "[plot]\nkind = \"lines\"\npanels = [\"gets\"]",
            "e.toml:3: plot.panels = \"gets\" is not allowed: must be \"get_mean_ms\" or \"put_mean_ms\" or \"get_p99_ms\" or \"put_p99_ms\" or \"gets_per_second\" or \"puts_per_second\" or \"busiest_node\"",
        ),
        (
            "[experiment]\nkind = \"balance\"\n[balance]\npartitions = [64, 100]",
            "e.toml:4: balance.partitions = 100 is out of range: must be powers of two",
        ),
        (
            "[experiment]\nkind = \"balance\"\n[balance]\nloads = []",
            "e.toml:4: balance.loads = [] is out of range: must be one or more of 1..=10000000",
        ),
        (
            "[experiment]\nkind = \"balance\"\n[cluster]\nnodes = 3",
            "e.toml:3: unknown key cluster: the sections are experiment, balance",
        ),
        (
            "[experiment]\nkind = \"movement\"\n[movement]\nnodes = [3, 65]",
            "e.toml:4: movement.nodes = [3, 65] is out of range: must be one or more of 1..=64",
        ),
        ("[cluster]\nnodes = = 3", "e.toml:2: is not valid TOML: "),
    ];
    for (text, expected) in table {
        let problems = Experiment::from_toml(Path::new("e.toml"), text).expect_err(text).to_string();
        assert!(problems.lines().count() == 1 && problems.starts_with(expected), "{text}\n  {problems}\n  {expected}");
    }
    let missing = Experiment::load(Path::new("nowhere.toml")).expect_err("no such file").to_string();
    assert!(missing.starts_with("nowhere.toml: cannot be read: "), "{missing}");
}

/// As every program does that is called wrongly: exit code 2, what is wrong in words, and nothing that looks like a result.
#[test]
fn the_program_refuses_what_is_no_experiment() {
    let folder = tempfile::tempdir().expect("a folder");
    let misspelt = folder.path().join("misspelt.toml");
    std::fs::write(&misspelt, "[cluster]\nnodez = 3\n").expect("a file");
    let missing = folder.path().join("none.toml");
    let figure = folder.path().join("figure.svg");
    let table: [(&[&Path], &str); 4] = [
        (&[&misspelt], "misspelt.toml:2: unknown key cluster.nodez: did you mean cluster.nodes?"),
        (&[&missing], "none.toml: cannot be read: "),
        (&[], "required arguments were not provided"),
        (&[&misspelt, Path::new("--sed=1")], "unexpected argument '--sed'"),
    ];
    for (arguments, expected) in table {
        let mut program = Command::new(env!("CARGO_BIN_EXE_slipring-sim"));
        let ended = program.arg("experiment").args(arguments).arg("--plot").arg(&figure).output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(ended.stdout.is_empty() && !figure.exists(), "{arguments:?}: something was run");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[cluster]\nnodes = 0\nrr = 1\n[[case]]\nname = \"a\"\nlink.least = 3\n";
    let problems = Experiment::from_toml(Path::new("e.toml"), text).expect_err("three problems").to_string();
    let lines: Vec<&str> = problems.lines().map(|line| line.split(" ").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["e.toml:2:", "e.toml:3:", "e.toml:6:"], "{problems}");
}
