//! One connection and the requests under way on it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::{CallError, ConnectError};
use crate::wire::frame::{Frame, FrameKind};
use crate::wire::handshake::{Hello, Role, Secret, Welcome, dial};
use crate::wire::operation::BridgeRequest;
use crate::wire::outbox::{Outbox, read_batches};
use crate::wire::transport::ByteStream;

/// How to connect, and how long to wait.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// `Role::Client`, or `Role::Admin` for the admin operations.
    pub role: Role,
    /// The cluster's secret, where it has one.
    pub secret: Option<Secret>,
    /// The cluster's name: a node of another one refuses. `None`: whichever cluster answers.
    pub cluster_name: Option<String>,
    /// The cluster's UUID, as far as it is known: a node of another cluster, be it of the same name, refuses.
    pub cluster_uuid: Option<Uuid>,
    /// Bound of connecting, and of each request beyond its own time-out.
    pub timeout: Duration,
    /// Bound of one frame, in bytes; the same as the node's `bridge.frame_max_bytes`.
    pub frame_max_bytes: usize,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        let timeout = Duration::from_secs(10);
        Self {
            role: Role::Client,
            secret: None,
            cluster_name: None,
            cluster_uuid: None,
            timeout,
            frame_max_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A connection to a node. Clones share it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    outbox: Outbox,
    next_id: AtomicU64,
    waiting: Waiting,
    welcome: Welcome,
    timeout: Duration,
    ends: Arc<Ends>,
}

/// How a connection ends: it is given up here, or it is lost, and both are told once.
#[derive(Default)]
struct Ends {
    given_up: Notify,
    ended: Notify,
}

type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Frame>>>>;

impl Client {
    /// Connects to `address` ("host:port") and introduces itself. Needs a tokio runtime.
    pub async fn connect(address: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        let waited = options.timeout;
        timeout(waited, Self::dial(address, options)).await.unwrap_or_else(|_| {
            let timeout_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            Err(ConnectError::TimedOut { address: address.to_owned(), timeout_ms })
        })
    }

    async fn dial(address: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { address: address.to_owned(), source };
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Self::introduce(stream, address, options, uuid::Uuid::new_v4().into_bytes()).await
    }

    /// Introduces itself on a connection to `address` that has been made already. `nonce` must not be predictable, unless nothing is to
    /// be secret.
    pub async fn introduce(
        mut stream: impl ByteStream + Send + 'static,
        address: &str,
        options: ConnectOptions,
        nonce: [u8; 16],
    ) -> Result<Self, ConnectError> {
        let ConnectOptions { role, cluster_name, cluster_uuid, .. } = options;
        let hello = Hello { cluster_name, cluster_uuid, role, nonce };
        let welcome = dial(&mut stream, &hello, options.secret.as_ref())
            .await
            .map_err(|source| ConnectError::Handshake { address: address.to_owned(), source })?;
        let outbox = Outbox::new(options.frame_max_bytes);
        let waiting = Waiting::default();
        let ends = Arc::new(Ends::default());
        tokio::spawn(pump(stream, outbox.clone(), Arc::clone(&waiting), Arc::clone(&ends)));
        let next_id = AtomicU64::new(1);
        Ok(Self { shared: Arc::new(Shared { outbox, next_id, waiting, welcome, timeout: options.timeout, ends }) })
    }

    /// Who answered, and which cluster it belongs to.
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// Whether the connection is lost.
    pub fn is_closed(&self) -> bool {
        self.shared.outbox.is_closed()
    }

    /// Returns once the connection is lost or given up.
    pub async fn closed(&self) {
        let mut ended = pin!(self.shared.ends.ended.notified());
        // Before the look, or an end between the look and the wait would be waited for in vain.
        ended.as_mut().enable();
        if !self.is_closed() {
            ended.await;
        }
    }

    /// Gives the connection up: every request under way is lost, and each later one.
    pub fn abandon(&self) {
        self.shared.outbox.close();
        // Not only the outbox: where the other side does not read, what is queued never goes out.
        self.shared.ends.given_up.notify_one();
    }

    /// Whether the node says within `patience` that it is there.
    pub async fn ping(&self, patience: Duration) -> bool {
        let shared = &self.shared;
        let (id, pong) = shared.expect_answer();
        let pushed = shared.outbox.push(FrameKind::Ping, 0, id, &());
        let came = pushed.is_ok() && !self.is_closed() && matches!(timeout(patience, pong).await, Ok(Ok(_)));
        lock(&shared.waiting).remove(&id);
        came
    }

    /// Sends a message and waits for its answer. Dropping the future does not take the message back.
    pub fn request<M: BridgeRequest>(
        &self,
        message: &M,
    ) -> impl Future<Output = Result<M::Reply, CallError<M::Error>>> + use<M> {
        self.request_within(message, self.shared.timeout)
    }

    /// The same, with a bound of its own for the wait.
    pub fn request_within<M: BridgeRequest>(
        &self,
        message: &M,
        waited: Duration,
    ) -> impl Future<Output = Result<M::Reply, CallError<M::Error>>> + use<M> {
        let sent = self.send(message);
        let shared = Arc::clone(&self.shared);
        async move {
            let (id, answer) = sent?;
            let frame = timeout(waited, answer).await.map_err(|_| {
                lock(&shared.waiting).remove(&id);
                CallError::TimedOut { timeout_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
            })?;
            let frame = frame.map_err(|_| CallError::ConnectionLost)?;
            match frame.decode::<M::Result>() {
                Ok(answer) => answer.map_err(CallError::Refused),
                Err(error) => Err(CallError::BadAnswer { reason: error.to_string() }),
            }
        }
    }

    fn send<M: BridgeRequest>(&self, message: &M) -> Result<(u64, oneshot::Receiver<Frame>), CallError<M::Error>> {
        let (id, answer) = self.shared.expect_answer();
        let pushed = self.shared.outbox.push(FrameKind::Request, M::OPERATION.number(), id, message);
        if let Err(error) = pushed {
            lock(&self.shared.waiting).remove(&id);
            return Err(CallError::NotSent { reason: error.to_string() });
        }
        if self.is_closed() {
            lock(&self.shared.waiting).remove(&id);
        }
        Ok((id, answer))
    }
}

impl Shared {
    /// A number for a frame, and where its answer will come.
    fn expect_answer(&self) -> (u64, oneshot::Receiver<Frame>) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        (id, answer)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Frame>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves frames until the connection is lost or given up or no client is left; then nobody waits any more.
async fn pump(stream: impl ByteStream, outbox: Outbox, waiting: Waiting, ends: Arc<Ends>) {
    let (reader, writer) = tokio::io::split(stream);
    let reading = read_batches(reader, &outbox, |frames| {
        let mut waiting = lock(&waiting);
        for frame in frames {
            if matches!(frame.kind, FrameKind::Reply | FrameKind::Pong)
                && let Some(sender) = waiting.remove(&frame.id)
            {
                let _ = sender.send(frame);
            }
        }
    });
    tokio::select! {
        biased;
        () = ends.given_up.notified() => {}
        _ = reading => {}
        _ = outbox.write_to(writer) => {}
    }
    outbox.close();
    lock(&waiting).clear();
    ends.ended.notify_waiters();
}
