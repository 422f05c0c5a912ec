//! Which items a range read gives: bounds and cursor as the message has them. Values only.

use std::ops::{Bound, RangeBounds as _};

use bytes::Bytes;

use super::address::key_value;
use super::cursor;
use super::failure::KvError;
use super::parameters::RangeParameters;
use crate::dynamo::key_range::KeyRange;
use crate::item::{Key, KeyAttribute, KeyValue, TableSchema};

/// Items of one partition key, in the order of their sort keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The partition key, as `Key::partition_bytes` has it.
    pub(super) partition_key: Bytes,
    /// Which of its items are left.
    pub(super) keys: KeyRange,
}

impl Range {
    /// The items from the one sort key to the other, both included, behind what a cursor says has been read.
    ///
    /// # Errors
    ///
    /// [`KvError::InvalidKey`] for bounds, [`KvError::InvalidCursor`].
    pub(super) fn of(table: &TableSchema, partition: KeyValue, asked: &RangeParameters) -> Result<Self, KvError> {
        let bound = |text: &Option<String>| bound(table.sort_key.as_ref(), &partition, text.as_deref());
        let (from, to) = (bound(&asked.from)?, bound(&asked.to)?);
        if let (Bound::Included(from), Bound::Included(to)) = (&from, &to)
            && from > to
        {
            return Err(KvError::parameter("from", "is greater than `to`: both are by sort key, also when descending"));
        }
        let partition_key = Key { partition, sort: None }.partition_bytes();
        let keys = KeyRange { from, to, descends: asked.descends, ..KeyRange::prefix(partition_key.clone()) };
        let keys = match &asked.cursor {
            None => keys,
            Some(text) => {
                let last = cursor::from_text(&table.storage_name(), asked.descends, text);
                let is_within = |last: &Bytes| {
                    last.starts_with(&partition_key) && (keys.from.clone(), keys.to.clone()).contains(last)
                };
                keys.clone().after(last.filter(is_within).ok_or(KvError::InvalidCursor)?)
            }
        };
        Ok(Self { partition_key, keys })
    }
}

fn bound(attribute: Option<&KeyAttribute>, partition: &KeyValue, text: Option<&str>) -> Result<Bound<Bytes>, KvError> {
    let (Some(attribute), Some(text)) = (attribute, text) else { return Ok(Bound::Unbounded) };
    let key = Key { partition: partition.clone(), sort: Some(key_value(attribute, text)?) };
    key.check_size()?;
    Ok(Bound::Included(key.to_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bound, Key, KeyAttribute, KeyValue, Range, RangeParameters, TableSchema, cursor};
    use crate::item::KeyKind;
    use std::ops::RangeBounds as _;

    fn table() -> TableSchema {
        let sort_key = Some(KeyAttribute { name: "at".to_owned(), kind: KeyKind::N });
        TableSchema { sort_key, ..TableSchema::kv() }
    }

    fn partition() -> KeyValue {
        KeyValue::S("p".to_owned())
    }

    fn bytes(sort: i64) -> bytes::Bytes {
        Key { partition: partition(), sort: Some(KeyValue::N(sort.into())) }.to_bytes()
    }

    fn asked(from: Option<i64>, to: Option<i64>, descends: bool, cursor: Option<String>) -> RangeParameters {
        let text = |number: Option<i64>| number.map(|number| number.to_string());
        RangeParameters { from: text(from), to: text(to), descends, cursor, ..RangeParameters::default() }
    }

    proptest! {
        /// Both bounds are part of the range, and a cursor cuts off what lies before it in its direction.
        #[test]
        fn a_range_holds_what_lies_between(
            from in prop::option::of(-9..9_i64), to in prop::option::of(-9..9_i64), last in prop::option::of(-9..9_i64), sort in -9..9_i64, descends: bool,
        ) {
            let within = |number: i64| from.is_none_or(|from| number >= from) && to.is_none_or(|to| number <= to);
            let is_left = |last: i64| if descends { sort < last } else { sort > last };
            let cursor = last.map(|last| cursor::to_text("kv", descends, &bytes(last)));
            match Range::of(&table(), partition(), &asked(from, to, descends, cursor)) {
                Ok(range) => {
                    let found = range.keys.prefix == range.partition_key
                        && bytes(sort).starts_with(&range.keys.prefix)
                        && (range.keys.from, range.keys.to).contains(&bytes(sort));
                    prop_assert_eq!(found, within(sort) && last.is_none_or(is_left));
                }
                Err(error) if error.code() == "invalid_cursor" => prop_assert!(last.is_some_and(|last| !within(last))),
                Err(error) => {
                    prop_assert_eq!(error.code(), "invalid_parameter");
                    prop_assert!(from > to);
                }
            }
        }
    }

    #[test]
    fn bounds_and_cursors_of_something_else_are_refused() {
        let code = |asked: RangeParameters| Range::of(&table(), partition(), &asked).unwrap_err().code();
        assert_eq!(code(RangeParameters { from: Some("x".to_owned()), ..RangeParameters::default() }), "invalid_key");
        let other = Key { partition: KeyValue::S("q".to_owned()), sort: Some(KeyValue::N(1_i64.into())) }.to_bytes();
        assert_eq!(code(asked(None, None, false, Some(cursor::to_text("kv", false, &other)))), "invalid_cursor");
        assert_eq!(code(asked(None, None, true, Some(cursor::to_text("kv", false, &bytes(1))))), "invalid_cursor");
        assert_eq!(code(asked(None, None, false, Some("AAAA".to_owned()))), "invalid_cursor");
        assert_eq!(Range::of(&table(), partition(), &RangeParameters::default()).unwrap().keys.from, Bound::Unbounded);
    }
}
