//! What is opened as a library, and what is not.

use std::fs;

use lorgnette_library::{Error, Library};

#[test]
fn a_library_is_made_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file: of my photos?.lgn");
    assert!(matches!(Library::open(&path), Err(Error::Missing { .. })));
    drop(Library::create(&path).unwrap());
    drop(Library::create(&path).unwrap());
    Library::open(&path).unwrap();
    Library::open_read_only(&path).unwrap();
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    fs::write(&path, "Dear library, this is a letter. ".repeat(100)).unwrap();
    for error in [Library::open(&path).unwrap_err(), Library::open_read_only(&path).unwrap_err()] {
        assert!(error.to_string().contains("not an SQLite file"), "{error}");
    }
    assert!(fs::read_to_string(&path).unwrap().starts_with("Dear"));
}

#[test]
fn folders_are_distinguished_from_files_and_missing_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for error in [Library::create(path), Library::open(path), Library::open_read_only(path)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }
    let error = Library::create(folder.path().join("none/photos.lgn")).unwrap_err().to_string();
    assert!(error.contains("there is no folder"), "{error}");
}
