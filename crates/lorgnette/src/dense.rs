//! A class for every place of a photo: a classification network run fully convolutionally over a
//! photo of any size.
//!
//! ```text
//! Picture ─▶ scaled (for each scale) ─▶ parts ─▶ dense plan ─▶ scores of cells ─▶ LabelMap ─▶ legend, regions, pixels
//!            picture                   tiles    lorgnette_net   scores          label_map     region, upsample
//! ```
//!
//! The photo is neither resized nor cropped, only given the style's arithmetic; so what a cell
//! answers for is as large as the pictures that the network was trained on. Other sizes of things
//! are found by scaling the photo.

use lorgnette_net::network::FullyConvolutionalPlan;
use lorgnette_net::{DenseOptions, MapPadding, ReceptiveField};

pub use self::axis::Axis;
pub use self::coco::Coco;
pub use self::label_map::{LabelMap, LegendEntry};
pub use self::region::{Region, RegionOptions};

use self::scores::Scores;
use self::tiles::Cut;
use crate::error::Result;
use crate::model::Model;
use crate::picture::Picture;
use crate::preprocess::{Preprocess, Unresized};

mod axis;
mod coco;
mod label_map;
mod region;
mod scores;
mod tiles;
mod upsample;

/// Bytes of activations above which a photo is looked at in parts.
const PART_BYTES: u64 = 768 << 20;
/// Bytes of scores above which only each cell's best are kept.
const SCORES_BYTES: u64 = 1 << 30;

/// What a map is like.
#[derive(Clone, Debug, PartialEq)]
pub struct MapOptions {
    /// What the classification layers find beyond the edge of the photo.
    pub padding: MapPadding,
    /// Pixels from cell to cell, at most: a power of two; the network's own stride if not given.
    /// Finer maps take longer.
    pub output_stride: Option<usize>,
    /// How many times as large the photo is made, above 0. The probabilities at several scales are
    /// averaged, on the grid of the largest.
    pub scales: Vec<f64>,
    /// The longest side, in pixels of the scaled photo, of what is looked at at once; as memory
    /// allows if not given.
    pub part: Option<usize>,
}

impl Default for MapOptions {
    /// Cells to the border, the network's own stride, the photo as it is.
    fn default() -> Self {
        Self { padding: MapPadding::Same, output_stride: None, scales: vec![1.0], part: None }
    }
}

/// Makes maps of photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Mapper {
    model: Model,
    options: MapOptions,
    probe: Probe,
}

/// What the plan for a picture of the network's own size tells of those for others.
#[derive(Clone, Copy, Debug)]
struct Probe {
    stride: [usize; 2],
    field: [usize; 2],
    bytes_a_pixel: f64,
    /// Whether some layers look at the whole picture, so that it cannot be cut.
    has_global_context: bool,
}

/// A photo's map at one scale.
struct Layer {
    rows: Axis,
    columns: Axis,
    scores: Scores,
}

impl Mapper {
    /// A mapper that uses `model`.
    ///
    /// # Errors
    /// If the network does not give one score for each class, or cannot slide over a picture.
    pub fn new(model: Model, options: MapOptions) -> Result<Self> {
        let sound = |scale: &f64| scale.is_finite() && *scale > 0.0;
        if options.scales.is_empty() || !options.scales.iter().all(sound) {
            return Err(model.failure("a map needs at least one scale, and each above 0"));
        }
        if !model.classifies() {
            return Err(model.does_not_classify());
        }
        let window = window(&model);
        let dense =
            DenseOptions { padding: MapPadding::Same, output_stride: options.output_stride };
        let found = model.network().dense_plan(dense, window, window)?;
        let bytes = found.plan.activation_bytes(model.network().options().pool.threads());
        let probe = Probe {
            stride: [found.rows.stride, found.columns.stride],
            field: [found.rows.size, found.columns.size],
            bytes_a_pixel: bytes as f64 / (window[0] * window[1]) as f64,
            has_global_context: found.has_global_context,
        };
        Ok(Self { model, options, probe })
    }

    /// The model it uses.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How its maps are made.
    #[must_use]
    pub fn options(&self) -> &MapOptions {
        &self.options
    }

    /// The same mapper on a pool of `threads` threads of its own.
    #[must_use]
    pub fn on_threads(&self, threads: usize) -> Self {
        Self { model: self.model.on_threads(threads), ..self.clone() }
    }

    /// What regions are looked for in its maps: those of [`RegionOptions::default`], but none of
    /// the background.
    #[must_use]
    pub fn region_options(&self) -> RegionOptions {
        RegionOptions {
            without: self.model.labels().background().into_iter().collect(),
            ..RegionOptions::default()
        }
    }

    /// The map of a photo.
    ///
    /// # Errors
    /// If the photo is too small for the network, or there is no memory for the map.
    pub fn map(&self, picture: &Picture) -> Result<LabelMap> {
        self.map_watched(picture, &mut |_, _| {})
    }

    /// As [`Mapper::map`]; calls `watch` with the number of parts that are done and of all, before
    /// the first and after each.
    ///
    /// # Errors
    /// As [`Mapper::map`].
    pub fn map_watched(
        &self,
        picture: &Picture,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<LabelMap> {
        let mut layers = Vec::with_capacity(self.options.scales.len());
        for &scale in &self.options.scales {
            layers.push(self.layer(picture, scale, watch)?);
        }
        let largest = (0..layers.len())
            .max_by_key(|&at| layers[at].scores.cells())
            .expect("there is a scale");
        let Layer { rows, columns, .. } = layers[largest];
        let scores = if layers.len() == 1 {
            layers.remove(0).scores
        } else {
            averaged(&layers, &rows, &columns)?
        };
        Ok(LabelMap::new(rows, columns, scores))
    }

    fn layer(
        &self,
        picture: &Picture,
        scale: f64,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Layer> {
        let scaled = if scale == 1.0 { None } else { Some(picture.scaled(scale)) };
        let (seen, size) =
            (scaled.as_ref().unwrap_or(picture), [picture.height(), picture.width()]);
        let (plan, cuts) = self.parts([seen.height(), seen.width()])?;
        let scores = self.scores(seen, &plan, &cuts, watch)?;
        let axis = |axis: usize, field: ReceptiveField, cuts: &[Cut]| {
            let scale = [seen.height(), seen.width()][axis] as f64 / size[axis] as f64;
            Axis::new(field, cuts.last().map_or(0, |cut| cut.cells.end), scale, size[axis])
        };
        Ok(Layer {
            rows: axis(0, plan.rows, &cuts[0]),
            columns: axis(1, plan.columns, &cuts[1]),
            scores,
        })
    }

    /// The plan for the parts of a picture of `size`, and where it is cut, down and across.
    fn parts(&self, size: [usize; 2]) -> Result<(FullyConvolutionalPlan, [Vec<Cut>; 2])> {
        let mut most = self.longest_part(size);
        loop {
            let part = std::array::from_fn(|axis| {
                tiles::part_length(size[axis], self.probe.stride[axis], most)
            });
            let plan = self.plan(part, size)?;
            let shape = &plan.plan.outputs()[0].fact.shape;
            let cut =
                |axis: usize, field| tiles::cut(size[axis], part[axis], shape[axis + 1], field);
            if let Some(cuts) = cut(0, plan.rows).zip(cut(1, plan.columns)) {
                return Ok((plan, cuts.into()));
            }
            // Too little for a single cell that sees nothing beyond its part.
            most += self.probe.field[0].max(self.probe.field[1]) / 2;
        }
    }

    /// The longest side of a part, so that its activations stay within bounds.
    fn longest_part(&self, size: [usize; 2]) -> usize {
        let longest = size[0].max(size[1]);
        if self.probe.has_global_context {
            return longest;
        }
        if let Some(part) = self.options.part {
            return part;
        }
        let bytes = PART_BYTES.min(self.model.network().options().memory_limit) as f64;
        let area = bytes / self.probe.bytes_a_pixel;
        if (size[0] as f64 * size[1] as f64) <= area {
            return longest;
        }
        // What a narrow photo leaves of the width, its parts may have in length.
        let narrow = (size[0].min(size[1]) as f64).min(area.sqrt());
        (area / narrow) as usize
    }

    fn plan(&self, part: [usize; 2], size: [usize; 2]) -> Result<FullyConvolutionalPlan> {
        let MapOptions { padding, output_stride, .. } = self.options;
        let window = window(&self.model);
        let plan =
            self.model.network().dense_plan(DenseOptions { padding, output_stride }, window, part);
        let is_small = size[0] < window[0] || size[1] < window[1];
        plan.map_err(|error| match error {
            lorgnette_net::Error::Memory { .. } if self.probe.has_global_context => self.model.failure(&format!(
                "{error}; it weighs channels over the whole picture, which so cannot be looked at in parts: scale it down"
            )),
            lorgnette_net::Error::Memory { .. } => error.into(),
            error if is_small => self.model.failure(&format!(
                "a picture of {} x {} pixels is too small for its windows of {} x {}: scale it up ({error})",
                size[1], size[0], window[1], window[0]
            )),
            error => error.into(),
        })
    }

    /// Runs the plan over every part, and keeps the cells that count.
    fn scores(
        &self,
        picture: &Picture,
        plan: &FullyConvolutionalPlan,
        [rows, columns]: &[Vec<Cut>; 2],
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Scores> {
        let whole = Unresized::new(self.model.preprocess(), picture);
        let last = |cuts: &[Cut]| cuts.last().map_or(0, |cut| cut.cells.end);
        let output = &plan.plan.outputs()[0];
        let (part_columns, classes) = (output.fact.shape[2], output.fact.shape[3]);
        let width = last(columns);
        let mut scores = Scores::new(last(rows) * width, classes, SCORES_BYTES)?;
        let parts = rows.len() * columns.len();
        watch(0, parts);
        for (number, (down, across)) in
            rows.iter().flat_map(|row| columns.iter().map(move |c| (row, c))).enumerate()
        {
            let write = |activations: &mut lorgnette_net::plan::Activations| {
                let input = activations.input(&plan.plan.inputs()[0]);
                whole.part(down.pixels.clone(), across.pixels.clone(), input);
            };
            self.model.network().run_plan(&plan.plan, write, |activations| {
                let values = activations.output(&plan.plan, output);
                for (row, column) in
                    down.cells.clone().flat_map(|row| across.cells.clone().map(move |c| (row, c)))
                {
                    let at = (row - down.first) * part_columns + (column - across.first);
                    scores.set(row * width + column, &values[at * classes..][..classes]);
                }
            })?;
            watch(number + 1, parts);
        }
        Ok(scores)
    }
}

/// The size of picture that the network was trained for, in the picture that a map is computed on.
fn window(model: &Model) -> [usize; 2] {
    let Preprocess { height, width, .. } = *model.preprocess();
    [height, width]
}

/// The mean probabilities of several maps on one grid, as scores.
fn averaged(layers: &[Layer], rows: &Axis, columns: &Axis) -> Result<Scores> {
    let classes = layers[0].scores.classes();
    let mut scores = Scores::new(rows.cells * columns.cells, classes, SCORES_BYTES)?;
    let mut sums = vec![0.0; classes];
    for cell in 0..rows.cells * columns.cells {
        sums.fill(0.0);
        let (y, x) = (rows.centre(cell / columns.cells), columns.centre(cell % columns.cells));
        for layer in layers {
            let (down, across) = (layer.rows.around(y), layer.columns.around(x));
            for (row, share) in [(down.low, 1.0 - down.weight), (down.high, down.weight)] {
                for (column, part) in
                    [(across.low, 1.0 - across.weight), (across.high, across.weight)]
                {
                    let weight = share * part / layers.len() as f32;
                    layer.scores.add_probabilities(
                        row * layer.columns.cells + column,
                        weight,
                        &mut sums,
                    );
                }
            }
        }
        sums.iter_mut().for_each(|sum| *sum = sum.ln());
        scores.set(cell, &sums);
    }
    Ok(scores)
}
