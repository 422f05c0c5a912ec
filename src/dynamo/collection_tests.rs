use proptest::prelude::*;

use super::{CopyState, Kept, KeptCounts, dead_since_ms, verdict};
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::siblings::{Change, Mint, Siblings};
use crate::dynamo::version::{Dot, ReplicaId, VersionVector};

fn node(at: usize) -> NodeId {
    NodeId::new(&format!("n{at}")).unwrap()
}

fn written(siblings: &mut Siblings, at_ms: u64, value: Option<&'static str>, expires_at_ms: Option<u64>) {
    let time = HlcTime::from_unix_ms(at_ms);
    let dot = Dot { replica: ReplicaId { directory: at_ms, epoch: 1 }, time };
    let change = Change { value: value.map(|text| text.as_bytes().into()), expires_at_ms, tenure: 0 };
    siblings.write(&VersionVector::new(), Mint { dot, since: time }, change);
}

fn answers() -> impl Strategy<Value = Vec<Option<CopyState>>> {
    let states = [CopyState::Same, CopyState::Absent, CopyState::Other, CopyState::Hinted];
    let state = prop::option::weighted(0.95, prop::sample::select(states.to_vec()));
    prop::collection::vec(state, 1..8)
}

proptest! {
    /// It may go if and only if everybody answered, all primaries hold it, and nobody holds anything else.
    #[test]
    fn whatever_could_bring_it_back_keeps_it(answers in answers(), primaries in 1..4_usize) {
        let members: Vec<NodeId> = (0..answers.len()).map(node).collect();
        let place = |member: &NodeId| members.iter().position(|other| other == member).unwrap();
        let found = verdict(members.iter(), |member| place(member) < primaries, |member| answers[place(member)]);
        let may_go = answers.iter().enumerate().all(|(at, answer)| match answer {
            Some(CopyState::Same) => true,
            Some(CopyState::Absent) => at >= primaries,
            _ => false,
        });
        prop_assert_eq!(found.is_ok(), may_go);
        if let Err(Kept::Hinted(who)) = &found {
            prop_assert_eq!(answers[place(who)], Some(CopyState::Hinted));
        }
        if let Err(Kept::Unknown(who)) = &found {
            prop_assert_eq!(answers[place(who)], None);
        }
    }
}

#[test]
fn a_record_is_dead_when_none_of_its_versions_can_be_read() {
    let mut siblings = Siblings::default();
    assert_eq!(dead_since_ms(&siblings), None, "nothing was ever there");
    written(&mut siblings, 5_000, None, None);
    assert_eq!(dead_since_ms(&siblings), Some(5_000));
    written(&mut siblings, 6_000, None, None);
    assert_eq!(dead_since_ms(&siblings), Some(6_000), "the younger one counts");
    written(&mut siblings, 5_500, Some("v"), Some(9_000));
    assert_eq!(dead_since_ms(&siblings), None, "a value, if only until its time");
    assert!(siblings.reap(10_000));
    assert_eq!(dead_since_ms(&siblings), Some(9_000), "until then somebody could read it");
}

#[test]
fn counts_add_up_by_reason() {
    let (mut ours, mut theirs) = (KeptCounts::default(), KeptCounts::default());
    ours.add(Kept::Young, false, 70);
    ours.add(Kept::Young, false, 60);
    theirs.add(Kept::Young, false, 50);
    theirs.add(Kept::Young, true, 40);
    ours.merge(&theirs);
    let rows: Vec<_> =
        ours.iter().map(|(why, expired, count)| (why, expired, count.records, count.oldest_ms)).collect();
    assert_eq!(rows, [(&Kept::Young, false, 3, Some(50)), (&Kept::Young, true, 1, Some(40))]);
    assert_eq!(ours.total(), 4);
}
