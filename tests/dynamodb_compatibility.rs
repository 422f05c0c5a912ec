//! `docs/dynamodb-compatibility.md` says what a running cluster does with every operation, parameter and error of the service model.
//!
//! `SLIPRING_BLESS=1 cargo test --test dynamodb_compatibility` rewrites its generated parts. What it goes by is in `tests/compatibility`:
//!
//! | file | what |
//! |---|---|
//! | `service_model.json` | the operations, their parameters and errors, from botocore |
//! | `beds.json` | what is there before a request |
//! | `examples/` | requests; each parameter of the model is in one of them at least |
//! | `errors.json` | requests that are refused, and errors that cannot occur |
//! | `notes.json` | words on parameters; whatever is ignored or refused needs some |

mod cluster;
#[path = "compatibility/files.rs"]
mod files;
#[path = "compatibility/page.rs"]
mod page;
#[path = "compatibility/probes.rs"]
mod probes;
#[path = "compatibility/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use files::{Errors, Model, ModelOperation};
use page::{Page, Shown, Tested};
use probes::{Answered, Verdict, answers, verdict};
use serde_json::json;
use server::Server;

/// Most of a probe is waiting for disks.
const THREADS: usize = 8;

#[test]
fn the_page_says_what_the_server_does() {
    let (model, errors, notes) = (files::model(), files::errors(), files::notes());
    let server = Server::start();
    let tested = test_all(&server, &model);
    let shown = errors.shown.iter().map(|case| (case.error.clone(), case.show(&server))).collect();
    server.assert_unharmed();
    complain_of_notes(&tested, &notes);
    complain_of_errors(&tested, &model, &errors);
    page::agree(&Page { botocore: &model.botocore, tested: &tested, notes: &notes, shown, errors: &errors });
}

/// What the server does with each operation.
fn test_all(server: &Server, model: &Model) -> BTreeMap<String, Tested> {
    let names: Vec<&String> = model.operations.keys().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let turns = std::iter::from_fn(|| names.get(next.fetch_add(1, Ordering::Relaxed)));
        turns.map(|name| ((*name).clone(), test(server, name, &model.operations[*name]))).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no probe panics")).collect()
    })
}

fn test(server: &Server, operation: &str, model: &ModelOperation) -> Tested {
    let mut examples = Vec::new();
    for example in files::examples_of(operation) {
        let answers = answers(server, operation, &example, example.request.clone());
        examples.push(Answered { example, answers });
    }
    let bare = answers(server, operation, &probes::Example::of_nothing(), json!({}));
    let mut answers = examples.iter().map(|answered| &answered.answers[0]).collect::<Vec<_>>();
    answers.extend(&bare);
    let is_unknown = |answer: &&server::Answer| answer.error() == Some("UnknownOperationException");
    if let Some(refusal) = answers.iter().find(|answer| is_unknown(answer)) {
        return Tested::Refused(refusal.message().to_owned());
    }
    let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
    for path in &model.parameters {
        let path = path.trim_end_matches('!');
        let is_below =
            |above: &String| path.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with(['.', '[', '{']));
        if verdicts.iter().any(|(above, verdict)| is_below(above) && *verdict != Verdict::Supported) {
            continue;
        }
        let verdict = verdict(server, operation, &examples, path);
        verdicts.insert(path.to_owned(), verdict.unwrap_or_else(|| panic!("no example shows {operation}.{path}")));
    }
    Tested::Supported(verdicts)
}

/// What is ignored or refused has a word of explanation, and every explanation is of something.
fn complain_of_notes(tested: &BTreeMap<String, Tested>, notes: &BTreeMap<String, String>) {
    let (mut complaints, mut used) = (Vec::new(), BTreeSet::new());
    for (operation, tested) in tested {
        let Tested::Supported(verdicts) = tested else { continue };
        for (path, verdict) in verdicts {
            match files::note_of(notes, operation, path) {
                Some((key, _)) => drop(used.insert(key)),
                None if *verdict == Verdict::Supported => {}
                None => complaints.push(format!("{operation}.{path}: {verdict:?}, and notes.json does not say why")),
            }
        }
    }
    let unused = notes.keys().filter(|key| !used.contains(key.as_str()));
    complaints.extend(unused.map(|key| format!("notes.json speaks of {key}, which is not there")));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Each error that the model has for an operation is shown by a request, or it is said where else, or why it does not occur.
fn complain_of_errors(tested: &BTreeMap<String, Tested>, model: &Model, errors: &Errors) {
    let mut complaints = Vec::new();
    for (operation, tested) in tested {
        if matches!(tested, Tested::Refused(_)) {
            continue;
        }
        for error in &model.operations[operation].errors {
            let told = [
                errors.is_shown(operation, error),
                errors.elsewhere(operation, error).is_some(),
                errors.never(operation, error).is_some(),
            ];
            if told.iter().filter(|told| **told).count() != 1 {
                complaints
                    .push(format!("{operation}: {error} must be shown, shown elsewhere or never occur: {told:?}"));
            }
        }
    }
    for elsewhere in errors.elsewhere.values() {
        let name = elsewhere.error.as_str();
        if !files::read(&elsewhere.test).contains(name) {
            complaints.push(format!("{} does not speak of {name}", elsewhere.test));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

impl files::Case {
    /// Sends the request, which must be refused as the file says.
    fn show(&self, server: &Server) -> Shown {
        let example = probes::Example { bed: files::bed(&self.bed), request: self.request.clone(), then: Vec::new() };
        let answer = answers(server, &self.operation, &example, self.request.clone()).remove(0);
        let found = (answer.error().unwrap_or("none"), answer.status, answer.message());
        assert_eq!(
            found,
            (self.error.as_str(), self.status, self.message.as_str()),
            "{}: {}",
            self.operation,
            self.request
        );
        Shown { operation: self.operation.clone(), status: self.status, message: self.message.clone() }
    }
}
