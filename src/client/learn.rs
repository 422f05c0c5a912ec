//! Asking nodes who stores what: once at the start, and from then on as often as there is a reason to.
//!
//! ```text
//!   reasons   the interval · a connection was lost · a node that says hello names a member whom the map does not have · an unknown table
//!   asked     members that are connected, in random order, then the others, then the seeds, until one knows a map that is not older
//! ```
//!
//! Which members there are is learned each time anew; the seeds only serve to find the first of them, and all of them again after a long absence.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::debug;
use uuid::Uuid;

use super::connection::{Client, ConnectOptions};
use super::errors::{LearnError, RouterError};
use super::picture::Shared;
use super::route_map::{Description, RouteMap};
use crate::messages::admin::{DescribeNodes, DescribeRing};
use crate::messages::client::ListTables;
use crate::wire::handshake::Role;

/// However many reasons there are, nodes are not asked more often than once in this time.
const LEARN_PAUSE: Duration = Duration::from_secs(1);

/// What one node has told.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Who stores what.
    pub map: RouteMap,
    /// The cluster's UUID.
    pub cluster_uuid: Option<Uuid>,
}

/// Asks the node at `address` ("host:port") who stores what, on a connection of its own: the questions are for the role `Admin`.
///
/// # Errors
///
/// [`LearnError`] when it cannot be reached or refuses, or while its answers do not go together because the ring changes.
pub async fn learn(address: &str, options: &ConnectOptions) -> Result<Lesson, LearnError> {
    let client = Client::connect(address, ConnectOptions { role: Role::Admin, ..options.clone() }).await?;
    let no_answer = |source| LearnError::NoAnswer { address: address.to_owned(), source };
    let asked = (client.request(&DescribeNodes), client.request(&DescribeRing), client.request(&ListTables));
    let (nodes, ring, tables) = tokio::try_join!(asked.0, asked.1, asked.2).map_err(no_answer)?;
    let no_map = |source| LearnError::NoMap { address: address.to_owned(), source };
    let map = RouteMap::of(Description { nodes, ring, tables }).map_err(no_map)?;
    Ok(Lesson { map, cluster_uuid: client.welcome().founded.as_ref().map(|founded| founded.identity.uuid) })
}

/// What the first seed that answers tells.
pub(super) async fn learn_first(seeds: &[String], options: &ConnectOptions) -> Result<Lesson, RouterError> {
    if seeds.is_empty() {
        return Err(RouterError::NoSeeds);
    }
    let mut errors = Vec::new();
    for seed in seeds {
        match learn(seed, options).await {
            Ok(lesson) => return Ok(lesson),
            Err(error) => errors.push(error),
        }
    }
    Err(RouterError::NoSeedAnswers { errors })
}

/// Learns again at each interval, and when `reasons` says so, for as long as there is a router.
pub(super) async fn keep_learning(router: Weak<Shared>, reasons: Arc<Notify>) {
    loop {
        let Some(interval) = router.upgrade().map(|router| router.until_next_lesson()) else { return };
        tokio::select! {
            biased;
            () = reasons.notified() => {}
            () = sleep(interval) => {}
        }
        let Some((addresses, options)) = router.upgrade().map(|router| router.whom_to_ask()) else { return };
        for address in addresses {
            match learn(&address, &options).await {
                Ok(lesson) => {
                    let Some(router) = router.upgrade() else { return };
                    if router.adopt(lesson.map) {
                        break;
                    }
                }
                Err(error) => debug!(%error, "a node did not tell who stores what"),
            }
        }
        sleep(LEARN_PAUSE).await;
    }
}
