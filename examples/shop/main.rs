//! A small shop on a cluster: a few customers order at once, each through another node.
//!
//! ```text
//! cargo run -- playground --nodes 3
//! cargo run --example shop -- --endpoint http://127.0.0.1:8000 --endpoint http://127.0.0.1:8001
//! ```
//!
//! `docs/shop.md` tells what happens; `shop.rs` is all of the shop.

mod shop;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use shop::{Failure, Line, Outcome, Shop, order_number};

const PRODUCTS: [(&str, u64, u64); 3] = [("tea", 450, 20), ("coffee", 700, 12), ("mug", 1200, 5)];
const CUSTOMERS: [&str; 4] = ["ada", "bob", "cleo", "dan"];

/// Opens a shop and sends some customers into it.
#[derive(Parser)]
struct Arguments {
    /// Where to send requests; with several, the customers are spread over them.
    #[arg(long = "endpoint", default_value = "http://127.0.0.1:8000")]
    endpoints: Vec<String>,
    /// How often each customer orders.
    #[arg(long, default_value_t = 3)]
    orders: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let shops: Vec<Shop> = arguments.endpoints.iter().map(|endpoint| Shop::at(endpoint)).collect();
    let clerk = shops.first().ok_or("one endpoint at least")?;
    clerk.open().await?;
    for (product, price_cents, stock) in PRODUCTS {
        clerk.offer(product, price_cents, stock).await?;
    }
    let shoppers = CUSTOMERS.iter().zip(shops.iter().cycle());
    let shopping = shoppers.map(|(customer, shop)| go_shopping(shop, customer, arguments.orders));
    futures_util::future::try_join_all(shopping).await?;
    let walk_in = Line { product: "mug".to_owned(), quantity: 1 };
    println!("over the counter: {}", if clerk.sell(&walk_in).await? { "a mug" } else { "no mug is left" });
    for customer in CUSTOMERS {
        for (at, page) in clerk.orders(customer, 0, 2).await?.iter().enumerate() {
            for order in page {
                let paid = clerk.paid_cents(&order.placed).await?.unwrap_or_default();
                println!("{customer}, page {at}: order {} of {} ct, {paid} ct paid", order.placed, order.total_cents);
            }
        }
    }
    for (product, ..) in PRODUCTS {
        let product = clerk.product(product).await?.ok_or("it was offered")?;
        println!("{}: {} in stock, {} sold", product.name, product.stock, product.sold);
    }
    Ok(())
}

async fn go_shopping(shop: &Shop, customer: &str, orders: u32) -> Result<(), Failure> {
    for at in 0..orders as usize {
        let product = PRODUCTS[(at + customer.len()) % PRODUCTS.len()].0.to_owned();
        shop.add_to_cart(customer, &Line { product, quantity: 1 }).await?;
        shop.add_to_cart(customer, &Line { product: "tea".to_owned(), quantity: 1 }).await?;
        let cart = shop.cart(customer).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        match shop.place(customer, &order_number(now, &uuid::Uuid::new_v4().simple().to_string()), &cart).await? {
            Outcome::Placed { total_cents } => println!("{customer} has ordered for {total_cents} ct"),
            Outcome::SoldOut(product) => println!("{customer} cannot have so much {product}"),
            Outcome::CartHasChanged => println!("{customer} has changed the cart meanwhile"),
        }
    }
    Ok(())
}
