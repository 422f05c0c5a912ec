//! From an experiment file to an [`Experiment`], or everything that is wrong with the file.

use std::path::Path;

use super::document::{Part, Reading};
use super::keys::KeyChoice;
use super::plan::{
    Balance, Case, Coordinator, Cpu, DiskTime, Experiment, FaultKind, LinkTime, Order, Panel, PlannedFault, Plot,
    Published, Relocation, Routing, Setup, Shape, SlowNode, Spread, Subject, Workload,
};
use crate::config::{ConfigError, Fault, Origin, Problem, ReadOrder};

/// The most nodes: all of them run on one thread.
const NODES_MAX: u64 = 64;

/// The longest latency or pause, in ms: beyond it requests time out.
const WAIT_MAX_MS: u64 = 1_000;

/// The most partitions of a ring that is only looked at.
const PARTITIONS_MAX: u64 = 1 << 12;

/// The most requests of one kind in one case.
const REQUESTS_MAX: u64 = 1_000_000;

/// What the panels of a plot may show.
const PANELS: &[(&str, Panel)] = &[
    ("get_mean_ms", Panel::GetMean),
    ("put_mean_ms", Panel::PutMean),
    ("get_p99_ms", Panel::GetP99),
    ("put_p99_ms", Panel::PutP99),
    ("gets_per_second", Panel::GetRate),
    ("puts_per_second", Panel::PutRate),
    ("busiest_node", Panel::Busiest),
];

#[derive(Clone, Copy)]
enum Kind {
    Cluster,
    Balance,
    Movement,
}

#[derive(Clone, Copy)]
enum ChoiceWord {
    Uniform,
    Hotspot,
    Zipf,
}

impl Experiment {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Every problem found, with its line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_toml(path, &text),
            Err(error) => {
                let fault = Fault::Unreadable { reason: error.to_string() };
                let origin = Some(Origin::File { path: path.to_owned() });
                Err(ConfigError { problems: vec![Problem { origin, fault }] })
            }
        }
    }

    /// Reads the text of a file that is called `path`.
    ///
    /// # Errors
    ///
    /// Every problem found, with its line.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let reading = Reading::new(path, text);
        let table = reading.parse()?;
        let file = reading.whole_file(&table);
        let about = file.part("experiment");
        let title = about.text("title", "an experiment");
        let kinds = [("cluster", Kind::Cluster), ("balance", Kind::Balance), ("movement", Kind::Movement)];
        let kind = about.choice("kind", &kinds, Kind::Cluster);
        about.finish();
        let subject = match kind {
            Kind::Cluster => clusters(&file),
            Kind::Balance => Subject::Balance(balance(&file.part("balance"))),
            Kind::Movement => Subject::Movement(relocation(&file.part("movement"))),
        };
        file.finish();
        reading.finish()?;
        Ok(Self { title, subject })
    }
}

fn clusters(file: &Part<'_>) -> Subject {
    let base = setup(file, &Setup::default());
    let parts = file.parts("case");
    let mut cases: Vec<Case> = parts.iter().enumerate().map(|(at, part)| case(part, at, &base)).collect();
    for (part, at) in parts.iter().zip(0..) {
        if cases[..at].iter().any(|before| before.name == cases[at].name) {
            part.names_nothing("name", &cases[at].name, "a name that no other case has".to_owned());
        }
    }
    if cases.is_empty() {
        check(file, &base);
        cases.push(Case {
            name: "all".to_owned(),
            series: "all".to_owned(),
            x: 0.0,
            published: Published::default(),
            setup: base,
        });
    }
    for part in file.parts("fault") {
        strike(&part, &mut cases);
    }
    let plot = plot(&file.part("plot"));
    Subject::Cluster { cases, plot }
}

fn case(part: &Part<'_>, at: usize, base: &Setup) -> Case {
    let name = part.text("name", &format!("case {}", at + 1));
    let series = part.text("series", &name);
    let x = part.number("x", -1e9..=1e9, at as f64);
    let others = part.part("published");
    let published = Published {
        get_mean_ms: others.optional_number("get_mean_ms", 0.0..=1e6),
        put_mean_ms: others.optional_number("put_mean_ms", 0.0..=1e6),
    };
    others.finish();
    let setup = setup(part, base);
    check(part, &setup);
    part.finish();
    Case { name, series, x, published, setup }
}

/// What `part` says, and `base` where it is silent.
fn setup(part: &Part<'_>, base: &Setup) -> Setup {
    Setup {
        cluster: shape(&part.part("cluster"), base.cluster),
        link: link(&part.part("link"), base.link),
        client_link: link(&part.part("client_link"), base.client_link),
        disk: disk(&part.part("disk"), base.disk),
        cpu: cpu(&part.part("cpu"), base.cpu),
        slow_node: slow_node(&part.part("slow_node"), base.slow_node),
        routing: routing(&part.part("routing"), base.routing),
        workload: workload(&part.part("workload"), &base.workload),
        faults: Vec::new(),
    }
}

fn shape(part: &Part<'_>, base: Shape) -> Shape {
    let nodes = part.whole("nodes", 1..=NODES_MAX, base.nodes as u64) as usize;
    let shape = Shape {
        nodes,
        n: part.small("n", 1..=9, base.n),
        r: part.small("r", 1..=9, base.r),
        w: part.small("w", 1..=9, base.w),
        sloppy: part.choice("quorum", &[("sloppy", true), ("strict", false)], base.sloppy),
        partitions: part.power_of_two("partitions", 8..=PARTITIONS_MAX, base.partitions),
    };
    part.finish();
    shape
}

/// What goes together in a cluster.
fn check(part: &Part<'_>, setup: &Setup) {
    let Shape { nodes, n, r, w, .. } = setup.cluster;
    let cluster = part.part("cluster");
    if usize::from(n) > nodes {
        cluster.contradicts("n", n, format!("1..={nodes} (nodes = {nodes})"));
    }
    for (name, count) in [("r", r), ("w", w)] {
        if count > n {
            cluster.contradicts(name, count, format!("1..={n} (n = {n})"));
        }
    }
    let DiskTime { sync_least_ms, sync_most_ms } = setup.disk;
    if sync_least_ms > sync_most_ms {
        let allowed = format!("at least {sync_least_ms} (sync_least_ms = {sync_least_ms})");
        part.part("disk").contradicts("sync_most_ms", sync_most_ms, allowed);
    }
    let slow = setup.slow_node.node;
    if slow >= nodes {
        part.part("slow_node").contradicts("node", slow, format!("0..={} (nodes = {nodes})", nodes - 1));
    }
}

fn link(part: &Part<'_>, base: LinkTime) -> LinkTime {
    let shapes = [("uniform", Spread::Uniform), ("exponential", Spread::Exponential)];
    let link = LinkTime {
        least_ms: part.whole("least_ms", 0..=WAIT_MAX_MS, base.least_ms),
        shape: part.choice("shape", &shapes, base.shape),
        spread_ms: part.number("spread_ms", 0.0..=WAIT_MAX_MS as f64, base.spread_ms),
    };
    part.finish();
    link
}

fn disk(part: &Part<'_>, base: DiskTime) -> DiskTime {
    let disk = DiskTime {
        sync_least_ms: part.whole("sync_least_ms", 0..=WAIT_MAX_MS, base.sync_least_ms),
        sync_most_ms: part.whole("sync_most_ms", 0..=WAIT_MAX_MS, base.sync_most_ms),
    };
    part.finish();
    disk
}

fn cpu(part: &Part<'_>, base: Cpu) -> Cpu {
    let cpu = Cpu {
        per_message_us: part.number("per_message_us", 0.0..=1e6, base.per_message_us),
        per_kib_us: part.number("per_kib_us", 0.0..=1e6, base.per_kib_us),
    };
    part.finish();
    cpu
}

fn slow_node(part: &Part<'_>, base: SlowNode) -> SlowNode {
    let slow = SlowNode {
        node: part.whole("node", 0..=NODES_MAX - 1, base.node as u64) as usize,
        cpu_times: part.number("cpu_times", 1.0..=1e6, base.cpu_times),
        link_times: part.number("link_times", 1.0..=1e6, base.link_times),
    };
    part.finish();
    slow
}

fn routing(part: &Part<'_>, base: Routing) -> Routing {
    let words = [ReadOrder::Fastest, ReadOrder::Random].map(|reads| (reads.as_str(), reads));
    let routing = Routing { reads: part.choice("reads", &words, base.reads) };
    part.finish();
    routing
}

fn workload(part: &Part<'_>, base: &Workload) -> Workload {
    let count = |name, most, base: usize| part.whole(name, 1..=most, base as u64) as usize;
    let workload = Workload {
        clients: count("clients", 10_000, base.clients),
        batch: count("batch", 1_000, base.batch),
        pause_ms: part.whole("pause_ms", 0..=60_000, base.pause_ms),
        puts: part.whole("puts", 0..=REQUESTS_MAX, base.puts as u64) as usize,
        gets: part.whole("gets", 0..=REQUESTS_MAX, base.gets as u64) as usize,
        order: part.choice("order", &[("phases", Order::Phases), ("mixed", Order::Mixed)], base.order),
        keys: count("keys", REQUESTS_MAX, base.keys),
        choice: key_choice(part, base.choice),
        value_bytes: part.whole("value_bytes", 0..=300_000, base.value_bytes as u64) as usize,
        coordinator: part.choice(
            "coordinator",
            &[("any", Coordinator::Any), ("primary", Coordinator::Primary), ("not_slow", Coordinator::NotSlow)],
            base.coordinator,
        ),
    };
    part.finish();
    workload
}

fn key_choice(part: &Part<'_>, base: KeyChoice) -> KeyChoice {
    let (mut word, mut hot_keys, mut hot_requests, mut power) = (ChoiceWord::Uniform, 1.0, 50.0, 1.0);
    match base {
        KeyChoice::Uniform => {}
        KeyChoice::Hotspot { hot_keys_percent, hot_requests_percent } => {
            (word, hot_keys, hot_requests) = (ChoiceWord::Hotspot, hot_keys_percent, hot_requests_percent);
        }
        KeyChoice::Zipf { exponent } => (word, power) = (ChoiceWord::Zipf, exponent),
    }
    let words = [("uniform", ChoiceWord::Uniform), ("hotspot", ChoiceWord::Hotspot), ("zipf", ChoiceWord::Zipf)];
    let word = part.choice("choice", &words, word);
    let hot_keys_percent = part.number("hot_keys_percent", 0.0..=100.0, hot_keys);
    let hot_requests_percent = part.number("hot_requests_percent", 0.0..=100.0, hot_requests);
    let exponent = part.number("zipf_exponent", 0.0..=10.0, power);
    match word {
        ChoiceWord::Uniform => KeyChoice::Uniform,
        ChoiceWord::Hotspot => KeyChoice::Hotspot { hot_keys_percent, hot_requests_percent },
        ChoiceWord::Zipf => KeyChoice::Zipf { exponent },
    }
}

/// A fault goes into the cases that it names, or into all.
fn strike(part: &Part<'_>, cases: &mut [Case]) {
    let kinds =
        [("crash", FaultKind::Crash), ("pause", FaultKind::Pause), ("cut", FaultKind::Cut), ("slow", FaultKind::Slow)];
    let fault = PlannedFault {
        kind: part.choice("kind", &kinds, FaultKind::Crash),
        node: part.whole("node", 0..=NODES_MAX - 1, 0) as usize,
        at_ms: part.whole("at_ms", 0..=3_600_000, 0),
        for_ms: part.whole("for_ms", 1..=3_600_000, 1_000),
    };
    let names = part.texts("in_cases");
    part.finish();
    for name in names.iter().filter(|name| !cases.iter().any(|case| case.name == **name)) {
        let known: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        part.names_nothing("in_cases", name, format!("the name of a case ({})", known.join(", ")));
    }
    for case in cases.iter_mut().filter(|case| names.is_empty() || names.contains(&case.name)) {
        let nodes = case.setup.cluster.nodes;
        if fault.node >= nodes {
            part.contradicts("node", fault.node, format!("0..={} (nodes = {nodes})", nodes - 1));
        }
        case.setup.faults.push(fault.clone());
    }
}

fn plot(part: &Part<'_>) -> Plot {
    let is_lines = part.choice("kind", &[("distribution", false), ("lines", true)], false);
    let x_label = part.text("x_label", "case");
    let mut panels = Vec::new();
    for name in part.texts("panels") {
        match PANELS.iter().find(|(known, _)| *known == name) {
            Some((_, panel)) => panels.push(*panel),
            None => {
                let known: Vec<String> = PANELS.iter().map(|(known, _)| format!("\"{known}\"")).collect();
                part.names_nothing("panels", &name, known.join(" or "));
            }
        }
    }
    part.finish();
    if is_lines && panels.is_empty() {
        panels = vec![Panel::GetMean, Panel::PutMean];
    }
    if is_lines { Plot::Lines { panels, x_label } } else { Plot::Distribution }
}

/// Rings to look at, one after another.
fn ring_sizes(part: &Part<'_>, otherwise: &[u64]) -> Vec<u32> {
    let partitions = part.wholes("partitions", 8..=PARTITIONS_MAX, otherwise);
    if let Some(odd) = partitions.iter().find(|number| !number.is_power_of_two()) {
        part.contradicts("partitions", odd, "powers of two".to_owned());
    }
    partitions.into_iter().map(|number| number as u32).collect()
}

fn narrow(numbers: Vec<u64>) -> Vec<usize> {
    numbers.into_iter().map(|number| number as usize).collect()
}

fn balance(part: &Part<'_>) -> Balance {
    let balance = Balance {
        partitions: ring_sizes(part, &[64, 256, 1_024]),
        n: part.whole("n", 1..=9, 3) as usize,
        efficiency_nodes: narrow(part.wholes("efficiency_nodes", 1..=NODES_MAX, &[3, 5, 10, 20, 30])),
        nodes: part.whole("nodes", 1..=NODES_MAX, 30) as usize,
        band_percent: part.number("band_percent", 0.0..=100.0, 15.0),
        loads: part.wholes("loads", 1..=10_000_000, &[1_000, 10_000, 100_000]),
        intervals: part.whole("intervals", 1..=10_000, 48) as usize,
        keys: part.whole("keys", 1..=REQUESTS_MAX, 100_000) as usize,
        zipf_exponent: part.number("zipf_exponent", 0.0..=10.0, 0.0),
    };
    part.finish();
    balance
}

fn relocation(part: &Part<'_>) -> Relocation {
    let relocation = Relocation {
        partitions: ring_sizes(part, &[256]),
        n: part.whole("n", 1..=9, 3) as usize,
        zones: part.whole("zones", 0..=NODES_MAX, 0) as usize,
        nodes: narrow(part.wholes("nodes", 1..=NODES_MAX, &[3, 30, 3])),
    };
    part.finish();
    relocation
}
