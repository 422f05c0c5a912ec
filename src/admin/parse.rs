//! A line of the REPL or of a script: a command, or a word to the session itself.

use clap::Parser;
use clap::error::ErrorKind;

use super::command::{Command, Line};
use super::usage::UsageError;
use super::words;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Nothing: it is empty or a comment.
    Nothing,
    /// A command, and whether its answer is wanted in JSON whatever the session's setting.
    Run {
        /// The command.
        command: Box<Command>,
        /// Whether `--json` was given.
        json: bool,
    },
    /// Show this text.
    Help(String),
    /// Print JSON from now on, or no longer; `None`: the other way round.
    Json(Option<bool>),
    /// Print how long commands take, or no longer; `None`: the other way round.
    Timing(Option<bool>),
    /// End the session.
    Exit,
}

/// Understands a line.
///
/// # Errors
///
/// [`UsageError`] that says what is wrong, and where it can what was probably meant.
pub fn parse_line(line: &str) -> Result<Request, UsageError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(Request::Nothing);
    }
    if let Some(setting) = line.strip_prefix('\\') {
        return parse_setting(setting);
    }
    let words = words::split(line)?;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["exit" | "quit"] => Ok(Request::Exit),
        ["help", name @ ("exit" | "quit")] => Ok(Request::Help(format!("{name}: leave the session\n"))),
        ["help"] | ["?"] => Ok(Request::Help(overview())),
        _ => parse_words(words),
    }
}

/// Understands a command that is already split into words.
///
/// # Errors
///
/// [`UsageError::Arguments`].
pub fn parse_words(words: Vec<String>) -> Result<Request, UsageError> {
    match Line::try_parse_from(words) {
        Ok(Line { command, json }) => Ok(Request::Run { command: Box::new(command), json }),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Request::Help(error.render().to_string())),
        Err(error) => Err(UsageError::of_arguments(&error)),
    }
}

/// The list of commands.
pub fn overview() -> String {
    let mut line = <Line as clap::CommandFactory>::command().disable_help_subcommand(false);
    line.render_help().to_string()
}

fn parse_setting(setting: &str) -> Result<Request, UsageError> {
    let words: Vec<&str> = setting.split_whitespace().collect();
    let switch = |word: &str| match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let request = match words.as_slice() {
        ["json"] => Some(Request::Json(None)),
        ["timing"] => Some(Request::Timing(None)),
        ["json", word] => switch(word).map(|on| Request::Json(Some(on))),
        ["timing", word] => switch(word).map(|on| Request::Timing(Some(on))),
        ["q" | "quit"] => Some(Request::Exit),
        ["?" | "h" | "help"] => Some(Request::Help(overview())),
        _ => None,
    };
    request.ok_or_else(|| UsageError::Arguments {
        text: format!("\\{setting} is no setting; there are: \\json on|off, \\timing on|off"),
    })
}
