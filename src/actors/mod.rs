//! LAYER 3. The actors, one file each. They know each other only as recipients; `assembly` wires them.

pub mod admin_session;
pub mod anti_entropy;
pub mod assembly;
pub mod bridge_listener;
pub mod bridge_session;
mod coordinate_get;
mod coordinate_gets;
mod coordinate_put;
mod coordinate_scan;
mod coordinate_where;
pub mod coordination;
mod exchange_range;
pub mod failure_detector;
pub mod founding;
pub mod hand_over;
mod hint_ledger;
pub mod hinted_handoff;
mod link;
pub mod node;
mod node_parts;
pub mod node_trees;
pub mod peer;
pub mod repair_marks;
pub mod repair_recipients;
pub mod replication_coordinator;
pub mod ring_manager;
pub mod ttl_reaper;
