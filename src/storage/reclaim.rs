//! Decides when garbage is collected on a full device, and whether there is room for it.
//!
//! fjall collects garbage only after a flush. A device that refuses puts soon has nothing left to
//! flush, or a trickle of deletes that reaches no garbage. Left to itself it would keep what was
//! overwritten or deleted for ever, and refuse puts for ever. So the storage starts a reclaim, which
//! `Reclaimer` carries out.
//!
//! The decision is a value: the time and the situation are arguments.

use std::time::Duration;

/// To free less than this is not worth a reclaim, in bytes. With more than this in write buffers, their
/// flush comes first.
const MIN_GAIN_BYTES: u64 = 1024 * 1024;

/// A reclaim that freed nothing is followed by another one not sooner than this, if something has
/// changed since ...
const PAUSE: Duration = Duration::from_secs(1);

/// ... and not sooner than this, if nothing has. Not never: a scan may have held on to the garbage.
const PAUSE_UNCHANGED: Duration = Duration::from_secs(60);

/// A compaction rewrites a value file of which at least this part is garbage ...
pub(super) const MIN_STALE_PART: f32 = 0.25;

/// ... and of those only this part, the oldest ones. It bounds the room that a compaction takes.
pub(super) const REWRITTEN_PART: f32 = 0.25;

/// Room for manifests, filters and the ends of files, in bytes.
const OVERHEAD_BYTES: u64 = 1024 * 1024;

/// What a reclaim has to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Situation {
    pub(super) free_bytes: u64,
    /// Write buffers that have yet to be flushed. Seldom none at all: deletes go on.
    pub(super) unflushed_bytes: u64,
    /// Whether one of fjall's own compactions is running.
    pub(super) is_compacting: bool,
    /// The number of the last write that may have made garbage.
    pub(super) last_write: Option<u64>,
}

impl Situation {
    /// Less room counts as well: fjall's own compactions leave superseded files behind.
    fn has_changed_since(self, then: Self) -> bool {
        self.last_write != then.last_write || self.free_bytes.abs_diff(then.free_bytes) >= MIN_GAIN_BYTES
    }

    /// Whether the engine is done with what it does by itself.
    const fn is_settled(self) -> bool {
        self.unflushed_bytes < MIN_GAIN_BYTES && !self.is_compacting
    }

    const fn gain_since(self, then: Self) -> u64 {
        self.free_bytes.saturating_sub(then.free_bytes)
    }
}

/// One reclaim at a time: at once while they free something, after a pause when the last one did not.
#[derive(Debug, Default)]
pub(super) struct ReclaimSchedule {
    /// The situation in which the running one was started.
    running: Option<Situation>,
    /// When the last one ended, and what it left, if it freed nothing.
    fruitless: Option<(Duration, Situation)>,
}

impl ReclaimSchedule {
    /// Whether a reclaim shall start now; if so, it counts as running. `now` is any clock that never
    /// goes back.
    pub(super) fn start(&mut self, now: Duration, situation: Situation) -> bool {
        let is_due = self.running.is_none()
            && situation.is_settled()
            && self.fruitless.is_none_or(|(ended_at, left)| {
                let pause = if situation.has_changed_since(left) { PAUSE } else { PAUSE_UNCHANGED };
                now.saturating_sub(ended_at) >= pause
            });
        if is_due {
            self.running = Some(situation);
        }
        is_due
    }

    /// The running reclaim has ended. Returns how many bytes are free that were not.
    pub(super) fn end(&mut self, now: Duration, situation: Situation) -> u64 {
        let freed = self.running.take().map_or(0, |started| situation.gain_since(started));
        self.fruitless = (freed < MIN_GAIN_BYTES).then_some((now, situation));
        freed
    }
}

/// A file of values that are kept apart from their keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueFile {
    pub(super) bytes: u64,
    /// What tables refer to.
    pub(super) live_bytes: u64,
}

impl ValueFile {
    fn is_stale(self, part: f32) -> bool {
        self.bytes.saturating_sub(self.live_bytes) as f32 >= self.bytes as f32 * part
    }
}

/// The most that a compaction of a whole keyspace can take on the device before it gives anything
/// back: all tables once more, and what is live in the value files that it may rewrite. `files` begins
/// with the oldest one.
///
/// fjall measures staleness before compression, so that files around the limit may count or not.
pub(super) fn room_needed(table_bytes: u64, files: &[ValueFile]) -> u64 {
    let may_be_stale = |file: &&ValueFile| file.is_stale(MIN_STALE_PART * 0.5);
    let candidates = files.iter().filter(may_be_stale).count();
    // Rounds like fjall does.
    let rewritten = (candidates as f32 * REWRITTEN_PART) as usize;
    // It takes the oldest ones, so none that is younger than so many that are stale in any case.
    let surely_stale = files.iter().enumerate().filter(|(_, file)| file.is_stale(MIN_STALE_PART * 1.5));
    let end = surely_stale.map(|(index, _)| index + 1).nth(rewritten.saturating_sub(1)).unwrap_or(files.len());
    let mut live_bytes: Vec<u64> = files[..end].iter().filter(may_be_stale).map(|file| file.live_bytes).collect();
    live_bytes.sort_unstable_by(|one, other| other.cmp(one));
    OVERHEAD_BYTES + table_bytes + live_bytes.iter().take(rewritten).sum::<u64>()
}

/// Whether a compaction may take `needed_bytes`: three quarters of what the write buffers that have yet
/// to be flushed leave free. The gate keeps that room from deletes meanwhile.
pub(super) const fn has_room(needed_bytes: u64, situation: Situation) -> bool {
    needed_bytes <= situation.free_bytes.saturating_sub(situation.unflushed_bytes) / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn free(mib: u64) -> Situation {
        Situation { free_bytes: mib * MIB, unflushed_bytes: 0, is_compacting: false, last_write: Some(7) }
    }

    #[test]
    fn only_one_runs_at_a_time() {
        let mut schedule = ReclaimSchedule::default();
        assert!(schedule.start(at(0), free(10)));
        assert!(!schedule.start(at(1000), free(50)));
    }

    #[test]
    fn what_the_engine_does_by_itself_comes_first() {
        let mut schedule = ReclaimSchedule::default();
        assert!(!schedule.start(at(0), Situation { is_compacting: true, ..free(10) }));
        assert!(!schedule.start(at(0), Situation { unflushed_bytes: MIB, ..free(10) }));
        assert!(schedule.start(at(0), Situation { unflushed_bytes: MIB - 1, ..free(10) }), "a trickle of deletes");
    }

    #[test]
    fn the_next_one_starts_at_once_while_they_free_something() {
        let mut schedule = ReclaimSchedule::default();
        assert!(schedule.start(at(0), free(10)));
        assert_eq!(schedule.end(at(2), free(11)), MIB);
        assert!(schedule.start(at(2), free(11)));
    }

    #[test]
    fn one_that_freed_nothing_is_not_repeated_until_something_changes() {
        let mut schedule = ReclaimSchedule::default();
        assert!(schedule.start(at(0), free(10)));
        assert_eq!(schedule.end(at(2), free(10)), 0);
        assert!(!schedule.start(at(20), free(10)));
        assert!(!schedule.start(at(20), Situation { free_bytes: 11 * MIB - 1, ..free(10) }), "much the same");
        assert!(!schedule.start(at(20), Situation { free_bytes: 9 * MIB + 1, ..free(10) }), "much the same");
        assert!(schedule.start(at(20), free(11)), "more room to work in");
        assert_eq!(schedule.end(at(21), free(9)), 0, "deletes have taken some");
        assert!(schedule.start(at(22), Situation { last_write: Some(8), ..free(9) }), "new garbage");
    }

    #[test]
    fn a_stream_of_deletes_does_not_make_it_run_all_the_time() {
        let mut schedule = ReclaimSchedule::default();
        assert!(schedule.start(at(0), free(10)));
        schedule.end(at(2), free(10));
        let deleted = Situation { last_write: Some(8), ..free(10) };
        assert!(!schedule.start(at(3) - Duration::from_millis(1), deleted));
        assert!(schedule.start(at(3), deleted));
    }

    #[test]
    fn one_that_freed_nothing_is_tried_again_after_a_minute() {
        let mut schedule = ReclaimSchedule::default();
        assert!(schedule.start(at(0), free(10)));
        schedule.end(at(2), free(10));
        assert!(!schedule.start(at(61), free(10)));
        assert!(schedule.start(at(62), free(10)), "a scan may have held on to the garbage");
    }

    #[test]
    fn a_quarter_of_the_files_with_garbage_is_counted() {
        let needed = |live_bytes: &[u64]| {
            let files = live_bytes.iter().map(|live_bytes| ValueFile { bytes: 100, live_bytes: *live_bytes });
            room_needed(5, &files.collect::<Vec<_>>()) - OVERHEAD_BYTES
        };
        assert_eq!(needed(&[]), 5);
        assert_eq!(needed(&[70, 70, 70]), 5, "a quarter of three is none");
        assert_eq!(needed(&[1, 2, 60, 3]), 5 + 1, "the oldest");
        assert_eq!(needed(&[80, 2, 60, 3]), 5 + 80, "the oldest or the second: the larger one");
        assert_eq!(needed(&[1, 2, 60, 99]), 5, "one of them has no garbage");
        assert_eq!(needed(&[80, 81, 82, 83]), 5 + 83, "any of them");
        assert_eq!(needed(&[99, 1, 70, 3, 4, 5, 6, 7, 8]), 5 + 70 + 3, "not both 70 and 8");
    }

    #[test]
    fn a_quarter_of_what_is_free_is_left() {
        assert!(has_room(9 * MIB, free(12)));
        assert!(!has_room(9 * MIB + 1, free(12)));
        assert!(!has_room(9 * MIB, Situation { unflushed_bytes: 4, ..free(12) }));
        assert!(!has_room(1, Situation { unflushed_bytes: 1, ..free(0) }));
    }
}
