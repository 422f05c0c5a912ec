//! The story of `where`: ask every primary for its copy and every node for the hints it keeps for one of them.

use std::rc::Rc;

use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::coordinate_get::KeyRead;
use super::coordinate_put::slot;
use super::coordination::{Coordination, ask};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::preference_list::{Replica, Role};
use crate::dynamo::quorum::Quorums;
use crate::messages::LinkError;
use crate::messages::client::{WhereReplica, WhereReply};
use crate::messages::replica::{ReadReplica, ReadReplicaError};

pub(super) async fn coordinate_where(cx: Rc<Coordination>, read: KeyRead) -> WhereReply {
    let partition = read.key.partition();
    let (list, _) = cx.replicas_of(read.key.table(), partition, read.terms);
    let Quorums { before, now } = cx.view.quorums(read.key.table(), None, None);
    let owners = cx.view.topology.holders(partition, before.n().max(now.n()));
    let primaries = owners.iter().map(|node| Replica { node: (*node).clone(), role: Role::Primary });
    let standing_in: Vec<Replica> =
        list.replicas().iter().filter(|replica| !matches!(replica.role, Role::Primary)).cloned().collect();
    let keeping_hints = owners.iter().flat_map(|owner| {
        let keepers = cx.view.topology.nodes().into_iter().filter(move |node| node != owner);
        keepers.map(|node| Replica { node: node.clone(), role: Role::Fallback { for_node: (*owner).clone() } })
    });
    let asked: Vec<Replica> = primaries.chain(keeping_hints).collect();
    let answers = join_all(asked.iter().map(|replica| ask_replica(&cx, &read, replica))).await;
    let replicas = asked
        .into_iter()
        .zip(answers)
        .filter(|(replica, holds)| {
            let holds_something = holds.as_ref().is_ok_and(|siblings| !siblings.context().is_empty());
            replica.role == Role::Primary || holds_something || standing_in.contains(replica)
        })
        .map(|(Replica { node, role }, holds)| WhereReplica { node, role, holds })
        .collect();
    WhereReply { partition, replicas }
}

async fn ask_replica(
    cx: &Coordination,
    read: &KeyRead,
    replica: &Replica,
) -> Result<crate::dynamo::siblings::Siblings, ReadReplicaError> {
    if !is_reachable(cx, &replica.node) {
        return Err(ReadReplicaError::Link(LinkError::Unreachable));
    }
    let recipient = cx.replicas.of(&replica.node, read.key.partition()).map(|r| &r.read);
    let (epoch, key, slot) = (cx.epoch(), read.key.clone(), slot(replica));
    let message = ReadReplica { trace: read.trace, epoch, key, slot, binds: false };
    timeout_at(cx.deadline, ask(recipient, message)).await.unwrap_or(Err(LinkError::TimedOut.into()))
}

fn is_reachable(cx: &Coordination, node: &NodeId) -> bool {
    cx.view.reachable.contains(node)
}
