//! Whole clusters in virtual time: who is called down, by whom and when, and who is not.

use std::time::Duration;

use rand::RngExt as _;
use slipring::dynamo::swim::DetectionSpeed;
use slipring::sim::{Cast, Delay, ObservedCluster, observe};
use tokio::time::sleep;

/// What a node runs with that is not told otherwise.
const SPEED: DetectionSpeed = DetectionSpeed {
    probe_interval: Duration::from_millis(500),
    probe_timeout: Duration::from_millis(150),
    suspicion: Duration::from_millis(2_500),
};

/// The time that the documentation promises: a node that is dead is down everywhere.
const DETECTION_MAX: Duration = Duration::from_secs(5);

/// After everything is healed, all are one again within this time.
const MERGE_MAX: Duration = Duration::from_secs(10);

fn play(seed: u64, nodes: usize, story: impl AsyncFnOnce(&mut ObservedCluster)) {
    let cast = Cast { nodes, delay: Delay { min_ms: 1, max_ms: 5 }, speed: SPEED };
    observe(seed, &cast, async |cluster| {
        let all: Vec<usize> = (0..nodes).collect();
        let found = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&all).await).await;
        assert!(found.is_some(), "seed {seed}: they find each other");
        story(cluster).await;
    })
    .expect("a cluster");
}

fn all_but(nodes: usize, one: usize) -> Vec<usize> {
    (0..nodes).filter(|at| *at != one).collect()
}

async fn downs(cluster: &mut ObservedCluster, nodes: &[usize]) -> f64 {
    let mut sum = 0.0;
    for at in nodes {
        sum += cluster.metric(*at, "slipring_peers_given_up_total").await;
    }
    sum
}

async fn is_down_for(cluster: &mut ObservedCluster, nodes: &[usize], of: usize) -> bool {
    for at in nodes {
        if cluster.sees(*at, of).await != Some(("down".to_owned(), false)) {
            return false;
        }
    }
    true
}

#[test]
fn a_dead_node_is_down_everywhere_in_time_and_up_once_it_is_back() {
    for seed in 0..12 {
        let nodes = 2 + usize::try_from(seed % 4).unwrap();
        play(seed, nodes, async |cluster| {
            let (victim, others) =
                (usize::try_from(seed).unwrap() % nodes, all_but(nodes, usize::try_from(seed).unwrap() % nodes));
            sleep(Duration::from_millis(91 * seed)).await;
            cluster.crash(victim, seed % 2 == 0).await;
            let seen = cluster.until(DETECTION_MAX, async |cluster| is_down_for(cluster, &others, victim).await).await;
            assert!(seen.is_some(), "seed {seed}: n{victim} of {nodes} is down everywhere");
            assert!(cluster.are_one(&others).await, "seed {seed}: nobody else is");
            if seed % 3 == 0 {
                cluster.wipe(victim);
            }
            cluster.start(victim);
            let all: Vec<usize> = (0..nodes).collect();
            let back = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&all).await).await;
            assert!(back.is_some(), "seed {seed}: n{victim} is back");
        });
    }
}

#[test]
fn a_node_that_stalls_for_two_seconds_is_not_called_down_and_calls_nobody_down() {
    for seed in 0..16 {
        let nodes = 3 + usize::try_from(seed % 3).unwrap();
        play(seed, nodes, async |cluster| {
            for turn in 0..3 {
                sleep(Duration::from_millis(4_000 + 113 * seed + 67 * turn)).await;
                cluster.pause(0, true);
                sleep(Duration::from_secs(2)).await;
                cluster.pause(0, false);
                sleep(Duration::from_secs(6)).await;
            }
            let all: Vec<usize> = (0..nodes).collect();
            assert_eq!(downs(cluster, &all).await, 0.0, "seed {seed}");
            assert!(cluster.are_one(&all).await, "seed {seed}");
        });
    }
}

#[test]
fn a_node_that_stalled_for_long_holds_it_against_nobody_and_is_back_soon() {
    for seed in 0..8 {
        play(seed, 4, async |cluster| {
            cluster.pause(0, true);
            sleep(Duration::from_secs(12)).await;
            assert!(is_down_for(cluster, &[1, 2, 3], 0).await, "seed {seed}: the others go on without it");
            cluster.pause(0, false);
            let back = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&[0, 1, 2, 3]).await).await;
            assert!(back.is_some(), "seed {seed}");
            assert_eq!(downs(cluster, &[0]).await, 0.0, "seed {seed}");
            assert!(cluster.metric(0, "slipring_detector_stalls_total").await >= 1.0, "seed {seed}");
            assert!(cluster.metric(0, "slipring_own_renewals_total").await >= 1.0, "seed {seed}");
        });
    }
}

#[test]
fn who_cannot_be_dialled_by_one_is_not_picked_by_him_and_stays_a_member() {
    for seed in 0..6 {
        play(seed, 3, async |cluster| {
            cluster.refuse(0, 1);
            sleep(Duration::from_secs(60)).await;
            assert_eq!(cluster.sees(0, 1).await, Some(("up".to_owned(), false)), "seed {seed}: n0 must not pick n1");
            assert_eq!(cluster.sees(1, 0).await, Some(("up".to_owned(), true)), "seed {seed}: n1 reaches n0");
            assert!(cluster.are_one(&[0, 2]).await && cluster.are_one(&[1, 2]).await, "seed {seed}: n2 reaches both");
            assert_eq!(downs(cluster, &[0, 1, 2]).await, 0.0, "seed {seed}: nobody was ejected");
            // Everybody can be asked, also who has nothing to do with it.
            for at in 0..3 {
                let links = cluster.links(at).await.expect("it answers");
                let is_marked = |(from, to): (&str, &str)| {
                    links
                        .iter()
                        .find(|link| link.from.as_str() == from && link.to.as_str() == to)
                        .map(|link| (link.up, link.asymmetric))
                };
                assert_eq!(is_marked(("n0", "n1")), Some((Some(false), true)), "seed {seed}, n{at}: {links:?}");
                assert_eq!(is_marked(("n1", "n0")), Some((Some(true), true)), "seed {seed}, n{at}: {links:?}");
                assert_eq!(links.iter().filter(|link| link.asymmetric).count(), 2, "seed {seed}, n{at}: {links:?}");
                let measured =
                    links.iter().filter(|link| link.up == Some(true) && link.round_trip_us.is_some()).count();
                assert_eq!(measured, 5, "seed {seed}, n{at}: {links:?}");
            }
            cluster.heal();
            let healed = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&[0, 1, 2]).await).await;
            assert!(healed.is_some(), "seed {seed}");
        });
    }
}

#[test]
fn packets_lost_in_one_direction_eject_nobody() {
    for seed in 0..6 {
        play(seed, 3, async |cluster| {
            cluster.cut(0, 1);
            sleep(Duration::from_secs(60)).await;
            // A connection needs both directions.
            assert_eq!(cluster.sees(0, 1).await, Some(("up".to_owned(), false)), "seed {seed}");
            assert_eq!(cluster.sees(1, 0).await, Some(("up".to_owned(), false)), "seed {seed}");
            assert!(cluster.are_one(&[0, 2]).await && cluster.are_one(&[1, 2]).await, "seed {seed}: n2 reaches both");
            assert_eq!(downs(cluster, &[0, 1, 2]).await, 0.0, "seed {seed}: nobody was ejected");
        });
    }
}

#[test]
fn links_that_flap_eject_nobody() {
    for seed in 0..8 {
        play(seed, 4, async |cluster| {
            // One link, or all those of a node.
            let others: Vec<usize> = if seed % 2 == 0 { vec![1] } else { vec![1, 2, 3] };
            for turn in 0..30 {
                for other in &others {
                    if turn % 3 == 0 { cluster.reset(0, *other) } else { cluster.part(0, *other) }
                }
                let phase = Duration::from_millis(cluster.rng().random_range(200..=2_000));
                sleep(phase).await;
                cluster.heal();
                let phase = Duration::from_millis(cluster.rng().random_range(200..=2_000));
                sleep(phase).await;
            }
            assert_eq!(downs(cluster, &[0, 1, 2, 3]).await, 0.0, "seed {seed}");
            let steady = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&[0, 1, 2, 3]).await).await;
            assert!(steady.is_some(), "seed {seed}");
        });
    }
}

#[test]
fn after_a_full_split_all_are_one_again() {
    for seed in 0..40 {
        let nodes = 2 + usize::try_from(seed % 4).unwrap();
        play(seed, nodes, async |cluster| {
            // Each on its own, or two sides.
            let side = |at: usize| if seed % 2 == 0 { at } else { at % 2 };
            for one in 0..nodes {
                (0..one).filter(|other| side(one) != side(*other)).for_each(|other| cluster.part(one, other));
            }
            sleep(Duration::from_secs(10)).await;
            assert!(
                is_down_for(cluster, &[0], 1).await && is_down_for(cluster, &[1], 0).await,
                "seed {seed}: the split is seen"
            );
            cluster.heal();
            let all: Vec<usize> = (0..nodes).collect();
            let merged = cluster.until(MERGE_MAX, async |cluster| cluster.are_one(&all).await).await;
            assert!(merged.is_some(), "seed {seed}: {nodes} nodes are one again");
        });
    }
}
