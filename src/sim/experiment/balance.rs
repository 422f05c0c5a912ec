//! How evenly rings spread requests: the two measures of Dynamo's section 6.2, on rings as [`claim`] makes them.
//!
//! ```text
//!   efficiency   mean share of a node / share of the busiest          1 is perfect; rings, and random tokens beside them
//!   imbalance    share of the nodes whose requests in an interval are further from the mean than a band
//! ```
//!
//! A request goes to one of the N primaries of its key, whichever. "Even" is the imbalance that is left when every node is drawn alike:
//! no ring can do better, for it is the chance of the draw itself.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use serde::Serialize;

use super::keys::{KeyChoice, KeyPicker};
use super::plan::Balance;
use super::statistics::Sample;
use crate::dynamo::claim::{ClaimError, claim};
use crate::dynamo::node_id::NodeId;
use crate::dynamo::ring::{Member, Ring};

/// How often random tokens are drawn.
const TOKEN_DRAWS: usize = 20;

/// How evenly the partitions of a ring are spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Efficiency {
    /// Q.
    pub partitions: u32,
    /// How many nodes.
    pub nodes: usize,
    /// Of the ring that `claim` makes.
    pub claimed: f64,
    /// What whole copies of partitions allow: a node cannot store a part of one.
    pub bound: f64,
    /// The mean of rings where every node draws Q / nodes tokens at random (Dynamo's strategy 1).
    pub random_tokens: f64,
}

/// How many nodes are out of balance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imbalance {
    /// Q; none: every node is drawn alike.
    pub partitions: Option<u32>,
    /// Requests in an interval.
    pub load: u64,
    /// The mean share of the nodes that are further from the mean than the band, in percent.
    pub out_of_balance_percent: f64,
    /// The standard deviation of that share between intervals.
    pub deviation_percent: f64,
}

/// Both measures.
///
/// # Errors
///
/// The numbers describe no ring.
pub(super) fn measure(balance: &Balance, rng: &mut StdRng) -> Result<(Vec<Efficiency>, Vec<Imbalance>), ClaimError> {
    let mut efficiencies = Vec::new();
    for &partitions in &balance.partitions {
        // A node without a partition does nothing, whoever assigns them.
        for &nodes in balance.efficiency_nodes.iter().filter(|nodes| **nodes <= partitions as usize) {
            let ring = ring(nodes, partitions, balance.n)?;
            let claimed = efficiency(&shares(&ring, balance.n, nodes));
            let tokens = (partitions as usize / nodes).max(1);
            let drawn = (0..TOKEN_DRAWS).map(|_| efficiency(&token_shares(nodes, tokens, balance.n, rng)));
            let random_tokens = Sample::of(drawn.collect()).mean();
            let mean = (partitions as usize * balance.n.min(nodes)) as f64 / nodes as f64;
            efficiencies.push(Efficiency { partitions, nodes, claimed, bound: mean / mean.ceil(), random_tokens });
        }
    }
    let mut imbalances = Vec::new();
    for &partitions in &balance.partitions {
        let ring = ring(balance.nodes, partitions, balance.n)?;
        let primaries = primaries_of_keys(&ring, balance);
        imbalances.extend(balance.loads.iter().map(|load| {
            let mut one_request = |picker: &KeyPicker, rng: &mut StdRng| {
                primaries[picker.pick(rng)].iter().copied().choose(rng).unwrap_or_default()
            };
            imbalance(balance, Some(partitions), *load, rng, &mut one_request)
        }));
    }
    imbalances.extend(balance.loads.iter().map(|load| {
        let mut one_request = |_: &KeyPicker, rng: &mut StdRng| rng.random_range(0..balance.nodes);
        imbalance(balance, None, *load, rng, &mut one_request)
    }));
    Ok((efficiencies, imbalances))
}

fn ring(nodes: usize, partitions: u32, n: usize) -> Result<Ring, ClaimError> {
    let member = |at: usize| NodeId::new(&format!("n{at:03}")).map(|id| Member { id, zone: None, weight: 1 });
    let members: Vec<Member> = (0..nodes).filter_map(|at| member(at).ok()).collect();
    claim(None, &members, partitions, n)
}

/// How many partitions each node stores.
fn shares(ring: &Ring, n: usize, nodes: usize) -> Vec<f64> {
    let mut shares = vec![0.0; nodes];
    for partition in ring.partition_ids() {
        for primary in ring.primaries(partition, n) {
            if let Ok(at) = ring.members().binary_search_by(|member| member.id.cmp(primary)) {
                shares[at] += 1.0;
            }
        }
    }
    shares
}

/// How much of the ring each node stores when its tokens lie anywhere: the arc before a token belongs to the next n nodes.
fn token_shares(nodes: usize, tokens: usize, n: usize, rng: &mut StdRng) -> Vec<f64> {
    let mut ring: Vec<(f64, usize)> = (0..nodes)
        .flat_map(|node| (0..tokens).map(move |_| node))
        .map(|node| (rng.random_range(0.0..1.0), node))
        .collect();
    ring.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut shares = vec![0.0; nodes];
    for (at, (end, _)) in ring.iter().enumerate() {
        let begin = if at == 0 { ring[ring.len() - 1].0 - 1.0 } else { ring[at - 1].0 };
        let mut holders: Vec<usize> = Vec::with_capacity(n);
        for (_, node) in ring[at..].iter().chain(&ring[..at]) {
            if holders.len() < n && !holders.contains(node) {
                holders.push(*node);
            }
            if holders.len() == n {
                break;
            }
        }
        holders.into_iter().for_each(|node| shares[node] += end - begin);
    }
    shares
}

/// The mean over the most.
fn efficiency(shares: &[f64]) -> f64 {
    let most = shares.iter().copied().fold(0.0, f64::max);
    if most > 0.0 { shares.iter().sum::<f64>() / shares.len() as f64 / most } else { 0.0 }
}

fn primaries_of_keys(ring: &Ring, balance: &Balance) -> Vec<Vec<usize>> {
    let place = |primary: &NodeId| ring.members().binary_search_by(|member| member.id.cmp(primary)).unwrap_or_default();
    (0..balance.keys)
        .map(|key| ring.primaries(ring.partition_of(format!("key{key}").as_bytes()), balance.n).map(place).collect())
        .collect()
}

/// The mean over all intervals. `one_request` draws the node that a request goes to.
fn imbalance(
    balance: &Balance,
    partitions: Option<u32>,
    load: u64,
    rng: &mut StdRng,
    one_request: &mut dyn FnMut(&KeyPicker, &mut StdRng) -> usize,
) -> Imbalance {
    let picker = KeyPicker::new(KeyChoice::Zipf { exponent: balance.zipf_exponent }, balance.keys);
    let mut percents = Vec::with_capacity(balance.intervals);
    for _ in 0..balance.intervals {
        let mut requests = vec![0_u64; balance.nodes];
        (0..load).for_each(|_| requests[one_request(&picker, rng)] += 1);
        percents.push(out_of_balance_percent(&requests, balance.band_percent));
    }
    let summary = Sample::of(percents).summary();
    let (out_of_balance_percent, deviation_percent) = (summary.mean, summary.deviation);
    Imbalance { partitions, load, out_of_balance_percent, deviation_percent }
}

/// The share of the nodes whose requests are further from the mean than `band_percent` of it.
fn out_of_balance_percent(requests: &[u64], band_percent: f64) -> f64 {
    let mean = requests.iter().sum::<u64>() as f64 / requests.len().max(1) as f64;
    let is_out = |count: &&u64| (**count as f64 - mean).abs() > mean * band_percent / 100.0;
    requests.iter().filter(is_out).count() as f64 * 100.0 / requests.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::{efficiency, out_of_balance_percent, ring, shares, token_shares};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn tokens_share_the_whole_ring_n_times(nodes in 1_usize..12, tokens in 1_usize..20, n in 1_usize..4, seed: u64) {
            let shares = token_shares(nodes, tokens, n, &mut StdRng::seed_from_u64(seed));
            prop_assert!((shares.iter().sum::<f64>() - n.min(nodes) as f64).abs() < 1e-9);
            let efficiency = efficiency(&shares);
            prop_assert!(efficiency > 0.0 && efficiency <= 1.0 + 1e-12);
        }

        #[test]
        fn a_claimed_ring_shares_every_partition_n_times(nodes in 3_usize..20, n in 1_usize..4) {
            let shares = shares(&ring(nodes, 64, n).expect("a ring"), n, nodes);
            prop_assert_eq!(shares.iter().sum::<f64>() as usize, 64 * n);
        }

        #[test]
        fn a_wider_band_has_fewer_nodes_outside(requests in prop::collection::vec(0_u64..1_000, 1..40), narrow in 0.0_f64..100.0, more in 0.0_f64..50.0) {
            prop_assert!(out_of_balance_percent(&requests, narrow) >= out_of_balance_percent(&requests, narrow + more));
        }
    }

    #[test]
    fn known_shares() {
        assert_eq!(efficiency(&[2.0, 2.0, 4.0]), 2.0 / 3.0);
        assert_eq!(out_of_balance_percent(&[100, 100, 100, 100], 0.0), 0.0);
        // The mean is 100: 84 and 116 are outside of 15 %, 86 and 114 are not.
        assert_eq!(out_of_balance_percent(&[84, 116, 86, 114], 15.0), 50.0);
    }
}
