//! Takes part in the replicated log of metadata: carries what `LogGroup` decides to the disk and to the other members, and applies what is agreed on.
//!
//! Peers' logs and operators' `ChangeTables` speak to it; `RingManager` and the `Node` shards hear of each change. It decides neither who leads nor what a
//! command does. If it dies the process does; what was agreed on is on the disks of most voters. Reading and writing items never waits for it.

mod catch_up;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::change_metadata::{Leader, Proposer, change_metadata};
use super::links::LinksChanged;
use super::log_on_disk::{LoadedLog, LogOnDisk, LogWritten, by_number};
use super::log_recipients::LogRecipients;
use crate::consensus::{
    Candidate, Effect, Kind, LogGroup, LogRole, Message as LogMessage, ProposeRefusal, Rank, StepRefusal, next_change,
};
use crate::dynamo::node_id::NodeId;
use crate::messages::LinkError;
use crate::messages::admin::AdminError;
use crate::messages::cluster::{FoundedCluster, View, ViewChanged};
use crate::messages::metadata::{
    ChangeError, ChangeTables, DescribeMetadata, EnrolLog, FollowMetadata, MetadataChanged, MetadataStatus, Propose,
    ProposeError, StepLog,
};
use crate::messages::ring::ChangeRing;
use crate::messages::storage::StorageFailed;
use crate::messages::together::{Answers, Together};
use crate::metadata::{Command, CommandError, Enrolled, Metadata, RingChange};
use crate::metrics::Metrics;
use crate::storage::{Committer, ReadError, Space, Storage};

/// One tick of the log's clock: a leader is heard of every five, and missed after twenty to forty.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// How often a leader looks whether the right members vote, and a node that does not take part says so.
const CARE_INTERVAL: Duration = Duration::from_secs(1);

/// Who has heard of no leader for so long may have been removed, and says who he is.
const LEADERLESS_MAX: Duration = Duration::from_secs(5);

/// A voter that has been away for so long gives its vote to somebody who is there: longer than a restart takes.
const ABSENCE_MAX: Duration = Duration::from_secs(30);

/// A proposal that is not agreed on within this time may be so later; nobody waits for it any more.
const PROPOSAL_PATIENCE: Duration = Duration::from_secs(10);

/// So many applied entries are replaced by a snapshot.
const ENTRIES_MAX: usize = 256;

/// What a [`MetadataLog`] is told.
pub struct MetadataLogParts {
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// As it was founded.
    pub founded: FoundedCluster,
    /// The id of this node's data directory.
    pub directory: u64,
    /// The other members.
    pub peers: BTreeMap<NodeId, LogRecipients>,
    /// For reading, at the start.
    pub storage: Arc<dyn Storage>,
    /// For writing; reports by [`LogWritten`].
    pub committer: Box<dyn Committer>,
    /// Told when the storage has failed: the process must end.
    pub storage_failed: Recipient<StorageFailed>,
    /// Decides time-outs and the numbers of proposals.
    pub seed: u64,
    /// Where it counts.
    pub metrics: Metrics,
}

/// What an entry of the log holds.
#[derive(Serialize, Deserialize)]
struct Proposal {
    /// Drawn by whoever proposes it, who waits for it.
    number: u64,
    command: Command,
}

/// Somebody waits for his proposal.
struct Waiting {
    until: Instant,
    at: usize,
    answers: Answers<Result<u64, ProposeError>>,
}

/// This node's part in the log.
pub struct MetadataLog {
    view: Arc<View>,
    peers: Rc<BTreeMap<NodeId, LogRecipients>>,
    group: LogGroup,
    disk: LogOnDisk,
    metadata: Arc<Metadata>,
    /// The newest that followers have been told: of the log, or of a peer.
    told: Arc<Metadata>,
    /// The entry of the log that it goes up to at least.
    told_index: u64,
    /// Whether peers are being asked for something newer.
    catches_up: bool,
    followers: Vec<Recipient<MetadataChanged>>,
    waiting: BTreeMap<u64, Waiting>,
    /// Who sent messages under a number that the metadata do not know (yet).
    heard: BTreeMap<u64, NodeId>,
    /// Since when members cannot be reached.
    away: BTreeMap<NodeId, Instant>,
    /// When it last knew of a leader.
    led: Instant,
    /// The disk has refused the log, and that has been said.
    is_refused: bool,
    /// What the futures of operators' requests look at.
    leader: Rc<RefCell<Leader>>,
    epoch: Rc<Cell<u64>>,
    storage_failed: Recipient<StorageFailed>,
    rng: StdRng,
    metrics: Metrics,
}

/// What the protocol refuses to begin with.
fn damaged() -> ReadError {
    ReadError::Corrupt { space: Space::Meta, key_hex: "the log of metadata".to_owned() }
}

fn newest<'a>(one: &'a Metadata, other: &'a Metadata) -> &'a Metadata {
    if other.epoch() > one.epoch() { other } else { one }
}

/// What became of messages to one node.
#[derive(Message)]
#[rtype(result = "()")]
struct StepsEnded {
    /// The receivers' numbers, and what was said.
    messages: Vec<(u64, Kind)>,
    arrived: bool,
}

impl MetadataLog {
    /// Reads what earlier lives left, and applies what is known to be agreed on.
    pub fn open(parts: MetadataLogParts) -> Result<Self, ReadError> {
        let MetadataLogParts { view, founded, directory, storage, seed, .. } = parts;
        let mut rng = StdRng::seed_from_u64(seed);
        let fresh: u64 = rng.random();
        let metadata = founded.metadata(view.quorum).map_err(|_| damaged())?;
        let (storage, committer) = (storage.as_ref(), parts.committer);
        let local = &view.local;
        let loaded = LogOnDisk::load(storage, committer, &founded, local, directory, metadata.to_bytes(), fresh)?;
        let (mut disk, LoadedLog { id, stored, is_new }) = loaded;
        let known = Metadata::from_bytes(&stored.snapshot.state).unwrap_or_else(|| metadata.clone());
        let group = LogGroup::recover(id, stored, rng.random()).or_else(|reason| {
            error!(reason, "the log of metadata contradicts itself: this node takes part in it anew");
            disk.forget(fresh);
            LogGroup::recover(fresh, crate::consensus::Stored::default(), rng.random())
        });
        let group = group.map_err(|_| damaged())?;
        if is_new {
            info!(id, voters = group.electorate().voters.len(), "the log of metadata begins");
        }
        let epoch = Rc::new(Cell::new(known.epoch().max(metadata.epoch())));
        let mut log = Self {
            view,
            peers: Rc::new(parts.peers),
            told: Arc::new(newest(&known, &metadata).clone()),
            told_index: group.applied(),
            catches_up: false,
            group,
            disk,
            metadata: Arc::new(known),
            followers: Vec::new(),
            waiting: BTreeMap::new(),
            heard: BTreeMap::new(),
            away: BTreeMap::new(),
            led: Instant::now(),
            is_refused: false,
            leader: Rc::default(),
            epoch,
            storage_failed: parts.storage_failed,
            rng,
            metrics: parts.metrics,
        };
        let effects = log.group.take_effects();
        log.carry_out(effects, None);
        Ok(log)
    }

    /// What is agreed on, as far as this node knows.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// `here` is told what becomes of messages; before the actor runs there are none.
    fn carry_out(&mut self, effects: Vec<Effect>, here: Option<&Addr<Self>>) {
        let mut to_send: BTreeMap<NodeId, Vec<LogMessage>> = BTreeMap::new();
        for effect in effects {
            match effect {
                Effect::Persist { changes, then } => self.disk.write(changes, then),
                Effect::Send(message) => {
                    if let Some(node) = self.node_of(message.to) {
                        to_send.entry(node).or_default().push(message);
                    }
                }
                Effect::Apply { command, .. } => self.apply(&command),
                Effect::Restore { state, .. } => self.restore(&state),
            }
        }
        if let Some(here) = here {
            to_send.into_iter().for_each(|(node, messages)| self.send(&node, messages, here));
        }
        if self.group.wants_snapshot(ENTRIES_MAX)
            && let Some(Effect::Persist { changes, then }) = self.group.compact(self.metadata.to_bytes())
        {
            self.disk.write(changes, then);
        }
        self.tell();
    }

    fn send(&self, node: &NodeId, messages: Vec<LogMessage>, here: &Addr<Self>) {
        let Some(peer) = self.peers.get(node) else { return };
        let sent: Vec<(u64, Kind)> = messages.iter().map(|message| (message.to, message.kind)).collect();
        let here = here.clone().recipient::<StepsEnded>();
        let answers = Answers::new(move |_, answer: Result<(), LinkError>| {
            let tells = answer.is_err() || sent.iter().any(|(_, kind)| *kind == Kind::Snapshot);
            if tells {
                here.do_send(StepsEnded { messages: sent.clone(), arrived: answer.is_ok() });
            }
        });
        let step = StepLog { from: self.view.local.clone(), messages };
        peer.step.do_send(Together { requests: vec![step], answers });
    }

    fn node_of(&self, number: u64) -> Option<NodeId> {
        let known = self.metadata.members().iter().find(|(_, known)| known.log_id == number).map(|(node, _)| node);
        known.or_else(|| self.heard.get(&number)).cloned()
    }

    fn apply(&mut self, bytes: &[u8]) {
        let Ok(Proposal { number, command }) = rmp_serde::from_slice(bytes) else {
            error!("an entry of the log of metadata is not understood by this version: it is passed over");
            return;
        };
        let mut metadata = Metadata::clone(&self.metadata);
        let outcome = metadata.apply(number, &command);
        let refused = outcome.as_ref().err().map(ToString::to_string);
        info!(?command, epoch = metadata.epoch(), refused, "agreed on");
        if metadata != *self.metadata {
            self.metadata = Arc::new(metadata);
        }
        if let Some(Waiting { at, answers, .. }) = self.waiting.remove(&number) {
            answers.give(at, outcome.map_err(|refused: CommandError| refused.into()));
        }
    }

    fn restore(&mut self, state: &[u8]) {
        match Metadata::from_bytes(state) {
            Some(metadata) => {
                self.metadata = Arc::new(metadata);
            }
            None => error!("a snapshot of metadata is not understood by this version: it is passed over"),
        }
    }

    fn tell(&mut self) {
        let leader = match self.group.role() {
            LogRole::Leader => Leader::ThisNode,
            LogRole::Follower { leader } => self.node_of(leader).map_or(Leader::Nobody, Leader::Peer),
            LogRole::Leaderless => Leader::Nobody,
        };
        let leads = leader == Leader::ThisNode;
        let changed = self.leader.replace(leader.clone()) != leader;
        if changed {
            info!(?leader, term = self.group.term(), "who leads the log of metadata");
        }
        // Whoever has been joined knows more at first than the beginning of the log that he is told.
        self.tell_of(&Arc::clone(&self.metadata), self.group.applied());
        self.metrics.metadata.stands(self.told.epoch(), leads, self.group.entries(), changed && leads);
    }

    fn tick(&mut self, ctx: &Context<Self>) {
        self.group.tick();
        self.disk.write_next();
        let now = Instant::now();
        for (_, overdue) in self.waiting.extract_if(.., |_, waiting| waiting.until <= now) {
            overdue.answers.give(overdue.at, Err(ProposeError::Unknown));
        }
        self.go_on(ctx);
    }

    fn go_on(&mut self, ctx: &Context<Self>) {
        let effects = self.group.take_effects();
        self.carry_out(effects, Some(&ctx.address()));
    }

    /// Sees to it that whoever should take part does.
    fn care(&mut self, ctx: &Context<Self>) {
        if self.group.role() != LogRole::Leaderless {
            self.led = Instant::now();
        }
        self.ask_around(ctx);
        // A node that was set back may take itself for a member that the others have removed long ago; nobody speaks to that one.
        if !self.group.takes_part() || self.led.elapsed() >= LEADERLESS_MAX {
            let enrol = EnrolLog { from: self.view.local.clone(), log_id: self.group.id() };
            for peer in self.peers.values() {
                peer.enrol.do_send(Together { requests: vec![enrol.clone()], answers: Answers::ignored() });
            }
        } else if self.group.role() == LogRole::Leader {
            self.care_for_voters();
            self.care_for_leavers();
            self.resign_before_leaving();
            self.go_on(ctx);
        }
    }

    fn care_for_voters(&mut self) {
        let is_there = |node: &NodeId| self.away.get(node).is_none_or(|since| since.elapsed() < ABSENCE_MAX);
        let candidate = |(node, member): (&NodeId, &Enrolled)| {
            let has_caught_up = self.group.has_caught_up(member.log_id);
            let stays = self.metadata.topology().ring().member(node).is_some();
            (member.log_id, Candidate { is_there: is_there(node), has_caught_up, stays })
        };
        let members: BTreeMap<u64, Candidate> = self.metadata.members().iter().map(candidate).collect();
        if let Some(change) = next_change(self.group.electorate(), &members, self.group.id())
            && self.group.propose_change(change).is_ok()
        {
            info!(node = self.node_of(change.member).map(|node| node.to_string()), ?change, "the electorate changes");
        }
    }

    fn propose(&mut self, number: u64, command: Command) -> Result<(), ProposeRefusal> {
        // A plain value: serialising it into memory cannot fail.
        let bytes = rmp_serde::to_vec(&Proposal { number, command }).unwrap_or_default();
        self.group.propose(bytes)
    }

    /// Whoever was about to leave and has been away for long will not say so himself.
    fn care_for_leavers(&mut self) {
        let is_gone = |node: &&NodeId| self.away.get(*node).is_some_and(|since| since.elapsed() >= ABSENCE_MAX);
        let gone = self.metadata.members().keys().filter(|node| self.metadata.is_leaving(node)).find(is_gone).cloned();
        if let Some(node) = gone.filter(|node| !self.is_voter(node)) {
            let number = self.rng.random();
            let dismissed = self.propose(number, Command::ChangeRing(RingChange::Dismiss { node: node.clone() }));
            if dismissed.is_ok() {
                warn!(%node, "a member that owned nothing any more has not come back: it is none any more, and hints that it kept are lost");
            }
        }
    }

    /// Whoever goes while he leads, or votes, leaves the others with fewer votes than they count on.
    fn resign_before_leaving(&mut self) {
        let is_another = |voter: &&u64| **voter != self.group.id();
        if self.metadata.is_leaving(&self.view.local)
            && self.group.electorate().voters.iter().any(|voter| is_another(&voter))
        {
            info!("this node is about to leave: it leads the log of metadata no longer");
            self.group.resign();
        }
    }

    fn is_voter(&self, node: &NodeId) -> bool {
        let id = self.metadata.members().get(node).map(|member| member.log_id);
        id.is_some_and(|id| self.group.electorate().rank(id) == Rank::Voter)
    }

    fn change(&mut self, command: Command, ctx: &Context<Self>) -> ResponseFuture<Result<u64, ChangeError>> {
        let proposer = Proposer {
            leader: Rc::clone(&self.leader),
            applied: Rc::clone(&self.epoch),
            here: ctx.address().recipient(),
            peers: Rc::clone(&self.peers),
        };
        let proposal = Propose { number: self.rng.random(), command };
        Box::pin(change_metadata(proposer, proposal))
    }

    /// This node's log is not the one that the others know: it begins anew, as somebody else.
    fn begin_anew(&mut self, why: StepRefusal) {
        let id = self.rng.random();
        error!(%why, old = self.group.id(), new = id, "this node takes part in the log of metadata anew");
        match LogGroup::recover(id, crate::consensus::Stored::default(), self.rng.random()) {
            Ok(group) => self.group = group,
            Err(reason) => return error!(reason, "a log cannot begin anew"),
        }
        self.disk.forget(id);
    }

    fn status(&self) -> MetadataStatus {
        let numbers = by_number(self.metadata.members());
        let named = |ids: &[u64]| -> Vec<NodeId> {
            let nodes: BTreeSet<NodeId> = ids.iter().filter_map(|id| numbers.get(id)).cloned().collect();
            nodes.into_iter().collect()
        };
        let electorate = self.group.electorate();
        MetadataStatus {
            epoch: self.goes_by().epoch(),
            digest: self.goes_by().digest(),
            log_behind: self.log_behind(),
            leader: match &*self.leader.borrow() {
                Leader::ThisNode => Some(self.view.local.clone()),
                Leader::Peer(node) => Some(node.clone()),
                Leader::Nobody => None,
            },
            term: self.group.term(),
            voters: named(&electorate.voters),
            learners: named(&electorate.learners),
            takes_part: electorate.rank(self.group.id()) != Rank::None,
            applied: self.group.applied(),
            entries: self.group.entries() as u64,
        }
    }
}

impl Actor for MetadataLog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        self.go_on(ctx);
        ctx.run_interval(TICK_INTERVAL, |log, ctx| log.tick(ctx));
        ctx.run_interval(CARE_INTERVAL, |log, ctx| log.care(ctx));
    }
}

impl Handler<FollowMetadata> for MetadataLog {
    type Result = ();

    fn handle(&mut self, FollowMetadata(follower): FollowMetadata, _: &mut Self::Context) {
        follower.do_send(MetadataChanged(Arc::clone(&self.told)));
        self.followers.push(follower);
    }
}

/// The messages are taken in; what they lead to is said by messages of its own.
impl Handler<Together<StepLog>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<StepLog>, ctx: &mut Self::Context) {
        for (at, StepLog { from, messages }) in requests.into_iter().enumerate() {
            for message in &messages {
                if self.metadata.members().get(&from).map(|member| member.log_id) != Some(message.from) {
                    self.heard.insert(message.from, from.clone());
                }
                match self.group.step(message) {
                    Err(why @ StepRefusal::SetBack { .. }) => self.begin_anew(why),
                    Ok(()) | Err(StepRefusal::NotForUs { .. } | StepRefusal::Unexpected) => {}
                }
            }
            answers.give(at, Ok(()));
        }
        self.go_on(ctx);
    }
}

impl Handler<StepsEnded> for MetadataLog {
    type Result = ();

    fn handle(&mut self, StepsEnded { messages, arrived }: StepsEnded, ctx: &mut Self::Context) {
        for (number, kind) in messages {
            match (arrived, kind) {
                (true, Kind::Snapshot) => self.group.snapshot_arrived(number),
                (true, _) => {}
                (false, kind) => self.group.unreachable(number, kind),
            }
        }
        self.go_on(ctx);
    }
}

impl Handler<LogWritten> for MetadataLog {
    type Result = ();

    fn handle(&mut self, LogWritten(outcome): LogWritten, ctx: &mut Self::Context) {
        let was_refused = std::mem::replace(&mut self.is_refused, outcome.result.is_err());
        if let Err(error) = &outcome.result {
            // It is tried again with every tick.
            if !was_refused {
                warn!(%error, "the log of metadata cannot be written: it is tried again until there is room");
            }
            if error.must_stop() {
                self.storage_failed.do_send(StorageFailed { reason: error.to_string() });
            }
        }
        if let Some(number) = self.disk.written(&outcome) {
            let effects = self.group.persisted(number);
            self.carry_out(effects, Some(&ctx.address()));
        }
    }
}

impl Handler<Together<EnrolLog>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<EnrolLog>, ctx: &mut Self::Context) {
        for (at, EnrolLog { from, log_id }) in requests.into_iter().enumerate() {
            let is_news = self.metadata.members().get(&from).is_some_and(|known| known.log_id != log_id);
            let number = self.rng.random();
            if is_news && self.propose(number, Command::Enrol { node: from.clone(), log_id }).is_ok() {
                info!(node = %from, log_id, "a member takes part in the log of metadata under another number");
            }
            answers.give(at, Ok(()));
        }
        self.go_on(ctx);
    }
}

impl Handler<Together<Propose>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Propose>, ctx: &mut Self::Context) {
        for (at, Propose { number, command }) in requests.into_iter().enumerate() {
            if let Command::ChangeRing(RingChange::Dismiss { node }) = &command
                && self.is_voter(node)
            {
                // Somebody else gets its vote first: it asks again.
                answers.give(at, Err(ProposeError::NotLeader));
                continue;
            }
            match self.propose(number, command) {
                Ok(()) => {
                    let until = Instant::now() + PROPOSAL_PATIENCE;
                    self.waiting.insert(number, Waiting { until, at, answers: answers.clone() });
                }
                Err(ProposeRefusal::NotLeader | ProposeRefusal::Busy) => answers.give(at, Err(ProposeError::NotLeader)),
            }
        }
        self.go_on(ctx);
    }
}

impl Handler<ChangeTables> for MetadataLog {
    type Result = ResponseFuture<Result<u64, ChangeError>>;

    fn handle(&mut self, ChangeTables { change }: ChangeTables, ctx: &mut Self::Context) -> Self::Result {
        self.change(Command::ChangeTables(change), ctx)
    }
}

impl Handler<ChangeRing> for MetadataLog {
    type Result = ResponseFuture<Result<u64, ChangeError>>;

    fn handle(&mut self, ChangeRing { change }: ChangeRing, ctx: &mut Self::Context) -> Self::Result {
        self.change(Command::ChangeRing(change), ctx)
    }
}

impl Handler<DescribeMetadata> for MetadataLog {
    type Result = Result<MetadataStatus, AdminError>;

    fn handle(&mut self, _: DescribeMetadata, _: &mut Self::Context) -> Self::Result {
        Ok(self.status())
    }
}

impl Handler<ViewChanged> for MetadataLog {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        for node in self.peers.keys() {
            if view.reachable.contains(node) {
                self.away.remove(node);
            } else {
                self.away.entry(node.clone()).or_insert_with(Instant::now);
            }
        }
        self.view = view;
    }
}

impl Handler<LinksChanged<LogRecipients>> for MetadataLog {
    type Result = ();

    fn handle(&mut self, LinksChanged(peers): LinksChanged<LogRecipients>, _: &mut Self::Context) {
        self.away.retain(|node, _| peers.contains_key(node));
        self.peers = Rc::new(peers);
    }
}
