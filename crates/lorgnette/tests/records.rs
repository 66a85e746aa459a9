//! TFRecord files of labelled pictures, which `oracle/records.py` writes with TensorFlow, as input
//! of training and evaluation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lorgnette::dataset::{
    Dataset, DatasetError, Digest, Listing, ListingOptions, Note, RejectionReason, Split,
};
use lorgnette::evaluate::{Evaluator, EvaluatorOptions};
use lorgnette::picture::OpenOptions;
use lorgnette::{Model, ModelOptions};

/// What TensorFlow reads from a record.
#[derive(serde::Deserialize)]
struct Expected {
    file: String,
    sha256: String,
    label: i64,
    text: Option<String>,
}

fn unpack() -> (tempfile::TempDir, BTreeMap<String, Vec<Expected>>) {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records.tar.gz");
    let packed = fs::File::open(packed).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(folder.path()).unwrap();
    let expected = fs::read(folder.path().join("expected.json")).unwrap();
    (folder, serde_json::from_slice(&expected).unwrap())
}

fn open(path: &Path) -> Listing {
    Listing::open(path, &ListingOptions::default()).unwrap()
}

#[test]
fn every_record_is_what_tensorflow_reads() {
    let (folder, expected) = unpack();
    let names: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("slim", vec!["daisy", "dandelion", "roses", "sunflowers", "tulips"]),
        ("datasets", vec!["circle", "square", "star"]),
        ("from_0", vec!["0", "1", "2"]),
        ("from_1", vec!["", "1", "2", "3"]),
        ("counted", vec!["", "circle", "square", "star"]),
    ]);
    for (dataset, records) in &expected {
        let listing = open(&folder.path().join(dataset));
        let records: Vec<&Expected> = records.iter().filter(|record| record.label >= 0).collect();
        assert_eq!(listing.photos.len(), records.len(), "{dataset}");
        assert_eq!(
            listing.rejected.len(),
            if dataset == "unlabelled" { 2 } else { 0 },
            "{dataset}"
        );
        for (listed, record) in listing.photos.iter().zip(&records) {
            let names = names.get(dataset.as_str());
            let name = match (&record.text, names) {
                (Some(text), _) => text.clone(),
                (None, Some(names)) => names[record.label as usize].to_owned(),
                (None, None) => record.label.to_string(),
            };
            assert_eq!(listed.labels, [name], "{dataset}");
            assert!(listed.photo.parent().unwrap().ends_with(&record.file), "{dataset}");
            let bytes = OpenOptions::default().read(&listed.photo).unwrap();
            assert_eq!(Digest::from_bytes(&bytes).to_string(), record.sha256, "{dataset}");
            OpenOptions::default().open(&listed.photo).unwrap();
        }
        let digests = Dataset::read(listing, 1, &mut ()).unwrap();
        assert_eq!(digests.examples.len(), records.len(), "{dataset}");
    }
}

#[test]
fn names_of_files_tell_splits_and_missing_files() {
    let (folder, _) = unpack();
    let slim = folder.path().join("slim");
    let of = |split| open(&slim).photos.iter().filter(|photo| photo.split == split).count();
    assert_eq!([of(Some(Split::Training)), of(Some(Split::Validation)), of(None)], [10, 5, 0]);
    fs::remove_file(slim.join("flowers_train-00001-of-00002.tfrecord")).unwrap();
    let note = Note::MissingShards { stem: "flowers_train".into(), missing: 1, count: 2 };
    assert!(open(&slim).notes.contains(&note));
}

#[test]
fn how_labels_are_counted_is_said() {
    let (folder, _) = unpack();
    let notes = |name: &str| {
        let notes = open(&folder.path().join(name)).notes;
        notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (name, note) in [
        ("slim", "count from 0: 0 is 'daisy' (the file of names has the numbers)"),
        ("counted", "count from 1: 1 is 'circle' (the highest label is that of the last class)"),
        ("datasets", "count from 0: 0 is 'circle' (there is a label 0)"),
    ] {
        assert_eq!(notes(name), format!("labels of the records {note}"));
    }
    assert_eq!(notes("imagenet"), "");
    assert!(notes("from_1").contains("called by their numbers as they are, 1 to 3"));
    let given = ListingOptions { first_label: Some(0), ..ListingOptions::default() };
    let listing = Listing::open(&folder.path().join("counted"), &given).unwrap();
    assert!(listing.notes[0].to_string().ends_with("0 is 'circle' (this was asked for)"));
    assert_eq!(listing.rejected.len(), 1, "3 has no name");
    // A folder of photos has no numbers.
    let error = Listing::open(folder.path(), &given).unwrap_err();
    assert!(error.to_string().contains("TFRecord files"), "{error}");
}

#[test]
fn damage_is_found_by_checksums() {
    let (folder, _) = unpack();
    let path = folder.path().join("datasets/shapes-train.tfrecord-00000-of-00002");
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    // In the first record's picture.
    damaged[100] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let listing = open(&path);
    assert_eq!(listing.photos.len(), 2);
    let [rejected] = listing.rejected.as_slice() else { panic!("one is damaged") };
    assert_eq!(rejected.reason, RejectionReason::Unreadable);
    assert!(rejected.message.contains("checksum does not match"), "{}", rejected.message);
    // In the second record's length: nothing says where the third begins.
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    let listing = open(&path);
    assert_eq!((listing.photos.len(), listing.rejected.len()), (2, 1));
    fs::write(&path, b"\x1f\x8b\x08\x00").unwrap();
    let error = Listing::open(&path, &ListingOptions::default()).unwrap_err();
    assert!(matches!(&error, DatasetError::NoDataset { .. }), "{error}");
    assert!(error.to_string().contains("gunzip"), "{error}");
}

/// Evaluates a dataset without names, and returns the outputs of its photos and the last note.
#[cfg(feature = "embedded")]
fn outputs(listing: Listing, evaluator: &Evaluator) -> (Vec<usize>, String) {
    let result = evaluator.run(listing, &mut ()).unwrap();
    let truth = result.scored.iter().flat_map(|photo| photo.truth.clone()).collect();
    let notes = serde_json::to_value(result.summary()).unwrap();
    (truth, notes["notes"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned())
}

/// ImageNet's classes are told by the number of outputs, the labels and the records' form, and the
/// rule is said. The embedded network has 1001 outputs, the first of which is the background.
#[test]
#[cfg(feature = "embedded")]
fn labels_without_names_are_told_by_the_number_of_outputs() {
    let (folder, _) = unpack();
    let model = Model::embedded(&ModelOptions::default()).unwrap();
    let evaluator = Evaluator::new(model, EvaluatorOptions::default()).unwrap();
    for (dataset, expected, note) in [
        ("from_0", [1, 2, 3], "label 0 is output 1, 'tench' (there is a label 0)"),
        ("from_1", [1, 2, 3], "label 1 is output 1, 'tench' (a guess: TF-Slim's records of"),
        ("part_slim", [1, 5, 999], "label 1 is output 1, 'tench' (a guess: TF-Slim's records of"),
        ("part_slim_0", [1, 5, 999], "label 0 is output 1, 'tench' (there is a label 0)"),
        ("part_datasets", [4, 6, 999], "(TensorFlow Datasets count from 0)"),
        ("part_datasets_0", [1, 6, 999], "label 0 is output 1, 'tench' (there is a label 0)"),
    ] {
        let (outputs, said) = outputs(open(&folder.path().join(dataset)), &evaluator);
        assert_eq!(outputs, expected, "{dataset}");
        assert!(said.contains("1001 outputs") && said.contains(note), "{dataset}: {said}");
    }
    let given = ListingOptions { first_label: Some(0), ..ListingOptions::default() };
    let listing = Listing::open(&folder.path().join("part_slim"), &given).unwrap();
    assert_eq!(outputs(listing, &evaluator).0, [2, 6, 1000]);
}

/// Of 1001 outputs the first is the background, whatever it is called.
#[test]
#[cfg(feature = "embedded")]
fn the_background_is_told_by_the_number_of_outputs() {
    let (folder, _) = unpack();
    let labels = folder.path().join("names.txt");
    let names: String = (0..1001).map(|class| format!("kind {class}\n")).collect();
    fs::write(&labels, names).unwrap();
    let options = ModelOptions { labels: Some(labels), ..ModelOptions::default() };
    let evaluator =
        Evaluator::new(Model::embedded(&options).unwrap(), EvaluatorOptions::default()).unwrap();
    let (truth, said) = outputs(open(&folder.path().join("from_0")), &evaluator);
    assert_eq!(truth, [1, 2, 3], "{said}");
}
