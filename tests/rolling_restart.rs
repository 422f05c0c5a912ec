//! All nodes are stopped and started again, one after the other, while clients write and read: whoever tries a failed request again is served. Real
//! processes, N = 3, R = W = 2.

mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Cluster, PATIENCE, get, put, values};
use slipring::client::{RouteError, Router, RouterOptions};

const CLIENTS: usize = 4;

/// What one client has seen.
#[derive(Default)]
struct Seen {
    /// The last value that was acknowledged, by key.
    written: BTreeMap<String, String>,
    requests: usize,
    /// Requests that had to be tried again.
    retried: usize,
}

/// Writes and reads keys of its own until it is told to stop. Panics where trying again does not help.
async fn work(seeds: Vec<String>, number: usize, stop: Arc<AtomicBool>) -> Seen {
    let router = Router::connect(&seeds, RouterOptions::default()).await.expect("the seeds answer");
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("c{number}-{}", seen.requests % 20);
        let value = format!("v{}", seen.requests);
        // A put that may have been done is done again: what it leaves beside itself is its own value.
        let context = retry(&mut seen, async || router.get(get(&key)).await).await.context;
        retry(&mut seen, async || router.put(put(&key, &value, Some(context.clone()))).await).await;
        seen.written.insert(key.clone(), value.clone());
        let read = retry(&mut seen, async || router.get(get(&key)).await).await;
        assert!(
            values(&read).contains(&value),
            "{key}: {value} was acknowledged, and the next read shows {:?}",
            values(&read)
        );
    }
    seen
}

async fn retry<T, E: std::error::Error>(seen: &mut Seen, request: impl AsyncFn() -> Result<T, RouteError<E>>) -> T {
    seen.requests += 1;
    let begun = std::time::Instant::now();
    loop {
        match request().await {
            Ok(reply) => return reply,
            Err(error) => {
                assert!(begun.elapsed() < PATIENCE, "trying again does not help: {error}");
                seen.retried += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

fn block_on<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(story)
}

#[test]
fn every_node_is_restarted_and_no_client_is_left_without_an_answer() {
    let mut cluster = Cluster::start_with(3, &[("replication.sloppy", "false")]);
    let stop = Arc::new(AtomicBool::new(false));
    let client = |number| {
        let (seeds, stop) = (cluster.addresses(), Arc::clone(&stop));
        std::thread::spawn(move || block_on(work(seeds, number, stop)))
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    for at in [0, 1, 2, 1, 0, 2] {
        cluster.nodes[at].restart();
        cluster.wait_until_connected();
    }
    stop.store(true, Ordering::Relaxed);
    let (mut requests, mut retried) = (0, 0);
    for worker in clients {
        let seen = worker.join().expect("no client was left without an answer");
        block_on(async {
            let client = cluster.nodes[0].client().await;
            for (key, value) in &seen.written {
                let read = cluster::do_get(&client, &get(key)).await.expect("read");
                assert!(values(&read).contains(value), "{key}: {value} was acknowledged");
            }
        });
        (requests, retried) = (requests + seen.requests, retried + seen.retried);
    }
    println!("{requests} requests, {retried} of them were tried again");
    assert!(requests > 100, "the clients were at work: {requests} requests");
}
