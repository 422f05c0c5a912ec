//! The resource `/kv`: HTTP around the operations.
//!
//! ```text
//!   request ── body within bounds ── OPTIONS: preflight
//!                 │
//!                 └ signature, where keys are configured; else the page's origin ── the node serves ── context ── method
//!                                                                                                                  │
//!   answer <── context, trace, CORS ── body, nothing new or failure <──────────────────────────────────────────────┘
//! ```
//!
//! Where no keys are configured, pages of other origins than `http.cors_origins` are refused, not only kept from reading the answer. With
//! keys a page cannot sign unless it has one, and then its origin matters only to the browser.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;

use super::failure::KvError;
use super::long_poll::Waiters;
use super::operations::{Asked, Done};
use crate::dynamo::context::{Context, ContextError};
use crate::http::Door;
use crate::http::body::{self, BODY_DEADLINE, Unread};
use crate::http::caller::identify;
use crate::http::dynamodb::signature::AccessKey;
use crate::http::origins::{Origins, allow_what_is_asked};
use crate::http::surface::{self, Surface};
use crate::messages::TraceId;
use crate::metrics::KvMetrics;

/// What a client has seen of a key, in requests and answers: the text that `slipring-admin get` prints, too.
const CONTEXT: &str = "x-slipring-context";

/// Names the request in the logs of all nodes.
const TRACE: &str = "x-slipring-trace";

/// What a script of a web page may see of an answer.
const EXPOSED_HEADERS: &str = "x-slipring-context, x-slipring-trace";

/// The settings of the resource, and where its requests go.
pub struct KvEndpoint {
    door: Door,
    keys: Vec<AccessKey>,
    origins: Origins,
    waiters: Rc<Waiters>,
    body_deadline: Duration,
    clock: fn() -> SystemTime,
}

impl KvEndpoint {
    /// An endpoint that asks for no signatures and lets no web page in. At most `long_polls_max` requests wait at once.
    pub fn new(door: Door, long_polls_max: usize, metrics: KvMetrics) -> Self {
        Self {
            door,
            keys: Vec::new(),
            origins: Origins::None,
            waiters: Waiters::new(long_polls_max, metrics),
            body_deadline: BODY_DEADLINE,
            clock: SystemTime::now,
        }
    }

    /// Requests must be signed with one of these keys, unless there is none.
    #[must_use]
    pub fn keys(self, keys: Vec<AccessKey>) -> Self {
        Self { keys, ..self }
    }

    /// Web pages of these origins may use it.
    #[must_use]
    pub fn origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// What time it is, for the age of signatures.
    #[must_use]
    pub fn clock(self, clock: fn() -> SystemTime) -> Self {
        Self { clock, ..self }
    }

    /// Adds the resource to a worker's application.
    pub fn register(self, config: &mut web::ServiceConfig) {
        surface::register(self, web::service(["/kv", "/kv/{path:.*}"]), config);
    }

    async fn run(&self, request: &HttpRequest, body: &Bytes, trace: TraceId) -> Result<Done, KvError> {
        self.admit(request, body)?;
        let store = self.door.store().ok_or(KvError::NotServing)?;
        let asked = Asked {
            store,
            waiters: &self.waiters,
            trace,
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            context: context(request)?,
        };
        match *request.method() {
            Method::GET | Method::HEAD => asked.get().await,
            Method::PUT => asked.put(&body::unpacked(request, body)?).await,
            Method::DELETE => asked.delete().await,
            _ => Err(KvError::MethodNotAllowed),
        }
    }

    fn admit(&self, request: &HttpRequest, body: &Bytes) -> Result<(), KvError> {
        if !self.keys.is_empty() {
            identify(request, body, &self.keys, (self.clock)()).map_err(KvError::Signature)?;
            return Ok(());
        }
        let mut origins = request.headers().get_all(header::ORIGIN);
        match origins.all(|origin| self.origins.admit(origin.as_bytes())) {
            true => Ok(()),
            false => Err(KvError::OriginNotAllowed),
        }
    }

    fn preflight(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if !self.origins.name_in(&mut response, request, EXPOSED_HEADERS) {
            return HttpResponse::Forbidden().finish();
        }
        allow_what_is_asked(request, &mut response);
        response.finish()
    }

    fn respond(
        &self,
        request: &HttpRequest,
        answer: Answer,
        trace: Option<TraceId>,
        unread: Option<Payload>,
    ) -> HttpResponse {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponseBuilder::new(status);
        self.origins.name_in(&mut response, request, EXPOSED_HEADERS);
        // What an item is, is known to its replicas only.
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(trace) = trace {
            response.insert_header((TRACE, trace.to_string()));
        }
        if let Some(context) = &answer.context {
            response.insert_header((CONTEXT, context.as_str()));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((header::ALLOW, "GET, HEAD, PUT, DELETE"));
        }
        let Some(body) = answer.body else { return response.finish() };
        response.insert_header((header::CONTENT_TYPE, "application/json"));
        match unread {
            None => response.body(body),
            Some(payload) => response.force_close().body(Unread::new(body, payload)),
        }
    }
}

impl Surface for KvEndpoint {
    async fn serve(&self, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
        let trace = self.door.store().map(|store| store.traces.next());
        let (outcome, unread) = match body::read(request, &mut payload, self.body_deadline).await {
            Ok(_) if *request.method() == Method::OPTIONS && request.headers().contains_key(header::ORIGIN) => {
                return self.preflight(request);
            }
            Ok(body) => (self.run(request, &body, trace.unwrap_or_default()).await, None),
            Err(error) => (Err(error.into()), Some(payload)),
        };
        let answer = Answer::of(outcome, is_write(request.method()));
        if answer.status >= 500 {
            let trace = trace.unwrap_or_default();
            tracing::debug!(%trace, status = answer.status, "a request of the KV API was not carried out");
        }
        self.waiters.metrics.answered(label(request.method()), answer.status);
        self.respond(request, answer, trace, unread)
    }
}

/// An answer before its headers.
struct Answer {
    status: u16,
    context: Option<String>,
    body: Option<Vec<u8>>,
}

impl Answer {
    fn of(outcome: Result<Done, KvError>, is_write: bool) -> Self {
        let text = |context: &Context| context.to_string();
        match outcome {
            Ok(Done::Body { body, context }) => {
                Self { status: 200, context: context.as_ref().map(text), body: Some(body.to_string().into_bytes()) }
            }
            // The client's context may know more than what R replicas have found: it keeps its own.
            Ok(Done::NoNews) => Self { status: 304, context: None, body: None },
            Err(error) => Self {
                status: error.status(),
                context: error.context().map(text),
                body: Some(error.to_json(is_write).to_string().into_bytes()),
            },
        }
    }
}

/// The context of a request.
fn context(request: &HttpRequest) -> Result<Option<Context>, KvError> {
    let mut sent = request.headers().get_all(CONTEXT);
    match (sent.next(), sent.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => Ok(Some(one.to_str().map_err(|_| ContextError::Malformed)?.parse::<Context>()?)),
        (Some(_), Some(_)) => Err(ContextError::Malformed.into()),
    }
}

fn is_write(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::DELETE)
}

/// As metrics call a method: few names, whatever clients send.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::PUT => "put",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
