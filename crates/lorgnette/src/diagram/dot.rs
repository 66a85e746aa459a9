//! The architecture in Graphviz's language.

use std::fmt::Write as _;

use lorgnette_net::summary::Summary;

use super::{branch_texts, count, rows, shape, title};

/// The architecture in Graphviz's language, for `dot -Tsvg`.
#[must_use]
pub fn dot(summary: &Summary) -> String {
    let rows = rows(summary);
    let mut text = format!("digraph {} {{\n", quoted(&summary.name));
    let _ = writeln!(text, "  label={}; labelloc=t; fontname=Helvetica;", quoted(&title(summary)));
    text += "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eef3f8\", \
         fontname=Helvetica];\n";
    text += "  edge [fontname=Helvetica, fontsize=10];\n";
    for (at, row) in rows.iter().enumerate() {
        let times = if row.count > 1 { format!(" ({} ×)", row.count) } else { String::new() };
        let mut lines = vec![format!("{}{times}", row.name)];
        lines.extend(row.block.branches.iter().map(|branch| branch_texts(branch).join(", ")));
        if row.parameters > 0 {
            lines.push(format!("{} parameters", count(row.parameters)));
        }
        let _ = writeln!(text, "  b{at} [label={}];", quoted(&lines.join("\n")));
        for &input in &row.inputs {
            let _ = writeln!(
                text,
                "  b{input} -> b{at} [label={}];",
                quoted(&shape(&rows[input].block.shape))
            );
        }
    }
    text + "}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
