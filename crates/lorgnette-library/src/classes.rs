//! Rows of classes.

use rusqlite::{Connection, params};

use crate::error::Result;

/// Inserts a class and the words of its names; returns its id.
pub(crate) fn insert(
    connection: &Connection,
    model: i64,
    number: usize,
    synset: Option<&str>,
    name: &str,
) -> Result<i64> {
    let mut statement = connection
        .prepare_cached("INSERT INTO class (model, number, synset, name) VALUES (?, ?, ?, ?)")?;
    statement.execute(params![model, number as i64, synset, name])?;
    let class = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO class_name (rowid, name) VALUES (?, ?)")?
        .execute(params![class, name])?;
    Ok(class)
}
