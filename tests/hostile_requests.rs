//! Whatever is sent to the HTTP port: no answer is a 5xx, nobody is left hanging, and the node lives on.
//!
//! The requests are valid ones of every operation, with values, bytes or headers exchanged, cut, packed, in chunks or slow. Each is
//! made of a seed and its number, so that one that fails can be sent alone. The long form, against a release build:
//!
//! ```sh
//! SLIPRING_TEST_NODE=target/release/slipring-node SLIPRING_TEST_REQUESTS=1000000 cargo test --test hostile_requests
//! ```

mod cluster;
mod dynamodb;
mod hostile;

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use cluster::{Cluster, fresh_seed};
use dynamodb::{Answer, Connection, create_table, item, request};
use hostile::Hostile;
use serde_json::json;
use slipring::http::dynamodb::Operation;

const CLIENTS: u64 = 4;

/// From so many requests on there is time for what takes half a minute.
const LONG: u64 = 100_000;

/// So many requests are of all kinds.
const MIXED: u64 = 1_000;

/// So many connections send half a body and no more.
const STALLED: usize = 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn every_operation_is_asked_for() {
    let asked = hostile::operations();
    let missing: Vec<&str> = Operation::ALL.iter().map(|one| one.name()).filter(|name| !asked.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn whatever_is_sent_is_answered_and_the_node_lives_on() {
    let (seed, requests) = (setting("SLIPRING_TEST_SEED", fresh_seed() >> 1), setting("SLIPRING_TEST_REQUESTS", 3_000));
    println!("again: SLIPRING_TEST_SEED={seed} SLIPRING_TEST_REQUESTS={requests} cargo test --test hostile_requests");
    let cluster = Cluster::start(1);
    let address = cluster.nodes[0].http.clone();
    create_table(&address, hostile::TABLE);
    create_table(&address, "kept");
    let kept = json!({"id": {"S": "a"}, "value": {"S": "before"}});
    let put = json!({"TableName": "kept", "Item": kept});
    assert!(Connection::open(&address).and_then(|mut one| one.ask("PutItem", &put)).expect("an answer").is_done());

    let begun = Instant::now();
    let stalled: Vec<Connection> = (0..STALLED).filter(|_| requests >= LONG).map(|_| stall(&address)).collect();
    let share = requests.div_ceil(CLIENTS);
    let client = |number: u64| {
        let (address, first) = (address.clone(), seed.wrapping_add(number * share));
        std::thread::spawn(move || send_all(&address, first, share))
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for client in clients {
        let counts = client.join().unwrap_or_else(|_| panic!("a client found something wrong, see above"));
        counts.into_iter().for_each(|(status, count)| *statuses.entry(status).or_default() += count);
    }
    for mut connection in stalled {
        let answer = connection.receive().expect("a body that stalls is given up");
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 408), "{answer:?}");
    }
    println!("{requests} requests in {:.1?}, by status (0: closed): {statuses:?}", begun.elapsed());

    cluster.nodes[0].assert_unharmed();
    assert_eq!(item(&address, "kept", "a"), kept);
    // Few that are sent again are no mixture.
    let is_mixed = |status| requests < MIXED || statuses.get(&status).is_some_and(|count| *count > requests / 20);
    assert!(is_mixed(200), "what is hardly changed is mostly taken");
    assert!(is_mixed(400), "what is wrong is refused");
}

/// A connection that never sends the rest.
fn stall(address: &str) -> Connection {
    let mut connection = Connection::open(address).expect("a connection");
    let whole = request("GetItem", &[b' '; 1000]);
    connection.send(&whole[..whole.len() - 500]).expect("it is taken");
    connection
}

/// Sends so many requests one after the other, and counts their answers by status.
fn send_all(address: &str, first: u64, count: u64) -> BTreeMap<u16, u64> {
    let mut statuses = BTreeMap::new();
    let mut kept_open = None;
    for number in (0..count).map(|at| first.wrapping_add(at)) {
        let hostile = Hostile::new(number);
        let reused = kept_open.take();
        let is_reused = reused.is_some();
        let mut connection = reused.unwrap_or_else(|| open(address));
        let mut answer = exchange(&mut connection, &hostile);
        if is_reused && matches!(answer, Ok(None)) {
            // A connection that has been idle for some seconds is closed: this machine may be that slow.
            connection = open(address);
            answer = exchange(&mut connection, &hostile);
        }
        let outcome = answer.and_then(|answer| check(&hostile, answer));
        match outcome {
            Ok(answer) => {
                *statuses.entry(answer.as_ref().map_or(0, |answer| answer.status)).or_default() += 1;
                kept_open = answer.filter(|answer| !answer.closes() && !hostile.ends).map(|_| connection);
            }
            Err(error) => panic!("SLIPRING_TEST_SEED={number} SLIPRING_TEST_REQUESTS=1: {error}\n{}", hostile.shown()),
        }
    }
    statuses
}

fn open(address: &str) -> Connection {
    Connection::open(address).expect("the node takes connections")
}

fn exchange(connection: &mut Connection, hostile: &Hostile) -> io::Result<Option<Answer>> {
    for piece in &hostile.pieces {
        // Whoever has been refused need not be listened to.
        if connection.send(piece).is_err() {
            break;
        }
    }
    if hostile.ends {
        // It may be closed already.
        let _ = connection.end();
    }
    connection.receive()
}

/// What holds for any answer.
fn check(hostile: &Hostile, answer: Option<Answer>) -> io::Result<Option<Answer>> {
    let wrong = |what: &str| Err(io::Error::other(format!("{what}: {answer:?}")));
    let Some(found) = &answer else {
        return if hostile.is_http { wrong("closed without an answer") } else { Ok(None) };
    };
    let checksum = found.header("x-amz-crc32").and_then(|sum| sum.parse::<u32>().ok());
    let is_json = found.header("content-type").is_some_and(|kind| kind.contains("json"));
    match found.status {
        100 | 200..=499 => {}
        _ => return wrong("a status that no client deserves"),
    }
    if checksum.is_some_and(|sum| sum != crc32fast::hash(&found.body)) {
        return wrong("the checksum is another one's");
    }
    if is_json && !found.json().is_object() {
        return wrong("no JSON");
    }
    if is_json && found.status >= 400 && found.header("x-amzn-requestid").is_some() && found.error().is_empty() {
        return wrong("an error without a name");
    }
    Ok(answer)
}
