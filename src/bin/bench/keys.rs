//! The keys, and what a worker has last seen of those that only it writes.
//!
//! A put hands back the context of the last answer for its key, so it replaces what is there. Two puts of one key at a time,
//! or a put after one whose fate is unknown, would leave siblings: a key is busy until its put is answered, and is read
//! again before it is written when its context cannot be trusted.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use slipring::dynamo::context::Context;
use slipring::item::{Key, KeyValue};

/// Keys, as numbers and as the wire has them. Shared by the workers that ask for them.
#[derive(Debug)]
pub struct Keys {
    numbers: Vec<usize>,
    encoded: Vec<Bytes>,
}

/// The slice of the keys that one worker writes.
pub struct OwnKeys {
    all: Arc<Keys>,
    range: Range<usize>,
    states: Vec<State>,
}

enum State {
    /// What the node holds is not known.
    Unread,
    /// A put, or the get before one, is under way.
    Busy,
    /// The last answer said so.
    Seen(Context),
}

/// What to do with a key that is to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Read it first.
    Read,
    /// Write it with this context.
    Write(Context),
}

impl Keys {
    /// The first `count` of all keys.
    pub fn new(count: usize) -> Self {
        Self::of((0..count).collect())
    }

    /// The keys with these numbers.
    pub fn of(numbers: Vec<usize>) -> Self {
        let encode = |number: &usize| Key { partition: KeyValue::S(name(*number)), sort: None }.to_bytes();
        Self { encoded: numbers.iter().map(encode).collect(), numbers }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// The number of one of them.
    pub fn number(&self, at: usize) -> usize {
        self.numbers.get(at).copied().unwrap_or_default()
    }

    /// One of them as `Key::to_bytes` writes it.
    pub fn encoded(&self, at: usize) -> Bytes {
        self.encoded.get(at).cloned().unwrap_or_default()
    }

    /// The part that worker `number` of `workers` writes. The parts are disjoint.
    pub fn share(&self, number: usize, workers: usize) -> Range<usize> {
        self.len() * number / workers..self.len() * (number + 1) / workers
    }
}

/// The text of the key with this number: all have the same length.
pub fn name(number: usize) -> String {
    format!("bench-{number:012}")
}

impl OwnKeys {
    /// A share of `all`, none of it read yet.
    pub fn new(all: Arc<Keys>, range: Range<usize>) -> Self {
        let states = range.clone().map(|_| State::Unread).collect();
        Self { all, range, states }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Where an own key stands among all.
    pub fn position(&self, own: usize) -> usize {
        self.range.start + own
    }

    /// All keys, own or not.
    pub fn all(&self) -> &Keys {
        &self.all
    }

    /// Makes `own`, or the next one that is not busy, busy. `None` when all are.
    pub fn take(&mut self, own: usize) -> Option<(usize, Next)> {
        let count = self.states.len();
        let free = (own..count).chain(0..own.min(count)).find(|at| !matches!(self.states[*at], State::Busy))?;
        match std::mem::replace(&mut self.states[free], State::Busy) {
            State::Seen(context) => Some((free, Next::Write(context))),
            State::Unread | State::Busy => Some((free, Next::Read)),
        }
    }

    /// The answer for a busy key came; `None`: it does not say what the node holds now.
    pub fn put_back(&mut self, own: usize, seen: Option<Context>) {
        if let Some(state) = self.states.get_mut(own) {
            *state = seen.map_or(State::Unread, State::Seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use slipring::dynamo::context::Context;

    use super::{Keys, Next, OwnKeys};

    fn context() -> Context {
        Context::new(b"k", Vec::new().into())
    }

    proptest! {
        #[test]
        fn every_key_has_one_writer(count in 0..200_usize, workers in 1..20_usize) {
            let keys = Keys::new(count);
            let shares: Vec<usize> = (0..workers).flat_map(|number| keys.share(number, workers)).collect();
            prop_assert_eq!(shares, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_key_is_read_first_and_never_written_twice_at_a_time() {
        let mut own = OwnKeys::new(Arc::new(Keys::new(10)), 4..6);
        assert_eq!(own.position(1), 5);
        assert_eq!(own.take(1), Some((1, Next::Read)));
        own.put_back(1, Some(context()));
        assert_eq!(own.take(1), Some((1, Next::Write(context()))));
        // Busy: its neighbour is taken, and then there is none.
        assert_eq!(own.take(1), Some((0, Next::Read)));
        assert_eq!(own.take(1), None);
        // Its fate is unknown: it must be read again.
        own.put_back(1, None);
        assert_eq!(own.take(0), Some((1, Next::Read)));
    }
}
