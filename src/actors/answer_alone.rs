//! The story of reads that this node answers from its own copies: R = 1, and it is a primary of the key.
//!
//! They come and go in batches: per read there is no task, no timer and no future, which is most of what a read costs otherwise.

use std::rc::Rc;

use actix::Recipient;

use super::coordinate_get::KeyRead;
use super::coordination::Coordination;
use super::replication_coordinator::reply;
use crate::dynamo::preference_list::Role;
use crate::messages::client::{Get, GetError, GetReply};
use crate::messages::replica::{ReadOwn, ReadReplicaError};

/// What becomes of one read of a batch: its answer, or the read itself, for others to be asked.
pub(super) type Answer = Result<Result<GetReply, GetError>, Get>;

/// A read of a batch after it has been checked.
pub(super) enum Checked {
    /// Refused.
    Refused(GetError),
    /// To be read here.
    Here(KeyRead, Get),
    /// Others must be asked.
    Elsewhere(Get),
}

/// Whether this node's own copy is all that a read needs.
pub(super) fn suffices(cx: &Coordination, read: &KeyRead) -> bool {
    let list = cx.preference_list(read.key.partition(), read.quorum);
    let own = list.replicas().iter().any(|replica| replica.node == cx.view.local && replica.role == Role::Primary);
    read.quorum.r() == 1 && own
}

/// Reads what can be read here, one message per shard, and puts the answers into the order of the questions.
pub(super) async fn answer_alone(
    cx: Rc<Coordination>,
    shards: Vec<Recipient<ReadOwn>>,
    checked: Vec<Checked>,
) -> Vec<Answer> {
    let mut held = Vec::with_capacity(shards.len());
    for (number, shard) in shards.iter().enumerate() {
        let ours = |one: &Checked| match one {
            Checked::Here(read, _) if cx.replicas.shard_of(read.key.partition()) == number => Some(read.key.clone()),
            _ => None,
        };
        let keys: Vec<_> = checked.iter().filter_map(ours).collect();
        let answers = if keys.is_empty() { Vec::new() } else { shard.send(ReadOwn(keys)).await.unwrap_or_default() };
        held.push(answers.into_iter());
    }
    let now_ms = (cx.wall)();
    let answer = |one: Checked| match one {
        Checked::Refused(error) => Ok(Err(error)),
        Checked::Elsewhere(get) => Err(get),
        Checked::Here(read, get) => match held[cx.replicas.shard_of(read.key.partition())].next() {
            Some(Ok(siblings)) => Ok(Ok(reply(&siblings, read.key.as_bytes(), now_ms))),
            // A copy that cannot be read, or a shard that has stopped: the other replicas are asked.
            Some(Err(ReadReplicaError::Corrupt | ReadReplicaError::Unreadable { .. } | ReadReplicaError::Link(_)))
            | None => Err(get),
        },
    };
    checked.into_iter().map(answer).collect()
}
