//! `tasks`.

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::units::duration;
use crate::admin::answer::{Paint, View};
use crate::messages::ring::{TaskRow, TaskState};

/// What moves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TasksView(pub Vec<TaskView>);

/// One long operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskView {
    /// Its name.
    pub id: String,
    /// Who fetches partitions.
    pub owner: String,
    /// `copying`, `releasing` or `stalled`.
    pub state: &'static str,
    /// Partitions that are there.
    pub done: u32,
    /// All that it has to fetch.
    pub total: u32,
    /// Partitions per minute, lately.
    pub per_minute: f64,
    /// When the last will be there, in seconds; `null` while nothing moves.
    pub eta_s: Option<u64>,
    /// For how long nothing has arrived, in seconds.
    pub idle_s: u64,
    /// What went wrong last; known to the owner only.
    pub last_error: Option<String>,
}

impl From<Vec<TaskRow>> for TasksView {
    fn from(rows: Vec<TaskRow>) -> Self {
        let view = |row: TaskRow| TaskView {
            id: row.id,
            owner: row.owner.to_string(),
            state: match row.state {
                TaskState::Copying => "copying",
                TaskState::Releasing => "releasing",
                TaskState::Stalled => "stalled",
            },
            done: row.done,
            total: row.total,
            per_minute: row.per_minute.round(),
            eta_s: row.eta_s,
            idle_s: row.idle_s,
            last_error: row.last_error,
        };
        Self(rows.into_iter().map(view).collect())
    }
}

impl View for TasksView {
    fn text(&self, paint: Paint) -> String {
        if self.0.is_empty() {
            return "nothing moves\n".to_owned();
        }
        let header = ["TASK", "OWNER", "STATE", "DONE", "OF", "PER MINUTE", "ETA", "IDLE", "LAST ERROR"];
        let mut grid = Grid::new(&header, paint).numbers(&[3, 4, 5, 6, 7]);
        for task in &self.0 {
            grid.row([
                Cell::new(&task.id),
                Cell::new(&task.owner),
                alarming(task.state, task.state == "stalled"),
                number(task.done),
                number(task.total),
                number(format!("{:.0}", task.per_minute)),
                number(task.eta_s.map_or_else(|| "-".to_owned(), duration)),
                number(duration(task.idle_s)),
                Cell::new(task.last_error.as_deref().unwrap_or("-")),
            ]);
        }
        grid.text()
    }
}
