//! The request as both sides sign it.
//!
//! ```text
//!   POST                                      method
//!   /                                         path, without . and .., encoded once more
//!   a=1&b=2                                   query, encoded and sorted
//!   host:localhost:8000                       the signed headers, one line each
//!   x-amz-target:DynamoDB_20120810.GetItem
//!
//!   host;x-amz-target                         their names
//!   e3b0c44298fc1c14...                       SHA-256 of the body
//! ```

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::SignedRequest;
use super::presented::{Place, Presented};

/// What a client may send in place of the hash of the body.
const UNSIGNED_PAYLOAD: &[u8] = b"UNSIGNED-PAYLOAD";

pub(super) fn canonical_request(request: &SignedRequest<'_>, presented: &Presented<'_>) -> Vec<u8> {
    let mut canonical = Vec::with_capacity(512);
    canonical.extend_from_slice(request.method.as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(canonical_path(request.path).as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(canonical_query(request.query, presented.place).as_bytes());
    canonical.push(b'\n');
    for name in presented.signed_headers.split(';') {
        write_header(request, name, &mut canonical);
    }
    canonical.push(b'\n');
    canonical.extend_from_slice(presented.signed_headers.as_bytes());
    canonical.push(b'\n');
    match request.header("x-amz-content-sha256") {
        Some(UNSIGNED_PAYLOAD) => canonical.extend_from_slice(UNSIGNED_PAYLOAD),
        // A hash that the client sends must be that of the body, or the signature is not right.
        _ => canonical.extend_from_slice(hex::encode(Sha256::digest(request.body)).as_bytes()),
    }
    canonical
}

/// All values of a header in a line, each without needless spaces.
fn write_header(request: &SignedRequest<'_>, name: &str, canonical: &mut Vec<u8>) {
    let name = name.to_ascii_lowercase();
    canonical.extend_from_slice(name.as_bytes());
    canonical.push(b':');
    let values = request.headers.iter().filter(|(header, _)| *header == name);
    for (at, (_, value)) in values.enumerate() {
        if at > 0 {
            canonical.push(b',');
        }
        let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                canonical.push(b' ');
            }
            canonical.extend_from_slice(word);
        }
    }
    canonical.push(b'\n');
}

pub(super) fn canonical_path(path: &str) -> Cow<'_, str> {
    if path == "/" || path.is_empty() {
        return Cow::Borrowed("/");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut canonical: String = segments.iter().map(|segment| format!("/{}", encoded(segment.as_bytes()))).collect();
    // What ends in a slash still does, and the root always does.
    if canonical.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    Cow::Owned(canonical)
}

/// The query, sorted by its encoded names and values, without the signature itself.
fn canonical_query(query: &str, place: Place) -> String {
    let mut pairs: Vec<(String, String)> = raw_query(query)
        .map(|(name, value)| (encoded(&percent_decoded(name)), encoded(&percent_decoded(value))))
        .filter(|(name, _)| place == Place::Header || name != "X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The names and values of a query as text. What is not UTF-8 is replaced.
pub(super) fn decoded_query(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| String::from_utf8_lossy(&percent_decoded(text)).into_owned();
    raw_query(query).map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn raw_query(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Everything but letters, digits and `-._~` as `%` and two hexadecimal digits.
pub(super) fn encoded(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(*byte)),
            byte => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 0xF)]));
            }
        }
    }
    encoded
}

/// The bytes of a percent-encoded text. A percent sign that no two digits follow stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are less than 256.
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}
