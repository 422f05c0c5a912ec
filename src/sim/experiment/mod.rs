//! Experiments: what a cluster of a given shape costs, measured in virtual time beside the least that its topology allows.
//!
//! ```text
//!   FILE.toml ─▶ read ─▶ Experiment ─▶ per case: trial ──┬─▶ Machines: links and processors with the stated costs
//!                                                       ├─▶ Load: clients, keys, batches ─▶ latencies, floors
//!                                                       └─▶ Schedule: faults
//!                                  └─▶ balance, movement: rings only      all ─▶ Outcome ─▶ table, JSON, SVG
//! ```
//!
//! The nodes are those of every other simulation. Every case of a file runs with the same seed; the same seed gives the same outcome.

mod balance;
mod document;
mod figure;
mod floor;
mod keys;
mod load;
mod machines;
mod movement;
mod outcome;
mod plan;
mod read;
mod statistics;
mod trial;

pub use balance::{Efficiency, Imbalance};
pub use figure::DrawingError;
pub use floor::floor_ms;
pub use keys::{KeyChoice, KeyPicker};
pub use movement::Moved;
pub use outcome::{Figures, Findings, Outcome, Trial};
pub use plan::{
    Balance, Case, Coordinator, Cpu, DiskTime, Experiment, FaultKind, LinkTime, Operation, Order, Panel, PlannedFault,
    Plot, Published, Relocation, Routing, Setup, Shape, SlowNode, Spread, Subject, Workload,
};
pub use statistics::{Sample, Summary};

use super::cluster::SimError;

impl Experiment {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// A cluster could not be made, which says nothing about the product.
    pub fn run(&self, seed: u64) -> Result<Outcome, SimError> {
        let findings = match &self.subject {
            Subject::Cluster { cases, .. } => {
                Findings::Trials(cases.iter().map(|case| trial::run_case(seed, case)).collect::<Result<_, _>>()?)
            }
            Subject::Balance(balance) => {
                let measured = balance::measure(balance, &mut load::chance(seed));
                let (efficiencies, imbalances) = measured.map_err(|error| SimError::Plan(error.to_string()))?;
                Findings::Balance { efficiencies, imbalances }
            }
            Subject::Movement(relocation) => {
                let moved = movement::measure(relocation, &mut load::chance(seed));
                Findings::Movement(moved.map_err(|error| SimError::Plan(error.to_string()))?)
            }
        };
        Ok(Outcome { title: self.title.clone(), seed, findings })
    }

    /// Its figure, as SVG.
    ///
    /// # Errors
    ///
    /// It could not be drawn.
    pub fn draw(&self, outcome: &Outcome) -> Result<String, DrawingError> {
        figure::Figure::of(self, outcome).to_svg()
    }
}
