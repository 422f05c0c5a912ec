//! The parameters of a query, by what is asked for. Values only.
//!
//! Strict on purpose: a parameter that is unknown, doubled or does not belong to the request is refused, for one that is passed over (a time
//! to live, say, with a slip in its name) would be a write that nobody meant. A bare plus is refused, too: half of the world's clients mean
//! a blank by it.

use std::time::Duration;

use super::address::percent_decoded;
use super::document::Form;
use super::failure::KvError;

/// No read waits for longer.
const WAIT_MAX_MS: u64 = 60_000;

/// A hundred years: more is a mistake, and would not fit the clock.
const TTL_MAX_MS: u64 = 100 * 366 * 24 * 3_600_000;

/// How many items a range read gives at once, unless asked for more or fewer.
const LIMIT_DEFAULT: u32 = 100;

/// The most that can be asked for at once.
const LIMIT_MAX: u32 = 1_000;

/// What a presigned request has in its query.
const SIGNATURE_PREFIX: &str = "X-Amz-";

/// What every request may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Basics {
    /// The dialect of items in bodies.
    pub(super) form: Form,
    /// How many replicas the table has, in the client's opinion.
    pub(super) n: Option<u8>,
    /// Give up after this many milliseconds.
    pub(super) timeout_ms: Option<u32>,
}

/// Of the read of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadParameters {
    pub(super) basics: Basics,
    pub(super) r: Option<u8>,
    /// How long to wait for what the context has not seen.
    pub(super) wait: Option<Duration>,
}

/// Of a range read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RangeParameters {
    pub(super) basics: Basics,
    pub(super) r: Option<u8>,
    /// The least sort key, as text.
    pub(super) from: Option<String>,
    /// The greatest sort key, as text.
    pub(super) to: Option<String>,
    pub(super) limit: u32,
    pub(super) descends: bool,
    /// Where an earlier read of the same range ended.
    pub(super) cursor: Option<String>,
}

/// Of a put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PutParameters {
    pub(super) basics: Basics,
    pub(super) w: Option<u8>,
    pub(super) ttl_ms: Option<u64>,
}

/// Of a delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeleteParameters {
    pub(super) basics: Basics,
    pub(super) w: Option<u8>,
}

impl ReadParameters {
    pub(super) fn parse(query: &str) -> Result<Self, KvError> {
        let mut fields = Fields::of(query)?;
        let wait = fields.number("wait_ms", 0, WAIT_MAX_MS)?.map(Duration::from_millis);
        let parsed = Self { basics: fields.basics()?, r: fields.replicas("r")?, wait };
        fields.end("GET of an item", "form, n, r, timeout_ms, wait_ms").map(|()| parsed)
    }
}

impl RangeParameters {
    pub(super) fn parse(query: &str) -> Result<Self, KvError> {
        let mut fields = Fields::of(query)?;
        let parsed = Self {
            basics: fields.basics()?,
            r: fields.replicas("r")?,
            from: fields.take("from"),
            to: fields.take("to"),
            limit: fields.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT),
            descends: fields.switch("descending")?,
            cursor: fields.take("cursor"),
        };
        let known = "form, n, r, timeout_ms, from, to, limit, descending, cursor";
        fields.end("GET of a range", known).map(|()| parsed)
    }
}

impl PutParameters {
    pub(super) fn parse(query: &str) -> Result<Self, KvError> {
        let mut fields = Fields::of(query)?;
        let ttl_ms = fields.number("ttl_ms", 1, TTL_MAX_MS)?;
        let parsed = Self { basics: fields.basics()?, w: fields.replicas("w")?, ttl_ms };
        fields.end("PUT", "form, n, w, timeout_ms, ttl_ms").map(|()| parsed)
    }
}

impl DeleteParameters {
    pub(super) fn parse(query: &str) -> Result<Self, KvError> {
        let mut fields = Fields::of(query)?;
        let parsed = Self { basics: fields.basics()?, w: fields.replicas("w")? };
        fields.end("DELETE", "form, n, w, timeout_ms").map(|()| parsed)
    }
}

/// The names and values of a query that nobody has taken yet.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(query: &str) -> Result<Self, KvError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| percent_decoded(text).map_err(|reason| KvError::parameter(name, reason));
            let (name, text) = (decoded(name)?, decoded(value)?);
            if name.starts_with(SIGNATURE_PREFIX) {
                continue;
            }
            if pair.contains('+') {
                return Err(KvError::parameter(name, "a plus is written %2B, and a blank %20"));
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(KvError::parameter(name, "is there twice"));
            }
            fields.push((name, text));
        }
        Ok(Self(fields))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn basics(&mut self) -> Result<Basics, KvError> {
        let form = match self.take("form") {
            None => Form::default(),
            Some(name) => Form::named(&name).ok_or_else(|| KvError::parameter("form", "must be plain or dynamodb"))?,
        };
        Ok(Basics { form, n: self.replicas("n")?, timeout_ms: self.number("timeout_ms", 1, u32::MAX)? })
    }

    /// A number of replicas. Which ones can be had is the table's to say.
    fn replicas(&mut self, name: &'static str) -> Result<Option<u8>, KvError> {
        self.number(name, 1, u8::MAX)
    }

    fn number<T>(&mut self, name: &'static str, min: T, max: T) -> Result<Option<T>, KvError>
    where
        T: std::str::FromStr + PartialOrd + Copy + std::fmt::Display,
    {
        let Some(text) = self.take(name) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(KvError::parameter(name, format!("must be a whole number from {min} to {max}"))),
        }
    }

    fn switch(&mut self, name: &'static str) -> Result<bool, KvError> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(KvError::parameter(name, "must be true or false")),
        }
    }

    fn end(self, what: &str, known: &str) -> Result<(), KvError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(KvError::parameter(name, format!("a {what} takes {known}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Basics, DeleteParameters, Duration, Form, PutParameters, RangeParameters, ReadParameters};

    #[test]
    fn each_request_has_its_parameters() {
        let read = ReadParameters::parse("r=2&wait_ms=30000&form=dynamodb&n=3&timeout_ms=7").unwrap();
        let basics = Basics { form: Form::Dynamodb, n: Some(3), timeout_ms: Some(7) };
        assert_eq!(read, ReadParameters { basics, r: Some(2), wait: Some(Duration::from_secs(30)) });
        let range = RangeParameters::parse("from=a%20b&to=c%2B&limit=5&descending=true&cursor=x").unwrap();
        let (from, to, cursor) = (Some("a b".to_owned()), Some("c+".to_owned()), Some("x".to_owned()));
        let basics = Basics::default();
        assert_eq!(range, RangeParameters { basics, r: None, from, to, limit: 5, descends: true, cursor });
        assert_eq!(RangeParameters::parse("").unwrap().limit, 100);
        let put = PutParameters::parse("w=3&&ttl_ms=1000&X-Amz-Signature=a+b").unwrap();
        assert_eq!(put, PutParameters { basics: Basics::default(), w: Some(3), ttl_ms: Some(1000) });
        assert_eq!(DeleteParameters::parse("w=1").unwrap().w, Some(1));
    }

    #[test]
    fn what_nobody_can_have_meant_is_refused_by_name() {
        let cases = [
            ("ttl=5", "ttl: a PUT takes form, n, w, timeout_ms, ttl_ms"),
            ("r=2", "r: a PUT takes form, n, w, timeout_ms, ttl_ms"),
            ("w=0", "w: must be a whole number from 1 to 255"),
            ("w=256", "w: must be a whole number from 1 to 255"),
            ("w=%2B2", "w: must be a whole number from 1 to 255"),
            ("w=-1", "w: must be a whole number from 1 to 255"),
            ("w=", "w: must be a whole number from 1 to 255"),
            ("w=2&w=3", "w: is there twice"),
            ("ttl_ms=0", "ttl_ms: must be a whole number from 1 to 3162240000000"),
            ("ttl_ms=99999999999999999999", "ttl_ms: must be a whole number from 1 to 3162240000000"),
            ("form=xml", "form: must be plain or dynamodb"),
            ("a+b=1", "a+b: a plus is written %2B, and a blank %20"),
            ("w=%", "w: a percent sign must be followed by two hexadecimal digits: itself it is written %25"),
        ];
        for (query, message) in cases {
            let error = PutParameters::parse(query).unwrap_err();
            assert_eq!((error.code(), error.message().as_str()), ("invalid_parameter", message), "{query}");
        }
        for query in ["wait_ms=60001", "wait_ms=1.5", "wait_ms", "from=a"] {
            assert_eq!(ReadParameters::parse(query).unwrap_err().code(), "invalid_parameter", "{query}");
        }
        for query in ["limit=0", "limit=1001", "descending", "descending=yes", "from=a+b", "wait_ms=1"] {
            assert_eq!(RangeParameters::parse(query).unwrap_err().code(), "invalid_parameter", "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_handled(query in "((r|w|n|from|limit|wait_ms|cursor|X-Amz-Date|é)?=?[0-9%a-f+é]{0,6}&?){0,4}") {
            let _ = (ReadParameters::parse(&query), RangeParameters::parse(&query));
            let _ = (PutParameters::parse(&query), DeleteParameters::parse(&query));
        }
    }
}
