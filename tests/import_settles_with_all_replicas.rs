//! A put that failed may be on the disk of a single replica. An import looks for it there before it ends: it asks all N replicas, not R.
//!
//! The node is scripted: it says of the first put that it may survive, and notes how many replicas each get is to ask.

use std::cell::RefCell;
use std::process::Stdio;
use std::rc::Rc;

use bytes::BytesMut;
use serde::Serialize;
use slipring::dynamo::context::Context;
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::ring::Member;
use slipring::dynamo::siblings::Versions;
use slipring::item::TableSchema;
use slipring::messages::admin::{AdminError, Status};
use slipring::messages::client::{Get, GetError, GetReply, Put, PutError, PutReply, WriteOutcome};
use slipring::messages::cluster::{ClusterIdentity, FoundedCluster, MemberAddress};
use slipring::wire::frame::{Frame, FrameKind, encode};
use slipring::wire::handshake::{Welcome, accept};
use slipring::wire::operation::Operation;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::LocalSet;

const FRAME_MAX_BYTES: usize = 1 << 20;
const N: u8 = 3;

/// What the import did, in order.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Get { r: Option<u8> },
    Put,
}

fn name() -> NodeId {
    NodeId::new("n1").expect("a name")
}

fn welcome() -> Welcome {
    let member = Member { id: name(), zone: None, weight: 1 };
    let member = MemberAddress { member, address: "127.0.0.1:7400".to_owned() };
    let identity = ClusterIdentity { uuid: uuid::Uuid::from_u128(1), name: "slipring".to_owned() };
    let founded = FoundedCluster {
        identity,
        members: vec![member.clone()],
        partitions: 1,
        owners: vec![0],
        log_ids: [(member.member.id.clone(), 1)].into(),
        joined: None,
    };
    Welcome { member, directory: 1, founded: Some(founded), nonce: [0; 16], proof: None }
}

fn status() -> Status {
    Status {
        node: name(),
        version: String::new(),
        cluster: String::new(),
        cluster_uuid: String::new(),
        uptime_s: 0,
        members: 3,
        reachable: 3,
        quorum: [N, 2, 2],
        effective_quorum: [N, 2, 2],
        sloppy: true,
        durability: String::new(),
        disk_used_bytes: 0,
        disk_free_bytes: 0,
        read_only: false,
        hints: Vec::new(),
        warnings: Vec::new(),
    }
}

/// What the script answers.
fn answer(request: &Frame, seen: &mut Vec<Seen>) -> BytesMut {
    let context = Context::new(b"", Vec::new().into());
    match Operation::from_number(request.operation) {
        Some(Operation::ListTables) => reply::<_, AdminError>(request, &Ok(vec![TableSchema::kv()])),
        Some(Operation::DescribeStatus) => reply::<_, AdminError>(request, &Ok(status())),
        Some(Operation::Get) => {
            let get: Get = request.decode().expect("a get");
            seen.push(Seen::Get { r: get.r });
            reply::<_, GetError>(request, &Ok(GetReply { versions: Versions::new(), context }))
        }
        Some(Operation::Put) => {
            let _: Put = request.decode().expect("a put");
            let first = !seen.contains(&Seen::Put);
            seen.push(Seen::Put);
            let survives =
                PutError::QuorumNotReached { needed: 2, got: 1, failures: Vec::new(), outcome: WriteOutcome::Unknown };
            reply(request, &if first { Err(survives) } else { Ok(PutReply { context, siblings: 1 }) })
        }
        other => panic!("an import asks for {other:?}"),
    }
}

fn reply<T: Serialize, E: Serialize>(request: &Frame, answer: &Result<T, E>) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode(&mut bytes, FrameKind::Reply, request.operation, request.id, answer, FRAME_MAX_BYTES).expect("a frame");
    bytes
}

async fn serve(mut stream: TcpStream, seen: Rc<RefCell<Vec<Seen>>>) {
    if accept(&mut stream, None, |_| Ok(welcome())).await.is_err() {
        return;
    }
    let mut buffer = BytesMut::new();
    while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        while let Some(frame) = Frame::take(&mut buffer, FRAME_MAX_BYTES).expect("a frame") {
            let answer = match frame.kind {
                FrameKind::Request => answer(&frame, &mut seen.borrow_mut()),
                _ => continue,
            };
            stream.write_all(&answer).await.expect("it can be answered");
        }
    }
}

#[tokio::test]
async fn an_import_looks_for_its_uncertain_writes_on_all_replicas() {
    LocalSet::new().run_until(import_one_record()).await;
}

async fn import_one_record() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&seen);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream, Rc::clone(&noted)));
        }
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("one.jsonl");
    std::fs::write(&file, "{\"id\": \"a\"}\n").expect("the file can be written");
    let mut import = Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    import.args(["--connect", &address, "import", "kv"]).arg(&file).args(["--key", "id"]);
    let ended = import.stdin(Stdio::null()).output().await.expect("slipring-admin runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let table_r = Seen::Get { r: None };
    let all = Seen::Get { r: Some(N) };
    let expected = [table_r.clone(), Seen::Put, table_r, Seen::Put, all, Seen::Put];
    assert_eq!(*seen.borrow(), expected);
}
