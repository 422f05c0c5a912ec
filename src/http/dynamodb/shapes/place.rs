//! Where in a request something is, as the service writes it: `requestItems.Music.member.2.member.putRequest`.
//!
//! A walk passes a [`Place`] down by reference, one link per level on the stack, so that a walk that finds
//! nothing wrong builds no text.

use std::fmt;

/// The way from the body to one of its values, as links back to the body.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Body,
    /// A member of a structure, which is written with a small first letter.
    Member(&'a str),
    /// A value in a map.
    Name(&'a str),
    /// An element of a list; the service counts from 1.
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) const BODY: Place<'static> = Place { parent: None, step: Step::Body };

    pub(super) fn member(&'a self, name: &'a str) -> Place<'a> {
        Place { parent: Some(self), step: Step::Member(name) }
    }

    pub(super) fn name(&'a self, name: &'a str) -> Place<'a> {
        Place { parent: Some(self), step: Step::Name(name) }
    }

    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { parent: Some(self), step: Step::Index(index) }
    }
}

/// As most texts have it; in the alternate form with members as they are spelled in the request.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if parent.parent.is_some() {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Body => Ok(()),
            Step::Member(name) if f.alternate() => f.write_str(name),
            Step::Member(name) => write!(f, "{}", LowerFirst(name)),
            Step::Name(name) => write!(f, "{name}.member"),
            Step::Index(index) => write!(f, "{}.member", index + 1),
        }
    }
}

/// A name with a small first letter: `TableName` as `tableName`.
pub(super) struct LowerFirst<'a>(pub(super) &'a str);

impl fmt::Display for LowerFirst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        if let Some(first) = characters.next() {
            write!(f, "{}", first.to_ascii_lowercase())?;
        }
        f.write_str(characters.as_str())
    }
}
