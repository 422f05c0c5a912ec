//! The resource `/`: HTTP around an [`Api`].
//!
//! ```text
//!   request ── body::read ── OPTIONS: preflight     GET: healthy     not POST or not JSON: 404
//!                 │
//!                 └ POST ── X-Amz-Target ── signature ── gunzip ── JSON ── Request ── Api::run
//!                                                                                        │
//!   reply <── request id, CORS, crc32, gzip ── Reply or ApiError <───────────────────────┘
//! ```
//!
//! The body is read whole before anything is answered, so that a client that is still sending learns what is
//! wrong; where it is too large or too slow the connection is closed. The order of the checks is the
//! service's, but that a signature, where one is asked for, is checked before the body is unpacked and parsed:
//! strangers shall not cost more than a hash.

mod reply;

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::time::{Duration, SystemTime};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::error::ApiError;
use super::json_out::JsonWriter;
use super::operation::Operation;
use super::requests::{Request, parsed};
use super::signature::{self, AccessKey};
use crate::http::body::{self, BODY_DEADLINE, BodyError};
use crate::http::caller::identify;
use crate::http::origins::Origins;
use crate::http::surface::{self, Surface};
use reply::Answer;

/// Which operation is meant.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What carries out operations: on the thread that has the connection, so it needs not be `Send`.
pub trait Api {
    /// Carries out an operation and says what to reply.
    fn run(&self, request: Request, caller: &Caller<'_>) -> impl Future<Output = Result<Reply, ApiError>>;
}

/// What a request says of where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The host that the client has sent the request to, with its port.
    pub host: Cow<'a, str>,
    /// The region that the request is signed for, whether or not the signature was checked.
    pub region: Option<Cow<'a, str>>,
}

/// A reply with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(Vec<u8>);

impl Reply {
    /// An object with the names and values that `fields` writes.
    #[must_use]
    pub fn object(fields: impl FnOnce(&mut JsonWriter)) -> Self {
        let mut out = JsonWriter::default();
        out.object(fields);
        Self(out.into_bytes())
    }

    /// `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self(b"{}".to_vec())
    }

    /// The JSON.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<JsonWriter> for Reply {
    fn from(out: JsonWriter) -> Self {
        Self(out.into_bytes())
    }
}

/// The settings of the resource, and the [`Api`] behind it.
pub struct Endpoint<A> {
    api: A,
    keys: Vec<AccessKey>,
    origins: Origins,
    body_deadline: Duration,
    clock: fn() -> SystemTime,
    request_ids: RefCell<StdRng>,
}

impl<A: Api + 'static> Endpoint<A> {
    /// An endpoint that asks for no signatures and lets no web page in.
    pub fn new(api: A) -> Self {
        Self {
            api,
            keys: Vec::new(),
            origins: Origins::None,
            body_deadline: BODY_DEADLINE,
            clock: SystemTime::now,
            request_ids: RefCell::new(StdRng::from_seed(seed())),
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

    /// How long a body may take to arrive.
    #[must_use]
    pub fn body_deadline(self, body_deadline: Duration) -> Self {
        Self { body_deadline, ..self }
    }

    /// What time it is, for the age of signatures.
    #[must_use]
    pub fn clock(self, clock: fn() -> SystemTime) -> Self {
        Self { clock, ..self }
    }

    /// Adds the resource `/` to a worker's application.
    pub fn register(self, config: &mut web::ServiceConfig) {
        surface::register(self, web::service("/"), config);
    }

    async fn answer(&self, request: &HttpRequest, body: &Bytes) -> Answer {
        match *request.method() {
            Method::OPTIONS if request.headers().contains_key(header::ORIGIN) => Answer::preflight(),
            Method::GET => Answer::healthy(&host(request)),
            Method::POST if body.is_empty() || is_json(request) => match self.run(request, body).await {
                Ok(Reply(json)) => Answer::json(200, json),
                Err(error) => Answer::error(&error),
            },
            _ => Answer::not_found(),
        }
    }

    async fn run(&self, request: &HttpRequest, body: &Bytes) -> Result<Reply, ApiError> {
        let operation = Operation::from_target(value(request, &TARGET));
        let region = match self.keys.is_empty() {
            true => value(request, &header::AUTHORIZATION).and_then(signature::claimed_region).map(Cow::Borrowed),
            false => {
                operation.clone()?;
                Some(Cow::Owned(identify(request, body, &self.keys, (self.clock)())?.region))
            }
        };
        let caller = Caller { host: host(request), region };
        let parameters = {
            let body = body::unpacked(request, body)?;
            let json = match body.is_empty() {
                true => None,
                false => Some(parsed(&body)?),
            };
            let operation = operation?;
            Request::from_json(operation, json.ok_or(ApiError::Serialization { message: None })?)?
        };
        self.api.run(parameters, &caller).await
    }
}

impl<A: Api + 'static> Surface for Endpoint<A> {
    async fn serve(&self, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
        let (answer, unread) = match body::read(request, &mut payload, self.body_deadline).await {
            Ok(body) => (self.answer(request, &body).await, None),
            Err(error) => (Answer::error(&error.into()), Some(payload)),
        };
        answer.into_response(request, unread, &self.origins, &mut self.request_ids.borrow_mut())
    }
}

/// Whether the body is called JSON, by one of the two names that the service knows.
fn is_json(request: &HttpRequest) -> bool {
    matches!(body::content_type(request), b"application/json" | b"application/x-amz-json-1.0")
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::RequestTooLarge,
            BodyError::TooSlow => Self::RequestTimeout,
            BodyError::Broken => Self::Serialization { message: None },
            BodyError::UnknownEncoding => Self::serialization("The Content-Encoding of the request is not supported"),
        }
    }
}

/// The value of a header, if there is one.
fn value<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a [u8]> {
    request.headers().get(name).map(HeaderValue::as_bytes)
}

fn host(request: &HttpRequest) -> Cow<'_, str> {
    let named = value(request, &header::HOST).map(String::from_utf8_lossy);
    named.or_else(|| request.uri().authority().map(|host| host.as_str().into())).unwrap_or_default()
}

/// Chance for the ids of requests. They need only be different, so without chance the time will do.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if getrandom::fill(&mut seed).is_err() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        seed[..16].copy_from_slice(&now.as_nanos().to_le_bytes());
    }
    seed
}

#[cfg(test)]
mod connection_tests;
#[cfg(test)]
#[path = "endpoint/tests.rs"]
mod tests;
