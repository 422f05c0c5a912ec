//! The files that `import` reads: three shapes, and what spoils a single record only.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use slipring::admin::import::records::{FileError, Place, Records};
use slipring::admin::import::{Preparer, Refused};
use slipring::admin::rename::{RenameError, rename};
use slipring::item::{Item, TableSchema, item_to_json};

/// Each record: where it stands, and itself or what is wrong with it.
fn read(text: &str) -> Vec<(String, Result<Value, String>)> {
    let records = Records::open(text.as_bytes(), "id").expect("it succeeds").map(Result::unwrap);
    let shown = records
        .map(|record| (record.place.to_string(), record.object.map(Value::Object).map_err(|error| error.to_string())));
    shown.collect()
}

fn places(text: &str) -> Vec<String> {
    read(text).into_iter().map(|(place, object)| if object.is_ok() { place } else { format!("{place}!") }).collect()
}

#[test]
fn the_three_shapes_hold_the_same_records() {
    let expected = [json!({"id": "a"}), json!({"id": "b", "n": [1, {"x": null}]})];
    let shapes = [
        "{\"id\": \"a\"}\n{\"id\": \"b\", \"n\": [1, {\"x\": null}]}\n",
        "\u{feff}{\"id\": \"a\"}\r\n\r\n{\"id\": \"b\", \"n\": [1, {\"x\": null}]}",
        "[{\"id\": \"a\"}, {\"id\": \"b\", \"n\": [1, {\"x\": null}]}]",
        "\n[\n  {\"id\": \"a\"},\n  {\"id\": \"b\", \"n\": [1, {\"x\": null}]}\n]\n",
        "{\"639-3\": [{\"id\": \"a\"}, {\"id\": \"b\", \"n\": [1, {\"x\": null}]}]}",
        "{\n  \"639-3\": [\n    {\"id\": \"a\"},\n    {\"id\": \"b\", \"n\": [1, {\"x\": null}]}\n  ]\n}\n",
        "{\n  \"id\": \"a\"\n}\n{\n  \"id\": \"b\",\n  \"n\": [1, {\"x\": null}]\n}\n",
    ];
    for shape in shapes {
        let found: Vec<Value> = read(shape).into_iter().map(|(_, object)| object.unwrap()).collect();
        assert_eq!(found, expected, "{shape}");
    }
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    assert_eq!(places("{\"id\": 1}\n\n{\"id\": 2}\n"), ["line 1", "line 3"]);
    assert_eq!(places("\n\n{\"id\": 1}"), ["line 3"]);
    assert_eq!(places("[{}, {}]"), ["record 1", "record 2"]);
    assert_eq!(places(""), [""; 0]);
    assert_eq!(places("[]"), [""; 0]);
    assert_eq!(places("{\"records\": []}"), [""; 0]);
}

#[test]
fn one_record_is_no_document() {
    assert_eq!(places("{\"id\": [1]}"), ["line 1"]);
    assert_eq!(places("{\"tags\": [1]}\n{\"id\": 2}"), ["line 1", "line 2"]);
    assert_eq!(places("{\n\"id\": 1\n}"), ["record 1"]);
}

#[test]
fn what_is_no_record_spoils_only_itself() {
    assert_eq!(places("{\"id\": 1}\nnot json\n{\"id\": 2}\n5"), ["line 1", "line 2!", "line 3", "line 4!"]);
    assert_eq!(places("{\"id\": 1\n\n{\"id\": 2}"), ["line 1!", "line 3"]);
    assert_eq!(places("[{}, 5, null, [{}]]"), ["record 1", "record 2!", "record 3!", "record 4!"]);
    let reasons: Vec<String> =
        read("{\"id\": 1}\n{\"id\" 1}\n\"x\"").into_iter().filter_map(|(_, r)| r.err()).collect();
    assert_eq!(reasons, ["malformed JSON: expected `:` at column 7", "is a string, not an object"]);
}

#[test]
fn a_file_of_no_shape_is_refused_as_a_whole() {
    let Err(FileError::NotRecords(reason)) = Records::open("[\n  {\"id\": 1},\n  {\"id\" 2}\n]".as_bytes(), "id")
    else {
        panic!()
    };
    insta::assert_snapshot!(reason, @r#"
    malformed JSON: expected `:` at line 3, column 9
        {"id" 2}
              ^
    "#);
    assert!(Records::open("hello".as_bytes(), "id").is_err());
}

fn prepared(lines: &str, attribute: &str) -> Vec<Result<Option<Value>, Refused>> {
    let mut preparer = Preparer::new(TableSchema::kv(), attribute.to_owned());
    let records = Records::open(lines.as_bytes(), attribute).expect("it succeeds").map(Result::unwrap);
    let item = |bytes: &[u8]| item_to_json(&Item::from_bytes(bytes).expect("it succeeds"));
    records.map(|record| Ok(preparer.prepare(record)?.map(|prepared| item(&prepared.item)))).collect()
}

#[test]
fn the_key_attribute_is_renamed_and_each_key_taken_once() {
    let found = prepared(
        "{\"id\": \"a\", \"n\": 1.0}\n{\"id\": \"a\", \"n\": 1}\n{\"id\": \"a\", \"n\": 2}\n{\"id\": \"b\", \"key\": 1}\n{\"n\": 1}",
        "id",
    );
    assert_eq!(found[0], Ok(Some(json!({"key": "a", "n": 1}))));
    assert_eq!(found[1], Ok(None));
    assert_eq!(found[2], Err(Refused::Repeated { first: Place::Line(1) }));
    let taken = RenameError::Taken { name: "key".to_owned(), from: "id".to_owned() };
    assert_eq!(found[3], Err(Refused::Rename(taken)));
    assert_eq!(found[4], Err(Refused::Rename(RenameError::Missing { name: "id".to_owned() })));
    assert_eq!(prepared("{\"key\": \"a\"}", "key"), [Ok(Some(json!({"key": "a"})))]);
    assert!(prepared("{\"key\": 5}", "key")[0].is_err());
}

proptest! {
    #[test]
    fn renaming_there_and_back_gives_the_same_record(
        names in prop::collection::btree_set("[a-d]{1,2}", 0..6),
        from in "[a-d]{1,2}",
        to in "[a-d]{1,2}",
    ) {
        let record: Map<String, Value> = names.iter().map(|name| (name.clone(), json!(name))).collect();
        match rename(record.clone(), &from, &to) {
            Ok(renamed) => {
                prop_assert_eq!(renamed.get(&to), record.get(&from));
                prop_assert_eq!(rename(renamed, &to, &from), Ok(record));
            }
            Err(RenameError::Missing { name }) => prop_assert!(!record.contains_key(&name) && name == from),
            Err(RenameError::Taken { name, .. }) => prop_assert!(record.contains_key(&name) && from != to),
        }
    }

    #[test]
    fn any_file_is_handled(text in "([\\[\\]{}\",: \n]|\"id\"|1|null|a){0,40}") {
        if let Ok(records) = Records::open(text.as_bytes(), "id") {
            prop_assert!(records.take(100).all(|record| record.is_ok()));
        }
    }
}
