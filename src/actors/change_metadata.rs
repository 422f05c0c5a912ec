//! The story of one change that an operator wants: find the leader, propose it there, and wait until this node has applied it, and the others that are reached.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use super::coordination::ask;
use super::log_recipients::LogRecipients;
use crate::dynamo::node_id::NodeId;
use crate::messages::LinkError;
use crate::messages::metadata::{ChangeError, Propose, ProposeError, ReadEpoch};
use crate::messages::together::Together;

/// The longest that an operator waits: an election takes up to four seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// The pause before the leader is looked for again, or whether something has been applied.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long a change waits until all other nodes go by it: it takes a message to them and what they do with it.
const SPREADING_MAX: Duration = Duration::from_millis(500);

/// The pause before they are asked again.
const SPREADING_INTERVAL: Duration = Duration::from_millis(5);

/// Who leads, as far as this node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Leader {
    /// Nobody is known to.
    #[default]
    Nobody,
    /// This node.
    ThisNode,
    /// That one.
    Peer(NodeId),
}

/// What a proposal needs.
pub(super) struct Proposer {
    pub(super) leader: Rc<RefCell<Leader>>,
    /// The epoch that this node has applied and told everybody of.
    pub(super) applied: Rc<Cell<u64>>,
    pub(super) here: Recipient<Together<Propose>>,
    pub(super) peers: Rc<BTreeMap<NodeId, LogRecipients>>,
}

impl Proposer {
    fn to_the_leader(&self) -> Option<Recipient<Together<Propose>>> {
        match &*self.leader.borrow() {
            Leader::Nobody => None,
            Leader::ThisNode => Some(self.here.clone()),
            Leader::Peer(node) => self.peers.get(node).map(|peer| peer.propose.clone()),
        }
    }
}

/// Asked again until there is an answer: it has a number, and is done once.
pub(super) async fn change_metadata(proposer: Proposer, proposal: Propose) -> Result<u64, ChangeError> {
    let deadline = Instant::now() + PATIENCE;
    let mut may_be_done = false;
    while Instant::now() < deadline {
        if let Some(leader) = proposer.to_the_leader() {
            let asked = ask(Some(&leader), proposal.clone());
            let answer = timeout_at(deadline, asked).await.unwrap_or(Err(ProposeError::Unknown));
            match answer {
                Ok(epoch) => {
                    applied_here(&proposer, epoch, deadline).await;
                    applied_by_all(&proposer, epoch).await;
                    return Ok(epoch);
                }
                Err(ProposeError::Refused(refused)) => return Err(refused.into()),
                Err(
                    ProposeError::NotLeader | ProposeError::Link(LinkError::Unreachable | LinkError::Overloaded(_)),
                ) => {}
                Err(ProposeError::Unknown | ProposeError::Link(_)) => may_be_done = true,
            }
        }
        sleep(LOOK_INTERVAL).await;
    }
    Err(if may_be_done { ChangeError::Unknown } else { ChangeError::NoLeader })
}

/// It is agreed on; whoever asks this node next shall see it, if it can be heard of.
async fn applied_here(proposer: &Proposer, epoch: u64, deadline: Instant) {
    while proposer.applied.get() < epoch && Instant::now() < deadline {
        sleep(LOOK_INTERVAL).await;
    }
}

/// Whoever asks another node next shall see it, too, unless that one cannot be reached or is far behind.
async fn applied_by_all(proposer: &Proposer, epoch: u64) {
    let until = Instant::now() + SPREADING_MAX;
    let applied = |peer: LogRecipients| async move {
        // One that is not reached goes by what it knows.
        while timeout_at(until, ask(Some(&peer.epoch), ReadEpoch)).await.is_ok_and(|it| it.is_ok_and(|its| its < epoch))
        {
            sleep(SPREADING_INTERVAL).await;
        }
    };
    let peers: Vec<LogRecipients> = proposer.peers.values().cloned().collect();
    join_all(peers.into_iter().map(applied)).await;
}
