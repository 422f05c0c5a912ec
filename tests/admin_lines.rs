//! What a line of the admin session means, and what it says when it means nothing.

use slipring::admin::command::{Command, GetArguments, KeyArguments, PutArguments, WatchArguments};
use slipring::admin::parse::{Request, parse_line};
use slipring::admin::usage::UsageError;
use slipring::admin::with_key;
use slipring::item::{
    Conflict, KeyAttribute, KeyKind, TableName, TableSchema, TableSettings, item_from_json, item_to_json,
};

fn key(key: &str) -> KeyArguments {
    KeyArguments { table: "kv".to_owned(), key: key.to_owned(), sort: None }
}

fn put(at: &str, item: &str) -> PutArguments {
    PutArguments { key: key(at), item: item.to_owned(), ttl: None, w: None, context: None }
}

fn command(line: &str) -> Command {
    match parse_line(line) {
        Ok(Request::Run { command, json: false }) => *command,
        other => panic!("{line}: {other:?}"),
    }
}

fn complaint(line: &str) -> String {
    parse_line(line).expect_err(line).to_string()
}

#[test]
fn json_may_stand_as_it_is_or_in_quotes() {
    let milk = r#"{"items": ["milk", "it's \"fresh\""]}"#;
    let cases = [
        (format!("put kv cart:1 {milk}"), put("cart:1", milk)),
        (format!("  put   kv cart:1 {milk}   "), put("cart:1", milk)),
        (format!("put kv cart:1 {milk} --ttl 5"), PutArguments { ttl: Some(5), ..put("cart:1", milk) }),
        (
            format!("put --ttl 5 kv --w=1 cart:1 {milk}"),
            PutArguments { ttl: Some(5), w: Some(1), ..put("cart:1", milk) },
        ),
        (r#"put kv 'a key' '{"a": 1}'"#.to_owned(), put("a key", r#"{"a": 1}"#)),
        (r#"put kv "say \"hi\"" {}"#.to_owned(), put("say \"hi\"", "{}")),
        (r#"put kv {a} {"a": {"b": [1, {}]}}"#.to_owned(), put("{a}", r#"{"a": {"b": [1, {}]}}"#)),
        ("put kv a\\ b {}".to_owned(), put("a b", "{}")),
        ("put kv '' {}".to_owned(), put("", "{}")),
        ("put kv k {\"a\":\n  1}".to_owned(), put("k", "{\"a\":\n  1}")),
    ];
    for (line, expected) in cases {
        assert_eq!(command(&line), Command::Put(expected), "{line}");
    }
}

#[test]
fn other_commands_take_shell_words() {
    let get = |at: &str, r| Command::Get(GetArguments { key: key(at), r });
    assert_eq!(command("get kv {not-json --r 1"), get("{not-json", Some(1)));
    assert_eq!(command("get kv 'a b'c"), get("a bc", None));
    assert_eq!(command("get kv -- -dash"), get("-dash", None));
    assert_eq!(command("ring --all"), Command::Ring { all: true });
    let command_words = ["where", "kv", "a", "--sort", "3"].map(str::to_owned).to_vec();
    let watch = WatchArguments { seconds: 2, count: None, command: command_words };
    assert_eq!(command("watch 2 where kv a --sort 3"), Command::Watch(watch));
    assert!(matches!(parse_line("status --json"), Ok(Request::Run { json: true, .. })));
}

#[test]
fn the_session_has_words_of_its_own() {
    let cases = [
        ("", Request::Nothing),
        ("  # a comment {", Request::Nothing),
        ("exit", Request::Exit),
        ("quit", Request::Exit),
        ("\\json on", Request::Json(Some(true))),
        ("\\json", Request::Json(None)),
        ("\\timing off", Request::Timing(Some(false))),
    ];
    for (line, expected) in cases {
        assert_eq!(parse_line(line), Ok(expected), "{line}");
    }
    assert_eq!(complaint("\\jsn on"), "\\jsn on is no setting; there are: \\json on|off, \\timing on|off");
}

#[test]
fn help_shows_examples() {
    let Ok(Request::Help(text)) = parse_line("help put") else { panic!() };
    assert!(text.contains("put kv cart:1 {\"items\": [\"milk\"]}"), "{text}");
    let Ok(Request::Help(text)) = parse_line("help") else { panic!() };
    for command in ["status", "import", "\\timing"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn malformed_json_is_pointed_at() {
    insta::assert_snapshot!(complaint(r#"put kv k {"a": }"#), @r#"
    malformed JSON: expected value at column 7
      {"a": }
            ^
    "#);
    insta::assert_snapshot!(complaint(r#"put kv k {"ü": "日本", "a" 1} --ttl 5"#), @r#"
    malformed JSON: expected `:` at column 17
      {"ü": "日本", "a" 1} --ttl 5
                      ^
    "#);
    insta::assert_snapshot!(complaint(r#"put kv k {"a": 1}x"#), @r#"
    malformed JSON: unexpected text after the value at column 9
      {"a": 1}x
              ^
    "#);
    insta::assert_snapshot!(complaint("put kv k {\"a\":\n [1 2]}"), @r#"
    malformed JSON: expected `,` or `]` at line 2, column 5
       [1 2]}
          ^
    "#);
    insta::assert_snapshot!(complaint(r#"put kv k {"a": [1"#), @r#"
    malformed JSON: the text ends within a list at column 9
      {"a": [1
              ^
    "#);
}

#[test]
fn only_what_could_go_on_is_incomplete() {
    let incomplete = |line| parse_line(line).is_err_and(|error| error.is_incomplete());
    assert!(incomplete("put kv k {\"a\": 1"));
    assert!(incomplete("put kv k '{"));
    assert!(!incomplete("put kv k {\"a\" 1"));
    assert!(!incomplete("put kv k"));
    assert_eq!(complaint("get kv 'ab"), "the quote ' at column 8 is not closed");
}

#[test]
fn mistakes_are_answered_with_what_was_probably_meant() {
    let cases = [
        ("gte kv a", "there is no command `gte`; did you mean `get`?"),
        ("exti", "there is no command `exti`; did you mean `exit`?"),
        ("frobnicate", "there is no command `frobnicate`; `help` lists the commands"),
        ("help descrbe", "there is no command `descrbe`; did you mean `describe`?"),
    ];
    for (line, expected) in cases {
        assert_eq!(complaint(line), expected, "{line}");
    }
    for (line, part) in [
        ("get kv", "<KEY>"),
        ("put kv k", "<JSON>"),
        ("get kv a --contxt x", "unexpected argument '--contxt'"),
        ("put kv k {} --contxt x", "'--context'"),
        ("put kv k {} --ttl 0", "0 is not in 1.."),
        ("get kv a --r 300", "300 is not in 0..=255"),
        ("import kv f --concurrency 0", "0 is not in 1..=1024"),
        ("watch 0 hints", "0 is not in 1..=86400"),
    ] {
        assert!(complaint(line).contains(part), "{line}: {}", complaint(line));
    }
}

fn orders() -> TableSchema {
    TableSchema {
        name: TableName::new("orders").expect("it succeeds"),
        partition_key: KeyAttribute { name: "user".to_owned(), kind: KeyKind::S },
        sort_key: Some(KeyAttribute { name: "at".to_owned(), kind: KeyKind::N }),
        conflict: Conflict::Lww,
        settings: TableSettings::default(),
        ..TableSchema::kv()
    }
}

fn keyed(table: &TableSchema, at: &str, sort: Option<&str>, json: &str) -> Result<String, UsageError> {
    let arguments = KeyArguments { table: String::new(), key: at.to_owned(), sort: sort.map(str::to_owned) };
    let item = item_from_json(&serde_json::from_str(json).expect("it succeeds"))?;
    with_key(item, table, &arguments).map(|item| item_to_json(&item).to_string())
}

#[test]
fn a_missing_key_is_added_and_another_one_refused() {
    let kv = TableSchema::kv();
    assert_eq!(keyed(&kv, "a", None, "{}").unwrap(), r#"{"key":"a"}"#);
    assert_eq!(keyed(&kv, "a", None, r#"{"key": "a"}"#).unwrap(), r#"{"key":"a"}"#);
    let other = keyed(&kv, "a", None, r#"{"key": "b"}"#).unwrap_err();
    assert_eq!(other.to_string(), r#"the item's "key" is not the KEY given, "a": leave it out, or give the same"#);
    assert!(keyed(&kv, "", None, "{}").is_err());
    assert!(keyed(&kv, "a", Some("1"), "{}").is_err());
    assert_eq!(keyed(&orders(), "u", Some("1.50"), "{}").unwrap(), r#"{"at":1.5,"user":"u"}"#);
    assert_eq!(keyed(&orders(), "u", None, r#"{"at": 7}"#).unwrap(), r#"{"at":7,"user":"u"}"#);
    assert_eq!(keyed(&orders(), "u", Some("7.0"), r#"{"at": 7}"#).unwrap(), r#"{"at":7,"user":"u"}"#);
    assert!(keyed(&orders(), "u", Some("8"), r#"{"at": 7}"#).is_err());
    assert!(keyed(&orders(), "u", None, "{}").is_err());
    assert!(keyed(&orders(), "u", None, r#"{"at": "7"}"#).is_err());
}
