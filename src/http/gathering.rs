//! Requests of one kind that come over different connections in one turn of a worker's loop, and go on together.
//!
//! ```text
//!   connection ── ask ──┐
//!   connection ── ask ──┤ waiting ── the turn is over ──▶ Together { requests, answers } ──▶ coordinator
//!   connection ── ask ──┘
//! ```
//!
//! A client of HTTP has one request on a connection at a time, so what comes over many connections would reach the coordinator
//! one by one, and each would pay for an envelope, a task and a timer. The first to ask spawns a task, which runs after all
//! connections that are ready now: nothing ever waits for a group to fill.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Message, Recipient};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use crate::messages::together::{Answers, Together};

/// Where the requests of one kind go, on one worker.
pub struct Gathering<M: Message + Send>(Arc<Waiting<M>>)
where
    M::Result: Send;

struct Waiting<M: Message + Send>
where
    M::Result: Send,
{
    to: Recipient<Together<M>>,
    requests: Mutex<Vec<Asked<M>>>,
}

struct Asked<M: Message> {
    request: M,
    answered: oneshot::Sender<M::Result>,
}

impl<M> Gathering<M>
where
    M: Message + Send + 'static,
    M::Result: Send + 'static,
{
    /// Requests for this receiver.
    pub fn new(to: Recipient<Together<M>>) -> Self {
        Self(Arc::new(Waiting { to, requests: Mutex::default() }))
    }

    /// Sends a request with those that others make in this turn, and waits for its own answer.
    ///
    /// # Errors
    ///
    /// The receiver has stopped.
    pub async fn ask(&self, request: M) -> Result<M::Result, RecvError> {
        let (answered, answer) = oneshot::channel();
        if self.0.add(Asked { request, answered }) {
            let waiting = Arc::clone(&self.0);
            actix::spawn(async move { waiting.send_on() });
        }
        answer.await
    }
}

impl<M> Waiting<M>
where
    M: Message + Send + 'static,
    M::Result: Send + 'static,
{
    /// Whether it is the first of its turn.
    fn add(&self, asked: Asked<M>) -> bool {
        let mut requests = self.requests();
        requests.push(asked);
        requests.len() == 1
    }

    fn send_on(&self) {
        let asked = std::mem::take(&mut *self.requests());
        let (requests, answered): (Vec<M>, Vec<_>) =
            asked.into_iter().map(|asked| (asked.request, Some(asked.answered))).unzip();
        let answered = Mutex::new(answered);
        let answers = Answers::new(move |at, answer| {
            let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(asker) = answered.get_mut(at).and_then(Option::take) {
                // Whoever asked may be gone; that is not an error.
                let _ = asker.send(answer);
            }
        });
        self.to.do_send(Together { requests, answers });
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Asked<M>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use actix::{Actor, Context, Handler};
    use futures_util::future::join_all;

    use super::Gathering;
    use crate::messages::together::Together;

    #[derive(actix::Message)]
    #[rtype(result = "(usize, usize)")]
    struct Number(usize);

    /// Answers with the number and how many came with it, the last one first; stops at number 99.
    struct Counter;

    impl Actor for Counter {
        type Context = Context<Self>;
    }

    impl Handler<Together<Number>> for Counter {
        type Result = ();

        fn handle(&mut self, Together { requests, answers }: Together<Number>, _: &mut Self::Context) {
            let together = requests.len();
            for (at, number) in requests.into_iter().enumerate().rev().filter(|(_, number)| number.0 != 99) {
                answers.give(at, (number.0, together));
            }
        }
    }

    #[actix::test]
    async fn what_is_asked_in_one_turn_travels_together_and_each_gets_his_own_answer() {
        let gathering = Gathering::new(Counter.start().recipient());
        let all = join_all((0..5).map(|number| gathering.ask(Number(number)))).await;
        let expected: Vec<_> = (0..5).map(|number| Ok((number, 5))).collect();
        assert_eq!(all, expected);
        // The next turn begins anew.
        assert_eq!(gathering.ask(Number(7)).await, Ok((7, 1)));
    }

    #[actix::test]
    async fn whoever_gets_no_answer_learns_that() {
        let gathering = Gathering::new(Counter.start().recipient());
        let all = join_all([1, 99, 2].map(|number| gathering.ask(Number(number)))).await;
        assert_eq!((all[0].as_ref(), all[2].as_ref()), (Ok(&(1, 3)), Ok(&(2, 3))));
        assert!(all[1].is_err());
    }
}
