//! AWS Signature Version 4: whether a request is signed with a key that is known here. Values only.
//!
//! ```text
//!   Authorization: AWS4-HMAC-SHA256 Credential=ID/20150830/us-east-1/dynamodb/aws4_request,
//!                  SignedHeaders=host;x-amz-date;x-amz-target, Signature=5fa0...
//!        │
//!        └ Presented ── date ─────> not more than 15 minutes off
//!             │      └─ scope ────> that date, any region, "dynamodb", "aws4_request"
//!             └ canonical request ── SHA-256 ── string to sign ── HMAC with the key of the scope ── equal?
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `presented` | what the request says of its signature, in a header or in the query |
//! | `date` | when it was signed, and whether that is now |
//! | `canonical` | the request as both sides sign it |
//! | `key` | the keys, and what is made of them |
//!
//! A request with an unknown key costs the same as one with a known key and a wrong signature, so that time does
//! not tell which keys exist. Signatures are compared in constant time.
//!
//! Source: IAM user guide, "AWS Signature Version 4 for API requests". The texts are those that the service was
//! seen to answer with.

mod canonical;
mod date;
mod key;
mod presented;

use std::time::SystemTime;

use hmac::Mac as _;

use super::error::{ApiError, Message};
use canonical::canonical_request;
use date::Date;
use key::{sign, string_to_sign};
use presented::{Place, Presented};

pub use key::AccessKey;

/// The only way of signing that is known.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Which service a request must be signed for.
const SERVICE: &str = "dynamodb";

/// What of a request a signature is about.
#[derive(Debug)]
pub struct SignedRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As sent, percent-encoded.
    pub path: &'a str,
    /// As sent, percent-encoded, without the question mark.
    pub query: &'a str,
    /// In the order sent, with their names in small letters.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// As sent.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// The first value of a header.
    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| *value)
    }
}

/// Whose signature a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id of the key.
    pub access_key_id: String,
    /// The region that it is signed for.
    pub region: String,
}

/// Checks the signature of a request.
///
/// # Errors
///
/// [`ApiError::MissingAuthenticationToken`], [`ApiError::IncompleteSignature`], [`ApiError::UnrecognizedClient`] or
/// [`ApiError::InvalidSignature`], in the order in which the service looks for them.
pub fn verify(request: &SignedRequest<'_>, keys: &[AccessKey], now: SystemTime) -> Result<Identity, ApiError> {
    let presented = Presented::of(request)?;
    let date = Date::parse(&presented.date)?;
    date.check_age(now, presented.expires_s)?;
    check_signed_headers(request, &presented)?;
    check_algorithm(&presented)?;
    let scope = Scope::parse(&presented.credential)?;
    scope.check(&date)?;

    let key = keys.iter().find(|key| key.id() == scope.key_id);
    let is_right = is_signed_with(key, request, &presented, date, &scope);
    match key {
        None => Err(ApiError::UnrecognizedClient),
        Some(_) if !is_right => Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )),
        Some(key) => Ok(Identity { access_key_id: key.id().to_owned(), region: scope.region.to_owned() }),
    }
}

/// Whether the signature is the one that the key gives. The work is the same without a key.
fn is_signed_with(
    key: Option<&AccessKey>,
    request: &SignedRequest<'_>,
    presented: &Presented<'_>,
    date: Date,
    scope: &Scope<'_>,
) -> bool {
    let canonical = canonical_request(request, presented);
    let text = string_to_sign(&date.basic(), scope, &canonical);
    // What is not in hexadecimal digits is compared too, as bytes that no signature has.
    let signature = hex::decode(presented.signature.as_bytes()).unwrap_or_default();
    sign(key, scope, &text).verify_slice(&signature).is_ok()
}

/// The region that a request says it is signed for, whether or not that is true.
#[must_use]
pub fn claimed_region(authorization: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(authorization).ok()?;
    let (_, credential) = text.split_once("Credential=")?;
    let region = credential.split('/').nth(2)?;
    is_region(region).then_some(region)
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What a key is used for: `keyid/20150830/us-east-1/dynamodb/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope<'a> {
    key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
}

impl<'a> Scope<'a> {
    fn parse(credential: &'a str) -> Result<Self, ApiError> {
        let parts: Vec<&str> = credential.trim_end_matches('/').split('/').collect();
        match parts[..] {
            [key_id, date, region, service, terminator] => Ok(Self { key_id, date, region, service, terminator }),
            _ => Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, \
                 got '{credential}'"
            ))),
        }
    }

    /// Any region will do: this server is in none.
    fn check(&self, date: &Date) -> Result<(), ApiError> {
        let mut faults = String::new();
        if !is_region(self.region) {
            let region = self.region;
            faults.push_str(&format!("Credential should be scoped to a valid region, not '{region}'. "));
        }
        if self.service != SERVICE {
            faults.push_str("Credential should be scoped to correct service: 'dynamodb'. ");
        }
        if self.terminator != "aws4_request" {
            let terminator = self.terminator;
            faults.push_str(&format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            ));
        }
        if self.date != date.day() {
            let (scoped, day, basic) = (self.date, date.day(), date.basic());
            faults.push_str(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scoped}' != '{day}', from '{basic}'."
            ));
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(invalid(faults.trim_end().to_owned())),
        }
    }
}

/// What decides where a request goes and what it does must be signed, or somebody between could change it. A name
/// that is none (in the query it may have line ends) could make two requests look the same.
fn check_signed_headers(request: &SignedRequest<'_>, presented: &Presented<'_>) -> Result<(), ApiError> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if !presented.signed_headers.split(';').all(is_name) {
        let names = &presented.signed_headers;
        return Err(incomplete(format!("SignedHeaders must be names of headers between semicolons, not '{names}'.")));
    }
    let is_signed = |name: &str| presented.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
    let must_be = [
        ("host", "Host"),
        ("x-amz-date", "X-Amz-Date"),
        ("x-amz-target", "X-Amz-Target"),
        ("x-slipring-context", "X-Slipring-Context"),
    ];
    for (name, written) in must_be {
        let is_sent = name == "host" || request.header(name).is_some();
        // Where the signature is in the query, the date is too, and is signed with it.
        let is_elsewhere = name == "x-amz-date" && presented.place == Place::Query;
        if is_sent && !is_elsewhere && !is_signed(name) {
            return Err(invalid(format!("'{written}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    Ok(())
}

fn check_algorithm(presented: &Presented<'_>) -> Result<(), ApiError> {
    match presented.algorithm.as_ref() {
        ALGORITHM => Ok(()),
        other => Err(incomplete(format!("Unsupported AWS 'algorithm': '{other}' (only {ALGORITHM} for now). "))),
    }
}

fn incomplete(message: impl Into<Message>) -> ApiError {
    ApiError::IncompleteSignature { message: message.into() }
}

fn invalid(message: impl Into<Message>) -> ApiError {
    ApiError::InvalidSignature { message: message.into() }
}

#[cfg(test)]
#[path = "signature/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "signature/vectors_tests.rs"]
mod vectors_tests;
