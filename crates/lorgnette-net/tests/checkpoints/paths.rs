//! Every form of path to a checkpoint.

use std::fs;

use lorgnette_net::Error;
use lorgnette_net::weights::Weights;

use crate::fixtures::{copy_files, empty_folder, fixtures};

#[test]
fn every_name_of_a_checkpoint_opens_it() {
    let fixtures = fixtures();
    fs::write(fixtures.path("plain_v2/tiny.ckpt.meta"), "a graph").unwrap();
    let paths = [
        "plain_v1/tiny.ckpt",
        "plain_v1/tiny",
        "plain_v1",
        "plain_v2/tiny.ckpt",
        "plain_v2/tiny",
        "plain_v2/tiny.ckpt.index",
        "plain_v2/tiny.ckpt.meta",
        "plain_v2/tiny.ckpt.data-00000-of-00001",
        "plain_v2",
        "sharded_v1",
        "sharded_v1/tiny.ckpt",
        "sharded_v1/tiny.ckpt-00001-of-00003",
        "sharded_v2/tiny.ckpt.data-00002-of-00003",
        "sharded_v2",
    ];
    for path in paths {
        let weights = Weights::open(fixtures.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(weights.variables().len(), 13, "{path}");
        assert_eq!(weights.get("global_step").unwrap().to_i64(), [4242], "{path}");
    }
}

#[test]
fn tables_are_known_by_what_is_in_them() {
    let folder = fixtures().copy("plain_v2");
    fs::rename(folder.join("tiny.ckpt.index"), folder.join("renamed")).unwrap();
    fs::rename(
        folder.join("tiny.ckpt.data-00000-of-00001"),
        folder.join("renamed.data-00000-of-00001"),
    )
    .unwrap();
    assert_eq!(
        Weights::open(folder.join("renamed")).unwrap().get("global_step").unwrap().to_i64(),
        [4242]
    );
    let folder = fixtures().copy("snappy_v1");
    fs::rename(folder.join("tiny.ckpt"), folder.join("weights.bin")).unwrap();
    assert_eq!(Weights::open(&folder).unwrap().version(), 1);
}

fn latest(folder: &std::path::Path, state: &str) -> f32 {
    fs::write(folder.join("checkpoint"), state).unwrap();
    Weights::open(folder).unwrap().get("value").unwrap().to_f32()[0]
}

#[test]
fn the_checkpoint_file_says_which() {
    let folder = fixtures().copy("training");
    let absolute = folder.join("model.ckpt-100").display().to_string();
    assert_eq!(latest(&folder, "model_checkpoint_path: \"model.ckpt-100\"\n"), 100.0);
    assert_eq!(latest(&folder, &format!("model_checkpoint_path: \"{absolute}\"\n")), 100.0);
    assert_eq!(latest(&folder, "model_checkpoint_path: \"/gone/model.ckpt-100\"\n"), 100.0);
    let listed = "model_checkpoint_path: \"model.ckpt-120\"\nall_model_checkpoint_paths: \"model.ckpt-100\"\n";
    assert_eq!(latest(&folder, listed), 100.0, "the latest is gone; the one before it is there");
    assert_eq!(
        latest(&folder, "model_checkpoint_path: \"/gone/model.ckpt-7\"\n"),
        110.0,
        "the newest"
    );
    let by_file = Weights::open(folder.join("checkpoint")).unwrap();
    assert_eq!(by_file.get("value").unwrap().to_f32(), [110.0]);
}

#[test]
fn several_checkpoints_are_listed() {
    let folder = fixtures().copy("training");
    fs::remove_file(folder.join("checkpoint")).unwrap();
    let Error::Ambiguous { what, candidates, .. } = Weights::open(&folder).unwrap_err() else {
        panic!("a choice")
    };
    assert!(what.ends_with("there are several checkpoints; give one of them"), "{what}");
    let wanted =
        ["model.ckpt-100", "model.ckpt-110"].map(|name| folder.join(name).display().to_string());
    assert_eq!(candidates, wanted);
    for candidate in candidates {
        Weights::open(candidate).unwrap();
    }
}

#[test]
fn a_checkpoint_in_a_folder_of_a_folder_is_found() {
    let folder = empty_folder("nested");
    copy_files(&fixtures().path("plain_v2"), &folder.join("saved_model/variables"));
    assert_eq!(Weights::open(&folder).unwrap().version(), 2);
}

#[test]
fn what_is_no_checkpoint_is_called_by_its_name() {
    let folder = fixtures().copy("plain_v2");
    let refused = |path: &str| Weights::open(folder.join(path)).unwrap_err().to_string();
    let written = |content: &[u8]| {
        fs::write(folder.join("file"), content).unwrap();
        refused("file")
    };
    assert!(written(b"").ends_with("the file is empty"));
    assert!(written(b"<!doctype html>").contains("web page"));
    assert!(written(b"\x1f\x8b\x08").contains("archive"));
    assert!(written(b"\x89HDF\r\n").contains("HDF5"));
    assert!(written(b"12345678").contains("magic number at its end is wrong"));
    assert!(
        refused("tiny.cpkt").ends_with("in its folder there are: tiny.ckpt"),
        "{}",
        refused("tiny.cpkt")
    );
    fs::remove_file(folder.join("tiny.ckpt.index")).unwrap();
    let message = refused("tiny.ckpt.data-00000-of-00001");
    assert!(message.contains("this is one file of a checkpoint whose index, "), "{message}");
    assert!(refused("").contains("there is no checkpoint in this folder"));
    assert!(refused("nowhere/tiny").contains("no such checkpoint"));
}
