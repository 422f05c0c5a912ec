//! Conditions as they travel between nodes: a list without nesting, each part after those that it is made of.
//!
//! ```text
//!   NOT a = b AND c < d     [Test a = b, Not, Test c < d, All 2]
//! ```
//!
//! Reading keeps a stack of its own, and refuses what is nested deeper than a condition may be. So no message can
//! exhaust the stack of the thread that reads it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ast::{Condition, MAX_CONDITION_DEPTH, Test};

#[derive(Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "half of the parts are tests, and none lives longer than the message")]
enum Part<'a> {
    Test(Cow<'a, Test>),
    /// Of the condition before.
    Not,
    /// Of so many conditions before.
    All(u32),
    /// Of so many conditions before.
    Any(u32),
}

/// Why parts are not those of a condition. Another program wrote them, or they were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum PartsError {
    #[error("a condition is nested deeper than {MAX_CONDITION_DEPTH} levels")]
    TooDeep,
    #[error("a condition is made of more parts than there are")]
    Missing,
    #[error("the parts are not those of one condition")]
    NotOne,
}

fn flatten<'a>(condition: &'a Condition, parts: &mut Vec<Part<'a>>) {
    let count = |conditions: &[Condition]| u32::try_from(conditions.len()).unwrap_or(u32::MAX);
    match condition {
        Condition::Test(test) => parts.push(Part::Test(Cow::Borrowed(test.as_ref()))),
        Condition::Not(condition) => {
            flatten(condition, parts);
            parts.push(Part::Not);
        }
        Condition::All(conditions) => {
            conditions.iter().for_each(|condition| flatten(condition, parts));
            parts.push(Part::All(count(conditions)));
        }
        Condition::Any(conditions) => {
            conditions.iter().for_each(|condition| flatten(condition, parts));
            parts.push(Part::Any(count(conditions)));
        }
    }
}

/// A condition and how deeply it is nested.
type Sized = (Condition, usize);

fn assemble(parts: Vec<Part<'_>>) -> Result<Condition, PartsError> {
    let mut stack: Vec<Sized> = Vec::new();
    for part in parts {
        let (condition, depth) = match part {
            Part::Test(test) => (Condition::from(test.into_owned()), 1),
            Part::Not => {
                let (condition, depth) = stack.pop().ok_or(PartsError::Missing)?;
                (Condition::Not(Box::new(condition)), depth + 1)
            }
            Part::All(count) => take(&mut stack, count, Condition::All)?,
            Part::Any(count) => take(&mut stack, count, Condition::Any)?,
        };
        if depth > MAX_CONDITION_DEPTH {
            return Err(PartsError::TooDeep);
        }
        stack.push((condition, depth));
    }
    match (stack.pop(), stack.is_empty()) {
        (Some((condition, _)), true) => Ok(condition),
        _ => Err(PartsError::NotOne),
    }
}

fn take(stack: &mut Vec<Sized>, count: u32, join: fn(Vec<Condition>) -> Condition) -> Result<Sized, PartsError> {
    let first = usize::try_from(count).ok().and_then(|count| stack.len().checked_sub(count));
    let taken = stack.split_off(first.ok_or(PartsError::Missing)?);
    let depth = taken.iter().map(|(_, depth)| *depth).max().unwrap_or_default() + 1;
    Ok((join(taken.into_iter().map(|(condition, _)| condition).collect()), depth))
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = Vec::new();
        flatten(self, &mut parts);
        parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        assemble(Vec::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, MAX_CONDITION_DEPTH, Part, PartsError, Test, assemble};
    use crate::item::expression::DocumentPath;

    fn test() -> Condition {
        Test::Exists(DocumentPath::attribute("a")).into()
    }

    fn nested(depth: usize) -> Condition {
        (1..depth).fold(test(), |condition, _| Condition::Not(Box::new(condition)))
    }

    #[test]
    fn the_deepest_condition_travels_and_a_deeper_one_does_not() {
        let packed = rmp_serde::to_vec(&nested(MAX_CONDITION_DEPTH)).unwrap();
        assert_eq!(rmp_serde::from_slice::<Condition>(&packed).unwrap(), nested(MAX_CONDITION_DEPTH));
        let packed = rmp_serde::to_vec(&nested(MAX_CONDITION_DEPTH + 1)).unwrap();
        assert!(rmp_serde::from_slice::<Condition>(&packed).is_err());
        let parts = (0..1_000_000).map(|_| Part::Not);
        let Condition::Test(leaf) = test() else { panic!("a test") };
        let deep = std::iter::once(Part::Test(std::borrow::Cow::Owned(*leaf))).chain(parts).collect();
        assert_eq!(assemble(deep), Err(PartsError::TooDeep));
    }

    #[test]
    fn refuses_parts_that_are_not_one_condition() {
        assert_eq!(assemble(vec![]), Err(PartsError::NotOne));
        assert_eq!(assemble(vec![Part::Not]), Err(PartsError::Missing));
        assert_eq!(assemble(vec![Part::All(1)]), Err(PartsError::Missing));
        assert_eq!(assemble(vec![Part::Any(u32::MAX)]), Err(PartsError::Missing));
        assert_eq!(assemble(vec![Part::All(0), Part::All(0)]), Err(PartsError::NotOne));
        assert_eq!(assemble(vec![Part::All(0), Part::All(0), Part::Any(2)]).map(|_| ()), Ok(()));
    }
}
