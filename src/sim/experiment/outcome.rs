//! What an experiment has shown, as a table and as JSON.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Value, json};

use super::balance::{Efficiency, Imbalance};
use super::movement::Moved;
use super::plan::{Case, Panel};
use super::statistics::Sample;

/// What an experiment has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it was about.
    pub title: String,
    /// The seed that it ran with.
    pub seed: u64,
    /// What was seen.
    pub findings: Findings,
}

/// What was seen.
#[derive(Clone, Debug)]
pub enum Findings {
    /// In clusters.
    Trials(Vec<Trial>),
    /// On rings.
    Balance {
        /// By the number of partitions and nodes.
        efficiencies: Vec<Efficiency>,
        /// By the number of partitions and the load.
        imbalances: Vec<Imbalance>,
    },
    /// On rings that nodes join and leave, by change.
    Movement(Vec<Moved>),
}

/// What one case has shown.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The case.
    pub case: Case,
    /// Its gets.
    pub get: Figures,
    /// Its puts.
    pub put: Figures,
    /// How many gets asked one replica more than R.
    pub hedged: u64,
    /// How many of these the additional replica was the first to complete.
    pub hedges_won: u64,
    /// How many messages each node was told while it was measured.
    pub messages: Vec<u64>,
    /// Stands for all that happened, in order.
    pub trace_hash: u64,
}

/// What the requests of one kind have shown.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How long those that succeeded took, in ms.
    pub sample: Sample,
    /// How many did not.
    pub failed: usize,
    /// How many succeeded per virtual second.
    pub per_second: f64,
    /// The mean of the least that each of them can take, in ms.
    pub floor_ms: f64,
}

impl Figures {
    /// How far the mean is above the floor, in percent; none: the floor is nothing.
    #[must_use]
    pub fn over_floor_percent(&self) -> Option<f64> {
        (self.floor_ms > 0.0).then(|| (self.sample.mean() / self.floor_ms - 1.0) * 100.0)
    }

    fn to_json(&self, published_mean_ms: Option<f64>) -> Value {
        json!({
            "latency_ms": self.sample.summary(),
            "failed": self.failed,
            "per_second": self.per_second,
            "floor_ms": self.floor_ms,
            "over_floor_percent": self.over_floor_percent(),
            "published_mean_ms": published_mean_ms,
        })
    }
}

impl Trial {
    /// What the busiest node was told, over the mean.
    #[must_use]
    pub fn busiest(&self) -> f64 {
        let most = self.messages.iter().max().copied().unwrap_or_default() as f64;
        let sum = self.messages.iter().sum::<u64>() as f64;
        if sum > 0.0 { most * self.messages.len() as f64 / sum } else { 1.0 }
    }

    /// The quantity that a panel shows.
    #[must_use]
    pub fn quantity(&self, panel: Panel) -> f64 {
        match panel {
            Panel::GetMean => self.get.sample.mean(),
            Panel::PutMean => self.put.sample.mean(),
            Panel::GetP99 => self.get.sample.quantile(0.99),
            Panel::PutP99 => self.put.sample.quantile(0.99),
            Panel::GetRate => self.get.per_second,
            Panel::PutRate => self.put.per_second,
            Panel::Busiest => self.busiest(),
        }
    }

    fn to_json(&self) -> Value {
        let Case { name, series, x, published, setup } = &self.case;
        json!({
            "case": name,
            "series": series,
            "x": x,
            "setup": setup,
            "get": self.get.to_json(published.get_mean_ms),
            "put": self.put.to_json(published.put_mean_ms),
            "hedged": self.hedged,
            "hedges_won": self.hedges_won,
            "messages_per_node": self.messages,
            "busiest_node_over_mean": self.busiest(),
            "trace_hash": format!("{:016x}", self.trace_hash),
        })
    }
}

impl Outcome {
    /// Everything, for a program to read.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut whole = json!({ "title": self.title, "seed": self.seed });
        match &self.findings {
            Findings::Trials(trials) => whole["cases"] = trials.iter().map(Trial::to_json).collect(),
            Findings::Balance { efficiencies, imbalances } => {
                whole["efficiency"] = json!(efficiencies);
                whole["imbalance"] = json!(imbalances);
            }
            Findings::Movement(moved) => whole["changes"] = json!(moved),
        }
        whole
    }

    /// The table for a reader, in Markdown.
    #[must_use]
    pub fn to_text(&self) -> String {
        let tables = match &self.findings {
            Findings::Trials(trials) => vec![latencies(trials)],
            Findings::Balance { efficiencies, imbalances } => vec![efficiency(efficiencies), imbalance(imbalances)],
            Findings::Movement(moved) => vec![movement(moved)],
        };
        let tables: Vec<String> = tables.into_iter().map(|table| table.to_string()).collect();
        format!("{} (seed {})\n\n{}", self.title, self.seed, tables.join("\n\n"))
    }
}

/// A table whose first `texts` columns are texts and whose others are numbers.
fn table(header: &[&str], texts: usize, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    rows.for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn latencies(trials: &[Trial]) -> Table {
    let header = [
        "case",
        "",
        "answered",
        "failed",
        "mean ms",
        "sd",
        "p50",
        "p99",
        "p99.9",
        "most",
        "floor",
        "over floor",
        "published",
        "per second",
        "busiest node",
    ];
    let optional = |number: Option<f64>, unit: &str| number.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}{unit}"));
    let row = |trial: &Trial, name: &str, figures: &Figures, published: Option<f64>| {
        let summary = figures.sample.summary();
        let mut row = vec![trial.case.name.clone(), name.to_owned()];
        row.extend([summary.count, figures.failed].map(|count| count.to_string()));
        row.extend([summary.mean, summary.deviation].map(|ms| format!("{ms:.2}")));
        row.extend([summary.p50, summary.p99, summary.p999, summary.most].map(|ms| format!("{ms:.0}")));
        row.push(format!("{:.2}", figures.floor_ms));
        row.extend([optional(figures.over_floor_percent(), " %"), optional(published, "")]);
        row.extend([format!("{:.0}", figures.per_second), format!("{:.2}x", trial.busiest())]);
        row
    };
    let rows = trials.iter().flat_map(|trial| {
        let published = trial.case.published;
        let both = [("get", &trial.get, published.get_mean_ms), ("put", &trial.put, published.put_mean_ms)];
        let asked = both.into_iter().filter(|(_, figures, _)| figures.sample.summary().count + figures.failed > 0);
        asked.map(|(name, figures, published)| row(trial, name, figures, published)).collect::<Vec<_>>()
    });
    table(&header, 2, rows)
}

fn efficiency(efficiencies: &[Efficiency]) -> Table {
    let row = |one: &Efficiency| {
        let numbers = [one.claimed, one.bound, one.random_tokens].map(|share| format!("{share:.3}"));
        [vec![one.partitions.to_string(), one.nodes.to_string()], numbers.to_vec()].concat()
    };
    table(&["partitions", "nodes", "efficiency", "bound", "random tokens"], 0, efficiencies.iter().map(row))
}

fn imbalance(imbalances: &[Imbalance]) -> Table {
    let row = |one: &Imbalance| {
        let partitions = one.partitions.map_or_else(|| "even".to_owned(), |partitions| partitions.to_string());
        let numbers = [one.out_of_balance_percent, one.deviation_percent].map(|percent| format!("{percent:.1} %"));
        [vec![partitions, one.load.to_string()], numbers.to_vec()].concat()
    };
    table(&["partitions", "requests", "out of balance", "sd"], 0, imbalances.iter().map(row))
}

fn movement(moved: &[Moved]) -> Table {
    let header = ["partitions", "nodes", "owners moved", "least", "over least", "copies moved", "least", "over least"];
    let row = |one: &Moved| {
        let nodes = format!("{} to {}", one.nodes_before, one.nodes_after);
        let counts = |all: usize, least: usize, over: f64| [all.to_string(), least.to_string(), format!("{over:.2}x")];
        let owners = counts(one.owners, one.owners_least, one.owners_over_least());
        let copies = counts(one.copies, one.copies_least, one.copies_over_least());
        [vec![one.partitions.to_string(), nodes], owners.to_vec(), copies.to_vec()].concat()
    };
    table(&header, 0, moved.iter().map(row))
}
