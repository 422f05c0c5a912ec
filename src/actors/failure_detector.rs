//! Finds out who is up, together with the detectors of all other nodes.
//!
//! `Peer`s tell it about their links and carry its rumours; `BridgeSession`s bring those of others. `RingManager` tells it who belongs to the cluster and
//! hears how each peer stands, and admins see the matrix of links. It decides nothing itself: `swim` says what the cluster agrees on, `standing` what that
//! means here. If it dies, so does the process; what it knew is learnt again within a probe or two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Recipient};
use bytes::{Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::links::LinksChanged;
use crate::dynamo::link_matrix::{LinkMatrix, LinkRow, ROW_INTERVAL};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::own_time::{OwnTime, TICK};
use crate::dynamo::standing::Standings;
use crate::dynamo::swim::{DetectionSpeed, Effects, Life, PeerState, Swim, Transition};
use crate::messages::LinkError;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{PeerDown, PeerUp, ViewChanged};
use crate::messages::detection::{DescribeLinks, Gossip, GossipAnswered, LinkMeasured, Rumours, StandingChanged};
use crate::messages::together::{Answers, Together};
use crate::metrics::Metrics;
use crate::wire::frame::{FrameKind, encode};
use crate::wire::operation::Operation;

/// What a [`FailureDetector`] is told.
pub struct DetectorParts {
    /// This process: its node, and a generation that has risen since the last one.
    pub own: Life,
    /// Everybody who belongs to the cluster at the start.
    pub members: BTreeSet<NodeId>,
    /// How fast failures are found.
    pub speed: DetectionSpeed,
    /// Carry rumours, over the links of the control thread.
    pub peers: BTreeMap<NodeId, Recipient<Together<Gossip>>>,
    /// The number of the thread that those links belong to. All smaller numbers are workers, which have links too.
    pub control_thread: usize,
    /// Told how each peer stands.
    pub standing: Recipient<StandingChanged>,
    /// Seeds whom it probes when.
    pub seed: u64,
    /// Where it counts.
    pub metrics: Metrics,
}

/// The detector of failures.
pub struct FailureDetector {
    parts: DetectorParts,
    began: Instant,
    time: OwnTime,
    swim: Swim,
    standings: Standings,
    matrix: LinkMatrix,
    /// How many rows this process has described, and when the next is due.
    rows: u64,
    row_due: Duration,
    stalls: u64,
}

impl FailureDetector {
    /// A detector that has heard of nobody.
    pub fn new(parts: DetectorParts) -> Self {
        let peers = parts.members.iter().filter(|node| **node != parts.own.node).cloned();
        let rng = StdRng::seed_from_u64(parts.seed);
        Self {
            began: Instant::now(),
            time: OwnTime::starting_at(Duration::ZERO, parts.speed.probe_timeout),
            swim: Swim::new(parts.own.clone(), parts.members.clone(), parts.speed, rng),
            standings: Standings::new(peers, parts.control_thread + 1),
            matrix: LinkMatrix::default(),
            rows: 0,
            row_due: Duration::ZERO,
            stalls: 0,
            parts,
        }
    }

    /// Others belong to the cluster.
    fn follow(&mut self, members: BTreeSet<NodeId>, own: &Addr<Self>) {
        let before = std::mem::replace(&mut self.parts.members, members);
        let members = &self.parts.members;
        for gone in before.difference(members) {
            self.parts.metrics.detection.forget_peer(gone, PeerState::ALL.map(PeerState::label));
        }
        self.introduce(members.difference(&before));
        let peers = members.iter().filter(|node| **node != self.parts.own.node).cloned().collect();
        self.standings.follow(&peers);
        self.matrix.follow(members);
        let effects = self.swim.follow(members.clone());
        self.carry_out(effects, None, own);
    }

    /// Nobody has been heard of yet.
    fn introduce<'a>(&self, members: impl Iterator<Item = &'a NodeId>) {
        let all = PeerState::ALL.map(PeerState::label);
        for node in members.filter(|node| **node != self.parts.own.node) {
            self.parts.metrics.detection.peer_state(node, PeerState::Down.label(), all);
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn tick(&mut self, own: &Addr<Self>) {
        let now = self.now();
        let own_now = self.time.look(now);
        if self.time.stalls() > self.stalls {
            self.parts.metrics.detection.detector_stalls.inc_by(self.time.stalls() - self.stalls);
            self.stalls = self.time.stalls();
            info!("this process has stalled: what it did not hear meanwhile is held against nobody");
        }
        if self.row_due <= now {
            self.row_due = now + ROW_INTERVAL;
            self.describe_links(now);
        }
        let effects = self.swim.tick(own_now);
        self.carry_out(effects, None, own);
    }

    /// Says what this node sees of its own links.
    fn describe_links(&mut self, now: Duration) {
        self.rows += 1;
        let Life { node, generation } = self.swim.own().clone();
        let row = LinkRow { from: node, revision: (generation, self.rows), links: self.standings.sights() };
        self.matrix.take(row, now);
    }

    /// Sends what is to be sent, and tells what has happened. What is for `asking` is returned: it goes into the answer.
    fn carry_out(&mut self, effects: Effects, asking: Option<&NodeId>, own: &Addr<Self>) -> Vec<Bytes> {
        let metrics = &self.parts.metrics;
        effects.refused.iter().for_each(|why| debug!(why, "a rumour was refused"));
        effects.failed_probes.iter().for_each(|node| metrics.detection.probe_failed(node));
        if effects.refuted {
            metrics.detection.own_refutations.inc();
        }
        if effects.renewed {
            metrics.detection.own_renewals.inc();
            warn!(generation = self.swim.own().generation, "the cluster had given up this node, which is back now");
        }
        effects.transitions.iter().for_each(|transition| self.tell(transition));
        self.publish();
        let mut by_node: BTreeMap<NodeId, Vec<Bytes>> = BTreeMap::new();
        for (node, datagram) in effects.datagrams {
            by_node.entry(node).or_default().push(datagram);
        }
        let answer = asking.and_then(|node| by_node.remove(node)).unwrap_or_default();
        by_node.into_iter().for_each(|(node, datagrams)| self.send(&node, datagrams, own));
        answer
    }

    fn tell(&mut self, Transition { node, from, to }: &Transition) {
        self.standings.state_changed(node, *to);
        let metrics = &self.parts.metrics;
        metrics.detection.peer_state(node, to.label(), PeerState::ALL.map(PeerState::label));
        match (from, to) {
            (_, PeerState::Suspect) => {
                metrics.detection.suspicions.inc();
                warn!(peer = %node, "suspect: it does not answer, neither directly nor through others");
            }
            (_, PeerState::Down) => {
                metrics.detection.peers_given_up.inc();
                warn!(peer = %node, "down: it has not been heard of for too long");
            }
            (PeerState::Suspect, PeerState::Up) => {
                metrics.detection.refutations.inc();
                info!(peer = %node, "up: it has refuted the suspicion");
            }
            (_, PeerState::Up) => info!(peer = %node, "up"),
        }
    }

    fn publish(&mut self) {
        for (node, standing) in self.standings.changes(self.now()) {
            self.parts.standing.do_send(StandingChanged { node, standing });
        }
    }

    /// Over a link that is not there nothing is sent: whoever is told late is told something else by then.
    fn send(&mut self, node: &NodeId, datagrams: Vec<Bytes>, own: &Addr<Self>) {
        if !self.standings.link_is_up(node, self.parts.control_thread) {
            return;
        }
        let gossip = Gossip(self.rumours_for(node, datagrams));
        let Some(peer) = self.parts.peers.get(node) else { return };
        let own = own.clone();
        let answers = Answers::new(move |_, answer: Result<Rumours, LinkError>| {
            if let Ok(rumours) = answer {
                own.do_send(GossipAnswered(rumours));
            }
        });
        peer.do_send(Together { requests: vec![gossip], answers });
    }

    fn rumours_for(&mut self, node: &NodeId, datagrams: Vec<Bytes>) -> Rumours {
        let row = self.matrix.next_to_pass_on(self.now());
        let from = self.parts.own.node.clone();
        let rumours = Rumours { from, datagrams, known: self.swim.known(node), row };
        let mut frame = BytesMut::new();
        let encoded = encode(&mut frame, FrameKind::Request, Operation::Gossip.number(), 0, &rumours, usize::MAX);
        self.parts.metrics.detection.gossip_sent(encoded.map_or(0, |()| frame.len()));
        rumours
    }

    fn hear(&mut self, rumours: Rumours, asking: bool, own: &Addr<Self>) -> Vec<Bytes> {
        if let Some(row) = rumours.row.filter(|_| self.parts.members.contains(&rumours.from)) {
            let now = self.now();
            if self.parts.members.contains(&row.from) && row.from != self.parts.own.node {
                self.matrix.take(row, now);
            }
        }
        let effects = self.swim.receive(&rumours.from, &rumours.datagrams, rumours.known);
        self.carry_out(effects, asking.then_some(&rumours.from), own)
    }
}

impl Actor for FailureDetector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        self.introduce(self.parts.members.iter());
        ctx.run_interval(TICK, |detector, ctx| detector.tick(&ctx.address()));
    }
}

impl Handler<ViewChanged> for FailureDetector {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, ctx: &mut Self::Context) {
        let members: BTreeSet<NodeId> = view.members.iter().map(|known| known.member.id.clone()).collect();
        if members != self.parts.members {
            self.follow(members, &ctx.address());
        }
    }
}

impl Handler<LinksChanged<Recipient<Together<Gossip>>>> for FailureDetector {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<Recipient<Together<Gossip>>>, _: &mut Self::Context) {
        self.parts.peers = peers;
    }
}

impl Handler<PeerUp> for FailureDetector {
    type Result = ();

    fn handle(&mut self, PeerUp { node, worker }: PeerUp, ctx: &mut Self::Context) {
        self.standings.link_changed(&node, worker, true, self.now());
        if worker == self.parts.control_thread {
            let effects = self.swim.introduce_to(&node);
            self.carry_out(effects, None, &ctx.address());
        }
        self.publish();
    }
}

impl Handler<PeerDown> for FailureDetector {
    type Result = ();

    fn handle(&mut self, PeerDown { node, worker }: PeerDown, _: &mut Self::Context) {
        self.standings.link_changed(&node, worker, false, self.now());
        self.publish();
    }
}

impl Handler<LinkMeasured> for FailureDetector {
    type Result = ();

    /// One link stands for all: they share the way.
    fn handle(&mut self, LinkMeasured { node, worker, quality }: LinkMeasured, _: &mut Self::Context) {
        if worker == self.parts.control_thread && self.parts.members.contains(&node) {
            self.parts.metrics.detection.link_measured(&node, quality);
            self.standings.measured(&node, quality);
        }
    }
}

impl Handler<Together<Gossip>> for FailureDetector {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Gossip>, ctx: &mut Self::Context) {
        for (at, Gossip(rumours)) in requests.into_iter().enumerate() {
            let asking = rumours.from.clone();
            let datagrams = self.hear(rumours, true, &ctx.address());
            answers.give(at, Ok(self.rumours_for(&asking, datagrams)));
        }
    }
}

impl Handler<GossipAnswered> for FailureDetector {
    type Result = ();

    fn handle(&mut self, GossipAnswered(rumours): GossipAnswered, ctx: &mut Self::Context) {
        self.hear(rumours, false, &ctx.address());
    }
}

impl Handler<DescribeLinks> for FailureDetector {
    type Result = Result<Vec<crate::dynamo::link_matrix::LinkCell>, AdminError>;

    fn handle(&mut self, _: DescribeLinks, _: &mut Self::Context) -> Self::Result {
        let now = self.now();
        self.describe_links(now);
        Ok(self.matrix.cells(&self.parts.members, now))
    }
}

#[cfg(test)]
#[path = "failure_detector_tests.rs"]
mod tests;
