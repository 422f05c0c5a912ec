//! What links and processors cost in an experiment.
//!
//! ```text
//!   bytes are sent ──▶ link: least + a drawn part ──▶ arrive ──▶ queue of the node's processor ──▶ are read
//! ```
//!
//! Delays are whole milliseconds, as virtual timers are, and rounded to the nearest, so that rounding adds nothing to a mean. The
//! queue is kept exactly; only the instant at which a node *notices* is rounded up to the next millisecond.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::plan::{Cpu, LinkTime, Setup, SlowNode, Spread};
use crate::sim::network::Physics;
use crate::wire::frame::count_frames;

/// How many messages each node has been told.
pub(super) type Ledger = Arc<Mutex<BTreeMap<String, u64>>>;

/// The links and processors of a setup.
pub(super) struct Machines {
    link: LinkTime,
    client_link: LinkTime,
    cpu: Cpu,
    slow: SlowNode,
    slow_address: Option<String>,
    /// The nodes, each with the instant until which its processor has something to do.
    busy_until: BTreeMap<String, Option<Instant>>,
    ledger: Ledger,
}

impl Machines {
    /// For nodes at these addresses; whoever else speaks is a client.
    pub(super) fn new(setup: &Setup, nodes: &[String], ledger: Ledger) -> Self {
        let busy_until = nodes.iter().map(|node| (node.clone(), None)).collect();
        let (link, client_link, cpu, slow) = (setup.link, setup.client_link, setup.cpu, setup.slow_node);
        Self { link, client_link, cpu, slow, slow_address: nodes.get(slow.node).cloned(), busy_until, ledger }
    }

    fn is_slow(&self, address: &str) -> bool {
        self.slow_address.as_deref() == Some(address)
    }
}

impl Physics for Machines {
    fn delay(&mut self, rng: &mut StdRng, from: &str, to: &str) -> Duration {
        let between_nodes = self.busy_until.contains_key(from) && self.busy_until.contains_key(to);
        let link = if between_nodes { self.link } else { self.client_link };
        let times = if between_nodes && (self.is_slow(from) || self.is_slow(to)) { self.slow.link_times } else { 1.0 };
        Duration::from_millis((delay_ms(link, rng.random_range(0.0..1.0)) as f64 * times).round() as u64)
    }

    fn done(&mut self, at: &str, arrived: Instant, bytes: &[u8]) -> Instant {
        let times = if self.is_slow(at) { self.slow.cpu_times } else { 1.0 };
        let Some(busy_until) = self.busy_until.get_mut(at) else { return arrived };
        let messages = count_frames(bytes).unwrap_or(1);
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner).entry(at.to_owned()).or_default() += messages;
        let done = busy_until.map_or(arrived, |until| until.max(arrived))
            + work(self.cpu, messages, bytes.len()).mul_f64(times);
        *busy_until = Some(done);
        done
    }
}

/// The delay of a link for a point (0..1) drawn evenly.
pub(super) fn delay_ms(link: LinkTime, point: f64) -> u64 {
    let beyond_ms = match link.shape {
        Spread::Uniform => point * link.spread_ms,
        Spread::Exponential => -(1.0 - point).ln() * link.spread_ms,
    };
    link.least_ms + beyond_ms.round() as u64
}

fn work(cpu: Cpu, messages: u64, bytes: usize) -> Duration {
    let us = cpu.per_message_us * messages as f64 + cpu.per_kib_us * bytes as f64 / 1_024.0;
    Duration::from_secs_f64(us / 1e6)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use tokio::time::Instant;

    use super::{Machines, Physics as _, delay_ms, work};
    use crate::sim::experiment::plan::{Cpu, LinkTime, Setup, SlowNode, Spread};

    proptest! {
        #[test]
        fn a_delay_is_never_less_than_the_least_and_has_the_stated_mean(least_ms in 0_u64..50, spread_ms in 0.0_f64..40.0, exponential: bool) {
            let shape = if exponential { Spread::Exponential } else { Spread::Uniform };
            let link = LinkTime { least_ms, shape, spread_ms };
            let points = 20_000;
            let delays = (0..points).map(|point| delay_ms(link, (f64::from(point) + 0.5) / f64::from(points)));
            let (mut total_ms, mut shortest_ms) = (0, u64::MAX);
            for delay_ms in delays {
                total_ms += delay_ms;
                shortest_ms = shortest_ms.min(delay_ms);
            }
            prop_assert_eq!(shortest_ms, least_ms);
            let mean_ms = total_ms as f64 / f64::from(points) - least_ms as f64;
            let expected_ms = if exponential { spread_ms } else { spread_ms / 2.0 };
            // Rounding to whole milliseconds moves a mean by no more than half of one.
            prop_assert!((mean_ms - expected_ms).abs() <= 0.5, "{mean_ms} for {expected_ms}");
        }
    }

    #[test]
    fn a_processor_does_one_thing_after_another_and_clients_cost_nothing() {
        let cpu = Cpu { per_message_us: 300.0, per_kib_us: 1_024.0 };
        let setup = Setup { cpu, ..Setup::default() };
        let ledger = super::Ledger::default();
        let mut machines = Machines::new(&setup, &["n0".to_owned()], ledger.clone());
        let now = Instant::now();
        // No frame at all counts as one message: a handshake.
        let first = machines.done("n0", now, &[0; 100]);
        assert_eq!(first, now + Duration::from_micros(400));
        assert_eq!(machines.done("n0", now, &[0; 100]), first + Duration::from_micros(400));
        let later = now + Duration::from_secs(1);
        assert_eq!(machines.done("n0", later, &[0; 100]), later + Duration::from_micros(400));
        assert_eq!(machines.done("c0", now, &[0; 100]), now);
        assert_eq!(ledger.lock().expect("ledger").get("n0"), Some(&3));
        assert_eq!(work(cpu, 4, 2_048), Duration::from_micros(1_200 + 2_048));
    }

    #[test]
    fn only_the_slow_node_and_its_links_to_others_take_longer() {
        let link = LinkTime { least_ms: 2, ..LinkTime::default() };
        let cpu = Cpu { per_message_us: 300.0, per_kib_us: 0.0 };
        let slow_node = SlowNode { node: 1, cpu_times: 10.0, link_times: 5.0 };
        let setup = Setup { link, client_link: link, cpu, slow_node, ..Setup::default() };
        let mut machines = Machines::new(&setup, &["n0", "n1", "n2"].map(str::to_owned), super::Ledger::default());
        let (now, rng) = (Instant::now(), &mut StdRng::seed_from_u64(1));
        for (at, took_us) in [("n0", 300), ("n1", 3_000), ("n2", 300)] {
            assert_eq!(machines.done(at, now, &[0; 100]), now + Duration::from_micros(took_us), "{at}");
        }
        for (from, to, took_ms) in
            [("n0", "n2", 2), ("n0", "n1", 10), ("n1", "n0", 10), ("c0", "n1", 2), ("n1", "c0", 2)]
        {
            assert_eq!(machines.delay(rng, from, to), Duration::from_millis(took_ms), "{from} to {to}");
        }
    }
}
