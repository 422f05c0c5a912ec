//! Trying again while nodes are down, starting or busy.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::link::Link;
use crate::client::{CallError, Client};
use crate::wire::operation::BridgeRequest;

/// The first pause: a busy node is soon free again.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause: a node that restarts is noticed soon.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long to try, and how long to wait between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    /// Patience for `time` from now on.
    pub fn lasting(time: Duration) -> Self {
        // A time beyond what the clock can count is as good as a hundred years.
        let deadline = Instant::now().checked_add(time).unwrap_or_else(|| Instant::now() + HUNDRED_YEARS);
        Self { deadline, pause: PAUSE_MIN }
    }

    /// Waits, a little longer each time; `false` once patience has run out.
    pub async fn wait(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(self.pause.mul_f64(jitter()).min(self.deadline - Instant::now())).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}

const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 366 * 86_400);

/// From a half to one and a half, so that requests that failed together do not return together.
fn jitter() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    0.5 + f64::from((random >> 40) as u32) / f64::from(1_u32 << 24)
}

/// Sends a request through the link; when the node itself is the trouble the link moves on to the next one.
pub(super) async fn send<M: BridgeRequest>(link: &Link, message: &M) -> Result<M::Reply, Failure>
where
    Failure: From<CallError<M::Error>>,
{
    let client: Client = link.client().await?;
    let answer = client.request(message).await.map_err(Failure::from);
    if answer.as_ref().is_err_and(Failure::blames_the_node) {
        link.leave(&client).await;
    }
    answer
}

/// Repeats `attempt` while its failures are of the kind that passes and there is time.
pub(super) async fn persist<T, F>(time: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut patience = Patience::lasting(time);
    loop {
        match attempt().await {
            Err(failure) if failure.is_transient() => {
                if !patience.wait().await {
                    return Err(failure);
                }
            }
            settled => return settled,
        }
    }
}
