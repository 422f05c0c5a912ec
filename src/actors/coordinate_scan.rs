//! The stories of a scan and of a query: partition by partition, R replicas each, merged as far as all of them have looked.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::coordinate_get::{nearest_first, newest};
use super::coordination::{Coordination, Terms, ask};
use super::settle_intents::{holds_intent, settle};
use crate::dynamo::key_range::KeyRange;
use crate::dynamo::preference_list::{Replica, Role};
use crate::dynamo::quorum::{Quorum, ReadTally, Verdict};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Siblings, Version};
use crate::messages::TraceId;
use crate::messages::client::{
    FailureReason, GetError, Query, QueryReply, ReplicaFailure, Scan, ScanCursor, ScanReply,
};
use crate::messages::replica::{ReadReplicaError, ScanReplica, ScanSlice};

/// No replica is asked for more records at once.
const SLICE_MAX: u32 = 1_000;

/// A reply is closed once it holds this many payload bytes, so that it fits into a frame.
const REPLY_MAX_BYTES: usize = 4 * 1024 * 1024;

type Tally = ReadTally<ScanSlice, ReadReplicaError>;

/// What is to be gone through of one partition.
struct Stretch<'a> {
    trace: TraceId,
    /// The name under which the table is stored.
    table: &'a str,
    partition: PartitionId,
    range: KeyRange,
    terms: Terms,
    limit: u32,
}

/// Visible items, until there are enough.
struct Gathered {
    items: Vec<Vec<Version>>,
    bytes: usize,
    limit: u32,
    now_ms: u64,
}

impl Gathered {
    fn new(limit: u32, now_ms: u64) -> Self {
        Self { items: Vec::new(), bytes: 0, limit: limit.max(1), now_ms }
    }

    /// How many more there may be in the next slice; 0: it is enough.
    fn room(&self) -> u32 {
        let left = self.limit.saturating_sub(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        if self.bytes >= REPLY_MAX_BYTES { 0 } else { left.min(SLICE_MAX) }
    }

    /// Takes what is visible of these records, as a reader is shown it.
    async fn take(
        &mut self,
        cx: &Rc<Coordination>,
        trace: TraceId,
        records: &[(RecordKey, Siblings)],
    ) -> Result<(), GetError> {
        for (key, siblings) in records {
            let mut visible: Vec<Version> = siblings.visible(self.now_ms).cloned().collect();
            if holds_intent(&visible) {
                visible = settle(cx, trace, key, visible).await?;
            }
            if !visible.is_empty() {
                self.bytes += siblings.payload_bytes();
                self.items.push(visible);
            }
        }
        Ok(())
    }
}

pub(super) async fn coordinate_scan(mut cx: Rc<Coordination>, scan: Scan) -> Result<ScanReply, GetError> {
    let found = cx.table(&scan.table).ok_or_else(|| GetError::NoSuchTable { table: scan.table.clone() })?;
    let (terms, stored) = (cx.terms(found, scan.r, None)?, found.storage_name().into_owned());
    let mut gathered = Gathered::new(scan.limit, (cx.wall)());
    let mut cursor = scan.cursor.unwrap_or(ScanCursor { partition: PartitionId(0), after: None });
    // Many partitions take long: whoever asks goes on from where this request stopped in good time.
    let (half_time, mut has_moved) = (half_time(&cx), false);
    let end = |cx: &Coordination| scan.until.map_or(u32::MAX, |until| until.0).min(cx.view.ring().partitions());
    while cursor.partition.0 < end(&cx) {
        let limit = gathered.room();
        if limit == 0 || (has_moved && Instant::now() >= half_time) {
            return Ok(ScanReply { items: gathered.items, next: Some(cursor) });
        }
        has_moved = true;
        let all = KeyRange::default();
        let range = cursor.after.as_ref().map_or(all.clone(), |last| all.after(Bytes::copy_from_slice(last.key())));
        let (partition, trace, table) = (cursor.partition, scan.trace, stored.as_str());
        let stretch = Stretch { trace, table, partition, range, terms, limit };
        let (records, covers_up_to) = scan_stretch(&mut cx, &stretch).await?;
        gathered.take(&cx, trace, &records).await?;
        cursor = match covers_up_to {
            Some(last) => ScanCursor { after: Some(last), ..cursor },
            None => ScanCursor { partition: PartitionId(cursor.partition.0 + 1), after: None },
        };
    }
    Ok(ScanReply { items: gathered.items, next: None })
}

fn half_time(cx: &Coordination) -> Instant {
    let now = Instant::now();
    now + cx.deadline.saturating_duration_since(now) / 2
}

pub(super) async fn coordinate_query(mut cx: Rc<Coordination>, query: Query) -> Result<QueryReply, GetError> {
    let found = cx.table(&query.table).ok_or_else(|| GetError::NoSuchTable { table: query.table.clone() })?;
    let (terms, stored) = (cx.terms(found, query.r, None)?, found.storage_name().into_owned());
    if !query.range.prefix.starts_with(&query.partition_key) {
        let reason = "the range of a query must lie within its partition key".to_owned();
        return Err(GetError::InvalidKey { reason });
    }
    let mut gathered = Gathered::new(query.limit, (cx.wall)());
    let (mut range, mut next) = (query.range, None);
    loop {
        let limit = gathered.room();
        if limit == 0 {
            return Ok(QueryReply { items: gathered.items, next });
        }
        let partition = cx.view.ring().partition_of(&query.partition_key);
        let (trace, table) = (query.trace, stored.as_str());
        let stretch = Stretch { trace, table, partition, range: range.clone(), terms, limit };
        let (records, covers_up_to) = scan_stretch(&mut cx, &stretch).await?;
        gathered.take(&cx, trace, &records).await?;
        match covers_up_to {
            None => return Ok(QueryReply { items: gathered.items, next: None }),
            Some(last) => {
                let last = Bytes::copy_from_slice(last.key());
                range = range.after(last.clone());
                next = Some(last);
            }
        }
    }
}

/// As often as the partition turns out to have moved on. What the answers know together, in order, and the key up to which all of them have looked.
async fn scan_stretch(
    cx: &mut Rc<Coordination>,
    stretch: &Stretch<'_>,
) -> Result<(Vec<(RecordKey, Siblings)>, Option<RecordKey>), GetError> {
    loop {
        let (tally, order, quorum) = scan_once(cx, stretch).await;
        if tally.verdict() == Verdict::Reached {
            return Ok(merged(&tally, &stretch.range));
        }
        let failed = not_reached(&order, &tally, quorum);
        let Some(stale) = newest(tally.failures().map(|(_, error)| error)) else { return Err(failed) };
        *cx = cx.caught_up(stale).await.ok_or(failed)?;
    }
}

async fn scan_once(cx: &Coordination, stretch: &Stretch<'_>) -> (Tally, Vec<Replica>, Quorum) {
    let (list, quorum) = cx.replicas_of(stretch.table, stretch.partition, stretch.terms);
    // A fallback holds hints, not a table: it cannot say what is not there.
    let primaries = |replica: &Replica| matches!(replica.role, Role::Primary);
    let order: Vec<Replica> = nearest_first(cx, &list).into_iter().filter(primaries).collect();
    let mut tally = Tally::new(quorum.r(), order.len());
    let mut replies = FuturesUnordered::new();
    while tally.verdict() == Verdict::Pending {
        while let Some(at) = tally.ask() {
            let recipient = cx.replicas.of(&order[at].node, stretch.partition).map(|r| &r.scan);
            let message = stretch.message(cx.epoch());
            replies.push(async move { (at, ask(recipient, message).await) });
        }
        match timeout_at(cx.deadline, replies.next()).await {
            Ok(Some((at, outcome))) => tally.record(at, outcome),
            Ok(None) | Err(_) => break,
        };
    }
    (tally, order, quorum)
}

impl Stretch<'_> {
    fn message(&self, epoch: u64) -> ScanReplica {
        let (trace, partition, table) = (self.trace, self.partition, self.table.to_owned());
        ScanReplica { trace, epoch, partition, table, range: self.range.clone(), limit: self.limit }
    }
}

/// What the answers know together, up to the key that all of them have covered, and that key.
fn merged(tally: &Tally, range: &KeyRange) -> (Vec<(RecordKey, Siblings)>, Option<RecordKey>) {
    let covered = tally.answers().filter_map(|(_, slice)| slice.covers_up_to.clone());
    let covers_up_to = covered.reduce(|one, other| range.nearer(one, other));
    let mut records: BTreeMap<RecordKey, Siblings> = BTreeMap::new();
    for (key, siblings) in tally.answers().flat_map(|(_, slice)| &slice.records) {
        if covers_up_to.as_ref().is_none_or(|last| range.reaches(key, last)) {
            records.entry(key.clone()).or_default().merge(siblings);
        }
    }
    let ascending = records.into_iter();
    let records = if range.descends { ascending.rev().collect() } else { ascending.collect() };
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
