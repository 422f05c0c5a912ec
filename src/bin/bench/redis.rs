//! Redis: a put is `SET` and then `WAIT 1`, a get is `GET`.
//!
//! `WAIT` holds up everything behind it on its connection, so puts outstanding at a time need a connection each; or, in a
//! batch, share one `WAIT` behind all of them.

use std::io::Write;

use super::args::{Peer, Shape};
use super::failure::Failure;
use super::keys::name;
use super::peers::{Answer, Dialect, Session, connect, measure};
use super::run::NEVER;
use super::tally::Kind;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    /// Without waiting for a replica.
    Load,
    /// So many `SET`s with one `WAIT` behind them.
    Put(usize),
}

struct Redis {
    verb: Verb,
    keys: usize,
    next: usize,
    value: Vec<u8>,
}

/// Loads the keys, measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn run(peer: &Peer) -> Result<u64, Failure> {
    peer.check()?;
    let mut redis = Redis { verb: Verb::Load, keys: peer.keys, next: 0, value: super::etcd::value(peer.value_bytes) };
    let now = std::time::Instant::now();
    let loading =
        Session { kind: Kind::Put, depth: 64, asks: Some(peer.keys as u64), count_from: now, until: now + NEVER };
    let loaded = loading.run(&connect(&peer.connect, 1)?, &mut redis).map_err(Failure::io("loading the keys"))?;
    if let Some(first) = loaded.first_error() {
        return Err(Failure::NotPrepared { refused: loaded.failed(), keys: peer.keys as u64, first: first.to_owned() });
    }
    let (connections, depth, asks) = match peer.shape {
        Shape::Connections => (peer.outstanding, 1, 1),
        Shape::Pipeline => (1, peer.outstanding, 1),
        Shape::Batch => (1, 1, peer.outstanding),
    };
    redis.verb = if peer.gets { Verb::Get } else { Verb::Put(asks) };
    let kind = if peer.gets { Kind::Get } else { Kind::Put };
    measure(peer, kind, depth, &connect(&peer.connect, connections)?, &mut redis)
}

impl Redis {
    fn set(&self, key: &str, out: &mut Vec<u8>) {
        // Writing into memory does not fail.
        let _ = write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), self.value.len());
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }
}

impl Dialect for Redis {
    fn ask(&mut self, out: &mut Vec<u8>) {
        let sets = if let Verb::Put(sets) = self.verb { sets } else { 1 };
        for _ in 0..sets {
            // A stride that visits every key and is not in order.
            self.next = (self.next + 7919) % self.keys;
            let key = name(self.next);
            match self.verb {
                Verb::Get => {
                    let _ = write!(out, "*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
                }
                Verb::Load | Verb::Put(_) => self.set(&key, out),
            }
        }
        if let Verb::Put(_) = self.verb {
            out.extend_from_slice(b"*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n5000\r\n");
        }
    }

    fn weight(&self) -> u64 {
        if let Verb::Put(sets) = self.verb { sets as u64 } else { 1 }
    }

    fn answered(&mut self, bytes: &[u8]) -> Option<Answer> {
        let replies = if let Verb::Put(sets) = self.verb { sets + 1 } else { 1 };
        let (mut seen, mut outcome) = (0, Ok(()));
        for _ in 0..replies {
            let (length, result) = reply(&bytes[seen..])?;
            seen += length;
            outcome = outcome.and(result);
        }
        Some(Answer::new(seen, outcome))
    }
}

/// The length of the reply at the front, and whether it says that all went well.
fn reply(bytes: &[u8]) -> Option<(usize, Result<(), String>)> {
    let line_end = bytes.iter().position(|byte| *byte == b'\r')?;
    let after = line_end + 2;
    if bytes.len() < after {
        return None;
    }
    let text = String::from_utf8_lossy(bytes.get(1..line_end)?);
    match bytes.first()? {
        b'-' => Some((after, Err(text.split(' ').next().unwrap_or_default().to_owned()))),
        b':' if text == "0" => Some((after, Err("NoReplica".to_owned()))),
        b'$' => match text.parse::<usize>() {
            Ok(length) => (bytes.len() >= after + length + 2).then_some((after + length + 2, Ok(()))),
            Err(_) => Some((after, Err("NotFound".to_owned()))),
        },
        _ => Some((after, Ok(()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Dialect, Redis, Verb};

    #[test]
    fn replies_are_told_apart() {
        let mut redis = Redis { verb: Verb::Put(2), keys: 10, next: 0, value: vec![1; 4] };
        let bytes = b"+OK\r\n+OK\r\n:1\r\n+OK\r\n";
        assert_eq!(redis.answered(bytes), Some(Answer::new(14, Ok(()))));
        assert_eq!(redis.answered(&bytes[..13]), None);
        assert_eq!(redis.answered(b"+OK\r\n+OK\r\n:0\r\n"), Some(Answer::new(14, Err("NoReplica".to_owned()))));
        redis.verb = Verb::Get;
        assert_eq!(redis.answered(b"$4\r\nab\r\n\r\n+"), Some(Answer::new(10, Ok(()))));
        assert_eq!(redis.answered(b"$4\r\nab\r\n"), None);
        assert_eq!(redis.answered(b"$-1\r\n"), Some(Answer::new(5, Err("NotFound".to_owned()))));
        assert_eq!(redis.answered(b"-LOADING wait\r\n"), Some(Answer::new(15, Err("LOADING".to_owned()))));
    }

    #[test]
    fn a_put_is_a_set_and_a_wait() {
        let mut redis = Redis { verb: Verb::Put(1), keys: 10, next: 0, value: vec![b'v'; 4] };
        let mut out = Vec::new();
        redis.ask(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("*3\r\n$3\r\nSET\r\n$18\r\nbench-000000000009\r\n$4\r\nvvvv\r\n*3\r\n$4\r\nWAIT"),
            "{text}"
        );
    }
}
