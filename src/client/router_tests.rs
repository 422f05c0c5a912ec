use std::time::Duration;

use tokio::task::LocalSet;

use super::super::errors::RouteError;
use super::super::fake_node::{Conduct, FakeNode, describe};
use super::super::{RouterError, requests};
use super::{Router, RouterCounts, RouterOptions};
use crate::dynamo::node_id::NodeId;
use crate::item::{AttributeValue, Item, Key, KeyValue};
use crate::messages::client::{Get, GetError, Put, PutError, WriteOutcome};

/// Long enough for a slow machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// On one thread, where the fake nodes live as well.
fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new()
        .block_on(&runtime, async { tokio::time::timeout(PATIENCE, test).await.expect("it takes too long") });
}

async fn eventually(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Three nodes that all know of each other; each owns a partition, and a owns two.
async fn three() -> Vec<FakeNode> {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(FakeNode::start(name, "127.0.0.1:0").await);
    }
    tell_all(&nodes, 1, &["a", "b", "c", "a"]);
    nodes
}

fn tell_all(nodes: &[FakeNode], epoch: u64, owners: &[&str]) {
    let members: Vec<&FakeNode> = nodes.iter().collect();
    nodes.iter().for_each(|node| node.state.borrow_mut().description = describe(epoch, &members, owners));
}

async fn stop_all(nodes: &[FakeNode]) {
    for node in nodes {
        node.stop().await;
    }
}

fn options() -> RouterOptions {
    RouterOptions { learn_interval: Duration::from_millis(10), seed: 7, ..RouterOptions::default() }
}

async fn router(nodes: &[FakeNode]) -> Router {
    Router::connect(&[&nodes[0].address], options()).await.unwrap()
}

fn key(text: &str) -> Key {
    Key { partition: KeyValue::S(text.to_owned()), sort: None }
}

/// A key that the node owns.
fn key_of(router: &Router, owner: &str) -> String {
    let map = router.map();
    let is_owned = |text: &String| {
        let partition = map.partition_of_key(&key(text).to_bytes()).unwrap();
        map.owner(partition).as_str() == owner
    };
    (0..).map(|number| format!("k{number}")).find(is_owned).unwrap()
}

fn get_of(router: &Router, owner: &str) -> Get {
    requests::get("kv", &key(&key_of(router, owner)))
}

fn put_of(router: &Router, owner: &str) -> Put {
    let mut item = Item::new();
    item.insert("key", AttributeValue::S(key_of(router, owner)));
    requests::put("kv", &item)
}

fn asked(nodes: &[FakeNode]) -> Vec<usize> {
    nodes.iter().map(FakeNode::asked).collect()
}

fn connected(router: &Router) -> String {
    router.connections().iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn one_seed_leads_to_all_members_and_each_key_to_its_owner() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        assert_eq!(connected(&router), "a b c");
        for (at, owner) in ["a", "b", "c"].into_iter().enumerate() {
            let before = nodes[at].asked();
            router.get(get_of(&router, owner)).await.unwrap();
            router.put(put_of(&router, owner)).await.unwrap();
            router.delete(requests::delete("kv", &key(&key_of(&router, owner)))).await.unwrap();
            assert_eq!(nodes[at].asked(), before + 3);
        }
        let counts = router.counts();
        assert_eq!((counts.requests, counts.to_owner, counts.retries, counts.maps), (9, 9, 0, 1));
    });
}

#[test]
fn a_read_goes_on_where_its_connection_is_lost() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        nodes[1].behave(Conduct::HangUp);
        router.get(get_of(&router, "b")).await.unwrap();
        // b owns one partition, and c the one after it.
        assert_eq!(asked(&nodes), [0, 1, 1]);
        let RouterCounts { requests, to_owner, retries, retries_withheld, .. } = router.counts();
        assert_eq!((requests, to_owner, retries, retries_withheld), (1, 1, 1, 0));
    });
}

#[test]
fn a_write_is_not_sent_again_once_it_may_have_been_applied() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        nodes[1].behave(Conduct::HangUp);
        let error = router.put(put_of(&router, "b")).await.unwrap_err();
        assert!(matches!(&error, RouteError::Unanswered { node, .. } if node.as_str() == "b"), "{error}");
        assert_eq!(error.outcome(), WriteOutcome::Unknown);
        assert!(error.to_string().contains("may or may not have been done"), "{error}");
        assert_eq!((asked(&nodes), router.counts().retries), (vec![0, 1, 0], 0));
    });
}

#[test]
fn a_write_goes_to_the_next_node_while_the_owner_is_away_and_to_the_owner_when_it_is_back() {
    on_one_thread(async {
        let mut nodes = three().await;
        let router = router(&nodes).await;
        nodes[1].stop().await;
        eventually(|| connected(&router) == "a c").await;
        router.put(put_of(&router, "b")).await.unwrap();
        assert_eq!(asked(&nodes), [0, 0, 1]);
        nodes[1] = FakeNode::start("b", &nodes[1].address).await;
        tell_all(&nodes, 1, &["a", "b", "c", "a"]);
        eventually(|| connected(&router) == "a b c").await;
        router.put(put_of(&router, "b")).await.unwrap();
        assert_eq!(asked(&nodes), [0, 1, 1]);
    });
}

#[test]
fn reads_are_not_sent_again_beyond_the_budget() {
    on_one_thread(async {
        let nodes = three().await;
        let options = RouterOptions { retry_share: 0.0, retries_saved: 1.0, ..options() };
        let router = Router::connect(&[&nodes[0].address], options).await.unwrap();
        nodes.iter().for_each(|node| node.behave(Conduct::HangUp));
        let error = router.get(get_of(&router, "a")).await.unwrap_err();
        assert!(matches!(&error, RouteError::Unanswered { .. }), "{error}");
        assert_eq!(asked(&nodes).iter().sum::<usize>(), 2);
        let counts = router.counts();
        assert_eq!((counts.retries, counts.retries_withheld), (1, 1));
    });
}

#[test]
fn a_refusal_is_an_answer() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        nodes[2].behave(Conduct::Refuse);
        let error = router.get(get_of(&router, "c")).await.unwrap_err();
        assert!(matches!(error, RouteError::Refused(GetError::Overloaded(_))), "{error}");
        let error = router.put(put_of(&router, "c")).await.unwrap_err();
        assert!(matches!(error, RouteError::Refused(PutError::Overloaded(_))), "{error}");
        assert_eq!((error.outcome(), asked(&nodes)), (WriteOutcome::NotApplied, vec![0, 0, 2]));
    });
}

#[test]
fn a_node_that_reaches_nobody_is_passed_over() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        nodes[1].behave(Conduct::ReachNobody);
        router.get(get_of(&router, "b")).await.unwrap();
        router.put(put_of(&router, "b")).await.unwrap();
        assert_eq!((asked(&nodes), router.counts().retries), (vec![0, 2, 2], 2));
        nodes.iter().for_each(|node| node.behave(Conduct::ReachNobody));
        let error = router.put(put_of(&router, "b")).await.unwrap_err();
        assert!(matches!(error, RouteError::Refused(PutError::QuorumNotReached { .. })), "{error}");
        assert_eq!((error.outcome(), asked(&nodes)), (WriteOutcome::NotApplied, vec![1, 3, 3]));
    });
}

#[test]
fn without_any_connection_nothing_was_sent() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        stop_all(&nodes).await;
        eventually(|| connected(&router).is_empty()).await;
        let error = router.put(put_of(&router, "a")).await.unwrap_err();
        assert!(matches!(error, RouteError::NobodyConnected { members: 3, .. }), "{error}");
        assert_eq!(error.outcome(), WriteOutcome::NotApplied);
    });
}

#[test]
fn a_node_is_told_when_to_give_up_and_is_not_waited_for_much_longer() {
    on_one_thread(async {
        let nodes = three().await;
        let options = RouterOptions { request_timeout: Duration::from_millis(80), ..options() };
        let router = Router::connect(&[&nodes[0].address], options).await.unwrap();
        nodes[0].behave(Conduct::KeepQuiet);
        let error = router.get(get_of(&router, "a")).await.unwrap_err();
        assert!(matches!(&error, RouteError::Unanswered { node, .. } if node.as_str() == "a"), "{error}");
        let short = Get { timeout_ms: Some(20), ..get_of(&router, "a") };
        router.get(short).await.unwrap_err();
        let told: Vec<u32> = nodes[0].state.borrow().asked.iter().map(|(_, ms)| ms.unwrap()).collect();
        assert!(told[0] <= 80 && told[1] <= 20 && told.len() == 2, "{told:?}");
        assert_eq!(connected(&router), "a b c", "a slow answer is no reason to leave a node");
    });
}

#[test]
fn a_node_that_falls_silent_is_left_and_its_reads_go_on() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        nodes[1].behave(Conduct::Freeze);
        router.get(get_of(&router, "b")).await.unwrap();
        assert_eq!((asked(&nodes), router.counts().retries), (vec![0, 0, 1], 1));
        assert_eq!(connected(&router), "a c");
    });
}

#[test]
fn members_come_and_go_with_the_epochs() {
    on_one_thread(async {
        let mut nodes = three().await;
        let router = router(&nodes).await;
        nodes.push(FakeNode::start("d", "127.0.0.1:0").await);
        tell_all(&nodes, 2, &["a", "b", "c", "d"]);
        eventually(|| connected(&router) == "a b c d").await;
        router.put(put_of(&router, "d")).await.unwrap();
        assert_eq!((router.map().epoch(), asked(&nodes)), (2, vec![0, 0, 0, 1]));

        // a, the only seed, leaves the cluster.
        let without_a = describe(3, &nodes.iter().skip(1).collect::<Vec<_>>(), &["b", "c", "d", "b"]);
        nodes.iter().for_each(|node| node.state.borrow_mut().description = without_a.clone());
        eventually(|| connected(&router) == "b c d").await;
        eventually(|| nodes[0].state.borrow().clients == 0).await;
        nodes[0].stop().await;
        router.put(put_of(&router, "d")).await.unwrap();
        assert_eq!((router.map().epoch(), router.counts().maps), (3, 3));
    });
}

#[test]
fn a_node_that_knows_an_older_ring_is_not_believed() {
    on_one_thread(async {
        let nodes = three().await;
        tell_all(&nodes, 5, &["a", "b", "c", "a"]);
        let router = router(&nodes).await;
        tell_all(&nodes, 4, &["c", "c", "c", "c"]);
        let before = lessons(&nodes);
        // A lesson asks all three, for none of them knows better.
        eventually(|| lessons(&nodes) >= before + 4).await;
        assert_eq!((router.map().epoch(), router.counts().maps), (5, 1));
    });
}

#[test]
fn a_member_at_another_address_is_found_there_and_not_confused_with_who_answers_at_the_old_one() {
    on_one_thread(async {
        let mut nodes = three().await;
        let router = router(&nodes).await;
        let old = nodes[1].address.clone();
        nodes[1].stop().await;
        let stranger = FakeNode::start("x", &old).await;
        eventually(|| stranger.state.borrow().greeted >= 1).await;
        nodes[1] = FakeNode::start("b", "127.0.0.1:0").await;
        assert_eq!(connected(&router), "a c");
        tell_all(&nodes, 1, &["a", "b", "c", "a"]);
        eventually(|| connected(&router) == "a b c").await;
        router.get(get_of(&router, "b")).await.unwrap();
        assert_eq!((asked(&nodes), stranger.asked()), (vec![0, 1, 0], 0));
    });
}

#[test]
fn a_key_that_the_map_cannot_place_goes_to_a_node_that_says_why() {
    on_one_thread(async {
        let nodes = three().await;
        let options = RouterOptions { learn_interval: Duration::from_hours(1), ..options() };
        let router = Router::connect(&[&nodes[0].address], options).await.unwrap();
        router.put(requests::put("other", &Item::new())).await.unwrap();
        assert_eq!((asked(&nodes).iter().sum::<usize>(), router.counts().to_owner), (1, 0));
        // The table may be new: a lesson, long before one is due.
        eventually(|| lessons(&nodes) == 2).await;
    });
}

fn lessons(nodes: &[FakeNode]) -> usize {
    nodes.iter().map(|node| node.state.borrow().lessons).sum()
}

#[test]
fn a_lost_connection_is_a_reason_to_learn_and_so_is_a_stranger_among_the_members() {
    on_one_thread(async {
        let mut nodes = three().await;
        let options = RouterOptions { learn_interval: Duration::from_hours(1), ..options() };
        let router = Router::connect(&[&nodes[0].address], options).await.unwrap();
        assert_eq!(lessons(&nodes), 1);
        nodes[2].stop().await;
        eventually(|| lessons(&nodes) == 2).await;

        // It comes back at once with a member more, whom no lesson has named yet.
        let d = FakeNode::start("d", "127.0.0.1:0").await;
        nodes[2] = FakeNode::start("c", &nodes[2].address).await;
        nodes[2].name_members(&[&nodes[0], &nodes[1], &nodes[2], &d]);
        nodes.push(d);
        tell_all(&nodes, 2, &["a", "b", "c", "d"]);
        eventually(|| connected(&router) == "a b c d").await;
    });
}

#[test]
fn every_seed_that_failed_is_named() {
    on_one_thread(async {
        let error = Router::connect::<&str>(&[], options()).await.err().unwrap();
        assert!(matches!(error, RouterError::NoSeeds), "{error}");
        let nodes = three().await;
        stop_all(&nodes).await;
        let seeds = [&nodes[0].address, &nodes[1].address];
        let error = Router::connect(&seeds, options()).await.err().unwrap().to_string();
        assert!(seeds.iter().all(|seed| error.contains(seed.as_str())), "{error}");
        // A dead seed before one that lives.
        let alive = FakeNode::start("c", &nodes[2].address).await;
        alive.state.borrow_mut().description = describe(1, &[&alive], &["c"]);
        let router = Router::connect(&[&nodes[0].address, &alive.address], options()).await.unwrap();
        assert_eq!(router.map().owner(crate::dynamo::ring::PartitionId(0)), &NodeId::new("c").unwrap());
    });
}

#[test]
fn a_dropped_router_leaves_no_connection_behind() {
    on_one_thread(async {
        let nodes = three().await;
        let router = router(&nodes).await;
        eventually(|| nodes.iter().all(|node| node.state.borrow().clients == 1)).await;
        drop(router);
        eventually(|| nodes.iter().all(|node| node.state.borrow().clients == 0)).await;
    });
}
