//! What members of a log send and store, in forms of our own, and how they become the forms of the crate `raft` and back.

use bytes::Bytes;
use raft::eraftpb;
use serde::{Deserialize, Serialize};

/// What a message says. Kinds that a member only says to itself do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A leader: append these entries.
    Append,
    /// They are appended, or do not fit.
    AppendReply,
    /// A candidate: vote for me.
    Vote,
    /// Yes or no.
    VoteReply,
    /// A leader: this is the state; the entries that led to it are gone.
    Snapshot,
    /// A leader: I am here.
    Heartbeat,
    /// I have heard you.
    HeartbeatReply,
    /// Would you vote for me?
    PreVote,
    /// Yes or no.
    PreVoteReply,
}

/// Each kind and what the crate calls it.
const KINDS: [(Kind, eraftpb::MessageType); 9] = [
    (Kind::Append, eraftpb::MessageType::MsgAppend),
    (Kind::AppendReply, eraftpb::MessageType::MsgAppendResponse),
    (Kind::Vote, eraftpb::MessageType::MsgRequestVote),
    (Kind::VoteReply, eraftpb::MessageType::MsgRequestVoteResponse),
    (Kind::Snapshot, eraftpb::MessageType::MsgSnapshot),
    (Kind::Heartbeat, eraftpb::MessageType::MsgHeartbeat),
    (Kind::HeartbeatReply, eraftpb::MessageType::MsgHeartbeatResponse),
    (Kind::PreVote, eraftpb::MessageType::MsgRequestPreVote),
    (Kind::PreVoteReply, eraftpb::MessageType::MsgRequestPreVoteResponse),
];

impl Kind {
    fn to_raft(self) -> eraftpb::MessageType {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or(eraftpb::MessageType::MsgHup, |(_, theirs)| *theirs)
    }

    fn from_raft(theirs: eraftpb::MessageType) -> Option<Self> {
        KINDS.iter().find(|(_, known)| *known == theirs).map(|(kind, _)| *kind)
    }
}

/// As what somebody takes part in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rank {
    /// It counts toward majorities, and may lead.
    Voter,
    /// It only receives.
    Learner,
    /// It takes no part.
    None,
}

/// One member is given another rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChange {
    /// Its number in the log.
    pub member: u64,
    /// What it is from then on.
    pub rank: Rank,
}

impl MemberChange {
    pub(super) fn to_raft(self) -> eraftpb::ConfChange {
        let mut change = eraftpb::ConfChange { node_id: self.member, ..Default::default() };
        change.set_change_type(match self.rank {
            Rank::Voter => eraftpb::ConfChangeType::AddNode,
            Rank::Learner => eraftpb::ConfChangeType::AddLearnerNode,
            Rank::None => eraftpb::ConfChangeType::RemoveNode,
        });
        change
    }

    /// What travels in an entry of the log.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        // A plain value: serialising it into memory cannot fail.
        rmp_serde::to_vec(&self).unwrap_or_default()
    }
}

/// Who takes part in a log, and as what. Sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Electorate {
    /// Those who count.
    pub voters: Vec<u64>,
    /// Those who only receive.
    pub learners: Vec<u64>,
}

impl Electorate {
    /// The rank of a member.
    pub fn rank(&self, member: u64) -> Rank {
        match (self.voters.contains(&member), self.learners.contains(&member)) {
            (true, _) => Rank::Voter,
            (false, true) => Rank::Learner,
            (false, false) => Rank::None,
        }
    }

    /// Everybody who takes part.
    pub fn members(&self) -> impl Iterator<Item = u64> + use<'_> {
        self.voters.iter().chain(&self.learners).copied()
    }

    pub(super) fn to_raft(&self) -> eraftpb::ConfState {
        eraftpb::ConfState::from((self.voters.clone(), self.learners.clone()))
    }

    pub(super) fn from_raft(state: &eraftpb::ConfState) -> Self {
        let sorted = |members: &[u64]| {
            let mut members = members.to_vec();
            members.sort_unstable();
            members
        };
        Self { voters: sorted(state.get_voters()), learners: sorted(state.get_learners()) }
    }
}

/// What an entry of a log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing: a leader has begun its term with it.
    Nothing,
    /// What whoever proposed it wants done.
    Command(Bytes),
    /// A member is given another rank.
    Membership(MemberChange),
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, counted from 1.
    pub index: u64,
    /// The term of the leader who made it.
    pub term: u64,
    /// What it says.
    pub content: Content,
}

impl Entry {
    pub(super) fn to_raft(&self) -> eraftpb::Entry {
        let mut entry = eraftpb::Entry { index: self.index, term: self.term, ..Default::default() };
        match &self.content {
            Content::Nothing => {}
            Content::Command(command) => entry.data = command.clone(),
            // The crate reads the change from its own field only where it is proposed; afterwards it is ours to interpret.
            Content::Membership(change) => {
                entry.set_entry_type(eraftpb::EntryType::EntryConfChange);
                entry.context = Bytes::from(change.to_bytes());
            }
        }
        entry
    }

    pub(super) fn from_raft(entry: &eraftpb::Entry) -> Self {
        let content = match entry.get_entry_type() {
            eraftpb::EntryType::EntryNormal if entry.data.is_empty() => Content::Nothing,
            eraftpb::EntryType::EntryNormal => Content::Command(entry.data.clone()),
            _ => rmp_serde::from_slice(&entry.context).map_or(Content::Nothing, Content::Membership),
        };
        Self { index: entry.index, term: entry.term, content }
    }
}

/// The state that all entries up to one have led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that is in it.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// Who took part then.
    pub electorate: Electorate,
    /// The state, in the words of whoever applies the log.
    pub state: Bytes,
}

impl Snapshot {
    pub(super) fn to_raft(&self) -> eraftpb::Snapshot {
        let mut metadata =
            eraftpb::SnapshotMetadata { index: self.index, term: self.term, ..eraftpb::SnapshotMetadata::default() };
        metadata.set_conf_state(self.electorate.to_raft());
        let mut snapshot = eraftpb::Snapshot::default();
        snapshot.set_metadata(metadata);
        snapshot.data = self.state.clone();
        snapshot
    }

    pub(super) fn from_raft(snapshot: &eraftpb::Snapshot) -> Self {
        let metadata = snapshot.get_metadata();
        Self {
            index: metadata.index,
            term: metadata.term,
            electorate: Electorate::from_raft(metadata.get_conf_state()),
            state: snapshot.data.clone(),
        }
    }
}

/// What a member must never forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term it knows of.
    pub term: u64,
    /// Whom it has voted for in that term; 0 for nobody.
    pub vote: u64,
    /// Up to here it knows that entries are agreed on.
    pub commit: u64,
}

impl HardState {
    pub(super) fn to_raft(self) -> eraftpb::HardState {
        eraftpb::HardState { term: self.term, vote: self.vote, commit: self.commit, ..Default::default() }
    }

    pub(super) fn from_raft(state: &eraftpb::HardState) -> Self {
        Self { term: state.term, vote: state.vote, commit: state.commit }
    }
}

/// A message from one member of a log to another. Losing, doubling or reordering messages does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// Who says it.
    pub from: u64,
    /// To whom.
    pub to: u64,
    /// The sender's term.
    pub term: u64,
    /// The term of the entry at `index`.
    pub log_term: u64,
    /// The entry that precedes the entries, or the last one of the sender.
    pub index: u64,
    /// The entries of an append.
    pub entries: Vec<Entry>,
    /// Up to here the sender knows that entries are agreed on.
    pub commit: u64,
    /// The term of that entry, where votes are asked for.
    pub commit_term: u64,
    /// The state, in a message of that kind.
    pub snapshot: Option<Snapshot>,
    /// The receiver is asked for a snapshot of at least this entry; 0 for none.
    pub request_snapshot: u64,
    /// The answer is no.
    pub reject: bool,
    /// Where the sender's log may fit.
    pub reject_hint: u64,
    /// Comes back with the answer.
    pub context: Bytes,
}

impl Message {
    pub(super) fn to_raft(&self) -> eraftpb::Message {
        let mut message = eraftpb::Message {
            from: self.from,
            to: self.to,
            term: self.term,
            log_term: self.log_term,
            index: self.index,
            commit: self.commit,
            commit_term: self.commit_term,
            request_snapshot: self.request_snapshot,
            reject: self.reject,
            reject_hint: self.reject_hint,
            context: self.context.clone(),
            ..Default::default()
        };
        message.set_msg_type(self.kind.to_raft());
        message.set_entries(self.entries.iter().map(Entry::to_raft).collect::<Vec<_>>().into());
        if let Some(snapshot) = &self.snapshot {
            message.set_snapshot(snapshot.to_raft());
        }
        message
    }

    /// `None` for what a member says to itself.
    pub(super) fn from_raft(message: &eraftpb::Message) -> Option<Self> {
        let kind = Kind::from_raft(message.get_msg_type())?;
        Some(Self {
            kind,
            from: message.from,
            to: message.to,
            term: message.term,
            log_term: message.log_term,
            index: message.index,
            entries: message.get_entries().iter().map(Entry::from_raft).collect(),
            commit: message.commit,
            commit_term: message.commit_term,
            snapshot: (kind == Kind::Snapshot).then(|| Snapshot::from_raft(message.get_snapshot())),
            request_snapshot: message.request_snapshot,
            reject: message.reject,
            reject_hint: message.reject_hint,
            context: message.context.clone(),
        })
    }
}
