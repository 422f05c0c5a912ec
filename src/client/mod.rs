//! LAYER 4. The Rust client: one connection to one node, any number of requests under way on it.
//!
//! ```text
//!   Client ── request(message) ──▶ outbox ──▶ node
//!     ▲                                          │
//!     └──── waiting: number -> answer ◀── replies ┘
//! ```
//!
//! Clones share the connection. When it is lost every request under way learns so, and so does each later one: connect again.

mod connection;
mod errors;

pub use connection::{Client, ConnectOptions};
pub use errors::{CallError, ConnectError};
