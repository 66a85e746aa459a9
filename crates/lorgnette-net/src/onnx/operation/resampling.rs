//! Pictures of another size.

use lorgnette_kernels::{Binary, Unary};

use super::super::translate::{Translator, Value};
use super::Call;
use crate::graph::NodeId;
use crate::graph::op::{Op, Resize};
use crate::tensor::{DType, Tensor};

/// Which place of the input a place of the output corresponds to
/// (`coordinate_transformation_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
}

/// How the nearest place is chosen (`nearest_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// As ONNX Runtime rounds where the operator set does not say it: up for smaller pictures, else
    /// down.
    Outward,
}

/// The longest side that is resized to.
const MAX_SIDE: usize = 1 << 20;

/// One axis of a resize.
#[derive(Clone, Copy, Debug)]
struct Axis {
    from: usize,
    to: usize,
    scale: f32,
}

/// Between which two places of the input one of the output lies, and how far from the first.
#[derive(Clone, Copy, Debug)]
struct Sample {
    low: usize,
    high: usize,
    weight: f32,
}

impl Coordinates {
    fn new(name: &str) -> Result<Self, String> {
        Ok(match name {
            "half_pixel" => Self::HalfPixel,
            "half_pixel_symmetric" => Self::HalfPixelSymmetric,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            "align_corners" => Self::AlignCorners,
            "asymmetric" => Self::Asymmetric,
            "tf_half_pixel_for_nn" => Self::TfHalfPixelForNn,
            other => return Err(format!("a coordinate_transformation_mode of {other}")),
        })
    }

    fn source(self, axis: Axis, at: usize) -> f32 {
        let Axis { from, to, scale } = axis;
        let centre = (at as f32 + 0.5) / scale;
        match self {
            Self::HalfPixel => centre - 0.5,
            Self::HalfPixelSymmetric => {
                let adjustment = to as f32 / (scale * from as f32);
                from as f32 / 2.0 * (1.0 - adjustment) + centre - 0.5
            }
            Self::PytorchHalfPixel => {
                if to > 1 {
                    centre - 0.5
                } else {
                    0.0
                }
            }
            Self::AlignCorners if to == 1 => 0.0,
            Self::AlignCorners => at as f32 * (from - 1) as f32 / (to - 1) as f32,
            Self::Asymmetric => at as f32 / scale,
            Self::TfHalfPixelForNn => centre,
        }
    }
}

impl Rounding {
    fn new(name: &str) -> Result<Self, String> {
        Ok(match name {
            "round_prefer_floor" => Self::PreferFloor,
            "round_prefer_ceil" => Self::PreferCeil,
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            other => return Err(format!("a nearest_mode of {other}")),
        })
    }

    fn apply(self, source: f32, axis: Axis) -> f32 {
        match self {
            Self::Outward if axis.scale < 1.0 => source.ceil(),
            Self::Outward => source.floor(),
            Self::PreferFloor => (source - 0.5).ceil(),
            Self::PreferCeil => (source + 0.5).floor(),
            Self::Floor => source.floor(),
            Self::Ceil => source.ceil(),
        }
    }
}

impl Sample {
    fn nearest(axis: Axis, coordinates: Coordinates, rounding: Rounding, at: usize) -> Self {
        let rounded = rounding.apply(coordinates.source(axis, at), axis).max(0.0);
        let low = (rounded as usize).min(axis.from - 1);
        Self { low, high: low, weight: 0.0 }
    }

    fn linear(axis: Axis, coordinates: Coordinates, at: usize) -> Self {
        let source = coordinates.source(axis, at).clamp(0.0, (axis.from - 1) as f32);
        let low = source as usize;
        Self { low, high: (low + 1).min(axis.from - 1), weight: source - low as f32 }.settled()
    }

    /// A weight of zero and the same place twice are one thing.
    fn settled(self) -> Self {
        if self.weight == 0.0 || self.low == self.high {
            return Self { low: self.low, high: self.low, weight: 0.0 };
        }
        self
    }

    fn is_like(&self, other: &Self) -> bool {
        const TOLERANCE: f32 = 1e-5;
        self.low == other.low
            && self.high == other.high
            && (self.weight - other.weight).abs() < TOLERANCE
    }
}

impl<'a> Translator<'a> {
    pub(super) fn resize(&mut self, call: Call<'a, '_>) -> Result<Value, String> {
        let attributes = call.attributes;
        let x = call.input(0)?;
        let node = self.channels_last(x)?;
        let is_old = call.node.op_type == "Upsample" || self.model.opset < 11;
        let is_linear = match attributes.text("mode").unwrap_or("nearest") {
            "nearest" => false,
            "linear" | "bilinear" => true,
            other => return Err(format!("a mode of {other}")),
        };
        if attributes.flag("antialias", false) {
            return Err("with antialias".into());
        }
        let policy = attributes.text("keep_aspect_ratio_policy").unwrap_or("stretch");
        if policy != "stretch" {
            return Err(format!("a keep_aspect_ratio_policy of {policy}"));
        }
        let coordinates = if is_old { "asymmetric" } else { "half_pixel" };
        let coordinates = attributes.text("coordinate_transformation_mode").unwrap_or(coordinates);
        let coordinates = Coordinates::new(coordinates)?;
        let rounding = match attributes.text("nearest_mode") {
            Some(name) => Rounding::new(name)?,
            None if is_old => Rounding::Outward,
            None => Rounding::PreferFloor,
        };
        let (axes, size) = self.resized(call, x, node)?;
        let sample = |axis: Axis, at: usize| match is_linear {
            true => Sample::linear(axis, coordinates, at),
            false => Sample::nearest(axis, coordinates, rounding, at),
        };
        let tables = axes.map(|axis| (0..axis.to).map(|at| sample(axis, at)).collect::<Vec<_>>());
        if let Some(how) = same_in_kernel(is_linear, axes, &tables) {
            return Ok(Value::ChannelsLast(
                self.add(Op::Resize(Resize { bilinear: is_linear, how }), &[node, size])?,
            ));
        }
        let [rows, columns] = tables;
        let node = self.resample(node, 1, &rows, is_linear)?;
        Ok(Value::ChannelsLast(self.resample(node, 2, &columns, is_linear)?))
    }

    /// Both axes of a resize, and the size of the result as a node.
    fn resized(
        &mut self,
        call: Call<'a, '_>,
        x: Value,
        node: NodeId,
    ) -> Result<([Axis; 2], NodeId), String> {
        let shape = self.shape(x);
        let is_absent = |this: &Self, value: Value| this.fact(value.node()).is_empty();
        let input =
            |this: &Self, at: usize| call.optional(at).filter(|&value| !is_absent(this, value));
        let (scales, sizes) = match call.node.op_type.as_str() {
            "Resize" if self.model.opset >= 11 => (input(self, 2), input(self, 3)),
            _ => (input(self, 1), None),
        };
        let axes = call.attributes.ints("axes").map_or_else(|| vec![0, 1, 2, 3], <[i64]>::to_vec);
        let places: Vec<usize> = axes
            .iter()
            .map(|&at| crate::graph::rearrange::axis(at, 4))
            .collect::<Result<_, _>>()?;
        let place = |d: usize| places.iter().position(|&at| at == d);
        if let Some(sizes) = sizes {
            let numbers = self.numbers(sizes)?;
            let length = |d: usize| place(d).and_then(|at| numbers.get(at)).copied();
            for d in [0, 1] {
                check_unchanged(length(d).is_none_or(|n| n == shape[d] as i64))?;
            }
            let axis = |d: usize| {
                let to = length(d).map_or(Ok(shape[d]), usize::try_from);
                let to = to
                    .ok()
                    .filter(|n| (1..=MAX_SIDE).contains(n) && shape[d] > 0)
                    .ok_or("a resize from or to nothing, or beyond a million")?;
                Ok::<_, String>(Axis { from: shape[d], to, scale: to as f32 / shape[d] as f32 })
            };
            let found = [axis(2)?, axis(3)?];
            let size = match (place(2), place(3)) {
                (Some(rows), Some(columns)) => {
                    let (chosen, first) =
                        (self.integers(&[rows as i64, columns as i64])?, self.integer(0)?);
                    let sizes = self.plain(sizes)?;
                    self.add(Op::Gather, &[sizes, chosen, first])?
                }
                _ => self.integers(&[found[0].to as i64, found[1].to as i64])?,
            };
            return Ok((found, size));
        }
        let scales: Vec<f32> = match (scales, call.attributes.floats("scales")) {
            (Some(scales), _) => self
                .known(scales.node())
                .ok_or("its scales depend on more than the input's size")?
                .to_f32(),
            (None, Some(scales)) => scales.to_vec(),
            (None, None) => return Err("it has neither scales nor sizes".into()),
        };
        let scale = |d: usize| place(d).and_then(|at| scales.get(at)).copied().unwrap_or(1.0);
        check_unchanged(scale(0) == 1.0 && scale(1) == 1.0)?;
        let axis = |d: usize| {
            let (from, scale) = (shape[d], scale(d));
            let to = (from as f32 * scale).floor();
            let fits = from > 0 && (1.0..=MAX_SIDE as f32).contains(&to);
            fits.then_some(Axis { from, to: to as usize, scale })
                .ok_or("a resize from or to nothing, or beyond a million")
        };
        let found = [axis(2)?, axis(3)?];
        Ok((found, self.scaled_size(node, [scale(2), scale(3)])?))
    }

    /// Rows and columns of a picture times factors, rounded down, as a node.
    fn scaled_size(&mut self, x: NodeId, scales: [f32; 2]) -> Result<NodeId, String> {
        let shape = self.add(Op::Shape(DType::I64), &[x])?;
        let (begin, size) = (self.integers(&[1])?, self.integers(&[2])?);
        let lengths = self.add(Op::Slice, &[shape, begin, size])?;
        let lengths = self.add(Op::Cast(DType::F32), &[lengths])?;
        let scales = self.add(Op::Const(Tensor::from_f32(&[2], scales.to_vec())), &[])?;
        let lengths = self.binary(Binary::Mul, lengths, scales)?;
        let lengths = self.add(Op::Unary(Unary::Floor), &[lengths])?;
        self.add(Op::Cast(DType::I64), &[lengths])
    }

    /// Each place along an axis from one place, or between two.
    fn resample(
        &mut self,
        x: NodeId,
        axis: usize,
        samples: &[Sample],
        is_linear: bool,
    ) -> Result<NodeId, String> {
        let along = self.integer(axis as i64)?;
        let places =
            |pick: fn(&Sample) -> usize| samples.iter().map(|s| pick(s) as i64).collect::<Vec<_>>();
        let low = self.integers(&places(|sample| sample.low))?;
        let low = self.add(Op::Gather, &[x, low, along])?;
        if !is_linear {
            return Ok(low);
        }
        let high = self.integers(&places(|sample| sample.high))?;
        let high = self.add(Op::Gather, &[x, high, along])?;
        let mut shape = [1; 4];
        shape[axis] = samples.len();
        let weights = samples.iter().map(|sample| sample.weight).collect();
        let weights = self.add(Op::Const(Tensor::from_f32(&shape, weights)), &[])?;
        let step = self.binary(Binary::Sub, high, low)?;
        let part = self.binary(Binary::Mul, step, weights)?;
        self.sum(low, part)
    }
}

fn check_unchanged(is_unchanged: bool) -> Result<(), String> {
    is_unchanged.then_some(()).ok_or_else(|| "of the batch or the channels".into())
}

/// The setting of the fast kernel that reads the same places with the same weights, if there is
/// one.
fn same_in_kernel(
    is_linear: bool,
    axes: [Axis; 2],
    tables: &[Vec<Sample>; 2],
) -> Option<lorgnette_kernels::Resize> {
    let settings = [(false, false), (false, true), (true, false)];
    let settings = settings.map(|(align_corners, half_pixel_centers)| lorgnette_kernels::Resize {
        align_corners,
        half_pixel_centers,
    });
    settings.into_iter().find(|how| {
        axes.iter().zip(tables).all(|(axis, table)| {
            table.iter().enumerate().all(|(at, sample)| {
                let own = if is_linear {
                    let (low, high, weight) = how.between(axis.from, axis.to, at);
                    Sample { low, high, weight }.settled()
                } else {
                    let low = how.nearest(axis.from, axis.to, at);
                    Sample { low, high: low, weight: 0.0 }
                };
                own.is_like(sample)
            })
        })
    })
}
