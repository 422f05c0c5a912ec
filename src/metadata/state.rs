//! The metadata, and how a command changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::command::{Alteration, Command, CommandError, RingChange, TableChange};
use super::membership::{self, Enrolled, MemberAddress, Plan, StagedChange};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::{PartitionId, Ring};
use crate::dynamo::topology::{CancelError, Level, Topology, Transition};
use crate::item::{SettingChange, TableId, TableName, TableSchema};

/// More tables than this are refused: every node keeps all of them in mind.
pub const TABLES_MAX: usize = 2_500;

/// So many proposals are remembered: more than there are in the time that somebody goes on asking.
const RECENT_MAX: usize = 256;

/// What all nodes know alike, as of some entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Counts the changes.
    epoch: u64,
    /// N, R and W of tables that do not say otherwise: what a table's own are checked with.
    defaults: [u8; 3],
    members: BTreeMap<NodeId, Enrolled>,
    #[serde(with = "shared")]
    topology: Arc<Topology>,
    /// Changes of the members that wait to be committed.
    staged: Vec<StagedChange>,
    /// The epoch in which something was staged last.
    staged_at: u64,
    /// By name.
    tables: Vec<TableSchema>,
    /// The next table's. None is ever given twice.
    next_table: u32,
    /// What became of the latest proposals, by number: one that is made again, because its answer was lost, is done once.
    recent: VecDeque<(u64, Result<u64, CommandError>)>,
}

/// Tells a table that was dropped from one that this node has not heard of yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveTables {
    ids: BTreeSet<TableId>,
    next: TableId,
}

impl LiveTables {
    /// Whether there was a table with this number and is none any more.
    #[must_use]
    pub fn is_dropped(&self, id: TableId) -> bool {
        id != TableId::BUILT_IN && id < self.next && !self.ids.contains(&id)
    }
}

impl Metadata {
    /// Of a cluster that has just been founded: its members, its ring, and the built-in table. `quorum` are the cluster's defaults.
    #[must_use]
    pub fn founded(members: Vec<Enrolled>, ring: Ring, quorum: Quorum) -> Self {
        let members = members.into_iter().map(|member| (member.known.member.id.clone(), member)).collect();
        let number = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let defaults = [number(quorum.n()), number(quorum.r()), number(quorum.w())];
        Self {
            epoch: 1,
            defaults,
            members,
            topology: Arc::new(Topology::settled(ring)),
            staged: Vec::new(),
            staged_at: 0,
            tables: vec![TableSchema::kv()],
            next_table: TableId::BUILT_IN.0 + 1,
            recent: VecDeque::new(),
        }
    }

    /// Counts the changes so far, from 1.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All tables, by name.
    #[must_use]
    pub fn tables(&self) -> &[TableSchema] {
        &self.tables
    }

    /// Everybody who belongs to the cluster, by name: also who is about to leave, until nothing is his any more.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<NodeId, Enrolled> {
        &self.members
    }

    /// The same, without their numbers in the log.
    #[must_use]
    pub fn addresses(&self) -> Vec<MemberAddress> {
        self.members.values().map(|member| member.known.clone()).collect()
    }

    /// Under which number each member takes part in the log.
    #[must_use]
    pub fn log_ids(&self) -> BTreeMap<NodeId, u64> {
        self.members.iter().map(|(node, member)| (node.clone(), member.log_id)).collect()
    }

    /// Who owns what, and what moves.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The changes of the members that wait to be committed.
    #[must_use]
    pub fn staged(&self) -> &[StagedChange] {
        &self.staged
    }

    /// What a commit of the staged changes would do, and the command that does it.
    ///
    /// # Errors
    ///
    /// [`CommandError::NothingStaged`], [`CommandError::RingMoves`], [`CommandError::NoRing`].
    pub fn plan(&self) -> Result<(Plan, RingChange), CommandError> {
        self.check_can_commit()?;
        let plan = membership::plan(self.topology.ring(), &self.staged)?;
        let members = plan.ring.members();
        let place = |owner: &NodeId| members.iter().position(|member| member.id == *owner).unwrap_or_default();
        let owner = |partition| u16::try_from(place(plan.ring.owner(partition))).unwrap_or(u16::MAX);
        let owners = plan.ring.partition_ids().map(owner).collect();
        Ok((plan, RingChange::Commit { planned_at: self.staged_at, owners }))
    }

    /// Which of the tables that ever were are there.
    #[must_use]
    pub fn live_tables(&self) -> LiveTables {
        LiveTables { ids: self.tables.iter().map(|table| table.id).collect(), next: TableId(self.next_table) }
    }

    /// Carries out a proposal, unless one of this number has been carried out lately. The answer is the epoch in which it holds. On an error nothing that
    /// counts has changed.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub fn apply(&mut self, number: u64, command: &Command) -> Result<u64, CommandError> {
        if let Some((_, outcome)) = self.recent.iter().find(|(known, _)| *known == number) {
            return outcome.clone();
        }
        let outcome = self.change(command).map(|()| self.epoch);
        self.recent.push_back((number, outcome.clone()));
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        outcome
    }

    fn change(&mut self, command: &Command) -> Result<(), CommandError> {
        let changed = match command {
            Command::Enrol { node, log_id } => self.enrol(node, *log_id)?,
            Command::ChangeTables(TableChange::Create(schema)) => self.create(schema)?,
            Command::ChangeTables(TableChange::Alter(alteration)) => self.alter(alteration)?,
            Command::ChangeTables(TableChange::Configure { table, changes }) => self.configure(table, changes)?,
            Command::ChangeTables(TableChange::Drop { table }) => self.drop_table(table)?,
            Command::ChangeRing(RingChange::Dismiss { node }) => self.dismiss(node)?,
            Command::ChangeRing(RingChange::Stage(change)) => self.stage(change)?,
            Command::ChangeRing(RingChange::Abort) => !std::mem::take(&mut self.staged).is_empty(),
            Command::ChangeRing(RingChange::Commit { planned_at, owners }) => self.commit(*planned_at, owners)?,
            Command::ChangeRing(RingChange::Sideline { node, sidelined }) => {
                let mut topology = Topology::clone(&self.topology);
                let changed = topology.sideline(node, *sidelined);
                if changed {
                    self.set_topology(topology);
                }
                changed
            }
            Command::ChangeRing(RingChange::Cancel { began }) => self.cancel(*began)?,
            Command::ChangeRing(RingChange::Arrived { node, ring_epoch, partitions }) => {
                self.arrived(node, *ring_epoch, partitions)
            }
            Command::ChangeRing(RingChange::Release { ring_epoch, partitions }) => {
                self.release(*ring_epoch, partitions)
            }
        };
        self.epoch += u64::from(changed);
        Ok(())
    }

    fn enrol(&mut self, node: &NodeId, log_id: u64) -> Result<bool, CommandError> {
        let known = self.members.get_mut(node).ok_or_else(|| CommandError::NotAMember { node: node.clone() })?;
        Ok(std::mem::replace(&mut known.log_id, log_id) != log_id)
    }

    fn stage(&mut self, change: &StagedChange) -> Result<bool, CommandError> {
        if self.staged.contains(change) {
            return Ok(false);
        }
        // A later exchange takes the place of an earlier one.
        let others = |staged: &&StagedChange| !(staged.is_exchange() && change.is_exchange());
        if self.staged.iter().filter(others).any(|staged| staged.is_exchange() || change.is_exchange()) {
            return Err(CommandError::ExchangeAlone);
        }
        if let StagedChange::Exchange { owners, .. } = change {
            membership::exchanged(self.topology.ring(), owners)?;
        }
        if let Some(node) =
            change.nodes().into_iter().find(|node| self.staged.iter().any(|staged| staged.nodes().contains(node)))
        {
            return Err(CommandError::StagedAlready { node: node.clone() });
        }
        if let Some(newcomer) = change.newcomer() {
            self.check_newcomer(newcomer)?;
        }
        if let StagedChange::Leave { node }
        | StagedChange::Replace { dead: node, .. }
        | StagedChange::Reweigh { node, .. } = change
            && self.topology.ring().member(node).is_none()
        {
            return Err(CommandError::NotAMember { node: node.clone() });
        }
        if change.goes().is_some() && self.staged.iter().any(|staged| staged.goes().is_some()) {
            return Err(CommandError::OneGoes);
        }
        if matches!(change, StagedChange::Reweigh { weight: 0, .. }) {
            return Err(CommandError::NoWeight);
        }
        let staged: Vec<StagedChange> = self.staged.iter().filter(others).chain([change]).cloned().collect();
        let (ring, left) =
            (self.topology.ring(), membership::next_members(self.topology.ring().members(), &staged).len());
        if left < ring.n().min(ring.members().len()) {
            return Err(CommandError::TooFewMembers { members: left, n: ring.n() });
        }
        self.staged = staged;
        self.staged_at = self.epoch + 1;
        Ok(true)
    }

    fn check_newcomer(&self, Enrolled { known, .. }: &Enrolled) -> Result<(), CommandError> {
        let node = &known.member.id;
        if self.members.contains_key(node) {
            return Err(CommandError::IsAMember { node: node.clone() });
        }
        if known.member.weight == 0 {
            return Err(CommandError::NoWeight);
        }
        let staged = self.staged.iter().filter_map(StagedChange::newcomer);
        if self.members.values().chain(staged).any(|other| other.known.address == known.address) {
            return Err(CommandError::AddressTaken { address: known.address.clone() });
        }
        Ok(())
    }

    fn check_settled(&self) -> Result<(), CommandError> {
        let moves = self.topology.transition().is_some() || self.members.keys().any(|node| self.is_leaving(node));
        if moves { Err(CommandError::RingMoves) } else { Ok(()) }
    }

    fn check_can_commit(&self) -> Result<(), CommandError> {
        self.check_settled()?;
        if self.staged.is_empty() { Err(CommandError::NothingStaged) } else { Ok(()) }
    }

    fn commit(&mut self, planned_at: u64, owners: &[u16]) -> Result<bool, CommandError> {
        self.check_can_commit()?;
        if planned_at != self.staged_at {
            return Err(CommandError::PlanIsOld);
        }
        let present = self.topology.ring();
        let members = membership::next_members(present.members(), &self.staged);
        let refused = |error: &dyn std::fmt::Display| CommandError::NoRing { reason: error.to_string() };
        let ring =
            Ring::new(present.epoch() + 1, present.n(), members, owners.to_vec()).map_err(|error| refused(&error))?;
        let mut topology = Topology::clone(&self.topology);
        topology.begin(ring, self.levels(), membership::lost(&self.staged)).map_err(|error| refused(&error))?;
        for newcomer in self.staged.iter().filter_map(StagedChange::newcomer) {
            self.members.insert(newcomer.known.member.id.clone(), newcomer.clone());
        }
        self.weigh(topology.ring());
        self.staged.clear();
        self.set_topology(topology);
        Ok(true)
    }

    /// Members weigh what the ring says.
    fn weigh(&mut self, ring: &Ring) {
        for member in ring.members() {
            if let Some(known) = self.members.get_mut(&member.id) {
                known.known.member = member.clone();
            }
        }
    }

    /// Whoever was to be replaced stays a member; whoever was new owns nothing in the end, and leaves.
    fn cancel(&mut self, began: u64) -> Result<bool, CommandError> {
        let mut topology = Topology::clone(&self.topology);
        let refused = |reason: CancelError| CommandError::NotCancelled { began, reason: reason.to_string() };
        let resized: BTreeMap<u32, [u8; 3]> =
            topology.transition().map_or_else(BTreeMap::new, |it| it.resized().clone());
        let is_resized = |table: &&mut TableSchema| resized.contains_key(&table.id.0);
        let now = self.tables.iter().filter(|table| resized.contains_key(&table.id.0));
        let now = now.map(|table| (table.id.0, self.numbers(table))).collect();
        topology.cancel(began, now).map_err(refused)?;
        for table in self.tables.iter_mut().filter(is_resized) {
            if let Some(numbers) = resized.get(&table.id.0) {
                let own = |at: usize| Some(numbers[at]).filter(|number| *number != self.defaults[at]);
                (table.n, table.r, table.w) = (own(0), own(1), own(2));
            }
        }
        self.weigh(topology.ring());
        self.staged.clear();
        self.topology = Arc::new(topology);
        Ok(true)
    }

    fn arrived(&mut self, node: &NodeId, ring_epoch: u64, partitions: &[PartitionId]) -> bool {
        self.step_on(ring_epoch, |topology| topology.arrived(node, partitions))
    }

    fn release(&mut self, ring_epoch: u64, partitions: &[PartitionId]) -> bool {
        self.step_on(ring_epoch, |topology| topology.release(partitions))
    }

    /// What was said of a transition that is over changes nothing.
    fn step_on(&mut self, ring_epoch: u64, step: impl FnOnce(&mut Topology) -> bool) -> bool {
        if self.topology.ring().epoch() != ring_epoch {
            return false;
        }
        let mut topology = Topology::clone(&self.topology);
        let changed = step(&mut topology);
        if changed {
            self.set_topology(topology);
        }
        changed
    }

    /// Once nothing moves any more, who was replaced belongs no more to the cluster. Who leaves does so himself, when he has handed over what he keeps
    /// for others.
    fn set_topology(&mut self, topology: Topology) {
        if let (Some(moving), None) = (self.topology.transition(), topology.transition()) {
            self.members.retain(|node, _| !moving.lost().contains(node));
        }
        self.topology = Arc::new(topology);
    }

    fn dismiss(&mut self, node: &NodeId) -> Result<bool, CommandError> {
        if self.topology.nodes().contains(node) {
            return Err(CommandError::StillOwns { node: node.clone() });
        }
        Ok(self.members.remove(node).is_some())
    }

    /// Whether the member owns nothing any more, and is about to leave.
    #[must_use]
    pub fn is_leaving(&self, node: &NodeId) -> bool {
        self.members.contains_key(node) && !self.topology.nodes().contains(node)
    }

    /// The greatest number of replicas that any table has.
    #[must_use]
    pub fn widest(&self) -> usize {
        let before = self.topology.transition().map_or(1, Transition::widest);
        self.levels().into_iter().chain([before]).max().unwrap_or(1)
    }

    /// The numbers of replicas that tables have.
    fn levels(&self) -> Vec<usize> {
        let default = [usize::from(self.defaults[0])];
        self.tables.iter().filter_map(|table| table.n).map(usize::from).chain(default).collect()
    }

    fn create(&mut self, schema: &TableSchema) -> Result<bool, CommandError> {
        schema.validate()?;
        self.check_quorum(schema)?;
        let n = usize::from(schema.n.unwrap_or(self.defaults[0]));
        if self.topology.transition().is_some_and(|moving| !moving.levels().contains(&Level::same(n))) {
            // Its replicas would be others than those that partitions move to.
            return Err(CommandError::RingMoves);
        }
        match self.place(&schema.name) {
            _ if schema.name == TableName::transactions() => Err(CommandError::BuiltIn { table: schema.name.clone() }),
            Ok(_) => Err(CommandError::TableExists { table: schema.name.clone() }),
            Err(_) if self.tables.len() >= TABLES_MAX => Err(CommandError::TooManyTables),
            Err(at) => {
                self.tables.insert(at, TableSchema { id: TableId(self.next_table), ..schema.clone() });
                self.next_table += 1;
                Ok(true)
            }
        }
    }

    fn alter(&mut self, alteration: &Alteration) -> Result<bool, CommandError> {
        let at = self.existing(&alteration.table)?;
        let present = &self.tables[at];
        let n = alteration.n.of(present.n);
        let (r, w) = (alteration.r.of(present.r), alteration.w.of(present.w));
        let altered = TableSchema { n, r, w, ..present.clone() };
        self.check_quorum(&altered)?;
        if altered == *present {
            return Ok(false);
        }
        let [before, now] = [self.numbers(present), self.numbers(&altered)];
        let resizing = self.topology.transition().is_some_and(|moving| moving.resized().contains_key(&present.id.0));
        if resizing || before[0] != now[0] {
            self.check_settled()?;
        }
        let id = present.id;
        self.tables[at] = altered;
        if before[0] != now[0] {
            self.resize(id, before, now)?;
        }
        Ok(true)
    }

    /// The owners stay. Each partition has another number of replicas in the end, for this table.
    fn resize(&mut self, id: TableId, before: [u8; 3], now: [u8; 3]) -> Result<(), CommandError> {
        let levels = self.levels().into_iter().map(Level::same);
        let own = Level { before: before[0].into(), now: now[0].into() };
        let mut topology = Topology::clone(&self.topology);
        let ring = Ring::clone(topology.ring());
        let begun =
            topology.begin_resizing(ring, levels.chain([own]).collect(), [(id.0, before)].into(), BTreeSet::new());
        // It was looked at before that nothing moves.
        begun.map_err(|_| CommandError::RingMoves)?;
        self.set_topology(topology);
        Ok(())
    }

    /// N, R and W of a table.
    fn numbers(&self, schema: &TableSchema) -> [u8; 3] {
        let [n, r, w] = self.defaults;
        [schema.n.unwrap_or(n), schema.r.unwrap_or(r), schema.w.unwrap_or(w)]
    }

    fn configure(&mut self, table: &TableName, changes: &[SettingChange]) -> Result<bool, CommandError> {
        let at = self.existing(table)?;
        let reason = |reason| CommandError::Setting { table: table.clone(), reason };
        let next = self.tables[at].configured(changes).map_err(reason)?;
        let changed = next != self.tables[at].settings;
        self.tables[at].settings = next;
        Ok(changed)
    }

    fn drop_table(&mut self, table: &TableName) -> Result<bool, CommandError> {
        let at = self.existing(table)?;
        if self.tables[at].id == TableId::BUILT_IN {
            return Err(CommandError::BuiltIn { table: table.clone() });
        }
        if self.tables[at].settings.deletion_protected {
            return Err(CommandError::Protected { table: table.clone() });
        }
        self.tables.remove(at);
        Ok(true)
    }

    fn check_quorum(&self, schema: &TableSchema) -> Result<(), CommandError> {
        let [n, r, w] = self.numbers(schema);
        Quorum::new(n, r, w)?;
        Ok(())
    }

    fn existing(&self, table: &TableName) -> Result<usize, CommandError> {
        self.place(table).map_err(|_| CommandError::NoSuchTable { table: table.clone() })
    }

    fn place(&self, table: &TableName) -> Result<usize, usize> {
        self.tables.binary_search_by(|known| known.name.as_str().cmp(table.as_str()))
    }

    /// Stands for all that it says, but for proposals that changed nothing.
    #[must_use]
    pub fn digest(&self) -> u64 {
        xxh3_64(&Self { recent: VecDeque::new(), ..self.clone() }.to_bytes())
    }

    /// What a snapshot holds.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        // A plain value: serialising it into memory cannot fail.
        Bytes::from(rmp_serde::to_vec(self).unwrap_or_default())
    }

    /// The inverse of [`to_bytes`](Self::to_bytes); `None` where the bytes are not metadata.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

/// A shared value is stored as the value.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}
