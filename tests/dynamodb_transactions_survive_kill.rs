//! Money moves by TransactWriteItems through three nodes that are killed with SIGKILL, all of them in turn: the sum stays, for every reader at every time.
//!
//! The long form: `SLIPRING_TEST_KILLS=60 cargo test --test dynamodb_transactions_survive_kill`.

mod cluster;
mod dynamodb;

use cluster::{Cluster, fresh_seed};
use dynamodb::writers::{Client, Outcome, Run, Running};
use dynamodb::{Connection, create_table, item};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use slipring::item::TableSchema;
use slipring::messages::TraceId;
use slipring::messages::client::Scan;

const TABLE: &str = "accounts";
const ACCOUNTS: u64 = 12;
const BALANCE: i64 = 100;

/// What a client knows in the end.
#[derive(Default)]
struct Tally {
    committed: u64,
    cancelled: u64,
    counted: u64,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn id(number: u64) -> String {
    format!("account-{number}")
}

fn update(account: u64, change: &str, amount: i64) -> Value {
    json!({"Update": {
        "TableName": TABLE, "Key": {"id": {"S": id(account)}}, "UpdateExpression": format!("SET balance = balance {change} :n"),
        "ConditionExpression": if change == "-" { "balance >= :n" } else { "attribute_exists(balance)" },
        "ExpressionAttributeValues": {":n": {"N": amount.to_string()}},
    }})
}

/// Moves money, and counts all of it now and then.
fn move_money(number: u64, mut client: Client, run: &Run) -> Tally {
    let mut rng = StdRng::seed_from_u64(number);
    let mut tally = Tally::default();
    let all: Vec<Value> =
        (0..ACCOUNTS).map(|account| json!({"Get": {"TableName": TABLE, "Key": {"id": {"S": id(account)}}}})).collect();
    while run.goes_on() {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let amount = rng.random_range(1..60);
        let transfer = json!({"TransactItems": [update(from, "-", amount), update(to, "+", amount)]});
        match client.ask("TransactWriteItems", &transfer) {
            Outcome::Answered(answer) if answer.is_done() => {
                tally.committed += 1;
                run.count();
            }
            Outcome::Answered(answer) => {
                assert_eq!(answer.error(), "TransactionCanceledException", "{}", String::from_utf8_lossy(&answer.body));
                tally.cancelled += 1;
            }
            Outcome::Unknown | Outcome::NotSent => {}
        }
        if rng.random_bool(0.2)
            && let Outcome::Answered(answer) = client.ask("TransactGetItems", &json!({"TransactItems": all}))
            && answer.is_done()
        {
            let found = answer.json();
            let responses = found["Responses"].as_array().expect("responses");
            assert_eq!(sum(responses.iter().map(|response| &response["Item"])), BALANCE * ACCOUNTS as i64, "{found}");
            tally.counted += 1;
        }
    }
    tally
}

fn sum<'a>(items: impl Iterator<Item = &'a Value>) -> i64 {
    items.map(|item| item["balance"]["N"].as_str().expect("a balance").parse::<i64>().expect("a number")).sum()
}

fn open_accounts(address: &str) {
    let mut connection = Connection::open(address).expect("the node listens");
    for account in 0..ACCOUNTS {
        let put =
            json!({"TableName": TABLE, "Item": {"id": {"S": id(account)}, "balance": {"N": BALANCE.to_string()}}});
        assert!(connection.ask("PutItem", &put).expect("an answer").is_done());
    }
}

/// How many transactions have not come to an end.
fn left_over(cluster: &Cluster) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = cluster.nodes[0].client().await;
        let (mut left, mut cursor) = (0, None);
        loop {
            let (trace, table) = (TraceId::default(), TableSchema::transactions().name.to_string());
            let scan = Scan { trace, table, cursor, until: None, limit: 1_000, r: None, timeout_ms: None };
            let reply = client.request(&scan).await.expect("a slice");
            left += reply.items.len();
            cursor = reply.next;
            if cursor.is_none() {
                return left;
            }
        }
    })
}

#[test]
fn the_sum_stays_while_all_nodes_are_killed_in_turn() {
    let (seed, kills) = (setting("SLIPRING_TEST_SEED", fresh_seed()), setting("SLIPRING_TEST_KILLS", 9));
    println!(
        "again: SLIPRING_TEST_SEED={seed} SLIPRING_TEST_KILLS={kills} cargo test --test dynamodb_transactions_survive_kill"
    );
    let mut cluster = Cluster::start_with(3, &[("storage.durability", "\"always\"")]);
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.http.clone()).collect();
    create_table(&addresses[0], TABLE);
    open_accounts(&addresses[0]);
    let running = Running::start(8, &addresses, seed, move_money);
    let mut rng = StdRng::seed_from_u64(seed);
    for victim in (0..3).cycle().take(usize::try_from(kills).expect("a small number")) {
        let moment = running.done() + rng.random_range(1..40);
        cluster.nodes[0].wait_until("money moves", || running.done() >= moment);
        cluster.nodes[victim].kill();
        if rng.random_bool(0.5) {
            let moment = running.done() + rng.random_range(1..10);
            cluster.nodes[0].wait_until("money moves although a node is away", || running.done() >= moment);
        }
        cluster.nodes[victim].start();
        cluster.nodes[victim].wait_until_ready();
    }
    let tallies = running.stop();
    let total = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (committed, cancelled) = (total(|one| one.committed), total(|one| one.cancelled));
    println!("{committed} committed, {cancelled} cancelled, counted {} times", total(|one| one.counted));
    cluster.nodes[0].wait_until("all transactions have come to an end", || left_over(&cluster) == 0);
    for address in &addresses {
        let items: Vec<Value> = (0..ACCOUNTS).map(|account| item(address, TABLE, &id(account))).collect();
        assert_eq!(sum(items.iter()), BALANCE * ACCOUNTS as i64, "through {address}: {items:?}");
        assert!(items.iter().all(|item| !item["balance"]["N"].as_str().expect("a balance").starts_with('-')));
    }
    assert!(committed > kills);
}
