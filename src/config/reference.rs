//! What is written about the keys for people: the tables of `docs/configuration.md` and the whole of
//! `config/node.toml`, made from the declarations.

use std::fmt::Write;

use super::{Key, SECTIONS, Setting};

/// The width at which `config/node.toml` breaks its comments, in columns.
const COMMENT_COLUMNS: usize = 100;

const EXAMPLE_HEADER: &str = "\
# Every key of a Slipring node, with its default: a node without a file runs with exactly this.
# Start it with   slipring-node --config config/node.toml        (--check shows the effective configuration)
# Override a key  SLIPRING__HTTP__LISTEN=127.0.0.1:9000 slipring-node --config config/node.toml
#
# Generated from the declarations in src/config/keys.rs: SLIPRING_BLESS=1 cargo test --test config_reference
";

/// A Markdown table per section: key, type and unit, default, allowed values, what it does and how to choose it.
pub fn markdown() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    for section in SECTIONS {
        let _ = writeln!(text, "### `[{}]`\n\n{}\n", section.name, section.doc);
        text.push_str("| key | type | default | allowed | what it does, and how to choose it |\n");
        text.push_str("|---|---|---|---|---|\n");
        for key in section.keys {
            let cells = [
                format!("`{}`", key.name),
                type_and_unit(key),
                with_size(key, &format!("`{}`", key.default_setting())),
                allowed(key),
                format!("{} {}", key.doc, key.choose),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A complete `node.toml` that sets every key to its default and says in comments what it is for.
pub fn example_toml() -> String {
    let mut text = EXAMPLE_HEADER.to_owned();
    for section in SECTIONS {
        let _ = write!(text, "\n{}[{}]\n", comment(section.doc), section.name);
        for key in section.keys {
            let _ = write!(text, "\n{}{}", comment(key.doc), comment(key.choose));
            let kind = format!("({}: {})", type_and_unit(key), allowed(key));
            let _ = write!(text, "{}", comment(&kind));
            let _ = writeln!(text, "{} = {}", key.name, key.default_setting());
        }
    }
    text
}

/// `integer, ms`
fn type_and_unit(key: &Key) -> String {
    let expected = key.rule.expected();
    let kind = expected.trim_start_matches("an ").trim_start_matches("a ");
    if key.unit.is_empty() { kind.to_owned() } else { format!("{kind}, {}", key.unit) }
}

fn allowed(key: &Key) -> String {
    let allowed = key.rule.allowed();
    match allowed.split_once("..=") {
        Some((min, max)) if key.unit == "bytes" => {
            let sizes = (size(min.parse().ok()), size(max.parse().ok()));
            match sizes {
                (Some(min), Some(max)) => format!("{allowed} ({min} to {max})"),
                _ => allowed,
            }
        }
        _ => allowed,
    }
}

/// `text` with the key's default as a size behind it, if it counts bytes.
fn with_size(key: &Key, text: &str) -> String {
    let bytes = match key.default_setting() {
        Setting::Integer(bytes) if key.unit == "bytes" => Some(bytes),
        _ => None,
    };
    match size(bytes) {
        Some(size) => format!("{text} ({size})"),
        None => text.to_owned(),
    }
}

/// `16 MiB` for what is a whole number of some unit.
fn size(bytes: Option<i64>) -> Option<String> {
    let bytes = bytes.filter(|bytes| *bytes > 0)?;
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    units.iter().find_map(|(shift, unit)| {
        let whole = bytes % (1_i64 << shift) == 0;
        whole.then(|| format!("{} {unit}", bytes >> shift))
    })
}

/// `text` as comment lines of at most [`COMMENT_COLUMNS`].
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COMMENT_COLUMNS {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}
