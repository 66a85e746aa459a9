//! What a network finds in a photo, in the words of a library.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use lorgnette::kernels::Formats;
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, Examined, MapOptions, Mapper, Model, Picture, Region, RegionOptions};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Classes of a photo as a whole that are kept.
const TOP: usize = 5;
/// Regions of a photo that are kept: the largest.
const MOST_REGIONS: usize = 64;
/// The least mean probability of a region that is kept. Below it, the best of a thousand classes is a guess about texture:
/// of the 1248 regions in a hundred ImageNet photos it leaves out a third, and none of the 108 of the photo's own class.
const LEAST: f32 = 0.15;
/// How many times as long as allowed a narrow photo may become, so that its short side is what the network needs.
const NARROWEST: f64 = 2.0;
/// Pieces of a weights file, evenly spread, that tell it from another of the same length and name.
const PIECES: u64 = 64;
/// Bytes of such a piece.
const PIECE: usize = 65_536;

/// Looks at photos. One works for one thread.
pub trait Analyse: Send {
    /// What is in a photo.
    ///
    /// # Errors
    /// If the network cannot look at it.
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Findings>;
}

/// What was found in a photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// The most probable classes of the photo as a whole.
    pub classes: Vec<Whole>,
    /// Where in the photo which class is the most probable one.
    pub regions: Vec<Found>,
    /// What the network computes before it decides; as many numbers for every photo, or none.
    pub features: Vec<f32>,
}

/// A class of a photo as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole {
    /// The network's own output index.
    pub class: usize,
    /// From 0 to 1.
    pub probability: f32,
}

/// A connected place of a photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
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
pub struct Finder {
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

impl Finder {
    /// What there is to note of `network`, shown photos that are opened so.
    ///
    /// # Errors
    /// If the model's file cannot be read, or it cannot be run.
    pub fn new(network: &Network, open: &OpenOptions) -> Result<Self> {
        let model = network.classifier.model();
        let label = |label: lorgnette::labels::Label<'_>| (label.synset.map(str::to_owned), label.name.to_owned());
        let classes: Vec<_> = model.labels().iter().map(label).collect();
        let settings = settings(network, open);
        let mut sha = Sha256::new();
        for text in [model.name(), &settings] {
            sha.update(text.len().to_le_bytes());
            sha.update(text);
        }
        sha.update(format!("{classes:?}"));
        sample(model, &mut sha)?;
        let features = network.probe()?;
        Ok(Self { name: model.name().into(), fingerprint: sha.finalize().into(), settings, classes, features })
    }
}

/// How a network looks at photos.
fn settings(network: &Network, open: &OpenOptions) -> String {
    let model = network.classifier.model();
    let preprocess = model.preprocess();
    let input = if model.ports().input.decodes { [0, 0] } else { [preprocess.height, preprocess.width] };
    let mut settings = serde_json::json!({
        "input": input,
        "preprocess": preprocess.style.to_string(),
        "mean": preprocess.mean,
        "scale": preprocess.scale,
        "output": model.ports().logits,
        "top": TOP,
        "map_side": network.map_side,
        "least_region": LEAST,
    });
    let Formats { precision, weights } = model.network().options().formats;
    if model.network().options().formats != Formats::default() {
        settings["precision"] = precision.name().into();
        settings["weights"] = weights.name().into();
    }
    if let Some(least_size) = open.least_size {
        settings["least_size"] = least_size.into();
    }
    settings.to_string()
}

/// Hashes the length of a model's file and some of its contents: all of VGG's would take as long as a photo.
fn sample(model: &Model, sha: &mut Sha256) -> Result<()> {
    let Some(path) = model.network().file().filter(|path| path.is_file()) else { return Ok(()) };
    let unreadable = |source| Error::File { name: crate::library::name(path), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    sha.update(length.to_le_bytes());
    let mut piece = vec![0; PIECE];
    for number in 0..PIECES {
        file.seek(SeekFrom::Start(length / PIECES * number)).map_err(unreadable)?;
        let read = file.by_ref().take(PIECE as u64).read(&mut piece).map_err(unreadable)?;
        sha.update(&piece[..read]);
    }
    Ok(())
}

/// A network that looks at photos: once as it was trained to, for the photo as a whole and its features, and once
/// sliding over the photo, for where things are.
#[derive(Clone, Debug)]
pub struct Network {
    classifier: Classifier,
    mapper: Option<Mapper>,
    map_side: usize,
}

impl Network {
    /// Looks at photos with `model`; maps them at up to about `map_side` × `map_side` pixels, or not at all if that is 0.
    ///
    /// # Errors
    /// If the model does not classify, or cannot slide over photos.
    pub fn new(model: &Model, map_side: usize) -> Result<Self> {
        let mapper = (map_side > 0).then(|| Mapper::new(model.clone(), MapOptions::default())).transpose()?;
        Ok(Self { classifier: Classifier::new(model.clone())?, mapper, map_side })
    }

    /// One for each of `workers` threads, that share the weights.
    #[must_use]
    pub fn workers(&self, workers: usize) -> Vec<Self> {
        let one = || Self {
            classifier: self.classifier.on_threads(1),
            mapper: self.mapper.as_ref().map(|mapper| mapper.on_threads(1)),
            map_side: self.map_side,
        };
        (0..workers.max(1)).map(|_| one()).collect()
    }

    /// Rows and columns of a photo that are enough, for [`OpenOptions::least_size`]: what the model needs of the whole photo, and what
    /// is mapped of it. `None` where every pixel counts.
    #[must_use]
    pub fn least_size(&self) -> Option<[usize; 2]> {
        let least = self.classifier.model().least_size()?;
        // No photo is mapped with a shorter side longer than that of the square.
        Some(least.map(|side| side.max(self.map_side)))
    }

    /// How many features it gives.
    fn probe(&self) -> Result<usize> {
        const SIDE: usize = 64;
        let grey = Picture::from_rgb8(SIDE, SIDE, vec![128; SIDE * SIDE * 3]).map_err(lorgnette::Error::from)?;
        Ok(self.classifier.examine(&grey)?.features.map_or(0, |features| features.len()))
    }

    /// Where which class is the most probable one.
    fn regions(&self, picture: &Picture) -> lorgnette::Result<Vec<Found>> {
        let Some((mapper, scale)) = self.mapper.as_ref().zip(self.scale(picture)) else { return Ok(Vec::new()) };
        let scaled = if scale == 1.0 { None } else { Some(picture.scaled(scale)) };
        let map = mapper.map(scaled.as_ref().unwrap_or(picture))?;
        let (width, height) = (map.width() as f64, map.height() as f64);
        let found = |region: &Region| Found {
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
        let options = RegionOptions { min_probability: LEAST, ..mapper.region_options() };
        Ok(map.regions(&options).iter().take(MOST_REGIONS).map(found).collect())
    }

    /// How much larger a photo is mapped: its area is at most that of the map's side, but no side is shorter than what the
    /// network was trained on. `None` for a photo so narrow that it cannot be both within reason.
    fn scale(&self, picture: &Picture) -> Option<f64> {
        let window = self.classifier.model().preprocess();
        let (width, height) = (picture.width() as f64, picture.height() as f64);
        let most = self.map_side as f64 / (width * height).sqrt();
        // A thousandth more than needed, so that rounding takes no pixel away.
        let least = (window.width as f64 / width).max(window.height as f64 / height) * 1.001;
        (least <= NARROWEST * most).then(|| most.min(1.0).max(least))
    }
}

impl Analyse for Network {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Findings> {
        let Examined { probabilities, features } = self.classifier.examine(picture)?;
        let regions = self.regions(picture)?;
        Ok(Findings { classes: most_probable(&probabilities), regions, features: features.unwrap_or_default() })
    }
}

/// The first few classes, the most probable one first; of equal ones the first.
fn most_probable(probabilities: &[f32]) -> Vec<Whole> {
    let whole = |(class, &probability): (usize, &f32)| Whole { class, probability };
    let mut classes: Vec<Whole> = probabilities.iter().enumerate().map(whole).collect();
    classes.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class)));
    classes.truncate(TOP);
    classes
}
