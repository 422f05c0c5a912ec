//! N, R and W, and the counting of replies until a verdict is certain.
//!
//! ```text
//!  Quorum       the three numbers, checked
//!  WriteTally   record(who, outcome) -> Pending | Reached | Failed      until W acknowledgements
//!               replace(who, spares) -> who is asked instead            where a stand-in has no room
//!  ReadTally    ask() -> whom to ask next; record(who, outcome)          until R answers; merged(), stale_replicas()
//! ```
//!
//! A verdict, once reached, stays: whatever arrives later, in whatever order and however often, changes nothing but the record
//! of who holds what. Nobody counts twice.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::node_id::NodeId;
use super::preference_list::{PreferenceList, Replica, Role, WritingToo};
use super::siblings::Siblings;

/// How many copies a key has, and how many of them a read or a write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    n: u8,
    r: u8,
    w: u8,
}

/// N, R and W contradict each other. Nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum QuorumError {
    /// A key needs at least one copy.
    #[error("n = 0: a key needs at least one copy")]
    NoCopies,
    /// More answers are asked for than there are copies, or none at all.
    #[error("r = {r} is out of range: must be 1..={n} (n = {n})")]
    ReadOutOfRange {
        /// The refused R.
        r: u8,
        /// The N it must not exceed.
        n: u8,
    },
    /// More acknowledgements are asked for than there are copies, or none at all.
    #[error("w = {w} is out of range: must be 1..={n} (n = {n})")]
    WriteOutOfRange {
        /// The refused W.
        w: u8,
        /// The N it must not exceed.
        n: u8,
    },
}

impl Quorum {
    /// Checks that 1 <= R <= N and 1 <= W <= N.
    pub fn new(n: u8, r: u8, w: u8) -> Result<Self, QuorumError> {
        if n == 0 {
            return Err(QuorumError::NoCopies);
        }
        if r == 0 || r > n {
            return Err(QuorumError::ReadOutOfRange { r, n });
        }
        if w == 0 || w > n {
            return Err(QuorumError::WriteOutOfRange { w, n });
        }
        Ok(Self { n, r, w })
    }

    /// The same quorum in a cluster with fewer members than N: every member holds a copy, and R and W are at most that many.
    ///
    /// `members` counts members, not live ones: a failure never weakens a quorum.
    pub fn in_cluster_of(self, members: usize) -> Self {
        let n = self.n.min(u8::try_from(members).unwrap_or(u8::MAX)).max(1);
        Self { n, r: self.r.min(n), w: self.w.min(n) }
    }

    /// With a request's own R and W, as far as N allows.
    pub fn wanting(self, r: Option<u8>, w: Option<u8>) -> Self {
        let within = |own: Option<u8>, default: u8| own.map_or(default, |own| own.clamp(1, self.n));
        Self { n: self.n, r: within(r, self.r), w: within(w, self.w) }
    }

    /// The least R that meets every write of W.
    pub const fn meeting(self) -> u8 {
        self.n - self.w + 1
    }

    /// Copies of each key.
    pub const fn n(self) -> usize {
        self.n as usize
    }

    /// Answers that a read waits for.
    pub const fn r(self) -> usize {
        self.r as usize
    }

    /// Durable acknowledgements that a write waits for.
    pub const fn w(self) -> usize {
        self.w as usize
    }
}

/// N, R and W by the older and by the newer of two rings: two different ones while a table's N changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorums {
    /// By the older one.
    pub before: Quorum,
    /// By the newer one, and where nothing moves.
    pub now: Quorum,
}

impl From<Quorum> for Quorums {
    fn from(quorum: Quorum) -> Self {
        Self { before: quorum, now: quorum }
    }
}

/// What is known of a request after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait for more replies.
    Pending,
    /// The quorum is met.
    Reached,
    /// The replies still to come cannot meet it any more.
    Failed,
}

/// What came of asking one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked<T, E> {
    NotYet,
    Waiting,
    Answered(T),
    Failed(E),
}

/// Counts the acknowledgements of one write. A replica is named by its place in the list that was asked.
#[derive(Clone, Debug)]
pub struct WriteTally<E> {
    needed: usize,
    /// While the partition moves: which of the places count by the other ring, and how many of those must acknowledge.
    also: Option<WritingToo>,
    /// So many of the places count by the ring for reads.
    reading: usize,
    places: Vec<Place<E>>,
    verdict: Verdict,
    /// Spares that were asked instead of a stand-in, each with the place that it took.
    replaced: Vec<(usize, NodeId)>,
}

#[derive(Clone, Debug)]
struct Place<E> {
    /// Whether its acknowledgement counts toward W.
    counts: bool,
    is_stand_in: bool,
    asked: Asked<(), E>,
}

impl<E: Clone> WriteTally<E> {
    /// All of `replicas` have been asked; `w` of them must acknowledge. A fallback's acknowledgement counts only when `sloppy`.
    pub fn new(w: usize, sloppy: bool, replicas: &[Replica]) -> Self {
        let place = |replica: &Replica| {
            let is_stand_in = replica.role != Role::Primary;
            Place { counts: sloppy || !is_stand_in, is_stand_in, asked: Asked::Waiting }
        };
        let places = replicas.iter().map(place).collect();
        let reading = replicas.len();
        let mut tally =
            Self { needed: w, also: None, reading, places, verdict: Verdict::Pending, replaced: Vec::new() };
        tally.judge();
        tally
    }

    /// All replicas of the list have been asked; `w` of those by the ring for reads must acknowledge, and while the partition moves a quorum of the
    /// others as well.
    pub fn of_list(w: usize, sloppy: bool, list: &PreferenceList) -> Self {
        let mut tally = Self::new(w, sloppy, list.replicas());
        tally.reading = list.reading().len();
        tally.also = list.writing_too().cloned();
        tally.verdict = Verdict::Pending;
        tally.judge();
        tally
    }

    /// Takes one reply. Only a replica's first reply counts.
    pub fn record(&mut self, at: usize, outcome: Result<(), E>) -> Verdict {
        if let Some(place) = self.places.get_mut(at)
            && matches!(place.asked, Asked::Waiting)
        {
            place.asked = outcome.map_or_else(Asked::Failed, Asked::Answered);
            self.judge();
        }
        self.verdict
    }

    /// The stand-in at this place has no room: the spare to ask instead, the first that this write has not asked. The place is his until he
    /// answers too. `None`: a primary holds the place, or its answer is known, or no spare is left; record the refusal then.
    pub fn replace<'a>(&mut self, at: usize, spares: &'a [NodeId]) -> Option<&'a NodeId> {
        let place = self.places.get(at)?;
        if !place.is_stand_in || !matches!(place.asked, Asked::Waiting) {
            return None;
        }
        let spare = spares.get(self.replaced.len())?;
        self.replaced.push((at, spare.clone()));
        Some(spare)
    }

    /// The spare that holds this place now; `None`: whom the list names.
    pub fn replacement(&self, at: usize) -> Option<&NodeId> {
        self.replaced.iter().rfind(|(place, _)| *place == at).map(|(_, spare)| spare)
    }

    /// What is known so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many acknowledgements count.
    pub fn acknowledged(&self) -> usize {
        self.count(|asked| matches!(asked, Asked::Answered(())))
    }

    /// The places of the replicas that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &E)> {
        self.places.iter().enumerate().filter_map(|(at, place)| match &place.asked {
            Asked::Failed(error) => Some((at, error)),
            _ => None,
        })
    }

    /// The places of the replicas that have not answered.
    pub fn outstanding(&self) -> impl Iterator<Item = usize> {
        let waits = |place: &Place<E>| matches!(place.asked, Asked::Waiting);
        self.places.iter().enumerate().filter(move |(_, place)| waits(place)).map(|(at, _)| at)
    }

    fn count(&self, which: impl Fn(&Asked<(), E>) -> bool) -> usize {
        count(self.places.iter().take(self.reading), which)
    }

    fn judge(&mut self) {
        if self.verdict != Verdict::Pending {
            return;
        }
        let by_reading_ring = judged(self.places.iter().take(self.reading), self.needed);
        let also = self.also.as_ref().map(|also| {
            let places = also.places.iter().filter_map(|at| self.places.get(*at));
            judged(places, also.w)
        });
        self.verdict = match (by_reading_ring, also.unwrap_or(Verdict::Reached)) {
            (Verdict::Failed, _) | (_, Verdict::Failed) => Verdict::Failed,
            (Verdict::Reached, Verdict::Reached) => Verdict::Reached,
            _ => Verdict::Pending,
        };
    }
}

fn count<'a, E: 'a>(places: impl Iterator<Item = &'a Place<E>>, which: impl Fn(&Asked<(), E>) -> bool) -> usize {
    places.filter(|place| place.counts && which(&place.asked)).count()
}

fn judged<'a, E: 'a>(places: impl Iterator<Item = &'a Place<E>> + Clone, needed: usize) -> Verdict {
    let acknowledged = count(places.clone(), |asked| matches!(asked, Asked::Answered(())));
    let waiting = count(places, |asked| matches!(asked, Asked::Waiting));
    if acknowledged >= needed {
        Verdict::Reached
    } else if acknowledged + waiting < needed {
        Verdict::Failed
    } else {
        Verdict::Pending
    }
}

/// Decides whom a read asks, and keeps the answers. `T` is what one replica answers.
#[derive(Clone, Debug)]
pub struct ReadTally<T, E> {
    needed: usize,
    asked: Vec<Asked<T, E>>,
    verdict: Verdict,
}

impl<T: Clone, E: Clone> ReadTally<T, E> {
    /// A read that needs `r` answers from a list of `replicas` replicas, none of which has been asked.
    pub fn new(r: usize, replicas: usize) -> Self {
        let verdict = if replicas < r { Verdict::Failed } else { Verdict::Pending };
        Self { needed: r, asked: vec![Asked::NotYet; replicas], verdict }
    }

    /// The next replica worth asking so that R answers can come in, if one is still needed.
    ///
    /// Call until it returns `None`, at the start and after each failure.
    pub fn ask(&mut self) -> Option<usize> {
        if self.verdict != Verdict::Pending || self.answered() + self.waiting() >= self.needed {
            return None;
        }
        self.ask_another()
    }

    /// Whether some replica has not been asked.
    pub fn can_ask_another(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, Asked::NotYet))
    }

    /// One more replica than needed: a hedge against those that are slow.
    pub fn ask_another(&mut self) -> Option<usize> {
        let at = self.asked.iter().position(|asked| matches!(asked, Asked::NotYet))?;
        self.asked[at] = Asked::Waiting;
        Some(at)
    }

    /// Takes one answer; "I hold nothing" is an answer with empty siblings. Only a replica's first answer counts.
    pub fn record(&mut self, at: usize, outcome: Result<T, E>) -> Verdict {
        if matches!(self.asked.get(at), Some(Asked::Waiting)) {
            self.asked[at] = outcome.map_or_else(Asked::Failed, Asked::Answered);
            self.judge();
        }
        self.verdict
    }

    /// What is known so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many have answered.
    pub fn answered(&self) -> usize {
        self.asked.iter().filter(|asked| matches!(asked, Asked::Answered(_))).count()
    }

    /// How many have been asked and not answered.
    pub fn waiting(&self) -> usize {
        self.asked.iter().filter(|asked| matches!(asked, Asked::Waiting)).count()
    }

    /// The places of the replicas that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &E)> {
        self.asked.iter().enumerate().filter_map(|(at, asked)| match asked {
            Asked::Failed(error) => Some((at, error)),
            _ => None,
        })
    }

    /// The places of the replicas that were asked and have not answered.
    pub fn silent(&self) -> impl Iterator<Item = usize> {
        self.asked.iter().enumerate().filter(|(_, asked)| matches!(asked, Asked::Waiting)).map(|(at, _)| at)
    }

    /// The answers so far, with the places of those who gave them.
    pub fn answers(&self) -> impl Iterator<Item = (usize, &T)> {
        self.asked.iter().enumerate().filter_map(|(at, asked)| match asked {
            Asked::Answered(siblings) => Some((at, siblings)),
            _ => None,
        })
    }

    fn judge(&mut self) {
        if self.verdict != Verdict::Pending {
            return;
        }
        let failed = self.asked.iter().filter(|asked| matches!(asked, Asked::Failed(_))).count();
        if self.answered() >= self.needed {
            self.verdict = Verdict::Reached;
        } else if self.asked.len() - failed < self.needed {
            self.verdict = Verdict::Failed;
        }
    }
}

impl<E: Clone> ReadTally<Siblings, E> {
    /// All that the answers so far know together.
    pub fn merged(&self) -> Siblings {
        let mut answers = self.answers().map(|(_, siblings)| siblings);
        let mut merged = answers.next().cloned().unwrap_or_default();
        answers.for_each(|siblings| merged.merge(siblings));
        merged
    }

    /// What the answers say, if all say the same; else the tally as it is.
    pub fn unanimous(self) -> Result<Siblings, Self> {
        let first = self.answers().next().map(|(_, siblings)| siblings);
        if self.answers().any(|(_, siblings)| Some(siblings) != first) {
            return Err(self);
        }
        let answered = |asked| if let Asked::Answered(siblings) = asked { Some(siblings) } else { None };
        Ok(self.asked.into_iter().find_map(answered).unwrap_or_default())
    }

    /// The replicas whose answer lacks something that `merged` has: they need read repair.
    pub fn stale_replicas(&self, merged: &Siblings) -> Vec<usize> {
        self.answers().filter(|(_, siblings)| *siblings != merged).map(|(at, _)| at).collect()
    }
}

#[cfg(test)]
#[path = "quorum_tests.rs"]
mod tests;
