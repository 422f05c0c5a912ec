//! What all parts of a node share, and the cluster as a node sees it first.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Recipient;

use super::bridge_listener::ConnectedPeers;
use super::founding::LocalIdentity;
use super::load_monitor::CpuClock;
use super::log_on_disk::stored_metadata;
use super::node::WallClock;
use crate::config::Config;
use crate::dynamo::hint::HintBounds;
use crate::dynamo::quorum::{Quorum, QuorumError};
use crate::dynamo::ring::RingError;
use crate::dynamo::swim::DetectionSpeed;
use crate::dynamo::version::ReplicaId;
use crate::messages::cluster::{FoundedCluster, LeftCluster, View};
use crate::messages::storage::StorageFailed;
use crate::metrics::Metrics;
use crate::storage::{CommitterSource, ReadError, Storage};
use crate::wire::handshake::Secret;

/// What all parts of a node share. Cheap to clone, and may cross threads.
#[derive(Clone)]
pub struct Blueprint {
    /// The configuration.
    pub config: Arc<Config>,
    /// How many workers there are.
    pub workers: usize,
    /// Who this node is.
    pub local: LocalIdentity,
    /// The data directory in this life.
    pub replica: ReplicaId,
    /// The cluster.
    pub founded: FoundedCluster,
    /// The cluster's secret.
    pub secret: Option<Secret>,
    /// For reads.
    pub storage: Arc<dyn Storage>,
    /// For writes.
    pub commit: Arc<dyn CommitterSource>,
    /// The wall clock.
    pub wall: WallClock,
    /// What the process costs.
    pub cpu: CpuClock,
    /// Where everybody counts.
    pub metrics: Metrics,
    /// Told when the storage has failed.
    pub storage_failed: Recipient<StorageFailed>,
    /// Told when this node belongs to the cluster no more.
    pub left: Recipient<LeftCluster>,
    /// The open bridge connections of the process.
    pub connections: Arc<AtomicUsize>,
    /// The peers among them.
    pub connected: ConnectedPeers,
}

/// Why no view can be made of a founded cluster.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The ring's parts contradict each other.
    #[error("the cluster's ring is damaged: {0}")]
    Ring(#[from] RingError),
    /// N, R and W contradict each other.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// How many copies there are is a matter of the whole cluster.
    #[error(
        "the cluster keeps {found} copies of each item, replication.n = {configured}: the number is fixed once the cluster is founded"
    )]
    OtherReplicas {
        /// In the cluster.
        found: usize,
        /// In the configuration.
        configured: usize,
    },
    /// It was a member once.
    #[error(
        "this node has left the cluster `{cluster}`: to have it joined again, start it with an empty node.data_dir and cluster.seeds"
    )]
    Left {
        /// The cluster's name.
        cluster: String,
    },
    /// What is known of the cluster cannot be read.
    #[error("the storage cannot be read: {0}")]
    Storage(#[from] ReadError),
}

impl Blueprint {
    /// The first view: nobody but this node can be reached.
    pub fn first_view(&self) -> Result<View, ViewError> {
        let replication = &self.config.replication;
        let number = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let local = self.local.member.member.id.clone();
        let quorum = Quorum::new(number(replication.n), number(replication.r), number(replication.w))?;
        let begins_with = self.founded.metadata(quorum)?;
        let metadata = stored_metadata(self.storage.as_ref())?.filter(|stored| stored.epoch() > begins_with.epoch());
        let metadata = metadata.unwrap_or(begins_with);
        if !metadata.members().contains_key(&local) {
            return Err(ViewError::Left { cluster: self.founded.identity.name.clone() });
        }
        let (found, configured) = (metadata.topology().ring().n(), replication.n);
        if found != configured {
            return Err(ViewError::OtherReplicas { found, configured });
        }
        Ok(View {
            members: Arc::new(metadata.addresses()),
            topology: Arc::clone(metadata.topology()),
            quorum,
            sloppy: replication.sloppy,
            reachable: [local.clone()].into(),
            local,
            tables: Arc::new(metadata.tables().to_vec()),
        })
    }

    pub(super) fn hint_bounds(&self) -> HintBounds {
        let max_age_ms = self.config.hinted_handoff.max_age_s.saturating_mul(1000);
        HintBounds { max_bytes: self.config.limits.hints_max_bytes, max_age_ms }
    }

    pub(super) fn detection_speed(&self) -> DetectionSpeed {
        let detection = &self.config.failure_detection;
        DetectionSpeed {
            probe_interval: Duration::from_millis(detection.probe_interval_ms),
            probe_timeout: Duration::from_millis(detection.probe_timeout_ms),
            suspicion: Duration::from_millis(detection.suspicion_ms),
        }
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.config.limits.request_timeout_ms)
    }
}

/// A registry of connected peers with nobody in it.
pub fn nobody_connected() -> ConnectedPeers {
    Arc::new(Mutex::new(BTreeMap::new()))
}
