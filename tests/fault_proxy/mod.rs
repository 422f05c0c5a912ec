//! A TCP proxy in front of every node of a real cluster, which can harm each directed link.
//!
//! ```text
//!   n0 ──dials──▶ proxy of n1 ──▶ n1        founders and bridge.advertise name the proxies, bridge.listen the nodes
//!                     │
//!                     └ the first message of a connection says who dials: bytes from the dialler are on the link n0 ▶ n1,
//!                       those that come back are on n1 ▶ n0, so a cut of one direction harms both sides' connections
//! ```
//!
//! Clients and admins connect to the nodes themselves. A cut link does what a network does: bytes, and ends of connections, stay where they are until it
//! is healed; nobody is told.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipring::wire::handshake::{Hello, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::cluster::Cluster;

/// "SLIP", the version, and the length of the hello.
const HELLO_HEAD_BYTES: usize = 4 + 2 + 4;

/// No hello is longer.
const HELLO_MAX_BYTES: usize = 64 * 1024;

/// How much is carried at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How the end of a connection is called that was broken off on purpose.
const BROKEN_OFF: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// How a directed link treats bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Condition {
    cut: bool,
    delay: Duration,
    /// How many breaks were ordered: a connection that finds more than it knows of breaks.
    breaks: u64,
    truncates: bool,
}

/// By names: from, to.
type LinkName = (String, String);

/// All links, and the thread that carries their bytes. Dropping it ends both.
pub struct FaultProxy {
    links: Arc<Links>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Links {
    conditions: Mutex<BTreeMap<LinkName, watch::Sender<Condition>>>,
    /// How many connections were broken off.
    broken: AtomicUsize,
}

impl Links {
    fn watch(&self, from: &str, to: &str) -> watch::Receiver<Condition> {
        self.with(from, to, watch::Sender::subscribe)
    }

    fn change(&self, from: &str, to: &str, change: impl FnOnce(&mut Condition)) {
        self.with(from, to, |link| link.send_modify(change));
    }

    fn with<T>(&self, from: &str, to: &str, act: impl FnOnce(&watch::Sender<Condition>) -> T) -> T {
        let mut links = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        act(links.entry((from.to_owned(), to.to_owned())).or_insert_with(|| watch::Sender::new(Condition::default())))
    }
}

/// One node behind its proxy.
pub struct Front {
    /// The node's name.
    pub name: String,
    /// Where the others find it.
    pub listen: String,
    /// Where it is.
    pub node: String,
}

impl FaultProxy {
    /// `count` nodes, each behind its proxy, all serving and all connected to each other.
    pub fn start_cluster(count: usize, settings: &[(&str, &str)]) -> (Self, Cluster) {
        let mut cluster = Cluster::prepare(count, settings);
        let listens = cluster.lease_addresses(count);
        let quoted: Vec<String> = listens.iter().map(|address| format!("{address:?}")).collect();
        let mut fronts = Vec::new();
        for (node, listen) in cluster.nodes.iter_mut().zip(listens) {
            node.set("cluster.founders", &format!("[{}]", quoted.join(", ")));
            node.set("bridge.advertise", &listen);
            fronts.push(Front { name: node.name.clone(), listen, node: node.bridge.clone() });
        }
        let proxy = Self::start(fronts);
        cluster.start_all();
        (proxy, cluster)
    }

    /// Listens for every node, with all links whole.
    pub fn start(fronts: Vec<Front>) -> Self {
        let links: Arc<Links> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, listening) = std::sync::mpsc::channel();
        let shared = Arc::clone(&links);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for front in fronts {
                    let listener = TcpListener::bind(&front.listen).await.expect("the proxy's port is free");
                    tokio::spawn(serve(listener, front, Arc::clone(&shared)));
                }
                ready.send(()).expect("the test waits");
                let _ = stopped.await;
            });
        });
        listening.recv().expect("the proxy listens");
        Self { links, stop: Some(stop), thread: Some(thread) }
    }

    /// What is sent from the one to the other stays where it is.
    pub fn cut_one_way(&self, from: &str, to: &str) {
        self.links.change(from, to, |link| link.cut = true);
    }

    /// Neither hears the other.
    pub fn cut(&self, one: &str, other: &str) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Both hear each other at once, beginning with what was held back.
    pub fn heal(&self, one: &str, other: &str) {
        for (from, to) in [(one, other), (other, one)] {
            self.links.change(from, to, |link| (link.cut, link.delay) = (false, Duration::ZERO));
        }
    }

    /// Every byte takes so much longer.
    pub fn delay(&self, from: &str, to: &str, delay: Duration) {
        self.links.change(from, to, |link| link.delay = delay);
    }

    /// Every connection on the link breaks in the middle of what is sent next: the receiver gets half of it, and a reset.
    pub fn reset(&self, from: &str, to: &str) {
        self.break_off(from, to, false);
    }

    /// The same, but the stream just ends there.
    pub fn truncate(&self, from: &str, to: &str) {
        self.break_off(from, to, true);
    }

    /// How many connections have been broken off.
    pub fn broken(&self) -> usize {
        self.links.broken.load(Ordering::SeqCst)
    }

    fn break_off(&self, from: &str, to: &str, truncates: bool) {
        self.links.change(from, to, |link| (link.breaks, link.truncates) = (link.breaks + 1, truncates));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, front: Front, links: Arc<Links>) {
    let front = Arc::new(front);
    while let Ok((stream, _)) = listener.accept().await {
        let (front, links) = (Arc::clone(&front), Arc::clone(&links));
        tokio::spawn(async move {
            // Whatever ends it, both ends notice.
            if carry(stream, &front, &links).await.is_err_and(|error| error.kind() == BROKEN_OFF) {
                links.broken.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

/// One connection, from its first message on.
async fn carry(mut dialler: TcpStream, front: &Front, links: &Links) -> io::Result<()> {
    dialler.set_nodelay(true)?;
    let (hello, from) = read_hello(&mut dialler).await?;
    let there = links.watch(&from, &front.name);
    let back = links.watch(&front.name, &from);
    let node = TcpStream::connect(&front.node).await?;
    node.set_nodelay(true)?;
    let ((dialler_reads, dialler_writes), (node_reads, node_writes)) = (dialler.into_split(), node.into_split());
    tokio::select! {
        ended = pump(dialler_reads, node_writes, there, Some(hello)) => ended,
        ended = pump(node_reads, dialler_writes, back, None) => ended,
    }
}

/// The first message, and the name of the peer that it is from.
async fn read_hello(stream: &mut TcpStream) -> io::Result<(Vec<u8>, String)> {
    let mut bytes = vec![0; HELLO_HEAD_BYTES];
    stream.read_exact(&mut bytes).await?;
    let length = u32::from_le_bytes([bytes[6], bytes[7], bytes[8], bytes[9]]) as usize;
    assert!(length <= HELLO_MAX_BYTES, "the hello's head has changed: {bytes:?}");
    bytes.resize(HELLO_HEAD_BYTES + length, 0);
    stream.read_exact(&mut bytes[HELLO_HEAD_BYTES..]).await?;
    let hello: Hello = rmp_serde::from_slice(&bytes[HELLO_HEAD_BYTES..]).expect("a hello");
    let name = match hello.role {
        Role::Peer { member, .. } => member.member.id.to_string(),
        Role::Client | Role::Admin => "client".to_owned(),
    };
    Ok((bytes, name))
}

/// What a pump has read, and when it may arrive. Nothing: the stream ends.
type Carried = (Instant, Vec<u8>);

/// Carries bytes one way until the stream ends or is broken off.
async fn pump(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    link: watch::Receiver<Condition>,
    first: Option<Vec<u8>>,
) -> io::Result<()> {
    let (sender, arriving) = unbounded_channel();
    let taken = take(from, link.clone(), sender, first);
    let given = give(to, link, arriving);
    tokio::try_join!(taken, given).map(|_| ())
}

async fn take(
    mut from: OwnedReadHalf,
    link: watch::Receiver<Condition>,
    on_their_way: UnboundedSender<Carried>,
    first: Option<Vec<u8>>,
) -> io::Result<()> {
    let mut chunk = first;
    loop {
        let bytes = match chunk.take() {
            Some(bytes) => bytes,
            None => {
                let mut bytes = vec![0; CHUNK_BYTES];
                let read = from.read(&mut bytes).await.unwrap_or(0);
                bytes.truncate(read);
                bytes
            }
        };
        let (due, ends) = (Instant::now() + link.borrow().delay, bytes.is_empty());
        if on_their_way.send((due, bytes)).is_err() || ends {
            return Ok(());
        }
    }
}

async fn give(
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<Condition>,
    mut arriving: UnboundedReceiver<Carried>,
) -> io::Result<()> {
    let known_breaks = link.borrow().breaks;
    while let Some((due, bytes)) = arriving.recv().await {
        sleep_until(due).await;
        let gone = |_| io::Error::other("the proxy is gone");
        let condition = *link.wait_for(|link| !link.cut).await.map_err(gone)?;
        if bytes.is_empty() {
            to.shutdown().await?;
            return Err(io::Error::other("the stream has ended"));
        }
        if condition.breaks > known_breaks {
            to.write_all(&bytes[..bytes.len().div_ceil(2)]).await?;
            if condition.truncates {
                to.shutdown().await?;
            } else {
                // Dropped then, it is reset.
                to.as_ref().set_zero_linger()?;
            }
            return Err(io::Error::new(BROKEN_OFF, "broken off"));
        }
        to.write_all(&bytes).await?;
    }
    Ok(())
}
