//! Faces as regions of a model of their own, whose only class is [`CLASS`].

use lorgnette::Picture;
use lorgnette::faces::{Face, FaceDetector};
use lorgnette::picture::OpenOptions;
use sha2::{Digest as _, Sha256};

use crate::analyse::{Detections, ModelRecord, PhotoAnalyser, Region, hash_files};
use crate::error::Result;

/// The names of the class of faces.
const CLASS: &str = "face, human face";
/// Maximum number of faces stored for a photo, the most probable.
const MAX_FACES: usize = 1000;

/// Finds the faces in photos for a library.
#[derive(Clone, Debug)]
pub struct FaceAnalyser {
    detector: FaceDetector,
}

impl FaceAnalyser {
    /// Creates an analyser with this detector, whose options decide what counts as a face.
    #[must_use]
    pub fn new(detector: FaceDetector) -> Self {
        Self { detector }
    }

    /// Returns an analyser for each of `workers` threads; all share the weights.
    #[must_use]
    pub fn workers(&self, workers: usize) -> Vec<Self> {
        (0..workers.max(1)).map(|_| Self::new(self.detector.with_threads(1))).collect()
    }

    /// Describes the detector, and how photos are opened for it, as a model of a library.
    ///
    /// # Errors
    /// If the detector's file cannot be read.
    pub fn record(&self, open: &OpenOptions) -> Result<ModelRecord> {
        let options = self.detector.options();
        let mut settings = serde_json::json!({
            "finds": "faces",
            "min_probability": options.min_probability,
            "pyramid": options.pyramid,
        });
        if options.enlarge {
            settings["enlarge"] = true.into();
        }
        if let Some(min_decode_size) = open.min_decode_size {
            settings["least_size"] = min_decode_size.into();
        }
        let settings = settings.to_string();
        let name = self.detector.name();
        let mut sha = Sha256::new();
        for text in [name, &settings, CLASS] {
            sha.update(text.len().to_le_bytes());
            sha.update(text);
        }
        hash_files(self.detector.network(), &mut sha)?;
        Ok(ModelRecord {
            name: name.to_owned(),
            fingerprint: sha.finalize().into(),
            former_fingerprint: None,
            settings,
            classes: vec![(None, CLASS.to_owned())],
            features: 0,
        })
    }
}

impl PhotoAnalyser for FaceAnalyser {
    fn analyse(&mut self, picture: &Picture) -> lorgnette::Result<Detections> {
        let faces = self.detector.detect(picture)?;
        let size = [picture.width() as f32, picture.height() as f32];
        let regions = faces.iter().take(MAX_FACES).map(|face| region(face, size)).collect();
        Ok(Detections { regions, ..Detections::default() })
    }
}

/// The region of a face in a photo of `size`, width and height.
fn region(face: &Face, [width, height]: [f32; 2]) -> Region {
    let [left, top, right, bottom] = face.bounds;
    let share = |edge: f32, length: f32| f64::from((edge / length).clamp(0.0, 1.0));
    let bounds =
        [share(left, width), share(top, height), share(right, width), share(bottom, height)];
    let area = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]);
    Region { class: 0, bounds, share: area as f32, mean: face.probability, peak: face.probability }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_a_region_in_shares_of_the_photo() {
        let bounds = [-10.0, 50.0, 100.0, 110.0];
        let face = Face { bounds, probability: 0.75, landmarks: [[0.0; 2]; 5], scale: 1.0 };
        let region = region(&face, [200.0, 100.0]);
        assert_eq!(region.bounds, [0.0, 0.5, 0.5, 1.0]);
        assert_eq!((region.class, region.share, region.mean), (0, 0.25, 0.75));
    }
}
