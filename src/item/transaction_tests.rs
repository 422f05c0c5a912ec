//! Intents and records as bytes and items, and that what is decided stays decided.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Decision, Intent, Part, Standing, Token, TransactionId, TransactionRecord};
use crate::item::{Item, Modification, TableSchema};

fn encoded() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
}

fn intent() -> impl Strategy<Value = Intent> {
    (any::<u128>(), any::<u64>(), encoded(), encoded()).prop_map(|(id, deadline_ms, before, after)| Intent {
        transaction: TransactionId(id),
        deadline_ms,
        before,
        after,
    })
}

proptest! {
    #[test]
    fn an_intent_is_read_back(intent in intent()) {
        let bytes = intent.to_bytes();
        prop_assert!(Intent::is_one(&bytes));
        prop_assert_eq!(Intent::from_bytes(&bytes), Ok(intent));
    }

    #[test]
    fn a_cut_or_longer_intent_is_refused(intent in intent(), cut in any::<prop::sample::Index>(), more in 1..9_usize) {
        let bytes = intent.to_bytes();
        prop_assert!(Intent::from_bytes(&bytes.slice(..cut.index(bytes.len()))).is_err());
        let longer: Bytes = [&bytes[..], &vec![0; more]].concat().into();
        prop_assert!(Intent::from_bytes(&longer).is_err());
    }

    /// Whatever is asked of a record, in whatever order: the first decision stays.
    #[test]
    fn what_is_decided_stays(wishes in proptest::collection::vec(0..4_u8, 1..12)) {
        let id = TransactionId(7);
        let parts = [Part { table: "t".to_owned(), key: Bytes::from_static(b"k") }];
        let mut record: Option<Item> = None;
        let mut decided: Option<Decision> = None;
        for wish in wishes {
            let modification = match wish {
                0 => TransactionRecord::begin(id, 9, &parts),
                1 => TransactionRecord::commit(),
                2 => TransactionRecord::abort(),
                _ => TransactionRecord::forget(),
            };
            if let Some(next) = taken(record.as_ref(), id, &modification) {
                record = next;
            }
            match record.as_ref().map(|record| TransactionRecord::of_item(record).expect("a record").standing) {
                Some(Standing::Decided(decision)) => {
                    prop_assert_eq!(*decided.get_or_insert(decision), decision);
                }
                Some(Standing::Pending) => prop_assert_eq!(decided, None),
                // It was forgotten, or never there: it may begin anew under the same name, which nobody draws twice.
                None => decided = None,
            }
        }
    }
}

/// What becomes of the record; `None`: the wish is refused.
fn taken(record: Option<&Item>, id: TransactionId, modification: &Modification) -> Option<Option<Item>> {
    let key = TableSchema::transactions().key_attributes(&TransactionRecord::key(id));
    modification.decide(record, &key).ok()
}

#[test]
fn a_record_tells_what_was_written_down() {
    let (id, key) = (TransactionId(0xAB), Bytes::from_static(b"k"));
    let parts = vec![Part { table: "t".to_owned(), key: key.clone() }, Part { table: "u".to_owned(), key }];
    let begun = taken(None, id, &TransactionRecord::begin(id, 9, &parts)).flatten();
    let record = TransactionRecord { id, standing: Standing::Pending, deadline_ms: 9, parts };
    assert_eq!(begun.as_ref().and_then(TransactionRecord::of_item), Some(record.clone()));
    let committed = taken(begun.as_ref(), id, &TransactionRecord::commit()).flatten();
    let record = TransactionRecord { standing: Standing::Decided(Decision::Committed), ..record };
    assert_eq!(committed.as_ref().and_then(TransactionRecord::of_item), Some(record));
    assert_eq!(taken(committed.as_ref(), id, &TransactionRecord::abort()), None);
}

#[test]
fn a_transaction_that_was_aborted_first_does_not_begin() {
    let id = TransactionId(1);
    let aborted = taken(None, id, &TransactionRecord::abort()).flatten();
    assert_eq!(taken(aborted.as_ref(), id, &TransactionRecord::begin(id, 9, &[])), None);
    assert_eq!(taken(aborted.as_ref(), id, &TransactionRecord::commit()), None);
}

#[test]
fn a_token_is_remembered_until_its_time_is_over() {
    let token = Token { name: "x".to_owned(), fingerprint: Bytes::from_static(b"f") };
    let key = TableSchema::transactions().key_attributes(&token.key());
    let remembered = token.remember(0, 10).decide(None, &key).expect("it is new");
    let item = remembered.as_ref().expect("an item");
    assert!(token.is_of(item));
    assert!(!Token { fingerprint: Bytes::from_static(b"g"), ..token.clone() }.is_of(item));
    assert_eq!((Token::expiry_in(item), TransactionRecord::of_item(item)), (Some(10), None));
    assert!(token.remember(9, 20).decide(Some(item), &key).is_err());
    assert!(token.remember(10, 20).decide(Some(item), &key).is_ok());
    assert!(Token::forget(9).decide(Some(item), &key).is_err());
    assert_eq!(Token::forget(10).decide(Some(item), &key), Ok(None));
}
