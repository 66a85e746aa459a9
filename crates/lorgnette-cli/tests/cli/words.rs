//! One word for one thing: exit codes, options, names of files, and what is passed over.

use std::fs;
use std::path::Path;

use crate::program::{Folder, end, lorgnette, photo, program};

#[test]
fn exit_codes_are_the_same_for_every_verb() {
    let folder = Folder::new().with_photo("good.jpg", "chelsea.jpg").with("bad.jpg", b"no photo");
    let (good, bad, gone) = (folder.text("good.jpg"), folder.text("bad.jpg"), folder.text("gone"));
    let out = folder.text("out/");
    let verbs: [&[&str]; 5] = [
        &["classify"],
        &["embed", "--format", "csv"],
        &["map"],
        &["faces"],
        &["blur", "--class", "cat", "--out", &out],
    ];
    for verb in verbs {
        let code = |photos: &[&str]| lorgnette(&[verb, photos].concat()).code;
        assert_eq!(code(&[&good]), Some(0), "{verb:?}");
        assert_eq!(code(&[&good, &bad]), Some(1), "{verb:?}: some failed");
        assert_eq!(code(&[&bad]), Some(2), "{verb:?}: all failed");
        assert_eq!(code(&[&gone]), Some(2), "{verb:?}: a missing file alone");
        assert_eq!(code(&[&gone, &good]), Some(1), "{verb:?}: a missing file among others");
    }
    let library = folder.text("library.lgn");
    let index =
        |place: &str| lorgnette(&["index", place, "--library", &library, "--map-side", "0"]);
    assert_eq!(index(&folder.text("")).code, Some(1));
    assert_eq!(index(&gone).code, Some(2));
    let show = |photos: &[&str]| {
        lorgnette(&[&["library", "show", "--library", &library], photos].concat()).code
    };
    assert_eq!([show(&[&good]), show(&[&gone, &good]), show(&[&gone])], [0, 1, 2].map(Some));
}

#[test]
fn what_is_passed_over_is_said_by_kind() {
    let folder = Folder::new()
        .with_photo("in/a.jpg", "chelsea.jpg")
        .with("in/film.MOV", b"film")
        .with("in/notes.txt", b"text")
        .with_photo("in/@eaDir/a.jpg", "chelsea.jpg")
        .with_photo("in/#recycle/a.jpg", "chelsea.jpg")
        .with_photo("in/raw/b.jpg", "coffee.jpg");
    let place = folder.text("in");
    let ended = lorgnette(&["classify", &place, "--exclude", "raw", "--format", "json"]).well();
    let kinds = "passed over: 1 .mov, 1 .txt, 1 #recycle, 1 @eaDir, 1 excluded";
    assert!(ended.err.contains(kinds), "{}", ended.err);
    let answers = ended.json();
    let of_folder = serde_json::json!({
        "files": {"mov": 1, "txt": 1},
        "hidden": 0,
        "generated": {"#recycle": 1, "@eaDir": 1},
        "excluded": 1,
    });
    assert_eq!((answers.len(), &answers[0]["passed_over"]), (1, &of_folder));
    assert_eq!(lorgnette(&["classify", &place, "--quiet"]).well().err, "");
    let only = lorgnette(&["classify", &place, "--exclude", "*.jpg", "--exclude", "raw"]);
    assert_eq!(only.code, Some(2));
    assert!(only.err.contains("no photos in this folder, only 1 .mov"), "{}", only.err);
    let library = folder.text("library.lgn");
    let index = ["index", &place, "--library", &library, "--map-side", "0", "--format", "json"];
    let report = &lorgnette(&[&index[..], &["--exclude", "raw"]].concat()).well().json()[0];
    assert_eq!(report["skipped"], serde_json::json!({"mov": 1, "txt": 1}));
    let passed_over = &report["passed_over"];
    assert_eq!(
        (&passed_over["generated"]["@eaDir"], &passed_over["excluded"], &report["found"]),
        (&1.into(), &1.into(), &1.into())
    );
}

#[test]
fn one_line_of_csv_for_each_photo_on_request() {
    let folder = Folder::new().with("bad.jpg", b"no photo").with_photo("good.jpg", "chelsea.jpg");
    let ended = lorgnette(&["classify", &folder.text(""), "--wide", "--top", "2"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let mut reader = csv::Reader::from_reader(ended.out.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.len(), 6 + 2 * 5);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, column: &str| {
        rows[row].get(header.iter().position(|name| name == column).unwrap()).unwrap()
    };
    assert_eq!(rows.len(), 2);
    assert!(cell(0, "photo").ends_with("bad.jpg") && cell(0, "error").contains("it is text"));
    assert_eq!((cell(0, "width"), cell(0, "name_1")), ("", ""));
    assert_eq!((cell(1, "error"), cell(1, "width")), ("", "451"));
    assert_eq!((cell(1, "name_1"), cell(1, "index_1")), ("Egyptian cat", "286"));
    assert!(
        cell(1, "probability_1").parse::<f32>().unwrap()
            > cell(1, "probability_2").parse().unwrap()
    );
    let cat = photo("chelsea.jpg");
    let ended = lorgnette(&["classify", &cat, "--wide", "--format", "json"]);
    assert!(ended.code == Some(2) && ended.err.contains("--wide writes CSV"), "{}", ended.err);
    let ended = lorgnette(&["classify", &cat, "--wide", "--format", "csv"]).well();
    assert_eq!(ended.out.lines().count(), 2);
}

/// Paths are one line of text, whatever is in them, and those of written files have their bytes.
#[cfg(target_os = "linux")]
#[test]
fn names_cannot_look_like_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new().with_photo("source.jpg", "chelsea.jpg");
    let name = OsStr::from_bytes(b"a\n\x1b[31m\xff.jpg");
    fs::create_dir(folder.path("photos")).unwrap();
    fs::rename(folder.path("source.jpg"), folder.path("photos").join(name)).unwrap();
    fs::copy(folder.path("photos").join(name), folder.path("photos/b.jpg")).unwrap();
    let (photos, library) = (folder.text("photos"), folder.text("library.lgn"));
    let shown = r"a\n\u{1b}[31m\xff.jpg";
    let index = ["index", &photos, "--library", &library, "--map-side", "0"];
    lorgnette(&index).well();
    let out = folder.text("blurred/");
    for verb in [
        &["classify", &photos, "--top", "1"][..],
        &["faces", &photos],
        &["map", &photos],
        &["blur", &photos, "--class", "cat", "--out", &out],
        &["library", "list", "--library", &library],
        &["search", "cat", "--library", &library],
    ] {
        let ended = lorgnette(verb).well();
        assert!(ended.out.contains(shown), "{verb:?}: {}", ended.out);
    }
    let blur = ["blur", &photos, "--class", "cat", "--out", &out, "--format", "json"];
    let answers = lorgnette(&blur).well().json();
    let answer = answers.iter().find(|answer| answer.get("path_bytes").is_some()).unwrap();
    assert!(answer["out"].as_str().unwrap().ends_with("a\n\u{1b}[31m\\xff.jpg"), "{answer}");
    let bytes = answer["out_bytes"].as_str().unwrap();
    assert!(bytes.ends_with("610a1b5b33316dff2e6a7067"), "{bytes}");
    assert!(answers.iter().any(|answer| answer.get("out_bytes").is_none()));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_get_their_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new().with_photo("a.jpg", "chelsea.jpg");
    let name = OsStr::from_bytes(b"b\xff.jpg");
    fs::copy(folder.path("a.jpg"), folder.path("").join(name)).unwrap();
    let place = folder.text("");
    let answers = lorgnette(&["classify", &place, "--format", "json", "--top", "1"]).well().json();
    let bytes: Vec<String> = answers
        .iter()
        .filter_map(|answer| answer["path_bytes"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(answers.len(), 2);
    assert!(bytes.len() == 1 && bytes[0].ends_with("62ff2e6a7067"), "{bytes:?}");
    let csv = |verb: &[&str]| {
        let ended = lorgnette(&[verb, &[&place, "--format", "csv"]].concat()).well();
        let mut reader = csv::Reader::from_reader(ended.out.as_bytes());
        let header = reader.headers().unwrap().clone();
        assert_eq!(header.iter().next_back(), Some("path_bytes"), "{verb:?}");
        let last = |row: csv::StringRecord| row.iter().next_back().unwrap().to_owned();
        reader.records().map(|row| last(row.unwrap())).collect::<Vec<String>>()
    };
    for verb in [&["classify", "--top", "1"][..], &["embed"]] {
        let rows = csv(verb);
        assert!(rows.len() == 2 && rows[0].is_empty() && rows[1].ends_with("62ff2e6a7067"));
    }
    // A pattern that matches it, and a pattern that is no text itself.
    let ended = lorgnette(&["classify", &folder.text("*.jpg"), "--format", "json"]).well();
    assert_eq!(ended.json().len(), 2);
    let mut pattern = folder.path("").into_os_string();
    pattern.push(OsStr::from_bytes(b"\xff*.jpg"));
    assert_eq!(end(&mut program(&[OsStr::new("classify"), &pattern])).code, Some(2));
    for (letters, code) in [(&b"b\xff*.jpg"[..], 0), (b"?\xff.jp*", 0), (b"b\xfe*.jpg", 2)] {
        let mut pattern = folder.path("").into_os_string();
        pattern.push(OsStr::from_bytes(letters));
        let ended = end(&mut program(&[OsStr::new("classify"), &pattern]));
        assert_eq!(ended.code, Some(code), "{letters:?}: {}", ended.err);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn composed_and_decomposed_letters_are_one_name() {
    let folder = Folder::new().with_photo("cafe\u{301}.jpg", "chelsea.jpg");
    let composed = folder.text("caf\u{e9}.jpg");
    assert_eq!(lorgnette(&["classify", &composed, "--format", "json"]).well().json().len(), 1);
    let pattern = folder.text("caf\u{e9}*.jpg");
    assert_eq!(lorgnette(&["classify", &pattern, "--format", "json"]).well().json().len(), 1);
    let library = folder.text("library.lgn");
    let place = folder.text("");
    lorgnette(&["index", &place, "--library", &library, "--map-side", "0"]).well();
    lorgnette(&["library", "show", &composed, "--library", &library]).well();
    let found = lorgnette(&["search", "path:caf\u{e9}", "-l", "--library", &library]).well();
    assert_eq!(found.out.lines().count(), 1, "{}", found.err);
}

#[test]
fn options_have_one_word_and_the_old_one_works() {
    let cat = photo("chelsea.jpg");
    let folder = Folder::new();
    let top = lorgnette(&["classify", &cat, "--top", "2"]).well().out;
    assert_eq!(lorgnette(&["classify", &cat, "--limit", "2"]).well().out, top);
    let (onnx, again) = (folder.text("lenet.onnx"), folder.text("again.onnx"));
    let export = ["export", "lenet", "--random-weights", "--to", "onnx", "--out"];
    for word in ["--overwrite", "--force"] {
        lorgnette(&[&export[..], &[&onnx, word]].concat()).well();
    }
    // The model may be named either way.
    let named = ["export", "--model", "lenet", "--random-weights", "--to", "onnx", "--out", &again];
    lorgnette(&named).well();
    for form in ["graph", "frozen"] {
        let file = folder.text(&format!("{form}.pb"));
        lorgnette(&[
            "models",
            "convert",
            "lenet",
            "--random-weights",
            "--to",
            form,
            "--out",
            &file,
        ])
        .well();
    }
    let (graph, frozen) = (fs::read(folder.path("graph.pb")), fs::read(folder.path("frozen.pb")));
    assert_eq!(graph.unwrap(), frozen.unwrap());
    let shown = lorgnette(&["models", "show", "vgg_16"]).well().out;
    assert_eq!(lorgnette(&["models", "show", "--model", "vgg_16"]).well().out, shown);
}

#[test]
fn a_model_to_evaluate_is_named_either_way() {
    let folder = Folder::new().with_photo("photos/Egyptian cat/a.jpg", "chelsea.jpg");
    let photos = folder.text("photos");
    let name = "mobilenet_v1_1.0_224";
    let evaluate = |words: &[&str]| {
        lorgnette(&[&["evaluate"], words, &["--format", "json"]].concat()).well().json().remove(0)
    };
    let positional = evaluate(&[name, &photos]);
    assert_eq!(positional["accuracy"], 1.0);
    for words in [&[photos.as_str()][..], &[&photos, "--model", name]] {
        assert_eq!(evaluate(words)["confusion"], positional["confusion"]);
    }
}

#[test]
fn a_converted_model_keeps_the_names_of_its_classes() {
    let folder = Folder::new();
    let names: String = (0..1001).map(|number| format!("thing {number}\n")).collect();
    let folder = folder.with("names.txt", names.as_bytes());
    let cat = photo("chelsea.jpg");
    let (pb, moved) = (folder.text("out/model.pb"), folder.text("elsewhere/model.pb"));
    fs::create_dir_all(folder.path("out")).unwrap();
    fs::create_dir_all(folder.path("elsewhere")).unwrap();
    // The names come from a file beside the graph.
    let embedded =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../lorgnette/models/mobilenet_v1_1.0_224.pb");
    fs::copy(embedded, folder.path("graph.pb")).unwrap();
    fs::rename(folder.path("names.txt"), folder.path("graph.labels.txt")).unwrap();
    let ended = lorgnette(&["models", "convert", &folder.text("graph.pb"), "--out", &pb]).well();
    assert!(ended.err.contains("model.labels.txt"), "{}", ended.err);
    let best = |model: &str| {
        let ended = lorgnette(&["classify", &cat, "--model", model, "--format", "json"]).well();
        ended.json()[0]["predictions"][0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(best(&pb), "thing 286");
    // They are in the graph, too.
    fs::copy(&pb, &moved).unwrap();
    assert_eq!(best(&moved), "thing 286");
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let script = lorgnette(&["completions", "bash"]).well().out;
    assert!(script.contains("_lorgnette()") && script.contains("--output-stride"));
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(lorgnette(&["completions", shell]).well().out.contains("classify"), "{shell}");
    }
    let folder = Folder::new();
    lorgnette(&["manual", &folder.text("man1")]).well();
    for page in ["lorgnette.1", "lorgnette-classify.1", "lorgnette-library-export.1"] {
        let text = fs::read_to_string(folder.path("man1").join(page)).unwrap();
        assert!(text.starts_with(".ie") && text.contains("SYNOPSIS"), "{page}");
    }
}

#[test]
fn preprocessing_is_shown_in_numbers() {
    let shown = lorgnette(&["models", "show"]).well().out;
    let numbers = "central 87.5 % to 224 x 224 (bilinear), (v - 127.5) / 127.5, rgb";
    assert!(shown.contains(numbers), "{shown}");
    let json = &lorgnette(&["models", "show", "--format", "json"]).well().json()[0];
    let numbers = &json["preprocessing_numbers"];
    assert_eq!((&numbers["central_share"], &numbers["rows"]), (&0.875.into(), &224.into()));
    assert_eq!(numbers["mean"], serde_json::json!([127.5, 127.5, 127.5]));
}

#[test]
fn boxes_are_written_in_one_way() {
    let folder = Folder::new().with_photo("cat.jpg", "chelsea.jpg");
    let (cat, library) = (folder.text("cat.jpg"), folder.text("library.lgn"));
    lorgnette(&["index", &cat, "--library", &library]).well();
    let texts = [
        lorgnette(&["map", &cat]).well().out,
        lorgnette(&["search", "cat", "--all", "--library", &library]).well().out,
        lorgnette(&["library", "show", &cat, "--library", &library]).well().out,
        lorgnette(&["blur", &cat, "--class", "cat", "--dry-run"]).well().out,
    ];
    for text in texts {
        let has_box = text.lines().any(|line| {
            let Some((_, rest)) = line.split_once(" at ") else { return false };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let is_corner = |word: &str| {
                word.split_once(',')
                    .is_some_and(|(x, y)| x.parse::<u32>().is_ok() && y.parse::<u32>().is_ok())
            };
            words.len() >= 3 && is_corner(words[0]) && words[1] == "to" && is_corner(words[2])
        });
        assert!(has_box, "{text}");
    }
}

#[test]
fn help_is_never_wider_than_80_columns() {
    let mut command = program(&["search", "--help"]);
    let help = end(command.env("COLUMNS", "200")).well().out;
    assert!(help.lines().all(|line| line.chars().count() <= 80));
    assert!(help.contains("bottom right quarter"), "{help}");
    assert!(Path::new(env!("CARGO_BIN_EXE_lorgnette")).exists());
}

/// A run that is killed while it writes leaves whole pictures, and no part under a final name.
#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_half_picture() {
    let mut folder = Folder::new();
    for number in 0..40 {
        folder = folder.with_photo(&format!("in/{number}.jpg"), "coffee.jpg");
    }
    let (photos, out) = (folder.text("in"), folder.text("out"));
    for option in ["--overlay", "--picture"] {
        let verb = if option == "--overlay" { "map" } else { "classify" };
        let mut child = program(&[verb, &photos, option, &out])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let names = || -> Vec<std::path::PathBuf> {
            let entries = fs::read_dir(folder.path("out")).into_iter().flatten().flatten();
            let is_final = |path: &std::path::PathBuf| {
                !path.file_name().unwrap().to_str().unwrap().starts_with('.')
            };
            entries.map(|entry| entry.path()).filter(is_final).collect()
        };
        while names().len() < 3 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let written = names();
        assert!(written.len() >= 3, "{option}");
        for path in written {
            lorgnette::Picture::open(&path).unwrap_or_else(|error| panic!("{option}: {error}"));
        }
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
}

/// Names of files are bytes, and so are patterns.
#[test]
#[cfg(unix)]
fn patterns_of_exclusion_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new().with_photo("in/a.jpg", "chelsea.jpg");
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.jpg");
    let place = folder.path("in");
    fs::copy(place.join("a.jpg"), place.join(name)).unwrap();
    let ended = end(program(&["classify", "--format", "json", "--exclude"]).arg(name).arg(&place));
    let answers = ended.well().json();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["passed_over"]["excluded"], 1);
}

/// A model can stand in the place of a word.
#[test]
fn classes_of_a_model_are_listed_by_its_path() {
    let folder = Folder::new();
    let packed = include_bytes!("../../../lorgnette/tests/teachable_js.tar.gz").as_slice();
    tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(folder.text("")).unwrap();
    let ended = lorgnette(&["classes", &folder.text("tfjs")]).well();
    assert_eq!(ended.out, "Class 1\nSunflowers in a field\nRoses\n");
    assert_eq!(lorgnette(&["classes", "neither"]).code, Some(2));
}
