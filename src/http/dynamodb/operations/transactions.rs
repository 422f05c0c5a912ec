//! Several items as one: all of them change, or none; all of them are read as they were at one time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::items::{AskedCondition, shows_item};
use super::table::Table;
use super::{Store, capacity, expressions, failures};
use crate::http::dynamodb::endpoint::Reply;
use crate::http::dynamodb::error::{ApiError, CancellationCode, CancellationReason};
use crate::http::dynamodb::requests::{
    ConditionCheck, ReturnValuesOnConditionCheckFailure, TransactDelete, TransactGetItems, TransactPut, TransactUpdate,
    TransactWriteItem, TransactWriteItems,
};
use crate::item::expression::{Condition, ExpressionKind, Projection, Update, UpdateError};
use crate::item::{Action, Item, Key, MAX_ITEM_BYTES, Modification, Token};
use crate::messages::transaction::{CancelReason, TransactError, TransactGet, TransactWrite, TransactedWrite};

/// Whatever a transaction does costs twice as much as without one.
const FACTOR: f64 = 2.0;

/// The most bytes that the items of one transaction may have together.
const TRANSACTION_MAX_BYTES: usize = 4 * 1024 * 1024;

const ONE_EACH: &str = "Transaction request cannot include multiple operations on one item";

/// One action of a transaction, as far as it can be understood without its table.
struct Asked {
    table: String,
    place: Place,
    modification: Modification,
    shows: bool,
}

/// Where an action says which item it is about.
enum Place {
    Key(Item),
    /// In the item itself.
    Item,
}

/// What is read of one item.
struct Reading {
    table: String,
    projection: Option<Projection>,
}

impl Store {
    pub(super) async fn transact_write(&self, request: TransactWriteItems) -> Result<Reply, ApiError> {
        let (mut asked, mut writes, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for action in request.transact_items {
            let mut one = self::asked(action)?;
            let table = self.table(&one.table).await?;
            check_request(&table, &one)?;
            match key(&table, &mut one) {
                Ok(key) => {
                    let (table, key, modification) = (one.table.clone(), key.to_bytes(), one.modification.clone());
                    writes.push(TransactedWrite { table, key, modification });
                    reasons.push(CancellationReason::NONE);
                }
                Err(error) => reasons.push(unfit(&error)),
            }
            asked.push(one);
        }
        check_fit(reasons)?;
        check_items(&writes)?;
        let token = request.client_request_token.map(|name| Token { name, fingerprint: fingerprint(&writes) });
        let write = TransactWrite { trace: self.traces.next(), writes, token, timeout_ms: None };
        let transacted = self.transact_write.send(write).await?.map_err(|error| of_write(error, &asked))?;
        let mut units: BTreeMap<&str, f64> = BTreeMap::new();
        for (at, one) in asked.iter().enumerate() {
            *units.entry(&one.table).or_default() += FACTOR * transacted.items.get(at).map_or(1.0, units_of);
        }
        // What had been done before was only looked up.
        let kind = if transacted.items.is_empty() { capacity::Kind::Read } else { capacity::Kind::Write };
        Ok(Reply::object(|out| capacity::write_all(out, request.return_consumed_capacity, units, kind)))
    }

    pub(super) async fn transact_get(&self, request: TransactGetItems) -> Result<Reply, ApiError> {
        let (mut readings, mut keys, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for get in request.transact_items.into_iter().map(|item| item.get) {
            let given = [("ProjectionExpression", get.projection_expression.is_some())];
            let mut placeholders = expressions::placeholders(get.expression_attribute_names, None, &given)?;
            let projection = expressions::projection(get.projection_expression.as_ref(), &mut placeholders)?;
            placeholders.check_all_used()?;
            let table = self.table(&get.table_name).await?;
            table.check_not_empty(&get.key)?;
            match table.key(&get.key) {
                Ok(key) => {
                    keys.push((get.table_name.clone(), key.to_bytes()));
                    reasons.push(CancellationReason::NONE);
                }
                Err(error) => reasons.push(unfit(&error)),
            }
            readings.push(Reading { table: get.table_name, projection });
        }
        check_fit(reasons)?;
        if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
            return Err(ApiError::validation(ONE_EACH));
        }
        let get = TransactGet { trace: self.traces.next(), keys, timeout_ms: None };
        let found = self.transact_get.send(get).await?.map_err(failures::of_transact_get)?;
        let decode = |bytes: Option<Bytes>| bytes.map(|bytes| Item::from_bytes(&bytes)).transpose();
        let items: Vec<Option<Item>> =
            found.into_iter().map(decode).collect::<Result<_, _>>().map_err(failures::damaged)?;
        let mut units: BTreeMap<&str, f64> = BTreeMap::new();
        for (reading, item) in readings.iter().zip(&items) {
            let size = item.as_ref().map_or(0, Item::size);
            *units.entry(&reading.table).or_default() += FACTOR * capacity::of_read(size, Some(true));
        }
        Ok(Reply::object(|out| {
            out.name("Responses").array(|out| {
                for (reading, item) in readings.iter().zip(&items) {
                    out.object(|out| match (item, &reading.projection) {
                        (Some(item), Some(projection)) => {
                            let shown = projection.apply(item);
                            if !shown.is_empty() {
                                out.name("Item").item(&shown);
                            }
                        }
                        (Some(item), None) => out.name("Item").item(item),
                        (None, _) => {}
                    });
                }
            });
            capacity::write_all(out, request.return_consumed_capacity, units, capacity::Kind::Read);
        }))
    }
}

fn asked(action: TransactWriteItem) -> Result<Asked, ApiError> {
    match (action.condition_check, action.put, action.delete, action.update) {
        (Some(check), None, None, None) => of_check(check),
        (None, Some(put), None, None) => of_put(put),
        (None, None, Some(delete), None) => of_delete(delete),
        (None, None, None, Some(update)) => of_update(update),
        (None, None, None, None) => Err(ApiError::validation(
            "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
        )),
        _ => Err(ApiError::validation("TransactItems can only contain one of Check, Put, Update or Delete")),
    }
}

fn of_check(check: ConditionCheck) -> Result<Asked, ApiError> {
    let condition = AskedCondition {
        text: Some(check.condition_expression),
        names: check.expression_attribute_names,
        values: check.expression_attribute_values,
        expected: None,
        operator: None,
    };
    let modification = Modification { condition: condition.parsed()?, action: Action::Keep };
    let shows = check.return_values_on_condition_check_failure;
    Ok(Asked::new(check.table_name, Place::Key(check.key), modification, shows))
}

fn of_put(put: TransactPut) -> Result<Asked, ApiError> {
    let condition = AskedCondition {
        text: put.condition_expression,
        names: put.expression_attribute_names,
        values: put.expression_attribute_values,
        expected: None,
        operator: None,
    };
    let modification = Modification { condition: condition.parsed()?, action: Action::Put(put.item) };
    let shows = put.return_values_on_condition_check_failure;
    Ok(Asked::new(put.table_name, Place::Item, modification, shows))
}

fn of_delete(delete: TransactDelete) -> Result<Asked, ApiError> {
    let condition = AskedCondition {
        text: delete.condition_expression,
        names: delete.expression_attribute_names,
        values: delete.expression_attribute_values,
        expected: None,
        operator: None,
    };
    let modification = Modification { condition: condition.parsed()?, action: Action::Delete };
    let shows = delete.return_values_on_condition_check_failure;
    Ok(Asked::new(delete.table_name, Place::Key(delete.key), modification, shows))
}

fn of_update(asked: TransactUpdate) -> Result<Asked, ApiError> {
    let given = [("UpdateExpression", true), ("ConditionExpression", asked.condition_expression.is_some())];
    let (names, values) = (asked.expression_attribute_names, asked.expression_attribute_values);
    let mut placeholders = expressions::placeholders(names, values, &given)?;
    let update = Update::parse(&asked.update_expression, &mut placeholders)?;
    let condition = asked.condition_expression.as_ref();
    let condition: Option<Condition> = expressions::condition(ExpressionKind::Condition, condition, &mut placeholders)?;
    placeholders.check_all_used()?;
    let modification = Modification { condition, action: Action::Update(update) };
    let shows = asked.return_values_on_condition_check_failure;
    Ok(Asked::new(asked.table_name, Place::Key(asked.key), modification, shows))
}

impl Asked {
    fn new(
        table: String,
        place: Place,
        modification: Modification,
        shows: Option<ReturnValuesOnConditionCheckFailure>,
    ) -> Self {
        Self { table, place, modification, shows: shows_item(shows) }
    }
}

/// What is wrong with the request as a whole, although it is in one of its actions.
fn check_request(table: &Table, asked: &Asked) -> Result<(), ApiError> {
    match (&asked.place, &asked.modification.action) {
        (Place::Item, Action::Put(item)) => {
            table.check_not_empty(item)?;
            item.validate()?;
            Ok(())
        }
        (Place::Key(key), Action::Update(update)) => {
            table.check_not_empty(key)?;
            match table.empty_index_key(&update.assigned()) {
                Some((_, what)) => Err(UpdateError::IndexKeyEmpty { what }.into()),
                None => Ok(()),
            }
        }
        (Place::Key(key), _) => table.check_not_empty(key),
        (Place::Item, _) => Ok(()),
    }
}

/// An action that does not fit its table is a reason to cancel all.
fn unfit(error: &ApiError) -> CancellationReason {
    CancellationReason::validation(error.message().unwrap_or_default())
}

fn check_fit(reasons: Vec<CancellationReason>) -> Result<(), ApiError> {
    match reasons.iter().all(|reason| reason.code == CancellationCode::None) {
        true => Ok(()),
        false => Err(ApiError::TransactionCanceled { reasons }),
    }
}

/// The key of an action, if the action fits its table.
fn key(table: &Table, asked: &mut Asked) -> Result<Key, ApiError> {
    let key = match (&asked.place, &asked.modification.action) {
        (Place::Item, Action::Put(item)) => table.key_of_item(item)?,
        (Place::Key(key), _) => table.key(key)?,
        (Place::Item, _) => return Err(ApiError::validation("The action has no key")),
    };
    if let Action::Update(update) = &mut asked.modification.action {
        table.bind(update)?;
        table.check_types_of_index_keys(&update.assigned())?;
    }
    Ok(key)
}

/// The items together are within the limits of a transaction.
fn check_items(writes: &[TransactedWrite]) -> Result<(), ApiError> {
    let distinct: BTreeSet<_> = writes.iter().map(|write| (&write.table, &write.key)).collect();
    if distinct.len() < writes.len() {
        return Err(ApiError::validation(ONE_EACH));
    }
    let put = writes.iter().map(|write| match &write.modification.action {
        Action::Put(item) => item.size().min(MAX_ITEM_BYTES),
        _ => 0,
    });
    if put.sum::<usize>() > TRANSACTION_MAX_BYTES {
        return Err(ApiError::validation("The items of a transaction cannot have more than 4 MB together"));
    }
    Ok(())
}

/// Stands for what is asked: whoever asks something else under the same token is refused.
fn fingerprint(writes: &[TransactedWrite]) -> Bytes {
    // What is checked can be encoded: nothing of it is beyond the limits of items.
    let encoded = rmp_serde::to_vec(writes).unwrap_or_default();
    Bytes::copy_from_slice(&Sha256::digest(&encoded))
}

fn units_of((old, new): &(Option<Bytes>, Option<Bytes>)) -> f64 {
    let size = |item: &Option<Bytes>| {
        item.as_ref().and_then(|bytes| Item::from_bytes(bytes).ok()).map_or(0, |item| item.size())
    };
    capacity::of_write(size(old).max(size(new)))
}

fn of_write(error: TransactError, asked: &[Asked]) -> ApiError {
    let message = error.to_string();
    match error {
        TransactError::Cancelled { reasons } => {
            let reasons = reasons.into_iter().zip(asked).map(|(reason, asked)| of_reason(reason, asked)).collect();
            ApiError::TransactionCanceled { reasons }
        }
        TransactError::NoSuchTable { .. } => ApiError::table_not_found(),
        TransactError::Invalid { reason } => ApiError::validation(reason),
        TransactError::InProgress => ApiError::TransactionInProgress,
        TransactError::TokenOfAnother => ApiError::IdempotentParameterMismatch,
        TransactError::Overloaded(_) => ApiError::Throttling { message: message.into() },
        TransactError::Aborted { .. } => ApiError::ServiceUnavailable { message: message.into() },
        TransactError::Unknown { .. } => ApiError::InternalServerError { message: message.into() },
    }
}

fn of_reason(reason: Option<CancelReason>, asked: &Asked) -> CancellationReason {
    match reason {
        None => CancellationReason::NONE,
        Some(CancelReason::ConditionFailed { present }) => {
            let shown = present.filter(|_| asked.shows);
            CancellationReason::condition_failed(shown.and_then(|bytes| Item::from_bytes(&bytes).ok()))
        }
        Some(CancelReason::Conflict) => CancellationReason::conflict(),
        Some(CancelReason::Refused { reason }) => CancellationReason::validation(reason),
        Some(CancelReason::Throttled) => CancellationReason {
            code: CancellationCode::ThrottlingError,
            message: Some("The item has too many writes at the moment".into()),
            item: None,
        },
    }
}
