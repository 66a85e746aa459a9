//! Signatures of a model's features, a thousand in a row; a similarity search reads them all.

use rusqlite::{Connection, MAIN_DB, OptionalExtension as _, params};

use crate::error::Result;
use crate::feature::{SIGNATURE_BYTES, distance};

/// Signatures in a row.
pub(crate) const BLOCK: i64 = 1024;
/// Signature of a removed feature.
pub(crate) const NONE: [u8; SIGNATURE_BYTES] = [0; SIGNATURE_BYTES];

/// Writes the signature of a feature.
pub(crate) fn set(
    connection: &Connection,
    model: i64,
    feature: i64,
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<()> {
    let (block, place) =
        (feature.div_euclid(BLOCK), feature.rem_euclid(BLOCK) as usize * SIGNATURE_BYTES);
    let sql = "SELECT id FROM signature WHERE model = ? AND block = ?";
    let row =
        connection.prepare_cached(sql)?.query_row([model, block], |row| row.get(0)).optional()?;
    let row = match row {
        Some(row) => row,
        None => {
            let sql = "INSERT INTO signature (model, block, bits) VALUES (?, ?, zeroblob(?))";
            connection.prepare_cached(sql)?.execute(params![
                model,
                block,
                BLOCK * SIGNATURE_BYTES as i64
            ])?;
            connection.last_insert_rowid()
        }
    };
    // Written in place, so that only one page of the block changes.
    connection
        .blob_open(MAIN_DB, "signature", "bits", row, false)?
        .write_all_at(signature, place)?;
    Ok(())
}

/// Returns the `limit` features of a model whose signatures are nearest to `query` in ascending
/// order of Hamming distance, each as (distance, id).
pub(crate) fn nearest(
    connection: &Connection,
    model: i64,
    query: &[u8; SIGNATURE_BYTES],
    limit: usize,
) -> Result<Vec<(u32, i64)>> {
    let mut nearest = std::collections::BinaryHeap::with_capacity(limit + 1);
    let mut statement =
        connection.prepare_cached("SELECT block, bits FROM signature WHERE model = ?")?;
    let mut rows = statement.query([model])?;
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)?.saturating_mul(BLOCK);
        for (place, signature) in
            row.get_ref(1)?.as_blob()?.as_chunks::<SIGNATURE_BYTES>().0.iter().enumerate()
        {
            let candidate = (distance(query, signature), first.saturating_add(place as i64));
            if nearest.len() < limit {
                nearest.push(candidate);
            } else if nearest.peek().is_some_and(|furthest| candidate < *furthest) {
                nearest.pop();
                nearest.push(candidate);
            }
        }
    }
    Ok(nearest.into_sorted_vec())
}

/// Reads signatures in the order of features.
pub(crate) struct Reader<'a> {
    connection: &'a Connection,
    /// Model and block read last.
    place: Option<(i64, i64)>,
    bits: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, place: None, bits: Vec::new() }
    }

    /// Returns the signature of a feature; `None` if there is none.
    pub(crate) fn get(
        &mut self,
        model: i64,
        feature: i64,
    ) -> Result<Option<[u8; SIGNATURE_BYTES]>> {
        let place = (model, feature.div_euclid(BLOCK));
        if self.place != Some(place) {
            let sql = "SELECT bits FROM signature WHERE model = ? AND block = ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            self.bits = statement
                .query_row([place.0, place.1], |row| row.get(0))
                .optional()?
                .unwrap_or_default();
            self.place = Some(place);
        }
        Ok(self.bits.as_chunks().0.get(feature.rem_euclid(BLOCK) as usize).copied())
    }
}

/// Returns every stored feature of a model with its signature.
pub(crate) fn all(
    connection: &Connection,
    model: i64,
) -> Result<Vec<(i64, [u8; SIGNATURE_BYTES])>> {
    let mut statement = connection
        .prepare_cached("SELECT block, bits FROM signature WHERE model = ? ORDER BY block")?;
    let mut rows = statement.query([model])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let first = row.get::<_, i64>(0)?.saturating_mul(BLOCK);
        let signatures =
            row.get_ref(1)?.as_blob()?.as_chunks::<SIGNATURE_BYTES>().0.iter().enumerate();
        let present = signatures.filter(|(_, signature)| **signature != NONE);
        all.extend(
            present.map(|(place, signature)| (first.saturating_add(place as i64), *signature)),
        );
    }
    Ok(all)
}
