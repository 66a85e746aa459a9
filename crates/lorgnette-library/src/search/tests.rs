//! The candidates that SQL finds are all photos that match, with all that their scores need.

use rusqlite::params;

use super::resolve::{ResolvedQuery, Resolver};
use super::score::{DetectionRow, PhotoFacts};
use super::sql::{IMAGE_SCORES_OF_PHOTO, REGIONS_OF_PHOTO};
use super::{Hit, SearchOptions, bytes, vocabulary};
use crate::library::Library;
use crate::photo::Photo;
use crate::query::Query;

/// Number of photos of the synthetic library.
const PHOTOS: usize = 100;

/// Deterministic pseudo-random numbers (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A multiple of a twentieth, so that equal values and touching boxes occur.
    fn share(&mut self) -> f64 {
        self.below(21) as f64 / 20.0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A library of photos with detections of a few classes: dogs, cats, buses, pots.
fn library(folder: &tempfile::TempDir) -> Library {
    let library = Library::create(folder.path().join("made-up.lgn")).unwrap();
    let connection = library.connection();
    let numbers = &mut Numbers(7);
    connection.execute("BEGIN", []).unwrap();
    connection.execute("INSERT INTO model VALUES (1, 'made up', x'01', '{}', 0)", []).unwrap();
    let classes = [
        ("n02085620", "Chihuahua"),
        ("n02088364", "beagle"),
        ("n02123045", "tabby, tabby cat"),
        ("n04146614", "school bus"),
        ("n03991062", "pot, flowerpot"),
    ];
    for (number, (synset, name)) in classes.iter().enumerate() {
        let sql = "INSERT INTO class VALUES (?, 1, ?, ?, ?)";
        connection
            .execute(sql, params![number as i64 * 2 + 1, number as i64, synset, name])
            .unwrap();
    }
    for photo in 1..=PHOTOS {
        let path =
            format!("/photos/{}/{photo:03}.jpg", numbers.pick(&["holidays", "Work", "odd [x]"]));
        let taken = [
            None,
            Some(format!("20{:02}-0{}-10T12:00:00", 10 + numbers.below(10), 1 + numbers.below(9))),
        ];
        let modified =
            1_600_000_000_000_000_000_i64 + numbers.below(300_000_000) as i64 * 1_000_000_000;
        let sql = "INSERT INTO photo VALUES (?, ?, NULL, 1, ?, ?, 640, 480, 1, ?, NULL)";
        let state = usize::from(numbers.below(10) == 0);
        connection
            .execute(
                sql,
                params![
                    photo as i64,
                    path.as_bytes(),
                    modified,
                    taken[numbers.below(2)],
                    state as i64
                ],
            )
            .unwrap();
        for _ in 0..numbers.below(6) {
            add_detection(connection, numbers, photo as i64);
        }
    }
    connection.execute("INSERT INTO analysis SELECT id, 1 FROM photo", []).unwrap();
    connection.execute("COMMIT", []).unwrap();
    library
}

fn add_detection(connection: &rusqlite::Connection, numbers: &mut Numbers, photo: i64) {
    let class = numbers.below(5) as i64 * 2 + 1;
    let source = if numbers.below(8) == 0 { 2 } else { numbers.below(2) as i64 };
    if numbers.below(4) == 0 {
        let sql = "INSERT OR IGNORE INTO whole VALUES (?, ?, ?, ?)";
        connection.execute(sql, params![class, photo, numbers.share(), source]).unwrap();
        return;
    }
    let sql =
        "INSERT INTO region (photo, class, share, mean, peak, source) VALUES (?, ?, ?, ?, 1.0, ?)";
    connection
        .execute(sql, params![photo, class, numbers.share(), numbers.share(), source])
        .unwrap();
    let id = connection.last_insert_rowid();
    let ((a, b), (c, d)) = ((numbers.share(), numbers.share()), (numbers.share(), numbers.share()));
    let sql = "INSERT INTO region_box VALUES (?, ?, ?, ?, ?, ?, ?)";
    connection
        .execute(sql, params![id, class, class, a.min(b), a.max(b), c.min(d), c.max(d)])
        .unwrap();
}

fn object(numbers: &mut Numbers, depth: usize) -> String {
    let mut text = numbers
        .pick(&["dog", "beagle", "cat", "school bus", "flower pot", "animal", "vehicle"])
        .to_owned();
    for _ in 0..numbers.below(3) {
        let comparator = numbers.pick(&["<", "<=", "=", ">=", ">"]);
        text += &match numbers.below(5) {
            0 => format!(" covering {comparator} {}", numbers.share()),
            1 => format!(" probability {comparator} {}", numbers.share()),
            _ => format!(
                " in {}",
                numbers.pick(&[
                    "middle",
                    "top left",
                    "left",
                    "right half",
                    "corner",
                    "bottom right quarter",
                    "bottom"
                ])
            ),
        };
    }
    if depth > 0 && numbers.below(3) == 0 {
        let relation =
            numbers.pick(&["left of", "right of", "above", "below", "inside", "overlapping"]);
        text += &format!(" {relation} {}", object(numbers, depth - 1));
    }
    text
}

fn query(numbers: &mut Numbers, depth: usize) -> String {
    match numbers.below(if depth == 0 { 5 } else { 9 }) {
        0 => format!(
            "path:{}",
            numbers.pick(&["holidays", "work/*", "*1.jpg", "\"[x]\"", "???.jpg"])
        ),
        1 => format!(
            "date:{}",
            numbers.pick(&["2015", ">2016", "<=2014-05", "2021-01..2024", "2013-01-10"])
        ),
        2 => {
            let name = numbers.pick(&["dog", "cat in left", "animal", "school bus covering > 0.3"]);
            format!(
                "{name} count {} {}",
                numbers.pick(&["<", "<=", "=", ">=", ">"]),
                numbers.below(4)
            )
        }
        3 | 4 => object(numbers, 2),
        5 => format!("NOT ({})", query(numbers, depth - 1)),
        6 => format!("(({}) OR ({}))", query(numbers, depth - 1), query(numbers, depth - 1)),
        _ => format!("(({}) AND ({}))", query(numbers, depth - 1), query(numbers, depth - 1)),
    }
}

#[test]
fn candidates_are_all_photos_that_match() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let options = &SearchOptions::default();
    let vocabulary = &vocabulary(&library, None).unwrap();
    let resolver = Resolver { library: &library, vocabulary, options };
    let numbers = &mut Numbers(11);
    let (mut found_some, mut found_none) = (0, 0);
    for _ in 0..150 {
        let text = query(numbers, 3);
        let query = Query::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let resolved = ResolvedQuery::new(&query, &resolver).unwrap();
        let options = SearchOptions { limit: 1000, ..SearchOptions::default() };
        let results =
            library.search(&query, &options).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut expected = Vec::new();
        library
            .each_photo(Some(crate::State::Present), |photo| {
                let scored = resolved.score_photo(&facts(&library, &photo));
                expected.extend(scored.map(|scored| (scored.score, photo.path)));
                Ok(())
            })
            .unwrap();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        assert_eq!(results.total, expected.len(), "{text}");
        assert_eq!(results.hits.len(), expected.len(), "{text}");
        for (hit, (score, path)) in results.hits.iter().zip(&expected) {
            assert_eq!((hit.score, &hit.path), (*score, path), "{text}");
        }
        *if expected.is_empty() { &mut found_none } else { &mut found_some } += 1;
    }
    assert!(
        found_some > 80 && found_none > 10,
        "{found_some} queries found something, {found_none} nothing"
    );
}

fn facts(library: &Library, photo: &Photo) -> PhotoFacts {
    let (path, taken) = (bytes::from_path(&photo.path).to_vec(), photo.taken.clone());
    let mut facts = PhotoFacts {
        photo: photo.id,
        path,
        taken,
        modified: photo.modified,
        ..PhotoFacts::default()
    };
    for sql in [REGIONS_OF_PHOTO, IMAGE_SCORES_OF_PHOTO] {
        let mut statement = library.connection().prepare_cached(sql).unwrap();
        let rows = statement.query_map([photo.id], DetectionRow::read).unwrap();
        rows.for_each(|row| facts.add(row.unwrap()));
    }
    facts
}

#[test]
fn a_match_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let query = Query::parse("dog in the left half left of a vehicle").unwrap();
    let results = library.search(&query, &SearchOptions::default()).unwrap();
    let best = &results.hits[0];
    let names: Vec<&str> = best.matches.iter().map(|matched| matched.asked.as_str()).collect();
    assert_eq!(names, ["dog", "vehicle"]);
    let bounds: Vec<_> = best.matches.iter().map(|matched| matched.bounds.unwrap()).collect();
    assert!(bounds[0].x0 + bounds[0].x1 < bounds[1].x0 + bounds[1].x1, "{bounds:?}");
    assert!(best.explanation.how.contains("left of"), "{:?}", best.explanation);
    assert_eq!(best.matches[1].synset.as_deref(), Some("n04146614"));
    assert!(results.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

/// Best photos of random queries, with scores, as found by the version that ranked in SQL.
#[test]
fn the_order_is_that_of_the_statement_that_ranked() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let numbers = &mut Numbers(23);
    let mut ranking = String::new();
    for _ in 0..120 {
        let text = query(numbers, 3);
        let query = Query::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        // The least probability of that version.
        let options = SearchOptions { limit: 5, min_probability: 0.1, ..SearchOptions::default() };
        let results = library.search(&query, &options).unwrap();
        ranking += &format!("{text}\t{}", results.total);
        for hit in &results.hits {
            ranking += &format!("\t{} {:.9}", hit.photo, hit.score);
        }
        ranking.push('\n');
    }
    let recorded = include_str!("ranking.txt");
    for (line, recorded) in ranking.lines().zip(recorded.lines()) {
        assert_eq!(line, recorded);
    }
    assert_eq!(ranking.lines().count(), recorded.lines().count());
}

#[test]
fn what_was_not_searched_for_is_not_known_to_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let connection = library.connection();
    connection.execute("INSERT INTO model VALUES (2, 'faces', x'02', '{}', 0)", []).unwrap();
    connection.execute("INSERT INTO class VALUES (50, 2, 0, NULL, 'face')", []).unwrap();
    // Of the first four photos that are there, three were searched for faces, and one shows some.
    let first = "SELECT id FROM photo WHERE state = 0 ORDER BY id LIMIT";
    let searched = format!("INSERT INTO analysis SELECT id, 2 FROM ({first} 3)");
    connection.execute(&searched, []).unwrap();
    let face = format!("INSERT INTO whole SELECT 50, id, 0.9, 0 FROM ({first} 1)");
    connection.execute(&face, []).unwrap();
    let found = |text: &str| {
        let query = Query::parse(text).unwrap();
        let options = SearchOptions { limit: 1000, ..SearchOptions::default() };
        library.search(&query, &options).unwrap().total
    };
    let present = found("path:photos");
    assert_eq!((found("face"), found("no faces")), (1, 2));
    // Only regions are counted.
    assert_eq!((found("NOT (NOT face)"), found("faces count < 1")), (1, 3));
    let dogs = found("dog");
    // A photo without a dog lacks a dog beside a face, whether it was searched for faces or not.
    assert!(found("NOT (dog AND face)") >= present - dogs);
    assert_eq!(found("dog OR NOT dog"), present);
    assert!(found("NOT (dog OR face)") <= 2);
}

/// Tried one by one, the chains of 24 objects over sixteen regions are 15²³.
#[test]
fn a_long_chain_takes_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let (connection, numbers) = (library.connection(), &mut Numbers(5));
    // A search passes over photos that are missing.
    let sql = "SELECT min(id) FROM photo WHERE state = 0";
    let photo: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    for _ in 0..16 {
        let sql = "INSERT INTO region (photo, class, share, mean, peak, source) \
                   VALUES (?, 3, 0.1, 0.9, 0.9, 0)";
        connection.execute(sql, [photo]).unwrap();
        let id = connection.last_insert_rowid();
        let (x, y) = (0.9 * numbers.share(), 0.9 * numbers.share());
        let sql = "INSERT INTO region_box VALUES (?, 3, 3, ?, ?, ?, ?)";
        connection.execute(sql, params![id, x, x + 0.1, y, y + 0.1]).unwrap();
    }
    let chain = vec!["beagle"; 24].join(" near ");
    let found = library.search(&Query::parse(&chain).unwrap(), &SearchOptions::default()).unwrap();
    let hit = found.hits.iter().find(|hit| hit.photo == photo).expect("it has sixteen beagles");
    assert_eq!(hit.matches.len(), 24);
}

/// Of photos of equal bytes a search shows the one that `best_first` says to keep.
#[test]
fn folded_copies_are_shown_by_the_one_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(&folder);
    let connection = library.connection();
    // The first by path is neither the oldest nor has the shortest path.
    let copies =
        [(9001, "/a/newest.jpg", 3), (9002, "/b/old, long name.jpg", 1), (9003, "/c/old.jpg", 1)];
    for (id, path, modified) in copies {
        let sql = "INSERT INTO photo VALUES \
                   (?, ?, zeroblob(32), 1, ?, NULL, 640, 480, 1, 0, NULL)";
        connection.execute(sql, params![id, path.as_bytes(), modified]).unwrap();
        connection.execute("INSERT INTO analysis VALUES (?, 1)", [id]).unwrap();
    }
    let found = |text: &str, fold_copies| {
        let options = SearchOptions { limit: 1000, fold_copies, ..SearchOptions::default() };
        let results = library.search(&Query::parse(text).unwrap(), &options).unwrap();
        let is_copy = |hit: &&Hit| copies.iter().any(|(id, ..)| *id == hit.photo);
        let hits = results.hits.iter().filter(is_copy);
        hits.map(|hit| hit.path.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("no dogs", false).len(), 3);
    let group = crate::DuplicateGroup {
        photos: copies.iter().map(|(_, path, _)| path.into()).collect(),
        similarity: 1.0,
    };
    let kept = library.best_first(&group).unwrap()[0].path.to_string_lossy().into_owned();
    assert_eq!(kept, "/c/old.jpg");
    assert_eq!(found("no dogs", true), [kept]);
    // Of those that match.
    assert_eq!(found("no dogs path:/b/*", true), ["/b/old, long name.jpg"]);
    let whole = library
        .search(
            &Query::parse("no dogs path:old").unwrap(),
            &SearchOptions { fold_copies: true, ..SearchOptions::default() },
        )
        .unwrap();
    let hit = whole.hits.iter().find(|hit| hit.photo == 9003).unwrap();
    assert_eq!(hit.copies.len(), 2, "{:?}", hit.copies);
}
