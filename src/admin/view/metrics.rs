//! `metrics`: the text that Prometheus scrapes, or its samples as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admin::answer::{Paint, View};

/// The samples whose metric matches, and the text they stand in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct MetricsView {
    /// The samples.
    pub samples: Vec<Sample>,
    /// The lines they come from, with those that describe them.
    #[serde(skip)]
    pub lines: Vec<String>,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value as it is written: a number, or `+Inf`, `-Inf`, `NaN`.
    pub value: String,
}

impl MetricsView {
    /// The part of an exposition whose metrics' names contain `filter`.
    pub fn new(exposition: &str, filter: Option<&str>) -> Self {
        let matches = |name: &str| filter.is_none_or(|filter| name.contains(filter));
        let lines: Vec<&str> = exposition
            .lines()
            .filter(|line| match line.strip_prefix("# ") {
                Some(comment) => comment.split(' ').nth(1).is_some_and(matches),
                None => matches(name_end(line).0),
            })
            .collect();
        Self {
            samples: lines.iter().filter_map(|line| Sample::parse(line)).collect(),
            lines: lines.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// A sample's name and what follows it.
fn name_end(line: &str) -> (&str, &str) {
    line.split_at(line.find(['{', ' ']).unwrap_or(line.len()))
}

impl Sample {
    /// A line such as `requests_total{op="put"} 7`.
    fn parse(line: &str) -> Option<Self> {
        if line.starts_with('#') || line.is_empty() {
            return None;
        }
        let (name, mut rest) = name_end(line);
        let mut labels = BTreeMap::new();
        if let Some(listed) = rest.strip_prefix('{') {
            rest = listed;
            while !rest.starts_with('}') {
                let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
                let (value, after) = quoted(after)?;
                labels.insert(label.to_owned(), value);
                rest = after;
            }
            rest = &rest[1..];
        }
        let value = rest.split_whitespace().next()?;
        Some(Self { name: name.to_owned(), labels, value: value.to_owned() })
    }
}

/// The text up to the closing quote with its escapes undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            c => value.push(c),
        }
    }
    None
}

impl View for MetricsView {
    fn text(&self, _: Paint) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
