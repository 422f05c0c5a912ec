//! What a person reads who has to find out why a run has failed.

use std::fmt::Write as _;

use super::history::Violation;
use super::run::Report;
use super::trace::Line;

/// The timeline begins so long before the write that is concerned, in ms.
const BEFORE_MS: u64 = 3_000;

/// No more violations are listed.
const VIOLATIONS_MAX: usize = 10;

impl Report {
    /// The violations, what led to the first of them, and how to see the run again.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let Some(first) = self.violations.first() else { return text };
        let defect = self.plan.defect.map_or_else(String::new, |defect| format!(" --defect {}", defect.name()));
        // Writing into a string cannot fail.
        let _ = writeln!(text, "seed {} violates {} invariants:", self.seed, self.violations.len());
        for Violation { key, what, .. } in self.violations.iter().take(VIOLATIONS_MAX) {
            let _ = writeln!(text, "  {}: {what}", key.as_deref().unwrap_or("cluster"));
        }
        let _ = writeln!(text, "{:?}", self.plan);
        let _ = writeln!(text, "what led to the first:");
        let from_ms = self.concerns_from_ms(first);
        let concerns = |line: &&Line| line.at_ms >= from_ms && (line.key.is_none() || line.key == first.key);
        for line in self.lines.iter().filter(concerns) {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "again: slipring-sim replay --seed {}{defect}", self.seed);
        text
    }

    /// A little before the write that is concerned is mentioned for the first time; without one, from the beginning.
    fn concerns_from_ms(&self, violation: &Violation) -> u64 {
        let Some(name) = &violation.write else { return 0 };
        let mentions = |line: &&Line| line.key == violation.key && line.what.contains(name);
        self.lines.iter().find(mentions).map_or(0, |line| line.at_ms.saturating_sub(BEFORE_MS))
    }
}
