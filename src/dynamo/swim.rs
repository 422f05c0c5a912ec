//! SWIM (Das et al., 2002) with suspicion and refutation, as a value: who is up, as the cluster agrees on it.
//!
//! ```text
//!   ping ──▶ no answer in probe_timeout ──▶ three others ping for us ──▶ nobody hears him until probe_interval is over ──▶ SUSPECT
//!                                                                                                                          │
//!            UP  ◀── he hears of it and raises his incarnation ◀── rumours travel with every message ◀─────────────────────┤
//!            DOWN, for this life ◀── suspicion is over and he has not spoken ◀─────────────────────────────────────────────┘
//! ```
//!
//! The protocol itself is the crate `foca`. This value adds what a cluster with agreed members needs: it follows who belongs to it, strangers are refused, members
//! that are not up are announced to again and again (who lost everybody at once would otherwise never probe again), a process whose
//! generation is behind what others remember of it catches up, a suspect is told so by whoever speaks to him until he has refuted it,
//! and every change of a member's state is told once.

mod codec;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU8, NonZeroUsize};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use foca::{Config, Foca, Member, NoCustomBroadcast, Notification, PeriodicParams, Runtime, State, Timer};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

pub use codec::{Life, RumourError};

use crate::dynamo::node_id::NodeId;
use codec::MemberCodec;

/// Members that are not up hear of us this often, until they are. Without it, all members of a cluster that was cut in two and
/// healed at the same instant may wait for each other for ever.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// A suspect is spoken to this often, so that he hears of it and his answer refutes it. The protocol itself passes a suspicion on a few
/// times within a second; a suspect whose links came back later than that would never hear of it, and be given up.
const APPEAL_INTERVAL: Duration = Duration::from_millis(250);

/// How often rumours are sent by themselves while there are any.
const GOSSIP_INTERVAL: Duration = Duration::from_millis(200);

/// How many members are asked to ping somebody who does not answer, and how many hear a rumour at a time.
const FAN_OUT: usize = 3;

/// How often each rumour is passed on. With 3, one in thirty never reached everybody; with 10, none did not.
const TRANSMISSIONS: u8 = 10;

/// No process ever lives in a generation beyond this one: what says so is wrong, and following it would leave no later life.
const GENERATION_MAX: u64 = u64::MAX / 2;

/// Bound of one datagram, in bytes: all members of a large cluster, with the longest names.
const DATAGRAM_MAX_BYTES: usize = 64 * 1024;

/// How fast failures are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionSpeed {
    /// One member is probed this often.
    pub probe_interval: Duration,
    /// A probe without an answer is given to others after this time.
    pub probe_timeout: Duration,
    /// A suspect has this long to speak up.
    pub suspicion: Duration,
}

/// What the cluster says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// It answers.
    Up,
    /// It did not answer somebody, and has not refuted that yet. It counts as up.
    Suspect,
    /// Nobody has heard from it for long enough, or ever.
    Down,
}

impl PeerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Up, Self::Suspect, Self::Down];

    /// As a word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }

    const fn of(state: State) -> Self {
        match state {
            State::Alive => Self::Up,
            State::Suspect => Self::Suspect,
            State::Down => Self::Down,
        }
    }
}

/// What one member knows of another, told with every message, so that nobody is the last to hear of himself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownLife {
    /// The latest generation that is known; 0 for none.
    pub generation: u64,
    /// The incarnation that is suspected, if it is.
    pub suspected: Option<u16>,
}

/// A member's state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The member.
    pub node: NodeId,
    /// What it was.
    pub from: PeerState,
    /// What it is.
    pub to: PeerState,
}

/// What has to be done, and what has happened.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be sent; what cannot be is lost, which is foreseen.
    pub datagrams: Vec<(NodeId, Bytes)>,
    /// In the order in which they happened.
    pub transitions: Vec<Transition>,
    /// Probes that nobody answered.
    pub failed_probes: Vec<NodeId>,
    /// Somebody suspects this process, which refutes it.
    pub refuted: bool,
    /// This process was given up too early, and began another life.
    pub renewed: bool,
    /// Rumours that were refused, and why.
    pub refused: Vec<String>,
}

/// The detector.
pub struct Swim {
    foca: Foca<Life, MemberCodec, StdRng, NoCustomBroadcast>,
    /// Who belongs to the cluster; what reads rumours looks at it too.
    members: Rc<RefCell<BTreeSet<NodeId>>>,
    now: Duration,
    /// What the protocol wants to be reminded of; the number keeps the order of what is due at the same time.
    timers: BTreeMap<(Duration, u64), Timer<Life>>,
    next_timer: u64,
    announce_at: Duration,
    appeal_at: Duration,
    states: BTreeMap<NodeId, PeerState>,
}

impl Swim {
    /// Knows of `members`, and that they are down as far as anybody has said. Its time begins at zero.
    pub fn new(own: Life, members: BTreeSet<NodeId>, speed: DetectionSpeed, rng: StdRng) -> Self {
        let peers = members.iter().filter(|node| **node != own.node);
        let states = peers.map(|node| (node.clone(), PeerState::Down)).collect();
        let members = Rc::new(RefCell::new(members));
        Self {
            states,
            foca: Foca::new(own, config(speed), rng, MemberCodec::new(Rc::clone(&members))),
            members,
            now: Duration::ZERO,
            timers: BTreeMap::new(),
            next_timer: 0,
            announce_at: Duration::ZERO,
            appeal_at: Duration::ZERO,
        }
    }

    /// Only these belong to the cluster from now on. Whoever is new is down until he is heard of; whoever is gone is forgotten, and that is no transition.
    pub fn follow(&mut self, members: BTreeSet<NodeId>) -> Effects {
        let mut turn = Turn::default();
        let own = self.own().node.clone();
        self.states.retain(|node, _| members.contains(node));
        for node in members.iter().filter(|node| **node != own) {
            self.states.entry(node.clone()).or_insert(PeerState::Down);
        }
        let known = self.foca.iter_membership_state();
        let gone: Vec<_> = known.filter(|known| !members.contains(&known.id().node)).cloned().collect();
        self.members.replace(members);
        for member in gone {
            // It is told to nobody: who hears of the change hears of it from whoever decides on members, and else a member that returns would be called down.
            let down = Member::new(member.id().clone(), member.incarnation(), State::Down);
            let outcome = self.foca.apply_many(std::iter::once(down), false, &mut turn);
            turn.note(outcome);
            let outcome = self.foca.handle_timer(Timer::RemoveDown(member.id().clone()), &mut turn);
            turn.note(outcome);
        }
        self.finish(turn)
    }

    /// This process, in its present life.
    pub fn own(&self) -> &Life {
        self.foca.identity()
    }

    /// What the cluster says of this member; a stranger is down.
    pub fn state(&self, node: &NodeId) -> PeerState {
        self.states.get(node).copied().unwrap_or(PeerState::Down)
    }

    /// What is known here of a member.
    pub fn known(&self, node: &NodeId) -> KnownLife {
        let known = self.foca.iter_membership_state().find(|member| member.id().node == *node);
        known.map_or_else(KnownLife::default, |member| KnownLife {
            generation: member.id().generation,
            suspected: (member.state() == State::Suspect).then_some(member.incarnation()),
        })
    }

    /// Own time goes on.
    pub fn tick(&mut self, now: Duration) -> Effects {
        self.now = self.now.max(now);
        let next_timer = self.timers.first_key_value().map_or(self.announce_at, |((due, _), _)| *due);
        if next_timer.min(self.announce_at).min(self.appeal_at) > self.now {
            return Effects::default();
        }
        let mut turn = Turn::default();
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= self.now
        {
            let timer = entry.remove();
            let outcome = self.foca.handle_timer(timer, &mut turn);
            turn.note(outcome);
        }
        let mut spoken_to = Vec::new();
        if self.announce_at <= self.now {
            self.announce_at = self.now + ANNOUNCE_INTERVAL;
            spoken_to.extend(self.peers_that_are(PeerState::Down));
        }
        if self.appeal_at <= self.now {
            self.appeal_at = self.now + APPEAL_INTERVAL;
            spoken_to.extend(self.peers_that_are(PeerState::Suspect));
        }
        spoken_to.iter().for_each(|node| self.announce_to(node, &mut turn));
        self.finish(turn)
    }

    /// A peer can be spoken to, for the first time or again: it shall know of this process at once.
    pub fn introduce_to(&mut self, node: &NodeId) -> Effects {
        let mut turn = Turn::default();
        if self.states.contains_key(node) {
            self.announce_to(node, &mut turn);
        }
        self.finish(turn)
    }

    /// Takes what a peer has sent, and what it knows of this process. A stranger is not heard.
    pub fn receive(&mut self, from: &NodeId, datagrams: &[Bytes], known: KnownLife) -> Effects {
        let mut turn = Turn::default();
        if !self.states.contains_key(from) {
            turn.effects.refused.push(RumourError::Stranger { node: from.clone() }.to_string());
            return turn.effects;
        }
        self.hear_of_itself(known, &mut turn);
        for datagram in datagrams {
            let outcome = self.foca.handle_data(datagram, &mut turn);
            turn.note(outcome);
        }
        self.finish(turn)
    }

    fn hear_of_itself(&mut self, known: KnownLife, turn: &mut Turn) {
        let own = self.own().clone();
        if known.generation > GENERATION_MAX {
            turn.effects.refused.push(format!("generation {} of {}", known.generation, own.node));
        } else if known.generation > own.generation {
            // A later life is remembered than this process knows of, as after the loss of a disk: nobody would believe it.
            let later = Life { node: own.node, generation: known.generation.saturating_add(1) };
            let outcome = self.foca.change_identity(later, &mut *turn);
            turn.note(outcome);
            turn.effects.renewed = true;
        } else if let Some(incarnation) = known.suspected.filter(|_| known.generation == own.generation) {
            let suspicion = Member::new(own, incarnation, State::Suspect);
            let outcome = self.foca.apply_many(std::iter::once(suspicion), true, &mut *turn);
            turn.note(outcome);
            turn.effects.refuted = true;
        }
    }

    fn peers_that_are(&self, wanted: PeerState) -> Vec<NodeId> {
        self.states.iter().filter(|(_, state)| **state == wanted).map(|(node, _)| node.clone()).collect()
    }

    fn announce_to(&mut self, node: &NodeId, turn: &mut Turn) {
        // An announcement is taken whatever life it is addressed to.
        let anybody = Life { node: node.clone(), generation: 0 };
        let outcome = self.foca.announce(anybody, &mut *turn);
        turn.note(outcome);
    }

    fn finish(&mut self, turn: Turn) -> Effects {
        let Turn { mut effects, timers } = turn;
        for (after, timer) in timers {
            self.next_timer += 1;
            self.timers.insert((self.now + after, self.next_timer), timer);
        }
        for member in self.foca.iter_membership_state() {
            let (node, to) = (&member.id().node, PeerState::of(member.state()));
            if let Some(state) = self.states.get_mut(node)
                && *state != to
            {
                effects.transitions.push(Transition { node: node.clone(), from: *state, to });
                *state = to;
            }
        }
        effects.transitions.sort_by(|one, other| one.node.cmp(&other.node));
        effects
    }
}

/// What the protocol asks for while it handles one thing.
#[derive(Default)]
struct Turn {
    effects: Effects,
    timers: Vec<(Duration, Timer<Life>)>,
}

impl Turn {
    fn note(&mut self, outcome: Result<(), foca::Error>) {
        if let Err(error) = outcome {
            self.effects.refused.push(error.to_string());
        }
    }
}

impl Runtime<Life> for Turn {
    fn notify(&mut self, notification: Notification<'_, Life>) {
        if matches!(notification, Notification::Rejoin(_)) {
            self.effects.renewed = true;
        }
    }

    fn send_to(&mut self, to: Life, datagram: &[u8]) {
        self.effects.datagrams.push((to.node, Bytes::copy_from_slice(datagram)));
    }

    fn submit_after(&mut self, timer: Timer<Life>, after: Duration) {
        // The protocol says so at the end of each probe that nobody has answered, and at no other time.
        if let Timer::ChangeSuspectToDown { member_id, .. } = &timer {
            self.effects.failed_probes.push(member_id.node.clone());
        }
        self.timers.push((after, timer));
    }
}

fn config(speed: DetectionSpeed) -> Config {
    // `foca` wants counts that cannot be zero.
    let fan_out = NonZeroUsize::MIN.saturating_add(FAN_OUT - 1);
    Config {
        probe_period: speed.probe_interval,
        probe_rtt: speed.probe_timeout,
        num_indirect_probes: fan_out,
        max_transmissions: NonZeroU8::MIN.saturating_add(TRANSMISSIONS - 1),
        suspect_to_down_after: speed.suspicion,
        // Memory is bounded by the number of members, and a life that is over must stay so.
        remove_down_after: None,
        max_packet_size: NonZeroUsize::MIN.saturating_add(DATAGRAM_MAX_BYTES - 1),
        notify_down_members: true,
        periodic_announce: None,
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams { frequency: GOSSIP_INTERVAL, num_members: fan_out }),
    }
}

#[cfg(test)]
#[path = "swim_tests.rs"]
mod tests;
