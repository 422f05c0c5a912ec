//! The nodes under load: connecting to them, and what their table looks like.

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use slipring::client::{Client, ConnectOptions, RouteMap, learn};
use slipring::item::{KeyKind, TableSchema};
use slipring::messages::client::ListTables;
use slipring::wire::handshake::{Hello, Role, Secret, dial};
use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;
use super::worker::prepare;

/// Bound of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach a node.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its bridge address.
    pub address: String,
    /// The cluster's secret, where it has one.
    pub secret: Option<Secret>,
    /// Bound of one write.
    pub write_timeout: Duration,
}

impl Target {
    /// Connects, introduces itself, and hands the connection over for blocking use.
    ///
    /// # Errors
    ///
    /// [`Failure::NoConnection`] when nobody answers or the node refuses.
    pub fn connect(&self) -> Result<TcpStream, Failure> {
        let refused = |reason: String| Failure::NoConnection { reason: format!("{}: {reason}", self.address) };
        let dialled = runtime()?.block_on(async { tokio::time::timeout(CONNECT_TIMEOUT, self.dial()).await });
        let stream = dialled.map_err(|_| refused("no answer in time".to_owned()))?.map_err(refused)?;
        prepare(&stream, self.write_timeout).map_err(Failure::io("setting up a connection"))?;
        Ok(stream)
    }

    async fn dial(&self) -> Result<TcpStream, String> {
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        let nonce = uuid::Uuid::new_v4().into_bytes();
        let hello = Hello { cluster_name: None, cluster_uuid: None, role: Role::Client, nonce };
        dial(&mut stream, &hello, self.secret.as_ref()).await.map_err(|error| error.to_string())?;
        blocking(stream).map_err(|error| error.to_string())
    }

    /// The name of the partition key of `table`.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when there is no such table or its keys are not plain texts.
    pub fn key_attribute(&self, table: &str) -> Result<String, Failure> {
        let usage = |reason: String| Failure::Usage { reason };
        let tables = runtime()?.block_on(self.tables())?;
        let schema = tables.into_iter().find(|schema| schema.name.to_string() == table);
        let schema = schema.ok_or_else(|| usage(format!("there is no table `{table}`")))?;
        if schema.sort_key.is_some() || schema.partition_key.kind != KeyKind::S {
            return Err(usage(format!("the keys of `{table}` are not texts alone; choose another --table")));
        }
        Ok(schema.partition_key.name)
    }

    /// Who owns what, as the node says.
    ///
    /// # Errors
    ///
    /// [`Failure::NoConnection`] when it does not say.
    pub fn learn(&self) -> Result<RouteMap, Failure> {
        let lesson = runtime()?.block_on(learn(&self.address, &self.options()));
        Ok(lesson.map_err(|error| Failure::NoConnection { reason: error.to_string() })?.map)
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions { secret: self.secret.clone(), timeout: CONNECT_TIMEOUT, ..ConnectOptions::default() }
    }

    async fn tables(&self) -> Result<Vec<TableSchema>, Failure> {
        let lost = |reason: String| Failure::NoConnection { reason };
        let client = Client::connect(&self.address, self.options()).await.map_err(|error| lost(error.to_string()))?;
        client.request(&ListTables).await.map_err(|error| lost(format!("{}: {error}", self.address)))
    }
}

/// The secret in a file.
///
/// # Errors
///
/// [`Failure::Usage`] when the file holds none.
pub fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let unusable = |error| Failure::Usage { reason: format!("--secret-file {}: {error}", path.display()) };
    let secret = slipring::config::Secret::read(path).map_err(unusable)?;
    Ok(Secret::new(secret.as_bytes().to_vec()))
}

/// A runtime for a few connections' first words.
///
/// # Errors
///
/// When the system has no resources for one.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::io("starting a runtime"))
}

/// Leaves tokio: reads and writes block from now on.
///
/// # Errors
///
/// When the system refuses.
pub fn blocking(stream: tokio::net::TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}
