//! Analysis of a photo by a network.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use lorgnette::kernels::{IntegerEpilogue, NumericOptions};
use lorgnette::net::Network;
use lorgnette::net::file::open_regular;
use lorgnette::net::scores::{Ranked, top_k};
use lorgnette::picture::OpenOptions;
use lorgnette::{
    Classifier, Model, Outputs, Picture, RegionOptions, SegmentationMap, SegmentationOptions,
    Segmenter,
};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Maximum number of image-level classes stored for a photo.
const MAX_CLASSES: usize = 5;
/// Maximum number of regions stored for a photo, the largest first.
const MAX_REGIONS: usize = 64;
/// Minimum mean probability of a stored region. Below it, the best of a thousand classes is a guess
/// about texture: of the 1248 regions in a hundred ImageNet photos the limit drops a third, and
/// none of the 108 of the photo's own class.
const MIN_REGION_PROBABILITY: f32 = 0.15;
/// Side of the square that has the area at which a photo is looked at as a whole, over that of the
/// network's input: one run gives its classes, features and a coarse map (`docs/library.md`).
const WHOLE_SIDE: f64 = 256.0 / 224.0;
/// Ratio of the finer map's side to that of the coarse map from which it is computed at all.
const MIN_FINER: f64 = 1.75;
/// Minimum mean probability of a region of the coarse map beside a finer one.
const MIN_COARSE_PROBABILITY: f32 = 0.3;
/// A side that is so much less than a whole cell is one.
const ROUNDING: f64 = 0.01;
/// Maximum factor by which the mapped side of a narrow photo may exceed the limit, so that its
/// short side reaches the network's input size.
const MAX_UPSCALE: f64 = 2.0;
/// Evenly spaced samples of a weights file that enter its fingerprint.
const SAMPLES: u64 = 64;
/// Bytes of a sample.
const SAMPLE_BYTES: usize = 65_536;

/// Analyses photos. Each worker thread has its own.
pub trait PhotoAnalyser: Send {
    /// Returns the classes, regions and features of a photo.
    ///
    /// # Errors
    /// If the network fails.
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections>;
}

/// Results of the analysis of a photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detections {
    /// Most probable classes of the whole photo.
    pub classes: Vec<ImageScore>,
    /// Connected areas of a single most probable class.
    pub regions: Vec<Region>,
    /// Values of the layer before the logits; the same number for every photo, or none.
    pub features: Vec<f32>,
}

/// Probability of a class for the whole photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageScore {
    /// Output index of the network.
    pub class: usize,
    /// Probability, from 0 to 1.
    pub probability: f32,
}

/// Connected area of a photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Output index of the network.
    pub class: usize,
    /// Left, top, right and bottom as fractions of the upright photo.
    pub bounds: [f64; 4],
    /// Fraction of the photo that the region covers.
    pub share: f32,
    /// Mean probability of the class over the cells of the region.
    pub mean: f32,
    /// Maximum probability of the class over the cells of the region.
    pub peak: f32,
}

/// Description of a model in a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// Name of the model.
    pub name: String,
    /// Hash of weights, class names and settings.
    pub fingerprint: [u8; 32],
    /// The hash that earlier programs stored, of samples of the weights; `None` if it would not
    /// tell one model from another.
    pub former_fingerprint: Option<[u8; 32]>,
    /// Settings of the analysis, as JSON.
    pub settings: String,
    /// Synset, if any, and name of each output.
    pub classes: Vec<(Option<String>, String)>,
    /// Length of a feature vector; 0 if the model has none.
    pub features: usize,
}

impl ModelRecord {
    /// Describes `network` and how photos are opened for it.
    ///
    /// # Errors
    /// If the model's file cannot be read, or the model cannot run.
    pub fn new(network: &NetworkAnalyser, open: &OpenOptions) -> Result<Self> {
        let model = network.classifier.model();
        let label = |label: lorgnette::labels::Label<'_>| {
            (label.synset.map(str::to_owned), label.name.to_owned())
        };
        let classes: Vec<_> = model.labels().iter().map(label).collect();
        let settings = settings(network, open);
        let mut sha = Sha256::new();
        for text in [model.name(), &settings] {
            sha.update(text.len().to_le_bytes());
            sha.update(text);
        }
        sha.update(format!("{classes:?}"));
        let mut former = sha.clone();
        let has_file = sample(model, &mut former)?;
        weights(model, &mut sha)?;
        let features = network.feature_count()?;
        Ok(Self {
            name: model.name().into(),
            fingerprint: sha.finalize().into(),
            // Earlier programs did not look at the files of other models at all.
            former_fingerprint: has_file.then(|| former.finalize().into()),
            settings,
            classes,
            features,
        })
    }
}

/// Returns the settings of the analysis as JSON.
fn settings(network: &NetworkAnalyser, open: &OpenOptions) -> String {
    let model = network.classifier.model();
    let preprocess = model.preprocess();
    let input =
        if model.takes_whole_pictures() { [0, 0] } else { [preprocess.height, preprocess.width] };
    let mut settings = serde_json::json!({
        "input": input,
        "preprocess": preprocess.preprocessing.to_string(),
        "mean": preprocess.mean,
        "scale": preprocess.scale,
        "output": model.signature().logits,
        "top": MAX_CLASSES,
        "map_side": network.map_side,
        "least_region": MIN_REGION_PROBABILITY,
    });
    if network.segmenter.is_some() {
        settings["whole_side"] = WHOLE_SIDE.into();
        settings["least_finer"] = MIN_FINER.into();
        settings["least_coarse_region"] = MIN_COARSE_PROBABILITY.into();
    }
    let NumericOptions { compute: precision, weight_storage: weights, epilogue } =
        model.network().run_options().numerics;
    if model.network().run_options().numerics != NumericOptions::default() {
        settings["precision"] = precision.name().into();
        settings["weights"] = weights.name().into();
    }
    if epilogue != IntegerEpilogue::default() {
        settings["epilogue"] = epilogue.name().into();
    }
    if let Some(min_decode_size) = open.min_decode_size {
        settings["least_size"] = min_decode_size.into();
    }
    if let Some(threshold) = model.rejection_threshold() {
        settings["unknown_below"] = threshold.into();
    }
    settings.to_string()
}

/// Hashes everything that a model's answers depend on beside its settings: the checksums of its
/// files (of a V2 checkpoint, of its index, which has the checksum of each variable), and the
/// layers that were trained on it. Of the embedded network, which is the program's, nothing.
///
/// A checksum of VGG's half gigabyte takes 50 ms where its SHA-256 takes as long as analysing a
/// photo.
fn weights(model: &Model, sha: &mut Sha256) -> Result<()> {
    let network = model.network();
    hash_files(network, sha)?;
    if network.reads_checkpoint() {
        sha.update(network.fingerprint(&model.signature().logits).map_err(lorgnette::Error::from)?);
    }
    if let Some(head) = network.head() {
        let layers = head.hidden.iter().chain([&head.last]);
        for tensor in layers.flat_map(|layer| [&layer.weights, &layer.biases]) {
            sha.update(format!("{:?}", tensor.shape()));
            sha.update(tensor.bytes());
        }
    }
    Ok(())
}

/// Hashes the lengths and checksums of a network's files.
pub(crate) fn hash_files(network: &Network, sha: &mut Sha256) -> Result<()> {
    for path in network.file().map(files).unwrap_or_default() {
        let (length, checksum) = checksum(&path)?;
        sha.update(length.to_le_bytes());
        sha.update(checksum.to_le_bytes());
    }
    Ok(())
}

/// Returns the files of a model: its file, or those whose names begin with the prefix of a
/// checkpoint, sorted, without the data that an index has checksums of.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let is_part = |path: &PathBuf| {
        let other = path.file_name().unwrap_or_default().as_encoded_bytes();
        let rest = other.strip_prefix(name).unwrap_or_default();
        (rest == b".index" || rest.starts_with(b"-")) && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_part).collect();
    files.sort();
    files
}

/// Returns the length and the CRC-32C of a file.
fn checksum(path: &Path) -> Result<(u64, u32)> {
    let unreadable = |source| Error::File { name: crate::library::name(path), source };
    let mut file = open_regular(path).map_err(unreadable)?;
    let (mut length, mut checksum) = (0, 0);
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok((length, checksum)),
            count => {
                length += count as u64;
                checksum = crc32c::crc32c_append(checksum, &piece[..count]);
            }
        }
    }
}

/// Hashes the length of a model's file and samples of its contents, as earlier programs did.
/// Returns whether there is a file.
fn sample(model: &Model, sha: &mut Sha256) -> Result<bool> {
    let network = model.network();
    let file = network.file().filter(|path| path.is_file());
    let Some(path) = file.filter(|_| network.head().is_none() && !network.reads_checkpoint())
    else {
        return Ok(false);
    };
    let unreadable = |source| Error::File { name: crate::library::name(path), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    sha.update(length.to_le_bytes());
    let mut buffer = vec![0; SAMPLE_BYTES];
    for number in 0..SAMPLES {
        file.seek(SeekFrom::Start(length / SAMPLES * number)).map_err(unreadable)?;
        let read = file.by_ref().take(SAMPLE_BYTES as u64).read(&mut buffer).map_err(unreadable)?;
        sha.update(&buffer[..read]);
    }
    Ok(true)
}

/// Analyses photos with a network. One run over the whole photo gives its classes, its features and
/// a coarse map; a second one over a large photo gives a finer map.
#[derive(Clone, Debug)]
pub struct NetworkAnalyser {
    classifier: Classifier,
    segmenter: Option<Segmenter>,
    map_side: usize,
}

impl NetworkAnalyser {
    /// Analyses photos with `model`, and maps them at about `map_side` × `map_side` pixels at most,
    /// or not at all if `map_side` is 0.
    ///
    /// # Errors
    /// If the model is not a classifier, or cannot run densely.
    pub fn new(model: &Model, map_side: usize) -> Result<Self> {
        let segmenter = (map_side > 0)
            .then(|| Segmenter::new(model.clone(), SegmentationOptions::default()))
            .transpose()?;
        Ok(Self { classifier: Classifier::new(model.clone())?, segmenter, map_side })
    }

    /// Returns an analyser for each of `workers` threads; all share the weights.
    #[must_use]
    pub fn workers(&self, workers: usize) -> Vec<Self> {
        let worker = || Self {
            classifier: self.classifier.with_threads(1),
            segmenter: self.segmenter.as_ref().map(|segmenter| segmenter.with_threads(1)),
            map_side: self.map_side,
        };
        (0..workers.max(1)).map(|_| worker()).collect()
    }

    /// Minimum rows and columns to decode, for [`OpenOptions::min_decode_size`]: the larger of the
    /// model's and the map's. `None` if every pixel is needed.
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        let min_size = self.classifier.model().min_decode_size()?;
        // The shorter side of a mapped photo is at most `map_side`.
        Some(min_size.map(|side| side.max(self.map_side)))
    }

    /// Returns the length of a feature vector.
    fn feature_count(&self) -> Result<usize> {
        const SIDE: usize = 64;
        let grey = Picture::from_rgb8(SIDE, SIDE, vec![128; SIDE * SIDE * 3])
            .map_err(lorgnette::Error::from)?;
        Ok(self.classifier.outputs(&grey)?.features.map_or(0, |features| features.len()))
    }

    /// Returns the features of a photo, as [`PhotoAnalyser::analyse`] does; `None` if the model has
    /// none.
    ///
    /// # Errors
    /// If the network fails.
    pub fn features(&self, picture: &Picture) -> lorgnette::Result<Option<Vec<f32>>> {
        match self.whole_size(picture) {
            Some((segmenter, [height, width])) => {
                Ok(segmenter.segment_whole(picture, height, width)?.features)
            }
            None => Ok(self.classifier.outputs(picture)?.features),
        }
    }

    /// Returns the segmenter for a photo as a whole, and the height and width of its coarse map.
    /// `None` if the classifier looks at it.
    fn whole_size(&self, picture: &Picture) -> Option<(&Segmenter, [usize; 2])> {
        // The network's own scores would not be calibrated for means.
        let is_calibrated = self.classifier.model().rejection_threshold().is_some();
        let segmenter = self.segmenter.as_ref().filter(|_| !is_calibrated)?;
        let window = self.classifier.model().preprocess();
        let side = WHOLE_SIDE * window.height.max(window.width) as f64;
        let scale = self.scale(picture, side).filter(|_| segmenter.sees_wholes())?;
        Some((segmenter, self.map_size(picture, segmenter.stride(), scale)))
    }

    /// Returns the connected areas of a single most probable class in a finer map, if a photo is
    /// large enough for one.
    fn finer_regions(
        &self,
        picture: &Picture,
        min_scale: f64,
    ) -> lorgnette::Result<Option<Vec<Region>>> {
        let Some(segmenter) = &self.segmenter else { return Ok(None) };
        let scale = self.scale(picture, self.map_side as f64).filter(|scale| *scale >= min_scale);
        let Some(scale) = scale else { return Ok(None) };
        let [height, width] = self.map_size(picture, segmenter.stride(), scale);
        let map = segmenter.segment_resized(picture, height, width)?;
        Ok(Some(regions(&map, segmenter, MIN_REGION_PROBABILITY)))
    }

    /// Returns the height and width at which a photo is mapped: multiples of the distance of two
    /// cells, so that photos of almost the same shape share a plan. A side is at most one cell
    /// shorter than `scale` says.
    fn map_size(&self, picture: &Picture, stride: [usize; 2], scale: f64) -> [usize; 2] {
        let window = self.classifier.model().preprocess();
        let whole_cells = |length: usize, stride: usize, window: usize| {
            let cells = (length as f64 * scale / stride as f64 + ROUNDING) as usize;
            (cells * stride).max(window.next_multiple_of(stride))
        };
        [
            whole_cells(picture.height(), stride[0], window.height),
            whole_cells(picture.width(), stride[1], window.width),
        ]
    }

    /// Returns the scale at which a photo is mapped: its area is at most the square of `side`, and
    /// no side is shorter than the network's input. `None` for a photo too narrow for both.
    fn scale(&self, picture: &Picture, side: f64) -> Option<f64> {
        let window = self.classifier.model().preprocess();
        let (width, height) = (picture.width() as f64, picture.height() as f64);
        let max_scale = side / (width * height).sqrt();
        let min_scale = (window.width as f64 / width).max(window.height as f64 / height);
        (min_scale <= MAX_UPSCALE * max_scale).then(|| max_scale.min(1.0).max(min_scale))
    }
}

/// Returns the regions of a map with at least this mean probability.
fn regions(map: &SegmentationMap, segmenter: &Segmenter, min_probability: f32) -> Vec<Region> {
    let (width, height) = (map.width() as f64, map.height() as f64);
    let options = RegionOptions { min_probability, ..segmenter.region_options() };
    let to_region = |region: &lorgnette::Region| Region {
        class: region.class,
        bounds: [
            region.bounds[0] as f64 / width,
            region.bounds[1] as f64 / height,
            region.bounds[2] as f64 / width,
            region.bounds[3] as f64 / height,
        ],
        share: region.share,
        mean: region.mean_probability,
        peak: region.peak_probability,
    };
    map.regions(&options).iter().take(MAX_REGIONS).map(to_region).collect()
}

impl PhotoAnalyser for NetworkAnalyser {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections> {
        let (probabilities, features, mut regions) = match self.whole_size(picture) {
            Some((segmenter, [height, width])) => {
                let whole = segmenter.segment_whole(picture, height, width)?;
                let coarse_scale = height as f64 / picture.height() as f64;
                let finer = self.finer_regions(picture, MIN_FINER * coarse_scale)?;
                let min_coarse =
                    if finer.is_some() { MIN_COARSE_PROBABILITY } else { MIN_REGION_PROBABILITY };
                let mut found = finer.unwrap_or_default();
                found.extend(regions(&whole.map, segmenter, min_coarse));
                found.truncate(MAX_REGIONS);
                (whole.probabilities, whole.features, found)
            }
            None => {
                let Outputs { probabilities, features, .. } = self.classifier.outputs(picture)?;
                let found = self.finer_regions(picture, 0.0)?.unwrap_or_default();
                (probabilities, features, found)
            }
        };
        let mut classes = most_probable(&probabilities);
        // A calibrated model says of what probability on its best class is to be believed.
        if let Some(threshold) = self.classifier.model().rejection_threshold() {
            if classes.first().is_none_or(|best| best.probability < threshold) {
                classes.clear();
            }
            regions.retain(|region| region.mean >= threshold);
        }
        Ok(Detections { classes, regions, features: features.unwrap_or_default() })
    }
}

/// Returns the most probable classes in descending order; ties keep the order of outputs.
fn most_probable(probabilities: &[f32]) -> Vec<ImageScore> {
    let best = top_k(probabilities, MAX_CLASSES).into_iter();
    best.map(|Ranked { index, score }| ImageScore { class: index, probability: score }).collect()
}
