//! What a network finds in a photo, in the words of a library.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use lorgnette::{Classifier, Model, Picture};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Classes of a photo as a whole that are kept.
const TOP: usize = 5;
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
    /// What there is to note of `model`.
    ///
    /// # Errors
    /// If the model's file cannot be read, or it does not classify.
    pub fn new(model: &Model) -> Result<Self> {
        let label = |label: lorgnette::labels::Label<'_>| (label.synset.map(str::to_owned), label.name.to_owned());
        let classes: Vec<_> = model.labels().iter().map(label).collect();
        let settings = settings(model);
        let mut sha = Sha256::new();
        for text in [model.name(), &settings] {
            sha.update(text.len().to_le_bytes());
            sha.update(text);
        }
        sha.update(format!("{classes:?}"));
        sample(model, &mut sha)?;
        let features = Network::new(model)?.probe()?;
        Ok(Self { name: model.name().into(), fingerprint: sha.finalize().into(), settings, classes, features })
    }
}

/// How a model looks at photos.
fn settings(model: &Model) -> String {
    let preprocess = model.preprocess();
    let input = if model.ports().input.decodes { [0, 0] } else { [preprocess.height, preprocess.width] };
    serde_json::json!({
        "input": input,
        "preprocess": preprocess.style.to_string(),
        "mean": preprocess.mean,
        "scale": preprocess.scale,
        "output": model.ports().logits,
        "top": TOP,
    })
    .to_string()
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

/// A network that looks at photos.
#[derive(Clone, Debug)]
pub struct Network {
    classifier: Classifier,
}

impl Network {
    /// Looks at photos with `model`.
    ///
    /// # Errors
    /// If the model does not classify.
    pub fn new(model: &Model) -> Result<Self> {
        Ok(Self { classifier: Classifier::new(model.clone())? })
    }

    /// One for each of `workers` threads, that share the weights.
    #[must_use]
    pub fn workers(&self, workers: usize) -> Vec<Self> {
        (0..workers.max(1)).map(|_| Self { classifier: self.classifier.on_threads(1) }).collect()
    }

    /// How many features it gives.
    fn probe(&self) -> Result<usize> {
        const SIDE: usize = 64;
        let grey = Picture::from_rgb8(SIDE, SIDE, vec![128; SIDE * SIDE * 3]).map_err(lorgnette::Error::from)?;
        Ok(self.classifier.classify_and_embed(&grey, 1)?.1.len())
    }
}

impl Analyse for Network {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Findings> {
        let (prediction, features) = self.classifier.classify_and_embed(picture, TOP)?;
        let whole = |guess: &lorgnette::Guess| Whole { class: guess.index, probability: guess.probability };
        Ok(Findings { classes: prediction.guesses.iter().map(whole).collect(), regions: Vec::new(), features })
    }
}
