//! What the DynamoDB API answers when something fails behind it: type, status and text, for each operation that can meet it.
//!
//! The actors behind the API are stand-ins that fail in one way each. Real failures need a broken cluster; what matters here is what a client makes of them.

use std::sync::Arc;

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use slipring::dynamo::claim::claim;
use slipring::dynamo::context::Context as Seen;
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::quorum::Quorum;
use slipring::dynamo::ring::Member;
use slipring::dynamo::siblings::Version;
use slipring::dynamo::topology::Topology;
use slipring::dynamo::version::{Dot, ReplicaId, VersionVector};
use slipring::http::dynamodb::{Api as _, ApiError, Caller, Operation, Request};
use slipring::http::gathering::Gathering;
use slipring::http::store::{Store, Traces};
use slipring::item::{Conflict, KeyAttribute, KeyKind, TableId, TableName, TableSchema, TableSettings};
use slipring::messages::Overloaded;
use slipring::messages::client::{
    Delete, Get, GetError, GetReply, Put, PutError, PutReply, Query, QueryReply, Scan, ScanReply, WriteOutcome,
};
use slipring::messages::cluster::{MemberAddress, View};
use slipring::messages::metadata::{ChangeError, ChangeTables};
use slipring::messages::modify::{Modified, Modify, ModifyError, ReadSurely};
use slipring::messages::together::Together;
use slipring::messages::transaction::{TransactError, TransactGet, TransactGetError, TransactWrite, Transacted};
use slipring::metadata::CommandError;
use tokio::sync::watch;

/// How what is behind the API fails.
#[derive(Clone, Copy, PartialEq)]
enum Failure {
    /// What is stored is no item.
    Damaged,
    Overloaded,
    QuorumNotReached,
    NoLeader,
    TooManyTables,
    /// A transaction is under way.
    InProgress,
}

const ITEMS: &[(Operation, &str)] = &[
    (Operation::GetItem, r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}}"#),
    (Operation::PutItem, r#"{"TableName": "orders", "Item": {"id": {"S": "a"}}, "ReturnValues": "ALL_OLD"}"#),
    (Operation::UpdateItem, r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}}"#),
    (Operation::DeleteItem, r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}, "ReturnValues": "ALL_OLD"}"#),
    (Operation::Scan, r#"{"TableName": "orders"}"#),
    (Operation::Query, QUERY),
];

/// These depend on nothing that is stored.
const BLIND_WRITES: &[(Operation, &str)] = &[
    (Operation::PutItem, r#"{"TableName": "orders", "Item": {"id": {"S": "a"}}}"#),
    (Operation::DeleteItem, r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}}"#),
];

const QUERY: &str =
    r#"{"TableName": "orders", "KeyConditionExpression": "id = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}"#;
const BATCH_GET: &str = r#"{"RequestItems": {"orders": {"Keys": [{"id": {"S": "a"}}]}}}"#;
const BATCH_WRITE: &str = r#"{"RequestItems": {"orders": [{"PutRequest": {"Item": {"id": {"S": "a"}}}}]}}"#;

const TRANSACT_WRITE: &str = r#"{"TransactItems": [{"Delete": {"TableName": "orders", "Key": {"id": {"S": "a"}}}}]}"#;
const TRANSACT_GET: &str = r#"{"TransactItems": [{"Get": {"TableName": "orders", "Key": {"id": {"S": "a"}}}}]}"#;

const TABLES: &[(Operation, &str)] = &[
    (Operation::CreateTable, CREATE),
    (Operation::UpdateTable, r#"{"TableName": "orders", "DeletionProtectionEnabled": true}"#),
    (Operation::DeleteTable, r#"{"TableName": "orders"}"#),
    (Operation::UpdateTimeToLive, TTL),
    (
        Operation::TagResource,
        r#"{"ResourceArn": "arn:aws:dynamodb:r:0:table/orders", "Tags": [{"Key": "a", "Value": "b"}]}"#,
    ),
    (Operation::UntagResource, r#"{"ResourceArn": "arn:aws:dynamodb:r:0:table/orders", "TagKeys": ["a"]}"#),
];

const CREATE: &str = r#"{"TableName": "more", "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}"#;
const TTL: &str = r#"{"TableName": "orders", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}}"#;

#[actix::test]
async fn damaged_items_are_an_internal_server_error() {
    let damaged = ("InternalServerError", 500, "a stored item is damaged on all replicas that answered".to_owned());
    all_answer(Failure::Damaged, ITEMS, &damaged).await;
    all_answer(Failure::Damaged, &[(Operation::BatchGetItem, BATCH_GET)], &damaged).await;
}

#[actix::test]
async fn limits_of_this_server_are_throttling() {
    let limit = "overloaded: limits.inflight_requests = 7 is reached".to_owned();
    let (read, write): (Vec<_>, Vec<_>) = ITEMS.iter().copied().partition(|(operation, _)| is_read(*operation));
    all_answer(Failure::Overloaded, &read, &("ThrottlingException", 400, limit.clone())).await;
    all_answer(Failure::Overloaded, &write, &("ThrottlingException", 400, limit.clone())).await;
    all_answer(Failure::Overloaded, BLIND_WRITES, &("ThrottlingException", 400, limit)).await;
}

#[actix::test]
async fn missing_replicas_are_service_unavailable() {
    let (read, write): (Vec<_>, Vec<_>) = ITEMS.iter().copied().partition(|(operation, _)| is_read(*operation));
    let words = "quorum not reached: 2 answers needed, 1 came".to_owned();
    all_answer(Failure::QuorumNotReached, &read, &("ServiceUnavailable", 503, words)).await;
    let words =
        "quorum not reached: 2 acknowledgements needed, 1 came; the write may survive on fewer replicas than that";
    all_answer(Failure::QuorumNotReached, &write, &("ServiceUnavailable", 503, words.to_owned())).await;
    all_answer(Failure::QuorumNotReached, BLIND_WRITES, &("ServiceUnavailable", 503, words.to_owned())).await;
}

#[actix::test]
async fn batches_hand_back_what_could_not_be_done() {
    for failure in [Failure::Overloaded, Failure::QuorumNotReached] {
        let store = store(failure);
        let got = run(&store, Operation::BatchGetItem, BATCH_GET).await.expect("an answer");
        assert_eq!(got, r#"{"Responses":{"orders":[]},"UnprocessedKeys":{"orders":{"Keys":[{"id":{"S":"a"}}]}}}"#);
        let wrote = run(&store, Operation::BatchWriteItem, BATCH_WRITE).await.expect("an answer");
        assert_eq!(wrote, r#"{"UnprocessedItems":{"orders":[{"PutRequest":{"Item":{"id":{"S":"a"}}}}]}}"#);
    }
}

#[actix::test]
async fn tables_without_a_leader_are_service_unavailable() {
    let words =
        "no leader: most of the nodes that decide on metadata cannot be reached; nothing was changed".to_owned();
    all_answer(Failure::NoLeader, TABLES, &("ServiceUnavailable", 503, words)).await;
}

#[actix::test]
async fn one_table_too_many_exceeds_a_limit() {
    let words = "there are 2500 tables already: drop one first".to_owned();
    let create = [(Operation::CreateTable, CREATE)];
    all_answer(Failure::TooManyTables, &create, &("LimitExceededException", 400, words)).await;
}

#[actix::test]
async fn transactions_that_are_under_way_are_told_by_their_own_errors() {
    let conflict = ("TransactionConflictException", 400, "Transaction is ongoing for the item".to_owned());
    let changes: Vec<_> = ITEMS.iter().copied().filter(|(operation, _)| !is_read(*operation)).collect();
    all_answer(Failure::InProgress, &changes, &conflict).await;
    let words = "The transaction with the given request token is already in progress.".to_owned();
    let write = [(Operation::TransactWriteItems, TRANSACT_WRITE)];
    all_answer(Failure::InProgress, &write, &("TransactionInProgressException", 400, words)).await;
    let words = "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]";
    let get = [(Operation::TransactGetItems, TRANSACT_GET)];
    all_answer(Failure::InProgress, &get, &("TransactionCanceledException", 400, words.to_owned())).await;
}

#[actix::test]
async fn a_transaction_that_nobody_knows_the_end_of_is_an_internal_server_error() {
    let write = [(Operation::TransactWriteItems, TRANSACT_WRITE)];
    let words = "the transaction may be committed or not: no answer".to_owned();
    all_answer(Failure::NoLeader, &write, &("InternalServerError", 500, words)).await;
    let words = "the transaction was aborted: too few replicas".to_owned();
    all_answer(Failure::QuorumNotReached, &write, &("ServiceUnavailable", 503, words)).await;
    let limit = "overloaded: limits.inflight_requests = 7 is reached".to_owned();
    all_answer(Failure::Overloaded, &write, &("ThrottlingException", 400, limit)).await;
    let words = "a stored item is damaged on all replicas that answered".to_owned();
    let get = [(Operation::TransactGetItems, TRANSACT_GET)];
    all_answer(Failure::Damaged, &get, &("InternalServerError", 500, words)).await;
}

fn is_read(operation: Operation) -> bool {
    matches!(operation, Operation::GetItem | Operation::Scan | Operation::Query)
}

async fn all_answer(failure: Failure, requests: &[(Operation, &str)], expected: &(&'static str, u16, String)) {
    assert!(!requests.is_empty());
    let store = store(failure);
    for (operation, body) in requests {
        let error = run(&store, *operation, body).await.expect_err(operation.name());
        let found = (error.name(), error.status(), error.message().unwrap_or_default().into_owned());
        assert_eq!(found, *expected, "{}", operation.name());
    }
}

async fn run(store: &Store, operation: Operation, body: &str) -> Result<String, ApiError> {
    let request = Request::read(operation, body.as_bytes()).expect("a request that can be");
    let reply = store.run(request, &Caller::default()).await?;
    Ok(String::from_utf8(reply.as_bytes().to_vec()).expect("JSON"))
}

/// The API with nothing behind it but a failure.
fn store(failure: Failure) -> Store {
    let behind = Behind(failure).start();
    // A view that changes no more is a view, too.
    let (_, views) = watch::channel(Arc::new(view()));
    Store {
        put: Gathering::new(behind.clone().recipient()),
        get: Gathering::new(behind.clone().recipient()),
        surely: behind.clone().recipient(),
        transact_write: behind.clone().recipient(),
        transact_get: behind.clone().recipient(),
        delete: behind.clone().recipient(),
        query: behind.clone().recipient(),
        scan: behind.clone().recipient(),
        modify: behind.clone().recipient(),
        change_tables: behind.recipient(),
        views,
        wall: Arc::new(|| 1),
        traces: Traces::from(1),
    }
}

/// One node and the table `orders`.
fn view() -> View {
    let id = NodeId::new("n0").expect("a name");
    let member = Member { id: id.clone(), zone: None, weight: 1 };
    let table = TableSchema {
        name: TableName::new("orders").expect("a name"),
        id: TableId::default(),
        partition_key: KeyAttribute { name: "id".to_owned(), kind: KeyKind::S },
        sort_key: None,
        n: None,
        r: None,
        w: None,
        conflict: Conflict::Lww,
        settings: TableSettings::default(),
    };
    View {
        local: id.clone(),
        topology: Arc::new(Topology::settled(claim(None, std::slice::from_ref(&member), 8, 1).expect("a ring"))),
        members: Arc::new(vec![MemberAddress { member, address: "n0:7400".to_owned() }]),
        quorum: Quorum::new(1, 1, 1).expect("a quorum"),
        sloppy: true,
        reachable: [id].into(),
        tables: Arc::new(vec![table]),
    }
}

/// Stands for all actors.
struct Behind(Failure);

impl Actor for Behind {
    type Context = Context<Self>;
}

impl Behind {
    fn overloaded() -> Overloaded {
        Overloaded { limit: "limits.inflight_requests".to_owned(), max: 7 }
    }

    fn read<T>(&self, damaged: impl FnOnce(Version) -> T) -> Result<T, GetError> {
        match self.0 {
            Failure::Overloaded => Err(GetError::Overloaded(Self::overloaded())),
            Failure::QuorumNotReached => Err(GetError::QuorumNotReached { needed: 2, got: 1, failures: Vec::new() }),
            _ => Ok(damaged(Version {
                dot: Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_unix_ms(1) },
                value: Some(damaged_bytes()),
                expires_at_ms: None,
                tenure: 0,
            })),
        }
    }

    fn write(&self) -> Result<PutReply, PutError> {
        match self.0 {
            Failure::Overloaded => Err(PutError::Overloaded(Self::overloaded())),
            Failure::QuorumNotReached => {
                let (failures, outcome) = (Vec::new(), WriteOutcome::Unknown);
                Err(PutError::QuorumNotReached { needed: 2, got: 1, failures, outcome })
            }
            _ => Ok(PutReply { context: Seen::new(b"", VersionVector::default()), siblings: 1 }),
        }
    }
}

fn damaged_bytes() -> Bytes {
    Bytes::from_static(b"\xffno item")
}

impl Handler<Together<Put>> for Behind {
    type Result = ();

    fn handle(&mut self, puts: Together<Put>, _: &mut Context<Self>) {
        puts.answers.give(0, self.write());
    }
}

impl Handler<Together<Get>> for Behind {
    type Result = ();

    fn handle(&mut self, gets: Together<Get>, _: &mut Context<Self>) {
        let reply = |version| GetReply {
            versions: [version].into_iter().collect(),
            context: Seen::new(b"", VersionVector::default()),
        };
        gets.answers.give(0, self.read(reply));
    }
}

impl Handler<ReadSurely> for Behind {
    type Result = Result<GetReply, GetError>;

    fn handle(&mut self, _: ReadSurely, _: &mut Context<Self>) -> Self::Result {
        self.read(|version| GetReply {
            versions: [version].into_iter().collect(),
            context: Seen::new(b"", VersionVector::default()),
        })
    }
}

impl Handler<TransactWrite> for Behind {
    type Result = Result<Transacted, TransactError>;

    fn handle(&mut self, _: TransactWrite, _: &mut Context<Self>) -> Self::Result {
        match self.0 {
            Failure::Overloaded => Err(TransactError::Overloaded(Self::overloaded())),
            Failure::InProgress => Err(TransactError::InProgress),
            Failure::QuorumNotReached => Err(TransactError::Aborted { reason: "too few replicas".to_owned() }),
            _ => Err(TransactError::Unknown { reason: "no answer".to_owned() }),
        }
    }
}

impl Handler<TransactGet> for Behind {
    type Result = Result<Vec<Option<Bytes>>, TransactGetError>;

    fn handle(&mut self, get: TransactGet, _: &mut Context<Self>) -> Self::Result {
        match self.0 {
            Failure::InProgress => Err(TransactGetError::Conflict { changing: vec![true; get.keys.len()] }),
            _ => self.read(|version| vec![version.value]).map_err(TransactGetError::Get),
        }
    }
}

impl Handler<Delete> for Behind {
    type Result = Result<PutReply, PutError>;

    fn handle(&mut self, _: Delete, _: &mut Context<Self>) -> Self::Result {
        self.write()
    }
}

impl Handler<Query> for Behind {
    type Result = Result<QueryReply, GetError>;

    fn handle(&mut self, _: Query, _: &mut Context<Self>) -> Self::Result {
        self.read(|version| QueryReply { items: vec![vec![version]], next: None })
    }
}

impl Handler<Scan> for Behind {
    type Result = Result<ScanReply, GetError>;

    fn handle(&mut self, _: Scan, _: &mut Context<Self>) -> Self::Result {
        self.read(|version| ScanReply { items: vec![vec![version]], next: None })
    }
}

impl Handler<Modify> for Behind {
    type Result = Result<Modified, ModifyError>;

    fn handle(&mut self, _: Modify, _: &mut Context<Self>) -> Self::Result {
        match self.0 {
            Failure::Overloaded => Err(ModifyError::Overloaded(Self::overloaded())),
            Failure::InProgress => Err(ModifyError::InTransaction),
            Failure::Damaged => Ok(Modified { old: Some(damaged_bytes()), new: None }),
            _ => self.write().map(|_| Modified { old: None, new: None }).map_err(ModifyError::Write),
        }
    }
}

impl Handler<ChangeTables> for Behind {
    type Result = Result<u64, ChangeError>;

    fn handle(&mut self, _: ChangeTables, _: &mut Context<Self>) -> Self::Result {
        match self.0 {
            Failure::TooManyTables => Err(ChangeError::Refused(CommandError::TooManyTables)),
            _ => Err(ChangeError::NoLeader),
        }
    }
}
