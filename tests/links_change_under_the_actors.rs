//! Whoever speaks to other nodes uses the links that he was told of last: not those that have ended, and those that are new.

mod virtual_cluster;

use std::collections::BTreeMap;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient};
use slipring::actors::coordination::ReplicaRecipients;
use slipring::actors::links::LinksChanged;
use slipring::actors::repair_recipients::{RepairPeer, RepairRecipients};
use slipring::messages::client::PutError;
use slipring::messages::hints::HintedPartitions;
use slipring::messages::replica::WriteReplica;
use slipring::messages::together::Together;
use tokio::time::sleep;
use virtual_cluster::{Link, VirtualCluster, on_one_thread};

const KEYS: usize = 20;

fn key(at: usize) -> String {
    format!("key{at}")
}

/// Writes that only reach two of three; what the third one misses waits as hints on the first.
async fn written_without_the_third(cluster: &VirtualCluster) {
    cluster.link(0, 2, Link::Down);
    for at in 0..KEYS {
        cluster.put(0, &key(at), "v", None).await.expect("two of three");
    }
    sleep(Duration::from_secs(5)).await;
    cluster.link(0, 2, Link::Up);
}

fn are_equal(cluster: &VirtualCluster) -> bool {
    (0..KEYS).all(|at| cluster.stored(&key(at)).windows(2).all(|pair| pair[0] == pair[1]))
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_writes_over_the_links_that_it_has() {
    on_one_thread(async {
        let cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.put(0, "k", "v1", None).await.expect("all are there");
        let coordinator = &cluster.coordinators[0];
        coordinator.send(LinksChanged::<ReplicaRecipients>(BTreeMap::new())).await.expect("it lives");
        let refused = cluster.put(0, "k", "v2", None).await;
        assert!(matches!(refused, Err(PutError::QuorumNotReached { .. })), "{refused:?}");
        let links = cluster.links(0, ReplicaRecipients::of);
        coordinator.send(LinksChanged(links)).await.expect("it lives");
        cluster.put(0, "k", "v3", None).await.expect("all are there again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn hints_go_over_a_link_once_there_is_one() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        written_without_the_third(&cluster).await;
        cluster.start_handoff(0, None);
        let handoff = cluster.handoffs[&0].clone();
        type Links = LinksChanged<Recipient<Together<WriteReplica>>>;
        handoff.do_send(LinksChanged(BTreeMap::new()) as Links);
        sleep(Duration::from_secs(10)).await;
        assert!(cluster.hints_kept(0).await > 0 && !are_equal(&cluster));
        handoff.do_send(LinksChanged(cluster.links(0, |relay| relay.clone().recipient())) as Links);
        sleep(Duration::from_secs(10)).await;
        assert!(cluster.hints_kept(0).await == 0 && are_equal(&cluster));
    })
    .await;
}

/// Keeps no hints.
struct NoHints;

impl Actor for NoHints {
    type Context = Context<Self>;
}

impl Handler<Together<HintedPartitions>> for NoHints {
    type Result = ();

    fn handle(&mut self, Together { answers, .. }: Together<HintedPartitions>, _: &mut Self::Context) {
        answers.give(0, Ok(Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_is_compared_with_and_whoever_leaves_is_not() {
    on_one_thread(async {
        let mut cluster = VirtualCluster::start(3, (3, 2, 2), false);
        cluster.start_repair(60);
        let no_hints = NoHints.start();
        let see = |cluster: &VirtualCluster, wanted: &[usize]| {
            for (at, repair) in cluster.repairs.iter().enumerate() {
                let hints = || no_hints.clone().recipient();
                let mut links =
                    cluster.links(at, |relay| RepairPeer { replica: RepairRecipients::of(relay), hints: hints() });
                links.retain(|node, _| wanted.contains(&at) && wanted.iter().any(|of| cluster.names[*of] == *node));
                repair.do_send(LinksChanged(links));
            }
        };
        see(&cluster, &[0, 1]);
        written_without_the_third(&cluster).await;
        sleep(Duration::from_secs(300)).await;
        assert!(!are_equal(&cluster), "nobody is compared with the third");
        // It leaves again before anybody has looked, and comes back.
        [&[0, 1, 2][..], &[0, 1], &[0, 1, 2]].iter().for_each(|wanted| see(&cluster, wanted));
        sleep(Duration::from_secs(300)).await;
        assert!(are_equal(&cluster));
    })
    .await;
}
