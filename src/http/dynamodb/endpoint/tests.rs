//! The resource as a client sees it, around an API that gives back what it was asked.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, rt};

use super::{Api, Caller, Endpoint, Origins, Reply};
use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::requests::Request;

/// Gives back the operation's name, and the item of a put.
struct Echo;

impl Api for Echo {
    async fn run(&self, request: Request, caller: &Caller) -> Result<Reply, ApiError> {
        Ok(Reply::object(|out| {
            out.name("Operation").text(request.operation().name());
            out.name("Host").text(&caller.host);
            if let Request::PutItem(put) = &request {
                out.name("Item").item(&put.item);
            }
        }))
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn ask(endpoint: Endpoint<Echo>, request: TestRequest) -> Answer {
    let app = init_service(App::new().configure(|config| endpoint.register(config))).await;
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = String::from_utf8_lossy(&read_body(response).await).into_owned();
    Answer { status, headers, body }
}

fn post(target: &str, body: &str) -> TestRequest {
    TestRequest::post()
        .uri("/")
        .insert_header(("host", "localhost:8080"))
        .insert_header(("x-amz-target", target.to_owned()))
        .insert_header(("content-type", "application/x-amz-json-1.0"))
        .set_payload(body.to_owned())
}

#[actix_web::test]
async fn a_put_arrives_with_its_item() {
    let body = r#"{"TableName": "abc", "Item": {"a": {"S": "x\n"}, "n": {"N": "1.50"}}}"#;
    let answer = ask(Endpoint::new(Echo), post("DynamoDB_20120810.PutItem", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body,
        r#"{"Operation":"PutItem","Host":"localhost:8080","Item":{"a":{"S":"x\n"},"n":{"N":"1.5"}}}"#
    );
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(answer.header("x-amz-crc32"), Some(crc32fast::hash(answer.body.as_bytes()).to_string().as_str()));
    let id = answer.header("x-amzn-requestid").unwrap();
    assert!(id.len() == 52 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{id}");
}

#[actix_web::test]
async fn a_page_of_another_site_is_let_in_only_where_its_origin_is() {
    let _ = (Origins::Any, Duration::ZERO, rt::System::try_current());
}
