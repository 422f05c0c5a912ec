//! What all who work with a cluster from outside share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::history::History;
use super::network::Network;
use super::roster::Roster;
use super::trace::Trace;
use crate::client::{CallError, Client, ConnectOptions};
use crate::dynamo::ring::Ring;
use crate::wire::handshake::Role;
use crate::wire::operation::BridgeRequest;

/// An operator waits this long for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all clients share.
#[derive(Clone)]
pub struct Stage {
    /// The network.
    pub network: Network,
    /// The nodes' addresses.
    pub addresses: Vec<String>,
    /// Where keys lie.
    pub ring: Arc<Ring>,
    /// Who belongs to the cluster.
    pub roster: Roster,
    /// What is done and seen.
    pub history: Rc<RefCell<History>>,
    /// Where it is told.
    pub trace: Trace,
    /// Set when nobody shall join or leave any more.
    pub at_rest: Rc<Cell<bool>>,
    /// Set when it is time to leave.
    pub over: Rc<Cell<bool>>,
}

impl Stage {
    /// Asks a node as its administrator does. `None`: nothing was sent.
    pub(super) async fn ask<M: BridgeRequest>(
        &self,
        who: &str,
        node: usize,
        nonce: [u8; 16],
        request: &M,
    ) -> Option<Result<M::Reply, CallError<M::Error>>>
    where
        M::Error: std::error::Error + 'static,
    {
        let address = &self.addresses[node];
        let dial = async {
            let stream = self.network.connect(who, address).await.ok()?;
            let options = ConnectOptions { role: Role::Admin, timeout: PATIENCE, ..ConnectOptions::default() };
            Client::introduce(stream, address, options, nonce).await.ok()
        };
        let client = timeout(PATIENCE, dial).await.ok().flatten()?;
        Some(client.request(request).await)
    }

    /// Something must not happen, and did; it is not about a key.
    pub(super) fn report(&self, what: String) {
        self.trace.tell(None, what.clone());
        self.history.borrow_mut().report(None, None, what);
    }
}
