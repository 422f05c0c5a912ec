//! Tags, expiry, and what the service says of itself.

use super::{Store, describe};
use crate::http::dynamodb::endpoint::{Caller, Reply};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::requests::{
    DescribeTimeToLive, ListTagsOfResource, Tag, TagResource, UntagResource, UpdateTimeToLive,
};
use crate::item::{SettingChange, TableSettings};
use crate::metadata::TableChange;

/// Capacity units that the service lets an account, and a table, have.
const UNITS_OF_ACCOUNT: u32 = 80_000;
const UNITS_OF_TABLE: u32 = 40_000;

/// How long a client may remember an endpoint, in minutes.
const ENDPOINT_MINUTES: u32 = 1_440;

/// `DescribeLimits`: the service's own, which bind nobody here.
pub(super) fn limits() -> Reply {
    Reply::object(|out| {
        out.name("AccountMaxReadCapacityUnits").integer(UNITS_OF_ACCOUNT);
        out.name("AccountMaxWriteCapacityUnits").integer(UNITS_OF_ACCOUNT);
        out.name("TableMaxReadCapacityUnits").integer(UNITS_OF_TABLE);
        out.name("TableMaxWriteCapacityUnits").integer(UNITS_OF_TABLE);
    })
}

/// `DescribeEndpoints`: this one.
pub(super) fn endpoints(caller: &Caller<'_>) -> Reply {
    Reply::object(|out| {
        out.name("Endpoints").array(|out| {
            out.object(|out| {
                out.name("Address").text(&caller.host);
                out.name("CachePeriodInMinutes").integer(ENDPOINT_MINUTES);
            });
        });
    })
}

impl Store {
    pub(super) async fn tag(&self, tag: TagResource) -> Result<Reply, ApiError> {
        let table = self.tagged(&tag.resource_arn).await?;
        let change = |Tag { key: name, value }: &Tag| SettingChange::Tag { name: name.clone(), value: value.clone() };
        self.configure(&table, tag.tags.iter().map(change).collect()).await?;
        Ok(Reply::empty())
    }

    pub(super) async fn untag(&self, untag: UntagResource) -> Result<Reply, ApiError> {
        let table = self.tagged(&untag.resource_arn).await?;
        self.configure(&table, untag.tag_keys.into_iter().map(SettingChange::Untag).collect()).await?;
        Ok(Reply::empty())
    }

    pub(super) async fn list_tags(&self, list: ListTagsOfResource) -> Result<Reply, ApiError> {
        let table = self.tagged(&list.resource_arn).await?;
        Ok(Reply::object(|out| {
            out.name("Tags").array(|out| {
                for (name, value) in &table.settings.tags {
                    out.object(|out| {
                        out.name("Key").text(name);
                        out.name("Value").text(value);
                    });
                }
            });
        }))
    }

    pub(super) async fn describe_ttl(&self, describe: DescribeTimeToLive) -> Result<Reply, ApiError> {
        let table = self.known_table(&describe.table_name).await?;
        let TableSettings { ttl_attribute, .. } = &table.settings;
        Ok(Reply::object(|out| {
            out.name("TimeToLiveDescription").object(|out| {
                out.name("TimeToLiveStatus").text(if ttl_attribute.is_some() { "ENABLED" } else { "DISABLED" });
                if let Some(attribute) = ttl_attribute {
                    out.name("AttributeName").text(attribute);
                }
            });
        }))
    }

    pub(super) async fn update_ttl(&self, update: UpdateTimeToLive) -> Result<Reply, ApiError> {
        let table = self.known_table(&update.table_name).await?;
        let asked = update.time_to_live_specification;
        let present = table.settings.ttl_attribute.as_deref();
        match (present, asked.enabled) {
            (Some(_), true) => return Err(ApiError::validation("TimeToLive is already enabled")),
            (None, false) => return Err(ApiError::validation("TimeToLive is already disabled")),
            (Some(attribute), false) if attribute != asked.attribute_name => {
                return Err(ApiError::validation(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {attribute}"
                )));
            }
            _ => {}
        }
        let attribute = asked.enabled.then(|| asked.attribute_name.clone());
        self.configure(&table, vec![SettingChange::TtlAttribute(attribute)]).await?;
        Ok(Reply::object(|out| {
            out.name("TimeToLiveSpecification").object(|out| {
                out.name("Enabled").boolean(asked.enabled);
                out.name("AttributeName").text(&asked.attribute_name);
            });
        }))
    }

    async fn configure(&self, table: &super::Table, changes: Vec<SettingChange>) -> Result<(), ApiError> {
        let change = TableChange::Configure { table: table.name.clone(), changes };
        self.change(table.name.as_str(), change).await
    }

    /// The table that an ARN names.
    async fn tagged(&self, arn: &str) -> Result<super::Table, ApiError> {
        let invalid = || ApiError::validation(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}"));
        let name = describe::table_of_arn(arn).ok_or_else(invalid)?;
        self.table(name).await.map_err(|error| match error {
            ApiError::ResourceNotFound { .. } => ApiError::ResourceNotFound {
                message: format!("Requested resource not found: ResourcArn: {arn} not found").into(),
            },
            error => error,
        })
    }
}
