//! `lorgnette graph`: architectures drawn, and event files.

use crate::program::{Folder, end, lorgnette, program};

#[test]
fn a_network_is_drawn_by_its_name_alone() {
    let ended = lorgnette(&["graph", "resnet_v1_50"]).well();
    assert!(
        ended.out.starts_with("resnet_v1_50: 25.6 M parameters, 3.48 G multiplications\n"),
        "{}",
        ended.out
    );
    for line in ["block1/unit_1", "block3/unit_2 … unit_5", "7×7 64 /2", "112×112×64", "7×7 mean"]
    {
        assert!(ended.out.contains(line), "{line} is not in\n{}", ended.out);
    }
    assert!(!ended.out.contains("normalisation") && !ended.out.contains("←"), "{}", ended.out);
    let widest = ended.out.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest} columns");
}

#[test]
fn branches_stand_below_each_other() {
    let ended = lorgnette(&["graph", "inception_v3", "--size", "299"]).well();
    let lines: Vec<&str> = ended.out.lines().collect();
    let module = lines.iter().position(|line| line.trim_start().starts_with("Mixed_5b")).unwrap();
    assert!(
        lines[module].contains("┬ 1×1 64") && lines[module].contains("35×35×256"),
        "{}",
        lines[module]
    );
    assert!(lines[module + 3].contains("└ 3×3 mean, 1×1 32"), "{}", lines[module + 3]);
}

#[test]
fn pictures_are_complete_in_themselves() {
    let folder = Folder::new();
    for (format, start, end_of_file) in
        [("svg", "<svg xmlns=", "</svg>\n"), ("dot", "digraph \"vgg_16\" {", "}\n")]
    {
        let out = folder.text(&format!("vgg.{format}"));
        lorgnette(&["graph", "vgg_16", "--format", format, "--out", &out]).well();
        let drawing = std::fs::read_to_string(out).unwrap();
        assert!(drawing.starts_with(start) && drawing.ends_with(end_of_file), "{drawing}");
        assert!(drawing.contains("fc6") && drawing.contains("predictions"), "{drawing}");
        assert!(
            !drawing.replace("http://www.w3.org/2000/svg", "").contains("http"),
            "a drawing loads nothing"
        );
    }
}

#[test]
fn an_event_file_has_the_graph_and_no_weights() {
    let folder = Folder::new();
    let logs = folder.text("logs");
    let ended = lorgnette(&["graph", "--logdir", &logs]).well();
    let files: Vec<_> = std::fs::read_dir(&logs).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(files.len(), 1);
    let bytes = std::fs::read(files[0].path()).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(
        has("brain.Event:2") && has("MobilenetV1/Predictions/Softmax") && has("_output_shapes")
    );
    assert!(bytes.len() < 400_000, "{} bytes", bytes.len());
    assert!(ended.out.is_empty() && ended.err.contains("tfevents"), "{}", ended.err);
}

#[test]
fn an_unknown_network_is_reported() {
    let ended = end(program(&["graph", "inception_v33"]).env("LORGNETTE_HOME", "nowhere"));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("inception_v3"), "{}", ended.err);
}
