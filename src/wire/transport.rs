//! How bytes travel: TCP, or whatever a simulation puts in its place.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A connection in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for T {}

/// A connection being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>>>>;

/// Dials addresses.
pub trait Connector {
    /// Connects to `address`, a "host:port".
    fn connect(&self, address: &str) -> Connecting;
}

/// A connection that is waited for: the stream, and where it comes from.
pub type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<(Box<dyn ByteStream>, String)>> + 'a>>;

/// Receives connections.
pub trait Acceptor {
    /// Waits for the next connection.
    fn accept(&self) -> Accepting<'_>;
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpAcceptor(pub TcpListener);

impl Acceptor for TcpAcceptor {
    fn accept(&self) -> Accepting<'_> {
        Box::pin(async {
            let (stream, from) = self.0.accept().await?;
            // Without it replies wait for the other side's delayed acknowledgement; the connection works all the same.
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream) as Box<dyn ByteStream>, from.to_string()))
        })
    }
}

/// Real TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, address: &str) -> Connecting {
        let address = address.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}
