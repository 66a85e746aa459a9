//! `lorgnette evaluate`: figures of any model on any folder.

use std::fs;

use flate2::read::GzDecoder;

use crate::program::{Ended, Folder, lorgnette};

/// The embedded network.
const MODEL: &str = "mobilenet_v1_1.0_224";

/// Photos of four classes, one of them misnamed, and one of no class.
fn folder() -> Folder {
    Folder::new()
        .with_photo("photos/n02124075/cat.jpg", "chelsea.jpg")
        .with_photo("photos/espresso/cup.jpg", "coffee.jpg")
        .with_photo("photos/space_shuttle/wrong.jpg", "coffee.jpg")
        .with_photo("photos/no such thing/rocket.jpg", "rocket.jpg")
}

fn evaluate(folder: &Folder, more: &[&str]) -> Ended {
    lorgnette(&[&["evaluate", MODEL, &folder.text("photos")], more].concat())
}

#[test]
fn folders_are_matched_with_classes_and_counted() {
    let ended = evaluate(&folder(), &["--format", "json"]).well();
    assert!(
        ended.err.contains("no class of the model is called 'no such thing': 1 photo left out"),
        "{}",
        ended.err
    );
    let report = &ended.json()[0];
    assert_eq!((&report["photos"], &report["failed"]), (&3.into(), &0.into()));
    assert!((report["accuracy"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);
    let classes = report["classes"].as_array().unwrap();
    let confusion = report["confusion"].as_array().unwrap();
    assert_eq!((classes.len(), confusion.len()), (1001, 1001));
    let index = |name: &str| classes.iter().position(|class| class == name).unwrap();
    let cell = |truth: &str, predicted: &str| confusion[index(truth)][index(predicted)].as_u64();
    assert_eq!(cell("Egyptian cat", "Egyptian cat"), Some(1));
    assert_eq!(cell("space shuttle", "espresso"), Some(1));
}

#[test]
fn an_accuracy_that_is_asserted_decides_the_exit_code() {
    let folder = folder();
    evaluate(&folder, &["--assert-accuracy", "0.6"]).well();
    let ended = evaluate(&folder, &["--assert-accuracy", "90%", "--quiet"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.err, "lorgnette: the accuracy is 0.6667 (2 of 3), less than 0.9\n");
    assert_eq!(evaluate(&folder, &["--assert-accuracy", "90"]).code, Some(2));
}

#[test]
fn bad_photos_are_named_and_the_others_judged() {
    let folder = folder()
        .with("photos/espresso/bad.jpg", b"no photo")
        .with("photos/espresso/empty.png", b"");
    let ended = evaluate(&folder, &["--format", "json"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("bad.jpg") && ended.err.contains("empty.png"), "{}", ended.err);
    assert_eq!((&ended.json()[0]["photos"], &ended.json()[0]["failed"]), (&3.into(), &2.into()));
}

#[test]
fn where_nothing_can_be_judged_it_says_why() {
    let unknown = Folder::new().with_photo("photos/gizmo/a.jpg", "coffee.jpg");
    let ended = evaluate(&unknown, &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("none of the folders is called after a class"), "{}", ended.err);
    let empty = Folder::new().with("photos/readme.txt", b"");
    assert_eq!(evaluate(&empty, &[]).code, Some(2));
    let broken = Folder::new().with("photos/espresso/a.jpg", b"no photo");
    assert_eq!(evaluate(&broken, &[]).code, Some(2));
    let ended = evaluate(&folder(), &["--split", "test"]);
    assert!(ended.code == Some(2) && ended.err.contains("lorgnette train"), "{}", ended.err);
}

#[test]
fn a_list_serves_as_well_as_folders() {
    let folder = folder();
    let list = format!(
        "path,label\n{},espresso\nphotos/n02124075/cat.jpg,tabby\n",
        folder.text("photos/espresso/cup.jpg")
    );
    fs::write(folder.path("list.csv"), list).unwrap();
    let ended =
        lorgnette(&["evaluate", MODEL, &folder.text("list.csv"), "--format", "json"]).well();
    assert_eq!(
        (&ended.json()[0]["photos"], &ended.json()[0]["accuracy"]),
        (&2.into(), &0.5.into())
    );
}

#[test]
fn the_report_needs_nothing_beside_it() {
    let folder = folder();
    evaluate(&folder, &["--out", &folder.text("judged")]).well();
    let page = fs::read_to_string(folder.path("judged/report.html")).unwrap();
    assert!(page.contains("66.7 %") && page.matches("data:image/jpeg;base64,").count() > 4);
    let elsewhere = ["src=\"http", "href=", "@import", "url("];
    assert!(elsewhere.iter().all(|link| !page.contains(link)));
    for file in [
        "confusion.csv",
        "confusion.svg",
        "confusion_normalised.png",
        "classes.csv",
        "photos.csv",
        "photos.png",
    ] {
        assert!(folder.path("judged").join(file).is_file(), "{file}");
    }
    let photos = fs::read_to_string(folder.path("judged/photos.csv")).unwrap();
    assert!(photos.contains("wrong.jpg,space shuttle,espresso,"), "{photos}");
}

/// A shard of ImageNet without names: the rule by which labels are outputs is said, and overruled.
#[test]
fn how_labels_of_records_are_counted_is_said() {
    let folder = Folder::new();
    let packed = include_bytes!("../../../lorgnette/tests/records.tar.gz").as_slice();
    tar::Archive::new(GzDecoder::new(packed)).unpack(folder.text("")).unwrap();
    let evaluate = |dataset: &str, more: &[&str]| {
        let photos = folder.text(dataset);
        lorgnette(&[&["evaluate", MODEL, &photos, "--format", "json"], more].concat()).well()
    };
    let ended = evaluate("part_slim", &[]);
    let note = "label 1 is output 1, 'tench' (a guess: TF-Slim's records of ImageNet count from 1)";
    let hint = format!("{note}; --first-label 0 or 1 says it");
    assert!(ended.err.contains(&hint), "{}", ended.err);
    let noted = ended.json()[0]["notes"][0].as_str().unwrap().to_owned();
    assert!(noted.ends_with(note), "{noted}");
    let ended = evaluate("part_slim", &["--first-label", "0"]);
    assert!(ended.err.contains("label 1 is output 2, 'goldfish' (this was asked for)"));
    let ended = evaluate("part_datasets", &[]);
    assert!(ended.err.contains("label 3 is output 4, 'tiger shark'"), "{}", ended.err);
}
