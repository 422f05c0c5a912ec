//! Ports for nodes that are killed and started again: the same ones in every life, and nobody else's in between.
//!
//! The system hands out ephemeral ports to whoever connects, so a port from that range may be gone when its node comes back. These
//! lie below it, and a locked file per port keeps other test processes away for as long as the lease lives.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Below the ephemeral ranges of Linux and macOS, above what services like.
const RANGE: std::ops::Range<u16> = 10_000..30_000;

/// One port of this machine, ours until it is dropped.
pub struct PortLease {
    pub port: u16,
    _lock: File,
}

/// `count` different ports that nobody listens on.
pub fn lease_ports(count: usize) -> Vec<PortLease> {
    let folder = std::env::temp_dir().join("slipring-test-ports");
    std::fs::create_dir_all(&folder).expect("a folder for the leases");
    let mut rng = StdRng::seed_from_u64(super::fresh_seed());
    let mut leases: Vec<PortLease> = Vec::new();
    while leases.len() < count {
        let port = rng.random_range(RANGE);
        let name = folder.join(port.to_string());
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(name).expect("a lease can be opened");
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            leases.push(PortLease { port, _lock: lock });
        }
    }
    leases
}
