//! The cluster as an actor is told of it, for the stories that it has under way.
//!
//! Whoever waits for a newer view is woken in the order in which he began to wait: tokio's `watch` wakes several waiters in a random one, and a simulated run
//! would not repeat itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::messages::cluster::View;

/// The newest view. A clone is the same one.
#[derive(Clone)]
pub struct Views(Rc<Shared>);

struct Shared {
    view: RefCell<Arc<View>>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Views {
    /// Of the first view.
    pub fn new(view: Arc<View>) -> Self {
        Self(Rc::new(Shared { view: RefCell::new(view), waiting: RefCell::default() }))
    }

    /// The view as it is.
    pub fn now(&self) -> Arc<View> {
        Arc::clone(&self.0.view.borrow())
    }

    /// There is a newer one.
    pub fn replace(&self, view: Arc<View>) {
        self.0.view.replace(view);
        for waiting in self.0.waiting.take() {
            // Whoever has given up waiting needs not be told.
            let _ = waiting.send(());
        }
    }

    /// The first view of this epoch, or of a later one. Never comes if there is none.
    pub async fn of_epoch(&self, epoch: u64) -> Arc<View> {
        loop {
            let view = self.now();
            if view.topology.epoch() >= epoch {
                return view;
            }
            // It is told of every change as long as this lives.
            let _ = self.change().await;
        }
    }

    fn change(&self) -> oneshot::Receiver<()> {
        let (told, changed) = oneshot::channel();
        let mut waiting = self.0.waiting.borrow_mut();
        waiting.retain(|told| !told.is_closed());
        waiting.push(told);
        changed
    }
}
