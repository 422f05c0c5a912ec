//! The KV API of real nodes: siblings across nodes, ranges, reads that wait, what is said when replicas are missing, and odd requests.

mod cluster;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use cluster::{Cluster, Node, PATIENCE, ask, fresh_seed};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use slipring::dynamo::context::Context;
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::version::{ReplicaId, Span};

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn context(&self) -> String {
        self.headers.get("x-slipring-context").unwrap_or_else(|| panic!("{self:?}")).clone()
    }

    fn code(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("written"))
    }

    /// The texts `value` of all siblings, sorted.
    fn values(&self) -> Vec<String> {
        let siblings = self.json()["siblings"].as_array().unwrap_or_else(|| panic!("{self:?}")).clone();
        let mut values: Vec<String> =
            siblings.iter().map(|item| item["value"].as_str().unwrap_or_default().to_owned()).collect();
        values.sort();
        values
    }
}

/// Sends bytes and reads until the node closes the connection; `None` where it closed without an answer.
fn send(node: &Node, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(&node.http).expect("the node takes connections");
    stream.set_read_timeout(Some(PATIENCE * 2)).expect("a time-out");
    stream.write_all(bytes).expect("it can be sent");
    read_answer(&mut stream)
}

fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no answer: {error}"),
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some(Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
}

fn request(node: &Node, method: &str, path: &str, context: Option<&str>, body: &str) -> Vec<u8> {
    let context = context.map(|context| format!("X-Slipring-Context: {context}\r\n")).unwrap_or_default();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let host = &node.http;
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{context}{length}\r\n{body}").into_bytes()
}

fn call(node: &Node, method: &str, path: &str, context: Option<&str>, body: &str) -> Answer {
    send(node, &request(node, method, path, context, body)).expect("an answer")
}

fn put(node: &Node, path: &str, context: Option<&str>, value: &str) -> Answer {
    call(node, "PUT", path, context, &json!({ "value": value }).to_string())
}

fn get(node: &Node, path: &str) -> Answer {
    call(node, "GET", path, None, "")
}

#[test]
fn siblings_of_two_nodes_are_seen_at_the_third_and_resolved_with_their_context() {
    let cluster = Cluster::start(3);
    let [a, b, c] = [&cluster.nodes[0], &cluster.nodes[1], &cluster.nodes[2]];
    assert_eq!(put(a, "/kv/kv/cart", None, "milk").json()["siblings"], 1);
    assert_eq!(put(b, "/kv/kv/cart", None, "eggs").json()["siblings"], 2);
    let both = get(c, "/kv/kv/cart");
    assert_eq!((both.status, both.values()), (200, vec!["eggs".to_owned(), "milk".to_owned()]));
    assert_eq!(both.json()["context"], both.context().as_str());
    let merged = put(a, "/kv/kv/cart", Some(&both.context()), "eggs and milk");
    assert_eq!(merged.json()["siblings"], 1);
    assert_eq!(get(b, "/kv/kv/cart").values(), ["eggs and milk"]);
    let stale = call(b, "DELETE", "/kv/kv/cart", Some(&both.context()), "");
    assert_eq!(stale.json()["siblings"], 1, "what the context has not seen stays");
    assert_eq!(call(b, "DELETE", "/kv/kv/cart", Some(&merged.context()), "").json()["siblings"], 0);
    let gone = get(c, "/kv/kv/cart");
    assert_eq!(gone.code().1, "no_such_item");
    assert_eq!(put(a, "/kv/kv/cart", Some(&gone.context()), "anew").json()["siblings"], 1);
    // The same text as the admin program's.
    assert_eq!(ask(c, &["get", "kv", "cart"])["context"], get(c, "/kv/kv/cart").context().as_str());
}

#[test]
fn a_table_of_the_last_write_has_no_siblings() {
    let cluster = Cluster::start(3);
    let [a, b, c] = [&cluster.nodes[0], &cluster.nodes[1], &cluster.nodes[2]];
    ask(a, &["create", "latest", "--key", "id:N", "--conflict", "lww"]);
    assert_eq!(put(b, "/kv/latest/-1.50", None, "first").status, 200);
    assert_eq!(put(c, "/kv/latest/-15e-1", None, "second").json()["siblings"], 1);
    assert_eq!(get(a, "/kv/latest/-1.5").values(), ["second"]);
    let brief = put(a, "/kv/latest/2?ttl_ms=1", None, "brief");
    a.wait_until("has forgotten what expires", || get(a, "/kv/latest/2").status == 404);
    assert_eq!(put(b, "/kv/latest/2", Some(&brief.context()), "again").json()["siblings"], 1);
    assert_eq!(call(c, "DELETE", "/kv/latest/2", None, "").json()["siblings"], 0);
    assert_eq!(get(b, "/kv/latest/2").code().1, "no_such_item");
}

#[test]
fn a_range_read_through_all_nodes_gives_each_item_once() {
    let cluster = Cluster::start(3);
    ask(&cluster.nodes[0], &["create", "orders", "--key", "who", "--sort", "at:N", "--conflict", "siblings"]);
    let node = |turn: usize| &cluster.nodes[turn % 3];
    for at in 0..25 {
        assert_eq!(put(node(at), &format!("/kv/orders/ada/{at}"), None, "x").status, 200);
    }
    put(node(0), "/kv/orders/ada/7", None, "a sibling");
    put(node(0), "/kv/orders/adam/7", None, "somebody else");
    for (query, expected) in [
        ("limit=4", (0..25).collect::<Vec<i64>>()),
        ("limit=1&from=3&to=7", (3..8).collect()),
        ("limit=4&descending=true&to=20", (0..21).rev().collect()),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for turn in 0.. {
            let page = get(node(turn), &format!("/kv/orders/ada?{query}{cursor}"));
            assert_eq!(page.status, 200, "{page:?}");
            for item in page.json()["items"].as_array().expect("items") {
                let siblings = item["siblings"].as_array().expect("siblings");
                let at = siblings[0]["at"].as_i64().expect("a number");
                assert_eq!(siblings.len(), if at == 7 { 2 } else { 1 });
                seen.push(at);
            }
            match page.json()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{query}");
    }
}

#[test]
fn a_read_that_waits_is_woken_by_a_write_through_another_node() {
    let cluster = Cluster::start(3);
    let [a, b, c] = [&cluster.nodes[0], &cluster.nodes[1], &cluster.nodes[2]];
    let seen = put(a, "/kv/kv/news", None, "old").context();
    let waiting = request(c, "GET", "/kv/kv/news?wait_ms=60000", Some(&seen), "");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| send(c, &waiting).expect("an answer"));
        c.wait_until("has somebody who waits", || c.metric_sum("slipring_kv_waiters") == 1.0);
        put(b, "/kv/kv/news", Some(&seen), "new");
        let found = waiter.join().expect("it is answered");
        assert_eq!((found.status, found.values()), (200, vec!["new".to_owned()]));
    });
    let seen = get(a, "/kv/kv/news").context();
    let nothing = call(b, "GET", "/kv/kv/news?wait_ms=300", Some(&seen), "");
    assert_eq!((nothing.status, nothing.body.as_str()), (304, ""));
    assert_eq!(c.metric_sum("slipring_kv_waiters"), 0.0);
}

#[test]
fn a_client_that_goes_away_waits_no_more() {
    let cluster = Cluster::start_with(1, &[("limits.long_polls", "2")]);
    let node = &cluster.nodes[0];
    let waiting = request(node, "GET", "/kv/kv/never?wait_ms=60000", None, "");
    let mut clients: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(&node.http).expect("a connection")).collect();
    clients.iter_mut().for_each(|client| client.write_all(&waiting).expect("it can be sent"));
    node.wait_until("has two who wait", || node.metric_sum("slipring_kv_waiters") == 2.0);
    let refused = call(node, "GET", "/kv/kv/never?wait_ms=60000", None, "");
    assert_eq!((refused.status, &refused.json()["error"]["limit"]), (429, &json!("limits.long_polls")));
    clients[0].shutdown(Shutdown::Write).expect("half of it can be closed");
    drop(clients.remove(1));
    node.wait_until("has nobody who waits", || node.metric_sum("slipring_kv_waiters") == 0.0);
    // Had they waited to the end, they would have been answered.
    let (_, metrics) = cluster::http_get(&node.http, "/metrics").expect("metrics");
    assert!(metrics.contains("slipring_kv_requests_total{method=\"get\",status=\"429\"} 1"), "{metrics}");
    assert!(!metrics.contains("status=\"304\""), "{metrics}");
}

#[test]
fn a_write_that_is_not_acknowledged_says_what_became_of_it() {
    let mut cluster = Cluster::start(3);
    put(&cluster.nodes[0], "/kv/kv/kept", None, "before");
    cluster.nodes[2].hang();
    let unknown = put(&cluster.nodes[0], "/kv/kv/kept?w=3&timeout_ms=700", None, "perhaps");
    assert_eq!(unknown.code(), (504, "outcome_unknown".to_owned(), "unknown".to_owned()));
    assert_eq!(unknown.json()["error"]["needed"], 3);
    cluster.nodes[2].go_on();
    cluster.wait_until_connected();
    cluster.kill(&[1, 2]);
    let a = &cluster.nodes[0];
    let refused = put(a, "/kv/kv/kept", None, "no");
    assert_eq!(refused.code(), (503, "quorum_not_reached".to_owned(), "no".to_owned()));
    assert_eq!(get(a, "/kv/kv/kept").code(), (503, "quorum_not_reached".to_owned(), String::new()));
    let alone = get(a, "/kv/kv/kept?r=1").values();
    assert!(alone.contains(&"before".to_owned()) && !alone.contains(&"no".to_owned()), "{alone:?}");
    cluster.start_all();
    let found = get(&cluster.nodes[1], "/kv/kv/kept").values();
    assert!(found.contains(&"before".to_owned()) && !found.contains(&"no".to_owned()), "{found:?}");
}

/// Of a word list, as many as chance wants.
fn some(rng: &mut StdRng, words: &[&str], most: usize) -> String {
    (0..rng.random_range(0..=most)).map(|_| words[rng.random_range(0..words.len())]).collect()
}

fn odd_request(rng: &mut StdRng, contexts: &[String]) -> Vec<u8> {
    const METHODS: [&str; 7] = ["GET", "PUT", "PUT", "DELETE", "HEAD", "POST", "BREW"];
    const SEGMENTS: [&str; 12] = ["kv", "/", "/", "orders", "a", "1", "%2F", "%FF", "%", "..", "+", "~"];
    const PARAMETERS: [&str; 14] = [
        "r=9&",
        "w=9&",
        "n=3&",
        "r=1&",
        "w=1&",
        "ttl_ms=1&",
        "wait_ms=1&",
        "limit=1&",
        "from=1&",
        "to=0&",
        "cursor=AA&",
        "timeout_ms=1&",
        "form=dynamodb&",
        "&=%&",
    ];
    const BODIES: [&str; 10] = ["{", "}", "\"a\"", ":", "1e999", "{}", "[[[[", "{\"N\":\"1\"}", ",", "\u{0}"];
    let method = METHODS[rng.random_range(0..METHODS.len())];
    let path = match rng.random_range(0..3) {
        0 => format!("/kv/{}", some(rng, &SEGMENTS, 6)),
        1 => format!("/kv/orders/{}/{}", rng.random_range(0..3), rng.random_range(0..3)),
        _ => format!("/kv/kv/{}", rng.random_range(0..3)),
    };
    let query = some(rng, &PARAMETERS, 2);
    let body = if rng.random_bool(0.5) { "{}".to_owned() } else { some(rng, &BODIES, 8) };
    let context = match rng.random_range(0..4) {
        0 => format!("X-Slipring-Context: {}\r\n", contexts[rng.random_range(0..contexts.len())]),
        1 => "X-Slipring-Context: AAAA\r\n".to_owned(),
        _ => String::new(),
    };
    let length = body.len();
    format!("{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{context}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn no_request_is_answered_with_a_failure_of_the_server() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    ask(node, &["create", "orders", "--key", "who", "--sort", "at:N", "--conflict", "siblings"]);
    let contexts = [put(node, "/kv/kv/1", None, "x").context(), put(node, "/kv/orders/1/1", None, "x").context()];
    let seed = fresh_seed();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
    for _ in 0..1_000 {
        let request = odd_request(&mut rng, &contexts);
        let answer = send(node, &request);
        let shown = || String::from_utf8_lossy(&request).into_owned();
        let status = answer.as_ref().unwrap_or_else(|| panic!("seed {seed}: no answer to {}", shown())).status;
        // A millisecond may be too little for a read or a write.
        let is_asked_for = status >= 503 && shown().contains("timeout_ms=1&");
        assert!(status < 500 || is_asked_for, "seed {seed}: {answer:?} to {}", shown());
        *statuses.entry(status).or_default() += 1;
    }
    assert!([200, 400, 404, 405].iter().all(|status| statuses.contains_key(status)), "seed {seed}: {statuses:?}");
    node.assert_unharmed();
}

#[tokio::test]
async fn a_context_from_the_future_is_the_clients_mistake() {
    let cluster = Cluster::start(3);
    let node = &cluster.nodes[0];
    put(node, "/kv/kv/future", None, "kept");
    let partition = cluster::place(&node.client().await, "future").await.partition;
    let record = RecordKey::new(partition, "kv", &cluster::key_bytes("future"));
    let span = Span {
        replica: ReplicaId { directory: 1, epoch: 1 },
        since: HlcTime::from_u64(1),
        until: HlcTime::from_u64(u64::MAX),
    };
    let forged = Context::new(record.as_bytes(), vec![span].into()).to_string();
    for answer in
        [put(node, "/kv/kv/future", Some(&forged), "lost"), call(node, "DELETE", "/kv/kv/future", Some(&forged), "")]
    {
        assert_eq!(answer.code(), (400, "invalid_context".to_owned(), "no".to_owned()));
    }
    assert_eq!(get(node, "/kv/kv/future").values(), ["kept"]);
}

#[test]
fn web_pages_are_let_in_by_their_origin_at_both_surfaces() {
    let cluster = Cluster::start_with(1, &[("http.cors_origins", "[\"https://app.example.com\"]")]);
    let node = &cluster.nodes[0];
    let preflight = |path: &str, origin: &str| {
        let text = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
        );
        let answer = send(node, text.as_bytes()).expect("an answer");
        (answer.status, answer.headers.get("access-control-allow-origin").cloned())
    };
    for path in ["/", "/kv/kv/a"] {
        let admitted = "https://app.example.com";
        assert_eq!(preflight(path, admitted), (200, Some(admitted.to_owned())), "{path}");
        assert_eq!(preflight(path, "http://localhost:3000"), (403, None), "{path}: no longer the default");
    }
}
