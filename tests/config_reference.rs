//! The documents about the configuration say what the declarations say, and the example files load.
//!
//! `SLIPRING_BLESS=1 cargo test --test config_reference` rewrites the generated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use slipring::config::{self, Config, reference};

const BEGIN: &str = "<!-- keys: generated, SLIPRING_BLESS=1 cargo test --test config_reference rewrites them -->\n";
const END: &str = "<!-- end of keys -->\n";
const BLESS: &str = "SLIPRING_BLESS=1 cargo test --test config_reference";

fn in_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(in_package(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares the file with what it should be, or makes it so.
fn agree(path: &str, written: &str, generated: &str) {
    if std::env::var_os("SLIPRING_BLESS").is_some() {
        fs::write(in_package(path), generated).expect(path);
        return;
    }
    assert!(
        written == generated,
        "{path} differs from the declarations in src/config/keys.rs; refresh it with\n\n    {BLESS}\n"
    );
}

fn load(path: &str) -> Config {
    Config::load(Some(&in_package(path)), &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn example_file_is_generated_and_sets_the_defaults() {
    let path = "config/node.toml";
    let written = fs::read_to_string(in_package(path)).unwrap_or_default();
    agree(path, &written, &reference::example_toml());
    assert_eq!(load(path), Config::default());
    let lines: BTreeSet<String> = read(path).lines().map(str::to_owned).collect();
    for key in config::keys() {
        let line = format!("{} = {}", key.name, key.default_setting());
        assert!(lines.contains(&line), "{} is missing", key.path);
    }
}

#[test]
fn tables_of_the_documentation_are_generated() {
    let path = "docs/configuration.md";
    let written = read(path);
    let (before, rest) = written.split_once(BEGIN).expect("the begin mark");
    let (_, after) = rest.split_once(END).expect("the end mark");
    let generated = format!("{before}{BEGIN}\n{}\n{END}{after}", reference::markdown());
    agree(path, &written, &generated);
}

#[test]
fn documented_error_is_what_the_program_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    fs::write(&file, "[replication]\nn = 3\nr = 4\nsloppi = false\n").unwrap();
    let env = [("SLIPRING__RING__PARTITIONS".to_owned(), "100".to_owned())];
    let error = Config::load(Some(&file), &env.into()).unwrap_err();
    let folder = format!("{}/", folder.path().display());
    let said = error.to_string().replace(&folder, "config/");
    let documented = read("docs/configuration.md");
    for line in said.lines() {
        assert!(documented.contains(&format!("    {line}\n")), "the documentation should quote\n{said}");
    }
}

#[test]
fn example_cluster_has_three_nodes_that_know_each_other() {
    let nodes = ["a", "b", "c"].map(|name| load(&format!("config/cluster/{name}.toml")));
    for (position, (node, name)) in nodes.iter().zip(["a", "b", "c"]).enumerate() {
        let position = u16::try_from(position).unwrap();
        assert_eq!(node.node.name, name);
        assert_eq!(node.node.data_dir, Path::new("./slipring-data").join(name));
        assert_eq!(node.bridge.listen.port(), 7400 + position);
        assert_eq!(node.http.listen.port(), 8000 + position);
        assert_eq!(node.cluster.name, "slipring");
        assert_eq!(node.cluster.founders, nodes.each_ref().map(Config::advertise_address));
    }
}
