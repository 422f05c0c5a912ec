//! Laws of the metadata: tables keep their numbers, none comes back, and what is refused changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Alteration, Command, CommandError, Enrolled, MemberAddress, Metadata, QuorumChoice, RingChange, StagedChange,
    TABLES_MAX, TableChange,
};
use crate::dynamo::claim::claim;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::placement::objection;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::{Member, PartitionId, Ring};
use crate::item::{TableId, TableName, TableSchema};

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a name")
}

fn enrolled(name: &str, log_id: u64) -> Enrolled {
    let member = Member { id: node(name), zone: None, weight: 1 };
    Enrolled { known: MemberAddress { member, address: format!("{name}:7400") }, log_id }
}

fn founded() -> Metadata {
    founded_by(&["a", "b", "c"])
}

fn founded_by(names: &[&str]) -> Metadata {
    let enrolled = names.iter().zip(1..).map(|(name, log_id)| enrolled(name, log_id)).collect::<Vec<_>>();
    let members: Vec<Member> = enrolled.iter().map(|member| member.known.member.clone()).collect();
    let ring = claim(None, &members, 16, 3).expect("a ring");
    Metadata::founded(enrolled, ring, Quorum::new(3, 2, 2).expect("a quorum"))
}

fn table(name: &str) -> TableSchema {
    TableSchema { name: TableName::new(name).expect("a name"), ..TableSchema::kv() }
}

fn create(table: TableSchema) -> Command {
    Command::ChangeTables(TableChange::Create(table))
}

fn alter(table: TableName, r: QuorumChoice, w: QuorumChoice) -> Command {
    Command::ChangeTables(TableChange::Alter(Alteration { table, n: QuorumChoice::Keep, r, w }))
}

fn drop_table(table: TableName) -> Command {
    Command::ChangeTables(TableChange::Drop { table })
}

fn command() -> impl Strategy<Value = Command> {
    let name = (0..6_u8).prop_map(|at| format!("table-{at}"));
    let choice = || {
        prop_oneof![Just(QuorumChoice::Keep), Just(QuorumChoice::Default), (0..6_u8).prop_map(QuorumChoice::Exactly),]
    };
    prop_oneof![
        4 => (name.clone(), prop::option::of(0..6_u8)).prop_map(|(name, w)| create(TableSchema { w, ..table(&name) })),
        2 => (name.clone(), choice(), choice()).prop_map(|(name, r, w)| alter(table(&name).name, r, w)),
        1 => (name.clone(), choice(), choice()).prop_map(|(name, n, w)| {
            let alteration = Alteration { table: table(&name).name, n, r: QuorumChoice::Exactly(1), w };
            Command::ChangeTables(TableChange::Alter(alteration))
        }),
        3 => name.prop_map(|name| drop_table(table(&name).name)),
        1 => ("[a-d]", any::<u64>()).prop_map(|(name, log_id)| Command::Enrol { node: node(&name), log_id }),
    ]
}

proptest! {
    #[test]
    fn the_same_commands_lead_to_the_same_and_no_number_is_given_twice(commands in prop::collection::vec(command(), 0..60)) {
        let (mut one, mut other) = (founded(), founded());
        let mut given = BTreeSet::new();
        for (number, command) in (0..).zip(&commands) {
            let before = one.clone();
            let outcome = one.apply(number, command);
            prop_assert_eq!(&outcome, &other.apply(number, command));
            let same = one.digest() == before.digest();
            prop_assert!(outcome.is_ok() || same, "what is refused changes nothing");
            prop_assert_eq!(one.epoch() > before.epoch(), !same, "a change counts, nothing else does");
            let once = one.clone();
            prop_assert_eq!(&outcome, &one.apply(number, command), "asked again, it is answered again");
            prop_assert_eq!(&one, &once, "and not done again");
            for table in one.tables() {
                prop_assert!(!one.live_tables().is_dropped(table.id));
                let quorum = Quorum::new(table.n.unwrap_or(3), table.r.unwrap_or(2), table.w.unwrap_or(2));
                prop_assert!(quorum.is_ok());
            }
            if let (Command::ChangeTables(TableChange::Create(schema)), Ok(_)) = (command, &outcome) {
                let created = one.tables().iter().find(|table| table.name == schema.name).expect("it is there");
                prop_assert!(given.insert(created.id), "{:?} was given before", created.id);
            }
        }
        for id in given {
            prop_assert_eq!(one.live_tables().is_dropped(id), !one.tables().iter().any(|table| table.id == id));
        }
        prop_assert!(one.tables().windows(2).all(|pair| pair[0].name.as_str() < pair[1].name.as_str()));
        prop_assert_eq!(Metadata::from_bytes(&one.to_bytes()), Some(one));
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut metadata = founded();
    let mut number = 0;
    let mut apply = |command: &Command| {
        number += 1;
        metadata.apply(number, command)
    };
    assert_eq!(apply(&create(table("orders"))), Ok(2));
    let name = table("orders").name;
    assert_eq!(apply(&create(table("orders"))), Err(CommandError::TableExists { table: name.clone() }));
    let missing = table("missing").name;
    assert_eq!(apply(&drop_table(missing.clone())), Err(CommandError::NoSuchTable { table: missing }));
    let kv = TableName::kv();
    assert_eq!(apply(&drop_table(kv.clone())), Err(CommandError::BuiltIn { table: kv }));
    let too_many = alter(name, QuorumChoice::Exactly(4), QuorumChoice::Keep);
    assert!(matches!(apply(&too_many), Err(CommandError::Quorum(_))));
    let stranger = Command::Enrol { node: node("x"), log_id: 9 };
    assert_eq!(apply(&stranger), Err(CommandError::NotAMember { node: node("x") }));
}

#[test]
fn there_is_a_bound_of_tables_and_one_that_was_dropped_makes_room() {
    let mut metadata = founded();
    let mut number = 0;
    let mut apply = |metadata: &mut Metadata, command: &Command| {
        number += 1;
        metadata.apply(number, command).map(drop)
    };
    for at in 1..TABLES_MAX {
        assert_eq!(apply(&mut metadata, &create(table(&format!("table-{at}")))), Ok(()));
    }
    let one_more = create(table("one-more"));
    assert_eq!(apply(&mut metadata, &one_more), Err(CommandError::TooManyTables));
    assert_eq!(apply(&mut metadata, &drop_table(table("table-7").name)), Ok(()));
    assert_eq!(apply(&mut metadata, &one_more), Ok(()));
    assert!(metadata.live_tables().is_dropped(TableId(7)) && !metadata.live_tables().is_dropped(TableId(u32::MAX)));
}

fn ring_change() -> impl Strategy<Value = RingChange> {
    let name = || "[a-f]";
    let partitions = || prop::collection::vec((0..16_u32).prop_map(PartitionId), 0..16);
    prop_oneof![
        3 => name().prop_map(|name| RingChange::Stage(StagedChange::Join(enrolled(&name, 9)))),
        2 => name().prop_map(|name| RingChange::Stage(StagedChange::Leave { node: node(&name) })),
        2 => (name(), name()).prop_map(|(dead, with)| RingChange::Stage(StagedChange::Replace { dead: node(&dead), with: enrolled(&with, 7) })),
        1 => (name(), 0..4_u32).prop_map(|(name, weight)| RingChange::Stage(StagedChange::Reweigh { node: node(&name), weight })),
        1 => prop::collection::btree_map((0..18_u32).prop_map(PartitionId), name().prop_map(|name| node(&name)), 0..3)
            .prop_map(|owners| RingChange::Stage(StagedChange::Exchange { owners, automatic: false })),
        1 => Just(RingChange::Abort),
        1 => (0..40_u64).prop_map(|began| RingChange::Cancel { began }),
        1 => (any::<u64>(), prop::collection::vec(0..8_u16, 16)).prop_map(|(planned_at, owners)| RingChange::Commit { planned_at, owners }),
        4 => (name(), 0..40_u64, partitions()).prop_map(|(name, ring_epoch, partitions)| RingChange::Arrived { node: node(&name), ring_epoch, partitions }),
        1 => name().prop_map(|name| RingChange::Dismiss { node: node(&name) }),
        4 => (0..40_u64, partitions()).prop_map(|(ring_epoch, partitions)| RingChange::Release { ring_epoch, partitions }),
    ]
}

/// All nodes hold these partitions, and old replicas let go of them.
fn moved(
    apply: &mut impl FnMut(&RingChange) -> Result<Metadata, TestCaseError>,
    committed: &Metadata,
    partitions: &[PartitionId],
) -> Result<Metadata, TestCaseError> {
    let (ring_epoch, partitions) = (committed.topology().ring().epoch(), partitions.to_vec());
    for node in committed.topology().nodes() {
        apply(&RingChange::Arrived { node: node.clone(), ring_epoch, partitions: partitions.clone() })?;
    }
    apply(&RingChange::Release { ring_epoch, partitions })
}

proptest! {
    /// Whatever is asked for in whatever order: all nodes come to the same, what is refused changes nothing, every owner is a member, and whoever
    /// moved everything ends with a ring at rest.
    #[test]
    fn members_and_ring_stay_in_step(changes in prop::collection::vec((ring_change(), any::<bool>(), any::<bool>()), 0..80)) {
        let (mut one, mut other) = (founded(), founded());
        let mut number = 0;
        let mut apply = |change: &RingChange| {
            number += 1;
            let before = one.clone();
            let command = Command::ChangeRing(change.clone());
            let outcome = one.apply(number, &command);
            prop_assert_eq!(&outcome, &other.apply(number, &command));
            prop_assert!(outcome.is_ok() || one.digest() == before.digest(), "what is refused changes nothing");
            prop_assert!(one.topology().epoch() >= before.topology().epoch());
            for node in one.topology().nodes() {
                prop_assert!(one.members().contains_key(node), "{node} owns something and is no member");
            }
            for node in one.members().keys() {
                prop_assert_eq!(one.is_leaving(node), !one.topology().nodes().contains(node));
            }
            prop_assert!(one.topology().ring().members().len() >= 3, "there are always enough members for all replicas");
            prop_assert_eq!(Metadata::from_bytes(&one.to_bytes()), Some(one.clone()));
            Ok(one.clone())
        };
        for (change, commits, cancels) in &changes {
            let now = apply(change)?;
            if *commits && let Ok((_, commit)) = now.plan() {
                let mut committed = apply(&commit)?;
                prop_assert!(committed.staged().is_empty());
                let all: Vec<PartitionId> = committed.topology().ring().partition_ids().collect();
                if *cancels && let Some(began) = committed.topology().transition().map(|moving| moving.began()) {
                    let half = moved(&mut apply, &committed, &all[..8])?;
                    apply(&RingChange::Stage(StagedChange::Leave { node: node("a") }))?;
                    committed = apply(&RingChange::Cancel { began })?;
                    if committed.staged().is_empty() && committed.topology().epoch() > half.topology().epoch() {
                        let (ring, before) = (committed.topology().ring(), now.topology().ring());
                        prop_assert_eq!(ring.members(), before.members(), "weights, too");
                        prop_assert!(ring.partition_ids().all(|at| ring.owner(at) == before.owner(at)));
                        prop_assert!(now.members().keys().all(|node| committed.members().contains_key(node)));
                        let weighs = |member: &Member| committed.members()[&member.id].known.member == *member;
                        prop_assert!(ring.members().iter().all(weighs));
                    }
                }
                let done = moved(&mut apply, &committed, &all)?;
                prop_assert!(done.topology().transition().is_none());
                for node in done.members().keys().filter(|node| done.is_leaving(node)) {
                    let dismissed = apply(&RingChange::Dismiss { node: node.clone() })?;
                    prop_assert!(!dismissed.members().contains_key(node));
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_staged_or_committed_is_refused_with_its_reason() {
    let mut metadata = founded();
    let mut number = 0;
    let mut apply = |metadata: &mut Metadata, change: RingChange| {
        number += 1;
        metadata.apply(number, &Command::ChangeRing(change)).map(drop)
    };
    let leave = |name: &str| RingChange::Stage(StagedChange::Leave { node: node(name) });
    let join = |name: &str| RingChange::Stage(StagedChange::Join(enrolled(name, 9)));
    assert_eq!(metadata.plan().map(drop), Err(CommandError::NothingStaged));
    assert_eq!(apply(&mut metadata, leave("x")), Err(CommandError::NotAMember { node: node("x") }));
    assert_eq!(apply(&mut metadata, leave("a")), Err(CommandError::TooFewMembers { members: 2, n: 3 }));
    assert_eq!(apply(&mut metadata, join("a")), Err(CommandError::IsAMember { node: node("a") }));
    let same_place =
        Enrolled { known: MemberAddress { address: "a:7400".to_owned(), ..enrolled("d", 4).known }, log_id: 4 };
    let taken = CommandError::AddressTaken { address: "a:7400".to_owned() };
    assert_eq!(apply(&mut metadata, RingChange::Stage(StagedChange::Join(same_place))), Err(taken));
    assert_eq!(apply(&mut metadata, join("d")), Ok(()));
    let (_, old_plan) = metadata.plan().expect("something is staged");
    assert_eq!(apply(&mut metadata, leave("d")), Err(CommandError::StagedAlready { node: node("d") }));
    assert_eq!(apply(&mut metadata, leave("b")), Ok(()), "d is there for it");
    assert_eq!(apply(&mut metadata, old_plan), Err(CommandError::PlanIsOld));
    let (plan, commit) = metadata.plan().expect("something is staged");
    assert_eq!(plan.fewest_replicas, 3);
    assert_eq!(apply(&mut metadata, commit), Ok(()));
    assert!(metadata.members().contains_key(&node("b")), "it hands over first");
    assert_eq!(apply(&mut metadata, join("e")), Ok(()), "staged for later");
    assert_eq!(metadata.plan().map(drop), Err(CommandError::RingMoves));
    let five = Command::ChangeTables(TableChange::Create(TableSchema { n: Some(5), ..table("five") }));
    assert_eq!(metadata.apply(999, &five), Err(CommandError::RingMoves));
}

/// All pairs of partitions whose owners may change places.
fn swaps(ring: &Ring) -> Vec<BTreeMap<PartitionId, NodeId>> {
    let pairs = ring
        .partition_ids()
        .flat_map(|one| ring.partition_ids().skip(one.0 as usize + 1).map(move |other| (one, other)));
    let swap = |(one, other): (PartitionId, PartitionId)| {
        [(one, ring.owner(other).clone()), (other, ring.owner(one).clone())].into_iter().collect()
    };
    let may = |owners: &BTreeMap<PartitionId, NodeId>| {
        let next = ring.with_owners(owners).expect("a ring");
        next != *ring && objection(ring, &next).is_none()
    };
    pairs.map(swap).filter(may).collect()
}

#[test]
fn an_exchange_of_owners_is_planned_and_committed_by_itself() {
    let mut metadata = founded_by(&["a", "b", "c", "d", "e"]);
    let mut number = 0;
    let mut apply = |metadata: &mut Metadata, change: RingChange| {
        number += 1;
        metadata.apply(number, &Command::ChangeRing(change)).map(drop)
    };
    let exchange = |owners: &BTreeMap<PartitionId, NodeId>| {
        RingChange::Stage(StagedChange::Exchange { owners: owners.clone(), automatic: false })
    };
    let join = || RingChange::Stage(StagedChange::Join(enrolled("f", 9)));
    let ring = Ring::clone(metadata.topology().ring());
    let may = swaps(&ring);
    assert!(may.len() > 1);

    assert_eq!(apply(&mut metadata, join()), Ok(()));
    assert_eq!(apply(&mut metadata, exchange(&may[0])), Err(CommandError::ExchangeAlone));
    assert_eq!(apply(&mut metadata, RingChange::Abort), Ok(()));
    assert_eq!(apply(&mut metadata, exchange(&may[0])), Ok(()));
    assert_eq!(apply(&mut metadata, join()), Err(CommandError::ExchangeAlone));
    let (_, old_plan) = metadata.plan().expect("an exchange is staged");
    assert_eq!(apply(&mut metadata, exchange(&may[1])), Ok(()));
    assert_eq!(metadata.staged().len(), 1, "it takes the place of the first");
    assert_eq!(apply(&mut metadata, old_plan), Err(CommandError::PlanIsOld));
    let beside = [(PartitionId(1), ring.owner(PartitionId(0)).clone())].into();
    for bad in [beside, BTreeMap::new(), [(PartitionId(1), node("x"))].into(), [(PartitionId(16), node("a"))].into()] {
        assert!(matches!(apply(&mut metadata, exchange(&bad)), Err(CommandError::BadExchange { .. })), "{bad:?}");
    }

    let (plan, commit) = metadata.plan().expect("an exchange is staged");
    assert_eq!((plan.movement.owners, plan.fewest_replicas), (2, 3));
    assert_eq!(apply(&mut metadata, commit), Ok(()));
    let next = metadata.topology().ring();
    assert!(metadata.staged().is_empty() && metadata.topology().transition().is_some());
    for partition in next.partition_ids() {
        assert_eq!(next.owner(partition), may[1].get(&partition).unwrap_or(ring.owner(partition)));
    }
    let later = exchange(&swaps(&Ring::clone(next))[0]);
    assert_eq!(apply(&mut metadata, later), Ok(()), "staged for later");
    assert_eq!(metadata.plan().map(drop), Err(CommandError::RingMoves));
}

/// A replacement takes the places of a node that is lost: what has settled there cannot go back to it.
#[test]
fn a_replacement_goes_back_only_while_nothing_has_settled() {
    let begun = |settled: usize| {
        let mut metadata = founded_by(&["a", "b", "c", "d"]);
        let mut number = 0;
        let mut apply = |metadata: &mut Metadata, change: RingChange| {
            number += 1;
            metadata.apply(number, &Command::ChangeRing(change)).map(drop)
        };
        let replace = StagedChange::Replace { dead: node("b"), with: enrolled("e", 9) };
        assert_eq!(apply(&mut metadata, RingChange::Stage(replace)), Ok(()));
        let (_, commit) = metadata.plan().expect("it is staged");
        assert_eq!(apply(&mut metadata, commit), Ok(()));
        let topology = metadata.topology().clone();
        let partitions: Vec<PartitionId> = topology.moving().take(settled).collect();
        let (began, ring_epoch) = (topology.epoch(), topology.ring().epoch());
        let _ =
            apply(&mut metadata, RingChange::Arrived { node: node("e"), ring_epoch, partitions: partitions.clone() });
        let _ = apply(&mut metadata, RingChange::Release { ring_epoch, partitions });
        (apply(&mut metadata, RingChange::Cancel { began }), metadata)
    };
    let (outcome, metadata) = begun(0);
    assert_eq!(outcome, Ok(()));
    assert!(metadata.members().contains_key(&node("b")) && metadata.topology().ring().member(&node("b")).is_some());
    assert!(metadata.is_leaving(&node("e")), "it was copying only, and owns nothing now");
    let (outcome, metadata) = begun(1);
    let refused = outcome.expect_err("b is lost").to_string();
    assert!(refused.contains("b is lost") && refused.contains("move-2"), "{refused}");
    assert!(metadata.topology().transition().is_some_and(|moving| !moving.returns()));
}

#[test]
fn another_n_moves_partitions_and_a_cancel_gives_the_table_its_old_numbers() {
    let mut metadata = founded_by(&["a", "b", "c", "d", "e"]);
    let mut number = 0;
    let mut apply = |metadata: &mut Metadata, command: &Command| {
        number += 1;
        metadata.apply(number, command).map(drop)
    };
    let name = table("orders").name;
    let resize = |n: u8, r: u8, w: u8| {
        let exactly = QuorumChoice::Exactly;
        let alteration = Alteration { table: name.clone(), n: exactly(n), r: exactly(r), w: exactly(w) };
        Command::ChangeTables(TableChange::Alter(alteration))
    };
    let numbers = |metadata: &Metadata| {
        let table = metadata.tables().iter().find(|table| table.name == name).expect("it is there");
        (table.n, table.r, table.w)
    };
    assert_eq!(apply(&mut metadata, &create(table("orders"))), Ok(()));
    assert_eq!(apply(&mut metadata, &resize(3, 1, 3)), Ok(()), "N stays: nothing moves");
    assert_eq!(metadata.topology().transition(), None);
    let owners = |metadata: &Metadata| {
        let ring = metadata.topology().ring();
        ring.partition_ids().map(|at| ring.owner(at).clone()).collect::<Vec<_>>()
    };
    let before = owners(&metadata);
    assert_eq!(
        apply(&mut metadata, &resize(5, 6, 1)).map_err(|error| matches!(error, CommandError::Quorum(_))),
        Err(true)
    );
    assert_eq!(apply(&mut metadata, &resize(5, 2, 4)), Ok(()));
    let moving = metadata.topology().transition().expect("partitions move");
    assert_eq!((moving.widest(), metadata.widest(), moving.resized().values().next()), (5, 5, Some(&[3, 1, 3])));
    assert_eq!(owners(&metadata), before, "owners stay");
    assert_eq!(apply(&mut metadata, &resize(2, 1, 2)), Err(CommandError::RingMoves), "one after the other");
    assert_eq!(
        apply(&mut metadata, &alter(name.clone(), QuorumChoice::Default, QuorumChoice::Keep)),
        Err(CommandError::RingMoves)
    );
    assert_eq!(Metadata::from_bytes(&metadata.to_bytes()), Some(metadata.clone()));
    let began = metadata.topology().epoch();
    assert_eq!(apply(&mut metadata, &Command::ChangeRing(RingChange::Cancel { began })), Ok(()));
    assert_eq!(numbers(&metadata), (None, Some(1), Some(3)), "3 is what the cluster has");
    assert_eq!(metadata.topology().transition(), None, "nothing had switched");
}
