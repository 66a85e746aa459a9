//! `lorgnette faces`: the faces in photos.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use lorgnette::answer::FacesAnswer;
use lorgnette::draw;
use lorgnette::faces::{FaceDetector, FaceOptions, MIN_PROBABILITY};
use lorgnette_library::printable;

use crate::Outcome;
use crate::arguments::{Format, Global, PhotoArguments, share};
use crate::messages::{Messages, count};
use crate::output_paths::{self, FIGURES, OutputPaths};
use crate::photos::{self, Photo};
use crate::stream::{OutputOptions, WorkSplit, answer_photos, write_csv_lines, write_json};
use crate::verbs::map::observe_tiles;

/// Find faces in photos: boxes, landmarks, probabilities
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    #[command(flatten)]
    faces: FaceArguments,

    /// Leave out faces that are less probable
    #[arg(long, value_name = "P", default_value_t = MIN_PROBABILITY, value_parser = share)]
    min_probability: f32,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Draw the faces on a copy of the photo, in a file (.png, .jpg, .svg), or of each, in a
    /// folder, in the photo's own format
    #[arg(long, value_name = "OUT")]
    picture: Option<PathBuf>,
}

/// The network that finds faces, and how it searches.
#[derive(Debug, Args)]
pub(crate) struct FaceArguments {
    /// Another CenterFace that finds the faces, an ONNX file [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    pub(crate) face_model: Option<PathBuf>,

    /// Search for faces at the photo's own size alone, not at halves of it, where large faces are
    /// found
    #[arg(long)]
    no_pyramid: bool,

    /// Also search for faces at twice the photo's size, where those of 8 to 16 pixels are found;
    /// takes five times as long
    #[arg(long)]
    enlarge: bool,
}

const EXAMPLES: &str = "\
Faces from some 20 pixels up are found, upright or tilted. A box is left, top,
right, bottom in pixels; left and right of landmarks are the viewer's.

Examples:
  lorgnette faces party.jpg
  lorgnette faces holidays/ --format csv > faces.csv
  lorgnette faces party.jpg --picture party-faces.jpg --min-probability 0.3";

const CSV_HEADER: &str = "photo,left,top,right,bottom,probability,scale,\
left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,\
left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y\n";

/// Finds the faces.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    output_paths::check(arguments.picture.as_deref(), "--picture", FIGURES)?;
    let photos = photos::find(&arguments.photos, messages)?;
    let pictures = OutputPaths::new(&photos).copies_for(&arguments.picture, "--picture")?;
    let detector = arguments.faces.open(arguments.min_probability, global)?;
    let workers = workers(arguments, &detector, photos.len(), pictures.as_deref(), messages);
    let header = if arguments.format == Format::Csv { CSV_HEADER } else { "" };
    let options = OutputOptions { format: arguments.format, header, messages };
    answer_photos(&photos, workers, options, |out, _, answer| match arguments.format {
        Format::Json => write_json(out, answer),
        Format::Csv => write_csv(out, answer),
        Format::Text => write_text(out, answer),
    })
}

/// The work of each thread: decode, find, draw.
fn workers<'a>(
    arguments: &'a Arguments,
    detector: &FaceDetector,
    photos: usize,
    pictures: Option<&'a [PathBuf]>,
    messages: Messages,
) -> Vec<impl FnMut(usize, &Photo) -> Result<FacesAnswer> + Send + 'a> {
    let work_split = WorkSplit::new(detector.network().run_options().pool.threads(), photos);
    let mut workers = Vec::with_capacity(work_split.workers);
    for detector in work_split.copies(detector, FaceDetector::with_threads) {
        workers.push(move |number: usize, photo: &Photo| {
            let picture = photo.open(&arguments.photos.open_options())?;
            let faces = detector
                .detect_observed(&picture, &mut observe_tiles(photos, messages))
                .with_context(|| photo.name().to_owned())?;
            if let Some(paths) = pictures {
                draw::faces(&picture, &faces)
                    .save(&paths[number])
                    .with_context(|| photo.name().to_owned())?;
            }
            Ok(FacesAnswer::new(&picture, &detector, faces))
        });
    }
    workers
}

impl FaceArguments {
    /// Opens the face model.
    pub(crate) fn open(&self, min_probability: f32, global: &Global) -> Result<FaceDetector> {
        let (pyramid, enlarge) = (!self.no_pyramid, self.enlarge);
        let options = FaceOptions { min_probability, pyramid, enlarge, ..FaceOptions::default() };
        let model = global.model_options()?;
        Ok(match &self.face_model {
            Some(path) => FaceDetector::open(path, &model, options)?,
            None => FaceDetector::embedded(&model, options)?,
        })
    }
}

fn write_csv(out: &mut dyn Write, answer: &FacesAnswer) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        for face in &answer.faces {
            let place = (face.bounds, face.probability, face.scale);
            lines.serialize((&answer.photo, place, face.landmarks))?;
        }
        Ok(())
    })
}

fn write_text(out: &mut dyn Write, answer: &FacesAnswer) -> io::Result<()> {
    match answer.faces.len() {
        0 => writeln!(out, "{}: no faces", printable(&answer.photo))?,
        faces => {
            writeln!(out, "{}: {}", printable(&answer.photo), count(faces, "face"))?;
        }
    }
    for face in &answer.faces {
        let [left, top, right, bottom] = face.bounds;
        writeln!(
            out,
            "  at {left:.0},{top:.0} to {right:.0},{bottom:.0}  {:.0} %",
            100.0 * face.probability
        )?;
    }
    Ok(())
}
