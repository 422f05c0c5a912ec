//! The DynamoDB API: PutItem and GetItem over HTTP/1.1, each connection kept open with one request on it at a time, as the
//! clients of that API have it.
//!
//! Requests differ in twelve digits of their key, so each is a copy of one that was made before: what this program takes of the
//! machine shall not depend on what it asks. They bear an `Authorization` header whose signature is not computed: the stores
//! that want one do not check it, and a node of Slipring does so only where access keys are configured.

use super::args::{DynamoDb, Peer, Shape};
use super::failure::Failure;
use super::http::Response;
use super::keys::name;
use super::peers::{Answer, Dialect, Session, connect, measure};
use super::run::NEVER;
use super::tally::Kind;

/// The name of the partition key.
const KEY: &str = "id";

/// The digits of a key's name.
const DIGITS: usize = 12;

/// Requests of one kind.
struct Requests {
    kind: Kind,
    request: Vec<u8>,
    /// Where the digits of the key are.
    digits_at: usize,
    keys: usize,
    next: usize,
    /// A get that found its item is no shorter.
    body_bytes_min: usize,
}

/// Writes the keys, if they are to be read, measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn run(options: &DynamoDb) -> Result<u64, Failure> {
    let peer = &options.peer;
    peer.check()?;
    if peer.shape != Shape::Connections {
        return Err(Failure::Usage { reason: "each request outstanding has its own connection here".to_owned() });
    }
    if peer.gets && !options.no_preload {
        let (streams, mut requests) = (connect(&peer.connect, peer.outstanding)?, Requests::new(options, Kind::Put));
        let now = std::time::Instant::now();
        let asks = Some(peer.keys as u64);
        let loading = Session { kind: Kind::Put, depth: 1, asks, count_from: now, until: now + NEVER };
        let loaded = loading.run(&streams, &mut requests).map_err(Failure::io("loading the keys"))?;
        if let Some(first) = loaded.first_error() {
            let (refused, keys) = (loaded.failed(), peer.keys as u64);
            return Err(Failure::NotPrepared { refused, keys, first: first.to_owned() });
        }
    }
    let kind = if peer.gets { Kind::Get } else { Kind::Put };
    measure(peer, kind, 1, &connect(&peer.connect, peer.outstanding)?, &mut Requests::new(options, kind))
}

impl Requests {
    fn new(options: &DynamoDb, kind: Kind) -> Self {
        let (operation, body) = match kind {
            Kind::Put => ("PutItem", format!(r#"{{"TableName":"{}","Item":{}}}"#, options.table, item(options))),
            Kind::Get | Kind::Echo => {
                let key = name(0);
                ("GetItem", format!(r#"{{"TableName":"{}","Key":{{"{KEY}":{{"S":"{key}"}}}}}}"#, options.table))
            }
        };
        let request = format!("{}{body}", head(&options.peer, operation, body.len()));
        let digits_at = request.find(&name(0)).unwrap_or_default() + name(0).len() - DIGITS;
        let body_bytes_min = if kind == Kind::Get { options.peer.value_bytes } else { 0 };
        Self { kind, request: request.into_bytes(), digits_at, keys: options.peer.keys, next: 0, body_bytes_min }
    }
}

/// What a client library sends, less what nobody looks at.
fn head(peer: &Peer, operation: &str, body_bytes: usize) -> String {
    let host = peer.connect.first().map_or("localhost", String::as_str);
    let scope = "bench/20260101/us-east-1/dynamodb/aws4_request";
    let signature = "0".repeat(64);
    [
        "POST / HTTP/1.1".to_owned(),
        format!("Host: {host}"),
        format!("X-Amz-Target: DynamoDB_20120810.{operation}"),
        "Content-Type: application/x-amz-json-1.0".to_owned(),
        "User-Agent: slipring-bench".to_owned(),
        "X-Amz-Date: 20260101T000000Z".to_owned(),
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}"
        ),
        "Accept-Encoding: identity".to_owned(),
        format!("Content-Length: {body_bytes}\r\n\r\n"),
    ]
    .join("\r\n")
}

/// The key and the value, the latter in so many attributes.
fn item(options: &DynamoDb) -> String {
    // Letters and digits in no order that a compressor could use.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state >> 58) as usize])
    };
    let count = options.attributes.max(1);
    let mut item = format!(r#"{{"{KEY}":{{"S":"{}"}}"#, name(0));
    for number in 0..count {
        let bytes = options.peer.value_bytes * (number + 1) / count - options.peer.value_bytes * number / count;
        let value: String = (0..bytes).map(|_| letter()).collect();
        item.push_str(&format!(r#","value{number}":{{"S":"{value}"}}"#));
    }
    item.push('}');
    item
}

impl Dialect for Requests {
    fn ask(&mut self, out: &mut Vec<u8>) {
        // A stride that visits every key and is not in order.
        self.next = (self.next + 7919) % self.keys;
        let mut rest = self.next;
        for digit in self.request[self.digits_at..self.digits_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&self.request);
    }

    fn weight(&self) -> u64 {
        1
    }

    fn answered(&mut self, bytes: &[u8]) -> Option<Answer> {
        let response = Response::front_of(bytes)?;
        let outcome = match response.status {
            200 if self.kind == Kind::Get && response.body.len() < self.body_bytes_min => Err("NotFound".to_owned()),
            200 => Ok(()),
            status => Err(format!("Status{status}")),
        };
        Some(Answer { bytes: response.bytes, outcome, is_last: response.is_last })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Arguments, Command, DynamoDb};
    use super::super::http::Response;
    use super::super::tally::Kind;
    use super::{Answer, Dialect, Requests};

    fn options(line: &str) -> DynamoDb {
        let line = format!("slipring-bench dynamodb --connect 127.0.0.1:8000 {line}");
        match Arguments::try_parse_from(line.split_whitespace()).unwrap().command {
            Some(Command::Dynamodb(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    fn body_of(request: &[u8]) -> serde_json::Value {
        // A request ends where an answer does.
        let body = Response::front_of(request).unwrap();
        assert_eq!(body.bytes, request.len());
        serde_json::from_slice(body.body).unwrap()
    }

    #[test]
    fn puts_have_the_bytes_that_were_asked_for_and_a_key_each() {
        let mut puts = Requests::new(&options("--value-bytes 100 --attributes 3 --keys 10000"), Kind::Put);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        puts.ask(&mut first);
        puts.ask(&mut second);
        let (first, second) = (body_of(&first), body_of(&second));
        assert_eq!((&first["TableName"], &first["Item"]["id"]["S"]), (&"bench".into(), &"bench-000000007919".into()));
        assert_eq!(second["Item"]["id"]["S"], "bench-000000005838");
        let bytes: usize = (0..3).map(|at| first["Item"][format!("value{at}")]["S"].as_str().unwrap().len()).sum();
        assert_eq!(bytes, 100);
    }

    #[test]
    fn a_get_that_finds_nothing_has_failed() {
        let mut gets = Requests::new(&options("--value-bytes 10"), Kind::Get);
        let mut request = Vec::new();
        gets.ask(&mut request);
        assert_eq!(body_of(&request)["Key"]["id"]["S"], "bench-000000007919");
        assert_eq!(
            gets.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            Some(Answer::new(40, Err("NotFound".to_owned())))
        );
        let found = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"Item\": 12}";
        assert_eq!(gets.answered(found), Some(Answer::new(found.len(), Ok(()))));
        assert_eq!(
            gets.answered(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"),
            Some(Answer::new(39, Err("Status400".to_owned())))
        );
    }
}
