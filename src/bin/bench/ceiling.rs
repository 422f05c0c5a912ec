//! The disk's limit: durable puts straight into the commit thread, without network, actors or replication.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slipring::storage::{
    Batch, CommitOutcome, Committer, CommitterSource, Durability, EngineOptions, FjallStorage, GroupCommit, Space,
};

use super::failure::Failure;
use super::tally::{Kind, Tally};

/// How long an outcome may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One measurement of the commit thread.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    /// Puts handed in and not acknowledged.
    pub outstanding: usize,
    /// How long to measure; a tenth of it goes uncounted before.
    pub duration: Duration,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// How many keys they go to.
    pub keys: usize,
}

impl Ceiling {
    /// Measures in a new database at `folder`.
    ///
    /// # Errors
    ///
    /// [`Failure::Disk`] when storage fails.
    pub fn measure(&self, folder: &Path) -> Result<(Tally, Duration), Failure> {
        let disk = |reason: String| Failure::Disk { reason };
        let storage = FjallStorage::open(folder, EngineOptions::default()).map_err(|error| disk(error.to_string()))?;
        let commits =
            GroupCommit::start(Arc::new(storage), Durability::Always).map_err(|error| disk(error.to_string()))?;
        let (sink, outcomes) = mpsc::channel();
        let committer = commits.committer(Box::new(move |outcome: CommitOutcome| {
            // Nobody listens once the time is over.
            let _ = sink.send(outcome);
        }));
        let measured = self.keep_in_flight(&*committer, &outcomes);
        commits.shutdown();
        measured
    }

    fn keep_in_flight(
        &self,
        committer: &dyn Committer,
        outcomes: &Receiver<CommitOutcome>,
    ) -> Result<(Tally, Duration), Failure> {
        let value = value(self.value_bytes);
        let count_from = Instant::now() + self.duration / 10;
        let until = count_from + self.duration;
        let mut submitted_at = vec![count_from; self.outstanding];
        let (mut next, mut acknowledged, mut tally) = (1_u64, 1_u64, Tally::default());
        loop {
            let now = Instant::now();
            while now < until && next - acknowledged < self.outstanding as u64 {
                submitted_at[slot(next, self.outstanding)] = now;
                committer.submit(next, self.put(next, &value));
                next += 1;
            }
            if next == acknowledged {
                return Ok((tally, self.duration));
            }
            let outcome =
                outcomes.recv_timeout(PATIENCE).map_err(|error| Failure::Disk { reason: error.to_string() })?;
            outcome.result.map_err(|error| Failure::Disk { reason: error.to_string() })?;
            let now = Instant::now();
            for ticket in outcome.first..=outcome.last {
                let submitted = submitted_at[slot(ticket, self.outstanding)];
                if submitted >= count_from {
                    tally.record(Kind::Put, now.duration_since(submitted), 1);
                }
            }
            acknowledged = outcome.last + 1;
        }
    }

    /// Keys spread over the whole space, as hashed keys are.
    fn put(&self, ticket: u64, value: &Bytes) -> Batch {
        let mut batch = Batch::default();
        let key = (ticket % self.keys as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        batch.put(Space::Records, key.to_vec(), value.clone());
        batch
    }
}

fn slot(ticket: u64, outstanding: usize) -> usize {
    (ticket % outstanding as u64) as usize
}

/// A value that no compressor makes smaller.
fn value(bytes: usize) -> Bytes {
    let mut value = vec![0; bytes];
    StdRng::seed_from_u64(1).fill_bytes(&mut value);
    value.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Ceiling;

    #[test]
    fn every_acknowledged_put_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let ceiling = Ceiling { outstanding: 4, duration: Duration::from_millis(50), value_bytes: 10, keys: 8 };
        let (tally, elapsed) = ceiling.measure(folder.path()).unwrap();
        assert_eq!(elapsed, Duration::from_millis(50));
        assert!(tally.rows().all(|(_, row)| !row.latency_ns.is_empty()));
        assert_eq!((tally.failed(), tally.rows().count()), (0, 1));
    }
}
