//! The layout of a picture in a placeholder, from the placeholder's shape and its readers.

use super::attributes::Attributes;
use super::{GraphDef, split_port};
use crate::graph::{Graph, NodeId, Op};
use crate::tensor::{DType, Tensor};

/// The suffix of an input's name under which it takes pictures as `[batch, rows, columns,
/// channels]`, whatever layout the graph has.
pub(crate) const CHANNELS_LAST: &str = "/channels_last";

/// The smallest side of a picture in a flat input. Anything shorter is features.
const MIN_FLAT_SIDE: usize = 8;

/// How a placeholder takes a picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PictureFit {
    /// As `[batch, rows, columns, channels]`, or of unknown rank.
    Plain,
    /// In another layout.
    Other(PictureLayout),
    /// Not at all, or not in one way only.
    No,
}

/// A layout other than `[batch, rows, columns, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PictureLayout {
    /// Rows, columns and channels, as far as the graph gives them.
    pub(super) picture: [Option<usize>; 3],
    /// Whether channels come before rows.
    channels_first: bool,
    /// The change of shape after that.
    reshaping: Reshaping,
}

#[derive(Clone, Debug, PartialEq)]
enum Reshaping {
    None,
    /// Removes dimensions of length 1.
    Squeeze(Vec<i64>),
    Reshape(Vec<i64>),
}

impl PictureLayout {
    /// Returns the shape under [`CHANNELS_LAST`].
    pub(super) fn channels_last_shape(&self) -> Vec<Option<usize>> {
        std::iter::once(None).chain(self.picture).collect()
    }

    /// Adds the input with channels last and the nodes that lay it out as the placeholder `name`.
    pub(super) fn add(&self, graph: &mut Graph, name: &str, dtype: DType) -> NodeId {
        let shape = Some(self.channels_last_shape());
        let mut steps: Vec<(&str, Op, Option<Vec<i64>>)> = Vec::new();
        if self.channels_first {
            steps.push(("channels_first", Op::Transpose, Some(vec![0, 3, 1, 2])));
        }
        match &self.reshaping {
            Reshaping::None => {}
            Reshaping::Squeeze(axes) => {
                steps.push(("squeezed", Op::Squeeze { axes: axes.clone() }, None));
            }
            Reshaping::Reshape(shape) => {
                steps.push(("reshaped", Op::Reshape, Some(shape.clone())));
            }
        }
        let mut value =
            graph.add(format!("{name}{CHANNELS_LAST}"), Op::Input { dtype, shape }, &[]);
        let last = steps.len().saturating_sub(1);
        for (index, (suffix, op, argument)) in steps.into_iter().enumerate() {
            let mut inputs = vec![value];
            if let Some(numbers) = argument {
                let tensor = Tensor::from_i64(DType::I32, &[numbers.len()], &numbers);
                inputs.push(graph.constant(format!("{name}/{suffix}/argument"), tensor));
            }
            let step_name =
                if index == last { name.to_owned() } else { format!("{name}/{suffix}") };
            value = graph.add(step_name, op, &inputs);
        }
        value
    }
}

/// Evidence of a placeholder's layout in its readers.
#[derive(Clone, Debug, Default, PartialEq)]
struct Readers {
    /// A convolution or pool with channels first, or a transposition to channels last.
    channels_first: bool,
    /// The shape that a flat input is given, without the batch.
    flat: Option<[usize; 3]>,
}

impl GraphDef {
    /// Returns how a placeholder takes a picture.
    pub(super) fn picture_fit(&self, index: usize) -> PictureFit {
        let node = &self.nodes[index];
        if !node.op.starts_with("Placeholder") {
            return PictureFit::Plain;
        }
        let readers = self.readers_of_picture(index);
        // Very old graphs omit the shape, which reads as a scalar.
        match Attributes(node).shape("shape").filter(|shape| !shape.is_empty()) {
            Some(shape) => fit(&shape, &readers),
            None if readers.channels_first => channels_first([None; 3]),
            None => PictureFit::Plain,
        }
    }

    fn readers_of_picture(&self, index: usize) -> Readers {
        /// Identities and casts between the placeholder and a reader that tells.
        const MAX_STEPS: usize = 4;
        let mut readers = Readers::default();
        let mut current = vec![index];
        for _ in 0..MAX_STEPS {
            let mut next = Vec::new();
            for (reader, node) in self.nodes.iter().enumerate() {
                let reads = node.input.first().is_some_and(|input| {
                    self.by_name
                        .get(split_port(input).0)
                        .is_some_and(|source| current.contains(source))
                });
                if !reads {
                    continue;
                }
                match node.op.as_str() {
                    "Identity" | "Cast" | "Sub" | "Mul" | "RealDiv" | "Div" | "Add" | "AddV2" => {
                        next.push(reader);
                    }
                    "Transpose" if self.constant_input(node, 1) == Some(vec![0, 2, 3, 1]) => {
                        readers.channels_first = true;
                    }
                    "Reshape" => {
                        let shape = self.constant_input(node, 1).unwrap_or_default();
                        if let &[_, a, b, c] = shape.as_slice() {
                            readers.flat = positive([a, b, c]);
                        }
                    }
                    _ if Attributes(node).is_nchw() => readers.channels_first = true,
                    _ => {}
                }
            }
            if next.is_empty() {
                break;
            }
            current = next;
        }
        readers
    }

    /// Returns the integers of a constant input.
    pub(super) fn constant_input(
        &self,
        node: &crate::proto::NodeDef,
        input: usize,
    ) -> Option<Vec<i64>> {
        let index = *self.by_name.get(split_port(node.input.get(input)?).0)?;
        let tensor = self.constant(&self.nodes[index])?;
        // Text and large tensors are no shapes.
        (tensor.len() <= 8 && !tensor.dtype().is_float()).then(|| tensor.to_i64())
    }
}

fn positive(sides: [i64; 3]) -> Option<[usize; 3]> {
    let sides = sides.map(|side| usize::try_from(side).unwrap_or(0));
    (!sides.contains(&0)).then_some(sides)
}

fn is_channels(length: Option<usize>) -> bool {
    matches!(length, Some(1 | 3 | 4))
}

fn fit(shape: &[Option<usize>], readers: &Readers) -> PictureFit {
    match *shape {
        [_, a, b, c] => fit_batch([a, b, c], readers),
        [a, b, c] => fit_image([a, b, c]),
        [Some(rows), Some(columns)] if rows == columns && rows >= MIN_FLAT_SIDE => {
            other([Some(rows), Some(columns), Some(1)], false, Reshaping::Squeeze(vec![0, 3]))
        }
        [_, Some(values)] => fit_flat(values, readers, true),
        [Some(values)] => fit_flat(values, readers, false),
        _ => PictureFit::No,
    }
}

/// Four dimensions, the first of which is the batch.
fn fit_batch([a, b, c]: [Option<usize>; 3], readers: &Readers) -> PictureFit {
    let may_be_first = is_channels(a) || a.is_none();
    if readers.channels_first && may_be_first && !(is_channels(c) && a.is_none()) {
        return channels_first([b, c, a]);
    }
    if is_channels(c) || (c.is_none() && !is_channels(a)) {
        return PictureFit::Plain;
    }
    if is_channels(a) { channels_first([b, c, a]) } else { PictureFit::No }
}

/// Three dimensions: a picture without batch, or grey pictures without channels.
fn fit_image([a, b, c]: [Option<usize>; 3]) -> PictureFit {
    if is_channels(c) {
        return other([a, b, c], false, Reshaping::Squeeze(vec![0]));
    }
    if is_channels(a) {
        return other([b, c, a], true, Reshaping::Squeeze(vec![0]));
    }
    match (a, b, c) {
        (None, Some(_), Some(_)) => other([b, c, Some(1)], false, Reshaping::Squeeze(vec![3])),
        _ => PictureFit::No,
    }
}

/// The values of a picture in one row: as the graph reshapes them, or a square of grey or colour.
fn fit_flat(values: usize, readers: &Readers, batch: bool) -> PictureFit {
    let length = i64::try_from(values).unwrap_or(i64::MAX);
    let flat = Reshaping::Reshape(if batch { vec![-1, length] } else { vec![length] });
    let known = readers.flat.filter(|sides| sides.iter().product::<usize>() == values);
    if let Some([a, b, c]) = known {
        let is_first = is_channels(Some(a)) && !is_channels(Some(c));
        let picture = if is_first { [b, c, a] } else { [a, b, c] };
        if !is_channels(Some(picture[2])) {
            return PictureFit::No;
        }
        return other(picture.map(Some), is_first, flat);
    }
    let square = |channels: usize| {
        let side = (values / channels).isqrt();
        (side >= MIN_FLAT_SIDE && side * side * channels == values)
            .then_some([side, side, channels])
    };
    square(1)
        .or_else(|| square(3))
        .map_or(PictureFit::No, |picture| other(picture.map(Some), false, flat))
}

fn channels_first(picture: [Option<usize>; 3]) -> PictureFit {
    other(picture, true, Reshaping::None)
}

fn other(picture: [Option<usize>; 3], channels_first: bool, reshaping: Reshaping) -> PictureFit {
    PictureFit::Other(PictureLayout { picture, channels_first, reshaping })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shape: &[Option<usize>], readers: &Readers) -> Option<[Option<usize>; 3]> {
        match fit(shape, readers) {
            PictureFit::Other(layout) => Some(layout.picture),
            _ => None,
        }
    }

    #[test]
    fn layouts_are_told_by_the_length_that_can_be_channels() {
        let none = Readers::default();
        for plain in [[None, Some(32), Some(32), Some(3)], [None; 4], [None, None, None, Some(1)]] {
            assert_eq!(fit(&plain, &none), PictureFit::Plain, "{plain:?}");
        }
        let first = picture(&[None, Some(3), Some(32), Some(48)], &none);
        assert_eq!(first, Some([Some(32), Some(48), Some(3)]));
        assert_eq!(picture(&[None, None, Some(3)], &none), Some([None, None, Some(3)]));
        assert_eq!(picture(&[Some(3), None, None], &none), Some([None, None, Some(3)]));
        let grey = Some([Some(28), Some(28), Some(1)]);
        assert_eq!(picture(&[None, Some(28), Some(28)], &none), grey);
        assert_eq!(picture(&[Some(28), Some(28)], &none), grey);
        assert_eq!(picture(&[None, Some(784)], &none), grey);
        assert_eq!(picture(&[Some(3072)], &none), Some([Some(32), Some(32), Some(3)]));
        for none_fits in [vec![None, Some(10)], vec![None, Some(7), Some(7), Some(5)], vec![None]] {
            assert_eq!(fit(&none_fits, &none), PictureFit::No, "{none_fits:?}");
        }
    }

    #[test]
    fn readers_settle_what_a_shape_leaves_open() {
        let first = Readers { channels_first: true, flat: None };
        assert_eq!(picture(&[None; 4], &first), Some([None; 3]));
        let planes = Readers { channels_first: false, flat: Some([3, 32, 32]) };
        let layout = fit(&[None, Some(3072)], &planes);
        assert!(matches!(layout, PictureFit::Other(PictureLayout { channels_first: true, .. })));
    }
}
