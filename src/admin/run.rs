//! Commands and their answers.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use super::answer::{Answer, Format};
use super::command::{Command, DeleteArguments, GetArguments, KeyArguments, PutArguments, WatchArguments};
use super::exit::Exit;
use super::failure::Failure;
use super::parse::{Request, parse_words};
use super::session::{Session, now_ms};
use super::usage::UsageError;
use super::view::cluster::{NodesView, RingView};
use super::view::hints::HintsView;
use super::view::item::{ItemView, WrittenView};
use super::view::links::LinksView;
use super::view::metrics::MetricsView;
use super::view::place::PlaceView;
use super::view::status::StatusView;
use super::view::tombstones::TombstonesView;
use super::{export, import, json_text, members, repair, tables, tasks, top};
use crate::dynamo::context::Context;
use crate::item::{Item, Key, KeyError, TableSchema, item_from_json};
use crate::messages::admin::{DescribeHints, DescribeNodes, DescribeRing, DescribeStatus, ReadMetrics};
use crate::messages::client::{Delete, Get, Put, Where};
use crate::messages::detection::DescribeLinks;
use crate::messages::garbage::DescribeTombstones;
use crate::messages::load::DescribeLoad;

/// Carries out a command.
///
/// # Errors
///
/// [`Failure`], whose exit code says why.
pub async fn run(session: &Session, command: &Command, format: Format) -> Result<Answer, Failure> {
    match command {
        Command::Status => Ok(Answer::of(&StatusView::from(session.link.ask(&DescribeStatus).await?), format)),
        Command::Hints => Ok(Answer::of(&HintsView::from(session.link.ask(&DescribeHints).await?), format)),
        Command::Tombstones => {
            Ok(Answer::of(&TombstonesView::from(session.link.ask(&DescribeTombstones).await?), format))
        }
        Command::Top(arguments) => top::run(session, arguments, format).await,
        Command::Repair(command) => repair::run(session, command, format).await,
        Command::Nodes => nodes(session, format).await,
        Command::Links => Ok(Answer::of(&LinksView::from(session.link.ask(&DescribeLinks).await?), format)),
        Command::Ring { all } => {
            let ring = session.link.ask(&DescribeRing).await?;
            Ok(Answer::of(&RingView::new(&ring, *all), format))
        }
        Command::Metrics { filter } => {
            let exposition = session.link.ask(&ReadMetrics).await?;
            Ok(Answer::of(&MetricsView::new(&exposition, filter.as_deref()), format))
        }
        Command::Tables => tables::list(session, format).await,
        Command::Describe { table } => tables::describe(session, table, format).await,
        Command::Create(arguments) => tables::create(session, arguments, format).await,
        Command::Alter(arguments) => tables::alter(session, arguments, format).await,
        Command::Drop(arguments) => tables::drop_table(session, arguments, format).await,
        Command::Metadata => tables::metadata(session, format).await,
        Command::Put(arguments) => put(session, arguments, format).await,
        Command::Get(arguments) => get(session, arguments, format).await,
        Command::Delete(arguments) => delete(session, arguments, format).await,
        Command::Where(arguments) => place(session, arguments, format).await,
        Command::Cluster(command) => members::run(session, command, format).await,
        Command::Tasks => tasks::list(session, format).await,
        Command::Task(command) => tasks::run(session, command, format).await,
        Command::Import(arguments) => import::run(session, arguments, format).await,
        Command::Export(arguments) => export::run(session, arguments, format).await,
        Command::Watch(arguments) => Box::pin(watch(session, arguments, format)).await,
    }
}

async fn nodes(session: &Session, format: Format) -> Result<Answer, Failure> {
    let nodes = NodesView::from(session.link.ask(&DescribeNodes).await?);
    let load = session.link.ask(&DescribeLoad { keys: 0, partitions: 0 }).await?;
    Ok(Answer::of(&nodes.loaded(&load), format))
}

async fn put(session: &Session, arguments: &PutArguments, format: Format) -> Result<Answer, Failure> {
    let json = json_text::parse(&arguments.item).map_err(UsageError::from)?;
    let item = item_from_json(&json).map_err(UsageError::from)?;
    let context = context(arguments.context.as_deref())?;
    let table = session.table(&arguments.key.table).await?;
    let item = with_key(item, &table, &arguments.key)?;
    let message = Put {
        trace: session.trace(),
        table: arguments.key.table.clone(),
        item: item.to_bytes(),
        context,
        ttl_ms: arguments.ttl.map(|seconds| seconds.saturating_mul(1000)),
        w: arguments.w,
        timeout_ms: session.timeout_ms,
    };
    let written = WrittenView::from(session.link.send(&message).await?);
    let answer = Answer::of(&written, format);
    Ok(match written.siblings {
        0 | 1 => answer,
        count => answer.note(format!("{count} siblings: `get` shows them; put the merge with the context of that get")),
    })
}

/// The item with the key attributes that KEY and `--sort` say, which it may have already.
///
/// # Errors
///
/// The item has another key, breaks a limit, or the key is not one of the table.
pub fn with_key(mut item: Item, table: &TableSchema, arguments: &KeyArguments) -> Result<Item, UsageError> {
    let sort_in_item = || table.sort_key.as_ref().and_then(|sort| item.get(&sort.name)).is_some();
    let key = match &arguments.sort {
        None if sort_in_item() => {
            let bare = TableSchema { sort_key: None, ..table.clone() };
            bare.key_from_text(&arguments.key, None)?
        }
        sort => table.key_from_text(&arguments.key, sort.as_deref())?,
    };
    table.partition_key.fill(&mut item, key.partition)?;
    if let (Some(attribute), Some(value)) = (&table.sort_key, key.sort) {
        attribute.fill(&mut item, value)?;
    }
    table.key_of(&item)?;
    item.validate()?;
    Ok(item)
}

fn context(token: Option<&str>) -> Result<Option<Context>, UsageError> {
    Ok(token.map(str::parse::<Context>).transpose()?)
}

async fn key_of(session: &Session, arguments: &KeyArguments) -> Result<(TableSchema, Key), Failure> {
    let table = session.table(&arguments.table).await?;
    let key: Result<Key, KeyError> = table.key_from_text(&arguments.key, arguments.sort.as_deref());
    Ok((table, key.map_err(UsageError::from)?))
}

async fn get(session: &Session, arguments: &GetArguments, format: Format) -> Result<Answer, Failure> {
    let KeyArguments { table, key: text, .. } = &arguments.key;
    let (_, key) = key_of(session, &arguments.key).await?;
    let message = Get {
        trace: session.trace(),
        table: table.clone(),
        key: key.to_bytes(),
        r: arguments.r,
        timeout_ms: session.timeout_ms,
    };
    let view = ItemView::new(&session.link.ask(&message).await?, now_ms())?;
    let answer = Answer::of(&view, format);
    Ok(match (view.siblings.len(), format.json) {
        (0, true) => answer.exit(Exit::NotFound),
        (0, false) => Answer::silent(Exit::NotFound).note("no such item"),
        (1, _) | (_, true) => answer,
        (count, false) => answer.note(format!(
            "{count} siblings: merge them and write the result back with `put {table} {text} JSON --context {}`",
            view.context
        )),
    })
}

async fn delete(session: &Session, arguments: &DeleteArguments, format: Format) -> Result<Answer, Failure> {
    let context = context(arguments.context.as_deref())?;
    let (_, key) = key_of(session, &arguments.key).await?;
    let message = Delete {
        trace: session.trace(),
        table: arguments.key.table.clone(),
        key: key.to_bytes(),
        context,
        w: arguments.w,
        timeout_ms: session.timeout_ms,
    };
    let written = WrittenView::from(session.link.send(&message).await?);
    let answer = Answer::of(&written, format);
    Ok(match written.siblings {
        0 => answer,
        _ => answer.note("not all of it is gone: what the context has not seen is still there, see `get`"),
    })
}

async fn place(session: &Session, arguments: &KeyArguments, format: Format) -> Result<Answer, Failure> {
    let (table, key) = key_of(session, arguments).await?;
    let message = Where { trace: session.trace(), table: arguments.table.clone(), key: key.to_bytes() };
    let reply = session.link.ask(&message).await?;
    Ok(Answer::of(&PlaceView::new(&reply, table.conflict, now_ms()), format))
}

async fn watch(session: &Session, arguments: &WatchArguments, format: Format) -> Result<Answer, Failure> {
    let (command, json) = match parse_words(arguments.command.clone())? {
        Request::Run { command, json } if command.can_be_watched() => (command, json),
        _ => return Err(UsageError::NotWatchable { command: arguments.command.join(" ") }.into()),
    };
    let format = Format { json: format.json || json, ..format };
    let clear = if io::stdout().is_terminal() && !format.json { "\x1b[2J\x1b[H" } else { "" };
    let mut turn = 0;
    loop {
        turn += 1;
        let mut answer = match run(session, &command, format).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_transient() => Answer::silent(failure.exit()).note(failure.to_string()),
            Err(failure) => return Err(failure),
        };
        answer.output.insert_str(0, clear);
        if arguments.count.is_some_and(|count| turn >= count) {
            return Ok(answer);
        }
        answer.print()?;
        tokio::time::sleep(Duration::from_secs(arguments.seconds.into())).await;
    }
}
