//! The protocol of the DynamoDB API: HTTP to typed requests, and replies and errors back to HTTP.
//!
//! ```text
//!   POST /  X-Amz-Target: DynamoDB_20120810.GetItem
//!     │
//!     ├ endpoint    body within bounds, signature, JSON, reply with its headers
//!     ├ signature   AWS Signature Version 4, as values
//!     ├ operation   which of the operations
//!     ├ shapes      what its parameters may be: tables, and the service's words where they are not
//!     ├ requests    Request::GetItem(GetItem { table_name, key, ... })
//!     ├ operations  what this server does
//!     ├ json_out    the reply as JSON
//!     └ error       ApiError: status, type and message as the service spells them
//! ```
//!
//! What a client can see follows the service: API reference and developer guide of DynamoDB, the service
//! model that AWS publishes with its client libraries, and for the words of errors what others have recorded of
//! the service.
//!
//! Nothing that a client sends makes this code panic or answer with a status of 500 and above; those are the
//! operations' to give.

pub mod endpoint;
mod error;
mod json;
mod json_out;
mod operation;
pub mod operations;
pub mod requests;
mod shapes;
pub mod signature;

pub use endpoint::{Api, Caller, Endpoint, Reply};
pub use error::{ApiError, CancellationCode, CancellationReason, Message};
pub use json_out::JsonWriter;
pub use operation::Operation;
pub use requests::Request;
