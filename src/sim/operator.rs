//! One operator: creates, alters and drops tables through any node while things go wrong, and holds the nodes to what they have answered.
//!
//! ```text
//!   answered "done"          it stays done, unless the operator undoes it or a disk was set back
//!   answered "not done"      it is not there later
//!   one epoch                one content, whichever node tells it, whenever
//!   everything healed        all nodes say the same soon, and tables can be changed through each of them, unless a disk was set back
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use tokio::time::{Instant, sleep};

use super::fault::Fault;
use super::stage::Stage;
use super::swarm::Plan;
use crate::client::CallError;
use crate::item::{TableName, TableSchema};
use crate::messages::client::ListTables;
use crate::messages::metadata::{ChangeError, ChangeTables, DescribeMetadata};
use crate::metadata::{Alteration, QuorumChoice, TableChange};
use crate::wire::operation::BridgeRequest;

/// After everything is healed, all nodes say the same of the tables, and change them, within this time: an election or two, and a member whose
/// disk is a new one has to be taken in.
const RECOVERY_MAX: Duration = Duration::from_secs(40);

/// What is known of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Present,
    Absent,
    /// An answer has not come, or said that nobody knows.
    Unknown,
}

/// The operator.
pub(super) struct Operator {
    stage: Stage,
    rng: StdRng,
    tables: BTreeMap<String, Standing>,
    /// What each epoch holds, by whoever has told it first.
    epochs: BTreeMap<u64, (u64, usize)>,
    /// A disk may be made to forget: then what was agreed on may be forgotten.
    may_forget: bool,
    /// A voter may come back with an old disk: it has forgotten whom it voted for, and no majority means anything. Nothing is promised then.
    may_be_set_back: bool,
    created: u32,
}

impl Operator {
    pub(super) fn new(stage: Stage, plan: &Plan, rng: StdRng) -> Self {
        let may_forget = plan.faults.iter().any(|fault| fault.makes_forget());
        let may_be_set_back = plan.faults.contains(&Fault::StaleDisk);
        let (tables, epochs) = (BTreeMap::new(), BTreeMap::new());
        Self { stage, rng, tables, epochs, may_forget, may_be_set_back, created: 0 }
    }

    /// Works until it is time to leave.
    pub(super) async fn work(mut self) -> Self {
        while !self.stage.over.get() {
            sleep(Duration::from_millis(self.rng.random_range(500..8_000))).await;
            let node = self.rng.random_range(0..self.stage.addresses.len());
            if self.rng.random_bool(0.4) {
                self.look(node).await;
            } else {
                self.change(node).await;
            }
        }
        self
    }

    async fn change(&mut self, node: usize) -> bool {
        let known = self.tables.iter().filter(|(_, standing)| **standing == Standing::Present);
        let known = known.map(|(name, _)| name.clone()).choose(&mut self.rng);
        let (name, change, after) = match (self.rng.random_range(0..10), known) {
            (0..3, Some(name)) => (name.clone(), named(&name, |table| TableChange::Drop { table }), Standing::Absent),
            (3..5, Some(name)) => {
                let w = QuorumChoice::Exactly(1);
                let alter =
                    |table| TableChange::Alter(Alteration { table, n: QuorumChoice::Keep, r: QuorumChoice::Keep, w });
                (name.clone(), named(&name, alter), Standing::Present)
            }
            _ => {
                self.created += 1;
                let name = format!("t{}", self.created);
                let create = |name| TableChange::Create(TableSchema { name, ..TableSchema::kv() });
                (name.clone(), named(&name, create), Standing::Present)
            }
        };
        let Some(change) = change else { return false };
        let before = self.tables.insert(name.clone(), Standing::Unknown).unwrap_or(Standing::Absent);
        let outcome = self.ask(node, &ChangeTables { change: change.clone() }).await;
        let standing = match &outcome {
            Some(Ok(_)) => after,
            Some(Err(CallError::Refused(ChangeError::Refused(_) | ChangeError::NoLeader))) => before,
            // Nothing was sent.
            None => before,
            Some(Err(_)) => Standing::Unknown,
        };
        self.stage.trace.tell(None, format!("operator: {change:?} through n{node}: {outcome:?}"));
        if let Some(Err(CallError::Refused(ChangeError::Refused(refused)))) = &outcome
            && !self.may_forget
            && before != Standing::Unknown
        {
            self.report(format!("{change:?} was refused although {name} was {before:?}: {refused}"));
        }
        self.tables.insert(name, standing);
        matches!(outcome, Some(Ok(_)))
    }

    /// Asks a node for its epoch, and what it holds.
    async fn look(&mut self, node: usize) -> Option<(u64, u64)> {
        let status = self.ask(node, &DescribeMetadata).await?.ok()?;
        let (digest, first) = *self.epochs.entry(status.epoch).or_insert((status.digest, node));
        if digest != status.digest && !self.may_forget {
            self.report(format!("n{first} and n{node} hold different metadata in epoch {}", status.epoch));
        }
        Some((status.epoch, status.digest))
    }

    /// After everything is healed: all nodes agree, change tables, and still hold what they have promised.
    pub(super) async fn conclude(mut self) {
        if self.may_be_set_back {
            return;
        }
        let nodes = self.stage.roster.serving();
        let healed = Instant::now();
        for node in &nodes {
            // Whoever has left meanwhile need not answer.
            while self.stage.roster.serving().contains(node) && !self.change(*node).await {
                if healed.elapsed() > RECOVERY_MAX {
                    let said = self.all_say().await;
                    return self.report(format!("tables cannot be changed through n{node}: {said}"));
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
        loop {
            let mut said = BTreeSet::new();
            for node in self.stage.roster.serving() {
                said.insert(self.look(node).await);
            }
            if said.len() == 1 && said.first().is_some_and(Option::is_some) {
                break;
            }
            if healed.elapsed() > RECOVERY_MAX {
                let said = self.all_say().await;
                return self.report(format!("the nodes do not come to hold the same metadata: {said}"));
            }
            sleep(Duration::from_millis(200)).await;
        }
        for node in nodes {
            // Whoever came with a move that was cancelled may be gone by now.
            if self.stage.roster.serves(node) {
                self.compare(node).await;
            }
        }
    }

    /// Whether anybody leads the log of metadata, soon after everything is healed.
    pub(super) async fn finds_a_leader(&mut self) -> bool {
        let healed = Instant::now();
        while healed.elapsed() < RECOVERY_MAX {
            for node in self.stage.roster.serving() {
                let status = self.ask(node, &DescribeMetadata).await.and_then(Result::ok);
                if status.is_some_and(|status| status.leader.is_some()) {
                    return true;
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
        false
    }

    async fn all_say(&mut self) -> String {
        let mut said = Vec::new();
        for node in self.stage.roster.serving() {
            let status = self.ask(node, &DescribeMetadata).await.and_then(Result::ok);
            said.push(format!("n{node}: {status:?}"));
        }
        said.join("; ")
    }

    async fn compare(&mut self, node: usize) {
        let Some(Ok(tables)) = self.ask(node, &ListTables).await else {
            return self.report(format!("n{node} does not list its tables"));
        };
        let listed: BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let mut wrong = Vec::new();
        for (name, standing) in &self.tables {
            let is_there = listed.contains(name.as_str());
            match standing {
                Standing::Present if !is_there && !self.may_forget => {
                    wrong.push(format!("n{node} has lost table {name}"))
                }
                Standing::Absent if is_there && !self.may_forget => {
                    wrong.push(format!("n{node} has table {name} again"))
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.report(what));
    }

    async fn ask<M: BridgeRequest>(&mut self, node: usize, request: &M) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let nonce = self.rng.random();
        self.stage.ask("operator", node, nonce, request).await
    }

    fn report(&self, what: String) {
        self.stage.report(what);
    }
}

fn named(name: &str, change: impl FnOnce(TableName) -> TableChange) -> Option<TableChange> {
    TableName::new(name).ok().map(change)
}
