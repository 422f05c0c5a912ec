//! A table as `TableDescription` shows it.

use crate::http::dynamodb::endpoint::Caller;
use crate::http::dynamodb::json_out::JsonWriter;
use crate::item::{Billing, IndexSchema, Projected, TableSchema};

/// The account that all tables belong to.
const ACCOUNT: &str = "000000000000";

/// The region in names, where a request was not signed for any.
const REGION: &str = "us-east-1";

/// The name of a table in the world.
pub(super) fn arn(table: &str, caller: &Caller<'_>) -> String {
    let region = caller.region.as_deref().unwrap_or(REGION);
    format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}")
}

/// The table that an ARN names.
pub(super) fn table_of_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_ours = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("dynamodb");
    let name = parts.nth(2)?.strip_prefix("table/")?;
    is_ours.then_some(name).filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Writes a description with this status.
pub(super) fn write(out: &mut JsonWriter, table: &TableSchema, status: &str, caller: &Caller<'_>) {
    let settings = &table.settings;
    let (name, arn) = (table.name.as_str(), arn(table.name.as_str(), caller));
    out.object(|out| {
        let own = std::iter::once(&table.partition_key).chain(&table.sort_key);
        out.name("AttributeDefinitions").array(|out| {
            // A table that was not created over this API has no settings.
            let defined: Vec<_> =
                if settings.attributes.is_empty() { own.collect() } else { settings.attributes.iter().collect() };
            for attribute in defined {
                out.object(|out| {
                    out.name("AttributeName").text(&attribute.name);
                    out.name("AttributeType").text(attribute.kind.type_name());
                });
            }
        });
        out.name("TableName").text(name);
        out.name("KeySchema");
        write_keys(out, &table.partition_key.name, table.sort_key.as_ref().map(|sort| sort.name.as_str()));
        out.name("TableStatus").text(status);
        out.name("CreationDateTime").float(settings.created_ms as f64 / 1000.0);
        write_billing(out, settings.billing);
        out.name("TableSizeBytes").integer(0);
        out.name("ItemCount").integer(0);
        out.name("TableArn").text(&arn);
        out.name("TableId").text(&uuid::Uuid::from_u128(settings.uuid).to_string());
        let mode = if settings.billing == Billing::PayPerRequest { "PAY_PER_REQUEST" } else { "PROVISIONED" };
        out.name("BillingModeSummary").object(|out| out.name("BillingMode").text(mode));
        if !settings.local_indexes.is_empty() {
            out.name("LocalSecondaryIndexes")
                .array(|out| settings.local_indexes.iter().for_each(|index| write_index(out, index, &arn, false)));
        }
        if !settings.global_indexes.is_empty() {
            out.name("GlobalSecondaryIndexes")
                .array(|out| settings.global_indexes.iter().for_each(|index| write_index(out, index, &arn, true)));
        }
        if settings.is_infrequent {
            out.name("TableClassSummary").object(|out| out.name("TableClass").text("STANDARD_INFREQUENT_ACCESS"));
        }
        out.name("DeletionProtectionEnabled").boolean(settings.deletion_protected);
    });
}

fn write_keys(out: &mut JsonWriter, partition: &str, sort: Option<&str>) {
    out.array(|out| {
        for (name, kind) in std::iter::once((partition, "HASH")).chain(sort.map(|sort| (sort, "RANGE"))) {
            out.object(|out| {
                out.name("AttributeName").text(name);
                out.name("KeyType").text(kind);
            });
        }
    });
}

fn write_billing(out: &mut JsonWriter, billing: Billing) {
    let (read, write) = match billing {
        Billing::PayPerRequest => (0, 0),
        Billing::Provisioned { read, write } => (read, write),
    };
    out.name("ProvisionedThroughput").object(|out| {
        out.name("NumberOfDecreasesToday").integer(0);
        out.name("ReadCapacityUnits").integer(read);
        out.name("WriteCapacityUnits").integer(write);
    });
}

fn write_index(out: &mut JsonWriter, index: &IndexSchema, table_arn: &str, is_global: bool) {
    out.object(|out| {
        out.name("IndexName").text(&index.name);
        out.name("KeySchema");
        write_keys(out, &index.partition_key, index.sort_key.as_deref());
        out.name("Projection").object(|out| {
            let kind = match &index.projection {
                Projected::All => "ALL",
                Projected::KeysOnly => "KEYS_ONLY",
                Projected::Include(_) => "INCLUDE",
            };
            out.name("ProjectionType").text(kind);
            if let Projected::Include(names) = &index.projection {
                out.name("NonKeyAttributes").texts(names);
            }
        });
        if is_global {
            out.name("IndexStatus").text("ACTIVE");
            write_billing(out, index.billing);
        }
        out.name("IndexSizeBytes").integer(0);
        out.name("ItemCount").integer(0);
        out.name("IndexArn").text(&format!("{table_arn}/index/{}", index.name));
    });
}

#[cfg(test)]
mod tests {
    use super::{arn, table_of_arn};
    use crate::http::dynamodb::endpoint::Caller;

    #[test]
    fn an_arn_names_its_table() {
        let caller = Caller { region: Some("eu-west-1".into()), ..Caller::default() };
        assert_eq!(arn("orders", &caller), "arn:aws:dynamodb:eu-west-1:000000000000:table/orders");
        assert_eq!(table_of_arn(&arn("orders", &Caller::default())), Some("orders"));
        for other in [
            "",
            "orders",
            "arn:aws:s3:::table/x",
            "arn:aws:dynamodb:r:1:table/",
            "arn:aws:dynamodb:r:1:table/a/index/b",
        ] {
            assert_eq!(table_of_arn(other), None, "{other}");
        }
    }
}
