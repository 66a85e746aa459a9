//! Whole verbs: a damaged file of a model, a photo, a library, a list or a sidecar is given to the
//! program, which runs in this process.

mod corpus;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::corpus::{Kind, Seed};
use super::{Input, Target};
use crate::capture::{Capture, set_variable};
use crate::mutate::{library, photo, scramble};
use crate::random::Random;

/// Shares of the photos that are not trained on.
const SPLIT: [&str; 4] = ["--validation-percentage", "30", "--test-percentage", "30"];
/// Queries of the small library.
const QUERIES: &[&str] = &[
    "daisy",
    "roses in the left half or tulips",
    "not (daisy and tulips)",
    "roses covering > 10%",
    "daisy left of tulips",
    "roses >= 2 in the middle",
];

/// The verbs, in the order of [`OUTCOMES`].
#[derive(Clone, Copy, Debug)]
enum Verb {
    Classify,
    Map,
    Blur,
    Embed,
    Index,
    Train,
    Evaluate,
    Convert,
    Explain,
    Search,
    Library,
}

macro_rules! outcomes {
    ($($verb:literal)*) => {
        [$([
            concat!($verb, " answered"),
            concat!($verb, " answered in part"),
            concat!($verb, " refused"),
        ]),*]
    };
}

/// A verb's exit codes in words.
const OUTCOMES: [[&str; 3]; 11] = outcomes!(
    "classify" "map" "blur" "embed" "index" "train" "evaluate" "convert" "explain" "search"
    "library"
);

/// The verbs for a damaged model; those named more often run more often.
const OF_MODELS: &[Verb] = &[
    Verb::Classify,
    Verb::Classify,
    Verb::Map,
    Verb::Map,
    Verb::Blur,
    Verb::Blur,
    Verb::Embed,
    Verb::Convert,
    Verb::Convert,
    Verb::Explain,
    Verb::Explain,
    Verb::Evaluate,
    Verb::Evaluate,
    Verb::Index,
    Verb::Train,
];
const OF_PHOTOS: &[Verb] = &[
    Verb::Classify,
    Verb::Classify,
    Verb::Classify,
    Verb::Classify,
    Verb::Map,
    Verb::Map,
    Verb::Map,
    Verb::Blur,
    Verb::Blur,
    Verb::Blur,
    Verb::Blur,
    Verb::Embed,
    Verb::Embed,
    Verb::Index,
    Verb::Evaluate,
];
const OF_LIBRARIES: &[Verb] =
    &[Verb::Search, Verb::Search, Verb::Search, Verb::Search, Verb::Library, Verb::Index];
const OF_TABLES: &[Verb] =
    &[Verb::Evaluate, Verb::Evaluate, Verb::Evaluate, Verb::Evaluate, Verb::Train];

/// The target of verbs.
pub(super) struct Verbs {
    /// The sound files.
    sound: PathBuf,
    /// Files of a case.
    case: PathBuf,
    seeds: Vec<Seed>,
    capture: Mutex<Capture>,
}

/// Arguments of one run.
struct Arguments<'a> {
    target: &'a Verbs,
    /// The model, and the options that it needs.
    model: String,
    options: &'static [&'static str],
    /// The photo or the folder of photos.
    photos: String,
    /// The photos with their labels.
    table: String,
    library: String,
}

impl Verbs {
    /// Trains a model and writes a library, in a folder of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let scratch = std::path::absolute(scratch.join("verbs")).expect("a folder has a path");
        let _ = fs::remove_dir_all(&scratch);
        let (sound, case) = (scratch.join("sound"), scratch.join("case"));
        fs::create_dir_all(&sound).expect("a folder to write to");
        // Archives are unpacked there.
        set_variable("LORGNETTE_HOME", &case.join("home"));
        let mut capture = Capture::new(&scratch).expect("a folder to write to");
        let seeds = corpus::write(&sound, &mut capture);
        Self { sound, case, seeds, capture: Mutex::new(capture) }
    }

    fn sound(&self, name: &str) -> String {
        self.sound.join(name).to_string_lossy().into_owned()
    }

    /// Returns a path in the folder of the case.
    fn case(&self, name: impl AsRef<Path>) -> String {
        self.case.join(name).to_string_lossy().into_owned()
    }

    /// Returns the verbs for a damaged file, and the arguments in which it takes the place of a
    /// sound one.
    fn arguments(&self, seed: &Seed) -> (&'static [Verb], Arguments<'_>) {
        let mut arguments = Arguments {
            target: self,
            model: self.sound("trained"),
            options: &[],
            photos: self.sound("two"),
            table: self.sound("photos.csv"),
            library: self.case("new.lgn"),
        };
        let file = self.case(&seed.path);
        let verbs = match &seed.kind {
            Kind::Model { path, options } => {
                arguments.model = self.case(path);
                arguments.options = options;
                OF_MODELS
            }
            Kind::Photo => {
                arguments.photos = file;
                arguments.table = self.case("odd.csv");
                OF_PHOTOS
            }
            Kind::Library => {
                arguments.library = file;
                OF_LIBRARIES
            }
            Kind::Table => {
                arguments.table = file;
                OF_TABLES
            }
            Kind::Sidecar => {
                arguments.photos = self.case("beside");
                &[Verb::Index]
            }
        };
        (verbs, arguments)
    }

    /// Copies the sound files that lie beside the damaged one, and writes that.
    fn write(&self, seed: &Seed, bytes: &[u8]) -> std::io::Result<()> {
        let _ = fs::remove_dir_all(&self.case);
        let folder = seed.path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(self.case.join(folder))?;
        let is_alone = matches!(seed.kind, Kind::Library | Kind::Table | Kind::Photo)
            || folder.as_os_str().is_empty();
        if !is_alone {
            for entry in fs::read_dir(self.sound.join(folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                // Pictures and tables of a report do not matter.
                let is_report = [".svg", ".png", ".html"].iter().any(|end| name.ends_with(end));
                if !is_report && entry.file_type()?.is_file() {
                    fs::copy(entry.path(), self.case.join(folder).join(&*name))?;
                }
            }
        }
        let path = self.case.join(&seed.path);
        fs::write(&path, bytes)?;
        if seed.kind == Kind::Photo {
            let table = fs::read_to_string(self.sound.join("photos.csv"))?;
            // The first four photos and the damaged one.
            let few: String = table.lines().take(5).map(|line| format!("{line}\n")).collect();
            fs::write(self.case.join("odd.csv"), format!("{few}{},red\n", path.display()))?;
        }
        Ok(())
    }
}

/// Photos of more pixels are refused.
const MAX_PIXELS: [&str; 2] = ["--max-pixels", "65536"];

impl Arguments<'_> {
    /// Returns the arguments of a verb.
    fn of(&self, verb: Verb, random: &mut Random) -> Vec<String> {
        let format = *random.pick(&["json", "json", "json", "text"]);
        match verb {
            Verb::Classify | Verb::Map | Verb::Blur | Verb::Embed | Verb::Index => {
                self.of_photos(verb, format, random)
            }
            Verb::Train | Verb::Evaluate => self.of_labelled(verb, format, random),
            Verb::Convert | Verb::Explain => self.of_model(verb, format, random),
            Verb::Search | Verb::Library => self.of_library(verb, format, random),
        }
    }

    fn of_photos(&self, verb: Verb, format: &str, random: &mut Random) -> Vec<String> {
        let (photos, drawn) = (self.photos.as_str(), self.target.case("drawn"));
        let (blurred, regions) = (self.target.case("blurred"), self.target.case("regions.json"));
        let more: &[&str] = match (verb, random.below(8)) {
            (Verb::Classify, 0) => &["classify", photos, "--picture", &drawn],
            (Verb::Classify, _) => &["classify", photos],
            (Verb::Map, 0) => &["map", photos, "--overlay", &drawn],
            (Verb::Map, 1) => &["map", photos, "--picture", &drawn],
            (Verb::Map, 2) => &["map", photos, "--coco", &regions],
            (Verb::Map, 3) => &["map", photos, "--scale", "1"],
            (Verb::Map, _) => &["map", photos],
            (Verb::Blur, 0) => {
                &["blur", photos, "--class", "0", "--out", &blurred, "--how", "gaussian"]
            }
            (Verb::Blur, 1) => &["blur", photos, "--class", "0", "--preview", &drawn, "--dry-run"],
            (Verb::Blur, _) => &["blur", photos, "--class", "0", "--out", &blurred],
            (Verb::Embed, _) => &["embed", photos],
            _ => &[
                "index",
                photos,
                "--library",
                &self.library,
                "--write-sidecars",
                "--sidecar-probability",
                "0",
            ],
        };
        let common = ["--format", format, "--model", &self.model];
        words(&[more, &common, &MAX_PIXELS, self.options])
    }

    fn of_labelled(&self, verb: Verb, format: &str, random: &mut Random) -> Vec<String> {
        let case = |name: &str| self.target.case(name);
        let (out, cache, figures) = (case("out"), case("cache"), case("figures"));
        let table = self.table.as_str();
        let more: &[&str] = match (verb, random.below(4)) {
            (Verb::Train, _) => &[
                "train",
                table,
                "--out",
                &out,
                "--cache",
                &cache,
                "--epochs",
                "3",
                "--model",
                &self.model,
            ],
            (_, 0) => &["evaluate", &self.model, table, "--out", &figures],
            _ => &["evaluate", &self.model, table],
        };
        let split: &[&str] = if matches!(verb, Verb::Train) { &SPLIT } else { &[] };
        words(&[more, split, &["--format", format], self.options])
    }

    fn of_model(&self, verb: Verb, format: &str, random: &mut Random) -> Vec<String> {
        let model = self.model.as_str();
        let out =
            ["pb", "ckpt", "onnx", "plan"].map(|kind| self.target.case(format!("out.{kind}")));
        let [graph, checkpoint, onnx, plan] = &out;
        // Without photos there is no preprocessing.
        let size = &self.options[..self.options.len().min(2)];
        match (verb, random.below(4)) {
            (Verb::Convert, 0) => words(&[&["models", "convert", model, "--out", graph], size]),
            (Verb::Convert, 1) => {
                words(&[&["models", "convert", model, "--out", checkpoint], size])
            }
            (Verb::Convert, 2) => words(&[&["export", model, "--to", "onnx", "--out", onnx], size]),
            (Verb::Convert, _) => words(&[&["models", "convert", model, "--out", plan], size]),
            (_, 0) => words(&[&["models", "show", model, "--format", format]]),
            _ => words(&[&["explain", model, "--format", format], size]),
        }
    }

    fn of_library(&self, verb: Verb, format: &str, random: &mut Random) -> Vec<String> {
        let (table, page) = (self.target.case("table.csv"), self.target.case("found.html"));
        let library = ["--library", &self.library];
        if matches!(verb, Verb::Library) {
            let (found, features) =
                (["export", table.as_str()], ["export", table.as_str(), "--what", "features"]);
            let task = *random.pick(&[
                &["verify"][..],
                &["verify", "--files"],
                &["statistics"],
                &["list", "--format", "json"],
                &["duplicates"],
                &["vacuum"],
                &found,
                &features,
            ]);
            return words(&[&["library"], task, &library]);
        }
        let html = ["--html", page.as_str()];
        let more = *random.pick(&[
            &["--explain"][..],
            &["--explain", "--all"],
            &["--all"],
            &html,
            &[],
            &[],
        ]);
        let query = *random.pick(QUERIES);
        words(&[&["search", query, "--format", format], more, &library])
    }
}

fn words(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

impl Target for Verbs {
    fn input(&self, random: &mut Random) -> Input {
        let is_wanted: fn(&Kind) -> bool = match random.below(16) {
            0..8 => |kind| matches!(kind, Kind::Model { .. }),
            8..13 => |kind| *kind == Kind::Photo,
            13..15 => |kind| *kind == Kind::Library,
            _ => |kind| matches!(kind, Kind::Table | Kind::Sidecar),
        };
        let of_kind: Vec<usize> =
            (0..self.seeds.len()).filter(|&at| is_wanted(&self.seeds[at].kind)).collect();
        let origin = *random.pick(&of_kind);
        let Seed { kind, bytes, .. } = &self.seeds[origin];
        let (mut bytes, other) = (bytes.clone(), &random.pick(&self.seeds).bytes);
        match kind {
            Kind::Photo if !random.one_in(4) => photo::mutate(random, &mut bytes, other),
            Kind::Library if !random.one_in(4) => library::mutate(random, &mut bytes),
            _ if random.one_in(3) => fill(random, &mut bytes),
            _ => (0..=random.below(4)).for_each(|_| scramble(random, &mut bytes, other)),
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let seed = &self.seeds[input.origin];
        self.write(seed, &input.bytes).map_err(|error| error.to_string())?;
        let (verbs, arguments) = self.arguments(seed);
        let verb = *random.pick(verbs);
        let words = arguments.of(verb, random);
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = program::run(&mut capture, &words).map_err(|error| error.to_string())?;
        ended
            .check(self.case.parent().unwrap_or(&self.case))
            .map_err(|fault| format!("{fault}\n{}", words.join(" ")))?;
        Ok(OUTCOMES[verb as usize][usize::from(ended.code)])
    }

    /// The program's own limit.
    fn bound(&self, length: usize) -> usize {
        (program::MEMORY_LIMIT << 20) + length
    }

    fn share(&self) -> f64 {
        0.25
    }
}

/// Fills a piece of a file with one byte: eight bytes of 255 are a number that is none.
fn fill(random: &mut Random, bytes: &mut [u8]) {
    let start = random.below(bytes.len());
    let length = random.below(64).min(bytes.len() - start);
    bytes[start..start + length].fill(*random.pick(&[0, 0x7f, 0xff]));
}
