//! `lorgnette blur`: what changes, what stays, and that no photo is lost.

use std::fs;
use std::path::Path;

use lorgnette::Picture;
use lorgnette::picture::OpenOptions;
use serde_json::json;

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
    assert_eq!(fs::read(&out).unwrap(), fs::read(photo("coffee.jpg")).unwrap());
    // A script learns of it.
    let strict = ["blur", &photo("coffee.jpg"), "--class", "tench", "--out", &out, "--strict"];
    let strict = lorgnette(&strict);
    assert_eq!(strict.code, Some(1));
    assert!(strict.err.contains("nothing hidden"), "{}", strict.err);
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
fn a_turned_photo_is_upright_in_its_copy() {
    let folder = Folder::new().with("turned.jpg", &on_its_side());
    let (from, to) = (folder.text("turned.jpg"), folder.text("blurred.jpg"));
    let found = lorgnette(&["map", &from, "--scale", "1", "--format", "json"])
        .well()
        .json()
        .remove(0)["legend"][0]["index"]
        .to_string();
    let options = ["--out", &to, "--how", "fill", "--colour", "ff0000", "--scale", "1"];
    lorgnette(&[&["blur", &from, "--class", &found][..], &options].concat()).well();
    assert_ne!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
    let stored = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
    let size = |path: &str, options: &OpenOptions| {
        let picture = options.open(path).unwrap();
        (picture.width(), picture.height())
    };
    assert_eq!(size(&to, &stored), size(&from, &OpenOptions::default()));
    assert_eq!(size(&to, &OpenOptions::default()), size(&from, &OpenOptions::default()));
}

#[test]
fn faces_are_hidden_with_a_margin_and_the_report_says_so() {
    let folder = Folder::new();
    let out = folder.text("astronaut.png");
    let astronaut = photo("astronaut.jpg");
    let options = ["--out", &out, "--how", "fill", "--format", "json"];
    let ended = lorgnette(&[&["blur", &astronaut, "--faces"][..], &options].concat()).well();
    let answer = &ended.json()[0];
    assert_eq!(answer["blurred"].as_array().unwrap().len(), 1);
    assert_eq!(answer["blurred"][0]["name"], "face");
    assert_eq!(answer["blurred"][0]["index"], serde_json::Value::Null);
    assert_eq!((&answer["face_scales"], &answer["scales"]), (&json!([1.0]), &json!([])));
    let bounds: Vec<usize> = serde_json::from_value(answer["blurred"][0]["box"].clone()).unwrap();
    let blurred = Picture::open(&out).unwrap().to_rgb8();
    // The box, and a fifth of its height around it.
    let margin = (bounds[3] - bounds[1]) / 5 - 1;
    for y in bounds[1] - margin..bounds[3] + margin {
        for x in [bounds[0] - margin / 2, bounds[0], bounds[2], bounds[2] + margin / 2] {
            let pixel = &blurred[3 * (y * 512 + x)..][..3];
            let is_corner = y < bounds[1] || y > bounds[3];
            assert!(is_corner || pixel == [0x80; 3], "{x}, {y}: {pixel:?}");
        }
        let middle = &blurred[3 * (y * 512 + usize::midpoint(bounds[0], bounds[2]))..][..3];
        assert_eq!(middle, [0x80; 3]);
    }
    let by_class = lorgnette(&[&["blur", &astronaut, "--class", "face"][..], &options].concat());
    assert_eq!(by_class.well().json()[0]["blurred"], answer["blurred"]);
}

#[test]
fn people_are_refused_in_one_sentence() {
    for name in ["person", "people", "man", "woman", "child"] {
        let folder = Folder::new();
        let (photo, out) = (photo("astronaut.jpg"), folder.text("a.png"));
        let ended = lorgnette(&["blur", &photo, "--class", name, "--out", &out]);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains("--faces") && ended.err.lines().count() == 1, "{}", ended.err);
        assert!(!folder.path("a.png").exists());
    }
}

#[test]
fn a_photo_behind_a_class_is_a_photo_and_more_names_are_classes() {
    let folder = Folder::new();
    let (cat, out) = (photo("chelsea.jpg"), folder.text("cat.png"));
    let behind = lorgnette(&["blur", "--class", "tabby", "Egyptian cat", &cat, "--out", &out]);
    let before = lorgnette(&[
        "blur",
        &cat,
        "--class",
        "tabby",
        "--class",
        "Egyptian cat",
        "--out",
        &folder.text("2.png"),
    ]);
    let (behind, before) = (behind.well().out, before.well().out);
    assert_eq!(
        behind.lines().skip(1).collect::<Vec<_>>(),
        before.lines().skip(1).collect::<Vec<_>>()
    );
    let unknown = lorgnette(&["blur", "--class", "tabby", "tobby", &cat, "--out", &out]);
    assert!(unknown.code == Some(2) && unknown.err.contains("tobby"), "{}", unknown.err);
    assert_eq!(lorgnette(&["blur", "--class", "tabby", "--out", &out]).code, Some(2));
}

#[test]
fn two_folders_keep_their_trees_apart_and_a_point_makes_no_file() {
    let folder = Folder::new()
        .with_photo("a/cat.jpg", "chelsea.jpg")
        .with_photo("b/deep/cat.jpg", "chelsea.jpg");
    let out = folder.text("x0.5");
    let folders = [folder.text("a"), folder.text("b")];
    lorgnette(&["blur", &folders[0], &folders[1], "--class", "tench", "--out", &out]).well();
    assert!(folder.path("x0.5/a/cat.jpg").is_file());
    assert!(folder.path("x0.5/b/deep/cat.jpg").is_file());
}

#[test]
fn a_shallow_search_is_a_warning_and_with_strict_a_failure() {
    let folder = Folder::new();
    let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/faces/scene.jpg");
    let (scene, out) = (scene.to_str().unwrap(), folder.text("scene.jpg"));
    let shallow = ["blur", scene, "--faces", "--no-pyramid", "--out", &out];
    let ended = lorgnette(&shallow).well();
    assert!(ended.err.contains("own size alone"), "{}", ended.err);
    assert_eq!(lorgnette(&[&shallow[..], &["--strict"]].concat()).code, Some(1));
    let deep = ["blur", scene, "--faces", "--out", &out, "--strict"];
    assert_eq!(lorgnette(&deep).well().err, "");
}
