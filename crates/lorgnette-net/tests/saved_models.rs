//! SavedModels and Keras models of `saved_models.tar.gz`, which `oracle/saved_models.py` writes with
//! TensorFlow and Keras, and their answers.

#[path = "support/operations.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_net::{Choice, Error, LoadOptions, Network, RunOptions};
use support::{Case, Files};

/// The models, unpacked into a folder.
struct Models {
    folder: tempfile::TempDir,
    files: Files,
    cases: Vec<Case>,
}

impl Models {
    fn unpack() -> Self {
        let (files, cases) = support::archive("saved_models.tar.gz");
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files.iter().filter(|(name, _)| !name.ends_with(".npy")) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self { folder, files, cases }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn open(path: &Path) -> Result<Network, Error> {
    Network::open(path, LoadOptions::default(), RunOptions::with_threads(Some(1)))
}

fn open_error(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

#[test]
fn every_model_gives_tensorflow_s_answer() {
    let models = Models::unpack();
    assert!(models.cases.len() > 35, "the fixture is whole");
    let run = RunOptions::with_threads(Some(1));
    let wrong: Vec<String> = models
        .cases
        .iter()
        .filter_map(|case| {
            let path = models.path(&case.graph);
            let difference = support::difference_of(&path, case, &models.files, &run);
            difference.err().map(|what| format!("{}: {what}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_signature_names_inputs_and_outputs() {
    let models = Models::unpack();
    let network = open(&models.path("tf2_nested_functions")).unwrap();
    assert_eq!(network.name(), "tf2_nested_functions");
    let signature = network.signature().unwrap();
    assert_eq!(signature.input.name, "serving_default_picture");
    assert!(signature.probabilities.is_some() && signature.features.is_some());
    let [saved] = network.saved_signatures() else { panic!("one signature") };
    assert!(saved.is_chosen && saved.name == "serving_default");
    let outputs: Vec<&str> = saved.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["classes", "logits", "probabilities"]);
    assert_eq!(saved.inputs[0].to_string(), "picture float32 [?, 12, 10, 3]");
}

#[test]
fn signatures_can_be_chosen() {
    let models = Models::unpack();
    let path = models.path("tf2_bytes");
    let with = |signature: &str| LoadOptions {
        signature: Some(signature.into()),
        ..LoadOptions::default()
    };
    let run = RunOptions::with_threads(Some(1));
    let network = Network::open(&path, with("again"), run.clone()).unwrap();
    assert_eq!(network.signature().unwrap().input.name, "again_image_bytes");
    let error = Network::open(&path, with("agian"), run.clone()).unwrap_err().to_string();
    assert!(error.starts_with("there is no signature 'agian'; the nearest names are: again"));
    let keras = models.path("keras3_layers.keras");
    let error = Network::open(&keras, with("again"), run).unwrap_err().to_string();
    assert!(error.contains("only SavedModels have signatures"), "{error}");
}

/// TensorFlow Serving answers by `serving_default`, which often takes files.
#[test]
fn the_usual_signature_is_chosen_if_it_takes_pictures() {
    let models = Models::unpack();
    let models_and_signatures = [
        ("tf2_decodes", "serving_default"),
        ("tf2_parses", "pixels"),
        ("tf1_pixels_within", "pixels"),
    ];
    for (name, expected) in models_and_signatures {
        let network = open(&models.path(name)).unwrap();
        let mut chosen = network.saved_signatures().iter().filter(|signature| signature.is_chosen);
        assert_eq!(chosen.next().map(|signature| signature.name.as_str()), Some(expected));
    }
}

#[test]
fn folders_lead_to_the_model_in_them() {
    let models = Models::unpack();
    let outer = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let (from, to) = (models.path(from), outer.path().join(to));
        fs::create_dir_all(to.join("variables")).unwrap();
        for name in [
            "saved_model.pb",
            "variables/variables.index",
            "variables/variables.data-00000-of-00001",
        ] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    // As TensorFlow Serving has them: the highest number.
    copy("tf1_variables", "2");
    copy("tf1_resources", "10");
    assert_eq!(open(outer.path()).unwrap().name(), "10");
    copy("tf1_hub", "export");
    assert!(matches!(open(outer.path()), Err(Error::Ambiguous { choice: Choice::Path, .. })));
    let file = outer.path().join("export/saved_model.pb");
    assert_eq!(open(&file).unwrap().name(), "export");
}

#[test]
fn what_is_missing_is_said() {
    let models = Models::unpack();
    let index = models.path("tf2_bytes/variables/variables.index");
    fs::remove_file(&index).unwrap();
    let error = open_error(&models.path("tf2_bytes"));
    assert!(error.contains("variables.index") && error.contains("belongs together"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let graph = r#"{"modelTopology":{"node":[]},"weightsManifest":[]}"#;
    fs::write(folder.path().join("model.json"), graph).unwrap();
    let error = open_error(folder.path());
    assert!(error.contains("TensorFlow.js graph model"), "{error}");
}

/// Keras 3.15 exports random layers as they are in training.
#[test]
fn random_numbers_are_refused() {
    let models = Models::unpack();
    let network = open(&models.path("keras3_random_saved")).unwrap();
    let signature = network.signature().unwrap();
    let plan = network.plan(&[(&signature.input.name, &[1, 8, 8, 3])], &[&signature.logits]);
    let error = plan.unwrap_err().to_string();
    assert!(error.contains("random numbers"), "{error}");
}

#[test]
fn models_are_exported_as_other_graphs_are() {
    let models = Models::unpack();
    for name in ["keras2_layers.h5", "keras3_nested.keras", "tf2_nested_functions", "tf1_variables"]
    {
        let network = open(&models.path(name)).unwrap();
        let signature = network.signature().unwrap();
        let answer = signature.probabilities.clone().unwrap();
        let shape = signature.input.shape.clone().unwrap();
        let size = [shape[1].unwrap(), shape[2].unwrap()];
        let frozen = models.path("frozen.pb");
        network.write_frozen(&frozen, &[&answer], size, &[]).unwrap();
        let again = open(&frozen).unwrap();
        let feed = (signature.input.name.as_str(), [1, size[0], size[1], 3]);
        let fingerprint = |network: &Network| {
            network.session(&[(feed.0, &feed.1)], &[&answer]).unwrap();
            network.fingerprint(&answer).unwrap()
        };
        assert_eq!(fingerprint(&network), fingerprint(&again), "{name}");
    }
}
