//! `lorgnette index` and `lorgnette library`: folders of photos into a library, and what is in it.

use std::fs;

use lorgnette::Picture;

use crate::program::{Ended, Folder, lorgnette, photo};

/// A folder of a cat, a coffee, a copy of the cat and a file that is no photo.
fn folder() -> Folder {
    let folder = Folder::new()
        .with_photo("photos/cat.jpg", "chelsea.jpg")
        .with_photo("photos/cup.jpg", "coffee.jpg");
    folder
        .with_photo("photos/deep/copy.jpg", "chelsea.jpg")
        .with("photos/letter.jpg", b"Dear library")
}

/// Runs a verb on the folder's library.
fn on(folder: &Folder, words: &[&str]) -> Ended {
    let library = folder.text("photos.lgn");
    lorgnette(&[words, &["--library", &library]].concat())
}

/// The folder, indexed.
fn indexed() -> Folder {
    let folder = folder();
    let ended = index(&folder, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("letter.jpg: ") && ended.err.contains("it is text"),
        "{}",
        ended.err
    );
    folder
}

fn index(folder: &Folder, more: &[&str]) -> Ended {
    let photos = folder.text("photos");
    on(folder, &[&["index", &photos, "--map-side", "256", "--format", "json"], more].concat())
}

#[test]
fn only_what_is_new_is_looked_at() {
    let folder = indexed();
    let counts = |ended: &Ended| {
        let report = &ended.json()[0];
        ["found", "analysed", "copied", "unchanged", "failed", "still_unreadable", "vanished"]
            .map(|key| report[key].as_u64().unwrap())
    };
    let again = index(&folder, &[]).well();
    assert_eq!(counts(&again), [4, 0, 0, 4, 0, 1, 0]);
    fs::remove_file(folder.path("photos/deep/copy.jpg")).unwrap();
    fs::write(folder.path("photos/new.jpg"), fs::read(photo("coffee.jpg")).unwrap()).unwrap();
    // The folders are known.
    let changed = on(&folder, &["index", "--map-side", "256", "--format", "json"]).well();
    assert_eq!(counts(&changed), [4, 0, 1, 3, 0, 1, 1]);
    let listed = on(&folder, &["library", "list", "--state", "vanished"]).well();
    assert!(listed.out.ends_with("copy.jpg (vanished)\n"), "{}", listed.out);
    let unreadable =
        on(&folder, &["library", "list", "--state", "unreadable", "--format", "json"]).well();
    assert!(unreadable.json()[0]["reason"].as_str().unwrap().contains("it is text"));
}

/// What was found in photos of full size is nothing that was found in reduced ones.
#[test]
fn photos_of_reduced_size_are_analysed_again() {
    let folder = indexed();
    // The copy of a photo is analysed or copied, by whether the photo was stored before.
    let renewed = |ended: &Ended| {
        let count = |key: &str| ended.json()[0][key].as_u64().unwrap();
        count("analysed") + count("copied")
    };
    assert_eq!(renewed(&index(&folder, &["--decode", "reduced"]).well()), 3);
    assert_eq!(renewed(&index(&folder, &["--decode", "reduced"]).well()), 0);
    assert_eq!(renewed(&index(&folder, &[]).well()), 0);
    // A photo that is not in the library is opened as its photos were.
    let cat = folder.text("cat.png");
    Picture::open(photo("chelsea.jpg")).unwrap().save(&cat).unwrap();
    let similar = on(&folder, &["library", "similar", &cat, "--format", "json"]).well().json();
    assert!(similar[0]["similarity"].as_f64() > Some(0.999), "{similar:?}");
}

#[test]
fn the_contents_of_a_library_are_printed() {
    let folder = indexed();
    let statistics = &on(&folder, &["library", "statistics", "--format", "json"]).well().json()[0];
    assert_eq!((&statistics["present"], &statistics["unreadable"]), (&3.into(), &1.into()));
    let classes = statistics["classes"].as_array().unwrap();
    assert!(
        classes.iter().any(|class| class["name"] == "Egyptian cat" && class["photos"] == 2),
        "{classes:?}"
    );
    let text = on(&folder, &["library", "statistics"]).well().out;
    assert!(text.starts_with("3 photos, ") && text.contains("1 unreadable"), "{text}");
    let shown =
        &on(&folder, &["library", "show", &folder.text("photos/cat.jpg"), "--format", "json"])
            .well()
            .json()[0];
    let classified =
        &lorgnette(&["classify", &photo("chelsea.jpg"), "--format", "json"]).well().json()[0];
    let (ours, theirs) = (&shown["findings"][0], &classified["predictions"][0]);
    assert_eq!((&ours["index"], &ours["synset"]), (&theirs["index"], &theirs["synset"]));
    let probability = |value: &serde_json::Value| value["probability"].as_f64().unwrap();
    // The library's is of the whole photo, without a crop.
    assert!((probability(ours) - probability(theirs)).abs() < 0.3, "{ours} {theirs}");
    let boxes =
        shown["findings"].as_array().unwrap().iter().filter(|finding| !finding["box"].is_null());
    assert!(boxes.count() > 0 && shown["width"] == 451);
}

#[test]
fn alike_photos_are_found() {
    let folder = indexed();
    let duplicates = &on(&folder, &["library", "duplicates", "--format", "json"]).well().json()[0];
    assert_eq!(duplicates["photos"].as_array().unwrap().len(), 2);
    assert_eq!(duplicates["keep"], folder.text("photos/cat.jpg"));
    let near = on(&folder, &["library", "duplicates", "--near"]).well().out;
    let cat = format!("2 photos, similarity 1.000\n  keep  {}", folder.text("photos/cat.jpg"));
    assert!(near.starts_with(&cat), "{near}");
    // Of the library, and not of it.
    for path in [folder.text("photos/cat.jpg"), photo("chelsea.jpg")] {
        let similar = on(&folder, &["library", "similar", &path, "--format", "json"]).well().json();
        assert!(
            similar[0]["photo"].as_str().unwrap().ends_with(".jpg")
                && similar[0]["similarity"].as_f64() > Some(0.999)
        );
        assert!(similar.iter().all(|found| !found["photo"].as_str().unwrap().ends_with("cup.jpg")));
    }
}

#[test]
fn of_duplicates_the_rest_is_listed_and_shown_on_a_page() {
    let folder = indexed();
    let (kept, copy) = (folder.text("photos/cat.jpg"), folder.text("photos/deep/copy.jpg"));
    let rest = |option: &str| on(&folder, &["library", "duplicates", option]).well().out;
    assert_eq!(rest("--rest"), format!("{copy}\n"));
    assert_eq!(rest("-0"), format!("{copy}\0"));
    let page = folder.text("duplicates.html");
    on(&folder, &["library", "duplicates", "--html", &page]).well();
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 2);
    let (badge, second) = (page.find(">keep<").unwrap(), page.find("copy.jpg</span>").unwrap());
    assert!(page.find("cat.jpg</span>").unwrap() < badge && badge < second, "the cat is kept");
    let listed = page.split_once("<pre>").unwrap().1;
    assert!(listed.contains("copy.jpg") && !listed.contains("cat.jpg"), "{listed}");
    let refused = on(&folder, &["library", "duplicates", "--html", &kept]);
    assert!(refused.code == Some(2) && refused.err.contains(".html"), "{}", refused.err);
}

#[test]
fn a_page_of_results_shows_copies_once() {
    let folder = indexed();
    let found = on(&folder, &["search", "cat", "--format", "json"]).well().json();
    assert_eq!(found.len(), 2, "each copy is a photo of its own");
    let page = on(&folder, &["search", "cat", "--format", "html"]).well().out;
    assert!(page.contains("<p>1 photo</p>") && page.contains("<summary>1 copy</summary>"));
    assert_eq!(page.matches("<article>").count(), 1);
    let (shown, copies) = page.split_once("<summary>1 copy</summary>").unwrap();
    assert!(shown.contains("cat.jpg") && copies.contains("copy.jpg"), "the first by path is shown");
    let file = folder.text("found.html");
    let beside = on(&folder, &["search", "cat", "--format", "json", "--html", &file]).well();
    assert_eq!(beside.json().len(), 2, "each copy is a photo of its own beside a page, too");
    assert_eq!(fs::read_to_string(file).unwrap(), page);
}

#[test]
fn labels_are_corrected_and_photos_forgotten() {
    let folder = indexed();
    let cat = folder.text("photos/cat.jpg");
    let shown_text = |folder: &Folder| {
        on(folder, &["library", "show", &folder.text("photos/cat.jpg")]).well().out
    };
    let unknown = on(&folder, &["library", "correct", &cat, "--right", "Chelsee"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("--new-name"), "{}", unknown.err);
    on(
        &folder,
        &[
            "library",
            "correct",
            &cat,
            "--wrong",
            "Egyptian cat",
            "--right",
            "Chelsea",
            "--new-name",
        ],
    )
    .well();
    let corrected = shown_text(&folder);
    assert!(
        corrected.contains("you    Chelsea") && corrected.contains("not    Egyptian cat"),
        "{corrected}"
    );
    assert!(
        on(&folder, &["library", "correct"]).well().out.contains("cat.jpg: Chelsea, not n02124075")
    );
    on(&folder, &["library", "correct", &cat, "--undo"]).well();
    assert!(!shown_text(&folder).contains("Chelsea"));
    on(&folder, &["library", "forget", &folder.text("photos/deep")]).well();
    on(&folder, &["library", "vacuum"]).well();
    on(&folder, &["library", "verify", "--files"]).well();
    assert_eq!(on(&folder, &["library", "list"]).well().out.lines().count(), 3);
}

#[test]
fn tables_are_exported() {
    let folder = indexed();
    for what in ["findings", "photos", "features"] {
        for ending in ["csv", "parquet"] {
            let out = folder.text(&format!("{what}.{ending}"));
            on(&folder, &["library", "export", &out, "--what", what]).well();
            let bytes = fs::read(&out).unwrap();
            assert!(bytes.starts_with(if ending == "csv" { b"phot" } else { b"PAR1" }));
        }
    }
    let photos = fs::read_to_string(folder.path("photos.csv")).unwrap();
    assert_eq!(photos.lines().count(), 5);
    let refused = on(&folder, &["library", "export", &folder.text("x.xlsx")]);
    assert!(
        refused.code == Some(2) && refused.err.contains("end the name in .parquet or .csv"),
        "{}",
        refused.err
    );
}

#[test]
fn wrong_libraries_and_folders_are_reported() {
    let folder = folder().with("text.lgn", &b"no library ".repeat(100));
    let missing = on(&folder, &["library", "statistics"]);
    assert!(
        missing.code == Some(2) && missing.err.contains("there is no such library"),
        "{}",
        missing.err
    );
    let wrong = lorgnette(&["library", "statistics", "--library", &folder.text("text.lgn")]);
    assert!(wrong.code == Some(2) && wrong.err.contains("not an SQLite file"), "{}", wrong.err);
    let nowhere = on(&folder, &["index", &folder.text("nowhere")]);
    assert!(
        nowhere.code == Some(2) && nowhere.err.contains("there is no such folder"),
        "{}",
        nowhere.err
    );
    let unsaid = lorgnette(&["library", "list"]);
    assert!(unsaid.code == Some(2) && unsaid.err.contains("--library"), "{}", unsaid.err);
    let unsaid = lorgnette(&["index", "--library", &folder.text("new.lgn")]);
    assert!(unsaid.code == Some(2) && unsaid.err.contains("which folders?"), "{}", unsaid.err);
}

#[test]
fn answers_of_a_model_are_forgotten_and_the_photos_stay() {
    let folder = indexed();
    on(&folder, &["library", "forget", "--model", "mobilenet_v1_1.0_224"]).well();
    let statistics = on(&folder, &["library", "statistics", "--format", "json"]).well().json();
    assert_eq!(statistics[0]["present"], 3);
    assert_eq!(statistics[0]["regions"], 0);
    assert_eq!(statistics[0]["models"].as_array().unwrap().len(), 0);
}

#[test]
fn a_sidecar_that_cannot_be_written_does_not_stop_the_others() {
    let folder = indexed().with_photo("more/cup.jpg", "coffee.jpg");
    fs::rename(folder.path("photos"), folder.path("unplugged")).unwrap();
    let more = folder.text("more");
    let options = ["--map-side", "256", "--write-sidecars", "--sidecar-probability", "0"];
    let ended = on(&folder, &[&["index", &more], &options[..]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("photos/cat.jpg.xmp: "), "{}", ended.err);
    assert!(ended.err.contains("1 sidecar written"), "{}", ended.err);
    assert!(folder.path("more/cup.jpg.xmp").exists());
}
