//! A real data set goes into a cluster while one of its nodes is killed, and comes out item for item.

mod cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cluster::{Cluster, Node};
use serde_json::{Value, json};
use tempfile::TempDir;

const ISO_CODES: &str = "/usr/share/iso-codes/json/iso_639-3.json";

/// How many records take its place where it is not installed.
const GENERATED: u32 = 8000;

/// The node dies once this record is there, and comes back once that one is, which was written without it.
const KILLED_AT: usize = 500;
const BACK_AT: usize = 1500;

/// A file, and what is in it by key.
struct DataSet {
    file: PathBuf,
    records: BTreeMap<String, Value>,
    /// In the order of the file.
    keys: Vec<String>,
    _folder: TempDir,
}

impl DataSet {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut file = PathBuf::from(ISO_CODES);
        if file.exists() {
            println!("the data set is {ISO_CODES}");
        } else {
            let required = std::env::var_os("SLIPRING_REQUIRE_ISO_CODES").is_some();
            assert!(!required, "{ISO_CODES} is not there: install Debian's package iso-codes");
            println!("{ISO_CODES} is not there (package iso-codes): the data set is {GENERATED} generated records");
            file = folder.path().join("generated.json");
            std::fs::write(&file, generated().to_string()).expect("the file can be written");
        }
        let content: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
        let list = content["639-3"].as_array().expect("an array");
        let keys: Vec<String> = list.iter().map(key).collect();
        let records: BTreeMap<String, Value> = list.iter().map(|record| (key(record), record.clone())).collect();
        assert_eq!(records.len(), keys.len(), "every key is there once");
        Self { file, records, keys, _folder: folder }
    }
}

fn generated() -> Value {
    let letter = |at: u32| char::from_u32(u32::from(b'a') + at % 26).expect("a letter");
    let record = |at: u32| {
        let alpha_3: String = [letter(at / 676), letter(at / 26), letter(at)].into_iter().collect();
        json!({"alpha_3": alpha_3, "name": format!("Language № {at}"), "scope": "I", "type": "L"})
    };
    json!({"639-3": (0..GENERATED).map(record).collect::<Vec<_>>()})
}

fn key(record: &Value) -> String {
    record["alpha_3"].as_str().expect("a key").to_owned()
}

fn spawn(addresses: &[String], arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    command.arg("--connect").arg(addresses.join(",")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("slipring-admin starts")
}

/// The standard output of a command that succeeds.
fn output(process: Child) -> String {
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn ask(node: &Node, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&output(spawn(std::slice::from_ref(&node.bridge), &arguments))).expect("JSON")
}

/// Waits until a node finds the item.
fn wait_for_item(node: &Node, key: &str) {
    node.wait_until(&format!("finds {key}"), || {
        let process = spawn(std::slice::from_ref(&node.bridge), &["get", "kv", key]);
        process.wait_with_output().expect("it ends").status.success()
    });
}

/// What comes out equals what went in.
fn assert_exports(node: &Node, data: &DataSet) {
    let text = output(spawn(std::slice::from_ref(&node.bridge), &["export", "kv", "--key", "alpha_3"]));
    let items: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let by_key: BTreeMap<String, Value> = items.iter().map(|item| (key(item), item.clone())).collect();
    let (wanted, found): (BTreeSet<_>, BTreeSet<_>) = (data.records.keys().collect(), by_key.keys().collect());
    assert_eq!(wanted.symmetric_difference(&found).collect::<Vec<_>>(), Vec::<&&String>::new(), "the same keys");
    for (key, record) in &data.records {
        assert_eq!(&by_key[key], record);
    }
    assert_eq!(items.len(), data.records.len(), "each item once");
}

/// What some of the items are, with their contexts and dots.
fn versions(node: &Node, data: &DataSet) -> Vec<(Value, BTreeSet<String>)> {
    let read = |key: &String| {
        let held = ask(node, &["where", "kv", key]);
        let replicas = held["replicas"].as_array().expect("replicas").iter();
        let dots = replicas.flat_map(|replica| replica["versions"].as_array().expect("versions"));
        let dots = dots.map(|version| version["dot"].to_string()).collect();
        (ask(node, &["get", "kv", key, "--r", "3"]), dots)
    };
    data.keys.iter().step_by(data.keys.len() / 8).map(read).collect()
}

fn import_arguments(file: &Path) -> [&str; 6] {
    ["import", "kv", file.to_str().expect("a path in UTF-8"), "--key", "alpha_3", "--json"]
}

#[test]
fn a_data_set_survives_a_killed_node_and_comes_out_as_it_went_in() {
    let data = DataSet::open();
    let mut cluster = Cluster::start(3);
    let addresses = cluster.addresses();

    // The node that dies is the one that the import talks to first.
    let mut import = spawn(&addresses, &import_arguments(&data.file));
    wait_for_item(&cluster.nodes[1], &data.keys[KILLED_AT]);
    cluster.nodes[0].kill();
    assert_eq!(import.try_wait().expect("a process"), None, "the node was killed in the middle");
    wait_for_item(&cluster.nodes[1], &data.keys[BACK_AT]);
    cluster.start_all();
    let report: Value = serde_json::from_str(&output(import)).expect("JSON");
    println!("{report}");
    let counted = |name: &str| report[name].as_u64().expect("a count");
    assert_eq!(counted("written") + counted("unchanged"), data.records.len() as u64, "{report}");
    assert_eq!((counted("failed"), &report["stopped"]), (0, &json!(false)), "{report}");
    assert_exports(&cluster.nodes[1], &data);

    for node in &cluster.nodes {
        node.wait_until("has handed over its hints", || ask(node, &["hints"]) == json!([]));
    }
    let before = versions(&cluster.nodes[2], &data);
    let again = output(spawn(&addresses, &import_arguments(&data.file)));
    let again: Value = serde_json::from_str(&again).expect("JSON");
    let count = |name: &str| again[name].as_u64().expect("a count");
    assert_eq!((count("written"), count("unchanged"), count("failed")), (0, data.records.len() as u64, 0), "{again}");
    assert_exports(&cluster.nodes[2], &data);
    assert_eq!(versions(&cluster.nodes[2], &data), before);
    cluster.nodes.iter().for_each(Node::assert_unharmed);
}
