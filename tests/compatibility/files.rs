//! The files that the page goes by.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::probes::Example;
use super::server::{Bed, Call};

const FOLDER: &str = "tests/compatibility";

/// What botocore says.
#[derive(Deserialize)]
pub struct Model {
    pub botocore: String,
    pub operations: BTreeMap<String, ModelOperation>,
}

#[derive(Deserialize)]
pub struct ModelOperation {
    /// Paths, those above before those below. A `!` at the end: required.
    pub parameters: Vec<String>,
    pub errors: Vec<String>,
}

#[derive(Deserialize)]
struct ExampleOnFile {
    bed: String,
    request: Value,
    then: Vec<Call>,
}

/// Which errors occur.
#[derive(Deserialize)]
pub struct Errors {
    pub shown: Vec<Case>,
    /// By name, alone or behind its operation and a dot.
    pub elsewhere: BTreeMap<String, Elsewhere>,
    /// The same, with the reason.
    pub never: BTreeMap<String, String>,
}

/// A request that is refused.
#[derive(Deserialize)]
pub struct Case {
    pub operation: String,
    pub error: String,
    pub bed: String,
    pub request: Value,
    pub status: u16,
    pub message: String,
}

/// An error that another test shows.
#[derive(Deserialize)]
pub struct Elsewhere {
    pub error: String,
    pub status: u16,
    pub when: String,
    pub test: String,
}

pub fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&read(&format!("{FOLDER}/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn model() -> Model {
    parsed("service_model.json")
}

pub fn errors() -> Errors {
    parsed("errors.json")
}

pub fn notes() -> BTreeMap<String, String> {
    parsed("notes.json")
}

/// What is there before a request, with its name.
pub fn bed(name: &str) -> (String, Bed) {
    let mut beds: BTreeMap<String, Bed> = parsed("beds.json");
    (name.to_owned(), beds.remove(name).unwrap_or_else(|| panic!("beds.json has no {name}")))
}

/// The examples of an operation, of all files.
pub fn examples_of(operation: &str) -> Vec<Example> {
    let files = ["items", "queries", "tables", "transactions"];
    let all = files.iter().flat_map(|file| {
        let mut examples: BTreeMap<String, Vec<ExampleOnFile>> = parsed(&format!("examples/{file}.json"));
        examples.remove(operation).unwrap_or_default()
    });
    all.map(|example| Example { bed: bed(&example.bed), request: example.request, then: example.then }).collect()
}

/// What the notes say of a parameter, and under which key: that of the operation, or that of all that have it.
pub fn note_of<'a>(notes: &'a BTreeMap<String, String>, operation: &str, path: &str) -> Option<(&'a str, &'a str)> {
    let found =
        notes.get_key_value(&format!("{operation}.{path}")).or_else(|| notes.get_key_value(&format!("*.{path}")));
    found.map(|(key, note)| (key.as_str(), note.as_str()))
}

impl Errors {
    pub fn is_shown(&self, operation: &str, error: &str) -> bool {
        self.shown.iter().any(|case| case.operation == operation && case.error == error)
    }

    pub fn elsewhere(&self, operation: &str, error: &str) -> Option<&Elsewhere> {
        let own = self.elsewhere.get(&format!("{operation}.{error}"));
        own.or_else(|| self.elsewhere.get(error).filter(|_| !self.has_own(operation, error)))
    }

    pub fn never(&self, operation: &str, error: &str) -> Option<&String> {
        let own = self.never.get(&format!("{operation}.{error}"));
        own.or_else(|| self.never.get(error).filter(|_| !self.has_own(operation, error)))
    }

    /// What is said of one operation goes before what is said of all.
    fn has_own(&self, operation: &str, error: &str) -> bool {
        let key = format!("{operation}.{error}");
        self.is_shown(operation, error) || self.elsewhere.contains_key(&key) || self.never.contains_key(&key)
    }
}
