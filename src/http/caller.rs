//! Who sends a request: whose signature it has. All surfaces ask here, where keys are configured.

use std::time::SystemTime;

use actix_web::HttpRequest;

use super::dynamodb::ApiError;
use super::dynamodb::signature::{AccessKey, Identity, SignedRequest, verify};

/// Checks the signature of a request, which is about all of it: method, path, query, the headers that matter, body.
///
/// # Errors
///
/// Those of [`verify`].
pub(super) fn identify(
    request: &HttpRequest,
    body: &[u8],
    keys: &[AccessKey],
    now: SystemTime,
) -> Result<Identity, ApiError> {
    let signed = SignedRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        body,
    };
    verify(&signed, keys, now)
}
