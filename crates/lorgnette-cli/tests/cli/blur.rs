//! `lorgnette blur`: what changes, what stays, and that no photo is lost.

use std::fs;
use std::path::Path;

use lorgnette::Picture;
use lorgnette::picture::{Metadata, OpenOptions};

use crate::program::{Folder, lorgnette, photo};

/// The classes that a cat is taken for.
const CATS: [&str; 4] = ["--class", "Egyptian cat", "tabby", "tiger cat"];

fn blur(photo: &str, options: &[&str]) -> crate::program::Ended {
    lorgnette(&[&["blur", photo][..], &CATS, options].concat())
}

/// A photo that the camera held on its side took, its EXIF saying so.
fn on_its_side() -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/photos/orientation_6.jpg"),
    )
    .unwrap()
}

#[test]
fn what_is_of_the_class_changes_and_the_rest_stays() {
    let folder = Folder::new();
    let out = folder.text("cat.png");
    let ended = blur(
        &photo("chelsea.jpg"),
        &["--out", &out, "--format", "json", "--min-probability", "0.9", "--margin", "4"],
    )
    .well();
    let answer = &ended.json()[0];
    assert_eq!((answer["width"].as_u64(), answer["out"].as_str()), (Some(451), Some(out.as_str())));
    let area = &answer["blurred"][0];
    assert!(CATS.contains(&area["name"].as_str().unwrap().split(',').next().unwrap()), "{area}");
    let bounds: Vec<usize> = serde_json::from_value(area["box"].clone()).unwrap();
    let (before, after) =
        (Picture::open(photo("chelsea.jpg")).unwrap(), Picture::open(&out).unwrap());
    let (before, after) = (before.to_rgb8(), after.to_rgb8());
    let share = answer["share"].as_f64().unwrap();
    let changed = before.chunks(3).zip(after.chunks(3)).filter(|(a, b)| a != b).count() as f64
        / (451.0 * 300.0);
    assert!(
        share > 0.01 && share < 0.99 && changed <= share && changed > 0.7 * share,
        "{changed} of {share}"
    );
    let middle = 3 * ((bounds[1] + bounds[3]) / 2 * 451 + (bounds[0] + bounds[2]) / 2);
    assert_ne!(before[middle..middle + 48], after[middle..middle + 48]);
}

#[test]
fn nothing_found_is_copied_byte_by_byte() {
    let folder = Folder::new();
    let out = folder.text("coffee.jpg");
    let ended =
        lorgnette(&["blur", &photo("coffee.jpg"), "--class", "tench", "--out", &out]).well();
    assert!(ended.out.contains("nothing found"), "{}", ended.out);
    assert_eq!(fs::read(out).unwrap(), fs::read(photo("coffee.jpg")).unwrap());
}

#[test]
fn a_dry_run_writes_no_photo_but_its_preview() {
    let folder = Folder::new();
    let preview = folder.text("look.png");
    let ended =
        blur(&photo("chelsea.jpg"), &["--dry-run", "--preview", &preview, "--format", "csv"])
            .well();
    assert!(
        ended.out.starts_with("photo,out,index,") && ended.out.lines().count() > 1,
        "{}",
        ended.out
    );
    assert_eq!(Picture::open(&preview).unwrap().width(), 451);
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1);
}

#[test]
fn a_photo_is_overwritten_only_by_option() {
    let folder = Folder::new().with_photo("cat.jpg", "chelsea.jpg");
    let cat = folder.text("cat.jpg");
    let before = fs::read(&cat).unwrap();
    let refused = blur(&cat, &["--out", &cat]);
    assert!(refused.code == Some(2) && refused.err.contains("overwrite"), "{}", refused.err);
    blur(&cat, &["--out", &folder.text("")]).well();
    assert!(folder.path("cat-2.jpg").exists() && fs::read(&cat).unwrap() == before);
    assert_eq!(blur(&cat, &[]).code, Some(2), "somewhere it must go");
    let nowhere = blur(&cat, &["--out", &folder.text("nowhere/cat.jpg")]);
    assert!(
        nowhere.code == Some(2) && nowhere.err.contains("there is no folder"),
        "{}",
        nowhere.err
    );
    blur(&cat, &["--in-place"]).well();
    assert!(
        fs::read(&cat).unwrap() != before
            && fs::read(folder.path("cat.jpg.orig")).unwrap() == before
    );
    blur(&cat, &["--in-place", "--how", "fill"]).well();
    assert_eq!(
        fs::read(folder.path("cat.jpg.orig")).unwrap(),
        before,
        "the original stays the original"
    );
}

#[test]
fn a_folder_is_blurred_and_can_be_resumed() {
    let folder =
        Folder::new().with_photo("in/a.jpg", "chelsea.jpg").with_photo("in/b.JPEG", "coffee.jpg");
    let folder = folder.with("in/c.jpg", b"no photo");
    let (from, to) = (folder.text("in"), folder.text("out"));
    let ended = blur(&from, &["--out", &to]);
    assert!(ended.code == Some(1) && ended.err.contains("c.jpg"), "{}", ended.err);
    assert!(
        folder.path("out/a.jpg").exists()
            && folder.path("out/b.JPEG").exists()
            && !folder.path("out/c.jpg").exists()
    );
    fs::remove_file(folder.path("out/a.jpg")).unwrap();
    let ended = blur(&from, &["--out", &to, "--resume"]);
    assert!(
        ended.err.contains("1 photo blurred already") && ended.out.contains("a.jpg"),
        "{}{}",
        ended.err,
        ended.out
    );
    assert!(folder.path("out/a.jpg").exists() && !ended.out.contains("b.JPEG"));
}

#[test]
fn folders_within_stay_apart_and_a_kind_of_animal_will_do() {
    let folder = Folder::new()
        .with_photo("in/cat.jpg", "chelsea.jpg")
        .with_photo("in/deep/er/cat.jpg", "chelsea.jpg");
    lorgnette(&["blur", &folder.text("in"), "--class", "cats", "--out", &folder.text("out")])
        .well();
    let blurred =
        ["out/cat.jpg", "out/deep/er/cat.jpg"].map(|name| fs::read(folder.path(name)).unwrap());
    assert_eq!(blurred[0], blurred[1]);
    assert_ne!(blurred[0], fs::read(folder.path("in/cat.jpg")).unwrap());
}

#[test]
fn notes_stay_and_the_photo_as_it_was_held() {
    let folder = Folder::new().with("turned.jpg", &on_its_side());
    let (from, to) = (folder.text("turned.jpg"), folder.text("blurred.jpg"));
    let found = lorgnette(&["map", &from, "--format", "json"]).well().json().remove(0)["legend"][0]
        ["index"]
        .to_string();
    let options = ["--out", &to, "--how", "fill", "--colour", "ff0000"];
    lorgnette(&[&["blur", &from, "--class", &found][..], &options].concat()).well();
    assert_ne!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
    let notes = |path: &str| Metadata::from_bytes(&fs::read(path).unwrap());
    assert_eq!(notes(&to).exif(), notes(&from).without_thumbnails().exif());
    assert!(notes(&to).exif().is_some());
    let stored = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
    let size = |path: &str, options: &OpenOptions| {
        let picture = options.open(path).unwrap();
        (picture.width(), picture.height())
    };
    assert_eq!(size(&to, &stored), size(&from, &stored), "stored as the camera was held");
    assert_eq!(size(&to, &OpenOptions::default()), size(&from, &OpenOptions::default()));
    assert_ne!(size(&to, &stored), size(&to, &OpenOptions::default()));
}
