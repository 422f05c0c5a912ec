//! One member of one log. See the module's own words.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::{Config, RawNode, StateRole};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::forms::{Content, Electorate, Entry, HardState, Kind, MemberChange, Message, Rank, Snapshot};
use super::memory_log::MemoryLog;

/// A leader is heard of every so many ticks.
const HEARTBEAT_TICKS: usize = 5;

/// Who has not heard of a leader for so many ticks, or up to twice as many, asks for votes.
const ELECTION_TICKS: usize = 20;

/// Bound of the entries in one message, in bytes.
const MESSAGE_MAX_BYTES: u64 = 256 * 1024;

/// Appends on their way to one member.
const INFLIGHT_MAX: usize = 64;

/// What has to be written for a log, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything known is replaced by this state.
    Restore(Snapshot),
    /// Entries up to the snapshot's are not needed any more.
    Compact(Snapshot),
    /// Entries, which replace all from the first one on.
    Append(Vec<Entry>),
    /// Replaces the last one.
    Hard(HardState),
}

/// What a member has to do. In order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write this, synced, after all that was to be written before. `Some`: then [`LogGroup::persisted`] with this number.
    Persist {
        /// What to write.
        changes: Vec<Change>,
        /// What waits for it.
        then: Option<u64>,
    },
    /// Send this.
    Send(Message),
    /// This is agreed on.
    Apply {
        /// The entry's place.
        index: u64,
        /// What it wants done.
        command: Bytes,
    },
    /// This is the state, whatever was applied before.
    Restore {
        /// The last entry that is in it.
        index: u64,
        /// The state.
        state: Bytes,
    },
}

/// What a member is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRole {
    /// It decides the order.
    Leader,
    /// It follows this leader.
    Follower {
        /// The leader's number.
        leader: u64,
    },
    /// It knows of no leader.
    Leaderless,
}

/// A proposal was not taken. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProposeRefusal {
    /// Propose to the leader.
    #[error("not the leader")]
    NotLeader,
    /// Another change of members has not been applied yet, or too much is on its way.
    #[error("busy")]
    Busy,
}

/// A message was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StepRefusal {
    /// For somebody else, or what this node was before.
    #[error("addressed to {to}")]
    NotForUs {
        /// The number that was meant.
        to: u64,
    },
    /// This member has lost entries that it had acknowledged, or others than it has were agreed on: its disk was set back, or somebody's was. It must
    /// take part under a new number.
    #[error("this member's log ends at {last} and differs from what was agreed on up to {agreed}: a disk was set back")]
    SetBack {
        /// Its last entry.
        last: u64,
        /// What the leader knows to be agreed on.
        agreed: u64,
    },
    /// The protocol has no use for it.
    #[error("unexpected")]
    Unexpected,
}

/// What a disk holds of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The last hard state.
    pub hard: HardState,
    /// The last snapshot.
    pub snapshot: Snapshot,
    /// The entries behind it, without a gap.
    pub entries: Vec<Entry>,
}

/// What was produced together: messages that may go once it is durable.
struct Outstanding {
    number: u64,
    must_be_written: bool,
    messages: Vec<Message>,
    /// The last entry of a snapshot in it: applied once it is written.
    restored: Option<u64>,
}

/// One member of a log.
pub struct LogGroup {
    node: RawNode<MemoryLog>,
    id: u64,
    seed: u64,
    outstanding: VecDeque<Outstanding>,
    applied: u64,
    /// Somebody has become a member: the last snapshot does not name him, and he would not believe it.
    wants_snapshot: bool,
}

impl LogGroup {
    /// What the first members of a log all begin with.
    #[must_use]
    pub fn genesis(electorate: Electorate, state: Bytes) -> Stored {
        // With pre-votes a term of 0 is one that the protocol cannot speak of.
        let hard = HardState { term: 1, vote: 0, commit: 1 };
        Stored { hard, snapshot: Snapshot { index: 1, term: 1, electorate, state }, entries: Vec::new() }
    }

    /// Goes on with what the disk holds; with nothing where it holds nothing: then it waits for a leader to take it in.
    ///
    /// # Errors
    ///
    /// What is stored contradicts itself, in the words of the protocol.
    pub fn recover(id: u64, stored: Stored, seed: u64) -> Result<Self, String> {
        let last = stored.snapshot.index + stored.entries.len() as u64;
        let hard = HardState { commit: stored.hard.commit.clamp(stored.snapshot.index, last), ..stored.hard };
        let applied = stored.snapshot.index;
        let log = MemoryLog::new(hard, stored.snapshot, stored.entries);
        let config = Config {
            id,
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            applied,
            max_size_per_msg: MESSAGE_MAX_BYTES,
            max_inflight_msgs: INFLIGHT_MAX,
            check_quorum: true,
            pre_vote: true,
            ..Config::default()
        };
        let node = RawNode::new(&config, log, &slog::Logger::root(slog::Discard, slog::o!()));
        let node = node.map_err(|error| error.to_string())?;
        let mut group = Self { node, id, seed, outstanding: VecDeque::new(), applied, wants_snapshot: false };
        group.draw_timeout();
        Ok(group)
    }

    /// Its number in the log.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Time passes: one tick of it.
    pub fn tick(&mut self) {
        self.node.tick();
        self.draw_timeout();
    }

    /// Somebody has said this.
    ///
    /// # Errors
    ///
    /// See [`StepRefusal`]; nothing has changed.
    pub fn step(&mut self, message: &Message) -> Result<(), StepRefusal> {
        if message.to != self.id {
            return Err(StepRefusal::NotForUs { to: message.to });
        }
        self.refuse_what_was_set_back(message)?;
        let stepped = self.node.step(message.to_raft()).map_err(|_| StepRefusal::Unexpected);
        self.draw_timeout();
        stepped
    }

    /// The protocol would rather end the process than go on from here.
    fn refuse_what_was_set_back(&self, message: &Message) -> Result<(), StepRefusal> {
        // Not the store: what a message before this one has brought may not be in it yet.
        let log = &self.node.raft.raft_log;
        let (last, committed) = (log.last_index(), log.committed);
        let is_gone = message.kind == Kind::Heartbeat && message.commit > last;
        // Zero: it is not known any more.
        let differs = |entry: &Entry| {
            entry.index <= committed && log.term(entry.index).is_ok_and(|known| known != 0 && known != entry.term)
        };
        let is_other = message.kind == Kind::Append && message.entries.iter().any(differs);
        let set_back = StepRefusal::SetBack { last, agreed: message.commit };
        if message.term >= self.term() && (is_gone || is_other) { Err(set_back) } else { Ok(()) }
    }

    /// Proposes a command. It is done once it comes back as [`Effect::Apply`], here and everywhere; it may get lost on the way.
    ///
    /// # Errors
    ///
    /// See [`ProposeRefusal`].
    pub fn propose(&mut self, command: Vec<u8>) -> Result<(), ProposeRefusal> {
        self.refuse_unless_leader()?;
        self.node.propose(Vec::new(), command).map_err(|_| ProposeRefusal::Busy)
    }

    /// Proposes to give a member another rank.
    ///
    /// # Errors
    ///
    /// See [`ProposeRefusal`].
    pub fn propose_change(&mut self, change: MemberChange) -> Result<(), ProposeRefusal> {
        self.refuse_unless_leader()?;
        if self.node.raft.has_pending_conf() {
            return Err(ProposeRefusal::Busy);
        }
        self.node.propose_conf_change(change.to_bytes(), change.to_raft()).map_err(|_| ProposeRefusal::Busy)
    }

    /// Leads no longer: the others elect somebody, which may be this member again.
    pub fn resign(&mut self) {
        if self.node.raft.state == StateRole::Leader {
            let term = self.node.raft.term;
            self.node.raft.become_follower(term, 0);
        }
    }

    fn refuse_unless_leader(&self) -> Result<(), ProposeRefusal> {
        if self.node.raft.state == StateRole::Leader { Ok(()) } else { Err(ProposeRefusal::NotLeader) }
    }

    /// A message to this member did not arrive.
    pub fn unreachable(&mut self, member: u64, kind: Kind) {
        if kind == Kind::Snapshot {
            self.node.report_snapshot(member, raft::SnapshotStatus::Failure);
        }
        self.node.report_unreachable(member);
    }

    /// A snapshot has arrived at this member.
    pub fn snapshot_arrived(&mut self, member: u64) {
        self.node.report_snapshot(member, raft::SnapshotStatus::Finish);
    }

    /// What was to be written up to this number is on the disk.
    pub fn persisted(&mut self, number: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(first) = self.outstanding.front()
            && (first.number <= number || !first.must_be_written)
        {
            effects.extend(self.release());
        }
        effects.extend(self.take_effects());
        effects
    }

    /// What has to be done now.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            let number = ready.number();
            effects.extend(to_send(ready.take_messages()).map(Effect::Send));
            let mut changes = Vec::new();
            let mut restored = None;
            if !ready.snapshot().is_empty() {
                let snapshot = Snapshot::from_raft(ready.snapshot());
                self.applied = snapshot.index;
                restored = Some(snapshot.index);
                effects.push(Effect::Restore { index: snapshot.index, state: snapshot.state.clone() });
                self.log_mut().restore(snapshot.clone());
                changes.push(Change::Restore(snapshot));
            }
            let entries: Vec<Entry> = ready.entries().iter().map(Entry::from_raft).collect();
            if !entries.is_empty() {
                self.log_mut().append(&entries);
                changes.push(Change::Append(entries));
            }
            if let Some(hard) = ready.hs() {
                let hard = HardState::from_raft(hard);
                self.log_mut().hard = hard;
                changes.push(Change::Hard(hard));
            }
            let committed = ready.take_committed_entries();
            let messages: Vec<Message> = to_send(ready.take_persisted_messages()).collect();
            self.node.advance_append_async(ready);
            let must_be_written = !changes.is_empty();
            self.outstanding.push_back(Outstanding { number, must_be_written, messages, restored });
            if must_be_written {
                effects.push(Effect::Persist { changes, then: Some(number) });
            }
            effects.extend(committed.iter().filter_map(|entry| self.apply(&Entry::from_raft(entry))));
            // What waits for nothing goes at once.
            while self.outstanding.front().is_some_and(|first| !first.must_be_written) {
                effects.extend(self.release());
            }
        }
        effects
    }

    /// What was produced first is durable: its messages may go.
    fn release(&mut self) -> impl Iterator<Item = Effect> + use<> {
        let first = self.outstanding.pop_front();
        if let Some(first) = &first {
            self.node.on_persist_ready(first.number);
        }
        if let Some(index) = first.as_ref().and_then(|first| first.restored) {
            self.node.advance_apply_to(index);
        }
        first.into_iter().flat_map(|first| first.messages).map(Effect::Send)
    }

    fn apply(&mut self, entry: &Entry) -> Option<Effect> {
        self.applied = entry.index;
        let effect = match &entry.content {
            Content::Nothing => None,
            Content::Command(command) => Some(Effect::Apply { index: entry.index, command: command.clone() }),
            Content::Membership(change) => {
                self.wants_snapshot |= change.rank == Rank::Learner;
                // Refused only where it would leave nobody to decide, and then by all alike.
                if let Ok(state) = self.node.apply_conf_change(&change.to_raft()) {
                    self.log_mut().electorate = Electorate::from_raft(&state);
                }
                None
            }
        };
        self.node.advance_apply_to(entry.index);
        effect
    }

    /// Whether it is time to [`compact`](Self::compact): there are more than `most` entries, or somebody new needs a snapshot that names him.
    #[must_use]
    pub fn wants_snapshot(&self, most: usize) -> bool {
        self.wants_snapshot || self.log().len() > most
    }

    /// The entries that have been applied are dropped; `state` is what they have led to.
    pub fn compact(&mut self, state: Bytes) -> Option<Effect> {
        let index = self.applied;
        let term = self.log().term_of(index)?;
        if index <= self.log().snapshot.index {
            return None;
        }
        self.wants_snapshot = false;
        let snapshot = Snapshot { index, term, electorate: self.electorate().clone(), state };
        self.log_mut().compact(snapshot.clone());
        Some(Effect::Persist { changes: vec![Change::Compact(snapshot)], then: None })
    }

    /// How many entries there are behind the last snapshot.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.log().len()
    }

    /// The last entry that has been applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The latest term it knows of.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.node.raft.term
    }

    /// What it is at the moment.
    #[must_use]
    pub fn role(&self) -> LogRole {
        match (self.node.raft.state, self.node.raft.leader_id) {
            (StateRole::Leader, _) => LogRole::Leader,
            (StateRole::Follower, leader) if leader != 0 => LogRole::Follower { leader },
            _ => LogRole::Leaderless,
        }
    }

    /// Who takes part, as far as it has applied the log.
    #[must_use]
    pub fn electorate(&self) -> &Electorate {
        &self.log().electorate
    }

    /// A leader's word: whether this member has all that is agreed on, or nearly.
    #[must_use]
    pub fn has_caught_up(&self, member: u64) -> bool {
        let progress = self.node.raft.prs().get(member);
        progress.is_some_and(|progress| progress.matched >= self.node.raft.raft_log.committed)
    }

    /// Whether it takes part itself, as far as it knows.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        self.electorate().rank(self.id) != Rank::None
    }

    fn log(&self) -> &MemoryLog {
        self.node.store()
    }

    fn log_mut(&mut self) -> &mut MemoryLog {
        self.node.mut_store()
    }

    /// The crate draws election time-outs from the thread's own randomness; this one depends on nothing but seed, term and role. Two members with
    /// the same one meet only in one term: the next one draws again.
    fn draw_timeout(&mut self) {
        let raft = &mut self.node.raft;
        let role = [raft.state as u8];
        let drawn = xxh3_64(&[&self.seed.to_le_bytes()[..], &raft.term.to_le_bytes(), &role].concat());
        raft.set_randomized_election_timeout(ELECTION_TICKS + (drawn as usize) % ELECTION_TICKS);
    }
}

fn to_send(messages: Vec<raft::eraftpb::Message>) -> impl Iterator<Item = Message> {
    messages.into_iter().filter_map(|message| Message::from_raft(&message))
}
