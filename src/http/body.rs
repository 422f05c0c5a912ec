//! The bodies of requests, of all surfaces: read within bounds of size and time, and unpacked.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Read;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures_util::{StreamExt, poll};

/// No body is larger, as sent or unpacked.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A body does not take longer to arrive, unless a surface says otherwise.
pub(super) const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no body. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It has more than 16 MiB, as sent or unpacked.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// It breaks off, or is not packed as it says.
    Broken,
    /// It is packed in a way that is not known.
    UnknownEncoding,
}

/// Reads the whole body.
///
/// # Errors
///
/// [`BodyError::TooLarge`], [`BodyError::TooSlow`], and [`BodyError::Broken`] for one that breaks off.
pub(super) async fn read(request: &HttpRequest, payload: &mut Payload, deadline: Duration) -> Result<Bytes, BodyError> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(BodyError::TooLarge);
    }
    let mut body = pin!(collect(payload));
    // Most bodies are here already, and need no timer.
    if let Poll::Ready(body) = poll!(&mut body) {
        return body;
    }
    match actix_web::rt::time::timeout(deadline, body).await {
        Ok(body) => body,
        Err(_) => Err(BodyError::TooSlow),
    }
}

async fn collect(payload: &mut Payload) -> Result<Bytes, BodyError> {
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

fn bounded(bytes: usize) -> Result<(), BodyError> {
    match bytes {
        0..=BODY_BYTES_MAX => Ok(()),
        _ => Err(BodyError::TooLarge),
    }
}

fn broken(error: PayloadError) -> BodyError {
    match error {
        PayloadError::Overflow => BodyError::TooLarge,
        _ => BodyError::Broken,
    }
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
/// [`BodyError::TooLarge`] when more would come out than a body may have, [`BodyError::Broken`] when it is not packed as
/// it says, [`BodyError::UnknownEncoding`].
pub(super) fn unpacked<'a>(request: &HttpRequest, body: &'a Bytes) -> Result<Cow<'a, [u8]>, BodyError> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    match encoding {
        None | Some(b"") => Ok(Cow::Borrowed(body)),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => Ok(Cow::Borrowed(body)),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => gunzip(body).map(Cow::Owned),
        Some(_) => Err(BodyError::UnknownEncoding),
    }
}

fn gunzip(packed: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    // One byte more than allowed proves that there are more.
    let mut bounded = MultiGzDecoder::new(packed).take(BODY_BYTES_MAX as u64 + 1);
    bounded.read_to_end(&mut unpacked).map_err(|_| BodyError::Broken)?;
    match unpacked.len() {
        0..=BODY_BYTES_MAX => Ok(unpacked),
        _ => Err(BodyError::TooLarge),
    }
}

/// The body of a reply to a request that has not been read to its end.
///
/// It holds on to the rest of the request: of one in chunks the server would otherwise read and drop whatever comes,
/// for as long as it comes, before it closes the connection.
pub(super) struct Unread {
    body: Option<Bytes>,
    _payload: Payload,
}

impl Unread {
    pub(super) fn new(body: impl Into<Bytes>, payload: Payload) -> Self {
        Self { body: Some(body.into()), _payload: payload }
    }
}

impl MessageBody for Unread {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.body.as_ref().map_or(0, Bytes::len) as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.body.take().map(Ok))
    }
}
