//! What a speed of failure detection costs, and what one gets for it: measured on whole clusters in virtual time.

use std::time::Duration;

use tokio::time::sleep;

use super::cluster::SimError;
use super::observed::{Cast, ObservedCluster, observe};

/// The nodes have this long to find each other.
const SETTLING: Duration = Duration::from_secs(5);

/// Traffic is counted over this time.
const IDLE: Duration = Duration::from_secs(120);

/// Given up as never found.
const PATIENCE: Duration = Duration::from_secs(300);

/// How lossy the network is when false alarms are counted.
const LOSS_PERCENT: u32 = 30;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionCost {
    /// Messages of the detector that a node sends per second, answers included, while nothing happens.
    pub messages_per_s: f64,
    /// Their bytes per second.
    pub bytes_per_s: f64,
    /// From the death of a node until the last of the others counts it as down: the median.
    pub detected_median: Duration,
    /// The same, the longest of all.
    pub detected_max: Duration,
    /// Members that were suspected, per hour and node, while nearly a third of all that is sent is lost.
    pub suspicions_per_hour: f64,
    /// Members that were given up although they ran, per hour and node, under the same loss.
    pub false_downs_per_hour: f64,
}

/// Measures a speed: `deaths` deaths, and `lossy_hours` of a lossy network.
///
/// # Errors
///
/// A cluster could not be made.
pub fn measure_detection(cast: &Cast, deaths: u64, lossy_hours: f64) -> Result<DetectionCost, SimError> {
    let traffic = observe(1, cast, async |cluster| traffic(cluster, cast.nodes).await)?;
    let mut detected = Vec::new();
    for seed in 0..deaths {
        detected.push(observe(seed, cast, async |cluster| death(cluster, cast.nodes, seed).await)?);
    }
    detected.sort();
    let alarms = observe(2, cast, async |cluster| false_alarms(cluster, cast.nodes, lossy_hours).await)?;
    Ok(DetectionCost {
        messages_per_s: traffic[0],
        bytes_per_s: traffic[1],
        detected_median: detected.get(detected.len() / 2).copied().unwrap_or_default(),
        detected_max: detected.last().copied().unwrap_or_default(),
        suspicions_per_hour: alarms[0],
        false_downs_per_hour: alarms[1],
    })
}

async fn sums<const COUNT: usize>(cluster: &mut ObservedCluster, nodes: usize, names: [&str; COUNT]) -> [f64; COUNT] {
    let mut sums = [0.0; COUNT];
    for at in 0..nodes {
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum += cluster.metric(at, name).await;
        }
    }
    sums
}

/// How much two metrics have grown, per node, over `time`.
async fn growth(cluster: &mut ObservedCluster, nodes: usize, names: [&str; 2], time: Duration) -> [f64; 2] {
    let before = sums(cluster, nodes, names).await;
    sleep(time).await;
    let after = sums(cluster, nodes, names).await;
    [0, 1].map(|at| (after[at] - before[at]) / nodes as f64)
}

async fn traffic(cluster: &mut ObservedCluster, nodes: usize) -> [f64; 2] {
    sleep(SETTLING).await;
    let names = ["slipring_gossip_messages_total", "slipring_gossip_bytes_total"];
    growth(cluster, nodes, names, IDLE).await.map(|sum| sum / IDLE.as_secs_f64())
}

async fn death(cluster: &mut ObservedCluster, nodes: usize, seed: u64) -> Duration {
    // Deaths at other phases of the probing each time.
    sleep(SETTLING + Duration::from_millis(seed * 37 % 1_000)).await;
    let victim = usize::try_from(seed).unwrap_or_default() % nodes;
    cluster.crash(victim, seed.is_multiple_of(2)).await;
    let mut missing: Vec<usize> = (0..nodes).filter(|at| *at != victim).collect();
    let noticed = cluster.until(PATIENCE, async |cluster| {
        while let Some(at) = missing.last() {
            if cluster.sees(*at, victim).await.is_none_or(|(state, _)| state != "down") {
                return false;
            }
            missing.pop();
        }
        true
    });
    noticed.await.unwrap_or(PATIENCE)
}

async fn false_alarms(cluster: &mut ObservedCluster, nodes: usize, hours: f64) -> [f64; 2] {
    sleep(SETTLING).await;
    cluster.lose(LOSS_PERCENT);
    let time = Duration::from_secs_f64(hours * 3_600.0);
    sleep(time).await;
    // The observers, too, would lose what they ask for.
    cluster.lose(0);
    sleep(SETTLING).await;
    let sums = sums(cluster, nodes, ["slipring_suspicions_total", "slipring_peers_given_up_total"]).await;
    sums.map(|sum| sum / nodes as f64 / hours)
}
