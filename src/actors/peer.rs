//! Another node, seen from one worker: takes the replica messages of a `Node` and carries them over the bridge.
//!
//! The coordinator and hinted handoff speak to it. It decides nothing: a message is encoded, its sender parked, and the reply with
//! the same number handed back. If it dies, so does the process; if the connection breaks, every parked sender learns so at once. `Links` ends it when the
//! other node leaves the cluster: then it refuses everything, until nobody knows it any more.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use super::link::{FramesArrived, Link, LinkDown, LinkPinged, LinkUp};
use crate::messages::cluster::{ClusterIdentity, MemberAddress, PeerDown, PeerUp};
use crate::messages::detection::LinkMeasured;
use crate::messages::together::Together;
use crate::messages::{LinkError, Overloaded};
use crate::metrics::Metrics;
use crate::wire::frame::{Frame, FrameKind};
use crate::wire::handshake::Secret;
use crate::wire::operation::BridgeRequest;
use crate::wire::outbox::Outbox;
use crate::wire::transport::Connector;

/// How often overdue requests are looked for, while there are requests at all.
const DEADLINE_TICK: Duration = Duration::from_millis(20);

/// What a [`Peer`] is told.
pub struct PeerParts {
    /// The peer.
    pub peer: MemberAddress,
    /// This node.
    pub local: MemberAddress,
    /// This node's data directory.
    pub directory: u64,
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// The cluster's secret.
    pub secret: Option<Secret>,
    /// The worker whose link this is.
    pub worker: usize,
    /// Bound of one frame, in bytes.
    pub frame_max_bytes: usize,
    /// Bound of the requests that wait for an answer.
    pub inflight_max: usize,
    /// A request that is not answered within this time never will be.
    pub request_timeout: Duration,
    /// Dials.
    pub connector: Rc<dyn Connector>,
    /// Seeds nonces and jitter.
    pub seed: u64,
    /// Told when the link is ready.
    pub up: Recipient<PeerUp>,
    /// Told when it is lost.
    pub down: Recipient<PeerDown>,
    /// Told how good it is.
    pub measured: Recipient<LinkMeasured>,
    /// Where it counts.
    pub metrics: Metrics,
}

/// Hands a reply, or the reason why there is none, to whoever made the request at this place.
type Answer = Rc<dyn Fn(usize, Result<&Frame, LinkError>)>;

/// A request that has been sent.
struct Waiting {
    overdue_at: Instant,
    at: usize,
    answer: Answer,
}

/// The link to one peer.
pub struct Peer {
    parts: PeerParts,
    outbox: Option<Outbox>,
    next_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Whether a look for overdue requests is due. An idle link has none.
    looks: bool,
    /// Keeps the connection alive. `None`: it does not yet, or has ended for good.
    link: Option<JoinHandle<()>>,
}

/// The other node is no member any more, or no longer at this address: the connection ends, and nothing more is sent or reported.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EndLink;

impl Peer {
    /// A link that dials once the actor starts.
    pub fn new(parts: PeerParts) -> Self {
        Self { parts, outbox: None, next_id: 0, waiting: BTreeMap::new(), looks: false, link: None }
    }

    /// Encodes one request; its answer is given when the reply comes, or will not come any more.
    fn send<M: BridgeRequest>(
        &mut self,
        at: usize,
        message: &M,
        overdue_at: Instant,
        answer: &Answer,
    ) -> Result<(), LinkError> {
        let outbox = self.outbox.as_ref().filter(|outbox| !outbox.is_closed()).ok_or(LinkError::Unreachable)?;
        let max = self.parts.inflight_max;
        if self.waiting.len() >= max {
            return Err(Overloaded { limit: "limits.peer_inflight".to_owned(), max: max as u64 }.into());
        }
        self.next_id += 1;
        outbox.push(FrameKind::Request, M::OPERATION.number(), self.next_id, message).map_err(|error| {
            warn!(peer = %self.parts.peer.member.id, %error, "a message could not be sent");
            LinkError::Unreachable
        })?;
        self.waiting.insert(self.next_id, Waiting { overdue_at, at, answer: Rc::clone(answer) });
        Ok(())
    }

    fn fail(&self, failed: &Waiting, error: LinkError) {
        self.parts.metrics.link_error(&self.parts.peer.member.id, &error);
        (failed.answer)(failed.at, Err(error));
    }

    fn fail_all(&mut self, error: &LinkError) {
        for failed in std::mem::take(&mut self.waiting).into_values() {
            self.fail(&failed, error.clone());
        }
    }

    /// The connection, a dial or the wait for the next one ends here and now. What was reported as up is reported as down, and nothing after that.
    fn end(&mut self, why: &LinkError) {
        if let Some(link) = self.link.take() {
            link.abort();
        }
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
            self.parts.down.do_send(PeerDown { node: self.parts.peer.member.id.clone(), worker: self.parts.worker });
        }
        self.fail_all(why);
    }

    /// One look at a time, as long as anybody waits.
    fn look_for_overdue(&mut self, ctx: &mut Context<Self>) {
        if !self.waiting.is_empty() && !std::mem::replace(&mut self.looks, true) {
            ctx.run_later(DEADLINE_TICK, |peer, ctx| {
                peer.looks = false;
                peer.expire();
                peer.look_for_overdue(ctx);
            });
        }
    }

    fn expire(&mut self) {
        // Numbers rise with time and every request has the same time-out, so the overdue ones come first.
        let now = Instant::now();
        while let Some(entry) = self.waiting.first_entry()
            && entry.get().overdue_at <= now
        {
            let overdue = entry.remove();
            self.fail(&overdue, LinkError::TimedOut);
        }
    }
}

impl Actor for Peer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let parts = &self.parts;
        let link = Link {
            peer: parts.peer.clone(),
            local: parts.local.clone(),
            directory: parts.directory,
            cluster: parts.cluster.clone(),
            secret: parts.secret.clone(),
            frame_max_bytes: parts.frame_max_bytes,
            rng: StdRng::seed_from_u64(parts.seed),
            up: ctx.address().recipient(),
            down: ctx.address().recipient(),
            frames: ctx.address().recipient(),
            pinged: ctx.address().recipient(),
        };
        self.link = Some(actix::spawn(link.keep_alive(Rc::clone(&parts.connector))));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.end(&LinkError::Stopped);
    }
}

/// Every message of a replica travels the same way.
impl<M> Handler<Together<M>> for Peer
where
    M: BridgeRequest,
    M::Error: From<LinkError>,
{
    type Result = ();

    fn handle(&mut self, Together { requests, answers }: Together<M>, ctx: &mut Self::Context) {
        let overdue_at = Instant::now() + self.parts.request_timeout;
        let answer: Answer = Rc::new(move |at, reply| {
            let reply = reply.and_then(|frame| frame.decode::<M::Result>().map_err(|_| LinkError::BadAnswer));
            answers.give(at, reply.unwrap_or_else(|error| Err(error.into())));
        });
        for (at, message) in requests.iter().enumerate() {
            if let Err(error) = self.send(at, message, overdue_at, &answer) {
                self.parts.metrics.link_error(&self.parts.peer.member.id, &error);
                answer(at, Err(error));
            }
        }
        self.look_for_overdue(ctx);
    }
}

impl Handler<LinkUp> for Peer {
    type Result = ();

    fn handle(&mut self, LinkUp(outbox): LinkUp, _: &mut Self::Context) {
        if self.link.is_none() {
            return;
        }
        self.outbox = Some(outbox);
        self.parts.up.do_send(PeerUp { node: self.parts.peer.member.id.clone(), worker: self.parts.worker });
    }
}

impl Handler<LinkDown> for Peer {
    type Result = ();

    fn handle(&mut self, _: LinkDown, _: &mut Self::Context) {
        if self.link.is_none() {
            return;
        }
        self.outbox = None;
        self.parts.down.do_send(PeerDown { node: self.parts.peer.member.id.clone(), worker: self.parts.worker });
        self.fail_all(&LinkError::ConnectionLost);
    }
}

impl Handler<LinkPinged> for Peer {
    type Result = ();

    fn handle(&mut self, LinkPinged(quality): LinkPinged, _: &mut Self::Context) {
        if self.link.is_none() {
            return;
        }
        let node = self.parts.peer.member.id.clone();
        self.parts.measured.do_send(LinkMeasured { node, worker: self.parts.worker, quality });
    }
}

/// The actor stays for those who still know it: their messages are refused, for a message that is dropped with a mailbox has no answer at all.
impl Handler<EndLink> for Peer {
    type Result = ();

    fn handle(&mut self, _: EndLink, _: &mut Self::Context) {
        self.end(&LinkError::ConnectionLost);
    }
}

impl Handler<FramesArrived> for Peer {
    type Result = ();

    fn handle(&mut self, FramesArrived(frames): FramesArrived, _: &mut Self::Context) {
        for frame in frames.iter().filter(|frame| frame.kind == FrameKind::Reply) {
            // A reply that came too late has nobody waiting for it.
            if let Some(waiting) = self.waiting.remove(&frame.id) {
                (waiting.answer)(waiting.at, Ok(frame));
            }
        }
    }
}
