//! The AWS SDK for Rust works against three nodes, each request at another one: also the pages of one paginator, the polls of one
//! waiter and the second try of a request.

#[path = "rust_sdk/batches.rs"]
mod batches;
mod cluster;
#[path = "rust_sdk/items.rs"]
mod items;
#[path = "rust_sdk/queries.rs"]
mod queries;
#[path = "rust_sdk/signatures.rs"]
mod signatures;
#[path = "rust_sdk/tables.rs"]
mod tables;
#[path = "rust_sdk/transactions.rs"]
mod transactions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use cluster::Cluster;

/// An item, or the key of one.
type Item = HashMap<String, AttributeValue>;

#[tokio::test]
async fn every_operation_works_through_all_nodes() {
    let cluster = Cluster::start(3);
    let client = client_of(&cluster);
    tables::all(&client).await;
    items::all(&client).await;
    queries::all(&client).await;
    batches::all(&client).await;
    transactions::all(&client).await;
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}

/// Names one node after the other.
#[derive(Debug)]
struct Turns {
    endpoints: Vec<String>,
    next: AtomicUsize,
}

impl ResolveEndpoint for Turns {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        EndpointFuture::ready(Ok(Endpoint::builder().url(self.endpoints[turn % self.endpoints.len()].clone()).build()))
    }
}

/// What all clients have in common. Nothing is tried again by itself: a failure is seen.
fn settings(cluster: &Cluster) -> Builder {
    let endpoints = cluster.nodes.iter().map(|node| format!("http://{}", node.http)).collect();
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_resolver(Turns { endpoints, next: AtomicUsize::new(0) })
        .retry_config(RetryConfig::disabled())
}

fn client_of(cluster: &Cluster) -> Client {
    client_with(settings(cluster), "AKIASLIPRING", "any secret will do where no keys are configured")
}

fn client_with(settings: Builder, id: &str, secret: &str) -> Client {
    Client::from_conf(settings.credentials_provider(Credentials::new(id, secret, None, None, "tests")).build())
}

/// A new table with the key `id`, and `at` if there is a sort key. Its name.
async fn create_table(client: &Client, sort: Option<ScalarAttributeType>) -> String {
    let name = format!("sdk-{}", uuid::Uuid::new_v4().simple());
    let parts = [("id", KeyType::Hash, Some(ScalarAttributeType::S)), ("at", KeyType::Range, sort)];
    let mut create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, part, kind) in parts {
        let Some(kind) = kind else { continue };
        create = create.attribute_definitions(definition(attribute, kind)).key_schema(key_part(attribute, part));
    }
    create.send().await.expect("the table is created");
    name
}

fn definition(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("a definition")
}

fn key_part(name: &str, part: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(part).build().expect("a part of a key")
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The type of a refusal, its status and its text.
fn refusal<T, E>(answer: Result<T, SdkError<E>>) -> (String, u16, String)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let Err(SdkError::ServiceError(refused)) = answer else { panic!("this must be refused by the server") };
    let code = refused.err().code().unwrap_or_default().to_owned();
    (code, refused.raw().status().as_u16(), refused.err().message().unwrap_or_default().to_owned())
}

/// The same, to compare with.
fn refused(code: &str, message: &str) -> (String, u16, String) {
    (code.to_owned(), 400, message.to_owned())
}
