//! What a network finds in a photo, in the words of a library.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use lorgnette::kernels::NumericOptions;
use lorgnette::picture::OpenOptions;
use lorgnette::{
    Classifier, Model, Outputs, Picture, RegionOptions, SegmentationOptions, Segmenter,
};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Classes of a photo as a whole that are kept.
const MAX_CLASSES: usize = 5;
/// Regions of a photo that are kept: the largest.
const MAX_REGIONS: usize = 64;
/// The least mean probability of a region that is kept. Below it, the best of a thousand classes is
/// a guess about texture: of the 1248 regions in a hundred ImageNet photos it leaves out a third,
/// and none of the 108 of the photo's own class.
const MIN_REGION_PROBABILITY: f32 = 0.15;
/// How many times as long as allowed a narrow photo may become, so that its short side is what the
/// network needs.
const MAX_UPSCALE: f64 = 2.0;
/// Pieces of a weights file, evenly spread, that tell it from another of the same length and name.
const SAMPLES: u64 = 64;
/// Bytes of such a piece.
const SAMPLE_BYTES: usize = 65_536;

/// Looks at photos. One works for one thread.
pub trait PhotoAnalyser: Send {
    /// What is in a photo.
    ///
    /// # Errors
    /// If the network cannot look at it.
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections>;
}

/// What was found in a photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detections {
    /// The most probable classes of the photo as a whole.
    pub classes: Vec<ImageScore>,
    /// Where in the photo which class is the most probable one.
    pub regions: Vec<Region>,
    /// What the network computes before it decides; as many numbers for every photo, or none.
    pub features: Vec<f32>,
}

/// A class of a photo as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageScore {
    /// The network's own output index.
    pub class: usize,
    /// From 0 to 1.
    pub probability: f32,
}

/// A connected place of a photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The network's own output index.
    pub class: usize,
    /// Left, top, right and bottom as fractions of the upright photo.
    pub bounds: [f64; 4],
    /// The part of the photo that it covers.
    pub share: f32,
    /// The class's mean probability over its cells.
    pub mean: f32,
    /// The class's probability at its best cell.
    pub peak: f32,
}

/// Who found it: what a library notes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// The model's name.
    pub name: String,
    /// The same for the same weights, names and settings only.
    pub fingerprint: [u8; 32],
    /// How it looks at photos, as JSON.
    pub settings: String,
    /// The synset, if there is one, and the name of each output.
    pub classes: Vec<(Option<String>, String)>,
    /// Numbers in a feature; 0 if it has none.
    pub features: usize,
}

impl ModelRecord {
    /// What there is to note of `network`, shown photos that are opened so.
    ///
    /// # Errors
    /// If the model's file cannot be read, or it cannot be run.
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
        sample(model, &mut sha)?;
        let features = network.feature_count()?;
        Ok(Self {
            name: model.name().into(),
            fingerprint: sha.finalize().into(),
            settings,
            classes,
            features,
        })
    }
}

/// How a network looks at photos.
fn settings(network: &NetworkAnalyser, open: &OpenOptions) -> String {
    let model = network.classifier.model();
    let preprocess = model.preprocess();
    let input = if model.signature().input.takes_decoded_image {
        [0, 0]
    } else {
        [preprocess.height, preprocess.width]
    };
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
    let NumericOptions { compute: precision, weight_storage: weights } =
        model.network().run_options().numerics;
    if model.network().run_options().numerics != NumericOptions::default() {
        settings["precision"] = precision.name().into();
        settings["weights"] = weights.name().into();
    }
    if let Some(min_decode_size) = open.min_decode_size {
        settings["least_size"] = min_decode_size.into();
    }
    settings.to_string()
}

/// Hashes the length of a model's file and some of its contents: all of VGG's would take as long as
/// a photo.
fn sample(model: &Model, sha: &mut Sha256) -> Result<()> {
    let Some(path) = model.network().file().filter(|path| path.is_file()) else { return Ok(()) };
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
    Ok(())
}

/// A network that looks at photos: once as it was trained to, for the photo as a whole and its
/// features, and once sliding over the photo, for where things are.
#[derive(Clone, Debug)]
pub struct NetworkAnalyser {
    classifier: Classifier,
    segmenter: Option<Segmenter>,
    map_side: usize,
}

impl NetworkAnalyser {
    /// Looks at photos with `model`; maps them at up to about `map_side` × `map_side` pixels, or
    /// not at all if that is 0.
    ///
    /// # Errors
    /// If the model does not classify, or cannot slide over photos.
    pub fn new(model: &Model, map_side: usize) -> Result<Self> {
        let segmenter = (map_side > 0)
            .then(|| Segmenter::new(model.clone(), SegmentationOptions::default()))
            .transpose()?;
        Ok(Self { classifier: Classifier::new(model.clone())?, segmenter, map_side })
    }

    /// One for each of `workers` threads, that share the weights.
    #[must_use]
    pub fn workers(&self, workers: usize) -> Vec<Self> {
        let worker = || Self {
            classifier: self.classifier.with_threads(1),
            segmenter: self.segmenter.as_ref().map(|segmenter| segmenter.with_threads(1)),
            map_side: self.map_side,
        };
        (0..workers.max(1)).map(|_| worker()).collect()
    }

    /// Rows and columns of a photo that are enough, for [`OpenOptions::min_decode_size`]: what the model
    /// needs of the whole photo, and what is mapped of it. `None` where every pixel counts.
    #[must_use]
    pub fn min_decode_size(&self) -> Option<[usize; 2]> {
        let min_size = self.classifier.model().min_decode_size()?;
        // No photo is mapped with a shorter side longer than that of the square.
        Some(min_size.map(|side| side.max(self.map_side)))
    }

    /// How many features it gives.
    fn feature_count(&self) -> Result<usize> {
        const SIDE: usize = 64;
        let grey = Picture::from_rgb8(SIDE, SIDE, vec![128; SIDE * SIDE * 3])
            .map_err(lorgnette::Error::from)?;
        Ok(self.classifier.outputs(&grey)?.features.map_or(0, |features| features.len()))
    }

    /// Where which class is the most probable one.
    fn regions(&self, picture: &Picture) -> lorgnette::Result<Vec<Region>> {
        let Some((segmenter, scale)) = self.segmenter.as_ref().zip(self.scale(picture)) else {
            return Ok(Vec::new());
        };
        let scaled = if scale == 1.0 { None } else { Some(picture.scaled(scale)) };
        let map = segmenter.segment(scaled.as_ref().unwrap_or(picture))?;
        let (width, height) = (map.width() as f64, map.height() as f64);
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
        let options =
            RegionOptions { min_probability: MIN_REGION_PROBABILITY, ..segmenter.region_options() };
        Ok(map.regions(&options).iter().take(MAX_REGIONS).map(to_region).collect())
    }

    /// How much larger a photo is mapped: its area is at most that of the map's side, but no side
    /// is shorter than what the network was trained on. `None` for a photo so narrow that it cannot
    /// be both within reason.
    fn scale(&self, picture: &Picture) -> Option<f64> {
        let window = self.classifier.model().preprocess();
        let (width, height) = (picture.width() as f64, picture.height() as f64);
        let max_scale = self.map_side as f64 / (width * height).sqrt();
        // A thousandth more than needed, so that rounding takes no pixel away.
        let min_scale = (window.width as f64 / width).max(window.height as f64 / height) * 1.001;
        (min_scale <= MAX_UPSCALE * max_scale).then(|| max_scale.min(1.0).max(min_scale))
    }
}

impl PhotoAnalyser for NetworkAnalyser {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections> {
        let Outputs { probabilities, features } = self.classifier.outputs(picture)?;
        let regions = self.regions(picture)?;
        Ok(Detections {
            classes: most_probable(&probabilities),
            regions,
            features: features.unwrap_or_default(),
        })
    }
}

/// The first few classes, the most probable one first; of equal ones the first.
fn most_probable(probabilities: &[f32]) -> Vec<ImageScore> {
    let to_score = |(class, &probability): (usize, &f32)| ImageScore { class, probability };
    let mut classes: Vec<ImageScore> = probabilities.iter().enumerate().map(to_score).collect();
    classes.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class)));
    classes.truncate(MAX_CLASSES);
    classes
}
