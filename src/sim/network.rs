//! Links between named addresses, whose bytes arrive late, or not while a link is cut, or never once a connection is reset.
//!
//! ```text
//!   write ──▶ chunk, due after a delay ──▶ (link cut? wait for the healing) ──▶ read
//! ```
//!
//! A connection keeps the order of its bytes, as TCP does, and a write may arrive in pieces. All chance comes from one seeded source.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use super::delay::{Delay, Spread};
use super::frames::{Forger, FrameFaults, Framer};
use super::stream::VirtualStream;
use super::trace::Trace;

/// Who dials over a cut link hears nothing for this long, as with TCP.
const CONNECT_PATIENCE: Duration = Duration::from_secs(60);

/// What is lost is sent again after this time, and after twice as long each time that it is lost again, as with TCP.
const RETRANSMISSION_MIN: Duration = Duration::from_millis(200);

/// How many times longer the delays of a slow link are.
const SLOWNESS: u32 = 100;

/// One write in this many arrives in two pieces.
const PIECES_ONE_IN: u32 = 8;

/// What links and machines cost, where a run does not draw it from a [`Delay`].
pub(super) trait Physics: Send {
    /// How long bytes take from one address to another.
    fn delay(&mut self, rng: &mut StdRng, from: &str, to: &str) -> Duration;

    /// When the machine at `at` is done with bytes that arrived there at `arrived`.
    fn done(&mut self, at: &str, arrived: Instant, bytes: &[u8]) -> Instant;
}

/// The state of one directed link.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    cut: bool,
    slow: bool,
    frames: FrameFaults,
    refused: bool,
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    /// With the instant at which each is due.
    chunks: VecDeque<(Instant, Bytes)>,
    last_due: Option<Instant>,
    /// The machine that reads has been told of the front chunk, which is due when it is done with it.
    front_is_known: bool,
    /// The writer has closed it; the reader learns so at this instant.
    closed: Option<Instant>,
    reader: Option<Waker>,
    framer: Framer,
}

struct Connection {
    /// Who dialled, and who was dialled.
    ends: [String; 2],
    /// From each end to the other.
    pipes: [Pipe; 2],
    open: [bool; 2],
    reset: bool,
}

/// A connection that has come in, and from whom.
pub(super) type Incoming = (VirtualStream, String);

struct State {
    rng: StdRng,
    delay: Delay,
    spread: Spread,
    /// A defect in what nodes send each other.
    forger: Option<Forger>,
    physics: Option<Box<dyn Physics>>,
    loss_percent: u32,
    links: BTreeMap<(String, String), Link>,
    listeners: BTreeMap<String, UnboundedSender<Incoming>>,
    connections: BTreeMap<u64, Connection>,
    next_id: u64,
}

/// What a reader finds.
pub(super) enum Found {
    Bytes(Bytes),
    /// Nothing before this instant.
    Later(Instant),
    /// Nothing until something changes.
    Nothing,
    Closed,
    Reset,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    trace: Trace,
}

impl Network {
    /// A network without any faults.
    #[must_use]
    pub fn new(rng: StdRng, delay: Delay, trace: Trace) -> Self {
        let state = State {
            rng,
            delay,
            spread: Spread::Even,
            forger: None,
            physics: None,
            loss_percent: 0,
            links: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_id: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), trace }
    }

    /// How the delays are spread between their bounds, and beyond.
    pub fn spread(&self, spread: Spread) {
        self.lock().spread = spread;
    }

    /// Builds a defect into what nodes send each other.
    pub(super) fn forge(&self, forger: Option<Forger>) {
        self.lock().forger = forger;
    }

    /// From now on links and machines behave like this, and no write arrives in pieces.
    pub(super) fn obey(&self, physics: impl Physics + 'static) {
        self.lock().physics = Some(Box::new(physics));
    }

    /// Connections to `address` arrive here from now on, until the receiver is dropped.
    pub(super) fn listen(&self, address: &str) -> UnboundedReceiver<Incoming> {
        let (arrived, incoming) = unbounded_channel();
        self.lock().listeners.insert(address.to_owned(), arrived);
        incoming
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or the link is cut and patience ends.
    pub async fn connect(&self, from: &str, to: &str) -> io::Result<VirtualStream> {
        let round_trip = {
            let mut state = self.lock();
            state.delay(from, to) + state.delay(to, from)
        };
        sleep(round_trip).await;
        if self.lock().link(from, to).refused {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if self.is_cut(from, to) || self.is_cut(to, from) {
            sleep(CONNECT_PATIENCE).await;
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.join(from, to)
    }

    fn join(&self, from: &str, to: &str) -> io::Result<VirtualStream> {
        let (id, listener) = {
            let mut state = self.lock();
            let listener = state.listeners.get(to).cloned().ok_or(io::ErrorKind::ConnectionRefused)?;
            state.next_id += 1;
            let connection = Connection {
                ends: [from.to_owned(), to.to_owned()],
                pipes: [Pipe::default(), Pipe::default()],
                open: [true, true],
                reset: false,
            };
            let id = state.next_id;
            state.connections.insert(id, connection);
            (id, listener)
        };
        let (dialled, accepted) = (self.end(id, 0), self.end(id, 1));
        // A listener that has gone drops its end, which closes this one.
        listener.send((accepted, from.to_owned())).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(dialled)
    }

    fn end(&self, id: u64, side: usize) -> VirtualStream {
        VirtualStream::new(self.clone(), id, side)
    }

    /// Bytes from `from` to `to` stall until the link is healed; so do dials in either direction.
    pub fn cut(&self, from: &str, to: &str) {
        self.lock().link(from, to).cut = true;
    }

    /// Delays from `from` to `to` are a hundred times as long until the link is healed.
    pub fn slow(&self, from: &str, to: &str) {
        self.lock().link(from, to).slow = true;
    }

    /// Frames from `from` to `to` get lost, doubled and late until the link is healed.
    pub fn garble(&self, from: &str, to: &str, faults: FrameFaults) {
        self.lock().link(from, to).frames = faults;
    }

    /// A firewall lets nobody at `from` dial `to` until the link is healed, and ends what he has dialled; the other direction works.
    pub fn refuse(&self, from: &str, to: &str) {
        self.lock().link(from, to).refused = true;
        self.reset_where(|ends| ends == [from, to]);
    }

    /// From now on this share of all that is sent is lost, and arrives later, when it has been sent again.
    pub fn lose(&self, percent: u32) {
        self.lock().loss_percent = percent.min(99);
    }

    /// The link from `from` to `to` works again; what has stalled arrives.
    pub fn heal(&self, from: &str, to: &str) {
        let mut state = self.lock();
        *state.link(from, to) = Link::default();
        let readers =
            state.readers(|connection, side| connection.ends[side] == from && connection.ends[1 - side] == to);
        wake(state, readers);
    }

    /// All links work.
    pub fn heal_all(&self) {
        let mut state = self.lock();
        state.links.clear();
        let readers = state.readers(|_, _| true);
        wake(state, readers);
    }

    /// Both ends of every connection between these two see an error. Of what was under way a front part arrives, perhaps, which may
    /// end within a frame.
    pub fn reset(&self, one: &str, other: &str) {
        self.reset_where(|ends| ends == [one, other] || ends == [other, one]);
    }

    /// The machine at this address is gone without a word: nothing arrives from it any more on the connections that it has, and nobody
    /// is told.
    pub fn vanish(&self, address: &str) {
        let mut state = self.lock();
        for connection in state.connections.values_mut() {
            if let Some(side) = connection.ends.iter().position(|end| end == address) {
                connection.open[side] = false;
                connection.pipes[side].chunks.clear();
            }
        }
    }

    fn reset_where(&self, concerns: impl Fn([&str; 2]) -> bool) {
        let mut state = self.lock();
        let State { rng, connections, .. } = &mut *state;
        let mut readers = Vec::new();
        for connection in connections.values_mut() {
            if concerns([&connection.ends[0], &connection.ends[1]]) {
                connection.reset = true;
                for pipe in &mut connection.pipes {
                    pipe.keep_front(rng);
                    readers.extend(pipe.reader.take());
                }
            }
        }
        wake(state, readers);
    }

    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.lock().link(from, to).cut
    }

    pub(super) fn write(&self, id: u64, side: usize, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let framed = state.framed(id, side, bytes);
        let bytes = framed.as_deref().unwrap_or(bytes);
        let at = state.rng.random_range(0..=bytes.len());
        let in_pieces = state.rng.random_ratio(1, PIECES_ONE_IN) && state.physics.is_none();
        let pieces = if in_pieces { bytes.split_at(at) } else { (bytes, &bytes[..0]) };
        let reader = state.write(id, side, [pieces.0, pieces.1]);
        reader.map(|reader| wake(state, reader))
    }

    /// What the end `side` of a connection may read now, at most `limit` bytes.
    pub(super) fn read(&self, id: u64, side: usize, limit: usize, waker: &Waker) -> Found {
        let mut state = self.lock();
        let found = state.read(id, side, limit, waker);
        if let (Found::Bytes(bytes), Some(connection)) = (&found, state.connections.get(&id)) {
            self.trace.delivered(&connection.ends[1 - side], &connection.ends[side], bytes);
        }
        found
    }

    /// The end `side` writes no more.
    pub(super) fn close(&self, id: u64, side: usize) {
        let mut state = self.lock();
        let readers = state.close(id, side);
        wake(state, readers);
    }

    /// The end `side` is gone.
    pub(super) fn leave(&self, id: u64, side: usize) {
        let mut state = self.lock();
        let readers = state.close(id, side);
        if let Some(connection) = state.connections.get_mut(&id) {
            connection.open[side] = false;
            connection.pipes[1 - side].reader = None;
            if connection.open == [false, false] {
                state.connections.remove(&id);
            }
        }
        wake(state, readers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outside of the lock: whoever is woken may drop a stream, which takes it.
fn wake(state: MutexGuard<'_, State>, readers: impl IntoIterator<Item = Waker>) {
    drop(state);
    readers.into_iter().for_each(Waker::wake);
}

impl Pipe {
    fn keep_front(&mut self, rng: &mut StdRng) {
        let kept = rng.random_range(0..=self.chunks.len());
        self.chunks.truncate(kept);
        if let Some((_, last)) = self.chunks.back_mut() {
            last.truncate(rng.random_range(0..=last.len()));
        }
        self.chunks.iter_mut().for_each(|(due, _)| *due = Instant::now());
    }
}

impl State {
    fn link(&mut self, from: &str, to: &str) -> &mut Link {
        self.links.entry((from.to_owned(), to.to_owned())).or_default()
    }

    fn delay(&mut self, from: &str, to: &str) -> Duration {
        let slowness = if self.link(from, to).slow { SLOWNESS } else { 1 };
        let lost = self.retransmissions();
        if let Some(physics) = &mut self.physics {
            return physics.delay(&mut self.rng, from, to) * slowness + lost;
        }
        Duration::from_millis(self.spread.draw(self.delay, &mut self.rng) * u64::from(slowness)) + lost
    }

    /// What goes out instead of what is written, where both ends are nodes.
    fn framed(&mut self, id: u64, side: usize, bytes: &[u8]) -> Option<Bytes> {
        let connection = self.connections.get_mut(&id)?;
        let [from, to] = connection.direction(side);
        if !(self.listeners.contains_key(&from) && self.listeners.contains_key(&to)) {
            return None;
        }
        let faults = self.links.get(&(from, to)).map(|link| link.frames).unwrap_or_default();
        let framer = &mut connection.pipes[side].framer;
        Some(framer.pass(bytes, faults, self.forger, &mut self.rng).freeze())
    }

    fn retransmissions(&mut self) -> Duration {
        let (mut waited, mut next) = (Duration::ZERO, RETRANSMISSION_MIN);
        while self.loss_percent > 0 && self.rng.random_ratio(self.loss_percent, 100) {
            waited += next;
            next *= 2;
        }
        waited
    }

    fn readers(&mut self, concerns: impl Fn(&Connection, usize) -> bool) -> Vec<Waker> {
        let mut readers = Vec::new();
        for connection in self.connections.values_mut() {
            for side in 0..2 {
                if concerns(connection, side) {
                    readers.extend(connection.pipes[side].reader.take());
                }
            }
        }
        readers
    }

    /// When the next bytes of this pipe are due: never before those that went ahead.
    fn due(&mut self, id: u64, side: usize) -> Option<Instant> {
        let [from, to] = self.connections.get(&id)?.direction(side);
        let due = Instant::now() + self.delay(&from, &to);
        let pipe = &mut self.connections.get_mut(&id)?.pipes[side];
        let due = pipe.last_due.map_or(due, |last| last.max(due));
        pipe.last_due = Some(due);
        Some(due)
    }

    fn write(&mut self, id: u64, side: usize, pieces: [&[u8]; 2]) -> io::Result<Option<Waker>> {
        let usable = self.connections.get(&id).is_some_and(|connection| !connection.reset && connection.open[side]);
        if !usable {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let due = self.due(id, side);
            if let (Some(due), Some(connection)) = (due, self.connections.get_mut(&id)) {
                connection.pipes[side].chunks.push_back((due, Bytes::copy_from_slice(piece)));
            }
        }
        Ok(self.connections.get_mut(&id).and_then(|connection| connection.pipes[side].reader.take()))
    }

    fn close(&mut self, id: u64, side: usize) -> Option<Waker> {
        let usable = self.connections.get(&id).is_some_and(|connection| {
            connection.open[side] && !connection.reset && connection.pipes[side].closed.is_none()
        });
        let due = if usable { self.due(id, side) } else { None };
        let pipe = &mut self.connections.get_mut(&id)?.pipes[side];
        pipe.closed = pipe.closed.or(due);
        pipe.reader.take()
    }

    fn read(&mut self, id: u64, side: usize, limit: usize, waker: &Waker) -> Found {
        let Some(connection) = self.connections.get_mut(&id) else { return Found::Reset };
        let [from, to] = connection.direction(1 - side);
        let is_cut = self.links.get(&(from, to.clone())).is_some_and(|link| link.cut) && !connection.reset;
        let reset = connection.reset;
        let pipe = &mut connection.pipes[1 - side];
        pipe.reader = Some(waker.clone());
        if is_cut {
            return Found::Nothing;
        }
        let now = Instant::now();
        if let Some((due, chunk)) = pipe.chunks.front_mut() {
            if *due > now {
                return Found::Later(*due);
            }
            if let Some(physics) = self.physics.as_mut().filter(|_| !pipe.front_is_known) {
                pipe.front_is_known = true;
                *due = physics.done(&to, *due, chunk);
                if *due > now {
                    return Found::Later(*due);
                }
            }
            let bytes = chunk.split_to(limit.min(chunk.len()));
            if chunk.is_empty() {
                pipe.chunks.pop_front();
                pipe.front_is_known = false;
            }
            if !bytes.is_empty() {
                return Found::Bytes(bytes);
            }
        }
        match pipe.closed {
            _ if reset => Found::Reset,
            Some(due) if due > now => Found::Later(due),
            Some(_) => Found::Closed,
            None => Found::Nothing,
        }
    }
}

impl Connection {
    /// From whom to whom the pipe of this side leads.
    fn direction(&self, side: usize) -> [String; 2] {
        [self.ends[side].clone(), self.ends[1 - side].clone()]
    }
}
