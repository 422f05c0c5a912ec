//! How a node comes to belong to a cluster, once in the life of its data directory.
//!
//! ```text
//!  CLUSTER file there?  ── yes ──▶ that is the cluster; the configuration must agree with it
//!          │ no
//!  seeds? ── yes ──▶ ask them until one belongs to a cluster that counts me as a member: an operator joins me to it
//!          │ no
//!  founders besides me? ── no ──▶ found a cluster of one
//!          │ yes
//!  ask them all: does one belong to a cluster that counts me as a member? ── yes ──▶ join it
//!          │ no, and all have answered
//!  is mine the least address? ── yes ──▶ found the cluster        otherwise ──▶ ask again
//! ```
//!
//! A node with seeds never founds anything.
//!
//! A founder waits until it has met all the others and none of them has a cluster, so a founder that lost its disk joins its old
//! cluster instead of founding a second one. The decision is `decide`; the rest carries it out.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use crate::dynamo::claim::{ClaimError, claim};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::Member;
use crate::messages::cluster::{ClusterIdentity, FoundedCluster, MemberAddress};
use crate::metadata::Metadata;
use crate::wire::handshake::{HandshakeError, Hello, Refusal, Role, Secret, Welcome, dial};
use crate::wire::transport::Connector;

/// The wait between two rounds of questions.
const ROUND_INTERVAL: Duration = Duration::from_millis(200);

/// A seed that has not answered within this time counts as absent in this round.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node cannot belong to the cluster of its configuration. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoundingError {
    /// The data directory belongs to a cluster with another name.
    #[error(
        "the data directory belongs to the cluster `{found}`, cluster.name = `{configured}`: use another node.data_dir, or correct the name"
    )]
    OtherName {
        /// In the data directory.
        found: String,
        /// In the configuration.
        configured: String,
    },
    /// This node is known under another name or address.
    #[error(
        "the cluster knows no member `{name}` at {address}: node.name and bridge.advertise are fixed once a node belongs to a cluster"
    )]
    NotAMember {
        /// The configured name.
        name: String,
        /// The configured address.
        address: String,
    },
    /// Q is fixed.
    #[error(
        "the ring has {found} partitions, ring.partitions = {configured}: the number is fixed once the cluster is founded"
    )]
    OtherPartitions {
        /// In the data directory.
        found: u32,
        /// In the configuration.
        configured: u32,
    },
    /// Two seeds go by one name.
    #[error("two members go by the name `{name}`: every node.name must be its own")]
    SameName {
        /// The name.
        name: String,
    },
    /// No ring can be made of these members.
    #[error(transparent)]
    Claim(#[from] ClaimError),
}

/// Who this node is, before and after it belongs to a cluster.
#[derive(Clone, Debug)]
pub struct LocalIdentity {
    /// Name, zone, weight and address.
    pub member: MemberAddress,
    /// The data directory's id.
    pub directory: u64,
    /// The configured name of the cluster.
    pub cluster_name: String,
    /// The bridge addresses of members of the cluster to be joined to; empty: this node founds one.
    pub seeds: Vec<String>,
    /// The bridge addresses of all founders; empty: this node alone.
    pub founders: Vec<String>,
    /// Q, for a cluster that is founded.
    pub partitions: u32,
    /// N, for a cluster that is founded.
    pub n: usize,
}

/// A member that takes part in the founding, and its data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Met {
    known: MemberAddress,
    directory: u64,
}

/// What the answers of a round lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Join(FoundedCluster),
    Found(Vec<Met>),
    Wait(String),
}

/// Checks that the data directory's cluster is the one that is configured.
pub fn check_founded(local: &LocalIdentity, founded: &FoundedCluster) -> Result<(), FoundingError> {
    if founded.identity.name != local.cluster_name {
        let (found, configured) = (founded.identity.name.clone(), local.cluster_name.clone());
        return Err(FoundingError::OtherName { found, configured });
    }
    if !knows(&founded.present(), &local.member) {
        let (name, address) = (local.member.member.id.to_string(), local.member.address.clone());
        return Err(FoundingError::NotAMember { name, address });
    }
    if founded.partitions != local.partitions {
        let (found, configured) = (founded.partitions, local.partitions);
        return Err(FoundingError::OtherPartitions { found, configured });
    }
    Ok(())
}

/// Whether one of these members has this name and this address.
pub fn knows(members: &[MemberAddress], member: &MemberAddress) -> bool {
    members.iter().any(|known| known.member.id == member.member.id && known.address == member.address)
}

fn decide(
    local: &LocalIdentity,
    answers: &BTreeMap<String, Result<Welcome, String>>,
) -> Result<Decision, FoundingError> {
    let welcomes: Vec<&Welcome> = answers.values().filter_map(|answer| answer.as_ref().ok()).collect();
    if let Some(founded) = welcomes.iter().filter_map(|welcome| welcome.founded.as_ref()).next() {
        check_founded(local, founded)?;
        return Ok(Decision::Join(founded.clone()));
    }
    if !local.seeds.is_empty() {
        let address = &local.member.address;
        return Ok(Decision::Wait(format!(
            "waiting to be joined: `cluster join {address}` at a member does it{}",
            said_by(answers)
        )));
    }
    let missing: Vec<String> = answers
        .iter()
        .filter_map(|(address, answer)| answer.as_ref().err().map(|why| format!("{address} ({why})")))
        .collect();
    if !missing.is_empty() {
        return Ok(Decision::Wait(format!("waiting for {}", missing.join(", "))));
    }
    let others = welcomes.iter().map(|welcome| Met { known: welcome.member.clone(), directory: welcome.directory });
    let own = Met { known: local.member.clone(), directory: local.directory };
    let mut members: Vec<Met> = others.chain([own]).collect();
    let name = |met: &Met| met.known.member.id.clone();
    members.sort_by_key(name);
    if let Some(pair) = members.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
        return Err(FoundingError::SameName { name: name(&pair[0]).to_string() });
    }
    match members.iter().map(|met| &met.known.address).min() {
        Some(least) if *least != local.member.address => Ok(Decision::Wait(format!("waiting for {least} to found it"))),
        _ => Ok(Decision::Found(members)),
    }
}

/// What the seeds say, where none lets this node in: that it is no member is what it waits to change.
fn said_by(answers: &BTreeMap<String, Result<Welcome, String>>) -> String {
    let said =
        |(seed, answer): (&String, &Result<Welcome, String>)| answer.as_ref().err().map(|why| format!("{seed}: {why}"));
    format!(" ({})", answers.iter().filter_map(said).collect::<Vec<_>>().join("; "))
}

/// Makes a cluster of these members.
fn found(local: &LocalIdentity, members: Vec<Met>, rng: &mut StdRng) -> Result<FoundedCluster, FoundingError> {
    let log_ids = members.iter().map(|met| (met.known.member.id.clone(), met.directory)).collect();
    let members: Vec<MemberAddress> = members.into_iter().map(|met| met.known).collect();
    let plain: Vec<Member> = members.iter().map(|known| known.member.clone()).collect();
    let ring = claim(None, &plain, local.partitions, local.n)?;
    let place = |id: &NodeId| members.iter().position(|known| known.member.id == *id).unwrap_or_default();
    let owners =
        ring.partition_ids().map(|partition| u16::try_from(place(ring.owner(partition))).unwrap_or(0)).collect();
    let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
    let identity = ClusterIdentity { uuid, name: local.cluster_name.clone() };
    info!(cluster = identity.name, %uuid, members = members.len(), "this node founds the cluster");
    Ok(FoundedCluster { identity, members, partitions: local.partitions, owners, log_ids, joined: None })
}

/// Asks until there is a cluster to belong to. `waiting` hears what it waits for.
pub async fn found_or_join(
    local: &LocalIdentity,
    connector: Rc<dyn Connector>,
    secret: Option<&Secret>,
    mut rng: StdRng,
    mut waiting: impl FnMut(&str),
) -> Result<FoundedCluster, FoundingError> {
    let mut said = String::new();
    loop {
        let mut answers = BTreeMap::new();
        let others = if local.seeds.is_empty() { &local.founders } else { &local.seeds };
        for seed in others.iter().filter(|seed| **seed != local.member.address) {
            let nonce = rng.random();
            let answer = timeout(ANSWER_TIMEOUT, ask_node(local, seed, connector.as_ref(), secret, nonce)).await;
            let answer = answer.map_err(|_| "no answer".to_owned());
            answers.insert(seed.clone(), answer.and_then(|answer| answer.map_err(|error| error.to_string())));
        }
        match decide(local, &answers)? {
            Decision::Join(founded) => {
                info!(cluster = founded.identity.name, uuid = %founded.identity.uuid, "this node joins the cluster");
                return Ok(founded);
            }
            Decision::Found(members) => return found(local, members, &mut rng),
            Decision::Wait(why) => {
                if why != said {
                    warn!("this node belongs to no cluster yet: {why}");
                    said.clone_from(&why);
                }
                waiting(&why);
            }
        }
        sleep(ROUND_INTERVAL).await;
    }
}

/// Asks the node at this address who it is and which cluster it belongs to.
pub(super) async fn ask_node(
    local: &LocalIdentity,
    address: &str,
    connector: &dyn Connector,
    secret: Option<&Secret>,
    nonce: [u8; 16],
) -> Result<Welcome, HandshakeError> {
    let role = Role::Peer { member: local.member.clone(), directory: local.directory };
    let hello = Hello { cluster_name: Some(local.cluster_name.clone()), cluster_uuid: None, role, nonce };
    let mut stream = connector.connect(address).await?;
    dial(stream.as_mut(), &hello, secret).await
}

/// The cluster that a node belongs to, and who belongs to it now.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a> {
    /// As it was founded.
    pub founded: &'a FoundedCluster,
    /// The members now.
    pub members: &'a [MemberAddress],
    /// Whom the node reaches, itself included.
    pub reachable: &'a BTreeSet<NodeId>,
    /// All that is agreed on, for a node that is about to belong to it.
    pub metadata: Option<&'a Metadata>,
}

impl Membership<'_> {
    /// Whether it was agreed on that the node of this name belongs to the cluster with this very disk.
    fn has_enrolled(&self, node: &NodeId, directory: u64) -> bool {
        let at_the_beginning = || self.founded.log_ids.get(node).copied();
        let log_id = match self.metadata {
            Some(metadata) => metadata.members().get(node).map(|member| member.log_id),
            None => at_the_beginning(),
        };
        log_id == Some(directory)
    }
}

/// Decides on a dialler's `Hello`. `membership`: none while the cluster is being founded. `connected` are the data directories of the peers that are connected now.
pub fn admit(
    local: &LocalIdentity,
    membership: Option<Membership<'_>>,
    connected: &BTreeMap<NodeId, u64>,
    hello: &Hello,
    nonce: [u8; 16],
) -> Result<Welcome, Refusal> {
    let founded = membership.map(|membership| membership.founded);
    check_cluster(local, founded.map(|founded| founded.identity.uuid), hello)?;
    match &hello.role {
        Role::Client | Role::Admin if founded.is_none() => {
            let waits = if local.seeds.is_empty() { "not all founders have met yet" } else { "it waits to be joined" };
            return Err(Refusal::Founding { waiting_for: waits.to_owned() });
        }
        Role::Client | Role::Admin => {}
        Role::Peer { member, directory } => check_peer(local, membership, connected, member, *directory)?,
    }
    let is_looking = matches!(hello.role, Role::Peer { .. }) && hello.cluster_uuid.is_none();
    if let (Some(membership), Role::Peer { member, directory }) = (membership, &hello.role)
        && is_looking
        && !membership.has_enrolled(&member.member.id, *directory)
    {
        check_knows_enough(membership, &member.member.id)?;
    }
    let founded = membership.map(|membership| FoundedCluster {
        members: membership.members.to_vec(),
        joined: membership.metadata.filter(|_| is_looking).cloned().map(Box::new),
        ..membership.founded.clone()
    });
    let member = local.member.clone();
    Ok(Welcome { member, directory: local.directory, founded, nonce, proof: None })
}

fn check_cluster(local: &LocalIdentity, uuid: Option<Uuid>, hello: &Hello) -> Result<(), Refusal> {
    if let Some(theirs) = &hello.cluster_name
        && *theirs != local.cluster_name
    {
        return Err(Refusal::OtherName { ours: local.cluster_name.clone(), theirs: theirs.clone() });
    }
    match (uuid, hello.cluster_uuid) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(Refusal::OtherCluster { ours, theirs }),
        _ => Ok(()),
    }
}

/// Whoever looks for his cluster believes what he is told, and a node that has left, or is cut off, does not know that it knows an old one. Where the
/// looker has another disk than the one that was agreed on under his name, only a member that reaches most tells: of what it knows there is no other half.
fn check_knows_enough(Membership { members, reachable, .. }: Membership<'_>, looking: &NodeId) -> Result<(), Refusal> {
    let is_there = |known: &&MemberAddress| known.member.id == *looking || reachable.contains(&known.member.id);
    let there = members.iter().filter(is_there).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if 2 * there > members.len() {
        return Ok(());
    }
    Err(Refusal::Isolated { reachable: count(there), members: count(members.len()) })
}

fn check_peer(
    local: &LocalIdentity,
    membership: Option<Membership<'_>>,
    connected: &BTreeMap<NodeId, u64>,
    member: &MemberAddress,
    directory: u64,
) -> Result<(), Refusal> {
    let node = member.member.id.clone();
    let is_member = match membership {
        Some(Membership { members, .. }) => knows(members, member),
        // Whoever knows the cluster's name and secret may ask a node that waits who it is.
        None => !local.seeds.is_empty() || local.founders.contains(&member.address),
    };
    if !is_member {
        return Err(Refusal::NotAMember { node, address: member.address.clone() });
    }
    if node == local.member.member.id || connected.get(&node).is_some_and(|known| *known != directory) {
        return Err(Refusal::NameTaken { node });
    }
    Ok(())
}

#[cfg(test)]
#[path = "founding_tests.rs"]
mod tests;
