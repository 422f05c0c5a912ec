//! Requests from their bodies: what is taken, and in which words what is not.

use serde_json::{Value, json};

use super::{Request, ReturnValues, StartKey};
use crate::http::dynamodb::operation::Operation;
use crate::item::{AttributeValue, MAX_DEPTH, item_from_dynamodb_json};

fn read(operation: Operation, body: &Value) -> Result<Request, String> {
    Request::read(operation, body.to_string().as_bytes())
        .map_err(|error| error.message().unwrap_or_else(|| error.name().into()).into_owned())
}

fn refusal(operation: Operation, body: &Value) -> String {
    match read(operation, body) {
        Ok(request) => panic!("{body} is taken: {request:?}"),
        Err(message) => message,
    }
}

const MORE: &str =
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
const EMPTY: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const INVALID: &str = "One or more parameter values were invalid:";
const OVERFLOW: &str = "Number overflow. Attempting to store a number with magnitude larger than supported range";
const UNDERFLOW: &str = "Number underflow. Attempting to store a number with magnitude smaller than supported range";
const DIGITS: &str = "Attempting to store more than 38 significant digits in a Number";
const NOT_A_NUMBER: &str = "The parameter cannot be converted to a numeric value";
const TOO_DEEP: &str =
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit";

/// A value, what the older words are, and the current ones where they differ.
fn values_that_cannot_be() -> Vec<(Value, String, Option<String>)> {
    let same = |value: Value, words: &str| (value, words.to_owned(), None);
    let both = |value: Value, older: &str, current: &str| (value, older.to_owned(), Some(current.to_owned()));
    vec![
        same(json!({}), EMPTY),
        same(json!({"X": "a"}), EMPTY),
        same(json!({"S": null}), EMPTY),
        same(json!(null), EMPTY),
        same(json!({"M": {"a": {}}}), EMPTY),
        same(json!({"L": [{}]}), EMPTY),
        same(json!({"L": [null]}), EMPTY),
        same(json!({"S": "a", "N": "1"}), MORE),
        same(json!({"L": [], "M": {}}), MORE),
        same(json!({"NULL": false}), &format!("{INVALID} Null attribute value types must have the value of true")),
        same(json!({"NULL": "no"}), &format!("{INVALID} Null attribute value types must have the value of true")),
        same(json!({"SS": []}), &format!("{INVALID} An string set  may not be empty")),
        same(json!({"NS": []}), &format!("{INVALID} An number set  may not be empty")),
        same(json!({"BS": []}), &format!("{INVALID} Binary sets should not be empty")),
        both(json!({"N": ""}), NOT_A_NUMBER, &format!("{NOT_A_NUMBER}: ")),
        both(json!({"NS": ["1", ""]}), NOT_A_NUMBER, &format!("{NOT_A_NUMBER}: ")),
        same(json!({"N": "b"}), &format!("{NOT_A_NUMBER}: b")),
        same(json!({"NS": ["1", "b", "a"]}), &format!("{NOT_A_NUMBER}: b")),
        same(json!({"M": {"x": {"L": [{"N": " 1"}]}}}), &format!("{NOT_A_NUMBER}:  1")),
        same(json!({"S": "a", "N": "b"}), &format!("{NOT_A_NUMBER}: b")),
        same(json!({"N": "123456789012345678901234567890123456789"}), DIGITS),
        same(json!({"N": "-1.23456789012345678901234567890123456789"}), DIGITS),
        same(json!({"N": "1e126"}), OVERFLOW),
        same(json!({"N": "-1e99999999999"}), OVERFLOW),
        same(json!({"N": "1e-131"}), UNDERFLOW),
        same(json!({"NS": ["1e-99999999999"]}), UNDERFLOW),
        both(
            json!({"SS": ["b", "a", "b"]}),
            &format!("{INVALID} Input collection [b, a, b] contains duplicates."),
            &format!("{INVALID} Input collection [\"a\", \"b\", \"b\"] contains duplicates."),
        ),
        both(
            json!({"BS": ["/w==", "AA==", "AA=="]}),
            &format!("{INVALID} Input collection [/w==, AA==, AA==]of type BS contains duplicates."),
            &format!("{INVALID} Input collection [\"AA==\",\"/w==\",\"AA==\"]of type BS contains duplicates."),
        ),
        both(
            json!({"NS": ["2", "1", "2.0"]}),
            "Input collection contains duplicates",
            &format!("{INVALID} Input collection contains duplicates."),
        ),
        same(nested(MAX_DEPTH), TOO_DEEP),
        same(nested(100), TOO_DEEP),
        same(nested(1000), TOO_DEEP),
    ]
}

/// A text within so many maps.
fn nested(maps: usize) -> Value {
    (0..maps).fold(json!({"S": "leaf"}), |value, _| json!({"M": {"n": value}}))
}

#[test]
fn values_that_cannot_be_are_refused_in_the_words_of_their_operation() {
    for (value, older, current) in values_that_cannot_be() {
        let current = current.as_deref().unwrap_or(&older);
        // A body too deep to be parsed is refused before its operation's words are known.
        let is_parsed = nested(1000) != value && nested(100) != value;
        let envelope = if is_parsed { "1 validation error detected: " } else { "" };
        let put = json!({"TableName": "abc", "Item": {"a": value}});
        assert_eq!(refusal(Operation::PutItem, &put), format!("{envelope}{current}"), "{value}");
        let key = json!({"TableName": "abc", "Key": {"a": value}});
        assert_eq!(refusal(Operation::GetItem, &key), current, "{value}");
        assert_eq!(refusal(Operation::DeleteItem, &key), format!("{envelope}{current}"), "{value}");
        let writes = json!({"RequestItems": {"abc": [{"PutRequest": {"Item": {"a": value}}}]}});
        assert_eq!(refusal(Operation::BatchWriteItem, &writes), older, "{value}");
        let values = json!({"TableName": "abc", "ExpressionAttributeValues": {":v": value}});
        let wrapped = format!("ExpressionAttributeValues contains invalid value: {older} for key :v");
        assert_eq!(refusal(Operation::Scan, &values), if is_parsed { wrapped } else { older.clone() }, "{value}");
        assert_eq!(refusal(Operation::Query, &values), current, "{value}");
    }
}

#[test]
fn the_key_to_go_on_from_is_named_where_the_service_names_it() {
    let scan = |value: Value| json!({"TableName": "abc", "ExclusiveStartKey": {"a": value}});
    let prefix = "The provided starting key is invalid: ";
    assert_eq!(refusal(Operation::Scan, &scan(json!({}))), format!("{prefix}{EMPTY}"));
    assert_eq!(refusal(Operation::Scan, &scan(json!({"N": "b"}))), format!("{NOT_A_NUMBER}: b"));
    assert_eq!(refusal(Operation::Query, &scan(json!({}))), EMPTY);
}

#[test]
fn what_is_good_is_taken() {
    let put = json!({
        "TableName": "arn:aws:dynamodb:eu-west-1:123456789012:table/Music",
        "Item": {
            "s": {"S": ""}, "n": {"N": "1.50"}, "b": {"B": "AAE="}, "y": {"BOOL": "YES"}, "z": {"NULL": true},
            "l": {"L": [{"S": "x"}, nested(MAX_DEPTH - 3)]}, "m": {"M": {"": {"L": []}}},
            "ss": {"SS": ["", "a"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["", "AA=="]}, "d": nested(MAX_DEPTH - 1),
        },
        "ReturnValues": "ALL_OLD",
        "ConditionalOperator": null,
        "Unknown": [{}],
    });
    let Ok(Request::PutItem(request)) = read(Operation::PutItem, &put) else {
        panic!("refused");
    };
    assert_eq!((request.table_name.as_str(), request.return_values), ("Music", Some(ReturnValues::AllOld)));
    let mut item = put["Item"].clone();
    item["y"] = json!({"BOOL": true});
    assert_eq!(request.item, item_from_dynamodb_json(&item).unwrap());
    let scan =
        json!({"TableName": "abc", "Limit": 5.9, "ConsistentRead": "true", "ExclusiveStartKey": {"a": {"S": "x"}}});
    let Ok(Request::Scan(request)) = read(Operation::Scan, &scan) else {
        panic!("refused");
    };
    let key = StartKey([("a", AttributeValue::S("x".to_owned()))].into_iter().collect());
    assert_eq!((request.limit, request.consistent_read, request.exclusive_start_key), (Some(5), Some(true), Some(key)));
}

#[test]
fn of_equal_names_the_last_counts() {
    let body =
        br#"{"TableName": "abc", "Item": {"a": {"S": "1"}, "b": {"S": "2"}, "a": {"S": "3"}}, "TableName": "def"}"#;
    let Ok(Request::PutItem(request)) = Request::read(Operation::PutItem, body) else {
        panic!("refused");
    };
    assert_eq!(request.table_name, "def");
    assert_eq!(request.item, item_from_dynamodb_json(&json!({"a": {"S": "3"}, "b": {"S": "2"}})).unwrap());
}

/// It is also the one that is checked.
#[test]
fn nothing_unchecked_hides_behind_an_equal_name() {
    let twice = r#"{"TableName": "abc", "Item": {}, "TableName": "a!"}"#;
    let many: String = (0..9).map(|at| format!(r#""x{at}": 1, "#)).collect();
    for body in [twice.to_owned(), twice.replacen('{', &format!("{{{many}"), 1)] {
        let error = Request::read(Operation::PutItem, body.as_bytes()).unwrap_err();
        assert!(error.message().is_some_and(|message| message.contains("Value 'a!' at 'tableName'")), "{error}");
    }
}

#[test]
fn a_name_of_the_parser_is_a_name_like_any_other() {
    let item = json!({"$serde_json::private::Number": {"S": "x"}});
    let body = json!({"TableName": "abc", "Item": item}).to_string();
    let Ok(Request::PutItem(request)) = Request::read(Operation::PutItem, body.as_bytes()) else {
        panic!("refused");
    };
    assert_eq!(request.item.get("$serde_json::private::Number"), Some(&AttributeValue::S("x".to_owned())));
}

#[test]
fn what_is_no_json_is_refused_without_a_text() {
    let bodies: [&[u8]; 9] =
        [b"", b"hi", b"{", b"{}}", b"{\"a\": \xff}", b"\"\xc3\"", b"[]", b"\"x\"", b"{\"TableName\": \"\\ud800\"}"];
    for body in bodies {
        let error = Request::read(Operation::ListTables, body).unwrap_err();
        assert_eq!((error.name(), error.message()), ("SerializationException", None));
    }
}

#[test]
fn expressions_and_what_was_before_them_do_not_go_together() {
    let cases = [
        (
            Operation::PutItem,
            json!({"TableName": "abc", "Item": {}, "Expected": {}, "ConditionExpression": "x"}),
            Some(("1 validation error detected: ", "Expected", "ConditionExpression")),
        ),
        (
            Operation::UpdateItem,
            json!({
                "TableName": "abc", "Key": {}, "AttributeUpdates": {}, "Expected": {},
                "UpdateExpression": "", "ConditionExpression": "",
            }),
            Some((
                "1 validation error detected: ",
                "AttributeUpdates, Expected",
                "UpdateExpression, ConditionExpression",
            )),
        ),
        (
            Operation::Query,
            json!({"TableName": "abc", "KeyConditions": {}, "KeyConditionExpression": ""}),
            Some(("", "KeyConditions", "KeyConditionExpression")),
        ),
        (Operation::Query, json!({"TableName": "abc", "KeyConditions": {}, "FilterExpression": ""}), None),
        (
            Operation::BatchGetItem,
            json!({"RequestItems": {"abc": {"Keys": [{}], "AttributesToGet": ["a"], "ProjectionExpression": ""}}}),
            Some(("", "AttributesToGet", "ProjectionExpression")),
        ),
    ];
    for (operation, body, refused) in cases {
        match refused {
            None => assert!(read(operation, &body).is_ok(), "{body}"),
            Some((envelope, others, expressions)) => assert_eq!(
                refusal(operation, &body),
                format!(
                    "{envelope}Can not use both expression and non-expression parameters in the same request: \
                     Non-expression parameters: {{{others}}} Expression parameters: {{{expressions}}}"
                )
            ),
        }
    }
}

#[test]
fn a_tag_has_a_name_and_a_value() {
    let tags = |tag: Value| json!({"ResourceArn": "arn:aws:dynamodb:x:1:table/abc", "Tags": [tag]});
    let cases = [
        (json!({}), "The Tag Key provided is invalid, Key: null".to_owned()),
        (json!({"Value": "x"}), "The Tag Key provided is invalid, Key: null".to_owned()),
        (json!({"Key": "", "Value": "x"}), "The Tag Key provided is invalid, Key: ".to_owned()),
        (json!({"Key": "x"}), "The Tag Value provided is invalid, Value: null".to_owned()),
        (
            json!({"Key": "x", "Value": "y".repeat(257)}),
            format!("The Tag Value provided is invalid, Value: {}", "y".repeat(257)),
        ),
    ];
    for (tag, message) in cases {
        assert_eq!(refusal(Operation::TagResource, &tags(tag)), message);
    }
    assert!(read(Operation::TagResource, &tags(json!({"Key": "x", "Value": ""}))).is_ok());
    assert_eq!(refusal(Operation::TagResource, &json!({})), "Invalid TableArn");
}
