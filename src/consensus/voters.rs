//! Who of the members shall vote: one step at a time toward as many voters as are useful, all of them members that are there.

use std::collections::BTreeMap;

use super::forms::{Electorate, MemberChange, Rank};

/// More voters than this make every decision slower and hardly safer.
pub const VOTERS_MAX: usize = 5;

/// What is known of a member of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It can be reached, or could be lately.
    pub is_there: bool,
    /// It has all that is agreed on.
    pub has_caught_up: bool,
    /// It is not about to leave.
    pub stays: bool,
}

/// The next change of the electorate; `None`: it is as it should be, or nobody can be promoted now. `members` are the numbers of the cluster's
/// members, `leader` is the one who decides.
///
/// 1. Numbers that belong to no member any more leave, voters first: a lost disk must not count.
/// 2. Every member takes part, to begin with as a learner.
/// 3. As long as there are too few voters, or one of them is gone, a learner that is there and has caught up is promoted.
/// 4. Then, if there are too many, one that is gone is demoted; else any but the leader.
///
/// A member that is about to leave counts as gone, and for no voter that is wanted: so it votes no longer when it goes. A leader that is about to
/// leave gives the lead to somebody else first.
pub fn next_change(electorate: &Electorate, members: &BTreeMap<u64, Candidate>, leader: u64) -> Option<MemberChange> {
    let change = |member: u64, rank: Rank| Some(MemberChange { member, rank });
    // The last voter cannot leave, and whoever leads sees to it that others vote before.
    let is_over = |member: &u64| !members.contains_key(member) && *member != leader;
    if let Some(over) = electorate.voters.iter().chain(&electorate.learners).copied().find(is_over) {
        return change(over, Rank::None);
    }
    if let Some(new) = members.keys().copied().find(|member| electorate.rank(*member) == Rank::None) {
        return change(new, Rank::Learner);
    }
    let stays = |member: &u64| members.get(member).is_none_or(|known| known.stays);
    let is_there =
        |member: &u64| stays(member) && (*member == leader || members.get(member).is_some_and(|known| known.is_there));
    let there = electorate.voters.iter().filter(|voter| is_there(voter)).count();
    // A leader that is about to leave votes as long as it leads, and stands for nobody who stays.
    let beside = usize::from(!stays(&leader));
    let staying = members.values().filter(|known| known.stays).count();
    let wanted = wanted_voters(staying.max(1)).min(VOTERS_MAX - beside);
    if there < wanted
        && let Some(next) = electorate.learners.iter().copied().find(|learner| {
            members.get(learner).is_some_and(|known| known.is_there && known.has_caught_up && known.stays)
        })
    {
        return change(next, Rank::Voter);
    }
    if electorate.voters.len() > wanted + beside {
        let gone = electorate.voters.iter().copied().find(|voter| !is_there(voter) && *voter != leader);
        let other = electorate.voters.iter().copied().rev().find(|voter| *voter != leader);
        return gone.or(other).and_then(|voter| change(voter, Rank::Learner));
    }
    None
}

/// An even number of voters survives no more losses than one fewer; two are better than one, for then one loss loses no decision.
fn wanted_voters(members: usize) -> usize {
    match members.min(VOTERS_MAX) {
        4 => 3,
        count => count,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Applies changes until there are none, or too many were needed.
    fn settle(electorate: &mut Electorate, members: &BTreeMap<u64, Candidate>, leader: u64) -> usize {
        for step in 0..200 {
            let Some(MemberChange { member, rank }) = next_change(electorate, members, leader) else { return step };
            electorate.voters.retain(|known| *known != member);
            electorate.learners.retain(|known| *known != member);
            match rank {
                Rank::Voter => electorate.voters.push(member),
                Rank::Learner => electorate.learners.push(member),
                Rank::None => {}
            }
            electorate.voters.sort_unstable();
            electorate.learners.sort_unstable();
            assert!(electorate.voters.contains(&leader), "the leader stays a voter");
        }
        panic!("it does not settle: {electorate:?} {members:?}");
    }

    proptest! {
        #[test]
        fn it_settles_with_every_member_in_and_enough_voters_that_are_there(
            there in prop::collection::vec(any::<(bool, bool)>(), 1..12),
            voters in prop::collection::btree_set(0_u64..15, 1..8),
            learners in prop::collection::btree_set(0_u64..15, 0..8),
        ) {
            let candidate = |(is_there, stays): &(bool, bool)| Candidate { is_there: *is_there, has_caught_up: true, stays: *stays };
            let members: BTreeMap<u64, Candidate> = (1..).zip(there.iter().map(candidate)).collect();
            let leader = *voters.iter().find(|voter| members.contains_key(voter)).unwrap_or(&1);
            let voters = voters.into_iter().chain([leader]).collect::<std::collections::BTreeSet<_>>();
            let learners = learners.difference(&voters).copied().collect();
            let mut electorate = Electorate { voters: voters.into_iter().collect(), learners };
            settle(&mut electorate, &members, leader);
            let in_it: Vec<u64> = { let mut all: Vec<u64> = electorate.members().collect(); all.sort_unstable(); all };
            prop_assert_eq!(in_it, members.keys().copied().collect::<Vec<_>>());
            prop_assert!(electorate.voters.len() <= VOTERS_MAX);
            let beside = usize::from(members.get(&leader).is_some_and(|known| !known.stays));
            let staying = members.values().filter(|known| known.stays).count();
            let wanted = wanted_voters(staying.max(1)).min(VOTERS_MAX - beside);
            let is_present = |id: u64, known: &Candidate| known.stays && (known.is_there || id == leader);
            let present = members.iter().filter(|(id, known)| is_present(**id, known)).count();
            let voting = electorate.voters.iter().filter(|id| is_present(**id, &members[id])).count();
            prop_assert!(voting >= wanted.min(present), "{voting} of {wanted}: {electorate:?}");
            let leaving = electorate.voters.iter().filter(|id| !members[id].stays && **id != leader).count();
            let replaceable = members.values().filter(|known| known.stays && known.is_there).count() >= wanted;
            prop_assert!(leaving == 0 || !replaceable, "{electorate:?}: whoever leaves votes although enough others could");
        }
    }

    #[test]
    fn whoever_has_not_caught_up_is_not_promoted() {
        let slow = Candidate { is_there: true, has_caught_up: false, stays: true };
        let members = BTreeMap::from([(1, Candidate { has_caught_up: true, ..slow }), (2, slow)]);
        let electorate = Electorate { voters: vec![1], learners: vec![2] };
        assert_eq!(next_change(&electorate, &members, 1), None);
    }
}
