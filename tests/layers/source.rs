//! A source file as the rules see it: its code without comments, without the contents of strings, and without its tests.

use std::path::{Path, PathBuf};

/// One file below the project's root.
pub struct Source {
    /// With `/`, from the project's root.
    pub path: String,
    /// As it is on disk.
    pub text: String,
    /// The same number of lines, with spaces for comments, the contents of strings, and inline test modules.
    pub code: String,
    /// Whether the whole file is compiled for tests only.
    pub is_test: bool,
}

impl Source {
    /// The line of a byte of `code`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.code.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
    }

    /// The parts of the module's path: `["actors", "node"]` for `src/actors/node.rs`, nothing for `src/lib.rs`.
    pub fn module_path(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let mut parts: Vec<&str> = inside.split('/').collect();
        if matches!(parts.last(), Some(&"mod" | &"lib")) {
            parts.pop();
        }
        parts
    }

    /// The top-level module it belongs to; `bin` for programs.
    pub fn top(&self) -> &str {
        self.module_path().first().copied().unwrap_or("lib")
    }

    /// Every identifier of the code with its place.
    pub fn identifiers(&self) -> Vec<(usize, &str)> {
        let bytes = self.code.as_bytes();
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |length| at + length);
            if end > at {
                if !bytes[at].is_ascii_digit() {
                    found.push((at, &self.code[at..end]));
                }
                at = end;
            } else {
                at += 1;
            }
        }
        found
    }

    /// Where `needle` stands in the code, not as a part of a longer word.
    pub fn places(&self, needle: &str) -> Vec<usize> {
        let bytes = self.code.as_bytes();
        let starts_word = needle.starts_with(|first: char| is_word(first as u8));
        let ends_word = needle.ends_with(|last: char| is_word(last as u8));
        let matches = self.code.match_indices(needle).map(|(at, _)| at);
        matches
            .filter(|at| !starts_word || *at == 0 || !is_word(bytes[at - 1]))
            .filter(|at| !ends_word || !bytes.get(at + needle.len()).is_some_and(|next| is_word(*next)))
            .collect()
    }

    /// The names that a path leads to after `prefix`, such as `std::time::`: one, or those in braces (their first parts).
    pub fn names_after(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for at in self.places(prefix) {
            let rest = &self.code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(inside) => {
                    names.extend(first_parts(inside).into_iter().map(|name| (at, name)));
                }
                None => names.push((at, word(rest).to_owned())),
            }
        }
        names
    }
}

/// The word that `text` begins with.
pub fn word(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    &text[..end]
}

/// The first word of each entry of `{a::b, c::{d, e}, f}`; `inside` begins after the brace.
fn first_parts(inside: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && depth == 0 && !character.is_whitespace() => {
                parts.push(word(&inside[at..]).to_owned());
                fresh = false;
            }
            _ => {}
        }
    }
    parts
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Reads every `.rs` file below `folder`, sorted by path.
pub fn read_all(root: &Path, folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a readable source file");
        let path = path.strip_prefix(root).expect("below the root").display().to_string();
        let code = without_tests(&blanked(&text));
        Source { path, text, code, is_test: false }
    };
    let mut sources: Vec<Source> = paths.iter().map(read).collect();
    mark_tests(&mut sources);
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a folder entry").path()) {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

/// Marks the files that are listed below `#[cfg(test)]`.
fn mark_tests(sources: &mut [Source]) {
    let mut tests = Vec::new();
    for source in sources.iter() {
        for listed in listed_modules(source) {
            if listed.for_tests {
                tests.extend(listed.candidates);
            }
        }
    }
    for source in sources {
        source.is_test = tests.contains(&source.path);
    }
}

/// A `mod name;` and where its file may lie.
pub struct Listed {
    pub candidates: Vec<String>,
    pub for_tests: bool,
}

/// The modules that a file lists.
pub fn listed_modules(source: &Source) -> Vec<Listed> {
    let mut listed = Vec::new();
    let (mut path_attribute, mut for_tests): (Option<String>, bool) = (None, false);
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    for line in source.text.lines().map(str::trim) {
        if line.starts_with("#[cfg(test)]") {
            for_tests = true;
        } else if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            path_attribute = Some(path.to_owned());
        } else if line.starts_with("#[") || line.starts_with("//") {
        } else {
            let declared = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            let declared = declared.trim_start_matches("pub ");
            if let Some(name) = declared.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                let below = match stem {
                    "mod" | "lib" | "main" => folder.to_owned(),
                    stem => format!("{folder}/{stem}"),
                };
                let candidates = match path_attribute.take() {
                    Some(path) => vec![format!("{folder}/{path}")],
                    None => vec![format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs")],
                };
                listed.push(Listed { candidates, for_tests });
            }
            (path_attribute, for_tests) = (None, false);
        }
    }
    listed
}

/// The text with spaces for comments and for what is inside of string and character literals.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("spaces for whole literals")
}

/// Where the comment or literal that begins at `at` ends; `at` where none begins.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |from: usize, needle: &[u8]| {
        let place = rest[from..].windows(needle.len()).position(|window| window == needle);
        place.map_or(bytes.len(), |place| at + from + place + needle.len())
    };
    let in_word = at > 0 && is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        return rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
    }
    if rest.starts_with(b"/*") {
        return find(2, b"*/");
    }
    if !in_word && (rest.starts_with(b"r\"") || rest.starts_with(b"r#")) {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            return find(2 + hashes, &[b"\"".as_slice(), &b"#".repeat(hashes)].concat());
        }
    }
    match rest[0] {
        b'"' => at + 1 + quoted_length(&rest[1..], b'"'),
        // A lifetime has no second quote: 'a, against 'a' and '\n'.
        b'\'' if rest.get(1) == Some(&b'\\') => at + 1 + quoted_length(&rest[1..], b'\''),
        b'\'' => {
            let width = rest[1..].iter().skip(1).take_while(|byte| **byte & 0xC0 == 0x80).count() + 1;
            if rest.get(1 + width) == Some(&b'\'') { at + width + 2 } else { at }
        }
        _ => at,
    }
}

/// The length of a literal's inside and its closing quote.
fn quoted_length(inside: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < inside.len() && inside[at] != quote {
        at += if inside[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(inside.len())
}

/// The code with spaces for every `#[cfg(test)] mod name { … }`.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, marker) in code.match_indices("#[cfg(test)]") {
        let rest = &code[at + marker.len()..];
        let is_module = rest.trim_start().starts_with("mod ") || rest.trim_start().starts_with("pub mod ");
        let (Some(open), Some(end_of_item)) = (rest.find('{'), rest.find([';', '{'])) else { continue };
        if !is_module || open != end_of_item {
            continue;
        }
        let mut depth = 0;
        for byte in &mut out[at..] {
            match *byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => {
                    *byte = b' ';
                    break;
                }
                b'}' => depth -= 1,
                _ => {}
            }
            if *byte != b'\n' {
                // Braces are counted before they vanish.
                *byte = b' ';
            }
        }
    }
    String::from_utf8(out).expect("spaces for whole items")
}
