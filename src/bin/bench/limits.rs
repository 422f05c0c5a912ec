//! `slipring-bench limits`: what the machine allows, beside each other in one run.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::Limits;
use super::ceiling::Ceiling;
use super::echo::{ECHO_TIMEOUT, EchoRequests};
use super::failure::Failure;
use super::pacer::Pacer;
use super::report::{Line, json, table};
use super::run::measure;
use super::tally::Tally;
use super::target::Target;
use super::worker::{Stretch, Worker};

/// Both limits, as printed.
#[derive(Serialize)]
struct LimitsReport {
    value_bytes: usize,
    lines: Vec<Line>,
}

/// Measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn run(limits: &Limits) -> Result<u64, Failure> {
    limits.check()?;
    let (mut lines, mut failed) = (Vec::new(), 0);
    let server = EchoServer::start()?;
    for outstanding in &limits.outstanding {
        let (tally, elapsed) = echo(&server.address, *outstanding, limits)?;
        failed += tally.failed();
        lines.extend(lines_of("echo", *outstanding, &tally, elapsed));
    }
    drop(server);
    for outstanding in &limits.outstanding {
        let ceiling = Ceiling {
            outstanding: *outstanding,
            duration: Duration::from_secs_f64(limits.duration),
            value_bytes: limits.value_bytes,
            keys: limits.keys,
        };
        let folder = Scratch::make(&limits.dir)?;
        let (tally, elapsed) = ceiling.measure(&folder.path)?;
        lines.extend(lines_of("group commit", *outstanding, &tally, elapsed));
    }
    print(limits, lines)?;
    Ok(failed)
}

fn print(limits: &Limits, lines: Vec<Line>) -> Result<(), Failure> {
    let text = if limits.json {
        json(&LimitsReport { value_bytes: limits.value_bytes, lines })?
    } else {
        table(&lines).to_string()
    };
    writeln!(std::io::stdout(), "{text}").map_err(Failure::io("printing"))
}

fn lines_of(name: &str, outstanding: usize, tally: &Tally, elapsed: Duration) -> Vec<Line> {
    tally.rows().map(|(_, row)| Line::of(name, Some(outstanding), row, elapsed)).collect()
}

fn echo(address: &str, outstanding: usize, limits: &Limits) -> Result<(Tally, Duration), Failure> {
    let target = Target { address: address.to_owned(), secret: None, write_timeout: ECHO_TIMEOUT };
    let stream = target.connect()?;
    let reconnect = move || -> Option<TcpStream> { target.connect().ok() };
    let mut workers = [Worker::new(stream, reconnect, EchoRequests::new(limits.value_bytes))];
    let duration = Duration::from_secs_f64(limits.duration);
    let count_from = Instant::now() + duration / 10;
    let stretch = Stretch {
        pacer: Pacer::Closed,
        outstanding,
        count_from,
        until: count_from + duration,
        requests: u64::MAX,
        timeout: ECHO_TIMEOUT,
    };
    Ok(measure(&mut workers, &[stretch]))
}

/// `slipring-bench echo-server` as a process of its own, so that it has its own address space and scheduler entry as a node
/// has. Ended when dropped.
struct EchoServer {
    process: Child,
    address: String,
}

impl EchoServer {
    fn start() -> Result<Self, Failure> {
        let doing = "starting the echo server";
        let program = std::env::current_exe().map_err(Failure::io(doing))?;
        let mut command = Command::new(program);
        command.args(["echo-server", "--listen", "127.0.0.1:0", "--until-input-ends"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(Failure::io(doing))?;
        let said = process.stdout.take();
        let mut server = Self { process, address: String::new() };
        if let Some(said) = said {
            BufReader::new(said).read_line(&mut server.address).map_err(Failure::io(doing))?;
        }
        server.address = server.address.trim().to_owned();
        Ok(server)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory that is removed when dropped.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn make(parent: &std::path::Path) -> Result<Self, Failure> {
        let path = parent.join(format!("slipring-bench-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).map_err(Failure::io(&format!("making {}", path.display())))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("slipring-bench: {} remains: {error}", self.path.display());
        }
    }
}
