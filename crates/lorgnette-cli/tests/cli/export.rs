//! `lorgnette export`: files for other programs. That TensorFlow and ONNX Runtime run them to the
//! same numbers, `oracle/judgement.py` and `oracle/onnx_exports.py` show.

use std::fs;

use crate::program::{Folder, lorgnette, photo};

#[test]
fn a_folder_gets_the_model_and_its_labels() {
    let folder = Folder::new();
    let out = folder.text("exported");
    for form in ["frozen", "graph", "onnx", "checkpoint"] {
        lorgnette(&["export", "lenet", "--random-weights", "--to", form, "--out", &out]).well();
    }
    for file in ["lenet.pb", "lenet.onnx", "lenet.ckpt.index", "lenet.ckpt.data-00000-of-00001"] {
        assert!(folder.path("exported").join(file).is_file(), "{file}");
    }
    assert_eq!(
        fs::read_to_string(folder.path("exported/lenet.labels.txt")).unwrap().lines().count(),
        10
    );
}

#[test]
fn what_is_exported_says_the_same() {
    let folder = Folder::new();
    let (pb, cat) = (folder.text("model.pb"), photo("chelsea.jpg"));
    lorgnette(&["export", "mobilenet_v1_1.0_224", "--to", "frozen", "--out", &pb]).well();
    let probabilities = |model: &str| {
        let ended = lorgnette(&["classify", &cat, "--model", model, "--format", "json"]).well();
        ended.json()[0]["predictions"].clone()
    };
    assert_eq!(
        probabilities(&pb)[0]["probability"],
        probabilities("mobilenet_v1_1.0_224")[0]["probability"]
    );
}

#[test]
fn labels_of_another_model_stay() {
    let folder = Folder::new().with("lenet.labels.txt", b"mine\n");
    let out = folder.text("lenet.onnx");
    let export = ["export", "lenet", "--random-weights", "--to", "onnx", "--out", &out];
    let ended = lorgnette(&export);
    assert!(ended.code == Some(2) && ended.err.contains("--overwrite"), "{}", ended.err);
    assert_eq!(fs::read(folder.path("lenet.labels.txt")).unwrap(), b"mine\n");
    lorgnette(&[&export[..], &["--force"]].concat()).well();
    let ended = lorgnette(&[
        "export",
        "lenet",
        "--random-weights",
        "--to",
        "onnx",
        "--out",
        &folder.text("lenet.pb"),
    ]);
    assert!(ended.code == Some(2) && ended.err.contains(".onnx"), "{}", ended.err);
}
