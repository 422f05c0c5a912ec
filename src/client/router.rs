//! Sends each request to a node that stores its key, and learns who that is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempts::{Attempts, Verdict};
use super::connection::{Client, ConnectOptions};
use super::errors::{CallError, RouteError, RouterError};
use super::learn::{keep_learning, learn_first};
use super::picture::Shared;
use super::route_map::RouteMap;
use super::routed::Routed;
use crate::dynamo::node_id::NodeId;
use crate::messages::client::{Delete, Get, GetError, GetReply, Put, PutError, PutReply};
use crate::wire::handshake::{Role, Secret};

/// How much longer than the node works on a request its answer is waited for: the way there and back. A node that gives up says what
/// became of a write, which is better than not to know.
const TRAVEL_TIME: Duration = Duration::from_millis(500);

/// How a router behaves.
#[derive(Clone, Debug)]
pub struct RouterOptions {
    /// The cluster's secret, where it has one.
    pub secret: Option<Secret>,
    /// The cluster's name; nodes of another one refuse. `None`: whichever cluster the seeds belong to.
    pub cluster_name: Option<String>,
    /// Bound of connecting to a node.
    pub connect_timeout: Duration,
    /// Bound of a request with all its attempts, where the message asks for no shorter one. The answer is waited for half a second longer.
    pub request_timeout: Duration,
    /// The wait between two lessons when nothing has happened, give or take a quarter.
    pub learn_interval: Duration,
    /// Retries for each request, in the long run.
    pub retry_share: f64,
    /// Retries that may be saved up: what a node that dies takes with it is asked again at once.
    pub retries_saved: f64,
    /// Bound of one frame, in bytes; the same as the nodes' `bridge.frame_max_bytes`.
    pub frame_max_bytes: usize,
    /// Where the random choices start (pauses, and whom to ask). The same for two clients, and they come back together.
    pub seed: u64,
}

impl Default for RouterOptions {
    fn default() -> Self {
        Self {
            secret: None,
            cluster_name: None,
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(10),
            learn_interval: Duration::from_secs(10),
            retry_share: 0.1,
            retries_saved: 100.0,
            frame_max_bytes: ConnectOptions::default().frame_max_bytes,
            seed: uuid::Uuid::new_v4().as_u64_pair().0,
        }
    }
}

impl RouterOptions {
    /// How to connect to nodes whose cluster is not known yet.
    pub(super) fn connect_options(&self) -> ConnectOptions {
        ConnectOptions {
            role: Role::Client,
            secret: self.secret.clone(),
            cluster_name: self.cluster_name.clone(),
            cluster_uuid: None,
            timeout: self.connect_timeout,
            frame_max_bytes: self.frame_max_bytes,
        }
    }
}

/// What a router has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterCounts {
    /// Requests begun.
    pub requests: u64,
    /// Times that one was sent to the owner of its key. The others went to the next node of the walk that was connected.
    pub to_owner: u64,
    /// Reads sent once more, because the connection was lost under them.
    pub retries: u64,
    /// Reads that would have been, had there been fewer of them.
    pub retries_withheld: u64,
    /// Maps that differed from the one before, the first included.
    pub maps: u64,
}

/// A client of a whole cluster. Clones share the connections, which end with the last of them.
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

impl Router {
    /// Learns the members and the ring from the first of `seeds` ("host:port") that answers, and connects to all members: each has been
    /// tried once when this returns. Needs a tokio runtime, on which its tasks run.
    ///
    /// # Errors
    ///
    /// [`RouterError`], with what each seed answered: unreachable, another cluster's name, the wrong secret.
    pub async fn connect<S: AsRef<str>>(seeds: &[S], options: RouterOptions) -> Result<Self, RouterError> {
        let seeds: Vec<String> = seeds.iter().map(|seed| seed.as_ref().to_owned()).collect();
        let lesson = learn_first(&seeds, &options.connect_options()).await?;
        let shared = Shared::new(options, seeds, lesson);
        let learning = keep_learning(Arc::downgrade(&shared), Arc::clone(&shared.reasons));
        shared.owns_learner(tokio::spawn(learning).abort_handle());
        shared.settled().await;
        Ok(Self { shared })
    }

    /// Writes an item.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; its [`outcome`](RouteError::outcome) says whether the write may have been applied.
    pub async fn put(&self, put: Put) -> Result<PutReply, RouteError<PutError>> {
        self.send(put).await
    }

    /// Deletes an item.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    pub async fn delete(&self, delete: Delete) -> Result<PutReply, RouteError<PutError>> {
        self.send(delete).await
    }

    /// Reads an item.
    ///
    /// # Errors
    ///
    /// [`RouteError`]; nothing was changed.
    pub async fn get(&self, get: Get) -> Result<GetReply, RouteError<GetError>> {
        self.send(get).await
    }

    /// Who stores what, as far as the router knows.
    pub fn map(&self) -> Arc<RouteMap> {
        self.shared.map()
    }

    /// What it has counted.
    pub fn counts(&self) -> RouterCounts {
        self.shared.counts()
    }

    /// The members that are connected, and their connections: for requests that belong to no single key.
    pub fn connections(&self) -> Vec<(NodeId, Client)> {
        self.shared.connections()
    }

    async fn send<M: Routed>(&self, mut message: M) -> Result<M::Reply, RouteError<M::Error>> {
        let shared = &self.shared;
        let deadline = Instant::now() + message.bound(shared.options.request_timeout);
        let map = shared.begin();
        let partition = message.partition(&map);
        if partition.is_none() {
            // Its table may be new.
            shared.reasons.notify_one();
        }
        let mut attempts = Attempts::new(M::EFFECT);
        let mut last = None;
        while let Some((node, client)) = shared.next(&map, partition, &mut attempts) {
            let left = deadline.saturating_duration_since(Instant::now());
            message.give_up_after(left);
            let failure = match client.request_within(&message, left + TRAVEL_TIME).await {
                Ok(reply) => return Ok(reply),
                Err(CallError::Refused(error)) => {
                    let ends = !M::reached_nobody(&error) || Instant::now() >= deadline || !shared.may_go_elsewhere();
                    last = Some(RouteError::Refused(error));
                    if ends {
                        break;
                    }
                    continue;
                }
                Err(CallError::NotSent { reason }) => return Err(RouteError::NotSent { reason }),
                Err(failure) => failure,
            };
            let reason = failure.to_string();
            last = Some(RouteError::Unanswered { node, reason });
            let is_over = !matches!(failure, CallError::ConnectionLost) || Instant::now() >= deadline;
            if is_over || shared.verdict(&attempts) != Verdict::GoOn {
                break;
            }
        }
        Err(last.unwrap_or_else(|| {
            let (members, last) = shared.why_nobody();
            RouteError::NobodyConnected { members, last }
        }))
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
