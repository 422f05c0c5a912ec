//! Dots and version vectors: which writes of a key a replica, or a client, has seen.
//!
//! ```text
//!  Dot            replica r, time t                 "the write that r took at t"
//!  VersionVector  r: [since..until] [since..until]  "of every dot that r minted for this key in these spans, I know"
//!                 s: [since..until]
//! ```
//!
//! A textbook version vector says "I know everything r did up to n". That sentence becomes a lie when r forgets
//! (its disk is lost, the key is handed off and deleted, a tombstone is reaped) and then counts on: the write
//! after the gap would claim to follow one that its writer never saw, and an acknowledged write would vanish.
//! Here a span begins where the minting replica's own unbroken memory of the key begins, so a vector never claims
//! more than was seen. While nothing is forgotten there is one span per replica and it is the textbook vector.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_64;

use super::hlc::HlcTime;
use super::node_id::NodeId;
use super::words::{self, Words};

/// Who mints dots: one copy of a key, in a data directory in one of its lives.
///
/// `directory` is drawn at random when the data directory is created; `epoch` is drawn and made durable at each start.
/// A directory that is lost, or set back to an older copy, therefore never mints under an id it used before. The copies
/// that a node keeps for others mint under [ids of their own](Self::standing_in_for).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The data directory's random id.
    pub directory: u64,
    /// The start of the process that mints: a counter in the upper 32 bits, random below.
    pub epoch: u64,
}

impl ReplicaId {
    /// The id of the copy that this replica keeps for another node.
    ///
    /// A node may keep several copies of a key, for several absent nodes, and each knows its own writes only. Under one id a
    /// span of the one would reach over dots of the other, and claim writes that its writer never saw.
    pub fn standing_in_for(self, node: &NodeId) -> Self {
        Self { directory: self.directory ^ xxh3_64(node.as_str().as_bytes()), ..self }
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{}", self.directory >> 32, self.epoch >> 32)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The name of one write of one key. No two writes of a key share a dot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who minted it.
    pub replica: ReplicaId,
    /// When, by the minting replica's hybrid logical clock.
    pub time: HlcTime,
}

impl Words<3> for Dot {
    fn to_words(&self) -> [u64; 3] {
        [self.replica.directory, self.replica.epoch, self.time.as_u64()]
    }

    fn from_words([directory, epoch, time]: [u64; 3]) -> Self {
        Self { replica: ReplicaId { directory, epoch }, time: HlcTime::from_u64(time) }
    }
}

impl Serialize for Dot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        words::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Dot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::deserialize(deserializer)
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.replica, self.time)
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Every dot of `replica` in `since..=until`, for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Whose dots.
    pub replica: ReplicaId,
    /// The first instant covered.
    pub since: HlcTime,
    /// The last instant covered.
    pub until: HlcTime,
}

impl Words<4> for Span {
    fn to_words(&self) -> [u64; 4] {
        [self.replica.directory, self.replica.epoch, self.since.as_u64(), self.until.as_u64()]
    }

    fn from_words([directory, epoch, since, until]: [u64; 4]) -> Self {
        let replica = ReplicaId { directory, epoch };
        Self { replica, since: HlcTime::from_u64(since), until: HlcTime::from_u64(until) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        words::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        words::deserialize(deserializer)
    }
}

impl Span {
    fn touches(&self, next: &Self) -> bool {
        self.replica == next.replica && next.since <= self.until
    }
}

/// A set of dots of one key, kept as spans: sorted, and disjoint within each replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Spans")]
pub struct VersionVector {
    spans: Spans,
}

/// Nearly every key has one span: it takes no memory of its own.
type Spans = SmallVec<[Span; 1]>;

impl VersionVector {
    /// The vector that has seen nothing.
    pub const fn new() -> Self {
        Self { spans: SmallVec::new_const() }
    }

    /// Whether the write named by `dot` has been seen.
    pub fn contains(&self, dot: &Dot) -> bool {
        let after = self.spans.partition_point(|span| (span.replica, span.since) <= (dot.replica, dot.time));
        after.checked_sub(1).is_some_and(|at| {
            let span = &self.spans[at];
            span.replica == dot.replica && dot.time <= span.until
        })
    }

    /// Adds a span. The caller vouches that *every* dot its replica minted within it is known.
    pub fn insert(&mut self, span: Span) {
        self.merge(&Self { spans: smallvec![span] });
    }

    /// Adds all that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.spans.is_empty() || self.spans == other.spans {
            return;
        }
        self.spans.extend_from_slice(&other.spans);
        self.spans = joined(std::mem::take(&mut self.spans));
    }

    /// Takes one dot out, as if the write that it names had not been seen. All others stay.
    pub fn remove(&mut self, dot: &Dot) {
        let Some(at) = self
            .spans
            .iter()
            .position(|span| span.replica == dot.replica && (span.since..=span.until).contains(&dot.time))
        else {
            return;
        };
        let span = self.spans.remove(at);
        let time = dot.time.as_u64();
        let before = time.checked_sub(1).map(|until| Span { until: HlcTime::from_u64(until), ..span });
        let after = time.checked_add(1).map(|since| Span { since: HlcTime::from_u64(since), ..span });
        let rest = before.into_iter().chain(after).filter(|part| part.since <= part.until);
        self.spans.insert_many(at, rest);
    }

    /// Whether everything that `other` has seen has been seen here too.
    pub fn descends(&self, other: &Self) -> bool {
        other.spans.iter().all(|theirs| {
            self.spans
                .iter()
                .any(|ours| ours.replica == theirs.replica && ours.since <= theirs.since && theirs.until <= ours.until)
        })
    }

    /// The spans, sorted by replica and time.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The greatest time that any span reaches.
    pub fn latest(&self) -> Option<HlcTime> {
        self.spans.iter().map(|span| span.until).max()
    }
}

impl Serialize for VersionVector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spans.serialize(serializer)
    }
}

impl From<Vec<Span>> for VersionVector {
    fn from(spans: Vec<Span>) -> Self {
        Self::from(Spans::from_vec(spans))
    }
}

impl From<Spans> for VersionVector {
    fn from(spans: Spans) -> Self {
        Self { spans: joined(spans) }
    }
}

/// The causal order: `Less` when the other has seen all that this has and more; `None` when each has seen something of its own.
impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.descends(other), other.descends(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

/// Sorts spans and joins those that overlap. Spans that merely follow each other stay apart: what lies between is not known.
fn joined(mut spans: Spans) -> Spans {
    spans.retain(|span| span.since <= span.until);
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let touches = last.touches(next);
        if touches {
            last.until = last.until.max(next.until);
        }
        touches
    });
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dot, HlcTime, ReplicaId, Span, VersionVector};

    fn replica() -> impl Strategy<Value = ReplicaId> {
        (0_u64..3, 0_u64..2).prop_map(|(directory, epoch)| ReplicaId { directory, epoch })
    }

    fn vector() -> impl Strategy<Value = VersionVector> {
        let span = (replica(), 0_u64..20, 0_u64..6).prop_map(|(replica, since, length)| Span {
            replica,
            since: HlcTime::from_u64(since),
            until: HlcTime::from_u64(since + length),
        });
        prop::collection::vec(span, 0..8).prop_map(VersionVector::from)
    }

    fn all_dots() -> impl Iterator<Item = Dot> {
        (0..3).flat_map(|directory| {
            (0..2).flat_map(move |epoch| {
                (0..26).map(move |time| Dot { replica: ReplicaId { directory, epoch }, time: HlcTime::from_u64(time) })
            })
        })
    }

    fn merged(a: &VersionVector, b: &VersionVector) -> VersionVector {
        let mut result = a.clone();
        result.merge(b);
        result
    }

    proptest! {
        #[test]
        fn merge_is_the_union_of_dots(a in vector(), b in vector()) {
            let both = merged(&a, &b);
            for dot in all_dots() {
                prop_assert_eq!(both.contains(&dot), a.contains(&dot) || b.contains(&dot), "{}", dot);
            }
        }

        #[test]
        fn remove_takes_out_one_dot(a in vector(), at in any::<prop::sample::Index>()) {
            let removed = *at.get(&all_dots().collect::<Vec<_>>());
            let mut without = a.clone();
            without.remove(&removed);
            for dot in all_dots() {
                prop_assert_eq!(without.contains(&dot), a.contains(&dot) && dot != removed, "{}", dot);
            }
            prop_assert_eq!(VersionVector::from(without.spans.to_vec()), without);
        }

        #[test]
        fn merge_is_commutative_associative_idempotent(a in vector(), b in vector(), c in vector()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a);
        }

        #[test]
        fn the_causal_order_is_a_partial_order(a in vector(), b in vector(), c in vector()) {
            prop_assert!(a.descends(&a));
            if a.descends(&b) && b.descends(&a) { prop_assert_eq!(&a, &b); }
            if a.descends(&b) && b.descends(&c) { prop_assert!(a.descends(&c)); }
            prop_assert!(merged(&a, &b).descends(&a));
        }

        #[test]
        fn what_descends_contains(a in vector(), b in vector()) {
            if a.descends(&b) {
                prop_assert!(all_dots().all(|dot| !b.contains(&dot) || a.contains(&dot)));
            }
        }
    }
}
