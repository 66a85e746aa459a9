//! Folders into libraries: what is looked at, and what need not be.

use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use crate::support::{Colours, everything, folder, index, model_record, paint};
use lorgnette::picture::OpenOptions;
use lorgnette_library::query::Query;
use lorgnette_library::search::SearchOptions;
use lorgnette_library::{Analysers, Correction, Event, IndexOptions, Library, Summary};

#[test]
fn unchanged_photos_are_not_looked_at_again() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    let (summary, shown, errors) = index(&mut library, &photos, "one");
    assert_eq!((summary, shown), (Summary { found: 20, analysed: 20, ..Summary::default() }, 20));
    assert_eq!(errors, [""; 0]);
    let before = everything(&path);
    let (summary, shown, _) = index(&mut library, &photos, "one");
    assert_eq!((summary, shown), (Summary { found: 20, unchanged: 20, ..Summary::default() }, 0));
    assert_eq!(everything(&path), before);
    // Touched: the bytes are read, and are the same.
    let later = SystemTime::now() + Duration::from_secs(60);
    fs::File::options()
        .write(true)
        .open(photos.join("01.png"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    let (summary, shown, _) = index(&mut library, &photos, "one");
    assert_eq!((summary.unchanged, summary.analysed, shown), (19, 0, 0));
    assert_eq!(index(&mut library, &photos, "one").0.unchanged, 20);
}

#[test]
fn changed_moved_copied_and_missing_photos_are_distinguished() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    paint(&photos.join("01.png"), [9, 9, 200], [9, 9, 200], 77);
    fs::rename(photos.join("02.png"), photos.join("deep/elsewhere.png")).unwrap();
    fs::copy(photos.join("04.png"), photos.join("copy.png")).unwrap();
    fs::remove_file(photos.join("05.png")).unwrap();
    let (summary, shown, _) = index(&mut library, &photos, "one");
    let expected = Summary {
        found: 20,
        analysed: 1,
        copied: 1,
        moved: 1,
        missing: 1,
        unchanged: 17,
        ..Summary::default()
    };
    assert_eq!((summary, shown), (expected, 1));
    // Back where it was: it is known, and nobody looks at it again.
    fs::rename(photos.join("deep/elsewhere.png"), photos.join("02.png")).unwrap();
    let (summary, shown, _) = index(&mut library, &photos, "one");
    assert_eq!((summary.moved, summary.missing, shown), (1, 0, 0));
    assert_eq!(library.integrity().unwrap(), [""; 0]);
}

#[test]
fn a_folder_that_is_gone_and_comes_back_loses_nothing() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    let before = everything(&path);
    let away = photos.with_file_name("away");
    fs::rename(&photos, &away).unwrap();
    assert_eq!(index(&mut library, &photos, "one").0.missing, 20);
    fs::rename(&away, &photos).unwrap();
    let (summary, shown, _) = index(&mut library, &photos, "one");
    assert_eq!((summary.unchanged, shown), (20, 0));
    assert_eq!(everything(&path), before);
}

#[test]
fn another_model_is_indexed_beside_the_first() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    let (summary, shown, _) = index(&mut library, &photos, "two");
    assert_eq!((summary.analysed, shown), (20, 20));
    assert_eq!(index(&mut library, &photos, "one").1, 0);
    assert_eq!(library.integrity().unwrap(), [""; 0]);
}

#[test]
fn unreadable_photos_are_reported_with_their_reason_and_stop_nothing() {
    let (_folder, photos, path) = folder();
    fs::write(photos.join("empty.jpg"), "").unwrap();
    fs::write(photos.join("letter.jpg"), "Dear library").unwrap();
    let mut cut = fs::read(photos.join("01.png")).unwrap();
    cut.truncate(60);
    fs::write(photos.join("cut.png"), cut).unwrap();
    let mut library = Library::create(&path).unwrap();
    let (summary, _, errors) = index(&mut library, &photos, "one");
    assert_eq!((summary.analysed, summary.failed, errors.len()), (20, 3, 3));
    assert!(
        errors.iter().any(|error| error.contains("letter.jpg: ") && error.contains("text")),
        "{errors:?}"
    );
    // They are not tried again until they change.
    let (summary, _, errors) = index(&mut library, &photos, "one");
    assert_eq!((summary.failed, summary.still_unreadable, errors.len()), (0, 3, 0));
    paint(&photos.join("cut.png"), [0, 0, 99], [99, 0, 0], 1);
    let (summary, ..) = index(&mut library, &photos, "one");
    assert_eq!((summary.analysed, summary.still_unreadable), (1, 2));
}

#[cfg(unix)]
#[test]
fn paths_may_have_every_byte_that_a_file_system_allows() {
    use std::os::unix::ffi::OsStrExt as _;
    let (_folder, photos, path) = folder();
    let bytes = (1..=255_u8).filter(|&byte| byte != b'/');
    for byte in bytes.clone() {
        let mut name = vec![b'a', byte, b'z'];
        name.extend(b".png");
        paint(&photos.join("new.png"), [byte, 1, 2], [3, byte, 4], byte);
        fs::rename(photos.join("new.png"), photos.join(std::ffi::OsStr::from_bytes(&name)))
            .unwrap();
    }
    let mut library = Library::create(&path).unwrap();
    let (summary, ..) = index(&mut library, &photos, "one");
    assert_eq!((summary.found, summary.analysed), (20 + 254, 20 + 254));
    let (summary, shown, _) = index(&mut library, &photos, "one");
    assert_eq!((summary.unchanged, shown), (274, 0));
    let correction = Correction { right: Some("grey".into()), ..Correction::default() };
    for byte in bytes {
        let name = [b"a", &[byte][..], b"z.png"].concat();
        library.correct(&photos.join(std::ffi::OsStr::from_bytes(&name)), &correction).unwrap();
    }
}

#[test]
fn breaking_off_loses_nothing_and_the_next_run_goes_on() {
    let (_folder, photos, path) = folder();
    let undisturbed = photos.with_file_name("undisturbed.lgn");
    index(&mut Library::create(&undisturbed).unwrap(), &photos, "one");
    for stop in 1..20 {
        let mut library = Library::create(&path).unwrap();
        let mut done = 0;
        let mut on_event = |event: &Event<'_>| {
            done += usize::from(matches!(event, Event::Done { .. }));
            if done < stop { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let workers = vec![Colours::default(); 2];
        let (folders, options) = ([photos.clone()], IndexOptions::default());
        lorgnette_library::index(
            &mut library,
            &folders,
            Analysers { model: &model_record("one"), workers },
            &options,
            &mut on_event,
        )
        .unwrap();
        assert_eq!(library.count().unwrap(), stop);
        let (summary, ..) = index(&mut library, &photos, "one");
        assert_eq!((summary.unchanged, summary.analysed), (stop, 20 - stop));
        drop(library);
        assert_eq!(everything(&path), everything(&undisturbed));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn corrections_are_kept_when_photos_are_looked_at_again() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    let before = everything(&path);
    let photo = photos.join("01.png");
    let correct = |library: &mut Library, wrong: Option<&str>, right: Option<&str>| {
        let correction = Correction {
            wrong: wrong.map(Into::into),
            right: right.map(Into::into),
            ..Default::default()
        };
        library.correct(&photo, &correction)
    };
    correct(&mut library, Some("GREEN"), Some("crimson")).unwrap();
    assert!(
        correct(&mut library, Some("blue"), None).unwrap_err().to_string().contains("found were")
    );
    assert!(
        correct(&mut library, None, Some("blu"))
            .unwrap_err()
            .to_string()
            .contains("did you mean \"blue\"")
    );
    let says = |library: &Library| {
        library
            .detections(&photo)
            .unwrap()
            .iter()
            .map(|f| format!("{} {:?}", f.name, f.source))
            .collect::<Vec<_>>()
    };
    let corrected = says(&library);
    assert!(
        corrected.contains(&"red, crimson User".into())
            && corrected.contains(&"green Refuted".into()),
        "{corrected:?}"
    );
    // Another model, and then another photo under the same path.
    index(&mut library, &photos, "two");
    assert_eq!(says(&library).iter().filter(|says| says.as_str() == "green Model").count(), 0);
    paint(&photo, [1, 250, 3], [2, 251, 3], 99);
    index(&mut library, &photos, "one");
    assert!(says(&library).contains(&"red, crimson User".into()));
    assert_eq!(library.integrity().unwrap(), [""; 0]);
    assert_eq!(library.corrections().unwrap().len(), 1);
    assert_eq!(library.uncorrect(&photo).unwrap(), 1);
    assert!(says(&library).iter().all(|says| says.ends_with("Model")));
    assert_ne!(before, everything(&path));
}

#[cfg(unix)]
#[test]
fn a_photo_that_became_a_pipe_is_reported_and_not_waited_for() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    let pipe = photos.join("01.png");
    fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut complaints = Vec::new();
    library
        .verify_files(&OpenOptions::default(), |_, complaint| {
            complaints.extend(complaint.map(str::to_owned));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("01.png") && complaints[0].contains("not a regular file"));
}

#[test]
fn each_model_is_searched_counted_and_forgotten_by_itself() {
    let (_folder, photos, path) = folder();
    let mut library = Library::create(&path).unwrap();
    index(&mut library, &photos, "one");
    let alone = everything(&path);
    index(&mut library, &photos, "two");
    let ids: Vec<i64> = library.models().unwrap().iter().map(|model| model.id).collect();
    let query = Query::parse("red").unwrap();
    let matches = |library: &Library, model| {
        let options = SearchOptions { model, limit: 100, ..SearchOptions::default() };
        let results = library.search(&query, &options).unwrap();
        results.hits.iter().map(|hit| hit.matches.len()).sum::<usize>()
    };
    assert_eq!(matches(&library, Some(ids[0])), matches(&library, Some(ids[1])));
    let regions = |model| library.statistics(model, 9).unwrap().classes[0].regions;
    assert_eq!(2 * regions(Some(ids[1])), regions(None));
    let all_regions = |model| library.statistics(model, 9).unwrap().regions;
    assert_eq!(2 * all_regions(Some(ids[1])), all_regions(None));
    assert_eq!(library.forget_model(ids[1], Some(&photos.join("deep")), false).unwrap(), 7);
    assert_eq!(library.models().unwrap()[1].photos, 13);
    assert_eq!(library.count().unwrap(), 20);
    assert_eq!(library.forget_model(ids[1], None, false).unwrap(), 13);
    assert_eq!(everything(&path), alone, "as if the second model had not been");
    assert!(library.search(&query, &SearchOptions::default()).unwrap().total > 0);
    assert_eq!(library.integrity().unwrap(), [""; 0]);
}
