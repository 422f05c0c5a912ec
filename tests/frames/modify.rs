//! One fixed value of every message about changes that depend on what an item is. Expressions are written as text: every form of them is there.

use bytes::Bytes;
use slipring::dynamo::ring::PartitionId;
use slipring::item::expression::{Condition, ExpressionKind, Placeholders, Update};
use slipring::item::{
    Action, AttributeValue, Billing, Decision, IndexSchema, Item, KeyAttribute, KeyKind, Modification, Projected,
    SettingChange, Step, TableName, TableSettings, Token, TransactionId,
};
use slipring::messages::client::{GetError, PutError};
use slipring::messages::metadata::{ChangeError, ChangeTables};
use slipring::messages::modify::{Modified, Modify, ModifyError, SequenceModify};
use slipring::messages::replica::StaleEpoch;
use slipring::messages::transaction::{
    CancelReason, TransactError, TransactGet, TransactGetError, TransactWrite, Transacted, TransactedWrite,
};
use slipring::messages::{LinkError, Overloaded, TraceId};
use slipring::metadata::{CommandError, TableChange};

use super::Records;

const CONDITION: &str = "(a = :n AND b[1].c <> :s OR NOT d < :n) AND e <= :n AND f > :n AND g >= :n AND h BETWEEN :n AND :m \
     AND i IN (:n, :m) AND attribute_exists(j) AND attribute_not_exists(k) AND attribute_type(l, :s) AND begins_with(o, :s) \
     AND contains(p, :s) AND size(q) > :n";

const UPDATE: &str = "SET a = :n, b.c = d + :n, e = f - :m, g = if_not_exists(h, :s), i = list_append(j, :l) REMOVE k[2] ADD l :n, m :ss DELETE o :ss";

fn placeholders() -> Placeholders {
    let values = [
        (":n", AttributeValue::N(1_i64.into())),
        (":m", AttributeValue::N(2_i64.into())),
        (":s", AttributeValue::S("S".to_owned())),
        (":l", AttributeValue::L(vec![AttributeValue::Null, AttributeValue::Bool(true)])),
        (":ss", AttributeValue::Ss(["x".to_owned()].into())),
    ];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Placeholders::new(None, Some(values)).expect("placeholders")
}

fn modify(action: Action) -> Modify {
    let condition = Condition::parse(ExpressionKind::Condition, CONDITION, &mut placeholders()).expect("a condition");
    Modify {
        trace: TraceId(0xABCD),
        table: "orders".to_owned(),
        key: Bytes::from_static(b"\x01the key"),
        step: Step::Change(Modification { condition: Some(condition), action }),
        timeout_ms: Some(900),
    }
}

/// Asked by clients, and passed on to the node that puts the writes of the key in order.
pub fn modify_operations(records: &mut Records) {
    let update = Action::Update(Update::parse(UPDATE, &mut placeholders()).expect("an update"));
    let item = Item::from_iter([("key", AttributeValue::S("the key".to_owned()))]);
    let (old, new) = (Some(item.to_bytes()), Some(Bytes::from_static(b"\x01\x00")));
    let errors = [
        ModifyError::NoSuchTable { table: "x".to_owned() },
        ModifyError::KeepsSiblings { table: "kv".to_owned() },
        ModifyError::InvalidKey { reason: "no".to_owned() },
        ModifyError::ConditionFailed { present: old.clone() },
        ModifyError::Refused { reason: "no".to_owned() },
        ModifyError::Overloaded(Overloaded { limit: "limits.inflight_requests".to_owned(), max: 9 }),
        ModifyError::Read(GetError::NoSuchTable { table: "x".to_owned() }),
        ModifyError::Write(PutError::RingMoved),
        ModifyError::NotItsTurn,
        ModifyError::NotFirst,
        ModifyError::Stale(StaleEpoch { epoch: 42 }),
        ModifyError::Link(LinkError::TimedOut),
        ModifyError::InTransaction,
        ModifyError::PreparedTooLate,
    ];
    let reply = Modified { old, new };
    records.operation(&modify(update), &reply, &errors);
    let sequenced =
        SequenceModify { epoch: 41, partition: PartitionId(7), forwarded: true, modify: modify(Action::Put(item)) };
    records.operation(&sequenced, &Modified { old: None, new: None }, &errors[3..4]);
}

/// What a transaction asks of its items, and what clients ask of transactions.
pub fn transaction_operations(records: &mut Records) {
    let (trace, key, transaction) =
        (TraceId(0xABCE), Bytes::from_static(b"\x01the key"), TransactionId(0x0123_4567_89AB_CDEF));
    let modification = Modification { condition: None, action: Action::Keep };
    let prepare = Step::Prepare { transaction, deadline_ms: 1_700_000_000_000, modification: modification.clone() };
    let settle = |decision| Step::Settle { transaction, decision };
    let steps = [("prepare", prepare), ("commit", settle(Decision::Committed)), ("abort", settle(Decision::Aborted))];
    for (what, step) in steps {
        let modify = Modify { trace, table: "orders".to_owned(), key: key.clone(), step, timeout_ms: None };
        records.another(what, &modify);
    }
    let token = Some(Token { name: "once".to_owned(), fingerprint: Bytes::from_static(b"\x07") });
    let writes = vec![TransactedWrite { table: "orders".to_owned(), key: key.clone(), modification }];
    let write = TransactWrite { trace, writes, token, timeout_ms: Some(900) };
    let item = Some(Bytes::from_static(b"\x01\x00"));
    let reasons = vec![
        None,
        Some(CancelReason::ConditionFailed { present: item.clone() }),
        Some(CancelReason::Conflict),
        Some(CancelReason::Refused { reason: "no".to_owned() }),
        Some(CancelReason::Throttled),
    ];
    let overloaded = Overloaded { limit: "limits.inflight_requests".to_owned(), max: 9 };
    let errors = [
        TransactError::Cancelled { reasons },
        TransactError::NoSuchTable { table: "x".to_owned() },
        TransactError::Invalid { reason: "no".to_owned() },
        TransactError::InProgress,
        TransactError::TokenOfAnother,
        TransactError::Overloaded(overloaded.clone()),
        TransactError::Aborted { reason: "no".to_owned() },
        TransactError::Unknown { reason: "no".to_owned() },
    ];
    records.operation(&write, &Transacted { items: vec![(item.clone(), None)] }, &errors);
    let get = TransactGet { trace, keys: vec![("orders".to_owned(), key)], timeout_ms: Some(900) };
    let errors = [
        TransactGetError::Conflict { changing: vec![true, false] },
        TransactGetError::Get(GetError::NoSuchTable { table: "x".to_owned() }),
        TransactGetError::Overloaded(overloaded),
    ];
    records.operation(&get, &vec![item, None], &errors);
}

/// What the DynamoDB API says of a table.
pub fn settings() -> TableSettings {
    TableSettings {
        created_ms: 1_700_000_000_000,
        uuid: 0x0123_4567_89AB_CDEF,
        attributes: vec![KeyAttribute { name: "customer".to_owned(), kind: KeyKind::S }],
        billing: Billing::Provisioned { read: 5, write: 6 },
        is_infrequent: true,
        deletion_protected: true,
        local_indexes: vec![index("by_total", Projected::KeysOnly)],
        global_indexes: vec![index("by_state", Projected::Include(vec!["total".to_owned()]))],
        tags: [("team".to_owned(), "red".to_owned())].into(),
        ttl_attribute: Some("until".to_owned()),
    }
}

fn index(name: &str, projection: Projected) -> IndexSchema {
    let (name, partition_key, sort_key) = (name.to_owned(), "state".to_owned(), Some("at".to_owned()));
    IndexSchema { name, partition_key, sort_key, projection, billing: Billing::PayPerRequest }
}

/// Changes of what the API says of a table.
pub fn every_setting() -> ChangeTables {
    let attribute = KeyAttribute { name: "state".to_owned(), kind: KeyKind::B };
    let changes = vec![
        SettingChange::Billing(Billing::PayPerRequest),
        SettingChange::DeletionProtected(true),
        SettingChange::Infrequent(false),
        SettingChange::Tag { name: "a".to_owned(), value: "b".to_owned() },
        SettingChange::Untag("a".to_owned()),
        SettingChange::TtlAttribute(Some("until".to_owned())),
        SettingChange::AddIndex(index("by_state", Projected::All), vec![attribute]),
        SettingChange::IndexBilling("by_state".to_owned(), Billing::Provisioned { read: 1, write: 2 }),
        SettingChange::DropIndex("by_state".to_owned()),
    ];
    ChangeTables { change: TableChange::Configure { table: TableName::new("orders").expect("a name"), changes } }
}

/// Why they are refused.
pub fn setting_refusals() -> [ChangeError; 2] {
    let table = TableName::new("orders").expect("a name");
    let reason = slipring::item::SettingError::NoSuchIndex { index: "by_state".to_owned() };
    let setting = CommandError::Setting { table: table.clone(), reason };
    [ChangeError::Refused(setting), ChangeError::Refused(CommandError::Protected { table })]
}
