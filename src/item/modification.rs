//! One change of one item that depends on what the item is: decided where the item's writes are put in order.
//!
//! ```text
//!   the item as it is ──▶ condition holds? ──no──▶ ConditionFailed
//!                               │ yes
//!                               ▼
//!                          put | delete | update | keep ──▶ the item as it will be
//! ```

use serde::{Deserialize, Serialize};

use super::expression::{Condition, Update, UpdateError};
use super::value::{Item, ItemError};

/// What shall become of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It is replaced by this one.
    Put(Item),
    /// It is deleted.
    Delete,
    /// Some of its attributes change. Where there is no item, one is made that has the key.
    Update(Update),
    /// It stays as it is: only the condition counts.
    Keep,
}

/// A change, and what must hold for it to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modification {
    /// Of the item as it is; of one without attributes where there is none.
    pub condition: Option<Condition>,
    /// The change.
    pub action: Action,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The condition does not hold.
    #[error("The conditional request failed")]
    ConditionFailed,
    /// The update cannot be applied to this item.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The item as it would be breaks a limit.
    #[error(transparent)]
    Item(#[from] ItemError),
}

impl Modification {
    /// The item as it will be; `None`: none. `key` holds the key attributes.
    ///
    /// # Errors
    ///
    /// [`Refused`], and nothing shall change.
    pub fn decide(&self, present: Option<&Item>, key: &Item) -> Result<Option<Item>, Refused> {
        let nothing = Item::new();
        if let Some(condition) = &self.condition
            && !condition.holds(present.unwrap_or(&nothing))
        {
            return Err(Refused::ConditionFailed);
        }
        let next = match &self.action {
            Action::Put(item) => Some(item.clone()),
            Action::Delete => None,
            Action::Update(update) => update.apply(present, key)?,
            Action::Keep => return Ok(present.cloned()),
        };
        next.as_ref().map_or(Ok(()), Item::validate)?;
        Ok(next)
    }
}
