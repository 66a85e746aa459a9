//! TFRecord files of labelled pictures, which `oracle/records.py` writes with TensorFlow, as input
//! of training and evaluation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lorgnette::dataset::{
    Dataset, DatasetError, Digest, Listing, ListingOptions, Note, RejectionReason, Split,
};
use lorgnette::evaluate::{Evaluator, EvaluatorOptions, Event};
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
        assert_eq!(listing.photos.len(), records.len(), "{dataset}");
        assert!(listing.rejected.is_empty(), "{dataset}");
        for (listed, record) in listing.photos.iter().zip(records) {
            let name = match &record.text {
                Some(text) => text.as_str(),
                None => names[dataset.as_str()][record.label as usize],
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
    assert_eq!(notes("slim"), "labels of the records count from 0: 0 is 'daisy'");
    assert_eq!(notes("counted"), "labels of the records count from 1: 1 is 'circle'");
    assert_eq!(notes("datasets"), "labels of the records count from 0: 0 is 'circle'");
    assert_eq!(notes("imagenet"), "");
    assert!(notes("from_1").contains("called by their numbers, 1 to 3"));
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

/// ImageNet's labels from 1 are the outputs from 0 of a model of so many, and from 1 of one more,
/// whose first is the background.
#[test]
#[cfg(feature = "embedded")]
fn labels_without_names_are_told_by_the_number_of_outputs() {
    let (folder, _) = unpack();
    let labels = folder.path().join("three.txt");
    fs::write(&labels, "circle\nsquare\nstar\n").unwrap();
    // The embedded network has 1001 outputs: numbers are taken as they are.
    let model = Model::embedded(&ModelOptions::default()).unwrap();
    let evaluator = Evaluator::new(model, EvaluatorOptions::default()).unwrap();
    let mut notes = Vec::new();
    let result = evaluator
        .run(open(&folder.path().join("from_1")), &mut |event: &Event<'_>| {
            if let Event::Listed(listing) = event {
                notes.extend(listing.notes.iter().map(ToString::to_string));
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    let truth: Vec<usize> = result.scored.iter().flat_map(|photo| photo.truth.clone()).collect();
    assert_eq!(truth, [1, 2, 3]);
    assert_eq!(notes.len(), 1);
}
