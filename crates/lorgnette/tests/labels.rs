//! Names of outputs: ImageNet's two counts, label files as people have them, and finding a class by
//! name.

use std::fs;
use std::path::PathBuf;

use lorgnette::labels::{Labels, LabelsError};

fn name(labels: &Labels, index: usize) -> &str {
    labels.get(index).unwrap().name
}

#[test]
fn the_class_count_chooses_imagenets_labels() {
    let thousand = Labels::imagenet(1000).unwrap();
    let with_background = Labels::imagenet(1001).unwrap();
    assert_eq!((thousand.len(), with_background.len()), (1000, 1001));
    assert_eq!(name(&thousand, 0), "tench, Tinca tinca");
    assert_eq!(name(&with_background, 0), "background");
    assert_eq!(with_background.get(0).unwrap().synset, None);
    assert_eq!(with_background.get(1).unwrap().synset, Some("n01440764"));
    assert_eq!(with_background.get(1001), None);
    for (index, first) in [(388, "giant panda"), (779, "school bus"), (738, "pot")] {
        assert_eq!(thousand.get(index).unwrap().first_name(), first);
        assert_eq!(with_background.get(index + 1).unwrap().first_name(), first);
    }
    for count in [0, 5, 999, 1002, 1008, usize::MAX] {
        assert_eq!(Labels::imagenet(count), None);
    }
}

#[test]
fn an_ambiguous_name_finds_every_class_of_that_name() {
    let labels = Labels::imagenet(1000).unwrap();
    let indices =
        |query| labels.find(query).unwrap().iter().map(|label| label.index).collect::<Vec<_>>();
    assert_eq!(indices("crane"), [134, 517]);
    assert_eq!(indices("maillot"), [638, 639]);
    assert_eq!(indices("n03710721"), [639]);
    assert_eq!(indices(" School Bus "), [779]);
    assert_eq!(indices("Tinca tinca"), [0]);
    assert_eq!(indices("tench, Tinca tinca"), [0]);
    assert_eq!(indices("779"), [779]);
}

#[test]
fn a_name_finds_its_kinds_too_and_a_plural_its_singular() {
    let labels = Labels::imagenet(1001).unwrap();
    let count = |query| labels.find(query).unwrap().len();
    assert_eq!((count("dog"), count("Dogs"), count("n02084071")), (118, 118, 118));
    assert_eq!(labels.find("school buses").unwrap(), labels.find("school bus").unwrap());
    assert!(labels.find("vehicle").unwrap().contains(&labels.get(780).unwrap()));
    // What a trained model calls its classes has no kinds, and comes first.
    let own = Labels::from_names(["dog", "dogs", "C", "C++"]);
    let indices =
        |query| own.find(query).unwrap().iter().map(|label| label.index).collect::<Vec<_>>();
    assert_eq!((indices("dog"), indices("dogs"), indices("c")), (vec![0], vec![1], vec![2]));
}

#[test]
fn an_unknown_name_gets_suggestions() {
    let labels = Labels::imagenet(1001).unwrap();
    let suggestions = |query| labels.find(query).unwrap_err().suggestions;
    assert_eq!(suggestions("shcool bus")[0], "school bus");
    assert_eq!(suggestions("tenhc")[0], "tench");
    assert_eq!(suggestions("vehicel")[0], "vehicle");
    assert!(suggestions("").is_empty());
    let message = labels.find("giant pandsa").unwrap_err().to_string();
    assert!(
        message.starts_with("no class is called \"giant pandsa\": did you mean \"giant panda\""),
        "{message}"
    );
    let message = labels.find("qwertyuiopasdf").unwrap_err().to_string();
    assert!(message.ends_with("an index of this network's labels"), "{message}");
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("lorgnette-labels-{}-{name}", std::process::id()));
    fs::write(&path, content).unwrap();
    path
}

fn open(name: &str, content: &[u8]) -> Result<Labels, LabelsError> {
    let path = file(name, content);
    let labels = Labels::open(&path);
    fs::remove_file(path).unwrap();
    labels
}

#[test]
fn label_files_are_read_as_people_have_them() {
    let plain = open("plain", "daisy\ndent de lion\nroses rouges, été\n".as_bytes()).unwrap();
    assert_eq!((plain.len(), name(&plain, 2)), (3, "roses rouges, été"));
    let windows = open("windows", b"\xef\xbb\xbfdaisy\r\nrose\r\n\r\n").unwrap();
    assert_eq!((windows.len(), name(&windows, 0), name(&windows, 1)), (2, "daisy", "rose"));
    let synsets =
        open("synsets", b"n01440764 tench, Tinca tinca\nn02119789\tkit fox\nn00000001\n").unwrap();
    assert_eq!(synsets.get(0).unwrap().synset, Some("n01440764"));
    assert_eq!(
        (name(&synsets, 0), name(&synsets, 1), name(&synsets, 2)),
        ("tench, Tinca tinca", "kit fox", "n00000001")
    );
    let numbered = open("numbered", b"0:background\n2:rose\n1:daisy\n").unwrap();
    assert_eq!(
        (name(&numbered, 0), name(&numbered, 1), name(&numbered, 2)),
        ("background", "daisy", "rose")
    );
    // Numbers that are not an order are part of the names.
    let models = open("models", b"500 abarth\n911 carrera\n").unwrap();
    assert_eq!(name(&models, 1), "911 carrera");
}

#[test]
fn files_that_are_no_labels_say_why() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty", b"\n\n", "it is empty"),
        ("blank", b"daisy\n\nrose\n", "line 2 is empty"),
        ("binary", b"\x00\x01\x02", "control characters"),
        ("latin1", b"\xe9t\xe9\n", "not UTF-8"),
    ];
    for (name, content, reason) in cases {
        let message = open(name, content).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(reason), "{message}");
    }
    let message = Labels::open("no/such/labels.txt").unwrap_err().to_string();
    assert!(message.starts_with("no/such/labels.txt: cannot be read"), "{message}");
}

#[test]
fn unnamed_outputs_are_numbered() {
    let labels = Labels::numbered(12);
    assert_eq!((labels.len(), name(&labels, 11)), (12, "class 11"));
    assert_eq!(labels.find("class 3").unwrap()[0].index, 3);
    assert!(Labels::numbered(0).is_empty());
}

#[test]
fn the_label_map_of_2015_names_a_thousand_of_its_outputs() {
    let Some(folder) = lorgnette_oracle::folder() else { return };
    let path = folder.join("reference/labels/imagenet_2012_challenge_label_map_proto.pbtxt");
    let labels = Labels::open_for(&path, 1008).unwrap();
    assert_eq!(labels.len(), 1008);
    assert_eq!(labels.get(449).unwrap().synset, Some("n01440764"));
    assert_eq!(labels.get(169).unwrap().first_name(), "giant panda");
    assert_eq!(labels.get(0).unwrap().name, "class 0");
    assert_eq!(labels.iter().filter(|label| label.synset.is_some()).count(), 1000);
    assert!(matches!(
        Labels::open_for(&path, 1000),
        Err(LabelsError::OtherCount { labels: 1000, outputs: 1000, .. })
    ));
    assert_eq!(Labels::open_for(folder.join("reference/labels"), 1008).unwrap(), labels);
}
