//! What nodes and partitions bear, as one number: requests, bytes and processor time, each weighed.
//!
//! ```text
//!   requests ─ part of all ─┐
//!   bytes ──── part of all ─┼─ the mean by weight ──▶ part of all that is borne ──▶ · all requests per second
//!   CPU ────── part of all ─┘
//! ```
//!
//! Parts of sums have no unit, so that no exchange rate between a byte and a request has to be found. A measure that nobody takes, or that not all
//! nodes tell, counts for nothing.
//!
//! Only a process knows its processor time. It is put down to the copies that the node holds, in proportion to what is asked of them by the other
//! measures; of a partition it is the sum over its holders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::load::LoadRates;
use super::node_id::NodeId;
use super::ring::{PartitionId, Ring};

/// How much each measure counts, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadWeights {
    /// Copies read and written.
    pub requests: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Processor time.
    pub cpu: u32,
}

impl LoadWeights {
    /// Nothing but requests counts.
    pub const REQUESTS: Self = Self { requests: 1, bytes: 0, cpu: 0 };
}

/// What one node, or one partition, bears.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Requests for copies, per second.
    pub requests: f64,
    /// Their bytes, per second.
    pub bytes: f64,
    /// Processor time in any unit; `None`: not known.
    pub cpu: Option<f64>,
}

impl Measures {
    /// Of these rates, and this processor time.
    pub fn of(rates: &LoadRates, cpu: Option<f64>) -> Self {
        Self { requests: rates.requests_per_s(), bytes: rates.bytes_per_s, cpu }
    }
}

/// What each bears, in the same order. The sum is that of their requests.
pub fn weighed(weights: LoadWeights, all: &[Measures]) -> Vec<f64> {
    let requests: f64 = all.iter().map(|one| one.requests).sum();
    let cpus: Option<Vec<f64>> = all.iter().map(|one| one.cpu).collect();
    let measures = [
        (weights.requests, Some(all.iter().map(|one| one.requests).collect::<Vec<f64>>())),
        (weights.bytes, Some(all.iter().map(|one| one.bytes).collect())),
        (weights.cpu, cpus),
    ];
    let counts = |(weight, values): (u32, Option<Vec<f64>>)| {
        let values = values.filter(|values| weight > 0 && values.iter().sum::<f64>() > 0.0)?;
        Some((f64::from(weight), values))
    };
    let counted: Vec<(f64, Vec<f64>)> = measures.into_iter().filter_map(counts).collect();
    let total: f64 = counted.iter().map(|(weight, _)| weight).sum();
    if total <= 0.0 {
        return all.iter().map(|one| one.requests).collect();
    }
    let mut borne = vec![0.0; all.len()];
    for (weight, values) in counted {
        let sum: f64 = values.iter().sum();
        borne.iter_mut().zip(values).for_each(|(borne, value)| *borne += requests * weight / total * value / sum);
    }
    borne
}

/// What all copies of each partition bear together. `cpu` is the processor time of nodes; where that of a holder is missing, none counts.
pub fn weighed_partitions(
    weights: LoadWeights,
    ring: &Ring,
    rates: &BTreeMap<PartitionId, LoadRates>,
    cpu: &BTreeMap<NodeId, f64>,
) -> BTreeMap<PartitionId, f64> {
    let partitions: Vec<PartitionId> = ring.partition_ids().collect();
    let rates_of = |partition: &PartitionId| rates.get(partition).copied().unwrap_or_default();
    let plain: Vec<Measures> = partitions.iter().map(|partition| Measures::of(&rates_of(partition), None)).collect();
    let costs = weighed(LoadWeights { cpu: 0, ..weights }, &plain);
    let spent = if weights.cpu > 0 { spent(ring, &costs, cpu) } else { None };
    let all: Vec<Measures> = match spent {
        Some(spent) => plain.iter().zip(spent).map(|(plain, cpu)| Measures { cpu: Some(cpu), ..*plain }).collect(),
        None => plain,
    };
    partitions.into_iter().zip(weighed(weights, &all)).collect()
}

/// The processor time of each partition, if it can be told.
fn spent(ring: &Ring, costs: &[f64], cpu: &BTreeMap<NodeId, f64>) -> Option<Vec<f64>> {
    let copies = || {
        let holders = |(slot, partition)| ring.primaries(partition, ring.n()).map(move |node| (slot, node));
        ring.partition_ids().enumerate().flat_map(holders)
    };
    let mut held: BTreeMap<&NodeId, f64> = BTreeMap::new();
    copies().for_each(|(slot, node)| *held.entry(node).or_default() += costs[slot]);
    let mut spent = vec![0.0; costs.len()];
    for (slot, node) in copies() {
        let (of_node, held) = (cpu.get(node).copied()?, held.get(node).copied().unwrap_or(0.0));
        if held > 0.0 {
            spent[slot] += of_node * costs[slot] / held;
        }
    }
    Some(spent)
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
