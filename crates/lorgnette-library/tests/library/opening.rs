//! What is opened as a library, and what is not.

use std::fs;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use lorgnette_library::{Error, Library, schema};
use rusqlite::Connection;

use crate::support::{folder, index};

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

#[test]
fn a_new_library_can_be_made_by_several_at_once() {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.lgn"));
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            let make = || {
                start.wait();
                Library::create(&path).map(drop)
            };
            let makers: Vec<_> = (0..THREADS).map(|_| scope.spawn(make)).collect();
            for maker in makers {
                maker.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        });
        let library = Library::open_read_only(&path).unwrap();
        assert_eq!(library.integrity().unwrap(), [""; 0]);
        let connection = rusqlite::Connection::open(&path).unwrap();
        let version: usize =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, schema::VERSION);
    }
}

/// SQLite's heap limits are of the whole process, and the hard one can only be lowered.
#[test]
fn a_host_process_that_uses_sqlite_keeps_its_memory_limits() {
    let limits = |connection: &Connection| {
        ["hard_heap_limit", "soft_heap_limit"].map(|pragma| -> i64 {
            connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
        })
    };
    let host = Connection::open_in_memory().unwrap();
    // Far above what the other tests of this process need.
    let own_limit = 1_i64 << 40;
    host.pragma_update_and_check(None, "hard_heap_limit", own_limit, |_| Ok(())).unwrap();
    host.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    let before = limits(&host);
    assert_eq!(before[0], own_limit);
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    drop(library);
    let library = Library::open_read_only(&path).unwrap();
    assert_eq!(library.integrity().unwrap(), [""; 0]);
    assert_eq!(limits(&host), before);
    assert_eq!(limits(&Connection::open_in_memory().unwrap()), before);
    let sum: i64 = host.query_row("SELECT sum(x) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 1);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_an_error_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.lgn");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for error in [Library::create(&pipe), Library::open(&pipe), Library::open_read_only(&pipe)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("it is a pipe or a device"), "{error}");
    }
}
