//! Transactions as values: what one leaves at an item until it is decided, and the record by which it is decided.
//!
//! ```text
//!   the item as it is ── prepare ──▶ Intent { before, after } ──┬─ committed ──▶ after
//!                                                               └─ aborted ────▶ before
//!
//!   record    none ── begin ──▶ pending ──┬─ commit ──▶ committed        what it says holds for all its items at once
//!                └──────────── abort ─────┴─ abort ───▶ aborted          (an abort also closes a transaction that never began)
//! ```
//!
//! An intent is stored in the place of the item's bytes, and its first byte tells them apart. The record is an item of the table
//! [`TableSchema::transactions`](super::TableSchema::transactions); it changes only by the modifications of this module, so that what is decided stays.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use super::expression::{
    Comparator, Condition, DocumentPath, Operand, SetOperand, SetValue, Source, Test, Update, UpdateStyle,
};
use super::key::{Key, KeyValue};
use super::modification::{Action, Modification};
use super::number::Number;
use super::value::{AttributeValue, Item};

/// The first byte of an encoded intent. That of an item is 1.
const INTENT_VERSION: u8 = 2;

/// In the place of a length: there is no item.
const NONE: u32 = u32::MAX;

const ID: &str = "id";
const STATE: &str = "state";
const DEADLINE: &str = "deadline_ms";
const PARTS: &str = "parts";
const TABLE: &str = "table";
const KEY: &str = "key";
const FINGERPRINT: &str = "fingerprint";
const EXPIRES: &str = "expires_ms";

/// Before the number of a transaction in the key of its record.
const RECORD_PREFIX: &str = "transaction/";

/// Before a client's token in the key of what is remembered of it.
const TOKEN_PREFIX: &str = "token/";

/// Names a transaction: when it began, and a number drawn at random, so no two have the same. The smaller one is the older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId(pub u128);

impl TransactionId {
    /// Of a transaction that begins now, in ms since the Unix epoch. `drawn` is random.
    #[must_use]
    pub fn new(now_ms: u64, drawn: u64) -> Self {
        Self((u128::from(now_ms) << 64) | u128::from(drawn))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// All that it was to write is written.
    Committed,
    /// Nothing of it is.
    Aborted,
}

/// An item that a transaction is about to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which transaction.
    pub transaction: TransactionId,
    /// From this instant on (ms since the Unix epoch) whoever is in its way may abort it, if it has not been decided.
    pub deadline_ms: u64,
    /// The encoded item as it is; `None`: there is none.
    pub before: Option<Bytes>,
    /// The encoded item as it will be; `None`: there will be none.
    pub after: Option<Bytes>,
}

impl Intent {
    /// Whether these are the bytes of an intent and not of an item.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&INTENT_VERSION)
    }

    /// What is stored in the place of the item: version, transaction (16 bytes), deadline (8), then either item with its length (4) before it.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let length = |item: &Option<Bytes>| item.as_ref().map_or(0, Bytes::len);
        let mut out = BytesMut::with_capacity(33 + length(&self.before) + length(&self.after));
        out.put_u8(INTENT_VERSION);
        out.put_u128(self.transaction.0);
        out.put_u64(self.deadline_ms);
        for item in [&self.before, &self.after] {
            match item {
                None => out.put_u32(NONE),
                Some(item) => {
                    // An item has at most 400 KiB.
                    out.put_u32(u32::try_from(item.len()).unwrap_or(NONE - 1));
                    out.put_slice(item);
                }
            }
        }
        out.freeze()
    }

    /// Reads what [`Intent::to_bytes`] writes.
    ///
    /// # Errors
    ///
    /// [`CodecError`] for anything else.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, CodecError> {
        let mut rest = bytes.clone();
        match take(&mut rest, 1)?[0] {
            INTENT_VERSION => {}
            found => return Err(CodecError::UnknownVersion { found }),
        }
        let transaction = TransactionId(u128::from_be_bytes(array(&take(&mut rest, 16)?)?));
        let deadline_ms = u64::from_be_bytes(array(&take(&mut rest, 8)?)?);
        let (before, after) = (take_item(&mut rest)?, take_item(&mut rest)?);
        match rest.len() {
            0 => Ok(Self { transaction, deadline_ms, before, after }),
            bytes => Err(CodecError::TrailingBytes { bytes }),
        }
    }

    /// The encoded item once the transaction is decided.
    #[must_use]
    pub fn settled(self, decision: Decision) -> Option<Bytes> {
        match decision {
            Decision::Committed => self.after,
            Decision::Aborted => self.before,
        }
    }
}

fn take(rest: &mut Bytes, count: usize) -> Result<Bytes, CodecError> {
    if rest.len() < count { Err(CodecError::Truncated) } else { Ok(rest.split_to(count)) }
}

fn array<const COUNT: usize>(bytes: &[u8]) -> Result<[u8; COUNT], CodecError> {
    bytes.try_into().map_err(|_| CodecError::Truncated)
}

fn take_item(rest: &mut Bytes) -> Result<Option<Bytes>, CodecError> {
    match u32::from_be_bytes(array(&take(rest, 4)?)?) {
        NONE => Ok(None),
        length => take(rest, length as usize).map(Some),
    }
}

/// One item that a transaction is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The table's name.
    pub table: String,
    /// The key, as `Key::to_bytes` encodes it.
    pub key: Bytes,
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is being prepared.
    Pending,
    /// It is over, but for what its items say.
    Decided(Decision),
}

/// What decides a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Which transaction.
    pub id: TransactionId,
    /// How it stands.
    pub standing: Standing,
    /// Until when it may be pending, in ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The items that it is about. None where it was aborted before anybody wrote them down.
    pub parts: Vec<Part>,
}

impl TransactionRecord {
    /// The key of the record of a transaction.
    #[must_use]
    pub fn key(id: TransactionId) -> Key {
        Key { partition: KeyValue::S(format!("{RECORD_PREFIX}{id}")), sort: None }
    }

    /// What an item of the table of transactions says, if it is a record.
    #[must_use]
    pub fn of_item(item: &Item) -> Option<Self> {
        let Some(AttributeValue::S(id)) = item.get(ID) else { return None };
        let id = TransactionId(u128::from_str_radix(id.strip_prefix(RECORD_PREFIX)?, 16).ok()?);
        let standing = match item.get(STATE) {
            Some(AttributeValue::S(state)) if state == word(Standing::Decided(Decision::Committed)) => {
                Standing::Decided(Decision::Committed)
            }
            Some(AttributeValue::S(state)) if state == word(Standing::Decided(Decision::Aborted)) => {
                Standing::Decided(Decision::Aborted)
            }
            _ => Standing::Pending,
        };
        let parts = match item.get(PARTS) {
            Some(AttributeValue::L(parts)) => parts.iter().filter_map(part_of).collect(),
            _ => Vec::new(),
        };
        Some(Self { id, standing, deadline_ms: milliseconds(item, DEADLINE), parts })
    }

    /// Writes down that a transaction is pending, unless it has been aborted already.
    #[must_use]
    pub fn begin(id: TransactionId, deadline_ms: u64, parts: &[Part]) -> Modification {
        let parts = parts.iter().map(|part| {
            let table = (TABLE.to_owned(), AttributeValue::S(part.table.clone()));
            let key = (KEY.to_owned(), AttributeValue::B(part.key.clone()));
            AttributeValue::M([table, key].into_iter().collect())
        });
        let item = Item::from_iter([
            (ID, AttributeValue::S(format!("{RECORD_PREFIX}{id}"))),
            (STATE, AttributeValue::S(word(Standing::Pending).to_owned())),
            (DEADLINE, AttributeValue::N(Number::from(deadline_ms))),
            (PARTS, AttributeValue::L(parts.collect())),
        ]);
        Modification { condition: Some(is_absent()), action: Action::Put(item) }
    }

    /// Commits a pending transaction.
    #[must_use]
    pub fn commit() -> Modification {
        Modification { condition: Some(is(Standing::Pending)), action: decide(Decision::Committed) }
    }

    /// Aborts a transaction that is pending, or of which nothing is written down.
    #[must_use]
    pub fn abort() -> Modification {
        let condition = Condition::Any(vec![is_absent(), is(Standing::Pending)]);
        Modification { condition: Some(condition), action: decide(Decision::Aborted) }
    }

    /// Forgets a transaction when all its items say what was decided.
    #[must_use]
    pub fn forget() -> Modification {
        let pending = Condition::Not(Box::new(is(Standing::Pending)));
        Modification { condition: Some(pending), action: Action::Delete }
    }
}

fn part_of(value: &AttributeValue) -> Option<Part> {
    let AttributeValue::M(entries) = value else { return None };
    match (entries.get(TABLE), entries.get(KEY)) {
        (Some(AttributeValue::S(table)), Some(AttributeValue::B(key))) => {
            Some(Part { table: table.clone(), key: key.clone() })
        }
        _ => None,
    }
}

fn milliseconds(item: &Item, name: &str) -> u64 {
    match item.get(name) {
        Some(AttributeValue::N(number)) => number.to_string().parse().unwrap_or(0),
        _ => 0,
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Pending => "pending",
        Standing::Decided(Decision::Committed) => "committed",
        Standing::Decided(Decision::Aborted) => "aborted",
    }
}

fn is_absent() -> Condition {
    Condition::Test(Box::new(Test::NotExists(DocumentPath::attribute(ID))))
}

fn is(standing: Standing) -> Condition {
    compare(STATE, Comparator::Equal, AttributeValue::S(word(standing).to_owned()))
}

fn compare(name: &str, comparator: Comparator, value: AttributeValue) -> Condition {
    let (left, right) = (Source::Path(DocumentPath::attribute(name)), Source::Value(value));
    Condition::Test(Box::new(Test::Compare { left: Operand::Of(left), comparator, right: Operand::Of(right) }))
}

fn decide(decision: Decision) -> Action {
    let otherwise = Source::Value(AttributeValue::S(word(Standing::Decided(decision)).to_owned()));
    let value = SetValue::Of(SetOperand { first_of: Vec::new(), otherwise });
    let sets = vec![(DocumentPath::attribute(STATE), value)];
    Action::Update(Update { sets, ..Update::nothing(UpdateStyle::Expression) })
}

/// A client's name for what it asks, and what that was: whoever asks the same again under it has it done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The name.
    pub name: String,
    /// Stands for the request.
    pub fingerprint: Bytes,
}

impl Token {
    /// The key of what is remembered of it.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { partition: KeyValue::S(format!("{TOKEN_PREFIX}{}", self.name)), sort: None }
    }

    /// Remembers it until `expires_ms`, unless it is remembered already. Part of the transaction that it names.
    #[must_use]
    pub fn remember(&self, now_ms: u64, expires_ms: u64) -> Modification {
        let item = Item::from_iter([
            (ID, AttributeValue::S(format!("{TOKEN_PREFIX}{}", self.name))),
            (FINGERPRINT, AttributeValue::B(self.fingerprint.clone())),
            (EXPIRES, AttributeValue::N(Number::from(expires_ms))),
        ]);
        let is_over = compare(EXPIRES, Comparator::LessOrEqual, AttributeValue::N(Number::from(now_ms)));
        Modification { condition: Some(Condition::Any(vec![is_absent(), is_over])), action: Action::Put(item) }
    }

    /// Forgets one that is over by now.
    #[must_use]
    pub fn forget(now_ms: u64) -> Modification {
        let is_over = compare(EXPIRES, Comparator::LessOrEqual, AttributeValue::N(Number::from(now_ms)));
        Modification { condition: Some(is_over), action: Action::Delete }
    }

    /// Whether what is remembered under its name is the same request.
    #[must_use]
    pub fn is_of(&self, remembered: &Item) -> bool {
        remembered.get(FINGERPRINT) == Some(&AttributeValue::B(self.fingerprint.clone()))
    }

    /// Until when an item of the table of transactions is to be kept, in ms since the Unix epoch, if it is what is remembered of a token.
    #[must_use]
    pub fn expiry_in(item: &Item) -> Option<u64> {
        item.get(FINGERPRINT).map(|_| milliseconds(item, EXPIRES))
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
