//! Scribes: whole pages are put, and changed in turn, through any node, in a table where the last write wins; and whoever reads a page must find what was written last.
//!
//! ```text
//!   a put, acknowledged ──▶ another one through a node whose clock is behind, acknowledged ──▶ a read shows the second
//! ```
//!
//! A write that was acknowledged before another one began is not shown once that one is acknowledged. A write without an answer may be shown at any time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::history::Outcome;
use super::session;
use super::stage::Stage;
use super::swarm::Plan;
use crate::client::CallError;
use crate::item::{Action, AttributeValue, Conflict, Item, Key, KeyValue, Modification, Step, TableName, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{Get, Put};
use crate::messages::metadata::ChangeTables;
use crate::messages::modify::Modify;
use crate::metadata::TableChange;

const TABLE: &str = "pages";
const PAGES: usize = 3;

/// How many write.
const SCRIBES: usize = 2;

/// One scribe does so many things at once at most, each as soon as the one before is done.
const BURST_MAX: u32 = 4;

/// What has been done to a page, each thing at a moment of its own.
#[derive(Default)]
struct Pages {
    moment: u64,
    pages: [Vec<Write>; PAGES],
}

struct Write {
    began: u64,
    acknowledged: Option<u64>,
    is_refused: bool,
}

impl Pages {
    fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// The number of the write: what is put on the page.
    fn begin(&mut self, page: usize) -> usize {
        let began = self.now();
        self.pages[page].push(Write { began, acknowledged: None, is_refused: false });
        self.pages[page].len() - 1
    }

    fn end(&mut self, page: usize, number: usize, outcome: Outcome) {
        let now = self.now();
        let write = &mut self.pages[page][number];
        match outcome {
            Outcome::Acknowledged => write.acknowledged = Some(now),
            Outcome::NotApplied => write.is_refused = true,
            Outcome::Unknown => {}
        }
    }

    /// What is wrong with a read that began at this moment and shows this write.
    fn objection(&self, page: usize, began: u64, shown: Option<usize>) -> Option<String> {
        let writes = &self.pages[page];
        let known = |write: &Write| write.acknowledged.is_some_and(|moment| moment < began);
        let last = writes.iter().enumerate().filter(|(_, write)| known(write)).max_by_key(|(_, write)| write.began);
        let Some(number) = shown else {
            return last.map(|(last, _)| format!("page {page} is empty after {last} was acknowledged"));
        };
        let Some(shown) = writes.get(number) else {
            return Some(format!("page {page} shows {number}, which nobody wrote"));
        };
        if shown.is_refused {
            return Some(format!("page {page} shows {number}, of which the answer was that it was not done"));
        }
        let (last, write) = last?;
        let is_over = shown.acknowledged.is_some_and(|moment| moment < write.began);
        is_over.then(|| {
            format!("page {page} shows {number} after {last} was acknowledged, which began after {number} had been")
        })
    }
}

/// One who writes and reads.
struct Scribe {
    stage: Stage,
    rng: StdRng,
    name: String,
    pages: Rc<RefCell<Pages>>,
}

/// All of them, until it is time to leave. Where reads need not see what was acknowledged there are none, nor where a disk may forget: then a majority that
/// has a write and one that is asked for it may have nobody in common who remembers.
pub(super) async fn write_pages(stage: Stage, plan: Plan, mut rng: StdRng) {
    let may_forget = plan.faults.iter().any(|fault| fault.makes_forget());
    let is_promised = plan.promises().reads_see_acknowledged && plan.n >= 3 && !may_forget;
    if !is_promised || !is_created(&stage, &plan, &mut rng).await {
        return;
    }
    let pages = Rc::new(RefCell::new(Pages::default()));
    let scribes: Vec<_> = (0..SCRIBES)
        .map(|at| {
            let (stage, name, pages) = (stage.clone(), format!("scribe{at}"), Rc::clone(&pages));
            let scribe = Scribe { stage, rng: super::cluster::part_of(&mut rng), name, pages };
            tokio::task::spawn_local(scribe.work())
        })
        .collect();
    for scribe in scribes {
        if let Err(error) = scribe.await {
            stage.report(format!("a scribe has ended early: {error}"));
        }
    }
}

async fn is_created(stage: &Stage, plan: &Plan, rng: &mut StdRng) -> bool {
    let Ok(name) = TableName::new(TABLE) else { return false };
    let majority = Some(plan.n / 2 + 1);
    let schema = TableSchema { name, conflict: Conflict::Lww, r: majority, w: majority, ..TableSchema::kv() };
    let create = ChangeTables { change: TableChange::Create(schema) };
    matches!(stage.ask("scribe", 0, rng.random(), &create).await, Some(Ok(_)))
}

impl Scribe {
    async fn work(mut self) {
        while !self.stage.over.get() {
            sleep(Duration::from_millis(self.rng.random_range(500..6_000))).await;
            let page = self.rng.random_range(0..PAGES);
            for _ in 0..self.rng.random_range(1..=BURST_MAX) {
                let node = self.rng.random_range(0..self.stage.addresses.len());
                match self.rng.random_range(0..10) {
                    0..5 => self.put(node, page).await,
                    5..7 => self.change(node, page).await,
                    _ => self.read(node, page).await,
                }
            }
        }
    }

    async fn put(&mut self, node: usize, page: usize) {
        let number = self.pages.borrow_mut().begin(page);
        let (trace, table, item) = (TraceId(self.rng.random()), TABLE.to_owned(), item(page, number).to_bytes());
        let put = Put { trace, table, item, context: None, ttl_ms: None, w: None, timeout_ms: None };
        let answer = self.stage.ask(&self.name, node, self.rng.random(), &put).await;
        let outcome = match &answer {
            Some(Ok(_)) => Outcome::Acknowledged,
            Some(Err(error)) => session::outcome(error),
            None => Outcome::NotApplied,
        };
        self.end(node, page, number, outcome, "put");
    }

    /// The same by a change that is put in order.
    async fn change(&mut self, node: usize, page: usize) {
        let number = self.pages.borrow_mut().begin(page);
        let (trace, table, key) = (TraceId(self.rng.random()), TABLE.to_owned(), key(page).to_bytes());
        let modification = Modification { condition: None, action: Action::Put(item(page, number)) };
        let modify = Modify { trace, table, key, step: Step::Change(modification), timeout_ms: None };
        let outcome = match self.stage.ask(&self.name, node, self.rng.random(), &modify).await {
            Some(Ok(_)) => Outcome::Acknowledged,
            Some(Err(_)) => Outcome::Unknown,
            None => Outcome::NotApplied,
        };
        self.end(node, page, number, outcome, "change");
    }

    fn end(&self, node: usize, page: usize, number: usize, outcome: Outcome, what: &str) {
        self.pages.borrow_mut().end(page, number, outcome);
        self.tell(format!("{what} of {number} on page {page} through n{node}: {outcome:?}"));
    }

    async fn read(&mut self, node: usize, page: usize) {
        let began = self.pages.borrow_mut().now();
        let (trace, table, key) = (TraceId(self.rng.random()), TABLE.to_owned(), key(page).to_bytes());
        let get = Get { trace, table, key, r: None, timeout_ms: None };
        let answer: Option<Result<_, CallError<_>>> = self.stage.ask(&self.name, node, self.rng.random(), &get).await;
        let Some(Ok(reply)) = answer else { return };
        let shown = reply.versions.first().and_then(|version| version.value.as_ref()).and_then(|bytes| number(bytes));
        self.tell(format!("page {page} through n{node} shows {shown:?}"));
        let objection = self.pages.borrow().objection(page, began, shown);
        if let Some(what) = objection {
            self.stage.report(what);
        }
    }

    fn tell(&self, what: String) {
        self.stage.trace.tell(None, format!("{}: {what}", self.name));
    }
}

fn key(page: usize) -> Key {
    Key { partition: KeyValue::S(format!("page{page}")), sort: None }
}

fn item(page: usize, number: usize) -> Item {
    let number = AttributeValue::S(number.to_string());
    Item::from_iter([("key", AttributeValue::S(format!("page{page}"))), ("number", number)])
}

fn number(bytes: &[u8]) -> Option<usize> {
    match Item::from_bytes(bytes).ok()?.get("number") {
        Some(AttributeValue::S(number)) => number.parse().ok(),
        _ => None,
    }
}
