//! Query and scan: pages of at most 1 MiB, filtered after they are read.

use std::ops::Bound;

use bytes::Bytes;

use super::table::{Table, check_size};
use super::{Store, capacity, expressions, failures, legacy};
use crate::dynamo::key_range::KeyRange;
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::Version;
use crate::http::dynamodb::endpoint::Reply;
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json_out::JsonWriter;
use crate::http::dynamodb::requests::{Query, ReturnConsumedCapacity, Scan, Select, StartKey};
use crate::item::expression::{
    Condition, ExpressionKind, KeyCondition, KeyTerms, Projection, SortTest, check_old_query_filter, check_query_filter,
};
use crate::item::{Item, Key, KeyValue};
use crate::messages::client;
use crate::messages::client::ScanCursor;

/// A page ends before it holds more bytes than this, by `Item::size`.
const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// So many items are read at once.
const SLICE_ITEMS: u32 = 300;

impl Store {
    pub(super) async fn run_query(&self, query: Query) -> Result<Reply, ApiError> {
        let given = [
            ("ProjectionExpression", query.projection_expression.is_some()),
            ("FilterExpression", query.filter_expression.is_some()),
            ("KeyConditionExpression", query.key_condition_expression.is_some()),
        ];
        let (names, values) = (query.expression_attribute_names, query.expression_attribute_values);
        let mut placeholders = expressions::placeholders(names, values, &given)?;
        let filter_text = query.filter_expression.as_ref();
        let filter = expressions::condition(ExpressionKind::Filter, filter_text, &mut placeholders)?;
        let old_filter = legacy::filter(query.query_filter, query.conditional_operator)?;
        let projection = match expressions::projection(query.projection_expression.as_ref(), &mut placeholders)? {
            None => legacy::attributes(query.attributes_to_get.as_ref())?,
            projection => projection,
        };
        let terms = match (&query.key_condition_expression, query.key_conditions) {
            (Some(text), _) => KeyTerms::parse(text, &mut placeholders)?,
            (None, Some(conditions)) => legacy::key_conditions(conditions)?,
            (None, None) => {
                return Err(ApiError::validation(
                    "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
                ));
            }
        };
        placeholders.check_all_used()?;
        let shown = [
            ("ProjectionExpression", query.projection_expression.is_some()),
            ("AttributesToGet", query.attributes_to_get.is_some()),
        ];
        let counts = counts_only(query.select, shown, query.index_name.is_some()).map_err(ApiError::in_envelope)?;
        let table = self.table(&query.table_name).await?;
        check_index(&table, query.index_name.as_deref())?;
        let keys = terms.for_keys(&table.partition_key, table.sort_key.as_ref())?;
        check_sizes(&keys)?;
        if let Some(filter) = &filter {
            check_query_filter(filter, table.key_names())?;
        }
        if let Some(filter) = &old_filter {
            check_old_query_filter(filter, table.key_names())?;
        }
        let mut range = range_of(&keys, query.scan_index_forward.unwrap_or(true));
        if let Some(start) = &query.exclusive_start_key {
            range = range.after(start_within(&table, &keys, start)?.to_bytes());
        }
        let mut page = Page { filter: filter.or(old_filter), projection, limit: query.limit, ..Page::new(&table) };
        let partition_key = Key { partition: keys.partition.clone(), sort: None }.partition_bytes();
        loop {
            let message = client::Query {
                trace: self.traces.next(),
                table: query.table_name.clone(),
                partition_key: partition_key.clone(),
                range: range.clone(),
                limit: page.room(),
                r: table.replicas_to_read(query.consistent_read),
                timeout_ms: None,
            };
            let reply = self.query.send(message).await?.map_err(failures::of_get)?;
            match page.take(reply.items, reply.next)? {
                Some(last) => range = range.after(last),
                None => break,
            }
        }
        Ok(page.reply(counts, query.return_consumed_capacity, query.consistent_read))
    }

    pub(super) async fn run_scan(&self, scan: Scan) -> Result<Reply, ApiError> {
        let given = [
            ("ProjectionExpression", scan.projection_expression.is_some()),
            ("FilterExpression", scan.filter_expression.is_some()),
        ];
        let (names, values) = (scan.expression_attribute_names, scan.expression_attribute_values);
        let mut placeholders = expressions::placeholders(names, values, &given)?;
        let filter = match &scan.filter_expression {
            Some(text) => Some(Condition::parse(ExpressionKind::Filter, text, &mut placeholders)?),
            None => legacy::filter(scan.scan_filter, scan.conditional_operator)?,
        };
        let projection = match expressions::projection(scan.projection_expression.as_ref(), &mut placeholders)? {
            None => legacy::attributes(scan.attributes_to_get.as_ref())?,
            projection => projection,
        };
        placeholders.check_all_used()?;
        let shown = [
            ("ProjectionExpression", scan.projection_expression.is_some()),
            ("AttributesToGet", scan.attributes_to_get.is_some()),
        ];
        let counts = counts_only(scan.select, shown, scan.index_name.is_some())?;
        let segment = Segment::of(scan.segment, scan.total_segments)?;
        let table = self.table(&scan.table_name).await?;
        check_index(&table, scan.index_name.as_deref())?;
        let [begin, until] = segment.partitions(table.partitions());
        let mut cursor = ScanCursor { partition: begin, after: None };
        if let Some(start) = &scan.exclusive_start_key {
            cursor = segment.resumed(&table, start)?;
        }
        let mut page = Page { filter, projection, limit: scan.limit, ..Page::new(&table) };
        loop {
            let message = client::Scan {
                trace: self.traces.next(),
                table: scan.table_name.clone(),
                cursor: Some(cursor.clone()),
                until: Some(until),
                limit: page.room(),
                r: table.replicas_to_read(scan.consistent_read),
                timeout_ms: None,
            };
            let reply = self.scan.send(message).await?.map_err(failures::of_get)?;
            match page.take(reply.items, reply.next)? {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(page.reply(counts, scan.return_consumed_capacity, scan.consistent_read))
    }
}

/// The items that a request has looked at.
struct Page<'a> {
    table: &'a Table,
    filter: Option<Condition>,
    projection: Option<Projection>,
    /// The most items to look at.
    limit: Option<u32>,
    items: Vec<Item>,
    scanned: u32,
    bytes: usize,
    /// The last item looked at; none once all have been.
    last: Option<Key>,
}

impl<'a> Page<'a> {
    fn new(table: &'a Table) -> Self {
        let (items, scanned, bytes, last) = (Vec::new(), 0, 0, None);
        Self { table, filter: None, projection: None, limit: None, items, scanned, bytes, last }
    }

    /// How many more are wanted at once.
    fn room(&self) -> u32 {
        self.limit.map_or(SLICE_ITEMS, |limit| limit.saturating_sub(self.scanned).clamp(1, SLICE_ITEMS))
    }

    /// Looks at items, and says where to go on if there are more and they are wanted.
    fn take<P>(&mut self, slice: Vec<Vec<Version>>, next: Option<P>) -> Result<Option<P>, ApiError> {
        for versions in slice {
            let newest = versions.into_iter().max_by_key(|version| version.rank());
            let Some(bytes) = newest.and_then(|version| version.value) else { continue };
            let item = Item::from_bytes(&bytes).map_err(failures::damaged)?;
            let size = item.size();
            if self.scanned > 0 && self.bytes + size > PAGE_MAX_BYTES {
                return Ok(None);
            }
            self.bytes += size;
            self.scanned += 1;
            self.last = Some(self.table.key_of(&item).map_err(failures::damaged)?);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(&item)) {
                let shown = self.projection.as_ref().map(|projection| projection.apply(&item));
                self.items.push(shown.unwrap_or(item));
            }
            if self.limit == Some(self.scanned) {
                return Ok(None);
            }
        }
        if next.is_none() {
            self.last = None;
        }
        Ok(next)
    }

    fn reply(self, counts: bool, asked: Option<ReturnConsumedCapacity>, consistent: Option<bool>) -> Reply {
        let units = capacity::of_read(self.bytes, consistent);
        Reply::object(|out: &mut JsonWriter| {
            if !counts {
                out.name("Items").array(|out| self.items.iter().for_each(|item| out.item(item)));
            }
            out.name("Count").count(self.items.len());
            out.name("ScannedCount").integer(self.scanned);
            if let Some(last) = &self.last {
                out.name("LastEvaluatedKey").item(&self.table.key_attributes(last));
            }
            capacity::write(out, asked, self.table.name.as_str(), units);
        })
    }
}

/// Whether only numbers are wanted. `shown`: the parameters that say which attributes are shown, and whether they are there.
fn counts_only(select: Option<Select>, shown: [(&str, bool); 2], of_index: bool) -> Result<bool, ApiError> {
    let given = shown.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name);
    let together = |parameter: &str, what: &str| {
        Err(ApiError::validation(format!("Cannot specify the {parameter} when choosing to get {what}")))
    };
    match (select, given) {
        (Some(Select::Count), Some(parameter)) => together(parameter, "only the Count"),
        (Some(Select::AllAttributes), Some(parameter)) => together(parameter, "ALL_ATTRIBUTES"),
        (Some(Select::AllProjectedAttributes), Some(parameter)) => together(parameter, "ALL_PROJECTED_ATTRIBUTES"),
        (Some(Select::AllProjectedAttributes), None) if !of_index => {
            Err(ApiError::validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"))
        }
        (Some(Select::SpecificAttributes), None) => Err(ApiError::validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        (select, _) => Ok(select == Some(Select::Count)),
    }
}

fn check_index(table: &Table, index: Option<&str>) -> Result<(), ApiError> {
    let Some(index) = index else { return Ok(()) };
    Err(match table.settings.index(index) {
        None => ApiError::validation(format!("The table does not have the specified index: {index}")),
        Some(_) => {
            ApiError::validation(format!("The index {index} cannot be read yet: this server has no indexes yet"))
        }
    })
}

/// Whether what keys are compared with could be keys.
fn check_sizes(keys: &KeyCondition) -> Result<(), ApiError> {
    let key = |sort: Option<&KeyValue>| Key { partition: keys.partition.clone(), sort: sort.cloned() };
    let values = match keys.sort.as_ref().map(|(_, test)| test) {
        None => [None; 2],
        Some(SortTest::Between(from, to)) => [Some(from), Some(to)],
        Some(
            SortTest::Equal(value)
            | SortTest::Less(value)
            | SortTest::LessOrEqual(value)
            | SortTest::Greater(value)
            | SortTest::GreaterOrEqual(value)
            | SortTest::BeginsWith(value),
        ) => [Some(value), None],
    };
    values.into_iter().try_for_each(|sort| check_size(&key(sort)))
}

/// The keys that a condition allows.
fn range_of(keys: &KeyCondition, forward: bool) -> KeyRange {
    let key = |sort: &KeyValue| Key { partition: keys.partition.clone(), sort: Some(sort.clone()) };
    let bytes = |sort: &KeyValue| key(sort).to_bytes();
    let all = KeyRange {
        descends: !forward,
        ..KeyRange::prefix(Key { partition: keys.partition.clone(), sort: None }.partition_bytes())
    };
    let Some((_, test)) = &keys.sort else { return all };
    let between = |from: Bound<Bytes>, to: Bound<Bytes>| KeyRange { from, to, ..all.clone() };
    match test {
        SortTest::Equal(value) => between(Bound::Included(bytes(value)), Bound::Included(bytes(value))),
        SortTest::Less(value) => between(Bound::Unbounded, Bound::Excluded(bytes(value))),
        SortTest::LessOrEqual(value) => between(Bound::Unbounded, Bound::Included(bytes(value))),
        SortTest::Greater(value) => between(Bound::Excluded(bytes(value)), Bound::Unbounded),
        SortTest::GreaterOrEqual(value) => between(Bound::Included(bytes(value)), Bound::Unbounded),
        SortTest::Between(from, to) => between(Bound::Included(bytes(from)), Bound::Included(bytes(to))),
        SortTest::BeginsWith(value) => KeyRange { prefix: key(value).prefix_bytes(), ..all },
    }
}

/// The key after which a query goes on. It must be one that the query could have shown.
fn start_within(table: &Table, keys: &KeyCondition, StartKey(start): &StartKey) -> Result<Key, ApiError> {
    // A scan says what is wrong with it.
    let key = table.key(start).map_err(|_| ApiError::validation("The provided starting key is invalid"))?;
    if key.partition != keys.partition {
        return Err(ApiError::validation(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    if let (Some((_, test)), Some(sort)) = (&keys.sort, &key.sort)
        && !admits(test, sort)
    {
        return Err(ApiError::validation("The provided starting key does not match the range key predicate"));
    }
    Ok(key)
}

/// Whether a sort key is one that is asked for. Both are of the type of the key.
fn admits(test: &SortTest<KeyValue>, sort: &KeyValue) -> bool {
    match test {
        SortTest::Equal(value) => sort == value,
        SortTest::Less(value) => sort < value,
        SortTest::LessOrEqual(value) => sort <= value,
        SortTest::Greater(value) => sort > value,
        SortTest::GreaterOrEqual(value) => sort >= value,
        SortTest::Between(from, to) => (from..=to).contains(&sort),
        SortTest::BeginsWith(value) => match (sort, value) {
            (KeyValue::S(sort), KeyValue::S(begin)) => sort.starts_with(begin.as_str()),
            (KeyValue::B(sort), KeyValue::B(begin)) => sort.starts_with(begin),
            _ => false,
        },
    }
}

/// A part of a table that is scanned by itself: some partitions of the ring.
struct Segment {
    number: u32,
    of: u32,
}

impl Segment {
    fn of(segment: Option<u32>, total: Option<u32>) -> Result<Self, ApiError> {
        match (segment, total) {
            (None, None) => Ok(Self { number: 0, of: 1 }),
            (Some(number), Some(of)) if number < of => Ok(Self { number, of }),
            (Some(number), Some(of)) => Err(ApiError::validation(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {number} is not less than TotalSegments: {of}"
            ))),
            (Some(_), None) => Err(ApiError::validation(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            )),
            (None, Some(_)) => Err(ApiError::validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            )),
        }
    }

    /// The first partition of the segment, and the first behind it. Where there are more segments than partitions, some have none.
    fn partitions(&self, count: u32) -> [PartitionId; 2] {
        let border = |number: u32| {
            let place = u64::from(number) * u64::from(count) / u64::from(self.of);
            PartitionId(u32::try_from(place).unwrap_or(count))
        };
        [border(self.number), border(self.number + 1)]
    }

    fn resumed(&self, table: &Table, StartKey(start): &StartKey) -> Result<ScanCursor, ApiError> {
        let key = table.key(start).map_err(|error| match error {
            ApiError::Validation { message } => {
                ApiError::validation(format!("The provided starting key is invalid: {message}"))
            }
            error => error,
        })?;
        let partition = table.partition_of(&key);
        let [begin, end] = self.partitions(table.partitions());
        if !(begin..end).contains(&partition) {
            return Err(ApiError::validation(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: {} Segment: {}",
                self.of, self.number
            )));
        }
        let after = Some(RecordKey::new(partition, &table.stored_as(), &key.to_bytes()));
        Ok(ScanCursor { partition, after })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds as _;

    use proptest::prelude::*;

    use super::{KeyCondition, KeyValue, Segment, SortTest, admits, range_of};
    use crate::item::Key;

    fn text(text: &str) -> KeyValue {
        KeyValue::S(text.to_owned())
    }

    fn tests(one: &str, other: &str) -> [SortTest<KeyValue>; 7] {
        let (least, greatest) = (one.min(other), one.max(other));
        [
            SortTest::Equal(text(one)),
            SortTest::Less(text(one)),
            SortTest::LessOrEqual(text(one)),
            SortTest::Greater(text(one)),
            SortTest::GreaterOrEqual(text(one)),
            SortTest::Between(text(least), text(greatest)),
            SortTest::BeginsWith(text(one)),
        ]
    }

    proptest! {
        /// The bytes between the bounds of a range are those of the sort keys that the condition admits.
        #[test]
        fn a_range_holds_what_its_condition_admits(one in "[\0ab]{1,3}", other in "[\0ab]{1,3}", sort in "[\0ab]{1,4}") {
            for test in tests(&one, &other) {
                let admitted = admits(&test, &text(&sort));
                let (partition_name, partition) = ("p".to_owned(), text("p"));
                let keys = KeyCondition { partition_name, partition, sort: Some(("s".to_owned(), test.clone())) };
                let range = range_of(&keys, true);
                let bytes = Key { partition: text("p"), sort: Some(text(&sort)) }.to_bytes();
                let within = bytes.starts_with(&range.prefix) && (range.from, range.to).contains(&bytes);
                prop_assert_eq!(within, admitted, "{:?} and {:?}", test, sort);
            }
        }

        /// Every partition is in one segment.
        #[test]
        fn segments_cover_the_ring_once(count in 1..2_000_u32, of in 1..5_000_u32) {
            let mut next = 0;
            for number in 0..of {
                let [begin, end] = Segment { number, of }.partitions(count);
                prop_assert_eq!(begin.0, next);
                prop_assert!(end >= begin);
                next = end.0;
            }
            prop_assert_eq!(next, count);
        }
    }
}
