//! Each rule is kept by an example and broken by another.

use std::collections::BTreeSet;

use super::{History, Intent, Outcome, Promises, Shown};
use crate::dynamo::hlc::HlcTime;
use crate::dynamo::version::{Dot, ReplicaId};

use Outcome::{Acknowledged, NotApplied, Unknown};

const PROMISES: Promises = Promises {
    reads_see_acknowledged: true,
    keeps_acknowledged: true,
    clock_error_max_ms: Some(10),
    nobody_writes_blindly: false,
};

/// Name, whether it deletes, what it covers, what became of it. A write takes from one hundred milliseconds to the next.
type Example<'a> = &'a [(&'a str, bool, &'a [&'a str], Outcome)];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn history(writes: Example<'_>, change: impl Fn(&mut Intent)) -> History {
    let mut history = History::new(PROMISES);
    for (at, (name, deletes, covers, outcome)) in writes.iter().enumerate() {
        let mut intent =
            Intent { name: (*name).to_owned(), deletes: *deletes, covers: set(covers), ..Intent::default() };
        change(&mut intent);
        let began_ms = at as u64 * 100;
        history.begin_write("k", intent, began_ms);
        history.end_write("k", name, *outcome, began_ms + 50);
    }
    history
}

fn dot(time: u64) -> Dot {
    Dot { replica: ReplicaId { directory: 1, epoch: 1 }, time: HlcTime::from_u64(time) }
}

/// The names are shown with dots of their own.
fn shown(names: &[&str]) -> Vec<Shown> {
    let one =
        |(at, name): (usize, &&str)| Shown { name: (*name).to_owned(), dot: dot(at as u64), elements: BTreeSet::new() };
    names.iter().enumerate().map(one).collect()
}

fn found_at(mut history: History, names: &[&str], now_ms: u64) -> usize {
    history.last_read("k", &shown(names), now_ms);
    history.violations().len()
}

fn found(writes: Example<'_>, names: &[&str]) -> usize {
    found_at(history(writes, |_| {}), names, 10_000)
}

#[test]
fn what_was_acknowledged_is_shown_or_superseded() {
    let chain: Example<'_> =
        &[("a", false, &[], Acknowledged), ("b", false, &["a"], Unknown), ("c", false, &["b"], Acknowledged)];
    assert_eq!(found(chain, &["c"]), 0);
    assert_eq!(found(chain, &["b"]), 1, "c is lost");
    assert_eq!(found(chain, &["a", "c"]), 1, "a has returned");
    assert_eq!(found(chain, &["c", "c"]), 1, "c is there twice");
    assert_eq!(found(chain, &["c", "x"]), 1, "x was never written");
}

#[test]
fn what_was_deleted_stays_away() {
    let deleted: Example<'_> =
        &[("a", false, &[], Acknowledged), ("d", true, &["a"], Acknowledged), ("n", false, &[], NotApplied)];
    assert_eq!(found(deleted, &[]), 0);
    assert_eq!(found(deleted, &["a"]), 1, "a has come back");
    assert_eq!(found(deleted, &["n"]), 1, "n was never applied");
    let open: Example<'_> = &[("a", false, &[], Acknowledged), ("d", true, &["a"], Unknown)];
    assert_eq!((found(open, &[]), found(open, &["a"])), (0, 0), "the delete may have been done");
}

#[test]
fn a_read_sees_what_was_acknowledged_before_it_began() {
    let both: Example<'_> = &[("a", false, &[], Acknowledged), ("b", false, &[], Acknowledged)];
    let mut early = history(both, |_| {});
    let reading = history(&both[..1], |_| {}).begin_read("k", 90);
    early.read("k", &shown(&["a"]), &reading, 200);
    assert_eq!(early.violations(), [], "b came later");
    let reading = early.begin_read("k", 200);
    early.read("k", &shown(&["a"]), &reading, 210);
    assert_eq!(early.violations().len(), 1, "b is missing");
}

#[test]
fn a_dot_names_one_write() {
    let both: Example<'_> = &[("a", false, &[], Unknown), ("b", false, &[], Unknown)];
    let mut history = history(both, |_| {});
    let reading = history.begin_read("k", 1_000);
    for name in ["a", "b"] {
        history.read("k", &shown(&[name]), &reading, 1_000);
    }
    assert_eq!(history.violations().len(), 1, "both carry the first dot");
}

#[test]
fn a_value_expires_in_time_and_not_before() {
    let one: Example<'_> = &[("a", false, &[], Acknowledged)];
    let expiring = || history(one, |intent| intent.ttl_ms = Some(1_000));
    assert_eq!(found_at(expiring(), &["a"], 1_055), 0, "within the error of clocks");
    assert_eq!(found_at(expiring(), &["a"], 1_061), 1, "shown too long");
    assert_eq!(found_at(expiring(), &[], 995), 0, "within the error of clocks");
    assert_eq!(found_at(expiring(), &[], 985), 1, "gone too early");
}

#[test]
fn a_value_is_what_was_written() {
    let one: Example<'_> = &[("a", false, &[], Acknowledged)];
    let with = |elements: &'static [&'static str]| history(one, |intent| intent.elements = set(elements));
    assert_eq!(found_at(with(&[]), &["a"], 1_000), 0);
    assert_eq!(found_at(with(&["b"]), &["a"], 1_000), 1);
}

#[test]
fn an_element_stays_in_the_set_until_it_is_taken_out() {
    let adds: Example<'_> = &[("a", false, &[], Acknowledged), ("b", false, &["a"], Acknowledged)];
    let lost = |removes: Option<&str>| {
        let mut history = history(adds, |intent| {
            intent.elements = set(&[intent.name.as_str()]);
            intent.removes = removes.map(str::to_owned);
        });
        let mut versions = shown(&["b"]);
        versions[0].elements = set(&["b"]);
        history.last_read("k", &versions, 1_000);
        history.violations().len()
    };
    assert_eq!(lost(None), 1, "b was written over a and does not contain it");
    assert_eq!(lost(Some("a")), 0);
}

#[test]
fn siblings_are_no_more_than_writers() {
    let three: Example<'_> =
        &[("a", false, &[], Acknowledged), ("b", false, &[], Acknowledged), ("c", false, &[], Acknowledged)];
    let crowd = |authors: usize| {
        let mut history =
            history(three, |intent| intent.author = (intent.name.as_bytes()[0] as usize % authors).to_string());
        history.promises.nobody_writes_blindly = true;
        found_at(history, &["a", "b", "c"], 1_000)
    };
    assert_eq!((crowd(3), crowd(2)), (0, 1));
}

#[test]
fn a_write_that_was_sent_twice_may_be_there_twice_and_is_never_known_to_be_undone() {
    let one: Example<'_> = &[("a", false, &[], Unknown)];
    let mut history = history(one, |_| {});
    history.resend("k", "a");
    history.end_write("k", "a", NotApplied, 100);
    assert_eq!(found_at(history, &["a", "a"], 1_000), 0);
}
