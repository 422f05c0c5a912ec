//! Frames on their way out: everybody appends to one buffer, one writer task takes all of it per wake-up.
//!
//! A write per frame costs five to six times the throughput of this.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use super::frame::{Frame, FrameError, FrameKind, PayloadError, encode};

/// A reader waits while more than this is queued for the same connection: who does not read its answers gets no more, in bytes.
const HIGH_WATER_BYTES: usize = 4 * 1024 * 1024;

/// A buffer that a burst has made larger than this is given back, in bytes.
const KEPT_BYTES: usize = 1024 * 1024;

/// The outgoing half of a connection. Clones share it.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    buffer: Mutex<BytesMut>,
    frame_max_bytes: usize,
    closed: AtomicBool,
    /// Wakes the writer: there is something to write, or nothing will come any more.
    filled: Notify,
    /// Wakes the reader: the writer has taken the buffer.
    taken: Notify,
}

impl Outbox {
    /// An open, empty outbox.
    pub fn new(frame_max_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                buffer: Mutex::new(BytesMut::new()),
                frame_max_bytes,
                closed: AtomicBool::new(false),
                filled: Notify::new(),
                taken: Notify::new(),
            }),
        }
    }

    /// Queues a frame. On a closed outbox it goes nowhere.
    pub fn push<T: Serialize>(
        &self,
        kind: FrameKind,
        operation: u16,
        id: u64,
        payload: &T,
    ) -> Result<(), PayloadError> {
        let mut buffer = self.buffer();
        if self.is_closed() {
            return Ok(());
        }
        encode(&mut buffer, kind, operation, id, payload, self.shared.frame_max_bytes)?;
        self.shared.filled.notify_one();
        Ok(())
    }

    /// Bytes waiting to be written.
    pub fn queued_bytes(&self) -> usize {
        self.buffer().len()
    }

    /// Nothing more goes out after what is queued.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.filled.notify_one();
        self.shared.taken.notify_one();
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Writes what is pushed until the outbox is closed and empty, or the connection breaks.
    pub async fn write_to(&self, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
        // The two buffers change places at each turn, so that neither grows from nothing again and again.
        let mut batch = BytesMut::new();
        loop {
            std::mem::swap(&mut *self.buffer(), &mut batch);
            if batch.is_empty() {
                if self.is_closed() {
                    return writer.shutdown().await;
                }
                self.shared.filled.notified().await;
                continue;
            }
            self.shared.taken.notify_one();
            writer.write_all(&batch).await?;
            batch.clear();
            if batch.capacity() > KEPT_BYTES {
                batch = BytesMut::new();
            }
        }
    }

    fn buffer(&self) -> MutexGuard<'_, BytesMut> {
        self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drained(&self) {
        while self.queued_bytes() > HIGH_WATER_BYTES && !self.is_closed() {
            self.shared.taken.notified().await;
        }
    }
}

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
pub enum ReadStopped {
    /// The other side closed it.
    #[error("closed by the other side")]
    Closed,
    /// The operating system reports an error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is not a frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// Reads until the connection ends and hands on all frames of one read as one batch.
///
/// While the other side does not take what waits in `outbox`, nothing more is read from it.
pub async fn read_batches(
    mut reader: impl AsyncRead + Unpin,
    outbox: &Outbox,
    mut hand_on: impl FnMut(Vec<Frame>),
) -> ReadStopped {
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    loop {
        outbox.drained().await;
        buffer.reserve(16 * 1024);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return ReadStopped::Closed,
            Ok(_) => {}
            Err(error) => return ReadStopped::Io(error),
        }
        let mut batch = Vec::new();
        loop {
            match Frame::take(&mut buffer, outbox.shared.frame_max_bytes) {
                Ok(Some(frame)) => batch.push(frame),
                Ok(None) => break,
                Err(error) => return ReadStopped::Frame(error),
            }
        }
        if !batch.is_empty() {
            hand_on(batch);
        }
    }
}
