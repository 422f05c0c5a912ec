//! Key conditions: what they come to for a key, and every way in which they are refused.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    KeyCondition, KeyConditionError, KeyTerms, SortTest, check_not_within_key, check_old_query_filter,
    check_query_filter,
};
use crate::item::expression::{ComparisonOperator, Condition, ExpressionKind, LegacyCondition, Placeholders};
use crate::item::{AttributeValue, KeyAttribute, KeyKind, KeyValue};

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.into())
}

/// Placeholders with every value that the tests use.
fn placeholders() -> Placeholders {
    let values = [
        (":p", text("p")),
        (":s", number(3)),
        (":t", number(5)),
        (":a", text("a")),
        (":b", text("b")),
        (":empty", text("")),
        (":none", AttributeValue::B(Bytes::new())),
        (":list", AttributeValue::L(vec![])),
        (":type", text("S")),
    ];
    let values: BTreeMap<_, _> = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let names = BTreeMap::from([("#d".to_owned(), "pk".to_owned())]);
    Placeholders::new(Some(names), Some(values)).unwrap()
}

fn key(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

fn parse(text: &str) -> Result<KeyTerms, KeyConditionError> {
    KeyTerms::parse(text, &mut placeholders())
}

/// For a table with the key (pk S, sk N).
fn composite(text: &str) -> Result<KeyCondition, String> {
    let sort = key("sk", KeyKind::N);
    let condition = parse(text).and_then(|terms| terms.for_keys(&key("pk", KeyKind::S), Some(&sort)));
    condition.map_err(|error| error.to_string())
}

#[test]
fn conditions_are_those_of_one_partition_and_a_range() {
    let (three, five) = (KeyValue::N(3_i64.into()), KeyValue::N(5_i64.into()));
    let table = [
        ("pk = :p", None),
        (":p = pk", None),
        ("(pk = :p)", None),
        ("#d = :p", None),
        ("pk = :p AND sk = :s", Some(SortTest::Equal(three.clone()))),
        ("sk = :s AND pk = :p", Some(SortTest::Equal(three.clone()))),
        ("((sk < :s) AND (pk = :p))", Some(SortTest::Less(three.clone()))),
        ("pk = :p AND :s < sk", Some(SortTest::Greater(three.clone()))),
        ("pk = :p AND :s >= sk", Some(SortTest::LessOrEqual(three.clone()))),
        ("pk = :p AND sk <= :s", Some(SortTest::LessOrEqual(three.clone()))),
        ("pk = :p AND sk > :s", Some(SortTest::Greater(three.clone()))),
        ("pk = :p AND sk >= :s", Some(SortTest::GreaterOrEqual(three.clone()))),
        ("pk = :p aNd sk bEtWeEn :s AND :t", Some(SortTest::Between(three, five))),
    ];
    for (text, sort) in table {
        let condition = composite(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(condition.partition, KeyValue::S("p".to_owned()), "{text}");
        assert_eq!(condition.sort, sort.map(|sort| ("sk".to_owned(), sort)), "{text}");
    }
    let sort = key("sk", KeyKind::S);
    let terms = parse("begins_with(sk, :a) AND pk = :p").unwrap();
    let begins = terms.for_keys(&key("pk", KeyKind::S), Some(&sort)).unwrap();
    assert_eq!(begins.sort, Some(("sk".to_owned(), SortTest::BeginsWith(KeyValue::S("a".to_owned())))));
}

#[test]
fn conditions_are_refused_in_these_words() {
    let operator = |operator: &str| format!("Invalid operator used in KeyConditionExpression: {operator}");
    let first = |operator: &str| {
        format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
        )
    };
    let nested = "KeyConditionExpressions cannot contain nested operations".to_owned();
    let two = "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition".to_owned();
    let inside = "KeyConditionExpressions cannot have conditions on nested attributes".to_owned();
    let none = "Invalid condition in KeyConditionExpression: No key attribute specified".to_owned();
    let once =
        "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key".to_owned();
    let count = "Conditions can be of length 1 or 2 only".to_owned();
    let table = [
        ("", "Invalid KeyConditionExpression: The expression can not be empty;".to_owned()),
        ("a > 4", "Invalid KeyConditionExpression: Syntax error; token: \"4\", near: \"> 4\"".to_owned()),
        ("((pk = :p))", "Invalid KeyConditionExpression: The expression has redundant parentheses;".to_owned()),
        ("dog(sk, :s)", "Invalid KeyConditionExpression: Invalid function name; function: dog".to_owned()),
        (
            "pk = :p AND begins_with(sk, :s)",
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; \
             operator or function: begins_with, operand type: N"
                .to_owned(),
        ),
        ("a > b AND size(b) > c OR a > c", operator("OR")),
        ("a IN (b, size(c), d)", operator("IN")),
        ("attribute_exists(a)", operator("attribute_exists")),
        ("attribute_not_exists(a)", operator("attribute_not_exists")),
        ("attribute_type(a, :type)", operator("attribute_type")),
        ("contains(a.d, b)", operator("contains")),
        ("NOT a > b", operator("NOT")),
        ("a <> b", operator("<>")),
        (":a BETWEEN size(b) AND size(a) AND b > :b", first("BETWEEN")),
        ("begins_with(:a, b) AND a > :b", first("begins_with")),
        ("size(b) > a AND a.b > b AND b > c", nested.clone()),
        ("a > size(b.d)", nested.clone()),
        ("a BETWEEN size(b) AND size(a)", nested),
        ("b > a.b", two.clone()),
        ("b BETWEEN c[1] AND d", two.clone()),
        ("a BETWEEN b AND size(a)", two.clone()),
        ("begins_with(a, b)", two),
        ("b.d > a AND c.d > e.f", inside.clone()),
        ("b[0] > a", inside.clone()),
        ("#d.foo = :p", inside.clone()),
        ("pk = :p AND :s < sk.foo", inside),
        (":b > :a AND a < :b", none.clone()),
        (":a > b AND :a < :b", none),
        ("b > :a AND b < :a AND c = :a AND d = :a", once.clone()),
        ("pk = :p AND pk = :p", once.clone()),
        ("(a > :a AND b > :a) AND (b > :a AND c > :a)", once),
        (":a = a AND b = :a AND :a = c", count),
        ("foo = :p", "Query condition missed key schema element: pk".to_owned()),
        ("sk = :s", "Query condition missed key schema element: pk".to_owned()),
        ("pk = :p AND foo = :s", "Query condition missed key schema element: sk".to_owned()),
        ("pk < :p", "Query key condition not supported".to_owned()),
        ("begins_with(pk, :p) AND sk = :s", "Query key condition not supported".to_owned()),
        (
            "pk = :s",
            "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned(),
        ),
        (
            "pk = :p AND sk BETWEEN :a AND :b",
            "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned(),
        ),
        (
            "pk = :list",
            "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned(),
        ),
        (
            "pk = :empty",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty string value. Key: pk"
                .to_owned(),
        ),
    ];
    for (text, error) in table {
        assert_eq!(composite(text), Err(error), "{text}");
    }
}

#[test]
fn a_key_without_a_sort_key_takes_one_condition() {
    let hash = |text: &str, kind| parse(text).and_then(|terms| terms.for_keys(&key("pk", kind), None));
    assert!(hash("pk = :p", KeyKind::S).is_ok());
    assert_eq!(hash("pk = :p AND sk = :s", KeyKind::S), Err(KeyConditionError::NotSupported));
    let empty = hash("pk = :none", KeyKind::B).unwrap_err().to_string();
    assert!(empty.ends_with("cannot contain an empty binary value. Key: pk"), "{empty}");
}

#[test]
fn old_operators_without_an_order_are_refused_with_the_table() {
    let terms = |conditions: &[(&str, ComparisonOperator, Vec<AttributeValue>)]| {
        let conditions = conditions.iter().map(|(name, operator, values)| {
            ((*name).to_owned(), LegacyCondition { operator: *operator, values: values.clone() })
        });
        let terms = KeyTerms::of_key_conditions(conditions.collect()).unwrap();
        terms.for_keys(&key("pk", KeyKind::S), Some(&key("sk", KeyKind::N))).map_err(|error| error.to_string())
    };
    use ComparisonOperator::{Between, Contains, Eq, Lt, Ne, Null};
    let partition = ("pk", Eq, vec![text("p")]);
    let range = terms(&[partition.clone(), ("sk", Between, vec![number(3), number(5)])]).unwrap();
    let between = SortTest::Between(KeyValue::N(3_i64.into()), KeyValue::N(5_i64.into()));
    assert_eq!(range.sort, Some(("sk".to_owned(), between)));
    let not_indexable = Err("Attempted conditional constraint is not an indexable operation".to_owned());
    assert_eq!(terms(&[("pk", Null, vec![])]), not_indexable);
    assert_eq!(terms(&[partition.clone(), ("sk", Ne, vec![number(3)])]), not_indexable);
    assert_eq!(terms(&[partition.clone(), ("sk", Contains, vec![number(3)])]), not_indexable);
    assert_eq!(terms(&[("pk", Lt, vec![text("p")])]), Err("Query key condition not supported".to_owned()));
    let missed = Err("Query condition missed key schema element: pk".to_owned());
    assert_eq!(terms(&[("z", Null, vec![])]), missed);
}

#[test]
fn filters_and_paths_keep_off_the_key() {
    let filter = |text: &str| Condition::parse(ExpressionKind::Filter, text, &mut placeholders()).unwrap();
    let on_key = filter("a = :a AND (b = :b OR NOT begins_with(sk, :a))");
    assert_eq!(check_query_filter(&filter("a.pk = :a"), ["pk", "sk"]), Ok(()));
    assert_eq!(
        check_query_filter(&on_key, ["pk", "sk"]).unwrap_err().to_string(),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    );
    assert_eq!(
        check_old_query_filter(&on_key, ["pk", "sk"]).unwrap_err().to_string(),
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk"
    );
    let within = filter("size(pk[0]) = :s");
    assert_eq!(check_not_within_key(on_key.paths(), ["pk", "sk"]), Ok(()));
    assert_eq!(
        check_not_within_key(within.paths(), ["pk", "sk"]).unwrap_err().to_string(),
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"
    );
}
