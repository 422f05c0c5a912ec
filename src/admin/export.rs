//! `export`: a table as JSON Lines, item by item in the order of the scan, which stays the same while the ring does.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, Format, Paint, View, output_failure, say};
use super::command::ExportArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::import::progress::Progress;
use super::rename::rename;
use super::retry::{persist, send};
use super::session::Session;
use super::view::units::count;
use crate::dynamo::siblings::Version;
use crate::item::{Item, item_to_json};
use crate::messages::client::{Scan, ScanReply};

/// How many items one request asks for.
const SLICE_ITEMS: u32 = 500;

/// How many troubles are spelt out.
const REPORTED_MAX: u64 = 20;

/// What an export has written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportView {
    /// Lines written.
    pub items: u64,
    /// Keys with siblings: each sibling is a line.
    pub keys_with_siblings: u64,
    /// Items left out because their key cannot be renamed.
    pub failed: u64,
}

impl View for ExportView {
    fn text(&self, _: Paint) -> String {
        let mut text = format!("{} written", count(self.items, "item"));
        if self.keys_with_siblings > 0 {
            text += &format!(", {} with siblings, each sibling a line", count(self.keys_with_siblings, "key"));
        }
        if self.failed > 0 {
            text += &format!(", {} left out", count(self.failed, "item"));
        }
        text + "\n"
    }
}

impl ExportView {
    fn exit(&self) -> Exit {
        if self.keys_with_siblings + self.failed > 0 { Exit::Partial } else { Exit::Ok }
    }
}

/// Writes a table to a file, or to the standard output.
///
/// # Errors
///
/// A slice could not be read in time, or the output not be written. A file is not left behind then.
pub async fn run(session: &Session, arguments: &ExportArguments, format: Format) -> Result<Answer, Failure> {
    let key = session.table(&arguments.table).await?.partition_key.name;
    let rename_to = arguments.key.clone().unwrap_or_else(|| key.clone());
    let Some(path) = &arguments.file else {
        let mut lines = Lines::new(BufWriter::new(io::stdout()), key, rename_to);
        copy(session, arguments, &mut lines).await?;
        let done = lines.finish().map_err(output_failure)?;
        return Ok(Answer::silent(done.exit()).note(done.text(format.paint).trim_end()));
    };
    let failure = |source| Failure::File { path: path.display().to_string(), source };
    let file = NewFile::create(path).map_err(failure)?;
    let mut lines = Lines::new(BufWriter::new(&file.file), key, rename_to);
    copy(session, arguments, &mut lines).await.map_err(|error| of_file(error, path))?;
    let done = lines.finish().map_err(failure)?;
    file.complete().map_err(failure)?;
    Ok(Answer::of(&done, format).exit(done.exit()))
}

/// A failed write belongs to the file, not to the standard output.
fn of_file(failure: Failure, path: &Path) -> Failure {
    match failure {
        Failure::OutputClosed => {
            Failure::File { path: path.display().to_string(), source: io::ErrorKind::BrokenPipe.into() }
        }
        Failure::File { source, .. } => Failure::File { path: path.display().to_string(), source },
        other => other,
    }
}

async fn copy<W: Write>(session: &Session, arguments: &ExportArguments, lines: &mut Lines<W>) -> Result<(), Failure> {
    let time = Duration::from_secs(arguments.retry_for);
    let progress = Progress::new("exported", None);
    let mut cursor = None;
    loop {
        let message = Scan {
            trace: session.trace(),
            table: arguments.table.clone(),
            cursor: cursor.take(),
            until: None,
            limit: SLICE_ITEMS,
            r: None,
            timeout_ms: session.timeout_ms,
        };
        let ScanReply { items, next } = persist(time, || send(&session.link, &message)).await?;
        for versions in &items {
            lines.write(versions)?;
        }
        progress.advance(0, lines.done.items);
        cursor = next;
        if cursor.is_none() {
            progress.finish();
            return Ok(());
        }
    }
}

struct Lines<W> {
    out: W,
    key: String,
    rename_to: String,
    done: ExportView,
}

impl<W: Write> Lines<W> {
    fn new(out: W, key: String, rename_to: String) -> Self {
        Self { out, key, rename_to, done: ExportView::default() }
    }

    fn finish(mut self) -> io::Result<ExportView> {
        self.out.flush().map(|()| self.done)
    }

    fn write(&mut self, versions: &[Version]) -> Result<(), Failure> {
        if versions.len() > 1 {
            self.done.keys_with_siblings += 1;
        }
        for version in versions {
            let item = Item::from_bytes(version.value.as_deref().unwrap_or_default())?;
            self.write_item(&item)?;
        }
        Ok(())
    }

    fn write_item(&mut self, item: &Item) -> Result<(), Failure> {
        let Value::Object(object) = item_to_json(item) else { return Ok(()) };
        let key = object.get(&self.key).map(ToString::to_string).unwrap_or_default();
        match rename(object, &self.key, &self.rename_to) {
            Ok(object) => {
                writeln!(self.out, "{}", Value::Object(object)).map_err(output_failure)?;
                self.done.items += 1;
            }
            Err(error) => {
                self.done.failed += 1;
                if self.done.failed <= REPORTED_MAX {
                    say(&format!("the item {key} {error}: left out"));
                }
            }
        }
        Ok(())
    }
}

/// A file under a temporary name, which vanishes unless it is completed.
struct NewFile {
    file: std::fs::File,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewFile {
    fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let file = std::fs::File::create_new(&temporary)?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    fn complete(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `complete` there is nothing of this name any more.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
