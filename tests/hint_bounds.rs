//! Hints are bounded in bytes and in age. What is not kept does not count toward W, fails no write that can do without it, and is remembered,
//! durably, as a range that has to be compared.

mod virtual_cluster;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use slipring::dynamo::claim::claim;
use slipring::dynamo::hint::HintBounds;
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::precedence::Insistence;
use slipring::dynamo::preference_list::Role;
use slipring::dynamo::ring::Member;
use slipring::dynamo::siblings::{Change, Mint, Siblings};
use slipring::dynamo::version::{Dot, ReplicaId, VersionVector};
use slipring::item::Conflict;
use slipring::messages::TraceId;
use slipring::messages::client::{FailureReason, PutError, WhereReplica, WriteOutcome};
use slipring::messages::hints::DirtyRange;
use slipring::messages::repair::{MarkDirty, MarkDirtyError};
use slipring::messages::replica::{CoordinateWriteError, Slot, WriteReplica, WriteReplicaError};
use slipring::messages::together::Together;
use slipring::metrics::HintLoss;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use virtual_cluster::{HINT_BOUNDS, Link, VirtualCluster, on_one_thread, values};

const VALUE_BYTES: usize = 200;

/// The longest that one hint of such a value takes beyond its value.
const OVERHEAD_BYTES: u64 = 300;

const LITTLE: HintBounds = HintBounds { max_bytes: 4 << 10, max_age_ms: 3_600_000 };

async fn settled() {
    sleep(Duration::from_secs(3)).await;
}

fn value(number: usize) -> String {
    format!("{number:0>VALUE_BYTES$}")
}

fn dirty(ranges: &[DirtyRange]) -> BTreeSet<(u32, String)> {
    ranges.iter().map(|range| (range.partition.0, range.peer.to_string())).collect()
}

/// All ranges that any node knows to be dirty.
async fn all_dirty(cluster: &VirtualCluster) -> BTreeSet<(u32, String)> {
    let mut all = BTreeSet::new();
    for at in 0..cluster.names.len() {
        all.extend(dirty(&cluster.hint_survey(at).await.dirty));
    }
    all
}

fn lost(cluster: &VirtualCluster, why: HintLoss) -> bool {
    let sample = format!("slipring_hints_dropped_total{{reason=\"{}\"}}", why.label());
    cluster.metrics.render().lines().any(|line| line.starts_with(&sample))
}

/// Compares nothing, and remembers durably what it is told.
struct Comparer {
    told: UnboundedSender<(u32, String)>,
    refuses: bool,
}

impl Actor for Comparer {
    type Context = Context<Self>;
}

impl Handler<MarkDirty> for Comparer {
    type Result = Result<(), MarkDirtyError>;

    fn handle(&mut self, mark: MarkDirty, _: &mut Self::Context) -> Self::Result {
        let _ = self.told.send((mark.partition.0, mark.peer.to_string()));
        if self.refuses { Err(MarkDirtyError { reason: "no space".to_owned() }) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_writes_go_on_and_the_range_is_dirty() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start_with_hints(4, (3, 2, 2), true, LITTLE);
        cluster.see(&[0, 1, 2]).await;
        for number in 0..200 {
            cluster.put(number % 3, &format!("k{number}"), &value(number), None).await.expect("two of three hold it");
        }
        settled().await;
        let mut kept = 0;
        for at in 0..3 {
            for waiting in cluster.hint_survey(at).await.waiting {
                assert!(waiting.pending.bytes <= LITTLE.max_bytes + OVERHEAD_BYTES, "{waiting:?}");
                kept += waiting.pending.keys;
            }
        }
        assert!(kept > 10, "what there is room for is kept: {kept}");
        assert!(lost(&cluster, HintLoss::Full));
        let dirty = all_dirty(&cluster).await;
        assert!(dirty.len() > 10 && dirty.iter().all(|(_, node)| node == "n3"), "{dirty:?}");

        (0..3).for_each(|at| cluster.crash(at));
        assert_eq!(all_dirty(&cluster).await, dirty, "it survives a crash");

        // Every write that the node missed has a hint or a dirty range.
        (0..3).for_each(|at| cluster.start_handoff(at, None));
        cluster.see(&[0, 1, 2, 3]).await;
        settled().await;
        for at in 0..3 {
            assert_eq!(cluster.hints_kept(at).await, 0, "what was kept is handed over");
        }
        for number in 0..200 {
            let place = cluster.place(3, &format!("k{number}")).await;
            let own = place.replicas.iter().find(|replica| replica.node == cluster.names[3]);
            if let Some(own) = own {
                let holds = own.holds.as_ref().is_ok_and(|held| !held.versions().is_empty());
                assert!(holds || dirty.contains(&(place.partition.0, "n3".to_owned())), "k{number}");
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_does_not_count_toward_w() {
    on_one_thread(async {
        let none = HintBounds { max_bytes: 1, ..LITTLE };
        let mut cluster = VirtualCluster::start_with_hints(4, (3, 2, 2), true, none);
        let primaries = cluster.primaries("k");
        let alive: Vec<usize> = (0..4).filter(|at| *at != primaries[2]).collect();
        cluster.see(&alive).await;
        cluster.put_w(primaries[0], "k", "two", None, Some(2)).await.expect("two primaries hold it");
        let refused = cluster.put_w(primaries[0], "k", "three", None, Some(3)).await;
        let Err(PutError::QuorumNotReached { needed: 3, got: 2, failures, outcome: WriteOutcome::Unknown }) = refused
        else {
            panic!("{refused:?}");
        };
        let full = |reason: &FailureReason| matches!(reason, FailureReason::Write(WriteReplicaError::HintsFull { .. }));
        assert!(failures.iter().any(|failure| full(&failure.reason)), "{failures:?}");

        // A stand-in that would have to mint passes it on to a primary.
        let stand_in = *alive.iter().find(|at| !primaries.contains(at)).expect("four nodes");
        cluster.put(stand_in, "k", "through the stand-in", None).await.expect("two primaries hold it");
        // With no primary left nobody has room, and nothing is written.
        cluster.see(&[stand_in]).await;
        let refused = cluster.put_w(stand_in, "k", "alone", None, Some(1)).await;
        let Err(PutError::QuorumNotReached { got: 0, failures, outcome: WriteOutcome::NotApplied, .. }) = refused
        else {
            panic!("{refused:?}");
        };
        let full = |reason: &FailureReason| {
            matches!(reason, FailureReason::Coordinate(CoordinateWriteError::HintsFull { .. }))
        };
        assert!(failures.iter().any(|failure| full(&failure.reason)), "{failures:?}");
    })
    .await;
}

/// From now on this node has no room for anything more for `target`.
async fn fill_hints(cluster: &VirtualCluster, at: usize, target: usize) {
    let time = HlcTime::from_unix_ms(cluster.clock.load(Ordering::Relaxed));
    let replica = ReplicaId { directory: 99, epoch: 1 << 32 };
    let waiting = cluster.hint_survey(at).await.waiting;
    let held = waiting.iter().find(|waiting| waiting.pending.target == cluster.names[target]);
    let free = LITTLE.max_bytes - held.map_or(0, |held| held.pending.bytes);
    let big = vec![0; usize::try_from(free).expect("few")];
    let mut siblings = Siblings::default();
    let change = Change { value: Some(big.into()), expires_at_ms: None, tenure: 0 };
    siblings.write(&VersionVector::new(), Mint { dot: Dot { replica, time }, since: time }, change);
    let (together, answer) = Together::alone(WriteReplica {
        trace: TraceId::default(),
        epoch: 1,
        key: cluster.record_key("big"),
        slot: Slot::HintFor(cluster.names[target].clone()),
        siblings,
        conflict: Conflict::Siblings,
        insists: Insistence::Nothing,
    });
    cluster.nodes[at].do_send(together);
    answer.await.expect("the node lives").expect("there is room for it");
}

/// Who keeps a hint of this key for whom.
async fn keepers(cluster: &VirtualCluster, through: usize, key: &str) -> BTreeSet<(String, String)> {
    let place = cluster.place(through, key).await;
    let hint = |replica: &WhereReplica| match &replica.role {
        Role::Fallback { for_node } if replica.holds.as_ref().is_ok_and(|held| !held.versions().is_empty()) => {
            Some((replica.node.to_string(), for_node.to_string()))
        }
        _ => None,
    };
    place.replicas.iter().filter_map(hint).collect()
}

/// The stand-ins of a key, as things are, and for whom each of them stands in.
async fn stand_ins(cluster: &VirtualCluster, through: usize, key: &str) -> Vec<(usize, usize)> {
    let at = |node: &NodeId| cluster.names.iter().position(|name| name == node).expect("a member");
    let place = cluster.place(through, key).await;
    let stand_in = |replica: &WhereReplica| match &replica.role {
        Role::Primary => None,
        Role::Fallback { for_node } => Some((at(&replica.node), at(for_node))),
    };
    place.replicas.iter().filter_map(stand_in).collect()
}

#[tokio::test(start_paused = true)]
async fn where_a_stand_in_is_full_the_next_one_stands_in() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start_with_hints(6, (3, 2, 3), true, LITTLE);
        let primaries = cluster.primaries("k");
        let (here, away) = (primaries[0], primaries[2]);
        let alive: Vec<usize> = (0..6).filter(|at| *at != away).collect();
        cluster.see(&alive).await;
        let [(chosen, _)] = stand_ins(&cluster, here, "k").await[..] else { panic!("one stands in") };
        fill_hints(&cluster, chosen, away).await;
        cluster.put(here, "k", &value(1), None).await.expect("two primaries and the second stand-in hold it");
        settled().await;
        let kept = keepers(&cluster, here, "k").await;
        let [(keeper, owner)] = &kept.iter().collect::<Vec<_>>()[..] else { panic!("one hint: {kept:?}") };
        let keeper = cluster.names.iter().position(|name| name.as_str() == keeper).expect("a member");
        assert!(keeper != chosen && !primaries.contains(&keeper), "{kept:?}");
        assert_eq!(owner, cluster.names[away].as_str());

        // And the next but one; with nobody left the write says who was asked last.
        fill_hints(&cluster, keeper, away).await;
        cluster.put(here, "k", &value(2), None).await.expect("two primaries and the third stand-in hold it");
        let last =
            alive.iter().find(|at| ![chosen, keeper].contains(*at) && !primaries.contains(*at)).expect("six nodes");
        fill_hints(&cluster, *last, away).await;
        let refused = cluster.put(here, "k", &value(3), None).await;
        let Err(PutError::QuorumNotReached { needed: 3, got: 2, failures, outcome: WriteOutcome::Unknown }) = refused
        else {
            panic!("{refused:?}");
        };
        let full = |reason: &FailureReason| matches!(reason, FailureReason::Write(WriteReplicaError::HintsFull { .. }));
        assert!(
            failures.len() == 1 && failures[0].node == cluster.names[*last] && full(&failures[0].reason),
            "{failures:?}"
        );

        // What the others kept is handed over like any hint.
        (0..6).filter(|at| *at != away).for_each(|at| cluster.start_handoff(at, None));
        cluster.see(&(0..6).collect::<Vec<_>>()).await;
        settled().await;
        let held = cluster.get(away, "k", 1).await.expect("it answers");
        assert_eq!(values(&held).len(), 3, "the coordinator kept the third");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_all_stand_ins_are_full_and_no_primary_is_left_the_next_ones_mint() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start_with_hints(8, (3, 2, 2), true, LITTLE);
        let primaries = cluster.primaries("k");
        let alive: Vec<usize> = (0..8).filter(|at| !primaries.contains(at)).collect();
        cluster.see(&alive).await;
        let chosen = stand_ins(&cluster, alive[0], "k").await;
        assert_eq!(chosen.len(), 3);
        for (at, away) in &chosen {
            fill_hints(&cluster, *at, *away).await;
        }
        for through in &alive {
            let outcome = cluster.put(*through, "k", &value(1), None).await;
            outcome.unwrap_or_else(|error| panic!("two more stand in, through n{through}: {error}"));
        }
        settled().await;
        let kept = keepers(&cluster, alive[0], "k").await;
        for (_, away) in &chosen[..2] {
            let is_chosen = |name: &str| chosen.iter().any(|(at, _)| cluster.names[*at].as_str() == name);
            let spare =
                |(keeper, owner): &&(String, String)| *owner == cluster.names[*away].as_str() && !is_chosen(keeper);
            assert_eq!(kept.iter().filter(spare).count(), 1, "n{away}: {kept:?}");
        }
        // There are no more than two.
        let refused = cluster.put_w(alive[0], "k", &value(2), None, Some(3)).await;
        assert!(matches!(refused, Err(PutError::QuorumNotReached { needed: 3, got: 2, .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_hint_is_given_up_once_w_primaries_hold_its_write() {
    on_one_thread(async {
        let bounds = HintBounds { max_age_ms: 10_000, ..HINT_BOUNDS };
        let mut cluster = VirtualCluster::start_with_hints(4, (3, 2, 2), true, bounds);
        let primaries = cluster.primaries("k");
        let [first, second, away] = primaries[..] else { panic!("three primaries") };
        let stand_in = (0..4).find(|at| !primaries.contains(at)).expect("four nodes");
        cluster.start_handoff(stand_in, None);
        // The second primary does not get it: the write rests on the first one and on the hint.
        cluster.link(first, second, Link::Down);
        cluster.see(&[first, second, stand_in]).await;
        cluster.put(first, "k", "v", None).await.expect("a primary and a stand-in hold it");
        settled().await;
        assert_eq!(cluster.hints_kept(stand_in).await, 1);

        // Too old, but without the second primary only one could hold it.
        cluster.clock.fetch_add(20_000, Ordering::Relaxed);
        cluster.see(&[first, stand_in]).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(cluster.hints_kept(stand_in).await, 1, "it is one of two promised copies");

        cluster.see(&[first, second, stand_in]).await;
        settled().await;
        let survey = cluster.hint_survey(stand_in).await;
        assert_eq!(survey.waiting, []);
        let place = cluster.place(second, "k").await;
        assert_eq!(dirty(&survey.dirty), [(place.partition.0, format!("n{away}"))].into());
        let holds = |at: usize| {
            let own = place.replicas.iter().find(|replica| replica.node == cluster.names[at]).expect("a primary");
            own.holds.as_ref().is_ok_and(|held| !held.versions().is_empty())
        };
        assert!(holds(first) && holds(second), "W primaries hold it: {place:?}");
        assert!(lost(&cluster, HintLoss::TooOld));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_w_equal_to_n_an_old_hint_is_kept() {
    on_one_thread(async {
        let bounds = HintBounds { max_age_ms: 10_000, ..HINT_BOUNDS };
        let mut cluster = VirtualCluster::start_with_hints(4, (3, 1, 3), true, bounds);
        let primaries = cluster.primaries("k");
        let stand_in = (0..4).find(|at| !primaries.contains(at)).expect("four nodes");
        cluster.start_handoff(stand_in, None);
        cluster.see(&[primaries[0], primaries[1], stand_in]).await;
        cluster.put(primaries[0], "k", "v", None).await.expect("a stand-in counts");
        cluster.clock.fetch_add(20_000, Ordering::Relaxed);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(cluster.hints_kept(stand_in).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_no_hints_and_fails_no_write_that_has_its_quorum() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(4, (3, 2, 2), true);
        let primaries = cluster.primaries("k");
        let stand_in = (0..4).find(|at| !primaries.contains(at)).expect("four nodes");
        cluster.start_handoff(stand_in, None);
        cluster.see(&[primaries[0], primaries[1], stand_in]).await;
        cluster.disks[stand_in].set_full(true);
        for number in 0..20 {
            cluster.put(primaries[0], "k", &format!("v{number}"), None).await.expect("two primaries hold it");
        }
        settled().await;
        assert_eq!(cluster.hints_kept(stand_in).await, 0);
        assert!(lost(&cluster, HintLoss::Storage));
        assert_eq!(cluster.hints_kept(primaries[0]).await, 1, "the coordinator keeps what the stand-in could not");
        let marked = all_dirty(&cluster).await;
        assert_eq!(marked.len(), 1, "remembered, if not on that disk: {marked:?}");

        cluster.disks[stand_in].set_full(false);
        settled().await;
        cluster.crash(stand_in);
        assert_eq!(all_dirty(&cluster).await, marked, "the mark was written once there was space");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_deleted_only_after_its_owner_has_acknowledged_it() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 1), true);
        cluster.start_handoff(0, None);
        cluster.see(&[0, 1]).await;
        for number in 0..100 {
            cluster.put(0, &format!("k{number}"), "v", None).await.expect("it is stored here");
        }
        for lossy in [Link::Silent, Link::Down, Link::AnswerLost] {
            cluster.link(0, 2, lossy);
            cluster.see(&[0, 1, 2]).await;
            sleep(Duration::from_secs(10)).await;
            assert_eq!(cluster.hints_kept(0).await, 100, "{lossy:?}");
        }
        cluster.disks[2].set_full(true);
        cluster.link(0, 2, Link::Up);
        sleep(Duration::from_secs(10)).await;
        assert!(cluster.hints_kept(0).await > 0, "a full disk has not taken all");
        cluster.disks[2].set_full(false);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(cluster.hints_kept(0).await, 0);
        for number in 0..100 {
            let held = cluster.get(2, &format!("k{number}"), 1).await.expect("it answers");
            assert_eq!(values(&held), ["v"]);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn hints_for_a_node_that_owns_them_no_longer_go_to_those_who_do() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(4, (3, 2, 2), true);
        (0..3).for_each(|at| cluster.start_handoff(at, None));
        cluster.see(&[0, 1, 2]).await;
        for number in 0..50 {
            cluster.put(number % 3, &format!("k{number}"), "v", None).await.expect("two of three hold it");
        }
        settled().await;
        // The fourth node is a member no more, and still cannot be reached.
        let members: Vec<Member> =
            cluster.names[..3].iter().map(|id| Member { id: id.clone(), zone: None, weight: 1 }).collect();
        let before: u64 = cluster.hints_kept(0).await + cluster.hints_kept(1).await + cluster.hints_kept(2).await;
        assert!(before > 10, "{before}");
        cluster.link(0, 1, Link::Down);
        cluster.change_ring(claim(None, &members, 64, 3).expect("a ring")).await;
        settled().await;
        assert!(cluster.hints_kept(0).await > 0, "one of the owners could not be asked");
        assert_eq!(cluster.hints_kept(1).await + cluster.hints_kept(2).await, 0);
        cluster.link(0, 1, Link::Up);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(cluster.hints_kept(0).await, 0);
        for number in 0..50 {
            for at in 0..3 {
                let held = cluster.get(at, &format!("k{number}"), 1).await.expect("it answers");
                assert_eq!(values(&held), ["v"], "k{number} on n{at}");
            }
        }
        assert_eq!(all_dirty(&cluster).await, [].into());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_dirty_is_passed_on_and_forgotten_only_once_it_is_remembered_elsewhere() {
    on_one_thread(async {
        let none = HintBounds { max_bytes: 1, ..LITTLE };
        let mut cluster = VirtualCluster::start_with_hints(3, (3, 2, 2), true, none);
        let (told, mut hears) = unbounded_channel();
        cluster.see(&[0, 1]).await;
        cluster.put(0, "k", "v", None).await.expect("two hold it");
        settled().await;
        let marked = all_dirty(&cluster).await;
        assert_eq!(marked.len(), 1);

        let comparer = Comparer { told: told.clone(), refuses: true }.start();
        cluster.start_handoff(0, Some(comparer.recipient()));
        settled().await;
        assert_eq!(Some(hears.recv().await.expect("told")).as_ref(), marked.first());
        assert_eq!(all_dirty(&cluster).await, marked, "not remembered there: not forgotten here");

        let comparer = Comparer { told, refuses: false }.start();
        cluster.start_handoff(0, Some(comparer.recipient()));
        settled().await;
        assert_eq!(all_dirty(&cluster).await, [].into());
        cluster.crash(0);
        assert_eq!(all_dirty(&cluster).await, [].into(), "durably");
    })
    .await;
}

/// How many of 2,000 hints have been handed over after 4 seconds, while requests take this long before, and this long during it.
async fn handed_over(before_ms: u64, during_ms: u64) -> u64 {
    let mut cluster = VirtualCluster::start(3, (3, 2, 1), true);
    cluster.see(&[0, 1]).await;
    for number in 0..2_000 {
        cluster.put(0, &format!("k{number}"), "v", None).await.expect("it is stored here");
        // Its straggler is heard out, and gives its credit back.
        sleep(Duration::from_millis(1)).await;
    }
    settled().await;
    // The puts above are too quick and too few per second to be a baseline: requests of a known length are.
    cluster.start_handoff(0, None);
    let metrics = cluster.metrics.clone();
    let requests = async |length_ms: u64, for_s: u64| {
        let one = || {
            let measured = metrics.request("get");
            async move {
                sleep(Duration::from_millis(length_ms)).await;
                measured.finish(slipring::metrics::Outcome::Ok);
            }
        };
        for _ in 0..for_s * 50 {
            actix::spawn(one());
            sleep(Duration::from_millis(20)).await;
        }
    };
    requests(before_ms, 20).await;
    cluster.see(&[0, 1, 2]).await;
    requests(during_ms, 4).await;
    2_000 - cluster.hints_kept(0).await
}

#[tokio::test(start_paused = true)]
async fn hints_go_more_slowly_when_requests_get_slower_and_go_on_all_the_same() {
    on_one_thread(async {
        let calm = handed_over(10, 12).await;
        let disturbed = handed_over(10, 40).await;
        // From the floor of 100 per second up, a two hundredth of the cap with each second: 100, 200, 300 and 400 at least.
        assert!(calm >= 900, "{calm}");
        assert!((200..=600).contains(&disturbed), "{disturbed}, and {calm} where requests were calm");
    })
    .await;
}
