//! The metadata, and how a command changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::command::{Alteration, Command, CommandError, TableChange};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::item::{TableId, TableName, TableSchema};

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
    /// The number in the log of each member.
    members: BTreeMap<NodeId, u64>,
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
    /// Of a cluster that has just been founded: the built-in table. `quorum` are the cluster's defaults.
    #[must_use]
    pub fn founded(members: BTreeMap<NodeId, u64>, quorum: Quorum) -> Self {
        let number = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let defaults = [number(quorum.n()), number(quorum.r()), number(quorum.w())];
        Self {
            epoch: 1,
            defaults,
            members,
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

    /// Under which number each member takes part in the log.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<NodeId, u64> {
        &self.members
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
            Command::ChangeTables(TableChange::Drop { table }) => self.drop_table(table)?,
        };
        self.epoch += u64::from(changed);
        Ok(())
    }

    fn enrol(&mut self, node: &NodeId, log_id: u64) -> Result<bool, CommandError> {
        let known = self.members.get_mut(node).ok_or_else(|| CommandError::NotAMember { node: node.clone() })?;
        Ok(std::mem::replace(known, log_id) != log_id)
    }

    fn create(&mut self, schema: &TableSchema) -> Result<bool, CommandError> {
        schema.validate()?;
        self.check_quorum(schema)?;
        match self.place(&schema.name) {
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
        let (r, w) = (alteration.r.of(present.r), alteration.w.of(present.w));
        let altered = TableSchema { r, w, ..present.clone() };
        self.check_quorum(&altered)?;
        let changed = altered != *present;
        self.tables[at] = altered;
        Ok(changed)
    }

    fn drop_table(&mut self, table: &TableName) -> Result<bool, CommandError> {
        let at = self.existing(table)?;
        if self.tables[at].id == TableId::BUILT_IN {
            return Err(CommandError::BuiltIn { table: table.clone() });
        }
        self.tables.remove(at);
        Ok(true)
    }

    fn check_quorum(&self, schema: &TableSchema) -> Result<(), CommandError> {
        let [n, r, w] = self.defaults;
        Quorum::new(schema.n.unwrap_or(n), schema.r.unwrap_or(r), schema.w.unwrap_or(w))?;
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
