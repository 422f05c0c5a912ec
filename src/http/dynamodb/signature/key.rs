//! Access keys, and signatures made with them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, Scope};

/// An access key: its public id, and the secret that requests are signed with. `Debug` does not show the secret.
#[derive(Clone)]
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

/// Where no key is known by the id that was sent, this stands for its secret.
const NO_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

pub(super) fn string_to_sign(date: &str, scope: &Scope<'_>, canonical_request: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(canonical_request));
    let Scope { date: day, region, service, terminator, .. } = scope;
    format!("{ALGORITHM}\n{date}\n{day}/{region}/{service}/{terminator}\n{hash}")
}

/// The signature of a text, to be compared. The work is the same without a key.
pub(super) fn sign(key: Option<&AccessKey>, scope: &Scope<'_>, text: &str) -> Hmac<Sha256> {
    let secret = key.map_or(NO_SECRET, |key| &key.secret);
    let mut step = hmac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
    for part in [scope.region, scope.service, scope.terminator] {
        step = hmac(&step.finalize().into_bytes(), part.as_bytes());
    }
    hmac(&step.finalize().into_bytes(), text.as_bytes())
}

fn hmac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let block = || Hmac::<Sha256>::new(&Default::default());
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| block());
    mac.update(text);
    mac
}
