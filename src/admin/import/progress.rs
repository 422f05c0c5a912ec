//! How far a long command is: a bar on a terminal, a line now and then elsewhere. Always on the standard error.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::admin::answer::say;
use crate::admin::view::units::{count, duration, grouped};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A bar, or lines.
pub struct Progress {
    bar: Option<ProgressBar>,
    verb: &'static str,
    total_bytes: Option<u64>,
    started: Instant,
    last_line: Cell<Instant>,
}

impl Progress {
    /// Progress of something that is `verb`ed, over a file of `total_bytes` where there is one.
    pub fn new(verb: &'static str, total_bytes: Option<u64>) -> Self {
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr());
            let template = match total_bytes {
                Some(_) => "{bar:30} {percent:>3} %  {msg}  ETA {eta}",
                None => "{spinner} {msg}",
            };
            // The templates are fixed and valid; were one not, the default style still shows the progress.
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, verb, total_bytes, started: now, last_line: Cell::new(now) }
    }

    /// Shows where it is.
    pub fn advance(&self, done_bytes: u64, records: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done_bytes);
                bar.set_message(self.message(records));
            }
            None if self.last_line.get().elapsed() >= LINE_EVERY => {
                self.last_line.set(Instant::now());
                let share = self.total_bytes.filter(|total| *total > 0).map(|total| done_bytes * 100 / total);
                let share = share.map(|percent| format!("{percent} %, ")).unwrap_or_default();
                let elapsed = duration(self.started.elapsed().as_secs());
                say(&format!("{share}{} after {elapsed}", self.message(records)));
            }
            None => {}
        }
    }

    fn message(&self, records: u64) -> String {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        format!("{} {}, {}/s", count(records, "record"), self.verb, grouped(records.saturating_mul(1000) / ms))
    }

    /// Writes a line without disturbing the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
