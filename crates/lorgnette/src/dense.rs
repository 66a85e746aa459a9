//! Segmentation: a classification network run fully convolutionally over a photo of any size.
//!
//! ```text
//! Picture ─▶ scaled ─▶ tiles ─▶ session ─▶ scores ─▶ all scales ─▶ SegmentationMap ─▶ regions, …
//!            picture   tiles    net        scores   attention      segmentation_map   region
//! ```
//!
//! The photo is normalised, but neither resized nor cropped, so a cell's receptive field equals the
//! size of the training images. Scaling the photo finds objects of other sizes.

use std::ops::Range;

use lorgnette_kernels::ThreadPool;
use lorgnette_net::DenseSession;
use lorgnette_net::scores::softmax;
use lorgnette_net::{DenseOptions, MapPadding, ReceptiveField};

pub use self::attention::ScaleView;
pub use self::axis::Axis;
pub use self::coco::Coco;
pub use self::region::{Region, RegionOptions};
pub use self::segmentation_map::{LegendEntry, SegmentationMap};

use self::attention::ScaleAttention;
pub(crate) use self::connected::{GridSize, connected};
pub(crate) use self::evidence::{Common, Evidence};
use self::pyramid::{Purpose, Pyramid};
pub(crate) use self::refine::{Window, WindowGrid};
use self::scale_level::{EveryCell, EveryLevel};
pub(crate) use self::scale_level::{ScaleLevel, ScaleVisitor, WantedCells};
use self::scores::Scores;
use self::tiles::{CropAxis, TileSpan};
use crate::answer::MapAnswer;
use crate::embed::features;
use crate::error::Result;
use crate::model::Model;
use crate::observer::{Observer, Progress, report};
use crate::picture::Picture;
use crate::preprocess::{Preprocessor, Unresized};
use crate::scores::check_finite;

mod attention;
mod axis;
mod coco;
mod connected;
mod evidence;
mod pyramid;
mod refine;
mod refined;
mod region;
mod scale_level;
mod scores;
mod segmentation_map;
mod tiles;
mod upsample;

/// Probability below which a cell of a pyramid's map is unknown.
pub const UNKNOWN_BELOW: f32 = 0.2;

/// Scale below which a scale of a pyramid is coarse.
const MAX_COARSE_SCALE: f64 = 0.75;
/// Side of the second mean over the features at the finest scale of a map, in cells of the
/// network's own stride.
const MAP_SECOND_MEAN_SIDE: usize = 5;
/// The same at the scales of a search.
const SEARCH_SECOND_MEAN_SIDE: usize = 3;
/// Share of the cells of a scale that a search looks at, at most, where it looks at few.
const SPARSE_SHARE: f64 = 0.05;
/// Bytes of activations above which a photo is split into tiles. More would save little of what
/// tiles see twice, and the system's clearing of memory takes longer than that.
const MAX_TILE_BYTES: u64 = 448 << 20;
/// Bytes of scores above which only each cell's best classes are stored.
const MAX_SCORE_BYTES: u64 = 1 << 30;

/// Options of a segmentation.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationOptions {
    /// Padding of the classification layers at the photo's edge.
    pub padding: MapPadding,
    /// Maximum pixels from cell to cell, a power of two; default: the network's own stride. A
    /// smaller stride takes longer.
    pub output_stride: Option<usize>,
    /// Scale factors of the photo, each above 0. Probabilities at several scales are averaged on
    /// the grid of the largest. If there are none, a pyramid of scales is chosen by the photo's
    /// size, and each cell has the mean probabilities of all scales, each with a weight by how well
    /// it shows what is there.
    pub scales: Vec<f64>,
    /// Maximum side of a tile, in pixels of the scaled photo; default: by the memory limit.
    pub tile: Option<usize>,
    /// Probability, 0 to 1, below which a cell is unknown; default: [`UNKNOWN_BELOW`] for a pyramid
    /// of scales, else 0.
    pub unknown_below: Option<f32>,
    /// Whether the outlines of regions follow the photo's colours and edges; default: only where a
    /// pyramid of scales is blurred, which then hides more.
    pub refine: Option<bool>,
}

impl Default for SegmentationOptions {
    /// SAME padding, the network's own stride, the photo unscaled.
    fn default() -> Self {
        Self {
            padding: MapPadding::Same,
            output_stride: None,
            scales: vec![1.0],
            tile: None,
            unknown_below: None,
            refine: None,
        }
    }
}

/// Computes segmentation maps of photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Segmenter {
    model: Model,
    options: SegmentationOptions,
    tile_budget: TileBudget,
    /// Output stride at the coarse scales of a pyramid, where the options give none; `None` if it
    /// is not for a search.
    coarse_stride: Option<usize>,
}

/// Stride, receptive field and memory per pixel, measured on a plan for an input of the network's
/// own size.
#[derive(Clone, Copy, Debug)]
struct TileBudget {
    stride: [usize; 2],
    field: [usize; 2],
    bytes_per_pixel: f64,
    /// True if some layers depend on the whole picture, so that it cannot be split.
    has_global_context: bool,
    /// True if the classification layers read a mean over the features.
    averages: bool,
}

impl TileBudget {
    /// True if the classification layers read a mean over the features, and no layer the whole
    /// picture: a narrower mean then answers for smaller things.
    fn is_local_mean(&self) -> bool {
        self.averages && !self.has_global_context
    }
}

/// A photo's map with the answer about the photo as a whole, from one run of the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WholeMap {
    /// The map.
    pub map: SegmentationMap,
    /// Probability of each class for the whole photo, 0 to 1: of the mean scores of all cells.
    pub probabilities: Vec<f32>,
    /// Mean features of all cells, one number for each channel; `None` if the layer is not known.
    pub features: Option<Vec<f32>>,
}

/// A look at a picture at one scale.
#[derive(Clone, Copy)]
struct Look<'a> {
    scale: f64,
    dense: DenseOptions,
    visitor: &'a dyn ScaleVisitor,
}

/// The tiles of a picture.
struct Tiles {
    /// The session for a tile.
    dense: DenseSession,
    /// Vertical and horizontal.
    spans: [Vec<TileSpan>; 2],
    /// The cells of the whole map that are wanted; `None` for all.
    wanted: Option<WantedCells>,
    options: DenseOptions,
}

impl Tiles {
    /// True if no cell is wanted.
    fn are_unwanted(&self) -> bool {
        self.wanted.as_ref().is_some_and(WantedCells::is_empty)
    }

    /// The parts of a tile, vertical and horizontal, that have its wanted cells, in a picture of
    /// `size`.
    fn crops(&self, tile: [&TileSpan; 2], size: [usize; 2]) -> Vec<[TileSpan; 2]> {
        let [down, across] = tile.map(Clone::clone);
        let Some(wanted) = &self.wanted else { return vec![[down, across]] };
        let axis = |field, length| CropAxis { field, length };
        let crop = |cells: &[Range<usize>; 2]| {
            let [rows, columns] = cells.clone();
            [
                down.cropped(rows, axis(self.dense.rows, size[0])),
                across.cropped(columns, axis(self.dense.columns, size[1])),
            ]
        };
        let pixels = |cells: &[Range<usize>; 2]| {
            crop(cells).iter().map(|span| span.pixels.len()).product::<usize>()
        };
        let blocks = wanted.blocks(&down.cells, &across.cells, pixels);
        let mut crops: Vec<[TileSpan; 2]> = blocks.iter().map(crop).collect();
        // Those of one size share a session.
        crops.sort_by_key(|crop| crop.each_ref().map(|span| span.pixels.len()));
        crops
    }
}

impl Segmenter {
    /// Creates a segmenter that uses `model`.
    ///
    /// # Errors
    /// If the network does not give one score for each class, or cannot be made fully
    /// convolutional.
    pub fn new(model: Model, options: SegmentationOptions) -> Result<Self> {
        let is_valid = |scale: &f64| scale.is_finite() && *scale > 0.0;
        if !options.scales.iter().all(is_valid) {
            return Err(model.model_error("each scale of a map must be above 0"));
        }
        if !model.classifies() {
            return Err(model.no_class_scores_error());
        }
        let window = window(&model);
        let output_stride = options.output_stride;
        let dense = DenseOptions { output_stride, ..DenseOptions::new(MapPadding::Same) };
        let measured = model.network().dense_session(dense, window, window)?;
        let threads = model.threads();
        let bytes = measured.session.plan().activation_bytes(threads);
        let tile_budget = TileBudget {
            stride: [measured.rows.stride, measured.columns.stride],
            field: [measured.rows.size, measured.columns.size],
            bytes_per_pixel: bytes as f64 / (window[0] * window[1]) as f64,
            has_global_context: measured.has_global_context,
            averages: measured.averages,
        };
        Ok(Self { model, options, tile_budget, coarse_stride: None })
    }

    /// Returns the same segmenter for a search for some classes: with a pyramid of finer scales,
    /// few places of which a visitor wants, a second, narrow mean over the features at the others,
    /// and another output stride at the coarse scales, unless the options give one for all. Large
    /// things are then bounded more exactly, in little time.
    #[must_use]
    pub(crate) fn for_search(self, coarse_stride: usize) -> Self {
        Self { coarse_stride: Some(coarse_stride), ..self }
    }

    /// The output stride at a scale.
    fn output_stride(&self, scale: f64) -> Option<usize> {
        let is_coarse = self.options.scales.is_empty() && scale < MAX_COARSE_SCALE;
        self.options.output_stride.or(self.coarse_stride.filter(|_| is_coarse))
    }

    /// The underlying model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The options of its maps.
    #[must_use]
    pub fn options(&self) -> &SegmentationOptions {
        &self.options
    }

    /// Returns the same segmenter on its own pool of `threads` threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { model: self.model.with_threads(threads), ..self.clone() }
    }

    /// [`RegionOptions::default`] without the background class.
    #[must_use]
    pub fn region_options(&self) -> RegionOptions {
        RegionOptions {
            excluded: self.model.labels().background().into_iter().collect(),
            ..RegionOptions::default()
        }
    }

    /// Computes the map of a photo, with the [answer](crate::answer) as the program prints it and
    /// the regions that `options` select.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn answer(&self, picture: &Picture, options: &RegionOptions) -> Result<MapAnswer> {
        let map = self.segment(picture)?;
        Ok(MapAnswer::new(picture.name(), &self.model, &map, &map.regions(options)))
    }

    /// Computes the map of a photo.
    ///
    /// # Errors
    /// If the photo is too small for the network, or memory is insufficient.
    pub fn segment(&self, picture: &Picture) -> Result<SegmentationMap> {
        self.segment_observed(picture, &mut ())
    }

    /// As [`Segmenter::segment`]; reports the number of finished tiles, before the first and after
    /// each.
    ///
    /// # Errors
    /// As [`Segmenter::segment`]; [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn segment_observed(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<SegmentationMap> {
        let is_pyramid = self.options.scales.is_empty();
        let ScaleLevel { rows, columns, scores, .. } = if is_pyramid {
            let mut scales = ScaleAttention::new(self.pool(), self.half_window());
            self.visit_scales(picture, observer, &mut scales)?;
            scales.into_level()?
        } else {
            let mut scales = EveryLevel(Vec::new());
            self.visit_scales(picture, observer, &mut scales)?;
            average_scales(scales.0, self.pool())?
        };
        let unknown_below =
            self.options.unknown_below.unwrap_or(if is_pyramid { UNKNOWN_BELOW } else { 0.0 });
        let scales = self.scales(picture.width(), picture.height());
        let map = SegmentationMap::new(rows, columns, scores);
        let map = map.with_unknown_below(unknown_below).with_scales(scales);
        let refine = self.options.refine.unwrap_or(false);
        Ok(if refine { map.refined(picture) } else { map })
    }

    /// Computes the map of a photo at one size, height and width in pixels, whatever the options'
    /// scales.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn segment_resized(
        &self,
        picture: &Picture,
        height: usize,
        width: usize,
    ) -> Result<SegmentationMap> {
        let ScaleLevel { rows, columns, scores, .. } =
            self.resized_level(picture, [height, width], self.output_look(), &mut ())?;
        Ok(SegmentationMap::new(rows, columns, scores))
    }

    /// The answers of a pyramid's scales at some places of a photo, the coarsest first: a map's
    /// cells are their weighted means. Places are down and across in pixels.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn scale_views(
        &self,
        picture: &Picture,
        places: &[[f64; 2]],
    ) -> Result<Vec<Vec<ScaleView>>> {
        let mut scales = ScaleAttention::new(self.pool(), self.half_window());
        self.visit_scales(picture, &mut (), &mut scales)?;
        Ok(scales.views(places))
    }

    /// As [`Segmenter::segment_resized`], with what one run of the network says of the photo as a
    /// whole. The photo is seen without tiles, so that `height` and `width` should be near the
    /// network's own input.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn segment_whole(
        &self,
        picture: &Picture,
        height: usize,
        width: usize,
    ) -> Result<WholeMap> {
        let resized = picture.resized(width, height, self.pool());
        let (network, options) = (self.model.network(), self.dense_options());
        let window = window(&self.model);
        let mut dense = network.dense_session_with_features(options, window, [height, width])?;
        let session = &mut dense.session;
        let input = session.inputs()[0].name.clone();
        let unresized = Unresized::new(self.model.preprocess(), &resized);
        let pixels = session.input_mut(&input)?;
        unresized.tile_on(self.pool(), [&(0..height), &(0..width)], pixels);
        session.run()?;
        let shape = session.outputs()[0].fact.shape.clone();
        let [_, rows, columns, classes] = shape[..] else {
            return Err(self.model.no_class_scores_error());
        };
        let values = session.output_at(0)?;
        let mut scores = Scores::new(rows * columns, classes, MAX_SCORE_BYTES)?;
        scores.fill(self.pool(), |cell, logits| {
            logits.copy_from_slice(&values[cell * classes..][..classes]);
            true
        });
        let probabilities = softmax(&features(&[classes], values));
        let features = match session.outputs().get(1) {
            Some(port) => Some(features(&port.fact.shape, session.output_at(1)?)),
            None => None,
        };
        let rows =
            Axis::new(dense.rows, rows, height as f64 / picture.height() as f64, picture.height());
        let columns = Axis::new(
            dense.columns,
            columns,
            width as f64 / picture.width() as f64,
            picture.width(),
        );
        Ok(WholeMap { probabilities, features, map: SegmentationMap::new(rows, columns, scores) })
    }

    /// True if one run gives the classes and features of a whole photo together with its map: the
    /// classification layers read a mean over the features, and no others do.
    #[must_use]
    pub fn sees_wholes(&self) -> bool {
        self.tile_budget.is_local_mean() && self.model.signature().features.is_some()
    }

    /// Pixels from cell to cell of a map, vertically and horizontally, in the picture as the
    /// network sees it.
    #[must_use]
    pub fn stride(&self) -> [usize; 2] {
        self.tile_budget.stride
    }

    /// The scales at which a photo of this size is mapped: those of the options, or a pyramid.
    #[must_use]
    pub fn scales(&self, width: usize, height: usize) -> Vec<f64> {
        self.pyramid(width, height).scales
    }

    fn pyramid(&self, width: usize, height: usize) -> Pyramid {
        let scales = self.options.scales.clone();
        if !scales.is_empty() {
            return Pyramid { scales, whole: 0 };
        }
        let max_pixels = match self.tile_budget.has_global_context {
            // It cannot be split into tiles.
            true => MAX_TILE_BYTES as f64 / self.tile_budget.bytes_per_pixel,
            false => f64::INFINITY,
        };
        let purpose = if self.is_search() { Purpose::Search } else { Purpose::Map };
        let (window, padding) = (window(&self.model), self.options.padding);
        let limits = pyramid::Limits { window, padding, max_pixels };
        pyramid::pyramid(width, height, purpose, limits)
    }

    fn is_search(&self) -> bool {
        self.coarse_stride.is_some()
    }

    /// True if the means over the features taper: at the scales of a map's pyramid.
    fn tapers(&self) -> bool {
        let is_map = !self.is_search() && self.options.scales.is_empty();
        is_map && self.tile_budget.is_local_mean()
    }

    /// Maps the photo at each scale, in ascending order, and passes each map to `visitor`. Of
    /// several scales, progress is in hundredths of all pixels.
    ///
    /// # Errors
    /// As [`Segmenter::segment_observed`].
    pub(crate) fn visit_scales(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
        visitor: &mut dyn ScaleVisitor,
    ) -> Result<()> {
        let pyramid = self.pyramid(picture.width(), picture.height());
        let share_of = |number: usize| if number < pyramid.whole { 1.0 } else { SPARSE_SHARE };
        let pixels = |(number, scale): (usize, &f64)| share_of(number) * scale * scale;
        let all: f64 = pyramid.scales.iter().enumerate().map(pixels).sum();
        let mut before = 0.0;
        for (number, scale) in pyramid.scales.iter().enumerate() {
            let share = pixels((number, scale)) / all;
            let mut in_hundredths = |tiles: &Progress| {
                let done = before + share * tiles.done as f64 / tiles.total.max(1) as f64;
                observer.event(&Progress { done: (100.0 * done) as usize, total: 100 })
            };
            let progress: &mut dyn Observer = match pyramid.scales.len() {
                1 => observer,
                _ => &mut in_hundredths,
            };
            let second_mean_side = self.second_mean_side(number, &pyramid);
            let dense = DenseOptions { second_mean_side, ..self.scale_options(*scale) };
            let chooser: &dyn ScaleVisitor =
                if number < pyramid.whole { &EveryCell } else { visitor };
            let look = Look { scale: *scale, dense, visitor: chooser };
            let level = self.look(picture, look, progress)?;
            visitor.visit(*scale, level);
            before += share;
        }
        Ok(())
    }

    /// The side of the second mean over the features at a scale of a pyramid. It knows what would
    /// be large enough for the network only at a finer scale: at the finest of a map, and at those
    /// of a search that are looked at everywhere.
    fn second_mean_side(&self, number: usize, pyramid: &Pyramid) -> Option<usize> {
        if !self.options.scales.is_empty() || !self.tile_budget.is_local_mean() {
            return None;
        }
        match self.is_search() {
            true => (number < pyramid.whole).then_some(SEARCH_SECOND_MEAN_SIDE),
            false => (number + 1 == pyramid.scales.len()).then_some(MAP_SECOND_MEAN_SIDE),
        }
    }

    /// The map of a picture at one scale.
    fn look(
        &self,
        picture: &Picture,
        look: Look<'_>,
        observer: &mut dyn Observer,
    ) -> Result<ScaleLevel> {
        let size = [picture.height(), picture.width()].map(|side| scaled_side(side, look.scale));
        self.resized_level(picture, size, look, observer)
    }

    /// A look at every cell, as the options say.
    fn output_look(&self) -> Look<'static> {
        Look { scale: 1.0, dense: self.dense_options(), visitor: &EveryCell }
    }

    /// The options of the map at a scale.
    fn scale_options(&self, scale: f64) -> DenseOptions {
        let (output_stride, tapers) = (self.output_stride(scale), self.tapers());
        DenseOptions { output_stride, tapers, ..self.dense_options() }
    }

    fn pool(&self) -> &ThreadPool {
        &self.model.network().run_options().pool
    }

    /// Half a window of the network in cells, vertically and horizontally.
    fn half_window(&self) -> [usize; 2] {
        let window = window(&self.model);
        std::array::from_fn(|axis| {
            (window[axis] as f64 / self.tile_budget.stride[axis] as f64 / 2.0).round() as usize
        })
    }

    /// The options of a map.
    fn dense_options(&self) -> DenseOptions {
        let SegmentationOptions { padding, output_stride, .. } = self.options;
        DenseOptions { output_stride, ..DenseOptions::new(padding) }
    }

    /// The map, over the picture, of the picture at `size`, height and width.
    fn resized_level(
        &self,
        picture: &Picture,
        size: [usize; 2],
        look: Look<'_>,
        observer: &mut dyn Observer,
    ) -> Result<ScaleLevel> {
        let (dense, spans) = self.tiles(size, look.dense)?;
        let own_size = [picture.height(), picture.width()];
        let axis = |axis: usize, field: ReceptiveField, spans: &[TileSpan]| {
            let scale = size[axis] as f64 / own_size[axis] as f64;
            Axis::new(field, spans.last().map_or(0, |span| span.cells.end), scale, own_size[axis])
        };
        let (rows, columns) = (axis(0, dense.rows, &spans[0]), axis(1, dense.columns, &spans[1]));
        let wanted = match self.tile_budget.has_global_context {
            true => None,
            false => look.visitor.wanted(&rows, &columns),
        };
        let tiles = Tiles { dense, spans, wanted, options: look.dense };
        let (scores, second) = if size == own_size || tiles.are_unwanted() {
            self.scores(picture, size, tiles, observer)?
        } else {
            let resized = picture.resized(size[1], size[0], self.pool());
            self.scores(&resized, size, tiles, observer)?
        };
        Ok(ScaleLevel { rows, columns, scores, second })
    }

    /// The session for the tiles of a picture of `size`, and the tiles' spans, vertical and
    /// horizontal.
    fn tiles(
        &self,
        size: [usize; 2],
        options: DenseOptions,
    ) -> Result<(DenseSession, [Vec<TileSpan>; 2])> {
        let mut max_tile = self.max_tile_side(size);
        loop {
            let tile = std::array::from_fn(|axis| {
                tiles::tile_length(size[axis], self.tile_budget.stride[axis], max_tile)
            });
            let dense = self.session(tile, size, options)?;
            let shape = &dense.session.outputs()[0].fact.shape;
            let spans_of = |axis: usize, field| {
                tiles::tile_spans(size[axis], tile[axis], shape[axis + 1], field)
            };
            if let Some(spans) = spans_of(0, dense.rows).zip(spans_of(1, dense.columns)) {
                return Ok((dense, spans.into()));
            }
            // Too short for a single cell's receptive field.
            max_tile += self.tile_budget.field[0].max(self.tile_budget.field[1]) / 2;
        }
    }

    /// Maximum side of a tile whose activations fit the memory limit.
    fn max_tile_side(&self, size: [usize; 2]) -> usize {
        let longer_side = size[0].max(size[1]);
        if self.tile_budget.has_global_context {
            return longer_side;
        }
        if let Some(tile) = self.options.tile {
            return tile;
        }
        let bytes = MAX_TILE_BYTES.min(self.model.network().run_options().memory_limit) as f64;
        let area = bytes / self.tile_budget.bytes_per_pixel;
        if (size[0] as f64 * size[1] as f64) <= area {
            return longer_side;
        }
        // The tiles of a narrow photo may be longer.
        let shorter_side = (size[0].min(size[1]) as f64).min(area.sqrt());
        (area / shorter_side) as usize
    }

    fn session(
        &self,
        tile: [usize; 2],
        size: [usize; 2],
        options: DenseOptions,
    ) -> Result<DenseSession> {
        let window = window(&self.model);
        let session = self.model.network().dense_session(options, window, tile);
        let is_small = size[0] < window[0] || size[1] < window[1];
        session.map_err(|error| match error {
            lorgnette_net::Error::Memory { .. } if self.tile_budget.has_global_context => {
                self.model.model_error(&format!(
                    "{error}; it weighs channels over the whole picture, which therefore cannot be \
                 split into tiles: scale it down"
                ))
            }
            lorgnette_net::Error::Memory { .. } => error.into(),
            error if is_small => self.model.model_error(&format!(
                "a picture of {} x {} pixels is too small for its windows of {} x {}: scale it up \
                 ({error})",
                size[1], size[0], window[1], window[0]
            )),
            error => error.into(),
        })
    }

    /// Runs the session over every tile of a picture of `size`, or what is wanted of it, and
    /// collects the scores, and those of the second mean if there is one.
    fn scores(
        &self,
        picture: &Picture,
        size: [usize; 2],
        mut tiles: Tiles,
        observer: &mut dyn Observer,
    ) -> Result<(Scores, Option<Scores>)> {
        let unresized = Unresized::new(self.model.preprocess(), picture);
        let last = |spans: &[TileSpan]| spans.last().map_or(0, |span| span.cells.end);
        let [rows, columns] = std::mem::take(&mut tiles.spans);
        let outputs = tiles.dense.session.outputs();
        let (logits, classes) = (outputs[0].name.clone(), outputs[0].fact.shape[3]);
        let (count, input) = (outputs.len(), tiles.dense.session.inputs()[0].name.clone());
        let width = last(&columns);
        let new = || Scores::new(last(&rows) * width, classes, MAX_SCORE_BYTES);
        let (mut scores, mut second) = (new()?, (count > 1).then(new).transpose()?);
        let total = rows.len() * columns.len();
        report(observer, &Progress { done: 0, total })?;
        for (number, (down, across)) in
            rows.iter().flat_map(|row| columns.iter().map(move |c| (row, c))).enumerate()
        {
            for [down, across] in tiles.crops([down, across], size) {
                self.fit_session(&mut tiles, [down.pixels.len(), across.pixels.len()], size)?;
                let session = &mut tiles.dense.session;
                let pixels = session.input_mut(&input)?;
                unresized.tile_on(self.pool(), [&down.pixels, &across.pixels], pixels);
                session.run()?;
                let tile_columns = session.outputs()[0].fact.shape[2];
                for (output, scores) in [&mut scores].into_iter().chain(&mut second).enumerate() {
                    let values = session.output_at(output)?;
                    check_finite(self.model.name(), &logits, values, true)?;
                    scores.fill(self.pool(), |cell, logits| {
                        let (row, column) = (cell / width, cell % width);
                        let is_inside = down.cells.contains(&row) && across.cells.contains(&column);
                        if is_inside {
                            let at = (row - down.first) * tile_columns + column - across.first;
                            logits.copy_from_slice(&values[at * classes..][..classes]);
                        }
                        is_inside
                    });
                }
            }
            report(observer, &Progress { done: number + 1, total })?;
        }
        Ok((scores, second))
    }

    /// Opens another session if that of `tiles` is for tiles of another size.
    fn fit_session(&self, tiles: &mut Tiles, tile: [usize; 2], size: [usize; 2]) -> Result<()> {
        let shape = &tiles.dense.session.inputs()[0].fact.shape;
        if shape[1..3] != tile {
            tiles.dense = self.session(tile, size, tiles.options)?;
        }
        Ok(())
    }
}

/// Height and width of the network's own input.
fn window(model: &Model) -> [usize; 2] {
    let Preprocessor { height, width, .. } = *model.preprocess();
    [height, width]
}

/// The length of a side of a picture that is scaled.
fn scaled_side(side: usize, scale: f64) -> usize {
    (side as f64 * scale).round().max(1.0) as usize
}

/// Mean probabilities of several maps, as logarithms, on the grid of that with the most cells. A
/// single map stays as it is.
fn average_scales(mut scale_levels: Vec<ScaleLevel>, pool: &ThreadPool) -> Result<ScaleLevel> {
    if scale_levels.len() == 1 {
        return Ok(scale_levels.remove(0));
    }
    let largest = scale_levels.iter().max_by_key(|level| level.scores.cells());
    largest.expect("there is a scale").of_probabilities(pool, |[y, x], sums| {
        for scale_level in &scale_levels {
            let (down, across) =
                (scale_level.rows.interpolate_at(y), scale_level.columns.interpolate_at(x));
            for (row, share) in [(down.low, 1.0 - down.weight), (down.high, down.weight)] {
                for (column, tile) in
                    [(across.low, 1.0 - across.weight), (across.high, across.weight)]
                {
                    let weight = share * tile / scale_levels.len() as f32;
                    let at = row * scale_level.columns.cells + column;
                    scale_level.scores.add_probabilities(at, weight, sums);
                }
            }
        }
    })
}
