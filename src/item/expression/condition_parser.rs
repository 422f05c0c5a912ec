//! The parser of conditions, which keeps what is open in a stack of its own and not on the thread's: parentheses may be
//! as deep as an expression is long.
//!
//! ```text
//!   condition   conjunction (OR conjunction)*
//!   conjunction negation (AND negation)*
//!   negation    NOT* comparison
//!   comparison  ( condition )
//!             | term [comparator term | BETWEEN term AND term | IN ( term , … )]
//!
//!   a = :x OR (b < :y AND NOT (c      Level { alternatives: [a = :x] }
//!                                     Level { parts: [b < :y], negations: 1 }
//!                                     Level {}                                 and c is read
//! ```
//!
//! `(` may begin a condition or a term. The parser does not try one and then the other, which would double the
//! work with each parenthesis: it reads either, and what follows the `)` tells which it was.

use super::error::Problem;
use super::lexer::{Keyword, Kind};
use super::parser::{CLOSE, OPEN, Parser};
use super::syntax::{Comparator, RawCondition, RawTerm, RawTest};

/// Reads a condition.
pub(super) fn parse_condition(text: &str) -> Result<RawCondition<'_>, Problem> {
    let mut parser = Parser::new(text)?;
    let condition = parser.condition()?;
    parser.finish()?;
    Ok(condition)
}

/// What has been read of a condition, in one pair of parentheses or none.
#[derive(Default)]
struct Level<'a> {
    /// What stood before the last OR.
    alternatives: Vec<RawCondition<'a>>,
    /// What stood before the last AND, after the last OR.
    parts: Vec<RawCondition<'a>>,
    /// How many NOT stand before what is read next.
    negations: usize,
}

/// A condition, or a term that may become part of one.
enum Node<'a> {
    Condition(RawCondition<'a>),
    Term(RawTerm<'a>),
}

/// What was read, and whether it was in parentheses.
struct Read<'a> {
    node: Node<'a>,
    grouped: bool,
}

impl<'a> Level<'a> {
    fn is_untouched(&self) -> bool {
        self.alternatives.is_empty() && self.parts.is_empty() && self.negations == 0
    }

    /// Adds what was read last.
    fn add(&mut self, condition: RawCondition<'a>) {
        let negations = std::mem::take(&mut self.negations);
        self.parts.push((0..negations).fold(condition, |condition, _| RawCondition::Not(Box::new(condition))));
    }

    /// What was added since the last OR is one alternative.
    fn close_alternative(&mut self) {
        self.alternatives.push(one_or(std::mem::take(&mut self.parts), RawCondition::All));
    }

    fn finish(mut self) -> RawCondition<'a> {
        self.close_alternative();
        one_or(self.alternatives, RawCondition::Any)
    }
}

fn one_or<'a>(
    mut conditions: Vec<RawCondition<'a>>,
    join: fn(Vec<RawCondition<'a>>) -> RawCondition<'a>,
) -> RawCondition<'a> {
    match (conditions.pop(), conditions.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            conditions.push(last);
            join(conditions)
        }
        (None, _) => join(conditions),
    }
}

impl<'a> From<RawTest<'a>> for RawCondition<'a> {
    fn from(test: RawTest<'a>) -> Self {
        Self::Test(Box::new(test))
    }
}

impl<'a> Parser<'a> {
    fn condition(&mut self) -> Result<RawCondition<'a>, Problem> {
        let mut outer = Vec::new();
        let mut level = Level::default();
        loop {
            while self.eat_operator(Keyword::Not) {
                level.negations += 1;
            }
            if self.tokens.eat(OPEN) {
                outer.push(std::mem::take(&mut level));
                continue;
            }
            let term = self.term()?;
            let mut read = self.compared(term, false)?;
            // Each parenthesis that closes makes one thing of what was read within it.
            while self.tokens.peek() == CLOSE
                && let Some(around) = outer.pop()
            {
                read = self.close(std::mem::replace(&mut level, around), read)?;
            }
            level.add(self.as_condition(read.node)?);
            if self.eat_operator(Keyword::Or) {
                level.close_alternative();
            } else if !self.eat_operator(Keyword::And) {
                return if outer.is_empty() { Ok(level.finish()) } else { Err(self.tokens.unexpected()) };
            }
        }
    }

    /// Reads a `)` and what makes a comparison of a term in it.
    fn close(&mut self, mut level: Level<'a>, last: Read<'a>) -> Result<Read<'a>, Problem> {
        let inner = if level.is_untouched() {
            last
        } else {
            level.add(self.as_condition(last.node)?);
            Read { node: Node::Condition(level.finish()), grouped: false }
        };
        self.tokens.expect(CLOSE)?;
        match inner {
            Read { grouped: true, .. } => Err(Problem::RedundantParentheses),
            Read { node: Node::Term(term), .. } => self.compared(term, true),
            Read { node, .. } => Ok(Read { node, grouped: true }),
        }
    }

    /// Reads what makes a comparison of a term, if that follows.
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

    /// A term that stands for a condition is a function; another lacks what would make it one.
    fn as_condition(&self, node: Node<'a>) -> Result<RawCondition<'a>, Problem> {
        match node {
            Node::Condition(condition) => Ok(condition),
            Node::Term(RawTerm::Call(call)) => Ok(RawTest::Call(call).into()),
            Node::Term(_) => Err(self.tokens.unexpected()),
        }
    }
}
