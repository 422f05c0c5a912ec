//! Replies, with the headers that clients of the service look at.
//!
//! | header | what |
//! |---|---|
//! | `x-amzn-RequestId` | 52 letters and digits, other ones each time |
//! | `x-amz-crc32` | over the body as sent, packed or not |
//! | `Access-Control-*` | for browsers, where a page's origin is allowed |
//! | `Content-Encoding` | `gzip`, for large replies to clients that ask for it |

use std::io::Write;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;

use crate::http::body::{self, Unread};
use crate::http::dynamodb::error::ApiError;
use crate::http::origins::{Origins, allow_what_is_asked};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");

/// Packing less costs more than it saves.
const PACKED_BYTES_MIN: usize = 1024;

/// What a script of a web page may see of a reply.
const EXPOSED_HEADERS: &str = "x-amzn-RequestId, x-amz-crc32";

/// A reply before its headers.
pub(super) struct Answer {
    status: u16,
    kind: Kind,
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Plain,
    Preflight,
}

impl Answer {
    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, kind: Kind::Json, body }
    }

    pub(super) fn error(error: &ApiError) -> Self {
        Self::json(error.status(), error.to_json())
    }

    pub(super) fn preflight() -> Self {
        Self { status: 200, kind: Kind::Preflight, body: Vec::new() }
    }

    pub(super) fn healthy(host: &str) -> Self {
        // The space at the end is the service's.
        Self { status: 200, kind: Kind::Plain, body: format!("healthy: {host} ").into_bytes() }
    }

    pub(super) fn not_found() -> Self {
        Self { status: 404, kind: Kind::Plain, body: b"<UnknownOperationException/>\n".to_vec() }
    }

    /// With what is unread of the request, if there is something: then the connection is closed.
    pub(super) fn into_response(
        self,
        request: &HttpRequest,
        unread: Option<Payload>,
        origins: &Origins,
        ids: &mut impl Rng,
    ) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = HttpResponseBuilder::new(status);
        response.insert_header((REQUEST_ID, request_id(ids)));
        let allowed = origins.name_in(&mut response, request, EXPOSED_HEADERS);
        match self.kind {
            Kind::Preflight if !allowed => return HttpResponse::Forbidden().finish(),
            Kind::Preflight => allow_what_is_asked(request, &mut response),
            Kind::Json => {
                response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(json_type(request))));
            }
            Kind::Plain => {
                response.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
            }
        }
        let body = match self.body.len() >= PACKED_BYTES_MIN && takes_gzip(request) {
            true => packed(self.body, &mut response),
            false => self.body,
        };
        if self.kind != Kind::Preflight {
            response.insert_header((CHECKSUM, crc32fast::hash(&body)));
        }
        match unread {
            None => response.body(body),
            Some(payload) => response.force_close().body(Unread::new(body, payload)),
        }
    }
}

/// The reply is called what the request was called.
fn json_type(request: &HttpRequest) -> &'static str {
    match body::content_type(request) {
        b"application/x-amz-json-1.0" => "application/x-amz-json-1.0",
        _ => "application/json",
    }
}

fn packed(body: Vec<u8>, response: &mut HttpResponseBuilder) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(packed) => {
            response.insert_header((header::CONTENT_ENCODING, "gzip"));
            response.append_header((header::VARY, "Accept-Encoding"));
            packed
        }
        // Writing into a vector cannot fail.
        Err(_) => body,
    }
}

/// Whether `Accept-Encoding` names gzip, and not with a weight of zero.
fn takes_gzip(request: &HttpRequest) -> bool {
    let accepts = |value: &HeaderValue| {
        value.to_str().is_ok_and(|list| {
            list.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
                let is_refused = parts
                    .any(|weight| weight.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()) == Some(0.0));
                is_gzip && !is_refused
            })
        })
    };
    request.headers().get_all(header::ACCEPT_ENCODING).any(accepts)
}

/// 260 bits of chance, five to a letter.
fn request_id(ids: &mut impl Rng) -> HeaderValue {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut id = [0; 52];
    ids.fill_bytes(&mut id);
    for byte in &mut id {
        *byte = LETTERS[usize::from(*byte & 31)];
    }
    // Letters and digits can be sent.
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static(""))
}
