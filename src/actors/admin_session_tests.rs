use super::{warning_of_balance, warnings_of_repair};
use crate::dynamo::load::Balance;
use crate::dynamo::node_id::NodeId;
use crate::messages::admin::{HintState, HintsRow};
use crate::messages::hints::HintsPending;
use crate::messages::repair::{PeerRepair, RepairStatus};

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn repair(dirty: &[(&str, u64)]) -> RepairStatus {
    let peer = |(peer, dirty): &(&str, u64)| PeerRepair {
        peer: node(peer),
        reachable: true,
        ranges: 256,
        verified: 256 - dirty,
        dirty: *dirty,
        oldest_unverified_s: 1,
        repairing: None,
    };
    RepairStatus {
        enabled: true,
        paused: false,
        interval_s: 600,
        peers: dirty.iter().map(peer).collect(),
        run: None,
        keys_repaired: 0,
        bytes_repaired: 0,
        records_audited: 0,
        speed_percent: 100.0,
    }
}

fn lost(target: &str, dirty_ranges: u32) -> HintsRow {
    HintsRow {
        pending: HintsPending { target: node(target), keys: 4, bytes: 400 },
        oldest_s: 1,
        state: HintState::TargetDown,
        per_s: 0,
        eta_s: None,
        dirty_ranges,
    }
}

#[test]
fn a_node_that_repairs_and_has_nothing_to_repair_is_no_reason_to_warn() {
    assert_eq!(warnings_of_repair(&repair(&[("b", 0), ("c", 0)]), &[lost("b", 0)]), [""; 0]);
}

#[test]
fn dirty_ranges_are_a_reason_whoever_knows_of_them() {
    let said = "3 range(s) differ from what b should hold, or may: see `repair status` and `hints`";
    assert_eq!(warnings_of_repair(&repair(&[("b", 3), ("c", 0)]), &[]), [said]);
    assert_eq!(warnings_of_repair(&repair(&[("b", 0)]), &[lost("b", 3), lost("c", 0)]), [said]);
    // Both know of the same, or one of more.
    assert_eq!(warnings_of_repair(&repair(&[("b", 2)]), &[lost("b", 3)]), [said]);
    assert_eq!(
        warnings_of_repair(&repair(&[("b", 3), ("d", 1)]), &[lost("c", 2)]),
        ["6 range(s) differ from what b, c, d should hold, or may: see `repair status` and `hints`"]
    );
}

#[test]
fn repair_that_does_not_go_on_is_a_reason() {
    let paused = RepairStatus { paused: true, ..repair(&[]) };
    assert_eq!(warnings_of_repair(&paused, &[]), ["repair is paused on this node: `repair resume` lets it go on"]);
    let off = RepairStatus { enabled: false, ..paused };
    assert_eq!(
        warnings_of_repair(&off, &[]),
        ["repair is off on this node (anti_entropy.enabled = false): what differs stays so until it is read"]
    );
}

#[test]
fn who_stays_out_of_balance_is_named() {
    assert_eq!(warning_of_balance(&[]), None);
    let of = |of_mean| Balance { share: 0.3, of_mean };
    let said = warning_of_balance(&[(node("a"), of(1.234)), (node("c"), of(0.71))]);
    assert_eq!(
        said.as_deref(),
        Some(
            "a bears 123 %, c bears 71 % of its share of the load, and has for long: see `top nodes`, and `cluster rebalance` for what helps"
        )
    );
}
