//! `tasks` and `task …`: watch partitions move, take a move back, have what waits for its next try go now.

use std::str::FromStr;

use super::answer::{Answer, Format};
use super::command::TaskCommand;
use super::failure::Failure;
use super::session::Session;
use super::view::tasks::{TaskDetailsView, TasksView};
use crate::messages::ring::{ChangeRing, DescribeTasks, TaskRow};
use crate::metadata::RingChange;

/// Which task is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskName {
    /// The epoch in which the move began.
    began: u64,
    /// Whose part of it; `None`: everybody's.
    owner: Option<String>,
}

impl FromStr for TaskName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.strip_prefix("move-").and_then(|rest| {
            let (number, owner) = rest.split_once('-').map_or((rest, None), |(number, owner)| (number, Some(owner)));
            Some(Self { began: number.parse().ok()?, owner: owner.map(str::to_owned) })
        });
        parsed.ok_or_else(|| "a task has a name like move-7-d, or move-7 for all of that move".to_owned())
    }
}

impl std::fmt::Display for TaskName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "move-{}", self.began)?;
        self.owner.iter().try_for_each(|owner| write!(f, "-{owner}"))
    }
}

impl TaskName {
    fn names(&self, row: &TaskRow) -> bool {
        row.began == self.began && self.owner.as_ref().is_none_or(|owner| row.owner.as_str() == owner)
    }
}

/// What moves.
pub(super) async fn list(session: &Session, format: Format) -> Result<Answer, Failure> {
    Ok(Answer::of(&TasksView::from(session.link.ask(&DescribeTasks::default()).await?), format))
}

/// Shows, cancels, retries.
pub(super) async fn run(session: &Session, command: &TaskCommand, format: Format) -> Result<Answer, Failure> {
    match command {
        TaskCommand::Show { task } => {
            let rows = rows(session, task).await?;
            Ok(Answer::of(&TaskDetailsView(rows.into_iter().map(Into::into).collect()), format))
        }
        TaskCommand::Cancel { task } => {
            rows(session, task).await?;
            session.link.send(&ChangeRing { change: RingChange::Cancel { began: task.began } }).await?;
            let answer = list(session, format).await?;
            Ok(answer.note(format!("all of move-{} goes back; whoever is new leaves when nothing is his", task.began)))
        }
        TaskCommand::Retry { task } => retry(session, task, format).await,
    }
}

async fn rows(session: &Session, task: &TaskName) -> Result<Vec<TaskRow>, Failure> {
    let rows: Vec<TaskRow> = session.link.ask(&DescribeTasks::default()).await?;
    let named: Vec<TaskRow> = rows.into_iter().filter(|row| task.names(row)).collect();
    if named.is_empty() { Err(Failure::NoSuchTask { task: task.to_string() }) } else { Ok(named) }
}

async fn retry(session: &Session, task: &TaskName, format: Format) -> Result<Answer, Failure> {
    let told = |row: &TaskRow| row.told.clone().unwrap_or_default();
    let before = rows(session, task).await?;
    let waiting: u32 = before.iter().map(|row| told(row).waiting).sum();
    let silent: Vec<&str> = before.iter().filter(|row| row.told.is_none()).map(|row| row.owner.as_str()).collect();
    if waiting == 0 && silent.is_empty() {
        return Err(Failure::NothingWaits { task: task.to_string() });
    }
    let rows = session.link.ask(&DescribeTasks { retry: Some(task.began) }).await?;
    let mut notes = vec![format!("{waiting} comparison(s) are tried again now")];
    notes.extend(silent.iter().map(|owner| format!("{owner} does not answer, and was not told")));
    let held_up = before.iter().filter_map(|row| Some((&row.owner, told(row).held_up?)));
    notes.extend(held_up.map(|(owner, why)| format!("{owner} fetches nothing: {why}")));
    Ok(Answer::of(&TasksView::from(rows), format).note(notes.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::TaskName;

    #[test]
    fn names_are_those_that_tasks_shows() {
        for text in ["move-7", "move-7-d", "move-12-node-2"] {
            assert_eq!(text.parse::<TaskName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "7", "move", "move-", "move-x", "move-d-7"] {
            assert!(text.parse::<TaskName>().is_err(), "{text}");
        }
    }
}
