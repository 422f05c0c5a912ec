//! `tables` and `describe`.

use serde::Serialize;

use super::grid::Grid;
use super::status::QuorumView;
use crate::admin::answer::{Paint, View};
use crate::item::{Conflict, KeyAttribute, TableSchema};

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableView {
    /// Its name.
    pub name: String,
    /// What places an item on the ring.
    pub partition_key: KeyView,
    /// What orders the items of a partition key.
    pub sort_key: Option<KeyView>,
    /// `siblings` or `lww`.
    pub conflict: Conflict,
    /// N, R and W: the table's own, or else the cluster's.
    pub quorum: QuorumView,
    /// Which of `n`, `r` and `w` the table sets itself.
    pub own_quorum: Vec<String>,
}

/// A key attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// The attribute's name.
    pub name: String,
    /// `S`, `N` or `B`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl From<&KeyAttribute> for KeyView {
    fn from(key: &KeyAttribute) -> Self {
        Self { name: key.name.clone(), kind: key.kind.to_string() }
    }
}

impl TableView {
    /// A table of a cluster with these defaults.
    pub fn new(table: &TableSchema, cluster: QuorumView) -> Self {
        let own = [("n", table.n), ("r", table.r), ("w", table.w)];
        Self {
            name: table.name.as_str().to_owned(),
            partition_key: (&table.partition_key).into(),
            sort_key: table.sort_key.as_ref().map(KeyView::from),
            conflict: table.conflict,
            quorum: QuorumView {
                n: table.n.unwrap_or(cluster.n),
                r: table.r.unwrap_or(cluster.r),
                w: table.w.unwrap_or(cluster.w),
            },
            own_quorum: own.iter().filter(|(_, own)| own.is_some()).map(|(name, _)| (*name).to_owned()).collect(),
        }
    }

    fn key_text(key: Option<&KeyView>) -> String {
        key.map_or("-".to_owned(), |key| format!("{} ({})", key.name, key.kind))
    }

    fn conflict_text(&self) -> &'static str {
        match self.conflict {
            Conflict::Siblings => "siblings",
            Conflict::Lww => "lww",
        }
    }

    fn quorum_text(&self) -> String {
        let QuorumView { n, r, w } = self.quorum;
        format!("n {n}, r {r}, w {w}")
    }
}

impl View for TableView {
    fn text(&self, _: Paint) -> String {
        let own = match self.own_quorum.as_slice() {
            [] => "the cluster's".to_owned(),
            own => format!("its own {}", own.join(", ")),
        };
        let meaning = match self.conflict {
            Conflict::Siblings => "concurrent writes are all kept, and a client merges them",
            Conflict::Lww => "the latest write wins",
        };
        let lines = [
            ("table", self.name.clone()),
            ("partition key", Self::key_text(Some(&self.partition_key))),
            ("sort key", Self::key_text(self.sort_key.as_ref())),
            ("quorum", format!("{} ({own})", self.quorum_text())),
            ("conflict", format!("{}: {meaning}", self.conflict_text())),
        ];
        lines.iter().map(|(name, value)| format!("{name:<13}  {value}\n")).collect()
    }
}

/// The tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TablesView(pub Vec<TableView>);

impl View for TablesView {
    fn text(&self, paint: Paint) -> String {
        let mut grid = Grid::new(&["TABLE", "PARTITION KEY", "SORT KEY", "CONFLICT", "QUORUM"], paint);
        for table in &self.0 {
            grid.row([
                table.name.clone(),
                TableView::key_text(Some(&table.partition_key)),
                TableView::key_text(table.sort_key.as_ref()),
                table.conflict_text().to_owned(),
                table.quorum_text(),
            ]);
        }
        grid.text()
    }
}
