//! AWS Signature Version 4.

use std::fmt;
use std::time::SystemTime;

use actix_web::HttpRequest;

use super::error::ApiError;

/// An access key: its public id, and the secret that requests are signed with. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    id: String,
    secret: String,
}

impl AccessKey {
    /// A key.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }

    /// Its public id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What of a request a signature is about.
#[derive(Debug)]
pub struct SignedRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As sent, percent-encoded.
    pub path: &'a str,
    /// As sent, percent-encoded, without the question mark.
    pub query: &'a str,
    /// Their names in small letters.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// As sent.
    pub body: &'a [u8],
}

/// Whose signature a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id of the key.
    pub access_key_id: String,
    /// The region that it is signed for.
    pub region: String,
}

/// Checks a signature. Not there yet: every request is refused where keys are configured.
///
/// # Errors
///
/// Always.
pub fn verify(_: &SignedRequest<'_>, _: &[AccessKey], _: SystemTime) -> Result<Identity, ApiError> {
    Err(ApiError::UnrecognizedClient)
}

/// The region that a request says it is signed for.
pub(super) fn claimed_region(_: &HttpRequest) -> Option<String> {
    None
}
