//! The tables of a library file, and how older ones become the present ones.
//!
//! `schema/1.sql` and its successors are the documentation of the format. A file says by its
//! `application_id` that it is a library, and by its `user_version` how many of these scripts it
//! has been through.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Error, Result};

/// "Lgnt": what `file(1)` and we know a library by.
pub(crate) const APPLICATION_ID: i32 = 0x4c67_6e74;
/// Script `n` makes version `n + 1`. Never change one that was released.
const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];
/// The version that this program writes.
pub const VERSION: usize = MIGRATIONS.len();

/// An entry of `sqlite_schema`: type, name, table, and the SQL of what is ours.
type Entry = (String, String, String, Option<String>);

/// How old the tables of a file are: 0 if it is empty.
///
/// # Errors
/// If the file is no library, or of a later version than this program knows.
pub(crate) fn version(connection: &Connection, name: &str) -> Result<usize> {
    let pragma =
        |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == 0 && version == 0 && schema_entries(connection)?.is_empty() {
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

/// Refuses tables that are not exactly those of `version`: whatever else a file has (triggers,
/// views, computed columns) was put there by somebody else.
///
/// # Errors
/// If anything differs; the first difference is named.
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

/// What is in the file, without what SQLite adds of itself when it counts rows for its planner.
fn schema_entries(connection: &Connection) -> Result<Vec<Entry>> {
    // A name longer than any of ours is foreign however it goes on, so that nobody fills our memory
    // with names.
    let sql = "SELECT type, substr(name, 1, 100), substr(tbl_name, 1, 100), substr(sql, 1, 10000) FROM sqlite_schema
               WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY name LIMIT 1000";
    let mut statement = connection.prepare(sql)?;
    let entry = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    Ok(statement.query_map([], entry)?.collect::<Result<_, _>>()?)
}
