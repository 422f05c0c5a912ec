//! JSON that a person typed: what is wrong with it, and where, with a mark under the place.

use serde_json::Value;
use thiserror::Error;

/// How much of a long line is shown on either side of the mark, in characters.
const EXCERPT_CHARS: usize = 50;

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("malformed JSON: {reason} at {}\n  {excerpt}\n  {:>mark_at$}", self.place(), "^")]
pub struct JsonTextError {
    reason: String,
    line: usize,
    column: usize,
    several_lines: bool,
    incomplete: bool,
    excerpt: String,
    mark_at: usize,
}

/// Parses a text that holds one JSON value and nothing else.
///
/// # Errors
///
/// [`JsonTextError`] at the first character that cannot be.
pub fn parse(text: &str) -> Result<Value, JsonTextError> {
    serde_json::from_str(text).map_err(|error| JsonTextError::new(text, &error))
}

/// The length in bytes of the JSON value that `text` begins with. What follows it must be white space.
///
/// # Errors
///
/// [`JsonTextError`] at the first character that cannot be.
pub fn value_length(text: &str) -> Result<usize, JsonTextError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(JsonTextError::new(text, &error)),
        None => return Ok(0),
    }
    let end = values.byte_offset();
    let follows = text.get(end..).and_then(|rest| rest.chars().next());
    match follows {
        Some(next) if !next.is_whitespace() => Err(JsonTextError::at(text, end, "unexpected text after the value")),
        _ => Ok(end),
    }
}

impl JsonTextError {
    /// Takes over what the JSON parser says about `text`.
    pub fn new(text: &str, error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let reason = said.rsplit_once(" at line ").map_or(said.as_str(), |(reason, _)| reason);
        let reason = &reason.replace("EOF while parsing", "the text ends within");
        let line_text = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        // The parser counts bytes from 1, and at the end of the text stands on the last one.
        let at_byte = if error.is_eof() { error.column() } else { error.column().saturating_sub(1) };
        Self::within(line_text, at_byte, error.line(), text.contains('\n'), reason, error.is_eof())
    }

    fn at(text: &str, at_byte: usize, reason: &str) -> Self {
        let before = &text.as_bytes()[..at_byte];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line_text = text.split('\n').nth(line - 1).unwrap_or_default();
        Self::within(line_text, at_byte - line_start, line, text.contains('\n'), reason, false)
    }

    fn within(
        line_text: &str,
        at_byte: usize,
        line: usize,
        several_lines: bool,
        reason: &str,
        incomplete: bool,
    ) -> Self {
        let at = line_text.char_indices().take_while(|(byte, _)| *byte < at_byte).count();
        let first = at.saturating_sub(EXCERPT_CHARS);
        let lead = if first > 0 { "…" } else { "" };
        let shown = line_text.chars().skip(first).take(2 * EXCERPT_CHARS).map(|c| if c.is_control() { ' ' } else { c });
        let excerpt = format!("{lead}{}", shown.collect::<String>());
        let mark_at = lead.chars().count() + at - first + 1;
        let reason = reason.to_owned();
        Self { reason, line, column: at + 1, several_lines, incomplete, excerpt, mark_at }
    }

    fn place(&self) -> String {
        if self.several_lines {
            format!("line {}, column {}", self.line, self.column)
        } else {
            format!("column {}", self.column)
        }
    }

    /// The same without excerpt, for lists.
    pub fn short(&self) -> String {
        format!("malformed JSON: {} at {}", self.reason, self.place())
    }

    /// Whether the text only ends too early.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }
}
