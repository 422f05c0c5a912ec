//! etcd: a put over its JSON gateway, on connections that stay open.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::args::{Peer, Shape};
use super::failure::Failure;
use super::http::Response;
use super::keys::name;
use super::peers::{Answer, Dialect, connect, measure};
use super::tally::Kind;

struct Etcd {
    keys: usize,
    next: usize,
    value: String,
}

/// Measures and prints. Returns how many requests failed.
///
/// # Errors
///
/// [`Failure`] when nothing could be measured.
pub fn run(peer: &Peer) -> Result<u64, Failure> {
    peer.check()?;
    if peer.gets || peer.shape != Shape::Connections {
        return Err(Failure::Usage { reason: "only puts, each on its own connection, are measured here".to_owned() });
    }
    let mut etcd = Etcd { keys: peer.keys, next: 0, value: STANDARD.encode(value(peer.value_bytes)) };
    measure(peer, Kind::Put, 1, &connect(&peer.connect, peer.outstanding)?, &mut etcd)
}

/// A value that no compressor makes smaller.
pub fn value(bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    StdRng::seed_from_u64(1).fill_bytes(&mut value);
    value
}

impl Dialect for Etcd {
    fn ask(&mut self, out: &mut Vec<u8>) {
        self.next = (self.next + 7919) % self.keys;
        let body = format!(r#"{{"key":"{}","value":"{}"}}"#, STANDARD.encode(name(self.next)), self.value);
        // Writing into memory does not fail.
        let _ = write!(out, "POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }

    fn weight(&self) -> u64 {
        1
    }

    fn answered(&mut self, bytes: &[u8]) -> Option<Answer> {
        let response = Response::front_of(bytes)?;
        let outcome = if response.status == 200 { Ok(()) } else { Err(format!("Status{}", response.status)) };
        Some(Answer { bytes: response.bytes, outcome, is_last: response.is_last })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Dialect, Etcd};

    #[test]
    fn what_is_not_200_has_failed() {
        let mut etcd = Etcd { keys: 3, next: 0, value: String::new() };
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP";
        assert_eq!(etcd.answered(plain), Some(Answer::new(plain.len() - 4, Ok(()))));
        let chunked = b"HTTP/1.1 503 Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(etcd.answered(chunked), Some(Answer::new(chunked.len(), Err("Status503".to_owned()))));
    }
}
