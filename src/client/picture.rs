//! What a router knows at the moment: the map, the connections, the budget for retries. Its tasks change it, its requests look at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{debug, info};
use uuid::Uuid;

use super::attempts::{Attempts, Verdict};
use super::connection::{Client, ConnectOptions};
use super::learn::Lesson;
use super::member_link::{MemberLink, keep_connected};
use super::route_map::RouteMap;
use super::router::{RouterCounts, RouterOptions};
use crate::dynamo::hedge_budget::HedgeBudget;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::PartitionId;

/// What all clones of a router and its tasks share.
pub(super) struct Shared {
    /// How it was asked to behave.
    pub options: RouterOptions,
    seeds: Vec<String>,
    cluster_uuid: Option<Uuid>,
    picture: Mutex<Picture>,
    /// There is a reason to learn again.
    pub reasons: Arc<Notify>,
    /// A link has been tried.
    tried: Notify,
    learner: OnceLock<AbortHandle>,
}

struct Picture {
    map: Arc<RouteMap>,
    /// One for each member of the map.
    links: BTreeMap<NodeId, MemberLink>,
    retries: HedgeBudget,
    counts: RouterCounts,
    rng: StdRng,
}

impl Shared {
    /// The picture of what the first seed has told, with a link to each member.
    pub fn new(options: RouterOptions, seeds: Vec<String>, lesson: Lesson) -> Arc<Self> {
        let picture = Picture {
            map: Arc::new(lesson.map),
            links: BTreeMap::new(),
            retries: HedgeBudget::new(options.retry_share, options.retries_saved),
            counts: RouterCounts { maps: 1, ..RouterCounts::default() },
            rng: StdRng::seed_from_u64(options.seed),
        };
        let shared = Arc::new(Self {
            options,
            seeds,
            cluster_uuid: lesson.cluster_uuid,
            picture: Mutex::new(picture),
            reasons: Arc::default(),
            tried: Notify::new(),
            learner: OnceLock::new(),
        });
        shared.link_members(&mut shared.lock());
        shared
    }

    /// The task that learns ends with the router.
    pub fn owns_learner(&self, learner: AbortHandle) {
        let _ = self.learner.set(learner);
    }

    /// How members are connected to: as members of this cluster and no other.
    pub fn connect_options(&self) -> ConnectOptions {
        ConnectOptions { cluster_uuid: self.cluster_uuid, ..self.options.connect_options() }
    }

    /// Returns once each member has been tried.
    pub async fn settled(&self) {
        loop {
            let mut tried = std::pin::pin!(self.tried.notified());
            tried.as_mut().enable();
            if self.lock().links.values().all(MemberLink::is_settled) {
                return;
            }
            tried.await;
        }
    }

    /// A member has been dialled.
    pub fn dialled(&self, node: &NodeId, address: &str, outcome: Result<Client, String>) {
        let mut picture = self.lock();
        match &outcome {
            Ok(client) => {
                debug!(%node, address, "the router is connected");
                let founded = client.welcome().founded.iter().flat_map(|founded| &founded.members);
                let mut known = founded.map(|known| (&known.member.id, &known.address));
                if known.any(|(member, at)| picture.map.addresses().get(member) != Some(at)) {
                    self.reasons.notify_one();
                }
            }
            Err(failure) => debug!(%node, failure, "the router is not connected"),
        }
        picture.set(node, address, outcome);
        drop(picture);
        self.tried.notify_waiters();
    }

    /// The connection to a member is gone.
    pub fn lost(&self, node: &NodeId, address: &str) {
        info!(%node, address, "the router has lost a connection");
        self.lock().set(node, address, Err("the connection was lost".to_owned()));
        self.reasons.notify_one();
    }

    /// How long to wait for the next lesson when there is no other reason: not as long as all the other routers do.
    pub fn until_next_lesson(&self) -> Duration {
        self.options.learn_interval.mul_f64(self.lock().rng.random_range(0.75..1.25))
    }

    /// Where to ask who stores what, one after the other, and how.
    pub fn whom_to_ask(&self) -> (Vec<String>, ConnectOptions) {
        let mut picture = self.lock();
        let Picture { links, rng, .. } = &mut *picture;
        let mut members: Vec<&MemberLink> = links.values().collect();
        members.shuffle(rng);
        members.sort_by_key(|link| link.connection().is_none());
        let mut addresses: Vec<String> = members.iter().map(|link| link.address.clone()).collect();
        let others = self.seeds.iter().filter(|seed| !addresses.contains(seed)).cloned().collect::<Vec<_>>();
        addresses.extend(others);
        (addresses, self.connect_options())
    }

    /// Takes a map in place of the one there is; `false`: it is older.
    pub fn adopt(self: &Arc<Self>, map: RouteMap) -> bool {
        let mut picture = self.lock();
        if !map.supersedes(&picture.map) {
            debug!(epoch = map.epoch(), newer = picture.map.epoch(), "a node knows an older ring");
            return false;
        }
        if *picture.map != map {
            info!(epoch = map.epoch(), members = map.addresses().len(), "the router has learned the ring");
            picture.map = Arc::new(map);
            picture.counts.maps += 1;
            self.link_members(&mut picture);
        }
        true
    }

    /// One link for each member of the map, and no others. Requests under way on a link that goes are answered all the same.
    fn link_members(self: &Arc<Self>, picture: &mut Picture) {
        let Picture { map, links, rng, .. } = picture;
        links.retain(|node, link| map.addresses().get(node) == Some(&link.address));
        for (node, address) in map.addresses() {
            links.entry(node.clone()).or_insert_with(|| {
                let rng = StdRng::seed_from_u64(rng.random());
                let keeping = keep_connected(Arc::downgrade(self), node.clone(), address.clone(), rng);
                MemberLink::new(address.clone(), tokio::spawn(keeping).abort_handle())
            });
        }
    }

    /// A request has begun: the map to go by.
    pub fn begin(&self) -> Arc<RouteMap> {
        let mut picture = self.lock();
        picture.counts.requests += 1;
        picture.retries.earn(1);
        Arc::clone(&picture.map)
    }

    /// The next member to send a request to.
    pub fn next(
        &self,
        map: &RouteMap,
        partition: Option<PartitionId>,
        attempts: &mut Attempts,
    ) -> Option<(NodeId, Client)> {
        let mut picture = self.lock();
        // Whoever is asked for a key that has no place will say what is wrong with it.
        let start = partition.unwrap_or_else(|| PartitionId(picture.rng.random()));
        let connection = |node: &NodeId| picture.links.get(node)?.connection().cloned();
        let (at, node, client) = attempts.next(map.walk(start), connection)?;
        picture.counts.to_owner += u64::from(at == 0 && partition.is_some());
        Some((node.clone(), client))
    }

    /// The connection was lost under a request.
    pub fn verdict(&self, attempts: &Attempts) -> Verdict {
        let mut picture = self.lock();
        let verdict = attempts.lost(&mut picture.retries);
        match verdict {
            Verdict::GoOn => picture.counts.retries += 1,
            Verdict::BudgetSpent => picture.counts.retries_withheld += 1,
            Verdict::MayBeApplied => {}
        }
        verdict
    }

    /// A node reached nobody, and nothing was done: whether another one may be asked. Retries are a bounded share of the requests, whatever they are for.
    pub fn may_go_elsewhere(&self) -> bool {
        let mut picture = self.lock();
        let granted = picture.retries.spend(1);
        let counter = if granted { &mut picture.counts.retries } else { &mut picture.counts.retries_withheld };
        *counter += 1;
        granted
    }

    /// How many members there are, and why one of them has no connection.
    pub fn why_nobody(&self) -> (usize, Option<String>) {
        let picture = self.lock();
        let failure = picture.links.values().find_map(MemberLink::failure);
        (picture.links.len(), failure.map(str::to_owned))
    }

    /// The map as it is.
    pub fn map(&self) -> Arc<RouteMap> {
        Arc::clone(&self.lock().map)
    }

    /// What has been counted.
    pub fn counts(&self) -> RouterCounts {
        self.lock().counts
    }

    /// The members that have a connection.
    pub fn connections(&self) -> Vec<(NodeId, Client)> {
        let picture = self.lock();
        let open = |(node, link): (&NodeId, &MemberLink)| Some((node.clone(), link.connection()?.clone()));
        picture.links.iter().filter_map(open).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Picture {
    /// Notes what became of a link, unless the member has another address by now, or is none.
    fn set(&mut self, node: &NodeId, address: &str, outcome: Result<Client, String>) {
        if let Some(link) = self.links.get_mut(node).filter(|link| link.address == address) {
            link.set(outcome);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(learner) = self.learner.get() {
            learner.abort();
        }
    }
}
