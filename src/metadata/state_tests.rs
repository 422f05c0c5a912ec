//! Laws of the metadata: tables keep their numbers, none comes back, and what is refused changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Alteration, Command, CommandError, Metadata, QuorumChoice, TABLES_MAX, TableChange};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::item::{TableId, TableName, TableSchema};

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a name")
}

fn founded() -> Metadata {
    let members = BTreeMap::from([(node("a"), 1), (node("b"), 2), (node("c"), 3)]);
    Metadata::founded(members, Quorum::new(3, 2, 2).expect("a quorum"))
}

fn table(name: &str) -> TableSchema {
    TableSchema { name: TableName::new(name).expect("a name"), ..TableSchema::kv() }
}

fn create(table: TableSchema) -> Command {
    Command::ChangeTables(TableChange::Create(table))
}

fn alter(table: TableName, r: QuorumChoice, w: QuorumChoice) -> Command {
    Command::ChangeTables(TableChange::Alter(Alteration { table, r, w }))
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
