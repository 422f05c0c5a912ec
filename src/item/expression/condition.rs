//! Whether a condition holds for an item.
//!
//! Values of different types are never equal, and only texts, numbers and bytes are ordered. Nothing equals what
//! does not exist, not even what does not exist either: then only `<>` holds. A size is a number; what has none
//! has no size, which is as if it did not exist.
//!
//! Nothing of the item is copied.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Comparator, Condition, Operand, Source, Test};
use crate::item::number::Number;
use crate::item::value::{AttributeValue, Item};

impl Condition {
    /// Whether the condition holds. An item that does not exist is one without attributes.
    #[must_use]
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Test(test) => test.holds(item),
            Self::Not(condition) => !condition.holds(item),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
        }
    }
}

impl Test {
    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Compare { left, comparator, right } => comparator.holds(left.of(item), right.of(item)),
            Self::Between { operand, lower, upper } => {
                let value = operand.of(item);
                Comparator::GreaterOrEqual.holds(value.clone(), lower.of(item))
                    && Comparator::LessOrEqual.holds(value, upper.of(item))
            }
            Self::In { operand, alternatives } => {
                let value = operand.of(item);
                value.is_some() && alternatives.iter().any(|alternative| alternative.of(item) == value)
            }
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::HasType { operand, expected } => {
                operand.of(item).is_some_and(|value| value.type_name() == expected.name())
            }
            Self::BeginsWith { operand, prefix } => both(operand, prefix, item, begins_with),
            Self::Contains { container, element } => both(container, element, item, contains),
        }
    }
}

/// What an operand is. Of the item it is borrowed, and of a size it is a number, which needs no memory.
type Found<'a> = Option<Cow<'a, AttributeValue>>;

fn both(one: &Operand, other: &Operand, item: &Item, relation: fn(&AttributeValue, &AttributeValue) -> bool) -> bool {
    one.of(item).is_some_and(|one| other.of(item).is_some_and(|other| relation(&one, &other)))
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Item) -> Found<'a> {
        match self {
            Self::Of(source) => source.of(item).map(Cow::Borrowed),
            Self::SizeOf(source) => size(source.of(item)?).map(|size| Cow::Owned(AttributeValue::N(size))),
        }
    }
}

impl Source {
    pub(super) fn of<'a>(&'a self, item: &'a Item) -> Option<&'a AttributeValue> {
        match self {
            Self::Path(path) => path.find(item),
            Self::Value(value) => Some(value),
        }
    }
}

impl Comparator {
    fn holds(self, left: Found<'_>, right: Found<'_>) -> bool {
        let (Some(left), Some(right)) = (left, right) else {
            return self == Self::NotEqual;
        };
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => order(&left, &right).is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order(&left, &right).is_some_and(Ordering::is_le),
            Self::Greater => order(&left, &right).is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order(&left, &right).is_some_and(Ordering::is_ge),
        }
    }
}

/// How two values are ordered: texts by their UTF-8, numbers as such, bytes without sign.
pub(super) fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// The size that the function `size` gives: of a text in units of UTF-16, as Java counts them, of bytes their
/// number, of the rest how many are in it.
fn size(value: &AttributeValue) -> Option<Number> {
    let size = match value {
        AttributeValue::S(text) => text.encode_utf16().count(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::L(values) => values.len(),
        AttributeValue::M(entries) => entries.len(),
        AttributeValue::Ss(members) => members.len(),
        AttributeValue::Ns(members) => members.len(),
        AttributeValue::Bs(members) => members.len(),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
    };
    u64::try_from(size).ok().map(Number::from)
}

fn begins_with(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(text), AttributeValue::S(prefix)) => text.starts_with(prefix),
        (AttributeValue::B(bytes), AttributeValue::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

fn contains(container: &AttributeValue, element: &AttributeValue) -> bool {
    match (container, element) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => contains_bytes(bytes, part),
        (AttributeValue::Ss(members), AttributeValue::S(member)) => members.contains(member),
        (AttributeValue::Ns(members), AttributeValue::N(member)) => members.contains(member),
        (AttributeValue::Bs(members), AttributeValue::B(member)) => members.contains(member),
        (AttributeValue::L(values), element) => values.contains(element),
        _ => false,
    }
}

/// Whether bytes contain others, in time linear in both: the item and the expression may have 400 KB each.
fn contains_bytes(bytes: &[u8], part: &[u8]) -> bool {
    // The table of Knuth, Morris and Pratt: how much of the part is still matched after a mismatch.
    let mut fallback = vec![0_usize; part.len()];
    let mut matched = 0;
    for at in 1..part.len() {
        matched = advance(part, &fallback, matched, part[at]);
        fallback[at] = matched;
    }
    let mut matched = 0;
    part.is_empty()
        || bytes.iter().any(|byte| {
            matched = advance(part, &fallback, matched, *byte);
            matched == part.len()
        })
}

fn advance(part: &[u8], fallback: &[usize], mut matched: usize, byte: u8) -> usize {
    while matched > 0 && part[matched] != byte {
        matched = fallback[matched - 1];
    }
    matched + usize::from(part[matched] == byte)
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
