//! LAYER 4. The real actors of a whole cluster on one thread in virtual time, with networks, disks, clocks and processes that fail.
//!
//! ```text
//!   seed ─▶ Plan ─▶ run ──┬─▶ Cluster: per node a Process (all its actors), a Disk, a NodeClock
//!                         ├─▶ Network: every message is encoded, sent late, decoded
//!                         ├─▶ Sessions: clients that write and read ─▶ History ─▶ violations
//!                         └─▶ Nemesis: strikes, and heals in the end
//! ```
//!
//! One runtime, one thread, no other clock and no other source of chance than the seed: the same seed gives the same trace.

mod clock;
mod cluster;
mod disk;
mod history;
mod nemesis;
mod network;
mod process;
mod run;
mod stream;
mod swarm;
mod trace;
mod workload;

pub use cluster::SimError;
pub use history::Violation;
pub use network::Delay;
pub use run::{Defect, Report, run, run_plan};
pub use swarm::{Fault, Plan};
pub use trace::Line;
