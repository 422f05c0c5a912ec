//! Keeps one connection to a peer alive: dial, introduce, pump frames, and dial again with backoff and jitter.
//!
//! ```text
//!   dial ──▶ handshake ──▶ LinkUp{outbox} ──▶ frames, pings ──▶ LinkDown ──▶ wait (doubling, jittered) ──▶ dial ...
//! ```
//!
//! It knows nothing of what the frames mean. A link on which nothing arrives for [`SILENT_PINGS_MAX`] pings is given up, so that a peer that
//! hangs is noticed as well as one that dies. It ends when its owner aborts the task.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix::{Message, Recipient};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use crate::dynamo::link_meter::{LinkMeter, LinkQuality};
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::{ClusterIdentity, MemberAddress};
use crate::wire::frame::{Frame, FrameKind};
use crate::wire::handshake::{HandshakeError, Hello, Role, Secret, dial};
use crate::wire::outbox::{Outbox, ReadStopped, read_batches};
use crate::wire::transport::{ByteStream, Connector};

/// The first wait after a failed dial; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// The longest wait between dials: how late a returned peer may be noticed.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Dial and handshake take no longer than this, or the peer counts as unreachable.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a link asks "are you there?".
pub(super) const PING_INTERVAL: Duration = Duration::from_millis(500);

/// A link on which nothing has arrived from one ping to the next, so many times in a row, is given up. Counted and not measured: whoever was stopped, with the
/// machine or by himself, has heard nothing and blames nobody.
const SILENT_PINGS_MAX: u32 = 4;

/// The connection is ready: frames for the peer go into this outbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LinkUp(pub(super) Outbox);

/// The connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LinkDown;

/// All frames of one read.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FramesArrived(pub(super) Vec<Frame>);

/// The pings of the connection say this of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LinkPinged(pub(super) LinkQuality);

/// Who dials, and whom.
pub(super) struct Link {
    pub(super) peer: MemberAddress,
    pub(super) local: MemberAddress,
    pub(super) directory: u64,
    pub(super) cluster: ClusterIdentity,
    pub(super) secret: Option<Secret>,
    pub(super) frame_max_bytes: usize,
    pub(super) rng: StdRng,
    pub(super) up: Recipient<LinkUp>,
    pub(super) down: Recipient<LinkDown>,
    pub(super) frames: Recipient<FramesArrived>,
    pub(super) pinged: Recipient<LinkPinged>,
}

impl Link {
    /// Never ends by itself.
    pub(super) async fn keep_alive(mut self, connector: Rc<dyn Connector>) {
        let mut backoff = BACKOFF_MIN;
        let mut last_refusal = String::new();
        loop {
            match timeout(DIAL_TIMEOUT, self.connect(connector.as_ref())).await {
                Ok(Ok(stream)) => {
                    backoff = BACKOFF_MIN;
                    last_refusal.clear();
                    info!(peer = %self.peer.member.id, address = self.peer.address, "connected");
                    let why = self.pump(stream).await;
                    warn!(peer = %self.peer.member.id, %why, "disconnected");
                    self.down.do_send(LinkDown);
                }
                Ok(Err(HandshakeError::Io(_))) | Err(_) => {}
                Ok(Err(error)) => self.report_once(&error.to_string(), &mut last_refusal),
            }
            sleep(backoff.mul_f64(self.rng.random_range(0.5..1.0))).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn connect(&mut self, connector: &dyn Connector) -> Result<Box<dyn ByteStream>, HandshakeError> {
        let ClusterIdentity { name, uuid } = self.cluster.clone();
        let role = Role::Peer { member: self.local.clone(), directory: self.directory };
        let hello = Hello { cluster_name: Some(name), cluster_uuid: Some(uuid), role, nonce: self.rng.random() };
        let mut stream = connector.connect(&self.peer.address).await?;
        let welcome = dial(stream.as_mut(), &hello, self.secret.as_ref()).await?;
        self.check(&welcome.member.member.id, welcome.founded.map(|founded| founded.identity.uuid))?;
        Ok(stream)
    }

    /// Addresses get reused: whoever answers must be the member that is meant, in the cluster that is meant.
    fn check(&self, answered: &NodeId, uuid: Option<Uuid>) -> Result<(), HandshakeError> {
        use crate::wire::handshake::Refusal;
        if *answered != self.peer.member.id {
            return Err(Refusal::NotAMember { node: answered.clone(), address: self.peer.address.clone() }.into());
        }
        match uuid {
            Some(theirs) if theirs == self.cluster.uuid => Ok(()),
            Some(theirs) => Err(Refusal::OtherCluster { ours: self.cluster.uuid, theirs }.into()),
            None => Err(Refusal::Founding { waiting_for: "the peer has not joined yet".to_owned() }.into()),
        }
    }

    async fn pump(&mut self, stream: Box<dyn ByteStream>) -> String {
        let outbox = Outbox::new(self.frame_max_bytes);
        let (reader, writer) = tokio::io::split(stream);
        self.up.do_send(LinkUp(outbox.clone()));
        let pings = Pings::begin();
        let frames = self.frames.clone();
        let reading = read_batches(reader, &outbox, |batch| {
            pings.hear(&batch);
            frames.do_send(FramesArrived(batch));
        });
        let why = tokio::select! {
            biased;
            stopped = reading => stopped.to_string(),
            written = outbox.write_to(writer) => written.map_or_else(|e| e.to_string(), |()| ReadStopped::Closed.to_string()),
            () = pings.watch(&outbox, &self.pinged) => format!("{SILENT_PINGS_MAX} pings in a row were not answered"),
        };
        outbox.close();
        why
    }

    /// A peer that keeps refusing is worth one line, not one per dial.
    fn report_once(&self, refusal: &str, last: &mut String) {
        if refusal != last {
            warn!(peer = %self.peer.member.id, address = self.peer.address, %refusal, "cannot connect");
            *last = refusal.to_owned();
        }
    }
}

/// The pings of one connection.
struct Pings {
    began: Instant,
    /// Whether anything has arrived since the last ping.
    heard: Cell<bool>,
    meter: RefCell<LinkMeter>,
}

impl Pings {
    fn begin() -> Self {
        Self { began: Instant::now(), heard: Cell::new(false), meter: RefCell::default() }
    }

    fn hear(&self, frames: &[Frame]) {
        self.heard.set(true);
        for pong in frames.iter().filter(|frame| frame.kind == FrameKind::Pong) {
            self.meter.borrow_mut().answered(pong.id, self.began.elapsed());
        }
    }

    /// Pings and measures; ends when the other side has been silent for too long.
    async fn watch(&self, outbox: &Outbox, pinged: &Recipient<LinkPinged>) {
        let mut silent = 0;
        while silent < SILENT_PINGS_MAX {
            let number = self.meter.borrow_mut().sent(self.began.elapsed());
            // A full outbox is no reason to give up: the silence is.
            let _ = outbox.push(FrameKind::Ping, 0, number, &());
            sleep(PING_INTERVAL).await;
            silent = if self.heard.take() { 0 } else { silent + 1 };
            pinged.do_send(LinkPinged(self.meter.borrow().quality()));
        }
    }
}
