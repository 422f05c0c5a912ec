//! The page: its generated parts, and whether they are what the file has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::files::{self, Errors};
use super::probes::Verdict;

const FILE: &str = "docs/dynamodb-compatibility.md";
const BLESS: &str = "SLIPRING_BLESS=1 cargo test --test dynamodb_compatibility";
const BEGIN: &str = "<!-- generated: SLIPRING_BLESS=1 cargo test --test dynamodb_compatibility rewrites it -->\n";
const END: &str = "<!-- end of what is generated -->\n";

/// What the server does with an operation.
pub enum Tested {
    /// It does not have it. Its words.
    Refused(String),
    /// By parameter.
    Supported(BTreeMap<String, Verdict>),
}

/// An error as a request has shown it.
pub struct Shown {
    pub operation: String,
    pub status: u16,
    pub message: String,
}

/// All that the page says.
pub struct Page<'a> {
    pub botocore: &'a str,
    pub tested: &'a BTreeMap<String, Tested>,
    pub notes: &'a BTreeMap<String, String>,
    /// With the names of the errors.
    pub shown: Vec<(String, Shown)>,
    pub errors: &'a Errors,
}

/// Compares the file with what it should be, or makes it so.
pub fn agree(page: &Page<'_>) {
    let written = files::read(FILE);
    let (before, rest) = written.split_once(BEGIN).expect("the begin mark");
    let (_, after) = rest.split_once(END).expect("the end mark");
    let generated = format!("{before}{BEGIN}\n{}\n{END}{after}", page.text());
    if std::env::var_os("SLIPRING_BLESS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE), generated).expect(FILE);
        return;
    }
    let differs = written.lines().zip(generated.lines()).find(|(written, generated)| written != generated);
    assert!(
        written == generated,
        "{FILE} is not what the server does, first here: {differs:#?}\nrefresh it with\n\n    {BLESS}\n"
    );
}

impl Page<'_> {
    fn text(&self) -> String {
        [self.numbers(), self.operations(), self.refused(), self.error_table(), self.never()].join("\n")
    }

    fn supported(&self) -> impl Iterator<Item = (&String, &BTreeMap<String, Verdict>)> {
        self.tested.iter().filter_map(|(operation, tested)| match tested {
            Tested::Supported(verdicts) => Some((operation, verdicts)),
            Tested::Refused(_) => None,
        })
    }

    fn numbers(&self) -> String {
        let verdicts = || self.supported().flat_map(|(_, verdicts)| verdicts.values());
        let supported = verdicts().filter(|verdict| **verdict == Verdict::Supported).count();
        let ignored = verdicts().filter(|verdict| **verdict == Verdict::Ignored).count();
        let refused = verdicts().count() - supported - ignored;
        format!(
            "Of the {} operations of the service model (botocore {}) there are {}. Of their parameters {supported} are supported, {ignored} accepted and \
             ignored, {refused} refused.\n",
            self.tested.len(),
            self.botocore,
            self.supported().count(),
        )
    }

    fn operations(&self) -> String {
        let mut text = "## Operations and parameters\n".to_owned();
        for (operation, verdicts) in self.supported() {
            let plain = |(path, verdict): &(&String, &Verdict)| {
                **verdict == Verdict::Supported && files::note_of(self.notes, operation, path).is_none()
            };
            let supported: Vec<String> = verdicts.iter().filter(plain).map(|(path, _)| format!("`{path}`")).collect();
            let none = if verdicts.is_empty() { "It has no parameters." } else { "" };
            let supported =
                if supported.is_empty() { none.to_owned() } else { format!("Supported: {}.", supported.join(", ")) };
            text.push_str(&format!("\n### {operation}\n\n{supported}\n"));
            let rows: Vec<String> = verdicts
                .iter()
                .filter(|row| !plain(row))
                .map(|(path, verdict)| self.row(operation, path, verdict))
                .collect();
            if !rows.is_empty() {
                text.push_str(&format!("\n| parameter | | |\n|---|---|---|\n{}", rows.concat()));
            }
        }
        text
    }

    fn row(&self, operation: &str, path: &str, verdict: &Verdict) -> String {
        let note = files::note_of(self.notes, operation, path).map_or("", |(_, note)| note);
        match verdict {
            Verdict::Supported => format!("| `{path}` | supported | {note} |\n"),
            Verdict::Ignored => format!("| `{path}` | accepted and ignored | {note} |\n"),
            Verdict::Refused(error) => format!("| `{path}` | refused | {note} {} |\n", as_code(error)),
        }
    }

    fn refused(&self) -> String {
        let mut by_words: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (operation, tested) in self.tested {
            if let Tested::Refused(words) = tested {
                by_words.entry(words.replace(operation.as_str(), "...")).or_default().push(operation);
            }
        }
        let mut text = "## Operations that are refused\n\nWith `UnknownOperationException`, status 400, whatever their parameters.\n".to_owned();
        for (words, operations) in by_words {
            text.push_str(&format!("\n`{words}`: {}.\n", operations.join(", ")));
        }
        text
    }

    fn error_table(&self) -> String {
        let mut rows: BTreeMap<(&str, u16, &str), BTreeSet<&str>> = BTreeMap::new();
        for (error, shown) in &self.shown {
            let key = (error.as_str(), shown.status, shown.message.as_str());
            rows.entry(key).or_default().insert(shown.operation.as_str());
        }
        let mut text =
            "## Errors that occur\n\n| error | status | text, or when | operations |\n|---|---|---|---|\n".to_owned();
        for ((error, status, message), operations) in rows {
            let operations: Vec<&str> = operations.into_iter().collect();
            let message = if message.is_empty() {
                "(no text)".to_owned()
            } else {
                as_code(&message.replace("$T", "NAME").replace("$ARN", "ARN"))
            };
            text.push_str(&format!("| {error} | {status} | {message} | {} |\n", operations.join(", ")));
        }
        for (key, elsewhere) in &self.errors.elsewhere {
            let operations = key.strip_suffix(elsewhere.error.as_str()).unwrap_or_default().trim_end_matches('.');
            let operations = if operations.is_empty() { "all that have it" } else { operations };
            let (error, status, when, test) = (&elsewhere.error, elsewhere.status, &elsewhere.when, &elsewhere.test);
            text.push_str(&format!("| {error} | {status} | {when} (`{test}`) | {operations} |\n"));
        }
        text
    }

    fn never(&self) -> String {
        let rows =
            self.errors.never.iter().map(|(error, reason)| format!("| {} | {reason} |\n", error.replace('.', ": ")));
        format!("## Errors that do not occur\n\n| error | why not |\n|---|---|\n{}", rows.collect::<String>())
    }
}

/// A text as code of a page.
fn as_code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
