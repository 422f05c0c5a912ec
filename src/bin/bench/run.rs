//! A measurement of nodes: connect, prepare the keys, load, report.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::args::{Load, Mode};
use super::failure::Failure;
use super::keys::OwnKeys;
use super::pacer::{Pacer, Schedule};
use super::report::Report;
use super::requests::{Requests, Script, TableRequests, TableShape, item};
use super::route::{Lane, Route};
use super::tally::Tally;
use super::target::{Target, read_secret};
use super::worker::{Connect, Stretch, Worker};

/// How long a request may take when the command line does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The node gives a request up first, and says so within this.
const GRACE: Duration = Duration::from_millis(500);

/// Requests outstanding while keys are prepared.
const PREPARING: usize = 64;

/// Far enough to be never.
pub const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn load(load: &Load) -> Result<u64, Failure> {
    load.check()?;
    let first = target(load, load.connect.first().map_or("", String::as_str))?;
    let map = match load.route {
        Some(Route::Ring | Route::Random) => Some(first.learn()?),
        Some(Route::First) | None => None,
    };
    let connections = load.connections.unwrap_or(match (load.route, &map) {
        (Some(Route::First), _) => 1,
        (_, Some(map)) => map.addresses().len(),
        _ => load.connection_count(),
    });
    let load = &Load { connections: Some(connections), ..load.clone() };
    load.check()?;
    let outstanding = load.outstanding_per_connection();
    let (lanes, spread) = Route::lanes(load.route, &load.connect, map.as_ref(), connections, load.keys, outstanding)?;
    let shape = TableShape {
        table: load.table.clone(),
        key_attribute: first.key_attribute(&load.table)?,
        value_bytes: load.value_bytes,
        distribution: load.distribution,
        timeout_ms: load.timeout_ms,
    };
    check_item(&shape)?;
    let mut workers = connect(load, &lanes, &shape)?;
    prepare_keys(load, &mut workers)?;
    for worker in &mut workers {
        worker.requests.follow(Script::Mix { reads_percent: load.reads });
    }
    let (tally, elapsed) = measure(&mut workers, &measured_stretches(load));
    let report = Report::of(&tally, elapsed, Some(spread));
    report.print(load.json)?;
    Ok(tally.failed())
}

fn target(load: &Load, address: &str) -> Result<Target, Failure> {
    let secret = load.secret_file.as_deref().map(read_secret).transpose()?;
    Ok(Target { address: address.to_owned(), secret, write_timeout: request_timeout(load) })
}

fn request_timeout(load: &Load) -> Duration {
    load.timeout_ms.map_or(TIMEOUT, |timeout_ms| Duration::from_millis(timeout_ms.into())) + GRACE
}

fn check_item(shape: &TableShape) -> Result<(), Failure> {
    let item = item(shape, "", &mut StdRng::seed_from_u64(0));
    item.validate().map_err(|error| Failure::Usage { reason: format!("--value-bytes: {error}") })
}

fn connect(
    load: &Load,
    lanes: &[Lane],
    shape: &TableShape,
) -> Result<Vec<Worker<TableRequests, impl Connect + Send + use<>>>, Failure> {
    let connect = |(number, lane): (usize, &Lane)| {
        let own = OwnKeys::new(lane.keys.clone(), lane.own.clone());
        let requests = TableRequests::new(shape, own, load.seed.wrapping_add(number as u64));
        let target = target(load, &lane.address)?;
        let stream = target.connect()?;
        let reconnect = move || -> Option<TcpStream> { target.connect().ok() };
        Ok(Worker::new(stream, reconnect, requests))
    };
    lanes.iter().enumerate().map(connect).collect()
}

/// Learns the context of every key that will be written, and writes each once if that is asked for.
fn prepare_keys<C: Connect + Send>(load: &Load, workers: &mut [Worker<TableRequests, C>]) -> Result<(), Failure> {
    let scripts = match (load.preload, load.reads) {
        (true, _) => vec![Script::Read(0), Script::Write(0)],
        (false, 100) => vec![],
        (false, _) => vec![Script::Read(0)],
    };
    for script in scripts {
        for worker in &mut *workers {
            worker.requests.follow(script);
        }
        let now = Instant::now();
        let stretch = Stretch {
            pacer: Pacer::Closed,
            outstanding: PREPARING,
            count_from: now,
            until: now + NEVER,
            requests: u64::MAX,
            timeout: request_timeout(load),
        };
        let stretches = vec![stretch; workers.len()];
        let (tally, _) = measure(workers, &stretches);
        if let Some(error) = tally.first_error() {
            let keys = workers.iter().map(|worker| worker.requests.own_keys() as u64).sum();
            return Err(Failure::NotPrepared { refused: tally.failed(), keys, first: error.to_owned() });
        }
    }
    Ok(())
}

fn measured_stretches(load: &Load) -> Vec<Stretch> {
    let count = load.connection_count();
    let start = Instant::now() + Duration::from_millis(10);
    let count_from = start + Duration::from_secs_f64(load.warmup);
    let until = count_from + load.requests.map_or(Duration::from_secs_f64(load.duration), |_| NEVER);
    let share = |number: u64| match load.requests {
        Some(requests) => requests * (number + 1) / count as u64 - requests * number / count as u64,
        None => u64::MAX,
    };
    let stretch = |number: u64| Stretch {
        pacer: match (load.mode, load.rate) {
            (Mode::Open, Some(rate)) => {
                // The connections take turns.
                let offset = Duration::from_secs_f64(number as f64 / rate);
                Pacer::Open(Schedule::new(start + offset, rate / count as f64))
            }
            _ => Pacer::Closed,
        },
        outstanding: load.outstanding_per_connection(),
        count_from,
        until,
        requests: share(number),
        timeout: request_timeout(load),
    };
    (0..count as u64).map(stretch).collect()
}

/// Runs all workers at once. Returns what they counted and how long that took: the stretch, or until the last answer.
pub fn measure<R, C>(workers: &mut [Worker<R, C>], stretches: &[Stretch]) -> (Tally, Duration)
where
    R: Requests<Asked: Send> + Send,
    C: Connect + Send,
{
    let mut tally = Tally::default();
    let mut elapsed = Duration::ZERO;
    thread::scope(|scope| {
        let running: Vec<_> = workers
            .iter_mut()
            .zip(stretches)
            .map(|(worker, stretch)| {
                let of = move || (worker.run(*stretch), Instant::now().min(stretch.until) - stretch.count_from);
                scope.spawn(of)
            })
            .collect();
        for worker in running {
            if let Ok((counted, took)) = worker.join() {
                tally.merge(&counted);
                elapsed = elapsed.max(took);
            }
        }
    });
    (tally, elapsed)
}
