//! `lorgnette map`: cells, legends, regions, and the files it draws.

use std::fs;

use lorgnette::Picture;
use lorgnette::net::npy;
use serde_json::Value;

use crate::program::{Folder, lorgnette, photo};

/// A number of an answer.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let cat = photo("chelsea.jpg");
    let ended = lorgnette(&["map", &cat, "--scale", "1", "--format", "json"]).well();
    let start = format!(
        "{{\"photo\":{},\"width\":451,\"height\":300,\"model\":\"mobilenet_v1_1.0_224\",\"rows\":10,\"columns\":15,\
         \"stride\":32,",
        serde_json::to_string(&cat).unwrap()
    );
    assert!(ended.out.starts_with(&start), "{}", ended.out);
    let answer = &ended.json()[0];
    let cells: Vec<Vec<u64>> = serde_json::from_value(answer["cells"].clone()).unwrap();
    assert!(cells.len() == 10 && cells.iter().all(|row| row.len() == 15));
    let legend = answer["legend"].as_array().unwrap();
    assert_eq!((&legend[0]["index"], &legend[0]["synset"]), (&286.into(), &"n02124075".into()));
    let counted = cells.iter().flatten().filter(|&&class| class == 286).count();
    assert_eq!(legend[0]["cells"], counted);
    assert!((number(&legend[0]["share"]) - counted as f64 / 150.0).abs() < 1e-6);
    let shares: f64 = legend.iter().map(|entry| number(&entry["share"])).sum();
    assert!((shares - 1.0).abs() < 1e-5 && number(&legend[0]["mean_probability"]) > 0.3);
    let region = &answer["regions"][0];
    assert_eq!((&region["index"], &region["name"]), (&286.into(), &"Egyptian cat".into()));
    let bounds: Vec<usize> = serde_json::from_value(region["box"].clone()).unwrap();
    assert!(
        bounds[0] < bounds[2] && bounds[2] <= 451 && bounds[1] < bounds[3] && bounds[3] <= 300,
        "{bounds:?}"
    );
    assert!(number(&region["peak_probability"]) >= number(&region["probability"]));
}

#[test]
fn cells_without_a_probable_class_are_unknown() {
    let folder = Folder::new();
    let (cat, array) = (photo("chelsea.jpg"), folder.text("scores.npy"));
    let words = ["map", &cat, "--scale", "1", "--format", "json", "--npy", &array];
    let at = |limit: &str| {
        lorgnette(&[&words[..], &["--unknown-below", limit]].concat()).well().json().remove(0)
    };
    let unknown = |answer: &Value| -> usize {
        let rows = answer["cells"].as_array().unwrap().iter();
        rows.flat_map(|row| row.as_array().unwrap()).filter(|cell| cell.is_null()).count()
    };
    assert_eq!(unknown(&at("0")), 0);
    let answer = at("0.5");
    let count = unknown(&answer);
    assert!(count > 0 && count < 150, "{count}");
    let legend = answer["legend"].as_array().unwrap();
    let entry = legend.iter().find(|entry| entry["name"] == "unknown").unwrap();
    assert!(entry["index"].is_null() && entry["cells"] == count, "{entry}");
    let regions = answer["regions"].as_array().unwrap().iter();
    assert!(
        regions.map(|region| region["cells"].as_u64().unwrap()).sum::<u64>() <= 150 - count as u64
    );
    let labels = npy::read(&fs::read(folder.path("scores.labels.npy")).unwrap()).unwrap();
    assert_eq!(labels.to_i64().iter().filter(|&&label| label == -1).count(), count);
    assert_eq!(answer["scales"], serde_json::json!([1.0]));
    // Of a pyramid the limit is not 0.
    let ended = lorgnette(&["map", &photo("rocket.jpg"), "--format", "json"]).well();
    assert!(number(&ended.json()[0]["unknown_below"]) > 0.0);
}

#[test]
fn text_says_what_is_where() {
    let ended =
        lorgnette(&["map", "--scale", "1", &photo("chelsea.jpg"), &photo("coffee.jpg")]).well();
    assert!(
        ended.out.contains("chelsea.jpg: 451 x 300 pixels, 10 x 15 cells, one every 32 pixels"),
        "{}",
        ended.out
    );
    let region = ended
        .out
        .lines()
        .find(|line| line.contains("Egyptian cat") && line.contains(" to "))
        .unwrap();
    assert!(region.trim().starts_with("middle center"), "{region}");
    assert!(ended.out.contains("\n\n") && ended.out.contains("espresso"));
}

#[test]
fn csv_has_regions_legend_or_cells() {
    let lines = |table: &str| {
        let ended = lorgnette(&[
            "map",
            &photo("chelsea.jpg"),
            "--scale=1",
            "--format=csv",
            "--table",
            table,
        ])
        .well();
        ended.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let regions = lines("regions");
    assert_eq!(
        regions[0],
        "photo,index,synset,name,left,top,right,bottom,cells,share,probability,peak_probability"
    );
    assert!(
        regions[1].contains(",286,n02124075,Egyptian cat,") && regions[1].split(',').count() == 12,
        "{}",
        regions[1]
    );
    assert!(lines("legend")[1].contains(",286,n02124075,Egyptian cat,"));
    let cells = lines("cells");
    assert_eq!(
        (cells.len(), cells[0].as_str()),
        (151, "photo,row,column,y,x,index,synset,name,probability")
    );
    assert!(cells[150].contains("chelsea.jpg,9,14,"));
}

#[test]
fn valid_maps_stay_inside_and_finer_ones_have_more_cells() {
    let size = |options: &[&str]| {
        let photo = photo("chelsea.jpg");
        let ended = lorgnette(&[&["map", &photo, "--format", "json"], options].concat()).well();
        let answer = ended.json().remove(0);
        (
            answer["rows"].as_u64().unwrap(),
            answer["columns"].as_u64().unwrap(),
            answer["stride"].clone(),
        )
    };
    assert_eq!(size(&["--padding", "valid", "--scale", "1"]), (4, 9, 32.into()));
    assert_eq!(size(&["--output-stride", "16", "--scale", "1"]), (19, 29, 16.into()));
    // The pyramid of a small photo ends at 2.26.
    let (rows, columns, _) = size(&[]);
    assert_eq!((rows, columns), (22, 32));
    // The grid of the largest scale; its cells are half as far apart in the photo.
    assert_eq!(size(&["--scale", "1,2"]), (19, 29, 16.into()));
}

#[test]
fn figures_and_arrays_are_written() {
    let folder = Folder::new();
    let place = |name: &str| folder.text(name);
    let (map, over, heat, array, coco) = (
        place("map.svg"),
        place("over.png"),
        place("heat.jpg"),
        place("scores.npy"),
        place("coco.json"),
    );
    let cat = photo("chelsea.jpg");
    let drawn = [
        "--picture",
        &map,
        "--overlay",
        &over,
        "--heat",
        "Egyptian cat",
        &heat,
        "--npy",
        &array,
        "--coco",
        &coco,
    ];
    lorgnette(&[&["map", &cat, "--scale", "1"][..], &drawn].concat()).well();
    let svg = fs::read_to_string(&map).unwrap();
    assert!(
        svg.contains("Egyptian cat")
            && svg.contains("data:image/png;base64,")
            && svg.ends_with("</svg>\n")
    );
    let (over, heat) = (Picture::open(&over).unwrap(), Picture::open(&heat).unwrap());
    assert!(over.width() > 451 && over.height() > 300 && heat.width() > 451);
    let scores = npy::read(&fs::read(&array).unwrap()).unwrap();
    let labels = npy::read(&fs::read(folder.path("scores.labels.npy")).unwrap()).unwrap();
    assert_eq!((scores.shape(), labels.shape()), (&[10, 15, 1001][..], &[10, 15][..]));
    let (scores, labels) = (scores.to_f32(), labels.to_i64());
    let best = |cell: usize| {
        let cell = &scores[cell * 1001..][..1001];
        (0..1001).max_by(|&a, &b| cell[a].total_cmp(&cell[b])).unwrap() as i64
    };
    assert!((0..150).all(|cell| labels[cell] == best(cell)));
    let coco: Value = serde_json::from_slice(&fs::read(&coco).unwrap()).unwrap();
    let annotation = &coco["annotations"][0];
    let counts: Vec<u64> =
        serde_json::from_value(annotation["segmentation"]["counts"].clone()).unwrap();
    assert_eq!(counts.iter().sum::<u64>(), 451 * 300);
    assert_eq!(annotation["area"], counts.iter().skip(1).step_by(2).sum::<u64>());
    assert_eq!(
        (&coco["images"][0]["width"], &coco["categories"][0]["name"]),
        (&451.into(), &"Egyptian cat".into())
    );
}

#[test]
fn without_a_legend_pictures_are_as_large_as_the_photo() {
    let folder = Folder::new();
    let (over, heat) = (folder.text("over.png"), folder.text("heat.png"));
    let drawn = ["--no-legend", "--overlay", &over, "--heat", "tabby", &heat];
    lorgnette(&[&["map", &photo("chelsea.jpg")][..], &drawn].concat()).well();
    for place in [over, heat] {
        let picture = Picture::open(place).unwrap();
        assert_eq!((picture.width(), picture.height()), (451, 300));
    }
}

#[test]
fn what_cannot_be_is_refused_with_advice() {
    let cat = photo("chelsea.jpg");
    let refused = |options: &[&str], says: &str| {
        let ended = lorgnette(&[&["map", &cat], options].concat());
        assert!(ended.code != Some(0) && ended.err.contains(says), "{options:?}: {}", ended.err);
    };
    refused(&["--heat", "Egyptian cad", "x.png"], "did you mean");
    refused(&["--picture", "x.gif"], ".png, .jpg or .svg");
    refused(&["--output-stride", "12"], "power of two");
    refused(&["--scale", "0"], "number from");
    refused(&["--scale", "0.3", "--padding", "valid"], "too small");
}

#[test]
fn a_photo_that_cannot_be_mapped_does_not_stop_the_others() {
    let folder = Folder::new().with_photo("b.jpg", "chelsea.jpg").with("a.jpg", b"no photo");
    let ended = lorgnette(&["map", &folder.text(""), "--format", "json"]);
    assert_eq!(ended.code, Some(1));
    let answers = ended.json();
    assert!(answers[0]["error"].is_string() && answers[1]["cells"].is_array());
}
