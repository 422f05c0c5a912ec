//! What is written is JSON, and the JSON that it should be.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::JsonWriter;
use crate::item::{arbitrary, item_to_dynamodb_json, value_to_dynamodb_json};

fn written(write: impl FnOnce(&mut JsonWriter)) -> String {
    let mut out = JsonWriter::default();
    write(&mut out);
    String::from_utf8(out.into_bytes()).unwrap()
}

#[test]
fn commas_stand_between_and_nowhere_else() {
    let text = written(|out| {
        out.object(|out| {
            out.name("a").array(|out| {
                out.integer(1_i64);
                out.object(|_| {});
                out.array(|_| {});
                out.text("[");
                out.boolean(false);
            });
            out.name("b:").text("{");
            out.name("c").object(|out| out.name("d").count(0));
            out.name("e").texts(["x", "y"]);
            out.name("f").float(1.5);
            out.name("g").float(2.0);
        });
    });
    assert_eq!(text, r#"{"a":[1,{},[],"[",false],"b:":"{","c":{"d":0},"e":["x","y"],"f":1.5,"g":2.0}"#);
}

#[test]
fn numbers_that_json_does_not_have_are_zero() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(written(|out| out.float(number)), "0.0");
    }
    assert_eq!(written(|out| out.float(1_363_729_002.358)), "1363729002.358");
    assert_eq!(written(|out| out.integer(u64::MAX)), "18446744073709551615");
}

proptest! {
    #[test]
    fn items_look_as_elsewhere(item in arbitrary::item()) {
        let text = written(|out| out.item(&item));
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), item_to_dynamodb_json(&item));
        // Nothing but what JSON needs: the same bytes as those of the tree, whose maps are in order too.
        prop_assert_eq!(text, item_to_dynamodb_json(&item).to_string());
    }

    #[test]
    fn values_look_as_elsewhere(value in arbitrary::value()) {
        prop_assert_eq!(written(|out| out.value(&value)), value_to_dynamodb_json(&value).to_string());
    }

    #[test]
    fn any_text_is_escaped(text in any::<String>()) {
        let json: Value = serde_json::from_str(&written(|out| out.text(&text))).unwrap();
        prop_assert_eq!(json, json!(text));
    }
}
