//! The KV API: items of any table, siblings and all, for whatever speaks HTTP. What clients see is described in `docs/kv.md`.
//!
//! ```text
//!   GET | PUT | DELETE /kv/{table}/{key}[/{sort}]      X-Slipring-Context: what the client has seen
//!     │
//!     ├ endpoint    body within bounds, signature or origin, the answer's headers
//!     ├ address     table and key of a path, by the key's declared type
//!     ├ parameters  what a query may say
//!     ├ operations  Get, Put, Delete, Query
//!     ├ long_poll   how often a read that waits looks, and how many may wait
//!     ├ range, cursor   which items of a partition key, and where it goes on
//!     ├ document    items as JSON, in two dialects
//!     └ failure     KvError: status, code and text, and what became of a write
//! ```
//!
//! Nothing that a client sends makes this code panic or answer with a status of 500 and above.

mod address;
mod cursor;
mod document;
mod endpoint;
mod failure;
#[cfg(test)]
mod fake_store;
mod long_poll;
mod operations;
mod parameters;
mod range;

pub use endpoint::KvEndpoint;
