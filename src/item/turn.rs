//! Steps of one item, taken one after the other: what each comes to, and what is to be stored after the last.
//!
//! ```text
//!   stored bytes ──▶ Turn ── take(step) ──▶ Done | ConditionFailed | Refused | InTransaction | TooLate | Waits
//!                     └── to_write ──▶ the bytes to store, if any step has changed them
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use super::modification::{Modification, Refused};
use super::transaction::{Decision, Intent, TransactionId};
use super::value::Item;

/// What is done to an item when it is its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It changes.
    Change(Modification),
    /// It gets ready to change: what a transaction will make of it is stored beside it. Nobody else changes it before that is decided.
    Prepare {
        /// For which transaction.
        transaction: TransactionId,
        /// From this instant on (ms since the Unix epoch) whoever is in its way may abort it. Later than that nothing is prepared.
        deadline_ms: u64,
        /// The change.
        modification: Modification,
    },
    /// A transaction is decided: an item that was prepared for it becomes what that says.
    Settle {
        /// Which transaction.
        transaction: TransactionId,
        /// What became of it.
        decision: Decision,
    },
}

/// What a step comes to. Whatever it is, it counts only once what the turn has to write is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The step is taken.
    Done {
        /// The encoded item before; `None`: there was none.
        old: Option<Bytes>,
        /// The encoded item after it, or once the transaction is committed; `None`: there is none.
        new: Option<Bytes>,
    },
    /// The item is not as the condition says.
    ConditionFailed {
        /// The encoded item as it is.
        present: Option<Bytes>,
    },
    /// The change cannot be made of the item.
    Refused(Refused),
    /// An older transaction has prepared the item.
    InTransaction,
    /// It is too late to prepare for this transaction.
    TooLate,
    /// A transaction has prepared the item: the step can be taken once that is decided.
    Waits,
}

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// An item, encoded, or none.
    Item(Option<Bytes>),
    /// One that a transaction has prepared.
    Intent(Intent),
}

impl Held {
    /// What these bytes are.
    ///
    /// # Errors
    ///
    /// [`CodecError`] for a damaged intent. Items are not looked into.
    pub fn of(stored: Option<Bytes>) -> Result<Self, CodecError> {
        match stored {
            Some(bytes) if Intent::is_one(&bytes) => Intent::from_bytes(&bytes).map(Self::Intent),
            item => Ok(Self::Item(item)),
        }
    }

    fn to_bytes(&self) -> Option<Bytes> {
        match self {
            Self::Item(item) => item.clone(),
            Self::Intent(intent) => Some(intent.to_bytes()),
        }
    }
}

/// One item while steps are taken.
#[derive(Clone, Debug)]
pub struct Turn {
    held: Held,
    /// The item of `held`, decoded.
    item: Option<Item>,
    /// The key attributes.
    key: Item,
    now_ms: u64,
    is_changed: bool,
}

impl Turn {
    /// Of an item as it is stored. `key` holds the key attributes, `now_ms` is the wall clock.
    ///
    /// # Errors
    ///
    /// [`CodecError`]: it is damaged.
    pub fn new(stored: Option<Bytes>, key: Item, now_ms: u64) -> Result<Self, CodecError> {
        let held = Held::of(stored)?;
        let item = match &held {
            Held::Item(item) => item.as_deref().map(Item::from_bytes).transpose()?,
            Held::Intent(_) => None,
        };
        Ok(Self { held, item, key, now_ms, is_changed: false })
    }

    /// The intent that is in the way, if there is one.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        match &self.held {
            Held::Intent(intent) => Some(intent),
            Held::Item(_) => None,
        }
    }

    /// Whether this step cannot be decided before the transaction is that has prepared the item.
    #[must_use]
    pub fn is_in_the_way_of(&self, step: &Step) -> bool {
        let Held::Intent(intent) = &self.held else { return false };
        match step {
            Step::Change(_) => true,
            Step::Prepare { transaction, .. } => *transaction != intent.transaction,
            Step::Settle { .. } => false,
        }
    }

    /// The transaction that has prepared the item is decided.
    ///
    /// # Errors
    ///
    /// [`CodecError`]: what it makes of the item is damaged.
    pub fn settle(&mut self, decision: Decision) -> Result<(), CodecError> {
        if let Held::Intent(intent) = &self.held {
            let settled = intent.clone().settled(decision);
            self.item = settled.as_deref().map(Item::from_bytes).transpose()?;
            self.held = Held::Item(settled);
            self.is_changed = true;
        }
        Ok(())
    }

    /// Takes a step.
    ///
    /// # Errors
    ///
    /// [`CodecError`]: what is stored is damaged.
    pub fn take(&mut self, step: &Step) -> Result<StepOutcome, CodecError> {
        Ok(match step {
            Step::Change(modification) => self.change(modification),
            Step::Prepare { transaction, deadline_ms, modification } => {
                self.prepare(*transaction, *deadline_ms, modification)
            }
            Step::Settle { transaction, decision } => {
                if self.intent().is_some_and(|intent| intent.transaction == *transaction) {
                    self.settle(*decision)?;
                }
                StepOutcome::Done { old: None, new: None }
            }
        })
    }

    fn change(&mut self, modification: &Modification) -> StepOutcome {
        let Held::Item(present) = &self.held else { return StepOutcome::Waits };
        let old = present.clone();
        match modification.decide(self.item.as_ref(), &self.key) {
            Ok(next) => {
                let new = next.as_ref().map(Item::to_bytes);
                // A tombstone for what was never there serves nobody.
                self.is_changed |= old.is_some() || new.is_some();
                self.item = next;
                self.held = Held::Item(new.clone());
                StepOutcome::Done { old, new }
            }
            Err(Refused::ConditionFailed) => StepOutcome::ConditionFailed { present: old },
            Err(refused) => StepOutcome::Refused(refused),
        }
    }

    fn prepare(&mut self, transaction: TransactionId, deadline_ms: u64, modification: &Modification) -> StepOutcome {
        let before = match &self.held {
            Held::Item(present) => present.clone(),
            Held::Intent(intent) if intent.transaction == transaction => {
                return StepOutcome::Done { old: intent.before.clone(), new: intent.after.clone() };
            }
            // The older one waits for the younger one, and never the other way round: so nobody waits in a circle, and the oldest of all gets through.
            Held::Intent(intent) if transaction < intent.transaction && self.now_ms < deadline_ms => {
                return StepOutcome::Waits;
            }
            Held::Intent(_) => return StepOutcome::InTransaction,
        };
        if self.now_ms >= deadline_ms {
            return StepOutcome::TooLate;
        }
        match modification.decide(self.item.as_ref(), &self.key) {
            Ok(next) => {
                let after = next.as_ref().map(Item::to_bytes);
                self.held =
                    Held::Intent(Intent { transaction, deadline_ms, before: before.clone(), after: after.clone() });
                self.is_changed = true;
                StepOutcome::Done { old: before, new: after }
            }
            Err(Refused::ConditionFailed) => StepOutcome::ConditionFailed { present: before },
            Err(refused) => StepOutcome::Refused(refused),
        }
    }

    /// What is to be stored, if a step has changed it; `Some(None)`: the item is deleted.
    #[must_use]
    pub fn to_write(&self) -> Option<Option<Bytes>> {
        self.is_changed.then(|| self.held.to_bytes())
    }

    /// Whether there is anything to write so far.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
