//! One frame: a length, a header of fixed size, and a MessagePack payload.
//!
//! ```text
//!  0        4      5           7          15
//!  +--------+------+-----------+----------+---------------------+
//!  | length | kind | operation | id       | payload             |      numbers are little-endian;
//!  +--------+------+-----------+----------+---------------------+      length counts what follows it
//! ```
//!
//! The length is checked before anything is allocated for it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

const LENGTH_BYTES: usize = 4;
const HEADER_BYTES: usize = 1 + 2 + 8;

/// Whether a frame asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Expects a reply with the same id.
    Request = 1,
    /// Answers the request with the same id.
    Reply = 2,
    /// "Are you there?" Answered with `Pong`.
    Ping = 3,
    /// "I am here."
    Pong = 4,
}

/// A frame as it came off a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Request or reply.
    pub kind: FrameKind,
    /// The number of the operation; see `operation`.
    pub operation: u16,
    /// Chosen by whoever asks, echoed by whoever answers.
    pub id: u64,
    /// MessagePack.
    pub payload: Bytes,
}

/// The bytes are not a frame. The connection cannot be trusted from here on and is closed; nothing of the frame was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than the bound.
    #[error("a frame of {length} bytes exceeds bridge.frame_max_bytes = {max}")]
    TooLong {
        /// The announced length.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// Too short to hold a header.
    #[error("a frame of {length} bytes is too short for its header")]
    TooShort {
        /// The announced length.
        length: usize,
    },
    /// Neither a request nor a reply.
    #[error("unknown frame kind {kind}")]
    UnknownKind {
        /// The byte found.
        kind: u8,
    },
}

/// A payload could not be written or understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// It is not the MessagePack that this operation has.
    #[error("operation {operation}: the payload is not understood: {reason}")]
    NotUnderstood {
        /// The operation's number.
        operation: u16,
        /// What the decoder said.
        reason: String,
    },
    /// Encoded, it exceeds the bound.
    #[error("operation {operation}: the message has {length} bytes, bridge.frame_max_bytes = {max}")]
    TooLong {
        /// The operation's number.
        operation: u16,
        /// The encoded length.
        length: usize,
        /// The bound.
        max: usize,
    },
}

/// How many frames these bytes are; `None`: they do not begin and end with one.
pub fn count_frames(mut bytes: &[u8]) -> Option<u64> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (prefix, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let length = u32::from_le_bytes(*prefix) as usize;
        bytes = rest.get(length..).filter(|_| length >= HEADER_BYTES)?;
        count += 1;
    }
    Some(count)
}

impl Frame {
    /// Takes the next whole frame off the front of `buffer`; `None`: more bytes are needed.
    pub fn take(buffer: &mut BytesMut, max: usize) -> Result<Option<Self>, FrameError> {
        let Some(prefix) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        if length < HEADER_BYTES {
            return Err(FrameError::TooShort { length });
        }
        if buffer.len() < LENGTH_BYTES + length {
            // Grow by what has arrived, not by what a stranger announced.
            buffer.reserve((LENGTH_BYTES + length - buffer.len()).min(64 * 1024));
            return Ok(None);
        }
        buffer.advance(LENGTH_BYTES);
        let mut frame = buffer.split_to(length).freeze();
        let kind = kind(frame.get_u8())?;
        let operation = frame.get_u16_le();
        let id = frame.get_u64_le();
        Ok(Some(Self { kind, operation, id, payload: frame }))
    }

    /// The payload as a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        decode(self.operation, &self.payload)
    }
}

/// A payload as a value of `operation`.
pub fn decode<T: DeserializeOwned>(operation: u16, payload: &[u8]) -> Result<T, PayloadError> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(payload);
    decoder.set_max_depth(64);
    T::deserialize(&mut decoder).map_err(|error| PayloadError::NotUnderstood { operation, reason: error.to_string() })
}

/// Appends a frame to `buffer`. On error the buffer is as before.
pub fn encode<T: Serialize>(
    buffer: &mut BytesMut,
    kind: FrameKind,
    operation: u16,
    id: u64,
    payload: &T,
    max: usize,
) -> Result<(), PayloadError> {
    let start = buffer.len();
    buffer.put_u32_le(0);
    buffer.put_u8(kind as u8);
    buffer.put_u16_le(operation);
    buffer.put_u64_le(id);
    let written = rmp_serde::encode::write(&mut buffer.writer(), payload);
    let length = buffer.len() - start - LENGTH_BYTES;
    if let Err(error) = written {
        buffer.truncate(start);
        return Err(PayloadError::NotUnderstood { operation, reason: error.to_string() });
    }
    if length > max {
        buffer.truncate(start);
        return Err(PayloadError::TooLong { operation, length, max });
    }
    let prefix = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    buffer[start..start + LENGTH_BYTES].copy_from_slice(&prefix);
    Ok(())
}

fn kind(byte: u8) -> Result<FrameKind, FrameError> {
    match byte {
        1 => Ok(FrameKind::Request),
        2 => Ok(FrameKind::Reply),
        3 => Ok(FrameKind::Ping),
        4 => Ok(FrameKind::Pong),
        kind => Err(FrameError::UnknownKind { kind }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{Frame, FrameError, FrameKind, PayloadError, count_frames, encode};

    const MAX: usize = 1024;

    proptest! {
        #[test]
        fn frames_survive_any_cut_of_the_stream(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..6), cut in 1..40_usize,
        ) {
            let mut stream = BytesMut::new();
            for (id, body) in bodies.iter().enumerate() {
                encode(&mut stream, FrameKind::Request, 7, id as u64, body, MAX).unwrap();
            }
            prop_assert_eq!(count_frames(&stream), Some(bodies.len() as u64));
            prop_assert_eq!(count_frames(&stream[..stream.len() - 1]), None);
            let mut arrived = BytesMut::new();
            let mut frames = Vec::new();
            for piece in stream.chunks(cut) {
                arrived.extend_from_slice(piece);
                while let Some(frame) = Frame::take(&mut arrived, MAX).unwrap() { frames.push(frame); }
            }
            let decoded: Vec<Vec<u8>> = frames.iter().map(|frame| frame.decode().unwrap()).collect();
            prop_assert_eq!(decoded, bodies);
            prop_assert!(frames.iter().enumerate().all(|(id, frame)| frame.id == id as u64 && frame.operation == 7));
        }

        #[test]
        fn garbage_is_refused_or_waited_for_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = Frame::take(&mut buffer, MAX) {
                let _ = frame.decode::<Vec<String>>();
            }
        }
    }

    #[test]
    fn a_length_over_the_bound_is_refused_before_the_body_arrives() {
        let mut buffer = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert_eq!(Frame::take(&mut buffer, MAX), Err(FrameError::TooLong { length: u32::MAX as usize, max: MAX }));
        assert!(buffer.capacity() < 4096);
    }

    #[test]
    fn a_message_over_the_bound_is_not_sent() {
        let mut buffer = BytesMut::from(&b"before"[..]);
        let refused = encode(&mut buffer, FrameKind::Reply, 1, 1, &vec![0_u8; MAX], MAX);
        assert!(matches!(refused, Err(PayloadError::TooLong { .. })));
        assert_eq!(&buffer[..], b"before");
    }
}
