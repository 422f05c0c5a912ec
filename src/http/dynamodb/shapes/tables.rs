//! Requests on tables, their tags and their expiry.

use super::words::{
    BOOLEAN, INDEX, LONG, TEXT, integer, list, list_of, long, named, one_of, optional, required, structure, table_name,
    text, told,
};
use super::{Kind, List, Member, Shape, Structure};

const BILLING_MODE: Shape = one_of(&["PROVISIONED", "PAY_PER_REQUEST"]);
const TABLE_CLASS: Shape = one_of(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"]);
const SETTINGS_REPLICATION: Shape = one_of(&["ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"]);
const CAPACITY_UNITS: Shape = long(1, i64::MAX);
const KEY_NAME: Shape = text(1, 255);
const NEW_INDEX: Shape = named(Kind::NewName, 3, 255);

const ATTRIBUTE_DEFINITIONS: Shape = list(&ATTRIBUTE_DEFINITION_LIST);
static ATTRIBUTE_DEFINITION_LIST: List = list_of(structure(&ATTRIBUTE_DEFINITION), 0, usize::MAX);
static ATTRIBUTE_DEFINITION: Structure = Structure {
    name: "AttributeDefinition",
    members: &[required("AttributeType", one_of(&["B", "N", "S"])), required("AttributeName", KEY_NAME)],
};

const KEY_SCHEMA: Shape = list(&KEY_SCHEMA_LIST);
static KEY_SCHEMA_LIST: List = list_of(structure(&KEY_SCHEMA_ELEMENT), 1, 2);

/// A global index may have several attributes in each part of its key; how many is for the operations to say.
const INDEX_KEY_SCHEMA: Shape = list(&INDEX_KEY_SCHEMA_LIST);
static INDEX_KEY_SCHEMA_LIST: List = list_of(structure(&KEY_SCHEMA_ELEMENT), 1, usize::MAX);
static KEY_SCHEMA_ELEMENT: Structure = Structure {
    name: "KeySchemaElement",
    members: &[required("AttributeName", KEY_NAME), required("KeyType", one_of(&["HASH", "RANGE"]))],
};

const PROVISIONED_THROUGHPUT: Shape = structure(&PROVISIONED_THROUGHPUT_STRUCTURE);
static PROVISIONED_THROUGHPUT_STRUCTURE: Structure = Structure {
    name: "ProvisionedThroughput",
    members: &[required("WriteCapacityUnits", CAPACITY_UNITS), required("ReadCapacityUnits", CAPACITY_UNITS)],
};

const ON_DEMAND_THROUGHPUT: Shape = structure(&ON_DEMAND_THROUGHPUT_STRUCTURE);
static ON_DEMAND_THROUGHPUT_STRUCTURE: Structure = Structure {
    name: "OnDemandThroughput",
    members: &[optional("MaxReadRequestUnits", LONG), optional("MaxWriteRequestUnits", LONG)],
};

const WARM_THROUGHPUT: Shape = structure(&WARM_THROUGHPUT_STRUCTURE);
static WARM_THROUGHPUT_STRUCTURE: Structure = Structure {
    name: "WarmThroughput",
    members: &[optional("ReadUnitsPerSecond", LONG), optional("WriteUnitsPerSecond", LONG)],
};

const PROJECTION: Shape = structure(&PROJECTION_STRUCTURE);
static PROJECTION_STRUCTURE: Structure = Structure {
    name: "Projection",
    members: &[
        optional("ProjectionType", one_of(&["ALL", "INCLUDE", "KEYS_ONLY"])),
        optional("NonKeyAttributes", list(&NON_KEY_ATTRIBUTES)),
    ],
};
static NON_KEY_ATTRIBUTES: List = list_of(KEY_NAME, 1, 20);

const STREAM_SPECIFICATION: Shape = structure(&STREAM_SPECIFICATION_STRUCTURE);
static STREAM_SPECIFICATION_STRUCTURE: Structure = Structure {
    name: "StreamSpecification",
    members: &[
        required("StreamEnabled", BOOLEAN),
        optional("StreamViewType", one_of(&["OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"])),
    ],
};

const SSE_SPECIFICATION: Shape = structure(&SSE_SPECIFICATION_STRUCTURE);
static SSE_SPECIFICATION_STRUCTURE: Structure = Structure {
    name: "SSESpecification",
    members: &[
        optional("Enabled", BOOLEAN),
        optional("SSEType", one_of(&["AES256", "KMS"])),
        optional("KMSMasterKeyId", text(1, usize::MAX)),
    ],
};

static LOCAL_SECONDARY_INDEXES: List = list_of(structure(&LOCAL_SECONDARY_INDEX), 0, usize::MAX);
static LOCAL_SECONDARY_INDEX: Structure = Structure {
    name: "LocalSecondaryIndex",
    members: &[required("IndexName", NEW_INDEX), required("KeySchema", KEY_SCHEMA), required("Projection", PROJECTION)],
};

static GLOBAL_SECONDARY_INDEXES: List = list_of(structure(&GLOBAL_SECONDARY_INDEX), 0, usize::MAX);
static GLOBAL_SECONDARY_INDEX: Structure = Structure {
    name: "GlobalSecondaryIndex",
    members: &[
        required("IndexName", NEW_INDEX),
        required("KeySchema", INDEX_KEY_SCHEMA),
        required("Projection", PROJECTION),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static TAGS: List = list_of(structure(&TAG), 0, usize::MAX);
/// What is wrong with a tag is said where it is decoded.
static TAG: Structure = Structure { name: "Tag", members: &[optional("Key", TEXT), optional("Value", TEXT)] };

pub(in crate::http::dynamodb) static CREATE_TABLE: Structure = Structure {
    name: "CreateTableInput",
    members: &[
        required("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        table_name(Kind::NewTable),
        optional("BillingMode", BILLING_MODE),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        required("KeySchema", KEY_SCHEMA),
        optional("GlobalSecondaryIndexes", list(&GLOBAL_SECONDARY_INDEXES)),
        optional("LocalSecondaryIndexes", list(&LOCAL_SECONDARY_INDEXES)),
        optional("StreamSpecification", STREAM_SPECIFICATION),
        optional("SSESpecification", SSE_SPECIFICATION),
        optional("Tags", list(&TAGS)),
        optional("TableClass", TABLE_CLASS),
        optional("DeletionProtectionEnabled", BOOLEAN),
        optional("WarmThroughput", WARM_THROUGHPUT),
        optional("ResourcePolicy", TEXT),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("GlobalTableSourceArn", text(1, 1024)),
        optional("GlobalTableSettingsReplicationMode", SETTINGS_REPLICATION),
    ],
};

static INDEX_UPDATES: List = list_of(structure(&INDEX_UPDATE), 0, usize::MAX);
static INDEX_UPDATE: Structure = Structure {
    name: "GlobalSecondaryIndexUpdate",
    members: &[
        optional("Update", structure(&UPDATE_INDEX)),
        optional("Create", structure(&CREATE_INDEX)),
        optional("Delete", structure(&DELETE_INDEX)),
    ],
};

static UPDATE_INDEX: Structure = Structure {
    name: "UpdateGlobalSecondaryIndexAction",
    members: &[
        required("IndexName", NEW_INDEX),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static CREATE_INDEX: Structure = Structure {
    name: "CreateGlobalSecondaryIndexAction",
    members: &[
        required("Projection", PROJECTION),
        required("IndexName", NEW_INDEX),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        required("KeySchema", INDEX_KEY_SCHEMA),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static DELETE_INDEX: Structure =
    Structure { name: "DeleteGlobalSecondaryIndexAction", members: &[required("IndexName", NEW_INDEX)] };

/// What concerns copies in other regions is only looked at to be refused.
static REPLICA_UPDATES: List = list_of(structure(&REPLICA_UPDATE), 1, usize::MAX);
static REPLICA_UPDATE: Structure = Structure { name: "ReplicationGroupUpdate", members: &[] };

pub(in crate::http::dynamodb) static UPDATE_TABLE: Structure = Structure {
    name: "UpdateTableInput",
    members: &[
        optional("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        table_name(Kind::Table),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        optional("BillingMode", BILLING_MODE),
        optional("GlobalSecondaryIndexUpdates", list(&INDEX_UPDATES)),
        optional("StreamSpecification", STREAM_SPECIFICATION),
        optional("SSESpecification", SSE_SPECIFICATION),
        optional("ReplicaUpdates", list(&REPLICA_UPDATES)),
        optional("TableClass", TABLE_CLASS),
        optional("DeletionProtectionEnabled", BOOLEAN),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
        optional("GlobalTableSettingsReplicationMode", SETTINGS_REPLICATION),
    ],
};

pub(in crate::http::dynamodb) static DELETE_TABLE: Structure =
    Structure { name: "DeleteTableInput", members: &[table_name(Kind::Table)] };

pub(in crate::http::dynamodb) static DESCRIBE_TABLE: Structure =
    Structure { name: "DescribeTableInput", members: &[table_name(Kind::Table)] };

pub(in crate::http::dynamodb) static LIST_TABLES: Structure = Structure {
    name: "ListTablesInput",
    members: &[optional("Limit", integer(1, 100)), optional("ExclusiveStartTableName", INDEX)],
};

const RESOURCE_ARN: Member = told("ResourceArn", TEXT, "Invalid TableArn");

pub(in crate::http::dynamodb) static TAG_RESOURCE: Structure =
    Structure { name: "TagResourceInput", members: &[RESOURCE_ARN, required("Tags", list(&TAGS))] };

static TAG_KEYS: List = list_of(TEXT, 0, usize::MAX);

pub(in crate::http::dynamodb) static UNTAG_RESOURCE: Structure =
    Structure { name: "UntagResourceInput", members: &[RESOURCE_ARN, required("TagKeys", list(&TAG_KEYS))] };

pub(in crate::http::dynamodb) static LIST_TAGS_OF_RESOURCE: Structure =
    Structure { name: "ListTagsOfResourceInput", members: &[RESOURCE_ARN, optional("NextToken", TEXT)] };

pub(in crate::http::dynamodb) static DESCRIBE_LIMITS: Structure =
    Structure { name: "DescribeLimitsInput", members: &[] };

pub(in crate::http::dynamodb) static DESCRIBE_ENDPOINTS: Structure =
    Structure { name: "DescribeEndpointsRequest", members: &[] };

pub(in crate::http::dynamodb) static DESCRIBE_TIME_TO_LIVE: Structure =
    Structure { name: "DescribeTimeToLiveInput", members: &[table_name(Kind::Table)] };

pub(in crate::http::dynamodb) static UPDATE_TIME_TO_LIVE: Structure = Structure {
    name: "UpdateTimeToLiveInput",
    members: &[table_name(Kind::Table), required("TimeToLiveSpecification", structure(&TIME_TO_LIVE_SPECIFICATION))],
};

static TIME_TO_LIVE_SPECIFICATION: Structure = Structure {
    name: "TimeToLiveSpecification",
    members: &[required("AttributeName", text(1, 255)), required("Enabled", BOOLEAN)],
};
