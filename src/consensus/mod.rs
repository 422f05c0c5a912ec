//! LAYER 0. A replicated log as values: what a member of it hears goes in, what it has to write, send and apply comes out.
//!
//! ```text
//!   tick, step(message), propose, persisted ──▶ LogGroup ──▶ Effect::Persist   in order; persisted() must follow each that says so
//!                                                           Effect::Send      to another member of the log
//!                                                           Effect::Apply     agreed on: the same on every member, in the same order
//!                                                           Effect::Restore   forget what was applied: this is the state now
//! ```
//!
//! The protocol is Raft (Ongaro and Ousterhout, 2014), run by the crate `raft`. What this module adds: forms of its own for what is sent
//! and stored, so that nothing from outside is parsed as protobuf; election time-outs that a seed decides; and a member whose disk was set
//! back notices, and says so instead of breaking what the others rely on.

mod forms;
mod group;
mod memory_log;
mod voters;

pub use forms::{Content, Electorate, Entry, HardState, Kind, MemberChange, Message, Rank, Snapshot};
pub use group::{Change, Effect, LogGroup, LogRole, ProposeRefusal, StepRefusal, Stored};
pub use voters::{Candidate, VOTERS_MAX, next_change};

#[cfg(test)]
mod group_tests;
