//! `repair`: how far anti-entropy is, and what an operator may do with it.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer::{Answer, Format};
use super::command::RepairCommand;
use super::failure::Failure;
use super::session::Session;
use super::view::repair::{RepairView, RunView};
use crate::messages::repair::{ControlRepair, DescribeRepair, RepairAction};

/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Carries out a `repair` command.
///
/// # Errors
///
/// [`Failure`], whose exit code says why.
pub async fn run(session: &Session, command: &RepairCommand, format: Format) -> Result<Answer, Failure> {
    let view = match command {
        RepairCommand::Status => RepairView::from(session.link.ask(&DescribeRepair).await?),
        RepairCommand::Pause => control(session, RepairAction::Pause).await?,
        RepairCommand::Resume => control(session, RepairAction::Resume).await?,
        RepairCommand::Run { detach } => {
            let begun = control(session, RepairAction::Run).await?;
            let stands_still = begun.paused || !begun.enabled;
            if *detach || stands_still { begun } else { wait(session).await? }
        }
    };
    Ok(Answer::of(&view, format))
}

async fn control(session: &Session, action: RepairAction) -> Result<RepairView, Failure> {
    Ok(RepairView::from(session.link.send(&ControlRepair { action }).await?))
}

/// Until every range has been verified, or somebody has paused it.
async fn wait(session: &Session) -> Result<RepairView, Failure> {
    let bar = io::stderr().is_terminal().then(new_bar);
    loop {
        let view = RepairView::from(session.link.ask(&DescribeRepair).await?);
        let is_over = view.paused || view.run.as_ref().is_none_or(RunView::is_over);
        if let (Some(bar), Some(run)) = (&bar, &view.run) {
            bar.set_length(run.total);
            bar.set_position(run.done);
            bar.set_message(format!("{} records repaired", view.keys_repaired));
        }
        if is_over {
            bar.iter().for_each(ProgressBar::finish_and_clear);
            return Ok(view);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is fixed and valid; were it not, the default style still shows the progress.
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} ranges  {msg}  ETA {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
