//! Where in a document something is: `$.a.b[3]`.
//!
//! A walk over a document passes a [`Path`] down by reference, one link per level on the stack, so that a
//! walk that meets no error builds no text.

use std::fmt;

/// The way from the root of a document to one of its values, as links back to the root.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
    /// The level of nesting that the value here has: 0 for the root of an item, 1 for its attributes.
    level: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// An item: its attributes are on level 1.
    pub(super) const ITEM: Path<'static> = Path { parent: None, step: Step::Root, level: 0 };

    /// A value on its own, which counts as the attribute that it may become.
    pub(super) const VALUE: Path<'static> = Path { parent: None, step: Step::Root, level: 1 };

    /// The value called `name` within the map or item here.
    pub(super) fn name(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Name(name), level: self.level + 1 }
    }

    /// The element at `index` of the list here.
    pub(super) fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index), level: self.level + 1 }
    }

    /// What stands under `name` within the value here, where the name is spelling and not a level: the tag of
    /// a type, say.
    pub(super) fn tag(&'a self, name: &'a str) -> Path<'a> {
        Path { level: self.level, ..self.name(name) }
    }

    /// The level of nesting here: 1 for an attribute of an item, 2 for a value within that.
    pub(super) fn level(&self) -> usize {
        self.level
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => f.write_str("$"),
            Step::Name(name) if is_plain(name) => write!(f, ".{name}"),
            Step::Name(name) => write!(f, "[{name:?}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Whether a name can stand after a dot without being mistaken for anything else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '#'))
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn prints_the_way_from_the_root() {
        let (item, value) = (Path::ITEM, Path::VALUE);
        assert_eq!(item.to_string(), "$");
        assert_eq!(item.name("a").name("b").index(3).to_string(), "$.a.b[3]");
        assert_eq!(item.name("a b").index(0).tag("SS").to_string(), "$[\"a b\"][0].SS");
        assert_eq!(value.name("").name("a.b").to_string(), "$[\"\"][\"a.b\"]");
    }

    #[test]
    fn counts_attributes_as_level_one_and_tags_not_at_all() {
        assert_eq!(Path::ITEM.name("a").level(), 1);
        assert_eq!(Path::ITEM.name("a").tag("L").index(0).tag("S").level(), 2);
        assert_eq!(Path::VALUE.index(7).level(), 2);
    }
}
