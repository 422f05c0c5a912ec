//! What the Tab key offers, and when a line is complete.

use clap::CommandFactory as _;
use reedline::{Completer, CompletionResult, Span, Suggestion, ValidationResult, Validator};

use crate::admin::command::Line;
use crate::admin::parse::parse_line;
use crate::admin::session::TableNames;

/// Completes commands, their options, and the names of tables.
pub(super) struct CommandCompleter {
    tables: TableNames,
}

impl CommandCompleter {
    pub fn new(tables: TableNames) -> Self {
        Self { tables }
    }

    fn candidates(&self, before: &[&str], word: &str) -> Vec<(String, Option<String>)> {
        let line = Line::command();
        let commands = || {
            let about = |command: &clap::Command| command.get_about().map(ToString::to_string);
            line.get_subcommands().map(move |command| (command.get_name().to_owned(), about(command)))
        };
        match before {
            [] if word.starts_with('\\') => ["\\json", "\\timing"].map(plain).to_vec(),
            ["\\json" | "\\timing"] => ["on", "off"].map(plain).to_vec(),
            [] => commands().chain(["help", "exit"].map(plain)).collect(),
            ["help"] => commands().collect(),
            [name, ..] if word.starts_with("--") => options(&line, name),
            [name] if has_parts(&line, name) => parts(&line, name),
            [name] if takes_table(&line, name) => self.tables.list().iter().map(|table| plain(table)).collect(),
            _ => Vec::new(),
        }
    }
}

fn plain(text: &str) -> (String, Option<String>) {
    (text.to_owned(), None)
}

fn options(line: &clap::Command, command: &str) -> Vec<(String, Option<String>)> {
    let arguments = line.find_subcommand(command).into_iter().flat_map(clap::Command::get_arguments);
    let named = arguments.filter_map(|argument| {
        let about = argument.get_help().map(ToString::to_string);
        argument.get_long().map(|long| (format!("--{long}"), about))
    });
    named.chain([plain("--json")]).collect()
}

fn has_parts(line: &clap::Command, command: &str) -> bool {
    !parts(line, command).is_empty()
}

/// The commands of a command (`repair status`), or the words that its first argument may be (`top keys`).
fn parts(line: &clap::Command, command: &str) -> Vec<(String, Option<String>)> {
    let Some(command) = line.find_subcommand(command) else { return Vec::new() };
    let about = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    let commands = command.get_subcommands().map(|part| (part.get_name().to_owned(), about(part.get_about())));
    let first = command.get_positionals().next().map(clap::Arg::get_possible_values).unwrap_or_default();
    commands.chain(first.iter().map(|word| (word.get_name().to_owned(), about(word.get_help())))).collect()
}

fn takes_table(line: &clap::Command, command: &str) -> bool {
    let first = line.find_subcommand(command).and_then(|command| command.get_positionals().next());
    first.is_some_and(|argument| argument.get_id() == "table")
}

impl Completer for CommandCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let typed = line.get(..pos).unwrap_or(line);
        let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &typed[start..];
        let before: Vec<&str> = typed[..start].split_whitespace().collect();
        let matching = self.candidates(&before, word).into_iter().filter(|(value, _)| value.starts_with(word));
        let suggestions: Vec<Suggestion> = matching
            .map(|(value, description)| Suggestion {
                value,
                description,
                span: Span { start, end: typed.len() },
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// JSON and quotes may go on in the next line.
pub(super) struct WholeLine;

impl Validator for WholeLine {
    fn validate(&self, line: &str) -> ValidationResult {
        match parse_line(line) {
            Err(error) if error.is_incomplete() => ValidationResult::Incomplete,
            _ => ValidationResult::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use reedline::{Completer as _, ValidationResult, Validator as _};

    use super::{CommandCompleter, WholeLine};
    use crate::admin::session::TableNames;

    fn offered(line: &str) -> Vec<String> {
        let mut completer = CommandCompleter::new(TableNames::of(&["kv", "orders"]));
        let found = completer.complete(line, line.len());
        found.suggestions().iter().map(|suggestion| suggestion.value.clone()).collect()
    }

    #[test]
    fn completes_commands_tables_and_options() {
        assert_eq!(offered("de"), ["delete", "describe"]);
        assert_eq!(offered("get o"), ["orders"]);
        assert_eq!(offered("get kv "), [""; 0]);
        assert_eq!(offered("status "), [""; 0]);
        assert_eq!(offered("put kv a {} --c"), ["--context"]);
        assert_eq!(offered("help wh"), ["where"]);
        assert_eq!(offered("top "), ["keys", "partitions", "nodes"]);
        assert_eq!(offered("top keys --l"), ["--limit"]);
        assert_eq!(offered("repair p"), ["pause"]);
        assert_eq!(offered("\\j"), ["\\json"]);
        assert_eq!(offered("\\json o"), ["on", "off"]);
    }

    #[test]
    fn an_open_brace_or_quote_goes_on_in_the_next_line() {
        let goes_on = |line| matches!(WholeLine.validate(line), ValidationResult::Incomplete);
        assert!(goes_on("put kv a {\"b\": [1,"));
        assert!(goes_on("get kv 'a"));
        assert!(!goes_on("put kv a {\"b\": }"));
        assert!(!goes_on("put kv a {\"b\": 1}"));
    }
}
