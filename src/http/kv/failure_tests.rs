//! Every error of the actors has its answer.

use super::{KvError, lost};
use crate::dynamo::context::{Context, ContextError};
use crate::dynamo::hlc::TooFarAhead;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::QuorumError;
use crate::messages::client::{FailureReason, GetError, PutError, ReplicaFailure, WriteOutcome};
use crate::messages::replica::{CoordinateWriteError, ReadReplicaError, StaleEpoch, StorageRefusal};
use crate::messages::{LinkError, Overloaded};

fn overloaded() -> Overloaded {
    Overloaded { limit: "limits.inflight_requests".to_owned(), max: 7 }
}

fn failed(node: &str, reason: FailureReason) -> ReplicaFailure {
    ReplicaFailure { node: NodeId::new(node).unwrap(), reason }
}

fn ahead() -> CoordinateWriteError {
    CoordinateWriteError::ClockTooFarAhead(TooFarAhead { ahead_ms: 9_000, max_skew_ms: 500 })
}

#[test]
fn reads_that_fail() {
    let not_reached = GetError::QuorumNotReached {
        needed: 2,
        got: 1,
        failures: vec![failed("b", FailureReason::Read(ReadReplicaError::Corrupt))],
    };
    let cases = [
        (GetError::NoSuchTable { table: "t".to_owned() }, 404, "no_such_table"),
        (GetError::InvalidKey { reason: "why".to_owned() }, 400, "invalid_key"),
        (GetError::InvalidQuorum(QuorumError::ReadOutOfRange { r: 9, n: 3 }), 400, "invalid_quorum"),
        (GetError::Overloaded(overloaded()), 429, "overloaded"),
        (not_reached, 503, "quorum_not_reached"),
    ];
    for (error, status, code) in cases {
        let told = KvError::from(error.clone());
        assert_eq!((told.status(), told.code()), (status, code), "{error:?}");
        assert!(told.to_json(false)["error"].get("written").is_none(), "{error:?}");
    }
}

#[test]
fn writes_that_fail_say_what_became_of_them() {
    let not_reached = |outcome, failures| PutError::QuorumNotReached { needed: 2, got: 1, failures, outcome };
    let refused = |error: CoordinateWriteError| PutError::Refused(error);
    let link = |error: LinkError| PutError::Refused(CoordinateWriteError::Link(error));
    let full = StorageRefusal::DiskFull { free_bytes: 1, reserve_bytes: 2 };
    let broken = StorageRefusal::Failed { reason: "why".to_owned() };
    let hints = CoordinateWriteError::HintsFull { target: NodeId::new("b").unwrap(), max_bytes: 1 };
    let cases = [
        (PutError::NoSuchTable { table: "t".to_owned() }, 404, "no_such_table"),
        (PutError::InvalidItem { reason: "why".to_owned() }, 400, "invalid_item"),
        (PutError::InvalidKey { reason: "why".to_owned() }, 400, "invalid_key"),
        (PutError::InvalidContext(ContextError::AnotherKey), 400, "invalid_context"),
        (PutError::InvalidContext(ContextError::NewerVersion { found: 9 }), 400, "invalid_context"),
        (PutError::InvalidQuorum(QuorumError::WriteOutOfRange { w: 9, n: 3 }), 400, "invalid_quorum"),
        (PutError::Overloaded(overloaded()), 429, "overloaded"),
        (refused(CoordinateWriteError::TooManySiblings { found: 101, max: 100 }), 409, "too_many_siblings"),
        (refused(CoordinateWriteError::SiblingsTooLarge { bytes: 9, max_bytes: 8 }), 409, "too_many_siblings"),
        (refused(ahead()), 400, "invalid_context"),
        (refused(hints), 503, "unavailable"),
        (refused(CoordinateWriteError::Stale(StaleEpoch { epoch: 2 })), 503, "unavailable"),
        (refused(CoordinateWriteError::Storage(full)), 503, "unavailable"),
        (refused(CoordinateWriteError::Storage(broken)), 504, "outcome_unknown"),
        (link(LinkError::Unreachable), 503, "unavailable"),
        (link(LinkError::Overloaded(overloaded())), 429, "overloaded"),
        (link(LinkError::ConnectionLost), 504, "outcome_unknown"),
        (link(LinkError::TimedOut), 504, "outcome_unknown"),
        (link(LinkError::BadAnswer), 504, "outcome_unknown"),
        (link(LinkError::Stopped), 504, "outcome_unknown"),
        (PutError::CannotReadFirst(GetError::Overloaded(overloaded())), 429, "overloaded"),
        (
            PutError::CannotReadFirst(GetError::QuorumNotReached { needed: 2, got: 0, failures: Vec::new() }),
            503,
            "quorum_not_reached",
        ),
        (not_reached(WriteOutcome::NotApplied, vec![failed("b", FailureReason::Down)]), 503, "quorum_not_reached"),
        (
            not_reached(
                WriteOutcome::NotApplied,
                vec![failed("a", FailureReason::Coordinate(ahead())), failed("b", FailureReason::Down)],
            ),
            400,
            "invalid_context",
        ),
        (
            not_reached(
                WriteOutcome::NotApplied,
                vec![failed("a", FailureReason::Coordinate(ahead())), failed("b", FailureReason::NoAnswer)],
            ),
            503,
            "quorum_not_reached",
        ),
        (not_reached(WriteOutcome::Unknown, Vec::new()), 504, "outcome_unknown"),
        (PutError::RingMoved, 503, "unavailable"),
    ];
    for (error, status, code) in cases {
        let told = KvError::from(error.clone());
        assert_eq!((told.status(), told.code()), (status, code), "{error:?}");
        let written = if status == 504 { "unknown" } else { "no" };
        assert_eq!(told.to_json(true)["error"]["written"], written, "{error:?}");
    }
    assert_eq!((lost().status(), lost().written()), (504, "unknown"));
}

#[test]
fn a_failure_names_numbers_and_nodes() {
    let failures = vec![failed("b", FailureReason::Down)];
    let told = KvError::from(GetError::QuorumNotReached { needed: 2, got: 1, failures }).to_json(false);
    let expected = serde_json::json!({ "error": {
        "code": "quorum_not_reached",
        "message": "quorum not reached: 2 answers needed, 1 came (b: down)",
        "needed": 2,
        "got": 1,
        "failures": [{ "node": "b", "reason": "down" }],
    }});
    assert_eq!(told, expected);
    let told = KvError::from(PutError::Overloaded(overloaded())).to_json(true);
    assert_eq!((&told["error"]["limit"], &told["error"]["max"]), (&"limits.inflight_requests".into(), &7.into()));
}

#[test]
fn only_what_was_written_once_has_a_context_to_give() {
    let never = KvError::NoSuchItem { context: Context::new(b"k", Vec::new().into()) };
    assert_eq!((never.status(), never.context()), (404, None));
}
