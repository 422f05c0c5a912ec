//! Keeps the architecture true: who may import whom, what core code must not touch, and how files and names look.
//!
//! Every rule reads `src/`. A violation says where it is and what to do. What has a good reason to break a rule stands in
//! [`EXCEPTIONS`], which may only shrink: an exception that nothing needs any more fails the test.

#[path = "layers/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use source::{Source, listed_modules, read_all, word};

/// The layer of each top-level module: the table in `src/lib.rs`, and the programs on top.
const LAYERS: &[(&str, u8)] = &[
    ("dynamo", 0),
    ("item", 0),
    ("consensus", 0),
    ("metadata", 0),
    ("messages", 1),
    ("storage", 2),
    ("wire", 2),
    ("config", 2),
    ("metrics", 2),
    ("actors", 3),
    ("client", 4),
    ("http", 4),
    ("admin", 4),
    ("sim", 4),
    ("bin", 5),
];

/// Modules that a simulation runs in virtual time, with chance from a seed.
const CORE: &[&str] = &["actors", "messages", "wire", "dynamo", "item", "consensus", "metadata", "sim"];

/// Modules that are nothing but values.
const PURE: &[&str] = &["dynamo", "item", "consensus", "metadata"];

/// The only file that names all actors.
const ASSEMBLY: &str = "src/actors/assembly.rs";

/// A file, without its tests, has no more lines.
const FILE_LINES_MAX: usize = 600;

/// Names of the standard library and of other crates: they are not ours to choose.
const FOREIGN_NAMES: &[&str] = &["into_inner", "into_inner_if", "ilog2", "sha2", "flate2", "futures_util"];

/// The same for names that are banned alone.
const FOREIGN_PATHS: &[&str] = &["web::Data", "metrics::info", "raft::util", "entry.data", "snapshot.data"];

/// A file that may break a rule.
struct Exception {
    path: &'static str,
    rule: Rule,
    /// What in the file is meant: the violation must contain it.
    about: &'static str,
    reason: &'static str,
}

/// This list may only shrink.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        path: "src/actors/bridge_listener.rs",
        rule: Rule::ActorsKnowNoActors,
        about: "BridgeSession",
        reason: "a parent starts its children: one session per connection",
    },
    Exception {
        path: "src/actors/links.rs",
        rule: Rule::ActorsKnowNoActors,
        about: "Peer",
        reason: "a parent starts its children: one link per member",
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Layers,
    ValuesArePure,
    CoreIsRepeatable,
    ActorsKnowNoActors,
    FileLength,
    Names,
    EveryFileIsListed,
    NothingIsSilenced,
}

struct Violation {
    rule: Rule,
    path: String,
    line: usize,
    what: String,
    remedy: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, path, line, what, remedy } = self;
        write!(f, "{path}:{line}: {rule:?}: {what}\n      {remedy}")
    }
}

/// What a rule has found in one file.
struct Report<'a> {
    rule: Rule,
    source: &'a Source,
    violations: &'a mut Vec<Violation>,
}

impl Report<'_> {
    fn at(&mut self, offset: usize, what: String, remedy: &'static str) {
        self.at_line(self.source.line(offset), what, remedy);
    }

    fn at_line(&mut self, line: usize, what: String, remedy: &'static str) {
        self.violations.push(Violation { rule: self.rule, path: self.source.path.clone(), line, what, remedy });
    }

    /// One violation for each place of each word.
    fn words(&mut self, words: &[&str], remedy: &'static str) {
        for banned in words {
            for at in self.source.places(banned) {
                self.at(at, format!("`{banned}`"), remedy);
            }
        }
    }
}

#[test]
fn the_architecture_is_as_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = read_all(root, "src");
    assert!(sources.len() > 50, "src/ is not where it is looked for");
    let mut violations = violations(&sources);
    let mut stale = Vec::new();
    for exception in EXCEPTIONS {
        let covered = |violation: &Violation| {
            violation.path == exception.path
                && violation.rule == exception.rule
                && violation.what.contains(exception.about)
        };
        if !violations.iter().any(covered) {
            stale.push(format!(
                "{}: {:?} about `{}` ({}): nothing needs this exception any more, remove it from EXCEPTIONS",
                exception.path, exception.rule, exception.about, exception.reason
            ));
        }
        violations.retain(|violation| !covered(violation));
    }
    let mut complaints: Vec<String> = violations.iter().map(ToString::to_string).collect();
    complaints.extend(stale);
    assert!(complaints.is_empty(), "{} complaint(s):\n\n  {}\n", complaints.len(), complaints.join("\n\n  "));
}

/// The table that a reader of the crate sees first is the one that is checked.
#[test]
fn the_table_in_lib_rs_is_the_one_that_is_checked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("src/lib.rs")).expect("src/lib.rs");
    let mut in_table = 0;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("//! | ").filter(|row| row.starts_with(|c: char| c.is_ascii_digit())) else {
            continue;
        };
        let (layer, rest) = row.split_once(" | [`").expect("a row: layer | [`module`] | what it is");
        let (module, _) = rest.split_once("`]").expect("a module's name");
        assert_eq!(layer_of(module).map(|layer| layer.to_string()).as_deref(), Some(layer), "src/lib.rs: {module}");
        in_table += 1;
    }
    let modules = text.lines().filter(|line| line.starts_with("pub mod ")).count();
    assert_eq!(in_table, modules, "src/lib.rs: every module has a row in the table of layers");
}

fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let actors = actor_types(sources);
    for source in sources {
        let mut check = |rule: Rule, check: &dyn Fn(&Source, &mut Report<'_>)| {
            check(source, &mut Report { rule, source, violations: &mut violations });
        };
        check(Rule::Names, &names);
        check(Rule::NothingIsSilenced, &nothing_is_silenced);
        check(Rule::EveryFileIsListed, &|source, report| every_file_is_listed(source, sources, report));
        if source.is_test {
            continue;
        }
        check(Rule::Layers, &layers);
        check(Rule::FileLength, &file_length);
        if PURE.contains(&source.top()) {
            check(Rule::ValuesArePure, &values_are_pure);
        }
        if CORE.contains(&source.top()) {
            check(Rule::CoreIsRepeatable, &core_is_repeatable);
        }
        check(Rule::CoreIsRepeatable, &selects_are_biased);
        if source.top() == "actors" && source.path != ASSEMBLY {
            check(Rule::ActorsKnowNoActors, &|source, report| actors_know_no_actors(source, &actors, report));
        }
    }
    violations
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// Imports go downward. Modules of layers 0 and 4 may also use their neighbours; those of layer 2 stand alone.
fn layers(source: &Source, report: &mut Report<'_>) {
    let own = source.top();
    if own == "lib" {
        return;
    }
    let Some(own_layer) = layer_of(own) else {
        let remedy = "give the module a row in LAYERS (tests/layers.rs) and in the table of src/lib.rs";
        return report.at_line(1, format!("the module `{own}` has no layer"), remedy);
    };
    let prefix = if own == "bin" { "slipring::" } else { "crate::" };
    for (at, target) in source.names_after(prefix) {
        let allowed = layer_of(&target).is_some_and(|layer| {
            layer < own_layer || target == own || (layer == own_layer && matches!(own_layer, 0 | 4))
        });
        if !allowed {
            let remedy = "imports go to lower layers only: move the type down, or pass the value in";
            report.at(at, format!("`{own}` (layer {own_layer}) uses `{prefix}{target}`"), remedy);
        }
    }
    let up = "super::".repeat(source.module_path().len());
    if own != "bin" {
        for at in source.places(&up) {
            report.at(at, format!("`{up}` climbs to the crate's root"), "write crate::module, so that the layer shows");
        }
    }
}

fn values_are_pure(_: &Source, report: &mut Report<'_>) {
    report.words(&["actix", "tokio"], "a decision is a value: it has no actor and waits for nothing");
    report.words(&["Instant", "SystemTime"], "time is an argument (`now_ms`)");
    report.words(
        &["std::fs", "std::net", "std::thread", "std::env"],
        "a decision does no I/O: take what was read as an argument",
    );
    report.words(
        &["thread_rng", "rand::rng", "rand::random", "OsRng", "getrandom", "new_v4"],
        "chance is an argument (`rng`)",
    );
}

fn core_is_repeatable(source: &Source, report: &mut Report<'_>) {
    report.words(
        &["Arbiter::new", "SyncArbiter"],
        "actors run where assembly puts them: the simulator puts all of them on one thread",
    );
    report.words(
        &["SystemRegistry", "SystemService", "ArbiterService", "Supervised", "Supervisor", "from_registry"],
        "no registry and no supervisor: pass a Recipient in `new`",
    );
    let remedy = "time is virtual in a simulation: tokio::time, or the WallClock argument";
    for (at, name) in source.names_after("std::time::") {
        if matches!(name.as_str(), "Instant" | "SystemTime") {
            report.at(at, format!("`std::time::{name}`"), remedy);
        }
    }
    report.words(&["SystemTime::now"], remedy);
    report.words(
        &["thread_rng", "rand::rng", "rand::random", "OsRng", "getrandom", "new_v4"],
        "chance comes from the seeded rng that assembly passes on",
    );
    report.words(
        &["HashMap", "HashSet"],
        "its order differs from run to run: BTreeMap, BTreeSet, or an index that is never walked",
    );
    report.words(&["watch::channel"], "waiters wake in any order: send each of them a message");
}

/// An unbiased `select!` draws its branch at random.
fn selects_are_biased(source: &Source, report: &mut Report<'_>) {
    for needle in ["select!", "select_biased!"] {
        for at in source.places(needle) {
            let inside = source.code[at + needle.len()..].trim_start().trim_start_matches(['{', '(']).trim_start();
            if !inside.starts_with("biased;") {
                report.at(
                    at,
                    format!("`{needle}` without `biased;`"),
                    "begin it with `biased;` and order the branches",
                );
            }
        }
    }
}

/// The actor types by the name of their file's module.
fn actor_types(sources: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.top() == "actors" && !source.is_test) {
        let module = source.module_path().last().copied().unwrap_or_default().to_owned();
        let names = source.names_after("impl Actor for ").into_iter().map(|(_, name)| name);
        types.entry(module).or_default().extend(names);
    }
    types
}

fn actors_know_no_actors(source: &Source, actors: &BTreeMap<String, Vec<String>>, report: &mut Report<'_>) {
    let own = source.module_path().last().copied().unwrap_or_default();
    for (module, types) in actors.iter().filter(|(module, _)| *module != own) {
        for prefix in [format!("super::{module}::"), format!("crate::actors::{module}::")] {
            for (at, name) in source.names_after(&prefix).into_iter().filter(|(_, name)| types.contains(name)) {
                let remedy = "take a Recipient of the message in `new`; assembly.rs knows who receives it";
                report.at(at, format!("the actor `{name}` of {module}.rs is named"), remedy);
            }
        }
    }
}

fn file_length(source: &Source, report: &mut Report<'_>) {
    let code = source.code.trim_end();
    let lines = code.lines().count();
    if lines > FILE_LINES_MAX {
        let remedy = "one file, one idea: find the second idea and give it a file";
        report.at_line(lines, format!("{lines} lines without tests, {FILE_LINES_MAX} are allowed"), remedy);
    }
}

fn names(source: &Source, report: &mut Report<'_>) {
    const REMEDY: &str = "say what it is or does, in the words of the design";
    let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if let Some(banned) = banned_name(stem) {
        report.at_line(1, format!("the file is called `{stem}` ({banned})"), REMEDY);
    }
    for (at, name) in source.identifiers() {
        let is_log_macro = name == "info"
            && (source.code[at + name.len()..].starts_with('!') || imports_of(source, at).starts_with("use tracing::"));
        let is_foreign = FOREIGN_PATHS
            .iter()
            .any(|path| path.strip_suffix(name).is_some_and(|before| source.code[..at].ends_with(before)));
        if let Some(banned) = banned_name(name).filter(|_| !is_log_macro && !is_foreign) {
            report.at(at, format!("the name `{name}` ({banned})"), REMEDY);
        }
    }
}

/// The beginning of the statement around `at`.
fn imports_of(source: &Source, at: usize) -> &str {
    let begin = source.code[..at].rfind(';').map_or(0, |end| end + 1);
    source.code[begin..].trim_start()
}

fn banned_name(name: &str) -> Option<&'static str> {
    if FOREIGN_NAMES.contains(&name) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let words = split_words(name);
    let has = |banned: &[&str]| words.iter().any(|word| banned.contains(&word.as_str()));
    if has(&["helper", "helpers"]) {
        Some("helper says nothing")
    } else if has(&["util", "utils"]) {
        Some("util says nothing")
    } else if has(&["common", "misc"]) {
        Some("common and misc say nothing")
    } else if lower == "data" || name == "info" {
        Some("everything is data or info")
    } else if name.ends_with("_inner") {
        Some("_inner: say what the inner part is")
    } else if name.strip_suffix('2').is_some_and(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase())) {
        Some("x2: say how it differs from x")
    } else {
        None
    }
}

/// `read_allFiles` as `read`, `all`, `files`.
fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character.is_uppercase() {
            words.push(String::new());
        }
        if character != '_' {
            words.last_mut().expect("one at least").push(character.to_ascii_lowercase());
        }
    }
    words
}

fn every_file_is_listed(source: &Source, sources: &[Source], report: &mut Report<'_>) {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("Cargo.toml");
    let is_root = source.path == "src/lib.rs" || manifest.contains(&format!("path = \"{}\"", source.path));
    let is_listed = sources.iter().flat_map(listed_modules).any(|listed| listed.candidates.contains(&source.path));
    if !is_root && !is_listed {
        report.at_line(1, "no module lists this file".to_owned(), "add `mod …;` where it belongs, or delete it");
    }
}

fn nothing_is_silenced(_: &Source, report: &mut Report<'_>) {
    report.words(&["todo!", "unimplemented!"], "finish it, or return an error that says so");
    report.words(&["#[allow(", "#![allow("], "use #[expect(…, reason = \"…\")], which goes stale by itself");
    report.words(&["#[ignore"], "a test that does not run proves nothing: mend or delete it");
}

/// Tests and benches may do more than `src/`, but not fall silent.
#[test]
fn no_test_is_ignored_or_unfinished() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut violations = Vec::new();
    for source in ["tests", "benches"].into_iter().flat_map(|folder| read_all(root, folder)) {
        let mut report = Report { rule: Rule::NothingIsSilenced, source: &source, violations: &mut violations };
        report.words(&["todo!", "unimplemented!"], "finish it");
        report.words(&["#[ignore"], "a test that does not run proves nothing: mend or delete it");
    }
    let complaints: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A rule that finds nothing proves nothing unless it can find something.
mod the_rules_can_fail {
    use super::source::Source;
    use super::{Rule, violations};

    /// The rules that `code` breaks as the file `path`, which is listed.
    fn broken(path: &str, code: &str) -> Vec<Rule> {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: text.to_owned(),
            is_test: false,
        };
        let parent = |path: &str| {
            let (folder, file) = path.rsplit_once('/').expect("a folder");
            source(&format!("{folder}/mod.rs"), &format!("mod {};", file.trim_end_matches(".rs")))
        };
        let actor = source("src/actors/node.rs", "impl Actor for Node {}");
        let modules = [parent(path), source("src/lib.rs", "mod actors; mod wire;"), actor];
        let all: Vec<Source> = modules.into_iter().chain([source(path, code)]).collect();
        let mut rules: Vec<Rule> =
            violations(&all).into_iter().filter(|found| found.path == path).map(|found| found.rule).collect();
        rules.dedup();
        rules
    }

    #[test]
    fn each_on_its_own() {
        let long = "fn f() {}\n".repeat(601);
        let table: [(&str, &str, &[Rule]); 27] = [
            ("src/dynamo/a.rs", "use crate::item::Key;", &[]),
            ("src/dynamo/a.rs", "use crate::messages::X;", &[Rule::Layers]),
            ("src/messages/a.rs", "use crate::{storage::X, item::Y};", &[Rule::Layers]),
            ("src/wire/a.rs", "use crate::messages::{X, Y};", &[]),
            ("src/wire/a.rs", "use crate::storage::X;", &[Rule::Layers]),
            ("src/wire/a.rs", "use super::super::storage::X;", &[Rule::Layers]),
            ("src/actors/a.rs", "use crate::client::X;", &[Rule::Layers]),
            ("src/client/a.rs", "use crate::http::X;", &[]),
            ("src/nowhere/a.rs", "fn f() {}", &[Rule::Layers]),
            ("src/dynamo/a.rs", "use std::time::Instant;", &[Rule::ValuesArePure, Rule::CoreIsRepeatable]),
            ("src/item/a.rs", "use std::fs::File;", &[Rule::ValuesArePure]),
            ("src/item/a.rs", "use tokio::time::sleep;", &[Rule::ValuesArePure]),
            ("src/actors/a.rs", "use tokio::time::Instant;", &[]),
            ("src/actors/a.rs", "use std::time::{Duration, Instant};", &[Rule::CoreIsRepeatable]),
            ("src/wire/a.rs", "use std::collections::HashMap;", &[Rule::CoreIsRepeatable]),
            ("src/client/a.rs", "use std::collections::HashMap;", &[]),
            ("src/http/a.rs", "tokio::select! { x = y => {} }", &[Rule::CoreIsRepeatable]),
            ("src/http/a.rs", "tokio::select! {\n biased; x = y => {} }", &[]),
            ("src/actors/a.rs", "use super::node::{WallClock, Node};", &[Rule::ActorsKnowNoActors]),
            ("src/actors/a.rs", "use super::node::WallClock;", &[]),
            ("src/http/a.rs", &long, &[Rule::FileLength]),
            ("src/http/helpers.rs", "", &[Rule::Names]),
            ("src/http/a.rs", "fn f(data: u8) {}", &[Rule::Names]),
            ("src/http/a.rs", "use tracing::{debug, info};\nfn f() { info!(x); }", &[]),
            ("src/http/a.rs", "fn f_inner() { let info = x2; }", &[Rule::Names]),
            ("src/http/a.rs", "fn f() { todo!() }", &[Rule::NothingIsSilenced]),
            ("src/http/a.rs", "#[allow(dead_code)] fn f() {}", &[Rule::NothingIsSilenced]),
        ];
        for (path, code, rules) in table {
            assert_eq!(broken(path, code), rules, "{path}: {code:.80}");
        }
    }

    #[test]
    fn a_file_that_nobody_lists_is_found() {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: text.to_owned(),
            is_test: false,
        };
        let all =
            [source("src/lib.rs", "pub mod wire;"), source("src/wire/mod.rs", "mod a;"), source("src/wire/b.rs", "")];
        let found: Vec<_> = violations(&all).into_iter().map(|found| (found.rule, found.path)).collect();
        assert_eq!(found, [(Rule::EveryFileIsListed, "src/wire/b.rs".to_owned())]);
    }
}

#[test]
fn comments_and_texts_are_not_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "// HashMap\nfn f<'a>(c: char) { let s = \"HashMap \\\" // x\"; c == '\"' } /* info */\n\
        #[cfg(test)]\nmod tests {\n fn g() { HashMap }\n}\nfn after() {}\nconst R: &str = r#\"todo!\"#;\n";
    std::fs::create_dir(folder.path().join("src")).expect("a folder");
    std::fs::write(folder.path().join("src/a.rs"), text).expect("a file");
    let source = &read_all(folder.path(), "src")[0];
    assert!(source.places("HashMap").is_empty() && source.places("todo!").is_empty(), "{}", source.code);
    let names: Vec<&str> = source.identifiers().into_iter().map(|(_, name)| name).collect();
    assert_eq!(
        names,
        ["fn", "f", "a", "c", "char", "let", "s", "c", "fn", "after", "const", "R", "str"],
        "{}",
        source.code
    );
    assert_eq!(source.line(source.places("after")[0]), 7);
    assert_eq!(word("abc::d"), "abc");
}
