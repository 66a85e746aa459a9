//! `lorgnette models`, and networks named by `--model`.

use std::process::Stdio;

use crate::program::{Ended, Folder, end, photo, program};

const NAME: &str = "mobilenet_v1_0.25_128";
/// The network with blank weights (`oracle/blank_model.py`).
const FILE: &[u8] = include_bytes!("../../../lorgnette/tests/pull/mobilenet_v1_0.25_128.tgz");

/// A folder with a home in it and the file of a model.
fn stage() -> Folder {
    Folder::new().with("downloads/mobilenet_v1_0.25_128.tgz", FILE)
}

/// Runs with that home, and without a network to reach.
fn at_home(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut command = program(arguments);
    command.env("LORGNETTE_HOME", folder.path("home")).stdin(Stdio::null());
    for proxy in
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        command.env(proxy, "http://127.0.0.1:1");
    }
    end(command.env_remove("NO_PROXY").env_remove("no_proxy"))
}

#[test]
fn every_published_model_is_listed_with_what_it_costs() {
    let folder = Folder::new();
    let rows = at_home(&folder, &["models", "list", "--format", "json"]).well().json();
    assert!(rows.len() > 60, "{}", rows.len());
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let vgg = row("vgg_16");
    assert_eq!(
        (&vgg["bytes"], &vgg["side"], &vgg["classes"]),
        (&513_324_920.into(), &224.into(), &1000.into())
    );
    assert_eq!((&vgg["parameters"], &vgg["installed"]), (&138_357_544.into(), &false.into()));
    assert_eq!(row("resnet_v2_50")["side"], 299);
    let embedded = row("mobilenet_v1_1.0_224");
    assert_eq!((&embedded["embedded"], &embedded["installed"]), (&true.into(), &true.into()));
    let installed =
        at_home(&folder, &["models", "list", "--installed", "--format", "json"]).well().json();
    assert_eq!(installed.len(), 1);
}

#[test]
fn the_list_fits_the_terminal() {
    for width in [60, 80, 120] {
        let folder = Folder::new();
        let mut command = program(&["models", "list"]);
        command.env("LORGNETTE_HOME", folder.path("home")).env("COLUMNS", width.to_string());
        let ended = end(&mut command).well();
        let widest = ended.out.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(
            widest <= width && ended.out.contains("vgg_16 "),
            "{widest} of {width}:\n{}",
            ended.out
        );
    }
}

#[test]
fn a_pulled_model_is_opened_by_its_name_and_removed() {
    let folder = stage();
    let downloads = folder.text("downloads");
    let pulled = at_home(&folder, &["models", "pull", NAME, "--from", &downloads]).well();
    assert!(pulled.out.is_empty() && pulled.err.contains("SHA-256"), "{}", pulled.err);
    assert!(at_home(&folder, &["models", "pull", NAME]).well().err.contains("is here already"));

    let cat = photo("chelsea.jpg");
    let classified =
        at_home(&folder, &["classify", &cat, "--model", NAME, "--format", "json"]).well();
    let answer = &classified.json()[0];
    assert_eq!(answer["model"], NAME);
    let probability = answer["predictions"][0]["probability"].as_f64().unwrap();
    assert!(
        (probability - 1.0 / 1001.0).abs() < 1e-6,
        "blank weights prefer nothing: {probability}"
    );
    let explained = at_home(&folder, &["explain", NAME, "--format", "json"]).well();
    assert_eq!(explained.json()[0]["input"]["shape"], serde_json::json!([1, 128, 128, 3]));
    let larger = at_home(&folder, &["explain", NAME, "--size", "160", "--format", "json"]).well();
    assert_eq!(larger.json()[0]["input"]["shape"], serde_json::json!([1, 160, 160, 3]));

    let listed =
        at_home(&folder, &["models", "list", "--installed", "--format", "json"]).well().json();
    assert_eq!(
        (listed.len(), &listed[1]["name"], &listed[1]["bytes"]),
        (2, &NAME.into(), &FILE.len().into())
    );
    at_home(&folder, &["models", "remove", NAME]).well();
    assert_eq!(std::fs::read_dir(folder.path("home/models")).unwrap().count(), 0);
    assert_eq!(
        std::fs::read_dir(folder.path("home")).unwrap().count(),
        1,
        "what was unpacked is gone"
    );
    let again = at_home(&folder, &["models", "remove", NAME]);
    assert!(again.code == Some(2) && again.err.contains("is not installed"), "{}", again.err);
}

#[test]
fn a_model_is_shown_whether_it_is_here_or_not() {
    let folder = stage();
    let shown = at_home(&folder, &["models", "show", "vgg_16"]).well().out;
    for part in [
        "VGG",
        "138 M",
        "no: lorgnette models pull vgg_16",
        "vgg_16/conv1",
        "1x224x224x3",
        "71.5 %, 89.8 %",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("vgg_16/fc8/biases"));
    let all = at_home(&folder, &["models", "show", "vgg_16", "--variables"]).well().out;
    assert!(all.contains("vgg_16/fc8/biases  float32  1000"), "{all}");

    at_home(&folder, &["models", "pull", NAME, "--from", &folder.text("downloads")]).well();
    let here = &at_home(&folder, &["models", "show", NAME, "--format", "json"]).well().json()[0];
    assert_eq!((&here["installed"], &here["sha256"].as_str().unwrap().len()), (&true.into(), &64));
    assert_eq!(here["input"], serde_json::json!([1, 128, 128, 3]));
    let of_path =
        at_home(&folder, &["models", "show", &folder.text("downloads/mobilenet_v1_0.25_128.tgz")])
            .well()
            .out;
    assert!(
        of_path.contains("mobilenet_v1_025") && of_path.contains("MobilenetV1/Conv2d_0"),
        "{of_path}"
    );
    let embedded = at_home(&folder, &["models", "show"]).well().out;
    assert!(embedded.contains("built in") && embedded.contains("1001 classes"), "{embedded}");
}

#[test]
fn a_model_that_is_not_here_says_how_to_get_it() {
    let folder = Folder::new();
    let missing = at_home(&folder, &["explain", "vgg_16"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("lorgnette models pull vgg_16"), "{}", missing.err);
    let typo = at_home(&folder, &["explain", "--model", "vgg_61"]);
    assert!(typo.code == Some(2) && typo.err.contains("vgg_16"), "{}", typo.err);
    let mut command = program(&["explain"]);
    command.env("LORGNETTE_HOME", folder.path("home")).env("LORGNETTE_MODEL", "inception_v3");
    assert!(end(&mut command).err.contains("lorgnette models pull inception_v3"));
}

#[test]
fn offline_a_pull_says_what_to_do_by_hand() {
    let folder = Folder::new();
    let ended = at_home(&folder, &["models", "pull", "vgg_16", "--from", "/nowhere/vgg.tgz"]);
    assert_eq!(ended.code, Some(2));
    let place = folder.text("home/models/vgg_16/vgg_16_2016_08_28.tar.gz");
    for part in
        ["fetch https://storage.googleapis.com/", "--from FILE", &place, "/nowhere/vgg.tgz: "]
    {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn some_of_several_models_may_fail() {
    let folder = stage();
    let ended = at_home(
        &folder,
        &["models", "pull", NAME, "vgg_19", "nonsense", "--from", &folder.text("downloads")],
    );
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("vgg_19 could not be pulled")
            && ended.err.contains("no model 'nonsense'")
    );
    let file = folder.text("downloads/mobilenet_v1_0.25_128.tgz");
    let one_for_two = at_home(&folder, &["models", "pull", NAME, "vgg_19", "--from", &file]);
    assert!(
        one_for_two.code == Some(2) && one_for_two.err.contains("give a folder"),
        "{}",
        one_for_two.err
    );
}
