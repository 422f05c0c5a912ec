//! The one parser of all expressions: recursive descent over tokens.
//!
//! ```text
//!   condition   conjunction (OR conjunction)*
//!   conjunction negation (AND negation)*
//!   negation    NOT* comparison
//!   comparison  ( condition )
//!             | term [comparator term | BETWEEN term AND term | IN ( term , … )]
//!   term        path | :value | function ( term , … ) | ( term )
//!   path        name (. name | [ index ])*          name: word | #name
//!
//!   update      (SET path = value , … | REMOVE path , … | ADD path :value , … | DELETE path :value , …)+
//!   value       term [+ term | - term] | ( value )
//!
//!   projection  path , …
//! ```
//!
//! `(` may begin a condition or a term. The parser does not try one and then the other, which would double the
//! work with each parenthesis: it reads either, and what follows the `)` tells which it was.

use super::error::{Problem, Section};
use super::lexer::{Keyword, Kind, Tokens};
use super::syntax::{
    Comparator, RawAction, RawCall, RawChange, RawCondition, RawPath, RawSection, RawSetValue, RawStep, RawTerm,
    RawTest,
};

/// The most bytes that an expression may have: DynamoDB developer guide, "Quotas", expression parameters.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// The most operators and functions that an expression may have, from the same place.
pub const MAX_OPERATORS: usize = 300;

/// The deepest nesting of parentheses and function calls. One more than the operators could need: a pair of
/// parentheses without an operator of its own is redundant, unless it is around a term, and those are 20 here.
pub(super) const MAX_NESTING: usize = MAX_OPERATORS + 20;

/// Reads a condition.
pub(super) fn parse_condition(text: &str) -> Result<RawCondition<'_>, Problem> {
    let mut parser = Parser::new(text)?;
    let read = parser.condition()?;
    let condition = parser.as_condition(read.node)?;
    parser.finish()?;
    Ok(condition)
}

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

struct Parser<'a> {
    tokens: Tokens<'a>,
    operators: usize,
    nesting: usize,
}

/// A condition, or a term that may become part of one.
enum Node<'a> {
    Condition(RawCondition<'a>),
    Term(RawTerm<'a>),
}

impl<'a> From<RawTest<'a>> for RawCondition<'a> {
    fn from(test: RawTest<'a>) -> Self {
        Self::Test(Box::new(test))
    }
}

/// What was read, and whether it was in parentheses.
struct Read<'a> {
    node: Node<'a>,
    grouped: bool,
}

/// How the actions of a section are read.
type ReadAction<'a> = fn(&mut Parser<'a>) -> Result<RawAction<'a>, Problem>;

const OPEN: Kind = Kind::Symbol("(");
const CLOSE: Kind = Kind::Symbol(")");
const COMMA: Kind = Kind::Symbol(",");

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Problem> {
        match text.len() {
            0 => Err(Problem::Empty),
            bytes if bytes > MAX_EXPRESSION_BYTES => Err(Problem::TooLong { bytes }),
            _ => Ok(Self { tokens: Tokens::new(text), operators: 0, nesting: 0 }),
        }
    }

    fn finish(&mut self) -> Result<(), Problem> {
        self.tokens.expect(Kind::End)?;
        match self.operators {
            0..=MAX_OPERATORS => Ok(()),
            _ => Err(Problem::TooManyOperators { count: MAX_OPERATORS + 1 }),
        }
    }

    fn condition(&mut self) -> Result<Read<'a>, Problem> {
        let first = self.conjunction()?;
        if self.tokens.peek() != Kind::Keyword(Keyword::Or) {
            return Ok(first);
        }
        let mut alternatives = vec![self.as_condition(first.node)?];
        while self.eat_operator(Keyword::Or) {
            let next = self.conjunction()?;
            alternatives.push(self.as_condition(next.node)?);
        }
        Ok(Read { node: Node::Condition(RawCondition::Any(alternatives)), grouped: false })
    }

    fn conjunction(&mut self) -> Result<Read<'a>, Problem> {
        let first = self.negation()?;
        if self.tokens.peek() != Kind::Keyword(Keyword::And) {
            return Ok(first);
        }
        let mut parts = vec![self.as_condition(first.node)?];
        while self.eat_operator(Keyword::And) {
            let next = self.negation()?;
            parts.push(self.as_condition(next.node)?);
        }
        Ok(Read { node: Node::Condition(RawCondition::All(parts)), grouped: false })
    }

    fn negation(&mut self) -> Result<Read<'a>, Problem> {
        let before = self.operators;
        while self.eat_operator(Keyword::Not) {}
        let negations = self.operators - before;
        if negations > MAX_OPERATORS {
            // The tree of so many would be too deep to walk.
            return Err(Problem::TooManyOperators { count: MAX_OPERATORS + 1 });
        }
        let read = self.comparison()?;
        if negations == 0 {
            return Ok(read);
        }
        let inner = self.as_condition(read.node)?;
        let negated = (0..negations).fold(inner, |condition, _| RawCondition::Not(Box::new(condition)));
        Ok(Read { node: Node::Condition(negated), grouped: false })
    }

    fn comparison(&mut self) -> Result<Read<'a>, Problem> {
        let Read { node, grouped } = match self.tokens.peek() {
            OPEN => self.group()?,
            _ => self.term_as_read()?,
        };
        match node {
            Node::Term(operand) => self.compared(operand, grouped),
            condition @ Node::Condition(_) => Ok(Read { node: condition, grouped }),
        }
    }

    // Kept out of the functions that call each other, so that a level of nesting takes little of the stack.
    #[inline(never)]
    fn term_as_read(&mut self) -> Result<Read<'a>, Problem> {
        Ok(Read { node: Node::Term(self.term()?), grouped: false })
    }

    /// Reads what makes a comparison of a term, if that follows.
    #[inline(never)]
    fn compared(&mut self, operand: RawTerm<'a>, grouped: bool) -> Result<Read<'a>, Problem> {
        let test = match self.tokens.peek() {
            Kind::Symbol(symbol) if let Some(comparator) = Comparator::of_symbol(symbol) => {
                self.take_operator();
                RawTest::Compare { left: operand, comparator, right: self.operand()? }
            }
            Kind::Keyword(Keyword::Between) => {
                self.take_operator();
                let lower = self.operand()?;
                self.tokens.expect(Kind::Keyword(Keyword::And))?;
                RawTest::Between { operand, lower, upper: self.operand()? }
            }
            Kind::Keyword(Keyword::In) => {
                self.take_operator();
                self.tokens.expect(OPEN)?;
                let alternatives = self.list(Self::operand)?;
                self.tokens.expect(CLOSE)?;
                RawTest::In { operand, alternatives }
            }
            _ => return Ok(Read { node: Node::Term(operand), grouped }),
        };
        Ok(Read { node: Node::Condition(test.into()), grouped: false })
    }

    /// Reads a condition or a term in parentheses.
    fn group(&mut self) -> Result<Read<'a>, Problem> {
        self.enter()?;
        self.tokens.expect(OPEN)?;
        let inner = self.condition()?;
        self.tokens.expect(CLOSE)?;
        self.nesting -= 1;
        match inner.grouped {
            true => Err(Problem::RedundantParentheses),
            false => Ok(Read { node: inner.node, grouped: true }),
        }
    }

    /// A term that stands for a condition is a function; another lacks what would make it one.
    fn as_condition(&self, node: Node<'a>) -> Result<RawCondition<'a>, Problem> {
        match node {
            Node::Condition(condition) => Ok(condition),
            Node::Term(RawTerm::Call(call)) => Ok(RawTest::Call(call).into()),
            Node::Term(_) => Err(self.tokens.unexpected()),
        }
    }

    /// Reads a term where only a term can stand, in parentheses or not.
    fn operand(&mut self) -> Result<RawTerm<'a>, Problem> {
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

    fn term(&mut self) -> Result<RawTerm<'a>, Problem> {
        match (self.tokens.peek(), self.tokens.peek_second()) {
            (Kind::Value, _) => Ok(RawTerm::Value(self.tokens.take())),
            (Kind::Word, OPEN) => self.call().map(RawTerm::Call),
            _ => self.path().map(RawTerm::Path),
        }
    }

    fn call(&mut self) -> Result<RawCall<'a>, Problem> {
        self.enter()?;
        let function = self.take_operator();
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
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let mut list = vec![one(self)?];
        while self.tokens.eat(COMMA) {
            list.push(one(self)?);
        }
        Ok(list)
    }

    fn take_operator(&mut self) -> &'a str {
        self.operators += 1;
        self.tokens.take()
    }

    fn eat_operator(&mut self, keyword: Keyword) -> bool {
        let found = self.tokens.eat(Kind::Keyword(keyword));
        self.operators += usize::from(found);
        found
    }

    /// Goes one level deeper. Nothing that DynamoDB accepts is nested as deeply as is refused here.
    fn enter(&mut self) -> Result<(), Problem> {
        self.nesting += 1;
        match (self.nesting <= MAX_NESTING, self.operators <= MAX_OPERATORS) {
            (true, _) => Ok(()),
            (false, true) => Err(Problem::RedundantParentheses),
            (false, false) => Err(Problem::TooManyOperators { count: MAX_OPERATORS + 1 }),
        }
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
