//! Brings hints to the nodes they belong to, once those are back.
//!
//! It hears of every view; it asks the `Node` shards for the next hints of a target, sends each as an ordinary `WriteReplica`, and reports
//! a hint as delivered only after the owner has acknowledged it durably. It decides nothing about what is in a hint. If it dies,
//! the hints are still on disk, and handing one over twice changes nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Recipient};
use futures_util::future::join_all;
use tracing::{debug, info};

use super::coordination::ask_all;
use crate::dynamo::node_id::NodeId;
use crate::item::Conflict;
use crate::messages::TraceId;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::hints::{CountHints, Hint, HintDelivered, HintsPending, NextHints};
use crate::messages::replica::{Slot, WriteReplica, WriteReplicaError};
use crate::messages::together::Together;

/// How often it looks for hints whose target is up: a hand-over that failed is tried again after this time.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How many hints travel to one target at once.
const BATCH: usize = 64;

/// One shard of this node's `Node`.
#[derive(Clone)]
pub struct HintShard {
    /// Names the next hints.
    pub next: Recipient<NextHints>,
    /// Deletes a delivered one.
    pub delivered: Recipient<HintDelivered>,
    /// Counts them.
    pub count: Recipient<CountHints>,
}

/// The hands that hints pass through.
pub struct HintedHandoff {
    shards: Rc<Vec<HintShard>>,
    peers: BTreeMap<NodeId, Recipient<Together<WriteReplica>>>,
    view: Arc<View>,
    /// Targets that are being served.
    busy: Rc<RefCell<BTreeSet<NodeId>>>,
}

impl HintedHandoff {
    /// `peers` take the hints that the `shards` keep.
    pub fn new(
        shards: Vec<HintShard>,
        peers: BTreeMap<NodeId, Recipient<Together<WriteReplica>>>,
        view: Arc<View>,
    ) -> Self {
        Self { shards: Rc::new(shards), peers, view, busy: Rc::default() }
    }

    fn serve_reachable(&self) {
        for (target, peer) in &self.peers {
            if self.view.reachable.contains(target) && self.busy.borrow_mut().insert(target.clone()) {
                let handover = Handover {
                    target: target.clone(),
                    peer: peer.clone(),
                    shards: Rc::clone(&self.shards),
                    conflicts: conflicts(&self.view),
                };
                let busy = Rc::clone(&self.busy);
                actix::spawn(async move {
                    let target = handover.target.clone();
                    handover.run().await;
                    busy.borrow_mut().remove(&target);
                });
            }
        }
    }
}

fn conflicts(view: &View) -> BTreeMap<String, Conflict> {
    view.tables.iter().map(|table| (table.name.as_str().to_owned(), table.conflict)).collect()
}

/// All hints of one target, from every shard, until there are none left or the target fails.
struct Handover {
    target: NodeId,
    peer: Recipient<Together<WriteReplica>>,
    shards: Rc<Vec<HintShard>>,
    conflicts: BTreeMap<String, Conflict>,
}

impl Handover {
    async fn run(&self) {
        let mut handed = 0;
        for shard in self.shards.iter() {
            let mut after = None;
            loop {
                let next = NextHints { target: self.target.clone(), after: after.take(), limit: BATCH };
                let Ok(Ok(hints)) = shard.next.send(next).await else { return };
                let Some(last) = hints.last() else { break };
                after = Some(last.key.clone());
                let outcomes = self.hand_over(shard, hints).await;
                handed += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
                if let Some(error) = outcomes.into_iter().find_map(Result::err) {
                    debug!(target = %self.target, %error, "a hint could not be handed over yet");
                    return;
                }
            }
        }
        if handed > 0 {
            info!(target = %self.target, hints = handed, "hints were handed over");
        }
    }

    async fn hand_over(&self, shard: &HintShard, hints: Vec<Hint>) -> Vec<Result<(), WriteReplicaError>> {
        let write = |hint: &Hint| WriteReplica {
            trace: TraceId::default(),
            key: hint.key.clone(),
            slot: Slot::Own,
            siblings: hint.siblings.clone(),
            conflict: self.conflicts.get(hint.key.table()).copied().unwrap_or(Conflict::Siblings),
        };
        let outcomes = ask_all(Some(&self.peer), hints.iter().map(write).collect()).await;
        for (hint, outcome) in hints.into_iter().zip(&outcomes) {
            if outcome.is_ok() {
                shard.delivered.do_send(HintDelivered { target: self.target.clone(), hint });
            }
        }
        outcomes
    }
}

impl Actor for HintedHandoff {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(RETRY_INTERVAL, |handoff, _| handoff.serve_reachable());
    }
}

impl Handler<ViewChanged> for HintedHandoff {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.view = view;
        self.serve_reachable();
    }
}

/// The sum over all shards.
impl Handler<CountHints> for HintedHandoff {
    type Result = actix::ResponseFuture<Vec<HintsPending>>;

    fn handle(&mut self, _: CountHints, _: &mut Self::Context) -> Self::Result {
        let shards = Rc::clone(&self.shards);
        Box::pin(async move {
            let mut sums: BTreeMap<NodeId, HintsPending> = BTreeMap::new();
            for pending in
                join_all(shards.iter().map(|shard| shard.count.send(CountHints))).await.into_iter().flatten().flatten()
            {
                let empty = HintsPending { target: pending.target.clone(), keys: 0, bytes: 0 };
                let sum = sums.entry(pending.target.clone()).or_insert(empty);
                sum.keys += pending.keys;
                sum.bytes += pending.bytes;
            }
            sums.into_values().collect()
        })
    }
}
