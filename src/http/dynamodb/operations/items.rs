//! Put, get, update and delete one item.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::table::Table;
use super::{Store, capacity, expressions, failures, legacy};
use crate::http::dynamodb::endpoint::Reply;
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json_out::JsonWriter;
use crate::http::dynamodb::operation::Operation;
use crate::http::dynamodb::requests::{
    ConditionalOperator, DeleteItem, ExpectedAttributeValue, ExpressionNames, ExpressionValues, GetItem, PutItem,
    ReturnItemCollectionMetrics, ReturnValues, ReturnValuesOnConditionCheckFailure, UpdateItem,
};
use crate::item::expression::{Condition, ExpressionKind, Update, UpdateStyle};
use crate::item::{Action, CodecError, Item, Key, Modification, Step};
use crate::messages::client::{Delete, Get, Put};
use crate::messages::modify::{Modified, Modify, ReadSurely};

/// What a write says of the item before and after.
struct Returned {
    old: Option<Item>,
    new: Option<Item>,
}

impl Store {
    pub(super) async fn get_item(&self, get: GetItem) -> Result<Reply, ApiError> {
        let expressions = [("ProjectionExpression", get.projection_expression.is_some())];
        let mut placeholders = expressions::placeholders(get.expression_attribute_names, None, &expressions)?;
        let projection = match expressions::projection(get.projection_expression.as_ref(), &mut placeholders)? {
            None => legacy::attributes(get.attributes_to_get.as_ref())?,
            projection => projection,
        };
        placeholders.check_all_used()?;
        let table = self.table(&get.table_name).await?;
        let key = table.key(&get.key)?;
        let stored = self.read_stored(&table, &key, get.consistent_read).await?;
        if projection.is_none() && !capacity::is_asked(get.return_consumed_capacity) {
            return whole(stored.as_deref()).map_err(failures::damaged);
        }
        let found = stored.map(|bytes| Item::from_bytes(&bytes)).transpose().map_err(failures::damaged)?;
        let units = capacity::of_read(found.as_ref().map_or(0, Item::size), get.consistent_read);
        Ok(Reply::object(|out| {
            if let Some(item) = &found {
                match &projection {
                    Some(projection) => out.name("Item").item(&projection.apply(item)),
                    None => out.name("Item").item(item),
                }
            }
            capacity::write(out, get.return_consumed_capacity, &get.table_name, units);
        }))
    }

    pub(super) async fn put_item(&self, put: PutItem) -> Result<Reply, ApiError> {
        let returns = only_old(put.return_values)?;
        let asked = AskedCondition {
            text: put.condition_expression,
            names: put.expression_attribute_names,
            values: put.expression_attribute_values,
            expected: put.expected,
            operator: put.conditional_operator,
        };
        let condition = asked.parsed().map_err(|error| error.in_envelope_of(Operation::PutItem))?;
        let table = self.table(&put.table_name).await?;
        let key = table.key_of_item(&put.item)?;
        put.item.validate()?;
        let bytes = put.item.size();
        let returned = if condition.is_none() && !returns && !capacity::is_asked(put.return_consumed_capacity) {
            self.put_by_quorum(&table, put.item.to_bytes()).await?;
            Returned { old: None, new: None }
        } else {
            let shows = shows_item(put.return_values_on_condition_check_failure);
            self.modify(&table, &key, condition, Action::Put(put.item), shows).await?
        };
        let units = capacity::of_write(bytes.max(returned.old.as_ref().map_or(0, Item::size)));
        Ok(Reply::object(|out| {
            if let Some(old) = returned.old.filter(|_| returns) {
                out.name("Attributes").item(&old);
            }
            capacity::write(out, put.return_consumed_capacity, &put.table_name, units);
            write_collection(out, put.return_item_collection_metrics, &table, &key);
        }))
    }

    pub(super) async fn delete_item(&self, delete: DeleteItem) -> Result<Reply, ApiError> {
        let returns = only_old(delete.return_values)?;
        let asked = AskedCondition {
            text: delete.condition_expression,
            names: delete.expression_attribute_names,
            values: delete.expression_attribute_values,
            expected: delete.expected,
            operator: delete.conditional_operator,
        };
        let condition = asked.parsed().map_err(|error| error.in_envelope_of(Operation::DeleteItem))?;
        let table = self.table(&delete.table_name).await?;
        let key = table.key(&delete.key)?;
        let returned = if condition.is_none() && !returns && !capacity::is_asked(delete.return_consumed_capacity) {
            self.delete_by_quorum(&table, &key).await?;
            Returned { old: None, new: None }
        } else {
            let shows = shows_item(delete.return_values_on_condition_check_failure);
            self.modify(&table, &key, condition, Action::Delete, shows).await?
        };
        let units = capacity::of_write(returned.old.as_ref().map_or(0, Item::size));
        Ok(Reply::object(|out| {
            if let Some(old) = returned.old.filter(|_| returns) {
                out.name("Attributes").item(&old);
            }
            capacity::write(out, delete.return_consumed_capacity, &delete.table_name, units);
            write_collection(out, delete.return_item_collection_metrics, &table, &key);
        }))
    }

    pub(super) async fn update_item(&self, mut asked: UpdateItem) -> Result<Reply, ApiError> {
        let (mut update, condition) =
            update_of(&mut asked).map_err(|error| error.in_envelope_of(Operation::UpdateItem))?;
        let table = self.table(&asked.table_name).await?;
        let key = table.key(&asked.key)?;
        table.bind(&mut update)?;
        let shows = shows_item(asked.return_values_on_condition_check_failure);
        let returned = self.modify(&table, &key, condition, Action::Update(update.clone()), shows).await?;
        let size = |item: &Option<Item>| item.as_ref().map_or(0, Item::size);
        let units = capacity::of_write(size(&returned.old).max(size(&returned.new)));
        let attributes = changed(asked.return_values, &update, returned);
        Ok(Reply::object(|out| {
            if let Some(attributes) = attributes {
                out.name("Attributes").item(&attributes);
            }
            capacity::write(out, asked.return_consumed_capacity, &asked.table_name, units);
            write_collection(out, asked.return_item_collection_metrics, &table, &key);
        }))
    }

    pub(super) async fn read(
        &self,
        table: &Table,
        key: &Key,
        consistent: Option<bool>,
    ) -> Result<Option<Item>, ApiError> {
        let stored = self.read_stored(table, key, consistent).await?;
        stored.map(|bytes| Item::from_bytes(&bytes)).transpose().map_err(failures::damaged)
    }

    /// The item as it is stored.
    async fn read_stored(&self, table: &Table, key: &Key, consistent: Option<bool>) -> Result<Option<Bytes>, ApiError> {
        let (trace, name, key) = (self.traces.next(), table.name.as_str().to_owned(), key.to_bytes());
        let reply = if consistent == Some(true) {
            let (least_epoch, as_stored, puts_back, timeout_ms) = (0, false, false, None);
            let read = ReadSurely { trace, table: name, key, least_epoch, as_stored, puts_back, timeout_ms };
            self.surely.send(read).await?
        } else {
            let get = Get { trace, table: name, key, r: None, timeout_ms: None };
            self.get.ask(get).await.map_err(failures::stopped)?
        };
        let reply = reply.map_err(failures::of_get)?;
        let newest = reply.versions.into_iter().max_by_key(|version| version.rank());
        Ok(newest.and_then(|version| version.value))
    }

    pub(super) async fn put_by_quorum(&self, table: &Table, item: Bytes) -> Result<(), ApiError> {
        let (trace, table) = (self.traces.next(), table.name.as_str().to_owned());
        let put = Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None };
        self.put.ask(put).await.map_err(failures::stopped)?.map_err(failures::of_put)?;
        Ok(())
    }

    pub(super) async fn delete_by_quorum(&self, table: &Table, key: &Key) -> Result<(), ApiError> {
        let (trace, table, key) = (self.traces.next(), table.name.as_str().to_owned(), key.to_bytes());
        let delete = Delete { trace, table, key, context: None, w: None, timeout_ms: None };
        self.delete.send(delete).await?.map_err(failures::of_put)?;
        Ok(())
    }

    async fn modify(
        &self,
        table: &Table,
        key: &Key,
        condition: Option<Condition>,
        action: Action,
        shows: bool,
    ) -> Result<Returned, ApiError> {
        let modify = Modify {
            trace: self.traces.next(),
            table: table.name.as_str().to_owned(),
            key: key.to_bytes(),
            step: Step::Change(Modification { condition, action }),
            timeout_ms: None,
        };
        let reply = self.modify.send(modify).await?;
        let Modified { old, new } = reply.map_err(|error| failures::of_modify(error, shows))?;
        let decode = |bytes: Option<Bytes>| bytes.map(|bytes| Item::from_bytes(&bytes)).transpose();
        Ok(Returned { old: decode(old).map_err(failures::damaged)?, new: decode(new).map_err(failures::damaged)? })
    }
}

/// The reply to a get of the whole item, written from the bytes in which it is stored.
fn whole(stored: Option<&[u8]>) -> Result<Reply, CodecError> {
    /// What JSON has besides: braces, quotes and types, and few escapes.
    const MARKS: usize = 128;
    let Some(stored) = stored else { return Ok(Reply::empty()) };
    let mut out = JsonWriter::with_capacity(stored.len() + stored.len() / 8 + MARKS);
    let mut written = Ok(());
    out.object(|out| written = out.name("Item").stored_item(stored));
    written.map(|()| out.into())
}

/// The condition of a put or delete, in either form.
pub(super) struct AskedCondition {
    pub(super) text: Option<String>,
    pub(super) names: Option<ExpressionNames>,
    pub(super) values: Option<ExpressionValues>,
    pub(super) expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(super) operator: Option<ConditionalOperator>,
}

impl AskedCondition {
    pub(super) fn parsed(self) -> Result<Option<Condition>, ApiError> {
        let given = [("ConditionExpression", self.text.is_some())];
        let mut placeholders = expressions::placeholders(self.names, self.values, &given)?;
        let condition = match &self.text {
            Some(text) => Some(Condition::parse(ExpressionKind::Condition, text, &mut placeholders)?),
            None => legacy::expected(self.expected, self.operator)?,
        };
        placeholders.check_all_used()?;
        Ok(condition)
    }
}

/// What an update changes and on what condition, in either form. Without any change the item is only made, if there is none.
fn update_of(asked: &mut UpdateItem) -> Result<(Update, Option<Condition>), ApiError> {
    let given = [
        ("UpdateExpression", asked.update_expression.is_some()),
        ("ConditionExpression", asked.condition_expression.is_some()),
    ];
    let (names, values) = (asked.expression_attribute_names.take(), asked.expression_attribute_values.take());
    let mut placeholders = expressions::placeholders(names, values, &given)?;
    let update = match &asked.update_expression {
        Some(text) => Some(Update::parse(text, &mut placeholders)?),
        None => legacy::updates(asked.attribute_updates.take())?,
    };
    let condition = match &asked.condition_expression {
        Some(text) => Some(Condition::parse(ExpressionKind::Condition, text, &mut placeholders)?),
        None => legacy::expected(asked.expected.take(), asked.conditional_operator)?,
    };
    placeholders.check_all_used()?;
    Ok((update.unwrap_or(Update::nothing(UpdateStyle::Expression)), condition))
}

/// Whether what was there is returned. Puts and deletes have nothing else to return.
fn only_old(returns: Option<ReturnValues>) -> Result<bool, ApiError> {
    match returns {
        None | Some(ReturnValues::None) => Ok(false),
        Some(ReturnValues::AllOld) => Ok(true),
        Some(_) => Err(ApiError::validation("1 validation error detected: ReturnValues can only be ALL_OLD or NONE")),
    }
}

pub(super) fn shows_item(asked: Option<ReturnValuesOnConditionCheckFailure>) -> bool {
    asked == Some(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// What an update returns, if anything.
fn changed(returns: Option<ReturnValues>, update: &Update, returned: Returned) -> Option<Item> {
    let touched = |item: Option<Item>| item.map(|item| update.touched(&item)).filter(|item| !item.is_empty());
    match returns {
        None | Some(ReturnValues::None) => None,
        Some(ReturnValues::AllOld) => returned.old,
        Some(ReturnValues::AllNew) => returned.new,
        Some(ReturnValues::UpdatedOld) => touched(returned.old),
        Some(ReturnValues::UpdatedNew) => touched(returned.new),
    }
}

/// Only tables with local indexes have collections.
fn write_collection(out: &mut JsonWriter, asked: Option<ReturnItemCollectionMetrics>, table: &Table, key: &Key) {
    if asked == Some(ReturnItemCollectionMetrics::Size) && !table.settings.local_indexes.is_empty() {
        out.name("ItemCollectionMetrics").object(|out| {
            let name = &table.partition_key.name;
            let value = super::table::attribute(&key.partition);
            out.name("ItemCollectionKey").object(|out| out.name(name).value(&value));
            out.name("SizeEstimateRangeGB").array(|out| {
                out.float(0.0);
                out.float(1.0);
            });
        });
    }
}
