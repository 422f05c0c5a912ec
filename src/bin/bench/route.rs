//! Over which connection the requests for a key go.
//!
//! ```text
//!   not said   connections to the addresses of --connect in turn; any key over any of them
//!   first      connections to the first of them only
//!   random     connections to all members; any key over any of them: the node that is met stores the key or does not
//!   ring       connections to all members; over each go the keys that its node owns: nothing needs to be passed on
//! ```
//!
//! The members, and who owns what, are learned once before the load begins, as a `Router` learns them; what happens to the ring during a
//! measurement is not followed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;
use slipring::client::RouteMap;
use slipring::dynamo::node_id::NodeId;

use super::failure::Failure;
use super::keys::Keys;

/// How keys and connections go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Each key to the node that owns it.
    Ring,
    /// Each key to any node.
    Random,
    /// All keys to the first node.
    First,
}

/// A connection to be made, and the keys that go over it.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Where the node listens.
    pub address: String,
    /// What is read over it.
    pub keys: Arc<Keys>,
    /// What is written over it, and over no other.
    pub own: Range<usize>,
}

/// How the load was spread, for the report.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// The rule; `None`: as the addresses were given.
    pub route: Option<Route>,
    /// Nodes under load.
    pub nodes: usize,
    /// Connections to them.
    pub connections: usize,
}

impl Route {
    /// The lanes of `connections` to these nodes, whose keys are `keys` in number, and how they are spread.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when there are too few keys for `outstanding` requests on a lane, or a key has no owner.
    pub fn lanes(
        route: Option<Self>,
        addresses: &[String],
        map: Option<&RouteMap>,
        connections: usize,
        keys: usize,
        outstanding: usize,
    ) -> Result<(Vec<Lane>, Spread), Failure> {
        let addresses = match (route, map) {
            (Some(Self::First), _) => addresses.get(..1).unwrap_or_default().to_vec(),
            (Some(Self::Random | Self::Ring), Some(map)) => map.addresses().values().cloned().collect(),
            _ => addresses.to_vec(),
        };
        let lanes = match (route, map) {
            (Some(Self::Ring), Some(map)) => by_owner(map, connections, keys)?,
            _ => any_key(&addresses, connections, keys),
        };
        match lanes.iter().find(|lane| lane.own.len() < outstanding) {
            Some(Lane { address, own, .. }) => {
                let few = own.len();
                let reason = format!("{address} has {few} of the --keys, fewer than --outstanding: ask for more keys");
                Err(Failure::Usage { reason })
            }
            None => Ok((lanes, Spread { route, nodes: addresses.len().min(connections), connections })),
        }
    }
}

fn any_key(addresses: &[String], connections: usize, keys: usize) -> Vec<Lane> {
    let keys = Arc::new(Keys::new(keys));
    let lane = |(number, address): (usize, &String)| Lane {
        address: address.clone(),
        own: keys.share(number, connections),
        keys: Arc::clone(&keys),
    };
    addresses.iter().cycle().take(connections).enumerate().map(lane).collect()
}

/// Each member's keys are shared among the connections to it.
fn by_owner(map: &RouteMap, connections: usize, keys: usize) -> Result<Vec<Lane>, Failure> {
    let all = Keys::new(keys);
    let owner = |at: &usize| map.partition_of_key(&all.encoded(*at)).map(|partition| map.owner(partition));
    let owned = |node: &NodeId| Keys::of((0..keys).filter(|at| owner(at) == Some(node)).collect());
    let members = map.addresses().len();
    if connections < members {
        let reason = format!("--route ring needs a connection to each of the {members} members: more --connections");
        return Err(Failure::Usage { reason });
    }
    let mut lanes = Vec::with_capacity(connections);
    for (at, (node, address)) in map.addresses().iter().enumerate() {
        let keys = Arc::new(owned(node));
        let count = connections / members + usize::from(at < connections % members);
        for number in 0..count {
            lanes.push(Lane { address: address.clone(), own: keys.share(number, count), keys: Arc::clone(&keys) });
        }
    }
    Ok(lanes)
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, nodes, connections } = self;
        let route = match route {
            Some(Route::Ring) => "ring",
            Some(Route::Random) => "random",
            Some(Route::First) => "first",
            None => "as given by --connect",
        };
        write!(f, "route: {route}; {connections} connection(s) to {nodes} node(s)")
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
