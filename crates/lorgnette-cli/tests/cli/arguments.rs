//! Help, wrong usage, models and levels.

use crate::program::{end, lorgnette, photo, program};

#[test]
fn help_and_version_are_results() {
    let ended = lorgnette(&["--version"]).well();
    assert_eq!(ended.out, format!("lorgnette {}\n", env!("CARGO_PKG_VERSION")));
    for verb in ["classify", "embed", "run", "explain", "bench"] {
        let ended = lorgnette(&[verb, "--help"]).well();
        assert!(ended.out.contains("Examples:") && ended.out.contains("--model"), "{verb}");
        assert!(lorgnette(&["--help"]).well().out.contains(verb));
    }
}

/// The verbs of a command, by its help.
fn verbs(arguments: &[&str]) -> Vec<String> {
    let help = lorgnette(&[arguments, &["--help"]].concat()).well().out;
    let listed = help.lines().skip_while(|line| !line.starts_with("Verbs:")).skip(1);
    let names = listed.take_while(|line| !line.is_empty());
    let first_words = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = first_words.filter_map(|line| line.split_whitespace().next());
    names.filter(|&name| name != "help").map(str::to_owned).collect()
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    let all = verbs(&[]);
    assert!(all.len() > 12, "{all:?}");
    let nested = ["models", "library"].map(|verb| (verb, verbs(&[verb])));
    let nested = nested.iter().flat_map(|(verb, names)| names.iter().map(|name| vec![*verb, name]));
    for verb in all.iter().map(|verb| vec![verb.as_str()]).chain(nested).chain([vec![]]) {
        let help = lorgnette(&[&verb[..], &["--help"]].concat()).well().out;
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{verb:?}: {line}");
        }
    }
}

#[test]
fn names_from_files_cannot_command_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("\u{1b}[31mred\u{9b}7m.jpg");
    std::fs::copy(photo("chelsea.jpg"), &name).unwrap();
    std::fs::write(folder.path().join("\u{1b}]0;title\u{7}.jpg"), b"no photo").unwrap();
    let ended = lorgnette(&["classify".as_ref(), folder.path().as_os_str()]);
    assert_eq!(ended.code, Some(1));
    for text in [&ended.out, &ended.err] {
        assert!(
            !text.contains(['\u{1b}', '\u{9b}', '\u{7}']) && text.contains(r"\u{1b}"),
            "{text}"
        );
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let cat = photo("chelsea.jpg");
    let wrong: [&[&str]; 11] = [
        &[],
        &["look"],
        &["classify"],
        &["classify", &cat, "--nonsense"],
        &["classify", &cat, "--top", "0"],
        &["classify", &cat, "--threads", "0"],
        &["classify", &cat, "--size", "224x"],
        &["classify", &cat, "--mean", "1,2"],
        &["classify", &cat, "--preprocess", "magic"],
        &["classify", "-", "-"],
        &["classify", &cat, "--quiet", "--verbose"],
    ];
    for arguments in wrong {
        let ended = lorgnette(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn an_unknown_model_is_reported_with_the_known_ones() {
    let ended = lorgnette(&["classify", &photo("chelsea.jpg"), "--model", "inception_v9"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("inception_v9") && ended.err.contains("mobilenet_v1_1.0_224"),
        "{}",
        ended.err
    );
}

#[test]
fn a_file_that_is_no_network_is_named() {
    let cat = photo("chelsea.jpg");
    let ended = lorgnette(&["explain", &cat]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains(&cat) && ended.err.contains("a picture"), "{}", ended.err);
}

#[test]
fn the_model_may_be_named_in_three_ways() {
    let embedded =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../lorgnette/models/mobilenet_v1_1.0_224.pb");
    let named = lorgnette(&["explain", embedded]).well();
    assert_eq!(named.out, lorgnette(&["explain", "--model", embedded]).well().out);
    assert_eq!(named.out, end(program(&["explain"]).env("LORGNETTE_MODEL", embedded)).well().out);
    let twice = lorgnette(&["explain", embedded, "--model", "other"]);
    assert_eq!(twice.code, Some(2));
}

#[test]
fn the_level_may_be_chosen() {
    let explain = |level: &str| end(program(&["explain"]).env("LORGNETTE_LEVEL", level));
    assert!(explain("portable").well().out.contains(", portable on "));
    assert_eq!(explain("").well().out, lorgnette(&["explain"]).well().out);
    let ended = explain("mmx");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("LORGNETTE_LEVEL") && ended.err.contains("mmx"), "{}", ended.err);
    assert!(lorgnette(&["--level", "portable", "explain"]).well().out.contains(", portable on "));
}

#[test]
fn verbose_tells_more_and_quiet_less() {
    let cat = photo("chelsea.jpg");
    let verbose = lorgnette(&["classify", &cat, "--verbose"]).well();
    assert!(
        verbose.err.contains("preprocessing inception") && verbose.err.contains("1 photo in "),
        "{}",
        verbose.err
    );
    let quiet = lorgnette(&["classify", &cat, "missing.jpg", "--quiet"]);
    assert_eq!(quiet.err.lines().count(), 1, "{}", quiet.err);
}
