//! Whole frames between two nodes that get lost, arrive twice, or arrive late.
//!
//! ```text
//!   preamble, two handshake messages   pass
//!   then each frame                    passes | is lost | arrives twice | waits and goes out in front of a later one
//! ```
//!
//! A byte stream cannot do that to its bytes. But requests are lost with a connection, are answered after their sender has given up, and answers come in
//! any order: whatever may happen to a request must be harmless for each kind of it. The one exception is the request to mint a dot, which
//! nothing in the product ever sends twice: it is not doubled here either.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::dynamo::precedence::Insistence;
use crate::dynamo::siblings::Siblings;
use crate::messages::replica::{CoordinateWrite, ReadReplica, WriteReplica};
use crate::wire::frame::{Frame, FrameKind, encode};
use crate::wire::operation::{BridgeRequest, Operation};

const PREAMBLE_BYTES: usize = 6;
const LENGTH_BYTES: usize = 4;

/// The longest that a frame is held back.
const LATE_MAX_MS: u64 = 3_000;

/// No frame of a simulated node is longer, in bytes.
const FRAME_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Set in the trace of each get of a simulated client, and so in the writes that repair what it found.
pub(super) const READ_TRACE: u64 = 1 << 63;

/// How often something happens to a frame, per thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFaults {
    /// It is lost.
    pub lost: u32,
    /// It arrives twice.
    pub doubled: u32,
    /// It arrives late.
    pub late: u32,
}

/// A defect that is built into the frames between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forger {
    /// What repairs a replica after a read is the newest value alone.
    Repair,
    /// Whoever asks a replica seems to know the newest ring: nobody is refused.
    Epoch,
    /// No write insists on its rank.
    Insistence,
}

enum Fate {
    Passes,
    Lost,
    Doubled,
    Late(Duration),
}

impl FrameFaults {
    fn draw(self, rng: &mut StdRng) -> Fate {
        let Self { lost, doubled, late } = self;
        match rng.random_range(0..1000) {
            drawn if drawn < lost => Fate::Lost,
            drawn if drawn < lost + doubled => Fate::Doubled,
            drawn if drawn < lost + doubled + late => {
                Fate::Late(Duration::from_millis(rng.random_range(1..=LATE_MAX_MS)))
            }
            _ => Fate::Passes,
        }
    }
}

/// What is known of the bytes that go one way.
#[derive(Default)]
pub(super) struct Framer {
    /// Of a frame that has not been written to its end yet.
    rest: BytesMut,
    /// How far the handshake is: its preamble, and its two messages.
    parts: usize,
    late: Vec<(Instant, BytesMut)>,
}

impl Framer {
    /// The bytes that go out for those that are written.
    pub(super) fn pass(
        &mut self,
        written: &[u8],
        faults: FrameFaults,
        forger: Option<Forger>,
        rng: &mut StdRng,
    ) -> BytesMut {
        self.rest.extend_from_slice(written);
        let mut out = BytesMut::new();
        self.late.retain_mut(|(due, frame)| {
            let is_due = *due <= Instant::now();
            if is_due {
                out.extend_from_slice(frame);
            }
            !is_due
        });
        while let Some((part, is_frame)) = self.next_part() {
            if !is_frame {
                out.extend_from_slice(&part);
                continue;
            }
            let part = match forger {
                Some(Forger::Repair) => with_bad_repair(part),
                Some(Forger::Epoch) => with_newest_epoch(part),
                Some(Forger::Insistence) => without_insistence(part),
                None => part,
            };
            match faults.draw(rng) {
                Fate::Lost => {}
                Fate::Late(wait) => self.late.push((Instant::now() + wait, part)),
                Fate::Doubled if may_be_doubled(&part) => {
                    out.extend_from_slice(&part);
                    out.extend_from_slice(&part);
                }
                Fate::Doubled | Fate::Passes => out.extend_from_slice(&part),
            }
        }
        out
    }

    /// The next whole part, and whether it is a frame.
    fn next_part(&mut self) -> Option<(BytesMut, bool)> {
        let length = match self.parts {
            0 => PREAMBLE_BYTES,
            _ => LENGTH_BYTES + u32::from_le_bytes(*self.rest.first_chunk::<LENGTH_BYTES>()?) as usize,
        };
        if self.rest.len() < length {
            return None;
        }
        self.parts += 1;
        Some((self.rest.split_to(length), self.parts > 3))
    }
}

fn operation(frame: &[u8]) -> (u8, u16) {
    let mut header = frame.get(LENGTH_BYTES..).unwrap_or_default();
    if header.len() < 3 {
        return (0, 0);
    }
    (header.get_u8(), header.get_u16_le())
}

fn may_be_doubled(frame: &[u8]) -> bool {
    operation(frame) != (FrameKind::Request as u8, Operation::CoordinateWrite.number())
}

/// A defect: what repairs a replica after a read is the newest value, as if nothing beside it had been found.
fn with_bad_repair(frame: BytesMut) -> BytesMut {
    forged(frame, Operation::WriteReplica, |write: &mut WriteReplica| {
        let repairs = write.trace.0 & READ_TRACE != 0;
        if repairs {
            Siblings::keep_latest(&mut write.siblings);
        }
        repairs
    })
}

/// A defect: replicas take everybody for one who knows what they know.
fn with_newest_epoch(frame: BytesMut) -> BytesMut {
    let frame = forged(frame, Operation::WriteReplica, |write: &mut WriteReplica| is_raised(&mut write.epoch));
    let frame = forged(frame, Operation::ReadReplica, |read: &mut ReadReplica| is_raised(&mut read.epoch));
    forged(frame, Operation::CoordinateWrite, |write: &mut CoordinateWrite| is_raised(&mut write.epoch))
}

/// A defect: replicas take a write whatever they hold.
fn without_insistence(frame: BytesMut) -> BytesMut {
    forged(frame, Operation::WriteReplica, |write: &mut WriteReplica| {
        std::mem::take(&mut write.insists) != Insistence::Nothing
    })
}

fn is_raised(epoch: &mut u64) -> bool {
    std::mem::replace(epoch, u64::MAX) != u64::MAX
}

/// The frame with another request in it, if it is a request of this operation and `change` says that it has changed.
fn forged<M: BridgeRequest>(frame: BytesMut, operation: Operation, change: impl FnOnce(&mut M) -> bool) -> BytesMut {
    if self::operation(&frame) != (FrameKind::Request as u8, operation.number()) {
        return frame;
    }
    let mut bytes = frame.clone();
    let Ok(Some(parsed)) = Frame::take(&mut bytes, FRAME_MAX_BYTES) else { return frame };
    let Ok(mut request) = parsed.decode::<M>() else { return frame };
    let mut changed = BytesMut::new();
    let is_changed = change(&mut request)
        && encode(&mut changed, parsed.kind, parsed.operation, parsed.id, &request, FRAME_MAX_BYTES).is_ok();
    if is_changed { changed } else { frame }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, BytesMut};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::{Frame, FrameFaults, FrameKind, Framer, Operation, encode};

    /// A handshake and frames with these operations.
    fn stream(operations: &[Operation]) -> BytesMut {
        let mut bytes = BytesMut::from(&b"SLIP\x01\x00\x02\x00\x00\x00hi\x01\x00\x00\x00!"[..]);
        for (id, operation) in operations.iter().enumerate() {
            encode(&mut bytes, FrameKind::Request, operation.number(), id as u64, &"payload", 1024).unwrap();
        }
        bytes
    }

    /// The numbers of the frames that arrive, when everything is written `cut` bytes at a time.
    fn arriving(operations: &[Operation], faults: FrameFaults, cut: usize) -> Vec<u64> {
        let (mut framer, mut rng) = (Framer::default(), StdRng::seed_from_u64(1));
        let mut out = BytesMut::new();
        for piece in stream(operations).chunks(cut) {
            out.put(framer.pass(piece, faults, None, &mut rng));
        }
        let handshake = out.split_to(17);
        assert_eq!(handshake, stream(&[]));
        let mut ids = Vec::new();
        while let Some(frame) = Frame::take(&mut out, 1024).unwrap() {
            ids.push(frame.id);
        }
        assert!(out.is_empty(), "whole frames only");
        ids
    }

    #[test]
    fn each_fault_does_what_it_says_to_whole_frames() {
        let reads = [Operation::ReadReplica; 4];
        let always = FrameFaults::default();
        for cut in [1, 7, 1000] {
            assert_eq!(arriving(&reads, always, cut), [0, 1, 2, 3]);
            assert_eq!(arriving(&reads, FrameFaults { lost: 1000, ..always }, cut), [0_u64; 0]);
            assert_eq!(arriving(&reads, FrameFaults { doubled: 1000, ..always }, cut), [0, 0, 1, 1, 2, 2, 3, 3]);
            assert_eq!(arriving(&reads, FrameFaults { late: 1000, ..always }, cut), [0_u64; 0], "time stands still");
        }
        let mint = [Operation::CoordinateWrite];
        assert_eq!(arriving(&mint, FrameFaults { doubled: 1000, ..always }, 5), [0]);
    }
}
