//! Keys from items and from texts, and schemas across formats.

use proptest::prelude::*;

use super::{Conflict, KeyAttribute, KeyKind, SchemaError, TableId, TableSchema};
use crate::item::{
    AttributeValue, Item, Key, KeyError, KeyPart, KeyValue, NumberError, TableName, TableSettings, arbitrary,
};

fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

fn table(partition: KeyKind, sort: Option<KeyKind>) -> TableSchema {
    TableSchema {
        partition_key: attribute("pk", partition),
        sort_key: sort.map(|kind| attribute("sk", kind)),
        ..TableSchema::kv()
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[test]
fn takes_the_key_from_an_item() {
    let orders = table(KeyKind::S, Some(KeyKind::N));
    let item = Item::from_iter([
        ("pk", text("user#7")),
        ("sk", AttributeValue::N(42_i64.into())),
        ("total", AttributeValue::Null),
    ]);
    let key = orders.key_of(&item).unwrap();
    assert_eq!(key.to_string(), "\"user#7\" / 42");
    assert_eq!(orders.check_key(&key), Ok(()));
}

#[test]
fn refuses_items_without_a_proper_key() {
    let orders = table(KeyKind::S, Some(KeyKind::N));
    let key_of = |pk, sk| orders.key_of(&Item::from_iter([("pk", pk), ("sk", sk)]));
    let missing = KeyError::MissingAttribute { attribute: "sk".to_owned() };
    assert_eq!(orders.key_of(&Item::from_iter([("pk", text("a"))])), Err(missing));
    let wrong = KeyError::WrongType { attribute: "sk".to_owned(), expected: KeyKind::N, found: "SS" };
    assert_eq!(key_of(text("a"), AttributeValue::Ss(["1".to_owned()].into())), Err(wrong));
    let number = AttributeValue::N(1_i64.into());
    assert_eq!(key_of(text(""), number.clone()), Err(KeyError::Empty { part: KeyPart::Partition }));
    let too_long = KeyError::TooLong { part: KeyPart::Partition, bytes: 2049, limit: 2048 };
    assert_eq!(key_of(text(&"x".repeat(2049)), number), Err(too_long));
}

#[test]
fn reads_keys_typed_by_a_person() {
    let of = |partition, sort| Ok(Key { partition, sort });
    let number = |text: &str| KeyValue::N(text.parse().unwrap());
    let bytes = |bytes: &'static [u8]| KeyValue::B(bytes.into());
    let plain = KeyValue::S(" 42 ".to_owned());
    assert_eq!(table(KeyKind::S, None).key_from_text(" 42 ", None), of(plain, None));
    let typed = table(KeyKind::N, Some(KeyKind::B)).key_from_text("4.20e1", Some("AAEC"));
    assert_eq!(typed, of(number("42"), Some(bytes(&[0, 1, 2]))));
}

#[test]
fn refuses_texts_that_are_no_key_of_the_table() {
    let numbers = table(KeyKind::N, Some(KeyKind::B));
    let pk = || "pk".to_owned();
    let not_a_number = KeyError::NotANumber { attribute: pk(), reason: NumberError::Malformed };
    assert_eq!(numbers.key_from_text("x", Some("AA==")), Err(not_a_number));
    for sort in ["AA", "A A=", "*", "AB=="] {
        assert_eq!(numbers.key_from_text("1", Some(sort)), Err(KeyError::NotBase64 { attribute: "sk".to_owned() }));
    }
    assert_eq!(numbers.key_from_text("1", None), Err(KeyError::MissingSortKey { attribute: "sk".to_owned() }));
    assert_eq!(numbers.key_from_text("1", Some("")), Err(KeyError::Empty { part: KeyPart::Sort }));
    assert_eq!(TableSchema::kv().key_from_text("a", Some("b")), Err(KeyError::UnexpectedSortKey));
    assert_eq!(TableSchema::kv().key_from_text("", None), Err(KeyError::Empty { part: KeyPart::Partition }));
}

#[test]
fn checks_keys_made_elsewhere() {
    let schema = table(KeyKind::S, Some(KeyKind::S));
    let text = |text: &str| KeyValue::S(text.to_owned());
    let check = |partition, sort| schema.check_key(&Key { partition, sort });
    assert_eq!(check(text("a"), Some(text("b"))), Ok(()));
    assert_eq!(check(text("a"), None), Err(KeyError::MissingSortKey { attribute: "sk".to_owned() }));
    let wrong = KeyError::WrongType { attribute: "sk".to_owned(), expected: KeyKind::S, found: "N" };
    assert_eq!(check(text("a"), Some(KeyValue::N(1_i64.into()))), Err(wrong));
    assert_eq!(check(text("a"), Some(text(""))), Err(KeyError::Empty { part: KeyPart::Sort }));
    let extra = Key { partition: text("a"), sort: Some(text("b")) };
    assert_eq!(TableSchema::kv().check_key(&extra), Err(KeyError::UnexpectedSortKey));
}

#[test]
fn validates_the_names_of_key_attributes() {
    assert_eq!(TableSchema::kv().validate(), Ok(()));
    let named = |partition: &str, sort: &str| TableSchema {
        partition_key: attribute(partition, KeyKind::S),
        sort_key: Some(attribute(sort, KeyKind::N)),
        ..TableSchema::kv()
    };
    assert_eq!(named(&"p".repeat(255), "s").validate(), Ok(()));
    assert_eq!(named("a", "a").validate(), Err(SchemaError::SameAttribute { name: "a".to_owned() }));
    for name in [String::new(), "s".repeat(256)] {
        assert_eq!(named("p", &name).validate(), Err(SchemaError::KeyNameLength { name }));
    }
}

#[test]
fn survives_json_toml_and_messagepack() {
    let schema = TableSchema {
        name: TableName::new("orders").unwrap(),
        n: Some(5),
        conflict: Conflict::Lww,
        settings: TableSettings::default(),
        ..table(KeyKind::N, Some(KeyKind::B))
    };
    for schema in [schema, TableSchema::kv()] {
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<TableSchema>(&json).unwrap(), schema, "{json}");
        let toml = toml::to_string(&schema).unwrap();
        assert_eq!(toml::from_str::<TableSchema>(&toml).unwrap(), schema, "{toml}");
        let packed = rmp_serde::to_vec(&schema).unwrap();
        assert_eq!(rmp_serde::from_slice::<TableSchema>(&packed).unwrap(), schema);
    }
    let typed = "name = \"t\"\nconflict = \"lww\"\npartition_key = { name = \"id\", kind = \"N\" }";
    assert_eq!(toml::from_str::<TableSchema>(typed).unwrap().sort_key, None);
}

proptest! {
    #[test]
    fn the_key_of_an_item_is_the_key_put_into_it(key in arbitrary::key(), mut item in arbitrary::item()) {
        let schema = table(key.partition.kind(), key.sort.as_ref().map(KeyValue::kind));
        item.insert("pk", key.partition.clone().into());
        if let Some(sort) = &key.sort {
            item.insert("sk", sort.clone().into());
        }
        prop_assert_eq!(schema.check_key(&key), Ok(()));
        prop_assert_eq!(schema.key_of(&item), Ok(key));
    }
}

#[test]
fn items_are_stored_under_a_name_that_no_other_table_ever_has() {
    let named = |name: &str, id: u32| TableSchema {
        name: TableName::new(name).unwrap(),
        id: TableId(id),
        ..table(KeyKind::S, None)
    };
    assert_eq!(TableSchema::kv().storage_name(), "kv");
    let names: Vec<String> =
        [("orders", 7), ("orders", 8), ("orders-8", 9)].map(|(name, id)| named(name, id).storage_name().into()).into();
    assert_eq!(names, ["orders#7", "orders#8", "orders-8#9"]);
    for (name, id) in names.iter().zip([7, 8, 9]) {
        assert_eq!(TableSchema::stored_id(name), Some(TableId(id)));
    }
    assert_eq!(TableSchema::stored_id("kv"), Some(TableId::BUILT_IN));
    assert_eq!((TableSchema::shown_name("orders#7"), TableSchema::shown_name("kv")), ("orders", "kv"));
    assert_eq!(TableSchema::stored_id("orders#x"), None);
}
