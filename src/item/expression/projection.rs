//! The parts of an item that a projection picks.
//!
//! ```text
//!   a.b, a.c[2], d    a ┬ b: whole
//!                       └ c ─ [2]: whole
//!                     d: whole
//! ```
//!
//! Paths become a tree once, and an item is walked along it. A list keeps the order of the elements that were
//! picked and closes the gaps between them. A map or list of which nothing was picked is left out. The key is
//! picked only if a path says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document_path::{DocumentPath, PathStep};
use crate::item::value::{AttributeValue, Item};

/// Which parts of items to return.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<DocumentPath>", into = "Vec<DocumentPath>")]
pub struct Projection {
    paths: Vec<DocumentPath>,
    tree: Tree,
}

/// Paths by their first element.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Branch>);

#[derive(Clone, Debug)]
enum Branch {
    /// A path ends here: everything is picked.
    Whole,
    Within(BTreeMap<PathStep, Branch>),
}

impl Projection {
    /// The projection that picks what is at these paths. Of overlapping ones the shorter counts.
    #[must_use]
    pub fn new(paths: Vec<DocumentPath>) -> Self {
        let tree = paths.iter().collect();
        Self { paths, tree }
    }

    /// The paths, in the order in which they are written.
    #[must_use]
    pub fn paths(&self) -> &[DocumentPath] {
        &self.paths
    }

    /// What is picked of an item.
    #[must_use]
    pub fn apply(&self, item: &Item) -> Item {
        self.tree.pick(item)
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        self.paths == other.paths
    }
}

impl Eq for Projection {}

impl From<Vec<DocumentPath>> for Projection {
    fn from(paths: Vec<DocumentPath>) -> Self {
        Self::new(paths)
    }
}

impl From<Projection> for Vec<DocumentPath> {
    fn from(projection: Projection) -> Self {
        projection.paths
    }
}

impl Tree {
    pub(super) fn pick(&self, item: &Item) -> Item {
        let picked = self.0.iter().filter_map(|(name, branch)| Some((name.clone(), branch.pick(item.get(name)?)?)));
        picked.collect()
    }

    fn add(&mut self, path: &DocumentPath) {
        match (path.steps(), self.0.get_mut(path.root())) {
            (_, Some(Branch::Whole)) => {}
            ([first, rest @ ..], Some(Branch::Within(branches))) => add(branches, first, rest),
            ([], _) => {
                self.0.insert(path.root().to_owned(), Branch::Whole);
            }
            (steps, None) => {
                self.0.insert(path.root().to_owned(), Branch::along(steps));
            }
        }
    }
}

fn add(branches: &mut BTreeMap<PathStep, Branch>, first: &PathStep, rest: &[PathStep]) {
    match (rest, branches.get_mut(first)) {
        (_, Some(Branch::Whole)) => {}
        ([next, rest @ ..], Some(Branch::Within(branches))) => add(branches, next, rest),
        (rest, _) => {
            branches.insert(first.clone(), Branch::along(rest));
        }
    }
}

impl<'a> FromIterator<&'a DocumentPath> for Tree {
    fn from_iter<I: IntoIterator<Item = &'a DocumentPath>>(paths: I) -> Self {
        let mut tree = Self::default();
        paths.into_iter().for_each(|path| tree.add(path));
        tree
    }
}

impl Branch {
    fn along(steps: &[PathStep]) -> Self {
        steps.iter().rev().fold(Self::Whole, |branch, step| Self::Within(BTreeMap::from([(step.clone(), branch)])))
    }

    fn pick(&self, value: &AttributeValue) -> Option<AttributeValue> {
        let Self::Within(branches) = self else {
            return Some(value.clone());
        };
        let mut picked = branches.iter().filter_map(|(step, branch)| Some((step, branch.pick(step.from(value)?)?)));
        match value {
            // The steps are sorted, so that the elements come in their order.
            AttributeValue::L(_) => {
                let values: Vec<_> = picked.map(|(_, value)| value).collect();
                (!values.is_empty()).then_some(AttributeValue::L(values))
            }
            AttributeValue::M(_) => {
                let name = |step: &PathStep| match step {
                    PathStep::Name(name) => name.clone(),
                    PathStep::Index(index) => index.to_string(),
                };
                let entries: BTreeMap<_, _> = picked.map(|(step, value)| (name(step), value)).collect();
                (!entries.is_empty()).then_some(AttributeValue::M(entries))
            }
            _ => picked.next().map(|(_, value)| value),
        }
    }
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
