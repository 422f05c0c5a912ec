//! LAYER 4. The real actors of a whole cluster on one thread in virtual time, with networks, disks, clocks and processes that fail.
//!
//! ```text
//!   seed ─▶ Plan ─▶ run ──┬─▶ Cluster: per node a Process (all its actors), a Disk, a NodeClock
//!                         ├─▶ Network: every message is encoded, sent late, decoded
//!                         ├─▶ Sessions: clients that write and read ─▶ History ─▶ violations
//!                         ├─▶ Operator, Movers: tables, members and weights change
//!                         └─▶ Nemesis: strikes, and heals in the end
//! ```
//!
//! One runtime, one thread, no other clock and no other source of chance than the seed: the same seed gives the same trace.

mod bits;
mod clock;
mod cluster;
mod defect;
mod delay;
mod detection;
mod device;
mod disk;
pub mod experiment;
mod explain;
mod fault;
mod frames;
mod history;
mod movers;
mod nemesis;
mod network;
mod observed;
mod operator;
mod process;
mod roster;
mod rules;
mod run;
mod scene;
mod scribes;
mod session;
mod stage;
mod stream;
mod swarm;
mod sweep;
mod tellers;
mod trace;
mod trees;
mod watch;
mod workload;

pub use cluster::SimError;
pub use defect::Defect;
pub use delay::{Delay, Spread};
pub use detection::{DetectionCost, measure_detection};
pub use fault::Fault;
pub use history::Violation;
pub use observed::{Cast, ObservedCluster, observe};
pub use run::{Report, run, run_plan};
pub use scene::{Ending, Scene, Visitor, play};
pub use session::Seen;
pub use swarm::Plan;
pub use sweep::sweep;
pub use trace::Line;
pub use workload::Workload;
