//! The command lines of `docs/kv.md` do what the page says: they are run as they stand there, in one shell, against three real nodes.
//!
//! A line that begins with `$ ` is a command, and what follows is what it prints; `...` stands for anything. Ports are those of the test's nodes,
//! and what stands under "Access keys" goes to a node that asks for signatures.

mod cluster;

use std::path::Path;
use std::process::Command;

use cluster::{Cluster, Node};

/// The heading under which requests are signed.
const SIGNED: &str = "## Access keys";

const KEY: [&str; 2] = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];

/// A command of the page and what it prints.
#[derive(Debug, Default)]
struct Step {
    command: String,
    prints: Vec<String>,
}

#[test]
fn the_lines_of_the_page_do_what_it_says() {
    need_curl();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kv.md")).expect("the page");
    let (open, signed) = page.split_once(SIGNED).expect("a section about access keys");
    let cluster = Cluster::start(3);
    let nodes: Vec<&Node> = cluster.nodes.iter().collect();
    assert!(follow(&steps(open), &nodes) > 20, "the page has lost its lines");

    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY.join(" ")).expect("a file");
    let mut private = std::fs::metadata(&keys).expect("the file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut private, 0o600);
    std::fs::set_permissions(&keys, private).expect("its mode can be set");
    let closed = Cluster::start_with(1, &[("http.access_keys_file", keys.to_str().expect("a path"))]);
    let node = &closed.nodes[0];
    assert!(follow(&steps(signed), &[node, node, node]) > 1, "the page has lost its signed lines");
    let unsigned = Command::new("curl").args(["-s", &format!("http://{}/kv/kv/signed", node.http)]).output();
    let said = String::from_utf8_lossy(&unsigned.expect("curl").stdout).into_owned();
    assert!(said.contains("\"signature_missing\""), "{said}");
    cluster.nodes.iter().chain(&closed.nodes).for_each(Node::assert_unharmed);
}

/// curl itself must be there, and new enough to print a header of the answer.
fn need_curl() {
    let version = Command::new("curl").arg("--version").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let numbers = text.strip_prefix("curl ").and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.parse().unwrap_or(0_u32));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    assert!(found >= (7, 84), "this test needs curl 7.84 or newer (Debian's package curl), found: {text:?}");
}

/// The commands of a text, in order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut follows = false;
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(line) if line.starts_with("$ ") => {
                steps.push(Step { command: line[2..].to_owned(), prints: Vec::new() });
                follows = true;
            }
            Some(line) if follows => steps.last_mut().expect("a command").prints.push(line.to_owned()),
            _ => follows = false,
        }
    }
    steps
}

/// Runs all of them in one shell and compares what each prints. How many there were.
fn follow(steps: &[Step], nodes: &[&Node]) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let admin = env!("CARGO_BIN_EXE_slipring-admin");
    let mut script = format!(
        "ID='{}' SECRET='{}'\nslipring-admin() {{ '{admin}' --connect {} \"$@\"; }}\n",
        KEY[0], KEY[1], nodes[0].bridge
    );
    for (at, step) in steps.iter().enumerate() {
        let mut command = step.command.clone();
        for (port, node) in ["127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002"].iter().zip(nodes) {
            command = command.replace(port, &node.http);
        }
        let out = folder.path().join(at.to_string()).display().to_string();
        script += &format!("{{ {command}\n}} >'{out}' 2>&1\n");
    }
    let shell = Command::new("bash").args(["-u", "-c", &script]).output().expect("bash");
    for (at, step) in steps.iter().enumerate() {
        let printed = std::fs::read_to_string(folder.path().join(at.to_string())).unwrap_or_default();
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        let as_said = matches!(step.prints[..], [ref all] if all == "...")
            || lines.len() == step.prints.len()
                && lines.iter().zip(&step.prints).all(|(line, pattern)| is_like(line, pattern));
        assert!(as_said, "{}\nshould print\n{:#?}\nand printed\n{printed}\n{shell:?}", step.command, step.prints);
    }
    steps.len()
}

/// Whether a line has the parts of the pattern in this order, with anything in between.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("...");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn patterns_are_compared() {
    assert!(is_like(r#"{"context":"AQ","n":1}"#, r#"{"context":"...","n":1}"#));
    assert!(!is_like(r#"{"context":"AQ","n":2}"#, r#"{"context":"...","n":1}"#));
    assert!(!is_like("404 x", "404"));
    assert!(!is_like("304", "404 ..."));
    assert!(is_like("a b c", "a ... c") && !is_like("a c", "a ... c"));
}
