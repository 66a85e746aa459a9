//! Answers as JSON: the program prints them with `--format json`, the server sends them.

use lorgnette::photos::path_bytes;
use serde::Serialize;

use crate::contents::Detection;
use crate::photo::{Photo, Source, State};
use crate::search::{Explanation, Hit, Match};

/// A photo that was found.
#[derive(Debug, Serialize)]
pub struct HitAnswer<'a> {
    /// Path.
    pub photo: String,
    /// Score, 0 to 1.
    pub score: f64,
    /// Width in pixels, upright.
    pub width: Option<u32>,
    /// Height in pixels, upright.
    pub height: Option<u32>,
    /// Time of capture by the camera's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<&'a str>,
    /// Matching detections in the order of the query.
    pub matches: Vec<MatchAnswer<'a>>,
    /// Computation of the score, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<&'a Explanation>,
    /// The bytes of a path that is no text, as hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// Paths of other photos of equal bytes, if copies are folded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
}

/// A detection that matches part of a query.
#[derive(Debug, Serialize)]
pub struct MatchAnswer<'a> {
    /// Names of the class.
    pub name: &'a str,
    /// WordNet synset.
    pub synset: Option<&'a str>,
    /// Name in the query.
    pub asked: &'a str,
    /// Left, top, right and bottom in pixels; `None` for an image-level class.
    #[serde(rename = "box")]
    pub bounds: Option<[u32; 4]>,
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Fraction of the photo that it covers.
    pub share: f64,
    /// Contribution to the score.
    pub score: f64,
}

impl<'a> HitAnswer<'a> {
    /// Creates the answer of a hit, with its explanation if `explain`.
    #[must_use]
    pub fn new(hit: &'a Hit, explain: bool) -> Self {
        let matches = hit.matches.iter().map(|matched| MatchAnswer::new(hit, matched));
        Self {
            photo: hit.path.to_string_lossy().into_owned(),
            score: hit.score,
            width: hit.width,
            height: hit.height,
            taken: hit.taken.as_deref(),
            matches: matches.collect(),
            explanation: explain.then_some(&hit.explanation),
            path_bytes: path_bytes(&hit.path),
            copies: hit.copies.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        }
    }
}

impl<'a> MatchAnswer<'a> {
    fn new(hit: &Hit, matched: &'a Match) -> Self {
        Self {
            name: &matched.name,
            synset: matched.synset.as_deref(),
            asked: &matched.asked,
            bounds: hit.pixels(matched.bounds),
            probability: matched.probability,
            share: matched.share,
            score: matched.score,
        }
    }
}

/// The record of a photo.
#[derive(Debug, Serialize)]
pub struct PhotoAnswer<'a> {
    /// Path.
    pub photo: String,
    /// `present`, `vanished` or `unreadable`.
    pub state: &'static str,
    /// Error, if the file is unreadable.
    pub reason: Option<&'a str>,
    /// Width in pixels, upright.
    pub width: Option<u32>,
    /// Height in pixels, upright.
    pub height: Option<u32>,
    /// Size of the file.
    pub bytes: u64,
    /// Digest of the file in hexadecimal.
    pub sha256: Option<String>,
    /// Time of capture by the camera's clock.
    pub taken: Option<&'a str>,
    /// EXIF orientation, 1 to 8.
    pub orientation: Option<u8>,
}

impl<'a> PhotoAnswer<'a> {
    /// Creates the answer of a record.
    #[must_use]
    pub fn new(photo: &'a Photo) -> Self {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            photo: photo.path.to_string_lossy().into_owned(),
            state: photo.state.name(),
            reason: photo.reason.as_deref(),
            width: photo.size.map(|[width, _]| width),
            height: photo.size.map(|[_, height]| height),
            bytes: photo.bytes,
            sha256: photo.digest.map(hex),
            taken: photo.taken.as_deref(),
            orientation: photo.orientation,
        }
    }
}

/// A detection in a photo.
#[derive(Debug, Serialize)]
pub struct DetectionAnswer<'a> {
    /// Name of the model; "you" for corrections.
    pub model: &'a str,
    /// Output index of the model.
    pub index: usize,
    /// WordNet synset.
    pub synset: Option<&'a str>,
    /// Names of the class.
    pub name: &'a str,
    /// Left, top, right and bottom as fractions of the upright photo; `None` for an image-level
    /// class.
    #[serde(rename = "box")]
    pub bounds: Option<[f64; 4]>,
    /// Fraction of the photo that it covers.
    pub share: f64,
    /// Mean probability.
    pub probability: f64,
    /// Maximum probability over the cells of a region.
    pub peak: f64,
    /// `model`, `user` or `refuted`.
    pub source: &'static str,
}

impl<'a> DetectionAnswer<'a> {
    /// Creates the answer of a detection.
    #[must_use]
    pub fn new(detection: &'a Detection) -> Self {
        Self {
            model: &detection.model,
            index: detection.class,
            synset: detection.synset.as_deref(),
            name: &detection.name,
            bounds: detection.bounds,
            share: detection.share,
            probability: detection.probability,
            peak: detection.peak,
            source: detection.source.name(),
        }
    }
}

impl State {
    /// Returns the name of a state in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "vanished",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Source {
    /// Returns the name of a detection's origin in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::User => "user",
            Self::Refuted => "refuted",
        }
    }
}
