//! Document paths: where in an item an expression points.
//!
//! ```text
//!   a.b[3]    attribute "a", steps [Name "b", Index 3]
//! ```
//!
//! Names are those of the attributes: placeholders are resolved before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::item::value::{AttributeValue, Item};

/// The most elements that a path may have, the attribute among them.
pub const MAX_PATH_ELEMENTS: usize = 32;

/// The greatest index that an expression may name: that of a Java list.
pub const MAX_LIST_INDEX: u32 = i32::MAX.unsigned_abs();

/// A way from an item to one of its values.
///
/// The order is by attribute and then step by step, so that a path stands right before those within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(String, Vec<PathStep>)", into = "(String, Vec<PathStep>)")]
pub struct DocumentPath {
    attribute: String,
    steps: Vec<PathStep>,
}

/// A step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathStep {
    /// To an element of a list.
    Index(u32),
    /// To an entry of a map.
    Name(String),
}

/// A path has more elements than [`MAX_PATH_ELEMENTS`], or an index beyond [`MAX_LIST_INDEX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a document path has {elements} elements, more than {MAX_PATH_ELEMENTS}, or an index too large")]
pub struct PathOutOfBounds {
    /// How many elements it has.
    pub elements: usize,
}

impl DocumentPath {
    /// The path to an attribute.
    #[must_use]
    pub fn attribute(name: impl Into<String>) -> Self {
        Self { attribute: name.into(), steps: Vec::new() }
    }

    /// The path that goes these steps on from an attribute.
    ///
    /// # Errors
    ///
    /// [`PathOutOfBounds`] when there are too many, or an index is too large.
    pub fn new(attribute: impl Into<String>, steps: Vec<PathStep>) -> Result<Self, PathOutOfBounds> {
        let elements = steps.len() + 1;
        let beyond = |step: &PathStep| matches!(step, PathStep::Index(index) if *index > MAX_LIST_INDEX);
        if elements > MAX_PATH_ELEMENTS || steps.iter().any(beyond) {
            return Err(PathOutOfBounds { elements });
        }
        Ok(Self { attribute: attribute.into(), steps })
    }

    /// The name of the attribute in which the path ends or goes on.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.attribute
    }

    /// The steps from the attribute on.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// What is there in an item.
    #[must_use]
    pub fn find<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        self.steps.iter().try_fold(item.get(&self.attribute)?, |value, step| step.from(value))
    }

    /// Whether the other is the same path or within it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.attribute == other.attribute && other.steps.starts_with(&self.steps)
    }

    /// Whether one uses as a list what the other uses as a map.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let first_difference = self.steps.iter().zip(&other.steps).find(|(ours, theirs)| ours != theirs);
        let kinds = |(ours, theirs)| matches!((ours, theirs), (&PathStep::Name(_), &PathStep::Index(_)));
        self.attribute == other.attribute
            && first_difference.is_some_and(|(ours, theirs)| kinds((ours, theirs)) || kinds((theirs, ours)))
    }
}

impl PathStep {
    /// Where the step leads from a value, which must be of the type that the step is for.
    pub(super) fn from<'a>(&self, value: &'a AttributeValue) -> Option<&'a AttributeValue> {
        match (self, value) {
            (Self::Name(name), AttributeValue::M(entries)) => entries.get(name),
            (Self::Index(index), AttributeValue::L(values)) => values.get(usize::try_from(*index).ok()?),
            _ => None,
        }
    }
}

impl TryFrom<(String, Vec<PathStep>)> for DocumentPath {
    type Error = PathOutOfBounds;

    fn try_from((attribute, steps): (String, Vec<PathStep>)) -> Result<Self, PathOutOfBounds> {
        Self::new(attribute, steps)
    }
}

impl From<DocumentPath> for (String, Vec<PathStep>) {
    fn from(path: DocumentPath) -> Self {
        (path.attribute, path.steps)
    }
}

/// As DynamoDB's errors have it: `[a, b, [3]]`.
impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                PathStep::Name(name) => write!(f, ", {name}")?,
                PathStep::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
