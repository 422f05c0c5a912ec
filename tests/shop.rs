//! The shop of `examples/shop` on three nodes: shoppers at once, each at another node, and in the end nothing is sold twice or lost.

mod cluster;
#[path = "../examples/shop/shop.rs"]
mod shop;

use std::collections::BTreeMap;

use cluster::Cluster;
use futures_util::future::join_all;
use shop::{Line, Outcome, Shop, order_number};

/// So many of each product, which is less than what is wanted.
const STOCK: u64 = 25;
const SHOPPERS: usize = 6;
const PURCHASES: usize = 12;

#[tokio::test]
async fn what_is_sold_over_the_counter_was_in_stock() {
    let (cluster, shops) = open_shop().await;
    let sell = async |shopper: usize| {
        let mut sold = 0;
        for purchase in 0..PURCHASES as u64 {
            let line = line("tea", 1 + purchase % 3);
            sold += if shops[shopper % 3].sell(&line).await.expect("an answer") { line.quantity } else { 0 };
        }
        sold
    };
    let sold: u64 = join_all((0..SHOPPERS).map(sell)).await.into_iter().sum();
    for shop in &shops {
        let product = shop.product("tea").await.expect("an answer").expect("it is offered");
        assert_eq!((product.sold, product.stock), (sold, STOCK - sold));
    }
    assert_eq!(sold, STOCK, "there is demand for all of it");
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}

#[tokio::test]
async fn carts_add_up_and_products_are_offered_once() {
    let (_cluster, shops) = open_shop().await;
    let add = async |shopper: usize| {
        for _ in 0..5 {
            shops[shopper % 3].add_to_cart("ada", &line("mug", 1)).await.expect("it is added");
        }
    };
    join_all((0..SHOPPERS).map(add)).await;
    shops[1].add_to_cart("ada", &line("tea", 2)).await.expect("it is added");
    shops[0].add_to_cart("adam", &line("tea", 2)).await.expect("it is added");
    assert_eq!(shops[2].cart("ada").await.expect("a cart"), [line("mug", 30), line("tea", 2)]);
    assert!(!shops[2].offer("tea", 1, 1000).await.expect("an answer"), "it is there already");
    assert_eq!(shops[0].product("tea").await.expect("an answer").expect("it is there").stock, STOCK);
    assert_eq!(shops[0].orders("ada", 0, 5).await.expect("no orders").concat(), []);
}

#[tokio::test]
async fn orders_are_all_or_nothing() {
    let (cluster, shops) = open_shop().await;
    let go_shopping = async |shopper: usize| {
        let (shop, customer) = (&shops[shopper % 3], format!("customer-{shopper}"));
        for purchase in 0..PURCHASES {
            shop.add_to_cart(&customer, &line("tea", 1)).await.expect("it is added");
            shop.add_to_cart(&customer, &line(["coffee", "mug"][purchase % 2], 1)).await.expect("it is added");
            let (cart, placed) =
                (shop.cart(&customer).await.expect("a cart"), order_number(purchase as u128, &customer));
            let outcome = shop.place(&customer, &placed, &cart).await.expect("an outcome");
            // Whoever has not heard it asks again, at another node: nothing happens twice.
            let again = shops[(shopper + 1) % 3].place(&customer, &placed, &cart).await.expect("an outcome");
            if let Outcome::Placed { .. } = outcome {
                assert_eq!(again, outcome);
            }
        }
    };
    join_all((0..SHOPPERS).map(go_shopping)).await;
    let sold = sold_by_orders(&shops[1]).await;
    for shop in &shops {
        for product in ["tea", "coffee", "mug"] {
            let found = shop.product(product).await.expect("an answer").expect("it is offered");
            assert_eq!(Some(&found.sold), sold.get(product), "what the orders of {product} say");
            assert_eq!(found.stock + found.sold, STOCK, "{product}");
        }
    }
    assert_eq!(sold["tea"], STOCK, "there is demand for all of it");
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}

/// Three nodes with a shop at each, and three products.
async fn open_shop() -> (Cluster, Vec<Shop>) {
    let cluster = Cluster::start(3);
    let shops: Vec<Shop> = cluster.nodes.iter().map(|node| Shop::at(&format!("http://{}", node.http))).collect();
    shops[0].open().await.expect("the tables are created");
    shops[1].open().await.expect("they are there already");
    for product in ["tea", "coffee", "mug"] {
        assert!(shops[2].offer(product, 450, STOCK).await.expect("it is offered"));
    }
    (cluster, shops)
}

/// How much of each product the orders of all customers have, each order with its payment.
async fn sold_by_orders(shop: &Shop) -> BTreeMap<String, u64> {
    let mut sold = BTreeMap::new();
    for customer in 0..SHOPPERS {
        let pages = shop.orders(&format!("customer-{customer}"), 0, 4).await.expect("all orders");
        assert!(pages.iter().all(|page| page.len() <= 4));
        let orders = pages.concat();
        assert!(orders.is_sorted_by(|newer, older| newer.placed > older.placed), "the newest comes first");
        for order in orders {
            assert_eq!(shop.paid_cents(&order.placed).await.expect("an answer"), Some(order.total_cents));
            for line in order.lines {
                *sold.entry(line.product).or_default() += line.quantity;
            }
        }
    }
    sold
}

fn line(product: &str, quantity: u64) -> Line {
    Line { product: product.to_owned(), quantity }
}
