//! A TOML file that is read key by key, and that says with file and line what is wrong with it.
//!
//! ```text
//!   Reading ── section("cluster") ──▶ Part ── whole("nodes", 1..=64, 3) ──▶ 4
//!      ▲                                │
//!      └── problems ◀── wrong type, out of range; what nobody has asked for by the time of `finish` is unknown
//! ```
//!
//! A key that is missing has the value that the caller gives, and so has one that is wrong: reading goes on, and all problems are
//! told at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::{ConfigError, Document, Fault, Origin, Problem, Suggestion, nearest};

/// One file, and what is wrong with it so far.
pub(super) struct Reading<'a> {
    document: Document<'a>,
    problems: RefCell<Vec<Problem>>,
}

/// A table of the file, or one that is not there.
pub(super) struct Part<'a> {
    reading: &'a Reading<'a>,
    /// Its name, with those around it; empty for the file itself.
    path: String,
    table: Option<&'a DeTable<'a>>,
    origin: Origin,
    /// The names that have been asked for.
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { document: Document { path, text }, problems: RefCell::default() }
    }

    /// The file as TOML.
    pub(super) fn parse(&self) -> Result<DeTable<'a>, ConfigError> {
        self.document.parse().map_err(|problems| ConfigError { problems })
    }

    /// The file itself.
    pub(super) fn whole_file(&'a self, table: &'a DeTable<'a>) -> Part<'a> {
        let origin = Origin::File { path: self.document.path.to_owned() };
        Part { reading: self, path: String::new(), table: Some(table), origin, known: RefCell::default() }
    }

    pub(super) fn report(&self, origin: Origin, fault: Fault) {
        self.problems.borrow_mut().push(Problem { origin: Some(origin), fault });
    }

    /// Nothing is wrong, or all that is.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let mut problems = self.problems.take();
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        // What a case takes over from the file is wrong only once.
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

impl<'a> Part<'a> {
    /// The value of a key, and where it stands.
    fn value(&self, name: &'static str) -> Option<(&'a Spanned<DeValue<'a>>, Origin)> {
        self.known.borrow_mut().push(name);
        let (key, value) = self.table?.get_key_value(name)?;
        Some((value, self.reading.document.origin(key.span().start)))
    }

    /// Where a key stands, or the table that it is missing from.
    pub(super) fn origin_of(&self, name: &str) -> Origin {
        let key = self.table.and_then(|table| table.get_key_value(name));
        key.map_or_else(|| self.origin.clone(), |(key, _)| self.reading.document.origin(key.span().start))
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The value that `read` makes of a key; `otherwise` where it is not there, or is wrong.
    fn read<T>(
        &self,
        name: &'static str,
        otherwise: T,
        expected: &'static str,
        allowed: impl Fn() -> String,
        read: impl Fn(&'a DeValue<'a>) -> Result<T, Wrong>,
    ) -> T {
        let Some((value, origin)) = self.value(name) else { return otherwise };
        let (key, quoted) = (self.path_of(name), self.reading.document.quote(value));
        let (value_text, allowed_text) = (quoted, allowed());
        let fault = match read(value.get_ref()) {
            Ok(value) => return value,
            Err(Wrong::Type) => Fault::WrongType { key, value: value_text, expected, allowed: allowed_text },
            Err(Wrong::Range) => Fault::OutOfRange { key, value: value_text, allowed: allowed_text },
            Err(Wrong::Choice) => Fault::NotAllowed { key, value: value_text, allowed: allowed_text },
        };
        self.reading.report(origin, fault);
        otherwise
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &'static str, range: RangeInclusive<u64>, otherwise: u64) -> u64 {
        self.read(name, otherwise, "an integer", || between(&range), |value| whole(value, &range))
    }

    /// A whole number that fits into a smaller type, as every number of `range` must.
    pub(super) fn small<T: TryFrom<u64> + Into<u64>>(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        otherwise: T,
    ) -> T {
        let read = |value| whole(value, &range).and_then(|number| T::try_from(number).map_err(|_| Wrong::Range));
        self.read(name, otherwise, "an integer", || between(&range), read)
    }

    /// A power of two.
    pub(super) fn power_of_two(&self, name: &'static str, range: RangeInclusive<u64>, otherwise: u32) -> u32 {
        let read = |value| {
            let number = whole(value, &range)?;
            u32::try_from(number).ok().filter(|number| number.is_power_of_two()).ok_or(Wrong::Range)
        };
        self.read(name, otherwise, "an integer", || format!("a power of two in {}", between(&range)), read)
    }

    /// A number.
    pub(super) fn number(&self, name: &'static str, range: RangeInclusive<f64>, otherwise: f64) -> f64 {
        self.read(name, otherwise, "a number", || between(&range), |value| number(value, &range))
    }

    /// A number that need not be there.
    pub(super) fn optional_number(&self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.read(name, None, "a number", || between(&range), |value| number(value, &range).map(Some))
    }

    /// Whole numbers, at least one.
    pub(super) fn wholes(&self, name: &'static str, range: RangeInclusive<u64>, otherwise: &[u64]) -> Vec<u64> {
        let read = |value: &'a DeValue<'a>| {
            let items: &DeArray<'_> = value.as_array().ok_or(Wrong::Type)?;
            let numbers: Vec<u64> = items.iter().map(|item| whole(item.get_ref(), &range)).collect::<Result<_, _>>()?;
            if numbers.is_empty() { Err(Wrong::Range) } else { Ok(numbers) }
        };
        let allowed = || format!("one or more of {}", between(&range));
        self.read(name, otherwise.to_vec(), "an array of integers", allowed, read)
    }

    /// Texts, none where there is no such key.
    pub(super) fn texts(&self, name: &'static str) -> Vec<String> {
        let read = |value: &'a DeValue<'a>| {
            let items: &DeArray<'_> = value.as_array().ok_or(Wrong::Type)?;
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned).ok_or(Wrong::Type)).collect()
        };
        self.read(name, Vec::new(), "an array of strings", || "any texts".to_owned(), read)
    }

    /// A text on one line.
    pub(super) fn text(&self, name: &'static str, otherwise: &str) -> String {
        let read = |value: &'a DeValue<'a>| {
            let text = value.as_str().ok_or(Wrong::Type)?;
            let fits = !text.is_empty() && !text.contains(char::is_control);
            if fits { Ok(text.to_owned()) } else { Err(Wrong::Choice) }
        };
        self.read(name, otherwise.to_owned(), "a string", || "a text on one line".to_owned(), read)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, name: &'static str, words: &[(&str, T)], otherwise: T) -> T {
        let read = |value: &'a DeValue<'a>| {
            let text = value.as_str().ok_or(Wrong::Type)?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant).ok_or(Wrong::Choice)
        };
        let allowed = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        self.read(name, otherwise, "a string", allowed, read)
    }

    /// A table within this one.
    pub(super) fn part(&self, name: &'static str) -> Part<'a> {
        let found = self.value(name);
        let origin = found.as_ref().map_or_else(|| self.origin.clone(), |(_, origin)| origin.clone());
        let table = found.and_then(|(value, origin)| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let value = self.reading.document.quote(value);
                self.reading.report(origin, Fault::NotASection { section: name, value });
            }
            table
        });
        Part { reading: self.reading, path: self.path_of(name), table, origin, known: RefCell::default() }
    }

    /// The tables of an array.
    pub(super) fn parts(&self, name: &'static str) -> Vec<Part<'a>> {
        let Some((value, origin)) = self.value(name) else { return Vec::new() };
        let tables = value.get_ref().as_array().map(|items| items.iter().map(|item| (item, item.get_ref().as_table())));
        let part = |item: &Spanned<DeValue<'a>>, table| Part {
            reading: self.reading,
            path: self.path_of(name),
            table: Some(table),
            origin: self.reading.document.origin(item.span().start),
            known: RefCell::default(),
        };
        let parts: Option<Vec<Part<'a>>> =
            tables.and_then(|tables| tables.map(|(item, table)| Some(part(item, table?))).collect());
        parts.unwrap_or_else(|| {
            let value = self.reading.document.quote(value);
            let (key, expected) = (self.path_of(name), "an array of tables");
            let allowed = format!("[[{name}]]");
            self.reading.report(origin, Fault::WrongType { key, value, expected, allowed });
            Vec::new()
        })
    }

    /// Says that the value of a key does not go with the rest.
    pub(super) fn contradicts(&self, name: &str, value: impl Display, allowed: String) {
        let fault = Fault::OutOfRange { key: self.path_of(name), value: value.to_string(), allowed };
        self.reading.report(self.origin_of(name), fault);
    }

    /// Says that a text names nothing that there is.
    pub(super) fn names_nothing(&self, name: &str, value: &str, allowed: String) {
        let fault = Fault::NotAllowed { key: self.path_of(name), value: format!("\"{value}\""), allowed };
        self.reading.report(self.origin_of(name), fault);
    }

    /// Everything has been asked for: all other keys are unknown.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        let unknown = self.table.into_iter().flatten().filter(|(name, _)| !known.contains(&name.get_ref().as_ref()));
        for (name, _) in unknown {
            let suggestion = match nearest(name.get_ref(), known.iter().copied()) {
                Some(near) => Suggestion::Nearest(self.path_of(near)),
                None => Suggestion::AllKnown { what: self.title(), names: known.clone() },
            };
            let fault = Fault::UnknownKey { key: self.path_of(name.get_ref()), suggestion };
            self.reading.report(self.reading.document.origin(name.span().start), fault);
        }
    }

    fn title(&self) -> String {
        if self.path.is_empty() { "sections".to_owned() } else { format!("keys of [{}]", self.path) }
    }
}

/// What is wrong with a value.
enum Wrong {
    Type,
    Range,
    Choice,
}

fn between<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("{}..={}", range.start(), range.end())
}

fn whole(value: &DeValue<'_>, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    let digits = value.as_integer().ok_or(Wrong::Type)?;
    let number = u64::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| Wrong::Range)?;
    if range.contains(&number) { Ok(number) } else { Err(Wrong::Range) }
}

fn number(value: &DeValue<'_>, range: &RangeInclusive<f64>) -> Result<f64, Wrong> {
    let parsed = match value {
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => return Err(Wrong::Type),
    };
    parsed.filter(|number: &f64| range.contains(number)).ok_or(Wrong::Range)
}
