//! What commands share: the connection and the tables it has told about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::link::Link;
use crate::item::TableSchema;
use crate::messages::TraceId;
use crate::messages::client::ListTables;

/// One run of the program.
pub struct Session {
    /// The connection.
    pub link: Link,
    /// Bound of a request, in ms, where the user set one.
    pub timeout_ms: Option<u32>,
    /// Whether the standard input is where the commands come from, so that no command can read a file from it.
    pub input_taken: bool,
    tables: TableNames,
}

/// The tables last heard of, shared with the completion.
#[derive(Clone, Default)]
pub struct TableNames(Arc<Mutex<Vec<TableSchema>>>);

impl TableNames {
    /// Tables with these names.
    #[cfg(test)]
    pub fn of(names: &[&str]) -> Self {
        let named =
            |name: &&str| TableSchema { name: crate::item::TableName::new(*name).unwrap(), ..TableSchema::kv() };
        Self(Arc::new(Mutex::new(names.iter().map(named).collect())))
    }

    /// Their names.
    pub fn list(&self) -> Vec<String> {
        self.schemas().iter().map(|table| table.name.as_str().to_owned()).collect()
    }

    fn schemas(&self) -> MutexGuard<'_, Vec<TableSchema>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// A session that has not asked for anything yet.
    pub fn new(link: Link, timeout_ms: Option<u32>) -> Self {
        Self { link, timeout_ms, input_taken: false, tables: TableNames::default() }
    }

    /// The schema of a table.
    ///
    /// # Errors
    ///
    /// [`Failure::NoSuchTable`] with a suggestion, or no answer.
    pub async fn table(&self, name: &str) -> Result<TableSchema, Failure> {
        let known = self.tables.schemas().iter().find(|table| table.name.as_str() == name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let tables = self.tables().await?;
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        match tables.iter().find(|table| table.name.as_str() == name) {
            Some(table) => Ok(table.clone()),
            None => Err(Failure::NoSuchTable { table: name.to_owned(), hint: hint(name, &names) }),
        }
    }

    /// All tables, as the node has them now.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn tables(&self) -> Result<Vec<TableSchema>, Failure> {
        let tables = self.link.ask(&ListTables).await?;
        self.tables.schemas().clone_from(&tables);
        Ok(tables)
    }

    /// The tables last heard of, kept up to date.
    pub fn tables_shared(&self) -> TableNames {
        self.tables.clone()
    }

    /// A name for the next request in the nodes' logs.
    pub fn trace(&self) -> TraceId {
        TraceId(uuid::Uuid::new_v4().as_u64_pair().0)
    }
}

/// The wall clock, in ms since the Unix epoch.
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// How different a name may be and still be meant, from 0 to 1.
const SIMILAR: f64 = 0.7;

fn hint(name: &str, names: &[&str]) -> String {
    let score = |known: &&&str| strsim::jaro_winkler(name, known);
    match names.iter().max_by(|a, b| score(a).total_cmp(&score(b))) {
        Some(nearest) if score(&nearest) > SIMILAR => format!("did you mean `{nearest}`?"),
        Some(_) => format!("there are: {}", names.join(", ")),
        None => "there is none at all".to_owned(),
    }
}
