//! Answers, looked at where they were read: no copy and no allocation per frame.
//!
//! `wire::frame` hands out frames that own their bytes. An answer is dropped as soon as it is counted, so here it is only
//! borrowed from the buffer. A test holds this against what `wire::frame` writes.

use std::io::{self, Read};
use std::ops::Range;

use slipring::wire::frame::{FrameError, FrameKind};

const LENGTH_BYTES: usize = 4;
const HEADER_BYTES: usize = 1 + 2 + 8;
const START_BYTES: usize = 256 * 1024;

/// No answer is longer, in bytes.
pub const FRAME_MAX_BYTES: usize = 64 * 1024 * 1024;

/// What has been read and not been looked at.
pub struct Inbox {
    bytes: Vec<u8>,
    unseen: Range<usize>,
}

/// One frame in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    /// Whether it answers something.
    pub is_reply: bool,
    /// What it answers.
    pub id: u64,
    /// MessagePack.
    pub payload: &'a [u8],
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self { bytes: vec![0; START_BYTES], unseen: 0..0 }
    }

    /// Forgets everything; the connection is a new one.
    pub fn clear(&mut self) {
        self.unseen = 0..0;
    }

    /// Reads once. An end of the stream is an error.
    pub fn read_from(&mut self, stream: &mut impl Read) -> io::Result<()> {
        if self.unseen.is_empty() {
            self.unseen = 0..0;
        } else if self.bytes.len() - self.unseen.end < START_BYTES / 4 {
            self.make_room();
        }
        match stream.read(&mut self.bytes[self.unseen.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.unseen.end += read;
                Ok(())
            }
        }
    }

    /// The next whole frame, if it has arrived.
    pub fn next_frame(&mut self) -> Result<Option<FrameView<'_>>, FrameError> {
        let Some((prefix, rest)) = self.bytes[self.unseen.clone()].split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > FRAME_MAX_BYTES {
            return Err(FrameError::TooLong { length, max: FRAME_MAX_BYTES });
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let Some(([kind, _, _, id @ ..], payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
            return Err(FrameError::TooShort { length });
        };
        self.unseen.start += LENGTH_BYTES + length;
        Ok(Some(FrameView { is_reply: *kind == FrameKind::Reply as u8, id: u64::from_le_bytes(*id), payload }))
    }

    fn make_room(&mut self) {
        self.bytes.copy_within(self.unseen.clone(), 0);
        self.unseen = 0..self.unseen.len();
        if self.bytes.len() - self.unseen.end < START_BYTES / 4 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }
}

/// The bytes that an answer begins with when the request succeeded: those of `Ok`, before its content.
pub fn success_marker() -> Vec<u8> {
    let mut marker = Vec::new();
    // Writing into memory does not fail; an empty marker would only make every answer look like a success.
    let _ = rmp_serde::encode::write(&mut marker, &Ok::<bool, bool>(true));
    marker.pop();
    marker
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use slipring::messages::client::{GetError, GetReply, PutError};
    use slipring::wire::frame::{FrameError, FrameKind, encode};

    use super::{FRAME_MAX_BYTES, Inbox, success_marker};

    proptest! {
        #[test]
        fn frames_are_seen_as_they_were_written(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8), cut in 1..200_usize,
        ) {
            let mut stream = BytesMut::new();
            for (id, body) in bodies.iter().enumerate() {
                encode(&mut stream, FrameKind::Reply, 7, id as u64, body, FRAME_MAX_BYTES).unwrap();
            }
            let (mut inbox, mut seen) = (Inbox::new(), Vec::new());
            for mut part in stream.chunks(cut) {
                inbox.read_from(&mut part).unwrap();
                while let Some(frame) = inbox.next_frame().unwrap() {
                    prop_assert!(frame.is_reply);
                    prop_assert_eq!(frame.id, seen.len() as u64);
                    seen.push(rmp_serde::from_slice::<Vec<u8>>(frame.payload).unwrap());
                }
            }
            prop_assert_eq!(seen, bodies);
        }
    }

    #[test]
    fn a_frame_longer_than_the_buffer_arrives() {
        let mut stream = BytesMut::new();
        let body = bytes::Bytes::from(vec![7; 1_000_000]);
        encode(&mut stream, FrameKind::Reply, 7, 1, &body, FRAME_MAX_BYTES).unwrap();
        let (mut inbox, mut rest) = (Inbox::new(), &stream[..]);
        while !rest.is_empty() {
            assert_eq!(inbox.next_frame(), Ok(None));
            inbox.read_from(&mut rest).unwrap();
        }
        assert!(inbox.next_frame().unwrap().is_some_and(|frame| frame.payload.len() > body.len()));
    }

    #[test]
    fn garbage_is_refused_and_an_end_is_an_error() {
        let mut inbox = Inbox::new();
        inbox.read_from(&mut &[3, 0, 0, 0, 1, 2, 3][..]).unwrap();
        assert_eq!(inbox.next_frame(), Err(FrameError::TooShort { length: 3 }));
        inbox.clear();
        inbox.read_from(&mut &[255; 20][..]).unwrap();
        assert!(matches!(inbox.next_frame(), Err(FrameError::TooLong { .. })));
        assert!(inbox.read_from(&mut &[][..]).is_err());
    }

    #[test]
    fn the_marker_tells_success_from_refusal() {
        let marker = success_marker();
        let refused = Err::<GetReply, _>(GetError::InvalidKey { reason: String::new() });
        assert!(!rmp_serde::to_vec(&refused).unwrap().starts_with(&marker));
        assert!(rmp_serde::to_vec(&Ok::<u64, PutError>(7)).unwrap().starts_with(&marker));
    }
}
