use std::sync::Arc;

use bytes::BytesMut;
use slipring::dynamo::context::Context;
use slipring::dynamo::siblings::Versions;
use slipring::item::{Item, TableSchema};
use slipring::messages::client::{Get, GetError, GetReply, Put, PutError, PutReply};
use slipring::wire::frame::Frame;
use slipring::wire::operation::Operation;

use super::super::distribution::Distribution;
use super::super::frames::FRAME_MAX_BYTES;
use super::super::keys::{Keys, OwnKeys};
use super::{Answer, Asked, Outcome, Requests, Script, TableRequests, TableShape};

fn shape() -> TableShape {
    let (table, key_attribute) = ("kv".to_owned(), "key".to_owned());
    TableShape { table, key_attribute, value_bytes: 100, distribution: Distribution::Uniform, timeout_ms: None }
}

fn requests(keys: usize) -> TableRequests {
    TableRequests::new(&shape(), OwnKeys::new(Arc::new(Keys::new(keys)), 0..keys), 1)
}

fn ask(requests: &mut TableRequests) -> Option<(Asked, Frame)> {
    let mut out = BytesMut::new();
    let asked = requests.ask(9, &mut out)?;
    Some((asked, Frame::take(&mut out, FRAME_MAX_BYTES).unwrap().unwrap()))
}

fn no_context() -> Context {
    Context::new(b"", Vec::new().into())
}

fn nothing() -> Vec<u8> {
    let reply = GetReply { versions: Versions::new(), context: no_context() };
    rmp_serde::to_vec(&Ok::<_, GetError>(reply)).unwrap()
}

fn written(siblings: u32) -> Vec<u8> {
    rmp_serde::to_vec(&Ok::<_, PutError>(PutReply { context: no_context(), siblings })).unwrap()
}

#[test]
fn a_put_carries_a_whole_item_under_its_own_key() {
    let mut requests = requests(3);
    requests.follow(Script::Read(0));
    while let Some((asked, frame)) = ask(&mut requests) {
        assert_eq!(frame.operation, Operation::Get.number());
        assert_eq!(requests.take(asked, Answer::Came(&nothing())), Outcome::NotFound);
    }
    requests.follow(Script::Write(0));
    let mut seen = Vec::new();
    while let Some((_, frame)) = ask(&mut requests) {
        let put: Put = frame.decode().unwrap();
        assert_eq!(put.context, Some(no_context()));
        let item = Item::from_bytes(&put.item).unwrap();
        seen.push(TableSchema::kv().key_of(&item).unwrap().to_bytes());
    }
    let keys = Keys::new(3);
    assert_eq!(seen, (0..3).map(|at| keys.encoded(at)).collect::<Vec<_>>());
}

#[test]
fn keys_that_are_not_the_first_ones_are_asked_for_by_their_own_names() {
    let keys = Arc::new(Keys::of(vec![7, 12]));
    let mut requests = TableRequests::new(&shape(), OwnKeys::new(Arc::clone(&keys), 1..2), 1);
    requests.follow(Script::Read(0));
    let (asked, frame) = ask(&mut requests).unwrap();
    assert_eq!(frame.decode::<Get>().unwrap().key, Keys::new(13).encoded(12));
    requests.take(asked, Answer::Came(&nothing()));
    requests.follow(Script::Write(0));
    let (_, frame) = ask(&mut requests).unwrap();
    let item = Item::from_bytes(&frame.decode::<Put>().unwrap().item).unwrap();
    assert_eq!(TableSchema::kv().key_of(&item).unwrap().to_bytes(), keys.encoded(1));
}

#[test]
fn siblings_and_unknown_fates_are_read_before_the_next_put() {
    let mut requests = requests(1);
    requests.follow(Script::Mix { reads_percent: 0 });
    let refused = rmp_serde::to_vec(&Err::<PutReply, _>(PutError::InvalidItem { reason: String::new() })).unwrap();
    let two = written(2);
    for bad in [Answer::TimedOut, Answer::ConnectionLost, Answer::Came(&two), Answer::Came(&refused)] {
        let (read, _) = ask(&mut requests).unwrap();
        assert!(matches!(read, Asked::Read(0)));
        requests.take(read, Answer::Came(&nothing()));
        let (put, _) = ask(&mut requests).unwrap();
        assert!(matches!(put, Asked::Put(0)));
        assert!(ask(&mut requests).is_none(), "the only key is busy");
        requests.take(put, bad);
    }
}

#[test]
fn errors_go_by_their_names() {
    let mut requests = requests(1);
    let refused = rmp_serde::to_vec(&Err::<GetReply, _>(GetError::NoSuchTable { table: String::new() })).unwrap();
    let cases = [
        (Answer::Came(&refused), "NoSuchTable"),
        (Answer::Came(&[0xc1]), "BadAnswer"),
        (Answer::TimedOut, "TimedOut"),
        (Answer::ConnectionLost, "ConnectionLost"),
    ];
    for (answer, name) in cases {
        assert_eq!(requests.take(Asked::Get, answer), Outcome::Failed(name.to_owned()));
    }
}

#[test]
fn gets_go_to_the_table_and_key_asked_for() {
    let mut requests = requests(1);
    requests.follow(Script::Mix { reads_percent: 100 });
    let (asked, frame) = ask(&mut requests).unwrap();
    let get: Get = frame.decode().unwrap();
    assert_eq!((get.table.as_str(), get.key, get.trace.0), ("kv", Keys::new(1).encoded(0), 9));
    assert!(matches!(asked, Asked::Get));
}
