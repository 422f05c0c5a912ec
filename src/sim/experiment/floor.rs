//! The least mean that a request can have, from where its copies are and how far it is to them.
//!
//! ```text
//!   client ── client_link ──▶ coordinator ── link ──▶ replicas
//!          ◀── client_link ──             ◀── link ──
//! ```
//!
//! Nothing is assumed of the protocol but this: the client speaks to one node; that node asks all N replicas at the same instant; an
//! answer needs the R copies that come first, an acknowledgement the first W synced ones; no processor has a queue. Where links or
//! disks vary, the mean is taken over many draws; where they do not, it is exact.

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::machines::delay_ms;
use super::plan::{LinkTime, Operation, Setup};

/// How often what varies is drawn: the mean is good to about one in two hundred.
const DRAWS: u32 = 20_000;

/// The least mean, in ms. `is_replica`: the node that is asked holds a copy.
#[must_use]
pub fn floor_ms(setup: &Setup, operation: Operation, is_replica: bool, rng: &mut StdRng) -> f64 {
    let varies = setup.link.spread_ms > 0.0
        || setup.client_link.spread_ms > 0.0
        || setup.disk.sync_least_ms < setup.disk.sync_most_ms;
    let draws = if varies { DRAWS } else { 1 };
    (0..draws).map(|_| one_way_ms(setup, operation, is_replica, rng)).sum::<f64>() / f64::from(draws)
}

fn one_way_ms(setup: &Setup, operation: Operation, is_replica: bool, rng: &mut StdRng) -> f64 {
    let message_ms = setup.cpu.per_message_us / 1_000.0;
    let held_here = usize::from(is_replica);
    let shape = setup.cluster;
    let mut copies_ms: Vec<f64> = (0..usize::from(shape.n))
        .map(|at| {
            let sync_ms = match operation {
                Operation::Get => 0,
                Operation::Put => rng.random_range(setup.disk.sync_least_ms..=setup.disk.sync_most_ms),
            };
            // The question is a message there, the answer one here.
            let way_ms = if at < held_here { 0.0 } else { there_and_back_ms(setup.link, rng) + 2.0 * message_ms };
            way_ms + sync_ms as f64
        })
        .collect();
    copies_ms.sort_by(f64::total_cmp);
    let needed = match operation {
        Operation::Get => shape.r,
        Operation::Put => shape.w,
    };
    let slowest_ms = copies_ms.get(usize::from(needed).saturating_sub(1)).copied().unwrap_or_default();
    there_and_back_ms(setup.client_link, rng) + message_ms + slowest_ms
}

fn there_and_back_ms(link: LinkTime, rng: &mut StdRng) -> f64 {
    (delay_ms(link, rng.random_range(0.0..1.0)) + delay_ms(link, rng.random_range(0.0..1.0))) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::floor_ms;
    use crate::sim::experiment::plan::{Cpu, DiskTime, LinkTime, Operation, Setup, Shape};

    fn ten_ms_links(r: u8, w: u8) -> Setup {
        let ten = LinkTime { least_ms: 10, ..LinkTime::default() };
        Setup {
            cluster: Shape { nodes: 4, n: 4, r, w, ..Shape::default() },
            link: ten,
            client_link: ten,
            disk: DiskTime { sync_least_ms: 3, sync_most_ms: 3 },
            ..Setup::default()
        }
    }

    /// (R, W, the coordinator is a replica) -> (get, put), for 10 ms links and 3 ms syncs.
    #[test]
    fn round_trips_are_counted_as_the_topology_demands() {
        let rng = &mut StdRng::seed_from_u64(1);
        let table = [
            ((1, 3, true), (20.0, 43.0)),
            ((3, 1, true), (40.0, 23.0)),
            ((2, 2, true), (40.0, 43.0)),
            ((1, 1, false), (40.0, 43.0)),
            ((3, 3, false), (40.0, 43.0)),
        ];
        for ((r, w, is_replica), (get_ms, put_ms)) in table {
            let setup = ten_ms_links(r, w);
            assert_eq!(floor_ms(&setup, Operation::Get, is_replica, rng), get_ms);
            assert_eq!(floor_ms(&setup, Operation::Put, is_replica, rng), put_ms);
            let busy = Setup { cpu: Cpu { per_message_us: 500.0, per_kib_us: 0.0 }, ..setup };
            let messages = if usize::from(r) > usize::from(is_replica) { 3.0 } else { 1.0 };
            assert_eq!(floor_ms(&busy, Operation::Get, is_replica, rng), get_ms + 0.5 * messages);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// More copies take no less, and variation above the least takes no less than the least.
        #[test]
        fn more_copies_and_more_variation_take_no_less(few in 1_u8..=4, more in 1_u8..=4, spread_ms in 1.0_f64..20.0, is_replica: bool) {
            let rng = &mut StdRng::seed_from_u64(7);
            let (few, more) = (few.min(more), few.max(more));
            let mut varying = |copies| {
                let link = LinkTime { spread_ms, ..ten_ms_links(copies, copies).link };
                floor_ms(&Setup { link, ..ten_ms_links(copies, copies) }, Operation::Get, is_replica, rng)
            };
            // Ten standard errors of the mean of two spreads.
            let noise = 10.0 * spread_ms / 100.0;
            prop_assert!(varying(few) <= varying(more) + noise);
            let least = floor_ms(&ten_ms_links(few, few), Operation::Get, is_replica, &mut StdRng::seed_from_u64(7));
            prop_assert!(varying(few) >= least);
        }
    }
}
