//! The links of one thread: a `Peer` for each other member, as members come and go.
//!
//! ```text
//!   RingManager ── ViewChanged ──▶ Links ── starts, ends ──▶ Peer, Peer, ...
//!                                    └──── LinksChanged ───▶ everybody on this thread who speaks to other nodes
//! ```
//!
//! It decides nothing but who needs a link (`Turnover`). A member that has another address gets another `Peer`. If it dies, so does the process.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message, Recipient};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tracing::info;

use super::peer::{EndLink, Peer, PeerParts};
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::{ClusterIdentity, MemberAddress, PeerDown, PeerUp, ViewChanged};
use crate::messages::detection::LinkMeasured;
use crate::metrics::Metrics;
use crate::wire::handshake::Secret;
use crate::wire::transport::Connector;

/// What [`Links`] are told.
pub struct LinksParts {
    /// Who belongs to the cluster at the start.
    pub members: Vec<MemberAddress>,
    /// This node.
    pub local: MemberAddress,
    /// This node's data directory.
    pub directory: u64,
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// The cluster's secret.
    pub secret: Option<Secret>,
    /// The thread whose links these are.
    pub worker: usize,
    /// Bound of one frame, in bytes.
    pub frame_max_bytes: usize,
    /// Bound of the requests that wait for an answer, for each link.
    pub inflight_max: usize,
    /// A request that is not answered within this time never will be.
    pub request_timeout: Duration,
    /// Dials.
    pub connector: Rc<dyn Connector>,
    /// Seeds nonces and jitter.
    pub seed: u64,
    /// Told when a link is ready.
    pub up: Recipient<PeerUp>,
    /// Told when one is lost.
    pub down: Recipient<PeerDown>,
    /// Told how good they are.
    pub measured: Recipient<LinkMeasured>,
    /// Where they count.
    pub metrics: Metrics,
}

/// The links of this thread are these from now on, each in the form `R` in which the follower speaks to another node.
pub struct LinksChanged<R>(pub BTreeMap<NodeId, R>);

impl<R> Message for LinksChanged<R> {
    type Result = ();
}

/// Send the links as they are at once, and again whenever they have changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FollowLinks(Tell);

/// Tells one follower.
type Tell = Box<dyn Fn(&BTreeMap<NodeId, Linked>) + Send>;

impl FollowLinks {
    /// `of` makes of a `Peer` what the follower needs of it.
    pub fn new<R: Send + 'static>(
        follower: Recipient<LinksChanged<R>>,
        of: impl Fn(&Addr<Peer>) -> R + Send + 'static,
    ) -> Self {
        Self(Box::new(move |links| {
            let links = links.iter().map(|(node, link)| (node.clone(), of(&link.peer))).collect();
            follower.do_send(LinksChanged(links));
        }))
    }
}

/// One link, and where it leads.
struct Linked {
    address: String,
    peer: Addr<Peer>,
}

/// The links of a thread.
pub struct Links {
    parts: LinksParts,
    rng: StdRng,
    links: BTreeMap<NodeId, Linked>,
    followers: Vec<Tell>,
}

impl Links {
    /// Links to all other members, which dial once the actor starts.
    pub fn new(parts: LinksParts) -> Self {
        let rng = StdRng::seed_from_u64(parts.seed);
        Self { parts, rng, links: BTreeMap::new(), followers: Vec::new() }
    }

    fn follow(&mut self, members: &[MemberAddress]) {
        let known = self.links.iter().map(|(node, link)| (node, link.address.as_str()));
        let Turnover { ends, begins } = Turnover::of(&known.collect(), members, &self.parts.local.member.id);
        if ends.is_empty() && begins.is_empty() {
            return;
        }
        for node in ends {
            info!(peer = %node, worker = self.parts.worker, "a link ends: no member any more, or not at that address");
            if let Some(link) = self.links.remove(&node) {
                link.peer.do_send(EndLink);
            }
        }
        for member in begins {
            let peer = self.start(member.clone());
            self.links.insert(member.member.id, Linked { address: member.address, peer });
        }
        self.followers.iter().for_each(|tell| tell(&self.links));
    }

    fn start(&mut self, peer: MemberAddress) -> Addr<Peer> {
        let parts = &self.parts;
        Peer::new(PeerParts {
            peer,
            local: parts.local.clone(),
            directory: parts.directory,
            cluster: parts.cluster.clone(),
            secret: parts.secret.clone(),
            worker: parts.worker,
            frame_max_bytes: parts.frame_max_bytes,
            inflight_max: parts.inflight_max,
            request_timeout: parts.request_timeout,
            connector: Rc::clone(&parts.connector),
            seed: self.rng.random(),
            up: parts.up.clone(),
            down: parts.down.clone(),
            measured: parts.measured.clone(),
            metrics: parts.metrics.clone(),
        })
        .start()
    }
}

/// What other members mean for the links of a node.
#[derive(Debug, PartialEq, Eq)]
struct Turnover {
    /// Whoever is gone, or has another address.
    ends: Vec<NodeId>,
    /// Whoever is new, or has another address.
    begins: Vec<MemberAddress>,
}

impl Turnover {
    /// `known`: whom there are links to, and at which address.
    fn of(known: &BTreeMap<&NodeId, &str>, members: &[MemberAddress], local: &NodeId) -> Self {
        let others: BTreeMap<&NodeId, &MemberAddress> =
            members.iter().map(|other| (&other.member.id, other)).filter(|(node, _)| *node != local).collect();
        let stays = |node: &NodeId, address: &str| others.get(node).is_some_and(|other| other.address == address);
        let is_known = |other: &MemberAddress| known.get(&other.member.id).is_some_and(|at| *at == other.address);
        Self {
            ends: known.iter().filter(|(node, at)| !stays(node, at)).map(|(node, _)| (*node).clone()).collect(),
            begins: others.into_values().filter(|other| !is_known(other)).cloned().collect(),
        }
    }
}

impl Actor for Links {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let members = std::mem::take(&mut self.parts.members);
        self.follow(&members);
    }
}

impl Handler<ViewChanged> for Links {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.follow(&view.members);
    }
}

impl Handler<FollowLinks> for Links {
    type Result = ();

    fn handle(&mut self, FollowLinks(tell): FollowLinks, _: &mut Self::Context) {
        tell(&self.links);
        self.followers.push(tell);
    }
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
