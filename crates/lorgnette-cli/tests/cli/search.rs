//! `lorgnette search`: what is found, how it is written, and what is said of queries that are
//! wrong.

use std::fs;

use serde_json::Value;

use crate::program::{Ended, Folder, lorgnette};

/// A library of a cat, a coffee and a rocket.
fn indexed() -> Folder {
    let folder = Folder::new()
        .with_photo("photos/cat.jpg", "chelsea.jpg")
        .with_photo("photos/cup.jpg", "coffee.jpg");
    let folder = folder.with_photo("photos/<i>rocket.jpg", "rocket.jpg");
    on(&folder, &["index", &folder.text("photos"), "--map-side", "320"]).well();
    folder
}

/// Runs a verb on the folder's library.
fn on(folder: &Folder, words: &[&str]) -> Ended {
    lorgnette(&[words, &["--library", &folder.text("photos.lgn")]].concat())
}

/// The names of the photos found, in their order.
fn hits(folder: &Folder, query: &str) -> Vec<String> {
    let photos = on(folder, &["search", query, "--format", "json"]).well().json();
    let name =
        |photo: &Value| photo["photo"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    photos.iter().map(name).collect()
}

#[test]
fn photos_are_found_by_what_and_where() {
    let folder = indexed();
    assert_eq!(hits(&folder, "Egyptian cat in the middle"), ["cat.jpg"]);
    assert_eq!(hits(&folder, "give me all images where there is a cat"), ["cat.jpg"]);
    assert_eq!(hits(&folder, "(animals OR espresso) AND NOT cats path:photos/*.jpg"), ["cup.jpg"]);
    assert_eq!(hits(&folder, "espresso in the top left corner"), [""; 0]);
    assert_eq!(hits(&folder, "date:<1990"), [""; 0]);
    let mut all = hits(&folder, "NOT (date:<1990)");
    all.sort();
    assert_eq!(all, ["<i>rocket.jpg", "cat.jpg", "cup.jpg"]);
    // The words of a query may be several arguments.
    let ended = on(&folder, &["search", "Egyptian", "cat", "in", "middle"]).well();
    assert!(ended.out.contains("cat.jpg\n") && ended.out.contains("Egyptian cat"), "{}", ended.out);
}

#[test]
fn faces_are_found_by_number_and_place() {
    let folder = indexed();
    let refused = on(&folder, &["search", "face in the middle"]);
    assert!(refused.code == Some(2) && refused.err.contains("index --faces"), "{}", refused.err);
    let faces = ["index", &folder.text("photos"), "--map-side", "0", "--faces", "--format", "json"];
    let report = on(&folder, &faces).well().json().remove(0);
    assert_eq!(report["searched_for_faces"], 3);
    // A library with faces gets those of new photos.
    let folder = folder.with_photo("photos/astronaut.jpg", "astronaut.jpg");
    let scene = concat!(env!("CARGO_MANIFEST_DIR"), "/../lorgnette/tests/faces/scene.jpg");
    let folder = folder.with("photos/scene.jpg", &fs::read(scene).unwrap());
    let again = ["index", &folder.text("photos"), "--map-side", "0", "--format", "json"];
    let report = on(&folder, &again).well().json().remove(0);
    assert_eq!(report["searched_for_faces"], 2);
    assert_eq!(hits(&folder, "one face"), ["astronaut.jpg"]);
    assert_eq!(hits(&folder, "face in the top row path:photos/astro*")[..], ["astronaut.jpg"]);
    assert_eq!(hits(&folder, "face in the bottom left path:photos/astro*")[..], [""; 0]);
    assert_eq!(hits(&folder, "faces >= 3"), ["scene.jpg"]);
    let mut without = hits(&folder, "no faces");
    without.sort();
    assert_eq!(without, ["<i>rocket.jpg", "cat.jpg", "cup.jpg"]);
    let photos = on(&folder, &["search", "face", "--format", "json"]).well().json();
    assert!(photos[0]["matches"][0]["probability"].as_f64().unwrap() > 0.9, "{photos:?}");
}

#[test]
fn where_nothing_has_all_things_any_of_them_is_suggested() {
    let folder = indexed();
    let none = on(&folder, &["search", "Egyptian cat, espresso and rocket"]).well();
    assert_eq!(none.out, "");
    assert!(none.err.contains("'Egyptian cat OR espresso OR rocket' finds"), "{}", none.err);
    let one = on(&folder, &["search", "school bus"]).well();
    assert!(!one.err.contains(" OR "), "{}", one.err);
}

#[test]
fn a_match_has_name_box_and_probability() {
    let folder = indexed();
    let ended =
        on(&folder, &["search", "cat in the middle", "--format", "json", "--explain"]).well();
    let photo = &ended.json()[0];
    let thing = &photo["matches"][0];
    assert_eq!((&thing["asked"], &thing["name"]), (&"cat".into(), &"Egyptian cat".into()));
    let sides: Vec<u64> =
        thing["box"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).collect();
    assert!(
        sides[0] < sides[2] && sides[2] <= 451 && sides[1] < sides[3] && sides[3] <= 300,
        "{sides:?}"
    );
    let [score, probability] =
        [&photo["score"], &thing["probability"]].map(|number| number.as_f64().unwrap());
    assert!(score > 0.1 && score <= probability && probability <= 1.0, "{photo}");
    assert_eq!(photo["explanation"]["score"], photo["score"]);
    assert!(photo["explanation"]["how"].as_str().unwrap().contains("x place"), "{photo}");
}

#[test]
fn like_finds_the_photo_itself_and_its_copies() {
    let folder = indexed().with_photo("elsewhere/copy.jpg", "chelsea.jpg");
    let likes = |name: &str| hits(&folder, &format!("like \"{}\" > 0.9", folder.text(name)));
    assert_eq!(likes("photos/cat.jpg"), ["cat.jpg"]);
    assert_eq!(likes("elsewhere/copy.jpg"), ["cat.jpg"], "a photo that the library does not know");
    let missing = on(&folder, &["search", "like nowhere.jpg"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("nowhere.jpg"), "{}", missing.err);
}

#[test]
fn tables_and_pages_are_written() {
    let folder = indexed();
    let table =
        on(&folder, &["search", "cat OR espresso OR crane", "--format", "csv", "--limit", "2"])
            .well();
    let lines: Vec<&str> = table.out.lines().collect();
    assert!(
        lines[0].starts_with("photo,rank,score,asked,name,synset,left,") && lines.len() > 2,
        "{}",
        table.out
    );
    assert!(table.err.contains("the best 2 of 3 photos"), "{}", table.err);
    let page = folder.text("found.html");
    on(&folder, &["search", "rocket OR missile OR crane", "--html", &page]).well();
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("data:image/jpeg;base64,") && page.contains("&lt;i&gt;rocket.jpg"),
        "the photo is shown"
    );
    assert!(
        !page.contains("<i>rocket") && !page.contains("<script") && !page.contains("http"),
        "it stands alone"
    );
    let photo = on(&folder, &["search", "cat", "--html", &folder.text("photos/cat.jpg")]);
    assert_eq!(photo.code, Some(2));
    assert!(photo.err.contains("end the name in .html"), "{}", photo.err);
}

#[test]
fn errors_point_at_the_word() {
    let folder = indexed();
    let wrong = |query: &str| {
        let ended = on(&folder, &["search", query]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{query}");
        ended.err
    };
    let unknown = wrong("cat AND scool bus in middle");
    assert!(
        unknown.contains("did you mean \"school bus\"")
            && unknown.contains("\n          ^^^^^^^^^"),
        "{unknown}"
    );
    assert!(wrong("cat in the midle").contains("did you mean \"middle\""));
    assert!(wrong("(cat").contains("not closed"));
    let none = lorgnette(&["search", "cat", "--library", &folder.text("none.lgn")]);
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("lorgnette index"), "{}", none.err);
}

#[test]
fn it_is_said_how_few_kinds_of_people_are_known() {
    let folder = indexed();
    for query in ["no people", "a person next to a cat"] {
        let ended = on(&folder, &["search", query]).well();
        assert!(ended.err.contains("know these alone: ballplayer, groom"), "{}", ended.err);
    }
    let cats = on(&folder, &["search", "cats"]).well();
    assert!(!cats.err.contains("of people"), "{}", cats.err);
}

#[test]
fn paths_and_links_go_to_other_programs() {
    let folder = indexed();
    let ended = on(&folder, &["search", "show me a cat", "-l"]).well();
    let path = ended.out.strip_suffix('\n').unwrap();
    assert!(path.ends_with("photos/cat.jpg") && !path.contains('\n'), "{path}");
    let ended = on(&folder, &["search", "cats or espresso", "-0"]).well();
    assert_eq!(ended.out.matches('\0').count(), 2, "{:?}", ended.out);
    let links = folder.text("found");
    for (query, number) in [("cats or espresso", 2), ("cats", 1)] {
        on(&folder, &["search", query, "--link", &links]).well();
        let entries = fs::read_dir(&links).unwrap().map(|entry| entry.unwrap().path());
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        assert_eq!(entries.len(), number, "links of the search before are gone");
        assert!(entries[0].ends_with("0001 cat.jpg") && fs::read(&entries[0]).is_ok());
    }
    fs::write(folder.path("found/letter.txt"), "").unwrap();
    let refused = on(&folder, &["search", "cats", "--link", &links]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("letter.txt in it is no link"), "{}", refused.err);
}

#[test]
fn classes_are_listed_and_words_explained() {
    let all = lorgnette(&["classes"]).well();
    assert!(all.out.lines().count() >= 1000 && all.out.contains("n02123045  tabby, tabby cat\n"));
    let cats = lorgnette(&["classes", "domestic", "cats", "--format", "json"]).well().json();
    assert!(cats.iter().any(|class| class["name"] == "Egyptian cat"), "{cats:?}");
    let sea = lorgnette(&["classes", "sea"]);
    assert_eq!(sea.code, Some(2));
    assert!(sea.err.contains("did you mean \"seashore\""), "{}", sea.err);
    let receipts = lorgnette(&["classes", "receipts"]);
    assert_eq!(receipts.code, Some(2));
    assert!(receipts.err.contains("no class is of that kind"), "{}", receipts.err);
    let folder = indexed();
    let cats = on(&folder, &["classes", "tiger cat"]).well();
    assert_eq!(cats.out, "n02123159  tiger cat\n");
    let unknown = on(&folder, &["search", "cat", "--model", "inception_v3"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("no answers of it, but of mobilenet_v1"), "{}", unknown.err);
}
