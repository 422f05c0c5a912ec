//! Storing one record, through connections that break and nodes that restart.
//!
//! A write whose outcome is unknown is repeated with the context of what is there by then, so that it supersedes the first
//! try if that has arrived. One that arrives later still would stay beside it: such records are looked at again at the end.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::records::Record;
use super::summary::{ImportView, Prepared, Preparer};
use crate::admin::failure::Failure;
use crate::admin::retry::{Patience, send};
use crate::admin::session::Session;
use crate::dynamo::siblings::Version;
use crate::messages::admin::DescribeStatus;
use crate::messages::client::{Get, GetReply, Put, PutReply};

/// How many failures are spelt out on the standard error.
const REPORTED_MAX: u64 = 20;

/// How often a record is written again because somebody else's write stays beside it.
const MERGES_MAX: usize = 4;

/// An import under way.
pub(super) struct Store<'a> {
    session: &'a Session,
    preparer: RefCell<Preparer>,
    table: String,
    retry_for: Duration,
    progress: Progress,
    summary: RefCell<ImportView>,
    /// Records of which an earlier try may arrive yet.
    uncertain: RefCell<Vec<Prepared>>,
    last_success: Cell<Instant>,
    stopped: Cell<bool>,
    read_bytes: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    /// Written after a try whose outcome is unknown.
    WrittenAgain,
    Unchanged,
}

impl<'a> Store<'a> {
    pub fn new(session: &'a Session, preparer: Preparer, retry_for: Duration, progress: Progress) -> Self {
        Self {
            session,
            table: preparer.table.name.as_str().to_owned(),
            preparer: RefCell::new(preparer),
            retry_for,
            progress,
            summary: RefCell::default(),
            uncertain: RefCell::default(),
            last_success: Cell::new(Instant::now()),
            stopped: Cell::new(false),
            read_bytes: Cell::new(0),
        }
    }

    /// Whether it is no use to go on.
    pub fn has_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Takes a record in, in the order of the file. The future stores it.
    pub fn take(&self, record: io::Result<Record>) -> impl Future<Output = ()> {
        let prepared = match record {
            Ok(record) => {
                self.read_bytes.set(record.read_bytes);
                let place = record.place;
                self.preparer.borrow_mut().prepare(record).map_err(|refused| (place.to_string(), refused.to_string()))
            }
            Err(error) => {
                self.stopped.set(true);
                Err(("the rest of the file".to_owned(), format!("cannot be read: {error}")))
            }
        };
        async {
            match prepared {
                Ok(Some(prepared)) => self.store(prepared).await,
                Ok(None) => self.summary.borrow_mut().unchanged += 1,
                Err((place, reason)) => self.fail(place, reason),
            }
            self.progress.advance(self.read_bytes.get(), self.summary.borrow().succeeded());
        }
    }

    async fn store(&self, record: Prepared) {
        match self.persist(&record).await {
            Ok(outcome) => {
                self.last_success.set(Instant::now());
                match outcome {
                    Outcome::Unchanged => self.summary.borrow_mut().unchanged += 1,
                    Outcome::Written | Outcome::WrittenAgain => self.summary.borrow_mut().written += 1,
                }
                if outcome == Outcome::WrittenAgain {
                    self.uncertain.borrow_mut().push(record);
                }
            }
            Err(failure) => {
                // One key range may be out of reach while others are not; but when nothing succeeds any more, stop.
                if failure.is_transient() && self.last_success.get().elapsed() >= self.retry_for {
                    self.stopped.set(true);
                }
                self.fail(record.place.to_string(), failure.to_string());
            }
        }
    }

    async fn persist(&self, record: &Prepared) -> Result<Outcome, Failure> {
        let mut patience = Patience::lasting(self.retry_for);
        let mut may_be_applied = false;
        loop {
            match self.attempt(record, may_be_applied, None).await {
                Ok(_) if may_be_applied => return Ok(Outcome::WrittenAgain),
                Err(failure) if failure.is_transient() => {
                    may_be_applied |= failure.may_be_applied();
                    if !patience.wait().await {
                        return Err(failure);
                    }
                }
                settled => return settled,
            }
        }
    }

    /// An equal item is left alone, unless it may be our own write that too few replicas hold.
    /// `r` replicas are asked, or as many as the table says.
    async fn attempt(&self, record: &Prepared, may_be_own: bool, r: Option<u8>) -> Result<Outcome, Failure> {
        let mut found = self.get(record, r).await?;
        if holds_exactly(&found.versions, record) && !may_be_own {
            return Ok(Outcome::Unchanged);
        }
        for _ in 0..MERGES_MAX {
            if self.put(record, found).await?.siblings <= 1 {
                break;
            }
            found = self.get(record, r).await?;
        }
        Ok(Outcome::Written)
    }

    async fn get(&self, record: &Prepared, r: Option<u8>) -> Result<GetReply, Failure> {
        let message = Get {
            trace: self.session.trace(),
            table: self.table.clone(),
            key: record.key.clone(),
            r,
            timeout_ms: self.session.timeout_ms,
        };
        send(&self.session.link, &message).await
    }

    async fn put(&self, record: &Prepared, found: GetReply) -> Result<PutReply, Failure> {
        let message = Put {
            trace: self.session.trace(),
            table: self.table.clone(),
            item: record.item.clone(),
            context: Some(found.context),
            ttl_ms: None,
            w: None,
            timeout_ms: self.session.timeout_ms,
        };
        send(&self.session.link, &message).await
    }

    fn fail(&self, place: String, reason: String) {
        let mut summary = self.summary.borrow_mut();
        if summary.failed < REPORTED_MAX {
            self.progress.say(&format!("{place}: {reason}"));
        }
        summary.fail(place, reason);
    }

    /// Looks again at the records of which an earlier try may have arrived late, and merges it away. All replicas are asked, where they
    /// can be: the earlier try may be on the disk of nobody but the node that took it, which was killed and has come back.
    pub async fn settle(&self) {
        if self.has_stopped() {
            return;
        }
        let uncertain = self.uncertain.take();
        if uncertain.is_empty() {
            return;
        }
        let status = send(&self.session.link, &DescribeStatus).await;
        let all = status.ok().map(|status| status.effective_quorum[0]);
        for record in uncertain {
            if all.is_some() && self.attempt(&record, false, all).await.is_ok() {
                continue;
            }
            if let Err(failure) = self.persist(&record).await {
                self.summary.borrow_mut().written -= 1;
                self.fail(record.place.to_string(), format!("written, but perhaps with siblings: {failure}"));
            }
        }
    }

    pub fn finish(self) -> ImportView {
        self.progress.finish();
        let mut view = self.summary.into_inner();
        if view.failed > REPORTED_MAX {
            self.progress.say(&format!("… and {} more", view.failed - REPORTED_MAX));
        }
        view.stopped = self.stopped.get();
        view
    }
}

/// Whether this item is all there is, and there to stay.
fn holds_exactly(versions: &[Version], record: &Prepared) -> bool {
    match versions {
        [version] => version.value.as_ref() == Some(&record.item) && version.expires_at_ms.is_none(),
        _ => false,
    }
}
