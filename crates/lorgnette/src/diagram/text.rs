//! The architecture as a table for a terminal.

use std::fmt::Write as _;

use lorgnette_net::summary::Summary;

use super::{Row, branch_texts, count, rows, shape, title};

/// Width in columns at which layers are wrapped.
const LAYERS_WIDTH: usize = 46;

/// The architecture as text: a line for each block, one for each of its branches.
#[must_use]
pub fn text(summary: &Summary) -> String {
    let rows = rows(summary);
    let names = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = title(summary) + "\n\n";
    for (at, row) in rows.iter().enumerate() {
        write_row(&mut text, row, at, names);
    }
    text
}

fn write_row(text: &mut String, row: &Row<'_>, at: usize, names: usize) {
    let lines = lines(row);
    let costs = if row.parameters + row.macs == 0 {
        String::new()
    } else {
        format!("{:>8}  {:>8}", count(row.parameters), count(row.macs))
    };
    let skip_text = skip_inputs(row, at);
    for (number, layers) in lines.iter().enumerate() {
        let (name, shape, costs) = if number == 0 {
            (row.name.as_str(), shape(&row.block.shape), costs.as_str())
        } else {
            ("", String::new(), "")
        };
        let line = format!(
            "  {name:names$}  {layers:LAYERS_WIDTH$}  {shape:>13}  {costs}{}",
            if number == 0 { &skip_text } else { "" }
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// The layers of each branch, wrapped.
fn lines(row: &Row<'_>) -> Vec<String> {
    let branches = &row.block.branches;
    let mut lines = Vec::new();
    for (number, branch) in branches.iter().enumerate() {
        let mark = match (branches.len(), number) {
            (1, _) => "",
            (_, 0) => "┬ ",
            (count, number) if number + 1 == count => "└ ",
            _ => "├ ",
        };
        let mut line = mark.to_owned();
        for (layer_index, layer) in branch_texts(branch).into_iter().enumerate() {
            let next = if layer_index == 0 { layer } else { format!(", {layer}") };
            if line.chars().count() + next.chars().count() > LAYERS_WIDTH {
                lines.push(std::mem::replace(
                    &mut line,
                    if mark.is_empty() { "  ".into() } else { "│   ".into() },
                ));
                line += next.trim_start_matches(", ");
            } else {
                line += &next;
            }
        }
        lines.push(line);
    }
    // Folded layers are short, as a rule.
    if row.count > 1
        && let [first] = &mut lines[..]
    {
        *first = format!("{} × [ {first} ]", row.count);
    }
    if lines.is_empty() { vec![String::new()] } else { lines }
}

/// The rows that are read in addition to the previous one.
fn skip_inputs(row: &Row<'_>, at: usize) -> String {
    let others: Vec<String> = row
        .inputs
        .iter()
        .filter(|&&input| input + 1 != at)
        .map(|input| format!("{input}"))
        .collect();
    if others.is_empty() || at == 0 {
        String::new()
    } else {
        format!("  ← row {}", others.join(", "))
    }
}
