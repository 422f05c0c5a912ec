//! Which peers may be picked: those that the cluster says are up, and to which this node's own links work.
//!
//! ```text
//!   what the cluster says    up, suspect ──┐
//!                            down ─────────┼──▶ reachable, if both         a link that is lost counts at once, for this node only;
//!   links of every thread    all up ───────┤                               what the cluster says counts for everybody
//!                            one down ─────┘
//! ```
//!
//! So a node that only this one cannot reach is not picked here and stays a member in good standing elsewhere, and one that everybody
//! has given up is not picked although a connection to it may still look alive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::link_matrix::LinkSight;
use super::link_meter::LinkQuality;
use super::node_id::NodeId;
use super::steadiness::Steadiness;
use super::swim::PeerState;

/// How a peer stands with this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the cluster says.
    pub state: PeerState,
    /// Whether it may be picked by this node.
    pub reachable: bool,
}

impl Standing {
    /// Of whom nothing has been heard.
    pub const UNKNOWN: Self = Self { state: PeerState::Down, reachable: false };
}

struct Peer {
    state: PeerState,
    /// The threads whose link is up. All of them must be, so that none picks the peer, instead of a stand-in, and then has no link.
    links: BTreeSet<usize>,
    /// Of all links together.
    steadiness: Steadiness,
    quality: LinkQuality,
    /// What has been said of it last.
    told: Option<Standing>,
}

impl Peer {
    fn unknown(told: Option<Standing>) -> Self {
        Self {
            state: PeerState::Down,
            links: BTreeSet::new(),
            steadiness: Steadiness::default(),
            quality: LinkQuality::default(),
            told,
        }
    }
}

/// All peers of a node.
pub struct Standings {
    peers: BTreeMap<NodeId, Peer>,
    links_per_peer: usize,
}

impl Standings {
    /// Nothing is known of anybody; each peer has `links_per_peer` links.
    pub fn new(peers: impl IntoIterator<Item = NodeId>, links_per_peer: usize) -> Self {
        let unknown = |node| (node, Peer::unknown(Some(Standing::UNKNOWN)));
        Self { peers: peers.into_iter().map(unknown).collect(), links_per_peer }
    }

    /// Only these are peers from now on. Whoever is gone is forgotten; of whoever is new it is said that nothing is known, for what was said of him
    /// the last time that he was a member may still be believed.
    pub fn follow(&mut self, peers: &BTreeSet<NodeId>) {
        self.peers.retain(|node, _| peers.contains(node));
        for node in peers {
            self.peers.entry(node.clone()).or_insert_with(|| Peer::unknown(None));
        }
    }

    /// The link of a thread came up, or was lost.
    pub fn link_changed(&mut self, node: &NodeId, thread: usize, up: bool, now: Duration) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        if up {
            peer.links.insert(thread);
        } else {
            peer.links.remove(&thread);
        }
        peer.steadiness.changed(peer.links.len() == self.links_per_peer, now);
    }

    /// The link has been measured.
    pub fn measured(&mut self, node: &NodeId, quality: LinkQuality) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.quality = quality;
        }
    }

    /// The cluster says something else of a peer.
    pub fn state_changed(&mut self, node: &NodeId, state: PeerState) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.state = state;
        }
    }

    /// Whether the link of this thread is up.
    pub fn link_is_up(&self, node: &NodeId, thread: usize) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.links.contains(&thread))
    }

    /// Those whose standing is another than the last time that this was asked.
    pub fn changes(&mut self, now: Duration) -> Vec<(NodeId, Standing)> {
        let mut changes = Vec::new();
        for (node, peer) in &mut self.peers {
            let usable = peer.steadiness.usable(now);
            let standing = Standing { state: peer.state, reachable: usable && peer.state != PeerState::Down };
            if peer.told.replace(standing) != Some(standing) {
                changes.push((node.clone(), standing));
            }
        }
        changes
    }

    /// What this node sees of its links.
    pub fn sights(&self) -> Vec<LinkSight> {
        let sight = |(node, peer): (&NodeId, &Peer)| LinkSight {
            to: node.clone(),
            up: peer.links.len() == self.links_per_peer,
            round_trip_us: peer.quality.round_trip.map(|trip| u32::try_from(trip.as_micros()).unwrap_or(u32::MAX)),
            loss_percent: peer.quality.loss_percent,
        };
        self.peers.iter().map(sight).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dynamo::steadiness::HOLD_MAX;

    const LINKS: usize = 3;

    #[derive(Clone, Debug)]
    enum Event {
        Link(usize, bool),
        State(PeerState),
        Wait(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..LINKS, any::<bool>()).prop_map(|(thread, up)| Event::Link(thread, up)),
            prop::sample::select(PeerState::ALL.to_vec()).prop_map(Event::State),
            (1..4_000_u64).prop_map(Event::Wait),
        ]
    }

    #[test]
    fn whoever_is_gone_is_forgotten_and_one_that_is_new_is_introduced() {
        let (b, c) = (NodeId::new("b").unwrap(), NodeId::new("c").unwrap());
        let up = Standing { state: PeerState::Up, reachable: true };
        let mut standings = Standings::new([b.clone()], 1);
        assert!(standings.changes(Duration::ZERO).is_empty());
        let rises = |standings: &mut Standings, node: &NodeId| {
            standings.link_changed(node, 0, true, Duration::ZERO);
            standings.state_changed(node, PeerState::Up);
            standings.changes(Duration::ZERO)
        };
        assert_eq!(rises(&mut standings, &b), [(b.clone(), up)]);
        standings.follow(&[c.clone()].into());
        assert_eq!(standings.changes(Duration::ZERO), [(c.clone(), Standing::UNKNOWN)]);
        assert!(rises(&mut standings, &b).is_empty() && !standings.link_is_up(&b, 0), "what concerns a stranger");
        assert_eq!(rises(&mut standings, &c), [(c.clone(), up)]);
        standings.follow(&[b.clone(), c.clone()].into());
        assert_eq!(standings.changes(Duration::ZERO), [(b, Standing::UNKNOWN)], "c stays as it was");
        assert_eq!(standings.sights().iter().filter(|sight| sight.up).map(|sight| &sight.to).collect::<Vec<_>>(), [&c]);
    }

    proptest! {
        #[test]
        fn reachable_means_not_down_and_every_link_up_and_is_true_once_both_have_lasted(
            events in prop::collection::vec(event(), 0..80),
        ) {
            let node = NodeId::new("b").unwrap();
            let mut standings = Standings::new([node.clone()], LINKS);
            let (mut links, mut state, mut now) = (BTreeSet::new(), PeerState::Down, Duration::ZERO);
            let mut told = Standing::UNKNOWN;
            let mut note = |standings: &mut Standings, now: Duration, links: &BTreeSet<usize>, state: PeerState| {
                for (_, standing) in standings.changes(now) {
                    assert_ne!(standing, told, "told twice");
                    told = standing;
                }
                assert_eq!(told.state, state);
                assert!(!told.reachable || (links.len() == LINKS && state != PeerState::Down), "{told:?} {links:?}");
                told
            };
            for event in events {
                match event {
                    Event::Link(thread, up) => {
                        if up { links.insert(thread); } else { links.remove(&thread); }
                        standings.link_changed(&node, thread, up, now);
                    }
                    Event::State(to) => {
                        state = to;
                        standings.state_changed(&node, to);
                    }
                    Event::Wait(ms) => now += Duration::from_millis(ms),
                }
                note(&mut standings, now, &links, state);
            }
            let both = links.len() == LINKS && state != PeerState::Down;
            prop_assert_eq!(note(&mut standings, now + HOLD_MAX, &links, state).reachable, both);
            prop_assert_eq!(standings.sights()[0].up, links.len() == LINKS);
        }
    }
}
