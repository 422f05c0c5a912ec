//! The sequencer by itself: reads that are answered when the test says so, and writes that succeed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, ResponseFuture};
use tokio::sync::oneshot::Receiver;

use super::{Attach, SequencerParts, WriteSequencer};
use crate::actors::pass_on_modify::{record_key, sequencer};
use crate::dynamo::claim::claim;
use crate::dynamo::context;
use crate::dynamo::node_id::NodeId;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::Member;
use crate::dynamo::siblings::Versions;
use crate::dynamo::topology::Topology;
use crate::dynamo::version::VersionVector;
use crate::item::{Action, AttributeValue, Conflict, Item, Key, KeyValue, Modification, Step, TableSchema};
use crate::messages::TraceId;
use crate::messages::client::{GetReply, PutError, PutReply};
use crate::messages::cluster::{MemberAddress, View, ViewChanged};
use crate::messages::metadata::HeardOfRing;
use crate::messages::modify::{Modified, Modify, ModifyError, ReadSurely, SequenceModify, WriteSequenced};
use crate::messages::replica::StaleEpoch;
use crate::messages::together::{Answers, Together};
use crate::metrics::Metrics;

type Reads = Arc<Mutex<Vec<Answers<<ReadSurely as actix::Message>::Result>>>>;

/// Stands for the coordinator.
struct Coordinator {
    reads: Reads,
    writes: Arc<Mutex<usize>>,
}

impl Actor for Coordinator {
    type Context = Context<Self>;
}

impl Handler<ReadSurely> for Coordinator {
    type Result = ResponseFuture<<ReadSurely as actix::Message>::Result>;

    fn handle(&mut self, _: ReadSurely, _: &mut Self::Context) -> Self::Result {
        let (answers, answer) = Answers::to_one();
        self.reads.lock().unwrap().push(answers);
        Box::pin(async move { answer.await.expect("the test answers") })
    }
}

impl Handler<WriteSequenced> for Coordinator {
    type Result = Result<PutReply, PutError>;

    fn handle(&mut self, write: WriteSequenced, _: &mut Self::Context) -> Self::Result {
        *self.writes.lock().unwrap() += 1;
        Ok(PutReply { context: write.seen, siblings: 1 })
    }
}

/// Stands for the log of metadata.
struct Rings(Arc<Mutex<Vec<u64>>>);

impl Actor for Rings {
    type Context = Context<Self>;
}

impl Handler<HeardOfRing> for Rings {
    type Result = ();

    fn handle(&mut self, HeardOfRing { epoch }: HeardOfRing, _: &mut Self::Context) {
        self.0.lock().unwrap().push(epoch);
    }
}

/// After these changes: who is sidelined, and who no more.
fn view(local: &NodeId, changes: &[(&NodeId, bool)]) -> Arc<View> {
    let member = |name| Member { id: NodeId::new(name).unwrap(), zone: None, weight: 1 };
    let members = ["a", "b"].map(member);
    let mut topology = Topology::settled(claim(None, &members, 8, 2).unwrap());
    changes.iter().for_each(|(node, sidelined)| assert!(topology.sideline(node, *sidelined)));
    let address = |member: &Member| MemberAddress { member: member.clone(), address: member.id.to_string() };
    Arc::new(View {
        local: local.clone(),
        topology: Arc::new(topology),
        members: Arc::new(members.iter().map(address).collect()),
        quorum: Quorum::new(2, 1, 1).unwrap(),
        sloppy: true,
        reachable: members.iter().map(|member| member.id.clone()).collect::<BTreeSet<_>>(),
        tables: Arc::new(vec![TableSchema { conflict: Conflict::Lww, ..TableSchema::kv() }]),
    })
}

fn put() -> Modify {
    let item = Item::from_iter([("key", AttributeValue::S("k".to_owned()))]);
    let key = Key { partition: KeyValue::S("k".to_owned()), sort: None };
    let modification = Modification { condition: None, action: Action::Put(item) };
    let step = Step::Change(modification);
    Modify { trace: TraceId(1), table: "kv".to_owned(), key: key.to_bytes(), step, timeout_ms: None }
}

/// A sequencer of the key's second replica, whose first one is sidelined.
struct Stage {
    first: NodeId,
    local: NodeId,
    sequencer: Addr<WriteSequencer>,
    reads: Reads,
    writes: Arc<Mutex<usize>>,
    /// Epochs of newer rings that the log was told of.
    heard: Arc<Mutex<Vec<u64>>>,
}

impl Stage {
    fn set() -> Self {
        let [a, b] = ["a", "b"].map(|name| NodeId::new(name).unwrap());
        let all = view(&a, &[]);
        let first = sequencer(&all, &put(), &record_key(&all, &put()).unwrap()).unwrap();
        let local = if first == a { b } else { a };
        let (reads, writes) = (Reads::default(), Arc::<Mutex<usize>>::default());
        let heard = Arc::<Mutex<Vec<u64>>>::default();
        let parts = SequencerParts {
            view: view(&local, &[(&first, true)]),
            request_timeout: Duration::from_secs(5),
            waiting_max: 3,
            wall: Arc::new(|| 0),
            metrics: Metrics::new(),
        };
        let sequencer = WriteSequencer::new(parts).start();
        let coordinator = Coordinator { reads: Arc::clone(&reads), writes: Arc::clone(&writes) }.start();
        sequencer.do_send(Attach {
            read: coordinator.clone().recipient(),
            write: coordinator.recipient(),
            sequencers: vec![sequencer.clone().recipient()],
            rings: Rings(Arc::clone(&heard)).start().recipient(),
        });
        Self { first, local, sequencer, reads, writes, heard }
    }

    fn ask(&self) -> Receiver<Result<Modified, ModifyError>> {
        self.ask_as_of(view(&self.local, &[(&self.first, true)]).topology.epoch())
    }

    /// By somebody who goes by this epoch.
    fn ask_as_of(&self, epoch: u64) -> Receiver<Result<Modified, ModifyError>> {
        let view = view(&self.local, &[(&self.first, true)]);
        let partition = record_key(&view, &put()).unwrap().partition();
        let sequence = SequenceModify { epoch, partition, forwarded: true, modify: put() };
        let (together, answer) = Together::alone(sequence);
        self.sequencer.do_send(together);
        answer
    }

    /// Answers the read that has waited longest with nothing.
    fn answer_read(&self) {
        let view = view(&self.local, &[(&self.first, true)]);
        let key = record_key(&view, &put()).unwrap();
        let context = context::Context::new(key.as_bytes(), VersionVector::new());
        self.reads.lock().unwrap().remove(0).give(0, Ok(GetReply { versions: Versions::new(), context }));
    }

    fn reads_wait(&self) -> usize {
        self.reads.lock().unwrap().len()
    }
}

/// The answer, which has to come without anything else that the test does.
async fn answered(answer: Receiver<Result<Modified, ModifyError>>) -> Result<Modified, ModifyError> {
    tokio::time::timeout(Duration::from_secs(1), answer).await.expect("an answer in time").expect("an answer")
}

async fn tick() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story);
}

#[test]
fn those_who_wait_share_one_read_and_one_write() {
    play(async {
        let stage = Stage::set();
        let first = stage.ask();
        tick().await;
        let waiting = [stage.ask(), stage.ask(), stage.ask()];
        let too_many = stage.ask();
        tick().await;
        assert_eq!(stage.reads_wait(), 1, "one turn of a key at a time");
        assert!(matches!(answered(too_many).await, Err(ModifyError::Overloaded(_))));
        stage.answer_read();
        assert_eq!(answered(first).await.unwrap().old, None);
        tick().await;
        stage.answer_read();
        for answer in waiting {
            assert!(answered(answer).await.is_ok());
        }
        assert_eq!((*stage.writes.lock().unwrap(), stage.reads_wait()), (2, 0));
    });
}

#[test]
fn whoever_waits_is_sent_on_once_another_node_comes_first() {
    play(async {
        let stage = Stage::set();
        let first = stage.ask();
        tick().await;
        let waiting = stage.ask();
        let back = view(&stage.local, &[(&stage.first, true), (&stage.first, false)]);
        let epoch = back.topology.epoch();
        stage.sequencer.do_send(ViewChanged(back));
        tick().await;
        stage.answer_read();
        assert!(answered(first).await.is_ok());
        assert_eq!(answered(waiting).await, Err(ModifyError::NotFirst));
        assert_eq!((*stage.writes.lock().unwrap(), stage.reads_wait()), (1, 0));
        let late = stage.ask();
        assert_eq!(answered(late).await, Err(ModifyError::Stale(StaleEpoch { epoch })));
    });
}

#[test]
fn whoever_knows_a_newer_ring_has_it_fetched() {
    play(async {
        let stage = Stage::set();
        let newer = view(&stage.local, &[(&stage.first, true)]).topology.epoch() + 1;
        assert_eq!(answered(stage.ask_as_of(newer)).await, Err(ModifyError::NotFirst));
        tick().await;
        assert_eq!(*stage.heard.lock().unwrap(), [newer]);
    });
}
