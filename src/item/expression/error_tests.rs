//! Every way in which an expression is refused, and the words for it.

use std::collections::BTreeMap;

use super::ExpressionError;
use crate::item::expression::{Condition, ExpressionKind, Parameters, Placeholders, Projection, Update};
use crate::item::{AttributeValue, Item};

fn map<T: Clone>(entries: &[(&str, T)]) -> BTreeMap<String, T> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// Placeholders with a value of every type.
fn placeholders() -> Placeholders {
    let names =
        map(&[("#a", "a".to_owned()), ("#b", "b".to_owned()), ("#c", "c".to_owned()), ("#d", "[3]".to_owned())]);
    let set = |members: &[&str]| members.iter().map(|member| (*member).to_owned()).collect();
    let values = map(&[
        (":s", AttributeValue::S("a".to_owned())),
        (":n", AttributeValue::N(1_i64.into())),
        (":m", AttributeValue::N(2_i64.into())),
        (":b", AttributeValue::B(vec![1, 2].into())),
        (":c", AttributeValue::B(vec![1].into())),
        (":bool", AttributeValue::Bool(true)),
        (":null", AttributeValue::Null),
        (":ss", AttributeValue::Ss(set(&["x"]))),
        (":ns", AttributeValue::Ns([1_i64.into()].into())),
        (":bs", AttributeValue::Bs([vec![1].into()].into())),
        (":map", AttributeValue::M(BTreeMap::new())),
        (":list", AttributeValue::L(vec![])),
        (":dog", AttributeValue::S("DOG".to_owned())),
    ]);
    Placeholders::new(Some(names), Some(values)).unwrap()
}

fn condition(text: &str) -> Result<Condition, ExpressionError> {
    Condition::parse(ExpressionKind::Condition, text, &mut placeholders())
}

fn check<T: std::fmt::Debug>(kind: &str, parse: fn(&str) -> Result<T, ExpressionError>, table: &[(&str, &str)]) {
    for (text, problem) in table {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, format!("Invalid {kind}: {problem}"), "{text}");
    }
}

const DISTINCT: &str =
    "The first operand must be distinct from the remaining operands for this operator or function; operator: ";

#[test]
fn conditions_that_are_not_well_formed() {
    let table = [
        ("", "The expression can not be empty;"),
        ("  ", "Syntax error; token: \"<EOF>\", near: \"  \""),
        ("foo", "Syntax error; token: \"<EOF>\", near: \"foo\""),
        ("a =", "Syntax error; token: \"<EOF>\", near: \"=\""),
        ("attribute_not_exists(", "Syntax error; token: \"<EOF>\", near: \"(\""),
        ("((a = :s", "Syntax error; token: \"<EOF>\", near: \":s\""),
        ("a == :s", "Syntax error; token: \"=\", near: \"== :s\""),
        ("a != :s", "Syntax error; token: \"!\", near: \"a !=\""),
        ("a = :s b = :s", "Syntax error; token: \"b\", near: \":s b =\""),
        ("_a = :s", "Syntax error; token: \"_\", near: \"_a\""),
        ("a-b = :s", "Syntax error; token: \"-\", near: \"a-b\""),
        ("a.1 = :s", "Syntax error; token: \"1\", near: \".1 =\""),
        ("a[01] = :s", "Syntax error; token: \"1\", near: \"01]\""),
        ("a[:n] = :s", "Syntax error; token: \":n\", near: \"[:n]\""),
        ("a[#a] = :s", "Syntax error; token: \"#a\", near: \"[#a]\""),
        ("a = \"é\"", "Syntax error; token: \"\"\", near: \"= \"é\""),
        ("é = :s", "Syntax error; token: \"é\", near: \"é =\""),
        ("# = :s", "Syntax error; token: \"#\", near: \"# =\""),
        ("a = 1", "Syntax error; token: \"1\", near: \"= 1\""),
        ("a IN ()", "Syntax error; token: \")\", near: \"()\""),
        ("a IN :s", "Syntax error; token: \":s\", near: \"IN :s\""),
        ("a BETWEEN :n OR :m", "Syntax error; token: \"OR\", near: \":n OR :m\""),
        ("a AND b = :s", "Syntax error; token: \"AND\", near: \"a AND b\""),
        ("(a) AND b = :s", "Syntax error; token: \"AND\", near: \") AND b\""),
        ("(a = :s) = :n", "Syntax error; token: \"=\", near: \") = :n\""),
        ("size() > :n", "Syntax error; token: \")\", near: \"() >\""),
        ("(size(a))[0] > a", "Syntax error; token: \"[\", near: \")[0\""),
        ("NOT = :s", "Syntax error; token: \"=\", near: \"NOT = :s\""),
        ("((a = :s))", "The expression has redundant parentheses;"),
        ("((a)) = :s", "The expression has redundant parentheses;"),
        ("a = ((:s))", "The expression has redundant parentheses;"),
        ("a IN (((:s)))", "The expression has redundant parentheses;"),
        ("((attribute_exists(a)))", "The expression has redundant parentheses;"),
    ];
    check("ConditionExpression", condition, &table);
    assert!(condition("(((a) = (:s)) AND (b = :n)) OR (NOT (c = :n))").is_ok());
}

#[test]
fn names_and_functions_before_placeholders() {
    let table = [
        ("name = :undefined", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("a.Status = :s", "Attribute name is a reserved keyword; reserved keyword: Status"),
        ("attribute_exists(abOrt)", "Attribute name is a reserved keyword; reserved keyword: abOrt"),
        ("a[2147483648] = :s", "List index is not within the allowable range; index: [2147483648]"),
        ("a[99999999999999999999] = :s", "List index is not within the allowable range; index: [99999999999999999999]"),
        ("foo(a)", "Invalid function name; function: foo"),
        ("Size(a) = :n", "Invalid function name; function: Size"),
        ("a = foo(b)", "Invalid function name; function: foo"),
        ("if_not_exists(a, b) = :n", "The function is not allowed in a condition expression; function: if_not_exists"),
        ("list_append(a, b) = :n", "The function is not allowed in a condition expression; function: list_append"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        ("NOT size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "attribute_exists(a) = :n",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "a IN (contains(a, b))",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "size(contains(a, b)) = :n",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "begins_with(a)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "attribute_exists(a, b)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        ),
        (
            "size(a, a) = :n",
            "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
        ),
    ];
    check("ConditionExpression", condition, &table);
}

#[test]
fn operands_of_conditions() {
    let distinct = |rest: &str| format!("{DISTINCT}{rest}");
    let kind = |operator: &str, found: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
        )
    };
    let order = "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: ";
    let same = "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: ";
    let any = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}";
    let table = [
        (
            "#x = :s",
            "An expression attribute name used in the document path is not defined; attribute name: #x".to_owned(),
        ),
        (
            "a.#x = :x",
            "An expression attribute name used in the document path is not defined; attribute name: #x".to_owned(),
        ),
        ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x".to_owned()),
        ("a = a", distinct("=, first operand: [a]")),
        ("#a.b[1] <> a.b[1]", distinct("<>, first operand: [a, b, [1]]")),
        ("a BETWEEN :n AND #a", distinct("BETWEEN, first operand: [a]")),
        ("a IN (b, a)", distinct("IN, first operand: [a]")),
        ("contains(a, #a)", distinct("contains, first operand: [a]")),
        ("begins_with(a, a)", distinct("begins_with, first operand: [a]")),
        ("a < :bool", kind("<", "BOOL")),
        (":null >= a", kind(">=", "NULL")),
        ("a > :ss", kind(">", "SS")),
        ("size(a) <= :map", kind("<=", "M")),
        ("a BETWEEN :list AND :list", kind("BETWEEN", "L")),
        ("NOT (attribute_exists(a) OR b > :ns)", kind(">", "NS")),
        ("begins_with(a, :n)", kind("begins_with", "N")),
        ("begins_with(:bs, a)", kind("begins_with", "BS")),
        ("begins_with(size(a), :s)", kind("begins_with", "N")),
        ("size(:n) = a", kind("size", "N")),
        ("size(:bool) = a", kind("size", "BOOL")),
        ("size(size(a)) = b", kind("size", "N")),
        ("attribute_type(a, :n)", kind("attribute_type", "N")),
        ("attribute_type(a, b)", kind("attribute_type", any)),
        (
            "attribute_type(a, :dog)",
            "Invalid attribute type name found; type: DOG, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}".to_owned(),
        ),
        (
            "attribute_exists(:s)",
            "Operator or function requires a document path; operator or function: attribute_exists".to_owned(),
        ),
        (
            "attribute_not_exists(size(a))",
            "Operator or function requires a document path; operator or function: attribute_not_exists".to_owned(),
        ),
        ("a BETWEEN :m AND :n", format!("{order}{{N:2}}, upper bound operand: AttributeValue: {{N:1}}")),
        ("a BETWEEN :b AND :c", format!("{order}{{B:AQI=}}, upper bound operand: AttributeValue: {{B:AQ==}}")),
        ("a BETWEEN :n AND :s", format!("{same}{{N:1}}, upper bound operand: AttributeValue: {{S:a}}")),
    ];
    for (text, problem) in &table {
        check("ConditionExpression", condition, &[(text, problem)]);
    }
    let mut placeholders = placeholders();
    let error = Condition::parse(ExpressionKind::Filter, "a = :x", &mut placeholders).unwrap_err();
    let text = "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :x";
    assert_eq!(error.to_string(), text);
}

#[test]
fn the_limits_of_conditions() {
    let count = |text: &str| condition(text).map(|_| ()).map_err(|error| error.to_string());
    let invalid = |problem: &str| Err(format!("Invalid ConditionExpression: {problem}"));
    let padded = |bytes: usize| format!("a = :s{}", " ".repeat(bytes - 6));
    assert_eq!(count(&padded(4096)), Ok(()));
    assert_eq!(
        count(&padded(4097)),
        invalid("Expression size has exceeded the maximum allowed size; expression size: 4097")
    );
    let joined = |tests: usize| vec!["a=:s"; tests].join(" OR ");
    // 150 comparisons and 149 OR.
    assert_eq!(count(&joined(150)), Ok(()));
    assert_eq!(count(&format!("NOT {}", joined(150))), Ok(()));
    let too_many = invalid("The expression contains too many operators; operator count: 301");
    assert_eq!(count(&joined(151)), too_many);
    assert_eq!(count(&format!("{} AND size(b)=:n", joined(150))), too_many);
    assert_eq!(count(&format!("{}a=:s", "NOT ".repeat(299))), Ok(()));
    assert_eq!(count(&format!("{}a=:s", "NOT ".repeat(300))), too_many);
    let nested = |depth: usize| format!("a<b {}{}", "or (a<b ".repeat(depth), ")".repeat(depth));
    assert_eq!(count(&nested(149)), Ok(()));
    assert_eq!(count(&nested(454)), too_many);
    assert_eq!(count(&"(".repeat(4096)), invalid("Syntax error; token: \"<EOF>\", near: \"(\""));
    let redundant = format!("{}a=:s{}", "(".repeat(2045), ")".repeat(2045));
    assert_eq!(count(&redundant), invalid("The expression has redundant parentheses;"));
    let calls =
        |function: &str, depth: usize| format!("a < {}b{}", format!("{function}(").repeat(depth), ")".repeat(depth));
    assert_eq!(count(&calls("f", 1355)), invalid("Invalid function name; function: f"));
    let list = |operands: usize| format!("a IN ({})", vec![":s"; operands].join(","));
    assert_eq!(count(&list(100)), Ok(()));
    assert_eq!(
        count(&list(101)),
        invalid("The IN operator is provided with too many operands; number of operands: 101")
    );
    assert_eq!(count(&format!("a{} = :s", ".b".repeat(31))), Ok(()));
    assert_eq!(
        count(&format!("a{} = :s", ".b".repeat(32))),
        invalid("The document path has too many nesting levels; nesting levels: 33")
    );
}

fn projection(text: &str) -> Result<Projection, ExpressionError> {
    Projection::parse(text, &mut placeholders())
}

#[test]
fn projections() {
    let overlap = "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: ";
    let conflict = "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: ";
    let table = [
        ("", "The expression can not be empty;".to_owned()),
        ("a,", "Syntax error; token: \"<EOF>\", near: \",\"".to_owned()),
        ("a b", "Syntax error; token: \"b\", near: \"a b\"".to_owned()),
        ("l[]", "Syntax error; token: \"]\", near: \"[]\"".to_owned()),
        (":s", "Syntax error; token: \":s\", near: \":s\"".to_owned()),
        ("a.abort", "Attribute name is a reserved keyword; reserved keyword: abort".to_owned()),
        ("#x", "An expression attribute name used in the document path is not defined; attribute name: #x".to_owned()),
        ("a, a", format!("{overlap}[a], path two: [a]")),
        ("a, #a", format!("{overlap}[a], path two: [a]")),
        ("a, b, a.b", format!("{overlap}[a], path two: [a, b]")),
        ("a.b[1].c, b, a.b", format!("{overlap}[a, b, [1], c], path two: [a, b]")),
        ("a.b, c, a[1]", format!("{conflict}[a, b], path two: [a, [1]]")),
        ("a[1], a.b, c, c", format!("{overlap}[c], path two: [c]")),
    ];
    for (text, problem) in &table {
        check("ProjectionExpression", projection, &[(text, problem)]);
    }
    assert!(projection("a.b, a.c[1], a.c[0].x, ab, #d").is_ok());
}

fn update(text: &str) -> Result<Update, ExpressionError> {
    Update::parse(text, &mut placeholders())
}

#[test]
fn updates_that_are_not_well_formed() {
    let table = [
        ("", "The expression can not be empty;"),
        ("INVALID SYNTAX HERE", "Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\""),
        ("SET _123 = :s", "Syntax error; token: \"_\", near: \"SET _123\""),
        ("set a = :s,", "Syntax error; token: \"<EOF>\", near: \",\""),
        ("set a", "Syntax error; token: \"<EOF>\", near: \"a\""),
        ("set path = VALUE 1", "Syntax error; token: \"1\", near: \"VALUE 1\""),
        ("set a=set", "Syntax error; token: \"set\", near: \"=set\""),
        ("remove a = b", "Syntax error; token: \"=\", near: \"a = b\""),
        ("add a b", "Syntax error; token: \"b\", near: \"a b\""),
        ("delete a if_not_exist(b)", "Syntax error; token: \"if_not_exist\", near: \"a if_not_exist(\""),
        ("set :s = b", "Syntax error; token: \":s\", near: \"set :s =\""),
        ("set a = b / c", "Syntax error; token: \"/\", near: \"b / c\""),
        ("set a = b + c + d", "Syntax error; token: \"+\", near: \"c + d\""),
        ("set (a = (b + c))", "Syntax error; token: \"(\", near: \"set (a\""),
        ("set a = (b.c).d + e", "Syntax error; token: \".\", near: \").d\""),
        ("set a = if_not_exists(a, :n + :n)", "Syntax error; token: \"+\", near: \":n + :n\""),
        ("set a = _f(b)", "Syntax error; token: \"_\", near: \"= _f\""),
        ("set a = ((:n))", "The expression has redundant parentheses;"),
        ("set a = ((:n + :n))", "The expression has redundant parentheses;"),
        (" set #x = :x set abOrt = true ", "Attribute name is a reserved keyword; reserved keyword: abOrt"),
        ("set a = f123_hi(b,c,d)", "Invalid function name; function: f123_hi"),
        ("set a = LIST_APPEND(b, c)", "Invalid function name; function: LIST_APPEND"),
        ("set a = size(b)", "The function is not allowed in an update expression; function: size"),
        (
            "set a = list_append(list_append(:list, b), c)",
            "The function is not allowed to be used this way in an expression; function: list_append",
        ),
        ("set a = #x set c = :x", "The \"SET\" section can only be used once in an update expression;"),
        ("remove #x set a = b remove e", "The \"REMOVE\" section can only be used once in an update expression;"),
        ("add #x :x set a = b add e :x", "The \"ADD\" section can only be used once in an update expression;"),
        (
            "delete #x :x set a = b delete #x :x",
            "The \"DELETE\" section can only be used once in an update expression;",
        ),
        ("set #c = if_not_exist(:c) set c = d", "Invalid function name; function: if_not_exist"),
    ];
    check("UpdateExpression", update, &table);
    for text in
        ["set a = (b + c)", "set a = ((b.c.d)+(:n))", "SET a = if_not_exists(a, if_not_exists(b, c)) REMOVE d ADD e :n"]
    {
        assert!(update(text).is_ok(), "{text}");
    }
}

#[test]
fn operands_of_updates() {
    let overlap = |one: &str, two: &str| {
        format!(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    let conflict = |one: &str, two: &str| {
        format!(
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    let undefined =
        "An expression attribute name used in the document path is not defined; attribute name: #x".to_owned();
    let no_value = "An expression attribute value used in expression is not defined; attribute value: :x".to_owned();
    let count = |function: &str, count: usize| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: {count}"
        )
    };
    let needs_path = "Operator or function requires a document path; operator or function: if_not_exists".to_owned();
    let table = [
        ("SET #x = if_not_exists(:c)", undefined.clone()),
        ("SET a = #x", undefined.clone()),
        ("SET a = :x, b = #x", undefined.clone()),
        ("REMOVE a.#x", undefined),
        ("SET a = :x", no_value.clone()),
        ("ADD a :x", no_value.clone()),
        ("SET a = if_not_exists(:x, :n)", no_value),
        ("set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)", overlap("[c, [1], a]", "[c]")),
        ("set c.b.#c = a, c = a, #d = a", overlap("[c, b, c]", "[c]")),
        ("set a = b remove a, #c, #d", overlap("[a]", "[a]")),
        ("set #c[3].#d = a, #c[3] = a", overlap("[c, [3], [3]]", "[c, [3]]")),
        ("remove c, #c.a, #d", overlap("[c]", "[c, a]")),
        ("set #c[3].#d = a, #c.#d[3] = if_not_exists(a)", conflict("[c, [3], [3]]", "[c, [3], [3]]")),
        ("remove a.#c set a[1] = #d", conflict("[a, c]", "[a, [1]]")),
        ("set a = if_not_exists(c)", count("if_not_exists", 1)),
        ("set a = list_append(c)", count("list_append", 1)),
        ("set a = list_append(:list, :list, :list)", count("list_append", 3)),
        ("set a = if_not_exists(:n, c)", needs_path.clone()),
        ("set a = if_not_exists(if_not_exists(a, b), c)", needs_path),
        ("set a = if_not_exists(c, c)", format!("{DISTINCT}if_not_exists, first operand: [c]")),
    ];
    for (text, problem) in &table {
        check("UpdateExpression", update, &[(text, problem)]);
    }
}

#[test]
fn types_of_operands_of_updates() {
    let kind = |operator: &str, found: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
        )
    };
    let section = |section: &str, found: &str| {
        format!(
            "Incorrect operand type for operator or function; operator: {section}, operand type: {found}, typeSet: ALLOWED_FOR_{section}_OPERAND"
        )
    };
    let types = [
        (":s", "S", "STRING"),
        (":n", "N", "NUMBER"),
        (":b", "B", "BINARY"),
        (":bool", "BOOL", "BOOLEAN"),
        (":null", "NULL", "NULL"),
        (":ss", "SS", "STRING_SET"),
        (":ns", "NS", "NUMBER_SET"),
        (":bs", "BS", "BINARY_SET"),
        (":map", "M", "MAP"),
        (":list", "L", "LIST"),
    ];
    let refused = |text: String| update(&text).map(|_| ()).map_err(|error| error.to_string());
    let invalid = |problem: String| Err(format!("Invalid UpdateExpression: {problem}"));
    for (value, short, long) in types {
        let expect = |fits: bool, problem: String| if fits { Ok(()) } else { invalid(problem) };
        for operator in ["+", "-"] {
            assert_eq!(refused(format!("SET a = b {operator} {value}")), expect(short == "N", kind(operator, short)));
            assert_eq!(refused(format!("SET a = {value} {operator} b")), expect(short == "N", kind(operator, short)));
        }
        assert_eq!(
            refused(format!("SET a = list_append({value}, b)")),
            expect(short == "L", kind("list_append", short))
        );
        let set = matches!(short, "SS" | "NS" | "BS");
        assert_eq!(refused(format!("ADD a {value}")), expect(set || short == "N", section("ADD", long)));
        assert_eq!(refused(format!("DELETE a.b {value}")), expect(set, section("DELETE", long)));
    }
    // The last action counts first.
    assert_eq!(
        refused("SET b = list_append(:s, a), c = if_not_exists(a) ADD a.b :s".to_owned()),
        invalid(section("ADD", "STRING"))
    );
    let long = format!("SET a = :s{}", " ".repeat(4090));
    assert_eq!(refused(long), invalid("Expression size has exceeded the maximum allowed size;".to_owned()));
    let many = (0..301).map(|at| format!("a{at}=b+c")).collect::<Vec<_>>().join(",");
    assert_eq!(
        refused(format!("SET {many}")),
        invalid("The expression contains too many operators; operator count: 301".to_owned())
    );
}

#[test]
fn maps_of_placeholders() {
    let names = |entries: &[(&str, &str)]| {
        let entries: Vec<_> = entries.iter().map(|(key, name)| (*key, (*name).to_owned())).collect();
        Placeholders::new(Some(map(&entries)), None).map(|_| ()).map_err(|error| error.to_string())
    };
    let values = |keys: &[&str]| {
        let entries: Vec<_> = keys.iter().map(|key| (*key, AttributeValue::Null)).collect();
        Placeholders::new(None, Some(map(&entries))).map(|_| ()).map_err(|error| error.to_string())
    };
    let long = |mark: &str| format!("{mark}{}", "a".repeat(255));
    let names_error = |text: &str| Err(format!("ExpressionAttributeNames {text}"));
    let values_error = |text: &str| Err(format!("ExpressionAttributeValues {text}"));
    assert_eq!(names(&[]), names_error("must not be empty"));
    assert_eq!(values(&[]), values_error("must not be empty"));
    for key in ["a", "#", "#a-b", ":a", "##", "#é", ""] {
        assert_eq!(names(&[(key, "x")]), names_error(&format!("contains invalid key: Syntax error; key: \"{key}\"")));
    }
    for key in ["a", ":", ":a-b", "#a"] {
        assert_eq!(values(&[key]), values_error(&format!("contains invalid key: Syntax error; key: \"{key}\"")));
    }
    let too_long = "contains invalid key: The expression attribute map contains a key that is too long;";
    assert_eq!(names(&[(&long("#"), "x")]), names_error(&format!("{too_long} size of key: 256")));
    assert_eq!(values(&[&long(":")]), values_error(too_long));
    assert_eq!(names(&[(&long("#")[..255], "x")]), Ok(()));
    assert_eq!(names(&[("#a", "")]), names_error("contains invalid value: Empty attribute name for key #a"));
    assert_eq!(names(&[("#a", &"x".repeat(65_535))]), Ok(()));
    assert!(names(&[("#a", &"x".repeat(65_536))]).unwrap_err().contains("Attribute name is too large"));
    let big = AttributeValue::S("x".repeat(2 * 1024 * 1024));
    let error = Placeholders::new(None, Some(map(&[(":a", big)]))).unwrap_err();
    assert_eq!(error.to_string(), "ExpressionAttributeValues exceeds max size");
}

#[test]
fn a_large_value_is_not_used_without_end() {
    let large = AttributeValue::S("x".repeat(1024 * 1024));
    let mut placeholders = Placeholders::new(None, Some(map(&[(":v", large)]))).unwrap();
    let mut parse = |uses: usize| {
        let text = format!("a IN ({})", vec![":v"; uses].join(","));
        Condition::parse(ExpressionKind::Condition, &text, &mut placeholders)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let too_large =
        "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 5242880";
    assert_eq!(parse(3), Ok(()));
    assert_eq!(parse(1), Ok(()));
    assert_eq!(parse(1), Err(too_large.to_owned()));
}

#[test]
fn what_no_expression_uses() {
    let names = map(&[("#a", "a".to_owned()), ("#b", "b".to_owned())]);
    let values = map(&[(":a", AttributeValue::Null), (":b", AttributeValue::Null), (":c", AttributeValue::Null)]);
    let mut placeholders = Placeholders::new(Some(names), Some(values)).unwrap();
    let unused = |placeholders: &Placeholders| placeholders.check_all_used().map_err(|error| error.to_string());
    let text = "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}";
    assert_eq!(unused(&placeholders), Err(text.to_owned()));
    Condition::parse(ExpressionKind::Condition, "#a = :b", &mut placeholders).unwrap();
    let text = "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}";
    assert_eq!(unused(&placeholders), Err(text.to_owned()));
    Projection::parse("x.#b", &mut placeholders).unwrap();
    let text = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a, :c}";
    assert_eq!(unused(&placeholders), Err(text.to_owned()));
    Update::parse("SET x = :a, y = :c", &mut placeholders).unwrap();
    assert_eq!(unused(&placeholders), Ok(()));
    assert_eq!(Projection::parse("#b", &mut placeholders).unwrap().apply(&Item::new()), Item::new());
}

#[test]
fn which_parameters_go_together() {
    let check = |update, condition, updates, expected, names, values| {
        let parameters = Parameters {
            expressions: &[("UpdateExpression", update), ("ConditionExpression", condition)],
            legacy: &[("AttributeUpdates", updates), ("Expected", expected)],
            names,
            values,
        };
        parameters.check().map_err(|error| error.to_string())
    };
    assert_eq!(check(false, false, true, true, false, false), Ok(()));
    assert_eq!(check(true, false, false, false, true, true), Ok(()));
    let mixed = "Can not use both expression and non-expression parameters in the same request: \
                 Non-expression parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}";
    assert_eq!(check(true, true, true, true, true, true), Err(mixed.to_owned()));
    let alone = |map: &str| Err(format!("ExpressionAttribute{map} can only be specified when using expressions"));
    assert_eq!(check(false, false, false, true, true, true), alone("Names"));
    assert_eq!(check(false, false, false, true, false, true), alone("Values"));
    let projection = [("ProjectionExpression", true), ("FilterExpression", false)];
    let scan = Parameters { expressions: &projection, legacy: &[], names: true, values: true };
    assert_eq!(scan.check().map_err(|error| error.to_string()), alone("Values"));
}
