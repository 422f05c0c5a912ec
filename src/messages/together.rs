//! Requests of one kind that travel from mailbox to mailbox as one message.
//!
//! ```text
//!   sender ── Together { requests, answers } ──▶ receiver
//!      ▲                                            │
//!      └────────── answers.give(at, answer) ◀───────┘      each as soon as it is known, in any order
//! ```
//!
//! A message between actors costs a task switch, an envelope and a way back; most of that is paid once for all that came in one read of a
//! socket. No answer waits for another one's: whoever is quick is answered at once.

use std::sync::{Arc, Mutex, PoisonError};

use actix::Message;
use tokio::sync::oneshot;

/// Requests that arrived together, and where their answers go.
pub struct Together<M: Message> {
    /// In the order in which they were made.
    pub requests: Vec<M>,
    /// Takes the answer to each, by its place in `requests`.
    pub answers: Answers<M::Result>,
}

impl<M: Message> Message for Together<M> {
    type Result = ();
}

/// Takes answers. Once the last clone is gone, what has not been answered never will be.
pub struct Answers<R>(Arc<dyn Fn(usize, R) + Send + Sync>);

impl<R> Clone for Answers<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> Answers<R> {
    /// `take` is told the place of the request and its answer.
    pub fn new(take: impl Fn(usize, R) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// For one request; its answer arrives at the receiver. An error there means that there will be none.
    pub fn to_one() -> (Self, oneshot::Receiver<R>)
    where
        R: Send + 'static,
    {
        let (answered, answer) = oneshot::channel();
        let answered = Mutex::new(Some(answered));
        let take = move |_, answer| {
            if let Some(answered) = answered.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Nobody may be waiting any more; that is not an error.
                let _ = answered.send(answer);
            }
        };
        (Self::new(take), answer)
    }

    /// For requests whose answers interest nobody.
    pub fn ignored() -> Self {
        Self::new(|_, _| {})
    }

    /// Answers the request at this place.
    pub fn give(&self, at: usize, answer: R) {
        (self.0)(at, answer);
    }
}

impl<M: Message> Together<M>
where
    M::Result: Send + 'static,
{
    /// A request by itself, and where its answer arrives. An error there means that there will be none: the receiver has stopped.
    pub fn alone(request: M) -> (Self, oneshot::Receiver<M::Result>) {
        let (answers, answer) = Answers::to_one();
        (Self { requests: vec![request], answers }, answer)
    }

    /// Requests whose answers are wanted all at once, in their order. An error there means that some of them will never come.
    pub fn gathered(requests: Vec<M>) -> (Self, oneshot::Receiver<Vec<M::Result>>) {
        let (done, all) = oneshot::channel();
        let gathering = Mutex::new(Gathering::new(requests.len(), done));
        let answers = Answers::new(move |at, answer| {
            gathering.lock().unwrap_or_else(PoisonError::into_inner).take(at, answer);
        });
        (Self { requests, answers }, all)
    }
}

/// Answers that wait until they are complete.
struct Gathering<R> {
    answers: Vec<Option<R>>,
    missing: usize,
    done: Option<oneshot::Sender<Vec<R>>>,
}

impl<R> Gathering<R> {
    fn new(count: usize, done: oneshot::Sender<Vec<R>>) -> Self {
        let mut gathering = Self { answers: (0..count).map(|_| None).collect(), missing: count, done: Some(done) };
        gathering.finish_if_complete();
        gathering
    }

    fn take(&mut self, at: usize, answer: R) {
        if let Some(place) = self.answers.get_mut(at)
            && place.replace(answer).is_none()
        {
            self.missing -= 1;
            self.finish_if_complete();
        }
    }

    fn finish_if_complete(&mut self) {
        if self.missing == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(std::mem::take(&mut self.answers).into_iter().flatten().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Together;

    #[derive(actix::Message)]
    #[rtype(result = "usize")]
    struct Count;

    proptest! {
        #[test]
        fn answers_in_any_order_and_twice_arrive_in_the_order_of_the_requests(
            order in (0..8_usize).prop_flat_map(|count| Just((0..count).chain(0..count / 2).collect::<Vec<_>>()).prop_shuffle()),
        ) {
            let count = order.iter().max().map_or(0, |last| last + 1);
            let (together, mut all) = Together::gathered((0..count).map(|_| Count).collect());
            for (turn, at) in order.iter().enumerate() {
                let complete = (0..count).all(|wanted| order[..turn].contains(&wanted));
                prop_assert_eq!(complete, !all.is_empty());
                together.answers.give(*at, *at);
            }
            prop_assert_eq!(all.try_recv(), Ok((0..count).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn a_receiver_that_stops_is_noticed() {
        let (together, mut answer) = Together::alone(Count);
        drop(together);
        assert!(answer.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed));
    }
}
