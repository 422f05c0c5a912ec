//! Requests with everything at its default; set what you need.

use crate::item::{Item, Key};
use crate::messages::TraceId;
use crate::messages::client::{Delete, Get, Put};

/// A write of `item` that has seen nothing of its key. Hand back the `context` of a get or of the last put to replace what it covers.
pub fn put(table: &str, item: &Item) -> Put {
    let (trace, table, item) = (TraceId::default(), table.to_owned(), item.to_bytes());
    Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None }
}

/// A read of one key.
pub fn get(table: &str, key: &Key) -> Get {
    let (trace, table, key) = (TraceId::default(), table.to_owned(), key.to_bytes());
    Get { trace, table, key, r: None, timeout_ms: None }
}

/// A deletion of whatever is there. With the `context` of a get it deletes what that get has shown, and nothing newer.
pub fn delete(table: &str, key: &Key) -> Delete {
    let (trace, table, key) = (TraceId::default(), table.to_owned(), key.to_bytes());
    Delete { trace, table, key, context: None, w: None, timeout_ms: None }
}
