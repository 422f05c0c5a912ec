//! A cluster that is asked in bare HTTP, so that no client's own checks stand in between.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::cluster::{Cluster, Node};

/// Fields of answers that are different each time.
const VOLATILE: [&str; 2] = ["CreationDateTime", "TableId"];

/// Three nodes, which take turns.
pub struct Server {
    cluster: Cluster,
    requests: AtomicUsize,
    runs: AtomicUsize,
    /// The tables of beds that are made once.
    tables: Mutex<BTreeMap<String, String>>,
}

/// What is there before a request. In calls `$T` is a table, `$ARN` its ARN, and `$K` a key that no other run has; in their answers, too.
#[derive(Clone, Deserialize)]
pub struct Bed {
    /// Makes a table that all runs share; if there is nothing of it, each has one of its own.
    once: Vec<Call>,
    /// Before each request.
    each: Vec<Call>,
}

/// What was answered, but for what is different each time.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// An operation and its parameters.
pub type Call = (String, Value);

/// What names stand for in one run.
struct Names {
    table: String,
    key: String,
}

impl Server {
    pub fn start() -> Self {
        let (requests, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { cluster: Cluster::start(3), requests, runs, tables: Mutex::default() }
    }

    pub fn assert_unharmed(&self) {
        self.cluster.nodes.iter().for_each(Node::assert_unharmed);
    }

    /// The answers to these calls, one after the other, up to the first that is refused, in the bed with this name.
    pub fn ask(&self, name: &str, bed: &Bed, calls: &[Call]) -> Vec<Answer> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut names = Names { table: format!("table-{run:05}"), key: format!("key-{run:05}") };
        if !bed.once.is_empty() {
            let mut tables = self.tables.lock().expect("no run panics");
            let table = tables.entry(name.to_owned()).or_insert_with(|| {
                self.make(&names, &bed.once);
                names.table.clone()
            });
            names.table.clone_from(table);
        }
        self.make(&names, &bed.each);
        let mut answers = Vec::new();
        for call in calls {
            answers.push(self.ask_one(&names, call));
            if answers.last().is_some_and(|answer| answer.status != 200) {
                break;
            }
        }
        answers
    }

    fn make(&self, names: &Names, calls: &[Call]) {
        for call in calls {
            let answer = self.ask_one(names, call);
            assert_eq!(answer.status, 200, "{call:?}: {answer:?}");
        }
    }

    fn ask_one(&self, Names { table, key }: &Names, (operation, parameters): &Call) -> Answer {
        let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}");
        let body = parameters.to_string().replace("$ARN", &arn).replace("$T", table).replace("$K", key);
        let node = &self.cluster.nodes[self.requests.fetch_add(1, Ordering::Relaxed) % self.cluster.nodes.len()];
        let (status, text) = post(&node.http, operation, &body);
        let text = text.replace(&arn, "$ARN").replace(table, "$T").replace(key, "$K").replace(&node.http, "$HOST");
        let mut body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{operation}: {text}: {error}"));
        // Whoever has no time to answer says nothing of a parameter.
        assert!(status < 500, "{operation} was answered with {status}: {body}");
        forget_volatile(&mut body);
        Answer { status, body }
    }
}

impl Answer {
    /// The type of the error, if it is one.
    pub fn error(&self) -> Option<&str> {
        let kind = self.body.get("__type").and_then(Value::as_str).filter(|_| self.status != 200)?;
        kind.rsplit('#').next()
    }

    pub fn message(&self) -> &str {
        ["message", "Message"].iter().find_map(|name| self.body.get(name)?.as_str()).unwrap_or_default()
    }
}

fn forget_volatile(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            fields.values_mut().for_each(forget_volatile);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_volatile),
        _ => {}
    }
}

fn post(address: &str, operation: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the node takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}
