//! The connection to the cluster: opened when it is needed, again when it is lost, at the next address when one is silent.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::command::ConnectionArguments;
use super::failure::Failure;
use crate::client::{CallError, Client, ConnectError, ConnectOptions};
use crate::config::Secret;
use crate::wire::handshake::{self, Role};
use crate::wire::operation::BridgeRequest;

/// The bridge port of an address that names none.
const DEFAULT_PORT: u16 = 7400;

/// How much longer than the request's own time-out its answer is waited for: the way there and back.
const TRAVEL_TIME: Duration = Duration::from_millis(500);

/// A connection that renews itself. All requests share it.
pub struct Link {
    addresses: Vec<String>,
    connect_timeout: Duration,
    options: ConnectOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The address to try first, by its place in `addresses`.
    next: usize,
    open: Option<Client>,
}

impl Link {
    /// A link that is not open yet.
    ///
    /// # Errors
    ///
    /// [`Failure::Secret`] when the secret file cannot be used.
    pub fn new(arguments: &ConnectionArguments) -> Result<Self, Failure> {
        let mut options = ConnectOptions { role: Role::Admin, ..ConnectOptions::default() };
        let mut connect_timeout = options.timeout;
        if let Some(timeout_ms) = arguments.timeout_ms {
            connect_timeout = Duration::from_millis(timeout_ms.into());
            options.timeout = connect_timeout + TRAVEL_TIME;
        }
        if let Some(path) = &arguments.secret_file {
            let secret =
                Secret::read(path).map_err(|source| Failure::Secret { path: path.display().to_string(), source })?;
            options.secret = Some(handshake::Secret::new(secret.as_bytes().to_vec()));
        }
        let addresses = arguments.connect.iter().map(|address| with_port(address)).collect();
        Ok(Self { addresses, connect_timeout, options, state: Mutex::default() })
    }

    /// The open connection, or a new one to the first address that answers.
    ///
    /// # Errors
    ///
    /// [`Failure::Connect`] with what each address answered.
    pub async fn client(&self) -> Result<Client, Failure> {
        let mut state = self.state.lock().await;
        if let Some(open) = state.open.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        if state.open.take().is_some() {
            state.next += 1;
        }
        let mut errors = Vec::new();
        for turn in 0..self.addresses.len() {
            let at = (state.next + turn) % self.addresses.len();
            match self.connect(&self.addresses[at]).await {
                Ok(client) => {
                    state.next = at;
                    state.open = Some(client.clone());
                    return Ok(client);
                }
                Err(error) => errors.push(error),
            }
        }
        Err(Failure::Connect { errors })
    }

    async fn connect(&self, address: &str) -> Result<Client, ConnectError> {
        timeout(self.connect_timeout, Client::connect(address, self.options.clone())).await.unwrap_or_else(|_| {
            let timeout_ms = u64::try_from(self.connect_timeout.as_millis()).unwrap_or(u64::MAX);
            Err(ConnectError::TimedOut { address: address.to_owned(), timeout_ms })
        })
    }

    /// Goes on to the next address, unless somebody has done so already since `failed` was handed out. Requests under way
    /// on the old connection still get their answers.
    pub async fn leave(&self, failed: &Client) {
        let mut state = self.state.lock().await;
        let is_current = state.open.as_ref().is_some_and(|open| open.welcome().nonce == failed.welcome().nonce);
        if is_current && self.addresses.len() > 1 {
            state.open = None;
            state.next += 1;
        }
    }

    /// The address of the connection that is open, or was last.
    pub async fn address(&self) -> String {
        let state = self.state.lock().await;
        self.addresses.get(state.next % self.addresses.len().max(1)).cloned().unwrap_or_default()
    }

    /// Sends a request once.
    ///
    /// # Errors
    ///
    /// No connection, or what the request met.
    pub async fn send<M: BridgeRequest>(&self, message: &M) -> Result<M::Reply, Failure>
    where
        Failure: From<CallError<M::Error>>,
    {
        Ok(self.client().await?.request(message).await?)
    }

    /// Sends a request that changes nothing, and once more when the connection turns out to be lost.
    ///
    /// # Errors
    ///
    /// No connection, or what the request met.
    pub async fn ask<M: BridgeRequest>(&self, message: &M) -> Result<M::Reply, Failure>
    where
        Failure: From<CallError<M::Error>>,
    {
        match self.client().await?.request(message).await {
            Err(CallError::ConnectionLost) => self.send(message).await,
            answer => Ok(answer?),
        }
    }
}

fn with_port(address: &str) -> String {
    let address = address.trim();
    if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        address.to_owned()
    } else {
        format!("{address}:{DEFAULT_PORT}")
    }
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn an_address_without_a_port_gets_the_default_one() {
        assert_eq!(with_port("10.0.0.1"), "10.0.0.1:7400");
        assert_eq!(with_port(" db1:7401 "), "db1:7401");
        assert_eq!(with_port("[::1]:7402"), "[::1]:7402");
        assert_eq!(with_port("[::1]"), "[::1]:7400");
    }
}
