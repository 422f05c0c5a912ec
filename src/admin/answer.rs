//! What a command says: the same value as text for people or as JSON for programs.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::exit::Exit;
use super::failure::Failure;

/// Something that can be shown. Its JSON is its serialisation.
pub trait View: Serialize {
    /// As text, with a line ending at its end.
    fn text(&self, paint: Paint) -> String;
}

/// Whether text may be coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Whether colours are wanted.
    pub colours: bool,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set (no-color.org).
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: stream.is_terminal() && !refused }
    }

    /// The text in red where colours are wanted.
    pub fn red(self, text: &str) -> String {
        if self.colours { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// JSON instead of text.
    pub json: bool,
    /// Colours of the text.
    pub paint: Paint,
}

/// What a command has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For the standard output.
    pub output: String,
    /// For the standard error, a line each.
    pub notes: Vec<String>,
    /// How it went.
    pub exit: Exit,
}

impl Answer {
    /// An answer that shows a view.
    pub fn of<V: View>(view: &V, format: Format) -> Self {
        let output = if format.json { json_line(view) } else { view.text(format.paint) };
        Self { output, notes: Vec::new(), exit: Exit::Ok }
    }

    /// An answer that is text whatever the format.
    pub fn shows(output: String) -> Self {
        Self { output, notes: Vec::new(), exit: Exit::Ok }
    }

    /// An answer without output.
    pub fn silent(exit: Exit) -> Self {
        Self { output: String::new(), notes: Vec::new(), exit }
    }

    /// Adds a line for people.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Sets how it went.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Prints it.
    ///
    /// # Errors
    ///
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn print(&self) -> Result<(), Failure> {
        print(&self.output)?;
        for note in &self.notes {
            say(note);
        }
        Ok(())
    }
}

/// The JSON of a value, in one line.
pub fn json_line<T: Serialize>(value: &T) -> String {
    // Views have only text keys, so that their JSON always can be written.
    serde_json::to_string(value).map(|json| json + "\n").unwrap_or_default()
}

/// Writes to the standard output.
///
/// # Errors
///
/// [`Failure::OutputClosed`] when nobody reads any more.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(output_failure)
}

/// What a failed write to the standard output means.
pub fn output_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::File { path: "standard output".to_owned(), source: error },
    }
}

/// Writes a line to the standard error. Where that is closed there is nobody left to tell.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Reports a failure to the standard error.
pub fn report(failure: &Failure) {
    if !matches!(failure, Failure::OutputClosed) {
        let label = Paint::for_stream(&io::stderr()).red("error:");
        say(&format!("{label} {failure}"));
    }
}
