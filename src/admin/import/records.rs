//! The records of a file, whichever of three shapes it has.
//!
//! ```text
//!   JSON Lines              {"id": 1}⏎{"id": 2}⏎                 read line by line, a bad line spoils only itself
//!   an array                [{"id": 1}, {"id": 2}]               read as a whole
//!   an object with one      {"records": [{"id": 1}, {"id": 2}]}  read as a whole
//! ```
//!
//! Values that follow each other without being one to a line, as `jq` prints them, are read as a whole too.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::admin::json_text::{self, JsonTextError};

/// One record, or why it is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub place: Place,
    /// Its attributes.
    pub object: Result<Map<String, Value>, RecordError>,
    /// How many bytes of the file have been read up to its end.
    pub read_bytes: u64,
}

/// Where a record stands in its file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of JSON Lines.
    Line(u64),
    /// A place in an array.
    Index(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Index(number) => write!(f, "record {number}"),
        }
    }
}

/// Why something is not a record. The others are read all the same.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A line that is not JSON.
    #[error("{}", .0.short())]
    Malformed(JsonTextError),
    /// JSON that is not an object.
    #[error("is {found}, not an object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
}

/// Why a file as a whole cannot be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system says so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has none of the three shapes.
    #[error("{0}")]
    NotRecords(JsonTextError),
}

/// The records of a file, in order.
pub struct Records<R> {
    reader: R,
    /// Lines that were read to find out the shape.
    peeked: VecDeque<(u64, Vec<u8>)>,
    /// The records of a file that is read as a whole.
    whole: std::vec::IntoIter<Value>,
    read_bytes: u64,
    lines: u64,
    indexes: u64,
}

impl<R: BufRead> Records<R> {
    /// Finds out the shape. A single object with one array is a record of its own if that array is what `key` names.
    ///
    /// # Errors
    ///
    /// The file cannot be read or has none of the shapes.
    pub fn open(reader: R, key: &str) -> Result<Self, FileError> {
        let none = Vec::new().into_iter();
        let mut records = Self { reader, peeked: VecDeque::new(), whole: none, read_bytes: 0, lines: 0, indexes: 0 };
        let Some((number, first)) = records.next_line()? else { return Ok(records) };
        match serde_json::from_slice::<Value>(&first) {
            Ok(Value::Array(_)) | Err(_) => records.read_whole(number, first, key)?,
            Ok(mut value) => match take_sole_array(&mut value, key) {
                None => records.peeked.push_back((number, first)),
                Some(array) => match records.next_line()? {
                    None => records.whole = array.into_iter(),
                    Some(second) => records.peeked.extend([(number, first), second]),
                },
            },
        }
        Ok(records)
    }

    fn read_whole(&mut self, number: u64, first: Vec<u8>, key: &str) -> Result<(), FileError> {
        let mut text = vec![b'\n'; usize::try_from(number).unwrap_or(1).saturating_sub(1)];
        text.extend(&first);
        self.read_bytes += self.reader.read_to_end(&mut text)? as u64;
        let text = String::from_utf8_lossy(&text).into_owned();
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
        match values {
            Ok(mut values) if values.len() == 1 => self.whole = of_document(values.remove(0), key).into_iter(),
            Ok(values) => self.whole = values.into_iter(),
            Err(error) => {
                let is_lines = text.lines().any(|line| matches!(serde_json::from_str(line), Ok(Value::Object(_))));
                if !is_lines {
                    return Err(FileError::NotRecords(JsonTextError::new(&text, &error)));
                }
                let lines = text.split('\n').map(|line| line.as_bytes().to_vec());
                self.peeked = (1..).zip(lines).filter(|(_, line)| !is_blank(line)).collect();
            }
        }
        Ok(())
    }

    /// The next line that is not blank, with its number, without a byte order mark.
    fn next_line(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let mut line = Vec::new();
            let read = self.reader.read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.read_bytes += read as u64;
            self.lines += 1;
            if self.lines == 1 && line.starts_with("\u{feff}".as_bytes()) {
                line.drain(..3);
            }
            if !is_blank(&line) {
                return Ok(Some((self.lines, line)));
            }
        }
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let (place, object) = if let Some(value) = self.whole.next() {
            self.indexes += 1;
            (Place::Index(self.indexes), of_value(value))
        } else {
            let line = match self.peeked.pop_front() {
                Some(line) => Ok(Some(line)),
                None => self.next_line(),
            };
            let (number, line) = match line.transpose()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let text = String::from_utf8_lossy(&line);
            let value = json_text::parse(text.trim_end()).map_err(RecordError::Malformed);
            (Place::Line(number), value.and_then(of_value))
        };
        Some(Ok(Record { place, object, read_bytes: self.read_bytes }))
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// The array that is all there is in an object, unless it belongs to the key.
fn take_sole_array(value: &mut Value, key: &str) -> Option<Vec<Value>> {
    let object = value.as_object_mut().filter(|object| object.len() == 1 && !object.contains_key(key))?;
    match object.values_mut().next() {
        Some(Value::Array(array)) => Some(std::mem::take(array)),
        _ => None,
    }
}

fn of_document(mut value: Value, key: &str) -> Vec<Value> {
    match take_sole_array(&mut value, key) {
        Some(array) => array,
        None => match value {
            Value::Array(values) => values,
            other => vec![other],
        },
    }
}

fn of_value(value: Value) -> Result<Map<String, Value>, RecordError> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Err(RecordError::NotAnObject { found: "null" }),
        Value::Bool(_) => Err(RecordError::NotAnObject { found: "a boolean" }),
        Value::Number(_) => Err(RecordError::NotAnObject { found: "a number" }),
        Value::String(_) => Err(RecordError::NotAnObject { found: "a string" }),
        Value::Array(_) => Err(RecordError::NotAnObject { found: "an array" }),
    }
}
