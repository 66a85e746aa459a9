//! `lorgnette embed`: photos as lists of numbers.

use lorgnette::net::npy;

use crate::program::{Folder, lorgnette, photo};

#[test]
fn json_has_its_fields_in_order_and_a_number_for_each_channel() {
    let ended = lorgnette(&["embed", &photo("chelsea.jpg")]).well();
    let fields = [
        "\"photo\":",
        "\"width\":451",
        "\"height\":300",
        "\"model\":",
        "\"end_point\":",
        "\"embedding\":[",
    ];
    let places: Vec<usize> = fields.iter().map(|field| ended.out.find(field).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(ended.json()[0]["embedding"].as_array().unwrap().len(), 1024);
}

#[test]
fn another_end_point_can_be_asked_for() {
    let relu = "MobilenetV1/MobilenetV1/Conv2d_11_pointwise/Relu6";
    let ended = lorgnette(&["embed", &photo("chelsea.jpg"), "--end-point", relu]).well();
    let answer = &ended.json()[0];
    assert_eq!(
        (&answer["end_point"], answer["embedding"].as_array().unwrap().len()),
        (&relu.into(), 512)
    );
    let ended = lorgnette(&["embed", &photo("chelsea.jpg"), "--end-point", "nope"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("there is no node 'nope'"), "{}", ended.err);
}

#[test]
fn the_matrix_has_a_row_for_each_photo() {
    let folder = Folder::new();
    let out = folder.text("all.npy");
    let ended = lorgnette(&[
        "embed",
        &photo("chelsea.jpg"),
        "missing.jpg",
        &photo("coffee.jpg"),
        "--npy",
        &out,
    ]);
    assert_eq!(ended.code, Some(1));
    let lines = ended.json();
    assert_eq!(lines[1]["photo"], "missing.jpg");
    let matrix = npy::read(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(matrix.shape(), [3, 1024]);
    let values = matrix.to_f32();
    let first = |row: usize| values[row * 1024];
    assert!(
        first(1).is_nan()
            && (first(2) - lines[2]["embedding"][0].as_f64().unwrap() as f32).abs() < 1e-6
    );
}

#[test]
fn csv_and_text_have_a_line_for_each_photo() {
    let ended = lorgnette(&["embed", &photo("chelsea.jpg"), "--format", "csv"]).well();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("photo,0,1,2,") && lines[0].ends_with(",1023")
    );
    assert_eq!(lines[1].split(',').count(), 1025);
    let ended = lorgnette(&["embed", &photo("chelsea.jpg"), "--format", "text"]).well();
    assert_eq!(ended.out.lines().map(|line| line.split('\t').count()).collect::<Vec<_>>(), [1025]);
}
