//! The forms in which people have models: graphs with label files beside them, with checkpoints, in
//! archives.

use std::fs::{self, File};
use std::io::Write as _;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::program::{Ended, Folder, end, lorgnette, photo, program};

/// The models that `oracle/models.py` made.
fn models() -> Folder {
    let folder = Folder::new();
    let packed = include_bytes!("../../../lorgnette-net/tests/models.tar.gz").as_slice();
    tar::Archive::new(GzDecoder::new(packed)).unpack(folder.path("")).unwrap();
    folder
}

fn classify(model: &str, options: &[&str]) -> Ended {
    let photo = photo("chelsea.jpg");
    lorgnette(
        &[&["classify", &photo, "--top", "6", "--format", "json", "--model", model], options]
            .concat(),
    )
}

/// The names and synsets of a network's six outputs, by index.
fn labels(ended: &Ended) -> Vec<(String, Value)> {
    let mut predictions = ended.json()[0]["predictions"].as_array().unwrap().clone();
    predictions.sort_by_key(|guess| guess["index"].as_u64());
    predictions
        .iter()
        .map(|guess| (guess["name"].as_str().unwrap().to_owned(), guess["synset"].clone()))
        .collect()
}

#[test]
fn a_graph_of_2015_reads_the_label_map_beside_it() {
    let models = models();
    let ended = classify(&models.text("decoding/classify_image_graph_def.pb"), &[]).well();
    let labels = labels(&ended);
    assert_eq!(labels[0], ("class 0".into(), Value::Null));
    assert_eq!(labels[1], ("domestic cat, house cat".into(), "n02121808".into()));
    assert_eq!(labels[3], ("dog, domestic dog, Canis familiaris".into(), "n02084071".into()));
    // It resizes the photo itself, so there is nothing to guess.
    assert!(!ended.err.contains("guess"), "{}", ended.err);
}

#[test]
fn a_retrained_graph_reads_its_labels() {
    let models = models();
    let ended = classify(&models.text("retrained/output_graph.pb"), &[]).well();
    assert_eq!(labels(&ended).last().unwrap().0, "Gänseblümchen");
    let explained =
        lorgnette(&["explain", &models.text("retrained/output_graph.pb"), "--format", "json"])
            .well()
            .json()
            .remove(0);
    assert_eq!(explained["labels_file"], models.text("retrained/labels.txt"));
    assert_eq!(explained["input"]["name"], "Placeholder");
}

#[test]
fn labels_of_another_network_are_not_used_and_said() {
    let models = models().with("retrained/labels.txt", b"one\ntwo\n");
    let ended = classify(&models.text("retrained"), &[]).well();
    assert_eq!(labels(&ended)[0].0, "class 0");
    assert!(
        ended
            .err
            .contains("labels.txt: it names 2 classes, and the network has 6 outputs (not used)"),
        "{}",
        ended.err
    );
    let with_labels =
        classify(&models.text("retrained"), &["--labels", &models.text("retrained/labels.txt")]);
    assert_eq!(with_labels.code, Some(2));
    assert!(with_labels.err.contains("it names 2 classes"), "{}", with_labels.err);
}

#[test]
fn a_graph_finds_its_checkpoint_beside_it_or_by_option() {
    let models = models();
    let beside = classify(&models.text("exported_v2/inference_graph.pb"), &[]).well();
    let meta = classify(&models.text("meta_reference/model.ckpt-100.meta"), &[]).well();
    let graph = std::fs::read(models.path("exported_v2/inference_graph.pb")).unwrap();
    let models = models.with("alone/graph.pb", &graph);
    let named = classify(
        &models.text("alone/graph.pb"),
        &["--checkpoint", &models.text("exported_v1/model.ckpt-7")],
    )
    .well();
    assert_eq!(labels(&beside), labels(&named));
    assert_eq!(beside.json()[0]["predictions"], named.json()[0]["predictions"]);
    assert_eq!(beside.json()[0]["predictions"], meta.json()[0]["predictions"]);
    let alone = classify(&models.text("alone/graph.pb"), &[]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.err.contains("--checkpoint"), "{}", alone.err);
}

#[test]
fn an_archive_of_a_graph_and_its_labels_is_a_model() {
    let models = models();
    let archive = models.path("flowers.tgz");
    let mut builder =
        tar::Builder::new(GzEncoder::new(File::create(&archive).unwrap(), Compression::fast()));
    builder.append_dir_all(".", models.path("retrained")).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    let (photo, home) = (photo("chelsea.jpg"), models.path("home"));
    let arguments = ["classify", &photo, "--format", "json", "--model", archive.to_str().unwrap()];
    let ended = end(program(&arguments).env("LORGNETTE_HOME", &home)).well();
    let best = ended.json()[0]["predictions"][0]["name"].as_str().unwrap().to_owned();
    assert!(
        ["daisy", "dandelion", "roses", "sunflowers", "tulips", "Gänseblümchen"]
            .contains(&best.as_str()),
        "{best}"
    );
}

#[test]
fn options_of_networks_are_named_as_in_tf_slim() {
    let ended = lorgnette(&["explain", "--net-option", "output_strde=16"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("output_stride"), "{}", ended.err);
    let ended = lorgnette(&["explain", "--net-option", "output_stride=16"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("output_stride=16") && ended.err.contains("graph"), "{}", ended.err);
}

/// What a format cannot hold is said, and decides the exit code.
#[test]
fn a_retrained_graph_says_what_a_conversion_loses() {
    let models = models();
    let graph = models.text("retrained/output_graph.pb");
    let convert =
        |name: &str| lorgnette(&["models", "convert", &graph, "--out", &models.text(name)]);
    for name in ["out", "alone"] {
        fs::create_dir_all(models.path(name)).unwrap();
    }
    let ended = convert("out/again.pb").well();
    assert!(ended.err.contains("again.labels.txt"), "{}", ended.err);
    let again = classify(&models.text("out/again.pb"), &[]).well();
    assert_eq!(labels(&again), labels(&classify(&graph, &[]).well()));
    // Beside its graph it can be opened with that.
    for name in ["alone/variables.ckpt", "retrained/variables.ckpt"] {
        let ended = convert(name);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(
            ended.err.contains("written, but")
                && ended.err.contains("a graph (.pb) has everything"),
            "{}",
            ended.err
        );
    }
}

/// gzip and text in place of a graph.
#[test]
fn files_that_are_no_models_are_named_with_the_remedy() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&[b"\x0a\x0fgraph".as_slice(), &[7; 2000]].concat()).unwrap();
    let folder = Folder::new()
        .with("graph.pb", &gzip.finish().unwrap())
        .with("text.pb", b"a text that somebody named like a graph\n")
        .with("graph.pbtxt", b"library {\n}\nnode {\n name: 'x'\n}\n")
        .with("cut.zip", b"PK\x03\x04 and no more")
        .with("parts/fingerprint.pb", b"\x08\x96\xd1\x01")
        .with("parts/keras_metadata.pb", b"\x0a\x01")
        .with("core.mlmodel", b"\x08\x01\x12\x05hello")
        .with("old.pth", b"\x80\x02}q\x00.")
        // An archive without members; archives of torch.save() and numpy.savez(), unpacked.
        .with("empty.zip", &[b"PK\x05\x06".as_slice(), &[0; 18]].concat())
        .with("torch/archive/data.pkl", b"\x80\x02")
        .with("torch/archive/version", b"3")
        .with("arrays/kernel.npy", b"\x93NUMPY")
        .with("w.npy", b"\x93NUMPY\x01\0")
        .with("net.xml", b"<?xml version=\"1.0\"?>\n<net name=\"a\" version=\"11\">")
        .with("chat.gguf", b"GGUF\x03\0\0\0")
        .with("model.engine", b"ptrt\0\0\0\0")
        .with("all.7z", b"7z\xbc\xaf\x27\x1c")
        .with("photos.lgn", b"SQLite format 3\0")
        .with("events.out", b"\x18\0\0\0\0\0\0\0abcd\x09\0\0brain.Event:2")
        .with("any.json", b"{\"a\": 1}")
        .with("w.safetensors", b"\x1e\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\"}}");
    for (name, remedy) in [
        ("graph.pb", "unpack it with gunzip"),
        ("text.pb", "a text file"),
        ("graph.pbtxt", "the binary form (.pb) is needed"),
        ("cut.zip", "get another copy"),
        ("parts", "a SavedModel without its saved_model.pb"),
        ("parts/fingerprint.pb", "give the folder that it is in"),
        ("parts/keras_metadata.pb", "give the folder that it is in"),
        ("core.mlmodel", "not a SavedModel, or a damaged one: get another copy"),
        ("old.pth", "export the model as ONNX"),
        ("empty.zip", "an archive without files"),
        ("torch", "torch.onnx.export()"),
        ("arrays", "no layers"),
        ("w.npy", "weights alone have no layers"),
        ("net.xml", "OpenVINO"),
        ("chat.gguf", "a language model"),
        ("model.engine", "TensorRT"),
        ("all.7z", "unpack it"),
        ("photos.lgn", "an SQLite database"),
        ("events.out", "an event file of TensorBoard"),
        ("any.json", "a JSON file, not a graph"),
        ("w.safetensors", "without the layers"),
    ] {
        let home = folder.path("home");
        let shown =
            end(program(&["models", "show", &folder.text(name)]).env("LORGNETTE_HOME", &home));
        assert_eq!(shown.code, Some(2), "{name}");
        assert_eq!(shown.err.lines().count(), 1, "{name}: {}", shown.err);
        assert!(shown.err.contains(remedy), "{name}: {}", shown.err);
    }
}
