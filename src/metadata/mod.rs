//! LAYER 0. What the whole cluster has to agree on, as a value: the members, who owns what and how far it has come, and the tables.
//!
//! ```text
//!   Command ──▶ the log decides the order ──▶ Metadata::apply on every node ──▶ the same Metadata everywhere, epoch by epoch
//! ```
//!
//! Nothing here knows how the log works, nor what time it is: the same commands in the same order lead to the same metadata.

mod command;
mod membership;
mod state;

pub use command::{Alteration, Command, CommandError, QuorumChoice, RingChange, TableChange};
pub use membership::{Enrolled, MemberAddress, Plan, Share, StagedChange};
pub use state::{LiveTables, Metadata, TABLES_MAX};

#[cfg(test)]
mod state_tests;
