//! Who belongs to the cluster, who waits to be joined, who is shut down for good: what the nodes say, and what whoever moves them wants.
//!
//! ```text
//!   spare ──▶ member ──▶ has left ──▶ retired (shut down) ──▶ renewed: an empty disk, a spare
//!               └──▶ retired: it will not come back, and is replaced
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::trace::Trace;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::topology::{Phase, Topology};
use crate::metadata::Metadata;

/// What a cluster, its nemesis and its movers share. Clones are the same one.
#[derive(Clone)]
pub struct Roster {
    shared: Rc<RefCell<Shared>>,
    trace: Trace,
}

struct Shared {
    names: Vec<NodeId>,
    /// As the cluster was founded.
    founding: Arc<Metadata>,
    /// What each node has applied last.
    told: Vec<Option<Arc<Metadata>>>,
    /// Shut down, or about to be.
    retired: BTreeSet<usize>,
    /// Of these, those whose disks are lost with all that was on them.
    lost: BTreeSet<usize>,
    /// Waiting for an empty disk.
    renewed: BTreeSet<usize>,
}

impl Roster {
    pub(super) fn new(names: Vec<NodeId>, founding: Metadata, trace: Trace) -> Self {
        let shared = Shared {
            told: vec![None; names.len()],
            names,
            founding: Arc::new(founding),
            retired: BTreeSet::new(),
            lost: BTreeSet::new(),
            renewed: BTreeSet::new(),
        };
        Self { shared: Rc::new(RefCell::new(shared)), trace }
    }

    /// A node has applied these.
    pub(super) fn hears(&self, at: usize, metadata: Arc<Metadata>) {
        let before = self.newest();
        if metadata.epoch() > before.epoch() && metadata.topology().epoch() > before.topology().epoch() {
            self.trace.tell(None, format!("n{at} is the first to know: {}", described(metadata.topology())));
        }
        self.shared.borrow_mut().told[at] = Some(metadata);
    }

    /// Its disk is another one.
    pub(super) fn forgets(&self, at: usize) {
        self.shared.borrow_mut().told[at] = None;
    }

    /// The newest that any node has applied.
    pub(super) fn newest(&self) -> Arc<Metadata> {
        let shared = self.shared.borrow();
        let told = shared.told.iter().flatten().max_by_key(|metadata| metadata.epoch());
        Arc::clone(told.unwrap_or(&shared.founding))
    }

    /// What each node has applied last.
    pub(super) fn told(&self) -> Vec<(usize, Arc<Metadata>)> {
        let told = self.shared.borrow().told.clone();
        told.into_iter().enumerate().filter_map(|(at, told)| Some((at, told?))).collect()
    }

    pub(super) fn name(&self, at: usize) -> NodeId {
        self.shared.borrow().names[at].clone()
    }

    pub(super) fn place(&self, node: &NodeId) -> Option<usize> {
        self.shared.borrow().names.iter().position(|name| name == node)
    }

    /// All places.
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        0..self.shared.borrow().names.len()
    }

    pub(super) fn is_member(&self, at: usize) -> bool {
        self.newest().members().contains_key(&self.name(at))
    }

    /// Whether the node has to serve: it is a member, and nobody wants it shut down.
    pub(super) fn serves(&self, at: usize) -> bool {
        self.is_member(at) && !self.is_retired(at)
    }

    /// Those who have to.
    pub(super) fn serving(&self) -> Vec<usize> {
        self.places().filter(|at| self.serves(*at)).collect()
    }

    /// Whether a member is shut down for good.
    pub(super) fn lacks_a_member(&self) -> bool {
        self.places().any(|at| self.is_member(at) && self.is_retired(at))
    }

    /// It shall be shut down for good; `lost`: with all that it holds.
    pub(super) fn retire(&self, at: usize, lost: bool) {
        let mut shared = self.shared.borrow_mut();
        shared.retired.insert(at);
        if lost {
            shared.lost.insert(at);
        }
    }

    pub(super) fn is_retired(&self, at: usize) -> bool {
        self.shared.borrow().retired.contains(&at)
    }

    pub(super) fn is_lost(&self, at: usize) -> bool {
        self.shared.borrow().lost.contains(&at)
    }

    /// It may come back after all, with what it holds.
    pub(super) fn revive(&self, at: usize) {
        let mut shared = self.shared.borrow_mut();
        shared.retired.remove(&at);
        shared.lost.remove(&at);
    }

    /// It shall begin anew, as a spare with an empty disk.
    pub(super) fn renew(&self, at: usize) {
        self.revive(at);
        self.shared.borrow_mut().renewed.insert(at);
    }

    /// Those who shall.
    pub(super) fn take_renewed(&self) -> BTreeSet<usize> {
        std::mem::take(&mut self.shared.borrow_mut().renewed)
    }
}

/// For the timeline.
pub(super) fn described(topology: &Topology) -> String {
    let (epoch, members) = (topology.epoch(), topology.ring().members());
    let Some(moving) = topology.transition() else {
        let names: Vec<String> =
            members.iter().map(|member| format!("{} (weight {})", member.id, member.weight)).collect();
        return format!("ring epoch {epoch}: nothing moves, the members are {}", names.join(", "));
    };
    let count = |phase| moving.count(phase);
    let awaits = |node: &NodeId| {
        let left = topology.ring().partition_ids().filter(|at| topology.awaited(*at).contains(node)).count();
        (left > 0).then(|| format!("{node} fetches {left}"))
    };
    let fetching: String =
        members.iter().filter_map(|member| awaits(&member.id)).map(|fetches| format!("; {fetches}")).collect();
    let (copying, switched, settled) = (count(Phase::Copying), count(Phase::Switched), count(Phase::Settled));
    format!("ring epoch {epoch}: copying {copying}, switched {switched}, settled {settled}{fetching}")
}
