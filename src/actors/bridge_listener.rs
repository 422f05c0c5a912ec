//! Receives connections: counts them, shakes hands, and starts a `BridgeSession` for each that is admitted.
//!
//! Every worker has one; the operating system deals the connections out. It decides only who may come in (`founding::admit`): `RingManager` tells it who belongs to
//! the cluster, and whoever does no more is sent away. While the cluster is being founded, [`answer_while_founding`] stands in for it and admits nobody for long.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Context, Handler};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use super::bridge_session::{BridgeSession, ConnectionEnded, SessionRecipients};
use super::founding::{LocalIdentity, Membership, admit, knows};
use super::link::FramesArrived;
use crate::dynamo::collection::UNDER_WAY_MAX;
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::{FoundedCluster, MemberAddress, View, ViewChanged};
use crate::messages::metadata::MetadataChanged;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::wire::handshake::{HandshakeError, Hello, Refusal, Role, Secret, accept};
use crate::wire::outbox::{Outbox, ReadStopped, read_batches};
use crate::wire::transport::{Acceptor, ByteStream};

/// Who has not introduced himself within this time is sent away.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait after the system has refused a connection (too many open files, say).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A peer's connection on which nothing arrives for this long is given up, although peers ping: its machine is gone without a word.
/// Until then nobody else may come in under its name. Longer than the other side's own patience, which ends such a link first.
const PEER_SILENCE: Duration = UNDER_WAY_MAX;

/// The data directories of the peers that are connected, with the number of their connections, over all workers.
pub type ConnectedPeers = Arc<Mutex<BTreeMap<NodeId, (u64, usize)>>>;

/// Draws the nonces of handshakes. Clones draw from one sequence.
#[derive(Clone)]
pub struct Nonces(Rc<RefCell<StdRng>>);

impl Nonces {
    /// A sequence of its own, as unpredictable as what `rng` draws.
    pub fn drawn_from(rng: &mut StdRng) -> Self {
        Self(Rc::new(RefCell::new(StdRng::from_seed(rng.random()))))
    }

    fn next(&self) -> [u8; 16] {
        self.0.borrow_mut().random()
    }
}

/// What a [`BridgeListener`] is told.
#[derive(Clone)]
pub struct ListenerParts {
    /// Who this node is.
    pub local: LocalIdentity,
    /// Its cluster.
    pub founded: FoundedCluster,
    /// The cluster as it is at the start.
    pub view: Arc<View>,
    /// The cluster's secret.
    pub secret: Option<Secret>,
    /// Where a connection's operations go.
    pub recipients: SessionRecipients,
    /// Bound of one frame, in bytes.
    pub frame_max_bytes: usize,
    /// Bound of the open connections of the process.
    pub connections_max: usize,
    /// The open connections of the process.
    pub connections: Arc<AtomicUsize>,
    /// The peers among them.
    pub connected: ConnectedPeers,
    /// For handshakes.
    pub nonces: Nonces,
    /// Where it counts.
    pub metrics: Metrics,
}

/// Accepts connections on one worker.
pub struct BridgeListener {
    door: Rc<Door>,
    acceptor: Option<Box<dyn Acceptor>>,
}

impl BridgeListener {
    /// `acceptor` is this worker's handle of the listening socket.
    pub fn new(parts: ListenerParts, acceptor: Box<dyn Acceptor>) -> Self {
        let recipients = Rc::new(parts.recipients.clone());
        let view = RefCell::new(Arc::clone(&parts.view));
        let door = Door { parts, recipients, view, metadata: RefCell::default(), guests: RefCell::default() };
        Self { door: Rc::new(door), acceptor: Some(acceptor) }
    }
}

impl Actor for BridgeListener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let Some(acceptor) = self.acceptor.take() else { return };
        let door = Rc::clone(&self.door);
        actix::spawn(async move {
            loop {
                match acceptor.accept().await {
                    Ok((stream, from)) => {
                        let door = Rc::clone(&door);
                        actix::spawn(async move { door.receive(stream, from).await });
                    }
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        });
    }
}

impl Handler<ViewChanged> for BridgeListener {
    type Result = ();

    fn handle(&mut self, ViewChanged(view): ViewChanged, _: &mut Self::Context) {
        self.door.follow(view);
    }
}

impl Handler<MetadataChanged> for BridgeListener {
    type Result = ();

    fn handle(&mut self, MetadataChanged(metadata): MetadataChanged, _: &mut Self::Context) {
        self.door.metadata.replace(Some(metadata));
    }
}

struct Door {
    parts: ListenerParts,
    recipients: Rc<SessionRecipients>,
    /// Who belongs to the cluster now, and who can be reached.
    view: RefCell<Arc<View>>,
    /// What a node is told that is about to belong to it.
    metadata: RefCell<Option<Arc<Metadata>>>,
    /// The peers whose connections are open here.
    guests: RefCell<Vec<Rc<Guest>>>,
}

/// A peer whose connection is open.
struct Guest {
    member: MemberAddress,
    /// It belongs to the cluster no more.
    sent_away: Notify,
}

impl Door {
    /// Others belong to the cluster: connections of whoever does not are closed.
    fn follow(&self, view: Arc<View>) {
        let guests = self.guests.borrow();
        let gone = guests.iter().filter(|guest| !knows(&view.members, &guest.member));
        gone.for_each(|guest| guest.sent_away.notify_one());
        self.view.replace(view);
    }

    async fn receive(&self, mut stream: Box<dyn ByteStream>, from: String) {
        let counted = Counted::enter(&self.parts);
        let shaken = timeout(
            HANDSHAKE_TIMEOUT,
            accept(stream.as_mut(), self.parts.secret.as_ref(), |hello| self.admit(hello, counted.number)),
        );
        match shaken.await {
            Ok(Ok(hello)) => self.serve(stream, from, hello).await,
            Ok(Err(HandshakeError::Io(error))) => debug!(from, %error, "a connection was not completed"),
            Ok(Err(error)) => {
                self.parts.metrics.refused_connections.inc();
                warn!(from, %error, "a connection was refused");
                linger(stream.as_mut()).await;
            }
            Err(_) => debug!(from, "a connection said nothing in time"),
        }
    }

    fn admit(&self, hello: &Hello, number: usize) -> Result<crate::wire::handshake::Welcome, Refusal> {
        let parts = &self.parts;
        if number > parts.connections_max {
            return Err(Refusal::TooManyConnections { max: parts.connections_max as u64 });
        }
        let connected = parts.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let directories = connected.iter().map(|(node, (directory, _))| (node.clone(), *directory)).collect();
        let (view, metadata) = (self.view.borrow(), self.metadata.borrow());
        let membership = Membership {
            founded: &parts.founded,
            members: &view.members,
            reachable: &view.reachable,
            metadata: metadata.as_deref(),
        };
        admit(&parts.local, Some(membership), &directories, hello, parts.nonces.next())
    }

    async fn serve(&self, stream: Box<dyn ByteStream>, from: String, hello: Hello) {
        let guest = match &hello.role {
            Role::Peer { member, directory } if hello.cluster_uuid.is_some() => {
                Some(Registered::enter(self, member, *directory))
            }
            // A node that is still looking for its cluster: it has its answer.
            Role::Peer { .. } => return,
            Role::Client | Role::Admin => None,
        };
        let who = match &hello.role {
            Role::Peer { member, .. } => format!("{} ({from})", member.member.id),
            Role::Client | Role::Admin => from,
        };
        let outbox = Outbox::new(self.parts.frame_max_bytes);
        let refused = self.parts.metrics.refused_connections.clone();
        let recipients = Rc::clone(&self.recipients);
        let session = BridgeSession::new(who.clone(), hello.role, outbox.clone(), recipients, refused.clone()).start();
        let (reader, writer) = tokio::io::split(stream);
        let heard = Cell::new(Instant::now());
        let reading = read_batches(reader, &outbox, |frames| {
            heard.set(Instant::now());
            session.do_send(FramesArrived(frames));
        });
        tokio::select! {
            biased;
            () = sent_away(guest.as_ref()) => warn!(from = who, "a peer is no member any more: the connection is closed"),
            why = reading => match why {
                ReadStopped::Frame(misbehaviour) => {
                    refused.inc();
                    warn!(from = who, %misbehaviour, "the connection is closed");
                }
                why => debug!(from = who, %why, "a connection has ended"),
            },
            _ = outbox.write_to(writer) => {}
            () = silence(&heard), if guest.is_some() => warn!(from = who, "a peer has fallen silent: the connection is closed"),
        }
        outbox.close();
        session.do_send(ConnectionEnded);
    }
}

/// Returns when nothing has been heard for [`PEER_SILENCE`].
async fn silence(heard: &Cell<Instant>) {
    while heard.get().elapsed() < PEER_SILENCE {
        sleep_until(heard.get() + PEER_SILENCE).await;
    }
}

/// Returns when the guest is no member any more; for others, never.
async fn sent_away(guest: Option<&Registered<'_>>) {
    match guest {
        Some(registered) => registered.guest.sent_away.notified().await,
        None => std::future::pending().await,
    }
}

/// Answers other nodes until this one belongs to a cluster. Never ends by itself.
pub async fn answer_while_founding(
    acceptor: &dyn Acceptor,
    local: &LocalIdentity,
    secret: Option<&Secret>,
    nonces: &Nonces,
) {
    loop {
        let Ok((mut stream, from)) = acceptor.accept().await else {
            sleep(ACCEPT_RETRY).await;
            continue;
        };
        let (local, secret, nonce) = (local.clone(), secret.cloned(), nonces.next());
        actix::spawn(async move {
            let meet =
                accept(stream.as_mut(), secret.as_ref(), |hello| admit(&local, None, &BTreeMap::new(), hello, nonce));
            match timeout(HANDSHAKE_TIMEOUT, meet).await {
                Ok(Ok(_)) | Ok(Err(HandshakeError::Io(_))) | Err(_) => {}
                Ok(Err(error)) => {
                    warn!(from, %error, "a connection was refused");
                    linger(stream.as_mut()).await;
                }
            }
        });
    }
}

/// Lets the refusal arrive: closing with bytes unread would take it back.
async fn linger(stream: &mut dyn ByteStream) {
    use tokio::io::AsyncReadExt as _;
    let _ = stream.shutdown().await;
    let mut unread = [0; 1024];
    let drain = async { while matches!(stream.read(&mut unread).await, Ok(count) if count > 0) {} };
    let _ = timeout(Duration::from_millis(500), drain).await;
}

/// One of the open connections.
struct Counted<'a> {
    parts: &'a ListenerParts,
    number: usize,
}

impl<'a> Counted<'a> {
    fn enter(parts: &'a ListenerParts) -> Self {
        parts.metrics.connections.inc();
        Self { parts, number: parts.connections.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.parts.metrics.connections.dec();
        self.parts.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One of a peer's connections.
struct Registered<'a> {
    door: &'a Door,
    guest: Rc<Guest>,
}

impl<'a> Registered<'a> {
    fn enter(door: &'a Door, member: &MemberAddress, directory: u64) -> Self {
        let guest = Rc::new(Guest { member: member.clone(), sent_away: Notify::new() });
        door.guests.borrow_mut().push(Rc::clone(&guest));
        // It may have ceased to be a member while hands were shaken.
        if !knows(&door.view.borrow().members, member) {
            guest.sent_away.notify_one();
        }
        let mut peers = door.parts.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = peers.entry(member.member.id.clone()).or_insert((directory, 0));
        *entry = (directory, entry.1 + 1);
        Self { door, guest }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.door.guests.borrow_mut().retain(|guest| !Rc::ptr_eq(guest, &self.guest));
        let node = &self.guest.member.member.id;
        let mut peers = self.door.parts.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = peers.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                peers.remove(node);
            }
        }
    }
}
