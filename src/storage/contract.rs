//! The contract that every engine keeps, and that `contract_tests` holds both of them to.

use std::ops::Bound;

use bytes::Bytes;

use super::{Batch, CommitError, MAX_KEY_BYTES, Persist, ReadError, Space};

/// A scan page ends after this many bytes of keys and values, even below its entry limit, so that a
/// page of large items is no larger than a page of small ones by more than one item.
pub const SCAN_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// An embedded engine.
///
/// Reads may come from any thread at any time. Only one thread may call [`commit`](Self::commit) and
/// [`sync`](Self::sync): the one that owns the write side (see [`GroupCommit`](super::GroupCommit)).
pub trait Storage: Send + Sync + 'static {
    /// The value of `key`, verified against its checksum. An empty key is never present.
    ///
    /// # Errors
    ///
    /// [`ReadError::Corrupt`] rather than bytes that were not written for this very key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// Entries in the order of the range, at most `limit` of them and about [`SCAN_PAGE_BYTES`] bytes.
    ///
    /// A damaged value does not end a scan: its key is listed in [`ScanPage::corrupt`] and the scan
    /// goes on behind it.
    ///
    /// # Errors
    ///
    /// [`ReadError::Corrupt`] when a whole block of keys is unreadable, so that no page beyond it can
    /// be named; scans of ranges that do not touch it still work.
    fn scan(&self, space: Space, range: ScanRange<'_>, limit: usize) -> Result<ScanPage, ReadError>;

    /// Applies the batch whole. [`get`](Self::get) sees it when this returns. With [`Persist::Sync`]
    /// it and everything before it has reached the disk.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]: all but [`CommitError::Io`] leave the engine without any of the batch.
    /// A batch of only deletes is still taken when the disk is too full for puts.
    fn commit(&self, batch: &Batch, persist: Persist) -> Result<(), CommitError>;

    /// Everything committed before is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`CommitError::Io`] when that is not certain: the node must stop.
    fn sync(&self) -> Result<(), CommitError>;

    /// Much has been deleted: gives the room back to the device, in the background. Whether that has begun, or there is nothing to do; otherwise ask again a
    /// little later. A storage that has no garbage does nothing.
    fn collect_garbage(&self) -> bool {
        true
    }

    /// How much room there is, for metrics and for admission. Never waits for a running commit.
    fn usage(&self) -> Usage;
}

/// Lower and upper bound of a range of keys.
pub(super) type KeyBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Which keys a scan visits, and in which order: those with `prefix` that lie between `start` and `end`.
#[derive(Clone, Copy, Debug)]
pub struct ScanRange<'a> {
    prefix: &'a [u8],
    start: Bound<&'a [u8]>,
    end: Bound<&'a [u8]>,
    descends: bool,
}

impl<'a> ScanRange<'a> {
    /// Every key of the space.
    #[must_use]
    pub const fn all() -> Self {
        Self::prefix(&[])
    }

    /// Every key that starts with `prefix`.
    #[must_use]
    pub const fn prefix(prefix: &'a [u8]) -> Self {
        Self { prefix, start: Bound::Unbounded, end: Bound::Unbounded, descends: false }
    }

    /// Only keys between these two.
    #[must_use]
    pub const fn between(self, start: Bound<&'a [u8]>, end: Bound<&'a [u8]>) -> Self {
        Self { start, end, ..self }
    }

    /// From the greatest key down.
    #[must_use]
    pub const fn descending(self) -> Self {
        Self { descends: true, ..self }
    }

    /// Only keys that a scan in this order meets behind `key`: how the next page begins.
    #[must_use]
    pub const fn after(self, key: &'a [u8]) -> Self {
        if self.descends {
            Self { end: Bound::Excluded(key), ..self }
        } else {
            Self { start: Bound::Excluded(key), ..self }
        }
    }

    /// Only keys that are `key` or greater.
    #[must_use]
    pub const fn starting_at(self, key: &'a [u8]) -> Self {
        Self { start: Bound::Included(key), ..self }
    }

    /// Whether the greatest key comes first.
    pub(super) const fn descends(&self) -> bool {
        self.descends
    }

    /// The bounds in key order, or `None` when no key can lie between them.
    pub(super) fn bounds(self) -> Option<KeyBounds> {
        let lower = match self.start {
            Bound::Excluded(key) if key >= self.prefix => Bound::Excluded(key.to_vec()),
            Bound::Included(key) if key >= self.prefix => Bound::Included(key.to_vec()),
            _ => Bound::Included(self.prefix.to_vec()),
        };
        let behind = prefix_end(self.prefix);
        let is_within = |key: &[u8]| match &behind {
            Bound::Excluded(behind) => key < behind.as_slice(),
            _ => true,
        };
        let upper = match self.end {
            Bound::Excluded(key) if is_within(key) => Bound::Excluded(key.to_vec()),
            Bound::Included(key) if is_within(key) => Bound::Included(key.to_vec()),
            _ => behind,
        };
        let (lower, upper) = (lower_of_stored(lower), upper_of_stored(upper));
        // A range whose start lies behind its end would make `BTreeMap::range` panic.
        match (&lower, &upper) {
            (Bound::Included(low), Bound::Included(high)) if low > high => None,
            (Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) if low >= high => None,
            (Bound::Included(low), Bound::Excluded(high)) if low >= high => None,
            _ => Some((lower, upper)),
        }
    }
}

/// The same bound for keys that can be stored. An engine may not even be asked for longer ones: fjall panics. Of two keys of which one is
/// longer than can be stored, that one is the greater unless the other is greater than its beginning.
fn lower_of_stored(bound: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) if key.len() > MAX_KEY_BYTES => {
            Bound::Excluded(key[..MAX_KEY_BYTES].to_vec())
        }
        bound => bound,
    }
}

fn upper_of_stored(bound: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) if key.len() > MAX_KEY_BYTES => {
            Bound::Included(key[..MAX_KEY_BYTES].to_vec())
        }
        bound => bound,
    }
}

/// The first key behind all keys with `prefix`.
fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// Keys and verified values, in the order of the range.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Keys within this page whose values are damaged, in the same order. They count towards the limit.
    pub corrupt: Vec<Bytes>,
    /// Where the next page starts ([`ScanRange::after`]), or `None` when the range is exhausted. A
    /// page with no entries is not the end: all its values may be damaged.
    pub resume_after: Option<Bytes>,
}

/// Gathers a page until it is full.
pub(super) struct PageBuilder {
    page: ScanPage,
    limit: usize,
    bytes: usize,
    last_key: Bytes,
}

impl PageBuilder {
    pub(super) fn new(limit: usize) -> Self {
        Self { page: ScanPage::default(), limit: limit.max(1), bytes: 0, last_key: Bytes::new() }
    }

    /// Whether the page takes no more; the entry at hand then belongs to the next one.
    pub(super) fn is_full(&self) -> bool {
        let taken = self.page.entries.len() + self.page.corrupt.len();
        taken >= self.limit || self.bytes >= SCAN_PAGE_BYTES
    }

    pub(super) fn record(&mut self, key: Bytes, value: Option<Bytes>) {
        self.last_key = key.clone();
        match value {
            Some(value) => {
                self.bytes += key.len() + value.len();
                self.page.entries.push((key, value));
            }
            None => self.page.corrupt.push(key),
        }
    }

    pub(super) fn last_key(&self) -> &Bytes {
        &self.last_key
    }

    /// The page, when the range holds nothing more.
    pub(super) fn finish(self) -> ScanPage {
        self.page
    }

    /// The page, when more follows.
    pub(super) fn finish_full(mut self) -> ScanPage {
        self.page.resume_after = Some(self.last_key);
        self.page
    }
}

/// Room used and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that the engine takes on the device.
    pub used_bytes: u64,
    /// Bytes free on the device for this user; `u64::MAX` when unbounded or unknown.
    pub free_bytes: u64,
    /// Bytes in memory that are not yet in tables.
    pub write_buffer_bytes: u64,
    /// Whether puts are refused for want of space: less is free than the reserve and what has yet to be flushed, or not yet a quarter
    /// more than that since the first refusal.
    pub refuses_puts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_without_it() {
        assert_eq!(prefix_end(b"a"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(prefix_end(b"a\xff\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), Bound::Unbounded);
        assert_eq!(prefix_end(b""), Bound::Unbounded);
    }

    #[test]
    fn a_start_outside_of_the_prefix_is_clamped_or_empty() {
        let below = ScanRange::prefix(b"m").after(b"a").bounds().unwrap();
        assert_eq!(below.0, Bound::Included(b"m".to_vec()));
        assert!(ScanRange::prefix(b"m").after(b"z").bounds().is_none());
        assert!(ScanRange::prefix(b"m").starting_at(b"n").bounds().is_none());
    }

    #[test]
    fn an_end_outside_of_the_prefix_is_clamped_or_empty() {
        let range = |start, end| ScanRange::prefix(b"m").between(start, end);
        let beyond = range(Bound::Unbounded, Bound::Included(b"z")).bounds().unwrap();
        assert_eq!(beyond, (Bound::Included(b"m".to_vec()), Bound::Excluded(b"n".to_vec())));
        assert!(range(Bound::Unbounded, Bound::Excluded(b"m")).bounds().is_none());
        assert!(range(Bound::Unbounded, Bound::Included(b"a")).bounds().is_none());
        assert!(range(Bound::Included(b"mb"), Bound::Included(b"ma")).bounds().is_none());
        assert!(range(Bound::Included(b"ma"), Bound::Included(b"ma")).bounds().is_some());
        assert!(range(Bound::Excluded(b"ma"), Bound::Included(b"ma")).bounds().is_none());
        let second = ScanRange::prefix(b"m").descending().after(b"mc").bounds().unwrap();
        assert_eq!(second, (Bound::Included(b"m".to_vec()), Bound::Excluded(b"mc".to_vec())));
    }
}
