//! What a request says of its signature, in the header `Authorization` or in the query (a presigned request).

use std::borrow::Cow;

use super::canonical::decoded_query;
use super::{SignedRequest, incomplete, invalid};
use crate::http::dynamodb::error::ApiError;

/// How old a presigned request may be that does not say it, in seconds.
const EXPIRES_DEFAULT_S: u64 = 15 * 60;

/// No presigned request is valid for longer, in seconds: a week.
const EXPIRES_MAX_S: u64 = 7 * 24 * 60 * 60;

/// Where the signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Query,
}

/// The parts of a signature, as presented. None of them has been checked.
#[derive(Debug)]
pub(super) struct Presented<'a> {
    pub(super) place: Place,
    pub(super) algorithm: Cow<'a, str>,
    pub(super) credential: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) date: Cow<'a, str>,
    /// For how long after its date it is valid, in seconds.
    pub(super) expires_s: u64,
}

impl<'a> Presented<'a> {
    pub(super) fn of(request: &SignedRequest<'a>) -> Result<Self, ApiError> {
        let authorization = request.header("authorization");
        let query = decoded_query(request.query);
        let in_query = query.iter().any(|(name, _)| name == "X-Amz-Algorithm");
        match authorization {
            Some(_) if in_query => {
                Err(invalid("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."))
            }
            Some(authorization) => Self::of_header(request, authorization),
            None if in_query => Self::of_query(query),
            None => Err(ApiError::MissingAuthenticationToken),
        }
    }

    fn of_header(request: &SignedRequest<'a>, authorization: &'a [u8]) -> Result<Self, ApiError> {
        let authorization = std::str::from_utf8(authorization).map_err(|_| ApiError::MissingAuthenticationToken)?;
        let authorization = authorization.trim();
        if !authorization.starts_with("AWS4-") {
            return Err(ApiError::MissingAuthenticationToken);
        }
        let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let part = |wanted: &str| {
            let parts = rest.split([',', ' ']).filter_map(|part| part.trim().split_once('='));
            parts.filter(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value).next_back()
        };
        let date = ["x-amz-date", "date"].iter().find_map(|name| request.header(name));
        let date = date.and_then(|date| std::str::from_utf8(date).ok()).map(str::trim);
        let parts = (part("Credential"), part("SignedHeaders"), part("Signature"), date);
        let (Some(credential), Some(signed_headers), Some(signature), Some(date)) = parts else {
            return Err(incomplete_header(authorization, parts));
        };
        Ok(Self {
            place: Place::Header,
            algorithm: algorithm.into(),
            credential: credential.into(),
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            date: date.into(),
            expires_s: EXPIRES_DEFAULT_S,
        })
    }

    fn of_query(query: Vec<(String, String)>) -> Result<Self, ApiError> {
        let part = |wanted: &str| {
            let values = query.iter().filter(|(name, value)| name == wanted && !value.is_empty());
            values.map(|(_, value)| Cow::<'a, str>::Owned(value.clone())).next()
        };
        let names = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
        let parts = names.map(&part);
        let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)] = parts else {
            let missing = names.iter().zip(&parts).filter(|(_, part)| part.is_none());
            let missing: String =
                missing.map(|(name, _)| format!("AWS query-string parameters must include '{name}'. ")).collect();
            return Err(incomplete(format!("{missing}Re-examine the query-string parameters.")));
        };
        let expires_s = match part("X-Amz-Expires") {
            None => EXPIRES_DEFAULT_S,
            Some(seconds) => match seconds.parse() {
                Ok(seconds @ 1..=EXPIRES_MAX_S) => seconds,
                _ => {
                    return Err(incomplete(format!(
                        "X-Amz-Expires must be between 1 and {EXPIRES_MAX_S} seconds, not '{seconds}'."
                    )));
                }
            },
        };
        Ok(Self { place: Place::Query, algorithm, credential, signed_headers, signature, date, expires_s })
    }
}

type HeaderParts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn incomplete_header(authorization: &str, (credential, signed_headers, signature, date): HeaderParts<'_>) -> ApiError {
    let parts = [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)];
    let mut message: String = parts
        .iter()
        .filter(|(_, part)| part.is_none())
        .map(|(name, _)| format!("Authorization header requires '{name}' parameter. "))
        .collect();
    if date.is_none() {
        message.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
    }
    message.push_str(&format!("Authorization={authorization}"));
    incomplete(message)
}
