//! LAYER 0. The Dynamo paper as values: no actor, no I/O, no clock, no randomness of its own.

pub mod claim;
pub mod context;
pub mod exchange;
pub mod handoff_rate;
pub mod hedge_budget;
pub mod hint;
pub mod hlc;
pub mod latency;
pub mod link_matrix;
pub mod link_meter;
pub mod merkle;
pub mod node_id;
pub mod own_time;
pub mod pace;
pub mod preference_list;
pub mod quantile;
pub mod quorum;
pub mod record_key;
pub mod ring;
pub mod siblings;
pub mod standing;
pub mod steadiness;
pub mod swim;
pub mod tree_log;
pub mod tree_recovery;
pub mod version;
mod words;
