//! What this node goes by, and where it comes from: its own log, or a peer that has heard more.
//!
//! ```text
//!   the log ── applied ──────────────▶ metadata ──┐
//!                                                 ├─ the newer one ──▶ told: what everybody on this node goes by, never anything older
//!   a peer  ── what that one goes by ─────────────┘
//! ```
//!
//! A node that does not hear the leader learns nothing from its log. Where it is told of a newer ring, or knows of no leader, it asks the peers that it
//! reaches how far they are, and takes over what the furthest of them goes by: that was agreed on, wherever it was heard. Only what is read moves
//! on by that. The log, its index and its votes stay as they are: it goes on where it was once the leader is heard again, and what it applies
//! is told to nobody until it is newer than what was taken over.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, AsyncContext as _, Context, Handler, Message};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{MetadataLog, newest};
use crate::actors::coordination::ask;
use crate::actors::log_recipients::LogRecipients;
use crate::consensus::LogRole;
use crate::dynamo::node_id::NodeId;
use crate::messages::LinkError;
use crate::messages::metadata::{FetchMetadata, FetchedMetadata, HeardOfRing, MetadataChanged, ReadEpoch};
use crate::messages::together::Together;
use crate::metadata::Metadata;

/// What the leader says takes so long at most to arrive, where it is heard.
const LEADER_FIRST: Duration = Duration::from_millis(200);

/// A peer that does not say within this time how far it is, or what it goes by, is passed over.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The question has an answer, or will have none.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CaughtUp(Option<(NodeId, FetchedMetadata)>);

impl MetadataLog {
    /// What everybody on this node goes by.
    pub(super) fn goes_by(&self) -> &Arc<Metadata> {
        &self.told
    }

    /// So many changes the log here is behind what this node goes by.
    pub(super) fn log_behind(&self) -> u64 {
        self.told.epoch().saturating_sub(self.metadata.epoch())
    }

    /// Nobody hears of anything older than before.
    pub(super) fn tell_of(&mut self, newer: &Arc<Metadata>, index: u64) {
        if newest(&self.told, newer).epoch() == self.told.epoch() {
            return;
        }
        self.told = Arc::clone(newer);
        self.told_index = index;
        self.epoch.set(self.told.epoch());
        for follower in &self.followers {
            follower.do_send(MetadataChanged(Arc::clone(&self.told)));
        }
    }

    /// Who knows of no leader asks the others how far they are.
    pub(super) fn ask_around(&mut self, ctx: &Context<Self>) {
        if self.group.role() == LogRole::Leaderless {
            self.catch_up(ctx);
        }
    }

    /// One question at a time.
    fn catch_up(&mut self, ctx: &Context<Self>) {
        if std::mem::replace(&mut self.catches_up, true) {
            return;
        }
        let reachable = |node: &NodeId| self.view.reachable.contains(node);
        let peers = self.peers.iter().filter(|(node, _)| reachable(node));
        let peers = peers.map(|(node, peer)| (node.clone(), peer.clone())).collect();
        actix::spawn(ask_the_furthest(peers, self.told.epoch(), ctx.address()));
    }
}

/// Asks all how far they are, and one after the other what they go by, the furthest first.
async fn ask_the_furthest(peers: Vec<(NodeId, LogRecipients)>, known: u64, here: Addr<MetadataLog>) {
    let how_far = |(node, peer): (NodeId, LogRecipients)| async move {
        let epoch: Result<u64, LinkError> = timeout(ANSWER_TIMEOUT, ask(Some(&peer.epoch), ReadEpoch)).await.ok()?;
        Some((epoch.ok().filter(|epoch| *epoch > known)?, node, peer))
    };
    let mut further: Vec<_> = join_all(peers.into_iter().map(how_far)).await.into_iter().flatten().collect();
    further.sort_by_key(|(epoch, ..)| Reverse(*epoch));
    for (_, node, peer) in further {
        let fetched: Result<Option<FetchedMetadata>, LinkError> =
            timeout(ANSWER_TIMEOUT, ask(Some(&peer.fetch), FetchMetadata { known })).await.unwrap_or(Ok(None));
        if let Ok(Some(fetched)) = fetched {
            return here.do_send(CaughtUp(Some((node, fetched))));
        }
    }
    here.do_send(CaughtUp(None));
}

impl Handler<CaughtUp> for MetadataLog {
    type Result = ();

    fn handle(&mut self, CaughtUp(told): CaughtUp, _: &mut Self::Context) {
        self.catches_up = false;
        let Some((peer, FetchedMetadata { index, state })) = told else { return };
        let Some(metadata) = Metadata::from_bytes(&state) else {
            return warn!(%peer, "the metadata of a peer are not understood by this version: they are passed over");
        };
        let before = self.told.epoch();
        self.tell_of(&Arc::new(metadata), index);
        if self.told.epoch() > before {
            self.metrics.metadata.taken_over.inc();
            let (epoch, log_behind) = (self.told.epoch(), self.log_behind());
            info!(%peer, epoch, log_behind, "the leader is not heard: what a peer goes by has been taken over");
        }
    }
}

/// A replica has refused somebody here because of a newer ring.
impl Handler<HeardOfRing> for MetadataLog {
    type Result = ();

    fn handle(&mut self, HeardOfRing { epoch }: HeardOfRing, ctx: &mut Self::Context) {
        if self.told.topology().epoch() >= epoch {
            return;
        }
        ctx.run_later(LEADER_FIRST, move |log, ctx| {
            if log.told.topology().epoch() < epoch {
                log.catch_up(ctx);
            }
        });
    }
}

/// What everybody on this node has been told of.
impl Handler<Together<ReadEpoch>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadEpoch>, _: &mut Self::Context) {
        (0..requests.len()).for_each(|at| answers.give(at, Ok(self.told.epoch())));
    }
}

impl Handler<Together<FetchMetadata>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<FetchMetadata>, _: &mut Self::Context) {
        let mut bytes: Option<Bytes> = None;
        for (at, FetchMetadata { known }) in requests.into_iter().enumerate() {
            let newer = (self.told.epoch() > known)
                .then(|| bytes.get_or_insert_with(|| self.told.to_bytes()).clone())
                .map(|state| FetchedMetadata { index: self.told_index, state });
            answers.give(at, Ok(newer));
        }
    }
}
