//! What `UpdateTable` answers is the table as it has become. On one node: it answers so soon that it could still know the table as it was.

mod cluster;
mod dynamodb;

use cluster::Cluster;
use dynamodb::{Connection, create_table};
use serde_json::json;

const CHANGES: usize = 20;

#[test]
fn the_answer_shows_the_change() {
    let cluster = Cluster::start(1);
    create_table(&cluster.nodes[0].http, "orders");
    let mut connection = Connection::open(&cluster.nodes[0].http).expect("the node takes connections");
    for protected in [true, false].repeat(CHANGES / 2) {
        let update = json!({"TableName": "orders", "DeletionProtectionEnabled": protected});
        let answer = connection.ask("UpdateTable", &update).expect("an answer");
        assert!(answer.is_done(), "{}", answer.error());
        assert_eq!(answer.json()["TableDescription"]["DeletionProtectionEnabled"], protected);
    }
}
