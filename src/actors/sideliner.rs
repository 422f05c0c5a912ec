//! Proposes that nodes which cannot be reached put no writes in order, where this node leads the log of metadata.
//!
//! `Sidelining` says who; the log makes it so for everybody, and with it another node the sequencer. If it dies, so does the process, and the next leader
//! goes on.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient, WrapFuture as _};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::dynamo::node_id::NodeId;
use crate::dynamo::sidelining::Sidelining;
use crate::messages::cluster::{View, ViewChanged};
use crate::messages::metadata::DescribeMetadata;
use crate::messages::ring::ChangeRing;
use crate::metadata::RingChange;
use crate::metrics::Metrics;

/// How often is looked.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// This node's sideliner.
pub struct Sideliner {
    view: Arc<View>,
    seen: Sidelining,
    started: Instant,
    /// Whether a proposal is on its way.
    busy: bool,
    /// Who leads.
    metadata: Recipient<DescribeMetadata>,
    /// Has it agreed on.
    log: Recipient<ChangeRing>,
    metrics: Metrics,
}

impl Sideliner {
    /// Begins to look when it is started.
    pub fn new(
        view: Arc<View>,
        metadata: Recipient<DescribeMetadata>,
        log: Recipient<ChangeRing>,
        metrics: Metrics,
    ) -> Self {
        Self { view, seen: Sidelining::default(), started: Instant::now(), busy: false, metadata, log, metrics }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.seen.next(&self.view.topology, &self.view.reachable, now_ms);
        let Some((node, sidelined)) = next.filter(|_| !self.busy) else { return };
        self.busy = true;
        let (status, log, local) = (self.metadata.send(DescribeMetadata), self.log.clone(), self.view.local.clone());
        let proposed = async move {
            let leads = status.await.is_ok_and(|status| status.is_ok_and(|status| status.leader == Some(local)));
            if leads {
                propose(&log, node, sidelined).await;
            }
        };
        ctx.spawn(proposed.into_actor(self).map(|(), sideliner, _| sideliner.busy = false));
    }
}

async fn propose(log: &Recipient<ChangeRing>, node: NodeId, sidelined: bool) {
    let change = RingChange::Sideline { node: node.clone(), sidelined };
    match log.send(ChangeRing { change }).await {
        Ok(Ok(_)) if sidelined => info!(%node, "cannot be reached: others put writes in order in its place"),
        Ok(Ok(_)) => info!(%node, "is back: it puts writes in order again"),
        Ok(Err(error)) => {
            warn!(%node, sidelined, %error, "who puts writes in order could not be agreed on: it is tried again")
        }
        // The process is ending.
        Err(_) => {}
    }
}

impl Actor for Sideliner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(LOOK_INTERVAL, Self::look);
    }
}

impl Handler<ViewChanged> for Sideliner {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.metrics.ring.sidelines(view.topology.sidelined().len());
        self.view = view;
    }
}
