//! Whole verbs: a damaged file of a model, a plan file, an archive, a photo or a library goes
//! through everything that the program does with it.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette::blur::{BlurOptions, Blurrer};
use lorgnette::dataset::{Dataset, Listing, ListingOptions};
use lorgnette::evaluate::{Evaluator, EvaluatorOptions};
use lorgnette::features::Extractor;
use lorgnette::picture::{OpenOptions, PictureFormat};
use lorgnette::train::{Existing, Trainer, TrainerOptions, TrainingFolder};
use lorgnette::{
    Classifier, Embedder, Model, ModelOptions, ModelRef, ModelStore, Picture, RegionOptions,
    SegmentationOptions, Segmenter,
};
use lorgnette_library::query::Query;
use lorgnette_library::search::SearchOptions;
use lorgnette_library::{Analysers, IndexOptions, Library, ModelRecord, NetworkAnalyser};

use super::{Input, Target, repository};
use crate::mutate::{library, photo, scramble};
use crate::random::Random;

/// Small models written by TensorFlow.
const CORPUS: &str = "crates/lorgnette-net/tests/models.tar.gz";
/// The model whose files are damaged, and the size of its pictures.
const GRAPH: &str = "retrained/output_graph.pb";
const SIZE: [usize; 2] = [12, 10];
/// The memory of a run's activations.
const MEMORY_LIMIT: u64 = 64 << 20;
const MAX_PIXELS: u64 = 1 << 16;

/// A file, where it lies, and what it is part of.
struct Seed {
    /// Its path in a copy of the corpus.
    path: PathBuf,
    /// The opened file.
    opened: Opened,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Opened {
    /// A model at this path in a copy of the corpus.
    Model(PathBuf),
    /// The photo itself.
    Photo,
    /// The library itself.
    Library,
}

/// The target of verbs.
pub(super) struct Verbs {
    /// The sound files.
    sound: PathBuf,
    /// Files of a case.
    case: PathBuf,
    seeds: Vec<Seed>,
    model: Model,
    picture: Picture,
}

impl Verbs {
    /// Trains a model, and writes a library, in a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let scratch = scratch.join("verbs");
        let _ = fs::remove_dir_all(&scratch);
        let (sound, case) = (scratch.join("sound"), scratch.join("case"));
        fs::create_dir_all(&sound).expect("a folder to write to");
        let packed = fs::File::open(repository(CORPUS)).expect("the corpus is in the repository");
        tar::Archive::new(flate2::read::GzDecoder::new(packed))
            .unpack(&sound)
            .expect("the corpus can be unpacked");
        for number in 0..12_u8 {
            let class = ["red", "blue"][usize::from(number % 2)];
            let level = |at: usize| [200, 20, 40][(at + usize::from(number)) % 3] + number;
            let pixels = (0..24 * 20 * 3).map(level).collect();
            let folder = sound.join("photos").join(class);
            fs::create_dir_all(&folder).expect("a folder to write to");
            Picture::from_rgb8(24, 20, pixels)
                .and_then(|picture| picture.save(folder.join(format!("{number}.png"))))
                .expect("a photo can be written");
        }
        let graph = sound.join(GRAPH);
        let model = Model::open(&graph, &options(&scratch)).expect("a sound model");
        train(&sound, &model, &sound.join("trained")).expect("it can be trained");
        model.write_plan_file(&sound.join("sound.plan")).expect("a plan file can be written");
        index(&sound, &model).expect("a library can be made");
        archive(&graph, &sound.join("archive.tgz")).expect("an archive can be written");
        let seed = |path: &str, opened: Opened| Seed {
            path: path.into(),
            opened,
            bytes: fs::read(sound.join(path)).expect("a sound file"),
        };
        let of_trained =
            |name: &str| seed(&format!("trained/{name}"), Opened::Model(PathBuf::from("trained")));
        let itself = |path: &str| seed(path, Opened::Model(path.into()));
        let mut seeds: Vec<Seed> =
            ["model.json", "weights.npy", "biases.npy", "labels.txt", "split.csv"]
                .map(of_trained)
                .into();
        seeds.extend([GRAPH, "sound.plan", "archive.tgz"].map(itself));
        seeds.push(seed("photos.lgn", Opened::Library));
        for name in [
            "orientation_6.jpg",
            "orientation_6.webp",
            "orientation_5.png",
            "cmyk_adobe.jpg",
            "grey_16_bit.png",
            "jpeg_inside.tiff",
        ] {
            let path = repository("crates/lorgnette/tests/photos").join(name);
            if let Ok(bytes) = fs::read(path) {
                seeds.push(Seed { path: "photo".into(), opened: Opened::Photo, bytes });
            }
        }
        let chelsea = fs::read(repository("photos/chelsea.jpg")).expect("a sound photo");
        seeds.push(Seed { path: "photo".into(), opened: Opened::Photo, bytes: chelsea });
        let picture =
            Picture::open(sound.join("photos/red/0.png")).expect("a photo that was written");
        Self { sound, case, seeds, model, picture }
    }

    /// Opens the damaged model and uses it.
    fn use_model(&self, path: &Path, random: &mut Random) -> Result<&'static str, String> {
        let opened = ModelRef::parse(path).and_then(|model| model.open(&options(&self.case)));
        let Ok(model) = opened else { return Ok("refused") };
        let Ok(classifier) = Classifier::new(model.clone()) else { return Ok("no classifier") };
        let Ok(answer) = classifier.classify(&self.picture, 5) else { return Ok("no answer") };
        for prediction in &answer.predictions {
            must_be_finite("a probability", prediction.probability)?;
        }
        if let Ok(features) =
            Embedder::new(model.clone(), None).and_then(|embedder| embedder.embed(&self.picture))
        {
            features.iter().try_for_each(|&feature| must_be_finite("a feature", feature))?;
        }
        map_and_blur(&model, &self.picture)?;
        if random.one_in(16) {
            let _ = evaluate(&self.sound, &model, path);
        }
        if random.one_in(16) {
            let _ = index(&self.case, &model);
        }
        let out = self.case.join("converted");
        let converted = match random.below(6) {
            0 => model.write_frozen(&out.with_extension("pb")),
            1 => model.write_onnx(&out.with_extension("onnx")),
            2 => model.write_plan_file(&out.with_extension("plan")),
            _ => return Ok("answered"),
        };
        Ok(if converted.is_ok() { "answered and converted" } else { "answered" })
    }

    /// Opens the damaged photo and uses it.
    fn use_photo(&self, bytes: &[u8], random: &mut Random) -> Result<&'static str, String> {
        let open = OpenOptions { max_pixels: MAX_PIXELS, ..OpenOptions::default() };
        let Ok(picture) = open.decode(bytes, "photo") else { return Ok("refused") };
        let classifier = Classifier::new(self.model.clone()).map_err(|error| error.to_string())?;
        let answer = classifier.classify(&picture, 5).map_err(|error| error.to_string())?;
        for prediction in &answer.predictions {
            must_be_finite("a probability", prediction.probability)?;
        }
        let names = [self.model.labels().get(0).map_or("0", |label| label.name)];
        if let Ok(blurrer) = blurrer(&self.model, &names)
            && let Ok(mask) = blurrer.mask(&picture)
        {
            let written = mask.apply_to_file(&picture, bytes, PictureFormat::Jpeg, true);
            written.map_err(|error| error.to_string())?;
        }
        if random.one_in(64) {
            let folder = self.case.join("photos/red");
            fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            fs::write(folder.join("odd.jpg"), bytes).map_err(|error| error.to_string())?;
            let _ = train(&self.case, &self.model, &self.case.join("trained"));
            let _ = index(&self.case, &self.model);
        }
        Ok("answered")
    }

    /// Searches the damaged library, and indexes into it.
    fn use_library(&self, path: &Path) -> Result<&'static str, String> {
        let Ok(library) = Library::open(path) else { return Ok("refused") };
        let query = Query::parse("red in the left half OR blue").expect("a query");
        if let Ok(found) = library.search(&query, &SearchOptions::default()) {
            for hit in &found.hits {
                must_be_finite("a score", hit.score as f32)?;
            }
        }
        drop(library);
        Ok(if index(&self.case, &self.model).is_ok() { "indexed" } else { "searched" })
    }
}

impl Target for Verbs {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let Seed { opened, bytes, .. } = &self.seeds[origin];
        let (mut bytes, other) = (bytes.clone(), &random.pick(&self.seeds).bytes);
        match opened {
            Opened::Photo if !random.one_in(4) => photo::mutate(random, &mut bytes, other),
            Opened::Library if !random.one_in(4) => library::mutate(random, &mut bytes),
            _ if random.one_in(3) => fill(random, &mut bytes),
            _ => (0..=random.below(4)).for_each(|_| scramble(random, &mut bytes, other)),
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let seed = &self.seeds[input.origin];
        if matches!(seed.opened, Opened::Photo) {
            let _ = fs::remove_dir_all(&self.case);
            return self.use_photo(&input.bytes, random);
        }
        self.restore(seed).map_err(|error| error.to_string())?;
        let path = self.case.join(&seed.path);
        fs::write(&path, &input.bytes).map_err(|error| error.to_string())?;
        match &seed.opened {
            Opened::Model(model) => self.use_model(&self.case.join(model), random),
            _ => self.use_library(&path),
        }
    }

    /// That of graphs, and what a library, a training and pictures take.
    fn bound(&self, length: usize) -> usize {
        (512 << 20) + 4 * MEMORY_LIMIT as usize + 512 * length
    }

    fn share(&self) -> f64 {
        0.25
    }
}

impl Verbs {
    /// Copies the sound files that lie beside the damaged one.
    fn restore(&self, seed: &Seed) -> std::io::Result<()> {
        let _ = fs::remove_dir_all(&self.case);
        let folder = seed.path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(self.case.join(folder))?;
        for entry in fs::read_dir(self.sound.join(folder))? {
            let entry = entry?;
            // Pictures and such of a report do not matter.
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let matters = ["json", "npy", "txt", "csv", "pb"].iter().any(|end| name.ends_with(end));
            if matters && entry.file_type()?.is_file() {
                fs::copy(entry.path(), self.case.join(folder).join(&*name))?;
            }
        }
        Ok(())
    }
}

/// Options for the small model, with a store in `folder`.
fn options(folder: &Path) -> ModelOptions {
    ModelOptions {
        threads: Some(1),
        size: Some(SIZE),
        preprocess: "none".parse().ok(),
        memory_limit: MEMORY_LIMIT,
        model_store: Some(ModelStore::new(folder.join("store"))),
        ..ModelOptions::default()
    }
}

/// Fills a piece of a file with one byte: eight bytes of 255 are a number that is none.
fn fill(random: &mut Random, bytes: &mut [u8]) {
    let start = random.below(bytes.len());
    let length = random.below(64).min(bytes.len() - start);
    bytes[start..start + length].fill(*random.pick(&[0, 0x7f, 0xff]));
}

fn must_be_finite(what: &str, value: f32) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("{what} is {value}")) }
}

fn blurrer(model: &Model, names: &[&str]) -> lorgnette::Result<Blurrer> {
    let map = SegmentationOptions::default();
    Blurrer::new(model.clone(), names, map, BlurOptions::default())
}

/// Maps and blurs a picture, if the model can.
fn map_and_blur(model: &Model, picture: &Picture) -> Result<(), String> {
    let Ok(segmenter) = Segmenter::new(model.clone(), SegmentationOptions::default()) else {
        return Ok(());
    };
    if let Ok(map) = segmenter.segment(picture) {
        for entry in map.legend() {
            must_be_finite("a share", entry.share)?;
        }
        for region in map.regions(&RegionOptions::default()) {
            must_be_finite("a region's probability", region.mean_probability)?;
        }
    }
    let names = [model.labels().get(0).map_or("0", |label| label.name)];
    let _ = blurrer(model, &names).and_then(|blurrer| blurrer.blur(picture));
    Ok(())
}

fn train(folder: &Path, model: &Model, out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let listing = Listing::open(&folder.join("photos"), &ListingOptions::default())?;
    let dataset = Dataset::read(listing, 1, &mut ())?;
    let extractor = Extractor::new(model.clone(), None, OpenOptions::default())?;
    let mut options = TrainerOptions::new(TrainingFolder::open(out, Existing::Overwrite)?);
    options.base = ModelRef::File(folder.join(GRAPH));
    options.model = self::options(folder);
    options.threads = 1;
    options.split.validation = 30.0;
    options.split.test = 30.0;
    options.head.epochs = 3;
    Trainer::new(dataset, extractor, options).run(&mut ())?;
    Ok(())
}

fn evaluate(folder: &Path, model: &Model, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let listing = Listing::open(&folder.join("photos"), &ListingOptions::default())?;
    let mut options = EvaluatorOptions::default();
    options.folder = Some(path.to_owned());
    Evaluator::new(model.clone(), options)?.run(listing, &mut ())?;
    Ok(())
}

/// Indexes the photos of `folder` into the library there.
fn index(folder: &Path, model: &Model) -> Result<(), Box<dyn std::error::Error>> {
    let mut library = Library::create(folder.join("photos.lgn"))
        .or_else(|_| Library::open(folder.join("photos.lgn")))?;
    let network = NetworkAnalyser::new(model, 0)?;
    let record = ModelRecord::new(&network, &OpenOptions::default())?;
    let analysers = Analysers { model: &record, workers: network.workers(1) };
    let photos = folder.join("photos");
    fs::create_dir_all(&photos)?;
    let options = IndexOptions::default();
    lorgnette_library::index(&mut library, &[photos], analysers, &options, &mut ())?;
    // Without a write-ahead log, the file is complete.
    Ok(library.vacuum()?)
}

fn archive(graph: &Path, out: &Path) -> std::io::Result<()> {
    let file = flate2::write::GzEncoder::new(fs::File::create(out)?, flate2::Compression::fast());
    let mut archive = tar::Builder::new(file);
    archive.append_path_with_name(graph, "graph.pb")?;
    archive.into_inner()?.finish()?;
    Ok(())
}
