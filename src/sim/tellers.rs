//! Tellers: money moves between accounts by transactions, through any node, while things go wrong, and somebody counts it.
//!
//! ```text
//!   every count         the sum is what it was, unless a disk has been made to forget
//!   everything healed   it can be counted soon, and the table of transactions empties
//! ```

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use super::stage::Stage;
use super::swarm::Plan;
use crate::client::CallError;
use crate::item::expression::{
    Comparator, Condition, DocumentPath, Operand, SetOperand, SetValue, Source, Test, Update, UpdateStyle,
};
use crate::item::{Action, AttributeValue, Conflict, Item, Key, KeyValue, Modification, TableName, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{Put, Scan};
use crate::messages::metadata::ChangeTables;
use crate::messages::transaction::{TransactError, TransactGet, TransactWrite, TransactedWrite};
use crate::metadata::TableChange;
use crate::wire::operation::BridgeRequest;

const TABLE: &str = "accounts";
const ACCOUNTS: usize = 5;
const BALANCE: i64 = 100;

/// After everything is healed, the money can be counted, and nothing is left of transactions, within this time: those that nobody meets are aborted when their
/// deadline is over and somebody comes by.
const RECOVERY_MAX: Duration = Duration::from_secs(90);

/// Everybody who moves and counts money.
pub(super) struct Tellers {
    stage: Stage,
    rng: StdRng,
    /// A disk may be made to forget what was acknowledged.
    may_forget: bool,
    /// Whether all accounts have been opened.
    is_open: bool,
}

impl Tellers {
    pub(super) fn new(stage: Stage, plan: &Plan, rng: StdRng) -> Self {
        let may_forget = plan.faults.iter().any(|fault| fault.makes_forget());
        Self { stage, rng, may_forget, is_open: false }
    }

    /// Works until it is time to leave.
    pub(super) async fn work(mut self) -> Self {
        self.is_open = self.open_accounts().await;
        while self.is_open && !self.stage.over.get() {
            sleep(Duration::from_millis(self.rng.random_range(300..4_000))).await;
            let node = self.rng.random_range(0..self.stage.addresses.len());
            if self.rng.random_bool(0.25) {
                self.count(node).await;
            } else {
                self.move_money(node).await;
            }
        }
        self
    }

    /// A run in which that does not succeed has no money.
    async fn open_accounts(&mut self) -> bool {
        let Ok(name) = TableName::new(TABLE) else { return false };
        let schema = TableSchema { name, conflict: Conflict::Lww, ..TableSchema::kv() };
        let create = ChangeTables { change: TableChange::Create(schema) };
        if !matches!(self.ask(0, &create).await, Some(Ok(_))) {
            return false;
        }
        for number in 0..ACCOUNTS {
            let (trace, table, item) = (TraceId(self.rng.random()), TABLE.to_owned(), account(number).to_bytes());
            let put = Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None };
            if !matches!(self.ask(0, &put).await, Some(Ok(_))) {
                return false;
            }
        }
        true
    }

    async fn move_money(&mut self, node: usize) {
        let from = self.rng.random_range(0..ACCOUNTS);
        let to = (from + self.rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let amount = self.rng.random_range(1..60);
        let writes = vec![add(from, -amount), add(to, amount)];
        let write = TransactWrite { trace: TraceId(self.rng.random()), writes, token: None, timeout_ms: None };
        let outcome = self.ask(node, &write).await;
        let said = match &outcome {
            Some(Ok(_)) => "done".to_owned(),
            Some(Err(error)) => error.to_string(),
            None => "nothing was sent".to_owned(),
        };
        self.stage.trace.tell(None, format!("teller: {amount} from {from} to {to} through n{node}: {said}"));
        if let Some(Err(CallError::Refused(TransactError::Invalid { reason }))) = outcome {
            self.stage.report(format!("a transfer cannot be made: {reason}"));
        }
    }

    /// Whether it could be counted.
    async fn count(&mut self, node: usize) -> bool {
        let keys = (0..ACCOUNTS).map(|number| (TABLE.to_owned(), key(number).to_bytes())).collect();
        let get = TransactGet { trace: TraceId(self.rng.random()), keys, timeout_ms: None };
        let Some(Ok(items)) = self.ask(node, &get).await else { return false };
        let balances: Vec<Option<i64>> =
            items.iter().map(|item| item.as_ref().and_then(|item| balance(item))).collect();
        self.stage.trace.tell(None, format!("teller: counted {balances:?} through n{node}"));
        let sum: i64 = balances.iter().flatten().sum();
        let expected = i64::try_from(ACCOUNTS).unwrap_or(0) * BALANCE;
        if (sum != expected || balances.contains(&None)) && !self.may_forget {
            self.stage.report(format!("the money is {sum} instead of {expected}: {balances:?}"));
        }
        true
    }

    /// After everything is healed.
    pub(super) async fn conclude(mut self) {
        let healed = Instant::now();
        while self.is_open && healed.elapsed() < RECOVERY_MAX {
            let node = self.stage.roster.serving().first().copied().unwrap_or_default();
            if self.count(node).await && self.left_over(node).await == Some(0) {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
        if self.is_open && !self.may_forget {
            let node = self.stage.roster.serving().first().copied().unwrap_or_default();
            let left = self.left_over(node).await;
            self.stage.report(format!("the money cannot be counted, or transactions are left over ({left:?})"));
        }
    }

    /// How many transactions have not come to an end.
    async fn left_over(&mut self, node: usize) -> Option<usize> {
        let (mut left, mut cursor) = (0, None);
        loop {
            let (trace, table) = (TraceId(self.rng.random()), TableSchema::transactions().name.to_string());
            let scan = Scan { trace, table, cursor, until: None, limit: 1_000, r: None, timeout_ms: None };
            let reply = match self.ask(node, &scan).await? {
                Ok(reply) => reply,
                Err(error) => {
                    self.stage.trace.tell(None, format!("teller: transactions through n{node}: {error}"));
                    return None;
                }
            };
            left += reply.items.len();
            cursor = reply.next;
            if cursor.is_none() {
                return Some(left);
            }
        }
    }

    async fn ask<M: BridgeRequest>(&mut self, node: usize, request: &M) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let nonce = self.rng.random();
        self.stage.ask("teller", node, nonce, request).await
    }
}

fn key(number: usize) -> Key {
    Key { partition: KeyValue::S(format!("account{number}")), sort: None }
}

fn account(number: usize) -> Item {
    let name = AttributeValue::S(format!("account{number}"));
    Item::from_iter([("key", name), ("balance", AttributeValue::N(BALANCE.into()))])
}

fn balance(bytes: &[u8]) -> Option<i64> {
    match Item::from_bytes(bytes).ok()?.get("balance") {
        Some(AttributeValue::N(number)) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Adds to an account, which must not be overdrawn.
fn add(number: usize, amount: i64) -> TransactedWrite {
    let path = || DocumentPath::attribute("balance");
    let of = |source| Operand::Of(source);
    let least = Source::Value(AttributeValue::N((-amount).into()));
    let enough =
        Test::Compare { left: of(Source::Path(path())), comparator: Comparator::GreaterOrEqual, right: of(least) };
    let operand = |otherwise| SetOperand { first_of: Vec::new(), otherwise };
    let amount = Source::Value(AttributeValue::N(amount.into()));
    let sum = SetValue::Sum(operand(Source::Path(path())), operand(amount));
    let update = Update { sets: vec![(path(), sum)], ..Update::nothing(UpdateStyle::Expression) };
    let modification =
        Modification { condition: Some(Condition::Test(Box::new(enough))), action: Action::Update(update) };
    TransactedWrite { table: TABLE.to_owned(), key: key(number).to_bytes(), modification }
}
