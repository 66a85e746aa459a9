//! Libraries of older versions: every one that a program ever wrote is kept in `fixtures/`.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_library::{Correction, Library, schema};

use crate::support::{everything, folder, index};

fn fixture(version: usize) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/library_v{version}.lgn"))
}

/// A copy of a fixture that may be written to.
fn copy(version: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library.lgn");
    fs::copy(fixture(version), &path).unwrap();
    (folder, path)
}

#[test]
fn every_older_version_becomes_the_present_one_and_loses_nothing() {
    for version in 1..schema::VERSION {
        let (_folder, path) = copy(version);
        let before = everything(&path);
        let library = Library::open(&path).unwrap();
        assert_eq!(everything(&path), before, "version {version}");
        assert_eq!(library.integrity().unwrap(), [""; 0]);
        assert_eq!((library.count().unwrap(), library.models().unwrap().len()), (20, 3));
        assert_eq!(library.corrections().unwrap().len(), 1);
        drop(library);
        // As one that was made by the present version from the start.
        let new = path.with_file_name("new.lgn");
        drop(Library::create(&new).unwrap());
        assert_eq!(schema_of(&path), schema_of(&new), "version {version}");
    }
}

#[test]
fn an_older_version_can_only_be_read_once_it_is_up_to_date() {
    let (_folder, path) = copy(1);
    let refusal = Library::open_read_only(&path).unwrap_err().to_string();
    assert!(refusal.contains("older version (1)"), "{refusal}");
    drop(Library::open(&path).unwrap());
    Library::open_read_only(&path).unwrap();
}

#[test]
fn a_later_version_is_refused_and_left_alone() {
    let (_folder, path) = copy(1);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    for refusal in [Library::open(&path), Library::open_read_only(&path), Library::create(&path)] {
        assert!(refusal.unwrap_err().to_string().contains("a library of version 99"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Tables and indices, but for what SQLite counts for its planner.
fn schema_of(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema \
               WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name";
    connection
        .prepare(sql)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Writes the fixture of the present version. The photos themselves are gone with the test.
#[test]
#[ignore = "run by hand before the version after the present one is begun"]
fn make_the_fixture() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    index(&mut library, &photos, "two");
    let correction = Correction {
        wrong: Some("green".into()),
        right: Some("blue".into()),
        ..Correction::default()
    };
    library.correct(&photos.join("01.png"), &correction).unwrap();
    library.vacuum().unwrap();
    drop(library);
    fs::copy(path, fixture(schema::VERSION)).unwrap();
}
