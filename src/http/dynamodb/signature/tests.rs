//! Signatures of an independent signer, whole and damaged, and the words for what is wrong with them.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{AccessKey, Identity, SignedRequest, claimed_region, verify};
use crate::http::dynamodb::error::ApiError;

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DATE: &str = "20150830T123600Z";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
                        AWS Secret Access Key and signing method. Consult the service documentation for details.";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

/// A request as a client would build it.
#[derive(Clone, Debug)]
struct Client {
    method: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Client {
    fn new() -> Self {
        let headers = [
            ("host", "localhost:8000"),
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-date", DATE),
            ("x-amz-target", "DynamoDB_20120810.ListTables"),
        ];
        Self {
            method: "POST".to_owned(),
            query: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: "{}".to_owned(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    /// Signs all headers that there are.
    fn signed(self, key: (&str, &str)) -> Self {
        self.signed_for(key, &format!("{}/20150830/eu-west-1/dynamodb/aws4_request", key.0))
    }

    fn signed_for(self, (_, secret): (&str, &str), credential: &str) -> Self {
        let scope = credential.split_once('/').unwrap().1;
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let lines: String = names
            .iter()
            .map(|name| format!("{name}:{}\n", self.headers.iter().find(|(header, _)| header == name).unwrap().1))
            .collect();
        let hash = match self.headers.iter().find(|(name, _)| name == "x-amz-content-sha256") {
            Some((_, hash)) => hash.clone(),
            None => hex::encode(Sha256::digest(&self.body)),
        };
        let canonical = format!("{}\n/\n{}\n{lines}\n{}\n{hash}", self.method, self.query, names.join(";"));
        let text = format!("AWS4-HMAC-SHA256\n{DATE}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/').chain([text.as_str()]) {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={}, Signature={}",
            names.join(";"),
            hex::encode(key)
        );
        self.with("authorization", &authorization)
    }

    fn authorization(&self) -> &str {
        &self.headers.iter().find(|(name, _)| name == "authorization").unwrap().1
    }

    fn verify_at(&self, now: SystemTime) -> Result<Identity, ApiError> {
        let request = SignedRequest {
            method: &self.method,
            path: "/",
            query: &self.query,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
            body: self.body.as_bytes(),
        };
        verify(&request, &[AccessKey::new("OTHER", "other"), AccessKey::new(ID, SECRET)], now)
    }

    fn verify(&self) -> Result<Identity, ApiError> {
        self.verify_at(now())
    }

    fn refusal(&self) -> (&'static str, String) {
        let error = self.verify().unwrap_err();
        (error.name(), error.message().unwrap().into_owned())
    }
}

fn signed() -> Client {
    Client::new().signed((ID, SECRET))
}

#[test]
fn a_right_signature_says_who_asks() {
    let identity = Identity { access_key_id: ID.to_owned(), region: "eu-west-1".to_owned() };
    assert_eq!(signed().verify(), Ok(identity));
    // The same with spaces, folded lines and values in several lines, as proxies may leave them.
    let folded = Client::new().with("x-note", "a b").signed((ID, SECRET)).with("x-note", "  a \t\r\n b ");
    assert!(folded.verify().is_ok());
    assert!(Client::new().with("x-amz-content-sha256", "UNSIGNED-PAYLOAD").signed((ID, SECRET)).verify().is_ok());
    let by_http_date = Client::new().without("x-amz-date").with("date", "Sun, 30 Aug 2015 12:36:00 GMT");
    assert!(by_http_date.signed((ID, SECRET)).verify().is_ok());
}

#[test]
fn an_unsigned_request_is_told_so() {
    for client in
        [Client::new(), Client::new().with("authorization", "AWS4"), Client::new().with("authorization", "Basic eA==")]
    {
        assert_eq!(
            client.refusal(),
            ("MissingAuthenticationTokenException", "Request is missing Authentication Token".to_owned())
        );
    }
}

#[test]
fn what_is_missing_in_the_header_is_named() {
    let cases = [
        (
            "AWS4-",
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
             Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-",
        ),
        (
            "AWS4- Signature=b Credential=a",
            "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4- Signature=b Credential=a",
        ),
        (
            "AWS4- Signature=b, Credential=a",
            "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4- Signature=b, Credential=a",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=b",
            "Authorization header requires 'Credential' parameter. \
             Authorization=AWS4-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=b",
        ),
    ];
    for (authorization, message) in cases {
        let refusal = Client::new().with("authorization", authorization).refusal();
        assert_eq!(refusal, ("IncompleteSignatureException", message.to_owned()));
    }
    let (_, message) = Client::new().without("x-amz-date").with("authorization", "AWS4-").refusal();
    assert!(
        message.ends_with("existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-"),
        "{message}"
    );
}

#[test]
fn what_is_missing_in_the_query_is_named() {
    let in_query = |query: &str| Client { query: query.to_owned(), ..Client::new() }.refusal();
    assert_eq!(
        in_query("X-Amz-Algorithm"),
        (
            "IncompleteSignatureException",
            "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include \
             'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string \
             parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. \
             Re-examine the query-string parameters."
                .to_owned()
        )
    );
    assert_eq!(
        in_query("X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d").1,
        "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."
    );
    let both = Client { query: "X-Amz-Algorithm".to_owned(), ..Client::new().with("authorization", "X") };
    let message = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
    assert_eq!(both.refusal(), ("InvalidSignatureException", message.to_owned()));
}

#[test]
fn a_signature_is_good_for_fifteen_minutes_either_way() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let second = Duration::from_secs(1);
    for good in [now() + minutes(15), now() - minutes(15)] {
        assert!(signed().verify_at(good).is_ok());
    }
    let message = |at| signed().verify_at(at).unwrap_err().message().unwrap().into_owned();
    assert_eq!(
        message(now() + minutes(15) + second),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    );
    assert_eq!(
        message(now() - minutes(15) - second),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"
    );
    let (name, message) = signed().with("x-amz-date", "201").refusal();
    assert_eq!(
        (name, message.as_str()),
        (
            "IncompleteSignatureException",
            "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"
        )
    );
}

#[test]
fn what_decides_must_be_signed() {
    for (name, written) in [("host", "Host"), ("x-amz-target", "X-Amz-Target"), ("x-amz-date", "X-Amz-Date")] {
        let client = signed();
        let authorization = client.authorization().replace(&format!("{name};"), "").replace(&format!(";{name},"), ",");
        let message = format!("'{written}' must be a 'SignedHeader' in the AWS Authorization.");
        assert_eq!(client.with("authorization", &authorization).refusal(), ("InvalidSignatureException", message));
    }
    // What a write supersedes: nobody between may add it.
    let message = "'X-Slipring-Context' must be a 'SignedHeader' in the AWS Authorization.".to_owned();
    assert_eq!(signed().with("x-slipring-context", "A").refusal(), ("InvalidSignatureException", message));
    assert!(Client::new().with("x-slipring-context", "A").signed((ID, SECRET)).verify().is_ok());
}

#[test]
fn the_scope_must_be_this_service_on_that_day() {
    let refusal = |credential: &str| Client::new().signed_for((ID, SECRET), credential).refusal();
    assert_eq!(
        refusal("a/b/c/d"),
        (
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'"
                .to_owned()
        )
    );
    assert_eq!(
        refusal("AKIDEXAMPLE/b/c!/s3/e"),
        (
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'c!'. Credential should be scoped to correct service: \
             'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. Date in \
             Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20150830', \
             from '20150830T123600Z'."
                .to_owned()
        )
    );
}

#[test]
fn another_algorithm_is_not_known() {
    let client = signed();
    let authorization = client.authorization().replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA25");
    let message = "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ";
    assert_eq!(
        client.with("authorization", &authorization).refusal(),
        ("IncompleteSignatureException", message.to_owned())
    );
}

#[test]
fn wrong_keys_are_told_apart_from_wrong_signatures() {
    let unknown = Client::new().signed(("UNKNOWN", SECRET)).refusal();
    let message = "The security token included in the request is invalid.";
    assert_eq!(unknown, ("UnrecognizedClientException", message.to_owned()));
    for client in [
        Client::new().signed((ID, "wrong")),
        Client::new().signed(("OTHER", SECRET)),
        Client { body: "{ }".to_owned(), ..signed() },
        Client { method: "PUT".to_owned(), ..signed() },
        Client { query: "a=b".to_owned(), ..signed() },
        signed().with("x-amz-target", "DynamoDB_20120810.DeleteTable"),
        signed().with("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        Client::new().with("x-amz-content-sha256", &"0".repeat(64)).signed((ID, SECRET)),
    ] {
        assert_eq!(client.refusal(), ("InvalidSignatureException", MISMATCH.to_owned()), "{client:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", AccessKey::new(ID, SECRET));
    assert!(shown.contains(ID) && !shown.contains(SECRET), "{shown}");
}

#[test]
fn a_claimed_region_is_found_and_not_believed_to_be_text() {
    fn region(text: &str) -> Option<&str> {
        claimed_region(text.as_bytes())
    }
    assert_eq!(region("AWS4-HMAC-SHA256 Credential=a/20150830/eu-west-1/dynamodb/aws4_request, x"), Some("eu-west-1"));
    for none in ["", "Credential=", "Credential=a/b", "Credential=a/b//", "Credential=a/b/c\u{e9}/d"] {
        assert_eq!(region(none), None);
    }
}

proptest! {
    #[test]
    fn any_other_signature_is_refused(at in 0_usize..64, digit in 0_u32..16) {
        let client = signed();
        let (head, signature) = client.authorization().split_at(client.authorization().len() - 64);
        let mut signature = signature.to_owned();
        let digit = char::from_digit(digit, 16).unwrap();
        prop_assume!(signature.chars().nth(at) != Some(digit));
        signature.replace_range(at..=at, &digit.to_string());
        let damaged = client.clone().with("authorization", &format!("{head}{signature}"));
        prop_assert_eq!(damaged.refusal(), ("InvalidSignatureException", MISMATCH.to_owned()));
        let cut = client.clone().with("authorization", &format!("{head}{}", &signature[..at]));
        prop_assert!(cut.verify().is_err());
    }

    #[test]
    fn nothing_that_is_sent_panics(
        query in "(X-Amz-[A-Za-z]{1,10}|[a-z%&=;/+\u{e9}]{0,3}){0,6}",
        authorization in "(AWS4-HMAC-SHA256 )?(Credential=|Signature=|SignedHeaders=|[a-z/,; =]{0,6}){0,6}",
        date in "[0-9TZ]{0,17}",
        in_header in any::<bool>(),
    ) {
        let client = Client { query, ..Client::new().with("x-amz-date", &date) };
        let client = if in_header { client.with("authorization", &authorization) } else { client };
        prop_assert!(client.verify().is_err());
    }
}
