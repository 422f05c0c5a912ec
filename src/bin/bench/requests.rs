//! What is asked, and what the answers say.
//!
//! ```text
//!   Script   Read    every own key once, to learn its context
//!            Write   every own key once
//!            Mix     gets of any key and puts of own keys, until the time is over
//! ```

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use slipring::item::{AttributeValue, Item};
use slipring::messages::TraceId;
use slipring::messages::client::{Get, GetError, GetReply, Put, PutError, PutReply};
use slipring::wire::frame::{FrameKind, decode, encode};
use slipring::wire::operation::Operation;

use super::distribution::Distribution;
use super::frames::{FRAME_MAX_BYTES, success_marker};
use super::keys::{Next, OwnKeys, name};
use super::tally::Kind;

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Its reply, MessagePack.
    Came(&'a [u8]),
    /// None in time.
    TimedOut,
    /// None will come.
    ConnectionLost,
}

/// How a request ended, for the tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With what it asked for.
    Done,
    /// With the answer that there is no such item.
    NotFound,
    /// Otherwise; the name of the error.
    Failed(String),
}

/// A source of requests for one connection.
pub trait Requests {
    /// What must be remembered until the answer comes.
    type Asked: Copy;

    /// Appends the next request's frame to `out`; `None`: there are no more.
    fn ask(&mut self, id: u64, out: &mut BytesMut) -> Option<Self::Asked>;

    /// Takes the answer, as far as it matters.
    fn take(&mut self, asked: Self::Asked, answer: Answer<'_>) -> Outcome;

    /// For the tally.
    fn kind(asked: Self::Asked) -> Kind;
}

/// What a worker does.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    /// Reads its own keys, from this one on.
    Read(usize),
    /// Writes its own keys, from this one on.
    Write(usize),
    /// Gets and puts.
    Mix {
        /// The share of gets.
        reads_percent: u8,
    },
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// A get whose answer is only counted.
    Get,
    /// A get of an own key whose context is wanted.
    Read(usize),
    /// A put of an own key.
    Put(usize),
}

/// Gets and puts of a table.
pub struct TableRequests {
    script: Script,
    keys: OwnKeys,
    distribution: Distribution,
    rng: StdRng,
    get: Get,
    put: Put,
    template: Template,
    success: Vec<u8>,
}

/// What all requests have in common.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// The table's name.
    pub table: String,
    /// The name of its partition key.
    pub key_attribute: String,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// How keys are drawn.
    pub distribution: Distribution,
    /// What the node is to give up after.
    pub timeout_ms: Option<u32>,
}

impl TableRequests {
    /// Requests for `shape`; `seed` decides on all that is random.
    pub fn new(shape: &TableShape, keys: OwnKeys, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let template = Template::new(shape, &mut rng);
        let (table, timeout_ms, trace) = (shape.table.clone(), shape.timeout_ms, TraceId::default());
        Self {
            script: Script::Read(0),
            keys,
            distribution: shape.distribution,
            rng,
            get: Get { trace, table: table.clone(), key: Bytes::new(), r: None, timeout_ms },
            put: Put { trace, table, item: Bytes::new(), context: None, ttl_ms: None, w: None, timeout_ms },
            template,
            success: success_marker(),
        }
    }

    /// What to do from now on.
    pub fn follow(&mut self, script: Script) {
        self.script = script;
    }

    /// Keys of its own.
    pub fn own_keys(&self) -> usize {
        self.keys.len()
    }

    fn next(&mut self) -> Option<(usize, Asked)> {
        match &mut self.script {
            Script::Read(next) => {
                let own = *next;
                *next += 1;
                (own < self.keys.len()).then(|| (self.keys.position(own), Asked::Read(own)))
            }
            Script::Write(next) => {
                let own = *next;
                *next += 1;
                if own < self.keys.len() { self.write(own) } else { None }
            }
            Script::Mix { reads_percent } => {
                if self.rng.random_range(0..100) < *reads_percent {
                    let at = self.distribution.sample(self.keys.all().len(), &mut self.rng);
                    return Some((at, Asked::Get));
                }
                let own = self.distribution.sample(self.keys.len(), &mut self.rng);
                self.write(own)
            }
        }
    }

    fn write(&mut self, own: usize) -> Option<(usize, Asked)> {
        let (own, next) = self.keys.take(own)?;
        let asked = match next {
            Next::Read => Asked::Read(own),
            Next::Write(context) => {
                self.put.context = Some(context);
                Asked::Put(own)
            }
        };
        Some((self.keys.position(own), asked))
    }

    fn take_context(&mut self, asked: Asked, payload: &[u8]) {
        match asked {
            Asked::Get => {}
            Asked::Read(own) => {
                let reply = decode::<Result<GetReply, GetError>>(Operation::Get.number(), payload);
                self.keys.put_back(own, reply.ok().and_then(Result::ok).map(|reply| reply.context));
            }
            Asked::Put(own) => {
                let reply = decode::<Result<PutReply, PutError>>(Operation::Put.number(), payload);
                let alone = reply.ok().and_then(Result::ok).filter(|reply| reply.siblings <= 1);
                self.keys.put_back(own, alone.map(|reply| reply.context));
            }
        }
    }

    fn give_up(&mut self, asked: Asked) {
        if let Asked::Read(own) | Asked::Put(own) = asked {
            self.keys.put_back(own, None);
        }
    }
}

impl Requests for TableRequests {
    type Asked = Asked;

    fn ask(&mut self, id: u64, out: &mut BytesMut) -> Option<Asked> {
        let (at, asked) = self.next()?;
        let (trace, request) = (TraceId(id), FrameKind::Request);
        let written = if let Asked::Put(_) = asked {
            self.put.trace = trace;
            self.put.item = self.template.item(self.keys.all().number(at));
            encode(out, request, Operation::Put.number(), id, &self.put, FRAME_MAX_BYTES)
        } else {
            self.get.trace = trace;
            self.get.key = self.keys.all().encoded(at);
            encode(out, request, Operation::Get.number(), id, &self.get, FRAME_MAX_BYTES)
        };
        written.ok().map(|()| asked)
    }

    fn take(&mut self, asked: Asked, answer: Answer<'_>) -> Outcome {
        let payload = match answer {
            Answer::Came(payload) => payload,
            Answer::TimedOut | Answer::ConnectionLost => {
                self.give_up(asked);
                return Outcome::Failed(first_word(&format!("{answer:?}")));
            }
        };
        let Some(content) = payload.strip_prefix(self.success.as_slice()) else {
            self.give_up(asked);
            return Outcome::Failed(refusal(asked, payload));
        };
        self.take_context(asked, payload);
        // `GetReply` begins with its list of versions: an array of two, then an array of none.
        let nothing = [0x92, 0x90];
        if !matches!(asked, Asked::Put(_)) && content.starts_with(&nothing) { Outcome::NotFound } else { Outcome::Done }
    }

    fn kind(asked: Asked) -> Kind {
        match asked {
            Asked::Get | Asked::Read(_) => Kind::Get,
            Asked::Put(_) => Kind::Put,
        }
    }
}

/// The name of the error in a refusal.
fn refusal(asked: Asked, payload: &[u8]) -> String {
    let error = if let Asked::Put(_) = asked {
        let reply = decode::<Result<PutReply, PutError>>(Operation::Put.number(), payload);
        reply.ok().and_then(Result::err).map(|error| format!("{error:?}"))
    } else {
        let reply = decode::<Result<GetReply, GetError>>(Operation::Get.number(), payload);
        reply.ok().and_then(Result::err).map(|error| format!("{error:?}"))
    };
    first_word(error.as_deref().unwrap_or("BadAnswer"))
}

/// The name of a variant, from its `Debug`.
fn first_word(debug: &str) -> String {
    debug.chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// An encoded item in which only the key changes.
struct Template {
    bytes: BytesMut,
    name_at: usize,
}

impl Template {
    fn new(shape: &TableShape, rng: &mut StdRng) -> Self {
        let first = name(0);
        let bytes = item(shape, &first, rng).to_bytes();
        // The value is random, so the key's text is found nowhere else.
        let name_at = bytes.windows(first.len()).position(|window| window == first.as_bytes()).unwrap_or_default();
        Self { bytes: bytes.as_ref().into(), name_at }
    }

    fn item(&mut self, number: usize) -> Bytes {
        let name = name(number);
        self.bytes[self.name_at..self.name_at + name.len()].copy_from_slice(name.as_bytes());
        Bytes::copy_from_slice(&self.bytes)
    }
}

/// An item of `shape` with a value that no compressor makes smaller.
pub fn item(shape: &TableShape, key: &str, rng: &mut StdRng) -> Item {
    use rand::Rng;
    let mut value = vec![0; shape.value_bytes];
    rng.fill_bytes(&mut value);
    let value_attribute = if shape.key_attribute == "value" { "payload" } else { "value" };
    let mut item = Item::new();
    item.insert(value_attribute, AttributeValue::B(value.into()));
    item.insert(shape.key_attribute.clone(), AttributeValue::S(key.to_owned()));
    item
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
