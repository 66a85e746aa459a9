//! Diagrams of a network's architecture at block level: text for a terminal, Graphviz's dot, SVG.
//!
//! ```
//! use lorgnette::{Model, ModelOptions, diagram};
//!
//! let model = Model::embedded(&ModelOptions::default())?;
//! let summary = model.network().summary([224, 224], None)?;
//! assert!(diagram::text(&summary).contains("Conv2d_0"));
//! # Ok::<_, lorgnette::Error>(())
//! ```

mod dot;
mod svg;
mod text;

pub use dot::dot;
pub use svg::svg;
pub use text::text;

use std::ops::Range;

use lorgnette_net::summary::{Block, Branch, Layer, LayerKind, Summary};

/// A row of a diagram: a block, or a run of equal blocks.
struct Row<'a> {
    /// The name, or the first and the last name.
    name: String,
    /// The first block.
    block: &'a Block,
    /// Number of blocks.
    count: usize,
    parameters: u64,
    macs: u64,
    /// The rows whose output it reads.
    inputs: Vec<usize>,
}

/// Minimum length of a run that is folded.
const MIN_FOLDED: usize = 3;

/// The rows of a summary: runs of equal blocks are folded.
fn rows(summary: &Summary) -> Vec<Row<'_>> {
    let runs = runs(&summary.blocks);
    let row_index = |block: usize| runs.iter().position(|run| run.contains(&block)).unwrap_or(0);
    let row = |(at, run): (usize, &Range<usize>)| {
        let blocks = &summary.blocks[run.clone()];
        let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
        let name = if blocks.len() == 1 {
            first.name.clone()
        } else {
            format!("{} … {}", first.name, last_component(&last.name))
        };
        let inputs = first
            .inputs
            .iter()
            .map(|&input| row_index(input))
            .filter(|&input| input != at)
            .collect();
        let (parameters, macs) =
            (blocks.iter().map(|b| b.parameters).sum(), blocks.iter().map(|b| b.macs).sum());
        Row { name, block: first, count: blocks.len(), parameters, macs, inputs }
    };
    runs.iter().enumerate().map(row).collect()
}

fn last_component(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn runs(blocks: &[Block]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < blocks.len() {
        let same =
            blocks[start..].iter().take_while(|block| is_same(block, &blocks[start])).count();
        let length = if same >= MIN_FOLDED { same } else { 1 };
        runs.push(start..start + length);
        start += length;
    }
    runs
}

fn is_same(a: &Block, b: &Block) -> bool {
    let layers = |block: &Block| {
        block.branches.iter().map(|branch| branch.layers.clone()).collect::<Vec<_>>()
    };
    a.shape == b.shape && layers(a) == layers(b) && a.parameters == b.parameters
}

/// A layer in short: `3×3 64 /2` has windows of three by three, 64 channels and a stride of 2.
fn layer_text(layer: &Layer) -> String {
    let Layer { kind, kernel: [rows, columns], stride, dilation, channels } = layer;
    let window = format!("{rows}×{columns}");
    let mut text = match kind {
        LayerKind::Convolution => format!("{window} {channels}"),
        LayerKind::Depthwise => format!("{window} depthwise"),
        LayerKind::FullyConnected => format!("fully connected {channels}"),
        LayerKind::MaxPool => format!("{window} max"),
        LayerKind::AveragePool => format!("{window} mean"),
        LayerKind::Normalisation => "normalisation".into(),
        LayerKind::Softmax => "softmax".into(),
    };
    if *stride > 1 {
        text += &format!(" /{stride}");
    }
    if *dilation > 1 {
        text += &format!(" holes {dilation}");
    }
    text
}

/// The layers of a branch in short; equal neighbours are counted.
fn branch_texts(branch: &Branch) -> Vec<String> {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for layer in branch.layers.iter().map(layer_text) {
        match runs.last_mut() {
            Some((previous, count)) if *previous == layer => *count += 1,
            _ => runs.push((layer, 1)),
        }
    }
    let with_count = |(layer, count): (String, usize)| {
        if count == 1 { layer } else { format!("{count} × ({layer})") }
    };
    runs.into_iter().map(with_count).collect()
}

/// `224×224×3`, without the batch dimension, which decoded photos do not have.
fn shape(shape: &[usize]) -> String {
    let inner = if matches!(shape.len(), 2 | 4) { &shape[1..] } else { shape };
    let lengths: Vec<String> = inner.iter().map(ToString::to_string).collect();
    lengths.join("×")
}

/// `1.94 G`: three significant digits with an SI prefix.
fn count(number: u64) -> String {
    let (scaled, unit) = match number as f64 {
        number if number >= 1e9 => (number / 1e9, " G"),
        number if number >= 1e6 => (number / 1e6, " M"),
        number if number >= 1e3 => (number / 1e3, " k"),
        number => (number, ""),
    };
    match scaled {
        _ if unit.is_empty() => format!("{number}"),
        scaled if scaled >= 100.0 => format!("{scaled:.0}{unit}"),
        scaled if scaled >= 10.0 => format!("{scaled:.1}{unit}"),
        scaled => format!("{scaled:.2}{unit}"),
    }
}

/// The title of a diagram.
fn title(summary: &Summary) -> String {
    format!(
        "{}: {} parameters, {} multiplications",
        summary.name,
        count(summary.parameters()),
        count(summary.macs())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(kernel: usize, channels: usize, stride: usize) -> Layer {
        let kind = LayerKind::Convolution;
        Layer { kind, kernel: [kernel; 2], stride, dilation: 1, channels }
    }

    fn block(name: &str, channels: usize, inputs: &[usize]) -> Block {
        let layers = vec![layer(3, channels, 1), layer(3, channels, 1), layer(1, channels, 2)];
        let branches = vec![Branch { name: String::new(), layers }];
        Block {
            name: name.into(),
            branches,
            shape: vec![1, 8, 8, channels],
            parameters: 1,
            macs: 2,
            inputs: inputs.into(),
        }
    }

    #[test]
    fn equal_blocks_are_one_row() {
        let input = Block { name: "input".into(), shape: vec![1, 8, 8, 3], ..Block::default() };
        let units = (1..=4).map(|i| block(&format!("block1/unit_{i}"), 16, &[i - 1]));
        let blocks = std::iter::once(input).chain(units).chain([block("end", 32, &[4])]).collect();
        let summary = Summary { name: "n".into(), blocks };
        let rows = rows(&summary);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["input", "block1/unit_1 … unit_4", "end"]);
        assert_eq!(
            (rows[1].count, rows[1].parameters, &rows[1].inputs[..], &rows[2].inputs[..]),
            (4, 4, &[0][..], &[1][..])
        );
        assert_eq!(branch_texts(&rows[1].block.branches[0]), ["2 × (3×3 16)", "1×1 16 /2"]);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [999, 4_231_976, 15_470_000_000, 568_740_352].map(count),
            ["999", "4.23 M", "15.5 G", "569 M"]
        );
    }
}
