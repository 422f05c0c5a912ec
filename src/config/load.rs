//! From a file and an environment to a [`Config`]: reads what is written, key by key, and collects every problem.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::{key_suggestion, section_suggestion, variable_suggestion};
use super::relations::{self, Origins};
use super::{Config, ConfigError, ENVIRONMENT_PREFIX, Fault, Key, Origin, Problem, SECTIONS, Section, Setting, keys};

/// The longest part of a value that a problem quotes.
const QUOTE_MAX_CHARS: usize = 80;

/// A configuration in the making.
#[derive(Default)]
pub(super) struct Loading {
    config: Config,
    /// Where each key that was accepted comes from; later sources replace earlier ones.
    origins: Origins,
    /// Keys that were written with a value they cannot have.
    broken: Vec<&'static str>,
    problems: Vec<Problem>,
    /// The file could not be read whole, so keys may have been meant that are not known here.
    incomplete: bool,
}

/// A TOML file: what spans point into.
pub(crate) struct Document<'a> {
    /// As it was named.
    pub(crate) path: &'a Path,
    /// All of it.
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    /// All of it as a table, or why it is not TOML.
    pub(crate) fn parse(&self) -> Result<DeTable<'a>, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(table.into_inner());
        }
        // What the parser guesses after an error is not what was meant: no other problem is looked for.
        let malformed = |error: &toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            let fault = Fault::Malformed { reason: error.message().to_owned() };
            Problem { origin: Some(self.origin(offset)), fault }
        };
        let mut problems: Vec<Problem> = errors.iter().map(malformed).collect();
        // One mistake can lead the parser to several errors on its line; the first says it best.
        problems.dedup_by(|later, first| later.origin == first.origin);
        Err(problems)
    }

    /// The line of this byte.
    pub(crate) fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        Origin::Line { path: self.path.to_owned(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }

    /// The value as it is written.
    pub(crate) fn quote(&self, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            // The span of a [section] is its header.
            DeValue::Table(_) => "{...}".to_owned(),
            _ => shorten(self.text.get(value.span()).unwrap_or_default()),
        }
    }
}

impl Loading {
    pub(super) fn read_file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.read_document(&Document { path, text: &text }),
            Err(error) => {
                self.incomplete = true;
                let path = path.to_owned();
                let reason = error.to_string();
                self.report(Origin::File { path }, Fault::Unreadable { reason });
            }
        }
    }

    fn read_document(&mut self, document: &Document<'_>) {
        match document.parse() {
            Ok(table) => {
                for (name, value) in &table {
                    self.read_top_level(document, name, value);
                }
            }
            Err(problems) => {
                self.incomplete = true;
                self.problems.extend(problems);
            }
        }
    }

    fn read_top_level(&mut self, document: &Document<'_>, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let origin = document.origin(name.span().start);
        let section = SECTIONS.iter().find(|s| s.name == name.get_ref().as_ref());
        match (section, value.get_ref()) {
            (Some(section), DeValue::Table(table)) => self.read_section(document, section, table),
            (Some(section), _) => {
                let value = document.quote(value);
                let section = section.name;
                self.report(origin, Fault::NotASection { section, value });
            }
            (None, DeValue::Table(_)) => {
                let section = shorten(name.get_ref());
                let suggestion = section_suggestion(&section);
                self.report(origin, Fault::UnknownSection { section, suggestion });
            }
            (None, _) => {
                let key = shorten(name.get_ref());
                let suggestion = key_suggestion(None, &key);
                self.report(origin, Fault::UnknownKey { key, suggestion });
            }
        }
    }

    fn read_section(&mut self, document: &Document<'_>, section: &Section, table: &DeTable<'_>) {
        for (name, value) in table {
            let origin = document.origin(name.span().start);
            match section.keys.iter().find(|k| k.name == name.get_ref().as_ref()) {
                Some(key) => self.accept(key, origin, value.get_ref(), document.quote(value)),
                None => {
                    let name = shorten(name.get_ref());
                    let suggestion = key_suggestion(Some(section.name), &name);
                    let key = format!("{}.{name}", section.name);
                    self.report(origin, Fault::UnknownKey { key, suggestion });
                }
            }
        }
    }

    pub(super) fn read_environment(&mut self, env: &BTreeMap<String, String>) {
        let ours = |(name, _): &(&String, &String)| name.starts_with(ENVIRONMENT_PREFIX);
        for (variable, text) in env.iter().filter(ours) {
            let origin = Origin::Environment { variable: variable.clone() };
            match keys().find(|key| key.variable() == *variable) {
                Some(key) => {
                    let (value, quoted) = read_variable(key, text);
                    self.accept(key, origin, &value, quoted);
                }
                None => {
                    let suggestion = variable_suggestion(variable);
                    self.report(origin, Fault::UnknownVariable { suggestion });
                }
            }
        }
    }

    /// Sets `key`, or reports why `value`, which its author wrote as `quoted`, cannot be.
    fn accept(&mut self, key: &'static Key, origin: Origin, value: &DeValue<'_>, quoted: String) {
        let fault = match Setting::from_toml(value) {
            None => Some(key.wrong_type(quoted)),
            Some(setting) => key.fault(&setting, quoted.clone()).or_else(|| {
                let written = key.write(&mut self.config, &setting);
                (!written).then(|| key.not_allowed(quoted))
            }),
        };
        match fault {
            None => {
                self.origins.insert(key.path, origin);
            }
            Some(fault) => {
                self.broken.push(key.path);
                self.report(origin, fault);
            }
        }
    }

    fn report(&mut self, origin: Origin, fault: Fault) {
        self.problems.push(Problem { origin: Some(origin), fault });
    }

    /// The configuration, if nothing is wrong with it.
    pub(super) fn finish(mut self) -> Result<Config, ConfigError> {
        if !self.incomplete {
            let origins = Some(&self.origins);
            let violations = relations::violations(&self.config, origins, &self.broken);
            self.problems.extend(violations);
        }
        self.problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        ConfigError::unless_empty(self.problems).map(|()| self.config)
    }
}

/// The text of a variable as a TOML value, and as a problem quotes it. Text that is no TOML value is a string, and so
/// is what looks like a number or a boolean where the key takes a string: a zone may be called `1`.
fn read_variable<'a>(key: &Key, text: &'a str) -> (DeValue<'a>, String) {
    match DeValue::parse(text) {
        Ok(value) if !key.rule.takes_text() || value.get_ref().is_str() => (value.into_inner(), shorten(text.trim())),
        _ => {
            let quoted = shorten(&Setting::Text(text.to_owned()).to_string());
            (DeValue::String(Cow::Borrowed(text)), quoted)
        }
    }
}

/// `text` on one line, without control characters, and not too long.
fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.replace(char::is_control, "?");
    match line.char_indices().nth(QUOTE_MAX_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
