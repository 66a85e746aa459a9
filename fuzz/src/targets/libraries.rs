//! Photo libraries: opened, queried, checked and written to.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_library::query::Query;
use lorgnette_library::search::SearchOptions;
use lorgnette_library::{
    Correction, Detections, Error, ExportTable, ImageScore, ImportedPhoto, Library, ModelRecord,
    Region, Result as Answer,
};

use super::{Input, Target, must_name, repository};
use crate::mutate::library::mutate;
use crate::mutate::scramble;
use crate::random::Random;

/// The file's name.
const NAME: &str = "damaged.lgn";
/// A library of the first schema version, which is migrated when it is opened.
const OLD: &str = "crates/lorgnette-library/tests/fixtures/library_v1.lgn";
/// The number of photos in the valid library, and of each one's features.
const PHOTOS: usize = 40;
const FEATURES: usize = 64;
/// Queries with every kind of condition.
const QUERIES: [&str; 6] = [
    "dog",
    "dog in the left half left of a vehicle covering > 1%",
    "animal count >= 1 NOT date:2030",
    "path:*.jpg date:2019..2021 OR cat inside dog",
    "school bus in the middle AND flower pot in the top left corner",
    "like /photos/7.jpg > 0.1",
];

/// The target of libraries.
pub(super) struct Libraries {
    path: PathBuf,
    seeds: [Vec<u8>; 2],
}

impl Libraries {
    /// Creates a library in a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let folder = scratch.join("libraries");
        fs::create_dir_all(&folder).expect("a folder to write to");
        let path = folder.join("sound.lgn");
        remove(&path);
        let sound =
            make(&path).and_then(|()| fs::read(&path).map_err(|source| failed(&path, source)));
        let old = fs::read(repository(OLD)).expect("the fixture is in the repository");
        Self { path: folder.join(NAME), seeds: [sound.expect("a library can be made"), old] }
    }
}

impl Target for Libraries {
    fn input(&self, random: &mut Random) -> Input {
        let origin = usize::from(random.one_in(8));
        let mut bytes = self.seeds[origin].clone();
        for _ in 0..=random.below(6) {
            if random.one_in(8) {
                scramble(random, &mut bytes, &self.seeds[1]);
            } else {
                mutate(random, &mut bytes);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        remove(&self.path);
        fs::write(&self.path, &input.bytes).map_err(|error| error.to_string())?;
        let writes = input.origin == 1 || random.one_in(4);
        let opened =
            if writes { Library::open(&self.path) } else { Library::open_read_only(&self.path) };
        let mut library = match opened {
            Ok(library) => library,
            Err(error) => return must_name(NAME, &error).map(|()| "refused"),
        };
        // A failed query does not stop the next one.
        let mut failures = usize::from(!library.integrity().is_ok_and(|wrong| wrong.is_empty()));
        failures += query_everything(&library, random).into_iter().filter(Result::is_err).count();
        if writes {
            failures += write(&mut library).into_iter().filter(Result::is_err).count();
        }
        Ok(if failures == 0 { "answered" } else { "answered in part" })
    }

    /// Covers values made of a library's rows. SQLite's own memory has a separate limit and is not
    /// counted.
    fn bound(&self, length: usize) -> usize {
        (16 << 20) + 32 * length
    }

    fn share(&self) -> f64 {
        0.15
    }
}

/// Calls everything that reads.
fn query_everything(library: &Library, random: &mut Random) -> Vec<Answer<()>> {
    let query = Query::parse(QUERIES[random.below(QUERIES.len())]).expect("a query");
    let mut answers = vec![
        library.statistics(None, 10).map(drop),
        library.duplicates().map(drop),
        library.corrections().map(drop),
        library.search(&query, &SearchOptions::default()).map(drop),
        library.each_detection(|_, _| Ok(())),
        library.export(&library.path().with_extension("csv"), ExportTable::Photos).map(drop),
        library
            .export(&library.path().with_extension("parquet"), ExportTable::Detections)
            .map(drop),
    ];
    for model in library.models().unwrap_or_default() {
        if model.features == FEATURES {
            answers.push(library.similar(model.id, &[1.0; FEATURES], 10, 0.0).map(drop));
            answers.push(library.near_duplicates(model.id, 0.9).map(drop));
        }
    }
    answers
}

/// Calls everything that writes.
fn write(library: &mut Library) -> Vec<Answer<()>> {
    let photo = Path::new("/photos/3.jpg");
    let correction =
        Correction { right: Some("dog of ours".into()), new_name: true, ..Correction::default() };
    vec![
        library.correct(photo, &correction),
        library.uncorrect(photo).map(drop),
        lorgnette_library::import(
            library,
            &model_record(),
            [made_up_photo(PHOTOS), made_up_photo(1)],
        )
        .map(drop),
        library.forget(Some(Path::new("/photos/4.jpg")), false).map(drop),
        library.vacuum(),
    ]
}

fn make(path: &Path) -> Answer<()> {
    lorgnette_library::limit_memory(1 << 30)?;
    let mut library = Library::create(path)?;
    lorgnette_library::import(&mut library, &model_record(), (0..PHOTOS).map(made_up_photo))?;
    let correction = Correction { right: Some("beagle".into()), ..Correction::default() };
    library.correct(Path::new("/photos/3.jpg"), &correction)?;
    // Without a write-ahead log, the file is complete.
    library.vacuum()
}

fn model_record() -> ModelRecord {
    let labels = lorgnette::Labels::imagenet(1001).expect("there are such labels");
    let classes = labels
        .iter()
        .map(|label: lorgnette::labels::Label<'_>| {
            (label.synset.map(str::to_owned), label.name.to_owned())
        })
        .collect();
    ModelRecord {
        name: "made up".into(),
        fingerprint: [7; 32],
        former_fingerprint: None,
        settings: "{}".into(),
        classes,
        features: FEATURES,
    }
}

/// Creates a photo with regions that the queries match, derived from its number.
fn made_up_photo(number: usize) -> ImportedPhoto {
    const CLASSES: [usize; 5] = [152, 282, 780, 739, 300];
    let share = |seed: usize| (number * 7 + seed * 3) as f32 % 10.0 / 10.0;
    ImportedPhoto {
        path: format!("/photos/{number}.jpg").into(),
        digest: [number as u8; 32],
        bytes: 1000,
        modified: 1_600_000_000_000_000_000 + number as i64,
        taken: Some(format!("20{:02}-05-17T12:00:00", 10 + number % 15)),
        size: [640, 480],
        detections: Detections {
            classes: vec![ImageScore { class: CLASSES[number % 5], probability: 0.7 }],
            regions: (0..3)
                .map(|at: usize| {
                    let (x, y) = (0.8 * f64::from(share(at)), 0.8 * f64::from(share(at + 1)));
                    let bounds = [x, y, x + 0.2, y + 0.2];
                    Region {
                        class: CLASSES[(number + at) % 5],
                        bounds,
                        share: 0.04,
                        mean: 0.2 + 0.7 * share(at),
                        peak: 0.95,
                    }
                })
                .collect(),
            features: (0..FEATURES).map(share).collect(),
        },
    }
}

/// Removes a library and SQLite's additional files.
fn remove(path: &Path) {
    for extension in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(extension);
        let _ = fs::remove_file(name);
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { name: path.display().to_string(), source }
}
