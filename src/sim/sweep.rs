//! Many seeds, on several threads: each run is a world of its own on one of them.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::cluster::SimError;
use super::defect::Defect;
use super::run::{Report, run};

/// Runs these seeds and hands on their reports in the order of the seeds, until `each` says that it is enough. No seed is begun after that.
///
/// # Errors
///
/// A run could not be made, which says nothing about the product.
pub fn sweep(
    seeds: Range<u64>,
    threads: usize,
    defect: Option<Defect>,
    mut each: impl FnMut(u64, Report) -> ControlFlow<()>,
) -> Result<(), SimError> {
    let (next, enough) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let end = seeds.end;
    let work = |done: Sender<(u64, Result<Report, SimError>)>| {
        while !enough.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || done.send((seed, run(seed, defect))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (done, finished) = channel();
        for _ in 0..threads.max(1) {
            let done = done.clone();
            scope.spawn(|| work(done));
        }
        drop(done);
        let (mut waiting, mut wanted) = (BTreeMap::new(), seeds.start);
        let mut outcome = Ok(());
        for (seed, report) in finished {
            waiting.insert(seed, report);
            while let Some(report) = waiting.remove(&wanted).filter(|_| !enough.load(Ordering::Relaxed)) {
                let flow = match report {
                    Ok(report) => each(wanted, report),
                    Err(error) => {
                        outcome = Err(error);
                        ControlFlow::Break(())
                    }
                };
                enough.store(flow.is_break(), Ordering::Relaxed);
                wanted += 1;
            }
        }
        outcome
    })
}
