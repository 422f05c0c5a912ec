//! The story of a scan: partition by partition, R replicas each, merged as far as all of them have looked.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout_at;

use super::coordinate_get::{nearest_first, newest};
use super::coordination::{Coordination, ask};
use crate::dynamo::preference_list::{Replica, Role};
use crate::dynamo::quorum::{Quorum, ReadTally, Verdict};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Siblings, Version};
use crate::messages::TraceId;
use crate::messages::client::{FailureReason, GetError, ReplicaFailure, Scan, ScanCursor, ScanReply};
use crate::messages::replica::{ReadReplicaError, ScanReplica, ScanSlice};

/// No replica is asked for more records at once.
const SLICE_MAX: u32 = 1_000;

/// A reply is closed once it holds this many payload bytes, so that it fits into a frame.
const REPLY_MAX_BYTES: usize = 4 * 1024 * 1024;

type Tally = ReadTally<ScanSlice, ReadReplicaError>;

pub(super) async fn coordinate_scan(mut cx: Rc<Coordination>, scan: Scan) -> Result<ScanReply, GetError> {
    let found = cx.table(&scan.table).ok_or_else(|| GetError::NoSuchTable { table: scan.table.clone() })?;
    let (quorum, stored) = (cx.quorum(found, None, None)?, found.storage_name().into_owned());
    let now_ms = (cx.wall)();
    let mut reply = ScanReply { items: Vec::new(), next: None };
    let mut bytes = 0;
    let mut cursor = scan.cursor.unwrap_or(ScanCursor { partition: PartitionId(0), after: None });
    while cursor.partition.0 < cx.view.ring().partitions() {
        let room = scan.limit.saturating_sub(u32::try_from(reply.items.len()).unwrap_or(u32::MAX));
        if room == 0 || bytes >= REPLY_MAX_BYTES {
            reply.next = Some(cursor);
            return Ok(reply);
        }
        let tally = scan_partition(&mut cx, (scan.trace, &stored), &cursor, quorum, room.min(SLICE_MAX)).await?;
        let (records, covers_up_to) = merged(&tally);
        for siblings in records.values() {
            let visible: Vec<Version> = siblings.visible(now_ms).cloned().collect();
            if !visible.is_empty() {
                bytes += siblings.payload_bytes();
                reply.items.push(visible);
            }
        }
        cursor = match covers_up_to {
            Some(last) => ScanCursor { after: Some(last), ..cursor },
            None => ScanCursor { partition: PartitionId(cursor.partition.0 + 1), after: None },
        };
    }
    Ok(reply)
}

/// As often as the partition turns out to have moved on.
async fn scan_partition(
    cx: &mut Rc<Coordination>,
    named: (TraceId, &str),
    cursor: &ScanCursor,
    quorum: Quorum,
    limit: u32,
) -> Result<Tally, GetError> {
    loop {
        let (tally, order, quorum) = scan_once(cx, named, cursor, quorum, limit).await;
        if tally.verdict() == Verdict::Reached {
            return Ok(tally);
        }
        let failed = not_reached(&order, &tally, quorum);
        let Some(stale) = newest(tally.failures().map(|(_, error)| error)) else { return Err(failed) };
        *cx = cx.caught_up(stale).await.ok_or(failed)?;
    }
}

async fn scan_once(
    cx: &Coordination,
    (trace, table): (TraceId, &str),
    cursor: &ScanCursor,
    quorum: Quorum,
    limit: u32,
) -> (Tally, Vec<Replica>, Quorum) {
    let (list, quorum) = cx.replicas_of(cursor.partition, quorum);
    // A fallback holds hints, not a table: it cannot say what is not there.
    let primaries = |replica: &Replica| matches!(replica.role, Role::Primary);
    let order: Vec<Replica> = nearest_first(cx, &list).into_iter().filter(primaries).collect();
    let mut tally = Tally::new(quorum.r(), order.len());
    let mut replies = FuturesUnordered::new();
    while tally.verdict() == Verdict::Pending {
        while let Some(at) = tally.ask() {
            let recipient = cx.replicas.of(&order[at].node, cursor.partition).map(|r| &r.scan);
            let (table, after) = (table.to_owned(), cursor.after.clone());
            let message = ScanReplica { trace, epoch: cx.epoch(), partition: cursor.partition, table, after, limit };
            replies.push(async move { (at, ask(recipient, message).await) });
        }
        match timeout_at(cx.deadline, replies.next()).await {
            Ok(Some((at, outcome))) => tally.record(at, outcome),
            Ok(None) | Err(_) => break,
        };
    }
    (tally, order, quorum)
}

/// What the answers know together, up to the key that all of them have covered, and that key.
fn merged(tally: &Tally) -> (BTreeMap<RecordKey, Siblings>, Option<RecordKey>) {
    let covers_up_to = tally.answers().filter_map(|(_, slice)| slice.covers_up_to.clone()).min();
    let mut records: BTreeMap<RecordKey, Siblings> = BTreeMap::new();
    for (key, siblings) in tally.answers().flat_map(|(_, slice)| &slice.records) {
        if covers_up_to.as_ref().is_none_or(|last| key <= last) {
            records.entry(key.clone()).or_default().merge(siblings);
        }
    }
    (records, covers_up_to)
}

fn not_reached(order: &[Replica], tally: &Tally, quorum: Quorum) -> GetError {
    let failures = tally
        .failures()
        .map(|(at, error)| ReplicaFailure { node: order[at].node.clone(), reason: FailureReason::Read(error.clone()) })
        .collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    GetError::QuorumNotReached { needed: count(quorum.r()), got: count(tally.answered()), failures }
}
