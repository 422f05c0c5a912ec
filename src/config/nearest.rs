//! What a misspelt section, key or variable was probably meant to be.

use super::{ENVIRONMENT_PREFIX, SECTIONS, Suggestion, keys};

/// Names shorter than this are not looked for inside others: every name contains an `r`.
const PART_MIN_CHARS: usize = 3;

pub(super) fn section_suggestion(section: &str) -> Suggestion {
    match nearest(section, sections()) {
        Some(name) => Suggestion::Nearest(format!("[{name}]")),
        None => all_sections(),
    }
}

/// For a key that stands in no section, or in `section`, which exists.
pub(super) fn key_suggestion(section: Option<&str>, name: &str) -> Suggestion {
    if let Some(path) = nearest_path(section, name) {
        return Suggestion::Nearest(path.to_owned());
    }
    match section {
        Some(section) => {
            Suggestion::AllKnown { what: format!("keys of [{section}]"), names: names_of(section).collect() }
        }
        None => all_sections(),
    }
}

pub(super) fn variable_suggestion(variable: &str) -> Suggestion {
    let rest = variable.get(ENVIRONMENT_PREFIX.len()..).unwrap_or_default().to_lowercase();
    let (section, name) = rest.split_once("__").unwrap_or(("", &rest));
    let section = nearest(section, sections());
    let path = nearest_path(section, name);
    match path.and_then(|path| keys().find(|key| key.path == path)) {
        Some(key) => Suggestion::Nearest(key.variable()),
        None => all_sections(),
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|section| section.name)
}

fn all_sections() -> Suggestion {
    Suggestion::AllKnown { what: "sections".to_owned(), names: sections().collect() }
}

fn names_of(section: &str) -> impl Iterator<Item = &'static str> {
    keys().filter(move |key| key.section == section).map(|key| key.name)
}

/// The same name in another section comes before a similar one in this section.
fn nearest_path(section: Option<&str>, name: &str) -> Option<&'static str> {
    let same_name = keys().find(|key| key.name == name && section.is_none_or(|s| s == key.section));
    let same_name = same_name.or_else(|| keys().find(|key| key.name == name));
    if let Some(key) = same_name {
        return Some(key.path);
    }
    let similar = section.and_then(|section| nearest(name, names_of(section)));
    if let Some(similar) = similar {
        let key = keys().find(|key| Some(key.section) == section && key.name == similar);
        return key.map(|key| key.path);
    }
    let similar = nearest(name, keys().map(|key| key.name))?;
    keys().find(|key| key.name == similar).map(|key| key.path)
}

/// The known name with the fewest edits between, if they are few for the length. One that contains the other counts
/// as one edit, so that `sync_interval` finds `sync_interval_ms`.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let edits = |name: &str| {
        let part = wanted.len().min(name.len()) >= PART_MIN_CHARS;
        if part && (name.contains(&wanted) || wanted.contains(name)) {
            return 1;
        }
        strsim::damerau_levenshtein(&wanted, name)
    };
    let chars = wanted.chars().count();
    // Another letter in the place of the only one is a different word.
    let near = |edits: usize| edits < chars && edits <= (chars / 3).max(1);
    known
        .map(|name| (edits(name), name))
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| near(*edits))
        .map(|(_, name)| name)
}
