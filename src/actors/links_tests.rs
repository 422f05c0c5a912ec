//! One node's links, and the doors of the nodes that they lead to, over connections in memory and in virtual time.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use actix::ResponseFuture;
use proptest::prelude::*;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::actors::blueprint::nobody_connected;
use crate::actors::bridge_listener::{BridgeListener, ListenerParts, Nonces};
use crate::actors::bridge_session::SessionRecipients;
use crate::actors::coordination::{ReplicaRecipients, ask};
use crate::actors::founding::LocalIdentity;
use crate::actors::garbage_collector::GarbageRecipients;
use crate::actors::log_recipients::LogRecipients;
use crate::actors::repair_recipients::RepairRecipients;
use crate::dynamo::claim::claim;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::{Member, PartitionId};
use crate::dynamo::swim::KnownLife;
use crate::item::TableSchema;
use crate::messages::LinkError;
use crate::messages::cluster::{FoundedCluster, View};
use crate::messages::detection::{Gossip, Rumours};
use crate::messages::repair::{ReadRoot, RepairError, RootState};
use crate::messages::together::Together;
use crate::wire::operation::BridgeRequest;
use crate::wire::transport::{Accepting, Acceptor, ByteStream, Connecting};

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn member(name: &str, address: &str) -> MemberAddress {
    MemberAddress { member: Member { id: node(name), zone: None, weight: 1 }, address: address.to_owned() }
}

/// Everybody lives at an address that is his name.
fn members(names: &[&str]) -> Vec<MemberAddress> {
    names.iter().map(|name| member(name, name)).collect()
}

fn view(local: &str, members: Vec<MemberAddress>) -> Arc<View> {
    let plain: Vec<Member> = members.iter().map(|known| known.member.clone()).collect();
    Arc::new(View {
        local: node(local),
        topology: Arc::new(crate::dynamo::topology::Topology::settled(claim(None, &plain, 8, 1).unwrap())),
        members: Arc::new(members),
        quorum: Quorum::new(1, 1, 1).unwrap(),
        sloppy: true,
        reachable: BTreeSet::new(),
        tables: Arc::new(vec![TableSchema::kv()]),
    })
}

fn founded() -> FoundedCluster {
    let identity = ClusterIdentity { uuid: Uuid::nil(), name: "slipring".to_owned() };
    FoundedCluster {
        identity,
        members: members(&["a", "b"]),
        partitions: 1,
        owners: vec![0],
        log_ids: BTreeMap::new(),
        joined: None,
    }
}

/// Connects whoever dials with whoever listens.
#[derive(Clone, Default)]
struct Wires(Rc<RefCell<BTreeMap<String, UnboundedSender<DuplexStream>>>>, Rc<Cell<usize>>);

impl Wires {
    fn listen(&self, address: &str) -> Box<dyn Acceptor> {
        let (sender, receiver) = unbounded_channel();
        self.0.borrow_mut().insert(address.to_owned(), sender);
        Box::new(Arrivals(Mutex::new(receiver)))
    }
}

/// Counts itself as long as it is there.
struct Dialling(Rc<Cell<usize>>);

impl Drop for Dialling {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Connector for Wires {
    /// Nobody at the address: the dial hangs.
    fn connect(&self, address: &str) -> Connecting {
        let listener = self.0.borrow().get(address).cloned();
        self.1.set(self.1.get() + 1);
        let dialling = Dialling(Rc::clone(&self.1));
        Box::pin(async move {
            let _dialling = dialling;
            let Some(listener) = listener else { return pending().await };
            let (near, far) = duplex(1 << 16);
            listener.send(far).map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(near) as Box<dyn ByteStream>)
        })
    }
}

struct Arrivals(Mutex<UnboundedReceiver<DuplexStream>>);

impl Acceptor for Arrivals {
    fn accept(&self) -> Accepting<'_> {
        Box::pin(async {
            let stream = self.0.lock().await.recv().await.ok_or(std::io::ErrorKind::BrokenPipe)?;
            Ok((Box::new(stream) as Box<dyn ByteStream>, "somewhere".to_owned()))
        })
    }
}

/// What stands behind the door of a node: it answers rumours, and lets everything else wait for ever.
struct Household {
    name: NodeId,
    kept: Vec<Box<dyn Any>>,
}

impl Actor for Household {
    type Context = Context<Self>;
}

impl<M: Message + Send + 'static> Handler<Together<M>> for Household
where
    M::Result: Send,
{
    type Result = ();

    fn handle(&mut self, together: Together<M>, _: &mut Self::Context) {
        match (Box::new(together) as Box<dyn Any>).downcast::<Together<Gossip>>() {
            Ok(gossip) => gossip.answers.give(0, Ok(rumours(&self.name))),
            Err(other) => self.kept.push(other),
        }
    }
}

impl<M: BridgeRequest> Handler<M> for Household {
    type Result = ResponseFuture<M::Result>;

    fn handle(&mut self, _: M, _: &mut Self::Context) -> Self::Result {
        Box::pin(pending())
    }
}

fn rumours(from: &NodeId) -> Rumours {
    Rumours { from: from.clone(), datagrams: Vec::new(), known: KnownLife::default(), row: None }
}

fn recipients(household: &Addr<Household>) -> SessionRecipients {
    let to = || household.clone();
    SessionRecipients {
        put: to().recipient(),
        delete: to().recipient(),
        get: to().recipient(),
        scan: to().recipient(),
        query: to().recipient(),
        modify: to().recipient(),
        transact_write: to().recipient(),
        transact_get: to().recipient(),
        sequencers: vec![to().recipient()],
        place: to().recipient(),
        tables: to().recipient(),
        shards: vec![ReplicaRecipients::of(household)],
        gossip: to().recipient(),
        links: to().recipient(),
        repairs: vec![RepairRecipients::of(household)],
        hinted: to().recipient(),
        log: LogRecipients::of(household),
        metadata: to().recipient(),
        change_tables: to().recipient(),
        stage_node: to().recipient(),
        change_ring: to().recipient(),
        plan: to().recipient(),
        commit_plan: to().recipient(),
        tasks: to().recipient(),
        moves: to().recipient(),
        rebalance: to().recipient(),
        garbage: vec![GarbageRecipients::of(household)],
        tombstones: to().recipient(),
        repair_status: to().recipient(),
        repair_control: to().recipient(),
        status: to().recipient(),
        nodes: to().recipient(),
        ring: to().recipient(),
        metrics: to().recipient(),
        hints: to().recipient(),
        cluster_load: to().recipient(),
        load: to().recipient(),
    }
}

/// A node that others dial.
struct Callee {
    listener: Addr<BridgeListener>,
    metrics: Metrics,
}

impl Callee {
    fn open(name: &str, address: &str, wires: &Wires, members: Vec<MemberAddress>) -> Self {
        let household = Household { name: node(name), kept: Vec::new() }.start();
        let local = LocalIdentity {
            member: member(name, address),
            directory: 2,
            cluster_name: "slipring".to_owned(),
            seeds: Vec::new(),
            founders: Vec::new(),
            partitions: 8,
            n: 1,
        };
        let metrics = Metrics::new();
        let parts = ListenerParts {
            local,
            founded: founded(),
            view: view(name, members),
            secret: None,
            recipients: recipients(&household),
            frame_max_bytes: 1 << 20,
            connections_max: 100,
            connections: Arc::default(),
            connected: nobody_connected(),
            nonces: Nonces::drawn_from(&mut StdRng::seed_from_u64(1)),
            metrics: metrics.clone(),
        };
        let listener = BridgeListener::new(parts, wires.listen(address)).start();
        Self { listener, metrics }
    }

    fn connections(&self) -> i64 {
        self.metrics.connections.get()
    }
}

/// What is reported of links: who, and whether it is up.
type Reports = Rc<RefCell<Vec<(String, bool)>>>;

/// Stands for the detector of failures.
struct Detector(Reports);

impl Actor for Detector {
    type Context = Context<Self>;
}

impl Handler<PeerUp> for Detector {
    type Result = ();

    fn handle(&mut self, PeerUp { node, .. }: PeerUp, _: &mut Self::Context) {
        self.0.borrow_mut().push((node.to_string(), true));
    }
}

impl Handler<PeerDown> for Detector {
    type Result = ();

    fn handle(&mut self, PeerDown { node, .. }: PeerDown, _: &mut Self::Context) {
        self.0.borrow_mut().push((node.to_string(), false));
    }
}

impl Handler<LinkMeasured> for Detector {
    type Result = ();

    fn handle(&mut self, _: LinkMeasured, _: &mut Self::Context) {}
}

/// One that speaks to other nodes: in this form it knows them.
#[derive(Clone)]
struct Way {
    gossip: Recipient<Together<Gossip>>,
    root: Recipient<Together<ReadRoot>>,
}

impl Way {
    fn of(peer: &Addr<Peer>) -> Self {
        Self { gossip: peer.clone().recipient(), root: peer.clone().recipient() }
    }

    /// Who answers.
    async fn who(&self) -> Result<String, LinkError> {
        let answer: Result<Rumours, LinkError> = ask(Some(&self.gossip), Gossip(rumours(&node("a")))).await;
        answer.map(|rumours| rumours.from.to_string())
    }

    /// Asks what nobody answers.
    async fn park(self) -> Result<RootState, RepairError> {
        ask(Some(&self.root), ReadRoot { partition: PartitionId(0) }).await
    }
}

/// The links that it has been told of, and how often it was told.
type Told = Rc<RefCell<(BTreeMap<NodeId, Way>, usize)>>;

struct Follower(Told);

impl Actor for Follower {
    type Context = Context<Self>;
}

impl Handler<LinksChanged<Way>> for Follower {
    type Result = ();

    fn handle(&mut self, LinksChanged(links): LinksChanged<Way>, _: &mut Self::Context) {
        let mut told = self.0.borrow_mut();
        *told = (links, told.1 + 1);
    }
}

/// The node `a`, with everything that hangs on its links.
struct Caller {
    wires: Wires,
    links: Addr<Links>,
    reports: Reports,
    told: Told,
}

impl Caller {
    fn start(wires: &Wires, members: Vec<MemberAddress>) -> Self {
        let (reports, told) = (Reports::default(), Told::default());
        let detector = Detector(Rc::clone(&reports)).start();
        let links = Links::new(LinksParts {
            members,
            local: member("a", "a"),
            directory: 1,
            cluster: founded().identity,
            secret: None,
            worker: 0,
            frame_max_bytes: 1 << 20,
            inflight_max: 100,
            request_timeout: Duration::from_secs(10),
            connector: Rc::new(wires.clone()),
            seed: 7,
            up: detector.clone().recipient(),
            down: detector.clone().recipient(),
            measured: detector.recipient(),
            metrics: Metrics::new(),
        })
        .start();
        links.do_send(FollowLinks::new(Follower(Rc::clone(&told)).start().recipient(), Way::of));
        Self { wires: wires.clone(), links, reports, told }
    }

    async fn see(&self, members: Vec<MemberAddress>) {
        self.links.send(ViewChanged(view("a", members))).await.unwrap();
        tick().await;
    }

    fn known(&self) -> Vec<String> {
        self.told.borrow().0.keys().map(ToString::to_string).collect()
    }

    fn way(&self, name: &str) -> Way {
        self.told.borrow().0[&node(name)].clone()
    }

    fn reports(&self) -> Vec<(String, bool)> {
        self.reports.borrow().clone()
    }
}

/// Long enough for any message, and too short for a time-out.
async fn tick() {
    sleep(Duration::from_millis(5)).await;
}

fn said(reports: &[(&str, bool)]) -> Vec<(String, bool)> {
    reports.iter().map(|(node, up)| ((*node).to_owned(), *up)).collect()
}

fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story);
}

#[test]
fn messages_flow_to_who_joins_and_end_at_once_for_who_leaves() {
    play(async {
        let wires = Wires::default();
        let all = members(&["a", "b", "c"]);
        let (b, c) = (Callee::open("b", "b", &wires, all.clone()), Callee::open("c", "c", &wires, all.clone()));
        let caller = Caller::start(&wires, members(&["a", "b"]));
        tick().await;
        assert_eq!((caller.known(), caller.reports()), (vec!["b".to_owned()], said(&[("b", true)])));
        let old = caller.way("b");
        assert_eq!(old.who().await, Ok("b".to_owned()));

        caller.see(all).await;
        assert_eq!((caller.known(), caller.reports().len()), (vec!["b".to_owned(), "c".to_owned()], 2));
        assert_eq!(caller.way("c").who().await, Ok("c".to_owned()));
        assert_eq!((b.connections(), c.connections()), (1, 1), "the link to b is the same as before");

        let parked = actix::spawn(caller.way("b").park());
        tick().await;
        assert!(!parked.is_finished());
        caller.see(members(&["a", "c"])).await;
        assert!(parked.is_finished(), "at once");
        assert_eq!(parked.await.unwrap(), Err(RepairError::Link(LinkError::ConnectionLost)));
        assert_eq!((caller.known(), b.connections(), c.connections()), (vec!["c".to_owned()], 0, 1));
        assert_eq!(old.who().await, Err(LinkError::Unreachable), "who still knows the link is answered");

        sleep(Duration::from_secs(20)).await;
        assert_eq!(caller.reports(), said(&[("b", true), ("c", true), ("b", false)]), "and nothing after that");
        assert_eq!(b.connections(), 0, "nobody dials again");
        drop(old);
        assert_eq!(caller.way("c").who().await, Ok("c".to_owned()));
    });
}

#[test]
fn views_that_change_nothing_about_members_tell_nothing() {
    play(async {
        let caller = Caller::start(&Wires::default(), members(&["a", "b"]));
        tick().await;
        caller.see(members(&["a", "b"])).await;
        assert_eq!(caller.told.borrow().1, 1);
        caller.see(members(&["a", "b", "c"])).await;
        assert_eq!(caller.told.borrow().1, 2);
    });
}

#[test]
fn who_has_another_address_is_dialled_there() {
    play(async {
        let wires = Wires::default();
        let here = Callee::open("b", "b", &wires, members(&["a", "b"]));
        let there = Callee::open("b", "elsewhere", &wires, members(&["a", "b"]));
        let caller = Caller::start(&wires, members(&["a", "b"]));
        tick().await;
        caller.see(vec![member("a", "a"), member("b", "elsewhere")]).await;
        assert_eq!((here.connections(), there.connections()), (0, 1));
        assert_eq!(caller.reports(), said(&[("b", true), ("b", false), ("b", true)]));
        assert_eq!(caller.way("b").who().await, Ok("b".to_owned()));
    });
}

#[test]
fn a_dial_under_way_ends_with_the_member() {
    play(async {
        let caller = Caller::start(&Wires::default(), members(&["a", "b"]));
        tick().await;
        assert_eq!(caller.wires.1.get(), 1);
        caller.see(members(&["a"])).await;
        assert_eq!((caller.wires.1.get(), caller.known(), caller.reports()), (0, vec![], vec![]));
    });
}

#[test]
fn who_is_a_member_no_more_is_sent_away_and_let_in_again_when_he_is_one() {
    play(async {
        let wires = Wires::default();
        let b = Callee::open("b", "b", &wires, members(&["a", "b"]));
        let caller = Caller::start(&wires, members(&["a", "b"]));
        tick().await;
        let parked = actix::spawn(caller.way("b").park());
        tick().await;
        // Whatever else changes concerns nobody who stays.
        b.listener.send(ViewChanged(view("b", members(&["a", "b", "c"])))).await.unwrap();
        tick().await;
        assert_eq!((b.connections(), caller.reports()), (1, said(&[("b", true)])));

        b.listener.send(ViewChanged(view("b", members(&["b", "c"])))).await.unwrap();
        tick().await;
        assert_eq!(parked.await.unwrap(), Err(RepairError::Link(LinkError::ConnectionLost)));
        sleep(Duration::from_secs(20)).await;
        assert_eq!((b.connections(), caller.reports()), (0, said(&[("b", true), ("b", false)])), "refused");
        assert!(b.metrics.refused_connections.get() > 3);

        b.listener.send(ViewChanged(view("b", members(&["a", "b"])))).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        assert_eq!((b.connections(), caller.way("b").who().await), (1, Ok("b".to_owned())));
    });
}

proptest! {
    #[test]
    fn a_turnover_leads_from_any_members_to_any_others_and_touches_nobody_who_stays(
        before in prop::collection::btree_map(0..6_u8, 0..2_u8, 0..6),
        after in prop::collection::btree_map(0..6_u8, 0..2_u8, 0..6),
    ) {
        let list = |at: &BTreeMap<u8, u8>| -> Vec<MemberAddress> {
            at.iter().map(|(who, place)| member(&format!("n{who}"), &format!("at{place}"))).collect()
        };
        let (before, after, local) = (list(&before), list(&after), node("n0"));
        let mut linked: BTreeMap<NodeId, String> = BTreeMap::new();
        for members in [&before, &after] {
            let known = linked.iter().map(|(node, at)| (node, at.as_str())).collect();
            let Turnover { ends, begins } = Turnover::of(&known, members, &local);
            let touched: BTreeSet<NodeId> = ends.iter().chain(begins.iter().map(|begins| &begins.member.id)).cloned().collect();
            for staying in members.iter().filter(|other| linked.get(&other.member.id) == Some(&other.address)) {
                prop_assert!(!touched.contains(&staying.member.id));
            }
            for node in ends { prop_assert!(linked.remove(&node).is_some()); }
            for begins in begins { prop_assert!(linked.insert(begins.member.id, begins.address).is_none()); }
            let wanted: BTreeMap<NodeId, String> = members.iter().filter(|other| other.member.id != local)
                .map(|other| (other.member.id.clone(), other.address.clone())).collect();
            prop_assert_eq!(&linked, &wanted);
        }
    }
}
