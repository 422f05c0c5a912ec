//! What the operations do: requests as types become messages to the actors, and their answers replies.
//!
//! ```text
//!   Request ── check what needs the table ──▶ Get, Put, Delete, Query, Scan, Modify, ChangeTables ──▶ Reply
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `table` | a table as this API shows it, and keys in the service's words |
//! | `expressions`, `legacy` | conditions, projections and updates of a request |
//! | `items`, `queries`, `batches`, `transactions` | items |
//! | `tables`, `describe`, `settings` | tables |
//! | `capacity` | what it would have cost |
//! | `failures` | what the actors answer, as errors of this API |
//!
//! Nothing here knows how items are replicated. A write that depends on nothing is a put by quorum; one that has a condition, changes an item or returns
//! what was there goes to where the writes of its key are put in order.

mod batches;
mod capacity;
mod describe;
mod expressions;
mod failures;
mod items;
mod legacy;
mod queries;
mod settings;
mod table;
mod tables;
mod transactions;

use super::endpoint::{Api, Caller, Reply};
use super::error::ApiError;
use super::requests::Request;
use crate::http::store::Store;
use table::Table;

impl Api for Store {
    async fn run(&self, request: Request, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        match request {
            Request::PutItem(put) => self.put_item(*put).await,
            Request::GetItem(get) => self.get_item(*get).await,
            Request::UpdateItem(update) => self.update_item(*update).await,
            Request::DeleteItem(delete) => self.delete_item(*delete).await,
            Request::Query(query) => self.run_query(*query).await,
            Request::Scan(scan) => self.run_scan(*scan).await,
            Request::BatchGetItem(batch) => self.batch_get(*batch).await,
            Request::BatchWriteItem(batch) => self.batch_write(*batch).await,
            Request::CreateTable(create) => self.create_table(*create, caller).await,
            Request::UpdateTable(update) => self.update_table(*update, caller).await,
            Request::DeleteTable(delete) => self.delete_table(*delete, caller).await,
            Request::DescribeTable(describe) => self.describe_table(*describe, caller).await,
            Request::ListTables(list) => Ok(self.list_tables(&list)),
            Request::TagResource(tag) => self.tag(*tag).await,
            Request::UntagResource(untag) => self.untag(*untag).await,
            Request::ListTagsOfResource(list) => self.list_tags(*list).await,
            Request::DescribeTimeToLive(describe) => self.describe_ttl(*describe).await,
            Request::UpdateTimeToLive(update) => self.update_ttl(*update).await,
            Request::DescribeLimits(_) => Ok(settings::limits()),
            Request::DescribeEndpoints(_) => Ok(settings::endpoints(caller)),
            Request::TransactGetItems(get) => self.transact_get(*get).await,
            Request::TransactWriteItems(write) => self.transact_write(*write).await,
        }
    }
}

impl Store {
    /// The table, if it is one of this API's.
    async fn table(&self, name: &str) -> Result<Table, ApiError> {
        Table::find(self.view_with(name).await, name)
    }
}
