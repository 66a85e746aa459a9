//! Cells of CSV files that a spreadsheet would take for formulas.
//!
//! A spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`, and class names come from
//! strangers' files. Such a text is written with an apostrophe before it, which spreadsheets show
//! as text. Numbers stay as they are.
//!
//! ```
//! use lorgnette::spreadsheet::{cell, text_of};
//!
//! assert_eq!(cell("=1+1"), "'=1+1");
//! assert_eq!(cell("-1.5"), "-1.5");
//! assert_eq!(text_of(&cell("=1+1")), "=1+1");
//! ```

use std::borrow::Cow;

/// Returns the cell of a text.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    if is_formula(text) { format!("'{text}").into() } else { text.into() }
}

/// Returns the text of a cell.
#[must_use]
pub fn text_of(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

/// Returns lines of comma-separated values whose cells are no formulas.
///
/// # Errors
/// If the lines are no CSV.
pub fn cells(lines: Vec<u8>) -> csv::Result<Vec<u8>> {
    // Most lines have none of the signs.
    if !lines.iter().any(|byte| matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\'')) {
        return Ok(lines);
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&lines[..]);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for record in reader.records() {
        writer.write_record(record?.iter().map(cell).map(Cow::into_owned))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// True if a spreadsheet may compute a text. One with an apostrophe before such a text counts, too,
/// so that the apostrophe can be told from ours.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
        && text.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_texts_and_back() {
        for text in ["=HYPERLINK(\"x\")", "+1+1", "-2+3", "@SUM(1)", "\tx", "'=x", "''=x"] {
            assert_ne!(cell(text), text);
            assert_eq!(text_of(&cell(text)), text);
        }
        for text in ["", "cat", "-1.5", "+3", "-inf", "'tis", "a=b", "1e-5"] {
            assert_eq!((&*cell(text), text_of(text)), (text, text));
        }
    }

    #[test]
    fn lines_keep_everything_else() {
        let lines = b"photo,name,p\na-b.jpg,\"x, \"\"y\"\"\",-0.5\n=c.jpg,-1+1,2\n".to_vec();
        let cells = String::from_utf8(cells(lines).unwrap()).unwrap();
        assert_eq!(cells, "photo,name,p\na-b.jpg,\"x, \"\"y\"\"\",-0.5\n'=c.jpg,'-1+1,2\n");
    }
}
