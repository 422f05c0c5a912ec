//! The session at a terminal.
//!
//! Lines are read in a thread of their own, so that the connection is looked after while the user thinks and a node that
//! restarts is noticed before the next command.

mod completion;
mod history;
mod prompt;

use std::io;
use std::time::Instant;

use reedline::{
    ColumnarMenu, Emacs, KeyCode, KeyModifiers, MenuBuilder as _, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    default_emacs_keybindings,
};

use self::completion::{CommandCompleter, WholeLine};
use self::prompt::SessionPrompt;
use super::answer::{Answer, Format, Paint, report, say};
use super::command::Command;
use super::exit::Exit;
use super::failure::Failure;
use super::parse::{Request, parse_line};
use super::program::conclude;
use super::run::run;
use super::session::Session;

const MENU: &str = "completions";

/// Talks to the user until they leave.
pub(super) async fn interact(session: Session, mut format: Format) -> Exit {
    if let Err(failure) = greet(&session).await {
        report(&failure);
        return failure.exit();
    }
    let mut editor = editor(&session);
    let mut timing = false;
    loop {
        let (returned, signal) = match read_line(editor).await {
            Ok(read) => read,
            Err(source) => {
                let failure = Failure::File { path: "terminal".to_owned(), source };
                report(&failure);
                return failure.exit();
            }
        };
        editor = returned;
        let line = match signal {
            Signal::Success(line) => line,
            Signal::CtrlC => continue,
            _ => return Exit::Ok,
        };
        match parse_line(&line) {
            Ok(Request::Exit) => return Exit::Ok,
            Ok(Request::Json(setting)) => format.json = toggled("json", format.json, setting),
            Ok(Request::Timing(setting)) => timing = toggled("timing", timing, setting),
            Ok(Request::Nothing) => {}
            Ok(Request::Help(text)) => {
                conclude(Ok(Answer::shows(text)));
            }
            Ok(Request::Run { command, json }) => {
                let format = Format { json: format.json || json, ..format };
                carry_out(&session, &command, format, timing).await;
            }
            Err(error) => report(&error.into()),
        }
    }
}

async fn greet(session: &Session) -> Result<(), Failure> {
    let client = session.link.client().await?;
    session.tables().await?;
    let node = &client.welcome().member.member.id;
    say(&format!("connected to {node} at {}; `help` lists the commands", session.link.address().await));
    Ok(())
}

async fn carry_out(session: &Session, command: &Command, format: Format, timing: bool) {
    let started = Instant::now();
    let outcome = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(cancelled(command)),
        outcome = run(session, command, format) => outcome,
    };
    conclude(outcome);
    if timing {
        say(&format!("{:.1} ms", started.elapsed().as_secs_f64() * 1000.0));
    }
}

fn cancelled(command: &Command) -> Failure {
    if command.writes() { Failure::Cancelled } else { Failure::CancelledRead }
}

fn toggled(name: &str, now: bool, setting: Option<bool>) -> bool {
    let new = setting.unwrap_or(!now);
    say(&format!("{name} is {}", if new { "on" } else { "off" }));
    new
}

async fn read_line(mut editor: Reedline) -> io::Result<(Reedline, Signal)> {
    let read = tokio::task::spawn_blocking(move || {
        let signal = editor.read_line(&SessionPrompt);
        signal.map(|signal| (editor, signal)).map_err(io::Error::other)
    });
    read.await.map_err(io::Error::from)?
}

fn editor(session: &Session) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let next = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, next);
    let menu = ColumnarMenu::default().with_name(MENU);
    let editor = Reedline::create()
        .with_completer(Box::new(CommandCompleter::new(session.tables_shared())))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_validator(Box::new(WholeLine))
        .with_ansi_colors(Paint::for_stream(&io::stdout()).colours)
        .use_bracketed_paste(true)
        .with_edit_mode(Box::new(Emacs::new(keys)));
    match history::open() {
        Ok(history) => editor.with_history(history),
        Err(_) => editor,
    }
}
