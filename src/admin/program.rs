//! The program: one command, a script from the standard input, or a session at a terminal.

use std::io::{self, BufRead, IsTerminal as _};

use clap::Parser;

use super::answer::{Answer, Format, Paint, report, say};
use super::command::{Command, Program};
use super::exit::Exit;
use super::failure::Failure;
use super::link::Link;
use super::parse::{Request, parse_line};
use super::repl;
use super::run::run;
use super::session::Session;
use super::usage::UsageError;

/// Runs the program with the arguments of the process.
pub fn program() -> Exit {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) if error.use_stderr() => return failed(&UsageError::of_arguments(&error).into()),
        Err(asked_for) => return conclude(Ok(Answer::shows(asked_for.render().to_string()))),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return failed(&Failure::File { path: "runtime".to_owned(), source }),
    };
    let exit = runtime.block_on(start(program));
    // A thread may still wait for input that never comes.
    runtime.shutdown_background();
    exit
}

async fn start(program: Program) -> Exit {
    let link = match Link::new(&program.connection) {
        Ok(link) => link,
        Err(failure) => return failed(&failure),
    };
    let format = Format { json: program.json, paint: Paint::for_stream(&io::stdout()) };
    let mut session = Session::new(link, program.connection.timeout_ms);
    match program.command {
        Some(command) => one(&session, &command, format).await,
        None if io::stdin().is_terminal() => repl::interact(session, format).await,
        None => {
            session.input_taken = true;
            script(&session, format).await
        }
    }
}

fn failed(failure: &Failure) -> Exit {
    report(failure);
    failure.exit()
}

async fn one(session: &Session, command: &Command, format: Format) -> Exit {
    conclude(run(session, command, format).await)
}

/// Prints what a command has to say.
pub(super) fn conclude(outcome: Result<Answer, Failure>) -> Exit {
    let printed = outcome.and_then(|answer| answer.print().map(|()| answer.exit));
    printed.unwrap_or_else(|failure| failed(&failure))
}

/// Runs every line, whatever became of those before it. The exit code is that of the last one that failed.
async fn script(session: &Session, mut format: Format) -> Exit {
    let mut worst = Exit::Ok;
    for (number, line) in (1_u64..).zip(io::stdin().lock().lines()) {
        let request = match line {
            Ok(line) => parse_line(&line).map_err(Failure::from),
            Err(source) => return failed(&Failure::File { path: "standard input".to_owned(), source }),
        };
        let exit = match request {
            Ok(Request::Exit) => break,
            Ok(Request::Run { command, json }) => {
                one(session, &command, Format { json: format.json || json, ..format }).await
            }
            Ok(Request::Help(text)) => conclude(Ok(Answer::shows(text))),
            Ok(Request::Json(setting)) => {
                format.json = setting.unwrap_or(!format.json);
                Exit::Ok
            }
            Ok(Request::Nothing | Request::Timing(_)) => Exit::Ok,
            Err(failure) => failed(&failure),
        };
        if exit != Exit::Ok {
            say(&format!("(line {number} of the script: exit code {})", exit as u8));
            worst = exit;
        }
    }
    worst
}
