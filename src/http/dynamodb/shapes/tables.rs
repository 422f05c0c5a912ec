//! Requests on tables, their tags and their expiry.

use super::words::{
    BOOLEAN, INDEX, LONG, TABLE, TEXT, integer, list, list_of, long, named, one_of, optional, parameter, required,
    structure, text,
};
use super::{Kind, List, Shape, Structure};

const BILLING_MODE: Shape = one_of(&["PROVISIONED", "PAY_PER_REQUEST"]);
const TABLE_CLASS: Shape = one_of(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"]);
const SETTINGS_REPLICATION: Shape = one_of(&["ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"]);
const CAPACITY_UNITS: Shape = long(1, i64::MAX);
const KEY_NAME: Shape = text(1, 255);

const ATTRIBUTE_DEFINITIONS: Shape = list(&ATTRIBUTE_DEFINITION_LIST);
static ATTRIBUTE_DEFINITION_LIST: List = list_of(structure(&ATTRIBUTE_DEFINITION), 0, usize::MAX);
static ATTRIBUTE_DEFINITION: Structure = Structure {
    name: "AttributeDefinition",
    members: &[required("AttributeName", KEY_NAME), required("AttributeType", one_of(&["B", "N", "S"]))],
};

const KEY_SCHEMA: Shape = list(&KEY_SCHEMA_LIST);
static KEY_SCHEMA_LIST: List = list_of(structure(&KEY_SCHEMA_ELEMENT), 1, 2);
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
        optional("StreamViewType", one_of(&["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"])),
    ],
};

const SSE_SPECIFICATION: Shape = structure(&SSE_SPECIFICATION_STRUCTURE);
static SSE_SPECIFICATION_STRUCTURE: Structure = Structure {
    name: "SSESpecification",
    members: &[
        optional("Enabled", BOOLEAN),
        optional("SSEType", one_of(&["AES256", "KMS"])),
        optional("KMSMasterKeyId", TEXT),
    ],
};

static LOCAL_SECONDARY_INDEXES: List = list_of(structure(&LOCAL_SECONDARY_INDEX), 0, usize::MAX);
static LOCAL_SECONDARY_INDEX: Structure = Structure {
    name: "LocalSecondaryIndex",
    members: &[required("IndexName", INDEX), required("KeySchema", KEY_SCHEMA), required("Projection", PROJECTION)],
};

static GLOBAL_SECONDARY_INDEXES: List = list_of(structure(&GLOBAL_SECONDARY_INDEX), 0, usize::MAX);
static GLOBAL_SECONDARY_INDEX: Structure = Structure {
    name: "GlobalSecondaryIndex",
    members: &[
        required("IndexName", INDEX),
        required("KeySchema", KEY_SCHEMA),
        required("Projection", PROJECTION),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static TAGS: List = list_of(structure(&TAG), 0, usize::MAX);
static TAG: Structure =
    Structure { name: "Tag", members: &[required("Key", text(1, 128)), required("Value", text(0, 256))] };

pub(in crate::http::dynamodb) static CREATE_TABLE: Structure = Structure {
    name: "CreateTableInput",
    members: &[
        required("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        parameter("TableName", TABLE),
        optional("BillingMode", BILLING_MODE),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        required("KeySchema", KEY_SCHEMA),
        optional("LocalSecondaryIndexes", list(&LOCAL_SECONDARY_INDEXES)),
        optional("GlobalSecondaryIndexes", list(&GLOBAL_SECONDARY_INDEXES)),
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
        required("IndexName", INDEX),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static CREATE_INDEX: Structure = Structure {
    name: "CreateGlobalSecondaryIndexAction",
    members: &[
        required("Projection", PROJECTION),
        required("IndexName", INDEX),
        optional("ProvisionedThroughput", PROVISIONED_THROUGHPUT),
        required("KeySchema", KEY_SCHEMA),
        optional("OnDemandThroughput", ON_DEMAND_THROUGHPUT),
        optional("WarmThroughput", WARM_THROUGHPUT),
    ],
};

static DELETE_INDEX: Structure =
    Structure { name: "DeleteGlobalSecondaryIndexAction", members: &[required("IndexName", INDEX)] };

/// What concerns copies in other regions is only looked at to be refused.
static REPLICA_UPDATES: List = list_of(structure(&REPLICA_UPDATE), 1, usize::MAX);
static REPLICA_UPDATE: Structure = Structure { name: "ReplicationGroupUpdate", members: &[] };

pub(in crate::http::dynamodb) static UPDATE_TABLE: Structure = Structure {
    name: "UpdateTableInput",
    members: &[
        optional("AttributeDefinitions", ATTRIBUTE_DEFINITIONS),
        parameter("TableName", TABLE),
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
    Structure { name: "DeleteTableInput", members: &[parameter("TableName", TABLE)] };

pub(in crate::http::dynamodb) static DESCRIBE_TABLE: Structure =
    Structure { name: "DescribeTableInput", members: &[parameter("TableName", TABLE)] };

pub(in crate::http::dynamodb) static LIST_TABLES: Structure = Structure {
    name: "ListTablesInput",
    members: &[optional("Limit", integer(1, 100)), optional("ExclusiveStartTableName", named(Kind::Name, 3, 255))],
};

const RESOURCE_ARN: Shape = text(1, 1283);

pub(in crate::http::dynamodb) static TAG_RESOURCE: Structure = Structure {
    name: "TagResourceInput",
    members: &[required("ResourceArn", RESOURCE_ARN), required("Tags", list(&TAGS))],
};

static TAG_KEYS: List = list_of(text(1, 128), 0, usize::MAX);

pub(in crate::http::dynamodb) static UNTAG_RESOURCE: Structure = Structure {
    name: "UntagResourceInput",
    members: &[required("ResourceArn", RESOURCE_ARN), required("TagKeys", list(&TAG_KEYS))],
};

pub(in crate::http::dynamodb) static LIST_TAGS_OF_RESOURCE: Structure = Structure {
    name: "ListTagsOfResourceInput",
    members: &[required("ResourceArn", RESOURCE_ARN), optional("NextToken", TEXT)],
};

pub(in crate::http::dynamodb) static DESCRIBE_LIMITS: Structure =
    Structure { name: "DescribeLimitsInput", members: &[] };

pub(in crate::http::dynamodb) static DESCRIBE_ENDPOINTS: Structure =
    Structure { name: "DescribeEndpointsRequest", members: &[] };

pub(in crate::http::dynamodb) static DESCRIBE_TIME_TO_LIVE: Structure =
    Structure { name: "DescribeTimeToLiveInput", members: &[parameter("TableName", TABLE)] };

pub(in crate::http::dynamodb) static UPDATE_TIME_TO_LIVE: Structure = Structure {
    name: "UpdateTimeToLiveInput",
    members: &[
        parameter("TableName", TABLE),
        required("TimeToLiveSpecification", structure(&TIME_TO_LIVE_SPECIFICATION)),
    ],
};

static TIME_TO_LIVE_SPECIFICATION: Structure = Structure {
    name: "TimeToLiveSpecification",
    members: &[required("Enabled", BOOLEAN), required("AttributeName", text(1, 255))],
};
