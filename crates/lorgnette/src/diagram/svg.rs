//! The architecture as SVG: blocks from top to bottom, branches side by side, a box for each layer.

use std::fmt::Write as _;

use lorgnette_net::summary::{Branch, Layer, LayerKind, Summary};

use crate::drawing::escaped;

use super::{Row, count, layer_text, rows, shape, title};

const WIDTH: f64 = 980.0;
const MARGIN: f64 = 24.0;
/// Right edge of the blocks' names, and centre of their boxes.
const NAMES_END: f64 = 212.0;
const CENTRE: f64 = 510.0;
const BOX_WIDTH: f64 = 520.0;
/// Right edges of shapes and of costs.
const SHAPES_END: f64 = 872.0;
const COSTS_END: f64 = WIDTH - MARGIN;
const TITLE_HEIGHT: f64 = 78.0;
const LAYER_HEIGHT: f64 = 22.0;
const LAYER_GAP: f64 = 5.0;
const PADDING: f64 = 8.0;
/// Gap between blocks, for an arrow.
const GAP: f64 = 20.0;
const LEGEND_HEIGHT: f64 = 56.0;

/// Kinds of layers with their legend and colours, which colour-blind people can distinguish (Okabe
/// and Ito, "Color universal design", 2008).
const LAYER_STYLES: [(LayerKind, &str, &str, &str); 7] = [
    (LayerKind::Convolution, "convolution", "#0072b2", "#fff"),
    (LayerKind::Depthwise, "depthwise", "#56b4e9", "#000"),
    (LayerKind::FullyConnected, "fully connected", "#d55e00", "#fff"),
    (LayerKind::MaxPool, "max pool", "#009e73", "#fff"),
    (LayerKind::AveragePool, "mean pool", "#f0e442", "#000"),
    (LayerKind::Normalisation, "normalisation", "#cc79a7", "#000"),
    (LayerKind::Softmax, "softmax", "#e69f00", "#000"),
];

/// The architecture as a complete SVG file.
#[must_use]
pub fn svg(summary: &Summary) -> String {
    let rows = rows(summary);
    let mut top = TITLE_HEIGHT;
    let mut extents = Vec::with_capacity(rows.len());
    for row in &rows {
        let height = height(row);
        extents.push((top, height));
        top += height + GAP;
    }
    let height = top + LEGEND_HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"Inter, Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#667\"/></marker></defs>\n"
    );
    heading(&mut svg, summary);
    arrows(&mut svg, &rows, &extents);
    for (row, &extent) in rows.iter().zip(&extents) {
        block(&mut svg, row, extent);
    }
    legend(&mut svg, &rows, top);
    svg + "</svg>\n"
}

fn heading(svg: &mut String, summary: &Summary) {
    let title = title(summary);
    let (name, rest) = title.split_once(": ").unwrap_or((&title, ""));
    text(
        svg,
        TextAttributes { x: MARGIN, y: 36.0, size: 22.0, anchor: "start", fill: "#112" },
        name,
    );
    text(
        svg,
        TextAttributes { x: MARGIN, y: 58.0, size: 13.0, anchor: "start", fill: "#556" },
        rest,
    );
    for (x, words) in [(SHAPES_END, "shape"), (COSTS_END, "parameters")] {
        text(svg, TextAttributes { x, y: 58.0, size: 12.0, anchor: "end", fill: "#556" }, words);
    }
}

/// Rows of layers in the highest branch.
fn height(row: &Row<'_>) -> f64 {
    let layers =
        row.block.branches.iter().map(|branch| folded(branch).len()).max().unwrap_or(0).max(1)
            as f64;
    2.0 * PADDING + layers * LAYER_HEIGHT + (layers - 1.0) * LAYER_GAP
}

/// Layers with the length of their runs.
fn folded(branch: &Branch) -> Vec<(&Layer, usize)> {
    let mut runs: Vec<(&Layer, usize)> = Vec::new();
    for layer in &branch.layers {
        match runs.last_mut() {
            Some((previous, count)) if *previous == layer => *count += 1,
            _ => runs.push((layer, 1)),
        }
    }
    runs
}

fn block(svg: &mut String, row: &Row<'_>, (top, height): (f64, f64)) {
    let left = CENTRE - BOX_WIDTH / 2.0;
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{BOX_WIDTH}\" height=\"{height}\" rx=\"8\" \
         fill=\"#f3f5f8\" stroke=\"#c9d2dc\"/>"
    );
    let middle = top + height / 2.0 + 4.5;
    let name = if row.count > 1 { format!("{} ×", row.count) } else { String::new() };
    let label = TextAttributes { x: NAMES_END, y: middle, size: 13.0, anchor: "end", fill: "#112" };
    text(svg, label, &row.name);
    text(
        svg,
        TextAttributes {
            x: left + BOX_WIDTH - 8.0,
            y: top + 16.0,
            size: 13.0,
            anchor: "end",
            fill: "#556",
        },
        &name,
    );
    text(
        svg,
        TextAttributes { x: SHAPES_END, y: middle, size: 13.0, anchor: "end", fill: "#334" },
        &shape(&row.block.shape),
    );
    if row.parameters > 0 {
        text(
            svg,
            TextAttributes { x: COSTS_END, y: middle, size: 13.0, anchor: "end", fill: "#334" },
            &count(row.parameters),
        );
    }
    let branches = &row.block.branches;
    if branches.is_empty() {
        text(
            svg,
            TextAttributes { x: CENTRE, y: middle, size: 13.0, anchor: "middle", fill: "#334" },
            &row.name,
        );
    }
    let width = (BOX_WIDTH - 2.0 * PADDING - (branches.len().max(1) - 1) as f64 * PADDING)
        / branches.len().max(1) as f64;
    for (number, branch) in branches.iter().enumerate() {
        let column_width = width.min(BOX_WIDTH / 2.0);
        let column_left = left + PADDING + number as f64 * (width + PADDING);
        let x = column_left + (width - column_width) / 2.0;
        column(svg, branch, x, top + PADDING, column_width);
    }
}

/// Draws a branch's layers from top to bottom.
fn column(svg: &mut String, branch: &Branch, x: f64, top: f64, width: f64) {
    for (number, (layer, times)) in folded(branch).into_iter().enumerate() {
        let y = top + number as f64 * (LAYER_HEIGHT + LAYER_GAP);
        let (_, _, fill, ink) =
            LAYER_STYLES.iter().find(|kind| kind.0 == layer.kind).unwrap_or(&LAYER_STYLES[0]);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{LAYER_HEIGHT}\" \
             rx=\"4\" fill=\"{fill}\"/>"
        );
        let (words, size) = fitted_text(layer, times, width);
        text(
            svg,
            TextAttributes {
                x: x + width / 2.0,
                y: y + LAYER_HEIGHT / 2.0 + 4.2,
                size,
                anchor: "middle",
                fill: ink,
            },
            &words,
        );
    }
}

/// The text of a box of this width and its font size; narrow boxes omit the kind, which the colour
/// shows.
fn fitted_text(layer: &Layer, times: usize, width: f64) -> (String, f64) {
    const MIN_FONT_SIZE: f64 = 9.0;
    // Characters are about half as wide as high.
    let size = |words: &str| (width / words.chars().count() as f64 / 0.56).clamp(6.0, 12.5);
    let with_count =
        |words: String| if times > 1 { format!("{times} × ({words})") } else { words };
    let long = with_count(layer_text(layer));
    if size(&long) >= MIN_FONT_SIZE {
        let size = size(&long);
        return (long, size);
    }
    let plain =
        layer_text(layer).replace(" depthwise", "").replace(" max", "").replace(" mean", "");
    let words = if times > 1 { format!("{times}·{plain}") } else { plain };
    let size = size(&words);
    (words, size)
}

/// Draws arrows from block to block; those that skip blocks go around them.
fn arrows(svg: &mut String, rows: &[Row<'_>], extents: &[(f64, f64)]) {
    for (at, row) in rows.iter().enumerate() {
        for &input in &row.inputs {
            let (from, to) = (extents[input].0 + extents[input].1, extents[at].0);
            let path = if input + 1 == at {
                format!("M{CENTRE} {from:.1}V{:.1}", to - 1.0)
            } else {
                // Adjacent lanes for arrows that overlap.
                let edge = CENTRE + BOX_WIDTH / 2.0;
                let far = edge + 9.0 + 7.0 * (at % 2) as f64;
                format!("M{edge} {:.1}H{far}V{:.1}H{}", from - 12.0, to + 12.0, edge + 1.0)
            };
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"#889\" stroke-width=\"1.4\" \
                 marker-end=\"url(#tip)\"/>"
            );
        }
    }
}

fn legend(svg: &mut String, rows: &[Row<'_>], top: f64) {
    let layers =
        || rows.iter().flat_map(|row| &row.block.branches).flat_map(|branch| &branch.layers);
    let mut x = MARGIN;
    for (_, words, fill, _) in
        LAYER_STYLES.iter().filter(|kind| layers().any(|layer| layer.kind == kind.0))
    {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{top}\" width=\"14\" height=\"14\" rx=\"3\" fill=\"{fill}\"/>"
        );
        text(
            svg,
            TextAttributes {
                x: x + 20.0,
                y: top + 11.5,
                size: 12.0,
                anchor: "start",
                fill: "#334",
            },
            words,
        );
        x += 40.0 + 6.6 * words.len() as f64;
    }
    let note = "3×3 64 /2: windows of 3 × 3, 64 channels out, stride 2";
    text(
        svg,
        TextAttributes { x: MARGIN, y: top + 36.0, size: 12.0, anchor: "start", fill: "#556" },
        note,
    );
}

/// Position and appearance of a text.
#[derive(Clone, Copy)]
struct TextAttributes {
    x: f64,
    y: f64,
    size: f64,
    anchor: &'static str,
    fill: &'static str,
}

fn text(svg: &mut String, words: TextAttributes, text: &str) {
    let TextAttributes { x, y, size, anchor, fill } = words;
    let text = escaped(text);
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.1}\" text-anchor=\"{anchor}\" \
         fill=\"{fill}\">{text}</text>"
    );
}
