//! The bodies of requests: read within bounds of size and time, and unpacked.

use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;

use crate::http::dynamodb::error::ApiError;

/// No body is larger, as sent or unpacked.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads the whole body.
///
/// # Errors
///
/// [`ApiError::RequestTooLarge`], [`ApiError::RequestTimeout`], and [`ApiError::Serialization`] for one that breaks off.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    deadline: Duration,
) -> Result<Bytes, ApiError> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(ApiError::RequestTooLarge);
    }
    match actix_web::rt::time::timeout(deadline, collect(payload)).await {
        Ok(body) => body,
        Err(_) => Err(ApiError::RequestTimeout),
    }
}

async fn collect(payload: &mut web::Payload) -> Result<Bytes, ApiError> {
    // Most bodies are one chunk, which needs no copy.
    let Some(first) = payload.next().await.transpose().map_err(broken)? else {
        return Ok(Bytes::new());
    };
    let Some(mut chunk) = payload.next().await.transpose().map_err(broken)? else {
        return bounded(first.len()).map(|()| first);
    };
    let mut body = BytesMut::from(first);
    loop {
        bounded(body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
        match payload.next().await.transpose().map_err(broken)? {
            Some(next) => chunk = next,
            None => return Ok(body.freeze()),
        }
    }
}

fn bounded(bytes: usize) -> Result<(), ApiError> {
    match bytes {
        0..=BODY_BYTES_MAX => Ok(()),
        _ => Err(ApiError::RequestTooLarge),
    }
}

fn broken(error: PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::RequestTooLarge,
        _ => ApiError::Serialization { message: None },
    }
}

/// The value of a header, if there is one.
pub(super) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a [u8]> {
    request.headers().get(name).map(|value| value.as_bytes())
}

/// Whether the body is called JSON, by one of the two names that the service knows.
pub(super) fn is_json(request: &HttpRequest) -> bool {
    matches!(content_type(request), b"application/json" | b"application/x-amz-json-1.0")
}

/// The type of the body without its parameters.
pub(super) fn content_type(request: &HttpRequest) -> &[u8] {
    let value = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value[..end].trim_ascii()
}

/// The body without its compression.
///
/// # Errors
///
/// [`ApiError::RequestTooLarge`] when more would come out than a body may have, [`ApiError::Serialization`] when it is
/// not packed as it says, or in a way that is not known.
pub(super) fn unpacked<'a>(request: &HttpRequest, body: &'a Bytes) -> Result<Cow<'a, [u8]>, ApiError> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    match encoding {
        None | Some(b"") => Ok(Cow::Borrowed(body)),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => Ok(Cow::Borrowed(body)),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => gunzip(body).map(Cow::Owned),
        Some(_) => Err(ApiError::serialization("The Content-Encoding of the request is not supported")),
    }
}

fn gunzip(packed: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut unpacked = Vec::new();
    // One byte more than allowed proves that there are more.
    let mut bounded = MultiGzDecoder::new(packed).take(BODY_BYTES_MAX as u64 + 1);
    bounded.read_to_end(&mut unpacked).map_err(|_| ApiError::Serialization { message: None })?;
    match unpacked.len() {
        0..=BODY_BYTES_MAX => Ok(unpacked),
        _ => Err(ApiError::RequestTooLarge),
    }
}
