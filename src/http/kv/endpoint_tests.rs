//! The resource as a client sees it, in front of one replica in memory.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, http, rt};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::KvEndpoint;
use crate::http::Door;
use crate::http::dynamodb::signature::AccessKey;
use crate::http::kv::fake_store::{Shared, open};
use crate::http::origins::Origins;
use crate::messages::Overloaded;
use crate::messages::client::{GetError, PutError, WriteOutcome};
use crate::metrics::Metrics;

/// A replica, and endpoints in front of it.
struct Stage {
    state: Shared,
    door: Door,
    metrics: Metrics,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn context(&self) -> String {
        self.header("x-slipring-context").unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Stage {
    fn set() -> Self {
        let (state, door) = open();
        Self { state, door, metrics: Metrics::new() }
    }

    fn endpoint(&self) -> KvEndpoint {
        KvEndpoint::new(self.door.clone(), 2, self.metrics.kv.clone())
    }

    async fn ask(&self, request: TestRequest) -> Answer {
        ask_of(self.endpoint(), request).await
    }

    async fn put(&self, path: &str, context: Option<&str>, body: impl Into<Bytes>) -> Answer {
        let request = TestRequest::put().uri(path).set_payload(body);
        self.ask(with_context(request, context)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(TestRequest::get().uri(path)).await
    }

    async fn delete(&self, path: &str, context: Option<&str>) -> Answer {
        self.ask(with_context(TestRequest::delete().uri(path), context)).await
    }
}

fn with_context(request: TestRequest, context: Option<&str>) -> TestRequest {
    match context {
        Some(context) => request.insert_header(("x-slipring-context", context)),
        None => request,
    }
}

async fn ask_of(endpoint: KvEndpoint, request: TestRequest) -> Answer {
    let app = init_service(App::new().configure(|config| endpoint.register(config))).await;
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: read_body(response).await }
}

#[actix_web::test]
async fn writers_that_did_not_see_each_other_leave_siblings_and_a_context_resolves_them() {
    let stage = Stage::set();
    let first = stage.put("/kv/kv/cart%3A1", None, r#"{"items": ["milk"]}"#).await;
    assert_eq!((first.status, &first.json()["siblings"]), (StatusCode::OK, &json!(1)));
    let second = stage.put("/kv/kv/cart:1", None, r#"{"items": ["eggs"]}"#).await;
    assert_eq!(second.json()["siblings"], 2);
    let found = stage.get("/kv/kv/cart:1").await;
    let siblings = json!([{"key": "cart:1", "items": ["milk"]}, {"key": "cart:1", "items": ["eggs"]}]);
    assert_eq!((found.status, &found.json()["siblings"]), (StatusCode::OK, &siblings));
    assert_eq!(
        (found.json()["context"].as_str(), found.header("cache-control")),
        (found.header("x-slipring-context"), Some("no-store"))
    );
    assert_eq!(found.header("content-type"), Some("application/json"));
    let merged = stage.put("/kv/kv/cart:1", Some(&found.context()), r#"{"items": ["eggs", "milk"]}"#).await;
    assert_eq!(merged.json()["siblings"], 1);
    // The context of a put covers the put.
    let again = stage.put("/kv/kv/cart:1", Some(&merged.context()), r#"{"items": []}"#).await;
    assert_eq!(again.json()["siblings"], 1);
    assert_eq!(stage.get("/kv/kv/cart:1").await.json()["siblings"], json!([{"key": "cart:1", "items": []}]));
}

#[actix_web::test]
async fn what_is_deleted_is_not_found_and_has_a_context() {
    let stage = Stage::set();
    let never = stage.get("/kv/kv/a").await;
    assert_eq!((never.code(), never.header("x-slipring-context")), ((404, "no_such_item".to_owned()), None));
    let written = stage.put("/kv/kv/a", None, "{}").await;
    let deleted = stage.delete("/kv/kv/a", Some(&written.context())).await;
    assert_eq!((deleted.status, &deleted.json()["siblings"]), (StatusCode::OK, &json!(0)));
    let gone = stage.get("/kv/kv/a").await;
    assert_eq!(gone.code(), (404, "no_such_item".to_owned()));
    let context = gone.context();
    assert_eq!(stage.put("/kv/kv/a", Some(&context), "{}").await.json()["siblings"], 1);
    // A delete that has not seen what is there leaves it.
    let late = stage.delete("/kv/kv/a", Some(&context)).await;
    assert_eq!(late.json()["siblings"], 1);
    // Without a context it takes what it finds.
    assert_eq!(stage.delete("/kv/kv/a", None).await.json()["siblings"], 0);
    assert!(stage.state.lock().unwrap().delete.as_ref().unwrap().context.is_none());
}

#[actix_web::test]
async fn keys_are_spelt_by_their_type() {
    let stage = Stage::set();
    let put = stage.put("/kv/blobs/_-8", None, r#"{"a": 1}"#).await;
    assert_eq!(put.status, 200, "{put:?}");
    let found = stage.get("/kv/blobs/_-8=?form=dynamodb").await;
    assert_eq!(found.json()["siblings"], json!([{"id": {"B": "/+8="}, "a": {"N": "1"}}]));
    let typed =
        stage.put("/kv/orders/ada/1.50?form=dynamodb", None, r#"{"at": {"N": "1.5"}, "b": {"B": "AAEC"}}"#).await;
    assert_eq!(typed.status, 200, "{typed:?}");
    let found = stage.get("/kv/orders/ada/15e-1").await;
    assert_eq!(found.json()["siblings"][0]["b"], json!({"$binary": "AAEC"}));
    assert_eq!(stage.get("/kv/blobs/%2B").await.code(), (400, "invalid_key".to_owned()));
    assert_eq!(stage.get("/kv/orders/ada/one").await.code(), (400, "invalid_key".to_owned()));
    assert_eq!(stage.put("/kv/kv/line%0Abreak%2F%F0%9F%A6%80", None, "{}").await.status, 200);
    assert_eq!(stage.get("/kv/kv/line%0abreak%2f%f0%9f%a6%80").await.json()["siblings"][0]["key"], "line\nbreak/🦀");
}

#[actix_web::test]
async fn what_is_asked_for_reaches_the_message() {
    let stage = Stage::set();
    stage.put("/kv/kv/a?w=3&ttl_ms=1500&timeout_ms=70&n=3", None, "{}").await;
    let put = stage.state.lock().unwrap().put.clone().unwrap();
    assert_eq!((put.w, put.ttl_ms, put.timeout_ms, put.table.as_str()), (Some(3), Some(1500), Some(70), "kv"));
    assert_eq!(stage.get("/kv/kv/a").await.status, 200);
    stage.state.lock().unwrap().now_ms = 1500;
    assert_eq!(stage.get("/kv/kv/a").await.status, 404);
    stage.delete("/kv/kv/a?w=1", None).await;
    assert_eq!(stage.state.lock().unwrap().delete.as_ref().unwrap().w, Some(1));
    stage.get("/kv/orders/ada?r=2&limit=7").await;
    let query = stage.state.lock().unwrap().query.clone().unwrap();
    assert_eq!((query.r, query.limit, query.range.descends), (Some(2), 7, false));
}

#[actix_web::test]
async fn a_range_is_read_page_by_page_in_both_directions() {
    let stage = Stage::set();
    for at in 0..10 {
        assert_eq!(stage.put(&format!("/kv/orders/ada/{at}"), None, "{}").await.status, 200);
    }
    stage.put("/kv/orders/adam/5", None, "{}").await;
    for (bounds, expected) in [
        ("", (0..10).collect::<Vec<i64>>()),
        ("&from=3&to=7", (3..8).collect()),
        ("&from=7", (7..10).collect()),
        ("&descending=true", (0..10).rev().collect()),
        ("&descending=true&from=3&to=7", (3..8).rev().collect()),
        ("&from=11", Vec::new()),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = stage.get(&format!("/kv/orders/ada?limit=3{bounds}{cursor}")).await;
            assert_eq!(page.status, 200, "{bounds}: {page:?}");
            let items = page.json()["items"].as_array().unwrap().clone();
            seen.extend(items.iter().map(|item| item["siblings"][0]["at"].as_i64().unwrap()));
            match page.json()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{bounds}");
    }
    let page = stage.get("/kv/orders/ada?limit=3").await.json();
    let next = page["next"].as_str().unwrap();
    for (path, code) in [
        (format!("/kv/orders/adam?cursor={next}"), "invalid_cursor"),
        (format!("/kv/orders/ada?cursor={next}&descending=true"), "invalid_cursor"),
        (format!("/kv/orders/ada?cursor={next}&from=5"), "invalid_cursor"),
        ("/kv/orders/ada?cursor=AAAA".to_owned(), "invalid_cursor"),
        ("/kv/orders/ada?from=2&to=1".to_owned(), "invalid_parameter"),
        ("/kv/orders/ada?from=x".to_owned(), "invalid_key"),
        ("/kv/orders/ada?wait_ms=5".to_owned(), "invalid_parameter"),
        ("/kv/kv/a?from=b".to_owned(), "invalid_parameter"),
    ] {
        assert_eq!(stage.get(&path).await.code(), (400, code.to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_code() {
    let stage = Stage::set();
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(410_000));
    let other = stage.put("/kv/kv/other", None, "{}").await.context();
    let put = |path: &'static str, body: String| (path, None::<String>, Bytes::from(body), "PUT");
    let cases = [
        (put("/kv/nowhere/a", "{}".into()), 404, "no_such_table"),
        (put("/kv", "{}".into()), 404, "no_such_resource"),
        (put("/kv/kv", "{}".into()), 404, "no_such_resource"),
        (put("/kv/kv//", "{}".into()), 400, "invalid_path"),
        (put("/kv/kv/a/b", "{}".into()), 400, "invalid_key"),
        (put("/kv/orders/ada", "{}".into()), 400, "invalid_key"),
        (put("/kv/kv/a?ttl=1", "{}".into()), 400, "invalid_parameter"),
        (put("/kv/kv/a?n=5", "{}".into()), 400, "invalid_quorum"),
        (put("/kv/orders/a/1?n=3", "{}".into()), 400, "invalid_quorum"),
        (put("/kv/kv/a", String::new()), 400, "invalid_item"),
        (put("/kv/kv/a", "[1]".into()), 400, "invalid_item"),
        (put("/kv/kv/a", r#"{"key": "b"}"#.into()), 400, "invalid_key"),
        (put("/kv/kv/a", r#"{"": 1}"#.into()), 400, "invalid_item"),
        (put("/kv/kv/a", large), 413, "item_too_large"),
        (put("/kv/kv/a", " ".repeat((16 << 20) + 1)), 413, "body_too_large"),
        (("/kv/kv/a", Some(other.clone()), "{}".into(), "PUT"), 400, "invalid_context"),
        (("/kv/kv/a", Some("nonsense".to_owned()), "{}".into(), "PUT"), 400, "invalid_context"),
        (("/kv/kv/a", Some(String::new()), Bytes::new(), "DELETE"), 400, "invalid_context"),
        (("/kv/kv/a?wait_ms=0", Some(other), Bytes::new(), "GET"), 400, "invalid_context"),
        (("/kv/kv/a", None, "{}".into(), "POST"), 405, "method_not_allowed"),
    ];
    for ((path, context, body, method), status, code) in cases {
        let request = TestRequest::with_uri(path).method(method.parse().unwrap()).set_payload(body);
        let answer = stage.ask(with_context(request, context.as_deref())).await;
        assert_eq!(answer.code(), (status, code.to_owned()), "{method} {path}");
        assert_eq!(answer.json()["error"].get("written").is_some(), method == "PUT" || method == "DELETE");
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert_eq!(stage.put("/kv/kv/a?n=3", None, r#"{"key": "a"}"#).await.status, 200);
}

#[actix_web::test]
async fn failures_of_the_actors_are_told() {
    let stage = Stage::set();
    let not_reached = |outcome| PutError::QuorumNotReached { needed: 2, got: 1, failures: Vec::new(), outcome };
    for (error, status, code, written) in [
        (not_reached(WriteOutcome::NotApplied), 503, "quorum_not_reached", "no"),
        (not_reached(WriteOutcome::Unknown), 504, "outcome_unknown", "unknown"),
    ] {
        stage.state.lock().unwrap().write_error = Some(error);
        for answer in [stage.put("/kv/kv/a", None, "{}").await, stage.delete("/kv/kv/a", None).await] {
            assert_eq!(answer.code(), (status, code.to_owned()));
            assert_eq!(answer.json()["error"]["written"], written);
        }
    }
    let overloaded = Overloaded { limit: "limits.inflight_requests".to_owned(), max: 1 };
    stage.state.lock().unwrap().read_error = Some(GetError::Overloaded(overloaded));
    assert_eq!(stage.get("/kv/kv/a").await.code(), (429, "overloaded".to_owned()));
    assert_eq!(stage.get("/kv/orders/a").await.code(), (429, "overloaded".to_owned()));
    let closed = KvEndpoint::new(Door::default(), 1, stage.metrics.kv.clone());
    let answer = ask_of(closed, TestRequest::get().uri("/kv/kv/a")).await;
    assert_eq!(answer.code(), (503, "not_serving".to_owned()));
    let text = stage.metrics.render();
    assert!(text.contains("slipring_kv_requests_total{method=\"put\",status=\"504\"} 1"), "{text}");
}

mod waiting {
    use futures_util::future::join;

    use super::*;

    /// What happens meanwhile.
    async fn later(act: impl Future<Output = Answer>) -> Answer {
        tokio::time::sleep(Duration::from_secs(3)).await;
        act.await
    }

    fn wait(path: &str, context: Option<&str>) -> TestRequest {
        with_context(TestRequest::get().uri(path), context)
    }

    #[actix_web::test]
    async fn who_waits_in_vain_hears_that_there_is_nothing_new_and_costs_little() {
        let stage = Stage::set();
        let context = stage.put("/kv/kv/a", None, "{}").await.context();
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let answer = stage.ask(wait("/kv/kv/a?wait_ms=30000", Some(&context))).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!((answer.header("x-slipring-context"), begun.elapsed().as_secs()), (None, 30));
        // At once, then after 50, 100, 200, 400 and 800 ms, then once a second, and at the end.
        assert_eq!(stage.state.lock().unwrap().gets, 1 + 5 + 28 + 1);
        let once = stage.ask(wait("/kv/kv/a?wait_ms=0", Some(&context))).await;
        assert_eq!((once.status, stage.state.lock().unwrap().gets), (StatusCode::NOT_MODIFIED, 36));
    }

    #[actix_web::test]
    async fn a_write_wakes_and_so_does_a_delete() {
        let stage = Stage::set();
        tokio::time::pause();
        // Without a context whatever is written is news.
        let (found, written) =
            join(stage.ask(wait("/kv/kv/a?wait_ms=9000", None)), later(stage.put("/kv/kv/a", None, "{}"))).await;
        assert_eq!((found.status, &found.json()["siblings"]), (StatusCode::OK, &json!([{"key": "a"}])));
        let context = written.context();
        let (found, _) =
            join(stage.ask(wait("/kv/kv/a?wait_ms=9000", Some(&context))), later(stage.put("/kv/kv/a", None, "{}")))
                .await;
        assert_eq!(found.json()["siblings"].as_array().unwrap().len(), 2);
        // What the context of a put has not seen is news at once.
        let found = stage.ask(wait("/kv/kv/a?wait_ms=9000", Some(&context))).await;
        let context = found.context();
        let (gone, _) = join(
            stage.ask(wait("/kv/kv/a?wait_ms=9000", Some(&context))),
            later(stage.delete("/kv/kv/a", Some(&context))),
        )
        .await;
        assert_eq!(gone.code(), (404, "no_such_item".to_owned()));
        let answer = stage.ask(wait("/kv/kv/a?wait_ms=9000", Some(&gone.context()))).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    }

    #[actix_web::test]
    async fn a_failure_that_passes_is_waited_out() {
        let stage = Stage::set();
        tokio::time::pause();
        let error = GetError::QuorumNotReached { needed: 2, got: 1, failures: Vec::new() };
        let fail = async |error: Option<GetError>| {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stage.state.lock().unwrap().read_error = error;
        };
        let (answer, ()) = join(stage.ask(wait("/kv/kv/a?wait_ms=5000", None)), fail(Some(error.clone()))).await;
        assert_eq!(answer.code(), (503, "quorum_not_reached".to_owned()), "it lasted to the end");
        let answer = stage.ask(wait("/kv/kv/a?wait_ms=5000", None)).await;
        assert_eq!(answer.code(), (503, "quorum_not_reached".to_owned()), "the first look is answered");
        assert_eq!(stage.metrics.kv.waiters.get(), 0);
        fail(None).await;
        let passing = async {
            fail(Some(error)).await;
            fail(None).await;
        };
        let (answer, ()) = join(stage.ask(wait("/kv/kv/a?wait_ms=9000", None)), passing).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        let dropped = GetError::NoSuchTable { table: "kv".to_owned() };
        let (answer, ()) = join(stage.ask(wait("/kv/kv/a?wait_ms=9000", None)), fail(Some(dropped))).await;
        assert_eq!(answer.code(), (404, "no_such_table".to_owned()));
    }

    #[actix_web::test]
    async fn only_so_many_wait_and_who_goes_makes_room() {
        let stage = Stage::set();
        tokio::time::pause();
        let endpoint = stage.endpoint();
        let app = init_service(App::new().configure(|config| endpoint.register(config))).await;
        let ask = || call_service(&app, wait("/kv/kv/a?wait_ms=60000", None).to_request());
        let waits = async |count: i64| {
            while stage.metrics.kv.waiters.get() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let mut first = Box::pin(ask());
        let mut second = Box::pin(ask());
        tokio::select! { biased; _ = &mut first => panic!(), _ = &mut second => panic!(), () = waits(2) => {} }
        let refused = ask().await;
        assert_eq!(refused.status(), 429);
        let plain = call_service(&app, wait("/kv/kv/a", None).to_request()).await;
        assert_eq!(plain.status(), 404);
        drop(first);
        assert_eq!(stage.metrics.kv.waiters.get(), 1);
        let mut third = Box::pin(ask());
        tokio::select! { biased; _ = &mut third => panic!(), () = waits(2) => {} }
    }
}

mod door {
    use super::*;

    fn from(origin: &'static str, request: TestRequest) -> TestRequest {
        request.insert_header(("origin", origin))
    }

    #[actix_web::test]
    async fn pages_are_let_in_only_where_their_origin_is() {
        let stage = Stage::set();
        let these = || stage.endpoint().origins(Origins::These(vec!["http://localhost:*".to_owned()]));
        let put = || TestRequest::put().uri("/kv/kv/a").set_payload("{}");
        let answer = ask_of(these(), from("http://localhost:3000", put())).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (StatusCode::OK, Some("http://localhost:3000"))
        );
        assert_eq!(answer.header("access-control-expose-headers"), Some("x-slipring-context, x-slipring-trace"));
        let refused = ask_of(these(), from("https://example.com", put())).await;
        assert_eq!(refused.code(), (403, "origin_not_allowed".to_owned()));
        assert_eq!(refused.header("access-control-allow-origin"), None);
        assert!(stage.get("/kv/kv/a").await.json()["siblings"].as_array().is_some_and(|siblings| siblings.len() == 1));
        let preflight = || {
            TestRequest::with_uri("/kv/kv/a")
                .method(http::Method::OPTIONS)
                .insert_header(("access-control-request-method", "PUT"))
                .insert_header(("access-control-request-headers", "x-slipring-context"))
        };
        let answer = ask_of(these(), from("http://localhost:3000", preflight())).await;
        assert_eq!((answer.status, answer.header("access-control-allow-methods")), (StatusCode::OK, Some("PUT")));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-slipring-context"));
        assert_eq!(ask_of(these(), from("https://example.com", preflight())).await.status, 403);
        assert_eq!(ask_of(these(), preflight()).await.code(), (405, "method_not_allowed".to_owned()));
    }

    #[actix_web::test]
    async fn where_there_are_keys_nobody_comes_in_without() {
        let stage = Stage::set();
        let signed = || stage.endpoint().keys(vec![AccessKey::new("ID", "SECRET")]);
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
            for path in ["/kv/kv/a", "/kv/nowhere/a", "/kv"] {
                let request = TestRequest::with_uri(path).method(method.parse().unwrap()).set_payload("{}");
                assert_eq!(ask_of(signed(), request).await.status, 401, "{method} {path}");
            }
        }
        let wrong =
            "AWS4-HMAC-SHA256 Credential=ID/20150830/eu/dynamodb/aws4_request, SignedHeaders=host, Signature=00";
        let request = TestRequest::get()
            .uri("/kv/kv/a")
            .insert_header(("host", "a"))
            .insert_header(("date", "20150830T123600Z"))
            .insert_header(("authorization", wrong));
        let clock = || std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let answer = ask_of(signed().clock(clock), request).await;
        assert_eq!(answer.code(), (403, "signature_wrong".to_owned()));
        assert!(stage.state.lock().unwrap().put.is_none());
        assert_eq!(stage.state.lock().unwrap().gets, 0);
    }
}

/// A request of whatever a client can send.
#[derive(Clone, Debug)]
struct Odd {
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

fn odd(contexts: Vec<String>) -> impl Strategy<Value = Odd> {
    const NAMES: [&str; 8] = [
        "authorization",
        "x-amz-date",
        "host",
        "origin",
        "accept-encoding",
        "content-encoding",
        "content-length",
        "x-slipring-context",
    ];
    let value = prop_oneof![
        vec(prop_oneof![32_u8..127, 128_u8..=255], 0..20),
        "(AWS4-HMAC-SHA256 |Credential=a/20150830/b/dynamodb/aws4_request,|SignedHeaders=host,|Signature=00,|gzip|7){0,4}"
            .prop_map(String::into_bytes),
    ];
    let context = (prop::sample::select(contexts), any::<bool>(), any::<prop::sample::Index>()).prop_map(
        |(context, whole, at)| {
            let mut context = context.into_bytes();
            if !whole {
                let at = at.index(context.len());
                context[at] = b'x';
            }
            ("x-slipring-context", context)
        },
    );
    let headers = (vec((prop::sample::select(&NAMES[..]), value), 0..3), prop::option::of(context));
    let path = prop_oneof![
        4 => "/kv/(kv|orders|blobs|none)/[a-c1-3]{1,3}(/[0-9]{1,2})?",
        1 => "/kv[/a-z0-9%._+=~-]{0,40}",
        1 => "/kv/(kv|orders|blobs)/(%[0-9A-F]{2}){1,9}(/(%[0-9A-F]{2}){0,5})?",
    ];
    let query = prop_oneof![
        3 => Just(String::new()),
        1 => "[?]((r|w|n|limit|timeout_ms|ttl_ms|wait_ms)=[0-3]&){1,3}",
        1 => "[?](from|to|cursor|form|descending|X-Amz-Date)=[a-z0-9%+=&]{0,20}",
        1 => "[?][a-z0-9%+=&?/._~-]{0,30}",
    ];
    let body = prop_oneof![
        Just(b"{}".to_vec()),
        r#"[{]"(a|key|at|id|[$]binary|S)": ([0-9]{1,40}|"[a-z]{0,9}"|[{]"N": "1"[}]|null|\[[]])[}]"#
            .prop_map(String::into_bytes),
        any::<Vec<u8>>(),
        vec(prop::sample::select(&b"{}[]\":,0eES\\"[..]), 0..200),
    ];
    let method = prop::sample::select(&["GET", "PUT", "PUT", "DELETE", "HEAD", "OPTIONS", "POST", "TRACE", "BREW"][..]);
    (method, path, query, headers, body).prop_map(|(method, path, query, (mut headers, context), body)| {
        headers.extend(context);
        Odd { method, uri: format!("{path}{query}"), headers, body }
    })
}

#[test]
fn nothing_that_is_sent_makes_it_fail() {
    let system = rt::System::new();
    let (stage, contexts) = system.block_on(async {
        let stage = Stage::set();
        let contexts = vec![
            stage.put("/kv/kv/a", None, "{}").await.context(),
            stage.put("/kv/kv/b", None, "{}").await.context(),
            stage.put("/kv/orders/a/1", None, "{}").await.context(),
        ];
        (stage, contexts)
    });
    let mut runner = TestRunner::new(Config::with_cases(1024));
    let answered = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let result = runner.run(&(odd(contexts), 0..4_u8), |(odd, with)| {
        let Ok(uri) = odd.uri.parse::<http::Uri>() else { return Ok(()) };
        let mut request =
            TestRequest::with_uri(&uri.to_string()).method(odd.method.parse().unwrap()).set_payload(odd.body.clone());
        for (name, value) in &odd.headers {
            let Ok(value) = HeaderValue::from_bytes(value) else { continue };
            request = request.append_header((HeaderName::from_static(name), value));
        }
        let endpoint = stage.endpoint();
        let endpoint = if with == 0 { endpoint.keys(vec![AccessKey::new("a", "secret")]) } else { endpoint };
        let endpoint = if with == 1 { endpoint.origins(Origins::Any) } else { endpoint };
        let answer = system.block_on(ask_of(endpoint, request));
        prop_assert!(answer.status.as_u16() < 500, "{} {:?}", answer.status, answer.body);
        answered.borrow_mut().insert(answer.status.as_u16());
        Ok(())
    });
    result.unwrap();
    // It is about requests that get somewhere, too.
    let answered = answered.into_inner();
    assert!([200, 400, 401, 403, 404, 405].iter().all(|status| answered.contains(status)), "{answered:?}");
}
