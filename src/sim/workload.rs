//! What clients do.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt as _;
use rand::seq::IteratorRandom as _;
use tokio::time::sleep;

use super::session::{Seen, Session, Value};
use super::swarm::Plan;

/// The longest life of a value that expires, in ms.
const TTL_MAX_MS: u64 = 20_000;

/// What the clients of a run do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// They read, put over what they have read, put blindly, go on from their last put, and delete.
    Mixed,
    /// A register: they write with the context of what they last read or wrote, and never blindly.
    Register,
    /// A set: they read, unite the siblings, add an element, and write with the context.
    Set,
    /// A shopping cart: the same, and they also take elements out.
    Cart,
    /// They delete a key and write it anew, over and over.
    Recreate,
    /// Values that expire, among others.
    Expiring,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Mixed, Self::Register, Self::Set, Self::Cart, Self::Recreate, Self::Expiring];

    /// Whether nobody writes without having read.
    #[must_use]
    pub const fn reads_first(self) -> bool {
        matches!(self, Self::Register | Self::Set | Self::Cart)
    }
}

/// A client at work.
pub struct Player {
    session: Session,
    workload: Workload,
    /// By key, what its last put or read has left it.
    tokens: BTreeMap<String, Seen>,
}

impl Player {
    /// A client that does what the plan says.
    #[must_use]
    pub fn new(session: Session, plan: &Plan) -> Self {
        Self { session, workload: plan.workload, tokens: BTreeMap::new() }
    }

    /// Does one thing after another until it is time to leave.
    pub async fn play(mut self, plan: Plan) {
        while !self.session.stage.over.get() {
            sleep(Duration::from_millis(self.session.rng.random_range(1..=plan.think_max_ms))).await;
            if self.session.rng.random_ratio(1, 10) {
                self.session.leave();
            }
            let node = self.session.rng.random_range(0..self.session.stage.addresses.len());
            let key = format!("k{}", self.key(plan.keys, plan.skew));
            if self.session.connect(node).await.is_some() {
                self.act(&key).await;
            }
        }
    }

    /// By Zipf's law: the key at place i is used in proportion to (i + 1)^-skew.
    fn key(&mut self, keys: usize, skew: f64) -> usize {
        let weight = |at: usize| ((at + 1) as f64).powf(-skew);
        let mut left = self.session.rng.random::<f64>() * (0..keys).map(weight).sum::<f64>();
        (0..keys)
            .find(|at| {
                left -= weight(*at);
                left <= 0.0
            })
            .unwrap_or_default()
    }

    async fn act(&mut self, key: &str) -> Option<()> {
        match self.workload {
            Workload::Mixed => self.mix(key).await,
            Workload::Register => self.register(key).await,
            Workload::Set => self.add(key).await,
            Workload::Cart if self.session.rng.random_ratio(1, 3) => self.take_out(key).await,
            Workload::Cart => self.add(key).await,
            Workload::Recreate => self.recreate(key).await,
            Workload::Expiring => self.expire(key).await,
        }
    }

    async fn read(&mut self, key: &str) -> Option<Seen> {
        self.session.get(key, None).await
    }

    async fn put_over(&mut self, key: &str, seen: &Seen, value: Value) -> Option<()> {
        let left = self.session.put(key, seen, value).await;
        match left {
            Some(left) => drop(self.tokens.insert(key.to_owned(), left)),
            None => drop(self.tokens.remove(key)),
        }
        Some(())
    }

    async fn mix(&mut self, key: &str) -> Option<()> {
        match self.session.rng.random_range(0..20) {
            0..3 => self.read(key).await.map(drop),
            3..5 => self.put_over(key, &Seen::default(), Value::default()).await,
            5..8 => {
                let token = self.tokens.remove(key)?;
                self.put_over(key, &token, Value::default()).await
            }
            8..11 => {
                let seen = self.read(key).await?;
                self.session.delete(key, &seen).await
            }
            _ => {
                let seen = self.read(key).await?;
                self.put_over(key, &seen, Value::default()).await
            }
        }
    }

    async fn register(&mut self, key: &str) -> Option<()> {
        let token = self.tokens.remove(key).filter(|_| self.session.rng.random_ratio(2, 3));
        let seen = match token {
            Some(token) => token,
            None => self.read(key).await?,
        };
        if self.session.rng.random_ratio(1, 4) {
            self.tokens.insert(key.to_owned(), seen);
            return Some(());
        }
        self.put_over(key, &seen, Value::default()).await
    }

    async fn add(&mut self, key: &str) -> Option<()> {
        let seen = self.read(key).await?;
        let value = Value { elements: seen.elements.clone(), adds_its_name: true, ..Value::default() };
        self.put_over(key, &seen, value).await
    }

    async fn take_out(&mut self, key: &str) -> Option<()> {
        let seen = self.read(key).await?;
        let mut elements = seen.elements.clone();
        let removed = elements.iter().choose(&mut self.session.rng).cloned()?;
        elements.remove(&removed);
        self.put_over(key, &seen, Value { elements, removes: Some(removed), ..Value::default() }).await
    }

    async fn recreate(&mut self, key: &str) -> Option<()> {
        match self.session.rng.random_range(0..8) {
            0..4 => {
                let seen = self.read(key).await?;
                self.session.delete(key, &seen).await
            }
            4..6 => self.put_over(key, &Seen::default(), Value::default()).await,
            _ => {
                let seen = self.read(key).await?;
                self.put_over(key, &seen, Value::default()).await
            }
        }
    }

    async fn expire(&mut self, key: &str) -> Option<()> {
        let ttl_ms = self.session.rng.random_range(1..=TTL_MAX_MS);
        let value = Value { ttl_ms: Some(ttl_ms).filter(|ttl_ms| ttl_ms % 2 == 0), ..Value::default() };
        match self.session.rng.random_range(0..6) {
            0..2 => self.read(key).await.map(drop),
            2 => self.put_over(key, &Seen::default(), value).await,
            _ => {
                let seen = self.read(key).await?;
                self.put_over(key, &seen, value).await
            }
        }
    }
}
