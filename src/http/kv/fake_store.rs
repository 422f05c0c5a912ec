//! One replica in memory in place of the actors, for tests: it keeps siblings as a replica does, and fails when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds as _;
use std::sync::{Arc, Mutex};

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use tokio::sync::watch;

use crate::dynamo::claim::claim;
use crate::dynamo::context;
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::Member;
use crate::dynamo::siblings::{Change, Mint, Siblings};
use crate::dynamo::topology::Topology;
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};
use crate::http::Door;
use crate::http::gathering::Gathering;
use crate::http::store::{Store, Traces};
use crate::item::{Conflict, Item, Key, KeyAttribute, KeyKind, TableName, TableSchema};
use crate::messages::client::{
    Delete, Get, GetError, GetReply, Put, PutError, PutReply, Query, QueryReply, Scan, ScanReply,
};
use crate::messages::cluster::{MemberAddress, View};
use crate::messages::metadata::{ChangeError, ChangeTables};
use crate::messages::modify::{Modified, Modify, ModifyError, ReadSurely};
use crate::messages::together::Together;
use crate::messages::transaction::{TransactError, TransactGet, TransactGetError, TransactWrite};

/// What it holds, and what was asked of it.
#[derive(Default)]
pub(super) struct State {
    records: BTreeMap<(String, Bytes), Siblings>,
    minted: u64,
    /// In ms since the Unix epoch.
    pub(super) now_ms: u64,
    /// Gets so far.
    pub(super) gets: usize,
    /// The last put, delete and query.
    pub(super) put: Option<Put>,
    pub(super) delete: Option<Delete>,
    pub(super) query: Option<Query>,
    /// Reads fail with it.
    pub(super) read_error: Option<GetError>,
    /// Writes fail with it.
    pub(super) write_error: Option<PutError>,
}

/// Tests look at it and steer it while it is asked.
pub(super) type Shared = Arc<Mutex<State>>;

struct Replica {
    state: Shared,
    view: Arc<View>,
}

/// A replica, and a door to it. `kv` keeps siblings; `orders` too, with numbers as sort keys; `blobs` is keyed by bytes and keeps the last write.
pub(super) fn open() -> (Shared, Door) {
    let (state, view, door) = (Shared::default(), view(), Door::default());
    let replica = Replica { state: Arc::clone(&state), view: Arc::clone(&view) }.start();
    door.open(Store {
        put: Gathering::new(replica.clone().recipient()),
        get: Gathering::new(replica.clone().recipient()),
        delete: replica.clone().recipient(),
        query: replica.clone().recipient(),
        scan: replica.clone().recipient(),
        modify: replica.clone().recipient(),
        surely: replica.clone().recipient(),
        transact_write: replica.clone().recipient(),
        transact_get: replica.clone().recipient(),
        change_tables: replica.recipient(),
        views: watch::Sender::new(view).subscribe(),
        wall: Arc::new(|| 0),
        traces: Traces::from(1),
    });
    (state, door)
}

fn view() -> Arc<View> {
    let member = Member { id: NodeId::new("a").unwrap(), zone: None, weight: 1 };
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let named = |name: &str| TableSchema { name: TableName::new(name).unwrap(), n: Some(1), ..TableSchema::kv() };
    let blobs = TableSchema { partition_key: attribute("id", KeyKind::B), conflict: Conflict::Lww, ..named("blobs") };
    let orders = TableSchema { sort_key: Some(attribute("at", KeyKind::N)), ..named("orders") };
    Arc::new(View {
        local: member.id.clone(),
        topology: Arc::new(Topology::settled(claim(None, std::slice::from_ref(&member), 8, 1).unwrap())),
        members: Arc::new(vec![MemberAddress { member: member.clone(), address: "a".to_owned() }]),
        quorum: Quorum::new(3, 2, 2).unwrap(),
        sloppy: true,
        reachable: BTreeSet::from([member.id]),
        tables: Arc::new(vec![blobs, TableSchema::kv(), orders]),
    })
}

impl Actor for Replica {
    type Context = Context<Self>;
}

/// What a context is bound to.
fn bound(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

impl Replica {
    fn table(&self, name: &str) -> Option<&TableSchema> {
        self.view.table(name)
    }

    fn write(
        &self,
        table: &str,
        key: Bytes,
        seen: Option<&context::Context>,
        change: Change,
    ) -> Result<PutReply, PutError> {
        let mut state = self.state.lock().unwrap();
        if let Some(error) = &state.write_error {
            return Err(error.clone());
        }
        let schema = self.table(table).ok_or_else(|| PutError::NoSuchTable { table: table.to_owned() })?;
        let name = bound(table, &key);
        let seen = match seen {
            Some(context) => context.for_key(&name)?.clone(),
            None => VersionVector::new(),
        };
        state.minted += 1;
        let dot = Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_u64(state.minted) };
        let now_ms = state.now_ms;
        let siblings = state.records.entry((table.to_owned(), key)).or_default();
        siblings.write(&seen, Mint { dot, since: HlcTime::from_u64(1) }, change);
        let context = context::Context::new(&name, siblings.context_of_last_write());
        if schema.conflict == Conflict::Lww {
            siblings.keep_latest();
        }
        Ok(PutReply { context, siblings: u32::try_from(siblings.visible(now_ms).count()).unwrap() })
    }

    fn read(&self, get: &Get) -> Result<GetReply, GetError> {
        let mut state = self.state.lock().unwrap();
        state.gets += 1;
        if let Some(error) = &state.read_error {
            return Err(error.clone());
        }
        let siblings = state.records.get(&(get.table.clone(), get.key.clone())).cloned().unwrap_or_default();
        let (clock, versions) = siblings.into_visible(state.now_ms);
        Ok(GetReply { versions, context: context::Context::new(&bound(&get.table, &get.key), clock) })
    }
}

impl Handler<Together<Put>> for Replica {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Put>, _: &mut Self::Context) {
        for (at, put) in requests.into_iter().enumerate() {
            self.state.lock().unwrap().put = Some(put.clone());
            let item = Item::from_bytes(&put.item).expect("an item");
            item.validate().expect("a valid item");
            let key = self.table(&put.table).expect("a table").key_of(&item).expect("a key").to_bytes();
            let expires_at_ms = put.ttl_ms.map(|ttl| self.state.lock().unwrap().now_ms + ttl);
            let change = Change { value: Some(put.item), expires_at_ms, tenure: 0 };
            answers.give(at, self.write(&put.table, key, put.context.as_ref(), change));
        }
    }
}

impl Handler<Delete> for Replica {
    type Result = Result<PutReply, PutError>;

    fn handle(&mut self, delete: Delete, _: &mut Self::Context) -> Self::Result {
        self.state.lock().unwrap().delete = Some(delete.clone());
        let key = Key::from_bytes(&delete.key).expect("a key").to_bytes();
        let record = (delete.table.clone(), key.clone());
        let held = self.state.lock().unwrap().records.get(&record).cloned().unwrap_or_default();
        let all = context::Context::new(&bound(&delete.table, &key), held.context().clone());
        let seen = delete.context.unwrap_or(all);
        self.write(&delete.table, key, Some(&seen), Change { value: None, expires_at_ms: None, tenure: 0 })
    }
}

impl Handler<Together<Get>> for Replica {
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<Get>, _: &mut Self::Context) {
        requests.iter().enumerate().for_each(|(at, get)| answers.give(at, self.read(get)));
    }
}

impl Handler<Query> for Replica {
    type Result = Result<QueryReply, GetError>;

    fn handle(&mut self, query: Query, _: &mut Self::Context) -> Self::Result {
        let mut state = self.state.lock().unwrap();
        state.query = Some(query.clone());
        if let Some(error) = &state.read_error {
            return Err(error.clone());
        }
        assert!(query.range.prefix.starts_with(&query.partition_key));
        let within = |key: &Bytes| {
            key.starts_with(&query.range.prefix) && (query.range.from.clone(), query.range.to.clone()).contains(key)
        };
        let of_table = state.records.iter().filter(|((table, key), _)| *table == query.table && within(key));
        let mut found: Vec<(Bytes, Siblings)> =
            of_table.map(|((_, key), siblings)| (key.clone(), siblings.clone())).collect();
        if query.range.descends {
            found.reverse();
        }
        let enough = usize::try_from(query.limit).unwrap();
        let next = (found.len() > enough).then(|| found[enough - 1].0.clone());
        let items = found.into_iter().take(enough).map(|(_, siblings)| siblings.into_visible(state.now_ms).1.to_vec());
        Ok(QueryReply { items: items.filter(|versions| !versions.is_empty()).collect(), next })
    }
}

impl Handler<Scan> for Replica {
    type Result = Result<ScanReply, GetError>;

    fn handle(&mut self, scan: Scan, _: &mut Self::Context) -> Self::Result {
        Err(GetError::NoSuchTable { table: scan.table })
    }
}

impl Handler<Modify> for Replica {
    type Result = Result<Modified, ModifyError>;

    fn handle(&mut self, _: Modify, _: &mut Self::Context) -> Self::Result {
        Err(ModifyError::NotFirst)
    }
}

impl Handler<ReadSurely> for Replica {
    type Result = <ReadSurely as actix::Message>::Result;

    fn handle(&mut self, read: ReadSurely, _: &mut Self::Context) -> Self::Result {
        Err(GetError::NoSuchTable { table: read.table })
    }
}

impl Handler<TransactWrite> for Replica {
    type Result = <TransactWrite as actix::Message>::Result;

    fn handle(&mut self, _: TransactWrite, _: &mut Self::Context) -> Self::Result {
        Err(TransactError::InProgress)
    }
}

impl Handler<TransactGet> for Replica {
    type Result = <TransactGet as actix::Message>::Result;

    fn handle(&mut self, get: TransactGet, _: &mut Self::Context) -> Self::Result {
        Err(TransactGetError::Conflict { changing: vec![true; get.keys.len()] })
    }
}

impl Handler<ChangeTables> for Replica {
    type Result = <ChangeTables as actix::Message>::Result;

    fn handle(&mut self, _: ChangeTables, _: &mut Self::Context) -> Self::Result {
        Err(ChangeError::NoLeader)
    }
}
