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

/// Removes a model without detections, its classes and the words of their names.
pub(crate) fn remove(connection: &Connection, model: i64) -> Result<()> {
    let words = "INSERT INTO class_name (class_name, rowid, name)
                 SELECT 'delete', id, name FROM class WHERE model = ?";
    for sql in [
        words,
        "DELETE FROM signature WHERE model = ?",
        "DELETE FROM class WHERE model = ?",
        "DELETE FROM model WHERE id = ?",
    ] {
        connection.execute(sql, [model])?;
    }
    Ok(())
}
