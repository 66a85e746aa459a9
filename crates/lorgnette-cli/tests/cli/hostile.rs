//! Files and moments that are chosen to do harm: what the program does then is an error with a
//! sentence, or right.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lorgnette::Picture;
use lorgnette::trained::TrainedModel;

use crate::program::{Ended, Folder, end, field, lorgnette, photo, program, varint};

/// The embedded network as a file, with eight bytes at `at` that are no number.
fn without_number(folder: &Folder, at: usize) -> String {
    let network =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/models/mobilenet_v1_1.0_224.pb");
    let mut bytes = fs::read(network).unwrap();
    bytes[at..at + 8].fill(0xff);
    let path = folder.text(&format!("mobilenet_v1_{at}.pb"));
    fs::write(&path, bytes).unwrap();
    path
}

/// A small photo of a colour, unlike those of other numbers.
fn coloured(path: &Path, colour: [u8; 3], number: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let level = |i: usize| colour[i % 3].wrapping_add((i * (2 * number + 1) % 251 / 10) as u8);
    Picture::from_rgb8(40, 30, (0..40 * 30 * 3).map(level).collect()).unwrap().save(path).unwrap();
}

/// Twelve photos of each of two classes.
fn two_classes(folder: &Folder, place: &str, names: [&str; 2]) {
    for number in 0..12 {
        for (name, colour) in names.iter().zip([[190, 20, 20], [20, 20, 190]]) {
            let path = folder.path(&format!("{place}/{name}/{number}.png"));
            coloured(&path, colour, number + 50 * usize::from(colour[0] == 20));
        }
    }
}

/// The arguments of a training of the photos in `place`.
fn training(folder: &Folder, place: &str, more: &[&str]) -> Vec<String> {
    let (photos, out, cache) = (folder.text(place), folder.text("model"), folder.text("cache"));
    let fixed = ["train", &photos, "--out", &out, "--cache", &cache, "--quiet"];
    fixed.iter().chain(more).map(|&argument| argument.to_owned()).collect()
}

fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn begun(arguments: &[String]) -> Child {
    let mut command = program(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn values_that_are_not_finite_are_an_error_in_every_verb() {
    let folder = Folder::new().with_photo("photos/tabby/chelsea.jpg", "chelsea.jpg");
    two_classes(&folder, "classes", ["red", "blue"]);
    let (photos, chelsea) = (folder.text("photos"), folder.text("photos/tabby/chelsea.jpg"));
    let (library, copy) = (folder.text("photos.lgn"), folder.text("copy.jpg"));
    // In the classification layer, and in the layers before it.
    let (last, first) = (without_number(&folder, 15_000_000), without_number(&folder, 8_000_000));
    let cases: [(&[&str], &str); 6] = [
        (&["classify", &chelsea], &last),
        (&["map", &chelsea], &last),
        (&["blur", &chelsea, "--class", "cat", "--out", &copy], &last),
        (&["index", &photos, "--library", &library], &last),
        (&["evaluate", &last, &photos], &last),
        (&["embed", &chelsea], &first),
    ];
    for (arguments, model) in cases {
        let ended = lorgnette(&[arguments, &["--model", model]].concat());
        assert!(ended.code == Some(1) || ended.code == Some(2), "{arguments:?}: {}", ended.err);
        // JSON has the error in the answer's place.
        let text = ended.out + &ended.err;
        assert!(text.contains("not finite"), "{arguments:?}: {text}");
        assert!(!text.contains("NaN") && !text.contains("null"), "{text}");
    }
    assert!(!folder.path("copy.jpg").exists(), "a photo is not copied without a look at it");
    let ended = lorgnette(&training(&folder, "classes", &["--model", &first]));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}

/// Killed at moments spread over a whole run, a training leaves the old model or the new one.
#[test]
fn a_training_that_is_killed_leaves_a_whole_model() {
    const MOMENTS: u32 = 12;
    let folder = Folder::new();
    two_classes(&folder, "old", ["old red", "old blue"]);
    two_classes(&folder, "new", ["new red", "new blue"]);
    lorgnette(&training(&folder, "old", &[])).well();
    let again = |place: &str| training(&folder, place, &["--overwrite"]);
    let started = Instant::now();
    lorgnette(&again("new")).well();
    let whole = started.elapsed();
    lorgnette(&again("old")).well();
    let model = folder.path("model");
    for moment in 0..MOMENTS {
        let place = ["new", "old"][moment as usize % 2];
        let mut child = begun(&again(place));
        sleep(whole * moment / MOMENTS);
        child.kill().unwrap();
        child.wait().unwrap();
        let TrainedModel { card, .. } = TrainedModel::read(&model).unwrap();
        let of = card.classes[0].split(' ').next().unwrap().to_owned();
        assert_eq!(card.classes, [format!("{of} blue"), format!("{of} red")]);
        let place = folder.text(&of);
        let split = ["--split", "test", "--format", "json"];
        let evaluated =
            lorgnette(&[&["evaluate", model.to_str().unwrap(), &place], &split[..]].concat());
        assert_eq!(evaluated.well().json()[0]["accuracy"], 1.0);
        let committed = model.join(".lorgnette-commit/report.html");
        let report = if committed.exists() { committed } else { model.join("report.html") };
        let report = fs::read_to_string(report).unwrap();
        for name in ["old", "new"] {
            assert_eq!(report.contains(&format!("{name} red")), name == of, "{name} {of}");
        }
    }
    lorgnette(&again("new")).well();
    let left = fs::read_dir(&model).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with(".lorgnette")), "{left:?}");
}

#[test]
fn of_two_trainings_at_once_one_is_told_to_wait() {
    let folder = Folder::new();
    two_classes(&folder, "one", ["a", "b"]);
    two_classes(&folder, "two", ["c", "d"]);
    let children = ["one", "two"].map(|place| begun(&training(&folder, place, &["--overwrite"])));
    let all = children.map(ended);
    let failed: Vec<&Ended> = all.iter().filter(|ended| ended.code != Some(0)).collect();
    for ended in &failed {
        assert!(ended.err.contains("another training"), "{}", ended.err);
    }
    assert!(failed.len() < 2);
    TrainedModel::read(&folder.path("model")).unwrap();
}

/// A disk that takes no report: its file is a folder.
#[test]
fn a_model_is_not_lost_with_its_report() {
    let folder = Folder::new().with("model/report.html/x", b"");
    let model = folder.path("model");
    // The second model replaces the first.
    for names in [["a", "b"], ["c", "d"]] {
        let place = names.concat();
        two_classes(&folder, &place, names);
        let ended = lorgnette(&training(&folder, &place, &["--overwrite"]));
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains("model/report.html: there is a folder"), "{}", ended.err);
        assert_eq!(TrainedModel::read(&model).unwrap().card.classes, names);
    }
}

/// A model that cannot take its place does not take the checkpoint with it.
#[test]
fn a_checkpoint_goes_after_its_model_is_in_its_place() {
    let folder = Folder::new()
        .with("model/weights.npy/x", b"")
        .with("model/training.state", b"a checkpoint");
    let state = folder.path("model/training.state");
    two_classes(&folder, "photos", ["a", "b"]);
    let ended = lorgnette(&training(&folder, "photos", &["--overwrite"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("weights.npy: there is a folder"), "{}", ended.err);
    assert_eq!(fs::read(&state).unwrap(), b"a checkpoint");
    fs::remove_dir_all(folder.path("model/weights.npy")).unwrap();
    lorgnette(&training(&folder, "photos", &["--overwrite"])).well();
    assert!(!state.exists());
}

/// A model of other options leaves no file of the one before beside it.
#[test]
fn a_report_is_of_the_model_beside_it() {
    let folder = Folder::new();
    two_classes(&folder, "photos", ["a", "b"]);
    let names = || {
        let model = folder.path("model");
        let places = [model.clone(), model.join("tensorboard/test")];
        let mut names = Vec::new();
        for entry in places.iter().flat_map(|place| fs::read_dir(place).unwrap().flatten()) {
            names.push(entry.file_name().into_string().unwrap());
        }
        names
    };
    let more = ["--hidden", "8", "--recipe", "tutorial", "--steps", "20", "--folds", "3"];
    lorgnette(&training(&folder, "photos", &more)).well();
    let before = names();
    for name in ["hidden_weights.npy", "folds.csv", "curves.png", "report.html"] {
        assert!(before.iter().any(|found| found == name), "{name}: {before:?}");
    }
    fs::write(folder.path("model/notes.txt"), "mine").unwrap();
    lorgnette(&training(&folder, "photos", &["--overwrite"])).well();
    let after = names();
    for name in ["hidden_weights.npy", "hidden_biases.npy", "folds.csv"] {
        assert!(!after.iter().any(|found| found == name), "{name}: {after:?}");
    }
    assert!(after.iter().any(|name| name == "notes.txt"), "{after:?}");
    let is_event_file = |name: &&String| name.starts_with("events.out.tfevents");
    assert_eq!(after.iter().filter(is_event_file).count(), 1, "{after:?}");
}

#[test]
fn two_first_indexings_of_a_library_both_succeed() {
    let folder = Folder::new()
        .with_photo("a/chelsea.jpg", "chelsea.jpg")
        .with_photo("b/rocket.jpg", "rocket.jpg");
    let library = folder.text("photos.lgn");
    let children = ["a", "b"].map(|place| {
        begun(&["index", &folder.text(place), "--library", &library].map(str::to_owned))
    });
    for ended in children.map(ended) {
        ended.well();
    }
    let found = lorgnette(&["search", "cat or rocket", "--library", &library, "--format", "json"]);
    assert_eq!(found.well().json().len(), 2);
}

#[test]
fn a_library_notices_that_a_model_was_trained_again() {
    let folder = Folder::new();
    two_classes(&folder, "first", ["red", "blue"]);
    // The other way round.
    two_classes(&folder, "second", ["blue", "red"]);
    let (photos, library) = (folder.text("first/red"), folder.text("photos.lgn"));
    let model = folder.text("model");
    let index = || {
        let arguments = ["index", &photos, "--library", &library, "--model", &model];
        lorgnette(&arguments).well().out
    };
    lorgnette(&training(&folder, "first", &[])).well();
    index();
    let unchanged = index();
    assert!(unchanged.contains("12 unchanged"), "{unchanged}");
    lorgnette(&training(&folder, "second", &["--overwrite"])).well();
    let again = index();
    assert!(!again.contains("unchanged"), "{again}");
}

/// One bit of one weight, at the same length.
#[test]
fn a_library_notices_that_a_models_file_changed() {
    let folder = Folder::new().with_photo("photos/chelsea.jpg", "chelsea.jpg");
    let embedded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/models/mobilenet_v1_1.0_224.pb");
    let (photos, library) = (folder.text("photos"), folder.text("photos.lgn"));
    let (model, graph) = (folder.text("graph.pb"), folder.path("graph.pb"));
    let mut bytes = fs::read(embedded).unwrap();
    fs::write(&graph, &bytes).unwrap();
    let index = || {
        let arguments = ["index", &photos, "--library", &library, "--model", &model];
        lorgnette(&arguments).well().out
    };
    index();
    let unchanged = index();
    assert!(unchanged.contains("1 unchanged"), "{unchanged}");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&graph, &bytes).unwrap();
    let again = index();
    assert!(!again.contains("unchanged"), "{again}");
}

#[test]
fn a_model_that_is_its_own_base_is_an_error() {
    let folder = Folder::new();
    two_classes(&folder, "photos", ["a", "b"]);
    lorgnette(&training(&folder, "photos", &[])).well();
    let card = folder.path("model/model.json");
    let text = fs::read_to_string(&card).unwrap();
    let text = text
        .replace("\"embedded\"", "\"file\"")
        .replace("\"relative\": null", "\"relative\": \".\"");
    fs::write(&card, text).unwrap();
    let model = folder.text("model");
    let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--model", &model]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("is a trained model itself"), "{}", ended.err);
}

#[test]
fn a_bit_of_a_trained_layer_is_noticed() {
    let folder = Folder::new();
    two_classes(&folder, "photos", ["a", "b"]);
    lorgnette(&training(&folder, "photos", &[])).well();
    let (model, weights) = (folder.text("model"), folder.path("model/weights.npy"));
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--model", &model]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("weights.npy: its checksum"), "{}", ended.err);
}

#[cfg(unix)]
#[test]
fn a_plan_file_that_is_shortened_ends_the_program_with_a_sentence() {
    let folder = Folder::new();
    for number in 0..60 {
        coloured(&folder.path(&format!("photos/{number}.png")), [9, 99, 20], number);
    }
    let plan = folder.text("network.plan");
    lorgnette(&["models", "convert", "mobilenet_v1_1.0_224", "--out", &plan]).well();
    let arguments = ["classify", &folder.text("photos"), "--model", &plan, "--format", "json"];
    let mut child = begun(&arguments.map(str::to_owned));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let file = fs::File::options().write(true).open(&plan).unwrap();
    file.set_len(8192).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let ended = ended(child);
    assert!(ended.code == Some(2) || ended.code == Some(1), "{:?} {}", ended.code, ended.err);
    assert!(ended.err.contains("network.plan: it was"), "{}", ended.err);
}

#[test]
fn names_are_no_formulas_and_no_commands() {
    let folder = Folder::new().with("names.txt", "=1+1\n".repeat(1001).as_bytes());
    let names = folder.text("names.txt");
    let arguments = ["classify", &photo("chelsea.jpg"), "--labels", &names, "--format", "csv"];
    let answer = lorgnette(&arguments).well().out;
    assert!(answer.contains(",'=1+1"), "{answer}");
    for arguments in [&["classify", "--\u{1b}[31m"][..], &["classify", "\u{1b}[31m.jpg"]] {
        let ended = lorgnette(arguments);
        assert!(ended.code != Some(0) && !ended.err.contains('\u{1b}'), "{}", ended.err);
    }
    // Answers about several photos name them.
    let folder = folder.with_photo("\u{1b}[31m.jpg", "chelsea.jpg");
    let named = folder.text("\u{1b}[31m.jpg");
    let answer = lorgnette(&["classify", &named, &photo("coffee.jpg")]).well().out;
    assert!(answer.contains(r"\u{1b}[31m.jpg") && !answer.contains('\u{1b}'), "{answer}");
}

#[test]
fn numbers_of_any_size_are_errors_with_a_sentence() {
    let folder = Folder::new();
    two_classes(&folder, "photos", ["a", "b"]);
    for (option, number) in [
        ("--hidden", "18446744073709551615"),
        ("--hidden", "1000000"),
        ("--batch", "18446744073709551615"),
    ] {
        let options = ["--recipe", "tutorial", option, number, "--overwrite"];
        let ended = lorgnette(&training(&folder, "photos", &options));
        assert_eq!(ended.code, Some(2), "{option}: {}", ended.err);
        assert!(ended.err.contains("at most"), "{option}: {}", ended.err);
    }
    let copy = folder.text("copy.jpg");
    for option in ["--block", "--margin", "--feather"] {
        let arguments =
            ["blur", &photo("astronaut.jpg"), "--faces", "--out", &copy, "--how", "gaussian"];
        lorgnette(&[&arguments, &[option, "4000000000"][..]].concat()).well();
    }
    // Pixels of a class have a margin of another kind than faces.
    let most = usize::MAX.to_string();
    for how in ["gaussian", "mosaic"] {
        for option in ["--block", "--margin", "--feather"] {
            let arguments =
                ["blur", &photo("chelsea.jpg"), "--class", "cat", "--out", &copy, "--how", how];
            lorgnette(&[&arguments, &[option, &most][..]].concat()).well();
        }
    }
}

/// A picture of a few kilobytes whose drawing would take 15 GB.
#[test]
fn memory_is_limited_for_drawings_too() {
    let folder = Folder::new();
    let wide = folder.path("wide.png");
    Picture::from_rgb8(16_000_000, 1, vec![90; 3 * 16_000_000]).unwrap().save(&wide).unwrap();
    let (wide, drawn) = (wide.to_str().unwrap(), folder.text("drawn.png"));
    let classify = |limit: &str| {
        let arguments = ["classify", wide, "--picture", &drawn, "--memory-limit", limit];
        lorgnette(&arguments)
    };
    classify("1024").well();
    let ended = classify("64");
    assert!(ended.code == Some(1) || ended.code == Some(2), "{:?}", ended.code);
    assert!(ended.err.contains("limit"), "{}", ended.err);
}

/// A megabyte of a PNG can hold a colour profile of a gigabyte, which no photo needs.
#[test]
fn a_colour_profile_takes_no_more_memory_than_the_photo() {
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![0; 1 << 20];
    (0..512).for_each(|_| std::io::Write::write_all(&mut zeros, &piece).unwrap());
    let profile = [b"profile\0\0", &zeros.finish().unwrap()[..]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(b"iCCP");
    crc.update(&profile);
    let length = (profile.len() as u32).to_be_bytes();
    let chunk = [&length[..], b"iCCP", &profile, &crc.sum().to_be_bytes()].concat();
    let folder = Folder::new();
    coloured(&folder.path("plain.png"), [9, 99, 20], 1);
    let plain = fs::read(folder.path("plain.png")).unwrap();
    /// Bytes of a PNG's signature and header.
    const HEADER: usize = 33;
    let photo = [&plain[..HEADER], &chunk, &plain[HEADER..]].concat();
    let folder = folder.with("photo.png", &photo);
    let (photo, copy) = (folder.text("photo.png"), folder.text("copy.png"));
    for arguments in
        [&["classify", &photo][..], &["blur", &photo, "--class", "cat", "--out", &copy]]
    {
        lorgnette(&[arguments, &["--memory-limit", "256"]].concat()).well();
    }
}

/// What threads free is given back: a process of eight threads holds no more than its limit.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_limited_for_all_threads_together() {
    const LIMIT: usize = 256;
    let folder = Folder::new();
    let content = fs::read(photo("coffee.jpg")).unwrap();
    fs::create_dir(folder.path("photos")).unwrap();
    for number in 0..16 {
        fs::write(folder.path(&format!("photos/{number}.jpg")), &content).unwrap();
    }
    let (photos, limit) = (folder.text("photos"), LIMIT.to_string());
    let arguments = ["map", &photos, "--threads", "8", "--memory-limit", &limit, "--quiet"];
    let errors = fs::File::create(folder.path("errors.txt")).unwrap();
    let mut command = program(&arguments);
    let mut child = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        // Pages of the program's file are the system's to take back.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let own = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let own = own.and_then(|own| own.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        most = most.max(own.unwrap_or(0) / 1024);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        sleep(Duration::from_millis(1));
    };
    assert!(matches!(ended.code(), Some(0..=2)), "{ended}");
    assert!((1..=LIMIT).contains(&most), "{most} MiB of {LIMIT}");
}

/// The system's own limits end the program with a sentence, too, and not with a signal.
#[cfg(target_os = "linux")]
#[test]
fn limits_of_the_system_are_errors_with_a_sentence() {
    let folder = Folder::new();
    let lorgnette = env!("CARGO_BIN_EXE_lorgnette");
    let under = |limit: &str, arguments: &[&str]| {
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        end(std::process::Command::new("sh").args(["-c", &script, lorgnette]).args(arguments))
    };
    let (coffee, plan, vectors) =
        (photo("coffee.jpg"), folder.text("network.plan"), folder.text("vectors.npy"));
    // Blocks of 512 bytes or of a kilobyte, as the shell has them.
    for arguments in [
        &["models", "convert", "mobilenet_v1_1.0_224", "--out", &plan][..],
        &["embed", &coffee, "--npy", &vectors],
    ] {
        let ended = under("-f 1", arguments);
        assert!(matches!(ended.code, Some(1 | 2)), "{:?}: {}", ended.code, ended.err);
        assert!(ended.err.contains("File too large"), "{}", ended.err);
    }
    assert!(!folder.path("network.plan").exists() && !folder.path("vectors.npy").exists());
    for kilobytes in (240_000..=400_000).step_by(20_000) {
        let arguments = ["map", &coffee, "--threads", "8"];
        let ended = under(&format!("-v {kilobytes}"), &arguments);
        assert!(ended.code.is_some(), "{kilobytes}: {}", ended.err);
        assert!(!ended.err.contains("fault of the program"), "{kilobytes}: {}", ended.err);
    }
}

/// A file in an archive that stores it.
struct Member<'a> {
    name: &'a str,
    /// Its bytes as they are stored.
    content: &'a [u8],
    is_deflated: bool,
    size: usize,
}

/// A ZIP archive.
fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for Member { name, content, is_deflated, size } in members {
        let place = (archive.len() as u32).to_le_bytes();
        let mut common = vec![20, 0, 0, 0, if *is_deflated { 8 } else { 0 }, 0, 0, 0, 0, 0];
        // No checksum: what is read of it is refused before.
        common.extend([0; 4]);
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((*size as u32).to_le_bytes());
        common.extend([name.len() as u8, 0, 0, 0]);
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        let rest = [&[0; 10][..], &place, name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &rest].concat());
    }
    let count = members.len() as u8;
    let (start, length) = (archive.len() as u32, directory.len() as u32);
    let end = [b"PK\x05\x06\0\0\0\0", &[count, 0, count, 0][..], &length.to_le_bytes()];
    [archive, directory, end.concat(), start.to_le_bytes().to_vec(), vec![0, 0]].concat()
}

/// A TensorFlow Lite model whose tensors are all one table, which so many offsets lead to.
fn lite_model(tensors: u32) -> Vec<u8> {
    let word = |value: u32| value.to_le_bytes();
    let mut bytes = [&word(20)[..], b"TFL3"].concat();
    // At 8, the model's vtable: its length, the table's, version, no codes, subgraphs.
    bytes.extend([12_u16, 12, 4, 0, 8, 0].iter().flat_map(|number| number.to_le_bytes()));
    // At 20, the model: version 3, and its subgraphs at 32.
    bytes.extend([word(12), word(3), word(4)].concat());
    // At 32, a vector of one subgraph at 48; between, its vtable: tensors alone.
    bytes.extend([word(1), word(12)].concat());
    bytes.extend([6_u16, 8, 4, 0].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([word(8), word(4)].concat());
    // At 56, the vector of tensors, and behind it the table of each, which is empty.
    bytes.extend(word(tensors));
    bytes.extend((0..tensors).flat_map(|number| word(4 * (tensors - number) + 4)));
    bytes.extend([4_u16, 4].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(word(4));
    bytes
}

/// Every format of a model is sized before it is decoded: a small file does not take the process's
/// memory, and what is said names the file.
#[test]
fn models_are_sized_before_they_are_decoded() {
    const LIMIT: &str = "100";
    let nodes = |count: usize, number: u32| field(number, b"").repeat(count);
    let onnx = [&[8, 8][..], &field(7, &nodes(2_000_000, 1)), &field(8, &[16, 13])].concat();
    let function = field(1, &nodes(1_000_000, 3));
    let saved = [&[8, 1][..], &field(2, &field(2, &field(2, &function)))].concat();
    let config =
        format!("{{\"class_name\":\"Functional\",\"config\":[{}0]}}", "0,".repeat(2 << 20));
    let stored = |name, content: &'static [u8]| Member {
        name,
        content,
        is_deflated: false,
        size: content.len(),
    };
    let weights = stored("model.weights.h5", b"\x89HDF");
    let plain = Member {
        name: "config.json",
        content: config.as_bytes(),
        is_deflated: false,
        size: config.len(),
    };
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &vec![b' '; 60 << 20]).unwrap();
    let deflated = encoder.finish().unwrap();
    let small =
        Member { name: "config.json", content: &deflated, is_deflated: true, size: 60 << 20 };
    let folder = Folder::new()
        .with("nodes.onnx", &onnx)
        .with("saved/saved_model.pb", &saved)
        .with("values.keras", &zip(&[plain, weights]))
        .with("deflated.keras", &zip(&[small, stored("model.weights.h5", b"\x89HDF")]))
        .with("tensors.tflite", &lite_model(300_000))
        .with("nodes.pb", &nodes(2_000_000, 1));
    let models =
        ["nodes.onnx", "saved", "values.keras", "deflated.keras", "tensors.tflite", "nodes.pb"];
    for name in models {
        let model = folder.text(name);
        let arguments =
            ["classify", &photo("chelsea.jpg"), "--model", &model, "--memory-limit", LIMIT];
        let ended = lorgnette(&arguments);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.err);
        assert!(ended.err.contains("over the limit of 100 MiB"), "{name}: {}", ended.err);
        assert!(ended.err.contains(name), "{name}: {}", ended.err);
    }
}

/// An error about a file begins with its name, also where the fault is found in a graph.
#[test]
fn errors_about_files_name_them() {
    let node = |name: &str, op: &str, inputs: &[&str]| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(3, input.as_bytes())).collect();
        field(1, &[field(1, name.as_bytes()), field(2, op.as_bytes()), inputs].concat())
    };
    // An input of one picture, so that nothing but the fault is to be said.
    let dims = [1, 8, 8, 3].map(|n| field(2, &[varint(1 << 3), varint(n)].concat()));
    let shape = [field(1, b"shape"), field(2, &field(7, &dims.concat()))].concat();
    let dtype = [field(1, b"dtype"), field(2, &[varint(6 << 3), varint(1)].concat())].concat();
    let attributes = [field(5, &dtype), field(5, &shape)].concat();
    let input = [field(1, b"x"), field(2, b"Placeholder"), attributes].concat();
    let input = field(1, &input);
    let folder = Folder::new()
        .with_photo("photos/chelsea.jpg", "chelsea.jpg")
        .with(
            "loop.pb",
            &[&input[..], &node("a", "Add", &["x", "b"]), &node("b", "Relu", &["a"])].concat(),
        )
        .with("unknown.pb", &[&input[..], &node("a", "Frobnicate", &["x"])].concat())
        .with("missing.pb", &[&input[..], &node("a", "Add", &["x", "nowhere"])].concat())
        .with("library.lgn", b"no library");
    for (name, what) in
        [("loop.pb", "as in a loop"), ("unknown.pb", "Frobnicate"), ("missing.pb", "nowhere")]
    {
        let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--model", &folder.text(name)]);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(name) && ended.err.contains(what), "{name}: {}", ended.err);
    }
    let ended = lorgnette(&["search", "cat", "--library", &folder.text("library.lgn")]);
    assert!(ended.code == Some(2) && ended.err.contains("library.lgn"), "{}", ended.err);
    let library = folder.text("photos.lgn");
    lorgnette(&["index", &folder.text("photos"), "--library", &library]).well();
    let mut damaged = fs::read(&library).unwrap();
    // All pages but the first, which is read when a library is opened.
    damaged[8192..].fill(0xff);
    fs::write(&library, damaged).unwrap();
    for arguments in [
        &["index"][..],
        &["search", "cat"],
        &["classes"],
        &["library", "statistics"],
        &["library", "verify"],
    ] {
        let ended = lorgnette(&[arguments, &["--library", &library]].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("photos.lgn: "), "{arguments:?}: {}", ended.err);
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_written_outside_of_the_folder_nor_over_the_input() {
    let folder = Folder::new()
        .with_photo("given/astronaut.jpg", "astronaut.jpg")
        .with_photo("outside/astronaut.jpg", "astronaut.jpg");
    std::os::unix::fs::symlink("../outside", folder.path("given/link")).unwrap();
    let (given, outside) = (folder.text("given"), folder.path("outside/astronaut.jpg"));
    let before = fs::read(&outside).unwrap();
    let ended = lorgnette(&["blur", &given, "--faces", "--in-place", "--no-backup"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("a link leads to it"), "{}", ended.err);
    assert_eq!(fs::read(&outside).unwrap(), before);
    let hard = folder.text("hard.jpg");
    fs::hard_link(&outside, &hard).unwrap();
    let outside_name = outside.to_str().unwrap();
    for arguments in [
        &["embed", outside_name, "--npy", &hard][..],
        &["embed", outside_name, "--npy", outside_name],
        &["classify", outside_name, "--picture", &hard],
    ] {
        assert_eq!(lorgnette(arguments).code, Some(2), "{arguments:?}");
        assert_eq!(fs::read(&outside).unwrap(), before);
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_waited_for_nowhere() {
    let folder = Folder::new().with_photo("photos/chelsea.jpg", "chelsea.jpg");
    two_classes(&folder, "classes", ["a", "b"]);
    lorgnette(&training(&folder, "classes", &[])).well();
    let pipe = |name: &str| {
        let path = folder.path(name);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe("photos/pipe.jpg");
    let photos = folder.text("photos");
    let ended = lorgnette(&["classify", &photos]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("pipe.jpg"), "{}", ended.err);
    let library = folder.text("photos.lgn");
    let ended = lorgnette(&["index", &photos, "--library", &library]);
    assert!(ended.err.contains("pipe.jpg"), "{}", ended.err);
    pipe("model/weights.npy");
    pipe("checkpoints/checkpoint");
    pipe("graph.pb");
    for model in ["model", "checkpoints", "graph.pb"] {
        let model = folder.text(model);
        let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--model", &model]);
        assert_eq!(ended.code, Some(2), "{model}: {}", ended.err);
    }
}

/// Files may not grow beyond a kilobyte, as on a full disk.
#[cfg(target_os = "linux")]
/// Every file that a model's folder, a list, a cache or a library may have beside it.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_any_file_is_not_waited_for() {
    let folder = Folder::new();
    two_classes(&folder, "photos", ["red", "blue"]);
    lorgnette(&training(&folder, "photos", &[])).well();
    let [photos, model, library] = ["photos", "model", "photos.lgn"].map(|name| folder.text(name));
    let one = folder.text("photos/red/0.png");
    lorgnette(&["index", &photos, "--library", &library]).well();
    let pipe_at = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let is_not_waited_for = |what: &str, arguments: &[&str]| {
        /// Seconds that a run may take on a busy machine.
        const PATIENCE: u64 = 60;
        let mut child = begun(&arguments.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        let started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if started.elapsed() > Duration::from_secs(PATIENCE) {
                child.kill().unwrap();
                panic!("{what}: {arguments:?} waits");
            }
            sleep(Duration::from_millis(5));
        }
        ended(child)
    };
    for name in ["model.json", "weights.npy", "labels.txt", "split.csv", ".lock"] {
        let path = folder.path("model").join(name);
        let sound = fs::read(&path).unwrap();
        pipe_at(&path);
        is_not_waited_for(name, &["classify", &one, "--model", &model]);
        is_not_waited_for(name, &["evaluate", &model, &photos, "--split", "test"]);
        let again: Vec<String> = training(&folder, "photos", &["--overwrite"]);
        is_not_waited_for(name, &again.iter().map(String::as_str).collect::<Vec<_>>());
        let _ = fs::remove_file(&path);
        fs::write(&path, sound).unwrap();
    }
    let (pipe, out) = (folder.path("pipe"), folder.text("out"));
    pipe_at(&pipe);
    let pipe = pipe.to_str().unwrap();
    let feed = format!("input={pipe}");
    for arguments in [
        &["classify", &one, "--labels", pipe][..],
        &["train", pipe, "--out", &out],
        &["evaluate", pipe],
        &["train", &photos, "--out", &out, "--cache", pipe],
        &["run", "mobilenet_v1_1.0_224", "--feed", &feed, "--fetch", "input", "--out", &out],
    ] {
        let ended = is_not_waited_for("a pipe", arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(pipe), "{arguments:?}: {}", ended.err);
    }
    let journal = folder.path("photos.lgn-journal");
    pipe_at(&journal);
    let ended = is_not_waited_for("journal", &["search", "cat", "--library", &library]);
    assert!(ended.code == Some(2) && ended.err.contains("-journal"), "{}", ended.err);
    fs::remove_file(journal).unwrap();
    pipe_at(&folder.path("photos/red/0.png.xmp"));
    let ended = is_not_waited_for("sidecar", &["index", "--library", &library, "--write-sidecars"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn outputs_are_whole_or_as_they_were_where_there_is_no_room() {
    const LIMITED: &str = "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"";
    let folder = Folder::new().with_photo("in/coffee.jpg", "coffee.jpg");
    let photo = folder.text("in/coffee.jpg");
    let cases: [(&[&str], &str); 7] = [
        (&["classify", &photo, "--picture"], "named.png"),
        (&["classify", &photo, "--show-input"], "input.png"),
        (&["map", &photo, "--npy"], "map.npy"),
        (&["map", &photo, "--overlay"], "map.png"),
        (&["embed", &photo, "--npy"], "features.npy"),
        (&["blur", &photo, "--class", "cup", "--out"], "blurred.jpg"),
        (&["models", "convert", "mobilenet_v1", "--random-weights", "--out"], "model.pb"),
    ];
    for (arguments, name) in cases {
        let out = folder.path("out").join(name);
        fs::create_dir_all(folder.path("out")).unwrap();
        fs::write(&out, "old").unwrap();
        let path = out.to_str().unwrap();
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", LIMITED, env!("CARGO_BIN_EXE_lorgnette")]).args(arguments).arg(path);
        limited.env_remove("LORGNETTE_MODEL").stdin(Stdio::null());
        let ended = crate::program::end(&mut limited);
        assert!(matches!(ended.code, Some(1 | 2)), "{name}: {:?} {}", ended.code, ended.err);
        assert!(ended.err.contains(name), "{name}: {}", ended.err);
        assert_eq!(fs::read_to_string(&out).unwrap(), "old", "{name}");
        let left = fs::read_dir(folder.path("out")).unwrap().count();
        assert_eq!(left, 1, "{name} leaves another file");
        fs::remove_dir_all(folder.path("out")).unwrap();
        // There is nothing wrong but the room.
        fs::create_dir_all(folder.path("out")).unwrap();
        lorgnette(&[arguments, &[path]].concat()).well();
        assert!(fs::metadata(&out).unwrap().len() > 1024, "{name} has room");
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
}

/// Every fault in the list of docs/hardening.md has tests, by the names that it gives.
#[test]
fn every_fault_of_the_first_version_has_a_test() {
    const FAULTS: usize = 42;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("fuzz")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.extend(names_of_tests(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    let page = fs::read_to_string(root.join("docs/hardening.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 5);
    let mut faults = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let numbers: Vec<usize> = cells[1].split(", ").filter_map(|n| n.parse().ok()).collect();
        let named: Vec<&str> = cells[4].split('`').skip(1).step_by(2).collect();
        assert!(numbers.is_empty() || !named.is_empty(), "{row}");
        for name in named.iter().filter(|_| !numbers.is_empty()) {
            assert!(tests.iter().any(|test| test == name), "{row}: there is no test `{name}`");
        }
        faults.extend(numbers);
    }
    assert_eq!(faults, (1..=FAULTS).collect::<Vec<_>>());
}

/// Returns the names of the functions that follow `#[test]`.
fn names_of_tests(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines() {
        is_test |= line.trim() == "#[test]";
        if let Some((name, _)) =
            line.trim().strip_prefix("fn ").and_then(|rest| rest.split_once('('))
            && is_test
        {
            names.push(name.to_owned());
            is_test = false;
        }
    }
    names
}
