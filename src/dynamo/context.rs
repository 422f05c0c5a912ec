//! What a client hands back with its next write: the version vector it has read, bound to the key it read it from.
//!
//! The binding matters. A span says "all dots of r between these instants *for this key*"; applied to another key it would
//! claim writes that nobody saw, and they would vanish. So a context of another key is refused, not trusted.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::hlc::HlcTime;
use super::version::{Dot, ReplicaId, Span, VersionVector};

const TOKEN_VERSION: u8 = 1;

/// A version vector and the key it belongs to. As text it is an opaque token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    key_hash: u64,
    vector: VersionVector,
}

/// Why a context was refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ContextError {
    /// The text is not a context token, or was cut or altered on the way.
    #[error("the context is not a token that `get` printed: copy it whole")]
    Malformed,
    /// The token was made by a newer version of Slipring.
    #[error("the context has version {found}, this node understands {TOKEN_VERSION}: get the item again")]
    NewerVersion {
        /// The token's version.
        found: u8,
    },
    /// The context was read from another key.
    #[error("the context belongs to another key: use the one that `get` printed for this key")]
    AnotherKey,
}

impl Context {
    /// The context of whoever has read `vector` from the key whose storage key is `key`.
    pub fn new(key: &[u8], vector: VersionVector) -> Self {
        Self { key_hash: xxh3_64(key), vector }
    }

    /// The vector, provided that this context was read from `key`.
    pub fn for_key(&self, key: &[u8]) -> Result<&VersionVector, ContextError> {
        if self.key_hash == xxh3_64(key) { Ok(&self.vector) } else { Err(ContextError::AnotherKey) }
    }

    /// Whether nothing has been seen: the key was never written.
    pub fn is_empty(&self) -> bool {
        self.vector.is_empty()
    }

    /// Whether whoever has this context has seen all that a later read of the same key has found: the context `found`, and versions
    /// with these dots.
    ///
    /// What counts is the last write of each span, and the versions themselves. That a span begins earlier is no news: another replica
    /// may remember the key for longer.
    pub fn covers<'a>(&self, found: &Self, dots: impl IntoIterator<Item = &'a Dot>) -> Result<bool, ContextError> {
        if self.key_hash != found.key_hash {
            return Err(ContextError::AnotherKey);
        }
        let last = |span: &Span| Dot { replica: span.replica, time: span.until };
        Ok(found.vector.spans().iter().all(|span| self.vector.contains(&last(span)))
            && dots.into_iter().all(|dot| self.vector.contains(dot)))
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend(self.key_hash.to_le_bytes());
        for span in self.vector.spans() {
            let numbers = [span.replica.directory, span.replica.epoch, span.since.as_u64(), span.until.as_u64()];
            bytes.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Context {
    type Err = ContextError;

    fn from_str(token: &str) -> Result<Self, ContextError> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim()).map_err(|_| ContextError::Malformed)?;
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(ContextError::Malformed)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(ContextError::Malformed);
        }
        let (version, rest) = body.split_first().ok_or(ContextError::Malformed)?;
        if *version != TOKEN_VERSION {
            return Err(ContextError::NewerVersion { found: *version });
        }
        let (words, rest) = rest.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let (key_hash, spans) = words.split_first().ok_or(ContextError::Malformed)?;
        let (spans, odd) = spans.as_chunks::<4>();
        if !rest.is_empty() || !odd.is_empty() {
            return Err(ContextError::Malformed);
        }
        Ok(Self { key_hash: *key_hash, vector: spans.iter().map(span).collect::<Vec<_>>().into() })
    }
}

fn span(words: &[u64; 4]) -> Span {
    let [directory, epoch, since, until] = *words;
    let replica = ReplicaId { directory, epoch };
    Span { replica, since: HlcTime::from_u64(since), until: HlcTime::from_u64(until) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Context, ContextError, Dot, HlcTime, ReplicaId, Span, span};
    use crate::dynamo::siblings::{Change, Mint, Siblings};

    proptest! {
        #[test]
        fn a_token_reads_back(key in prop::collection::vec(any::<u8>(), 0..20), spans in prop::collection::vec(any::<[u64; 4]>(), 0..5)) {
            let context = Context::new(&key, spans.iter().map(span).collect::<Vec<_>>().into());
            prop_assert_eq!(context.to_string().parse::<Context>(), Ok(context));
        }

        #[test]
        fn an_altered_token_is_refused(spans in prop::collection::vec(any::<[u64; 4]>(), 0..3), at in any::<prop::sample::Index>()) {
            let mut token = Context::new(b"k", spans.iter().map(span).collect::<Vec<_>>().into()).to_string().into_bytes();
            let at = at.index(token.len());
            token[at] = if token[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(token).unwrap();
            // The last character may carry unused bits only: then the token still means the same or is malformed, never another.
            prop_assert_eq!(text.parse::<Context>(), Err(ContextError::Malformed));
        }

        #[test]
        fn any_text_is_handled(text in ".*") {
            let _ = text.parse::<Context>();
        }
    }

    #[test]
    fn a_context_of_another_key_is_refused() {
        let context = Context::new(b"a", Vec::new().into());
        assert!(context.for_key(b"a").is_ok());
        assert_eq!(context.for_key(b"b"), Err(ContextError::AnotherKey));
    }

    const REPLICA: ReplicaId = ReplicaId { directory: 1, epoch: 1 };

    fn write(siblings: &mut Siblings, context: &Context, time: u64) {
        let time = HlcTime::from_u64(time);
        let mint = Mint { dot: Dot { replica: REPLICA, time }, since: HlcTime::from_u64(1) };
        siblings.write(
            context.for_key(b"k").unwrap(),
            mint,
            Change { value: Some("v".into()), expires_at_ms: None, tenure: 0 },
        );
    }

    fn read(siblings: &Siblings) -> (Context, Vec<Dot>) {
        let dots = siblings.versions().iter().map(|version| version.dot).collect();
        (Context::new(b"k", siblings.context().clone()), dots)
    }

    #[test]
    fn a_later_write_is_news_and_an_earlier_beginning_is_none() {
        let mut siblings = Siblings::default();
        let nothing = Context::new(b"k", Vec::new().into());
        assert!(nothing.is_empty());
        let (found, dots) = read(&siblings);
        assert_eq!(nothing.covers(&found, &dots), Ok(true));
        write(&mut siblings, &nothing, 10);
        let (first, dots) = read(&siblings);
        assert_eq!((nothing.covers(&first, &dots), first.covers(&first, &dots)), (Ok(false), Ok(true)));
        write(&mut siblings, &nothing, 20);
        let (both, dots) = read(&siblings);
        assert_eq!((first.covers(&both, &dots), both.covers(&first, &[])), (Ok(false), Ok(true)));
        // The writer of the second has not read the first: its context has a hole there, where the sibling is.
        let second = Context::new(b"k", siblings.context_of_last_write());
        assert_eq!((second.covers(&both, &[]), second.covers(&both, &dots)), (Ok(true), Ok(false)));
        let [since, until] = [0, 20].map(HlcTime::from_u64);
        let longer = Context::new(b"k", vec![Span { replica: REPLICA, since, until }].into());
        assert_eq!(both.covers(&longer, &dots), Ok(true));
        let other = Context::new(b"other", siblings.context().clone());
        assert_eq!(other.covers(&both, &dots), Err(ContextError::AnotherKey));
    }
}
