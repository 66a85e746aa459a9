//! `lorgnette classify`: answers, their order, and photos that fail.

use std::process::Stdio;

use lorgnette::Picture;

use crate::program::{Folder, end, lorgnette, lorgnette_reading, photo, program};

#[test]
fn a_photo_gives_five_names_best_first() {
    let ended = lorgnette(&["classify", &photo("chelsea.jpg")]).well();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ended.out);
    assert!(lines[0].contains("Egyptian cat") && lines[0].contains(" %  █"), "{}", ended.out);
    assert_eq!(ended.err, "");
    let names: Vec<usize> =
        lines.iter().map(|line| line.chars().position(char::is_alphabetic).unwrap()).collect();
    assert!(names.iter().all(|&column| column == names[0]), "names are aligned:\n{}", ended.out);
}

#[test]
fn several_photos_have_their_names_above() {
    let (cat, coffee) = (photo("chelsea.jpg"), photo("coffee.jpg"));
    let ended = lorgnette(&["classify", "--top", "1", &coffee, &cat]).well();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!((lines[0], lines[2], lines[3]), (coffee.as_str(), "", cat.as_str()));
    assert!(lines[1].contains("espresso") && lines[4].contains("Egyptian cat"));
}

#[test]
fn json_has_the_fields_of_the_contract_in_their_order() {
    let cat = photo("chelsea.jpg");
    let ended = lorgnette(&["classify", &cat, "--format", "json"]).well();
    let start = format!(
        "{{\"photo\":{},\"width\":451,\"height\":300,\"model\":\"mobilenet_v1_1.0_224\",\"predictions\":[\
         {{\"index\":286,\"synset\":\"n02124075\",\"name\":\"Egyptian cat\",\"probability\":0.",
        serde_json::to_string(&cat).unwrap()
    );
    assert!(ended.out.starts_with(&start), "{}", ended.out);
    let answer = &ended.json()[0];
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 5);
    let probabilities: Vec<f64> =
        predictions.iter().map(|guess| guess["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b) && probabilities[0] > 0.8);
    assert!(predictions[0]["logit"].as_f64().unwrap() > predictions[1]["logit"].as_f64().unwrap());
}

#[test]
fn csv_has_a_header_and_a_line_for_each_name() {
    let ended =
        lorgnette(&["classify", &photo("chelsea.jpg"), "--format", "csv", "--top", "2"]).well();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "photo,rank,index,synset,name,probability,logit");
    assert!(lines[1].contains("chelsea.jpg,1,286,n02124075,Egyptian cat,0."));
    assert!(lines[2].contains(",2,282,n02123045,\"tabby, tabby cat\",0."));
}

#[test]
fn the_background_has_no_synset() {
    let ended =
        lorgnette(&["classify", &photo("chelsea.jpg"), "--format", "json", "--top", "2000"]).well();
    let answer = ended.json().remove(0);
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 1001);
    let background = predictions.iter().find(|guess| guess["index"] == 0).unwrap();
    assert_eq!((&background["name"], background["synset"].is_null()), (&"background".into(), true));
}

#[test]
fn a_photo_that_fails_takes_its_place_among_the_answers_and_the_rest_go_on() {
    let cat = std::fs::read(photo("chelsea.jpg")).unwrap();
    let folder = Folder::new()
        .with("a.jpg", &cat)
        .with("b.jpg", &cat[..5000])
        .with("c.jpg", b"")
        .with("d.jpg", b"<html>not found</html>")
        .with("e.jpg", &cat);
    let photos: Vec<String> = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "missing.jpg", "e.jpg"]
        .map(|name| folder.text(name))
        .into();
    let mut arguments = vec!["classify", "--format", "json"];
    arguments.extend(photos.iter().map(String::as_str));
    let ended = lorgnette(&arguments);
    assert_eq!(ended.code, Some(1));
    let answers = ended.json();
    assert!(answers.iter().zip(&photos).all(|(answer, photo)| answer["photo"] == photo.as_str()));
    assert_eq!(answers.len(), photos.len());
    for (number, answer) in answers.iter().enumerate() {
        let sound = number == 0 || number == 5;
        assert_eq!(answer.get("predictions").is_some(), sound, "{answer}");
        let error = answer.get("error").map_or("", |error| error.as_str().unwrap());
        assert!(sound || error.starts_with(&photos[number]), "the error names the file: {error}");
    }
    assert!(ended.out.contains("it is a web page"));
    assert!(ended.err.contains("4 of 6 photos failed"), "{}", ended.err);
}

#[test]
fn errors_stay_out_of_text_and_csv() {
    for format in ["text", "csv"] {
        let ended =
            lorgnette(&["classify", "missing.jpg", &photo("chelsea.jpg"), "--format", format]);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.err.contains("missing.jpg: cannot be read") && !ended.out.contains("missing.jpg"),
            "{}",
            ended.err
        );
        assert!(ended.out.contains("Egyptian cat"));
    }
}

#[test]
fn standard_input_is_a_photo() {
    let cat = std::fs::read(photo("chelsea.jpg")).unwrap();
    let ended = lorgnette_reading(&["classify", "-", "--format", "json"], &cat).well();
    let answer = &ended.json()[0];
    assert_eq!((&answer["photo"], &answer["predictions"][0]["index"]), (&"-".into(), &286.into()));
    let ended = lorgnette_reading(&["classify", "-"], b"");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("standard input: the file is empty"), "{}", ended.err);
}

#[test]
fn a_folder_gives_its_photos_by_name() {
    let folder = Folder::new()
        .with_photo("z.JPEG", "chelsea.jpg")
        .with_photo("deep/a.jpg", "coffee.jpg")
        .with("notes.txt", b"no photo")
        .with(".hidden.jpg", b"no photo");
    let ended = lorgnette(&["classify", &folder.text("."), "--format", "json", "-k1"]).well();
    let indices: Vec<_> =
        ended.json().iter().map(|answer| answer["predictions"][0]["index"].as_u64()).collect();
    assert_eq!(indices, [Some(968), Some(286)]);
    let flat =
        lorgnette(&["classify", &folder.text("."), "--format", "json", "--no-recursive"]).well();
    assert_eq!(flat.json().len(), 1);
}

#[test]
fn a_folder_without_photos_is_an_input_that_failed() {
    let folder = Folder::new().with("empty/notes.txt", b"");
    let ended = lorgnette(&["classify", &folder.text("empty")]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("there are no photos in this folder"), "{}", ended.err);
}

#[test]
fn a_pattern_the_shell_left_is_expanded() {
    let folder =
        Folder::new().with_photo("a 1.jpg", "coffee.jpg").with_photo("b 2.jpg", "chelsea.jpg");
    let ended = lorgnette(&["classify", &folder.text("* [12].jpg"), "--format", "json"]).well();
    assert_eq!(ended.json().len(), 2);
    let ended = lorgnette(&["classify", &folder.text("*.png")]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("no file has a name like this"), "{}", ended.err);
}

#[test]
fn a_list_names_photos_and_folders() {
    let folder = Folder::new().with_photo("deep/a.jpg", "coffee.jpg");
    let list = format!("{}\r\n\n{}\n", photo("chelsea.jpg"), folder.text("deep"));
    let ended =
        lorgnette_reading(&["classify", "--files-from", "-", "--format", "json"], list.as_bytes())
            .well();
    let indices: Vec<_> =
        ended.json().iter().map(|answer| answer["predictions"][0]["index"].as_u64()).collect();
    assert_eq!(indices, [Some(286), Some(968)]);
}

#[test]
fn answers_do_not_depend_on_threads() {
    let run = |threads: &str| {
        lorgnette(&["classify", &photo(""), "--format", "json", "--threads", threads]).well().out
    };
    let one = run("1");
    assert_eq!(one.lines().count(), 4);
    assert_eq!(one, run("2"));
    assert_eq!(one, run("3"));
    assert_eq!(one, run("9"));
}

#[test]
fn other_preprocessing_can_be_asked_for() {
    let own = ["classify", &photo("chelsea.jpg"), "--format", "json"];
    let same =
        [&own[..], &["--preprocess", "inception", "--mean", "127.5", "--factor", "0.007843137"]]
            .concat();
    let other = [&own[..], &["--preprocess", "none", "--mean", "-10,0,10"]].concat();
    let index = |arguments: &[&str]| {
        lorgnette(arguments).well().json()[0]["predictions"][0]["index"].as_u64()
    };
    assert_eq!(index(&same), index(&own));
    assert_ne!(index(&other), index(&own));
}

#[test]
fn labels_can_be_given_and_must_fit() {
    let names: String = (0..1001).map(|index| format!("name {index}\n")).collect();
    let folder =
        Folder::new().with("labels.txt", names.as_bytes()).with("short.txt", b"cat\ndog\n");
    let ended =
        lorgnette(&["classify", &photo("chelsea.jpg"), "--labels", &folder.text("labels.txt")])
            .well();
    assert!(ended.out.contains("name 286"));
    let ended =
        lorgnette(&["classify", &photo("chelsea.jpg"), "--labels", &folder.text("short.txt")]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("short.txt") && ended.err.contains("1001"), "{}", ended.err);
}

#[test]
fn a_photo_of_too_many_pixels_is_refused() {
    let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--max-pixels", "1000"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("chelsea.jpg") && ended.err.contains("1000"), "{}", ended.err);
}

/// A photo of 2255 x 1500 pixels.
fn large_photo(folder: &Folder) -> String {
    let cat = Picture::open(photo("chelsea.jpg")).unwrap().scaled(5.0);
    let path = folder.text("large.jpg");
    cat.save(&path).unwrap();
    path
}

/// Sizes stay those of the photo, and answers nearly what they are.
#[test]
fn large_photos_may_be_decoded_at_a_reduced_size() {
    let folder = Folder::new();
    let large = large_photo(&folder);
    let answer = |more: &[&str]| {
        let ended =
            lorgnette(&[&["classify", &large, "--format", "json", "--top", "1"], more].concat())
                .well();
        ended.json().remove(0)
    };
    let (full, reduced) = (answer(&[]), answer(&["--decode", "reduced"]));
    assert_eq!(full, answer(&["--decode", "full"]));
    for answer in [&full, &reduced] {
        assert_eq!((&answer["width"], &answer["height"]), (&2255.into(), &1500.into()));
        assert_eq!(answer["predictions"][0]["name"], "Egyptian cat");
    }
    assert_ne!(full, reduced, "is anything reduced?");
    // Not large enough: to the bit what it is.
    let small = |more: &[&str]| {
        lorgnette(&[&["classify", &photo("chelsea.jpg")], more].concat()).well().out
    };
    assert_eq!(small(&["--decode", "reduced"]), small(&[]));
}

#[test]
fn nothing_is_drawn_on_a_photo_of_reduced_size() {
    let folder = Folder::new();
    let picture = folder.text("drawn.png");
    let ended = lorgnette(&[
        "classify",
        &photo("chelsea.jpg"),
        "--decode",
        "reduced",
        "--picture",
        &picture,
    ]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--decode reduced"), "{}", ended.err);
    let seen = folder.text("seen.png");
    lorgnette(&["classify", &large_photo(&folder), "--decode", "reduced", "--show-input", &seen])
        .well();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child =
        program(&["classify", &photo(""), "--format", "json", "--threads", "1", "--quiet"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let full = || std::fs::File::create("/dev/full").unwrap();
    let ended = end(program(&["classify", &photo("chelsea.jpg")]).stdout(full()));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.starts_with("lorgnette: standard output: "), "{}", ended.err);
    let ended = end(program(&["classify", "missing.jpg"]).stderr(full()));
    assert_eq!(ended.code, Some(2));
}
