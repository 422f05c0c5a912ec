//! What the DynamoDB API has acknowledged is there, through every node, after any number of `kill -9` of any of them or of all at once.
//!
//! Each writer has an item that it puts anew and one that it updates, with numbers that grow: what is found in the end is the last
//! acknowledged number, or one that was sent without an answer, for such a write may be done later. Nodes are killed at moments
//! counted in acknowledged writes.

mod cluster;
mod dynamodb;

use std::collections::BTreeSet;

use cluster::{Cluster, fresh_seed};
use dynamodb::writers::{Client, Outcome, Run, Running};
use dynamodb::{create_table, item};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

const WRITERS: u64 = 8;
const TABLE: &str = "writes";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// What a writer knows of one item of its own.
#[derive(Clone, Debug, Default)]
struct Written {
    last: u64,
    acknowledged: u64,
    unknown: BTreeSet<u64>,
}

impl Written {
    fn next(&mut self, write: impl FnOnce(u64) -> Outcome) -> bool {
        self.last += 1;
        match write(self.last) {
            Outcome::Answered(answer) => {
                assert!(answer.is_done(), "{}", String::from_utf8_lossy(&answer.body));
                self.acknowledged = self.last;
                true
            }
            Outcome::Unknown => {
                self.unknown.insert(self.last);
                false
            }
            Outcome::NotSent => false,
        }
    }

    fn agrees_with(&self, found: &Value) -> bool {
        let number = found["n"]["N"].as_str().map_or(0, |number| number.parse().unwrap_or(u64::MAX));
        number == self.acknowledged || self.unknown.contains(&number)
    }
}

/// What a writer knows in the end of the item that it puts, and of the one that it updates.
fn write(number: u64, mut client: Client, run: &Run) -> [Written; 2] {
    let [mut put, mut updated] = [Written::default(), Written::default()];
    while run.goes_on() {
        let is_acknowledged = match client.rng.random_bool(0.5) {
            true => put.next(|n| {
                let item = json!({"id": {"S": format!("put-{number}")}, "n": {"N": n.to_string()}});
                client.ask("PutItem", &json!({"TableName": TABLE, "Item": item}))
            }),
            false => updated.next(|n| {
                let asked = json!({
                    "TableName": TABLE,
                    "Key": {"id": {"S": format!("updated-{number}")}},
                    "UpdateExpression": "SET n = :n",
                    "ExpressionAttributeValues": {":n": {"N": n.to_string()}},
                });
                client.ask("UpdateItem", &asked)
            }),
        };
        if is_acknowledged {
            run.count();
            let (written, id) = match client.rng.random_bool(0.5) {
                true => (&put, format!("put-{number}")),
                false => (&updated, format!("updated-{number}")),
            };
            let asked = json!({"TableName": TABLE, "Key": {"id": {"S": id}}, "ConsistentRead": true});
            if let Outcome::Answered(answer) = client.ask("GetItem", &asked) {
                let found = &answer.json()["Item"];
                assert!(written.agrees_with(found), "{id}: {written:?}, but found {found}");
            }
        }
    }
    [put, updated]
}

#[test]
fn every_acknowledged_write_survives() {
    let (seed, kills) = (setting("SLIPRING_TEST_SEED", fresh_seed()), setting("SLIPRING_TEST_KILLS", 12));
    println!(
        "again: SLIPRING_TEST_SEED={seed} SLIPRING_TEST_KILLS={kills} cargo test --test dynamodb_writes_survive_kill"
    );
    let mut cluster = Cluster::start_with(3, &[("storage.durability", "\"always\"")]);
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.http.clone()).collect();
    create_table(&addresses[0], TABLE);
    let writers = Running::start(WRITERS, &addresses, seed, write);
    let killed = kill_nodes(&mut cluster, &writers, kills, seed);
    let accounts = writers.stop();
    cluster.start_all();

    for address in &addresses {
        for (number, [put, updated]) in accounts.iter().enumerate() {
            for (written, id) in [(put, format!("put-{number}")), (updated, format!("updated-{number}"))] {
                let found = item(address, TABLE, &id);
                assert!(written.agrees_with(&found), "{id} through {address}: {written:?}, but found {found}");
            }
        }
    }
    let all = || accounts.iter().flatten();
    let (last, unknown): (u64, usize) = (all().map(|one| one.last).sum(), all().map(|one| one.unknown.len()).sum());
    println!("{killed:?} kills per node; {last} writes, of which {unknown} without an answer");
    assert!(killed.iter().all(|times| *times > 0), "every node is killed");
    assert!(all().all(|one| one.acknowledged > 0), "the writers write");
}

/// Kills nodes in turn, now and then two or all of them, while writes are acknowledged, and starts them again.
fn kill_nodes(cluster: &mut Cluster, writers: &Running<[Written; 2]>, kills: u64, seed: u64) -> Vec<u64> {
    let (mut rng, mut killed) = (StdRng::seed_from_u64(seed), vec![0; cluster.nodes.len()]);
    while killed.iter().sum::<u64>() < kills {
        let moment = writers.done() + rng.random_range(1..200);
        cluster.nodes[0].wait_until("and the others acknowledge writes", || writers.done() >= moment);
        let next = usize::try_from(killed.iter().sum::<u64>()).expect("a small number");
        let victims: Vec<usize> = match rng.random_range(0..10) {
            0..2 => vec![0, 1, 2],
            2..4 => vec![next % 3, (next + 1) % 3],
            _ => vec![next % 3],
        };
        for at in &victims {
            cluster.nodes[*at].kill();
            killed[*at] += 1;
        }
        if victims.len() == 1 && rng.random_bool(0.5) {
            // The other two serve alone for a while.
            let moment = writers.done() + rng.random_range(1..50);
            cluster.nodes[0].wait_until("and the others acknowledge writes", || writers.done() >= moment);
        }
        victims.iter().for_each(|at| cluster.nodes[*at].start());
        if rng.random_bool(0.8) {
            victims.iter().for_each(|at| cluster.nodes[*at].wait_until_ready());
        }
    }
    killed
}
