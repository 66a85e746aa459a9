//! Models in folders of several files, Teachable Machine's in all its exports: one file damaged,
//! those beside it intact.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette::kernels::ThreadPool;
use lorgnette::picture::{OpenOptions, Picture};
use lorgnette::{Classifier, Error, Model, ModelOptions, net};

use super::graphs::{MEMORY_LIMIT, bound};
use super::{Input, Target, must_name, repository, unpack};
use crate::mutate::scramble;
use crate::random::Random;

/// Models that the tests compare with TensorFlow and TensorFlow.js, each in a folder of its own.
const CORPORA: [&str; 2] = ["teachable.tar.gz", "teachable_js.tar.gz"];
/// Files that lie beside them.
const NO_MODELS: &str = "pictures";

/// The target.
pub(super) struct ModelFolders {
    seeds: Vec<Seed>,
    picture: Picture,
    pool: Arc<ThreadPool>,
}

/// A file of a model.
struct Seed {
    /// The model's folder.
    model: PathBuf,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl ModelFolders {
    /// Unpacks the models into folders of `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        let mut seeds = Vec::new();
        for corpus in CORPORA {
            let folder = scratch.join("folders").join(corpus.replace(".tar.gz", ""));
            unpack(&format!("crates/lorgnette/tests/{corpus}"), &folder);
            for model in fs::read_dir(&folder).expect("it is there").flatten() {
                if model.path().is_dir() && model.file_name() != NO_MODELS {
                    add_files(&model.path(), &model.path(), &mut seeds);
                }
            }
        }
        assert!(!seeds.is_empty(), "there are no models in the repository");
        seeds.sort_by(|a, b| a.path.cmp(&b.path));
        let photo = repository("photos/chelsea.jpg");
        let picture = OpenOptions::default().open(&photo).expect("a sound photo");
        Self { seeds, picture, pool: Arc::new(ThreadPool::new(1)) }
    }

    fn classify(&self, model: &Path) -> Result<&'static str, Error> {
        let options = ModelOptions {
            pool: Some(self.pool.clone()),
            memory_limit: MEMORY_LIMIT,
            ..ModelOptions::default()
        };
        let classifier = Classifier::new(Model::open(model, &options)?)?;
        classifier.classify(&self.picture, 5).map(|_| "classified")
    }
}

fn add_files(model: &Path, folder: &Path, seeds: &mut Vec<Seed>) {
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_files(model, &path, seeds);
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            seeds.push(Seed { model: model.to_owned(), path, bytes });
        }
    }
}

impl Target for ModelFolders {
    fn input(&self, random: &mut Random) -> Input {
        let origin = random.below(self.seeds.len());
        let Seed { path, bytes, .. } = &self.seeds[origin];
        let other = &random.pick(&self.seeds).bytes;
        let mut bytes = bytes.clone();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        for _ in 0..=random.below(4) {
            if is_json && !random.one_in(4) {
                replace_value(random, &mut bytes);
            } else {
                scramble(random, &mut bytes, other);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let Seed { model, path, bytes } = &self.seeds[input.origin];
        let write = |bytes: &[u8]| {
            // The file is removed and created again, since it may still be mapped.
            let _ = fs::remove_file(path);
            fs::write(path, bytes).map_err(|error| error.to_string())
        };
        write(&input.bytes)?;
        let ended = self.classify(model);
        write(bytes)?;
        match ended {
            Ok(stage) => Ok(stage),
            // The program adds the path, which a network that was read does not know.
            Err(
                Error::NotFinite { .. }
                | Error::UnsuitableOutput { .. }
                | Error::ExtraInput { .. }
                | Error::UnknownInputSize { .. }
                | Error::Model { .. }
                | Error::Network(
                    net::Error::Unsupported(_)
                    | net::Error::Node { .. }
                    | net::Error::Memory { .. }
                    | net::Error::Ambiguous { .. }
                    | net::Error::Unknown { .. }
                    | net::Error::Missing { .. },
                ),
            ) => Ok("no answer"),
            Err(error) => must_name(&name(path), &error)
                .or_else(|_| must_name(&name(model), &error))
                .map(|()| "refused"),
        }
    }

    fn bound(&self, length: usize) -> usize {
        let most = self.seeds.iter().map(|seed| seed.bytes.len()).max();
        bound(length + most.unwrap_or_default())
    }

    fn share(&self) -> f64 {
        0.1
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Replaces a number or a text in JSON by another, so that it stays JSON.
fn replace_value(random: &mut Random, json: &mut Vec<u8>) {
    if json.is_empty() {
        return;
    }
    let start = random.below(json.len());
    if random.one_in(2) {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let Some(first) = json[start..].iter().position(is_digit).map(|at| start + at) else {
            return;
        };
        let digits = json[first..].iter().take_while(|byte| is_digit(byte)).count();
        let number = random.pick(&["0", "1", "2", "3", "7", "300", "65537", "1e9", "-1", "null"]);
        json.splice(first..first + digits, number.bytes());
        return;
    }
    let texts = texts(json);
    if let (false, Some(at)) = (texts.is_empty(), texts.iter().position(|text| text.start >= start))
    {
        let other = json[random.pick(&texts).clone()].to_vec();
        json.splice(texts[at].clone(), other);
    }
}

/// Returns the places of the texts of JSON, with their marks.
fn texts(json: &[u8]) -> Vec<std::ops::Range<usize>> {
    let marks: Vec<usize> = (0..json.len()).filter(|&at| json[at] == b'"').collect();
    marks.chunks_exact(2).map(|pair| pair[0]..pair[1] + 1).collect()
}
