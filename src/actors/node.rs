//! Owns this node's copies: the records of its partitions and the hints it keeps for others (one shard of them per worker).
//!
//! Coordinators here and on other nodes speak to it, through messages that do not say which. It mints dots, merges, and answers
//! a write when the committing thread has reported it. It decides nothing about quorums. If it dies the process dies; what was
//! acknowledged is on disk, and the next start mints under a new epoch.

mod garbage;
mod hints;
mod load;
mod repair;
mod ring;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Recipient};
use bytes::Bytes;
use tracing::{error, warn};

use crate::dynamo::hint::HintBounds;
use crate::dynamo::hlc::{Hlc, HlcTime, TooFarAhead};
use crate::dynamo::load::LoadCount;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::precedence::{Objection, later_tenure, objection};
use crate::dynamo::record_key::RecordKey;
use crate::dynamo::ring::PartitionId;
use crate::dynamo::siblings::{Fingerprint, Mint, Siblings};
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};
use crate::item::Conflict;
use crate::messages::replica::{
    CompareReplica, CoordinateWrite, CoordinateWriteError, ReadReplica, ReadReplicaError, ScanReplica, ScanSlice, Slot,
    StaleEpoch, StorageRefusal, StoredRecord, WriteReplica, WriteReplicaError,
};
use crate::messages::storage::StorageFailed;
use crate::messages::together::Together;
use crate::metadata::LiveTables;
use crate::metrics::{HintLoss, Metrics};
use crate::storage::{Batch, CommitError, CommitOutcome, Committer, ReadError, ScanRange, Space, Storage};

use super::hint_ledger::{DirtyRanges, HintLedger, hint_parts};
use super::node_parts::{Acknowledgement, Laying, Pending, RecordCache, StorageKey};
use super::node_trees::NodeTrees;
use hints::Losses;
use ring::KnownRing;

/// The wall clock, in ms since the Unix epoch: an argument, so that a simulation can bend it.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where the ceilings of the hybrid logical clocks are kept, one per shard.
const CEILING_KEY_PREFIX: &[u8] = b"hlc_ceiling/";

/// What a [`Node`] is told by the configuration.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// More siblings than this are logged.
    pub siblings_warn: usize,
    /// A client's write that would leave more is refused.
    pub siblings_max: usize,
    /// A client's write that would leave several with more bytes together is refused: they must fit into one frame, also after
    /// writes at several replicas at once.
    pub siblings_max_bytes: u64,
    /// How far ahead of this node's clock a remote time stamp may be, in ms.
    pub max_clock_skew_ms: u64,
    /// Bounds of the hints kept for one node, by all shards together.
    pub hints: HintBounds,
    /// Bound of the records kept in memory by this shard, in bytes.
    pub cache_bytes: u64,
    /// Whether digests of the records are kept, for anti-entropy.
    pub keeps_trees: bool,
}

/// What a write is applied to.
struct WriteBase {
    record: Rc<StoredRecord>,
    /// The stored copy cannot be read: the record is a new one.
    is_damaged: bool,
}

/// One shard of the data node.
pub struct Node {
    shard: usize,
    shards: usize,
    /// Mints under this id, and those derived from it; never used by an earlier process.
    replica: ReplicaId,
    clock: Hlc,
    /// How the clock's ceiling gets to the disk.
    laying: Laying,
    wall: WallClock,
    storage: Arc<dyn Storage>,
    committer: Box<dyn Committer>,
    /// Writes on their way to the disk. A write sees them; a read does not.
    pending: Pending,
    /// The newest of them, which go to the committing thread together when the message at hand has been handled.
    gathered: Batch,
    cache: RecordCache,
    hints: HintLedger,
    /// What nodes miss that no hint will bring.
    dirty: DirtyRanges,
    losses: Losses,
    /// What stands for the records, the pending ones included.
    trees: NodeTrees,
    /// Which tables are there. What belongs to one that was dropped is neither taken nor kept.
    tables: LiveTables,
    ring: KnownRing,
    /// Dots that this process minted before this instant may be forgotten: no span begins earlier.
    remembers_since: HlcTime,
    limits: NodeLimits,
    /// What its copies were asked for since somebody took this.
    asked: BTreeMap<PartitionId, LoadCount>,
    metrics: Metrics,
    storage_failed: Recipient<StorageFailed>,
}

/// The committing thread has written a group of this shard's writes, or refused it as a whole.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Committed(pub CommitOutcome);

/// What a [`Node`] stands on.
pub struct NodeParts {
    /// This node.
    pub local: NodeId,
    /// Which of the node's shards this is.
    pub shard: usize,
    /// Decides which hints in the storage belong to this shard.
    pub shards: usize,
    /// The data directory in this life.
    pub replica: ReplicaId,
    /// The wall clock.
    pub wall: WallClock,
    /// For reads.
    pub storage: Arc<dyn Storage>,
    /// For writes; reports to this actor by [`Committed`].
    pub committer: Box<dyn Committer>,
    /// From the configuration.
    pub limits: NodeLimits,
    /// Where it counts.
    pub metrics: Metrics,
    /// Told when the storage has failed: the process must end.
    pub storage_failed: Recipient<StorageFailed>,
}

impl Node {
    /// Reads what the last life left: the clock's ceiling and the hints.
    pub fn open(parts: NodeParts) -> Result<Self, ReadError> {
        let floor = stored_ceiling(parts.storage.as_ref())?;
        let mut clock = Hlc::starting_above(floor);
        let remembers_since = clock.tick((parts.wall)());
        let (storage, shard, shards) = (parts.storage.as_ref(), parts.shard, parts.shards);
        let hints = HintLedger::load(storage, shard, shards, parts.metrics.clone())?;
        let dirty = DirtyRanges::load(storage, shard, shards)?;
        let ring = KnownRing::load(parts.local, storage)?;
        let trees = NodeTrees::open(storage, shard, shards, parts.replica.epoch, parts.limits.keeps_trees)?;
        Ok(Self {
            shard: parts.shard,
            shards: parts.shards,
            replica: parts.replica,
            clock,
            laying: Laying::default(),
            wall: parts.wall,
            storage: parts.storage,
            committer: parts.committer,
            pending: Pending::default(),
            gathered: Batch::default(),
            cache: RecordCache::new(parts.limits.cache_bytes),
            hints,
            dirty,
            losses: Losses::default(),
            trees,
            tables: LiveTables::default(),
            ring,
            remembers_since,
            limits: parts.limits,
            asked: BTreeMap::new(),
            metrics: parts.metrics,
            storage_failed: parts.storage_failed,
        })
    }

    fn owns(&self, partition: PartitionId) -> bool {
        partition.0 as usize % self.shards == self.shard
    }

    /// What the disk holds, or will hold once the pending writes are there.
    fn latest(&mut self, at: &StorageKey) -> Result<Option<Rc<StoredRecord>>, ReadReplicaError> {
        match self.pending.latest(at) {
            Some(pending) => Ok(pending),
            None => self.committed(at),
        }
    }

    /// What the disk holds.
    fn committed(&mut self, at: &StorageKey) -> Result<Option<Rc<StoredRecord>>, ReadReplicaError> {
        if let Some(record) = self.cache.get(at) {
            return Ok(Some(record));
        }
        let record = self.stored(at)?;
        if let Some(record) = &record
            && !self.pending.contains(at)
        {
            self.cache.insert(at.clone(), Rc::clone(record));
        }
        Ok(record)
    }

    /// The same, past the cache.
    fn stored(&mut self, at: &StorageKey) -> Result<Option<Rc<StoredRecord>>, ReadReplicaError> {
        let bytes = self.storage.get(at.space, &at.key).map_err(|error| self.unreadable(at, &error))?;
        bytes.map(|bytes| StoredRecord::from_bytes(&bytes).map(Rc::new).ok_or_else(|| self.corrupt(at))).transpose()
    }

    /// What a write starts from. A copy that cannot be read counts as forgotten: the record is born anew, so that
    /// its next dot claims nothing about those that were lost.
    fn write_base(&mut self, at: &StorageKey) -> Result<WriteBase, StorageRefusal> {
        let (found, is_damaged) = match self.latest(at) {
            Err(ReadReplicaError::Corrupt) => (Ok(None), true),
            found => (found, false),
        };
        let found = found.map_err(|error| StorageRefusal::Failed { reason: error.to_string() })?;
        let record = found.unwrap_or_else(|| {
            let born = self.clock.tick((self.wall)());
            Rc::new(StoredRecord { born, siblings: Siblings::default() })
        });
        Ok(WriteBase { record, is_damaged })
    }

    /// Puts a record on its way to the disk, where it replaces `base`; [`send_off`](Self::send_off) must follow.
    fn store(&mut self, at: StorageKey, slot: &Slot, base: &Siblings, record: Rc<StoredRecord>) -> u64 {
        let bytes = record.to_bytes();
        self.trees.replace(&at, base, &record.siblings);
        if let Slot::HintFor(target) = slot
            && let Some((_, key)) = hint_parts(&at.key)
        {
            self.hints.kept(target, key, bytes.len() as u64, record.born.unix_ms());
        }
        self.gathered.put(at.space, at.key.clone(), bytes);
        self.pending.add(at, Some(record))
    }

    /// Hands what has been gathered to the committing thread, which is woken once for all of it. The clock's ceiling rides in the same
    /// batch where it has to be raised.
    fn send_off(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.gathered);
        // Deletes bear no time stamps, and are taken where a put is not.
        let bears_stamps = !batch.only_deletes();
        if bears_stamps && self.clock.raise_ceiling().is_some() {
            self.laying = Laying::begun();
        }
        if bears_stamps && self.laying.rides_in(self.pending.last_ticket()) {
            let (key, ceiling) =
                ([CEILING_KEY_PREFIX, self.shard.to_string().as_bytes()].concat(), self.clock.ceiling());
            batch.put(Space::Meta, Bytes::from(key), Bytes::copy_from_slice(&ceiling.as_u64().to_be_bytes()));
        }
        // Deletes of hints and marks are taken also where a put no longer is: they must stay alone. Records have trees.
        if !batch.only_deletes() || batch.writes().iter().any(|write| write.space() == Space::Records) {
            self.trees.join(&mut batch, self.pending.last_ticket());
        }
        self.committer.submit(self.pending.last_ticket(), batch);
    }

    /// The trees have changed, and no record.
    fn send_off_trees(&mut self) {
        if let Some(batch) = self.trees.alone(&mut self.pending) {
            self.committer.submit(self.pending.last_ticket(), batch);
        }
    }

    fn coordinate(&mut self, write: CoordinateWrite) -> Result<Siblings, CoordinateWriteError> {
        if let Some(stale) = self.ring.refuses(write.key.partition(), write.epoch) {
            return Err(stale.into());
        }
        let at = StorageKey::of(&write.key, &write.slot);
        let base = self.write_base(&at)?.record;
        let mut siblings = base.siblings.clone();
        if let Some(stored) = siblings.latest() {
            self.clock.advance_past(stored);
        }
        if write.conflict == Conflict::Lww
            && let Some(epoch) = later_tenure(&siblings, write.change.tenure)
        {
            return Err(StaleEpoch { epoch }.into());
        }
        let seen = write.context.as_ref().and_then(VersionVector::latest);
        if let Some(latest) = seen.max(write.above) {
            self.pass_by(latest, &write)?;
        }
        let replica = match &write.slot {
            Slot::Own => self.replica,
            Slot::HintFor(node) => self.replica.standing_in_for(node),
        };
        let dot = Dot { replica, time: self.clock.tick((self.wall)()) };
        let mint = Mint { dot, since: base.born.max(self.remembers_since) };
        let seen = match write.conflict {
            Conflict::Siblings => write.context.unwrap_or_default(),
            // The rank says what it supersedes, here and everywhere.
            Conflict::Lww => siblings.context().clone(),
        };
        siblings.write(&seen, mint, write.change);
        if write.conflict == Conflict::Lww {
            siblings.keep_latest();
        }
        self.check_siblings(&write.key, &base.siblings, &siblings)?;
        let max_bytes = self.limits.hints.max_bytes;
        self.check_hint_room(&write.key, &write.slot, siblings.payload_bytes())
            .map_err(|target| CoordinateWriteError::HintsFull { target, max_bytes })?;
        let record = StoredRecord { born: base.born, siblings: siblings.clone() };
        self.store(at, &write.slot, &base.siblings, Rc::new(record));
        Ok(siblings)
    }

    /// Moves the clock past a time stamp that the writer knows. One from the future is refused before anything of it is believed: stored, it
    /// would take this node's clock with it, and the other replicas would refuse whatever this one writes from then on.
    fn pass_by(&mut self, latest: HlcTime, write: &CoordinateWrite) -> Result<(), TooFarAhead> {
        if latest <= self.clock.last() {
            return Ok(());
        }
        let observed = self.clock.observe(latest, (self.wall)(), self.limits.max_clock_skew_ms);
        observed.inspect_err(|refused| {
            self.metrics.clock_skew_refusals.inc();
            warn!(trace = %write.trace, key = ?write.key, %refused, "a writer who knows of the future was refused");
        })
    }

    /// On a client's write only, and only where it adds to the crowd: what replication and repair bring is never refused, or
    /// replicas could not converge.
    fn check_siblings(&self, key: &RecordKey, before: &Siblings, after: &Siblings) -> Result<(), CoordinateWriteError> {
        let (found, limits) = (after.versions().len(), self.limits);
        self.metrics.siblings.observe(found as f64);
        if found > limits.siblings_max && found > before.versions().len() {
            self.metrics.sibling_limit_rejections.inc();
            let (found, max) = (found as u64, limits.siblings_max as u64);
            return Err(CoordinateWriteError::TooManySiblings { found, max });
        }
        let (bytes, max_bytes) = (after.payload_bytes() as u64, limits.siblings_max_bytes);
        if found > 1 && bytes > max_bytes && bytes > before.payload_bytes() as u64 {
            self.metrics.sibling_limit_rejections.inc();
            return Err(CoordinateWriteError::SiblingsTooLarge { bytes, max_bytes });
        }
        if found == limits.siblings_warn {
            warn!(
                ?key,
                siblings = found,
                "a key has many siblings: its writers do not hand back the context they read"
            );
        }
        Ok(())
    }

    /// Merges; `Some(ticket)`: acknowledge when that is on disk; `None`: it already is.
    fn merge(&mut self, write: WriteReplica) -> Result<Option<u64>, WriteReplicaError> {
        // A hint finds its way also when the owners have changed.
        if write.slot == Slot::Own
            && let Some(stale) = self.ring.refuses(write.key.partition(), write.epoch)
        {
            return Err(stale.into());
        }
        if self.is_of_dropped_table(&write.key) {
            // As if it had been taken and deleted with its table.
            return Ok(None);
        }
        let now_ms = (self.wall)();
        if let Some(latest) = write.siblings.latest() {
            self.clock.observe(latest, now_ms, self.limits.max_clock_skew_ms).inspect_err(|refused| {
                self.metrics.clock_skew_refusals.inc();
                warn!(trace = %write.trace, key = ?write.key, %refused, "a write from the future was refused");
            })?;
        }
        let at = StorageKey::of(&write.key, &write.slot);
        let WriteBase { record: base, is_damaged } = self.write_base(&at).map_err(WriteReplicaError::Storage)?;
        match objection(&base.siblings, &write.siblings, write.insists) {
            Some(Objection::Tenure(epoch)) => return Err(StaleEpoch { epoch }.into()),
            Some(Objection::Time(time)) => return Err(WriteReplicaError::Outranked { time }),
            None => {}
        }
        let mut siblings = base.siblings.clone();
        siblings.merge(&write.siblings);
        if write.conflict == Conflict::Lww {
            siblings.keep_latest();
        }
        // Over a damaged copy nothing is written, too: or a key that the others do not hold could not be read here until its next write.
        if siblings == base.siblings && !is_damaged {
            return Ok(self.pending.ticket(&at));
        }
        if let Err(target) = self.check_hint_room(&write.key, &write.slot, siblings.payload_bytes()) {
            self.lose_hint(write.key.partition(), &target, HintLoss::Full);
            return Err(WriteReplicaError::HintsFull { target, max_bytes: self.limits.hints.max_bytes });
        }
        let record = Rc::new(StoredRecord { born: base.born, siblings });
        Ok(Some(self.store(at, &write.slot, &base.siblings, record)))
    }

    fn refusal(&mut self, error: &CommitError) -> StorageRefusal {
        // What was minted and not stored is forgotten here but may live elsewhere: no span may reach back over it.
        self.remembers_since = self.clock.tick((self.wall)());
        match error {
            CommitError::DiskFull { free_bytes, reserve_bytes } => {
                StorageRefusal::DiskFull { free_bytes: *free_bytes, reserve_bytes: *reserve_bytes }
            }
            other if other.must_stop() => {
                error!(%other, "the storage failed: this process ends and recovers when it is started again");
                self.storage_failed.do_send(StorageFailed { reason: other.to_string() });
                StorageRefusal::Failed { reason: other.to_string() }
            }
            other => StorageRefusal::Failed { reason: other.to_string() },
        }
    }

    /// A copy for whoever knows the ring well enough.
    fn read(&mut self, key: &RecordKey, slot: &Slot, epoch: u64) -> Result<Option<Rc<StoredRecord>>, ReadReplicaError> {
        match self.ring.refuses(key.partition(), epoch) {
            Some(stale) => Err(stale.into()),
            None => self.committed(&StorageKey::of(key, slot)),
        }
    }

    fn scan(&mut self, scan: &ScanReplica) -> Result<ScanSlice, ReadReplicaError> {
        if let Some(stale) = self.ring.refuses(scan.partition, scan.epoch) {
            return Err(stale.into());
        }
        let stored = scan.range.in_storage(scan.partition, &scan.table);
        let up = ScanRange::prefix(&stored.prefix)
            .between(stored.from.as_ref().map(AsRef::as_ref), stored.to.as_ref().map(AsRef::as_ref));
        let range = if scan.range.descends { up.descending() } else { up };
        let page = self.storage.scan(Space::Records, range, scan.limit as usize).map_err(unreadable)?;
        // What is damaged here is held by the other replicas of the read quorum.
        self.metrics.corrupt_records.inc_by(page.corrupt.len() as u64);
        if !page.corrupt.is_empty() {
            self.trees.distrust_partition(scan.partition);
        }
        let record = |(key, value): (Bytes, Bytes)| {
            Some((RecordKey::try_from(key).ok()?, StoredRecord::from_bytes(&value)?.siblings))
        };
        let covers_up_to = page.resume_after.and_then(|key| RecordKey::try_from(key).ok());
        let slice = ScanSlice { records: page.entries.into_iter().filter_map(record).collect(), covers_up_to };
        Ok(slice)
    }

    fn unreadable(&mut self, at: &StorageKey, error: &ReadError) -> ReadReplicaError {
        match error {
            ReadError::Corrupt { .. } => self.corrupt(at),
            other => ReadReplicaError::Unreadable { reason: other.to_string() },
        }
    }

    fn corrupt(&mut self, at: &StorageKey) -> ReadReplicaError {
        self.metrics.corrupt_records.inc();
        self.trees.distrust(at);
        ReadReplicaError::Corrupt
    }
}

fn unreadable(error: ReadError) -> ReadReplicaError {
    match error {
        ReadError::Corrupt { .. } => ReadReplicaError::Corrupt,
        other => ReadReplicaError::Unreadable { reason: other.to_string() },
    }
}

impl Actor for Node {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<Together<CoordinateWrite>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<CoordinateWrite>, _: &mut Self::Context) {
        for (at, write) in requests.into_iter().enumerate() {
            answers.give(at, self.coordinate(write));
        }
        self.send_off();
    }
}

impl Handler<Together<WriteReplica>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<WriteReplica>, _: &mut Self::Context) {
        for (at, write) in requests.into_iter().enumerate() {
            self.count_write(write.key.partition(), &write.siblings);
            match self.merge(write) {
                Ok(None) => answers.give(at, Ok(())),
                Ok(Some(ticket)) => {
                    self.pending.acknowledge(ticket, Acknowledgement { answers: answers.clone(), at });
                }
                Err(refused) => answers.give(at, Err(refused)),
            }
        }
        self.send_off();
    }
}

/// The committing thread reports: what it took is on disk, or was refused as a whole.
impl Handler<Committed> for Node {
    type Result = ();

    fn handle(&mut self, Committed(outcome): Committed, _: &mut Self::Context) {
        let refusal = outcome.result.as_ref().err().map(|error| self.refusal(error));
        self.trees.settle(outcome.last, refusal.is_some());
        self.epoch_settled(outcome.last, refusal.as_ref());
        self.laying.settle(outcome.last, refusal.is_some());
        while let Some(written) = self.pending.next_up_to(outcome.last) {
            if refusal.is_some() {
                self.unkeep(&written);
            }
            if refusal.is_some() && !written.superseded {
                self.take_back(&written.at, written.record.as_deref());
            }
            match (written.record, &refusal) {
                (Some(record), None) => self.cache.insert(written.at, record),
                // Also where a later write is on its way: what is acknowledged now must be read now, and the cache is older.
                _ => self.cache.remove(&written.at),
            }
            for acknowledgement in written.waiting {
                acknowledgement.give(refusal.clone().map_or(Ok(()), |refusal| Err(refusal.into())));
            }
        }
        self.send_off();
    }
}

impl Handler<Together<ReadReplica>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ReadReplica>, _: &mut Self::Context) {
        for (at, read) in requests.into_iter().enumerate() {
            let partition = read.key.partition();
            let record = self.read(&read.key, &read.slot, read.epoch);
            self.count_read(partition, &record);
            match record.map(|held| held.map(|record| record.siblings.clone()).unwrap_or_default()) {
                Ok(found) if read.binds => self.answer_bound(partition, read.epoch, found, &answers, at),
                found => answers.give(at, found),
            }
        }
        self.send_off();
    }
}

impl Handler<Together<CompareReplica>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<CompareReplica>, _: &mut Self::Context) {
        for (at, read) in requests.into_iter().enumerate() {
            let record = self.read(&read.key, &read.slot, read.epoch);
            self.count_read(read.key.partition(), &record);
            answers.give(at, record.map(|held| differing(held.as_deref(), read.known)));
        }
    }
}

/// What a replica holds, unless that is known already.
fn differing(held: Option<&StoredRecord>, known: Fingerprint) -> Option<Siblings> {
    let nothing = Siblings::default();
    let siblings = held.map_or(&nothing, |record| &record.siblings);
    (siblings.fingerprint() != known).then(|| siblings.clone())
}

impl Handler<Together<ScanReplica>> for Node {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<ScanReplica>, _: &mut Self::Context) {
        for (at, scan) in requests.iter().enumerate() {
            let slice = self.scan(scan);
            self.count_scan(scan.partition, &slice);
            answers.give(at, slice);
        }
    }
}

/// The greatest ceiling that any shard of an earlier life left.
fn stored_ceiling(storage: &dyn Storage) -> Result<HlcTime, ReadError> {
    let page = storage.scan(Space::Meta, ScanRange::prefix(CEILING_KEY_PREFIX), usize::MAX)?;
    let mut floor = HlcTime::default();
    for (_, value) in page.entries {
        if let Ok(bytes) = <[u8; 8]>::try_from(value.as_ref()) {
            floor = floor.max(HlcTime::from_u64(u64::from_be_bytes(bytes)));
        }
    }
    Ok(floor)
}
