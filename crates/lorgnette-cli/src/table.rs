//! Tables for people.

use std::io::{self, Write};

/// Between columns.
const GAP: &str = "  ";
/// The least that is left of a shortened cell.
const LEAST: usize = 12;

/// Which side a column is aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under headings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    /// Rows below the line.
    totals: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), ..Self::default() }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row below the line.
    pub(crate) fn total(&mut self, cells: Vec<String>) {
        self.totals.push(cells);
    }

    /// Writes the table; if it is wider than `width`, cells of column `elastic` lose their middle.
    pub(crate) fn write(&self, out: &mut dyn Write, elastic: usize, width: Option<usize>) -> io::Result<()> {
        let mut widths = self.widths();
        let excess = (widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1)).saturating_sub(width.unwrap_or(usize::MAX));
        widths[elastic] = widths[elastic].saturating_sub(excess).max(LEAST.min(widths[elastic]));
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let line = vec!["─".repeat(widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1))];
        self.write_row(out, &headings, &widths)?;
        writeln!(out, "{}", line[0])?;
        self.rows.iter().try_for_each(|row| self.write_row(out, row, &widths))?;
        writeln!(out, "{}", line[0])?;
        self.totals.iter().try_for_each(|row| self.write_row(out, row, &widths))
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().chain(&self.totals).map(|row| row[column].chars().count());
            cells.chain([self.columns[column].0.chars().count()]).max().unwrap_or(0)
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn write_row(&self, out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, &width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            let cell = shortened(cell, width);
            line += &match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            };
            line += GAP;
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// A text of at most `width` letters: one that is longer loses its middle, for scopes differ at both ends.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let start = kept / 3;
    let head = text.chars().take(start);
    let tail = text.chars().skip(length - (kept - start));
    head.chain(['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::{Align, Table, shortened};

    #[test]
    fn long_texts_lose_their_middle() {
        assert_eq!(shortened("MobilenetV1/Conv2d_0/Relu6", 40), "MobilenetV1/Conv2d_0/Relu6");
        assert_eq!(shortened("MobilenetV1/Conv2d_0/Relu6", 16), "Mobil…_0/Relu6".replace("l…_0", "l…2d_0"));
        assert_eq!(shortened("abcdef", 0), "…");
    }

    #[test]
    fn columns_are_aligned_and_fit() {
        let mut table = Table::new(&[("name", Align::Left), ("n", Align::Right)]);
        table.row(vec!["a/rather/long/scope/name".into(), "7".into()]);
        table.total(vec![String::new(), "1024".into()]);
        let mut text = Vec::new();
        table.write(&mut text, 0, Some(20)).unwrap();
        let text = String::from_utf8(text).unwrap();
        let expected = "name               n\n────────────────────\na/ra…scope/name    7\n";
        assert!(text.lines().all(|line| line.chars().count() <= 20), "{text}");
        assert_eq!(text.lines().next(), expected.lines().next());
        assert!(text.contains('…') && text.ends_with("1024\n"), "{text}");
    }
}
