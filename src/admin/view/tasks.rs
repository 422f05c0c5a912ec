//! `tasks` and `task`.

use comfy_table::Cell;
use serde::Serialize;

use super::grid::{Grid, alarming, number};
use super::units::duration;
use crate::admin::answer::{Paint, View};
use crate::messages::ring::{MoveTended, TaskRow, TaskState};

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
    /// `copying`, `returning`, `releasing` or `stalled`.
    pub state: &'static str,
    /// Whether it was cancelled, and goes back.
    pub returns: bool,
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
    /// What went wrong last; `null` also where the owner does not say.
    pub last_error: Option<String>,
    /// So many comparisons wait for their next try; `null` where the owner does not say.
    pub waiting: Option<u32>,
    /// When the first of them has its turn, in seconds.
    pub next_try_s: Option<u64>,
    /// Why nothing is fetched at all.
    pub held_up: Option<String>,
}

impl From<TaskRow> for TaskView {
    fn from(row: TaskRow) -> Self {
        let waiting = row.told.as_ref().map(|told| told.waiting);
        let MoveTended { last_error, next_try_ms, held_up, .. } = row.told.unwrap_or_default();
        Self {
            id: format!("move-{}-{}", row.began, row.owner),
            owner: row.owner.to_string(),
            state: match (row.state, row.returns) {
                (TaskState::Copying, false) => "copying",
                (TaskState::Copying, true) => "returning",
                (TaskState::Releasing, _) => "releasing",
                (TaskState::Stalled, _) => "stalled",
            },
            returns: row.returns,
            done: row.done,
            total: row.total,
            per_minute: row.per_minute.round(),
            eta_s: row.eta_s,
            idle_s: row.idle_s,
            last_error,
            waiting,
            next_try_s: next_try_ms.map(|ms| ms.div_ceil(1_000)),
            held_up,
        }
    }
}

impl From<Vec<TaskRow>> for TasksView {
    fn from(rows: Vec<TaskRow>) -> Self {
        Self(rows.into_iter().map(TaskView::from).collect())
    }
}

impl TaskView {
    fn eta(&self) -> String {
        self.eta_s.map_or_else(|| "-".to_owned(), duration)
    }

    fn next_try(&self) -> String {
        self.next_try_s.map_or_else(|| "-".to_owned(), duration)
    }

    fn trouble(&self) -> &str {
        self.held_up.as_deref().or(self.last_error.as_deref()).unwrap_or("-")
    }
}

impl View for TasksView {
    fn text(&self, paint: Paint) -> String {
        if self.0.is_empty() {
            return "nothing moves\n".to_owned();
        }
        let header = ["TASK", "OWNER", "STATE", "DONE", "OF", "PER MINUTE", "ETA", "IDLE", "NEXT TRY", "LAST ERROR"];
        let mut grid = Grid::new(&header, paint).numbers(&[3, 4, 5, 6, 7, 8]);
        for task in &self.0 {
            grid.row([
                Cell::new(&task.id),
                Cell::new(&task.owner),
                alarming(task.state, task.state == "stalled"),
                number(task.done),
                number(task.total),
                number(format!("{:.0}", task.per_minute)),
                number(task.eta()),
                number(duration(task.idle_s)),
                number(task.next_try()),
                Cell::new(task.trouble()),
            ]);
        }
        grid.text()
    }
}

/// Some of them, with all that is known of each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TaskDetailsView(pub Vec<TaskView>);

impl View for TaskDetailsView {
    fn text(&self, _: Paint) -> String {
        let one = |task: &TaskView| {
            let direction = if task.returns { "back: it was cancelled" } else { "to new replicas" };
            let waiting =
                task.waiting.map_or_else(|| "the owner does not answer".to_owned(), |count| count.to_string());
            let lines = [
                ("task", task.id.clone()),
                ("owner", format!("{}, which fetches partitions", task.owner)),
                ("state", task.state.to_owned()),
                ("direction", direction.to_owned()),
                ("progress", format!("{} of {} partitions are there", task.done, task.total)),
                ("rate", format!("{:.0} per minute", task.per_minute)),
                ("eta", task.eta()),
                ("idle", format!("nothing has arrived for {}", duration(task.idle_s))),
                ("waiting", waiting),
                ("next try", task.next_try()),
                ("last error", task.last_error.clone().unwrap_or_else(|| "-".to_owned())),
                ("held up", task.held_up.clone().unwrap_or_else(|| "-".to_owned())),
            ];
            lines.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect::<String>()
        };
        self.0.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}
