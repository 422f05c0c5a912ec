//! Walks through the records, slice by slice, and has the payload of expired values dropped.
//!
//! It asks the `Node` shards, one slice at a time with a pause between, so that it never holds anybody up. Readers do not depend on it: an expired value
//! is hidden the moment its time has come. It decides nothing; if it dies, space is freed later.

use std::time::Duration;

use actix::{Actor, Context, Recipient};
use tokio::time::sleep;
use tracing::debug;

use crate::messages::ttl::ReapExpired;

/// The pause between two walks.
const WALK_INTERVAL: Duration = Duration::from_secs(60);

/// The pause between two slices of a walk.
const SLICE_PAUSE: Duration = Duration::from_millis(50);

/// Records looked at per slice.
const SLICE: usize = 256;

/// The reaper of expired values.
pub struct TtlReaper {
    shards: Vec<Recipient<ReapExpired>>,
}

impl TtlReaper {
    /// `shards` are this node's `Node` shards.
    pub fn new(shards: Vec<Recipient<ReapExpired>>) -> Self {
        Self { shards }
    }
}

impl Actor for TtlReaper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        for shard in &self.shards {
            actix::spawn(walk_for_ever(shard.clone()));
        }
    }
}

/// Ends when the shard does.
async fn walk_for_ever(shard: Recipient<ReapExpired>) {
    loop {
        sleep(WALK_INTERVAL).await;
        let mut after = None;
        loop {
            match shard.send(ReapExpired { after, limit: SLICE }).await {
                Ok(Ok(Some(last))) => after = Some(last),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    debug!(%error, "the walk for expired values has stopped early");
                    break;
                }
                Err(_) => return,
            }
            sleep(SLICE_PAUSE).await;
        }
    }
}
