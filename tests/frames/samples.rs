//! One fixed value of every message. Every field holds something, so that none can move or vanish unnoticed.

use std::ops::Bound;

use bytes::Bytes;
use slipring::consensus::{self, Content, Electorate, Entry, Kind, MemberChange, Rank, Snapshot};
use slipring::dynamo::collection::{CopyState, Kept};
use slipring::dynamo::context::{Context, ContextError};
use slipring::dynamo::hlc::{HlcTime, TooFarAhead};
use slipring::dynamo::key_range::KeyRange;
use slipring::dynamo::link_matrix::{LinkCell, LinkRow, LinkSight};
use slipring::dynamo::load::LoadRates;
use slipring::dynamo::merkle::{Digest, LeafSet};
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::precedence::Insistence;
use slipring::dynamo::preference_list::Role as ReplicaRole;
use slipring::dynamo::quorum::QuorumError;
use slipring::dynamo::ranking::{Ranked, Ranking};
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::{Member, PartitionId};
use slipring::dynamo::siblings::{Change, Mint, Siblings, Version};
use slipring::dynamo::swim::KnownLife;
use slipring::dynamo::version::{Dot, ReplicaId, Span, VersionVector};
use slipring::dynamo::work::LoadWeights;
use slipring::item::{Conflict, KeyAttribute, KeyKind, TableId, TableName, TableSchema};
use slipring::messages::admin::{
    AdminError, DescribeHints, DescribeNodes, DescribeRing, DescribeStatus, HintState, HintsRow, NodeRow, ReadMetrics,
    RingDescription, Status,
};
use slipring::messages::balancing::{BorneLoad, Rebalance, RebalanceError, Rebalancing, Verdict};
use slipring::messages::client::{
    Delete, FailureReason, Get, GetError, GetReply, ListTables, Put, PutError, PutReply, Query, QueryReply,
    ReplicaFailure, Scan, ScanCursor, ScanReply, Where, WhereReplica, WhereReply, WriteOutcome,
};
use slipring::messages::cluster::{ClusterIdentity, FoundedCluster, MemberAddress};
use slipring::messages::detection::{DescribeLinks, Gossip, Rumours};
use slipring::messages::garbage::{
    CollectError, CollectTombstones, DescribeTombstones, KeptRow, ProbeTombstones, Tombstone, TombstoneReport,
};
use slipring::messages::hints::{HintedPartitions, HintsPending};
use slipring::messages::load::{ClusterLoad, DescribeLoad, LoadTotals, MemberLoad, NodeLoad, PartitionLoad, ReadLoad};
use slipring::messages::metadata::{
    ChangeError, ChangeTables, DescribeMetadata, EnrolLog, FetchMetadata, FetchedMetadata, MetadataStatus, Propose,
    ProposeError, ReadEpoch, StepLog,
};
use slipring::messages::repair::{
    BucketSlice, ControlRepair, ControlRepairError, DescribeRepair, DistrustTree, ListBuckets, PeerRepair, ReadLeaves,
    ReadRoot, RepairAction, RepairError, RepairRun, RepairStatus, RootState,
};
use slipring::messages::replica::{
    CompareReplica, CoordinateWrite, CoordinateWriteError, ReadReplica, ReadReplicaError, ScanReplica, ScanSlice, Slot,
    StaleEpoch, StorageRefusal, WriteReplica, WriteReplicaError,
};
use slipring::messages::ring::{
    ChangeRing, CommitPlan, DescribePlan, DescribeTasks, MoveTended, PlanDescription, PlannedNode, StageError,
    StageNode, TaskRow, TaskState, TendMove,
};
use slipring::messages::{LinkError, Overloaded, TraceId};
use slipring::metadata::{
    Alteration, Command, CommandError, Enrolled, QuorumChoice, RingChange, Share, StagedChange, TableChange,
};
use slipring::wire::handshake::{Hello, Refusal, Role, Welcome};

use super::Records;

const TRACE: TraceId = TraceId(0xABCD);

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a name")
}

fn replica(directory: u64) -> ReplicaId {
    ReplicaId { directory, epoch: 0x0000_0002_0000_0007 }
}

fn time(bits: u64) -> HlcTime {
    HlcTime::from_u64(bits)
}

fn key_range() -> KeyRange {
    let (from, to) = (Bound::Included("\u{1}pa".into()), Bound::Excluded("\u{1}pb".into()));
    KeyRange { from, to, descends: true, ..KeyRange::prefix("\u{1}p") }
}

fn vector() -> VersionVector {
    vec![
        Span { replica: replica(1), since: time(0x10_0000), until: time(0x20_0001) },
        Span { replica: replica(2), since: time(0x30_0000), until: time(0x30_0000) },
    ]
    .into()
}

fn context() -> Context {
    Context::new(b"the key", vector())
}

fn siblings() -> Siblings {
    let mut siblings = Siblings::default();
    let mint =
        |directory, bits| Mint { dot: Dot { replica: replica(directory), time: time(bits) }, since: time(bits - 1) };
    let value =
        Change { value: Some(Bytes::from_static(b"\x01\x00")), expires_at_ms: Some(1_700_000_000_000), tenure: 0 };
    siblings.write(&VersionVector::new(), mint(1, 0x40_0000), value);
    siblings.write(&vector(), mint(2, 0x50_0000), Change { value: None, expires_at_ms: None, tenure: 0 });
    siblings
}

fn versions() -> Vec<Version> {
    siblings().versions().to_vec()
}

fn record_key() -> RecordKey {
    RecordKey::new(PartitionId(7), "kv", b"\x01the key")
}

fn overloaded() -> Overloaded {
    Overloaded { limit: "limits.inflight_requests".to_owned(), max: 4096 }
}

fn disk_full() -> StorageRefusal {
    StorageRefusal::DiskFull { free_bytes: 1000, reserve_bytes: 2000 }
}

fn failed() -> StorageRefusal {
    StorageRefusal::Failed { reason: "no".to_owned() }
}

fn schema() -> TableSchema {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    TableSchema {
        name: TableName::new("orders").expect("a name"),
        id: TableId(7),
        partition_key: attribute("customer", KeyKind::S),
        sort_key: Some(attribute("at", KeyKind::N)),
        n: Some(5),
        r: Some(1),
        w: Some(4),
        conflict: Conflict::Lww,
        settings: super::modify::settings(),
    }
}

pub fn client_operations(records: &mut Records) {
    let put = Put {
        trace: TRACE,
        table: "kv".to_owned(),
        item: Bytes::from_static(b"\x01\x00"),
        context: Some(context()),
        ttl_ms: Some(60_000),
        w: Some(2),
        timeout_ms: Some(1_500),
    };
    let reply = PutReply { context: context(), siblings: 2 };
    records.operation(&put, &reply, &put_errors());
    let delete = Delete {
        trace: TRACE,
        table: "kv".to_owned(),
        key: Bytes::from_static(b"\x01the key"),
        context: Some(context()),
        w: Some(2),
        timeout_ms: Some(1_500),
    };
    let unread = PutError::CannotReadFirst(GetError::QuorumNotReached { needed: 2, got: 1, failures: failures() });
    records.operation(&delete, &reply, &[unread]);
    let get = Get {
        trace: TRACE,
        table: "kv".to_owned(),
        key: Bytes::from_static(b"\x01the key"),
        r: Some(2),
        timeout_ms: Some(1_500),
    };
    let reply = GetReply { versions: versions().into(), context: context() };
    records.operation(&get, &reply, &get_errors());
    let cursor = ScanCursor { partition: PartitionId(7), after: Some(record_key()) };
    let scan = Scan {
        trace: TRACE,
        table: "kv".to_owned(),
        cursor: Some(cursor.clone()),
        until: Some(PartitionId(9)),
        limit: 100,
        r: Some(2),
        timeout_ms: Some(900),
    };
    let reply = ScanReply { items: vec![versions()], next: Some(cursor) };
    records.operation(&scan, &reply, &[GetError::Overloaded(overloaded())]);
    let query = Query {
        trace: TRACE,
        table: "kv".to_owned(),
        partition_key: Bytes::from_static(b"\x01p"),
        range: key_range(),
        limit: 100,
        r: Some(2),
        timeout_ms: Some(900),
    };
    let reply = QueryReply { items: vec![versions()], next: Some(Bytes::from_static(b"\x01pq")) };
    records.operation(&query, &reply, &[GetError::Overloaded(overloaded())]);
    let place = Where { trace: TRACE, table: "kv".to_owned(), key: Bytes::from_static(b"\x01the key") };
    records.operation(&place, &places(), &[GetError::NoSuchTable { table: "x".to_owned() }]);
    records.operation(&ListTables, &vec![TableSchema::kv(), schema()], &[AdminError::Stopping]);
}

fn put_errors() -> Vec<PutError> {
    vec![
        PutError::NoSuchTable { table: "x".to_owned() },
        PutError::InvalidItem { reason: "why".to_owned() },
        PutError::InvalidKey { reason: "why".to_owned() },
        PutError::InvalidContext(ContextError::AnotherKey),
        PutError::InvalidContext(ContextError::NewerVersion { found: 9 }),
        PutError::InvalidQuorum(QuorumError::WriteOutOfRange { w: 4, n: 3 }),
        PutError::Overloaded(overloaded()),
        PutError::Refused(CoordinateWriteError::TooManySiblings { found: 101, max: 100 }),
        PutError::QuorumNotReached { needed: 2, got: 1, failures: failures(), outcome: WriteOutcome::Unknown },
        PutError::QuorumNotReached { needed: 2, got: 0, failures: Vec::new(), outcome: WriteOutcome::NotApplied },
    ]
}

fn get_errors() -> Vec<GetError> {
    vec![
        GetError::InvalidKey { reason: "why".to_owned() },
        GetError::InvalidQuorum(QuorumError::ReadOutOfRange { r: 4, n: 3 }),
        GetError::QuorumNotReached { needed: 2, got: 1, failures: failures() },
    ]
}

fn failures() -> Vec<ReplicaFailure> {
    let reasons = [
        FailureReason::Down,
        FailureReason::NoAnswer,
        FailureReason::Coordinate(CoordinateWriteError::Link(LinkError::ConnectionLost)),
        FailureReason::Write(WriteReplicaError::Storage(disk_full())),
        FailureReason::Read(ReadReplicaError::Corrupt),
    ];
    reasons.into_iter().map(|reason| ReplicaFailure { node: node("n1"), reason }).collect()
}

fn places() -> WhereReply {
    let holds = |node: NodeId, role, holds| WhereReplica { node, role, holds };
    WhereReply {
        partition: PartitionId(7),
        replicas: vec![
            holds(node("n1"), ReplicaRole::Primary, Ok(siblings())),
            holds(node("n2"), ReplicaRole::Fallback { for_node: node("n3") }, Err(ReadReplicaError::Corrupt)),
        ],
    }
}

pub fn replica_operations(records: &mut Records) {
    let (epoch, stale) = (41, StaleEpoch { epoch: 42 });
    let mint = CoordinateWrite {
        trace: TRACE,
        epoch,
        key: record_key(),
        slot: Slot::HintFor(node("n3")),
        context: Some(vector()),
        change: Change {
            value: Some(Bytes::from_static(b"\x01\x00")),
            expires_at_ms: Some(1_700_000_000_000),
            tenure: 0,
        },
        conflict: Conflict::Lww,
        above: Some(HlcTime::from_u64(0x40_0000)),
    };
    let refused = [
        CoordinateWriteError::TooManySiblings { found: 101, max: 100 },
        CoordinateWriteError::Storage(disk_full()),
        CoordinateWriteError::Storage(failed()),
        CoordinateWriteError::Link(LinkError::Overloaded(overloaded())),
        CoordinateWriteError::SiblingsTooLarge { bytes: 9_000_000, max_bytes: 8_388_608 },
        CoordinateWriteError::ClockTooFarAhead(TooFarAhead { ahead_ms: 900, max_skew_ms: 500 }),
        CoordinateWriteError::Stale(stale),
    ];
    records.operation(&mint, &siblings(), &refused);
    let (trace, key) = (TRACE, record_key());
    let (slot, conflict) = (Slot::Own, Conflict::Siblings);
    let write = WriteReplica {
        trace,
        epoch,
        key: key.clone(),
        slot,
        siblings: siblings(),
        conflict,
        insists: Insistence::Rank,
    };
    let refused = [
        WriteReplicaError::ClockTooFarAhead(TooFarAhead { ahead_ms: 900, max_skew_ms: 500 }),
        WriteReplicaError::HintsFull { target: node("n3"), max_bytes: 1 << 30 },
        WriteReplicaError::Storage(disk_full()),
        WriteReplicaError::Link(LinkError::TimedOut),
        WriteReplicaError::Stale(stale),
        WriteReplicaError::Outranked { time: HlcTime::from_u64(0x50_0000) },
    ];
    records.operation(&write, &(), &refused);
    let read = ReadReplica { trace, epoch, key: key.clone(), slot: Slot::Own, binds: true };
    let refused = [
        ReadReplicaError::Corrupt,
        ReadReplicaError::Unreadable { reason: "no".to_owned() },
        ReadReplicaError::Link(LinkError::Stopped),
        ReadReplicaError::Link(LinkError::Unreachable),
        ReadReplicaError::Link(LinkError::BadAnswer),
        ReadReplicaError::Stale(stale),
    ];
    records.operation(&read, &siblings(), &refused);
    let known = siblings().fingerprint();
    let compare = CompareReplica { trace, epoch, key: key.clone(), slot: Slot::Own, known };
    records.operation(&compare, &Some(siblings()), &[ReadReplicaError::Corrupt]);
    let (partition, table, range) = (PartitionId(7), "kv".to_owned(), key_range());
    let scan = ScanReplica { trace, epoch, partition, table, range, limit: 1000 };
    let slice = ScanSlice { records: vec![(key.clone(), siblings())], covers_up_to: Some(key) };
    records.operation(&scan, &slice, &[ReadReplicaError::Corrupt]);
}

pub fn detection_operations(records: &mut Records) {
    let sight = |to, up, round_trip_us| LinkSight { to: node(to), up, round_trip_us, loss_percent: 5 };
    let row = LinkRow {
        from: node("n2"),
        revision: (0x0000_0002_0000_0007, 9),
        links: vec![sight("n1", true, Some(400)), sight("n3", false, None)],
    };
    let rumours = |known, row| Rumours { from: node("n1"), datagrams: vec![Bytes::from_static(b"swim")], known, row };
    let asked = rumours(KnownLife { generation: 0x0000_0002_0000_0007, suspected: Some(3) }, Some(row));
    let answer = rumours(KnownLife::default(), None);
    records.operation(&Gossip(asked), &answer, &[LinkError::Unreachable]);
    let cell = LinkCell {
        from: node("n1"),
        to: node("n2"),
        up: Some(true),
        round_trip_us: Some(400),
        loss_percent: Some(5),
        asymmetric: true,
    };
    records.operation(&DescribeLinks, &vec![cell], &[AdminError::Stopping]);
}

pub fn admin_operations(records: &mut Records) {
    let status = Status {
        node: node("n1"),
        version: "0.1.0".to_owned(),
        cluster: "slipring".to_owned(),
        cluster_uuid: "c".to_owned(),
        uptime_s: 12,
        members: 3,
        reachable: 2,
        quorum: [3, 2, 2],
        effective_quorum: [3, 1, 2],
        sloppy: true,
        durability: "always".to_owned(),
        disk_used_bytes: 1000,
        disk_free_bytes: 2000,
        read_only: false,
        hints: vec![HintsPending { target: node("n3"), keys: 4, bytes: 400 }],
        warnings: vec!["look".to_owned()],
    };
    records.operation(&DescribeStatus, &status, &[AdminError::Stopping]);
    let row = NodeRow {
        name: node("n1"),
        address: "127.0.0.1:7400".to_owned(),
        state: "up".to_owned(),
        zone: Some("east".to_owned()),
        weight: 2,
        partitions: 86,
        share_percent: 33.6,
        this_node: true,
        reachable: true,
    };
    records.operation(&DescribeNodes, &vec![row], &[AdminError::Stopping]);
    let ring = RingDescription { epoch: 3, owners: vec![node("n1"), node("n2")], balance: 0.98 };
    records.operation(&DescribeRing, &ring, &[AdminError::Stopping]);
    records.operation(&ReadMetrics, &"# EOF\n".to_owned(), &[AdminError::Stopping]);
    let states =
        [HintState::TargetDown, HintState::HandingOver, HintState::Throttled, HintState::Failing, HintState::OnlyDirty];
    let row = |state| HintsRow {
        pending: HintsPending { target: node("n3"), keys: 4, bytes: 400 },
        oldest_s: 90,
        state,
        per_s: 2,
        eta_s: Some(2),
        dirty_ranges: 7,
    };
    records.operation(&DescribeHints, &states.map(row).to_vec(), &[AdminError::Stopping]);
}

fn member(name: &str, port: u16) -> MemberAddress {
    let member = Member { id: node(name), zone: Some("east".to_owned()), weight: 2 };
    MemberAddress { member, address: format!("127.0.0.1:{port}") }
}

fn cluster_uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0011_2233_4455_4677_8899_AABB_CCDD_EEFF)
}

/// Name, what is said, and whether there is a secret.
pub fn hellos() -> Vec<(&'static str, Hello, bool)> {
    let hello = |role, cluster_uuid| Hello {
        cluster_name: Some("slipring".to_owned()),
        cluster_uuid,
        role,
        nonce: *b"0123456789abcdef",
    };
    let peer = Role::Peer { member: member("n2", 7401), directory: 0x1122_3344_5566_7788 };
    vec![
        ("client", Hello { cluster_name: None, ..hello(Role::Client, None) }, false),
        ("admin", hello(Role::Admin, None), false),
        ("peer", hello(peer, Some(cluster_uuid())), true),
    ]
}

pub fn welcome() -> Welcome {
    let founded = FoundedCluster {
        identity: ClusterIdentity { uuid: cluster_uuid(), name: "slipring".to_owned() },
        members: vec![member("n1", 7400), member("n2", 7401)],
        partitions: 8,
        owners: vec![0, 1, 0, 1, 0, 1, 0, 1],
        log_ids: [(node("n1"), 0x8877_6655_4433_2211), (node("n2"), 0x1122_3344_5566_7788)].into(),
        joined: None,
    };
    Welcome {
        member: member("n1", 7400),
        directory: 0x8877_6655_4433_2211,
        founded: Some(founded),
        nonce: *b"fedcba9876543210",
        proof: None,
    }
}

pub fn refusals() -> Vec<(&'static str, Refusal)> {
    let ours = cluster_uuid();
    vec![
        ("other_version", Refusal::OtherVersion { theirs: 7 }),
        ("other_name", Refusal::OtherName { ours: "x".to_owned(), theirs: "y".to_owned() }),
        ("other_cluster", Refusal::OtherCluster { ours, theirs: uuid::Uuid::nil() }),
        ("not_a_member", Refusal::NotAMember { node: node("n9"), address: "127.0.0.1:9".to_owned() }),
        ("name_taken", Refusal::NameTaken { node: node("n1") }),
        ("wrong_secret", Refusal::WrongSecret),
        ("founding", Refusal::Founding { waiting_for: "n3".to_owned() }),
        ("too_many_connections", Refusal::TooManyConnections { max: 1024 }),
        ("not_understood", Refusal::NotUnderstood),
        ("isolated", Refusal::Isolated { reachable: 2, members: 5 }),
    ]
}

pub fn repair_operations(records: &mut Records) {
    let partition = PartitionId(77);
    let digest = |byte| Digest::from_bytes([byte; 16]);
    let errors = [
        RepairError::Unsettled,
        RepairError::Unreadable { reason: "I/O".to_owned() },
        RepairError::Disabled,
        RepairError::Link(LinkError::TimedOut),
    ];
    records.operation(&ReadRoot { partition }, &RootState { root: digest(5), trusted: true, epoch: 41 }, &errors);
    records.operation(&ReadLeaves { partition }, &vec![digest(1), digest(2)], &errors[..1]);
    let leaves: LeafSet = [3, 200].into_iter().collect();
    let list = ListBuckets { partition, leaves, after: Some(record_key()), limit: 256 };
    let slice =
        BucketSlice { records: vec![(record_key(), digest(9))], covers_up_to: Some(record_key()), speed_percent: 25 };
    records.operation(&list, &slice, &errors[..1]);
    records.operation(&DistrustTree { partition }, &(), &errors[2..3]);
    let status = RepairStatus {
        enabled: true,
        paused: false,
        interval_s: 600,
        peers: vec![PeerRepair {
            peer: node("n2"),
            reachable: true,
            ranges: 256,
            verified: 255,
            dirty: 1,
            oldest_unverified_s: 61,
            repairing: Some(partition),
        }],
        run: Some(RepairRun { total: 512, done: 128, elapsed_s: 3, eta_s: Some(9) }),
        keys_repaired: 1_204,
        bytes_repaired: 99_000,
        records_audited: 5_000,
        speed_percent: 50.0,
    };
    records.operation(&DescribeRepair, &status, &[AdminError::Stopping]);
    let not_durable = ControlRepairError::NotDurable { reason: "disk full".to_owned() };
    let errors = [ControlRepairError::Stopping, not_durable];
    records.operation(&ControlRepair { action: RepairAction::Pause }, &status, &errors);
}

pub fn metadata_operations(records: &mut Records) {
    let command = |content| Entry { index: 8, term: 3, content };
    let change = MemberChange { member: 9, rank: Rank::Learner };
    let message = consensus::Message {
        kind: Kind::Append,
        from: 1,
        to: 2,
        term: 3,
        log_term: 2,
        index: 7,
        entries: vec![
            command(Content::Nothing),
            command(Content::Command(Bytes::from_static(b"do"))),
            command(Content::Membership(change)),
        ],
        commit: 6,
        commit_term: 2,
        snapshot: Some(Snapshot {
            index: 5,
            term: 2,
            electorate: Electorate { voters: vec![1, 2], learners: vec![9] },
            state: Bytes::from_static(b"state"),
        }),
        request_snapshot: 4,
        reject: true,
        reject_hint: 3,
        context: Bytes::from_static(b"why"),
    };
    let kinds = [
        Kind::AppendReply,
        Kind::Vote,
        Kind::VoteReply,
        Kind::Snapshot,
        Kind::Heartbeat,
        Kind::HeartbeatReply,
        Kind::PreVote,
        Kind::PreVoteReply,
    ];
    let other = |kind| consensus::Message { kind, entries: Vec::new(), snapshot: None, ..message.clone() };
    let messages = std::iter::once(message.clone()).chain(kinds.map(other)).collect();
    records.operation(&StepLog { from: node("n1"), messages }, &(), &[LinkError::Stopped]);
    records.operation(&ReadEpoch, &41, &[LinkError::Stopped]);
    let fetched = FetchedMetadata { index: 99, state: bytes::Bytes::from_static(b"metadata") };
    records.operation(&FetchMetadata { known: 40 }, &Some(fetched), &[LinkError::Stopped]);
    records.operation(&EnrolLog { from: node("n1"), log_id: 77 }, &(), &[LinkError::Stopped]);
    let refused = CommandError::TableExists { table: schema().name };
    let enrol = Command::Enrol { node: node("n1"), log_id: 77 };
    let link = ProposeError::Link(LinkError::TimedOut);
    let errors = [ProposeError::Refused(refused.clone()), ProposeError::NotLeader, ProposeError::Unknown, link];
    records.operation(&Propose { number: 5, command: enrol }, &41, &errors);
    let status = MetadataStatus {
        epoch: 41,
        digest: 0xFEED,
        log_behind: 2,
        leader: Some(node("n1")),
        term: 3,
        voters: vec![node("n1"), node("n2")],
        learners: vec![node("n3")],
        takes_part: true,
        applied: 99,
        entries: 12,
    };
    records.operation(&DescribeMetadata, &status, &[AdminError::Stopping]);
    let [setting, protected] = super::modify::setting_refusals();
    let errors = [
        ChangeError::Refused(refused),
        ChangeError::Refused(CommandError::NoSuchTable { table: schema().name }),
        ChangeError::Refused(CommandError::BuiltIn { table: TableName::kv() }),
        ChangeError::Refused(CommandError::Schema { reason: "no".to_owned() }),
        ChangeError::Refused(CommandError::TooManyTables),
        ChangeError::Refused(CommandError::NotAMember { node: node("n9") }),
        ChangeError::NoLeader,
        ChangeError::Unknown,
        setting,
        protected,
    ];
    records.operation(&ChangeTables { change: TableChange::Create(schema()) }, &41, &errors);
    records.another("configure", &super::modify::every_setting());
    let (n, r, w) = (QuorumChoice::Exactly(5), QuorumChoice::Default, QuorumChoice::Keep);
    let alteration = Alteration { table: TableName::kv(), n, r, w };
    records.another("alter", &ChangeTables { change: TableChange::Alter(alteration) });
}

pub fn ring_operations(records: &mut Records) {
    let newcomer = || Enrolled { known: member("n4", 7403), log_id: 77 };
    let address = "127.0.0.1:7403".to_owned();
    let not_waiting = StageError::NotWaiting { address: address.clone(), reason: "no answer".to_owned() };
    let errors = [not_waiting, StageError::Change(ChangeError::NoLeader)];
    records.operation(&StageNode { address, replaces: Some(node("n3")) }, &node("n4"), &errors);
    let refusals = [
        CommandError::IsAMember { node: node("n1") },
        CommandError::AddressTaken { address: "127.0.0.1:7400".to_owned() },
        CommandError::StagedAlready { node: node("n4") },
        CommandError::NothingStaged,
        CommandError::PlanIsOld,
        CommandError::RingMoves,
        CommandError::TooFewMembers { members: 2, n: 3 },
        CommandError::NoWeight,
        CommandError::StillOwns { node: node("n1") },
        CommandError::OneGoes,
        CommandError::NoRing { reason: "no".to_owned() },
        CommandError::ExchangeAlone,
        CommandError::BadExchange { reason: "no".to_owned() },
    ];
    let errors = refusals.map(ChangeError::Refused);
    let staged = [
        StagedChange::Join(newcomer()),
        StagedChange::Leave { node: node("n2") },
        StagedChange::Replace { dead: node("n3"), with: newcomer() },
        StagedChange::Reweigh { node: node("n1"), weight: 2 },
        StagedChange::Exchange { owners: [(PartitionId(3), node("n1"))].into(), automatic: true },
    ];
    let partitions = vec![PartitionId(3), PartitionId(77)];
    let change = RingChange::Arrived { node: node("n4"), ring_epoch: 41, partitions };
    records.operation(&ChangeRing { change }, &41, &errors);
    records.another("cancel", &ChangeRing { change: RingChange::Cancel { began: 41 } });
    let share = |partitions, copies| Share { partitions, copies };
    let planned = PlannedNode { node: node("n1"), before: share(86, 256), after: share(64, 192), fetches: 3 };
    let plan = PlanDescription {
        planned_at: 40,
        staged: staged.to_vec(),
        owners: [64, 64],
        copies: [192, 190],
        bytes: 1 << 30,
        seconds: 64,
        nodes: vec![planned],
        fewest_replicas: 3,
        balance: 0.99,
    };
    records.operation(&DescribePlan, &plan, &errors[..1]);
    records.operation(&CommitPlan { planned_at: 40 }, &41, &errors[..1]);
    let told = MoveTended {
        last_error: Some("no answer".to_owned()),
        waiting: 3,
        next_try_ms: Some(800),
        held_up: Some("repair is paused".to_owned()),
    };
    records.operation(&TendMove { began: 41, retry: true }, &told, &[LinkError::Stopped]);
    let task = |state, eta_s, told: Option<MoveTended>| TaskRow {
        began: 41,
        owner: node("n4"),
        returns: told.is_some(),
        state,
        done: 12,
        total: 192,
        per_minute: 60.0,
        eta_s,
        idle_s: 2,
        told,
    };
    let tasks = vec![
        task(TaskState::Copying, Some(180), None),
        task(TaskState::Releasing, None, None),
        task(TaskState::Stalled, None, Some(told)),
    ];
    records.operation(&DescribeTasks { retry: Some(41) }, &tasks, &[AdminError::Stopping]);
}

pub fn balancing_operations(records: &mut Records) {
    let borne = BorneLoad { node: node("n1"), measured: 1.75, before: 1.5, after: 1.0625 };
    let told = Rebalancing {
        verdict: Verdict::Staged,
        nodes: vec![borne],
        partitions: 6,
        copies: 18,
        too_hot: vec![PartitionId(77)],
    };
    let errors = [RebalanceError::Silent { nodes: vec![node("n2")] }, RebalanceError::Change(ChangeError::NoLeader)];
    records.operation(&Rebalance { stage: true }, &told, &errors);
}

pub fn garbage_operations(records: &mut Records) {
    let hinted = HintedPartitions { targets: vec![node("n1"), node("n2")] };
    records.operation(&hinted, &vec![PartitionId(3), PartitionId(77)], &[LinkError::Stopped]);
    let partition = PartitionId(77);
    let tombstones = vec![Tombstone { key: record_key(), digest: Digest::from_bytes([5; 16]) }];
    let errors = [CollectError::Refused, CollectError::Link(LinkError::TimedOut)];
    let probe = ProbeTombstones { partition, tombstones: tombstones.clone() };
    let states = vec![CopyState::Same, CopyState::Absent, CopyState::Other, CopyState::Hinted];
    records.operation(&probe, &states, &errors);
    records.operation(&CollectTombstones { partition, tombstones }, &1, &errors[..1]);
    let reasons = [
        Kept::Young,
        Kept::LeftTo(node("n1")),
        Kept::Unknown(node("n2")),
        Kept::Hinted(node("n3")),
        Kept::Differs(node("n4")),
        Kept::Settling,
        Kept::Waiting,
    ];
    let row = |why| KeptRow { why, is_expired: true, records: 3, oldest_s: 90_000 };
    let kept = reasons.into_iter().map(row).collect();
    let report = TombstoneReport { walked_s_ago: Some(12), min_age_s: 86_400, kept, collected: 44 };
    records.operation(&DescribeTombstones, &report, &[AdminError::Stopping]);
}

pub fn load_operations(records: &mut Records) {
    let copies = LoadRates { reads_per_s: 12.5, writes_per_s: 3.25, bytes_per_s: 40_000.0 };
    let totals = LoadTotals { copies, clients_per_s: 7.75, cpu_percent: Some(31.5) };
    let ranked = Ranked { key: record_key(), at_least_per_s: 5.5, at_most_per_s: 6.0 };
    let keys = Ranking::new(vec![ranked], 0.5, 7.75);
    let partition = PartitionId(7);
    let node_load = NodeLoad { totals, keys: keys.clone(), partitions: vec![(partition, copies)] };
    records.operation(&ReadLoad { keys: 256, partitions: 1_024 }, &node_load, &[LinkError::TimedOut]);
    let member = |name, totals| MemberLoad { node: node(name), weight: 2, totals };
    let cluster_load = ClusterLoad {
        members: vec![member("n1", Some(totals)), member("n2", None)],
        keys,
        partitions: vec![PartitionLoad { partition, owner: node("n1"), copies }],
        weights: LoadWeights { requests: 4, bytes: 2, cpu: 1 },
    };
    records.operation(&DescribeLoad { keys: 10, partitions: 0 }, &cluster_load, &[AdminError::Stopping]);
}
