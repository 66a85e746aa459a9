//! `lorgnette embed`: photos as lists of numbers.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use lorgnette::Embedder;
use lorgnette::net::{Tensor, npy};
use serde::Serialize;

use crate::Outcome;
use crate::arguments::{Format, Global, InputArguments, PhotoArguments};
use crate::messages::Messages;
use crate::model;
use crate::photos::{self, Photo};
use crate::stream::{Shares, answer_photos, write_json};

/// Turn photos into lists of numbers that are near for photos that look alike
///
/// The numbers are what the network's last layer decides by, or the activations of another node, averaged over the
/// picture.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    /// The node to take the numbers from [default: what the classification layer reads]
    #[arg(long, value_name = "NAME")]
    end_point: Option<String>,

    /// How to write the numbers
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,

    /// Also write all of them as one NumPy matrix, a row for each photo; a photo that failed leaves a row of NaN
    #[arg(long, value_name = "OUT")]
    npy: Option<PathBuf>,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
Examples:
  lorgnette embed holidays/ > holidays.jsonl
  lorgnette embed holidays/ --npy holidays.npy --format csv > holidays.csv
  lorgnette embed cat.jpg --end-point MobilenetV1/MobilenetV1/Conv2d_11_pointwise/Relu6";

/// What is known of a photo in the end.
struct Answer {
    width: usize,
    height: usize,
    embedding: Vec<f32>,
}

/// The JSON of an answer.
#[derive(Serialize)]
struct AnswerJson<'a> {
    photo: &'a str,
    width: usize,
    height: usize,
    model: &'a str,
    end_point: &'a str,
    embedding: &'a [f32],
}

/// Embeds the photos.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let photos = photos::find(&arguments.photos)?;
    let model = model::open(None, global, &arguments.input.add_to(global.model_options()?), messages)?;
    let embedder = Embedder::new(model, arguments.end_point.as_deref())?;
    let mut matrix = arguments.npy.as_deref().map(|_| Matrix::default());
    let outcome = answer_photos(
        &photos,
        workers(arguments, &embedder, photos.len()),
        (arguments.format, messages),
        "",
        |out, photo, answer: &Answer| {
            if let Some(matrix) = &mut matrix {
                matrix.push(photo, &answer.embedding);
            }
            match arguments.format {
                Format::Json => write_json(out, &AnswerJson::new(photo, &embedder, answer)),
                Format::Csv => write_csv(out, photo, answer),
                Format::Text => write_text(out, photo, answer),
            }
        },
    )?;
    if let (Some(matrix), Some(path)) = (matrix, &arguments.npy) {
        matrix.save(&photos, path)?;
    }
    Ok(outcome)
}

/// What each thread does with a photo: decode, embed.
fn workers(
    arguments: &Arguments,
    embedder: &Embedder,
    photos: usize,
) -> Vec<impl FnMut(usize, &Photo) -> Result<Answer> + Send + use<>> {
    let shares = Shares::new(embedder.model().network().options().pool.threads(), photos);
    let open_options = arguments.photos.open_options();
    let worker = |_| {
        let embedder = if shares.workers == 1 { embedder.clone() } else { embedder.on_threads(shares.threads) };
        let open_options = open_options.clone();
        move |_: usize, photo: &Photo| {
            let picture = photo.open(&open_options)?;
            let embedding = embedder.embed(&picture).with_context(|| photo.name().to_owned())?;
            Ok(Answer { width: picture.width(), height: picture.height(), embedding })
        }
    };
    (0..shares.workers).map(worker).collect()
}
