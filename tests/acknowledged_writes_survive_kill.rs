//! What was acknowledged is there: through every node, after any number of `kill -9` of any of them or of all at once, unless a
//! later write has seen it. And what was superseded does not come back.
//!
//! Writers with a key of their own and keys that they share hand back the contexts of what they read and wrote; meanwhile the
//! nodes are killed at moments that a seed decides, counted in acknowledged writes and not in time. At the end every read of the
//! whole run and one of every key through every node is held against the history.

mod cluster;
mod history;

use cluster::Cluster;
use history::load::{Load, settings};

#[test]
fn every_acknowledged_write_survives() {
    let (seed, kills) = settings("acknowledged_writes_survive_kill", 24);
    let mut cluster = Cluster::start_with(3, &[("storage.durability", "\"always\"")]);
    let load = Load::start(&cluster, seed);
    let killed = load.kill_nodes(&mut cluster, kills, seed);
    let history = load.stop(&mut cluster, |_| {});

    println!("{killed:?} kills per node; {}", history.summary());
    // R + W > N, and with three nodes there is no stand-in: every read must be complete.
    history.assert_consistent(0);
    assert!(killed.iter().all(|times| *times >= kills / 6), "every node is killed often");
}
