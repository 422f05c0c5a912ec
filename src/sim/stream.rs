//! One end of a virtual connection as bytes are read and written, and the dialling and the accepting of one.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Sleep, sleep_until};

use super::network::{Found, Incoming, Network};
use crate::wire::transport::{Accepting, Acceptor, ByteStream, Connecting, Connector};

/// One end of a connection. Dropping it closes it.
pub struct VirtualStream {
    network: Network,
    id: u64,
    side: usize,
    /// Until the next bytes are due.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl VirtualStream {
    pub(super) fn new(network: Network, id: u64, side: usize) -> Self {
        Self { network, id, side, waiting: None }
    }
}

impl Drop for VirtualStream {
    fn drop(&mut self) {
        self.network.leave(self.id, self.side);
    }
}

impl AsyncRead for VirtualStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.network.read(self.id, self.side, buffer.remaining(), cx.waker()) {
                Found::Bytes(bytes) => {
                    buffer.put_slice(&bytes);
                    return Poll::Ready(Ok(()));
                }
                Found::Closed => return Poll::Ready(Ok(())),
                Found::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Found::Nothing => return Poll::Pending,
                Found::Later(due) => {
                    let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(due)));
                    if waiting.deadline() != due {
                        waiting.as_mut().reset(due);
                    }
                    ready!(waiting.as_mut().poll(cx));
                }
            }
        }
    }
}

impl AsyncWrite for VirtualStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.network.write(self.id, self.side, bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.close(self.id, self.side);
        Poll::Ready(Ok(()))
    }
}

/// Dials in the name of one address.
pub struct VirtualConnector {
    /// The network.
    pub network: Network,
    /// Who dials.
    pub from: String,
}

impl Connector for VirtualConnector {
    fn connect(&self, address: &str) -> Connecting {
        let (network, from, to) = (self.network.clone(), self.from.clone(), address.to_owned());
        Box::pin(async move {
            let stream = network.connect(&from, &to).await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// Accepts what arrives at one address. Clones share it, as the workers of a node do.
#[derive(Clone)]
pub struct VirtualAcceptor(Rc<Mutex<UnboundedReceiver<Incoming>>>);

impl VirtualAcceptor {
    /// Listens at `address`, until the last clone is dropped.
    #[must_use]
    pub fn listen(network: &Network, address: &str) -> Self {
        Self(Rc::new(Mutex::new(network.listen(address))))
    }
}

impl Acceptor for VirtualAcceptor {
    fn accept(&self) -> Accepting<'_> {
        Box::pin(async {
            let arrived = self.0.lock().await.recv().await;
            let (stream, from) = arrived.ok_or(io::ErrorKind::NotConnected)?;
            Ok((Box::new(stream) as Box<dyn ByteStream>, from))
        })
    }
}
