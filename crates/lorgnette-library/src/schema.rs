//! Tables of a library file, and migrations.
//!
//! `schema/1.sql` and its successors document the format. The `application_id` of a file marks it
//! as a library; its `user_version` counts the scripts that were applied to it.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Error, Result};

/// "Lgnt": identifies a library, also to `file(1)`.
pub(crate) const APPLICATION_ID: i32 = 0x4c67_6e74;
/// Script `n` migrates to version `n + 1`. A released script never changes.
const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];
/// Version that this program writes.
pub const VERSION: usize = MIGRATIONS.len();

/// An entry of `sqlite_schema`: type, name, table and SQL.
type Entry = (String, String, String, Option<String>);

/// Returns the version of a file's tables; 0 for an empty file.
///
/// # Errors
/// If the file is not a library, or of a later version than this program reads.
pub(crate) fn version(connection: &Connection, name: &str) -> Result<usize> {
    // One snapshot: another process may be creating the library.
    let snapshot = connection.is_autocommit().then(|| connection.unchecked_transaction());
    let snapshot = snapshot.transpose()?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let is_empty = application == 0 && version == 0 && schema_entries(connection)?.is_empty();
    drop(snapshot);
    if is_empty {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::not_a_library(name, "it is an SQLite database of another program"));
    }
    match usize::try_from(version) {
        Ok(version @ 1..=VERSION) => Ok(version),
        _ => Err(Error::UnsupportedVersion { name: name.into(), version, latest: VERSION }),
    }
}

/// Refuses a schema that differs from that of `version`, such as one with triggers, views or
/// computed columns.
///
/// # Errors
/// If the schema differs; the error names the first difference.
pub(crate) fn check(connection: &Connection, version: usize, name: &str) -> Result<()> {
    let expected = Connection::open_in_memory()?;
    apply(&expected, &MIGRATIONS[..version])?;
    let (expected, found) = (schema_entries(&expected)?, schema_entries(connection)?);
    let missing = expected.iter().find(|entry| !found.contains(entry));
    let unexpected = found.iter().find(|entry| !expected.contains(entry));
    match (missing, unexpected) {
        (None, None) => Ok(()),
        (_, Some((kind, object, ..))) => Err(Error::not_a_library(
            name,
            format!("it has a {kind} '{}' that no library has", object.escape_debug()),
        )),
        (Some((kind, object, ..)), None) => {
            Err(Error::not_a_library(name, format!("its {kind} '{object}' is missing")))
        }
    }
}

/// Migrates the tables to the latest version in one transaction. The version is read within it:
/// another process may have migrated the same file since it was opened.
///
/// # Errors
/// If the file is not a library, or cannot be written.
pub(crate) fn migrate_to_latest(connection: &mut Connection, name: &str) -> Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let from = version(&transaction, name)?;
    if from > 0 {
        check(&transaction, from, name)?;
    }
    apply(&transaction, &MIGRATIONS[from..])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION as i32)?;
    Ok(transaction.commit()?)
}

fn apply(connection: &Connection, scripts: &[&str]) -> Result<()> {
    for script in scripts {
        connection.execute_batch(script)?;
    }
    Ok(())
}

/// Returns the entries of the schema without the statistics tables of SQLite's planner.
fn schema_entries(connection: &Connection) -> Result<Vec<Entry>> {
    // Names are truncated beyond the longest one of a library, so that a hostile schema cannot
    // exhaust memory.
    let sql = "SELECT type, substr(name, 1, 100), substr(tbl_name, 1, 100), substr(sql, 1, 10000) \
               FROM sqlite_schema
               WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY name LIMIT 1000";
    let mut statement = connection.prepare(sql)?;
    let entry = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    Ok(statement.query_map([], entry)?.collect::<Result<_, _>>()?)
}
