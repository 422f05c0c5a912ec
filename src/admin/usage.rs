//! What can be wrong with a command before anything is sent.

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use thiserror::Error;

use super::command::Line;
use super::exit::Exit;
use super::json_text::JsonTextError;
use crate::dynamo::context::ContextError;
use crate::dynamo::node_id::NodeIdError;
use crate::item::{ItemError, JsonError, KeyError, OtherKey, TableNameError};

/// Why a command line, an item or a key cannot be used. Nothing was sent.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum UsageError {
    /// The command or one of its arguments is not known or missing.
    #[error("{text}")]
    Arguments {
        /// What is wrong, as the argument parser says it, without its label.
        text: String,
    },
    /// No command has that name.
    #[error("there is no command `{command}`; {hint}")]
    UnknownCommand {
        /// The name.
        command: String,
        /// A similar one, or where to find them.
        hint: String,
    },
    /// A quote has no end.
    #[error("the quote {quote} at column {column} is not closed")]
    OpenQuote {
        /// Which quote.
        quote: char,
        /// Where it stands, in characters from 1.
        column: usize,
    },
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] JsonTextError),
    /// The JSON is not an item.
    #[error("not an item: {0}")]
    NotAnItem(#[from] JsonError),
    /// The item breaks a limit.
    #[error("not a valid item: {0}")]
    InvalidItem(#[from] ItemError),
    /// The key is not one of the table.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The item has a key attribute and it is not the key given.
    #[error("the item's {attribute:?} is not the KEY given, {given}: leave it out, or give the same")]
    OtherKey {
        /// The key attribute.
        attribute: String,
        /// The key given.
        given: String,
    },
    /// The name is none of a node.
    #[error(transparent)]
    Node(#[from] NodeIdError),
    /// The text given to `--context` is not a context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A text cannot name a table.
    #[error(transparent)]
    TableName(#[from] TableNameError),
    /// A table is dropped only where its name is given twice.
    #[error("nothing was dropped: --confirm must repeat the table's name, `{table}`, and says `{confirmed}`")]
    NotConfirmed {
        /// The table.
        table: String,
        /// What was given.
        confirmed: String,
    },
    /// `watch` repeats a command, and only those that show something.
    #[error("`watch` repeats commands that show something, not `{command}`")]
    NotWatchable {
        /// The command.
        command: String,
    },
    /// The standard input is where the commands come from.
    #[error("`-` cannot be the file here: commands are read from the standard input; give a file's name")]
    InputTaken,
    /// The file is none of the three shapes that `import` reads.
    #[error("{path} is neither JSON Lines, nor an array of objects, nor an object with one array of objects: {reason}")]
    NotRecords {
        /// The file.
        path: String,
        /// Where it stops making sense.
        reason: JsonTextError,
    },
}

impl From<OtherKey> for UsageError {
    fn from(OtherKey { attribute, given }: OtherKey) -> Self {
        Self::OtherKey { attribute, given }
    }
}

impl UsageError {
    /// Takes over what the argument parser says, without its label and its pointer to a flag that a line does not have.
    pub fn of_arguments(error: &clap::Error) -> Self {
        let unknown = error.get(ContextKind::InvalidSubcommand);
        if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(command))) = (error.kind(), unknown) {
            return Self::UnknownCommand { command: command.clone(), hint: nearest_command(command) };
        }
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let text = text.split("\n\nFor more information").next().unwrap_or(text);
        Self::Arguments { text: text.trim_end().to_owned() }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        Exit::Usage
    }

    /// Whether more text could make the line complete, as while a person types it.
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::OpenQuote { .. } => true,
            Self::Json(error) => error.is_incomplete(),
            _ => false,
        }
    }
}

/// How many letters may be wrong, missing, swapped or too many.
const TYPOS_MAX: usize = 2;

fn nearest_command(name: &str) -> String {
    let line = Line::command();
    let names = line.get_subcommands().map(clap::Command::get_name).chain(["help", "exit"]);
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    match names.min_by_key(|known| distance(known)) {
        Some(nearest) if distance(nearest) <= TYPOS_MAX.min(name.chars().count() / 2) => {
            format!("did you mean `{nearest}`?")
        }
        _ => "`help` lists the commands".to_owned(),
    }
}
