//! Expressions as text, with the placeholders that the text needs: parsing it again gives the same expression.
//!
//! ```text
//!   Condition ── print ──> Printed { text: "a.#n0 = :v0", names: {#n0: "my name"}, values: {:v0: …} }
//! ```
//!
//! A name is written as it is where the language allows that. Each other name has one placeholder, and each value
//! one of its own.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::ast::{Condition, Operand, SetOperand, SetValue, Source, Test, Update};
use super::document_path::{DocumentPath, PathStep};
use super::key_condition::{KeyCondition, SortTest};
use super::lexer::is_plain_name;
use super::placeholders::Placeholders;
use super::projection::Projection;
use super::reserved::is_reserved;
use crate::item::key::KeyValue;
use crate::item::value::AttributeValue;

/// An expression as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Printed {
    /// The expression.
    pub text: String,
    /// What its `#names` stand for.
    pub names: BTreeMap<String, String>,
    /// What its `:values` stand for.
    pub values: BTreeMap<String, AttributeValue>,
}

impl Printed {
    /// The placeholders with which the text is the expression.
    #[must_use]
    pub fn placeholders(&self) -> Placeholders {
        Placeholders::of(self.names.clone(), self.values.clone())
    }
}

/// Writes an expression down.
#[derive(Default)]
struct Printer {
    text: String,
    /// The placeholder of each name that needs one.
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
}

macro_rules! printed {
    ($($expression:ty),*) => {$(
        impl $expression {
            /// The expression as text, with its placeholders.
            #[must_use]
            pub fn print(&self) -> Printed {
                let mut printer = Printer::default();
                self.write_to(&mut printer);
                let names = printer.names.into_iter().map(|(name, placeholder)| (placeholder, name)).collect();
                Printed { text: printer.text, names, values: printer.values }
            }
        }

        /// The text alone, without what its placeholders stand for.
        impl fmt::Display for $expression {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.print().text)
            }
        }
    )*};
}

printed!(Condition, Projection, Update, KeyCondition);

impl Printer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn name(&mut self, name: &str) {
        if is_plain_name(name) && !is_reserved(name) {
            return self.put(name);
        }
        let next = format!("#n{}", self.names.len());
        let placeholder = self.names.entry(name.to_owned()).or_insert(next);
        self.text.push_str(placeholder);
    }

    fn value(&mut self, value: AttributeValue) {
        let placeholder = format!(":v{}", self.values.len());
        self.put(&placeholder);
        self.values.insert(placeholder, value);
    }

    fn path(&mut self, path: &DocumentPath) {
        self.name(path.root());
        for step in path.steps() {
            match step {
                PathStep::Name(name) => {
                    self.put(".");
                    self.name(name);
                }
                PathStep::Index(index) => {
                    // Writing to a text does not fail.
                    let _ = write!(self.text, "[{index}]");
                }
            }
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Path(path) => self.path(path),
            Source::Value(value) => self.value(value.clone()),
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Of(source) => self.source(source),
            Operand::SizeOf(source) => {
                self.put("size(");
                self.source(source);
                self.put(")");
            }
        }
    }

    fn function(&mut self, name: &str, first: &Operand, second: &Operand) {
        self.put(name);
        self.put("(");
        self.operand(first);
        self.put(", ");
        self.operand(second);
        self.put(")");
    }

    fn list<T>(&mut self, things: impl IntoIterator<Item = T>, between: &str, mut one: impl FnMut(&mut Self, T)) {
        for (at, thing) in things.into_iter().enumerate() {
            self.put(if at == 0 { "" } else { between });
            one(self, thing);
        }
    }

    /// Writes a part of a larger condition, in parentheses if it would be read otherwise without them.
    fn part(&mut self, condition: &Condition, grouped: bool) {
        self.put(if grouped { "(" } else { "" });
        condition.write_to(self);
        self.put(if grouped { ")" } else { "" });
    }

    /// Begins a section of an update.
    fn section(&mut self, name: &str) {
        self.put(if self.text.is_empty() { "" } else { " " });
        self.put(name);
        self.put(" ");
    }

    fn set_operand(&mut self, operand: &SetOperand) {
        for path in &operand.first_of {
            self.put("if_not_exists(");
            self.path(path);
            self.put(", ");
        }
        self.source(&operand.otherwise);
        operand.first_of.iter().for_each(|_| self.put(")"));
    }
}

impl Condition {
    fn write_to(&self, printer: &mut Printer) {
        let is_joined = |part: &Self| matches!(part, Self::All(_) | Self::Any(_));
        match self {
            Self::Test(test) => test.write_to(printer),
            Self::Not(condition) => {
                printer.put("NOT ");
                printer.part(condition, is_joined(condition));
            }
            Self::All(parts) => printer.list(parts, " AND ", |printer, part| printer.part(part, is_joined(part))),
            Self::Any(parts) => {
                printer.list(parts, " OR ", |printer, part| printer.part(part, matches!(part, Self::Any(_))));
            }
        }
    }
}

impl Test {
    fn write_to(&self, printer: &mut Printer) {
        match self {
            Self::Compare { left, comparator, right } => {
                printer.operand(left);
                printer.put(&format!(" {} ", comparator.symbol()));
                printer.operand(right);
            }
            Self::Between { operand, lower, upper } => {
                printer.operand(operand);
                printer.put(" BETWEEN ");
                printer.operand(lower);
                printer.put(" AND ");
                printer.operand(upper);
            }
            Self::In { operand, alternatives } => {
                printer.operand(operand);
                printer.put(" IN (");
                printer.list(alternatives, ", ", Printer::operand);
                printer.put(")");
            }
            Self::Exists(path) | Self::NotExists(path) => {
                let negated = matches!(self, Self::NotExists(_));
                printer.put(if negated { "attribute_not_exists(" } else { "attribute_exists(" });
                printer.path(path);
                printer.put(")");
            }
            Self::HasType { operand, expected } => {
                let expected = Operand::from(AttributeValue::S(expected.name().to_owned()));
                printer.function("attribute_type", operand, &expected);
            }
            Self::BeginsWith { operand, prefix } => printer.function("begins_with", operand, prefix),
            Self::Contains { container, element } => printer.function("contains", container, element),
        }
    }
}

impl Projection {
    fn write_to(&self, printer: &mut Printer) {
        printer.list(self.paths(), ", ", Printer::path);
    }
}

impl Update {
    fn write_to(&self, printer: &mut Printer) {
        if !self.sets.is_empty() {
            printer.section("SET");
            printer.list(&self.sets, ", ", |printer, (path, value)| {
                printer.path(path);
                printer.put(" = ");
                value.write_to(printer);
            });
        }
        if !self.removes.is_empty() {
            printer.section("REMOVE");
            printer.list(&self.removes, ", ", Printer::path);
        }
        if !self.adds.is_empty() {
            printer.section("ADD");
            printer.list(&self.adds, ", ", |printer, (path, addend)| {
                printer.path(path);
                printer.put(" ");
                printer.value(addend.clone().into());
            });
        }
        if !self.deletes.is_empty() {
            printer.section("DELETE");
            printer.list(&self.deletes, ", ", |printer, (path, members)| {
                printer.path(path);
                printer.put(" ");
                printer.value(members.clone().into());
            });
        }
    }
}

impl SetValue {
    fn write_to(&self, printer: &mut Printer) {
        let (before, first, between, second, after) = match self {
            Self::Of(operand) => return printer.set_operand(operand),
            Self::Sum(left, right) => ("", left, " + ", right, ""),
            Self::Difference(left, right) => ("", left, " - ", right, ""),
            Self::Appended(first, second) => ("list_append(", first, ", ", second, ")"),
        };
        printer.put(before);
        printer.set_operand(first);
        printer.put(between);
        printer.set_operand(second);
        printer.put(after);
    }
}

impl KeyCondition {
    fn write_to(&self, printer: &mut Printer) {
        printer.name(&self.partition_name);
        printer.put(" = ");
        printer.value(self.partition.clone().into());
        if let Some((name, test)) = &self.sort {
            printer.put(" AND ");
            test.write_to(name, printer);
        }
    }
}

impl SortTest<KeyValue> {
    fn write_to(&self, name: &str, printer: &mut Printer) {
        let mut compare = |symbol: &str, value: &KeyValue| {
            printer.name(name);
            printer.put(symbol);
            printer.value(value.clone().into());
        };
        match self {
            Self::Equal(value) => compare(" = ", value),
            Self::Less(value) => compare(" < ", value),
            Self::LessOrEqual(value) => compare(" <= ", value),
            Self::Greater(value) => compare(" > ", value),
            Self::GreaterOrEqual(value) => compare(" >= ", value),
            Self::Between(lower, upper) => {
                compare(" BETWEEN ", lower);
                printer.put(" AND ");
                printer.value(upper.clone().into());
            }
            Self::BeginsWith(prefix) => {
                printer.put("begins_with(");
                printer.name(name);
                printer.put(", ");
                printer.value(prefix.clone().into());
                printer.put(")");
            }
        }
    }
}

#[cfg(test)]
#[path = "print_tests.rs"]
mod tests;
