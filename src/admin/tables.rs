//! `tables`, `describe`, `create`, `alter` and `drop`, and `metadata`, which says who decides about them.

use super::answer::{Answer, Format};
use super::command::{
    AlterArguments, ConflictArgument, CreateArguments, DropArguments, KeyAttributeArgument, OwnQuorum,
};
use super::failure::Failure;
use super::session::Session;
use super::usage::UsageError;
use super::view::metadata::MetadataView;
use super::view::table::{TableView, TablesView};
use crate::item::{Conflict, KeyAttribute, TableId, TableName, TableSchema, TableSettings};
use crate::messages::admin::{DescribeStatus, Status};
use crate::messages::metadata::{ChangeTables, DescribeMetadata};
use crate::metadata::{Alteration, QuorumChoice, TableChange};

/// All tables.
pub(super) async fn list(session: &Session, format: Format) -> Result<Answer, Failure> {
    let (tables, status) = (session.tables().await?, status(session).await?);
    let views = tables.iter().map(|table| TableView::new(table, status.quorum.into())).collect();
    Ok(Answer::of(&TablesView(views), format))
}

/// One table.
pub(super) async fn describe(session: &Session, table: &str, format: Format) -> Result<Answer, Failure> {
    let schema = session.table(table).await?;
    let status = status(session).await?;
    Ok(Answer::of(&TableView::new(&schema, status.quorum.into()), format))
}

async fn status(session: &Session) -> Result<Status, Failure> {
    session.link.ask(&DescribeStatus).await
}

/// Creates a table and shows it.
pub(super) async fn create(session: &Session, arguments: &CreateArguments, format: Format) -> Result<Answer, Failure> {
    let OwnQuorum { n, r, w } = arguments.quorum;
    let schema = TableSchema {
        name: name(&arguments.table)?,
        id: TableId::default(),
        partition_key: key(&arguments.key),
        sort_key: arguments.sort.as_ref().map(key),
        n,
        r,
        w,
        conflict: match arguments.conflict {
            ConflictArgument::Siblings => Conflict::Siblings,
            ConflictArgument::Lww => Conflict::Lww,
        },
        settings: TableSettings::default(),
    };
    session.link.send(&ChangeTables { change: TableChange::Create(schema) }).await?;
    describe(session, &arguments.table, format).await
}

/// Alters a table and shows it.
pub(super) async fn alter(session: &Session, arguments: &AlterArguments, format: Format) -> Result<Answer, Failure> {
    let choice = |asked: Option<u8>, default: bool| match (asked, default) {
        (Some(count), _) => QuorumChoice::Exactly(count),
        (None, true) => QuorumChoice::Default,
        (None, false) => QuorumChoice::Keep,
    };
    let alteration = Alteration {
        table: name(&arguments.table)?,
        n: choice(arguments.n, arguments.default_n),
        r: choice(arguments.r, arguments.default_r),
        w: choice(arguments.w, arguments.default_w),
    };
    let resizes = alteration.n != QuorumChoice::Keep;
    session.link.send(&ChangeTables { change: TableChange::Alter(alteration) }).await?;
    let answer = describe(session, &arguments.table, format).await?;
    let note =
        "partitions move where N has changed: `watch 2 tasks` shows how far they are, `task cancel` takes it back";
    Ok(if resizes { answer.note(note) } else { answer })
}

/// Drops a table.
pub(super) async fn drop_table(
    session: &Session,
    arguments: &DropArguments,
    format: Format,
) -> Result<Answer, Failure> {
    if arguments.confirm != arguments.table {
        let (table, confirmed) = (arguments.table.clone(), arguments.confirm.clone());
        return Err(UsageError::NotConfirmed { table, confirmed }.into());
    }
    session.link.send(&ChangeTables { change: TableChange::Drop { table: name(&arguments.table)? } }).await?;
    let answer = list(session, format).await?;
    Ok(answer.note(format!("`{}` is dropped; each node frees its room in the background", arguments.table)))
}

/// Who decides, and how far the node that answers has followed.
pub(super) async fn metadata(session: &Session, format: Format) -> Result<Answer, Failure> {
    Ok(Answer::of(&MetadataView::from(session.link.ask(&DescribeMetadata).await?), format))
}

fn name(text: &str) -> Result<TableName, UsageError> {
    Ok(TableName::new(text)?)
}

fn key(argument: &KeyAttributeArgument) -> KeyAttribute {
    KeyAttribute { name: argument.name.clone(), kind: argument.kind }
}
