//! LAYER 4. The Rust client: a connection to one node, and a router that holds one to each member and knows who stores what.
//!
//! ```text
//!   Router ── key ──▶ map: partition, walk ──▶ first member that is connected ──▶ Client ── request ──▶ outbox ──▶ node
//!     ▲                ▲                                                            ▲                               │
//!     │                └── learns: interval, lost connection, new member            └── waiting: number -> answer ◀──┘
//!     └── a read whose connection is lost goes to the next one; a write says that it may have been applied
//! ```
//!
//! Every node takes every request; a router saves the hop from a node that does not store the key to one that does. Clones of a
//! [`Client`] share its connection. When it is lost every request under way learns so, and so does each later one: connect again. A
//! [`Router`] does that by itself.
//!
//! | file | idea |
//! |---|---|
//! | `connection` | one connection and the requests under way on it |
//! | `requests` | requests with everything at its default |
//! | `route_map`, `learn` | who stores what; asking for it |
//! | `attempts`, `backoff` | which node is next; how long to leave one alone |
//! | `member_link`, `picture`, `router` | a connection that is kept; what a router knows; what it does |
//! | `errors` | what can go wrong, and what that says about the data |
//!
//! # Example
//!
//! ```no_run
//! use slipring::client::{RouteError, Router, RouterOptions, requests};
//! use slipring::item::{AttributeValue, Item, TableSchema};
//! use slipring::messages::client::{PutError, WriteOutcome};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One member is enough to find the others.
//! let router = Router::connect(&["127.0.0.1:7400"], RouterOptions::default()).await?;
//!
//! let key = TableSchema::kv().key_from_text("cart-7", None)?;
//! let found = router.get(requests::get("kv", &key)).await?;
//! for version in &found.versions {
//!     // More than one: siblings, written without knowledge of each other. Merge them.
//!     println!("{:?}", version.value);
//! }
//!
//! let mut item = Item::new();
//! item.insert("key", AttributeValue::S("cart-7".to_owned()));
//! item.insert("apples", AttributeValue::N("3".parse()?));
//! let mut put = requests::put("kv", &item);
//! // Replaces what the get has shown, and nothing else.
//! put.context = Some(found.context);
//! match router.put(put).await {
//!     Ok(reply) => println!("on W disks; {} sibling(s)", reply.siblings),
//!     Err(RouteError::Refused(PutError::Overloaded(limit))) => println!("nothing was written, try later: {limit}"),
//!     Err(error) => match error.outcome() {
//!         WriteOutcome::NotApplied => println!("nothing was written: {error}"),
//!         WriteOutcome::Unknown => println!("it may have been written, read before you write again: {error}"),
//!     },
//! }
//! # Ok(())
//! # }
//! ```

mod attempts;
mod backoff;
mod connection;
mod errors;
#[cfg(test)]
mod fake_node;
mod learn;
mod member_link;
mod picture;
pub mod requests;
mod route_map;
mod routed;
mod router;

pub use connection::{Client, ConnectOptions};
pub use errors::{CallError, ConnectError, LearnError, RouteError, RouterError};
pub use learn::{Lesson, learn};
pub use route_map::{Description, RouteMap, RouteMapError};
pub use router::{Router, RouterCounts, RouterOptions};
