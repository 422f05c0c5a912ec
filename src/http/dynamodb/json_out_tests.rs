//! What is written is JSON, and the JSON that it should be.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::JsonWriter;
use crate::item::{Item, arbitrary, item_to_dynamodb_json, value_to_dynamodb_json};

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
    fn stored_items_look_as_the_items(item in arbitrary::item()) {
        let text = written(|out| out.stored_item(&item.to_bytes()).unwrap());
        prop_assert_eq!(text, written(|out| out.item(&item)));
    }

    /// What can be read as an item can be written from its bytes, and nothing else can.
    #[test]
    fn what_is_no_item_is_not_written(item in arbitrary::item(), damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = item.to_bytes().to_vec();
        damages.iter().for_each(|(at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        });
        let mut out = JsonWriter::default();
        match (Item::from_bytes(&bytes), out.stored_item(&bytes)) {
            (Ok(item), Ok(())) => prop_assert_eq!(String::from_utf8(out.into_bytes()).unwrap(), written(|out| out.item(&item))),
            (read, written) => prop_assert_eq!(read.err(), written.err()),
        }
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

    /// Long texts are looked at in strides: whatever must be escaped may stand anywhere in one.
    #[test]
    fn long_texts_are_escaped_everywhere(places in prop::collection::vec((0..200_usize, prop::sample::select(&["\"", "\\", "\n", "\0", "\u{1f}", "\u{7f}", "ü"][..])), 0..5)) {
        let mut characters = vec!["a"; 200];
        places.iter().for_each(|(at, other)| characters[*at] = other);
        let text = characters.concat();
        let json: Value = serde_json::from_str(&written(|out| out.text(&text))).unwrap();
        prop_assert_eq!(json, json!(text));
    }
}
