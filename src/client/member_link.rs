//! A router's connection to one member, kept for as long as it is one.
//!
//! ```text
//!   dial ──▶ open: requests go, pings ask ──▶ lost, or silent ──▶ pause (doubling, jittered) ──▶ dial ...
//! ```
//!
//! A process that dies closes its connections; one that hangs, or a cable that is cut, does not. Two pings in a row without an answer count
//! as lost, so that what waits for such a node learns within three seconds that it waits in vain. One is not enough: it may be this process
//! that stood still.

use std::sync::Weak;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::connection::{Client, ConnectOptions};
use super::picture::Shared;
use crate::dynamo::node_id::NodeId;

/// The wait between two pings.
const PING_INTERVAL: Duration = Duration::from_millis(500);

/// A ping without an answer in this time has failed.
const PING_PATIENCE: Duration = Duration::from_secs(1);

/// So many failed pings in a row are a lost connection.
const PINGS_FAILED_MAX: u32 = 2;

/// The connection to a member, or why there is none. The task that keeps it ends with this.
pub(super) struct MemberLink {
    /// Where the member listens.
    pub address: String,
    open: Option<Client>,
    failure: Option<String>,
    task: AbortHandle,
}

impl MemberLink {
    /// A link that `task` keeps; it has not been tried yet.
    pub fn new(address: String, task: AbortHandle) -> Self {
        Self { address, open: None, failure: None, task }
    }

    /// The connection, while requests can be sent on it.
    pub fn connection(&self) -> Option<&Client> {
        self.open.as_ref().filter(|open| !open.is_closed())
    }

    /// Why there was no connection when it was last tried.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether it has been tried at least once.
    pub fn is_settled(&self) -> bool {
        self.open.is_some() || self.failure.is_some()
    }

    /// There is a connection, or there is none.
    pub fn set(&mut self, outcome: Result<Client, String>) {
        (self.open, self.failure) = match outcome {
            Ok(client) => (Some(client), None),
            Err(failure) => (None, Some(failure)),
        };
    }
}

impl Drop for MemberLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects to `node` at `address`, again and again, until there is no router that wants it.
pub(super) async fn keep_connected(router: Weak<Shared>, node: NodeId, address: String, mut rng: StdRng) {
    let mut backoff = Backoff::default();
    loop {
        let Some(options) = router.upgrade().map(|router| router.connect_options()) else { return };
        let dialled = dial(&node, &address, options).await;
        let Some(shared) = router.upgrade() else { return };
        shared.dialled(&node, &address, dialled.clone());
        drop(shared);
        if let Ok(client) = dialled {
            backoff.succeeded();
            watch(&client).await;
            let Some(shared) = router.upgrade() else { return };
            shared.lost(&node, &address);
        }
        sleep(backoff.failed(&mut rng)).await;
    }
}

async fn dial(node: &NodeId, address: &str, options: ConnectOptions) -> Result<Client, String> {
    let client = Client::connect(address, options).await.map_err(|error| error.to_string())?;
    let answers = &client.welcome().member.member.id;
    // The address may have been given to another member since.
    if answers == node { Ok(client) } else { Err(format!("{address}: {answers} answers, not {node}")) }
}

/// Returns when the connection is lost; one that has fallen silent is given up.
async fn watch(client: &Client) {
    tokio::select! {
        biased;
        () = client.closed() => {}
        () = silence(client) => client.abandon(),
    }
}

async fn silence(client: &Client) {
    let mut failed = 0;
    while failed < PINGS_FAILED_MAX {
        sleep(PING_INTERVAL).await;
        failed = if client.ping(PING_PATIENCE).await { 0 } else { failed + 1 };
    }
}
