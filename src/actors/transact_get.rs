//! The story of a read of several items as they all were at one time: read all of them twice, until two readings are the same.
//!
//! What did not change between two readings was so at every instant between the end of the first and the begin of the second.

use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::modify_in_turn::newest;
use crate::dynamo::siblings::Versions;
use crate::messages::LinkError;
use crate::messages::client::{GetError, GetReply};
use crate::messages::modify::ReadSurely;
use crate::messages::transaction::{TransactGet, TransactGetError};

/// The pause before items that changed are read again.
const PAUSE: Duration = Duration::from_millis(5);

/// So often items that go on changing are read.
const READINGS_MAX: u32 = 10;

pub(super) async fn transact_get(
    read: Rc<Recipient<ReadSurely>>,
    request: TransactGet,
    overdue_at: Instant,
) -> Result<Vec<Option<Bytes>>, TransactGetError> {
    let mut before = read_all(&read, &request, overdue_at).await?;
    for reading in 1..READINGS_MAX {
        let now = read_all(&read, &request, overdue_at).await?;
        let changing: Vec<bool> = before.iter().zip(&now).map(|(before, now)| before != now).collect();
        if !changing.contains(&true) {
            return Ok(now.into_iter().map(newest).collect());
        }
        if Instant::now() >= overdue_at || reading + 1 == READINGS_MAX {
            return Err(TransactGetError::Conflict { changing });
        }
        before = now;
        sleep(PAUSE * reading).await;
    }
    Err(TransactGetError::Conflict { changing: vec![true; before.len()] })
}

async fn read_all(
    read: &Recipient<ReadSurely>,
    request: &TransactGet,
    overdue_at: Instant,
) -> Result<Vec<Versions>, GetError> {
    let left = overdue_at.saturating_duration_since(Instant::now()).as_millis();
    let timeout_ms = Some(u32::try_from(left).unwrap_or(u32::MAX));
    let ask = |(table, key): &(String, Bytes)| {
        let (trace, table, key) = (request.trace, table.clone(), key.clone());
        read.send(ReadSurely { trace, table, key, least_epoch: 0, as_stored: false, timeout_ms })
    };
    let stopped = |_| GetError::InvalidKey { reason: LinkError::Stopped.to_string() };
    let replies = join_all(request.keys.iter().map(ask)).await;
    replies.into_iter().map(|reply| reply.map_err(stopped)?.map(|reply: GetReply| reply.versions)).collect()
}
