//! Refuses writes before the disk is full.
//!
//! fjall must never meet ENOSPC: a failed journal append poisons it, and a failed flush or compaction
//! ends its worker and poisons it too; only reopening helps, and reopening needs room. So a commit is
//! let in only while the device would still hold the reserve after (1) this batch, once in the journal
//! and once in a table, (2) every write buffer that has yet to be flushed, and (3) what a running
//! reclaim may take. The reserve itself is what compactions work in. fjall creates journals at 64 MiB,
//! but sparse: they take room only as they fill, so their size on paper needs no reserve.
//!
//! The decision is a value: the time and the probe are arguments.

use std::io;
use std::time::Duration;

use super::CommitError;

/// A reading is used for this long.
const READING_LIFETIME: Duration = Duration::from_millis(50);

/// ... or until this many bytes have been let in since, whichever comes first.
const READING_BYTES: u64 = 8 * 1024 * 1024;

/// Default reserve in bytes, when a tenth of the device is more than that.
const DEFAULT_RESERVE_BYTES: u64 = 512 * 1024 * 1024;

/// What a probe of the device found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceReading {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Size of the device in bytes.
    pub device_bytes: u64,
}

/// Asks the device how much room it has. A closure, so that a test can play a device.
pub type SpaceProbe = Box<dyn Fn() -> io::Result<SpaceReading> + Send + Sync>;

/// What a batch needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SpaceRequest {
    /// Bytes that the batch will take in the journal, and again in a table.
    pub(super) batch_bytes: u64,
    /// Deletes make room in the end, so they may use half of the reserve: a full device could
    /// otherwise not be emptied.
    pub(super) only_deletes: bool,
    /// Write buffers that have yet to be flushed, and room that a running reclaim may take.
    pub(super) pending_bytes: u64,
}

/// Open while there is room, closed from the first refusal until there is a quarter more than that.
#[derive(Debug)]
pub(super) struct SpaceGate {
    /// `None`: a tenth of the device, at most [`DEFAULT_RESERVE_BYTES`].
    reserve_bytes: Option<u64>,
    closed: bool,
    reading: Option<(Duration, SpaceReading)>,
    /// Journal bytes let in since the reading.
    admitted_bytes: u64,
}

impl SpaceGate {
    pub(super) const fn new(reserve_bytes: Option<u64>) -> Self {
        Self { reserve_bytes, closed: false, reading: None, admitted_bytes: 0 }
    }

    /// Lets a batch in, or refuses it with [`CommitError::DiskFull`]. `now` is any clock that never
    /// goes back.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        request: SpaceRequest,
        probe: &dyn Fn() -> io::Result<SpaceReading>,
    ) -> Result<(), CommitError> {
        let reading = self.current(now, probe)?;
        let free = reading.free_bytes.saturating_sub(self.admitted_bytes).saturating_sub(request.pending_bytes);
        let has_room = |kept: u64| free >= kept.saturating_add(request.batch_bytes * 2);
        let kept = if request.only_deletes { self.reserve(reading) / 2 } else { self.kept_from_puts(reading) };
        if !request.only_deletes {
            self.closed = !has_room(kept);
        }
        if !has_room(kept) {
            return Err(CommitError::DiskFull { free_bytes: free, reserve_bytes: kept });
        }
        self.admitted_bytes += request.batch_bytes;
        Ok(())
    }

    /// Whether even the smallest put would be refused now: what an operator is told.
    pub(super) fn refuses_puts(&self, reading: SpaceReading, pending_bytes: u64) -> bool {
        reading.free_bytes.saturating_sub(pending_bytes) < self.kept_from_puts(reading)
    }

    fn kept_from_puts(&self, reading: SpaceReading) -> u64 {
        let reserve = self.reserve(reading);
        if self.closed { reserve.saturating_add(reserve / 4) } else { reserve }
    }

    fn current(
        &mut self,
        now: Duration,
        probe: &dyn Fn() -> io::Result<SpaceReading>,
    ) -> Result<SpaceReading, CommitError> {
        if let Some((taken_at, reading)) = self.reading
            && now.saturating_sub(taken_at) < READING_LIFETIME
            && self.admitted_bytes < READING_BYTES
        {
            return Ok(reading);
        }
        // A device that cannot be asked is not one to write to.
        let reading = probe().map_err(CommitError::io)?;
        self.reading = Some((now, reading));
        self.admitted_bytes = 0;
        Ok(reading)
    }

    fn reserve(&self, reading: SpaceReading) -> u64 {
        self.reserve_bytes.unwrap_or_else(|| DEFAULT_RESERVE_BYTES.min(reading.device_bytes / 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const MIB: u64 = 1024 * 1024;

    /// A device that reports what the test last said, and counts the questions.
    struct Device {
        free: Cell<u64>,
        asked: Cell<u32>,
    }

    impl Device {
        fn with_free(free: u64) -> Self {
            Self { free: Cell::new(free), asked: Cell::new(0) }
        }

        fn probe(&self) -> io::Result<SpaceReading> {
            self.asked.set(self.asked.get() + 1);
            Ok(SpaceReading { free_bytes: self.free.get(), device_bytes: 1000 * MIB })
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn put(batch_bytes: u64, pending_bytes: u64) -> SpaceRequest {
        SpaceRequest { batch_bytes, only_deletes: false, pending_bytes }
    }

    #[test]
    fn deletes_may_use_half_of_the_reserve_and_do_not_open_the_gate() {
        let delete = SpaceRequest { only_deletes: true, ..put(0, 0) };
        let device = Device::with_free(99 * MIB);
        let mut gate = SpaceGate::new(Some(100 * MIB));
        let mut admit = |ms, request| gate.admit(at(ms), request, &|| device.probe());

        assert!(admit(0, put(0, 0)).is_err());
        assert!(admit(1, delete).is_ok());
        device.free.set(110 * MIB);
        assert!(admit(100, delete).is_ok());
        assert!(admit(101, put(0, 0)).is_err(), "still closed for puts");
        device.free.set(50 * MIB - 1);
        assert!(admit(200, delete).is_err());
    }

    #[test]
    fn it_closes_below_the_reserve_and_opens_only_a_quarter_above() {
        let device = Device::with_free(101 * MIB);
        let mut gate = SpaceGate::new(Some(100 * MIB));
        let mut admit = |ms| gate.admit(at(ms), put(0, 0), &|| device.probe());

        assert!(admit(0).is_ok());
        device.free.set(100 * MIB - 1);
        assert!(matches!(
            admit(100),
            Err(CommitError::DiskFull { free_bytes, reserve_bytes })
                if free_bytes == 100 * MIB - 1 && reserve_bytes == 100 * MIB
        ));
        device.free.set(125 * MIB - 1);
        assert!(admit(200).is_err(), "still closed: less than a quarter more");
        device.free.set(125 * MIB);
        assert!(admit(300).is_ok());
        device.free.set(100 * MIB);
        assert!(admit(400).is_ok(), "open again: the plain reserve counts");
    }

    #[test]
    fn what_is_told_is_what_is_done() {
        let device = Device::with_free(100 * MIB - 1);
        let reading = |free_bytes| SpaceReading { free_bytes, device_bytes: 1000 * MIB };
        let mut gate = SpaceGate::new(Some(100 * MIB));
        assert!(!gate.refuses_puts(reading(100 * MIB), 0));
        assert!(gate.refuses_puts(reading(100 * MIB), 1), "what waits to be flushed is not free");

        assert!(gate.admit(at(0), put(0, 0), &|| device.probe()).is_err());
        assert!(gate.refuses_puts(reading(125 * MIB - 1), 0), "closed until there is a quarter more");
        assert!(!gate.refuses_puts(reading(125 * MIB), 0), "the next put will be taken");
    }

    #[test]
    fn unflushed_buffers_and_the_batch_itself_count_as_used() {
        let device = Device::with_free(200 * MIB);
        let mut gate = SpaceGate::new(Some(100 * MIB));
        let mut admit = |ms, batch, pending| gate.admit(at(ms), put(batch, pending), &|| device.probe());

        assert!(admit(0, 0, 100 * MIB).is_ok());
        assert!(admit(100, 0, 100 * MIB + 1).is_err());
        assert!(admit(200, 0, 0).is_ok());
        assert!(admit(300, 50 * MIB + 1, 0).is_err(), "journal and table");
        assert!(admit(400, 37 * MIB, 0).is_ok());
    }

    #[test]
    fn a_reading_serves_until_it_is_old_or_much_was_written() {
        let device = Device::with_free(1000 * MIB);
        let mut gate = SpaceGate::new(Some(MIB));
        let mut admit = |ms, batch| gate.admit(at(ms), put(batch, 0), &|| device.probe());

        admit(0, 1).unwrap();
        admit(49, 1).unwrap();
        assert_eq!(device.asked.get(), 1);
        admit(50, 8 * MIB).unwrap();
        assert_eq!(device.asked.get(), 2, "old");
        admit(51, 1).unwrap();
        assert_eq!(device.asked.get(), 3, "much written");
    }

    #[test]
    fn what_was_let_in_since_the_reading_counts() {
        let device = Device::with_free(100 * MIB + 3 * MIB);
        let mut gate = SpaceGate::new(Some(100 * MIB));
        let mut admit = |ms| gate.admit(at(ms), put(MIB, 0), &|| device.probe());
        assert!(admit(0).is_ok());
        assert!(admit(1).is_ok());
        assert!(admit(2).is_err());
    }

    #[test]
    fn the_default_reserve_is_a_tenth_of_a_small_device() {
        let device = Device::with_free(100 * MIB);
        let mut gate = SpaceGate::new(None);
        assert!(gate.admit(at(0), put(0, 0), &|| device.probe()).is_ok());
        device.free.set(100 * MIB - 1);
        assert!(gate.admit(at(99), put(0, 0), &|| device.probe()).is_err());
    }

    #[test]
    fn a_device_that_cannot_be_asked_stops_the_node() {
        let mut gate = SpaceGate::new(None);
        let error = gate.admit(at(0), put(0, 0), &|| Err(io::Error::other("gone"))).unwrap_err();
        assert!(error.must_stop());
    }
}
