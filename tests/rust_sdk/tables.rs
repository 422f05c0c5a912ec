//! Tables, tags, limits.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::tag_resource::TagResourceError;
use aws_sdk_dynamodb::types::{
    BillingMode, GlobalSecondaryIndex, KeyType, Projection, ProjectionType, ProvisionedThroughput, ScalarAttributeType,
    TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::{create_table, definition, key_part, refusal, refused};

pub async fn all(client: &Client) {
    a_table_from_its_creation_to_its_end(client).await;
    tables_are_listed_page_by_page(client).await;
    tags_come_and_go(client).await;
    expiry_is_kept(client).await;
    the_server_says_what_it_allows(client).await;
    refusals_have_their_types(client).await;
}

async fn a_table_from_its_creation_to_its_end(client: &Client) {
    let name = "sdk.orders-1";
    let created = client
        .create_table()
        .table_name(name)
        .attribute_definitions(definition("id", ScalarAttributeType::S))
        .attribute_definitions(definition("at", ScalarAttributeType::N))
        .key_schema(key_part("id", KeyType::Hash))
        .key_schema(key_part("at", KeyType::Range))
        .global_secondary_indexes(index())
        .provisioned_throughput(units(5, 6))
        .deletion_protection_enabled(true)
        .send()
        .await
        .expect("it is created");
    let created = created.table_description.expect("a description");
    let arn = created.table_arn().expect("an ARN");
    assert_eq!(arn, format!("arn:aws:dynamodb:eu-central-1:000000000000:table/{name}"));
    client.wait_until_table_exists().table_name(name).wait(Duration::from_secs(60)).await.expect("it is there");

    let described =
        client.describe_table().table_name(arn).send().await.expect("it is described").table.expect("a table");
    assert_eq!(described.table_status(), Some(&TableStatus::Active));
    assert_eq!(described.table_id(), created.table_id());
    assert_eq!(described.creation_date_time(), created.creation_date_time());
    assert_eq!(described.global_secondary_indexes()[0].index_name(), Some("by-time"));
    let capacity = described.provisioned_throughput().expect("what is provisioned");
    assert_eq!((capacity.read_capacity_units(), capacity.write_capacity_units()), (Some(5), Some(6)));

    let protected = client.delete_table().table_name(name).send().await;
    let words =
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.";
    assert_eq!(refusal(protected), refused("ValidationException", words));
    let update = client.update_table().table_name(name).deletion_protection_enabled(false);
    let updated = update.billing_mode(BillingMode::PayPerRequest).send().await.expect("it is changed");
    assert_eq!(updated.table_description().expect("a table").deletion_protection_enabled(), Some(false));
    client.delete_table().table_name(name).send().await.expect("it is deleted");
    client.wait_until_table_not_exists().table_name(name).wait(Duration::from_secs(60)).await.expect("it is gone");
}

fn index() -> GlobalSecondaryIndex {
    let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let index = GlobalSecondaryIndex::builder().index_name("by-time").projection(projection);
    index.key_schema(key_part("at", KeyType::Hash)).provisioned_throughput(units(1, 1)).build().expect("an index")
}

fn units(read: i64, write: i64) -> ProvisionedThroughput {
    let units = ProvisionedThroughput::builder().read_capacity_units(read).write_capacity_units(write);
    units.build().expect("units")
}

async fn tables_are_listed_page_by_page(client: &Client) {
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(create_table(client, None).await);
    }
    created.sort();
    let pages = client.list_tables().limit(2).into_paginator().items().send();
    let listed: Vec<String> = pages.collect::<Result<_, _>>().await.expect("all pages");
    assert_eq!(listed, created);
    for name in created {
        client.delete_table().table_name(name).send().await.expect("it is deleted");
    }
}

async fn tags_come_and_go(client: &Client) {
    let name = create_table(client, None).await;
    let arn = format!("arn:aws:dynamodb:eu-central-1:000000000000:table/{name}");
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().expect("a tag");
    let tags = client.tag_resource().resource_arn(&arn).tags(tag("team", "shop")).tags(tag("stage", "test"));
    tags.send().await.expect("tags are taken");
    client.untag_resource().resource_arn(&arn).tag_keys("team").send().await.expect("a tag is removed");
    let listed = client.list_tags_of_resource().resource_arn(&arn).send().await.expect("tags are listed");
    assert_eq!(listed.tags(), [tag("stage", "test")]);
    let many = (0..50).map(|at| tag(&format!("t{at}"), "x")).collect();
    let refused = client.tag_resource().resource_arn(&arn).set_tags(Some(many)).send().await;
    let refused = refused.expect_err("51 tags are too many").into_service_error();
    assert!(matches!(refused, TagResourceError::LimitExceededException(_)), "{}", DisplayErrorContext(&refused));
}

async fn expiry_is_kept(client: &Client) {
    let name = create_table(client, None).await;
    let specification =
        TimeToLiveSpecification::builder().enabled(true).attribute_name("until").build().expect("a specification");
    let update = client.update_time_to_live().table_name(&name).time_to_live_specification(specification);
    update.send().await.expect("it is taken");
    let described = client.describe_time_to_live().table_name(&name).send().await.expect("it is described");
    let described = described.time_to_live_description().expect("a description");
    assert_eq!(described.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    assert_eq!(described.attribute_name(), Some("until"));
}

async fn the_server_says_what_it_allows(client: &Client) {
    let limits = client.describe_limits().send().await.expect("limits");
    assert_eq!(limits.table_max_write_capacity_units(), Some(40_000));
    let endpoints = client.describe_endpoints().send().await.expect("endpoints");
    assert!(endpoints.endpoints()[0].address().starts_with("127.0.0.1:"));
}

async fn refusals_have_their_types(client: &Client) {
    let missing = client.describe_table().table_name("sdk-missing").send().await;
    let missing = missing.expect_err("there is none").into_service_error();
    let DescribeTableError::ResourceNotFoundException(missing) = missing else { panic!("{missing:?}") };
    assert_eq!(missing.message(), Some("Requested resource not found: Table: sdk-missing not found"));

    let name = create_table(client, None).await;
    let again = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let again = again.attribute_definitions(definition("id", ScalarAttributeType::S));
    let again = again.key_schema(key_part("id", KeyType::Hash)).send().await;
    let again = again.expect_err("there is one already").into_service_error();
    let CreateTableError::ResourceInUseException(again) = again else { panic!("{again:?}") };
    assert_eq!(again.message(), Some(format!("Table already exists: {name}").as_str()));

    let statement = client.execute_statement().statement("SELECT * FROM x").send().await;
    let words = "ExecuteStatement is not supported by this server.";
    assert_eq!(refusal(statement), refused("UnknownOperationException", words));
}
