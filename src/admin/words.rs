//! A command line of the REPL as words.
//!
//! ```text
//!   put kv cart:1 {"items": ["milk"]} --ttl 5
//!   put kv 'a key' '{"items": []}'
//!   get kv "say \"hello\""
//! ```
//!
//! As in a shell, words are separated by white space, `'…'` is taken as it is, in `"…"` and outside quotes a backslash
//! makes the next character an ordinary one. But where `put` expects its JSON, a JSON value may stand as it is.

use super::json_text;
use super::usage::UsageError;

/// Which word of `put`, not counting options and their values, is the JSON: `put TABLE KEY JSON`.
const JSON_PLACE: usize = 3;

/// Splits a line into words.
///
/// # Errors
///
/// A quote that is not closed, or malformed JSON where `put` expects it.
pub fn split(line: &str) -> Result<Vec<String>, UsageError> {
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &line[at..];
        at += rest.len() - rest.trim_start().len();
        let rest = &line[at..];
        let Some(first) = rest.chars().next() else { return Ok(words) };
        let length = if !matches!(first, '"' | '\'' | '-') && json_is_next(&words) {
            let length = json_text::value_length(rest)?;
            words.push(rest[..length].to_owned());
            length
        } else {
            let (word, length) = shell_word(line, at)?;
            words.push(word);
            length
        };
        at += length;
    }
}

fn json_is_next(words: &[String]) -> bool {
    if words.first().is_none_or(|command| command != "put") {
        return false;
    }
    let mut places = 0;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("json") => {}
            Some(option) if !option.contains('=') => {
                // Every option of `put` takes a value, which is the next word.
                if words.next().is_none() {
                    return false;
                }
            }
            Some(_) => {}
            None => places += 1,
        }
    }
    places == JSON_PLACE
}

/// The word that begins at `start`, and its length in the line.
fn shell_word(line: &str, start: usize) -> Result<(String, usize), UsageError> {
    let mut word = String::new();
    let mut open: Option<(char, usize)> = None;
    let mut characters = line[start..].char_indices();
    while let Some((at, c)) = characters.next() {
        match (open.map(|(quote, _)| quote), c) {
            (None, c) if c.is_whitespace() => return Ok((word, at)),
            (None, '"' | '\'') => open = Some((c, start + at)),
            (Some(quote), c) if c == quote => open = None,
            (Some('"') | None, '\\') => word.extend(characters.next().map(|(_, next)| next)),
            (_, c) => word.push(c),
        }
    }
    match open {
        Some((quote, at)) => Err(UsageError::OpenQuote { quote, column: line[..at].chars().count() + 1 }),
        None => Ok((word, line.len() - start)),
    }
}
