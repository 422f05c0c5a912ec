//! The closed loop for stores whose connections answer in order: Redis, etcd and servers of the DynamoDB API.
//!
//! One thread drives all connections. With one connection it reads and writes as the worker of a node does; with several it
//! asks the system which of them have something to read, and answers all of those before it asks again. The system is told once
//! what to look at: to name all connections with each question would take a third of this program's time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::args::Peer;
use super::cpu::Watched;
use super::failure::Failure;
use super::report::Report;
use super::tally::{Kind, Tally};

/// Bound of one wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// So much is read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// How a store is asked and answers.
pub trait Dialect {
    /// Appends the next request.
    fn ask(&mut self, out: &mut Vec<u8>);

    /// How many requests of the tally one `ask` stands for.
    fn weight(&self) -> u64;

    /// The answer to the oldest request, at the front of what came. `None`: not all of it is there.
    fn answered(&mut self, bytes: &[u8]) -> Option<Answer>;
}

/// An answer to one `ask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many it takes.
    pub bytes: usize,
    /// Whether the request succeeded.
    pub outcome: Result<(), String>,
    /// Whether the server answers nothing more on this connection.
    pub is_last: bool,
}

impl Answer {
    /// One after which others may come.
    pub fn new(bytes: usize, outcome: Result<(), String>) -> Self {
        Self { bytes, outcome, is_last: false }
    }
}

/// What is asked of one store.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// For the tally.
    pub kind: Kind,
    /// Requests outstanding on each connection.
    pub depth: usize,
    /// Asked in all; `None`: until the time is over.
    pub asks: Option<u64>,
    /// Nothing before this instant is counted.
    pub count_from: Instant,
    /// Nothing is asked from here on.
    pub until: Instant,
}

struct Line {
    /// It blocks, and is read only when it is known to have something.
    stream: TcpStream,
    token: Token,
    came: Vec<u8>,
    asked_at: VecDeque<Instant>,
    address: SocketAddr,
    /// Whether anything has been answered on this connection.
    is_proven: bool,
}

/// Connects `count` times, to the addresses in turn.
///
/// # Errors
///
/// [`Failure::NoConnection`] when one does not answer.
pub fn connect(addresses: &[String], count: usize) -> Result<Vec<TcpStream>, Failure> {
    let named = |address: &String| {
        dial(address).map_err(|error| Failure::NoConnection { reason: format!("{address}: {error}") })
    };
    addresses.iter().cycle().take(count).map(named).collect()
}

fn dial(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Warms up, measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn measure(
    peer: &Peer,
    kind: Kind,
    depth: usize,
    streams: &[TcpStream],
    dialect: &mut impl Dialect,
) -> Result<u64, Failure> {
    let count_from = Instant::now() + Duration::from_secs_f64(peer.warmup);
    let duration = Duration::from_secs_f64(peer.duration);
    let session = Session { kind, depth, asks: None, count_from, until: count_from + duration };
    let watch = |pid| Watched::start(pid, session.count_from, session.until);
    let (server, own) = (peer.server_pid.map(watch), watch(std::process::id()));
    let tally = session.run(streams, dialect).map_err(Failure::io("measuring"))?;
    let report = Report::of(&tally, duration, None);
    let cpu = |taken: Option<Duration>| taken.map(|taken| report.cpu_us_per_request(taken));
    let (server_cpu_us, own_cpu_us) = (cpu(server.and_then(Watched::finish)), cpu(own.finish()));
    Report { server_cpu_us, own_cpu_us, ..report }.print(peer.json)?;
    Ok(tally.failed())
}

impl Session {
    /// Runs until the time or the requests are over and everything is answered.
    ///
    /// # Errors
    ///
    /// When a connection breaks or an answer does not come.
    pub fn run(mut self, streams: &[TcpStream], dialect: &mut impl Dialect) -> io::Result<Tally> {
        let mut readiness = Readiness::new(streams.len())?;
        let line = |(at, stream): (usize, &TcpStream)| {
            let (came, asked_at) = (Vec::with_capacity(BUFFER_BYTES), VecDeque::new());
            let address = stream.peer_addr()?;
            let line =
                Line { stream: stream.try_clone()?, token: Token(at), came, asked_at, address, is_proven: false };
            line.watch(&readiness)?;
            Ok(line)
        };
        let mut lines = streams.iter().enumerate().map(line).collect::<io::Result<Vec<Line>>>()?;
        let mut tally = Tally::default();
        let mut out = Vec::new();
        for line in &mut lines {
            self.fill(line, &mut out, dialect)?;
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        while lines.iter().any(|line| !line.asked_at.is_empty()) {
            readiness.wait()?;
            for (at, is_ending) in readiness.ready() {
                let line = &mut lines[at];
                let is_open = line.read(&mut buffer, is_ending)?;
                let was_last = self.take(line, &mut tally, dialect);
                if !is_open || was_last {
                    line.renew(&mut out, dialect)?;
                    line.watch(&readiness)?;
                }
                self.fill(line, &mut out, dialect)?;
            }
        }
        Ok(tally)
    }

    fn fill(&mut self, line: &mut Line, out: &mut Vec<u8>, dialect: &mut impl Dialect) -> io::Result<()> {
        out.clear();
        let now = Instant::now();
        while now < self.until && line.asked_at.len() < self.depth && self.asks != Some(0) {
            self.asks = self.asks.map(|asks| asks - 1);
            dialect.ask(out);
            line.asked_at.push_back(now);
        }
        line.stream.write_all(out)
    }

    /// Counts what has been answered. Whether the connection is over.
    fn take(&self, line: &mut Line, tally: &mut Tally, dialect: &mut impl Dialect) -> bool {
        let (now, mut seen, mut is_last) = (Instant::now(), 0, false);
        while let Some(answer) = dialect.answered(&line.came[seen..]) {
            seen += answer.bytes;
            is_last = answer.is_last;
            line.is_proven = true;
            let Some(asked_at) = line.asked_at.pop_front() else { break };
            if asked_at < self.count_from {
                continue;
            }
            match answer.outcome {
                Ok(()) => tally.record(self.kind, now.duration_since(asked_at), dialect.weight()),
                Err(error) => tally.record_error(self.kind, error, dialect.weight()),
            }
        }
        line.came.drain(..seen);
        is_last
    }
}

impl Line {
    /// Has what comes here told of. A single line is simply read.
    fn watch(&self, readiness: &Readiness) -> io::Result<()> {
        match readiness {
            Readiness::OfOne => Ok(()),
            Readiness::OfMany { poll, .. } => {
                poll.registry().register(&mut SourceFd(&self.stream.as_raw_fd()), self.token, Interest::READABLE)
            }
        }
    }

    /// Reads all that is there, and to the end where that is known to be there too: neither is told of again. Whether the other end may
    /// still answer.
    fn read(&mut self, buffer: &mut [u8], is_ending: bool) -> io::Result<bool> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.came.extend_from_slice(&buffer[..read]);
                    let is_all = read < buffer.len() || rustix::io::ioctl_fionread(&self.stream)? == 0;
                    if is_all && !is_ending {
                        return Ok(true);
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Some servers close a connection after an answer, or after a number of them, or have it closed: what is outstanding is asked over a
    /// new one, and its time goes on.
    fn renew(&mut self, out: &mut Vec<u8>, dialect: &mut impl Dialect) -> io::Result<()> {
        if !self.is_proven || !self.came.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stream = dial(self.address)?;
        self.is_proven = false;
        out.clear();
        self.asked_at.iter().for_each(|_| dialect.ask(out));
        self.stream.write_all(out)
    }
}

/// Which lines have something to read.
enum Readiness {
    OfOne,
    OfMany { poll: Poll, events: Events },
}

impl Readiness {
    fn new(lines: usize) -> io::Result<Self> {
        match lines {
            1 => Ok(Self::OfOne),
            _ => Ok(Self::OfMany { poll: Poll::new()?, events: Events::with_capacity(lines.max(1)) }),
        }
    }

    /// Waits until there is one.
    fn wait(&mut self) -> io::Result<()> {
        let Self::OfMany { poll, events } = self else { return Ok(()) };
        match poll.poll(events, Some(PATIENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Ok(()) if events.is_empty() => Err(io::ErrorKind::TimedOut.into()),
            waited => waited,
        }
    }

    /// Each with whether the other end has closed it.
    fn ready(&self) -> impl Iterator<Item = (usize, bool)> {
        let (one, many) = match self {
            Self::OfOne => (Some((0, false)), None),
            Self::OfMany { events, .. } => (None, Some(events)),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|event| (event.token().0, event.is_read_closed())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::{Answer, Dialect, Kind, Session, connect};

    /// Whose answers may say that they are the last.
    struct Ping {
        is_last: bool,
    }

    impl Dialect for Ping {
        fn ask(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"ping");
        }

        fn weight(&self) -> u64 {
            1
        }

        fn answered(&mut self, bytes: &[u8]) -> Option<Answer> {
            (bytes.len() >= 4).then_some(Answer { is_last: self.is_last, ..Answer::new(4, Ok(())) })
        }
    }

    /// Answers so many requests on each connection and closes it, or waits until the client does.
    fn serve(answers: usize, closes: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut request = [0; 4];
                    for _ in 0..answers {
                        stream.read_exact(&mut request).and_then(|()| stream.write_all(b"pong")).ok();
                    }
                    if !closes {
                        std::io::copy(&mut stream, &mut std::io::sink()).ok();
                    }
                });
            }
        });
        address
    }

    fn session() -> Session {
        let now = Instant::now();
        Session { kind: Kind::Echo, depth: 1, asks: Some(10), count_from: now, until: now + Duration::from_secs(60) }
    }

    #[test]
    fn whoever_closes_after_an_answer_is_asked_over_a_new_connection() {
        let streams = connect(&[serve(3, true)], 2).unwrap();
        let tally = session().run(&streams, &mut Ping { is_last: false }).unwrap();
        assert_eq!(tally.rows().map(|(_, row)| row.latency_ns.len()).sum::<u64>(), 10);
    }

    #[test]
    fn whoever_says_that_an_answer_is_the_last_is_asked_over_a_new_connection() {
        let streams = connect(&[serve(1, false)], 2).unwrap();
        let tally = session().run(&streams, &mut Ping { is_last: true }).unwrap();
        assert_eq!(tally.rows().map(|(_, row)| row.latency_ns.len()).sum::<u64>(), 10);
    }

    #[test]
    fn whoever_closes_without_an_answer_is_not_asked_again() {
        let streams = connect(&[serve(0, true)], 2).unwrap();
        assert!(session().run(&streams, &mut Ping { is_last: false }).is_err());
    }
}
