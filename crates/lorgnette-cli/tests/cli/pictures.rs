//! `--picture` and `--show-input`: files that can be looked at, none of them lost.

use lorgnette::Picture;
use lorgnette::picture::PictureFormat;

use crate::program::{Folder, lorgnette, lorgnette_reading, photo};

#[test]
fn one_photo_gives_one_file_of_the_kind_its_name_says() {
    let folder = Folder::new();
    let (named, seen) = (folder.text("named.jpg"), folder.text("seen.png"));
    lorgnette(&["classify", &photo("chelsea.jpg"), "--picture", &named, "--show-input", &seen])
        .well();
    let (named, seen) = (Picture::open(named).unwrap(), Picture::open(seen).unwrap());
    assert_eq!(
        (named.format(), named.width(), named.height()),
        (Some(PictureFormat::Jpeg), 451, 300)
    );
    assert_eq!((seen.format(), seen.width()), (Some(PictureFormat::Png), 448));
}

#[test]
fn several_photos_give_a_folder_named_after_them() {
    let folder =
        Folder::new().with_photo("a/cat.jpg", "chelsea.jpg").with_photo("b/cat.jpg", "coffee.jpg");
    let ended = lorgnette(&[
        "classify",
        &folder.text("a"),
        &folder.text("b"),
        "--picture",
        &folder.text("new/named"),
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let width = |name: &str| Picture::open(folder.path(name)).unwrap().width();
    assert_eq!((width("new/named/a/cat.jpg"), width("new/named/b/cat.jpg")), (451, 600));
}

#[test]
fn both_may_go_to_one_folder() {
    let folder = Folder::new();
    let out = folder.text("");
    lorgnette_reading(
        &["classify", "-", "--picture", &out, "--show-input", &out],
        &std::fs::read(photo("chelsea.jpg")).unwrap(),
    )
    .well();
    let width = |name: &str| Picture::open(folder.path(name)).unwrap().width();
    assert_eq!((width("stdin.png"), width("stdin-2.png")), (451, 448));
}

#[test]
fn a_photo_is_never_overwritten() {
    let folder =
        Folder::new().with_photo("cat.png", "chelsea.jpg").with_photo("dog.jpg", "coffee.jpg");
    let cat = folder.text("cat.png");
    let before = std::fs::read(&cat).unwrap();
    let ended = lorgnette(&["classify", &cat, "--picture", &cat]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("overwrite"), "{}", ended.err);
    lorgnette(&["classify", &folder.text(""), "--picture", &folder.text("")]).well();
    assert!(folder.path("cat-2.png").exists() && folder.path("dog-2.jpg").exists());
    assert_eq!(std::fs::read(&cat).unwrap(), before);
}

#[test]
fn a_place_that_does_not_suit_is_refused_at_once() {
    let refused = |photos: &str, out: &str| {
        let ended = lorgnette(&["classify", photos, "--picture", out]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{out}");
        assert!(ended.err.contains(out), "{}", ended.err);
        ended.err
    };
    assert!(refused(&photo("chelsea.jpg"), "x.gif").contains(".png or .jpg"));
    assert!(refused(&photo(""), "x.png").contains("4 photos: name a folder"));
    assert!(
        refused(&photo("chelsea.jpg"), "/nowhere/at/all/cat.png")
            .contains("there is no folder /nowhere/at/all")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_picture_that_cannot_be_written_fails_its_photo() {
    // There everybody may look, and nobody may write.
    let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--picture", "/proc/cat.png"]);
    assert_eq!(ended.code, Some(2), "the only photo failed");
    assert!(
        ended.err.contains("chelsea.jpg") && ended.err.contains("/proc/cat.png"),
        "{}",
        ended.err
    );
}

#[test]
fn a_photo_and_its_film_are_one_photo() {
    let film = b"\0\0\0\x18ftypqt  \0\0\0\0qt  moov";
    let motion = [std::fs::read(photo("coffee.jpg")).unwrap(), film.to_vec()].concat();
    let containers = concat!(env!("CARGO_MANIFEST_DIR"), "/../lorgnette/tests/containers");
    let two_pictures = std::fs::read(format!("{containers}/two_pictures.mpo")).unwrap();
    let folder = Folder::new()
        .with_photo("in/live.jpg", "chelsea.jpg")
        .with("in/live.MOV", film)
        .with("in/motion.jpg", &motion)
        .with("in/two_pictures.mpo", &two_pictures);
    let (place, library) = (folder.text("in"), folder.text("library.lgn"));
    let index = ["index", &place, "--library", &library, "--map-side", "0", "--format", "json"];
    let report = &lorgnette(&index).well().json()[0];
    assert_eq!((&report["found"], &report["analysed"]), (&3.into(), &3.into()));
    assert_eq!(report["skipped"], serde_json::json!({"mov": 1}));
}
