//! The one parser of all expressions: recursive descent over tokens.
//!
//! ```text
//!   condition   in `condition_parser`
//!   term        path | :value | function ( term , … ) | ( term )
//!   path        name (. name | [ index ])*          name: word | #name
//!
//!   update      (SET path = value , … | REMOVE path , … | ADD path :value , … | DELETE path :value , …)+
//!   value       term [+ term | - term] | ( value )
//!
//!   projection  path , …
//! ```

use super::error::{Problem, Section};
use super::lexer::{Keyword, Kind, Tokens};
use super::survey::Function;
use super::syntax::{RawAction, RawCall, RawChange, RawPath, RawSection, RawSetValue, RawStep, RawTerm};

/// The most bytes that an expression may have: DynamoDB developer guide, "Quotas", expression parameters.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// The most operators and functions that an expression may have, from the same place.
pub const MAX_OPERATORS: usize = 300;

/// The deepest nesting of functions, and of parentheses around terms. DynamoDB has no such limit: it is for the stack,
/// and nobody looks for a default in a hundred places.
pub(super) const MAX_NESTING: usize = 100;

/// Reads the paths of a projection.
pub(super) fn parse_projection(text: &str) -> Result<Vec<RawPath<'_>>, Problem> {
    let mut parser = Parser::new(text)?;
    let paths = parser.list(Parser::path)?;
    parser.finish()?;
    Ok(paths)
}

/// Reads the sections of an update.
pub(super) fn parse_update(text: &str) -> Result<Vec<RawSection<'_>>, Problem> {
    let mut parser = Parser::new(text)?;
    let mut sections = vec![parser.section()?];
    while parser.tokens.peek() != Kind::End {
        sections.push(parser.section()?);
    }
    parser.finish()?;
    Ok(sections)
}

/// Reads expressions from tokens.
pub(super) struct Parser<'a> {
    pub(super) tokens: Tokens<'a>,
    operators: usize,
    nesting: usize,
}

/// How the actions of a section are read.
type ReadAction<'a> = fn(&mut Parser<'a>) -> Result<RawAction<'a>, Problem>;

pub(super) const OPEN: Kind = Kind::Symbol("(");
pub(super) const CLOSE: Kind = Kind::Symbol(")");
const COMMA: Kind = Kind::Symbol(",");

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Problem> {
        match text.len() {
            0 => Err(Problem::Empty),
            bytes if bytes > MAX_EXPRESSION_BYTES => Err(Problem::TooLong { bytes }),
            _ => Ok(Self { tokens: Tokens::new(text), operators: 0, nesting: 0 }),
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), Problem> {
        self.tokens.expect(Kind::End)?;
        match self.operators {
            0..=MAX_OPERATORS => Ok(()),
            _ => Err(Problem::TooManyOperators { count: MAX_OPERATORS + 1 }),
        }
    }

    /// Reads a term where only a term can stand, in parentheses or not.
    pub(super) fn operand(&mut self) -> Result<RawTerm<'a>, Problem> {
        if self.tokens.peek() != OPEN {
            return self.term();
        }
        self.enter()?;
        self.tokens.expect(OPEN)?;
        let inner_is_grouped = self.tokens.peek() == OPEN;
        let term = self.operand()?;
        self.tokens.expect(CLOSE)?;
        self.nesting -= 1;
        match inner_is_grouped {
            true => Err(Problem::RedundantParentheses),
            false => Ok(term),
        }
    }

    pub(super) fn term(&mut self) -> Result<RawTerm<'a>, Problem> {
        match (self.tokens.peek(), self.tokens.peek_second()) {
            (Kind::Value, _) => Ok(RawTerm::Value(self.tokens.take())),
            (Kind::Word, OPEN) => self.call().map(RawTerm::Call),
            _ => self.path().map(RawTerm::Path),
        }
    }

    fn call(&mut self) -> Result<RawCall<'a>, Problem> {
        let function = self.take_operator();
        // Of a function that does not exist DynamoDB says so, however deep it stands.
        self.enter().map_err(|too_deep| Function::of_name(function).err().unwrap_or(too_deep))?;
        self.tokens.expect(OPEN)?;
        let operands = self.list(Self::operand)?;
        self.tokens.expect(CLOSE)?;
        self.nesting -= 1;
        Ok(RawCall { function, operands })
    }

    fn path(&mut self) -> Result<RawPath<'a>, Problem> {
        let mut steps = vec![self.name()?];
        loop {
            if self.tokens.eat(Kind::Symbol(".")) {
                steps.push(self.name()?);
            } else if self.tokens.eat(Kind::Symbol("[")) {
                steps.push(RawStep::Index(self.tokens.expect(Kind::Index)?));
                self.tokens.expect(Kind::Symbol("]"))?;
            } else {
                return Ok(RawPath { steps });
            }
        }
    }

    fn name(&mut self) -> Result<RawStep<'a>, Problem> {
        match self.tokens.peek() {
            Kind::Word => Ok(RawStep::Name(self.tokens.take())),
            Kind::Name => Ok(RawStep::Placeholder(self.tokens.take())),
            _ => Err(self.tokens.unexpected()),
        }
    }

    fn section(&mut self) -> Result<RawSection<'a>, Problem> {
        let (section, action): (Section, ReadAction<'a>) = match self.tokens.peek() {
            Kind::Keyword(Keyword::Set) => (Section::Set, Self::set_action),
            Kind::Keyword(Keyword::Remove) => {
                (Section::Remove, |parser| Ok(RawAction { path: parser.path()?, change: RawChange::Remove }))
            }
            Kind::Keyword(Keyword::Add) => (Section::Add, |parser| {
                Ok(RawAction { path: parser.path()?, change: RawChange::Add(parser.tokens.expect(Kind::Value)?) })
            }),
            Kind::Keyword(Keyword::Delete) => (Section::Delete, |parser| {
                Ok(RawAction { path: parser.path()?, change: RawChange::Delete(parser.tokens.expect(Kind::Value)?) })
            }),
            _ => return Err(self.tokens.unexpected()),
        };
        self.tokens.take();
        Ok(RawSection { section, actions: self.list(action)? })
    }

    fn set_action(&mut self) -> Result<RawAction<'a>, Problem> {
        let path = self.path()?;
        self.tokens.expect(Kind::Symbol("="))?;
        let (value, _) = self.set_value()?;
        Ok(RawAction { path, change: RawChange::Set(value) })
    }

    /// Reads what a SET gives, and says whether it was in parentheses.
    fn set_value(&mut self) -> Result<(RawSetValue<'a>, bool), Problem> {
        let (left, grouped) = match self.tokens.peek() {
            OPEN => (self.set_group()?, true),
            _ => (RawSetValue::Term(self.term()?), false),
        };
        let RawSetValue::Term(left) = left else {
            return Ok((left, grouped));
        };
        match self.tokens.peek() {
            Kind::Symbol(operator @ ("+" | "-")) => {
                self.take_operator();
                Ok((RawSetValue::Arithmetic { left, operator, right: self.operand()? }, false))
            }
            _ => Ok((RawSetValue::Term(left), grouped)),
        }
    }

    fn set_group(&mut self) -> Result<RawSetValue<'a>, Problem> {
        self.enter()?;
        self.tokens.expect(OPEN)?;
        let (value, grouped) = self.set_value()?;
        self.tokens.expect(CLOSE)?;
        self.nesting -= 1;
        match grouped {
            true => Err(Problem::RedundantParentheses),
            false => Ok(value),
        }
    }

    /// Reads one thing or more, with commas between them.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let mut list = vec![one(self)?];
        while self.tokens.eat(COMMA) {
            list.push(one(self)?);
        }
        Ok(list)
    }

    pub(super) fn take_operator(&mut self) -> &'a str {
        self.operators += 1;
        self.tokens.take()
    }

    pub(super) fn eat_operator(&mut self, keyword: Keyword) -> bool {
        let found = self.tokens.eat(Kind::Keyword(keyword));
        self.operators += usize::from(found);
        found
    }

    /// Goes one level deeper.
    fn enter(&mut self) -> Result<(), Problem> {
        self.nesting += 1;
        match self.nesting <= MAX_NESTING {
            true => Ok(()),
            false => Err(Problem::TooManyOperators { count: MAX_OPERATORS + 1 }),
        }
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
