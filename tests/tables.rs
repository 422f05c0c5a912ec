//! Tables are created, altered and dropped through any node, survive what nodes survive, and leave nothing behind. Real processes.

mod cluster;

use cluster::{Cluster, Node, ask, refusal};
use serde_json::json;

fn names(node: &Node) -> Vec<String> {
    let tables = ask(node, &["tables"]);
    tables.as_array().expect("a list").iter().map(|table| table["name"].as_str().expect("a name").to_owned()).collect()
}

fn wait_until_known(cluster: &Cluster, expected: &[&str]) {
    for node in &cluster.nodes {
        node.wait_until("knows the tables", || names(node) == expected);
    }
}

fn leader(node: &Node) -> Option<String> {
    ask(node, &["metadata"])["leader"].as_str().map(str::to_owned)
}

#[test]
fn a_table_lives_on_all_nodes_and_goes_from_all_of_them() {
    let cluster = Cluster::start_with(3, &[("garbage.walk_interval_s", "3600")]);
    let [one, two, three] = &cluster.nodes[..] else { panic!("three nodes") };
    let created =
        ask(one, &["create", "orders", "--key", "customer", "--sort", "at:N", "--conflict", "lww", "--w", "3"]);
    assert_eq!(created["quorum"], json!({"n": 3, "r": 2, "w": 3}));
    assert_eq!(created["sort_key"], json!({"name": "at", "type": "N"}));
    wait_until_known(&cluster, &["kv", "orders"]);

    ask(two, &["put", "orders", "ann", r#"{"sum": 7}"#, "--sort", "1"]);
    ask(three, &["put", "orders", "ann", r#"{"sum": 9}"#, "--sort", "1"]);
    let found = ask(one, &["get", "orders", "ann", "--sort", "1"]);
    assert_eq!(found["siblings"], json!([{"customer": "ann", "at": 1, "sum": 9}]), "the latest write wins");
    ask(one, &["put", "kv", "ann", r#"{"kept": true}"#]);

    let altered = ask(two, &["alter", "orders", "--w", "1", "--r", "1"]);
    assert_eq!(altered["quorum"], json!({"n": 3, "r": 1, "w": 1}));
    let altered = ask(three, &["alter", "orders", "--default-r", "--default-w"]);
    assert_eq!((&altered["quorum"], &altered["own_quorum"]), (&json!({"n": 3, "r": 2, "w": 2}), &json!([])));

    ask(three, &["drop", "orders", "--confirm", "orders"]);
    wait_until_known(&cluster, &["kv"]);
    assert_eq!(refusal(one, &["get", "orders", "ann", "--sort", "1"]).0, 3);
    for node in &cluster.nodes {
        node.wait_until("has deleted the records", || node.metric_sum("slipring_dropped_records_total") == 1.0);
    }
    // One of the same name is another one.
    ask(two, &["create", "orders", "--key", "customer", "--sort", "at:N"]);
    wait_until_known(&cluster, &["kv", "orders"]);
    assert_eq!(refusal(three, &["get", "orders", "ann", "--sort", "1"]), (3, "no such item\n".to_owned()));
    assert_eq!(ask(three, &["get", "kv", "ann"])["siblings"], json!([{"key": "ann", "kept": true}]));
}

#[test]
fn bad_requests_change_nothing_and_say_why() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let cases: [(&[&str], i32, &str); 12] = [
        (&["create", "kv", "--key", "id"], 4, "there is a table `kv` already"),
        (&["create", "a/b", "--key", "id"], 2, "'/' cannot stand in a table name"),
        (&["create", "t", "--key", "id:X"], 2, "S, N or B"),
        (&["create", "t", "--key", "id", "--sort", "id"], 2, "cannot be both"),
        (&["create", "t", "--key", ""], 2, "1 to 255 bytes"),
        (&["create", "t", "--key", "id", "--r", "4"], 2, "4"),
        (&["create", "t", "--key", "id", "--w", "0"], 2, "0"),
        (&["create", "t"], 2, "--key"),
        (&["alter", "kv"], 2, "required"),
        (&["alter", "missing", "--w", "1"], 3, "there is no table `missing`"),
        (&["drop", "kv", "--confirm", "kv"], 2, "built in"),
        (&["drop", "kv", "--confirm", "vk"], 2, "nothing was dropped"),
    ];
    for (arguments, exit, part) in cases {
        let (code, said) = refusal(node, arguments);
        assert_eq!(code, exit, "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(names(node), ["kv"]);
}

#[test]
fn the_leader_is_killed_and_tables_are_changed_all_the_same() {
    let mut cluster = Cluster::start(3);
    ask(&cluster.nodes[0], &["create", "before", "--key", "id"]);
    let first = leader(&cluster.nodes[0]).expect("there is one: it has decided");
    let killed = cluster.at(&first);
    cluster.kill(&[killed]);
    let other = (killed + 1) % 3;
    ask(&cluster.nodes[other], &["create", "meanwhile", "--key", "id"]);
    assert_ne!(leader(&cluster.nodes[other]), Some(first));
    // One of three cannot decide; data does not need it to.
    let last = (killed + 2) % 3;
    cluster.kill(&[other]);
    let (exit, said) = refusal(&cluster.nodes[last], &["create", "never", "--key", "id"]);
    assert!(exit == 5 || exit == 6, "{exit}: {said}");
    ask(&cluster.nodes[last], &["put", "kv", "a", "{}", "--w", "1"]);
    let warnings = ask(&cluster.nodes[last], &["status"])["warnings"].to_string();
    assert!(warnings.contains("nobody is known to decide"), "{warnings}");
    cluster.start_all();
    let known = |name: &&str| cluster.nodes.iter().all(|node| names(node).iter().any(|table| table == name));
    for name in ["before", "meanwhile"] {
        cluster.nodes[last].wait_until("knows the tables", || known(&name));
    }
    // What a peer has told is in no log of its own before a leader says so.
    let is_written = |node: &Node| ask(node, &["metadata"])["log_behind"] == 0;
    cluster.nodes[last].wait_until("all have it in their logs", || cluster.nodes.iter().all(is_written));
    // All at once, as in a power failure.
    cluster.kill(&[0, 1, 2]);
    cluster.start_all();
    let known = |name: &&str| cluster.nodes.iter().all(|node| names(node).iter().any(|table| table == name));
    assert!(["before", "meanwhile"].iter().all(known), "a node knows its tables when it serves");
}

#[test]
fn a_node_that_lost_its_disk_learns_the_tables_and_decides_again() {
    let mut cluster = Cluster::start(3);
    ask(&cluster.nodes[0], &["create", "orders", "--key", "id"]);
    wait_until_known(&cluster, &["kv", "orders"]);
    cluster.kill(&[1]);
    cluster.nodes[1].lose_disk();
    cluster.start_all();
    wait_until_known(&cluster, &["kv", "orders"]);
    let voters = |node: &Node| ask(node, &["metadata"])["voters"].as_array().expect("a list").len();
    let node = &cluster.nodes[1];
    node.wait_until("votes again", || voters(node) == 3 && ask(node, &["metadata"])["takes_part"] == json!(true));
    // Without it nothing could be decided now.
    cluster.kill(&[0]);
    ask(&cluster.nodes[1], &["create", "more", "--key", "id"]);
}

/// How many nodes hold the key of the table, as `where` says.
fn holders(node: &Node, table: &str, key: &str) -> usize {
    let place = ask(node, &["where", table, key]);
    let replicas = place["replicas"].as_array().expect("a list");
    replicas.iter().filter(|replica| replica["versions"].as_array().is_some_and(|held| !held.is_empty())).count()
}

#[test]
fn a_table_gets_more_copies_and_fewer_and_loses_nothing() {
    let cluster = Cluster::start(5);
    let [one, two, three, ..] = &cluster.nodes[..] else { panic!("five nodes") };
    ask(one, &["create", "orders", "--key", "id"]);
    wait_until_known(&cluster, &["kv", "orders"]);
    let keys: Vec<String> = (0..60).map(|number| format!("o{number}")).collect();
    for (at, key) in keys.iter().enumerate() {
        ask(&cluster.nodes[at % 5], &["put", "orders", key, "{\"kept\": true}"]);
    }
    let at_rest = |what: &str| {
        for node in &cluster.nodes {
            node.wait_until(what, || ask(node, &["tasks"]) == json!([]));
        }
    };
    let altered = ask(two, &["alter", "orders", "--n", "5", "--r", "1", "--w", "5"]);
    assert_eq!(altered["quorum"], json!({"n": 5, "r": 1, "w": 5}));
    at_rest("has five copies");
    for key in &keys {
        assert_eq!(holders(three, "orders", key), 5, "{key}");
        // One replica is enough, whichever it is.
        for node in &cluster.nodes {
            assert_eq!(ask(node, &["get", "orders", key])["siblings"], json!([{"id": key, "kept": true}]), "{key}");
        }
    }
    let (exit, said) = refusal(one, &["alter", "orders", "--n", "2"]);
    assert_eq!(exit, 2, "W = 5 of 2: {said}");
    let altered = ask(three, &["alter", "orders", "--n", "2", "--r", "1", "--w", "2"]);
    assert_eq!(altered["quorum"], json!({"n": 2, "r": 1, "w": 2}));
    at_rest("has two copies");
    for key in &keys {
        for node in &cluster.nodes {
            assert_eq!(ask(node, &["get", "orders", key])["siblings"], json!([{"id": key, "kept": true}]), "{key}");
        }
    }
    ask(two, &["alter", "orders", "--default-n", "--default-r", "--default-w"]);
    at_rest("has three copies");
    let described = ask(one, &["describe", "orders"]);
    assert_eq!(described["quorum"], json!({"n": 3, "r": 2, "w": 2}));
}
