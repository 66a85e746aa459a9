//! The answers of the scales of a photo's pyramid at some places, from which the weights of scales
//! are learned. Reads a line for each photo, its path and the places, down and across in pixels,
//! and writes a line of JSON: for each place, for each scale, its features and its best classes.
//!
//! ```sh
//! echo 'photo.jpg 120.5 200.5' | cargo run --release --example scale_views
//! ```
//!
//! The path must be without spaces. `oracle/scale_attention.py` uses it.

use std::error::Error;
use std::io::{BufRead as _, Write as _, stdin, stdout};

use lorgnette::dense::ScaleView;
use lorgnette::{Labels, Model, ModelOptions, Picture, SegmentationOptions, Segmenter};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let model = Model::embedded(&ModelOptions::default())?;
    let pyramid = SegmentationOptions { scales: Vec::new(), ..SegmentationOptions::default() };
    let segmenter = Segmenter::new(model, pyramid)?;
    for line in stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(path) = words.next() else { continue };
        let positions = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let places: Vec<[f64; 2]> =
            positions.chunks_exact(2).map(|place| [place[0], place[1]]).collect();
        let views = segmenter.scale_views(&Picture::open(path)?, &places)?;
        let places: Vec<Vec<Value>> = views
            .iter()
            .map(|place| place.iter().map(|view| json(view, segmenter.model().labels())).collect())
            .collect();
        writeln!(stdout(), "{}", json!(places))?;
    }
    Ok(())
}

/// The features, and the best classes by the identifiers of their synsets.
fn json(view: &ScaleView, labels: &Labels) -> Value {
    let synset = |class| labels.get(class).and_then(|label| label.synset);
    let best: Vec<_> = view.best.iter().map(|&(class, p)| (synset(class), p)).collect();
    json!({ "features": view.features, "best": best })
}
