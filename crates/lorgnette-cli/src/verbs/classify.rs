//! `lorgnette classify`: the most probable classes of photos.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::draw::{self, Placement};
use lorgnette::picture::OpenOptions;
use lorgnette::{Classifier, ClassifyAnswer, Model, Picture, Prediction};
use lorgnette_library::printable;

use crate::Outcome;
use crate::arguments::{DecodeArguments, Format, Global, InputArguments, PhotoArguments};
use crate::bar::{BAR, bar};
use crate::messages::Messages;
use crate::model;
use crate::output_paths::{self, OutputPaths, PICTURES};
use crate::photos::{self, Photo};
use crate::stream::{
    OutputOptions, WorkSplit, Written, answer_every_photo, answer_photos, write_csv_lines,
    write_json,
};

/// Name what is in photos
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    /// How many classes to name for each photo
    #[arg(long, short = 'k', value_name = "N", default_value = "5", visible_alias = "limit")]
    top: NonZeroUsize,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Write CSV with one line for each photo, its classes side by side; a photo that failed has
    /// its error in it
    #[arg(long)]
    wide: bool,

    /// Draw the answers on a copy of the photo, in a file (.png, .jpg), or of each, in a folder, in
    /// the photo's own format
    #[arg(long, value_name = "OUT")]
    picture: Option<PathBuf>,

    /// Write the network's input for the photo, likewise
    #[arg(long, value_name = "OUT")]
    show_input: Option<PathBuf>,

    #[command(flatten)]
    decode: DecodeArguments,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
Photos are JPEG, PNG, GIF, BMP, TIFF or WebP, told by their content. Of folders
those are taken that end in .jpg, .png and so on, by name, without hidden ones.

Examples:
  lorgnette classify cat.jpg
  lorgnette classify holidays/ --format csv > holidays.csv
  lorgnette classify holidays/ --wide > one-line-a-photo.csv
  lorgnette classify 'holidays/*.jpg' --picture named/
  curl -s https://example.org/cat.jpg | lorgnette classify -
  lorgnette classify cat.jpg --model inception.pb --size 299 --top 1";

const CSV_HEADER: &str = "photo,rank,index,synset,name,probability,logit\n";

/// Classifies the photos.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    output_paths::check(arguments.picture.as_deref(), "--picture", PICTURES)?;
    output_paths::check(arguments.show_input.as_deref(), "--show-input", PICTURES)?;
    ensure!(
        !(arguments.wide && arguments.format == Format::Json),
        "--wide writes CSV: not with --format json"
    );
    let drawn = arguments.picture.is_some();
    ensure!(
        !(drawn && arguments.decode.is_reduced()),
        "--picture draws on photos of full size: not with --decode reduced"
    );
    let photos = photos::find(&arguments.photos, messages)?;
    let drawings = Drawings::new(arguments, &photos)?;
    let model = model::open_for_photos(&arguments.input, global, messages)?;
    let open_options = arguments.decode.open_options(
        &arguments.photos.open_options(),
        model.min_decode_size(),
        messages,
    );
    let workers = workers(
        arguments,
        &open_options,
        &Classifier::new(model.clone()).map_err(model::with_path(&global.model_ref(None)?))?,
        photos.len(),
        &drawings,
    );
    if arguments.wide {
        let classes = arguments.top.get().min(model.labels().len());
        let header = wide_header(classes);
        let write = |out: &mut dyn Write, photo: &Photo, answer: Written<'_, ClassifyAnswer>| {
            write_wide(out, photo, answer, classes)
        };
        let options = OutputOptions { format: Format::Csv, header: &header, messages };
        return answer_every_photo(&photos, workers, options, write);
    }
    let several = photos.len() > 1;
    let mut first = true;
    let header = if arguments.format == Format::Csv { CSV_HEADER } else { "" };
    let options = OutputOptions { format: arguments.format, header, messages };
    answer_photos(&photos, workers, options, |out, photo, answer| match arguments.format {
        Format::Json => write_json(out, answer),
        Format::Csv => write_csv(out, photo, answer),
        Format::Text => {
            if several {
                let space = if std::mem::take(&mut first) { "" } else { "\n" };
                writeln!(out, "{space}{}", printable(photo.name()))?;
            }
            write_text(out, answer)
        }
    })
}

/// The work of each thread: decode, classify, draw.
fn workers<'a>(
    arguments: &'a Arguments,
    open_options: &'a OpenOptions,
    classifier: &Classifier,
    photos: usize,
    drawings: &'a Drawings,
) -> Vec<impl FnMut(usize, &Photo) -> Result<ClassifyAnswer> + Send + 'a> {
    let work_split = WorkSplit::new(classifier.model().threads(), photos);
    let mut workers = Vec::with_capacity(work_split.workers);
    for classifier in work_split.copies(classifier, Classifier::with_threads) {
        workers.push(move |number: usize, photo: &Photo| {
            let picture = photo.open(open_options)?;
            let answer = classifier.answer(&picture, arguments.top.get());
            let answer = answer.with_context(|| photo.name().to_owned())?;
            drawings
                .draw(number, &picture, &answer.predictions, classifier.model())
                .with_context(|| photo.name().to_owned())?;
            Ok(answer)
        });
    }
    workers
}

/// Paths of the drawings, if there are any.
struct Drawings {
    pictures: Option<Vec<PathBuf>>,
    inputs: Option<Vec<PathBuf>>,
}

impl Drawings {
    fn new(arguments: &Arguments, photos: &[Photo]) -> Result<Self> {
        let mut output_paths = OutputPaths::new(photos);
        let pictures = output_paths.copies_for(&arguments.picture, "--picture")?;
        Ok(Self {
            pictures,
            inputs: output_paths.paths_for(&arguments.show_input, "--show-input", PICTURES)?,
        })
    }

    /// Writes the drawings of one photo.
    fn draw(
        &self,
        number: usize,
        picture: &Picture,
        predictions: &[Prediction],
        model: &Model,
    ) -> Result<()> {
        if let Some(paths) = &self.pictures {
            let answers: Vec<(&str, f32)> = predictions
                .iter()
                .map(|prediction| (prediction.name.as_str(), prediction.probability))
                .collect();
            draw::annotate(picture, &answers, Placement::Automatic).save(&paths[number])?;
        }
        if let Some(paths) = &self.inputs {
            let seen = model.input_image(picture);
            draw::show_input(&seen, Some(&caption(model, &seen))).save(&paths[number])?;
        }
        Ok(())
    }
}

/// The caption under a network's input.
fn caption(model: &Model, seen: &Picture) -> String {
    let (name, width, height) = (model.name(), seen.width(), seen.height());
    format!("{name}: {width} x {height}, preprocessing {}", model::preprocessing_name(model))
}

fn write_csv(out: &mut dyn Write, photo: &Photo, answer: &ClassifyAnswer) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        for (rank, prediction) in (1..).zip(&answer.predictions) {
            lines.serialize((photo.name(), rank, prediction))?;
        }
        Ok(())
    })
}

/// The header of `--wide`: the photo, then as many classes.
fn wide_header(classes: usize) -> String {
    let mut header = "photo,error,width,height,model,unknown".to_owned();
    for rank in 1..=classes {
        for column in ["index", "synset", "name", "probability", "logit"] {
            header += &format!(",{column}_{rank}");
        }
    }
    header + "\n"
}

/// Writes one line for a photo, with as many classes; those of a failed photo are empty.
fn write_wide(
    out: &mut dyn Write,
    photo: &Photo,
    answer: Written<'_, ClassifyAnswer>,
    classes: usize,
) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        lines.write_field(photo.name())?;
        match answer {
            Ok(answer) => {
                let ClassifyAnswer { width, height, model, unknown, .. } = answer;
                lines.write_field("")?;
                lines.write_field(width.to_string())?;
                lines.write_field(height.to_string())?;
                lines.write_field(model)?;
                lines.write_field(unknown.map_or(String::new(), |unknown| unknown.to_string()))?;
                lines.serialize(&answer.predictions)
            }
            Err(failed) => {
                lines.write_field(&failed.error)?;
                // Width, height, model, unknown; and five columns of each class.
                lines.write_record(vec![""; 4 + 5 * classes])
            }
        }
    })
}

fn write_text(out: &mut dyn Write, answer: &ClassifyAnswer) -> io::Result<()> {
    if answer.unknown == Some(true) {
        writeln!(
            out,
            "unknown: the model is less sure of it than of all but a few of the photos it knows"
        )?;
    }
    for prediction in &answer.predictions {
        let percent = 100.0 * prediction.probability;
        writeln!(
            out,
            "{percent:>7.2} %  {:<BAR$}  {}",
            bar(prediction.probability),
            prediction.name
        )?;
    }
    Ok(())
}
