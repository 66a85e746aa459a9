//! Libraries of any size, made up from the statistics of a real one, and what asking them costs.
//!
//!     cargo run --release -p lorgnette-library --example synthetic -- make REAL.lgn OUT.lgn PHOTOS
//!     cargo run --release -p lorgnette-library --example synthetic -- time LIBRARY.lgn [QUERY...]
//!
//! A made-up photo has the regions of a real one, mirrored, moved and resized, under classes that
//! are drawn by how frequent they are (Zipf's law over the thousand, as things in photos are); its
//! features are those of two real ones mixed, with noise. Everything comes from the number of the
//! photo, so a library of a size is always the same. `time` prints a line of JSON;
//! `bench/library_scale.py` calls both and draws the plot.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lorgnette_library::query::Query;
use lorgnette_library::search::{SearchOptions, vocabulary};
use lorgnette_library::{
    Detections, ImageScore, ImportedPhoto, Library, ModelRecord, Region, Result,
};

/// Photos, each a day after the one before, from 2000-01-01 on; the calendar goes no further than
/// the 28th.
const DAYS: usize = 28;
/// Times each question is asked; the median counts.
const REPETITIONS: usize = 15;

/// Milliseconds after which a question is not asked again.
const MAX_QUERY_MS: f64 = 5000.0;

/// The tutorial's own, and simpler and harder ones.
const QUERIES: [(&str, &str); 4] = [
    ("tutorial", "school bus in the middle AND flower pot in the top left corner"),
    ("one", "school bus in the middle"),
    ("hypernym", "dog left of vehicle"),
    ("count", "cat count >= 2 AND NOT dog"),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", real, out, photos] => {
            make(real.as_ref(), out.as_ref(), photos.parse().expect("a number of photos"))
        }
        ["time", library, ref queries @ ..] => time(library.as_ref(), queries),
        _ => panic!("make REAL.lgn OUT.lgn PHOTOS, or time LIBRARY.lgn [QUERY...]"),
    }
}

/// The parts that are taken from the real library.
struct Real {
    model_record: ModelRecord,
    /// Regions of each photo.
    regions: Vec<Vec<Region>>,
    features: Vec<Vec<f32>>,
}

impl Real {
    fn read(path: &Path) -> Result<Self> {
        let library = Library::open_read_only(path)?;
        let model = library
            .models()?
            .into_iter()
            .find(|model| model.features > 0)
            .expect("a model with features");
        let (mut regions, mut features) = (Vec::new(), Vec::new());
        library.each_photo(None, |photo| {
            let Some(feature) = library.features(&photo.path, model.id)? else { return Ok(()) };
            let photo_regions =
                library.detections(&photo.path)?.into_iter().filter_map(|detection| {
                    let bounds = detection.bounds?;
                    let (share, mean, peak) = (
                        detection.share as f32,
                        detection.probability as f32,
                        detection.peak as f32,
                    );
                    Some(Region { class: detection.class, bounds, share, mean, peak })
                });
            regions.push(photo_regions.collect());
            features.push(feature);
            Ok(())
        })?;
        let labels = lorgnette::Labels::imagenet(1001).expect("ImageNet's labels");
        let classes = labels
            .iter()
            .map(|label| (label.synset.map(str::to_owned), label.name.to_owned()))
            .collect();
        let settings = format!("{{\"made_up_from\": {}}}", features.len());
        let model_record = ModelRecord {
            name: "made up".into(),
            fingerprint: [7; 32],
            former_fingerprint: None,
            settings,
            classes,
            features: features[0].len(),
        };
        Ok(Self { model_record, regions, features })
    }

    fn photo(&self, number: usize) -> ImportedPhoto {
        let mut random = Random(number as u64 * 2 + 1);
        let detections = Detections {
            classes: (0..5)
                .map(|at| ImageScore { class: random.class(), probability: 0.6 / (1 << at) as f32 })
                .collect(),
            regions: self.regions(&mut random),
            features: self.features(&mut random),
        };
        let classes = distinct(detections.classes);
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&Random(number as u64).next().to_le_bytes());
        digest[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let [year, month, day] = date(number);
        ImportedPhoto {
            path: photo_path(number),
            digest,
            bytes: 2_000_000 + number as u64 % 4_000_000,
            modified: number as i64 * 1_000_000_000,
            taken: Some(format!("{year}-{month:02}-{day:02}T12:00:00")),
            size: [4000, 3000],
            detections: Detections { classes, ..detections },
        }
    }

    fn regions(&self, random: &mut Random) -> Vec<Region> {
        let real = &self.regions[random.below(self.regions.len())];
        let mirrored = random.below(2) == 1;
        let size = 0.6 + 0.4 * random.unit();
        let (x, y) = (random.unit() * (1.0 - size), random.unit() * (1.0 - size));
        let transform = |region: &Region| {
            let [left, top, right, bottom] = region.bounds;
            let (left, right) = if mirrored { (1.0 - right, 1.0 - left) } else { (left, right) };
            let bounds = [x + left * size, y + top * size, x + right * size, y + bottom * size];
            Region {
                class: random.class(),
                bounds,
                share: region.share * (size * size) as f32,
                ..*region
            }
        };
        real.iter().map(transform).collect()
    }

    fn features(&self, random: &mut Random) -> Vec<f32> {
        let (a, b) = (random.below(self.features.len()), random.below(self.features.len()));
        let part = 0.3 * random.unit() as f32;
        let mixed = self.features[a]
            .iter()
            .zip(&self.features[b])
            .map(|(a, b)| a * (1.0 - part) + b * part);
        mixed.map(|value| (value + 0.6 * (random.unit() as f32 - 0.5)).max(0.0)).collect()
    }
}

/// The year, the month and the day of a photo.
fn date(number: usize) -> [usize; 3] {
    [2000 + number / DAYS / 12 % 25, number / DAYS % 12 + 1, number % DAYS + 1]
}

fn photo_path(number: usize) -> PathBuf {
    let [year, month, _] = date(number);
    PathBuf::from(format!("/photos/{year}/{month:02}/IMG_{number:07}.jpg"))
}

/// Each class once.
fn distinct(classes: Vec<ImageScore>) -> Vec<ImageScore> {
    let mut seen = std::collections::HashSet::new();
    classes.into_iter().filter(|whole| seen.insert(whole.class)).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// The class of rank r with a probability in proportion to 1 / r: the inverse of H(r) ≈ ln r.
    /// Ranks are dealt to the thousand classes by a step that is prime to them.
    fn class(&mut self) -> usize {
        let rank = (1000.0_f64.powf(self.unit())) as usize;
        1 + (rank * 387) % 1000
    }
}

fn make(real: &Path, out: &Path, photos: usize) -> Result<()> {
    let real = Real::read(real)?;
    let mut library = Library::create(out)?;
    let there = library.count()?;
    let started = Instant::now();
    lorgnette_library::import(
        &mut library,
        &real.model_record,
        (there..photos).map(|number| real.photo(number)),
    )?;
    eprintln!("{} photos more in {:.1?}", photos - there.min(photos), started.elapsed());
    library.vacuum()
}

fn time(path: &Path, wanted: &[&str]) -> Result<()> {
    let library = Library::open_read_only(path)?;
    let model = library
        .models()?
        .into_iter()
        .find(|model| model.features > 0)
        .expect("a model with features");
    let photos = library.count()?;
    let mut random = Random(99);
    let similar = median(|| {
        let path = photo_path(random.below(photos));
        let started = Instant::now();
        let features = library.features(&path, model.id)?.expect("features");
        let neighbours = library.similar(model.id, &features, 20, 0.0)?;
        assert!(neighbours[0].path == path, "a photo is most similar to itself");
        Ok(started.elapsed().as_secs_f64() * 1e3)
    })?;
    eprintln!("similar: {similar:.2} ms");
    let phrases = vocabulary(&library, None)?.phrases();
    let mut queries = Vec::new();
    for (name, text) in
        QUERIES.into_iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
    {
        let query = Query::parse_with(text, &phrases).expect("a query");
        let mut total = 0;
        let milliseconds = median(|| {
            let started = Instant::now();
            total = library.search(&query, &SearchOptions::default())?.total;
            Ok(started.elapsed().as_secs_f64() * 1e3)
        })?;
        eprintln!("{name}: {total} photos, {milliseconds:.2} ms");
        queries.push(format!("\"{name}\":{milliseconds:.2}"));
    }
    let bytes = path.metadata().expect("a file").len();
    println!(
        "{{\"photos\":{photos},\"bytes_a_photo\":{:.0},\"similar_ms\":{similar:.2},\
         \"query_ms\":{{{}}}}}",
        bytes as f64 / photos as f64,
        queries.join(",")
    );
    Ok(())
}

/// The median of what a few turns took, in milliseconds; of fewer where they are slow. The first
/// one warms up.
fn median(mut run_once: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut times = vec![run_once()?];
    while times.len() <= REPETITIONS && times.iter().sum::<f64>() < MAX_QUERY_MS {
        times.push(run_once()?);
    }
    if times.len() > 1 {
        times.remove(0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
