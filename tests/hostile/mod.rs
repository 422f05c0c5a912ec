//! Requests that somebody might send who means no good, or whose program is wrong. Each is made of a number.
//!
//! ```text
//!   a valid request of some operation ── its JSON changed ── its bytes changed ── sent in a wrong way
//! ```

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

/// One request: what is sent in pieces, and what must follow.
pub struct Hostile {
    pub pieces: Vec<Vec<u8>>,
    /// Nothing comes after the pieces.
    pub ends: bool,
    /// Whether it is HTTP, so that it must be answered; what is not may also see the connection closed.
    pub is_http: bool,
}

impl Hostile {
    /// The request of this number.
    pub fn new(number: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(number);
        let (operation, mut body) = valid(rng);
        for _ in 0..rng.random_range(0..4) {
            change(&mut body, rng);
        }
        let mut text = body.to_string().into_bytes();
        if rng.random_bool(0.3) {
            change_bytes(&mut text, rng);
        }
        match rng.random_range(0..20) {
            0 => wrong_headers(operation, &text, rng),
            1 => packed(operation, &text, rng),
            2 => in_chunks(operation, &text, rng),
            3 => cut(operation, &text, rng),
            4 => broken_http(operation, &text, rng),
            5 => slowly(operation, &text, rng),
            _ => whole(head(operation, &content_length(&text)), &text),
        }
    }

    /// For whoever must find out what went wrong.
    pub fn shown(&self) -> String {
        let bytes = self.pieces.concat();
        let end = if bytes.len() > 2000 { "..." } else { "" };
        format!("{}{end}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).escape_debug())
    }
}

fn whole(head: String, body: &[u8]) -> Hostile {
    Hostile { pieces: vec![[head.as_bytes(), body].concat()], ends: false, is_http: true }
}

fn content_length(body: &[u8]) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

fn head(operation: &str, more: &str) -> String {
    let kind = "Content-Type: application/x-amz-json-1.0\r\n";
    format!("POST / HTTP/1.1\r\nHost: a\r\n{kind}X-Amz-Target: DynamoDB_20120810.{operation}\r\n{more}\r\n")
}

// --- wrong ways to send -------------------------------------------------------------------------------------------------

fn wrong_headers(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let length = content_length(body);
    let long = "x".repeat(rng.random_range(1_000..60_000));
    let target = format!("X-Amz-Target: DynamoDB_20120810.{operation}\r\n");
    let lines: [String; 12] = [
        format!("Content-Type: text/plain\r\n{target}"),
        format!("Content-Type: application/json\r\n{target}{target}"),
        "Content-Type: application/json\r\nX-Amz-Target: DynamoDB_20111205.GetItem\r\n".to_owned(),
        "Content-Type: application/json\r\nX-Amz-Target: \r\n".to_owned(),
        format!("Content-Type: application/x-amz-json-1.0; charset={long}\r\n{target}"),
        format!("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: {long}\r\n"),
        format!(
            "Content-Type: application/x-amz-json-1.0\r\n{target}Authorization: AWS4-HMAC-SHA256 Credential=/////\r\n"
        ),
        format!("Content-Type: application/x-amz-json-1.0\r\n{target}Authorization: {long}\r\nX-Amz-Date: never\r\n"),
        format!("Content-Type: application/x-amz-json-1.0\r\n{target}Accept-Encoding: gzip;q=1e999, *;q=\r\n"),
        format!("Content-Type: application/x-amz-json-1.0\r\n{target}Origin: http://{long}\r\n"),
        format!("Content-Type: application/x-amz-json-1.0\r\n{target}Content-Encoding: br\r\n"),
        format!("Content-Type: \u{e9}\r\n{target}Cookie: \u{fc}\r\n"),
    ];
    let line = lines.choose(rng).cloned().unwrap_or_default();
    let method = ["POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"].choose(rng).unwrap_or(&"POST");
    let path = ["/", "/", "/", "//", "/?a=%ff", "/health", "/metrics", "/nowhere", "/%00"].choose(rng).unwrap_or(&"/");
    let hostile = whole(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{line}{length}\r\n"), body);
    // Elsewhere nobody reads bodies: the connection may be closed while one is on its way.
    Hostile { is_http: *path == "/", ..hostile }
}

/// Gzip: of the body, damaged, of much more than a body may have, or no gzip at all.
fn packed(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let sent = match rng.random_range(0..20) {
        // A bomb: 17 MiB of blanks in a few KB.
        0 => gzip(&vec![b' '; 17 << 20]),
        // Many small members.
        1..4 => gzip(b"").repeat(rng.random_range(1..500)),
        4..8 => body.to_vec(),
        8..14 => {
            let mut sent = gzip(body);
            change_bytes(&mut sent, rng);
            sent
        }
        _ => gzip(body),
    };
    whole(head(operation, &format!("Content-Encoding: gzip\r\n{}", content_length(&sent))), &sent)
}

fn in_chunks(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let mut pieces = vec![head(operation, "Transfer-Encoding: chunked\r\n").into_bytes()];
    for chunk in body.chunks(rng.random_range(1..200)) {
        let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        pieces.push(framed);
    }
    pieces.push(b"0\r\n\r\n".to_vec());
    let is_damaged = rng.random_bool(0.3);
    let mut sent = pieces.concat();
    if is_damaged {
        let end = ["-1\r\n", "fffffffffffffffff\r\n", "zz\r\n", "5;a=b\r\nabc"].choose(rng).unwrap_or(&"");
        sent.truncate(rng.random_range(pieces[0].len()..sent.len()));
        sent.extend_from_slice(end.as_bytes());
    }
    Hostile { pieces: vec![sent], ends: is_damaged, is_http: !is_damaged }
}

/// Less comes than was said.
fn cut(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let mut bytes = [head(operation, &content_length(body)).as_bytes(), body].concat();
    bytes.truncate(rng.random_range(0..bytes.len()));
    Hostile { pieces: vec![bytes], ends: true, is_http: false }
}

fn broken_http(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let mut bytes = [head(operation, &content_length(body)).as_bytes(), body].concat();
    match rng.random_range(0..6) {
        0 => bytes = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 9, 9],
        1 => bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        2 => {
            bytes =
                format!("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes()
        }
        3 => bytes = head(operation, "Content-Length: 99999999999999999999\r\n").into_bytes(),
        4 => bytes = format!("POST / HTTP/1.1\r\n{}", "A: b\r\n".repeat(rng.random_range(90..2_000))).into_bytes(),
        _ => {
            let end = head(operation, &content_length(body)).len();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..end);
                bytes[at] = rng.random();
            }
        }
    }
    Hostile { pieces: vec![bytes], ends: true, is_http: false }
}

fn slowly(operation: &str, body: &[u8], rng: &mut StdRng) -> Hostile {
    let bytes = [head(operation, &content_length(body)).as_bytes(), body].concat();
    let pieces = bytes.chunks(bytes.len().div_ceil(rng.random_range(2..6))).map(<[u8]>::to_vec).collect();
    Hostile { pieces, ends: false, is_http: true }
}

// --- wrong bytes and wrong values ---------------------------------------------------------------------------------------

fn change_bytes(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..=bytes.len());
    let insertions: [&[u8]; 12] = [
        b"\xff",
        b"\x00",
        b"\\ud800",
        b"\\u0000",
        b"\"",
        b"{",
        b"]",
        b",",
        b"1e400",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\\x",
    ];
    match rng.random_range(0..6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, rng.random()),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 => drop(bytes.splice(at..at, insertions.choose(rng).into_iter().flat_map(|some| some.iter().copied()))),
        4 => bytes.extend_from_within(at..),
        _ => {
            let mut few = [0; 4];
            rng.fill_bytes(&mut few);
            let end = bytes.len().min(at + 4);
            bytes[at..end].copy_from_slice(&few[..end - at]);
        }
    }
}

fn change(body: &mut Value, rng: &mut StdRng) {
    let places = places(body);
    let Some(place) = places.choose(rng).cloned() else { return };
    let other = places.choose(rng).and_then(|other| body.pointer(other)).cloned().unwrap_or_default();
    let Some(value) = body.pointer_mut(&place) else { return };
    match (rng.random_range(0..8), value) {
        (0, Value::Object(fields)) => remove_one(fields, rng),
        (1, Value::Object(fields)) => drop(fields.insert(words(rng), other)),
        (2, Value::Array(elements)) => elements.push(other),
        (3, Value::Array(elements)) => {
            // Not so many that this program is busy for seconds.
            let many = rng.random_range(1..400_usize).min(1_000_000 / other.to_string().len());
            elements.extend(std::iter::repeat_n(other, many));
        }
        (4, Value::String(text)) => {
            let at = text.floor_char_boundary(rng.random_range(0..=text.len()));
            text.insert_str(at, &words(rng));
        }
        (5, value) => *value = other,
        (_, value) => *value = strange(rng),
    }
}

fn remove_one(fields: &mut Map<String, Value>, rng: &mut StdRng) {
    let names: Vec<String> = fields.keys().cloned().collect();
    if let Some(name) = names.choose(rng) {
        fields.remove(name);
    }
}

/// What is part of expressions, names and values, and what is part of none.
fn words(rng: &mut StdRng) -> String {
    const WORDS: [&str; 40] = [
        "#n",
        ":v",
        ":w",
        "#",
        ":",
        "id",
        "n",
        "(",
        ")",
        "[0]",
        "[99999999999999]",
        "[-1]",
        ".",
        ",",
        " AND ",
        " OR ",
        " NOT ",
        " BETWEEN ",
        " IN ",
        "size(",
        "begins_with(",
        "attribute_exists(",
        "attribute_type(",
        "list_append(",
        "if_not_exists(",
        "SET ",
        "ADD ",
        "REMOVE ",
        "DELETE ",
        " = ",
        " <> ",
        " + ",
        " - ",
        "TableName",
        "Item",
        "S",
        "N",
        "\u{1F980}",
        "\0",
        "",
    ];
    let count = rng.random_range(1..4);
    (0..count).filter_map(|_| WORDS.choose(rng).copied()).collect()
}

fn strange(rng: &mut StdRng) -> Value {
    let number = |text: &str| serde_json::from_str(text).unwrap_or_default();
    match rng.random_range(0..24) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => number("1e999999999"),
        4 => number("-123456789012345678901234567890123456789012345678901234567890.5"),
        5 => json!(0.1),
        6 => json!([]),
        7 => json!({}),
        8 => json!(words(rng)),
        9 => json!("x".repeat(rng.random_range(200..140_000))),
        10 => nested(rng, |inside| json!([inside])),
        11 => nested(rng, |inside| json!({"M": {"a": inside}})),
        12 => nested(rng, |inside| json!({"L": [inside]})),
        13 => json!("(".repeat(rng.random_range(1..5_000))),
        14 => json!(format!("{}a{}", "NOT (".repeat(400), ")".repeat(400))),
        15 => {
            const TOO_PRECISE: &str = "999999999999999999999999999999999999999";
            let text = ["1e126", TOO_PRECISE, "0x1", "NaN", "--1", "1e-999999999999", ""].choose(rng).copied();
            json!({"N": text})
        }
        16 => {
            let text = ["=", "a", "YQ", "YQ==", "\u{fc}"].choose(rng).copied();
            json!({"B": text})
        }
        17 => json!({"SS": ["a", "a"]}),
        18 => json!({"NS": ["1", "1.0"]}),
        19 => json!({"BS": []}),
        20 => json!({"NULL": false}),
        21 => json!({"S": "x", "N": "1"}),
        22 => json!({"S": {"$serde_json::private::Number": "1"}}),
        _ => json!({"S": words(rng)}),
    }
}

fn nested(rng: &mut StdRng, wrap: impl Fn(Value) -> Value) -> Value {
    // Less than what would be too deep for this program to print and drop.
    (0..rng.random_range(1..300)).fold(json!({"S": "x"}), |inside, _| wrap(inside))
}

fn places(json: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let mut add = |step: &str, value: &Value| {
        let step = step.replace('~', "~0").replace('/', "~1");
        places.extend(self::places(value).into_iter().map(|rest| format!("/{step}{rest}")));
    };
    match json {
        // Of what is deep or long a few places will do.
        Value::Array(elements) => {
            elements.iter().take(4).enumerate().for_each(|(at, value)| add(&at.to_string(), value))
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| add(name, value)),
        _ => {}
    }
    places
}

// --- right requests -----------------------------------------------------------------------------------------------------

/// The table that most requests are about.
pub const TABLE: &str = "hostile";

/// A request with nothing wrong in it.
fn valid(rng: &mut StdRng) -> (&'static str, Value) {
    let item = rng.random_range(0..50_u32);
    let key = json!({"id": {"S": format!("item-{item}")}});
    let (table, spare) = (TABLE, format!("spare-{}", item % 3));
    let names = json!({"#n": "n"});
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/hostile";
    let whole = json!({
        "id": {"S": format!("item-{item}")}, "n": {"N": "12.5"}, "b": {"B": "AAEC"}, "t": {"BOOL": true}, "z": {"NULL": true},
        "l": {"L": [{"S": "a"}, {"L": []}]}, "m": {"M": {"a": {"N": "-1"}}}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]},
    });
    let schema = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
    let attributes = json!([{"AttributeName": "id", "AttributeType": "S"}]);
    match rng.random_range(0..40) {
        0..6 => (
            "PutItem",
            json!({
                "TableName": table, "Item": whole, "ReturnValues": "ALL_OLD", "ConditionExpression": "#n < :v OR attribute_not_exists(id)",
                "ExpressionAttributeNames": names, "ExpressionAttributeValues": {":v": {"N": "99"}},
            }),
        ),
        6..9 => (
            "PutItem",
            json!({"TableName": table, "Item": whole, "Expected": {"n": {"Value": {"N": "12.5"}, "Exists": true}}}),
        ),
        9..13 => (
            "GetItem",
            json!({
                "TableName": table, "Key": key, "ProjectionExpression": "#n, l[0], m.a", "ExpressionAttributeNames": names,
                "ConsistentRead": true, "ReturnConsumedCapacity": "INDEXES",
            }),
        ),
        13..19 => (
            "UpdateItem",
            json!({
                "TableName": table, "Key": key, "ReturnValues": "UPDATED_NEW", "ExpressionAttributeNames": names,
                "UpdateExpression": "SET #n = if_not_exists(#n, :v) + :v, l = list_append(if_not_exists(l, :w), :w) REMOVE m.a ADD ns :s DELETE ss :t",
                "ConditionExpression": "attribute_not_exists(x) AND (size(id) > :v OR #n BETWEEN :v AND :v)",
                "ExpressionAttributeValues": {":v": {"N": "1"}, ":w": {"L": []}, ":s": {"NS": ["7"]}, ":t": {"SS": ["a"]}},
            }),
        ),
        19..21 => (
            "UpdateItem",
            json!({
                "TableName": table, "Key": key, "AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "1"}}, "b": {"Action": "DELETE"}},
            }),
        ),
        21..23 => (
            "DeleteItem",
            json!({"TableName": table, "Key": key, "ConditionExpression": "attribute_exists(id)", "ReturnValues": "ALL_OLD"}),
        ),
        23..26 => (
            "Query",
            json!({
                "TableName": table, "KeyConditionExpression": "id = :v", "FilterExpression": "contains(ss, :w) AND begins_with(id, :w)",
                "ExpressionAttributeValues": {":v": {"S": "item-1"}, ":w": {"S": "a"}}, "Limit": 3, "ScanIndexForward": false,
            }),
        ),
        26..28 => (
            "Scan",
            json!({"TableName": table, "Segment": 0, "TotalSegments": 2, "Limit": 5, "ExclusiveStartKey": key, "Select": "COUNT"}),
        ),
        28..30 => (
            "BatchGetItem",
            json!({"RequestItems": {table: {"Keys": [key, {"id": {"S": "item-99"}}], "ConsistentRead": true}}}),
        ),
        30..32 => (
            "BatchWriteItem",
            json!({"RequestItems": {table: [{"PutRequest": {"Item": whole}}, {"DeleteRequest": {"Key": {"id": {"S": "gone"}}}}]}}),
        ),
        32 => (
            "TransactWriteItems",
            json!({
                "TransactItems": [{"Put": {"TableName": table, "Item": whole}}, {"ConditionCheck": {"TableName": table, "Key": {"id": {"S": "gone"}}, "ConditionExpression": "attribute_not_exists(id)"}}],
                "ClientRequestToken": "a-token",
            }),
        ),
        33 => ("TransactGetItems", json!({"TransactItems": [{"Get": {"TableName": table, "Key": key}}]})),
        34 => ("ListTables", json!({"Limit": 10, "ExclusiveStartTableName": "aaa"})),
        35 => ("DescribeTable", json!({"TableName": arn})),
        _ => of_tables(rng, table, &spare, arn, schema, attributes),
    }
}

fn of_tables(
    rng: &mut StdRng,
    table: &str,
    spare: &str,
    arn: &str,
    schema: Value,
    attributes: Value,
) -> (&'static str, Value) {
    match rng.random_range(0..24) {
        0 => (
            "CreateTable",
            json!({
                "TableName": spare, "KeySchema": schema, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST",
                "Tags": [{"Key": "a", "Value": "b"}], "StreamSpecification": {"StreamEnabled": false},
            }),
        ),
        1 => ("DeleteTable", json!({"TableName": spare})),
        2 => (
            "UpdateTable",
            json!({"TableName": spare, "BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}),
        ),
        3..5 => (
            "UpdateTimeToLive",
            json!({"TableName": table, "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": true}}),
        ),
        5..10 => ("DescribeTimeToLive", json!({"TableName": table})),
        10..12 => ("TagResource", json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]})),
        12..14 => ("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a"]})),
        14..18 => ("ListTagsOfResource", json!({"ResourceArn": arn})),
        18..20 => ("DescribeLimits", json!({})),
        20..22 => ("DescribeEndpoints", json!({})),
        _ => ("ExecuteStatement", json!({"Statement": "SELECT * FROM hostile"})),
    }
}

/// Every operation that is asked for here.
pub fn operations() -> std::collections::BTreeSet<&'static str> {
    (0..20_000).map(|number| valid(&mut StdRng::seed_from_u64(number)).0).collect()
}
