//! `lorgnette train` and `features`: classes of one's own, from folders as bad as they come.

use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};
#[cfg(unix)]
use std::{
    thread,
    time::{Duration, Instant},
};

use lorgnette::Picture;
use serde_json::Value;

use crate::program::{Ended, Folder, lorgnette, photo, program};

/// A small photo of a colour, unlike those of other numbers.
fn coloured(path: &Path, colour: [u8; 3], number: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let level = |i: usize| colour[i % 3].wrapping_add((i * (2 * number + 1) % 251 / 10) as u8);
    Picture::from_rgb8(40, 30, (0..40 * 30 * 3).map(level).collect()).unwrap().save(path).unwrap();
}

/// So many photos each of red and of blue things.
fn reds_and_blues(folder: &Folder, count: usize) {
    for number in 0..count {
        coloured(&folder.path(&format!("photos/red things/{number}.png")), [190, 20, 20], number);
        coloured(&folder.path(&format!("photos/blau 🫐/{number}.png")), [20, 20, 190], number + 50);
    }
}

/// Trains with what the folder has, keeping features in it.
fn train(folder: &Folder, photos: &str, out: &str, more: &[&str]) -> Ended {
    let (photos, out, cache) = (folder.text(photos), folder.text(out), folder.text("cache"));
    lorgnette(&[&["train", &photos, "--out", &out, "--cache", &cache], more].concat())
}

fn summary(ended: &Ended) -> Value {
    serde_json::from_str(ended.out.trim()).unwrap()
}

#[test]
fn a_trained_model_is_used_like_any_other() {
    let folder = Folder::new();
    reds_and_blues(&folder, 14);
    let ended = train(&folder, "photos", "model", &["--format", "json"]).well();
    let report = summary(&ended);
    assert_eq!(report["classes"], serde_json::json!(["blau 🫐", "red things"]));
    assert_eq!(report["metrics"]["test_accuracy"], 1.0);
    for file in [
        "model.json",
        "weights.npy",
        "labels.txt",
        "split.csv",
        "left_out.csv",
        "epochs.csv",
        "report.html",
    ] {
        assert!(folder.path("model").join(file).is_file(), "{file}");
    }
    assert!(!folder.path("model/training.state").exists());
    let model = folder.text("model");
    let answer = &lorgnette(&[
        "classify",
        &folder.text("photos/red things/3.png"),
        "--model",
        &model,
        "--format",
        "json",
    ])
    .well()
    .json()[0];
    assert_eq!(
        (&answer["predictions"][0]["name"], &answer["model"]),
        (&"red things".into(), &"model".into())
    );
    let features = lorgnette(&["embed", &photo("chelsea.jpg"), "--model", &model]).well().json();
    assert_eq!(features[0]["embedding"].as_array().unwrap().len(), 1024);
    lorgnette(&["map", &photo("chelsea.jpg"), "--model", &model, "--format", "json"]).well();
    lorgnette(&["explain", "--model", &model]).well();
    // The folder is not written over unless asked to.
    let ended = train(&folder, "photos", "model", &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--resume") && ended.err.contains("--overwrite"), "{}", ended.err);
    train(&folder, "photos", "model", &["--overwrite"]).well();
}

/// Everything of a model but its name, which is its folder's.
fn bits(folder: &Path) -> (Vec<u8>, Vec<u8>, String) {
    let card = fs::read_to_string(folder.join("model.json")).unwrap();
    let without_name = card.lines().filter(|line| !line.contains("\"name\"")).collect();
    (
        fs::read(folder.join("weights.npy")).unwrap(),
        fs::read(folder.join("biases.npy")).unwrap(),
        without_name,
    )
}

#[test]
fn neither_threads_nor_places_change_a_bit() {
    let folder = Folder::new();
    reds_and_blues(&folder, 12);
    train(&folder, "photos", "one", &["--threads", "1"]).well();
    train(&folder, "photos", "three", &["--threads", "3", "--overwrite"]).well();
    assert_eq!(bits(&folder.path("one")), bits(&folder.path("three")));
    fs::rename(folder.path("photos"), folder.path("moved")).unwrap();
    fs::rename(folder.path("moved/red things/1.png"), folder.path("moved/red things/zz.png"))
        .unwrap();
    train(&folder, "moved", "moved model", &[]).well();
    assert_eq!(bits(&folder.path("one")), bits(&folder.path("moved model")));
}

#[test]
fn a_model_grows_without_computing_again() {
    let folder = Folder::new();
    reds_and_blues(&folder, 12);
    train(&folder, "photos", "first", &[]).well();
    (0..12).for_each(|n| coloured(&folder.path(&format!("more/grün/{n}.png")), [20, 180, 20], n));
    let grown = train(
        &folder,
        "more",
        "grown",
        &["--from", &folder.text("first"), "--verbose", "--format", "json"],
    )
    .well();
    assert_eq!(summary(&grown)["classes"], serde_json::json!(["blau 🫐", "red things", "grün"]));
    assert!(grown.err.contains("features of 36 photos, 12 of them computed"), "{}", grown.err);
    // What was for test stays for test.
    let splits = |model: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.path(model).join("split.csv")).unwrap();
        text.lines().filter(|line| !line.contains("more")).map(str::to_owned).collect()
    };
    assert_eq!(splits("first"), splits("grown"));
}

/// Photos and what is none, in the folder `photos`; gives what each must be called when it is left
/// out.
fn the_worst_folder(folder: &Folder) -> Vec<(&'static str, &'static str)> {
    reds_and_blues(folder, 10);
    let put = |name: &str, content: &[u8]| {
        let path = folder.path("photos").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let chelsea = fs::read(photo("chelsea.jpg")).unwrap();
    put("red things/cut off.jpg", &chelsea[..chelsea.len() / 2]);
    put("red things/empty.jpg", b"");
    put("red things/text.jpg", b"dear diary");
    // Headers that promise 60000 × 60000 pixels: of a PNG, and of a JPEG at its start of frame.
    let mut huge = fs::read(folder.path("photos/red things/1.png")).unwrap();
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    put("red things/huge.png", &huge);
    let mut huge = chelsea.clone();
    let frame = huge
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0] || marker == [0xff, 0xc2])
        .unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    put("red things/huge.jpg", &huge);
    let cmyk =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/photos/cmyk_adobe.jpg");
    put("red things/printed 🖨️ ﷽.jpg", &fs::read(cmyk).unwrap());
    fs::copy(folder.path("photos/red things/2.png"), folder.path("photos/blau 🫐/two.png"))
        .unwrap();
    fs::copy(folder.path("photos/red things/3.png"), folder.path("photos/red things/three.png"))
        .unwrap();
    put("one alone/cat.jpg", &chelsea);
    fs::create_dir_all(folder.path("photos/nothing at all")).unwrap();
    fs::create_dir_all(folder.path("photos/red things/album.jpg")).unwrap();
    put("red things/deeper/rocket.jpg", &fs::read(photo("rocket.jpg")).unwrap());
    put("beside.jpg", b"no matter");
    put("notes.txt", b"not a photo");
    vec![
        ("cut off.jpg", "unreadable"),
        ("empty.jpg", "unreadable"),
        ("text.jpg", "unreadable"),
        ("huge.png", "unreadable"),
        ("huge.jpg", "unreadable"),
        ("two.png", "contradictory"),
        ("red things/2.png", "contradictory"),
        ("three.png", "duplicate"),
        ("album.jpg", "misplaced"),
        ("rocket.jpg", "misplaced"),
        ("beside.jpg", "misplaced"),
    ]
}

/// What only Unix has: links, pipes, permissions.
#[cfg(unix)]
fn worse_still(folder: &Folder) -> Vec<(&'static str, &'static str)> {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let within = |name: &str| folder.path("photos/red things").join(name);
    symlink(folder.path("photos"), within("round")).unwrap();
    symlink("nowhere.jpg", within("gone.jpg")).unwrap();
    let mut faults = vec![("round", "misplaced"), ("gone.jpg", "unreadable")];
    if std::process::Command::new("mkfifo")
        .arg(within("pipe.jpg"))
        .status()
        .is_ok_and(|status| status.success())
    {
        faults.push(("pipe.jpg", "unreadable"));
    }
    coloured(&within("secret.png"), [99, 30, 30], 77);
    fs::set_permissions(within("secret.png"), fs::Permissions::from_mode(0o000)).unwrap();
    match fs::read(within("secret.png")) {
        Err(_) => faults.push(("secret.png", "unreadable")),
        Ok(_) => println!(
            "secret.png: its owner may do everything, so a file without permissions is not shown here"
        ),
    }
    faults
}

#[cfg(not(unix))]
fn worse_still(_: &Folder) -> Vec<(&'static str, &'static str)> {
    Vec::new()
}

#[test]
fn the_worst_folder_there_is_gives_a_report_and_a_model() {
    let folder = Folder::new();
    let faults = [the_worst_folder(&folder), worse_still(&folder)].concat();
    let ended = train(&folder, "photos", "model", &["--format", "json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(
        summary(&ended)["classes"],
        serde_json::json!(["blau 🫐", "one alone", "red things"])
    );
    assert_eq!(summary(&ended)["left_out"], faults.len());
    let mut lines = csv::Reader::from_path(folder.path("model/left_out.csv")).unwrap();
    let left_out: Vec<[String; 3]> = lines.deserialize().collect::<Result<_, _>>().unwrap();
    for (name, kind) in faults {
        let fault = left_out
            .iter()
            .find(|[path, ..]| path.ends_with(name))
            .unwrap_or_else(|| panic!("{name}"));
        assert!(fault[1] == kind && fault[2].contains(&fault[0]), "{name}: {fault:?}");
        assert!(ended.err.contains(&fault[2]), "{name}: {}", ended.err);
    }
    assert!(
        ended.err.contains("'nothing at all'") && ended.err.contains("'one alone'"),
        "{}",
        ended.err
    );
    // What is only unusual is used.
    let used = fs::read_to_string(folder.path("model/split.csv")).unwrap();
    assert!(used.contains("printed 🖨️ ﷽.jpg") && used.contains("cat.jpg"), "{used}");
    assert!(
        folder.path("model/report.html").is_file() && folder.path("model/model.json").is_file()
    );
    let strict = train(&folder, "photos", "other", &["--strict"]);
    assert_eq!(strict.code, Some(2));
    assert!(strict.err.contains("--strict"), "{}", strict.err);
}

#[test]
fn lists_have_any_label_and_photos_several() {
    let folder = Folder::new();
    reds_and_blues(&folder, 10);
    let mut list = String::from("path,label\n");
    for number in 0..10 {
        list += &format!(
            "photos/red things/{number}.png,\"colour/red, warm|thing\"\nphotos/blau 🫐/{number}.png,thing\n"
        );
    }
    fs::write(folder.path("list.csv"), list).unwrap();
    let ended = train(&folder, "list.csv", "tags", &["--multi-label", "--format", "json"]).well();
    assert_eq!(summary(&ended)["classes"], serde_json::json!(["colour/red, warm", "thing"]));
    let answer = &lorgnette(&[
        "classify",
        &folder.text("photos/red things/3.png"),
        "--model",
        &folder.text("tags"),
        "--format",
        "json",
    ])
    .well()
    .json()[0];
    assert!(
        answer["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|prediction| prediction["probability"].as_f64().unwrap() > 0.5)
    );
}

#[test]
fn what_cannot_be_trained_says_why() {
    let folder = Folder::new();
    reds_and_blues(&folder, 2);
    let fails = |photos: &str, more: &[&str], words: &str| {
        let ended = train(&folder, photos, "model", more);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(words), "{}", ended.err);
    };
    fails("nowhere", &[], "nowhere");
    fails("photos/red things", &[], "no photos in folders here");
    fails("photos", &["--test-percentage", "99"], "below 100 %");
    fails("photos", &["--group", "("], "--group (");
    fails("photos", &["--features", "no_such"], "no_such");
    fs::remove_dir_all(folder.path("photos/red things")).unwrap();
    fails("photos", &[], "only 'blau 🫐'");
}

#[test]
fn cached_features_are_shown_and_pruned() {
    let folder = Folder::new();
    reds_and_blues(&folder, 6);
    train(&folder, "photos", "model", &["--flip", "--copies", "1"]).well();
    let cache = folder.text("cache");
    let shown = lorgnette(&["features", "show", "--cache", &cache]).well();
    assert!(shown.out.contains("of 12 photos"), "{}", shown.out);
    fs::remove_dir_all(folder.path("photos/red things")).unwrap();
    let pruned =
        lorgnette(&["features", "prune", "--keep", &folder.text("photos"), "--cache", &cache])
            .well();
    assert!(pruned.out.contains("of 6 photos"), "{}", pruned.out);
    let pruned = lorgnette(&["features", "prune", "--all", "--cache", &cache]).well();
    assert!(pruned.out.contains("0 records"), "{}", pruned.out);
    assert_eq!(lorgnette(&["features", "prune", "--cache", &cache]).code, Some(2));
}

/// Writes the files that retrain.py would have cached, with the network's input prepared as
/// `options` say.
fn bottlenecks_of(folder: &Folder, options: &[&str]) {
    let photos = folder.text("photos");
    let embedded = lorgnette(&[&["embed", &photos], options].concat()).well().json();
    for photo in &embedded {
        let path = Path::new(photo["photo"].as_str().unwrap());
        let class = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let values: Vec<String> =
            photo["embedding"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let file = folder
            .path("bottlenecks")
            .join(class)
            .join(format!("{}.txt", path.file_name().unwrap().to_str().unwrap()));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, values.join(",")).unwrap();
    }
}

#[test]
fn values_that_retrain_py_cached_are_imported() {
    let folder = Folder::new();
    reds_and_blues(&folder, 8);
    bottlenecks_of(&folder, &["--preprocess", "inception"]);
    fs::write(folder.path("bottlenecks/red things/3.png.txt"), "0.5,0.2").unwrap();
    fs::remove_file(folder.path("bottlenecks/red things/4.png.txt")).unwrap();
    let (bottlenecks, photos, cache) =
        (folder.text("bottlenecks"), folder.text("photos"), folder.text("cache"));
    let ended = lorgnette(&["features", "import", &bottlenecks, &photos, "--cache", &cache]);
    assert_eq!(ended.code, Some(1), "one file was refused");
    assert!(ended.err.contains("14 photos imported, 1 without a file, 1 refused"), "{}", ended.err);
    let ended = train(&folder, "photos", "model", &["--verbose"]).well();
    assert!(ended.err.contains("16 photos, 2 of them computed"), "{}", ended.err);
}

#[test]
fn values_of_another_preprocessing_are_refused_and_it_is_named() {
    let folder = Folder::new();
    reds_and_blues(&folder, 4);
    bottlenecks_of(&folder, &["--preprocess", "caffe"]);
    let (bottlenecks, photos, cache) =
        (folder.text("bottlenecks"), folder.text("photos"), folder.text("cache"));
    let import = ["features", "import", &bottlenecks, &photos, "--cache", &cache];
    let ended = lorgnette(&import);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("nothing imported") && ended.err.contains("--preprocess caffe"),
        "{}",
        ended.err
    );
    let shown = lorgnette(&["features", "show", "--cache", &cache]).well();
    assert!(shown.out.contains("0 records"), "{}", shown.out);
    lorgnette(&[&import[..], &["--preprocess", "caffe"]].concat()).well();
    // Those of one class are of another preprocessing than those of the other.
    let mixed = folder.path("mixed");
    fs::rename(folder.path("bottlenecks"), &mixed).unwrap();
    bottlenecks_of(&folder, &["--preprocess", "inception"]);
    fs::remove_dir_all(folder.path("bottlenecks/red things")).unwrap();
    fs::rename(mixed.join("red things"), folder.path("bottlenecks/red things")).unwrap();
    let ended = lorgnette(&import);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("the values of ") && ended.err.contains("red things"),
        "{}",
        ended.err
    );
    // The other order of channels.
    fs::remove_dir_all(folder.path("bottlenecks")).unwrap();
    bottlenecks_of(&folder, &["--channels", "bgr"]);
    let ended = lorgnette(&import);
    assert!(
        ended.code == Some(2) && ended.err.contains("--preprocess inception --channels bgr"),
        "{}",
        ended.err
    );
    // Values of nothing that is known.
    for entry in fs::read_dir(folder.path("bottlenecks/red things")).unwrap() {
        let values: Vec<String> = (0..1024).map(|n| format!("{}", n % 7)).collect();
        fs::write(entry.unwrap().path(), values.join(",")).unwrap();
    }
    fs::remove_dir_all(folder.path("bottlenecks/blau 🫐")).unwrap();
    let ended = lorgnette(&import);
    assert!(
        ended.code == Some(2) && ended.err.contains("every other preprocessing"),
        "{}",
        ended.err
    );
    // No values at all.
    fs::remove_dir_all(folder.path("bottlenecks/red things")).unwrap();
    let ended = lorgnette(&import);
    assert!(
        ended.code == Some(2) && ended.err.contains("8 photos without a file of values"),
        "{}",
        ended.err
    );
}

#[test]
fn folders_of_splits_may_lie_beside_others_and_names_be_decomposed() {
    let folder = Folder::new();
    for number in 0..8 {
        // One class, by its composed and its decomposed name.
        let half = |letters: [&'static str; 2]| letters[number % 2];
        let cafe = half(["caf\u{e9}", "cafe\u{301}"]);
        let split = if number < 5 { "train" } else { "val" };
        let place = |class: &str| folder.path(&format!("photos/{split}/{class}/{number}.png"));
        coloured(&place(cafe), [190, 20, 20], number);
        coloured(&place("th\u{e9}"), [20, 20, 190], number + 50);
    }
    coloured(&folder.path("photos/drafts/x.png"), [3, 3, 3], 99);
    fs::write(folder.path("photos/train/notes.txt"), "text").unwrap();
    let ended = train(&folder, "photos", "model", &["--format", "json"]).well();
    let report = summary(&ended);
    assert_eq!(report["classes"], serde_json::json!(["caf\u{e9}", "th\u{e9}"]));
    assert_eq!(report["passed_over"]["files"]["txt"], 1);
    assert_eq!(report["left_out"], 1);
    assert!(
        ended.err.contains("drafts") && ended.err.contains("passed over: 1 .txt"),
        "{}",
        ended.err
    );
    let left_out = fs::read_to_string(folder.path("model/left_out.csv")).unwrap();
    assert!(left_out.contains("drafts") && left_out.contains("*.txt"), "{left_out}");
    // Photos that lie there twice are no failure; with --strict they are.
    fs::copy(
        folder.path("photos/train/th\u{e9}/0.png"),
        folder.path("photos/train/th\u{e9}/00.png"),
    )
    .unwrap();
    let twice = train(&folder, "photos", "again", &[]).well();
    assert!(twice.err.contains("1 duplicate"), "{}", twice.err);
    assert_eq!(train(&folder, "photos", "strict", &["--strict"]).code, Some(2));
}

/// A checkpoint of a trained model has its head, which is found again.
#[test]
fn a_trained_model_is_the_same_from_its_checkpoint() {
    let folder = Folder::new();
    reds_and_blues(&folder, 12);
    train(&folder, "photos", "model", &[]).well();
    let (model, checkpoint) = (folder.text("model"), folder.text("out/model.ckpt"));
    lorgnette(&["export", &model, "--to", "checkpoint", "--out", &checkpoint]).well();
    let photo = folder.text("photos/red things/3.png");
    let best = |model: &str| {
        let ended = lorgnette(&["classify", &photo, "--model", model, "--format", "json"]).well();
        let best = ended.json()[0]["predictions"][0].clone();
        (best["name"].as_str().unwrap().to_owned(), best["probability"].as_f64().unwrap())
    };
    let ((name, probability), (again, other)) = (best(&model), best(&checkpoint));
    assert_eq!((name.as_str(), again.as_str()), ("red things", "red things"));
    assert!((probability - other).abs() < 1e-4, "{probability}, {other}");
}

/// The terminal's accuracies and losses are those of the report, of model.json and of JSON.
#[test]
fn the_report_says_what_the_terminal_says() {
    let folder = Folder::new();
    reds_and_blues(&folder, 14);
    let ended = train(&folder, "photos", "model", &[]).well();
    let report = fs::read_to_string(folder.path("model/report.html")).unwrap();
    let card: Value =
        serde_json::from_slice(&fs::read(folder.path("model/model.json")).unwrap()).unwrap();
    for split in ["training", "validation", "test"] {
        let line = ended.out.lines().find(|line| line.starts_with(split)).unwrap();
        let loss = line.rsplit(' ').next().unwrap();
        let percent = line.split_whitespace().nth(1).unwrap();
        let row = report.lines().find(|row| row.contains(&format!("<td>{split}</td>"))).unwrap();
        assert!(row.contains(&format!("<td>{loss}</td>")), "{line}: {row}");
        assert!(row.contains(&format!("<td>{percent} %</td>")), "{line}: {row}");
        let noted = card["metrics"][format!("{split}_loss")].as_f64().unwrap();
        assert_eq!(format!("{noted:.4}"), loss);
    }
    assert!(report.contains(" in all"), "all photos are counted");
}

#[test]
fn folds_and_recipes_have_their_files() {
    let folder = Folder::new();
    reds_and_blues(&folder, 12);
    let trace = folder.text("trace");
    let ended = train(
        &folder,
        "photos",
        "model",
        &["--recipe", "tutorial", "--steps", "30", "--trace", &trace, "--folds", "3"],
    )
    .well();
    assert!(ended.err.contains("cross-validation: accuracy"), "{}", ended.err);
    assert_eq!(fs::read_to_string(folder.path("model/folds.csv")).unwrap().lines().count(), 4);
    assert_eq!(fs::read_to_string(folder.path("trace/steps.csv")).unwrap().lines().count(), 31);
    assert!(
        folder.path("trace/initial_weights.npy").is_file()
            && folder.path("trace/test_features.npy").is_file()
    );
}

/// The second of two processes that train into one folder is refused while the first is at work,
/// and the folder is the first one's, to the bit.
#[test]
fn two_processes_do_not_mix_their_models_in_one_folder() {
    let folder = Folder::new();
    reds_and_blues(&folder, 14);
    train(&folder, "photos", "undisturbed", &[]).well();
    let (photos, out, cache) =
        (folder.text("photos"), folder.text("model"), folder.text("another cache"));
    let words = ["train", &photos, "--out", &out, "--cache", &cache, "--overwrite"];
    let mut first = program(&words);
    first.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut first = first.spawn().unwrap();
    // The lock is held before the cache is opened, but not yet when its file is there.
    while !folder.path("another cache").exists() {
        assert!(first.try_wait().unwrap().is_none(), "it ended without a cache");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let second = train(&folder, "photos", "model", &["--overwrite", "--seed", "7"]);
    let first_is_running = first.try_wait().unwrap().is_none();
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(first_is_running, "the first ended before the second was refused");
    assert_eq!(second.code, Some(2), "{}", second.err);
    assert!(second.err.contains("another training is writing this folder"), "{}", second.err);
    for file in ["weights.npy", "biases.npy", "labels.txt", "split.csv"] {
        let read = |model: &str| fs::read(folder.path(model).join(file)).unwrap();
        assert_eq!(read("model"), read("undisturbed"), "{file}");
    }
    lorgnette(&["classify", &photo("coffee.jpg"), "--model", &out]).well();
}

/// TF-Slim's flowers: three files of records whose labels begin at 0, with names beside them.
#[test]
fn a_model_is_trained_on_records() {
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/records.tar.gz");
    let packed = flate2::read::GzDecoder::new(fs::File::open(records).unwrap());
    let folder = Folder::new();
    tar::Archive::new(packed).unpack(folder.path("")).unwrap();
    let ended = train(&folder, "slim", "model", &["--format", "json"]).well();
    let report = summary(&ended);
    let flowers = ["daisy", "dandelion", "roses", "sunflowers", "tulips"];
    assert_eq!(report["classes"], serde_json::json!(flowers));
    assert!(ended.err.contains("count from 0: 0 is 'daisy'"), "{}", ended.err);
    assert_eq!(report["photos"]["validation"], 5, "{report}");
    assert_eq!(report["left_out"], 0, "{report}");
    let (model, slim) = (folder.text("model"), folder.text("slim"));
    let arguments = ["evaluate", &model, &slim, "--split", "validation", "--format", "json"];
    let evaluation = &lorgnette(&arguments).well().json()[0];
    assert_eq!(evaluation["photos"], 5);
}

/// What `classify` calls unknown is nothing in a library.
#[test]
fn what_a_trained_model_does_not_know_is_not_stored_in_a_library() {
    let folder = Folder::new().with_photo("mixed/cat.jpg", "chelsea.jpg");
    reds_and_blues(&folder, 14);
    train(&folder, "photos", "model", &[]).well();
    coloured(&folder.path("mixed/red.png"), [190, 20, 20], 99);
    let model = folder.text("model");
    let classified = |file: &str| {
        let words = ["classify", &folder.text(file), "--model", &model, "--format", "json"];
        lorgnette(&words).well().json().remove(0)
    };
    let probability =
        |file: &str| classified(file)["predictions"][0]["probability"].as_f64().unwrap();
    let (cat, red) = (probability("mixed/cat.jpg"), probability("mixed/red.png"));
    assert!(cat < red, "{cat} {red}");
    // Above the cat's, and then below it.
    let set_threshold = |threshold: f64| {
        let path = folder.path("model/model.json");
        let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(card["calibration"].is_object(), "{card}");
        card["calibration"]["unknown_below"] = threshold.into();
        fs::write(path, card.to_string()).unwrap();
    };
    let library = folder.text("mixed.lgn");
    let findings = |file: &str| {
        let words = ["library", "show", &folder.text(file), "--format", "json"];
        let shown = lorgnette(&[&words[..], &["--library", &library]].concat()).well().json();
        shown[0]["findings"].as_array().unwrap().len()
    };
    let index = || {
        let words = ["index", &folder.text("mixed"), "--library", &library, "--model", &model];
        lorgnette(&words).well();
    };
    set_threshold((cat + red) / 2.0);
    assert_eq!(classified("mixed/cat.jpg")["unknown"], true);
    index();
    assert_eq!(findings("mixed/cat.jpg"), 0);
    assert!(findings("mixed/red.png") > 0);
    set_threshold(0.0);
    index();
    assert!(findings("mixed/cat.jpg") > 0);
}

/// Ctrl-C has one exit code, as documented, whatever a training has done so far.
#[cfg(unix)]
#[test]
fn an_interrupted_training_ends_as_ctrl_c_does() {
    let folder = Folder::new();
    reds_and_blues(&folder, 14);
    let (photos, out, cache) = (folder.text("photos"), folder.text("model"), folder.text("cache"));
    let arguments =
        ["train", &photos, "--out", &out, "--cache", &cache, "--flip", "--copies", "2000"];
    let mut command = program(&arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // Ctrl-C is heeded before the folder is locked.
    let started = Instant::now();
    while !folder.path("model/.lock").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the training does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(130) && said.contains("interrupted"), "{said}");
}
