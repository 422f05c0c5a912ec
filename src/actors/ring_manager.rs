//! Owns this node's picture of the cluster: who belongs to it, who owns what, who can be reached.
//!
//! `FailureDetector` tells it how each peer stands, `MetadataLog` who belongs to the cluster, who owns what and which tables there are; coordinators and hinted handoff receive each new view from it. It decides nothing
//! about requests, nor about who is up. The picture is rebuilt whenever the process starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use tracing::info;

use crate::dynamo::node_id::NodeId;
use crate::dynamo::standing::Standing;
use crate::dynamo::swim::PeerState;
use crate::messages::admin::{AdminError, DescribeNodes, DescribeRing, NodeRow, RingDescription};
use crate::messages::cluster::{LeftCluster, MemberAddress, ReadView, Subscribe, View, ViewChanged};
use crate::messages::detection::StandingChanged;
use crate::messages::metadata::MetadataChanged;
use crate::metrics::Metrics;

/// The manager of the ring.
pub struct RingManager {
    view: Arc<View>,
    /// How each peer stands; one that is missing has not been heard of yet.
    standings: BTreeMap<NodeId, Standing>,
    subscribers: Vec<Recipient<ViewChanged>>,
    /// Told once this node is no member any more.
    left: Recipient<LeftCluster>,
    metrics: Metrics,
}

impl RingManager {
    /// A manager whose peers are all unreachable until it is told otherwise.
    pub fn new(view: Arc<View>, left: Recipient<LeftCluster>, metrics: Metrics) -> Self {
        Self { view, standings: BTreeMap::new(), subscribers: Vec::new(), left, metrics }
    }

    /// Whoever is no member in it is forgotten.
    fn publish(&mut self, mut view: View) {
        let members: BTreeSet<&NodeId> = view.members.iter().map(|known| &known.member.id).collect();
        self.standings.retain(|node, _| members.contains(node));
        view.reachable.retain(|node| members.contains(node) || *node == view.local);
        for MemberAddress { member, .. } in self.view.members.iter().filter(|old| !members.contains(&old.member.id)) {
            self.metrics.forget_peer(&member.id);
        }
        for MemberAddress { member, .. } in view.members.iter().filter(|known| !self.view.is_member(&known.member.id)) {
            self.metrics.peer_up(&member.id, view.reachable.contains(&member.id));
        }
        self.view = Arc::new(view);
        for subscriber in &self.subscribers {
            subscriber.do_send(ViewChanged(Arc::clone(&self.view)));
        }
    }

    fn turn(&mut self, node: &NodeId, reachable: bool) {
        let mut view = View::clone(&self.view);
        if reachable {
            view.reachable.insert(node.clone());
        } else {
            view.reachable.remove(node);
        }
        info!(peer = %node, reachable, of_members = view.reachable.len(), "the view has changed");
        self.publish(view);
        // Last: who sees it there finds that it holds for every request he makes.
        self.metrics.peer_up(node, reachable);
    }

    /// How a member that is up takes part.
    fn stage(&self, node: &NodeId) -> &'static str {
        let topology = &self.view.topology;
        match (topology.ring().member(node), topology.transition()) {
            (None, _) => "leaving",
            (Some(_), Some(moving)) if moving.from().member(node).is_none() => "joining",
            (Some(_), _) => PeerState::Up.label(),
        }
    }

    fn row(&self, known: &MemberAddress) -> NodeRow {
        let ring = self.view.ring();
        let partitions = ring.owned_by(&known.member.id).count();
        let this_node = known.member.id == self.view.local;
        let standing = self.standings.get(&known.member.id).copied().unwrap_or(Standing::UNKNOWN);
        let state = if this_node { PeerState::Up } else { standing.state };
        NodeRow {
            name: known.member.id.clone(),
            address: known.address.clone(),
            state: if state == PeerState::Up { self.stage(&known.member.id) } else { state.label() }.to_owned(),
            zone: known.member.zone.clone(),
            weight: known.member.weight,
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
            share_percent: 100.0 * partitions as f64 / f64::from(ring.partitions()),
            this_node,
            reachable: this_node || standing.reachable,
        }
    }
}

impl Actor for RingManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        for known in self.view.members.iter() {
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

impl Handler<StandingChanged> for RingManager {
    type Result = ();

    fn handle(&mut self, StandingChanged { node, standing }: StandingChanged, _: &mut Self::Context) {
        // What was said of a member that has left meanwhile is out of date.
        if !self.view.is_member(&node) {
            return;
        }
        self.standings.insert(node.clone(), standing);
        if standing.reachable != self.view.reachable.contains(&node) {
            self.turn(&node, standing.reachable);
        }
    }
}

impl Handler<MetadataChanged> for RingManager {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        let members = metadata.addresses();
        let (same_tables, same_members) =
            (metadata.tables() == self.view.tables.as_slice(), members == *self.view.members);
        let topology = metadata.topology();
        self.metrics.ring.knows(topology.epoch());
        if same_tables && same_members && topology.epoch() == self.view.topology.epoch() {
            return;
        }
        if !same_tables {
            info!(epoch = metadata.epoch(), tables = metadata.tables().len(), "the tables have changed");
        }
        if !same_members {
            info!(epoch = metadata.epoch(), members = members.len(), "the members have changed");
        }
        if !metadata.members().contains_key(&self.view.local) {
            self.left.do_send(LeftCluster);
        }
        let (tables, members) = (Arc::new(metadata.tables().to_vec()), Arc::new(members));
        self.publish(View { tables, members, topology: Arc::clone(topology), ..View::clone(&self.view) });
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
        Ok(self.view.members.iter().map(|known| self.row(known)).collect())
    }
}

impl Handler<DescribeRing> for RingManager {
    type Result = Result<RingDescription, AdminError>;

    fn handle(&mut self, _: DescribeRing, _: &mut Self::Context) -> Self::Result {
        let ring = self.view.ring();
        let owners = ring.partition_ids().map(|partition| ring.owner(partition).clone()).collect();
        Ok(RingDescription { epoch: self.view.topology.epoch(), owners, balance: ring.balance() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::claim::claim;
    use crate::dynamo::quorum::Quorum;
    use crate::dynamo::ring::Member;
    use crate::dynamo::topology::Topology;
    use crate::item::TableSchema;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn members(names: &[&str]) -> Vec<MemberAddress> {
        let member = |name: &&str| Member { id: node(name), zone: None, weight: 1 };
        names.iter().map(|name| MemberAddress { member: member(name), address: format!("{name}:1") }).collect()
    }

    fn rows(manager: &mut RingManager) -> Vec<(String, bool)> {
        let rows = manager.handle(DescribeNodes, &mut Context::new()).unwrap();
        rows.into_iter().map(|row| (row.name.to_string(), row.reachable)).collect()
    }

    struct Nobody;

    impl Actor for Nobody {
        type Context = Context<Self>;
    }

    impl Handler<LeftCluster> for Nobody {
        type Result = ();

        fn handle(&mut self, _: LeftCluster, _: &mut Self::Context) {}
    }

    #[actix::test]
    async fn who_is_no_member_any_more_is_forgotten_and_who_is_new_is_unknown() {
        let plain: Vec<Member> = members(&["a", "b"]).into_iter().map(|known| known.member).collect();
        let view = View {
            local: node("a"),
            members: Arc::new(members(&["a", "b"])),
            topology: Arc::new(Topology::settled(claim(None, &plain, 8, 2).unwrap())),
            quorum: Quorum::new(2, 1, 1).unwrap(),
            sloppy: true,
            reachable: [node("a")].into(),
            tables: Arc::new(vec![TableSchema::kv()]),
        };
        let metrics = Metrics::new();
        let mut manager = RingManager::new(Arc::new(view), Nobody.start().recipient(), metrics.clone());
        let up = Standing { state: PeerState::Up, reachable: true };
        let said = |manager: &mut RingManager, name: &str| {
            manager.handle(StandingChanged { node: node(name), standing: up }, &mut Context::new());
        };
        said(&mut manager, "b");
        let row = |name: &str, reachable| (name.to_owned(), reachable);
        assert_eq!(rows(&mut manager), [row("a", true), row("b", true)]);

        let change = |manager: &mut RingManager, names: &[&str]| {
            manager.publish(View { members: Arc::new(members(names)), ..View::clone(&manager.view) });
        };
        change(&mut manager, &["a", "c"]);
        said(&mut manager, "b");
        assert_eq!(rows(&mut manager), [row("a", true), row("c", false)]);
        assert_eq!(manager.view.reachable, [node("a")].into());
        let text = metrics.render();
        assert!(!text.contains("peer_up{peer=\"b\"}") && text.contains("peer_up{peer=\"c\"} 0"), "{text}");

        change(&mut manager, &["a", "b", "c"]);
        assert_eq!(rows(&mut manager), [row("a", true), row("b", false), row("c", false)]);
        said(&mut manager, "c");
        assert_eq!(rows(&mut manager), [row("a", true), row("b", false), row("c", true)]);
    }
}
