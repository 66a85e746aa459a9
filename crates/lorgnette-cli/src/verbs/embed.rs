//! `lorgnette embed`: feature vectors of photos.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::net::{Tensor, npy, write_atomically};
use lorgnette::picture::OpenOptions;
use lorgnette::{EmbedAnswer, Embedder};

use crate::Outcome;
use crate::arguments::{DecodeArguments, Format, Global, InputArguments, PhotoArguments};
use crate::messages::Messages;
use crate::model;
use crate::output_paths::OutputPaths;
use crate::photos::{self, Photo};
use crate::stream::{OutputOptions, WorkSplit, answer_photos, write_csv_lines, write_json};

/// Turn photos into feature vectors, which are close for photos that look alike
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    /// The node that gives them [default: the input of the classification layer]
    #[arg(long, value_name = "NAME")]
    end_point: Option<String>,

    /// How to write the numbers
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,

    /// Also write all as one NumPy matrix, with a row for each photo, NaN if it failed
    #[arg(long, value_name = "OUT")]
    npy: Option<PathBuf>,

    #[command(flatten)]
    decode: DecodeArguments,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
Of a node that is a map, the mean over the picture is taken, so there is one
number for each channel.

Examples:
  lorgnette embed holidays/ > holidays.jsonl
  lorgnette embed holidays/ --npy holidays.npy --format csv > holidays.csv
  lorgnette embed cat.jpg \\
      --end-point MobilenetV1/MobilenetV1/Conv2d_11_pointwise/Relu6";

/// The result for a photo.
struct Answer {
    /// Index of the photo.
    number: usize,
    answer: EmbedAnswer,
}

/// Embeds the photos.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let photos = photos::find(&arguments.photos, messages)?;
    if let Some(path) = &arguments.npy {
        OutputPaths::new(&photos).one_file(path, "--npy")?;
    }
    let model = model::open_for_photos(&arguments.input, global, messages)?;
    let open_options = arguments.decode.open_options(
        &arguments.photos.open_options(),
        model.min_decode_size(),
        messages,
    );
    let embedder = Embedder::new(model, arguments.end_point.as_deref())
        .map_err(model::with_path(&global.model_ref(None)?))?;
    let mut matrix = Matrix::default();
    let mut first = true;
    let outcome = answer_photos(
        &photos,
        workers(&open_options, &embedder, photos.len()),
        OutputOptions { format: arguments.format, header: "", messages },
        |out, photo, answer: &Answer| {
            if arguments.npy.is_some() {
                matrix.insert(answer);
            }
            match arguments.format {
                Format::Json => write_json(out, &answer.answer),
                Format::Csv => write_csv(out, photo, answer, std::mem::take(&mut first)),
                Format::Text => write_text(out, photo, answer),
            }
        },
    )?;
    if let Some(path) = &arguments.npy {
        ensure!(
            outcome != Outcome::StdoutClosed,
            "{}: not written, for standard output was closed too early",
            path.display()
        );
        matrix.save(path, photos.len()).with_context(|| path.display().to_string())?;
    }
    Ok(outcome)
}

/// The work of each thread: decode, embed.
fn workers(
    open_options: &OpenOptions,
    embedder: &Embedder,
    photos: usize,
) -> Vec<impl FnMut(usize, &Photo) -> Result<Answer> + Send + use<>> {
    let work_split = WorkSplit::new(embedder.model().threads(), photos);
    let mut workers = Vec::with_capacity(work_split.workers);
    for embedder in work_split.copies(embedder, Embedder::with_threads) {
        let open_options = open_options.clone();
        workers.push(move |number: usize, photo: &Photo| {
            let picture = photo.open(&open_options)?;
            let answer = embedder.answer(&picture).with_context(|| photo.name().to_owned())?;
            Ok(Answer { number, answer })
        });
    }
    workers
}

/// Embeddings by the index of their photo.
#[derive(Default)]
struct Matrix {
    rows: BTreeMap<usize, Vec<f32>>,
}

impl Matrix {
    fn insert(&mut self, answer: &Answer) {
        self.rows.insert(answer.number, answer.answer.embedding.clone());
    }

    /// Writes a row for each of `photos`, NaN for those that failed.
    fn save(&self, path: &Path, photos: usize) -> Result<()> {
        let columns =
            self.rows.values().next().context("not written, for every photo failed")?.len();
        let missing = vec![f32::NAN; columns];
        let values = (0..photos)
            .flat_map(|number| self.rows.get(&number).unwrap_or(&missing))
            .copied()
            .collect();
        let matrix = npy::write(&Tensor::from_f32(&[photos, columns], values));
        Ok(write_atomically(path, &matrix)?)
    }
}

/// Writes the photo's name and its numbers, separated by spaces.
fn write_text(out: &mut dyn Write, photo: &Photo, answer: &Answer) -> io::Result<()> {
    write!(out, "{}", photo.name())?;
    answer.answer.embedding.iter().try_for_each(|value| write!(out, "\t{value}"))?;
    writeln!(out)
}

fn write_csv(out: &mut dyn Write, photo: &Photo, answer: &Answer, first: bool) -> io::Result<()> {
    write_csv_lines(out, |lines| {
        if first {
            lines.write_field("photo")?;
            lines.serialize((0..answer.answer.embedding.len()).collect::<Vec<_>>())?;
        }
        lines.write_field(photo.name())?;
        lines.serialize(&answer.answer.embedding)?;
        Ok(())
    })
}
