//! What must follow from the writes of a key, whatever went wrong.
//!
//! ```text
//!   in every read     nothing is shown beside what supersedes it, twice, after its time, or without having been written;
//!                     a value is what was written; a dot names one write; siblings are no more than writers that did not see each other
//!   in the last one,  every acknowledged write is shown, or superseded by what is shown or by a delete, or expired;
//!   and in each where nothing is shown that an acknowledged delete has superseded
//!   R + W > N holds
//! ```
//!
//! Each rule answers with the write that is concerned and what is wrong.

use std::collections::BTreeSet;

use super::bits::Bits;
use super::history::{KeyHistory, Outcome, Promises, Reading, Shown, Write};

type Found = Vec<(String, String)>;

/// What no read may show.
pub(super) fn contradictions(
    history: &mut KeyHistory,
    promises: &Promises,
    shown: &[Shown],
    reading: &Reading,
) -> Found {
    let names = names(shown);
    let mut found = Found::new();
    let mut met = Bits::default();
    let superseded = history.past_of(places(history, shown));
    for one in shown {
        let mut wrong = |what: String| found.push((one.name.clone(), format!("{} {what}: {names:?}", one.name)));
        let Some(at) = history.places.get(&one.name).copied() else {
            wrong("was never written, and is shown".to_owned());
            continue;
        };
        let write = &history.writes[at];
        // The second copy of a write that was sent twice has a dot of its own, which nobody has read.
        if superseded.contains(at) && !write.is_resent {
            wrong("is shown beside what supersedes it".to_owned());
        }
        if met.contains(at) && !write.is_resent {
            wrong("is shown twice".to_owned());
        }
        met.insert(at);
        if write.outcome == Outcome::NotApplied {
            wrong("was answered with \"nothing was written\", and is shown".to_owned());
        }
        if write.intent.elements != one.elements {
            wrong(format!("is not what was written: {:?} instead of {:?}", one.elements, write.intent.elements));
        }
        if shown_until_ms(write, promises).is_some_and(|until_ms| until_ms < reading.began_ms) {
            wrong("is shown after its time".to_owned());
        }
        let owner = *history.dots.entry(one.dot).or_insert(at);
        if owner != at {
            wrong(format!("has the dot of {}", history.writes[owner].intent.name));
        }
    }
    found.extend(crowd(history, promises, shown));
    found
}

/// Who hands back what he has read has one version beside those whose fate he never learned.
fn crowd(history: &KeyHistory, promises: &Promises, shown: &[Shown]) -> Option<(String, String)> {
    if !(promises.nobody_writes_blindly && promises.reads_see_acknowledged) {
        return None;
    }
    let authors: BTreeSet<&String> = history.writes.iter().map(|write| &write.intent.author).collect();
    let open = |write: &&Write| write.outcome != Outcome::Acknowledged || write.is_resent;
    let writers = authors.len() + history.writes.iter().filter(open).count();
    let last = shown.last()?;
    (shown.len() > writers)
        .then(|| (last.name.clone(), format!("{} siblings of {writers} writers: {:?}", shown.len(), names(shown))))
}

/// What a read has to show because it was acknowledged before, and what it must not show because it was deleted before.
pub(super) fn staleness(
    history: &KeyHistory,
    promises: &Promises,
    shown: &[Shown],
    reading: &Reading,
    now_ms: u64,
) -> Found {
    let names = names(shown);
    let mut hidden = history.past_of(places(history, shown));
    places(history, shown).for_each(|at| hidden.insert(at));
    for (at, write) in history.writes.iter().enumerate() {
        if may_hide(write, promises, now_ms) {
            hidden.insert(at);
            hidden.extend(&write.past);
        }
    }
    let name = |at: usize| history.writes[at].intent.name.clone();
    let lost = reading.acknowledged.without(&hidden).map(name);
    let lost = lost.map(|name| (name.clone(), format!("{name} was acknowledged, and is lost: {names:?}")));
    let returned = places(history, shown).filter(|at| reading.deleted.contains(*at) && !history.writes[*at].is_resent);
    let returned = returned.map(name);
    let returned = returned.map(|name| (name.clone(), format!("{name} was deleted, and has come back: {names:?}")));
    lost.chain(returned).collect()
}

/// Whether a write may have taken effect without being shown.
fn may_hide(write: &Write, promises: &Promises, now_ms: u64) -> bool {
    let hides = write.intent.deletes || hidden_from_ms(write, promises).is_some_and(|from_ms| from_ms <= now_ms);
    hides && write.outcome != Outcome::NotApplied
}

/// From when on a value that expires may be hidden.
fn hidden_from_ms(write: &Write, promises: &Promises) -> Option<u64> {
    let ttl_ms = write.intent.ttl_ms?;
    Some(promises.clock_error_max_ms.map_or(0, |error_ms| (write.began_ms + ttl_ms).saturating_sub(error_ms)))
}

/// Until when a value that expires may be shown. Nobody knows when a write without an answer was done.
fn shown_until_ms(write: &Write, promises: &Promises) -> Option<u64> {
    let (ttl_ms, done_ms) = (write.intent.ttl_ms?, write.acknowledged_ms.filter(|_| !write.is_resent)?);
    promises.clock_error_max_ms.map(|error_ms| done_ms + ttl_ms + error_ms)
}

/// Sets: what was added is in one of the versions, unless somebody took it out.
pub(super) fn lost_elements(history: &KeyHistory, shown: &[Shown]) -> Found {
    let kept: BTreeSet<&String> = shown.iter().flat_map(|one| &one.elements).collect();
    let removed = |write: &&Write| write.outcome != Outcome::NotApplied;
    let removed: BTreeSet<&String> =
        history.writes.iter().filter(removed).filter_map(|write| write.intent.removes.as_ref()).collect();
    let added = |write: &&Write| write.outcome == Outcome::Acknowledged;
    let added = history.writes.iter().filter(added).map(|write| &write.intent);
    let added = added.filter(|intent| intent.elements.contains(&intent.name)).map(|intent| &intent.name);
    let lost = added.filter(|name| !kept.contains(name) && !removed.contains(name));
    lost.map(|name| (name.clone(), format!("{name} was added to the set, and is in no version of it: {kept:?}")))
        .collect()
}

fn places<'a>(history: &'a KeyHistory, shown: &'a [Shown]) -> impl Iterator<Item = usize> + 'a {
    shown.iter().filter_map(|one| history.places.get(&one.name).copied())
}

fn names(shown: &[Shown]) -> Vec<&str> {
    shown.iter().map(|one| one.name.as_str()).collect()
}
