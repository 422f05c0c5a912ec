//! What a client asks for wrongly is refused with an error that says what is wrong, changes nothing, and disturbs nobody.

mod cluster;

use bytes::Bytes;
use cluster::{Cluster, do_get, do_put, get, item, key_bytes, place, put, values};
use futures_util::future::join_all;
use slipring::client::{CallError, Client};
use slipring::dynamo::context::{Context, ContextError};
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::quorum::QuorumError;
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::PartitionId;
use slipring::dynamo::version::{ReplicaId, Span};
use slipring::item::{AttributeValue, Item, Key, KeyValue};
use slipring::messages::client::{
    Delete, FailureReason, Get, GetError, Put, PutError, Scan, ScanCursor, Where, WriteOutcome,
};
use slipring::messages::replica::CoordinateWriteError;
use slipring::messages::{Overloaded, TraceId};

/// A cluster with one item, and a connection to it.
struct Served {
    cluster: Cluster,
    client: Client,
}

impl Served {
    async fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        let cluster = Cluster::start_with(nodes, settings);
        let client = cluster.nodes[0].client().await;
        do_put(&client, &put("kept", "before", None)).await.expect("a put");
        Self { cluster, client }
    }

    /// The same connection still serves, and what was there is there.
    async fn is_unharmed(&self, after: &str) {
        let found = do_get(&self.client, &get("kept")).await;
        assert_eq!(values(&found.unwrap_or_else(|error| panic!("{after}: {error}"))), ["before"], "{after}");
        let again = do_put(&self.client, &put("another", "after", None)).await;
        let context = again.unwrap_or_else(|error| panic!("{after}: {error}")).context;
        let delete = Delete { context: Some(context), ..delete(key_bytes("another")) };
        self.client.request(&delete).await.unwrap_or_else(|error| panic!("{after}: {error}"));
        self.cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
    }

    async fn put_error(&self, what: &str, put: &Put) -> PutError {
        match do_put(&self.client, put).await {
            Err(CallError::Refused(error)) => error,
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn put_bytes(item: impl Into<Bytes>) -> Put {
    Put { item: item.into(), ..put("unused", "", None) }
}

fn put_item(attributes: Vec<(&str, AttributeValue)>) -> Put {
    let item: Item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    put_bytes(item.to_bytes())
}

fn delete(key: Bytes) -> Delete {
    Delete { trace: TraceId::default(), table: "kv".to_owned(), key, context: None, w: None, timeout_ms: None }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A list in a list in a list …: the value has this many levels.
fn nested(levels: usize) -> AttributeValue {
    (1..levels).fold(AttributeValue::Null, |inside, _| AttributeValue::L(vec![inside]))
}

#[tokio::test]
async fn items_over_the_limits_are_refused_and_those_at_the_limits_are_not() {
    let served = Served::start(1, &[]).await;
    let key_of = |length: usize| text(&"k".repeat(length));
    // Names and values count: `key`, `k`, `value` and the text are 409,600 bytes at the limit.
    let filled = |length: usize| put_item(vec![("key", text("k")), ("value", text(&"v".repeat(length)))]);
    let room = 409_600 - "key".len() - "k".len() - "value".len();
    let at_the_limit = [
        ("a key of 2048 bytes", put_item(vec![("key", key_of(2048))])),
        ("an item of 400 KB", filled(room)),
        ("32 levels", put_item(vec![("key", text("deep")), ("value", nested(32))])),
    ];
    for (what, put) in at_the_limit {
        do_put(&served.client, &put).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let empty_set = AttributeValue::Ss(std::collections::BTreeSet::new());
    let table = [
        ("a key of 2049 bytes", put_item(vec![("key", key_of(2049))]), "partition key has 2049 bytes, more than 2048"),
        ("an empty key", put_item(vec![("key", text(""))]), "the partition key is empty"),
        (
            "a number as key",
            put_item(vec![("key", AttributeValue::N("1".parse().unwrap()))]),
            "must have type S, not N",
        ),
        ("a list as key", put_item(vec![("key", nested(2))]), "must have type S, not L"),
        ("no key attribute", put_item(vec![("name", text("k"))]), "the key attribute \"key\" is missing"),
        ("no attribute at all", put_item(Vec::new()), "the key attribute \"key\" is missing"),
        ("an item of 400 KB and a byte", filled(room + 1), "409601 bytes, more than the 409600"),
        ("33 levels", put_item(vec![("key", text("k")), ("value", nested(33))]), "nested deeper than 32 levels"),
        ("an empty set", put_item(vec![("key", text("k")), ("set", empty_set)]), "is an empty set"),
        ("an empty name", put_item(vec![("key", text("k")), ("", text("v"))]), "is empty"),
    ];
    for (what, put, words) in table {
        let refused = served.put_error(what, &put).await;
        assert!(matches!(refused, PutError::InvalidItem { .. } | PutError::InvalidKey { .. }), "{what}: {refused:?}");
        assert!(refused.to_string().contains(words), "{what}: {refused}");
        served.is_unharmed(what).await;
    }
}

/// An item with the key `k` and a value `v`, of which these are the bytes.
fn with_value(value: &[u8]) -> Vec<u8> {
    [b"\x01\x02\x03key\x01\x01k\x01v".as_slice(), value].concat()
}

#[tokio::test]
async fn bytes_that_are_no_item_are_refused() {
    let served = Served::start(1, &[]).await;
    do_put(&served.client, &put_bytes(with_value(&[6]))).await.expect("the frame around the values is right");
    let whole = item("cut", "value").to_bytes();
    let mut table: Vec<(String, Vec<u8>)> =
        (0..whole.len()).map(|length| (format!("cut at {length}"), whole[..length].to_vec())).collect();
    let number = |bytes: &[u8]| with_value(&[&[2], bytes].concat());
    let crafted: [(&str, Vec<u8>); 14] = [
        ("a later version", [&[9], &whole[1..]].concat()),
        ("bytes after the item", [&whole[..], &[0]].concat()),
        ("an unknown type", with_value(&[99])),
        ("a text that is not UTF-8", with_value(&[1, 1, 0xFF])),
        ("names out of order", b"\x01\x02\x01v\x06\x03key\x01\x01k".to_vec()),
        ("a name twice", b"\x01\x02\x03key\x01\x01k\x03key\x01\x01k".to_vec()),
        ("a set with a member twice", with_value(&[9, 2, 1, b'a', 1, b'a'])),
        ("a needless byte in a length", with_value(&[1, 0x80, 0])),
        ("a length of 2^62", with_value(&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3F])),
        ("2^48 list elements", with_value(&[7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])),
        ("a list 100,000 levels deep", with_value(&[[7, 1].repeat(100_000), vec![6]].concat())),
        ("a number beyond 10^126", number(&[0xFF; 24])),
        ("a number with an impossible digit", number(&[0xC1, 0xFF, 0xFF, 0x01])),
        ("a number that does not end", number(&[0xC1])),
    ];
    table.extend(crafted.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)));
    for (what, bytes) in table {
        let refused = served.put_error(&what, &put_bytes(bytes)).await;
        assert!(matches!(refused, PutError::InvalidItem { .. }), "{what}: {refused:?}");
    }
    served.is_unharmed("garbage items").await;
    assert!(values(&do_get(&served.client, &get("cut")).await.expect("a get")).is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_key_are_refused() {
    let served = Served::start(1, &[]).await;
    let number = KeyValue::N("1".parse().expect("a number"));
    let string = |length: usize| KeyValue::S("k".repeat(length));
    let key = |partition, sort| Key { partition, sort }.to_bytes();
    let table: [(&str, Bytes); 8] = [
        ("no bytes", Bytes::new()),
        ("noise", Bytes::from_static(&[0xFF; 40])),
        ("half a key", key_bytes("half").slice(..3)),
        ("a number", key(number.clone(), None)),
        ("a sort key too many", key(string(1), Some(number))),
        ("an empty text", key(string(0), None)),
        ("2049 bytes", key(string(2049), None)),
        ("a key of a megabyte", key(string(1 << 20), None)),
    ];
    for (what, key) in table {
        let asked = served.client.request(&Get { key: key.clone(), ..get("k") }).await.err();
        assert!(matches!(asked, Some(CallError::Refused(GetError::InvalidKey { .. }))), "get, {what}: {asked:?}");
        let place = Where { trace: TraceId::default(), table: "kv".to_owned(), key: key.clone() };
        let asked = served.client.request(&place).await.err();
        assert!(matches!(asked, Some(CallError::Refused(GetError::InvalidKey { .. }))), "where, {what}: {asked:?}");
        let asked = served.client.request(&delete(key)).await.err();
        assert!(matches!(asked, Some(CallError::Refused(PutError::InvalidKey { .. }))), "delete, {what}: {asked:?}");
    }
    served.is_unharmed("garbage keys").await;
}

#[tokio::test]
async fn unknown_tables_and_impossible_quorums_are_refused() {
    let served = Served::start(1, &[]).await;
    for table in ["nope", "", "kv\0", "KV", &"t".repeat(100_000)] {
        let named = table.to_owned();
        let refused = served.put_error(table, &Put { table: named.clone(), ..put("k", "v", None) }).await;
        assert_eq!(refused, PutError::NoSuchTable { table: named.clone() });
        let expected = Some(CallError::Refused(GetError::NoSuchTable { table: named.clone() }));
        let asked = served.client.request(&Get { table: named.clone(), ..get("k") }).await.err();
        assert_eq!(asked, expected);
        let asked = served.client.request(&Scan { table: named, ..scan(None, 10) }).await.err();
        assert_eq!(asked, expected);
    }
    for w in [0, 4, 255] {
        let expected = PutError::InvalidQuorum(QuorumError::WriteOutOfRange { w, n: 3 });
        let refused = served.put_error("w", &Put { w: Some(w), ..put("k", "v", None) }).await;
        assert_eq!(refused, expected);
        let refused = served.client.request(&Delete { w: Some(w), ..delete(key_bytes("kept")) }).await.err();
        assert_eq!(refused, Some(CallError::Refused(expected)));
    }
    for r in [0, 4, 255] {
        let refused = do_get(&served.client, &Get { r: Some(r), ..get("kept") }).await.err();
        assert_eq!(refused, Some(CallError::Refused(GetError::InvalidQuorum(QuorumError::ReadOutOfRange { r, n: 3 }))));
    }
    served.is_unharmed("impossible requests").await;
    assert!(values(&do_get(&served.client, &get("k")).await.expect("a get")).is_empty(), "nothing was written");
}

fn scan(cursor: Option<ScanCursor>, limit: u32) -> Scan {
    Scan { trace: TraceId::default(), table: "kv".to_owned(), cursor, until: None, limit, r: None, timeout_ms: None }
}

/// Extreme numbers are not errors: each has the meaning that its field says.
#[tokio::test]
async fn extreme_numbers_do_no_harm() {
    let served = Served::start(1, &[]).await;
    let after = |partition, key: &[u8]| Some(RecordKey::new(PartitionId(partition), "kv", key));
    let cursors = [
        None,
        Some(ScanCursor { partition: PartitionId(u32::MAX), after: None }),
        Some(ScanCursor { partition: PartitionId(0), after: after(u32::MAX, b"") }),
        Some(ScanCursor { partition: PartitionId(255), after: after(0, &[0xFF; 5000]) }),
    ];
    for cursor in cursors {
        for limit in [0, 1, u32::MAX] {
            let what = format!("a scan of {limit} from {cursor:?}");
            let found = served.client.request(&scan(cursor.clone(), limit)).await;
            let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(found.items.len() <= 1, "{what}: {found:?}");
            served.is_unharmed(&what).await;
        }
    }
    let whole = served.client.request(&scan(None, u32::MAX)).await.expect("a scan");
    assert_eq!((whole.items.len(), whole.next), (1, None));

    let for_ever = Put { ttl_ms: Some(u64::MAX), ..put("for-ever", "v", None) };
    do_put(&served.client, &for_ever).await.expect("a put");
    assert_eq!(values(&do_get(&served.client, &get("for-ever")).await.expect("a get")), ["v"]);
    let gone = Put { ttl_ms: Some(0), ..put("gone", "v", None) };
    do_put(&served.client, &gone).await.expect("a put");
    assert!(values(&do_get(&served.client, &get("gone")).await.expect("a get")).is_empty());
    for timeout_ms in [0, u32::MAX] {
        // Either is an answer: in time, or not.
        let asked = do_put(&served.client, &Put { timeout_ms: Some(timeout_ms), ..put("timed", "v", None) }).await;
        let late = matches!(asked, Err(CallError::Refused(PutError::QuorumNotReached { .. })));
        assert!(asked.is_ok() || late, "{asked:?}");
    }
    served.is_unharmed("extreme numbers").await;
}

#[tokio::test]
async fn a_context_of_another_key_is_refused() {
    let served = Served::start(1, &[]).await;
    let other = do_put(&served.client, &put("other", "theirs", None)).await.expect("a put").context;
    let refused = served.put_error("a put", &put("kept", "lost", Some(other.clone()))).await;
    assert_eq!(refused, PutError::InvalidContext(ContextError::AnotherKey));
    let delete = Delete { context: Some(other), ..delete(key_bytes("kept")) };
    let refused = served.client.request(&delete).await.err();
    assert_eq!(refused, Some(CallError::Refused(PutError::InvalidContext(ContextError::AnotherKey))));
    served.is_unharmed("a context of another key").await;
}

/// A context claims to have seen what has not happened yet. Were it believed, this node's clock would follow it, and every other
/// node would refuse all that this one writes from then on.
#[tokio::test]
async fn a_context_from_the_future_is_refused_and_moves_no_clock() {
    let served = Served::start(3, &[]).await;
    for (what, until) in [("a year ahead", year_ahead()), ("the end of time", HlcTime::from_u64(u64::MAX))] {
        let place = place(&served.client, "future").await;
        let record = RecordKey::new(place.partition, "kv", &key_bytes("future"));
        let replica = ReplicaId { directory: 1, epoch: 1 };
        let span = Span { replica, since: HlcTime::from_u64(1), until };
        let forged = Context::new(record.as_bytes(), vec![span].into());
        for context in [forged.clone(), forged] {
            let refused = served.put_error(what, &put("future", "v", Some(context))).await;
            let PutError::QuorumNotReached { failures, outcome: WriteOutcome::NotApplied, .. } = &refused else {
                panic!("{what}: {refused:?}");
            };
            let from_the_future = |reason: &FailureReason| {
                matches!(reason, FailureReason::Coordinate(CoordinateWriteError::ClockTooFarAhead(_)))
            };
            assert!(failures.iter().all(|failure| from_the_future(&failure.reason)), "{what}: {refused}");
            assert!(refused.to_string().contains("limits.max_clock_skew_ms = 500"), "{what}: {refused}");
        }
        served.is_unharmed(what).await;
    }
    assert!(values(&do_get(&served.client, &get("future")).await.expect("a get")).is_empty());
    for number in 0..20 {
        let reply = do_put(&served.client, &Put { w: Some(3), ..put(&format!("key-{number}"), "v", None) }).await;
        reply.expect("all three replicas take what this node mints");
    }
}

fn year_ahead() -> HlcTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    HlcTime::from_unix_ms(u64::try_from(now.as_millis()).expect("a small number") + 365 * 86_400_000)
}

#[tokio::test]
async fn more_requests_than_the_limit_are_told_so_and_none_hangs() {
    let served = Served::start(1, &[("limits.inflight_requests", "1")]).await;
    let expected = Overloaded { limit: "limits.inflight_requests".to_owned(), max: 1 };
    let puts: Vec<Put> = (0..64).map(|number| put(&format!("key-{number}"), "written", None)).collect();
    let replies = join_all(puts.iter().map(|put| do_put(&served.client, put))).await;
    let mut shed = 0;
    for (number, reply) in replies.iter().enumerate() {
        let found = retry(|| async { do_get(&served.client, &get(&format!("key-{number}"))).await }).await;
        match reply {
            Ok(_) => assert_eq!(values(&found), ["written"], "an acknowledged write is there"),
            Err(CallError::Refused(PutError::Overloaded(overloaded))) => {
                shed += 1;
                assert_eq!(*overloaded, expected);
                assert!(values(&found).is_empty(), "a refused write is not");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1..64).contains(&shed), "some are served and some are not: {shed} of 64 were refused");
    let gets: Vec<Get> = (0..64).map(|_| get("kept")).collect();
    let replies = join_all(gets.iter().map(|get| do_get(&served.client, get))).await;
    for reply in &replies {
        assert!(matches!(reply, Ok(_) | Err(CallError::Refused(GetError::Overloaded(_)))), "{reply:?}");
    }
    assert!(replies.iter().any(Result::is_ok));
    served.is_unharmed("overload").await;
}

/// One request at a time is served, but the one before may still be putting its tools away.
async fn retry<T, E: std::fmt::Debug, F: Future<Output = Result<T, CallError<E>>>>(ask: impl Fn() -> F) -> T {
    let begun = std::time::Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(begun.elapsed() < cluster::PATIENCE, "{error:?}"),
        }
    }
}

#[tokio::test]
async fn too_many_siblings_are_refused_until_somebody_merges_them() {
    let served = Served::start(3, &[("limits.siblings_warn", "2"), ("limits.siblings_max", "3")]).await;
    for round in 0..3 {
        let context = do_get(&served.client, &get("crowd")).await.expect("a get").context;
        let merged = format!("merged {round}");
        let reply = do_put(&served.client, &put("crowd", &merged, Some(context))).await.expect("a put with context");
        assert_eq!(reply.siblings, 1);
        for blind in ["a", "b"] {
            do_put(&served.client, &put("crowd", blind, None)).await.expect("a blind put");
        }
        for _ in 0..3 {
            let refused = served.put_error("a blind put", &put("crowd", "c", None)).await;
            let too_many = CoordinateWriteError::TooManySiblings { found: 4, max: 3 };
            assert_eq!(refused, PutError::Refused(too_many));
        }
        let found = do_get(&served.client, &Get { r: Some(3), ..get("crowd") }).await.expect("a get");
        assert_eq!(values(&found), ["a", "b", merged.as_str()], "nothing of the refused ones");
    }
    served.is_unharmed("too many siblings").await;
}

/// Siblings add up. What would not fit into a frame any more could be neither read nor replicated.
#[tokio::test]
async fn siblings_never_outgrow_a_frame() {
    let served = Served::start(3, &[("bridge.frame_max_bytes", "1048576")]).await;
    let big = |mark: &str| put("big", &mark.repeat(200_000), None);
    let mut held = 0;
    let refused = loop {
        match do_put(&served.client, &big(["a", "b", "c", "d", "e", "f"][held])).await {
            Ok(_) => held += 1,
            Err(CallError::Refused(refused)) => break refused,
            Err(other) => panic!("after {held} puts of 200 KB: {other}"),
        }
        let found = do_get(&served.client, &get("big")).await;
        let found = found.unwrap_or_else(|error| panic!("{held} siblings of 200 KB cannot be read: {error}"));
        assert_eq!(values(&found).len(), held);
    };
    assert!(
        matches!(refused, PutError::Refused(CoordinateWriteError::SiblingsTooLarge { max_bytes: 524_288, .. })),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("bridge.frame_max_bytes"), "{refused}");
    let context = do_get(&served.client, &get("big")).await.expect("a get").context;
    let merged = Put { w: Some(3), ..put("big", "merged", Some(context)) };
    assert_eq!(do_put(&served.client, &merged).await.expect("a put with context").siblings, 1);
    served.is_unharmed("large siblings").await;
}
