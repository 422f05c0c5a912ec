//! Expressions as tokens.
//!
//! ```text
//!   word         letter, then letters, digits and underscores; nine of them are keywords in any case
//!   #name :value the mark, then at least one letter, digit or underscore
//!   index        0, or digits that do not begin with 0
//!   symbol       = <> < <= > >= ( ) [ ] , . + -
//!   bad          any other character, alone
//! ```
//!
//! Reading never fails: what is no token is a bad one, and the parser refuses it where it stands.

use super::error::Problem;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Keyword(Keyword),
    Name,
    Value,
    Index,
    Symbol(&'static str),
    Bad,
    End,
}

/// A word that is never an attribute or function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
    In,
    Between,
    Set,
    Remove,
    Add,
    Delete,
}

/// Longer symbols stand before those that they begin with.
const SYMBOLS: [&str; 14] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-"];

const KEYWORDS: [(&str, Keyword); 9] = [
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("NOT", Keyword::Not),
    ("IN", Keyword::In),
    ("BETWEEN", Keyword::Between),
    ("SET", Keyword::Set),
    ("REMOVE", Keyword::Remove),
    ("ADD", Keyword::Add),
    ("DELETE", Keyword::Delete),
];

/// A token: what it is and where in the text it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    start: usize,
    end: usize,
}

/// A text as tokens, and how far they are read.
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// The last one is the end of the text.
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut start = 0;
        while let Some(first) = text[start..].chars().next() {
            if matches!(first, ' ' | '\t' | '\n' | '\r') {
                start += 1;
                continue;
            }
            let (kind, length) = read(&text[start..], first);
            tokens.push(Token { kind, start, end: start + length });
            start += length;
        }
        tokens.push(Token { kind: Kind::End, start: text.len(), end: text.len() });
        Self { text, tokens, at: 0 }
    }

    /// The next token.
    pub(super) fn peek(&self) -> Kind {
        self.token(self.at).kind
    }

    /// The token after the next.
    pub(super) fn peek_second(&self) -> Kind {
        self.token(self.at + 1).kind
    }

    /// Takes the next token and gives its text.
    pub(super) fn take(&mut self) -> &'a str {
        let token = self.token(self.at);
        // The end of the text is never passed.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        &self.text[token.start..token.end]
    }

    /// Takes the next token if it is this one.
    pub(super) fn eat(&mut self, kind: Kind) -> bool {
        let found = self.peek() == kind;
        if found {
            self.take();
        }
        found
    }

    /// Takes the next token, which must be this one.
    pub(super) fn expect(&mut self, kind: Kind) -> Result<&'a str, Problem> {
        match self.peek() == kind {
            true => Ok(self.take()),
            false => Err(self.unexpected()),
        }
    }

    /// The next token cannot stand where it does.
    pub(super) fn unexpected(&self) -> Problem {
        let token = self.token(self.at);
        let from = self.at.checked_sub(1).map_or(0, |before| self.token(before).start);
        let near = &self.text[from..self.token(self.at + 1).end];
        let text = match token.kind {
            Kind::End => "<EOF>",
            _ => &self.text[token.start..token.end],
        };
        Problem::Syntax { token: text.to_owned(), near: near.to_owned() }
    }

    fn token(&self, at: usize) -> Token {
        self.tokens[at.min(self.tokens.len() - 1)]
    }
}

/// The token at the front of a text that is not empty, and its length in bytes.
fn read(text: &str, first: char) -> (Kind, usize) {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        return (Kind::Symbol(symbol), symbol.len());
    }
    let tail = |of: fn(u8) -> bool| text.bytes().skip(1).take_while(|byte| of(*byte)).count();
    match first {
        'a'..='z' | 'A'..='Z' => {
            let length = 1 + tail(is_word);
            let keyword = KEYWORDS.iter().find(|(word, _)| text[..length].eq_ignore_ascii_case(word));
            (keyword.map_or(Kind::Word, |(_, keyword)| Kind::Keyword(*keyword)), length)
        }
        '#' | ':' => match tail(is_word) {
            0 => (Kind::Bad, 1),
            length if first == '#' => (Kind::Name, 1 + length),
            length => (Kind::Value, 1 + length),
        },
        '0' => (Kind::Index, 1),
        '1'..='9' => (Kind::Index, 1 + tail(|byte| byte.is_ascii_digit())),
        _ => (Kind::Bad, first.len_utf8()),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a name can be written in an expression as it is, reserved words aside.
pub(super) fn is_plain_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() && read(name, first) == (Kind::Word, name.len()))
}
