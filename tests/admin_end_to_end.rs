//! The admin program against a real node: what every command prints, and the exit code of each kind of failure.

mod cluster;

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cluster::{Cluster, Node};
use serde_json::{Value, json};

/// What the program printed, and its exit code.
struct Said {
    out: String,
    err: String,
    exit: i32,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

fn command(addresses: &[String], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipring-admin"));
    command.arg("--connect").arg(addresses.join(",")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn outcome(process: Child) -> Said {
    let output = process.wait_with_output().expect("it succeeds");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it succeeds");
    Said { out: text(output.stdout), err: text(output.stderr), exit: output.status.code().unwrap_or(-1) }
}

fn admin(node: &Node, arguments: &[&str]) -> Said {
    outcome(command(std::slice::from_ref(&node.bridge), arguments).spawn().expect("it succeeds"))
}

fn admin_reading(node: &Node, arguments: &[&str], input: &str) -> Said {
    let mut command = command(std::slice::from_ref(&node.bridge), arguments);
    let mut process = command.stdin(Stdio::piped()).spawn().expect("it succeeds");
    process.stdin.take().expect("it succeeds").write_all(input.as_bytes()).expect("it succeeds");
    outcome(process)
}

/// Runs a command that must succeed with JSON.
fn ask(node: &Node, arguments: &[&str]) -> Value {
    let said = admin(node, &[&["--json"], arguments].concat());
    assert_eq!(said.exit, 0, "{arguments:?}: {}", said.err);
    said.json()
}

#[test]
fn an_item_is_written_read_merged_and_deleted() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let missing = admin(node, &["get", "kv", "cart:1"]);
    assert_eq!((missing.out.as_str(), missing.err.as_str(), missing.exit), ("", "no such item\n", 3));
    let missing = admin(node, &["get", "kv", "cart:1", "--json"]);
    assert_eq!((missing.json()["siblings"].clone(), missing.exit), (json!([]), 3));

    let first = ask(node, &["put", "kv", "cart:1", r#"{"items": ["milk"]}"#]);
    assert_eq!(first["siblings"], 1);
    let second = admin(node, &["put", "kv", "cart:1", r#"{"items": ["tea"]}"#]);
    assert!(second.out.starts_with("ok, 2 siblings\ncontext "), "{}", second.out);

    let both = ask(node, &["get", "kv", "cart:1"]);
    let items = json!([{"items": ["milk"], "key": "cart:1"}, {"items": ["tea"], "key": "cart:1"}]);
    assert_eq!(both["siblings"], items);
    assert_eq!(both.as_object().unwrap().len(), 2, "siblings and context, nothing else");
    let text = admin(node, &["get", "kv", "cart:1"]);
    assert!(text.out.starts_with("sibling 1 of 2, ") && text.err.contains("--context"), "{}{}", text.out, text.err);

    let context = both["context"].as_str().unwrap();
    let stale = first["context"].as_str().unwrap();
    let merged = ask(node, &["put", "kv", "cart:1", r#"{"items": ["milk", "tea"]}"#, "--context", context]);
    assert_eq!(merged["siblings"], 1);
    let held = ask(node, &["where", "kv", "cart:1"]);
    assert_eq!((&held["agree"], &held["replicas"][0]["state"]), (&json!(true), &json!("current")));
    assert_eq!(held["replicas"][0]["versions"][0]["item"]["items"], json!(["milk", "tea"]));

    assert_eq!(admin(node, &["put", "kv", "cart:2", "{}", "--context", context]).exit, 4);
    assert_eq!(ask(node, &["delete", "kv", "cart:1", "--context", stale])["siblings"], 1);
    assert_eq!(ask(node, &["delete", "kv", "cart:1"])["siblings"], 0);
    assert_eq!(admin(node, &["get", "kv", "cart:1"]).exit, 3);
    let held = ask(node, &["where", "kv", "cart:1"]);
    assert_eq!(held["replicas"][0]["versions"][0]["state"], "tombstone");
}

#[test]
fn an_item_with_a_ttl_vanishes() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    ask(node, &["put", "kv", "s", r#"{"user": 7}"#, "--ttl", "1"]);
    assert!(admin(node, &["get", "kv", "s"]).out.contains("expires in 1 s"));
    node.wait_until("hides the item", || admin(node, &["get", "kv", "s"]).exit == 3);
    let held = ask(node, &["where", "kv", "s"]);
    assert_eq!(held["replicas"][0]["versions"][0]["state"], "expired");
}

#[test]
fn the_cluster_is_described() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let status = ask(node, &["status"]);
    assert_eq!(
        (&status["node"], &status["members"], &status["effective_quorum"]["n"]),
        (&json!("n0"), &json!(1), &json!(1))
    );
    let nodes = ask(node, &["nodes"]);
    assert_eq!((&nodes[0]["state"], &nodes[0]["this_node"]), (&json!("up"), &json!(true)));
    let ring = ask(node, &["ring", "--all"]);
    assert_eq!(ring["ranges"], json!([{"first": 0, "last": 255, "owner": "n0"}]));
    assert_eq!(ask(node, &["hints"]), json!([]));
    let repair = ask(node, &["repair", "status"]);
    assert_eq!((&repair["enabled"], &repair["paused"], &repair["run"]), (&json!(true), &json!(false), &Value::Null));
    assert_eq!(ask(node, &["repair", "pause"])["paused"], json!(true));
    let warned = || {
        let warnings = ask(node, &["status"])["warnings"].clone();
        warnings
            .as_array()
            .expect("a list")
            .iter()
            .any(|said| said.as_str().is_some_and(|said| said.contains("repair is paused")))
    };
    assert!(warned());
    assert_eq!(ask(node, &["repair", "run"])["run"]["done"], json!(0), "paused, it does not wait");
    assert_eq!(ask(node, &["repair", "resume"])["paused"], json!(false));
    assert!(!warned());
    assert_eq!(ask(node, &["repair", "run"])["run"]["total"], json!(0), "nobody to compare with");
    assert_eq!(ask(node, &["tables"])[0], ask(node, &["describe", "kv"]));
    assert_eq!(ask(node, &["metrics", "slipring_build"])[0]["name"], "slipring_build_info");
    for text in ["status", "nodes", "ring", "hints", "repair status", "tombstones", "tables", "metrics"] {
        let said = admin(node, &text.split(' ').collect::<Vec<_>>());
        assert_eq!((said.exit, said.err.as_str()), (0, ""), "{text}");
        assert!(said.out.ends_with('\n'), "{text}: {}", said.out);
    }
    let watched = admin(node, &["watch", "1", "--count", "2", "describe", "kv", "--json"]);
    assert_eq!(watched.out.lines().count(), 2);
}

/// Whoever looks at `status` learns that replicas which differ stay different.
#[test]
fn a_pause_survives_kill_and_status_says_what_is_not_repaired() {
    let mut cluster = Cluster::start(1);
    assert_eq!(ask(&cluster.nodes[0], &["repair", "pause"])["paused"], json!(true));
    cluster.nodes[0].restart();
    let node = &cluster.nodes[0];
    node.wait_until_ready();
    assert_eq!(ask(node, &["repair", "status"])["paused"], json!(true));
    let said = admin(node, &["status"]);
    assert!(said.out.contains("warning     repair is paused on this node"), "{}", said.out);
    cluster.nodes[0].set("anti_entropy.enabled", "false");
    cluster.nodes[0].restart();
    let node = &cluster.nodes[0];
    node.wait_until_ready();
    let said = admin(node, &["status"]);
    assert!(said.out.contains("warning     repair is off on this node"), "{}", said.out);
}

#[test]
fn each_mistake_has_its_exit_code() {
    let cluster = Cluster::start_with(1, &[("limits.siblings_max", "2"), ("limits.siblings_warn", "1")]);
    let node = &cluster.nodes[0];
    let cases: [(&[&str], i32, &str); 14] = [
        (&["gte", "kv", "a"], 2, "did you mean `get`?"),
        (&["put", "kv", "a", r#"{"a": }"#], 2, "column 7"),
        (&["put", "kv", "a", "[1]"], 2, "expected an object"),
        (&["put", "kv", "a", r#"{"key": "b"}"#], 2, "is not the KEY given"),
        (&["put", "kv", "a", "{}", "--context", "x"], 2, "copy it whole"),
        (&["put", "kv", "a", "{}", "--w", "9"], 2, "w = 9"),
        (&["put", "kv", "", "{}"], 2, "empty"),
        (&["get", "kv", "a", "--sort", "1"], 2, "no sort key"),
        (&["get", "kvv", "a"], 3, "did you mean `kv`?"),
        (&["describe", "orders"], 3, "there are: kv"),
        (&["watch", "1", "delete", "kv", "a"], 2, "`watch` repeats"),
        (&["import", "kv", "/nonexistent", "--key", "id"], 1, "/nonexistent: "),
        (&["export", "kv", "/nonexistent/file"], 1, "/nonexistent/file: "),
        (&["--secret-file", "/nonexistent", "status"], 7, "/nonexistent cannot be read"),
    ];
    for (arguments, exit, part) in cases {
        let said = admin(node, arguments);
        assert_eq!((said.exit, said.out.as_str()), (exit, ""), "{arguments:?}: {}", said.err);
        assert!(said.err.starts_with("error: ") && said.err.contains(part), "{arguments:?}: {}", said.err);
    }
    for _ in 0..2 {
        ask(node, &["put", "kv", "many", "{}"]);
    }
    assert_eq!(admin(node, &["put", "kv", "many", "{}"]).exit, 4, "too many siblings");
}

#[test]
fn without_a_node_or_its_secret_there_is_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (secret("right", "sixteen bytes or more\n"), secret("wrong", "another sixteen bytes\n"));
    let mut cluster = Cluster::prepare(1, &[("cluster.secret_file", &format!("{right:?}"))]);
    let node = &mut cluster.nodes[0];
    let said = admin(node, &["status"]);
    assert_eq!(said.exit, 5, "{}", said.err);
    node.start();
    node.wait_until_ready();
    assert_eq!(admin(node, &["--secret-file", &right, "status"]).exit, 0);
    assert_eq!(admin(node, &["--secret-file", &wrong, "status"]).exit, 7);
    assert_eq!(admin(node, &["status"]).exit, 7);
}

#[test]
fn a_script_runs_to_its_end_and_exits_with_its_last_failure() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let script =
        "put kv a {\"n\": 1}\n\n# a comment\nget kv nothing\nput kv a {\"n\" 2}\n\\json on\nget kv a\nexit\nstatus\n";
    let said = admin_reading(node, &[], script);
    assert_eq!(said.exit, 2, "{}", said.err);
    let last = said.out.lines().last().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["siblings"], json!([{"key": "a", "n": 1}]));
    assert!(
        said.err.contains("no such item") && said.err.contains("(line 5 of the script: exit code 2)"),
        "{}",
        said.err
    );
}

fn records(count: usize) -> Vec<Value> {
    let record =
        |n: usize| json!({"id": format!("r{n:04}"), "n": n, "name": format!("Näme {n}"), "tags": ["x", {"y": null}]});
    (0..count).map(record).collect()
}

fn read_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("it succeeds");
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("it succeeds")).collect();
    lines.sort_by_key(|record| record["id"].to_string());
    lines
}

#[test]
fn what_is_imported_is_exported_again_item_for_item() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let records = records(300);
    std::fs::write(path("in.json"), json!({"639-3": records}).to_string()).unwrap();
    let import = |file: &str| ask(node, &["import", "kv", file, "--key", "id"]);
    let summary = |written, unchanged| json!({"written": written, "unchanged": unchanged, "failed": 0, "stopped": false, "failures": []});
    assert_eq!(import(&path("in.json")), summary(300, 0));
    assert_eq!(import(&path("in.json")), summary(0, 300));

    let exported = ask(node, &["export", "kv", &path("out.jsonl"), "--key", "id"]);
    assert_eq!(exported, json!({"items": 300, "keys_with_siblings": 0, "failed": 0}));
    assert_eq!(read_lines(&folder.path().join("out.jsonl")), records);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    let printed = admin(node, &["export", "kv", "--key", "id"]);
    assert_eq!(printed.out, std::fs::read_to_string(path("out.jsonl")).unwrap(), "the order is stable");
    assert_eq!(admin_reading(node, &["import", "kv", "-", "--key", "id"], &printed.out).exit, 0);

    let bad = "{\"id\": \"a\"}\n{\"key\": 1, \"id\": \"b\"}\nnot json\n{\"n\": 1}\n";
    let said = admin_reading(node, &["--json", "import", "kv", "-", "--key", "id"], bad);
    assert_eq!((said.exit, &said.json()["written"], &said.json()["failed"]), (10, &json!(1), &json!(3)));
    assert!(said.err.contains("line 3: malformed JSON"), "{}", said.err);

    ask(node, &["put", "kv", "r0000", "{}"]);
    let said = admin(node, &["export", "kv"]);
    assert_eq!((said.exit, said.out.lines().count()), (10, 302), "{}", said.err);
}

#[test]
fn an_import_survives_a_node_that_is_killed_and_comes_back() {
    let mut cluster = Cluster::start(1);
    let folder = tempfile::tempdir().unwrap();
    let records = records(4000);
    let input: String = records.iter().map(|record| format!("{record}\n")).collect();
    let file = folder.path().join("in.jsonl").display().to_string();
    std::fs::write(&file, input).unwrap();
    let arguments = ["--json", "import", "kv", &file, "--key", "id", "--concurrency", "4"];
    let import = command(&cluster.addresses(), &arguments).spawn().unwrap();
    let node = &mut cluster.nodes[0];
    let begun = Instant::now();
    while ask(node, &["export", "kv", &format!("{file}.part")])["items"].as_u64().unwrap() < 50 {
        assert!(begun.elapsed() < cluster::PATIENCE);
    }
    node.kill();
    std::thread::sleep(Duration::from_millis(300));
    node.start();
    let said = outcome(import);
    assert_eq!(said.exit, 0, "{}", said.err);
    let summary = said.json();
    assert_eq!(summary["written"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap(), 4000);
    let out = folder.path().join("out.jsonl");
    let exported = ask(&cluster.nodes[0], &["export", "kv", &out.display().to_string(), "--key", "id"]);
    assert_eq!(exported, json!({"items": 4000, "keys_with_siblings": 0, "failed": 0}));
    assert_eq!(read_lines(&out), records);
}
