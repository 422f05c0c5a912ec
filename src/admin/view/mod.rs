//! What commands show: plain values that are printed as text or serialised as they are. See `docs/admin.md` for the JSON.

pub mod cluster;
mod grid;
pub mod hints;
pub mod item;
pub mod links;
pub mod metadata;
pub mod metrics;
pub mod place;
pub mod plan;
pub mod rebalance;
pub mod repair;
pub mod status;
pub mod table;
pub mod tasks;
pub mod tombstones;
pub mod top;
pub mod units;
