//! What the program prints.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::failure::Failure;
use super::route::Spread;
use super::tally::{Row, Tally};

/// One kind of request, in the units of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What was asked for.
    pub operation: String,
    /// Requests outstanding, where several numbers are reported side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<usize>,
    /// Requests that succeeded.
    pub requests: u64,
    /// How many per second.
    pub throughput_per_s: f64,
    /// The latency that half of them did not exceed.
    pub p50_us: f64,
    /// ... 99 of 100.
    pub p99_us: f64,
    /// ... 999 of 1000.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Gets that found no item; they count as successes.
    pub not_found: u64,
    /// Requests that failed, by what went wrong.
    pub errors: BTreeMap<String, u64>,
}

/// A measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the load was spread, where there is a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// How long was counted.
    pub elapsed_s: f64,
    /// CPU time that the server took for each request, in microseconds, where it was watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us: Option<f64>,
    /// CPU time that this program took for each request, where it was watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_cpu_us: Option<f64>,
    /// Kind by kind.
    pub operations: Vec<Line>,
}

impl Line {
    /// The units of `row`, which was counted for `elapsed`.
    pub fn of(operation: &str, outstanding: Option<usize>, row: &Row, elapsed: Duration) -> Self {
        let latency = &row.latency_ns;
        let us = |quantile| micros(latency, quantile);
        Self {
            operation: operation.to_owned(),
            outstanding,
            requests: latency.len(),
            throughput_per_s: (latency.len() as f64 / elapsed.as_secs_f64().max(1e-9)).round(),
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: us(1.0),
            not_found: row.not_found,
            errors: row.errors.clone(),
        }
    }

    fn errors_as_text(&self) -> String {
        let mut parts: Vec<String> = self.errors.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        if self.not_found > 0 {
            parts.push(format!("(not found: {})", self.not_found));
        }
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    }
}

impl Report {
    /// A report of `tally`, which was counted for `elapsed`.
    pub fn of(tally: &Tally, elapsed: Duration, spread: Option<Spread>) -> Self {
        let operations = tally.rows().map(|(kind, row)| Line::of(kind.name(), None, row, elapsed)).collect();
        Self { spread, elapsed_s: elapsed.as_secs_f64(), server_cpu_us: None, own_cpu_us: None, operations }
    }

    /// What each request took of some CPU time, in microseconds.
    pub fn cpu_us_per_request(&self, taken: Duration) -> f64 {
        let requests: u64 = self.operations.iter().map(|line| line.requests).sum();
        (taken.as_micros() as f64 / requests.max(1) as f64 * 100.0).round() / 100.0
    }

    fn cpu_as_text(&self) -> String {
        let named = [("server", self.server_cpu_us), ("this program", self.own_cpu_us)];
        let lines = named.iter().filter_map(|(who, us)| Some(format!("\nCPU of {who}: {:.1} µs per request", (*us)?)));
        lines.collect()
    }

    /// Prints it to the standard output.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        let spread = self.spread.as_ref().map(|spread| format!("{spread}\n")).unwrap_or_default();
        let text =
            if as_json { json(self)? } else { format!("{spread}{}{}", table(&self.operations), self.cpu_as_text()) };
        writeln!(io::stdout(), "{text}").map_err(Failure::io("printing"))
    }
}

/// `value` as JSON on several lines.
///
/// # Errors
///
/// When it has no JSON form.
pub fn json(value: &impl Serialize) -> Result<String, Failure> {
    let bad = |error: serde_json::Error| Failure::Io { doing: "writing JSON".to_owned(), source: error.into() };
    serde_json::to_string_pretty(value).map_err(bad)
}

/// Lines as a table.
pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "operation",
        "outstanding",
        "requests",
        "per second",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "errors",
    ]);
    for line in lines {
        table.add_row([
            line.operation.clone(),
            line.outstanding.map_or_else(|| "-".to_owned(), |outstanding| outstanding.to_string()),
            line.requests.to_string(),
            format!("{:.0}", line.throughput_per_s),
            format!("{:.1}", line.p50_us),
            format!("{:.1}", line.p99_us),
            format!("{:.1}", line.p999_us),
            format!("{:.1}", line.max_us),
            line.errors_as_text(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(7) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn micros(latency_ns: &Histogram<u64>, quantile: f64) -> f64 {
    let ns = if latency_ns.is_empty() { 0 } else { latency_ns.value_at_quantile(quantile) };
    (ns as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::route::{Route, Spread};
    use super::super::tally::{Kind, Tally};
    use super::{Report, json, table};

    fn report() -> Report {
        let mut tally = Tally::default();
        for micros in 1..=100 {
            tally.record(Kind::Get, Duration::from_micros(micros), 1);
        }
        tally.record_error(Kind::Put, "Overloaded".to_owned(), 2);
        let spread = Spread { route: Some(Route::Ring), nodes: 3, connections: 3 };
        Report::of(&tally, Duration::from_secs(2), Some(spread))
    }

    #[test]
    fn units_are_per_second_and_microseconds() {
        let report = report();
        let get = &report.operations[0];
        assert_eq!((get.requests, get.throughput_per_s), (100, 50.0));
        assert!((49.0..52.0).contains(&get.p50_us) && (99.0..101.0).contains(&get.max_us), "{get:?}");
    }

    #[test]
    fn cpu_time_is_told_per_request() {
        let report = report();
        let server_cpu_us = Some(report.cpu_us_per_request(Duration::from_millis(1)));
        let text = Report { server_cpu_us, ..report }.cpu_as_text();
        assert_eq!(text, "\nCPU of server: 10.0 µs per request");
    }

    #[test]
    fn errors_are_shown_by_kind() {
        let report = report();
        assert!(table(&report.operations).to_string().contains("Overloaded: 2"));
        let read: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!(read["operations"][1]["errors"]["Overloaded"], 2);
        assert_eq!((&read["spread"]["route"], &read["spread"]["nodes"]), (&"ring".into(), &3.into()));
        assert_eq!(read["operations"][1]["max_us"].as_f64(), Some(0.0));
    }
}
