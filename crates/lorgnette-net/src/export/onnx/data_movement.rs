//! Operations that move elements, and resizing.

use super::emit::{Setting, integers, node};
use super::translation::Translation;
use crate::graph::op::{Op, PadMode, Resize, SliceMasks};
use crate::graph::quantized::Scale;
use crate::graph::rearrange::axis;
use crate::graph::{Node, NodeId};

/// The `end` values of a slice up to the end, and of a backward slice that includes the first
/// element.
const TO_THE_END: i64 = i64::MAX;
const PAST_THE_START: i64 = i64::MIN;

/// A range of a dimension.
struct Cut {
    start: i64,
    end: i64,
    step: i64,
}

impl Translation<'_> {
    /// Gives the elements another shape. One length may depend on the batch.
    pub(super) fn reshape(&mut self, id: NodeId, x: NodeId) -> Result<(), String> {
        let shape = self.target(id)?;
        let x = self.elements(x);
        let shape = self.integers(id, "shape", shape);
        self.give(id, "Reshape", vec![x, shape], Vec::new());
        Ok(())
    }

    fn target(&self, id: NodeId) -> Result<Vec<i64>, String> {
        let lengths = self.lengths(id);
        if lengths.iter().filter(|length| length.is_none()).count() > 1 {
            return Err("two of its dimensions depend on the batch".into());
        }
        Ok(lengths.into_iter().map(|length| length.map_or(-1, |length| length as i64)).collect())
    }

    pub(super) fn resize(
        &mut self,
        id: NodeId,
        node: &Node,
        resize: &Resize,
    ) -> Result<(), String> {
        let x = node.inputs[0];
        let &[_, rows, columns, _] = self.shape(id) else { return Err("it is no map".into()) };
        // Scales and the region of interest are left out; inputs are positional.
        let sizes = self.integers(id, "sizes", vec![rows as i64, columns as i64]);
        let inputs = vec![self.first(x), String::new(), String::new(), sizes];
        let transformation = match (resize.how.align_corners, resize.how.half_pixel_centers) {
            (true, _) => "align_corners",
            (_, true) => "half_pixel",
            _ => "asymmetric",
        };
        if !resize.bilinear && resize.how.align_corners {
            return Err("ONNX rounds the nearest pixel otherwise where corners are aligned".into());
        }
        let settings = vec![
            ("axes", integers([2, 3])),
            ("mode", Setting::Text(if resize.bilinear { "linear" } else { "nearest" })),
            ("coordinate_transformation_mode", Setting::Text(transformation)),
            ("nearest_mode", Setting::Text("floor")),
        ];
        self.give_first(id, "Resize", inputs, settings);
        Ok(())
    }

    pub(super) fn resize_bicubic(
        &mut self,
        id: NodeId,
        node: &Node,
        how: lorgnette_kernels::Resize,
    ) -> Result<(), String> {
        let x = node.inputs[0];
        let (&[_, height, width, _], &[_, rows, columns, _]) = (self.shape(x), self.shape(id))
        else {
            return Err("it is no map".into());
        };
        if !how.has_exact_cubic(height, rows) || !how.has_exact_cubic(width, columns) {
            return Err("TensorFlow rounds the distances of this bicubic interpolation, and ONNX \
                        does not"
                .into());
        }
        let sizes = self.integers(id, "sizes", vec![rows as i64, columns as i64]);
        let inputs = vec![self.first(x), String::new(), String::new(), sizes];
        let (transformation, factor) = match (how.align_corners, how.half_pixel_centers) {
            (_, true) => ("half_pixel", -0.5),
            (true, _) => ("align_corners", -0.75),
            _ => ("asymmetric", -0.75),
        };
        let settings = vec![
            ("axes", integers([2, 3])),
            ("mode", Setting::Text("cubic")),
            ("cubic_coeff_a", Setting::Float(factor)),
            ("exclude_outside", Setting::Integer(how.half_pixel_centers.into())),
            ("coordinate_transformation_mode", Setting::Text(transformation)),
        ];
        self.give_first(id, "Resize", inputs, settings);
        Ok(())
    }

    /// Translates all other operations that move elements.
    pub(super) fn moved(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        match &node.op {
            Op::Pad(mode) => self.pad(id, node, *mode),
            Op::Transpose => {
                let order = self.numbers(node.inputs[1])?;
                let x = self.plain(node.inputs[0]);
                self.give(id, "Transpose", vec![x], vec![("perm", Setting::Integers(order))]);
                Ok(())
            }
            Op::StridedSlice(masks) => self.strided_slice(id, node, masks),
            Op::Slice => self.slice(id, node),
            Op::Split { count, index } => {
                let at = self.numbers(node.inputs[0])?;
                let x = node.inputs[1];
                let at = axis(*at.first().ok_or("it has no axis")?, self.shape(x).len())?;
                let length = (self.shape(x)[at] / count) as i64;
                let start = length * *index as i64;
                self.cut(id, x, &[(at, Cut { start, end: start + length, step: 1 })])
            }
            Op::SplitV { index } => {
                let (sizes, at) = (self.numbers(node.inputs[1])?, self.numbers(node.inputs[2])?);
                let x = node.inputs[0];
                let at = axis(*at.first().ok_or("it has no axis")?, self.shape(x).len())?;
                if sizes.iter().any(|&size| size < 0) {
                    return Err("one of its sizes is what is left".into());
                }
                let start: i64 = sizes[..*index].iter().sum();
                self.cut(id, x, &[(at, Cut { start, end: start + sizes[*index], step: 1 })])
            }
            Op::Unpack { axis: at, index } => {
                let x = node.inputs[0];
                let at = axis(*at, self.shape(x).len())?;
                let index_name = self.weight(
                    id,
                    "index",
                    Vec::new(),
                    super::weights::Content::Integers(vec![*index as i64]),
                );
                let x = self.plain(x);
                self.give(
                    id,
                    "Gather",
                    vec![x, index_name],
                    vec![("axis", Setting::Integer(at as i64))],
                );
                Ok(())
            }
            Op::Pack { axis: at } => self.pack(id, node, *at),
            Op::Select => {
                let inputs = node.inputs.iter().map(|&input| self.plain(input)).collect();
                self.give(id, "Where", inputs, Vec::new());
                Ok(())
            }
            Op::Tile => {
                let times = self.numbers(node.inputs[1])?;
                let times = self.integers(id, "times", times);
                let x = self.plain(node.inputs[0]);
                self.give(id, "Tile", vec![x, times], Vec::new());
                Ok(())
            }
            &Op::DepthToSpace { block: [rows, columns], by_channel } if rows == columns => {
                let mode = Setting::Text(if by_channel { "CRD" } else { "DCR" });
                let block = Setting::Integer(rows as i64);
                let x = self.first(node.inputs[0]);
                self.give_first(
                    id,
                    "DepthToSpace",
                    vec![x],
                    vec![("blocksize", block), ("mode", mode)],
                );
                Ok(())
            }
            &Op::SpaceToDepth { block: [rows, columns] } if rows == columns => {
                let block = Setting::Integer(rows as i64);
                let x = self.first(node.inputs[0]);
                self.give_first(id, "SpaceToDepth", vec![x], vec![("blocksize", block)]);
                Ok(())
            }
            _ => Err("there is no translation of it to ONNX".into()),
        }
    }

    fn pad(&mut self, id: NodeId, node: &Node, mode: PadMode) -> Result<(), String> {
        let mode = match mode {
            PadMode::Constant => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Edge => "edge",
            PadMode::Symmetric => return Err("ONNX does not mirror the edge itself".into()),
        };
        let x = node.inputs[0];
        let amounts = self.numbers(node.inputs[1])?;
        let first = self.is_first(x);
        let order: Vec<usize> =
            if first { super::layout::TO_FIRST.to_vec() } else { (0..amounts.len() / 2).collect() };
        // All leading paddings, then all trailing ones.
        let pads = [0, 1].into_iter().flat_map(|side| order.iter().map(move |d| (d, side)));
        let pads = pads.map(|(d, side)| amounts[2 * d + side]).collect();
        let mut inputs = vec![if first { self.first(x) } else { self.plain(x) }];
        inputs.push(self.integers(id, "pads", pads));
        if let Some(&value) = node.inputs.get(2) {
            inputs.push(match self.source.one.fact(id).quantization {
                Some(scale) => self.real_fill(id, value, scale)?,
                None => self.plain(value),
            });
        }
        let settings = vec![("mode", Setting::Text(mode))];
        self.give_as(first, id, "Pad", inputs, settings);
        Ok(())
    }

    /// Returns the name of the real number of a padding with integers.
    fn real_fill(&mut self, id: NodeId, value: NodeId, scale: Scale) -> Result<String, String> {
        let stored = self.numbers(value)?.first().copied().ok_or("its fill value is empty")?;
        let real = scale.scale * (stored - i64::from(scale.zero_point)) as f32;
        Ok(self.floats(id, "fill", Vec::new(), vec![real]))
    }

    fn pack(&mut self, id: NodeId, node: &Node, at: i64) -> Result<(), String> {
        let at = axis(at, self.shape(id).len())?;
        let axes = self.integers(id, "axes", vec![at as i64]);
        let mut inputs = Vec::new();
        for (place, &input) in node.inputs.iter().enumerate() {
            let name = format!("{}/{place}", self.name(id));
            let x = self.plain(input);
            self.emit(super::emit::node("Unsqueeze", vec![x, axes.clone()], &name, Vec::new()));
            inputs.push(name);
        }
        self.give(id, "Concat", inputs, vec![("axis", Setting::Integer(at as i64))]);
        Ok(())
    }

    fn slice(&mut self, id: NodeId, node: &Node) -> Result<(), String> {
        let (begin, size) = (self.numbers(node.inputs[1])?, self.numbers(node.inputs[2])?);
        let cuts: Vec<(usize, Cut)> = begin
            .iter()
            .zip(&size)
            .enumerate()
            .map(|(d, (&start, &size)): (usize, (&i64, &i64))| {
                let end = if size < 0 { TO_THE_END } else { start + size };
                (d, Cut { start, end, step: 1 })
            })
            .collect();
        self.cut(id, node.inputs[0], &cuts)
    }

    /// Translates a slice. An entry that selects one element is cut to length 1, and a reshape
    /// removes the dimension.
    fn strided_slice(&mut self, id: NodeId, node: &Node, masks: &SliceMasks) -> Result<(), String> {
        if masks.ellipsis != 0 || masks.new_axis != 0 {
            return Err("it has an ellipsis or new dimensions".into());
        }
        let [begin, end, step] = [1, 2, 3].map(|i| self.numbers(node.inputs[i]));
        let (begin, end, step) = (begin?, end?, step?);
        let is_in = |mask: u64, d: usize| mask >> d & 1 == 1;
        let cuts: Vec<(usize, Cut)> = (0..begin.len())
            .map(|d: usize| {
                let step = step[d];
                if is_in(masks.shrink_axis, d) {
                    let end = if begin[d] == -1 { TO_THE_END } else { begin[d] + 1 };
                    return (d, Cut { start: begin[d], end, step: 1 });
                }
                let (first, last) =
                    if step < 0 { (TO_THE_END, PAST_THE_START) } else { (0, TO_THE_END) };
                let start = if is_in(masks.begin, d) { first } else { begin[d] };
                (d, Cut { start, end: if is_in(masks.end, d) { last } else { end[d] }, step })
            })
            .collect();
        self.cut(id, node.inputs[0], &cuts)
    }

    /// Cuts ranges out of a value, by dimension, and removes the dimensions that the result does
    /// not have.
    fn cut(&mut self, id: NodeId, x: NodeId, cuts: &[(usize, Cut)]) -> Result<(), String> {
        let first = self.is_first(x) && self.is_map(id);
        let place = |d: usize| if first { [0, 2, 3, 1][d] } else { d as i64 };
        let column =
            |of: fn(&Cut) -> i64| cuts.iter().map(|(_, cut)| of(cut)).collect::<Vec<i64>>();
        let columns = [
            ("starts", column(|cut| cut.start)),
            ("ends", column(|cut| cut.end)),
            ("axes", cuts.iter().map(|(d, _)| place(*d)).collect()),
            ("steps", column(|cut| cut.step)),
        ];
        let mut inputs = vec![if first { self.first(x) } else { self.plain(x) }];
        inputs.extend(columns.map(|(what, values)| self.integers(id, what, values)));
        if self.shape(id).len() == self.shape(x).len() {
            self.give_as(first, id, "Slice", inputs, Vec::new());
            return Ok(());
        }
        let part = format!("{}/part", self.name(id));
        self.emit(node("Slice", inputs, &part, Vec::new()));
        let shape = self.target(id)?;
        let shape = self.integers(id, "shape", shape);
        self.give(id, "Reshape", vec![part, shape], Vec::new());
        Ok(())
    }
}
