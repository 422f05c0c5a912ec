//! Create, change, delete, describe and list tables.

use super::{Store, describe, failures};
use crate::http::dynamodb::endpoint::{Caller, Reply};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::requests::{
    AttributeDefinition, BillingMode, CreateTable, DeleteTable, DescribeTable, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, ListTables, Projection, ProjectionType, ProvisionedThroughput, ScalarType,
    StreamSpecification, TableClass, Tag, UpdateTable,
};
use crate::item::{
    Billing, Conflict, IndexSchema, KeyAttribute, KeyKind, Projected, SettingChange, TableId, TableName, TableSchema,
    TableSettings,
};
use crate::messages::metadata::ChangeTables;
use crate::metadata::TableChange;

/// The most names that one reply to `ListTables` has.
const NAMES_MAX: usize = 100;

/// The most local indexes of a table: quota of the developer guide.
const MAX_LOCAL_INDEXES: usize = 5;

impl Store {
    pub(super) async fn create_table(&self, create: CreateTable, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let schema = self.schema(&create)?;
        self.change(&create.table_name, TableChange::Create(schema)).await?;
        self.hear_of(&create.table_name, crate::http::store::CREATED).await;
        let table = self.table(&create.table_name).await?;
        Ok(Reply::object(|out| {
            out.name("TableDescription");
            describe::write(out, &table, "ACTIVE", caller);
        }))
    }

    pub(super) async fn describe_table(&self, asked: DescribeTable, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let table = self.known_table(&asked.table_name).await?;
        Ok(Reply::object(|out| {
            out.name("Table");
            describe::write(out, &table, "ACTIVE", caller);
        }))
    }

    pub(super) async fn delete_table(&self, delete: DeleteTable, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let table = self.known_table(&delete.table_name).await?;
        let name = table.name.clone();
        self.change(&delete.table_name, TableChange::Drop { table: name }).await?;
        Ok(Reply::object(|out| {
            out.name("TableDescription");
            describe::write(out, &table, "DELETING", caller);
        }))
    }

    pub(super) async fn update_table(&self, update: UpdateTable, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let table = self.known_table(&update.table_name).await?;
        let changes = changes(&table, &update)?;
        if changes.is_empty() && !update.is_for_the_service() {
            return Err(ApiError::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
            ));
        }
        let table = if changes.is_empty() { table } else { self.configured(table, changes).await? };
        Ok(Reply::object(|out| {
            out.name("TableDescription");
            describe::write(out, &table, "ACTIVE", caller);
        }))
    }

    /// The table after the changes.
    async fn configured(&self, table: super::Table, changes: Vec<SettingChange>) -> Result<super::Table, ApiError> {
        let name = table.name.as_str();
        let would_change = table.configured(&changes).is_ok_and(|next| next != table.settings);
        self.change(name, TableChange::Configure { table: table.name.clone(), changes }).await?;
        if would_change {
            // This worker hears of it a moment later than the log.
            self.wait_until(|view| view.table(name).is_none_or(|now| now.settings != table.settings)).await;
        }
        self.known_table(name).await
    }

    pub(super) fn list_tables(&self, list: &ListTables) -> Reply {
        let view = self.view();
        let start = list.exclusive_start_table_name.as_deref().unwrap_or_default();
        let limit = list.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(NAMES_MAX).min(NAMES_MAX);
        let shown = view.tables.iter().filter(|table| table.conflict == Conflict::Lww);
        let mut names = shown.map(|table| table.name.as_str()).filter(|name| *name > start);
        let page: Vec<&str> = names.by_ref().take(limit).collect();
        let more = names.next().is_some();
        Reply::object(|out| {
            out.name("TableNames").texts(&page);
            if let Some(last) = page.last().filter(|_| more) {
                out.name("LastEvaluatedTableName").text(last);
            }
        })
    }

    /// A table, or what operations on tables say where there is none.
    pub(super) async fn known_table(&self, name: &str) -> Result<super::Table, ApiError> {
        self.table(name).await.map_err(|error| match error {
            ApiError::ResourceNotFound { .. } => ApiError::no_such_table(name),
            error => error,
        })
    }

    pub(super) async fn change(&self, name: &str, change: TableChange) -> Result<(), ApiError> {
        let answer = self.change_tables.send(ChangeTables { change }).await?;
        answer.map(|_| ()).map_err(|error| failures::of_change(error, name))
    }

    fn schema(&self, create: &CreateTable) -> Result<TableSchema, ApiError> {
        let defined = &create.attribute_definitions;
        let (partition, sort) = keys(&create.key_schema)?;
        let mut settings = TableSettings {
            created_ms: (self.wall)(),
            uuid: uuid::Uuid::new_v4().as_u128(),
            attributes: defined.iter().map(key_attribute).collect(),
            billing: billing(create.billing_mode, create.provisioned_throughput.as_ref())?,
            is_infrequent: create.table_class == Some(TableClass::StandardInfrequentAccess),
            deletion_protected: create.deletion_protection_enabled.unwrap_or(false),
            tags: create.tags.iter().flatten().map(|Tag { key, value }| (key.clone(), value.clone())).collect(),
            ..TableSettings::default()
        };
        check_stream(create.stream_specification.as_ref())?;
        for index in create.local_secondary_indexes.iter().flatten() {
            let schema = index_schema(&index.index_name, &index.key_schema, &index.projection, Billing::default())?;
            settings.local_indexes.push(schema);
        }
        for index in create.global_secondary_indexes.iter().flatten() {
            let billing =
                new_index_billing(settings.billing, &index.index_name, index.provisioned_throughput.as_ref())?;
            settings.global_indexes.push(index_schema(
                &index.index_name,
                &index.key_schema,
                &index.projection,
                billing,
            )?);
        }
        check_definitions(defined, partition, sort, &settings)?;
        let attribute = |name: &str| {
            let found = settings.attributes.iter().find(|known| known.name == name);
            found.cloned().ok_or_else(|| undefined([name], defined))
        };
        let schema = TableSchema {
            name: table_name(&create.table_name)?,
            id: TableId::default(),
            partition_key: attribute(partition)?,
            sort_key: sort.map(attribute).transpose()?,
            n: None,
            r: None,
            w: None,
            conflict: Conflict::Lww,
            settings,
        };
        schema.validate().map_err(|error| ApiError::validation(error.to_string()))?;
        Ok(schema)
    }
}

impl UpdateTable {
    /// Whether it asks for something that the service has and this server accepts without a use for it.
    fn is_for_the_service(&self) -> bool {
        self.on_demand_throughput.is_some() || self.warm_throughput.is_some() || self.sse_specification.is_some()
    }
}

fn table_name(name: &str) -> Result<TableName, ApiError> {
    TableName::new(name).map_err(|error| ApiError::validation(error.to_string()))
}

fn key_attribute(definition: &AttributeDefinition) -> KeyAttribute {
    let kind = match definition.attribute_type {
        ScalarType::S => KeyKind::S,
        ScalarType::N => KeyKind::N,
        ScalarType::B => KeyKind::B,
    };
    KeyAttribute { name: definition.attribute_name.clone(), kind }
}

/// A stream can only be off.
fn check_stream(asked: Option<&StreamSpecification>) -> Result<(), ApiError> {
    let Some(asked) = asked else { return Ok(()) };
    if asked.stream_enabled {
        return Err(ApiError::validation("Streams are not supported by this server: leave StreamSpecification out"));
    }
    match asked.stream_view_type {
        None => Ok(()),
        Some(_) => Err(ApiError::validation(
            "One or more parameter values were invalid: StreamViewType cannot be specified when StreamEnabled is false",
        )),
    }
}

/// The names of partition key and sort key.
fn keys(schema: &[KeySchemaElement]) -> Result<(&str, Option<&str>), ApiError> {
    let invalid = |what: &'static str| Err(ApiError::validation(what));
    match schema {
        [first, ..] if first.key_type != KeyType::Hash => {
            invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
        }
        [_, second] if second.key_type != KeyType::Range => {
            invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
        }
        [first, second] if first.attribute_name == second.attribute_name => {
            // The service has no other words for it.
            invalid("Invalid KeySchema: Some index key attribute have no definition")
        }
        [first] => Ok((&first.attribute_name, None)),
        [first, second] => Ok((&first.attribute_name, Some(&second.attribute_name))),
        _ => invalid("Invalid KeySchema: a key has one or two elements"),
    }
}

fn billing(mode: Option<BillingMode>, throughput: Option<&ProvisionedThroughput>) -> Result<Billing, ApiError> {
    match (mode, throughput) {
        (Some(BillingMode::PayPerRequest), Some(_)) => Err(ApiError::validation(
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Some(BillingMode::PayPerRequest), None) => Ok(Billing::PayPerRequest),
        (_, Some(throughput)) => Ok(provisioned(throughput)),
        (_, None) => Err(ApiError::validation(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

fn provisioned(throughput: &ProvisionedThroughput) -> Billing {
    Billing::Provisioned { read: throughput.read_capacity_units, write: throughput.write_capacity_units }
}

fn index_billing(table: Billing, throughput: Option<&ProvisionedThroughput>) -> Billing {
    throughput.map_or(table, provisioned)
}

/// An index that is created with its table says what is provisioned for it where its table does, and only there.
fn new_index_billing(
    table: Billing,
    index: &str,
    throughput: Option<&ProvisionedThroughput>,
) -> Result<Billing, ApiError> {
    let invalid =
        |what: String| Err(ApiError::validation(format!("One or more parameter values were invalid: {what}")));
    match (table, throughput) {
        (Billing::Provisioned { .. }, None) => {
            invalid(format!("ProvisionedThroughput is not specified for index: {index}"))
        }
        (Billing::PayPerRequest, Some(_)) => invalid(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is PAY_PER_REQUEST"
        )),
        (table, throughput) => Ok(index_billing(table, throughput)),
    }
}

fn index_schema(
    name: &str,
    schema: &[KeySchemaElement],
    projection: &Projection,
    billing: Billing,
) -> Result<IndexSchema, ApiError> {
    let (partition, sort) = keys(schema)?;
    let invalid =
        |what: String| Err(ApiError::validation(format!("One or more parameter values were invalid: {what}")));
    let projection = match (projection.projection_type, &projection.non_key_attributes) {
        (None, _) => return invalid("Unknown ProjectionType: null".to_owned()),
        (Some(ProjectionType::Include), None) => {
            return invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified".to_owned());
        }
        (Some(ProjectionType::Include), Some(names)) => Projected::Include(names.clone()),
        (Some(kind), Some(_)) => {
            return invalid(format!("ProjectionType is {}, but NonKeyAttributes is specified", kind.word()));
        }
        (Some(ProjectionType::All), None) => Projected::All,
        (Some(ProjectionType::KeysOnly), None) => Projected::KeysOnly,
    };
    let (name, partition_key, sort_key) = (name.to_owned(), partition.to_owned(), sort.map(str::to_owned));
    Ok(IndexSchema { name, partition_key, sort_key, projection, billing })
}

/// Every key is defined, and whatever is defined is part of a key.
fn check_definitions(
    defined: &[AttributeDefinition],
    partition: &str,
    sort: Option<&str>,
    settings: &TableSettings,
) -> Result<(), ApiError> {
    let invalid =
        |what: String| Err(ApiError::validation(format!("One or more parameter values were invalid: {what}")));
    let is_defined = |name: &str| defined.iter().any(|known| known.attribute_name == name);
    let own = std::iter::once(partition).chain(sort);
    if own.clone().any(|name| !is_defined(name)) {
        return Err(ApiError::validation("Invalid KeySchema: Some index key attribute have no definition"));
    }
    if settings.local_indexes.len() > MAX_LOCAL_INDEXES {
        return invalid("Number of LocalSecondaryIndexes exceeds per-table limit of 5".to_owned());
    }
    if settings.global_indexes.len() > crate::item::MAX_GLOBAL_INDEXES {
        return invalid("Number of GlobalSecondaryIndexes exceeds per-table limit of 20".to_owned());
    }
    let mut names = Vec::new();
    for index in settings.local_indexes.iter().chain(&settings.global_indexes) {
        if names.contains(&&index.name) {
            return invalid(format!("Duplicate index name: {}", index.name));
        }
        names.push(&index.name);
        let keys = || std::iter::once(index.partition_key.as_str()).chain(index.sort_key.as_deref());
        if keys().any(|name| !is_defined(name)) {
            return Err(undefined(keys(), defined));
        }
    }
    for index in &settings.local_indexes {
        if sort.is_none() {
            return invalid(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
                    .to_owned(),
            );
        }
        if index.partition_key != partition {
            return invalid(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {}. index hash key: {}, table hash key: {partition}",
                index.name, index.partition_key
            ));
        }
        if index.sort_key.is_none() {
            return invalid(format!("Index KeySchema does not have a range key for index: {}", index.name));
        }
    }
    let indexes = settings.local_indexes.iter().chain(&settings.global_indexes);
    let of_indexes =
        indexes.flat_map(|index| std::iter::once(index.partition_key.as_str()).chain(index.sort_key.as_deref()));
    let used: Vec<&str> = own.chain(of_indexes).collect();
    if defined.iter().any(|known| !used.contains(&known.attribute_name.as_str())) {
        return invalid("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions".to_owned());
    }
    Ok(())
}

fn undefined<'a>(keys: impl IntoIterator<Item = &'a str>, defined: &[AttributeDefinition]) -> ApiError {
    let keys: Vec<&str> = keys.into_iter().collect();
    let defined: Vec<&str> = defined.iter().map(|known| known.attribute_name.as_str()).collect();
    ApiError::validation(format!(
        "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
        keys.join(", "),
        defined.join(", ")
    ))
}

/// What an `UpdateTable` changes.
fn changes(table: &TableSchema, update: &UpdateTable) -> Result<Vec<SettingChange>, ApiError> {
    let mut changes = Vec::new();
    check_stream(update.stream_specification.as_ref())?;
    match (update.billing_mode, &update.provisioned_throughput) {
        (None, None) => {}
        (None, Some(_)) if table.settings.billing == Billing::PayPerRequest => {
            return Err(ApiError::validation(
                "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        (mode, throughput) => {
            let next = billing(mode, throughput.as_ref())?;
            check_throughput_changes(table.settings.billing, next)?;
            changes.push(SettingChange::Billing(next));
        }
    }
    changes.extend(update.deletion_protection_enabled.map(SettingChange::DeletionProtected));
    let infrequent = |class| SettingChange::Infrequent(class == TableClass::StandardInfrequentAccess);
    changes.extend(update.table_class.map(infrequent));
    let attributes: Vec<KeyAttribute> = update.attribute_definitions.iter().flatten().map(key_attribute).collect();
    for index in update.global_secondary_index_updates.iter().flatten() {
        changes.push(index_change(table, index, &attributes)?);
    }
    Ok(changes)
}

fn check_throughput_changes(present: Billing, next: Billing) -> Result<(), ApiError> {
    match (present, next) {
        (Billing::Provisioned { read, write }, Billing::Provisioned { .. }) if present == next => {
            Err(ApiError::validation(format!(
                "The provisioned throughput for the table will not change. The requested value equals the current value. \
                 Current ReadCapacityUnits provisioned for the table: {read}. Requested ReadCapacityUnits: {read}. \
                 Current WriteCapacityUnits provisioned for the table: {write}. Requested WriteCapacityUnits: {write}. \
                 Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
            )))
        }
        _ => Ok(()),
    }
}

fn index_change(
    table: &TableSchema,
    update: &GlobalSecondaryIndexUpdate,
    attributes: &[KeyAttribute],
) -> Result<SettingChange, ApiError> {
    let known = |name: &str| match table.settings.global_indexes.iter().any(|index| index.name == name) {
        true => Ok(()),
        false => Err(ApiError::ResourceNotFound {
            message: "Requested resource not found: The table does not have the specified index".into(),
        }),
    };
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => {
            let billing = index_billing(table.settings.billing, create.provisioned_throughput.as_ref());
            let schema = index_schema(&create.index_name, &create.key_schema, &create.projection, billing)?;
            if table.settings.index(&schema.name).is_some() {
                return Err(ApiError::validation(format!(
                    "Attempting to create an index which already exists: {}",
                    schema.name
                )));
            }
            let keys = || std::iter::once(schema.partition_key.as_str()).chain(schema.sort_key.as_deref());
            // Those that the table has defined already do not count.
            if keys().any(|name| !attributes.iter().any(|known| known.name == name)) {
                return Err(undefined(keys(), &[]));
            }
            let of_index: Vec<KeyAttribute> =
                attributes.iter().filter(|known| keys().any(|name| name == known.name)).cloned().collect();
            Ok(SettingChange::AddIndex(schema, of_index))
        }
        (None, Some(change), None) => {
            known(&change.index_name)?;
            let billing = index_billing(table.settings.billing, change.provisioned_throughput.as_ref());
            Ok(SettingChange::IndexBilling(change.index_name.clone(), billing))
        }
        (None, None, Some(delete)) => {
            known(&delete.index_name)?;
            Ok(SettingChange::DropIndex(delete.index_name.clone()))
        }
        _ => Err(ApiError::validation(
            "One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must be specified",
        )),
    }
}
