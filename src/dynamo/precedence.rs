//! Which version stays where only one does, and what a new write finds in its way.
//!
//! ```text
//!   rank = (tenure, time, replica)        the greatest stays
//!
//!   put a ──▶ acknowledged      put b ──▶ by another node, whose clock is behind: b has the smaller time
//!                                    ◀── Objection::Time: a replica holds a       b is given a new dot, beyond that time
//! ```
//!
//! Ranks alone would let a write be acknowledged that nobody ever sees: an earlier one stays, because it was made by a clock that is ahead,
//! or in a newer ring. W replicas that hold an acknowledged write and W that are asked for the next one have one in common, and that one objects.

use serde::{Deserialize, Serialize};

use super::hlc::HlcTime;
use super::siblings::{Siblings, Version};

/// What a write does not put up with: a replica that holds it objects, and does not take the write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Insistence {
    /// Whatever has the greatest rank stays. So it is with copies of what is known already, and with siblings.
    #[default]
    Nothing,
    /// A version of a later tenure.
    Tenure,
    /// A version of a later tenure, or one of the same tenure with a greater time.
    Rank,
}

/// What is in the way of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// A version of this tenure: the writer must learn of the ring in which it began.
    Tenure(u64),
    /// A version with this time: the writer must take a greater one.
    Time(HlcTime),
}

/// What a replica that holds `held` objects to a write that leaves `written`.
pub fn objection(held: &Siblings, written: &Siblings, insists: Insistence) -> Option<Objection> {
    let (held, written) = (winner(held)?, winner(written)?);
    match insists {
        Insistence::Nothing => None,
        _ if held.tenure > written.tenure => Some(Objection::Tenure(held.tenure)),
        Insistence::Rank if held.rank() > written.rank() => Some(Objection::Time(held.dot.time)),
        Insistence::Rank | Insistence::Tenure => None,
    }
}

/// The tenure of what is held, where it is later than this one.
pub fn later_tenure(held: &Siblings, tenure: u64) -> Option<u64> {
    winner(held).map(|version| version.tenure).filter(|held| *held > tenure)
}

/// The version that stays.
fn winner(siblings: &Siblings) -> Option<&Version> {
    siblings.versions().iter().max_by_key(|version| version.rank())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::{Insistence, Objection, later_tenure, objection};
    use crate::dynamo::hlc::{Hlc, HlcTime};
    use crate::dynamo::siblings::{Change, Mint, Siblings};
    use crate::dynamo::version::{Dot, ReplicaId};

    const N: usize = 5;
    const W: usize = 3;

    struct Replica {
        id: ReplicaId,
        clock: Hlc,
        /// How far its wall clock is ahead, in ms.
        ahead_ms: u64,
        /// The tenure that it knows.
        tenure: u64,
        held: Siblings,
    }

    impl Replica {
        fn numbered(number: u64, ahead_ms: u64) -> Self {
            let id = ReplicaId { directory: number, epoch: 1 << 32 };
            Self { id, clock: Hlc::starting_above(HlcTime::default()), ahead_ms, tenure: 0, held: Siblings::default() }
        }

        fn mint(&mut self, value: usize, now_ms: u64, above: Option<HlcTime>) -> Siblings {
            self.held.latest().into_iter().chain(above).for_each(|time| self.clock.advance_past(time));
            self.tenure = later_tenure(&self.held, self.tenure).unwrap_or(self.tenure);
            let dot = Dot { replica: self.id, time: self.clock.tick(now_ms + self.ahead_ms) };
            let value = Some(Bytes::copy_from_slice(&value.to_le_bytes()));
            let change = Change { value, expires_at_ms: None, tenure: self.tenure };
            let seen = self.held.context().clone();
            self.held.write(&seen, Mint { dot, since: dot.time }, change);
            self.held.keep_latest();
            self.held.clone()
        }

        fn take(&mut self, written: &Siblings, insists: Insistence) -> Option<Objection> {
            let objection = objection(&self.held, written, insists);
            if objection.is_none() {
                self.held.merge(written);
                self.held.keep_latest();
            }
            objection
        }
    }

    fn number(siblings: &Siblings) -> Option<usize> {
        let value = siblings.versions().first()?.value.as_ref()?;
        Some(usize::from_le_bytes(value.as_ref().try_into().ok()?))
    }

    /// A put as a coordinator makes it: minted by the first of these, taken by all of them.
    fn put(replicas: &mut [Replica], among: &[usize], value: usize, now_ms: u64) -> u32 {
        let (minter, mut above, mut rounds) = (among[0], None, 0);
        loop {
            rounds += 1;
            let written = replicas[minter].mint(value, now_ms, above);
            let insists = if above.is_some() { Insistence::Tenure } else { Insistence::Rank };
            let objections: Vec<Objection> =
                among[1..].iter().filter_map(|at| replicas[*at].take(&written, insists)).collect();
            let tenure = objections
                .iter()
                .filter_map(|one| if let Objection::Tenure(tenure) = one { Some(*tenure) } else { None });
            let time =
                objections.iter().filter_map(|one| if let Objection::Time(time) = one { Some(*time) } else { None });
            match (tenure.max(), time.max()) {
                (Some(tenure), _) => replicas[minter].tenure = tenure,
                (None, None) => return rounds,
                (None, later) => above = later,
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_asks_as_many_as_must_know_sees_the_last_write(
            ahead_ms in prop::collection::vec(0_u64..300, N),
            puts in prop::collection::vec((subsequence((0..N).collect::<Vec<_>>(), W).prop_shuffle(), 0_u64..40, any::<bool>()), 1..40),
            asked in subsequence((0..N).collect::<Vec<_>>(), N - W + 1),
        ) {
            let mut replicas: Vec<Replica> = (0..).zip(&ahead_ms).map(|(number, ahead)| Replica::numbered(number, *ahead)).collect();
            let mut now_ms = 0;
            for (value, (among, passed_ms, begins_tenure)) in puts.iter().enumerate() {
                now_ms += passed_ms;
                if *begins_tenure {
                    // Only whoever mints has heard of it.
                    let newest = replicas.iter().map(|replica| replica.tenure).max().unwrap_or(0);
                    replicas[among[0]].tenure = newest + 1;
                }
                prop_assert!(put(&mut replicas, among, value, now_ms) <= 3, "a tenure and a time, each asked for once");
                let mut read = Siblings::default();
                asked.iter().for_each(|at| read.merge(&replicas[*at].held));
                read.keep_latest();
                prop_assert_eq!(number(&read), Some(value));
            }
        }
    }

    #[test]
    fn what_is_no_news_is_never_objected_to() {
        let (mut ahead, mut behind) = (Replica::numbered(1, 100), Replica::numbered(2, 0));
        let first = ahead.mint(1, 0, None);
        let second = behind.mint(2, 0, None);
        assert_eq!(objection(&first, &second, Insistence::Nothing), None);
        assert_eq!(objection(&first, &second, Insistence::Tenure), None);
        assert!(matches!(objection(&first, &second, Insistence::Rank), Some(Objection::Time(_))));
        assert_eq!(objection(&first, &first, Insistence::Rank), None, "the same write, once more");
        assert_eq!(objection(&second, &first, Insistence::Rank), None);
        assert_eq!(objection(&Siblings::default(), &second, Insistence::Rank), None);
    }
}
