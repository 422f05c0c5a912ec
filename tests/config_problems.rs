//! What an operator reads when a configuration is wrong: every message names its place, key, value and remedy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use slipring::config::{Config, ConfigError};
use tempfile::TempDir;

/// A folder with a configuration file.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a file in it");
        path
    }

    /// What loading `toml` under `env` says, with this folder's path left out.
    fn said(&self, toml: &str, env: &[(&str, &str)]) -> String {
        let file = self.write("node.toml", toml);
        match load(Some(&file), env) {
            Ok(config) => panic!("accepted\n{toml}\nas {config:?}"),
            Err(error) => self.without_path(&error),
        }
    }

    fn without_path(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn load(path: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env: BTreeMap<String, String> =
        env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Config::load(path, &env)
}

#[track_caller]
fn assert_said(cases: &[(&str, &str)]) {
    let folder = Folder::new();
    for (toml, expected) in cases {
        assert_eq!(folder.said(toml, &[]), *expected, "for\n{toml}");
    }
}

#[test]
fn unknown_names_get_a_suggestion() {
    assert_said(&[
        ("[replication]\nn = 3\n\nrr = 2", "node.toml:4: unknown key replication.rr: did you mean replication.r?"),
        (
            "[storage]\nsync_interval = 5",
            "node.toml:2: unknown key storage.sync_interval: did you mean storage.sync_interval_ms?",
        ),
        ("[storage]\npartitions = 64", "node.toml:2: unknown key storage.partitions: did you mean ring.partitions?"),
        ("[ring]\nxyzzy = 1", "node.toml:2: unknown key ring.xyzzy: the keys of [ring] are partitions"),
        ("[replicaton]\nn = 3", "node.toml:1: unknown section [replicaton]: did you mean [replication]?"),
        (
            "[xyzzy]",
            "node.toml:1: unknown section [xyzzy]: the sections are node, cluster, bridge, http, ring, replication, routing, \
             storage, limits, hinted_handoff, failure_detection, anti_entropy, garbage, balancing, log",
        ),
    ]);
}

#[test]
fn keys_and_sections_are_not_confused() {
    assert_said(&[
        ("data_dir = \"/srv\"", "node.toml:1: unknown key data_dir: did you mean node.data_dir?"),
        (
            "[node.name]\nfirst = \"a\"",
            "node.toml:1: node.name = {...} has the wrong type: must be a string (1..=63 characters a-z, 0-9 or -)",
        ),
        (
            "[[replication]]\nn = 3",
            "node.toml:1: replication = [[replication]] has the wrong type: must be a section [replication] with keys",
        ),
        ("ring = 256", "node.toml:1: ring = 256 has the wrong type: must be a section [ring] with keys"),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_quoted_as_written() {
    assert_said(&[
        (
            "[replication]\nr = \"2\"",
            "node.toml:2: replication.r = \"2\" has the wrong type: must be an integer (1..=9)",
        ),
        (
            "[replication]\nsloppy = 1",
            "node.toml:2: replication.sloppy = 1 has the wrong type: must be a boolean (true or false)",
        ),
        (
            "[limits]\nrequest_timeout_ms = 2_000.0",
            "node.toml:2: limits.request_timeout_ms = 2_000.0 has the wrong type: must be an integer (10..=600000)",
        ),
        (
            "[cluster]\nseeds = \"10.0.0.1:7400\"",
            "node.toml:2: cluster.seeds = \"10.0.0.1:7400\" has the wrong type: must be an array of strings \
             (different addresses \"host:port\")",
        ),
        (
            "[cluster]\nseeds = [\n  7400,\n  7401,\n]",
            "node.toml:2: cluster.seeds = [ 7400, 7401, ] has the wrong type: must be an array of strings \
             (different addresses \"host:port\")",
        ),
        (
            "[node]\nname = 1979-05-27",
            "node.toml:2: node.name = 1979-05-27 has the wrong type: must be a string (1..=63 characters a-z, 0-9 or -)",
        ),
    ]);
}

#[test]
fn numbers_out_of_range_name_the_range() {
    assert_said(&[
        ("[replication]\nn = 10", "node.toml:2: replication.n = 10 is out of range: must be 1..=9"),
        ("[node]\nweight = -1", "node.toml:2: node.weight = -1 is out of range: must be 1..=64"),
        (
            "[ring]\npartitions = 100",
            "node.toml:2: ring.partitions = 100 is out of range: must be a power of two in 8..=16384",
        ),
        (
            "[ring]\npartitions = 0x20000",
            "node.toml:2: ring.partitions = 0x20000 is out of range: must be a power of two in 8..=16384",
        ),
        (
            "[storage]\ncache_bytes = 99999999999999999999",
            "node.toml:2: storage.cache_bytes = 99999999999999999999 is out of range: must be 1048576..=1099511627776",
        ),
        (
            "[bridge]\nframe_max_bytes = 1024",
            "node.toml:2: bridge.frame_max_bytes = 1024 is out of range: must be 1048576..=67108864",
        ),
    ]);
}

#[test]
fn numbers_that_clash_name_each_other() {
    assert_said(&[
        (
            "[replication]\nn = 3\nr = 4",
            "node.toml:3: replication.r = 4 is out of range: must be 1..=3 (replication.n = 3)",
        ),
        (
            "[replication]\nw = 5",
            "node.toml:2: replication.w = 5 is out of range: must be 1..=3 (replication.n = 3 (default))",
        ),
        (
            "[replication]\nn = 1\nw = 1",
            "node.toml:2: replication.r = 2 (default) is out of range: must be 1..=1 (replication.n = 1)",
        ),
        (
            "[limits]\nsiblings_max = 10",
            "node.toml:2: limits.siblings_warn = 25 (default) is out of range: must be 1..=10 (limits.siblings_max = 10)",
        ),
        (
            "[failure_detection]\nprobe_interval_ms = 300",
            "node.toml:2: failure_detection.probe_timeout_ms = 150 (default) is out of range: must be 1..=100 (a third of \
             failure_detection.probe_interval_ms = 300)",
        ),
        // A key that is broken by itself is not compared with others.
        ("[replication]\nn = 99\nr = 9", "node.toml:2: replication.n = 99 is out of range: must be 1..=9"),
    ]);
}

#[test]
fn texts_that_are_not_allowed_say_what_is() {
    assert_said(&[
        (
            "[node]\nname = \"Node 1\"",
            "node.toml:2: node.name = \"Node 1\" is not allowed: must be 1..=63 characters a-z, 0-9 or -",
        ),
        ("[node]\ndata_dir = \"\"", "node.toml:2: node.data_dir = \"\" is not allowed: must be a path"),
        (
            "[storage]\ndurability = \"never\"",
            "node.toml:2: storage.durability = \"never\" is not allowed: must be \"always\" or \"interval\"",
        ),
        (
            "[http]\nlisten = \"localhost\"",
            "node.toml:2: http.listen = \"localhost\" is not allowed: must be an IP address and a port, like \
             \"127.0.0.1:7400\"",
        ),
        (
            "[bridge]\nadvertise = \"0.0.0.0:7400\"",
            "node.toml:2: bridge.advertise = \"0.0.0.0:7400\" is not allowed: must be \"host:port\" that others can \
             connect to, or empty",
        ),
        (
            "[cluster]\nseeds = [\"127.0.0.1:7400\", \"127.0.0.1:7400\"]",
            "node.toml:2: cluster.seeds = [\"127.0.0.1:7400\", \"127.0.0.1:7400\"] is not allowed: must be different \
             addresses \"host:port\"",
        ),
        (
            "[log]\nfilter = \"info,slipring=loud\"",
            "node.toml:2: log.filter = \"info,slipring=loud\" is not allowed: must be a log filter, like \"info\" or \
             \"warn,slipring=debug\"",
        ),
    ]);
}

#[test]
fn files_that_cannot_be_parsed_name_the_line() {
    let folder = Folder::new();
    let said = folder.said("[node]\nname = \"a\"\nweight = = 2\n", &[]);
    assert!(said.starts_with("node.toml:3: is not valid TOML: "), "{said}");
    let said = folder.said("[node]\nname = \"a\"\nname = \"b\"\n", &[]);
    assert_eq!(said, "node.toml:3: is not valid TOML: duplicate key");

    let missing = folder.0.path().join("missing.toml");
    let error = load(Some(&missing), &[]).unwrap_err();
    assert_eq!(folder.without_path(&error), "missing.toml: cannot be read: No such file or directory (os error 2)");
    let binary = folder.write("binary.toml", b"\xff\xfe");
    let error = load(Some(&binary), &[]).unwrap_err();
    assert_eq!(folder.without_path(&error), "binary.toml: cannot be read: stream did not contain valid UTF-8");
}

#[test]
fn addresses_that_strangers_reach_are_refused() {
    assert_said(&[
        (
            "[http]\nlisten = \"0.0.0.0:8000\"",
            "node.toml:2: http.listen = \"0.0.0.0:8000\" can be reached from other machines without authentication: \
             listen on 127.0.0.1, set http.access_keys_file, or accept it with cluster.insecure = true",
        ),
        (
            "[bridge]\nlisten = \"10.0.0.1:7400\"",
            "node.toml:2: bridge.listen = \"10.0.0.1:7400\" can be reached from other machines without \
             authentication: listen on 127.0.0.1, set cluster.secret_file, or accept it with cluster.insecure = true",
        ),
        (
            "[cluster]\ninsecure = true\n[bridge]\nlisten = \"0.0.0.0:7400\"",
            "node.toml:4: bridge.listen = \"0.0.0.0:7400\" is no address to connect to: set bridge.advertise to the \
             \"host:port\" that others reach",
        ),
        (
            "[http]\nlisten = \"127.0.0.1:7400\"",
            "node.toml:2: http.listen = \"127.0.0.1:7400\" is already taken by the bridge (bridge.listen = \
             \"127.0.0.1:7400\" (default))",
        ),
    ]);
}

#[test]
fn origins_that_no_browser_sends_or_that_let_everybody_in_are_refused() {
    let allowed = "different origins, like \"https://app.example.com\" or \"http://localhost:*\", or \"*\" alone";
    let folder = Folder::new();
    let wrong = [
        "localhost:3000",
        "ftp://a",
        "https://App.example.com",
        "https://a/",
        "https://a/b",
        "https://*.example.com",
        "https://a:0",
        "https://a:",
        "https://a:8*",
        "https://[::1",
        "https://10.0.0.256",
        "https://",
        "",
    ];
    for origin in wrong {
        assert_eq!(
            folder.said(&format!("[http]\ncors_origins = [{origin:?}]"), &[]),
            format!("node.toml:2: http.cors_origins = [{origin:?}] is not allowed: must be {allowed}"),
        );
    }
    for list in ["[\"*\", \"https://a\"]", "[\"https://a\", \"https://a\"]"] {
        let said = folder.said(&format!("[http]\ncors_origins = {list}"), &[]);
        assert!(said.ends_with(allowed), "{said}");
    }
    let right = folder.write(
        "right.toml",
        b"[http]\ncors_origins = [\"http://localhost:*\", \"http://[::1]:8\", \"https://a.b\", \"http://10.0.0.1:*\"]",
    );
    assert!(load(Some(&right), &[]).is_ok());
    let none = folder.write("none.toml", b"[http]\ncors_origins = []");
    assert!(load(Some(&none), &[]).is_ok());
    assert_said(&[(
        "[cluster]\ninsecure = true\n[http]\ncors_origins = [\"*\"]",
        "node.toml:4: http.cors_origins = [\"*\"] lets any web page that somebody opens read and change everything: set \
         http.access_keys_file, or name the origins that may",
    )]);
}

#[test]
fn founders_without_this_node_are_refused() {
    assert_said(&[
        (
            "[cluster]\nfounders = [\"127.0.0.1:7401\"]",
            "node.toml:2: cluster.founders = [\"127.0.0.1:7401\"] lacks this node's own address \"127.0.0.1:7400\" \
             (bridge.listen): list every founder, this one included",
        ),
        (
            "[cluster]\nfounders = [\"127.0.0.1:7400\"]\n[bridge]\nadvertise = \"db1:7400\"",
            "node.toml:2: cluster.founders = [\"127.0.0.1:7400\"] lacks this node's own address \"db1:7400\" \
             (bridge.advertise): list every founder, this one included",
        ),
    ]);
}

#[test]
fn environment_is_held_to_the_same_rules() {
    let folder = Folder::new();
    let cases = [
        (
            ("SLIPRING__REPLICATION__R", "4"),
            "environment variable SLIPRING__REPLICATION__R: replication.r = 4 is out of range: must be 1..=3 \
             (replication.n = 3)",
        ),
        (
            ("SLIPRING__REPLICATION__R", "two"),
            "environment variable SLIPRING__REPLICATION__R: replication.r = \"two\" has the wrong type: must be an \
             integer (1..=9)",
        ),
        (
            ("SLIPRING__REPLICATON__R", "2"),
            "environment variable SLIPRING__REPLICATON__R: overrides no key: did you mean SLIPRING__REPLICATION__R?",
        ),
        (
            ("SLIPRING__NODE__DATADIR", "/srv"),
            "environment variable SLIPRING__NODE__DATADIR: overrides no key: did you mean SLIPRING__NODE__DATA_DIR?",
        ),
        (
            ("SLIPRING__data_dir", "/srv"),
            "environment variable SLIPRING__data_dir: overrides no key: did you mean SLIPRING__NODE__DATA_DIR?",
        ),
    ];
    for (variable, expected) in cases {
        assert_eq!(folder.said("[replication]\nn = 3\n", &[variable]), expected);
    }
}

#[test]
fn all_problems_are_reported_at_once_in_order() {
    let folder = Folder::new();
    let toml = "[ring]\npartitions = 7\n[node]\nnam = \"a\"\n[replication]\nw = 4\n[log]\nformat = 1\n";
    let said = folder.said(toml, &[("SLIPRING__HTTP__LISTEN", "0.0.0.0:80"), ("SLIPRING__X", "")]);
    let starts: Vec<&str> = said.lines().map(|line| line.split(" = ").next().unwrap()).collect();
    assert_eq!(starts.len(), 6, "{said}");
    assert_eq!(starts[0], "node.toml:2: ring.partitions");
    assert_eq!(starts[1], "node.toml:4: unknown key node.nam: did you mean node.name?");
    assert_eq!(starts[2], "node.toml:6: replication.w");
    assert_eq!(starts[3], "node.toml:8: log.format");
    assert_eq!(starts[4], "environment variable SLIPRING__HTTP__LISTEN: http.listen");
    assert!(starts[5].starts_with("environment variable SLIPRING__X: overrides no key: the sections are node,"));
}
