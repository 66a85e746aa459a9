//! Models in the usual forms, compared with TensorFlow's answers: graphs with checkpoints, `.meta`
//! files, retrained graphs, folders and archives of these. `oracle/models.py` wrote
//! `models.tar.gz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lorgnette_net::{LoadOptions, Network, RunOptions, npy};
use lorgnette_oracle::tolerance::ACTIVATION;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    open: Vec<String>,
    #[serde(rename = "averages")]
    use_ema: bool,
    feed: String,
    fetch: String,
    input: String,
    output: String,
}

/// Returns the folder of the fixtures; the first call unpacks them.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = empty_folder("fixtures");
        let packed = include_bytes!("models.tar.gz").as_slice();
        tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(&folder).unwrap();
        folder
    })
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs::read(folder().join("manifest.json")).unwrap()).unwrap()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn run() -> RunOptions {
    RunOptions::with_threads(Some(2))
}

impl Case {
    fn options(&self) -> LoadOptions {
        LoadOptions {
            use_ema: self.use_ema,
            cache: Some(folder().join("cache")),
            ..LoadOptions::default()
        }
    }

    /// Opens a path and compares the answer.
    fn check(&self, path: &Path, options: LoadOptions) {
        let tensor = |file: &str| npy::read(&fs::read(folder().join(file)).unwrap()).unwrap();
        let network = Network::open(path, options, run()).unwrap_or_else(|error| panic!("{error}"));
        let answer = network.run(&[(&self.feed, &tensor(&self.input))], &[&self.fetch]);
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (found, wanted) = (answer[0].to_f32(), tensor(&self.output).to_f32());
        let largest = wanted.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert_eq!(found.len(), wanted.len());
        let furthest = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(furthest <= ACTIVATION * largest, "{}: {furthest} of {largest}", path.display());
    }
}

#[test]
fn every_form_gives_tensorflows_answer_by_every_path() {
    for case in cases() {
        for path in &case.open {
            case.check(&folder().join(path), case.options());
        }
    }
}

#[test]
fn archives_of_models_open_like_their_folders() {
    for name in ["exported_v1", "meta_resource", "retrained", "decoding"] {
        let case = case(name);
        let archive = empty_folder(&format!("archive-{name}")).join("model.tgz");
        let encoder = flate2::write::GzEncoder::new(
            fs::File::create(&archive).unwrap(),
            flate2::Compression::fast(),
        );
        let mut builder = tar::Builder::new(encoder);
        builder.append_dir_all("some/folder", folder().join(name)).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        case.check(&archive, case.options());
    }
}

#[test]
fn a_checkpoint_elsewhere_is_named() {
    let case = case("exported_v2");
    let alone = empty_folder("alone").join("graph.pb");
    fs::copy(folder().join("exported_v2/inference_graph.pb"), &alone).unwrap();
    let checkpoint = Some(folder().join("exported_v2/model.ckpt-7"));
    case.check(&alone, LoadOptions { checkpoint, ..case.options() });
    let network = Network::open(&alone, case.options(), run()).unwrap();
    let message = network.check_node("Pocket/Predictions").unwrap_err().to_string();
    assert!(
        message.contains("VariableV2 'Pocket/conv1/weights'")
            && message.contains("in a checkpoint"),
        "{message}"
    );
}

#[test]
fn a_variable_of_another_checkpoint_is_refused_by_name() {
    let case = case("exported_v2");
    let checkpoint = Some(folder().join("averages/model.ckpt"));
    case.check(
        &folder().join("averages/inference_graph.pb"),
        LoadOptions {
            checkpoint: Some(folder().join("exported_v2/model.ckpt-7")),
            ..case.options()
        },
    );
    let mixed = empty_folder("mixed").join("graph.pb");
    let graph = fs::read(folder().join("exported_v2/inference_graph.pb")).unwrap();
    let renamed = replaced(&graph, b"Pocket/conv1/weights", b"Pocket/conv9/weights");
    fs::write(&mixed, renamed).unwrap();
    let network =
        Network::open(&mixed, LoadOptions { checkpoint, ..case.options() }, run()).unwrap();
    let message = network.check_node("Pocket/Predictions").unwrap_err().to_string();
    assert!(
        message.contains("'Pocket/conv9/weights'")
            && message.contains("'Pocket/conv1/weights' [3, 3, 3, 8]"),
        "{message}"
    );
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}
