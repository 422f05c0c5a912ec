//! What the server makes of a parameter, found out by taking it away.
//!
//! ```text
//!   example ──────────────────▶ answers ──┐
//!      │                                  ├─ equal ──────▶ ignored
//!      └─ without the parameter ▶ answers ┘  different ──▶ supported
//!
//!   the example is refused, and without the parameter it is not ──▶ refused
//! ```
//!
//! The answers are that of the request and, where it is carried out, those of what is asked afterwards. Each time it is about a table or a key of its own.

use serde_json::Value;

use super::server::{Answer, Bed, Call, Server};

/// Errors that say that a request was understood and carried out as far as it may be.
const OUTCOMES: [&str; 3] =
    ["ConditionalCheckFailedException", "TransactionCanceledException", "IdempotentParameterMismatchException"];

/// A request, what must be there before, and what is asked after it.
pub struct Example {
    /// The name of the bed, and the bed.
    pub bed: (String, Bed),
    pub request: Value,
    pub then: Vec<Call>,
}

impl Example {
    /// A request on nothing that is there.
    pub fn of_nothing() -> Self {
        Self { bed: super::files::bed("none"), request: Value::Null, then: Vec::new() }
    }
}

/// An example and its answers.
pub struct Answered {
    pub example: Example,
    pub answers: Vec<Answer>,
}

/// What the server makes of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The answers are the same without it.
    Ignored,
    /// A request that has it is refused, with this error.
    Refused(String),
    /// The answers are others without it.
    Supported,
}

/// The answers to a request and, if it is carried out, to what is asked after it.
pub fn answers(server: &Server, operation: &str, example: &Example, request: Value) -> Vec<Answer> {
    let calls: Vec<Call> =
        std::iter::once((operation.to_owned(), request)).chain(example.then.iter().cloned()).collect();
    let (name, bed) = &example.bed;
    server.ask(name, bed, &calls)
}

/// What the examples say of a parameter; `None` if they say nothing.
pub fn verdict(server: &Server, operation: &str, examples: &[Answered], path: &str) -> Option<Verdict> {
    let mut best = None;
    for Answered { example, answers: with } in examples {
        let Some(without) = without(&example.request, path) else { continue };
        best = best.max(judge(with, &answers(server, operation, example, without)));
        if best == Some(Verdict::Supported) {
            break;
        }
    }
    best
}

/// `None` if it shows nothing: something else is wrong with the request.
fn judge(with: &[Answer], without: &[Answer]) -> Option<Verdict> {
    match (refusal(with), refusal(without)) {
        (Some(_), Some(_)) => None,
        (Some(error), None) => Some(Verdict::Refused(error)),
        (None, _) if with == without => Some(Verdict::Ignored),
        (None, _) => Some(Verdict::Supported),
    }
}

fn refusal(answers: &[Answer]) -> Option<String> {
    let answer = answers.first()?;
    let error = answer.error().filter(|error| !OUTCOMES.contains(error))?;
    Some(format!("{error}: {}", answer.message()))
}

/// The request without the parameter at this path, the first if there are several; `None` if it has none.
fn without(request: &Value, path: &str) -> Option<Value> {
    let mut request = request.clone();
    remove(&mut request, path).then_some(request)
}

fn remove(value: &mut Value, path: &str) -> bool {
    if let Some(rest) = path.strip_prefix("[]") {
        return value.as_array_mut().is_some_and(|elements| elements.iter_mut().any(|element| remove(element, rest)));
    }
    if let Some(rest) = path.strip_prefix("{}") {
        return value.as_object_mut().is_some_and(|entries| entries.values_mut().any(|entry| remove(entry, rest)));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let name = path.split(['.', '[', '{']).next().unwrap_or(path);
    let Some(fields) = value.as_object_mut() else { return false };
    match &path[name.len()..] {
        "" => fields.remove(name).is_some(),
        rest => fields.get_mut(name).is_some_and(|below| remove(below, rest)),
    }
}

#[test]
fn a_parameter_is_taken_away_where_its_path_leads() {
    use serde_json::json;
    let request = json!({"A": 1, "B": [{"C": 2}, {"D": 3}, {"D": 4}], "E": {"x": {}, "y": {"F": {"G": 5}}}});
    let cases = [
        ("A", "/A", json!(null)),
        ("B[].D", "/B", json!([{"C": 2}, {}, {"D": 4}])),
        ("E{}.F", "/E", json!({"x": {}, "y": {}})),
        ("E{}.F.G", "/E/y/F", json!({})),
    ];
    for (path, place, left) in cases {
        let left_over = without(&request, path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(left_over.pointer(place).cloned().unwrap_or_default(), left, "{path}");
    }
    for path in ["Z", "A.B", "A[]", "B.C", "B[].Z", "E{}.F.Z", "A[].C"] {
        assert_eq!(without(&request, path), None, "{path}");
    }
}

#[test]
fn verdicts_go_by_the_answers() {
    use serde_json::json;
    let answer = |status, body| vec![Answer { status, body }, Answer { status: 200, body: json!({}) }];
    let [one, other] = [1, 2].map(|n| answer(200, json!({"n": n})));
    let failed = answer(400, json!({"__type": "x#ConditionalCheckFailedException"}));
    let refused = answer(400, json!({"__type": "x#ValidationException", "message": "no"}));
    assert_eq!(judge(&one, &one), Some(Verdict::Ignored));
    assert_eq!(judge(&one, &other), Some(Verdict::Supported));
    assert_eq!(judge(&one, &refused), Some(Verdict::Supported));
    assert_eq!(judge(&failed, &one), Some(Verdict::Supported));
    assert_eq!(judge(&refused, &one), Some(Verdict::Refused("ValidationException: no".to_owned())));
    assert_eq!(judge(&refused, &refused), None);
}
