//! Changes that depend on what an item is: they are made one after the other, whoever asks which node, and also while another replica dies or the ring moves.
//! Simulated clusters, real actors.

use futures_util::future::join_all;
use slipring::client::CallError;
use slipring::item::expression::{Condition, ExpressionKind, Placeholders, Update};
use slipring::item::{
    Action, AttributeValue, Conflict, Decision, Item, Key, KeyValue, Modification, Step, TableName, TableSchema,
    TransactionId,
};
use slipring::messages::TraceId;
use slipring::messages::client::{Get, PutError};
use slipring::messages::metadata::ChangeTables;
use slipring::messages::modify::{Modified, Modify, ModifyError};
use slipring::metadata::TableChange;
use slipring::sim::{Ending, Plan, Scene, Visitor, play};

const TABLE: &str = "counters";
const CLIENTS: usize = 9;
const CHANGES: usize = 20;

fn plan(nodes: usize, spares: usize) -> Plan {
    Plan {
        nodes,
        spares,
        workers: 2,
        n: 3,
        r: 2,
        w: 2,
        sloppy: true,
        faults: Vec::new(),
        clock_error_max_ms: 0,
        ..Plan::drawn_from(0).without_moves()
    }
}

async fn create_table(scene: &mut Scene) {
    let name = TableName::new(TABLE).expect("a name");
    let schema = TableSchema { name, conflict: Conflict::Lww, ..TableSchema::kv() };
    let change = ChangeTables { change: TableChange::Create(schema) };
    scene.client("operator", 0).ask(&change).await.expect("it is sent").expect("it is created");
    scene.settle().await;
}

fn key(name: &str) -> Key {
    Key { partition: KeyValue::S(name.to_owned()), sort: None }
}

fn modify(name: &str, condition: Option<&str>, action: Action) -> Modify {
    let parse =
        |text| Condition::parse(ExpressionKind::Condition, text, &mut Placeholders::none()).expect("a condition");
    let modification = Modification { condition: condition.map(parse), action };
    let step = Step::Change(modification);
    Modify { trace: TraceId(7), table: TABLE.to_owned(), key: key(name).to_bytes(), step, timeout_ms: None }
}

fn increment(name: &str) -> Modify {
    let values = [(":one".to_owned(), AttributeValue::N(1_i64.into()))].into();
    let mut placeholders = Placeholders::new(None, Some(values)).expect("placeholders");
    modify(name, None, Action::Update(Update::parse("ADD n :one", &mut placeholders).expect("an update")))
}

async fn counted(client: &mut Visitor, name: &str) -> i64 {
    let (trace, table) = (TraceId(8), TABLE.to_owned());
    let get = Get { trace, table, key: key(name).to_bytes(), r: Some(2), timeout_ms: None };
    let reply = client.ask(&get).await.expect("it is sent").expect("an answer");
    let [version] = reply.versions.as_slice() else { panic!("one version: {:?}", reply.versions) };
    let item = Item::from_bytes(version.value.as_ref().expect("a value")).expect("an item");
    let Some(AttributeValue::N(number)) = item.get("n") else { panic!("a number: {item:?}") };
    number.to_string().parse().expect("a whole number")
}

/// How many of a client's increments were acknowledged: all.
async fn count_up(mut client: Visitor, name: &str) -> i64 {
    for _ in 0..CHANGES {
        client.ask(&increment(name)).await.expect("it is sent").expect("it is acknowledged");
    }
    i64::try_from(CHANGES).expect("few")
}

/// How many were acknowledged, and of how many nobody knows.
async fn count_up_somehow(mut client: Visitor, name: &str) -> (i64, i64) {
    let (mut acknowledged, mut unknown) = (0, 0);
    for _ in 0..CHANGES {
        match client.ask(&increment(name)).await.expect("it is sent") {
            Ok(_) => acknowledged += 1,
            Err(CallError::Refused(ModifyError::Write(PutError::QuorumNotReached { .. }))) => unknown += 1,
            Err(other) => panic!("an increment failed: {other}"),
        }
    }
    (acknowledged, unknown)
}

fn clients(scene: &mut Scene, nodes: &[usize]) -> Vec<Visitor> {
    (0..CLIENTS).map(|at| scene.client(&format!("c{at}"), nodes[at % nodes.len()])).collect()
}

fn holds(ending: &Ending) {
    let lines: Vec<String> = ending.lines.iter().map(ToString::to_string).collect();
    assert_eq!(ending.violations, [], "{}", lines.join("\n"));
}

/// The primaries of the counter, its first replica in front, as the sequencer's node sees them.
async fn first_and_others(scene: &mut Scene, name: &str) -> (usize, Vec<usize>) {
    let place =
        slipring::messages::client::Where { trace: TraceId(9), table: TABLE.to_owned(), key: key(name).to_bytes() };
    let reply = scene.client("onlooker", 0).ask(&place).await.expect("it is sent").expect("an answer");
    let number = |at: usize| reply.replicas[at].node.as_str()[1..].parse::<usize>().expect("a number");
    (number(0), (1..reply.replicas.len()).map(number).collect())
}

#[test]
fn increments_through_all_nodes_add_up() {
    let ending = play(&plan(5, 0), async |scene: &mut Scene| {
        create_table(scene).await;
        let clients = clients(scene, &[0, 1, 2, 3, 4]);
        let acknowledged: i64 = join_all(clients.into_iter().map(|client| count_up(client, "c"))).await.iter().sum();
        assert_eq!(counted(&mut scene.client("onlooker", 0), "c").await, acknowledged);
    });
    holds(&ending.expect("a run"));
}

#[test]
fn increments_add_up_while_a_replica_dies_that_is_not_the_first() {
    let ending = play(&plan(5, 0), async |scene: &mut Scene| {
        create_table(scene).await;
        let (first, others) = first_and_others(scene, "c").await;
        let living: Vec<usize> = (0..5).filter(|at| *at != others[0]).collect();
        assert!(living.contains(&first));
        let clients = clients(scene, &living);
        let counting = join_all(clients.into_iter().map(|client| count_up(client, "c")));
        let dying = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            scene.crash(others[0]).await;
        };
        let (acknowledged, ()) = tokio::join!(counting, dying);
        assert_eq!(counted(&mut scene.client("onlooker", first), "c").await, acknowledged.iter().sum::<i64>());
    });
    holds(&ending.expect("a run"));
}

#[test]
fn a_lock_has_one_holder() {
    let ending = play(&plan(3, 0), async |scene: &mut Scene| {
        create_table(scene).await;
        for round in 0..10 {
            let name = format!("lock{round}");
            let item = |holder: usize| {
                let holder = AttributeValue::N(i64::try_from(holder).expect("few").into());
                Item::from_iter([("key", AttributeValue::S(name.clone())), ("holder", holder)])
            };
            let take = |holder| modify(&name, Some("attribute_not_exists(holder)"), Action::Put(item(holder)));
            let mut clients = clients(scene, &[0, 1, 2]);
            let asked = clients.iter_mut().enumerate().map(|(at, client)| {
                let take = take(at);
                async move { client.ask(&take).await.expect("it is sent") }
            });
            let outcomes = join_all(asked).await;
            let taken: Vec<&Modified> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
            let [taken] = taken[..] else { panic!("one holder: {outcomes:?}") };
            assert_eq!(taken.old, None);
            for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                let CallError::Refused(ModifyError::ConditionFailed { present }) = refused else {
                    panic!("refused for another reason: {refused}")
                };
                assert_eq!(*present, taken.new, "who is refused is told who holds it");
            }
        }
    });
    holds(&ending.expect("a run"));
}

#[test]
fn increments_add_up_while_a_node_joins() {
    let ending = play(&plan(4, 1), async |scene: &mut Scene| {
        create_table(scene).await;
        // Many keys: for some of them the newcomer comes first.
        let names: Vec<String> = (0..12).map(|at| format!("c{at}")).collect();
        let clients: Vec<(Visitor, &String)> =
            names.iter().enumerate().map(|(at, name)| (scene.client(name, at % 4), name)).collect();
        let counting = join_all(clients.into_iter().map(|(client, name)| count_up_somehow(client, name)));
        let (counts, joined) = tokio::join!(counting, scene.join(4));
        assert!(joined);
        for (name, (acknowledged, unknown)) in names.iter().zip(counts) {
            let counted = counted(&mut scene.client("onlooker", 4), name).await;
            assert!(
                (acknowledged..=acknowledged + unknown).contains(&counted),
                "{name}: {counted} of {acknowledged}, and of {unknown} nobody knows"
            );
            println!("{name}: {counted} of {acknowledged} and {unknown}");
        }
    });
    holds(&ending.expect("a run"));
}

/// The write that settles an item may miss a replica. Who tries again must not take it for done by what the others hold: the transaction's record would go, and
/// the replica that was missed would show the item as it was before.
#[test]
fn an_item_is_settled_once_as_many_hold_it_as_must() {
    let ending = play(&Plan { r: 1, w: 3, sloppy: false, ..plan(3, 0) }, async |scene: &mut Scene| {
        create_table(scene).await;
        let (first, others) = first_and_others(scene, "c").await;
        let mut client = scene.client("c", first);
        let transaction = TransactionId(7);
        let with_step = |step| Modify { step, ..increment("c") };
        let Step::Change(modification) = increment("c").step else { panic!("a change") };
        let prepare = with_step(Step::Prepare { transaction, deadline_ms: u64::MAX, modification });
        let settle = with_step(Step::Settle { transaction, decision: Decision::Committed });
        client.ask(&prepare).await.expect("it is sent").expect("all three have it");
        scene.part(&[others[1]], &[first, others[0]]);
        for _ in 0..2 {
            let settled = client.ask(&settle).await.expect("it is sent");
            assert!(settled.is_err(), "one of three does not have it: {settled:?}");
        }
        scene.heal();
        scene.settle().await;
        client.ask(&settle).await.expect("it is sent").expect("all three have it");
        assert_eq!(counted(&mut scene.client("onlooker", others[1]), "c").await, 1);
    });
    holds(&ending.expect("a run"));
}
