//! The cost of a photo before the network: reading, decoding and preprocessing, on one thread.
//!
//!     cargo bench -p lorgnette-bench --bench photos [-- [--seconds S] FOLDER...]
//!
//! The default folder is `photos/`.
//!
//! The forward pass of the embedded network on one thread is printed for comparison, since it
//! should bound the time for a folder of photos. Decoding is timed at full size, at a size that is
//! sufficient for that network, and at each ratio.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::{Preprocessing, Preprocessor};
use lorgnette::{Classifier, Model, ModelOptions, Picture};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut seconds, mut folders) = (2.0, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                seconds = arguments
                    .next()
                    .and_then(|value| value.parse().ok())
                    .expect("a number of seconds");
            }
            _ => folders.push(PathBuf::from(argument)),
        }
    }
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../photos"));
    }
    let files: Vec<Vec<u8>> =
        folders.iter().flat_map(|folder| jpegs(folder)).map(|path| read(&path)).collect();
    assert!(!files.is_empty(), "there are no JPEGs in {folders:?}");
    let options = OpenOptions::default();
    let decode =
        |bytes: &Vec<u8>| options.decode(bytes, "a photo").expect("a photo that can be decoded");
    let pictures: Vec<_> = files.iter().map(decode).collect();
    let pixels: usize = pictures.iter().map(|picture| picture.width() * picture.height()).sum();
    let mean = pixels as f64 / files.len() as f64;
    println!(
        "{} photos, {:.2} megapixels and {:.0} kB on average",
        files.len(),
        mean / 1e6,
        kilobytes(&files)
    );

    let limit = Duration::from_secs_f64(seconds);
    report("decode", best(limit, &files, |bytes| drop(decode(bytes))), mean);
    report_reduced(limit, &files, &pictures, mean);
    let preprocess = Preprocessor::new(Preprocessing::Inception, 224, 224);
    let mut input = vec![0.0; preprocess.input_len()];
    report(
        "resize and normalise",
        best(limit, &pictures, |picture| preprocess.apply(picture, &mut input)),
        mean,
    );
    let options = ModelOptions { threads: Some(1), ..ModelOptions::default() };
    let classifier = Classifier::new(Model::embedded(&options).expect("the embedded network"))
        .expect("a classifier");
    let classify = |picture: &Picture| drop(classifier.classify(picture, 1).expect("an answer"));
    report(
        "resize, normalise and network",
        best(limit, &pictures[..pictures.len().min(10)], classify),
        mean,
    );
}

/// Times decoding at reduced sizes, and counts the photos that become smaller where the network's
/// needs decide.
fn report_reduced(limit: Duration, files: &[Vec<u8>], pictures: &[Picture], pixels: f64) {
    let open = |bytes: &[u8], min_decode_size| {
        OpenOptions { min_decode_size: Some(min_decode_size), ..OpenOptions::default() }
            .decode(bytes, "a photo")
            .expect("a photo")
    };
    let enough = Preprocessor::new(Preprocessing::Inception, 224, 224)
        .min_decode_size()
        .expect("a style that resizes");
    let smaller = files
        .iter()
        .zip(pictures)
        .filter(|(bytes, whole)| open(bytes, enough).width() < whole.width())
        .count();
    let what = format!("decode, reduced ({smaller} are)");
    report(&what, best(limit, files, |bytes| drop(open(bytes, enough))), pixels);
    for ratio in [2, 4, 8] {
        let sized: Vec<(&Vec<u8>, [usize; 2])> = files
            .iter()
            .zip(pictures)
            .map(|(bytes, whole)| {
                (bytes, [whole.height().div_ceil(ratio), whole.width().div_ceil(ratio)])
            })
            .collect();
        let seconds = best(limit, &sized, |(bytes, size)| drop(open(bytes, *size)));
        report(&format!("decode at 1/{ratio}"), seconds, pixels);
    }
}

fn jpegs(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_jpeg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ["jpg", "jpeg"].iter().any(|e| ending.eq_ignore_ascii_case(e)))
    };
    let mut paths: Vec<PathBuf> = paths.filter(is_jpeg).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kilobytes(files: &[Vec<u8>]) -> f64 {
    files.iter().map(Vec::len).sum::<usize>() as f64 / files.len() as f64 / 1e3
}

/// Returns the average seconds of an item in the best of several rounds.
fn best<T>(limit: Duration, items: &[T], mut work: impl FnMut(&T)) -> f64 {
    let (began, mut min_seconds) = (Instant::now(), f64::INFINITY);
    while began.elapsed() < limit || min_seconds.is_infinite() {
        let started = Instant::now();
        items.iter().for_each(&mut work);
        min_seconds = min_seconds.min(started.elapsed().as_secs_f64() / items.len() as f64);
    }
    min_seconds
}

fn report(what: &str, seconds: f64, pixels: f64) {
    println!(
        "{what:32}{:>8.3} ms a photo {:>8.1} photos/s {:>8.1} megapixels/s",
        seconds * 1e3,
        1.0 / seconds,
        pixels / seconds / 1e6
    );
}
