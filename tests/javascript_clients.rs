//! The AWS SDK for JavaScript (client and DocumentClient) against three nodes. A long form: `scripts/js-clients` installs what it needs and runs it.

mod cluster;

use std::path::Path;
use std::process::Command;

use cluster::Cluster;

#[test]
fn javascript_clients_work_through_all_nodes() {
    if std::env::var_os("SLIPRING_TEST_JS").is_none() {
        println!("left out: scripts/js-clients runs it");
        return;
    }
    let cluster = Cluster::start(3);
    let endpoints: Vec<String> = cluster.nodes.iter().map(|node| format!("http://{}", node.http)).collect();
    let mut suite = Command::new("npm");
    suite.arg("test").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/js"));
    suite.env("SLIPRING_ENDPOINTS", endpoints.join(","));
    let status = suite.status().expect("npm, which comes with node");
    assert!(status.success(), "the suite ended with {status}");
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}
