//! No text makes the parser panic, recurse without end or take long.

use std::time::Duration;

use proptest::prelude::*;

use crate::item::expression::{Condition, ExpressionKind, KeyTerms, Placeholders, Projection, Update};

/// Parses a text as everything that it could be.
fn parse(text: &str) {
    let mut placeholders = Placeholders::none();
    let condition = Condition::parse(ExpressionKind::Condition, text, &mut placeholders);
    let _ = condition.map(|condition| condition.holds(&crate::item::Item::new()));
    let _ = Update::parse(text, &mut placeholders);
    let _ = Projection::parse(text, &mut placeholders);
    let _ = KeyTerms::parse(text, &mut placeholders);
}

/// Words and signs of the language in any order.
fn words() -> impl Strategy<Value = String> {
    const WORDS: [&str; 34] = [
        "a",
        "name",
        "#n",
        ":v",
        "(",
        "(",
        ")",
        ")",
        "[",
        "]",
        "0",
        "7",
        ".",
        ",",
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "AND",
        "or",
        "NOT",
        "IN",
        "BETWEEN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "if_not_exists",
        "f",
        "é",
    ];
    prop::collection::vec(prop::sample::select(WORDS.as_slice()), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn any_words_are_parsed_or_refused(text in words()) {
        parse(&text);
    }
}

#[test]
fn long_and_deep_texts_need_little_stack_and_time() {
    let deep = [
        "(".repeat(4096),
        format!("{}a=b{}", "(".repeat(2046), ")".repeat(2046)),
        format!("a<b {}{}", "or (a<b ".repeat(454), ")".repeat(454)),
        format!("a<b {}{}", "or (a<b ".repeat(149), ")".repeat(149)),
        format!("{}a<b", "not ".repeat(1000)),
        format!("{}a<b{}", "not(".repeat(299), ")".repeat(299)),
        format!("{}a<b{}", "not(".repeat(800), ")".repeat(800)),
        format!("{}a{} < b", "(".repeat(2000), ")".repeat(2000)),
        format!("a < {}b{}", "f(".repeat(1355), ")".repeat(1355)),
        format!("a < {}b{}", "size(".repeat(680), ")".repeat(680)),
        format!("a < {}", "(".repeat(4000)),
        format!("SET a = {}b", "(".repeat(4000)),
        format!("SET a = {}b{}", "if_not_exists(a, ".repeat(238), ")".repeat(238)),
        format!("SET a = {}b{}", "if_not_exists(a,".repeat(199), ")".repeat(199)),
        format!("a{}", ".a".repeat(2000)),
        format!("a{}", "[0]".repeat(1300)),
        "((".repeat(1000) + &"a = b ) AND ".repeat(150),
        "a,".repeat(2000) + "a",
        (0..900).map(|at| format!("a{at}")).collect::<Vec<_>>().join(",")[..4090].to_owned(),
        "#".repeat(4096),
        "é".repeat(2048),
        "x".repeat(10_000_000),
    ];
    // A quarter of what a thread has.
    let parsing = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        for text in &deep {
            parse(text);
        }
    });
    let (done, time) = std::sync::mpsc::channel();
    let thread = parsing.unwrap();
    std::thread::spawn(move || done.send(thread.join().is_ok()));
    assert_eq!(time.recv_timeout(Duration::from_secs(20)), Ok(true));
}
