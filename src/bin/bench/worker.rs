//! One connection, driven by one thread: fill, write, read, count.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frames::Inbox;
use super::pacer::{Pacer, Turn};
use super::requests::{Answer, Outcome, Requests};
use super::tally::Tally;

/// No more is written at once: the other side answers meanwhile, and its answers must be read.
const WRITE_BYTES: usize = 256 * 1024;

/// How often requests without an answer are looked for, and how long a lost connection is left alone.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Makes a connection, the first one or the next.
pub trait Connect {
    /// A connection on which frames may be sent.
    fn connect(&self) -> Option<TcpStream>;
}

impl<F: Fn() -> Option<TcpStream>> Connect for F {
    fn connect(&self) -> Option<TcpStream> {
        self()
    }
}

/// A stretch of load.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// When requests go.
    pub pacer: Pacer,
    /// The most that may be without an answer.
    pub outstanding: usize,
    /// Requests that are meant to go before this instant are not counted.
    pub count_from: Instant,
    /// No request goes from here on.
    pub until: Instant,
    /// Nor after this many were counted.
    pub requests: u64,
    /// A request without an answer for so long has failed.
    pub timeout: Duration,
}

/// A request under way.
#[derive(Clone, Copy)]
struct Pending<A> {
    id: u64,
    asked: A,
    intended: Instant,
    sent: Instant,
}

/// See the module.
pub struct Worker<R: Requests, C> {
    connector: C,
    stream: Option<TcpStream>,
    inbox: Inbox,
    out: BytesMut,
    /// What the worker asks for.
    pub requests: R,
    slots: Vec<Option<Pending<R::Asked>>>,
    free: Vec<usize>,
    sent: u64,
    counted: u64,
    next_sweep: Instant,
    tally: Tally,
}

impl<R: Requests, C: Connect> Worker<R, C> {
    /// A worker on a connection that is open.
    pub fn new(stream: TcpStream, connector: C, requests: R) -> Self {
        Self {
            connector,
            stream: Some(stream),
            inbox: Inbox::new(),
            out: BytesMut::with_capacity(WRITE_BYTES),
            requests,
            slots: Vec::new(),
            free: Vec::new(),
            sent: 0,
            counted: 0,
            next_sweep: Instant::now(),
            tally: Tally::default(),
        }
    }

    /// Sends until the stretch or the requests are over, waits for the answers, and hands out what they add up to.
    pub fn run(&mut self, mut stretch: Stretch) -> Tally {
        self.slots = vec![None; stretch.outstanding];
        self.free = (0..stretch.outstanding).rev().collect();
        self.counted = 0;
        loop {
            if self.stream.is_none() && !self.reconnect(&stretch) {
                break;
            }
            let next = self.fill(&mut stretch);
            if next == Next::Finished && self.free.len() == self.slots.len() {
                break;
            }
            if self.exchange(next, &stretch).is_err() {
                self.lose_connection(&stretch);
            }
            self.sweep(&stretch);
        }
        std::mem::take(&mut self.tally)
    }

    /// Encodes whatever may go now.
    fn fill(&mut self, stretch: &mut Stretch) -> Next {
        let now = Instant::now();
        while let Some(slot) = self.free.last().copied() {
            if self.counted >= stretch.requests {
                return Next::Finished;
            }
            if self.out.len() >= WRITE_BYTES {
                return Next::Now;
            }
            let intended = match stretch.pacer.turn(now) {
                Turn::Wait(due) if due < stretch.until => return Next::At(due),
                Turn::Send(intended) if intended < stretch.until => intended,
                Turn::Wait(_) | Turn::Send(_) => return Next::Finished,
            };
            let id = (self.sent << 16) | slot as u64;
            let Some(asked) = self.requests.ask(id, &mut self.out) else { return Next::Finished };
            self.sent += 1;
            self.counted += u64::from(intended >= stretch.count_from);
            self.free.pop();
            self.slots[slot] = Some(Pending { id, asked, intended, sent: now });
        }
        Next::AfterAnswer
    }

    /// Writes what `fill` encoded, waits for something to do, and takes the answers that are there.
    fn exchange(&mut self, next: Next, stretch: &Stretch) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.out.is_empty() {
            stream.write_all(&self.out)?;
            self.out.clear();
        }
        let wait = match next {
            Next::Now => Some(Duration::ZERO),
            Next::At(due) => Some(due.saturating_duration_since(Instant::now()).min(SWEEP_INTERVAL)),
            // The read itself waits, for a sweep interval at most: one system call less.
            Next::AfterAnswer | Next::Finished => None,
        };
        if let Some(wait) = wait
            && !is_readable(stream, wait)?
        {
            return Ok(());
        }
        match self.inbox.read_from(stream) {
            Ok(()) => self.take_answers(stretch),
            Err(error) if is_timeout(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take_answers(&mut self, stretch: &Stretch) -> io::Result<()> {
        let now = Instant::now();
        while let Some(frame) = self.inbox.next_frame().map_err(io::Error::other)? {
            let slot = usize::from(frame.id as u16);
            // An answer that came too late finds its slot empty or taken by another request.
            let Some(pending) = self.slots.get_mut(slot).and_then(|slot| slot.take_if(|it| it.id == frame.id)) else {
                continue;
            };
            self.free.push(slot);
            let outcome = self.requests.take(pending.asked, Answer::Came(frame.payload));
            count::<R>(&mut self.tally, &pending, outcome, now, stretch);
        }
        Ok(())
    }

    fn sweep(&mut self, stretch: &Stretch) {
        let now = Instant::now();
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.give_up(|pending| now.duration_since(pending.sent) > stretch.timeout, Answer::TimedOut, stretch);
        }
    }

    fn lose_connection(&mut self, stretch: &Stretch) {
        self.stream = None;
        self.out.clear();
        self.inbox.clear();
        self.give_up(|_| true, Answer::ConnectionLost, stretch);
    }

    fn give_up(&mut self, is_meant: impl Fn(&Pending<R::Asked>) -> bool, why: Answer<'_>, stretch: &Stretch) {
        let now = Instant::now();
        for (slot, waiting) in self.slots.iter_mut().enumerate() {
            if let Some(pending) = waiting.take_if(|pending| is_meant(pending)) {
                self.free.push(slot);
                let outcome = self.requests.take(pending.asked, why);
                count::<R>(&mut self.tally, &pending, outcome, now, stretch);
            }
        }
    }

    /// Tries until the stretch is over; nothing is outstanding meanwhile.
    fn reconnect(&mut self, stretch: &Stretch) -> bool {
        while Instant::now() < stretch.until {
            std::thread::sleep(SWEEP_INTERVAL);
            self.stream = self.connector.connect();
            if self.stream.is_some() {
                return true;
            }
        }
        false
    }
}

/// What `fill` leaves to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There is more to write.
    Now,
    /// The next request is due then.
    At(Instant),
    /// There is room for a request only after an answer.
    AfterAnswer,
    /// There are no more requests.
    Finished,
}

fn count<R: Requests>(
    tally: &mut Tally,
    pending: &Pending<R::Asked>,
    outcome: Outcome,
    now: Instant,
    stretch: &Stretch,
) {
    if pending.intended < stretch.count_from {
        return;
    }
    let kind = R::kind(pending.asked);
    match outcome {
        Outcome::Failed(error) => return tally.record_error(kind, error, 1),
        Outcome::NotFound => tally.record_not_found(kind),
        Outcome::Done => {}
    }
    tally.record(kind, now.duration_since(pending.intended), 1);
}

/// Prepares a connection for a worker: reads and writes that do not hang for ever.
pub fn prepare(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SWEEP_INTERVAL))?;
    stream.set_write_timeout(Some(timeout))
}

fn is_readable(stream: &TcpStream, wait: Duration) -> io::Result<bool> {
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    let mut polled = [PollFd::new(stream, PollFlags::IN)];
    match poll(&mut polled, Some(&wait)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
