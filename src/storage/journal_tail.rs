//! A journal's end after a crash: torn, and cut off, or rotten, and refused.
//!
//! fjall drops a last batch whose bytes end early, but two things it gets wrong:
//!
//! - A power loss may leave a hole *within* the last batch: pages reach the disk in any order, and what
//!   did not reads as zeros. Such a batch has an end marker and a wrong checksum, and fjall refuses to
//!   open at all. It was never acknowledged as durable, so it is cut off here.
//! - A rotten byte in the middle of a journal may make an item undecodable. fjall then cuts off all that
//!   follows, acknowledged or not, and says nothing. Here that is an error: a person must decide.
//!
//! So the journals are checked before fjall opens them. They look like this (fjall 3.1,
//! `src/journal/entry.rs`; all numbers little endian), padded with zeros:
//!
//! ```text
//! batch   start | item or clear ... | end
//! start   1 | item count u32 | sequence number u64
//! item    2 | value type u8 | compression u8 | keyspace u64 | key length u16 | value length u32
//!           | stored length u32 | key | stored value
//! end     3 | xxh3 of all between start and end, u64 | "FJL" 3
//! clear   4 | keyspace u64
//! ```
//!
//! A broken batch at the very end is torn; one *before* a whole batch is rotten.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

const END_MAGIC: &[u8] = b"FJL\x03";

/// The format of the engine's files that this module understands, as its `version` file says.
const FORMAT_MARKER: &[u8] = END_MAGIC;

/// Damage that must not be cut off silently.
#[derive(Debug)]
pub(super) struct Rot {
    pub(super) journal: PathBuf,
    /// Where the first broken batch begins, in bytes.
    pub(super) offset: u64,
}

/// What is behind the whole batches at the front of a journal.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing but padding.
    Clean,
    /// A broken batch, and no whole one behind it.
    Torn { offset: usize },
    /// A broken batch, and a whole one behind it.
    Rotten { offset: usize },
}

/// Checks the journals in the engine's folder, and cuts a torn tail off the newest. With
/// `cut_rot_in_newest` also a rotten one: what a power loss leaves of several unsynced batches looks
/// the same.
pub(super) fn repair(engine: &Path, cut_rot_in_newest: bool) -> io::Result<Option<Rot>> {
    if !is_known_format(engine)? {
        return Ok(None);
    }
    let mut journals = journals(engine)?;
    let newest = journals.pop_last();
    for journal in journals.into_values() {
        if let Tail::Torn { offset } | Tail::Rotten { offset } = tail(&std::fs::read(&journal)?) {
            return Ok(Some(rot(journal, offset)));
        }
    }
    let Some((_, journal)) = newest else {
        return Ok(None);
    };
    match tail(&std::fs::read(&journal)?) {
        Tail::Clean => Ok(None),
        Tail::Rotten { offset } if !cut_rot_in_newest => Ok(Some(rot(journal, offset))),
        Tail::Torn { offset } | Tail::Rotten { offset } => cut(&journal, offset).map(|()| None),
    }
}

fn is_known_format(engine: &Path) -> io::Result<bool> {
    match std::fs::read(engine.join("version")) {
        Ok(marker) => Ok(marker == FORMAT_MARKER),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Journals by number. fjall appends to the one with the highest.
fn journals(engine: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(engine)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) = number {
            found.insert(number, path);
        }
    }
    Ok(found)
}

fn rot(journal: PathBuf, offset: usize) -> Rot {
    Rot { journal, offset: offset as u64 }
}

fn cut(journal: &Path, offset: usize) -> io::Result<()> {
    tracing::warn!(
        journal = %journal.display(),
        offset,
        "cut off what a crash has torn before it was acknowledged"
    );
    let file = OpenOptions::new().write(true).open(journal)?;
    file.set_len(offset as u64)?;
    file.sync_all()
}

fn tail(journal: &[u8]) -> Tail {
    let journal = without_padding(journal);
    let mut rest = journal;
    while let Some(behind) = skip_batch(rest) {
        rest = behind;
    }
    let offset = journal.len() - rest.len();
    if rest.is_empty() {
        Tail::Clean
    } else if (1..rest.len()).any(|at| skip_batch(&rest[at..]).is_some()) {
        Tail::Rotten { offset }
    } else {
        Tail::Torn { offset }
    }
}

/// No batch ends in a zero.
fn without_padding(mut journal: &[u8]) -> &[u8] {
    // Whole pages first: a new journal is 64 MiB of zeros.
    while let Some((front, [0, ..])) = journal.split_last_chunk::<4096>()
        && journal[front.len()..] == [0; 4096]
    {
        journal = front;
    }
    let used = journal.iter().rposition(|byte| *byte != 0);
    &journal[..used.map_or(0, |last| last + 1)]
}

/// What follows the whole and intact batch at the front of `journal`.
fn skip_batch(journal: &[u8]) -> Option<&[u8]> {
    let mut rest = journal;
    if *rest.split_off_first()? != 1 {
        return None;
    }
    let count = u32::from_le_bytes(*rest.split_off(..4)?.first_chunk()?);
    rest.split_off(..8)?;
    let items = rest;
    for _ in 0..count {
        rest = skip_item(rest)?;
    }
    let checksum = xxhash_rust::xxh3::xxh3_64(&items[..items.len() - rest.len()]);
    if *rest.split_off_first()? != 3 {
        return None;
    }
    let stored = u64::from_le_bytes(*rest.split_off(..8)?.first_chunk()?);
    (stored == checksum && rest.split_off(..END_MAGIC.len())? == END_MAGIC).then_some(rest)
}

fn skip_item(mut rest: &[u8]) -> Option<&[u8]> {
    match *rest.split_off_first()? {
        2 => {
            rest.split_off(..10)?;
            let key = u16::from_le_bytes(*rest.split_off(..2)?.first_chunk()?);
            rest.split_off(..4)?;
            let stored = u32::from_le_bytes(*rest.split_off(..4)?.first_chunk()?);
            rest.split_off(..usize::from(key))?;
            rest.split_off(..stored as usize)?;
        }
        4 => {
            rest.split_off(..8)?;
        }
        _ => return None,
    }
    Some(rest)
}
