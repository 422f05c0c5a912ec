//! The shop itself. It knows the AWS SDK and nothing of Slipring: the same code runs against DynamoDB.
//!
//! | table | key | an item is |
//! |---|---|---|
//! | `shop-products` | `product` | price, what is in stock, what was sold |
//! | `shop-carts` | `customer`, `product` | how many of it somebody wants |
//! | `shop-orders` | `customer`, `placed` | what was ordered, and for how much |
//! | `shop-payments` | `placed` | what has been paid |
//!
//! Stock never goes negative, because each change of it has the condition that there is enough. An order is one transaction: the stock
//! goes down, order and payment are written and the cart is emptied, or nothing of it.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CancellationReason, Delete, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, TransactWriteItem, Update,
};

const PRODUCTS: &str = "shop-products";
const CARTS: &str = "shop-carts";
const ORDERS: &str = "shop-orders";
const PAYMENTS: &str = "shop-payments";

/// The tables and their keys.
const TABLES: [(&str, &[&str]); 4] = [
    (PRODUCTS, &["product"]),
    (CARTS, &["customer", "product"]),
    (ORDERS, &["customer", "placed"]),
    (PAYMENTS, &["placed"]),
];

/// A change of stock happens only where there is enough of it.
const TAKE: &str = "SET stock = stock - :quantity, sold = sold + :quantity";
const IF_ENOUGH: &str = "stock >= :quantity";

/// How often an order is sent again that met another one.
const CONFLICTS_MAX: u32 = 50;

/// The shop could not do it, and perhaps cannot say whether it did.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What is sold.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub name: String,
    pub price_cents: u64,
    pub stock: u64,
    pub sold: u64,
}

/// So many of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub product: String,
    pub quantity: u64,
}

/// What a customer has ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub placed: String,
    pub lines: Vec<Line>,
    pub total_cents: u64,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Placed {
        total_cents: u64,
    },
    /// There is not enough of this product. Nothing has changed.
    SoldOut(String),
    /// The cart is not what was ordered any more. Nothing has changed.
    CartHasChanged,
}

/// The shop, seen through one endpoint.
#[derive(Clone)]
pub struct Shop {
    client: Client,
}

impl Shop {
    /// A shop whose tables are at this endpoint, such as `http://127.0.0.1:8000`.
    pub fn at(endpoint: &str) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| "any".to_owned());
        let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new(id, secret, None, None, "shop"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// Creates the tables that are not there yet.
    pub async fn open(&self) -> Result<(), Failure> {
        for (table, key) in TABLES {
            let mut create = self.client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
            for (name, part) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
                let kind = ScalarAttributeType::S;
                create = create
                    .attribute_definitions(
                        AttributeDefinition::builder().attribute_name(*name).attribute_type(kind).build()?,
                    )
                    .key_schema(KeySchemaElement::builder().attribute_name(*name).key_type(part).build()?);
            }
            match create.send().await.map_err(|error| error.into_service_error()) {
                Ok(_) | Err(CreateTableError::ResourceInUseException(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes a product into the range. `false` if it is there already, which stays as it is: two clerks do no harm.
    pub async fn offer(&self, product: &str, price_cents: u64, stock: u64) -> Result<bool, Failure> {
        let put = self.client.put_item().table_name(PRODUCTS).item("product", text(product));
        let put = put.item("price", number(price_cents)).item("stock", number(stock)).item("sold", number(0));
        match put.condition_expression("attribute_not_exists(product)").send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.into_service_error() {
                PutItemError::ConditionalCheckFailedException(_) => Ok(false),
                error => Err(error.into()),
            },
        }
    }

    pub async fn product(&self, name: &str) -> Result<Option<Product>, Failure> {
        let get = self.client.get_item().table_name(PRODUCTS).key("product", text(name)).consistent_read(true);
        get.send().await?.item.map(|item| product_of(&item)).transpose()
    }

    /// Sells over the counter. `false` if there is not enough.
    pub async fn sell(&self, line: &Line) -> Result<bool, Failure> {
        let update = self.client.update_item().table_name(PRODUCTS).key("product", text(&line.product));
        let update = update.update_expression(TAKE).condition_expression(IF_ENOUGH);
        match update.expression_attribute_values(":quantity", number(line.quantity)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.into_service_error() {
                UpdateItemError::ConditionalCheckFailedException(_) => Ok(false),
                error => Err(error.into()),
            },
        }
    }

    /// Puts more of a product into a cart.
    pub async fn add_to_cart(&self, customer: &str, line: &Line) -> Result<(), Failure> {
        let update = self.client.update_item().table_name(CARTS).set_key(Some(cart_key(customer, line)));
        let update = update.update_expression("ADD quantity :more");
        update.expression_attribute_values(":more", number(line.quantity)).send().await?;
        Ok(())
    }

    pub async fn cart(&self, customer: &str) -> Result<Vec<Line>, Failure> {
        let query = self.client.query().table_name(CARTS).consistent_read(true);
        let query = query.key_condition_expression("customer = :customer");
        let items = query.expression_attribute_values(":customer", text(customer)).into_paginator().items().send();
        items.collect::<Result<Vec<_>, _>>().await?.iter().map(line_of).collect()
    }

    /// Orders what is in the cart. `placed` names the order and is drawn by the customer, see [`order_number`]. Whoever does not hear of the
    /// outcome places the same order again, also at another node: it happens once.
    pub async fn place(&self, customer: &str, placed: &str, lines: &[Line]) -> Result<Outcome, Failure> {
        let total_cents = self.total_cents(lines).await?;
        let actions = actions_of(customer, placed, lines, total_cents)?;
        for conflicts in 0..CONFLICTS_MAX {
            let write = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            let Err(error) = write.client_request_token(token_of(placed)).send().await else {
                return Ok(Outcome::Placed { total_cents });
            };
            match error.into_service_error() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    if let Some(outcome) = refused(cancelled.cancellation_reasons(), lines) {
                        return Ok(outcome);
                    }
                }
                TransactWriteItemsError::TransactionInProgressException(_) => {}
                error => return Err(error.into()),
            }
            // Another order has one of the items in hand.
            tokio::time::sleep(Duration::from_millis(u64::from(conflicts.min(20)) * 5)).await;
        }
        Err("the products of this order are in too great demand".into())
    }

    /// The orders of a customer from a moment on, the newest first, so many to a page.
    pub async fn orders(&self, customer: &str, since_ms: u128, page: i32) -> Result<Vec<Vec<Order>>, Failure> {
        let query = self.client.query().table_name(ORDERS).consistent_read(true).scan_index_forward(false).limit(page);
        let query = query.key_condition_expression("customer = :customer AND placed >= :since");
        let query = query.expression_attribute_values(":customer", text(customer));
        let query = query.expression_attribute_values(":since", text(&order_number(since_ms, "")));
        let pages = query.into_paginator().send().collect::<Result<Vec<_>, _>>().await?;
        pages.iter().map(|page| page.items().iter().map(order_of).collect()).collect()
    }

    /// What has been paid for an order, in cents.
    pub async fn paid_cents(&self, placed: &str) -> Result<Option<u64>, Failure> {
        let get = self.client.get_item().table_name(PAYMENTS).key("placed", text(placed)).consistent_read(true);
        get.send().await?.item.map(|item| number_in(&item, "cents")).transpose()
    }

    async fn total_cents(&self, lines: &[Line]) -> Result<u64, Failure> {
        let mut total = 0;
        for line in lines {
            let product = self.product(&line.product).await?.ok_or_else(|| format!("there is no {}", line.product))?;
            total += product.price_cents * line.quantity;
        }
        Ok(total)
    }
}

/// A name for an order: in order of time, and different for each.
pub fn order_number(unix_ms: u128, unique: &str) -> String {
    format!("{unix_ms:015}-{unique}")
}

/// All that an order does. The first actions are those on the products, one for each line.
fn actions_of(
    customer: &str,
    placed: &str,
    lines: &[Line],
    total_cents: u64,
) -> Result<Vec<TransactWriteItem>, Failure> {
    let mut actions = Vec::new();
    for line in lines {
        let take = Update::builder().table_name(PRODUCTS).key("product", text(&line.product)).update_expression(TAKE);
        let take = take.condition_expression(IF_ENOUGH).expression_attribute_values(":quantity", number(line.quantity));
        actions.push(TransactWriteItem::builder().update(take.build()?).build());
    }
    for line in lines {
        let empty = Delete::builder().table_name(CARTS).set_key(Some(cart_key(customer, line)));
        let empty = empty.condition_expression("quantity = :quantity");
        let empty = empty.expression_attribute_values(":quantity", number(line.quantity)).build()?;
        actions.push(TransactWriteItem::builder().delete(empty).build());
    }
    let quantities = lines.iter().map(|line| (line.product.clone(), number(line.quantity))).collect();
    let order = Put::builder().table_name(ORDERS).item("customer", text(customer)).item("placed", text(placed));
    let order = order.item("lines", AttributeValue::M(quantities)).item("total", number(total_cents)).build()?;
    let payment = Put::builder().table_name(PAYMENTS).item("placed", text(placed)).item("cents", number(total_cents));
    actions.push(TransactWriteItem::builder().put(order).build());
    actions.push(TransactWriteItem::builder().put(payment.build()?).build());
    Ok(actions)
}

/// Why an order cannot be placed; `None` if it only met another one.
fn refused(reasons: &[CancellationReason], lines: &[Line]) -> Option<Outcome> {
    let at = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"))?;
    Some(lines.get(at).map_or(Outcome::CartHasChanged, |line| Outcome::SoldOut(line.product.clone())))
}

/// A token has 36 characters at most.
fn token_of(placed: &str) -> &str {
    placed.get(placed.len().saturating_sub(36)..).unwrap_or(placed)
}

fn cart_key(customer: &str, line: &Line) -> HashMap<String, AttributeValue> {
    HashMap::from([("customer".to_owned(), text(customer)), ("product".to_owned(), text(&line.product))])
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn product_of(item: &HashMap<String, AttributeValue>) -> Result<Product, Failure> {
    Ok(Product {
        name: text_in(item, "product")?,
        price_cents: number_in(item, "price")?,
        stock: number_in(item, "stock")?,
        sold: number_in(item, "sold")?,
    })
}

fn line_of(item: &HashMap<String, AttributeValue>) -> Result<Line, Failure> {
    Ok(Line { product: text_in(item, "product")?, quantity: number_in(item, "quantity")? })
}

fn order_of(item: &HashMap<String, AttributeValue>) -> Result<Order, Failure> {
    let Some(AttributeValue::M(quantities)) = item.get("lines") else { return Err("an order without lines".into()) };
    let line = |product: &String| Ok(Line { product: product.clone(), quantity: number_in(quantities, product)? });
    let mut lines = quantities.keys().map(line).collect::<Result<Vec<_>, Failure>>()?;
    lines.sort_by(|a, b| a.product.cmp(&b.product));
    Ok(Order { placed: text_in(item, "placed")?, lines, total_cents: number_in(item, "total")? })
}

fn text_in(item: &HashMap<String, AttributeValue>, name: &str) -> Result<String, Failure> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.cloned().ok_or_else(|| format!("there is no text `{name}`").into())
}

fn number_in(item: &HashMap<String, AttributeValue>, name: &str) -> Result<u64, Failure> {
    let value = item.get(name).and_then(|value| value.as_n().ok());
    Ok(value.ok_or_else(|| format!("there is no number `{name}`"))?.parse()?)
}
