//! `top keys`, `top partitions` and `top nodes`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::units::{bytes, shortened};
use crate::admin::answer::{Paint, View};
use crate::dynamo::load::LoadRates;
use crate::dynamo::ranking::Ranked;
use crate::dynamo::record_key::RecordKey;
use crate::item::{Key, KeyValue, TableSchema};
use crate::messages::load::{ClusterLoad, MemberLoad};

/// Longer keys are cut in tables; JSON has all of them.
const KEY_CHARS_MAX: usize = 60;

/// The keys that clients ask for most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopKeysView {
    /// Those first that are certainly asked for most.
    pub keys: Vec<HotKeyView>,
    /// What clients ask for in all, per second.
    pub requests_per_s: f64,
    /// A key that is not listed is asked for at most so often, per second.
    pub others_at_most_per_s: f64,
    /// Members that did not answer.
    pub silent: Vec<String>,
}

/// A key that clients ask for often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotKeyView {
    /// The table.
    pub table: String,
    /// The partition key: text, a number, or base64, as commands take it.
    pub key: String,
    /// The sort key, where the table has one.
    pub sort: Option<String>,
    /// The partition.
    pub partition: u32,
    /// It is asked for so often, or more often, per second.
    pub requests_per_s: f64,
    /// And not more often than this.
    pub at_most_per_s: f64,
    /// The part of all requests that it has at least.
    pub share_percent: f64,
}

/// The partitions whose copies are asked for most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopPartitionsView {
    /// The most loaded first.
    pub partitions: Vec<HotPartitionView>,
    /// Requests for copies in all, per second.
    pub requests_per_s: f64,
    /// Members that did not answer.
    pub silent: Vec<String>,
}

/// A partition and what is asked of its copies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotPartitionView {
    /// The partition.
    pub partition: u32,
    /// Its owner.
    pub owner: String,
    /// Copies read or written, per second.
    pub requests_per_s: f64,
    /// Copies read, per second.
    pub reads_per_s: f64,
    /// Copies written, per second.
    pub writes_per_s: f64,
    /// The bytes of these copies, per second.
    pub bytes_per_s: f64,
    /// The part of all requests for copies.
    pub share_percent: f64,
}

/// What is asked of each node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TopNodesView(pub Vec<NodeLoadView>);

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeLoadView {
    /// The node.
    pub node: String,
    /// Its weight.
    pub weight: u32,
    /// Its load; null where it did not answer.
    pub load: Option<LoadView>,
}

/// A node's load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadView {
    /// Copies read or written, per second.
    pub requests_per_s: f64,
    /// Copies read, per second.
    pub reads_per_s: f64,
    /// Copies written, per second.
    pub writes_per_s: f64,
    /// The bytes of these copies, per second.
    pub bytes_per_s: f64,
    /// Requests of clients that it coordinates, per second.
    pub clients_per_s: f64,
    /// Processor time: 100 is one core. Null where the system does not tell.
    pub cpu_percent: Option<f64>,
    /// The part of all requests for copies.
    pub share_percent: f64,
    /// Its load (requests, bytes and processor time, as `[balancing]` weighs them) over the mean by weight, in percent.
    pub of_mean_percent: f64,
    /// Whether that is within 15 % of the mean.
    pub in_balance: bool,
}

impl From<ClusterLoad> for TopKeysView {
    fn from(load: ClusterLoad) -> Self {
        let total = load.keys.total_per_s();
        Self {
            keys: load.keys.keys().iter().map(|ranked| HotKeyView::new(ranked, total)).collect(),
            requests_per_s: rounded(total),
            others_at_most_per_s: rounded(load.keys.unlisted_per_s()),
            silent: silent(&load.members),
        }
    }
}

impl HotKeyView {
    fn new(ranked: &Ranked<RecordKey>, total_per_s: f64) -> Self {
        let place = &ranked.key;
        let (key, sort) = match Key::from_bytes(place.key()) {
            Ok(key) => (words_of(&key.partition), key.sort.as_ref().map(words_of)),
            // A later version may have other keys.
            Err(_) => (place.key().escape_ascii().to_string(), None),
        };
        Self {
            table: TableSchema::shown_name(place.table()).to_owned(),
            key,
            sort,
            partition: place.partition().0,
            requests_per_s: rounded(ranked.at_least_per_s),
            at_most_per_s: rounded(ranked.at_most_per_s),
            share_percent: percent_of(ranked.at_least_per_s, total_per_s),
        }
    }

    /// As a command takes it.
    fn text(&self) -> String {
        let sort = self.sort.as_ref().map(|sort| format!(" --sort {}", quoted(sort))).unwrap_or_default();
        shortened(&format!("{}{sort}", quoted(&self.key)), KEY_CHARS_MAX)
    }
}

fn words_of(value: &KeyValue) -> String {
    match value {
        KeyValue::S(text) => text.clone(),
        KeyValue::N(number) => number.to_string(),
        KeyValue::B(bytes) => STANDARD.encode(bytes),
    }
}

/// In quotes where a line would not take it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("{word:?}")
    }
}

impl From<ClusterLoad> for TopPartitionsView {
    fn from(load: ClusterLoad) -> Self {
        let total = total(&load.members).requests_per_s();
        let row = |row: crate::messages::load::PartitionLoad| HotPartitionView {
            partition: row.partition.0,
            owner: row.owner.to_string(),
            requests_per_s: rounded(row.copies.requests_per_s()),
            reads_per_s: rounded(row.copies.reads_per_s),
            writes_per_s: rounded(row.copies.writes_per_s),
            bytes_per_s: row.copies.bytes_per_s.round(),
            share_percent: percent_of(row.copies.requests_per_s(), total),
        };
        let silent = silent(&load.members);
        Self { partitions: load.partitions.into_iter().map(row).collect(), requests_per_s: rounded(total), silent }
    }
}

impl From<ClusterLoad> for TopNodesView {
    fn from(load: ClusterLoad) -> Self {
        let mut balances = load.balances().into_iter();
        let all = total(&load.members).requests_per_s();
        let row = |member: &MemberLoad| {
            let compared = member.totals.and_then(|totals| Some((totals, balances.next()?.1)));
            let load = compared.map(|(totals, balance)| LoadView {
                requests_per_s: rounded(totals.copies.requests_per_s()),
                reads_per_s: rounded(totals.copies.reads_per_s),
                writes_per_s: rounded(totals.copies.writes_per_s),
                bytes_per_s: totals.copies.bytes_per_s.round(),
                clients_per_s: rounded(totals.clients_per_s),
                cpu_percent: totals.cpu_percent.map(rounded),
                share_percent: percent_of(totals.copies.requests_per_s(), all),
                of_mean_percent: rounded(balance.of_mean * 100.0),
                in_balance: balance.is_inside_band(),
            });
            NodeLoadView { node: member.node.to_string(), weight: member.weight, load }
        };
        Self(load.members.iter().map(row).collect())
    }
}

impl TopNodesView {
    /// Whether everybody who answered is inside the band.
    pub fn is_balanced(&self) -> bool {
        self.0.iter().filter_map(|row| row.load.as_ref()).all(|load| load.in_balance)
    }

    /// Members that did not answer.
    pub fn silent(&self) -> Vec<String> {
        self.0.iter().filter(|row| row.load.is_none()).map(|row| row.node.clone()).collect()
    }
}

fn total(members: &[MemberLoad]) -> LoadRates {
    let mut total = LoadRates::default();
    members.iter().filter_map(|member| member.totals).for_each(|totals| total += totals.copies);
    total
}

fn silent(members: &[MemberLoad]) -> Vec<String> {
    members.iter().filter(|member| member.totals.is_none()).map(|member| member.node.to_string()).collect()
}

/// To a tenth: rates are no more exact than that.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn percent_of(part: f64, total: f64) -> f64 {
    if total > 0.0 { rounded(part / total * 100.0) } else { 0.0 }
}

fn rate(per_s: f64) -> Cell {
    number(format!("{per_s:.1}"))
}

fn percent(percent: f64) -> Cell {
    number(format!("{percent:.1} %"))
}

fn byte_rate(per_s: f64) -> Cell {
    number(bytes(per_s as u64))
}

impl View for TopKeysView {
    fn text(&self, paint: Paint) -> String {
        if self.keys.is_empty() {
            return "no client has asked for a key lately\n".to_owned();
        }
        let header = ["TABLE", "KEY", "PARTITION", "REQUESTS/S", "AT MOST", "SHARE"];
        let mut grid = Grid::new(&header, paint).numbers(&[2, 3, 4, 5]);
        for key in &self.keys {
            grid.row([
                number(&key.table),
                number(key.text()),
                number(key.partition),
                rate(key.requests_per_s),
                rate(key.at_most_per_s),
                percent(key.share_percent),
            ]);
        }
        let (all, others) = (self.requests_per_s, self.others_at_most_per_s);
        format!("{}{all:.1} requests of clients per second in all; any other key at most {others:.1}\n", grid.text())
    }
}

impl View for TopPartitionsView {
    fn text(&self, paint: Paint) -> String {
        if self.partitions.is_empty() {
            return "no copy has been asked for lately\n".to_owned();
        }
        let header = ["PARTITION", "OWNER", "REQUESTS/S", "READS/S", "WRITES/S", "BYTES/S", "SHARE"];
        let mut grid = Grid::new(&header, paint).numbers(&[0, 2, 3, 4, 5, 6]);
        for row in &self.partitions {
            grid.row([
                number(row.partition),
                number(&row.owner),
                rate(row.requests_per_s),
                rate(row.reads_per_s),
                rate(row.writes_per_s),
                byte_rate(row.bytes_per_s),
                percent(row.share_percent),
            ]);
        }
        format!("{}{:.1} requests for copies per second in all\n", grid.text(), self.requests_per_s)
    }
}

impl View for TopNodesView {
    fn text(&self, paint: Paint) -> String {
        let header =
            ["NODE", "REQUESTS/S", "READS/S", "WRITES/S", "BYTES/S", "CLIENTS/S", "CPU", "SHARE", "OF MEAN", "BALANCE"];
        let mut grid = Grid::new(&header, paint).numbers(&[1, 2, 3, 4, 5, 6, 7, 8]);
        for row in &self.0 {
            let Some(load) = &row.load else {
                let unknown = (2..header.len()).map(|_| number("-"));
                grid.row([number(&row.node)].into_iter().chain(unknown).chain([alarming("no answer", true)]));
                continue;
            };
            grid.row([
                number(&row.node),
                rate(load.requests_per_s),
                rate(load.reads_per_s),
                rate(load.writes_per_s),
                byte_rate(load.bytes_per_s),
                rate(load.clients_per_s),
                load.cpu_percent.map_or_else(|| number("-"), percent),
                percent(load.share_percent),
                percent(load.of_mean_percent),
                alarming(if load.in_balance { "inside" } else { "outside" }, !load.in_balance),
            ]);
        }
        grid.text()
    }
}
