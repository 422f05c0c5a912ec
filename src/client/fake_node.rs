//! A node as far as a router can tell: it says who stores what, and does with requests what a test tells it to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};

use super::route_map::Description;
use super::routed::Routed;
use crate::dynamo::context::Context;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::Member;
use crate::dynamo::siblings::Versions;
use crate::item::TableSchema;
use crate::messages::Overloaded;
use crate::messages::admin::{AdminError, NodeRow, RingDescription};
use crate::messages::client::{Delete, Get, GetError, GetReply, Put, PutError, PutReply, WriteOutcome};
use crate::messages::cluster::{ClusterIdentity, FoundedCluster, MemberAddress};
use crate::wire::frame::{Frame, FrameKind, encode};
use crate::wire::handshake::{Role, Welcome, accept};
use crate::wire::operation::Operation;

const FRAME_MAX_BYTES: usize = 1 << 20;

/// What it does with gets and puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    /// Answers them.
    Answer,
    /// Refuses them.
    Refuse,
    /// Says that it reaches none of the replicas, and nothing was done.
    ReachNobody,
    /// Takes them and closes the connection.
    HangUp,
    /// Takes them and says nothing.
    KeepQuiet,
    /// Says nothing to anybody, not even to a ping.
    Freeze,
}

pub(super) struct State {
    pub conduct: Conduct,
    pub description: Description,
    /// The members that it names when somebody says hello.
    pub founded: Option<FoundedCluster>,
    /// The gets and puts that it was sent, with the time-out that each asked for.
    pub asked: Vec<(Operation, Option<u32>)>,
    /// How often it has told who owns what.
    pub lessons: usize,
    /// How often somebody has come as a client.
    pub greeted: usize,
    /// Connections as a client that are open.
    pub clients: usize,
}

pub(super) struct FakeNode {
    pub name: NodeId,
    pub address: String,
    pub state: Rc<RefCell<State>>,
    tasks: Rc<RefCell<Vec<JoinHandle<()>>>>,
}

impl FakeNode {
    /// Listens at `address`; port 0 takes any.
    pub async fn start(name: &str, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (name, address) = (NodeId::new(name).unwrap(), listener.local_addr().unwrap().to_string());
        let description = describe(0, &[], &[]);
        let state = State {
            conduct: Conduct::Answer,
            description,
            founded: None,
            asked: Vec::new(),
            lessons: 0,
            greeted: 0,
            clients: 0,
        };
        let (state, tasks) = (Rc::new(RefCell::new(state)), Rc::default());
        let node = Self { name, address, state, tasks };
        let welcome = node.welcome();
        let (state, tasks) = (Rc::clone(&node.state), Rc::clone(&node.tasks));
        let listening = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = spawn_local(serve(stream, welcome.clone(), Rc::clone(&state)));
                tasks.borrow_mut().push(serving);
            }
        });
        node.tasks.borrow_mut().push(listening);
        node
    }

    /// Closes all connections and listens no more.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        self.state.borrow_mut().clients = 0;
    }

    pub fn behave(&self, conduct: Conduct) {
        self.state.borrow_mut().conduct = conduct;
    }

    pub fn asked(&self) -> usize {
        self.state.borrow().asked.len()
    }

    /// Names these members from now on.
    pub fn name_members(&self, members: &[&Self]) {
        let identity = ClusterIdentity { uuid: uuid::Uuid::nil(), name: "fake".to_owned() };
        let members = members.iter().map(|node| node.member()).collect();
        self.state.borrow_mut().founded = Some(FoundedCluster {
            identity,
            members,
            partitions: 1,
            owners: vec![0],
            log_ids: BTreeMap::new(),
            joined: None,
        });
    }

    fn member(&self) -> MemberAddress {
        let member = Member { id: self.name.clone(), zone: None, weight: 1 };
        MemberAddress { member, address: self.address.clone() }
    }

    fn welcome(&self) -> Welcome {
        let member = self.member();
        Welcome { member, directory: 0, founded: None, nonce: [0; 16], proof: None }
    }
}

/// What a node says whose cluster has these members, and these owners of its partitions.
pub(super) fn describe(epoch: u64, members: &[&FakeNode], owners: &[&str]) -> Description {
    let row = |node: &&FakeNode| NodeRow {
        name: node.name.clone(),
        address: node.address.clone(),
        state: "up".to_owned(),
        zone: None,
        weight: 1,
        partitions: 0,
        share_percent: 0.0,
        this_node: false,
        reachable: true,
    };
    let owners = owners.iter().map(|owner| NodeId::new(owner).unwrap()).collect();
    let ring = RingDescription { epoch, owners, balance: 1.0 };
    Description { nodes: members.iter().map(row).collect(), ring, tables: vec![TableSchema::kv()] }
}

async fn serve(mut stream: TcpStream, mut welcome: Welcome, state: Rc<RefCell<State>>) {
    welcome.founded = state.borrow().founded.clone();
    let Ok(hello) = accept(&mut stream, None, |_| Ok(welcome)).await else { return };
    let is_client = usize::from(hello.role == Role::Client);
    state.borrow_mut().clients += is_client;
    state.borrow_mut().greeted += is_client;
    let mut incoming = BytesMut::new();
    while let Ok(1..) = stream.read_buf(&mut incoming).await {
        let mut outgoing = BytesMut::new();
        while let Some(frame) = Frame::take(&mut incoming, FRAME_MAX_BYTES).unwrap() {
            if !state.borrow_mut().answer(&frame, &mut outgoing) {
                state.borrow_mut().clients -= is_client;
                return;
            }
        }
        let _ = stream.write_all(&outgoing).await;
    }
    state.borrow_mut().clients -= is_client;
}

impl State {
    /// `false`: the connection is to be closed.
    fn answer(&mut self, frame: &Frame, out: &mut BytesMut) -> bool {
        let (id, number) = (frame.id, frame.operation);
        if self.conduct == Conduct::Freeze {
            return true;
        }
        if frame.kind == FrameKind::Ping {
            return encode(out, FrameKind::Pong, 0, id, &(), FRAME_MAX_BYTES).is_ok();
        }
        let operation = Operation::from_number(number).unwrap();
        let reply = FrameKind::Reply;
        let written = match operation {
            Operation::DescribeNodes => {
                let nodes = Ok::<_, AdminError>(&self.description.nodes);
                encode(out, reply, number, id, &nodes, FRAME_MAX_BYTES)
            }
            Operation::DescribeRing => {
                self.lessons += 1;
                encode(out, reply, number, id, &Ok::<_, AdminError>(&self.description.ring), FRAME_MAX_BYTES)
            }
            Operation::ListTables => {
                encode(out, reply, number, id, &Ok::<_, AdminError>(&self.description.tables), FRAME_MAX_BYTES)
            }
            Operation::Get => {
                return self.take::<Get>(frame, out, &GetReply { versions: Versions::new(), context: context() });
            }
            Operation::Put => return self.take::<Put>(frame, out, &PutReply { context: context(), siblings: 1 }),
            Operation::Delete => return self.take::<Delete>(frame, out, &PutReply { context: context(), siblings: 0 }),
            _ => panic!("a router asks for no {operation:?}"),
        };
        written.is_ok()
    }
}

impl State {
    fn take<M>(&mut self, frame: &Frame, out: &mut BytesMut, reply: &M::Reply) -> bool
    where
        M: Routed<Error: From<Overloaded> + OfNobody>,
    {
        let operation = M::OPERATION;
        self.asked.push((operation, *frame.decode::<M>().unwrap().timeout_ms()));
        let answer = match self.conduct {
            Conduct::HangUp => return false,
            Conduct::KeepQuiet | Conduct::Freeze => return true,
            Conduct::Refuse => Err(M::Error::from(full())),
            Conduct::ReachNobody => Err(M::Error::of_nobody()),
            Conduct::Answer => Ok(reply),
        };
        encode(out, FrameKind::Reply, operation.number(), frame.id, &answer, FRAME_MAX_BYTES).is_ok()
    }
}

/// How a node refuses that reaches nobody.
trait OfNobody {
    fn of_nobody() -> Self;
}

impl OfNobody for GetError {
    fn of_nobody() -> Self {
        Self::QuorumNotReached { needed: 2, got: 0, failures: Vec::new() }
    }
}

impl OfNobody for PutError {
    fn of_nobody() -> Self {
        let (failures, outcome) = (Vec::new(), WriteOutcome::NotApplied);
        Self::QuorumNotReached { needed: 2, got: 0, failures, outcome }
    }
}

fn full() -> Overloaded {
    Overloaded { limit: "limits.inflight_requests".to_owned(), max: 1 }
}

fn context() -> Context {
    Context::new(b"", Vec::new().into())
}
