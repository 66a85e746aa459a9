//! The bottleneck files of TensorFlow's `retrain.py`: one text file a photo, its values with commas
//! between.
//!
//! They name neither the photo's content nor the network; the caller guarantees both.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lorgnette_net::file::open_regular;

use super::{CacheError, Extractor, FeatureCache, FeatureRequest};
use crate::dataset::Example;
use crate::preprocess::{ChannelOrder, Preprocessing};

/// Outcome of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Number of photos whose values are cached now; none if they are
    /// [implausible](Self::is_implausible).
    pub imported: usize,
    /// Number of photos without a file of values.
    pub missing: usize,
    /// Errors of other files.
    pub refused: Vec<String>,
    /// The photo whose values are farthest off, of those that were computed again.
    pub worst: Option<Deviation>,
}

/// How far a photo's values are off.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviation {
    /// The photo.
    pub photo: PathBuf,
    /// The largest error of its values, relative to the largest value.
    pub relative_error: f32,
}

/// Relative error above which values are of another network: `retrain.py` decoded and resized in
/// other versions of TensorFlow.
const MAX_RELATIVE_ERROR: f32 = 0.05;

impl Imported {
    /// True if the values are probably of another network or preprocessing: those of one of the
    /// photos that were computed again are.
    #[must_use]
    pub fn is_implausible(&self) -> bool {
        self.worst.as_ref().is_some_and(|worst| is_implausible(worst.relative_error))
    }
}

fn is_implausible(relative_error: f32) -> bool {
    relative_error > MAX_RELATIVE_ERROR
}

/// Values of a folder of bottleneck files with another preprocessing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OtherPreprocessing {
    /// The preprocessing.
    pub preprocessing: Preprocessing,
    /// The order of channels.
    pub order: ChannelOrder,
    /// The largest error of the photos' values with it, as in [`Deviation::relative_error`].
    pub relative_error: f32,
}

impl OtherPreprocessing {
    /// True if the values are probably of this preprocessing.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        !is_implausible(self.relative_error)
    }
}

/// Maximum length of a file.
const MAX_BYTES: u64 = 16 << 20;

/// Takes the values of `examples` from a folder of bottleneck files into the cache, as if
/// `extractor` had computed them. Files are called `CLASS/PHOTO.txt` or, as later versions do it,
/// `CLASS/PHOTO_MODULE.txt`. `check` of the photos, evenly spread over all, are first computed
/// again to see whether the values can be of this network and preprocessing; if those of one
/// cannot, nothing is imported.
///
/// # Errors
/// If the cache cannot be written; each file's own trouble is in the outcome.
pub fn import_retrain(
    folder: &Path,
    examples: &[Example],
    extractor: &Extractor,
    check: usize,
    cache: &mut FeatureCache,
) -> Result<Imported, CacheError> {
    let mut outcome = Imported::default();
    let Some(width) = width(examples, extractor) else {
        let what = "the network gives features of none of the photos";
        outcome.refused.push(format!("{}: {what}", folder.display()));
        return Ok(outcome);
    };
    outcome.worst = worst(folder, examples, extractor, check);
    if outcome.is_implausible() {
        return Ok(outcome);
    }
    let mut bottlenecks = Bottlenecks::default();
    for example in examples {
        let Some(file) = bottlenecks.find(folder, &example.photo) else {
            outcome.missing += 1;
            continue;
        };
        match read(&file, width) {
            Ok(values) => {
                cache.put(&extractor.key(example.digest, None), &values)?;
                outcome.imported += 1;
            }
            Err(what) => outcome.refused.push(format!("{}: {what}", file.display())),
        }
    }
    Ok(outcome)
}

/// Compares the values with those of all other preprocessings of the network, in both orders of
/// channels, and returns the nearest; `None` if no photo has values.
#[must_use]
pub fn nearest_preprocessing(
    folder: &Path,
    examples: &[Example],
    extractor: &Extractor,
    check: usize,
) -> Option<OtherPreprocessing> {
    let own = extractor.embedder().model().preprocess();
    let orders = match own.channels {
        3 => &[ChannelOrder::Rgb, ChannelOrder::Bgr][..],
        _ => &[own.order],
    };
    let pairs = Preprocessing::ALL
        .into_iter()
        .flat_map(|preprocessing| orders.iter().map(move |&order| (preprocessing, order)));
    let others = pairs.filter(|&pair| pair != (own.preprocessing, own.order));
    let tried = others.filter_map(|(preprocessing, order)| {
        let extractor = extractor.with_preprocessing(preprocessing, order);
        let relative_error = worst(folder, examples, &extractor, check)?.relative_error;
        Some(OtherPreprocessing { preprocessing, order, relative_error })
    });
    tried.min_by(|a, b| a.relative_error.total_cmp(&b.relative_error))
}

/// Returns the photo that is farthest off, of `check` photos that have values and are evenly spread
/// over all.
fn worst(
    folder: &Path,
    examples: &[Example],
    extractor: &Extractor,
    check: usize,
) -> Option<Deviation> {
    let mut bottlenecks = Bottlenecks::default();
    let with_values: Vec<(&Example, PathBuf)> = examples
        .iter()
        .filter_map(|example| Some((example, bottlenecks.find(folder, &example.photo)?)))
        .collect();
    let checked = check.min(with_values.len());
    let spread = (0..checked).map(|number| &with_values[number * with_values.len() / checked]);
    let deviation = |(example, file): &(&Example, PathBuf)| {
        let request = FeatureRequest { example: (*example).clone(), augmentation: None };
        let computed = extractor.compute(&request).ok()?;
        let values = read(file, computed.len()).ok()?;
        let relative_error = relative_error(&computed, &values);
        Some(Deviation { photo: example.photo.clone(), relative_error })
    };
    spread.filter_map(deviation).max_by(|a, b| a.relative_error.total_cmp(&b.relative_error))
}

/// Returns the number of features, of the first photo that has some.
fn width(examples: &[Example], extractor: &Extractor) -> Option<usize> {
    examples.iter().find_map(|example| {
        let request = FeatureRequest { example: example.clone(), augmentation: None };
        Some(extractor.compute(&request).ok()?.len())
    })
}

/// Returns the largest difference of values, as a share of the largest value.
fn relative_error(computed: &[f32], values: &[f32]) -> f32 {
    let largest =
        computed.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    computed.iter().zip(values).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

/// The names of the files of values in each folder that was looked at, sorted.
#[derive(Debug, Default)]
struct Bottlenecks {
    names: HashMap<PathBuf, Vec<String>>,
}

impl Bottlenecks {
    /// Finds the file with a photo's values.
    fn find(&mut self, folder: &Path, photo: &Path) -> Option<PathBuf> {
        let (name, class) = (photo.file_name()?.to_string_lossy(), photo.parent()?.file_name()?);
        let folder = folder.join(class);
        let exact = folder.join(format!("{name}.txt"));
        if exact.is_file() {
            return Some(exact);
        }
        let names = self.names.entry(folder.clone()).or_insert_with(|| text_files(&folder));
        let start = format!("{name}_");
        let first = names.partition_point(|other| *other < start);
        let mut found = names[first..].iter().take_while(|other| other.starts_with(&start));
        // Values of several modules are ambiguous.
        match (found.next(), found.next()) {
            (Some(name), None) => Some(folder.join(name)),
            _ => None,
        }
    }
}

/// Returns the names of the text files in a folder, sorted.
fn text_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".txt"));
    names.sort();
    names
}

fn read(file: &Path, width: usize) -> Result<Vec<f32>, String> {
    let mut text = String::new();
    let opened = open_regular(file).map_err(|error| error.to_string())?;
    opened.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let value = |word: &str| word.trim().parse().ok().filter(|value: &f32| value.is_finite());
    let values: Option<Vec<f32>> = text.split(',').map(value).collect();
    let values = values
        .ok_or("it is no list of numbers with commas between; a crash may have cut it off")?;
    match values.len() == width {
        true => Ok(values),
        false => Err(format!("it has {} values, and the network {width} features", values.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("roses");
        fs::create_dir(&class).unwrap();
        for name in ["a.jpg_module.txt", "b.jpg.txt", "c.jpg_1.txt", "c.jpg_2.txt", "d.jpg_x.csv"] {
            fs::write(class.join(name), "1").unwrap();
        }
        let mut bottlenecks = Bottlenecks::default();
        let mut find = |name: &str| {
            let found = bottlenecks.find(folder.path(), &Path::new("photos/roses").join(name));
            found.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(find("a.jpg").as_deref(), Some("a.jpg_module.txt"));
        assert_eq!(find("b.jpg").as_deref(), Some("b.jpg.txt"));
        fs::write(class.join("e.jpg_late.txt"), "1").unwrap();
        for name in ["c.jpg", "d.jpg", "e.jpg"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
