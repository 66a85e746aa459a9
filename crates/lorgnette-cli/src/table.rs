//! Tables for people.

use std::env;
use std::io::{self, Write};

use console::Term;

/// Between columns.
const GAP: &str = "  ";
/// The least that is left of a shortened cell, unless there is nothing else to leave out.
const MIN_CELL_WIDTH: usize = 22;

/// Which side a column is aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// What a table gives up where it is too wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit<'a> {
    /// Letters in a row, if that matters.
    pub(crate) width: Option<usize>,
    /// The column whose cells are shortened.
    pub(crate) elastic: usize,
    /// Columns that are left out where that is not enough, the first one first.
    pub(crate) droppable: &'a [usize],
}

/// Rows of cells under headings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// A heading may have several lines.
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

    /// Writes the table so that it fits.
    pub(crate) fn write(&self, out: &mut dyn Write, fit: Fit<'_>) -> io::Result<()> {
        let widths = self.fitted_widths(fit);
        let line = "─".repeat(total_width(&widths));
        self.headings().iter().try_for_each(|row| self.write_row(out, row, &widths))?;
        writeln!(out, "{line}")?;
        self.rows.iter().try_for_each(|row| self.write_row(out, row, &widths))?;
        writeln!(out, "{line}")?;
        self.totals.iter().try_for_each(|row| self.write_row(out, row, &widths))
    }

    /// The width of each column, 0 for one that is left out.
    fn fitted_widths(&self, fit: Fit<'_>) -> Vec<usize> {
        let mut widths = self.widths();
        let max_width = fit.width.unwrap_or(usize::MAX);
        let min_width = MIN_CELL_WIDTH.min(widths[fit.elastic]);
        let excess = |widths: &[usize]| total_width(widths).saturating_sub(max_width);
        for &column in fit.droppable {
            if excess(&widths) > widths[fit.elastic] - min_width {
                widths[column] = 0;
            }
        }
        widths[fit.elastic] = widths[fit.elastic].saturating_sub(excess(&widths)).max(1);
        widths
    }

    /// As many rows as the highest heading has lines.
    fn headings(&self) -> Vec<Vec<String>> {
        let height =
            self.columns.iter().map(|(heading, _)| heading.lines().count()).max().unwrap_or(0);
        let cell =
            |heading: &str, line: usize| heading.lines().nth(line).unwrap_or_default().to_owned();
        (0..height)
            .map(|line| self.columns.iter().map(|(heading, _)| cell(heading, line)).collect())
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().chain(&self.totals).map(|row| row[column].as_str());
            cells
                .chain(self.columns[column].0.lines())
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn write_row(&self, out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let mut line = String::new();
        let visible =
            cells.iter().zip(widths).zip(&self.columns).filter(|((_, width), _)| **width > 0);
        for ((cell, &width), (_, align)) in visible {
            let cell = shortened(cell, width);
            line += &match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            };
            line += GAP;
        }
        let line = line.trim_end();
        // The second line of headings may be in columns that are left out.
        if line.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
    }
}

/// Letters in a row of the terminal.
pub(crate) fn width() -> Option<usize> {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(|| Term::stdout().size_checked().map(|(_, columns)| usize::from(columns)))
}

/// The width of a row.
fn total_width(widths: &[usize]) -> usize {
    let visible = widths.iter().filter(|&&width| width > 0).count();
    widths.iter().sum::<usize>() + GAP.len() * visible.saturating_sub(1)
}

/// A text of at most `width` letters: one that is longer loses its beginning, for that is what
/// scopes share.
fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1);
    ['…'].into_iter().chain(text.chars().skip(length - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Align, Fit, Table, shortened};

    fn render(table: &Table, width: usize) -> String {
        let mut text = Vec::new();
        table.write(&mut text, Fit { width: Some(width), elastic: 0, droppable: &[1] }).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn long_texts_lose_their_beginning() {
        let scope = "MobilenetV1/Conv2d_0/Relu6";
        assert_eq!(shortened(scope, 40), scope);
        assert_eq!(shortened(scope, 15), "…Conv2d_0/Relu6");
        assert_eq!(shortened(scope, 1), "…");
    }

    #[test]
    fn columns_are_aligned_and_fit() {
        let mut table =
            Table::new(&[("name", Align::Left), ("kernel", Align::Left), ("n\nKiB", Align::Right)]);
        table.row(vec!["a/name/that/is/really/long".into(), "strip".into(), "7".into()]);
        table.total(vec![String::new(), String::new(), "1024".into()]);
        let visible = render(&table, 38);
        assert!(visible.lines().all(|line| line.chars().count() <= 38), "{visible}");
        assert!(
            visible.contains("kernel")
                && visible.contains("…ame/that/is/really/long  strip      7\n"),
            "{visible}"
        );
        let narrow = render(&table, 28);
        assert!(narrow.lines().all(|line| line.chars().count() <= 28), "{narrow}");
        assert!(
            !narrow.contains("kernel") && narrow.contains("…e/that/is/really/long     7\n"),
            "{narrow}"
        );
    }
}
