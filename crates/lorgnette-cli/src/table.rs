//! Tables of text.

use std::env;
use std::io::{self, Write};

use console::Term;

/// The gap between columns.
const GAP: &str = "  ";
/// Minimum width of shortened cells, while columns remain that can be dropped.
const MIN_CELL_WIDTH: usize = 22;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// How to fit a table that is too wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit<'a> {
    /// Maximum width in characters; unlimited if `None`.
    pub(crate) width: Option<usize>,
    /// The column whose cells are shortened.
    pub(crate) elastic: usize,
    /// Columns that are dropped where that is not enough, in this order.
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

    /// Writes the table, fitted to the width.
    pub(crate) fn write(&self, out: &mut dyn Write, fit: Fit<'_>) -> io::Result<()> {
        let widths = self.fitted_widths(fit);
        let line = "─".repeat(total_width(&widths));
        self.headings().iter().try_for_each(|row| self.write_row(out, row, &widths))?;
        writeln!(out, "{line}")?;
        self.rows.iter().try_for_each(|row| self.write_row(out, row, &widths))?;
        writeln!(out, "{line}")?;
        self.totals.iter().try_for_each(|row| self.write_row(out, row, &widths))
    }

    /// Returns the width of each column; 0 for a dropped one.
    fn fitted_widths(&self, fit: Fit<'_>) -> Vec<usize> {
        let mut widths = self.widths();
        let max_width = fit.width.unwrap_or(usize::MAX);
        let min_width = MIN_CELL_WIDTH.min(widths[fit.elastic]);
        for &column in fit.droppable {
            let excess = total_width(&widths).saturating_sub(max_width);
            if excess > widths[fit.elastic] - min_width {
                widths[column] = 0;
            }
        }
        let excess = total_width(&widths).saturating_sub(max_width);
        widths[fit.elastic] = widths[fit.elastic].saturating_sub(excess).max(1);
        widths
    }

    /// Splits the headings into rows, one for each line of the highest.
    fn headings(&self) -> Vec<Vec<String>> {
        let height =
            self.columns.iter().map(|(heading, _)| heading.lines().count()).max().unwrap_or(0);
        (0..height).map(|line| self.heading_row(line)).collect()
    }

    fn heading_row(&self, line: usize) -> Vec<String> {
        self.columns
            .iter()
            .map(|(heading, _)| heading.lines().nth(line).unwrap_or_default().to_owned())
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.columns.len()).map(|column| self.column_width(column)).collect()
    }

    /// Returns the length of a column's longest cell or line of heading.
    fn column_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain(&self.totals).map(|row| row[column].as_str());
        cells
            .chain(self.columns[column].0.lines())
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    }

    fn write_row(&self, out: &mut dyn Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let mut line = String::new();
        let visible =
            cells.iter().zip(widths).zip(&self.columns).filter(|((_, width), _)| **width > 0);
        for ((cell, &width), (_, align)) in visible {
            let cell = shortened(cell, width);
            // Not by a width in `format!`, which panics beyond 65,535.
            let padding = " ".repeat(width - cell.chars().count());
            line += &match align {
                Align::Left => cell + &padding,
                Align::Right => padding + &cell,
            };
            line += GAP;
        }
        let line = line.trim_end();
        // All headings of a second line may be in dropped columns.
        if line.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
    }
}

/// Returns the columns of the terminal; `COLUMNS` overrides it.
pub(crate) fn width() -> Option<usize> {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(|| Term::stdout().size_checked().map(|(_, columns)| usize::from(columns)))
}

/// Returns the width of a row, gaps included.
fn total_width(widths: &[usize]) -> usize {
    let visible = widths.iter().filter(|&&width| width > 0).count();
    widths.iter().sum::<usize>() + GAP.len() * visible.saturating_sub(1)
}

/// Shortens a text to `width` characters by its beginning, which names in one scope share.
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
    fn cells_may_be_longer_than_formats_can_pad() {
        let mut table = Table::new(&[("name", Align::Left), ("n", Align::Right)]);
        table.row(vec!["x".repeat(70_000), "1".into()]);
        let mut text = Vec::new();
        table.write(&mut text, Fit { width: None, elastic: 0, droppable: &[] }).unwrap();
        assert!(text.len() > 200_000);
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
