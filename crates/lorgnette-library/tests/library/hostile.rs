//! Libraries from strangers: no code of theirs runs, no value of theirs exhausts memory, and
//! nothing panics.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use lorgnette_library::{DatabaseErrorKind, Error, ExportTable, Library};
use rusqlite::Connection;

use crate::support::{folder, index};

/// A library of twenty photos.
fn library() -> (tempfile::TempDir, PathBuf) {
    let (folder, photos, path) = folder();
    index(&mut Library::create(&path).unwrap(), &photos, "one");
    (folder, path)
}

/// Does to a library what SQL can do.
fn change(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection
        .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Everything that reads.
fn ask_everything(path: &Path) -> Result<(), Error> {
    let library = Library::open_read_only(path)?;
    library.statistics(None, 10)?;
    library.duplicates()?;
    for model in library.models()? {
        if model.features > 0 && model.features < 10_000 {
            library.similar(model.id, &vec![1.0; model.features], 10, -1.0)?;
            library.near_duplicates(model.id, 0.9)?;
            library.export(
                &path.with_file_name("features.csv"),
                ExportTable::Features { model: model.id },
            )?;
        }
    }
    library.export(&path.with_file_name("findings.parquet"), ExportTable::Detections)?;
    library.export(&path.with_file_name("photos.csv"), ExportTable::Photos)?;
    library.corrections()?;
    library.integrity()?;
    Ok(())
}

#[test]
fn a_library_with_anything_else_in_it_is_refused() {
    for (sql, what) in [
        ("CREATE TRIGGER t AFTER UPDATE ON photo BEGIN DELETE FROM region; END", "a trigger 't'"),
        ("CREATE VIEW v AS SELECT 1", "a view 'v'"),
        ("CREATE TABLE more (x)", "a table 'more'"),
        ("ALTER TABLE photo ADD COLUMN evil TEXT AS (upper(path))", "a table 'photo'"),
        (
            "ALTER TABLE photo RENAME TO other; CREATE VIEW photo AS SELECT * FROM other",
            "that no library has",
        ),
        ("CREATE INDEX i ON photo (randomblob(1000000000))", "error"),
        ("DROP INDEX photo_by_digest", "'photo_by_digest' is missing"),
        (
            "UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE region_box USING rtree(id, a, \
             b)' WHERE name = 'region_box'",
            "region_box",
        ),
        ("PRAGMA application_id = 7", "another program"),
        ("CREATE TABLE \"\u{1b}[2J\" (x)", "\\u{1b}"),
    ] {
        let (_folder, path) = library();
        let connection = Connection::open(&path).unwrap();
        connection
            .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)
            .unwrap();
        if connection.execute_batch(sql).is_err() {
            // SQLite itself does not let it in.
            assert_eq!(what, "error", "{sql}");
            continue;
        }
        drop(connection);
        for refusal in [Library::open(&path), Library::open_read_only(&path)] {
            let refusal = refusal.unwrap_err().to_string();
            assert!(refusal.contains(what), "{sql}: {refusal}");
        }
    }
}

/// A search that meets such a number calls the library damaged; so does the check of all of it.
#[test]
fn numbers_that_are_none_are_found_by_the_check() {
    for sql in [
        "UPDATE region SET share = 9e999 WHERE id = (SELECT min(id) FROM region)",
        "UPDATE region SET mean = -9e999 WHERE id = (SELECT min(id) FROM region)",
        "UPDATE region SET peak = 1e308 WHERE id = (SELECT min(id) FROM region)",
        "UPDATE whole SET probability = 9e999 WHERE photo = (SELECT min(photo) FROM whole)",
        "UPDATE region_box SET x1 = 9e999 WHERE id = (SELECT min(id) FROM region)",
    ] {
        let (_folder, path) = library();
        assert_eq!(Library::open(&path).unwrap().integrity().unwrap(), Vec::<String>::new());
        change(&path, sql);
        let wrong = Library::open(&path).unwrap().integrity().unwrap();
        assert!(!wrong.is_empty(), "{sql}");
    }
}

#[test]
fn values_that_make_no_sense_are_errors() {
    for sql in [
        "UPDATE photo SET state = 9",
        "UPDATE photo SET bytes = -1",
        "UPDATE photo SET width = -1",
        "UPDATE photo SET orientation = 100000",
        "UPDATE photo SET digest = x'00'",
        "UPDATE model SET features = -5",
        "UPDATE model SET features = 63",
        "UPDATE model SET features = 9223372036854775807",
        "UPDATE model SET fingerprint = x'01'",
        "UPDATE model SET settings = '{{{'",
        "UPDATE class SET number = -id",
        "UPDATE feature SET vector = x''",
        "UPDATE feature SET vector = zeroblob(68)",
        "UPDATE feature SET id = id + 9223372036854770000",
        "UPDATE signature SET block = 9223372036854775807",
        "UPDATE signature SET block = -9223372036854775808",
        "UPDATE signature SET bits = x'010203'",
        "UPDATE region SET share = 1e308, mean = -1e308",
        "UPDATE region_box SET x0 = -1e30",
        "UPDATE whole SET source = 7",
        "DELETE FROM class",
        "DELETE FROM region_box",
        "UPDATE region_box_node SET data = zeroblob(length(data))",
        "UPDATE region_box_node SET data = randomblob(length(data))",
        "UPDATE class_name_data SET block = randomblob(length(block))",
        "UPDATE region SET photo = 12345",
    ] {
        let (_folder, path) = library();
        change(
            &path,
            &format!("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {sql}"),
        );
        // An error or an answer; what matters is that there is one.
        let asked = catch_unwind(|| ask_everything(&path));
        assert!(asked.is_ok(), "{sql}");
    }
}

#[test]
fn a_value_too_large_is_refused_before_there_is_memory_for_it() {
    let (_folder, path) = library();
    change(&path, "UPDATE photo SET path = zeroblob(50000000) WHERE id = 1");
    let refusal = ask_everything(&path).unwrap_err().to_string();
    assert!(refusal.contains("larger than any library needs"), "{refusal}");
}

#[test]
fn a_damaged_library_is_reported_and_never_panics() {
    let (_folder, path) = library();
    let sound = fs::read(&path).unwrap();
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut refused = 0;
    const ROUNDS: usize = 60;
    for round in 0..ROUNDS {
        let mut damaged = sound.clone();
        for _ in 0..1 + round % 40 {
            // Half of the hits are among the first bytes of a page, where its structure is.
            let page = random(damaged.len() / 8192) * 8192;
            let at = page + if random(2) == 0 { random(64) } else { random(8192) };
            damaged[at] = random(256) as u8;
        }
        if round % 7 == 0 {
            damaged.truncate(random(damaged.len()));
        }
        fs::write(&path, &damaged).unwrap();
        let asked = catch_unwind(|| ask_everything(&path));
        refused += usize::from(asked.unwrap_or_else(|_| panic!("round {round}")).is_err());
    }
    assert!(refused > ROUNDS / 4, "{refused}");
}

#[test]
fn paths_that_are_none_are_damage_of_the_library() {
    let (_folder, path) = library();
    change(&path, "UPDATE photo SET path = CAST('/a' || x'00' || 'b.jpg' AS BLOB) WHERE id = 3");
    let error = ask_everything(&path).unwrap_err();
    assert_eq!(error.database_kind(), Some(DatabaseErrorKind::Corrupt));
    let complaints = Library::open(&path).unwrap().integrity().unwrap();
    assert!(complaints.iter().any(|what| what.contains("zero byte (3)")), "{complaints:?}");
}
