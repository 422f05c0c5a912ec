//! Transactions: all of their items change or none does, whoever dies in the middle; money moves and its sum stays. Simulated clusters, real actors.
//!
//! What a seed decides: when who dies, and for how long. `SLIPRING_TEST_SEED=7 cargo test --test transactions` repeats one.

use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use slipring::client::CallError;
use slipring::item::expression::{Condition, ExpressionKind, Placeholders, Update};
use slipring::item::{
    Action, AttributeValue, Conflict, Item, Key, KeyValue, Modification, TableName, TableSchema, Token,
};
use slipring::messages::TraceId;
use slipring::messages::client::{Put, Scan};
use slipring::messages::metadata::ChangeTables;
use slipring::messages::transaction::{
    CancelReason, TransactError, TransactGet, TransactGetError, TransactWrite, Transacted, TransactedWrite,
};
use slipring::metadata::TableChange;
use slipring::sim::{Ending, Plan, Scene, Visitor, play};

const TABLE: &str = "accounts";
const ACCOUNTS: usize = 8;
const BALANCE: i64 = 100;

/// Seeds of the run with dying nodes.
const SEEDS: u64 = 12;

fn plan(nodes: usize) -> Plan {
    Plan {
        nodes,
        spares: 0,
        workers: 2,
        n: 3,
        r: 2,
        w: 2,
        sloppy: true,
        faults: Vec::new(),
        clock_error_max_ms: 0,
        ..Plan::drawn_from(0).without_moves()
    }
}

async fn create_table(scene: &mut Scene) {
    let name = TableName::new(TABLE).expect("a name");
    let schema = TableSchema { name, conflict: Conflict::Lww, ..TableSchema::kv() };
    let change = ChangeTables { change: TableChange::Create(schema) };
    scene.client("operator", 0).ask(&change).await.expect("it is sent").expect("it is created");
    scene.settle().await;
}

fn key(name: &str) -> Key {
    Key { partition: KeyValue::S(name.to_owned()), sort: None }
}

fn account(number: usize) -> String {
    format!("account{number}")
}

fn item(name: &str, balance: i64) -> Item {
    Item::from_iter([("key", AttributeValue::S(name.to_owned())), ("balance", AttributeValue::N(balance.into()))])
}

async fn open_accounts(scene: &mut Scene) {
    let mut client = scene.client("clerk", 0);
    for number in 0..ACCOUNTS {
        let (trace, table, item) = (TraceId(1), TABLE.to_owned(), item(&account(number), BALANCE).to_bytes());
        let put = Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None };
        client.ask(&put).await.expect("it is sent").expect("it is acknowledged");
    }
}

fn write(name: &str, update: &str, condition: Option<&str>, amount: i64) -> TransactedWrite {
    let values = [(":n".to_owned(), AttributeValue::N(amount.into()))].into();
    let mut placeholders = Placeholders::new(None, Some(values)).expect("placeholders");
    let action = Action::Update(Update::parse(update, &mut placeholders).expect("an update"));
    let parse = |text| Condition::parse(ExpressionKind::Condition, text, &mut placeholders).expect("a condition");
    let modification = Modification { condition: condition.map(parse), action };
    TransactedWrite { table: TABLE.to_owned(), key: key(name).to_bytes(), modification }
}

fn transfer(from: usize, to: usize, amount: i64) -> TransactWrite {
    let writes = vec![
        write(&account(from), "SET balance = balance - :n", Some("balance >= :n"), amount),
        write(&account(to), "SET balance = balance + :n", Some("attribute_exists(balance)"), amount),
    ];
    TransactWrite { trace: TraceId(2), writes, token: None, timeout_ms: None }
}

fn all_accounts() -> TransactGet {
    let keys = (0..ACCOUNTS).map(|number| (TABLE.to_owned(), key(&account(number)).to_bytes())).collect();
    TransactGet { trace: TraceId(3), keys, timeout_ms: None }
}

fn balance(bytes: Option<&bytes::Bytes>) -> i64 {
    let item = Item::from_bytes(bytes.expect("an account")).expect("an item");
    let Some(AttributeValue::N(number)) = item.get("balance") else { panic!("a balance: {item:?}") };
    number.to_string().parse().expect("a whole number")
}

async fn sum(client: &mut Visitor) -> Result<i64, CallError<TransactGetError>> {
    let items = client.ask(&all_accounts()).await.expect("it is sent")?;
    Ok(items.iter().map(|item| balance(item.as_ref())).sum())
}

/// The sum by plain reads, once nobody moves money any more.
async fn sum_of_scan(client: &mut Visitor) -> i64 {
    let (trace, table) = (TraceId(4), TABLE.to_owned());
    let scan = Scan { trace, table, cursor: None, until: None, limit: 1_000, r: Some(2), timeout_ms: None };
    let reply = client.ask(&scan).await.expect("it is sent").expect("an answer");
    assert_eq!((reply.items.len(), reply.next), (ACCOUNTS, None));
    reply.items.iter().map(|versions| balance(versions[0].value.as_ref())).sum()
}

/// What is left in the table of transactions.
async fn records(client: &mut Visitor) -> usize {
    let (trace, table) = (TraceId(5), TableSchema::transactions().name.to_string());
    let scan = Scan { trace, table, cursor: None, until: None, limit: 1_000, r: Some(2), timeout_ms: None };
    client.ask(&scan).await.expect("it is sent").expect("an answer").items.len()
}

fn holds(ending: &Ending) {
    let lines: Vec<String> = ending.lines.iter().map(ToString::to_string).collect();
    assert_eq!(ending.violations, [], "{}", lines.join("\n"));
}

#[test]
fn all_happens_or_nothing() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        create_table(scene).await;
        open_accounts(scene).await;
        let mut client = scene.client("c", 1);
        let done = client.ask(&transfer(0, 1, 30)).await.expect("it is sent").expect("it is committed");
        let [(Some(_), Some(_)), (Some(_), Some(_))] = &done.items[..] else { panic!("before and after: {done:?}") };
        let refused = client.ask(&transfer(0, 1, 71)).await.expect("it is sent").expect_err("too much");
        let CallError::Refused(TransactError::Cancelled { reasons }) = refused else { panic!("{refused}") };
        let [Some(CancelReason::ConditionFailed { present: Some(_) }), None] = &reasons[..] else {
            panic!("the first is refused: {reasons:?}")
        };
        let items = scene.client("other", 2).ask(&all_accounts()).await.expect("it is sent").expect("an answer");
        assert_eq!((balance(items[0].as_ref()), balance(items[1].as_ref())), (70, 130));
        scene.wait(Duration::from_secs(1)).await;
        assert_eq!(records(&mut scene.client("onlooker", 3)).await, 0, "a transaction that is over leaves nothing");
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_token_makes_it_happen_once() {
    let ending = play(&plan(3), async |scene: &mut Scene| {
        create_table(scene).await;
        open_accounts(scene).await;
        let token = |fingerprint: &'static [u8]| Some(Token { name: "x".to_owned(), fingerprint: fingerprint.into() });
        let transfer = TransactWrite { token: token(b"a"), ..transfer(0, 1, 10) };
        let mut clients: Vec<Visitor> = (0..6).map(|at| scene.client(&format!("c{at}"), at % 3)).collect();
        let asked = clients.iter_mut().map(|client| client.ask(&transfer));
        let outcomes: Vec<_> = join_all(asked).await.into_iter().map(|outcome| outcome.expect("it is sent")).collect();
        assert!(outcomes.iter().any(Result::is_ok), "the oldest gets through: {outcomes:?}");
        for outcome in &outcomes {
            match outcome {
                Ok(_) | Err(CallError::Refused(TransactError::InProgress)) => {}
                // It had the token, and the other one the account.
                Err(CallError::Refused(TransactError::Cancelled { reasons }))
                    if reasons.contains(&Some(CancelReason::Conflict)) => {}
                other => panic!("done, or in progress: {other:?}"),
            }
        }
        let again = clients[0].ask(&transfer).await.expect("it is sent");
        assert_eq!(again.expect("it was done"), Transacted { items: Vec::new() });
        let other = TransactWrite { token: token(b"b"), ..transfer };
        let refused = clients[1].ask(&other).await.expect("it is sent").expect_err("another request");
        assert!(matches!(refused, CallError::Refused(TransactError::TokenOfAnother)), "{refused}");
        let items = clients[2].ask(&all_accounts()).await.expect("it is sent").expect("an answer");
        assert_eq!((balance(items[0].as_ref()), balance(items[1].as_ref())), (90, 110));
    });
    holds(&ending.expect("a run"));
}

/// What became of a client's transfers.
#[derive(Debug, Default)]
struct Tally {
    committed: usize,
    cancelled: usize,
    unknown: usize,
}

async fn move_money(mut client: Visitor, seed: u64, turns: usize) -> Tally {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tally = Tally::default();
    for _ in 0..turns {
        let from = rng.random_range(0..ACCOUNTS);
        let to = (from + rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        match client.ask(&transfer(from, to, rng.random_range(1..40))).await {
            Some(Ok(_)) => tally.committed += 1,
            Some(Err(CallError::Refused(TransactError::Cancelled { .. } | TransactError::Aborted { .. }))) => {
                tally.cancelled += 1;
            }
            // Whoever asked a node that died does not know.
            Some(Err(_)) | None => {
                tally.unknown += 1;
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        }
    }
    tally
}

async fn count_money(mut client: Visitor) {
    for _ in 0..30 {
        match sum(&mut client).await {
            Ok(sum) => assert_eq!(sum, ACCOUNTS as i64 * BALANCE, "a reader saw half of a transfer"),
            Err(CallError::Refused(_)) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[test]
fn the_sum_stays_while_money_moves_through_all_nodes() {
    let ending = play(&plan(5), async |scene: &mut Scene| {
        create_table(scene).await;
        open_accounts(scene).await;
        let movers: Vec<_> = (0..6).map(|at| scene.client(&format!("m{at}"), at % 5)).collect();
        let moving = movers.into_iter().enumerate().map(|(at, client)| move_money(client, at as u64, 25));
        let reader = scene.client("reader", 4);
        let (tallies, ()) = tokio::join!(join_all(moving), count_money(reader));
        let committed: usize = tallies.iter().map(|tally| tally.committed).sum();
        assert!(committed > 30, "nearly nothing was moved: {tallies:?}");
        assert_eq!(tallies.iter().map(|tally| tally.unknown).sum::<usize>(), 0, "nobody died: {tallies:?}");
        assert_eq!(sum(&mut scene.client("onlooker", 0)).await.expect("an answer"), ACCOUNTS as i64 * BALANCE);
    });
    holds(&ending.expect("a run"));
}

#[test]
fn the_sum_stays_whoever_dies_or_is_cut_off() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SLIPRING_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SLIPRING_TEST_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("seed {seed}: SLIPRING_TEST_SEED={seed} cargo test --test transactions whoever_dies");
        let mut rng = StdRng::seed_from_u64(seed);
        let ending = play(&plan(5), async |scene: &mut Scene| {
            create_table(scene).await;
            open_accounts(scene).await;
            (0..5).for_each(|node| scene.set_clock(node, rng.random_range(-100..100)));
            let movers: Vec<_> = (0..6).map(|at| scene.client(&format!("m{at}"), at % 5)).collect();
            let moving =
                movers.into_iter().enumerate().map(|(at, client)| move_money(client, seed * 10 + at as u64, 20));
            let reader = count_money(scene.client("reader", 4));
            let dying = async {
                for _ in 0..3 {
                    let (node, after) = (rng.random_range(0..4), rng.random_range(5..400));
                    tokio::time::sleep(Duration::from_millis(after)).await;
                    let dies = rng.random_bool(0.5);
                    if dies {
                        scene.crash(node).await;
                    } else {
                        let others: Vec<usize> = (0..5).filter(|other| *other != node).collect();
                        scene.part(&[node], &others);
                    }
                    tokio::time::sleep(Duration::from_millis(rng.random_range(100..8_000))).await;
                    if dies {
                        scene.start(node)
                    } else {
                        scene.heal()
                    }
                    tokio::time::sleep(Duration::from_millis(rng.random_range(500..4_000))).await;
                }
            };
            let (tallies, (), ()) = tokio::join!(join_all(moving), reader, dying);
            println!("  {tallies:?}");
            scene.wait(Duration::from_secs(60)).await;
            let mut client = scene.client("onlooker", 4);
            assert_eq!(sum(&mut client).await.expect("an answer"), ACCOUNTS as i64 * BALANCE, "seed {seed}");
            assert_eq!(sum_of_scan(&mut client).await, ACCOUNTS as i64 * BALANCE, "seed {seed}");
            assert_eq!(records(&mut client).await, 0, "seed {seed}: all are brought to an end");
        });
        holds(&ending.expect("a run"));
    }
}
