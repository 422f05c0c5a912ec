//! Owns this node's picture of the cluster: who belongs to it, who owns what, who can be reached.
//!
//! `Peer`s report their links to it; coordinators and hinted handoff receive each new view from it. It decides nothing about
//! requests. The picture is rebuilt from the data directory and the links whenever the process starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use tracing::info;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, Ring};
use crate::messages::admin::{AdminError, DescribeNodes, DescribeRing, NodeRow, RingDescription};
use crate::messages::cluster::{FoundedCluster, PeerDown, PeerUp, ReadView, Subscribe, View, ViewChanged};
use crate::metrics::Metrics;

/// The manager of the ring.
pub struct RingManager {
    view: Arc<View>,
    founded: FoundedCluster,
    /// The workers whose link to a peer is up. A peer is reachable while all of them are, so that no worker picks it, instead
    /// of a stand-in, and then has no link to it.
    links: BTreeMap<NodeId, BTreeSet<usize>>,
    /// How many links there are to each peer.
    links_per_peer: usize,
    subscribers: Vec<Recipient<ViewChanged>>,
    metrics: Metrics,
}

impl RingManager {
    /// A manager whose peers are all unreachable until a link reports otherwise.
    pub fn new(view: Arc<View>, founded: FoundedCluster, links_per_peer: usize, metrics: Metrics) -> Self {
        Self { view, founded, links: BTreeMap::new(), links_per_peer, subscribers: Vec::new(), metrics }
    }

    fn link_changed(&mut self, node: &NodeId, worker: usize, up: bool) {
        let workers = self.links.entry(node.clone()).or_default();
        if up {
            workers.insert(worker);
        } else {
            workers.remove(&worker);
        }
        let reachable = workers.len() == self.links_per_peer;
        if reachable != self.view.reachable.contains(node) {
            self.publish(node, reachable);
        }
    }

    fn publish(&mut self, node: &NodeId, reachable: bool) {
        let mut view = View::clone(&self.view);
        if reachable {
            view.reachable.insert(node.clone());
        } else {
            view.reachable.remove(node);
        }
        info!(peer = %node, reachable, of_members = view.reachable.len(), "the view has changed");
        self.view = Arc::new(view);
        for subscriber in &self.subscribers {
            subscriber.do_send(ViewChanged(Arc::clone(&self.view)));
        }
        // Last: who sees it there finds that it holds for every request he makes.
        self.metrics.peer_up(node, reachable);
    }

    fn row(&self, at: usize) -> NodeRow {
        let known = &self.founded.members[at];
        let ring = &self.view.ring;
        let partitions = ring.owned_by(&known.member.id).count();
        let up = self.view.reachable.contains(&known.member.id);
        NodeRow {
            name: known.member.id.clone(),
            address: known.address.clone(),
            state: if up { "up" } else { "down" }.to_owned(),
            zone: known.member.zone.clone(),
            weight: known.member.weight,
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
            share_percent: 100.0 * partitions as f64 / f64::from(ring.partitions()),
            this_node: known.member.id == self.view.local,
        }
    }
}

impl Actor for RingManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        for known in &self.founded.members {
            self.metrics.peer_up(&known.member.id, self.view.reachable.contains(&known.member.id));
        }
    }
}

impl Handler<Subscribe> for RingManager {
    type Result = ();

    fn handle(&mut self, Subscribe(subscriber): Subscribe, _: &mut Self::Context) {
        subscriber.do_send(ViewChanged(Arc::clone(&self.view)));
        self.subscribers.push(subscriber);
    }
}

impl Handler<PeerUp> for RingManager {
    type Result = ();

    fn handle(&mut self, PeerUp { node, worker }: PeerUp, _: &mut Self::Context) {
        self.link_changed(&node, worker, true);
    }
}

impl Handler<PeerDown> for RingManager {
    type Result = ();

    fn handle(&mut self, PeerDown { node, worker }: PeerDown, _: &mut Self::Context) {
        self.link_changed(&node, worker, false);
    }
}

impl Handler<ReadView> for RingManager {
    type Result = Arc<View>;

    fn handle(&mut self, _: ReadView, _: &mut Self::Context) -> Self::Result {
        Arc::clone(&self.view)
    }
}

impl Handler<DescribeNodes> for RingManager {
    type Result = Result<Vec<NodeRow>, AdminError>;

    fn handle(&mut self, _: DescribeNodes, _: &mut Self::Context) -> Self::Result {
        Ok((0..self.founded.members.len()).map(|at| self.row(at)).collect())
    }
}

impl Handler<DescribeRing> for RingManager {
    type Result = Result<RingDescription, AdminError>;

    fn handle(&mut self, _: DescribeRing, _: &mut Self::Context) -> Self::Result {
        let ring = &self.view.ring;
        let owners = ring.partition_ids().map(|partition| ring.owner(partition).clone()).collect();
        Ok(RingDescription { epoch: ring.epoch(), owners, balance: balance(ring) })
    }
}

/// The mean load over the greatest, where a node's load is its partitions per weight: 1 is perfect.
fn balance(ring: &Ring) -> f64 {
    let load = |member: &Member| ring.owned_by(&member.id).count() as f64 / f64::from(member.weight.max(1));
    let loads: Vec<f64> = ring.members().iter().map(load).collect();
    let greatest = loads.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    loads.iter().sum::<f64>() / loads.len().max(1) as f64 / greatest
}
