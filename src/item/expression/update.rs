//! What an update makes of an item.
//!
//! ```text
//!   sets, adds, deletes, removes ── read the old item ──> changes, a tree of them by path
//!   old item, or the key alone   ── apply the tree    ──> new item ── check its limits
//! ```
//!
//! Every value is read from the item as it was, and every path means the item as it was: after `REMOVE l[0] SET
//! l[1] = :v` it is the element that was second that has the new value. Elements set beyond the end of a list are
//! appended, lowest index first, and the gaps of removed ones are closed last.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Addend, Members, SetOperand, SetValue, Source, Update, UpdateStyle};
use super::document_path::{DocumentPath, PathStep};
use super::projection::Tree;
use crate::item::number::{Number, NumberError};
use crate::item::value::{AttributeValue, Item, ItemError, MAX_ITEM_BYTES};

/// Why an update cannot be applied. Nothing was stored. Correct the request, or read the item and decide anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The place of a change does not exist: what it should be in is not there, or not a list or map as the path
    /// has it. Set what it should be in first.
    #[error("The document path provided in the update expression is invalid for update")]
    InvalidPath,
    /// A value should come from where there is none. Give a default with `if_not_exists`.
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    AttributeMissing,
    /// A number, list or set is needed and the item has something else there.
    #[error("An operand in the update expression has an incorrect data type")]
    OperandType,
    /// The same in the words that `AttributeUpdates` has for it.
    #[error("Type mismatch for attribute to update")]
    TypeMismatch,
    /// A sum or difference is too large for a number, or needs more than 38 digits.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    NumberOverflow,
    /// A sum or difference is too near zero for a number.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    NumberUnderflow,
    /// The item would be larger than an item may be.
    #[error("Item size to update has exceeded the maximum allowed size")]
    ItemTooLarge,
    /// The item would be nested deeper than an item may be.
    #[error("Nesting Levels have exceeded supported limits")]
    ItemTooDeep,
    /// The item would break another limit.
    #[error("One or more parameter values were invalid: {reason}")]
    BadItem {
        /// Which one.
        reason: ItemError,
    },
    /// The update changes an attribute of the key. Put the item under another key instead.
    #[error(
        "One or more parameter values were invalid: Cannot update attribute {attribute}. \
         This attribute is part of the key"
    )]
    ChangesKey {
        /// The name of the attribute.
        attribute: String,
    },
    /// The key of an index would have another type than the table says.
    #[error("The update expression attempted to update the secondary index key to unsupported type")]
    IndexKeyType,
    /// The key of an index would be empty.
    #[error(
        "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. \
         The AttributeValue for a key attribute cannot contain an empty {what} value."
    )]
    IndexKeyEmpty {
        /// What it would be.
        what: &'static str,
    },
}

impl Update {
    /// An update that changes nothing yet.
    pub const fn nothing(style: UpdateStyle) -> Self {
        Self {
            sets: Vec::new(),
            removes: Vec::new(),
            adds: Vec::new(),
            deletes: Vec::new(),
            style,
            index_keys: BTreeMap::new(),
        }
    }

    /// Checks that no change is to, or within, an attribute of the key.
    ///
    /// # Errors
    ///
    /// [`UpdateError::ChangesKey`] for the first of the names that is changed.
    pub fn check_keys<'a>(&self, key_names: impl IntoIterator<Item = &'a str>) -> Result<(), UpdateError> {
        match key_names.into_iter().find(|name| self.paths().any(|path| path.root() == *name)) {
            Some(name) => Err(UpdateError::ChangesKey { attribute: name.to_owned() }),
            None => Ok(()),
        }
    }

    /// The attributes that become what the update itself says, whatever the item is, with their values.
    #[must_use]
    pub fn assigned(&self) -> Item {
        let assigned = self.sets.iter().filter_map(|(path, value)| match value {
            SetValue::Of(SetOperand { first_of, otherwise: Source::Value(value) })
                if path.steps().is_empty() && first_of.is_empty() =>
            {
                Some((path.root(), value.clone()))
            }
            _ => None,
        });
        assigned.collect()
    }

    /// The places of all changes.
    pub fn paths(&self) -> impl Iterator<Item = &DocumentPath> {
        let sets = self.sets.iter().map(|(path, _)| path);
        let adds = self.adds.iter().map(|(path, _)| path);
        let deletes = self.deletes.iter().map(|(path, _)| path);
        sets.chain(&self.removes).chain(adds).chain(deletes)
    }

    /// Applies the update to the item that is stored, if one is, or else to one of the key's attributes alone.
    /// There is still no item when there was none and the update only takes away.
    ///
    /// Whether the key is changed is [`Update::check_keys`]'s question.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] when a value or a place does not exist or is not of the type needed, and when the new
    /// item breaks a limit.
    pub fn apply(&self, old: Option<&Item>, key: &Item) -> Result<Option<Item>, UpdateError> {
        let base = old.unwrap_or(key);
        let changes = self.changes(base)?;
        if old.is_none() && self.only_takes_away() {
            return Ok(None);
        }
        let mut item = base.clone();
        changes.into_iter().try_for_each(|(attribute, change)| change.apply_to(&mut item, attribute))?;
        self.check_index_keys(base, &item)?;
        item.validate().map_err(UpdateError::of_item)?;
        Ok(Some(item))
    }

    /// Only those that change: an item may be older than an index.
    fn check_index_keys(&self, base: &Item, item: &Item) -> Result<(), UpdateError> {
        for (name, kind) in &self.index_keys {
            let Some(value) = item.get(name).filter(|value| base.get(name) != Some(*value)) else { continue };
            if value.type_name() != kind.type_name() {
                return Err(UpdateError::IndexKeyType);
            }
            if let Some(what) = value.empty_key() {
                return Err(UpdateError::IndexKeyEmpty { what });
            }
        }
        Ok(())
    }

    /// What is at the places of the changes: of the old item what `ReturnValues` UPDATED_OLD returns, and of the
    /// new one UPDATED_NEW.
    #[must_use]
    pub fn touched(&self, item: &Item) -> Item {
        self.paths().collect::<Tree>().pick(item)
    }

    /// An update that only removes creates no item. One without any change, of `AttributeUpdates`, does.
    fn only_takes_away(&self) -> bool {
        let takes_away = !self.removes.is_empty() || !self.deletes.is_empty();
        takes_away && self.sets.is_empty() && self.adds.is_empty()
    }

    fn changes(&self, base: &Item) -> Result<BTreeMap<String, Change>, UpdateError> {
        let mut changes = Changes::default();
        for (path, value) in &self.sets {
            changes.set(path, value.of(base).map_err(|error| self.worded(error))?)?;
        }
        for path in &self.removes {
            changes.place(path, Change::Remove)?;
        }
        for (path, addend) in &self.adds {
            changes.set(path, addend.added_to(path.find(base)).map_err(|error| self.worded(error))?)?;
        }
        for (path, members) in &self.deletes {
            changes.place(path, members.taken_from(path.find(base)).map_err(|error| self.worded(error))?)?;
        }
        Ok(changes.by_attribute)
    }

    fn worded(&self, error: UpdateError) -> UpdateError {
        match (error, self.style) {
            (UpdateError::OperandType, UpdateStyle::AttributeUpdates) => UpdateError::TypeMismatch,
            (error, _) => error,
        }
    }
}

impl SetValue {
    fn of(&self, item: &Item) -> Result<AttributeValue, UpdateError> {
        match self {
            Self::Of(operand) => operand.of(item).cloned(),
            Self::Sum(left, right) => {
                let (left, right) = (number(left.of(item)?)?, number(right.of(item)?)?);
                left.checked_add(&right).map(AttributeValue::N).map_err(UpdateError::of_number)
            }
            Self::Difference(left, right) => {
                let (left, right) = (number(left.of(item)?)?, number(right.of(item)?)?);
                left.checked_sub(&right).map(AttributeValue::N).map_err(UpdateError::of_number)
            }
            Self::Appended(first, second) => match (first.of(item)?, second.of(item)?) {
                (AttributeValue::L(first), AttributeValue::L(second)) => {
                    Ok(AttributeValue::L(first.iter().chain(second).cloned().collect()))
                }
                _ => Err(UpdateError::OperandType),
            },
        }
    }
}

impl SetOperand {
    fn of<'a>(&'a self, item: &'a Item) -> Result<&'a AttributeValue, UpdateError> {
        let first = self.first_of.iter().find_map(|path| path.find(item));
        first.or_else(|| Source::of(&self.otherwise, item)).ok_or(UpdateError::AttributeMissing)
    }
}

fn number(value: &AttributeValue) -> Result<Number, UpdateError> {
    match value {
        AttributeValue::N(number) => Ok(*number),
        _ => Err(UpdateError::OperandType),
    }
}

impl Addend {
    /// What is there and this. Where nothing is, it counts as zero or an empty set.
    fn added_to(&self, found: Option<&AttributeValue>) -> Result<AttributeValue, UpdateError> {
        let Some(found) = found else {
            return Ok(self.clone().into());
        };
        match (self, found) {
            (Self::Number(addend), AttributeValue::N(found)) => {
                found.checked_add(addend).map(AttributeValue::N).map_err(UpdateError::of_number)
            }
            (Self::Members(Members::Texts(more)), AttributeValue::Ss(found)) => {
                Ok(AttributeValue::Ss(union(found, more)))
            }
            (Self::Members(Members::Numbers(more)), AttributeValue::Ns(found)) => {
                Ok(AttributeValue::Ns(union(found, more)))
            }
            (Self::Members(Members::Bytes(more)), AttributeValue::Bs(found)) => {
                Ok(AttributeValue::Bs(union(found, more)))
            }
            _ => Err(UpdateError::OperandType),
        }
    }
}

impl Members {
    /// What becomes of the set that is there when these are taken from it: one without members goes.
    fn taken_from(&self, found: Option<&AttributeValue>) -> Result<Change, UpdateError> {
        let rest = match (self, found) {
            (_, None) => return Ok(Change::Keep),
            (Self::Texts(less), Some(AttributeValue::Ss(found))) => AttributeValue::Ss(difference(found, less)),
            (Self::Numbers(less), Some(AttributeValue::Ns(found))) => AttributeValue::Ns(difference(found, less)),
            (Self::Bytes(less), Some(AttributeValue::Bs(found))) => AttributeValue::Bs(difference(found, less)),
            _ => return Err(UpdateError::OperandType),
        };
        Ok(if rest.is_empty_set() { Change::Remove } else { Change::Set(rest) })
    }
}

fn union<T: Ord + Clone>(found: &BTreeSet<T>, more: &BTreeSet<T>) -> BTreeSet<T> {
    found.union(more).cloned().collect()
}

fn difference<T: Ord + Clone>(found: &BTreeSet<T>, less: &BTreeSet<T>) -> BTreeSet<T> {
    found.difference(less).cloned().collect()
}

/// What happens to a value.
enum Change {
    /// Nothing. What it should be in must be there all the same.
    Keep,
    Set(AttributeValue),
    Remove,
    /// Something to values within it.
    Within(BTreeMap<PathStep, Change>),
}

/// The changes of an update, each in its place.
#[derive(Default)]
struct Changes {
    by_attribute: BTreeMap<String, Change>,
    /// What all values that are set count for the size of the item.
    set_bytes: usize,
}

impl Changes {
    /// Sets a value, unless the item is too large with it: `SET a1 = l, a2 = l, …` would make a thousand copies of a
    /// list before the item that they are for is measured.
    fn set(&mut self, path: &DocumentPath, value: AttributeValue) -> Result<(), UpdateError> {
        self.set_bytes = self.set_bytes.saturating_add(value.size());
        match self.set_bytes > MAX_ITEM_BYTES {
            true => Err(UpdateError::ItemTooLarge),
            false => self.place(path, Change::Set(value)),
        }
    }

    /// Puts a change in its place. Two changes of one value, or of one within another, have none.
    fn place(&mut self, path: &DocumentPath, change: Change) -> Result<(), UpdateError> {
        let Some((last, way)) = path.steps().split_last() else {
            return match self.by_attribute.insert(path.root().to_owned(), change) {
                None => Ok(()),
                Some(_) => Err(UpdateError::InvalidPath),
            };
        };
        let within = || Change::Within(BTreeMap::new());
        let mut place = self.by_attribute.entry(path.root().to_owned()).or_insert_with(within);
        for step in way {
            let Change::Within(changes) = place else {
                return Err(UpdateError::InvalidPath);
            };
            place = changes.entry(step.clone()).or_insert_with(within);
        }
        match place {
            Change::Within(changes) if !changes.contains_key(last) => {
                changes.insert(last.clone(), change);
                Ok(())
            }
            _ => Err(UpdateError::InvalidPath),
        }
    }
}

impl Change {
    fn apply_to(self, item: &mut Item, attribute: String) -> Result<(), UpdateError> {
        match self {
            Self::Keep => {}
            Self::Set(value) => {
                item.insert(attribute, value);
            }
            Self::Remove => {
                item.remove(&attribute);
            }
            Self::Within(changes) => {
                let value = item.get_mut(&attribute).ok_or(UpdateError::InvalidPath)?;
                apply_within(value, changes)?;
            }
        }
        Ok(())
    }
}

/// Applies changes within a value, which must be a list or map as their steps have it.
fn apply_within(value: &mut AttributeValue, changes: BTreeMap<PathStep, Change>) -> Result<(), UpdateError> {
    match value {
        AttributeValue::M(entries) => apply_to_map(entries, changes),
        AttributeValue::L(values) => apply_to_list(values, changes),
        _ => Err(UpdateError::InvalidPath),
    }
}

fn apply_to_map(
    entries: &mut BTreeMap<String, AttributeValue>,
    changes: BTreeMap<PathStep, Change>,
) -> Result<(), UpdateError> {
    for (step, change) in changes {
        let PathStep::Name(name) = step else {
            return Err(UpdateError::InvalidPath);
        };
        match change {
            Change::Keep => {}
            Change::Set(value) => {
                entries.insert(name, value);
            }
            Change::Remove => {
                entries.remove(&name);
            }
            Change::Within(inner) => apply_within(entries.get_mut(&name).ok_or(UpdateError::InvalidPath)?, inner)?,
        }
    }
    Ok(())
}

fn apply_to_list(values: &mut Vec<AttributeValue>, changes: BTreeMap<PathStep, Change>) -> Result<(), UpdateError> {
    let (mut removed, mut appended) = (BTreeSet::new(), Vec::new());
    for (step, change) in changes {
        let PathStep::Index(index) = step else {
            return Err(UpdateError::InvalidPath);
        };
        let at = usize::try_from(index).map_err(|_| UpdateError::InvalidPath)?;
        match (change, values.get_mut(at)) {
            (Change::Keep, _) | (Change::Remove, None) => {}
            (Change::Set(value), Some(found)) => *found = value,
            // The indexes come in their order.
            (Change::Set(value), None) => appended.push(value),
            (Change::Remove, Some(_)) => {
                removed.insert(at);
            }
            (Change::Within(inner), Some(found)) => apply_within(found, inner)?,
            (Change::Within(_), None) => return Err(UpdateError::InvalidPath),
        }
    }
    let mut at = 0..;
    values.retain(|_| at.next().is_some_and(|at| !removed.contains(&at)));
    values.append(&mut appended);
    Ok(())
}

impl UpdateError {
    /// DynamoDB has the same words for a sum that is too large and for one that is too precise.
    fn of_number(error: NumberError) -> Self {
        match error {
            NumberError::Underflow => Self::NumberUnderflow,
            NumberError::Overflow | NumberError::TooPrecise { .. } | NumberError::Malformed => Self::NumberOverflow,
        }
    }

    fn of_item(error: ItemError) -> Self {
        match error {
            ItemError::TooLarge { .. } => Self::ItemTooLarge,
            ItemError::TooDeep { .. } => Self::ItemTooDeep,
            reason => Self::BadItem { reason },
        }
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
