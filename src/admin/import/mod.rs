//! `import`: the records of a file into a table, so that a second time changes nothing.
//!
//! ```text
//!   file ── Records ──▶ prepare: rename, check, first of its key? ──▶ store: get, equal? else put with what was read
//!             (a thread)      (in the file's order)                     (many at a time, again while nodes are down)
//! ```

pub mod progress;
pub mod records;
mod store;
mod summary;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;

use self::progress::Progress;
use self::records::{FileError, Record, Records};
use self::store::Store;
pub use self::summary::{FailureRow, ImportView, Prepared, Preparer, Refused};
use super::answer::{Answer, Format};
use super::command::ImportArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::session::Session;
use super::usage::UsageError;

/// How many records are read ahead.
const READ_AHEAD: usize = 256;

type Input = Box<dyn BufRead + Send>;

/// Imports a file.
///
/// # Errors
///
/// There is no such table, or the file cannot be read at all. What happens to single records is in the answer.
pub async fn run(session: &Session, arguments: &ImportArguments, format: Format) -> Result<Answer, Failure> {
    let table = session.table(&arguments.table).await?;
    let attribute = arguments.key.clone().unwrap_or_else(|| table.partition_key.name.clone());
    let (input, total_bytes) = open(&arguments.file, session)?;
    let records = read_ahead(&arguments.file, input, attribute.clone()).await?;
    let progress = Progress::new("done", total_bytes);
    let retry_for = Duration::from_secs(arguments.retry_for);
    let store = Store::new(session, Preparer::new(table, attribute), retry_for, progress);
    {
        let going_on = records.take_while(|_| std::future::ready(!store.has_stopped()));
        let stored = going_on.map(|record| store.take(record)).buffer_unordered(arguments.concurrency.into());
        let mut stored = std::pin::pin!(stored);
        while stored.next().await.is_some() {}
    }
    store.settle().await;
    let view = store.finish();
    let answer = Answer::of(&view, format).exit(view.exit());
    Ok(match view.exit() {
        Exit::Ok => answer,
        _ => answer.note("run the import again once the cause is gone: what is written already is left alone"),
    })
}

fn open(path: &Path, session: &Session) -> Result<(Input, Option<u64>), Failure> {
    if path == Path::new("-") {
        if session.input_taken {
            return Err(UsageError::InputTaken.into());
        }
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let failure = |source| Failure::File { path: path.display().to_string(), source };
    let file = File::open(path).map_err(failure)?;
    let metadata = file.metadata().map_err(failure)?;
    if metadata.is_dir() {
        return Err(failure(io::ErrorKind::IsADirectory.into()));
    }
    Ok((Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len())))
}

/// Reads in a thread of its own: a slow input must not hold up the answers of the node.
async fn read_ahead(
    path: &Path,
    input: Input,
    key: String,
) -> Result<impl Stream<Item = io::Result<Record>> + use<>, Failure> {
    let path = path.display().to_string();
    let stopped = |source: io::Error| Failure::File { path: path.clone(), source };
    let opened = tokio::task::spawn_blocking(move || Records::open(input, &key)).await;
    let records = match opened.map_err(|error| stopped(error.into()))? {
        Ok(records) => records,
        Err(FileError::Io(source)) => return Err(stopped(source)),
        Err(FileError::NotRecords(reason)) => return Err(UsageError::NotRecords { path, reason }.into()),
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        // The receiver is gone once the import has stopped.
        for record in records {
            if sender.blocking_send(record).is_err() {
                break;
            }
        }
    });
    Ok(stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|record| (record, receiver))))
}
