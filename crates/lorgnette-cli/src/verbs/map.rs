//! `lorgnette map`: segmentation maps of photos.

mod answer;
mod drawings;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use lorgnette::dense::{Coco, RegionOptions, SegmentationOptions};
use lorgnette::net::write_atomically;
use lorgnette::{MapAnswer, MapPadding, Region, Segmenter};

use self::answer::Answer;
use self::drawings::Drawings;
use crate::Outcome;
use crate::arguments::{Format, Global, InputArguments, PhotoArguments};
use crate::messages::Messages;
use crate::model;
use crate::photos::{self, Photo};
use crate::progress::Progress;
use crate::stream::{OutputOptions, WorkSplit, answer_photos, write_json};

/// Find what is where in photos: a class for every place
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    #[command(flatten)]
    map: MapArguments,

    /// Leave out areas of fewer cells, unless the network is sure of one by a half
    #[arg(long, value_name = "N", default_value_t = RegionOptions::default().min_cells)]
    min_cells: usize,

    /// Leave out areas whose mean probability is below
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = crate::arguments::share)]
    min_probability: f32,

    /// Call cells unknown whose best class is less probable [default: 0.2; 0 with --scale]
    #[arg(long, value_name = "P", value_parser = crate::arguments::share)]
    unknown_below: Option<f32>,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Records of --format csv
    #[arg(long, value_enum, default_value_t = Table::Regions)]
    table: Table,

    /// Draw the map with a colour for each class and a colour bar, in a file (.png, .jpg, .svg), or
    /// of each, in a folder
    #[arg(long, value_name = "OUT")]
    picture: Option<PathBuf>,

    /// Draw the map over the photo, likewise, in a folder in the photo's own format
    #[arg(long, value_name = "OUT")]
    overlay: Option<PathBuf>,

    /// Draw how probable one class is over the photo, as --overlay; may be given several times
    #[arg(long, num_args = 2, value_names = ["CLASS", "OUT"])]
    heat: Vec<String>,

    /// Make overlays and heat maps exactly as large as the photo, without title and legend
    #[arg(long)]
    no_legend: bool,

    /// Write the scores, [rows, columns, classes], likewise (.npy), and the labels
    /// (.labels.npy)
    #[arg(long, value_name = "OUT")]
    npy: Option<PathBuf>,

    /// Write the regions of all photos as COCO annotations (.json)
    #[arg(long, value_name = "FILE")]
    coco: Option<PathBuf>,

    #[command(flatten)]
    input: InputArguments,
}

/// Options of a segmentation.
#[derive(Debug, Args)]
pub(crate) struct MapArguments {
    /// Cells up to the photo's border, or only those whose window is inside the photo
    #[arg(long, value_enum, default_value_t = Padding::Same)]
    padding: Padding,

    /// Pixels from cell to cell, at most; finer maps take longer [default: the network's own,
    /// mostly 32]
    #[arg(long, value_name = "32|16|8", value_parser = stride)]
    output_stride: Option<usize>,

    /// Scale the photo by this factor first; several, separated by commas, are averaged. 1 is
    /// TensorFlow's map of the photo as it is [default: a pyramid of scales, each of which
    /// counts where it shows best what is there]
    #[arg(long, value_name = "S", value_delimiter = ',', value_parser = scale)]
    scale: Vec<f64>,

    /// The longest side, in pixels, of a tile [default: as memory allows]
    #[arg(long, value_name = "N")]
    part: Option<usize>,

    /// Let the outlines of regions, in drawings, boxes and COCO, follow the photo's colours and
    /// edges; cells and scores stay. A blur grows along them [default: no; of a blur without
    /// --scale: yes]
    #[arg(long, value_enum, value_name = "yes|no", hide_possible_values = true)]
    refine: Option<Refine>,
}

/// Padding at the photo's edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Padding {
    Same,
    Valid,
}

/// Whether outlines are refined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Refine {
    Yes,
    No,
}

/// The records of CSV output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    Regions,
    Legend,
    Cells,
}

const EXAMPLES: &str = "\
The network is run over the whole photo, at its own size. Each cell of the map
is the answer to the part of the photo around it.

Examples:
  lorgnette map street.jpg
  lorgnette map street.jpg --overlay street-map.png --output-stride 16
  lorgnette map street.jpg --heat 'school bus' bus.png --scale 0.5,1
  lorgnette map holidays/ --format json > holidays.jsonl
  lorgnette map holidays/ --format csv --table regions \\
      --coco holidays.coco.json";

/// Maps the photos.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    drawings::check(arguments)?;
    let photos = photos::find(&arguments.photos, messages)?;
    let model = model::open_for_photos(&arguments.input, global, messages)?;
    let options =
        SegmentationOptions { unknown_below: arguments.unknown_below, ..arguments.map.options() };
    let segmenter =
        Segmenter::new(model, options).map_err(model::with_path(&global.model_ref(None)?))?;
    let drawings = Drawings::new(arguments, &photos, segmenter.model())?;
    let coco = Mutex::new(Coco::default());
    let workers = workers(arguments, &segmenter, photos.len(), &drawings, messages);
    let (header, labels) =
        (answer::header(arguments.format, arguments.table), segmenter.model().labels());
    let mut first = true;
    let outcome = answer_photos(
        &photos,
        workers,
        OutputOptions { format: arguments.format, header, messages },
        |out, photo, answer: &Answer| {
            if arguments.coco.is_some() {
                let mut coco = coco.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                coco.add(photo.name(), &answer.map, &answer.regions, labels);
            }
            match arguments.format {
                Format::Json => write_json(out, &answer.answer),
                Format::Csv => answer.write_csv(out, labels, arguments.table),
                Format::Text => answer.write_text(out, std::mem::take(&mut first)),
            }
        },
    )?;
    if let Some(path) = &arguments.coco {
        let coco = coco.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        write_atomically(path, &serde_json::to_vec(&coco)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(outcome)
}

/// The work of each thread: decode, map, find regions, draw.
fn workers<'a>(
    arguments: &'a Arguments,
    segmenter: &'a Segmenter,
    photos: usize,
    drawings: &'a Drawings,
    messages: Messages,
) -> Vec<impl FnMut(usize, &Photo) -> Result<Answer> + Send + 'a> {
    let work_split = WorkSplit::new(segmenter.model().threads(), photos);
    let region_options = RegionOptions {
        min_cells: arguments.min_cells,
        min_probability: arguments.min_probability,
        ..segmenter.region_options()
    };
    let mut workers = Vec::with_capacity(work_split.workers);
    for segmenter in work_split.copies(segmenter, Segmenter::with_threads) {
        let region_options = region_options.clone();
        workers.push(move |number: usize, photo: &Photo| {
            let picture = photo.open(&arguments.photos.open_options())?;
            let map = segmenter
                .segment_observed(&picture, &mut observe_tiles(photos, messages))
                .with_context(|| photo.name().to_owned())?;
            let regions: Vec<Region> = map.regions(&region_options);
            drawings
                .draw(number, &picture, &map, &segmenter)
                .with_context(|| photo.name().to_owned())?;
            let answer = MapAnswer::new(photo.name(), segmenter.model(), &map, &regions);
            Ok(Answer { answer, map, regions })
        });
    }
    workers
}

/// Returns an observer that shows a progress bar over a photo's tiles if it is the only photo.
pub(crate) fn observe_tiles(photos: usize, messages: Messages) -> impl lorgnette::Observer {
    let mut progress = None;
    move |tiles: &lorgnette::Progress| {
        if photos == 1 {
            let progress =
                progress.get_or_insert_with(|| Progress::new(tiles.total, "parts", messages));
            progress.set_position(tiles.done);
        }
        ControlFlow::Continue(())
    }
}

impl MapArguments {
    /// The library's options.
    pub(crate) fn options(&self) -> SegmentationOptions {
        SegmentationOptions {
            padding: match self.padding {
                Padding::Same => MapPadding::Same,
                Padding::Valid => MapPadding::Valid,
            },
            output_stride: self.output_stride,
            scales: self.scale.clone(),
            tile: self.part,
            unknown_below: None,
            refine: self.refine.map(|refine| refine == Refine::Yes),
        }
    }
}

fn stride(text: &str) -> Result<usize, String> {
    let stride = text.parse().ok().filter(|stride: &usize| stride.is_power_of_two());
    stride.ok_or_else(|| "give a power of two, such as 32, 16 or 8".into())
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.trim().parse().ok().filter(|scale| (1.0 / 64.0..=64.0).contains(scale));
    scale.ok_or_else(|| "give a number from 0.016 to 64".into())
}

/// The pixels from cell to cell as they are shown: whole ones, or tenths of less than one.
fn rounded(stride: f64) -> f64 {
    let parts = if stride < 1.0 { 10.0 } else { 1.0 };
    (stride * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_closer_than_a_pixel_are_not_shown_at_none() {
        let shown = [32.0, 14.14, 1.0, 0.442].map(|stride| rounded(stride).to_string());
        assert_eq!(shown, ["32", "14", "1", "0.4"]);
    }
}
