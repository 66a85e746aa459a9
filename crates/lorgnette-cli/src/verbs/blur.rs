//! `lorgnette blur`: photos with all regions of given classes blurred.

mod answer;
mod destination;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::blur::{BlurMode, BlurOptions, Mask};
use lorgnette::draw;
use lorgnette::picture::{Metadata, PictureFormat};
use lorgnette::{Labels, Picture, Segmenter};

use self::answer::Answer;
use self::destination::Destinations;
use crate::Outcome;
use crate::arguments::{Format, Global, InputArguments, PhotoArguments, share};
use crate::messages::Messages;
use crate::model;
use crate::output_paths::{self, FIGURES, OutputPaths, PICTURES};
use crate::photos::{self, Photo};
use crate::stream::{WorkSplit, answer_photos};
use crate::verbs::map::{MapArguments, with_progress};

/// Blur everything of a class in photos
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    /// Classes to blur: names, synsets or indices, or more general names (dog,
    /// vehicle); may be given several times
    #[arg(long, required = true, num_args = 1.., value_name = "NAME")]
    class: Vec<String>,

    /// Where the blurred photo goes: a file (.png, .jpg), or for several photos a folder
    #[arg(long, value_name = "OUT", required_unless_present_any = ["in_place", "dry_run"])]
    out: Option<PathBuf>,

    /// Write over the photos themselves; each is kept in a copy with .orig behind its name
    #[arg(long, conflicts_with = "out")]
    in_place: bool,

    /// With --in-place: keep no copy of the original photos
    #[arg(long, requires = "in_place")]
    no_backup: bool,

    /// Write no photo, only say what would be blurred
    #[arg(long)]
    dry_run: bool,

    /// Draw what is blurred on a copy of the photo, in a file (.png, .jpg, .svg), or of each, in a
    /// folder
    #[arg(long, value_name = "OUT")]
    preview: Option<PathBuf>,

    /// Leave out photos whose blurred copy is there already
    #[arg(long, conflicts_with = "in_place")]
    resume: bool,

    /// mosaic (nothing finer than its squares is left), gaussian (smooth, for looks) or fill (one
    /// colour)
    #[arg(long, default_value_t = BlurMode::Mosaic)]
    how: BlurMode,

    /// The colour of --how fill
    #[arg(long, value_name = "RRGGBB", value_parser = colour)]
    colour: Option<[u8; 3]>,

    /// Blur only where the classes together are at least so probable
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    min_probability: f32,

    /// Pixels to blur beyond what was found [default: 32]
    #[arg(long, value_name = "N")]
    margin: Option<usize>,

    /// Pixels over which it fades beyond that [default: half the margin]
    #[arg(long, value_name = "N")]
    feather: Option<usize>,

    /// Side of a mosaic's squares; a blur's deviation is a quarter of it [default: 32, or a
    /// thirtieth of the photo]
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    #[command(flatten)]
    map: MapArguments,

    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    input: InputArguments,
}

/// Default output stride of the maps for masks.
const OUTPUT_STRIDE: usize = 16;

const EXAMPLES: &str = "\
Copies keep EXIF, XMP, IPTC, orientation and colour profile, but no thumbnails,
for these show the photo as it was; XMP and IPTC with a picture in them are left
away. A photo in which nothing is found is copied as it is. The output folder
gets the photos' own folders.

Examples:
  lorgnette blur street.jpg --class 'school bus' --out street-blurred.jpg
  lorgnette blur holidays/ --class Egyptian\\ cat tabby --out blurred/ --how fill
  lorgnette blur holidays/ --class n02119789 --dry-run --preview looks/";

/// Blurs the photos.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    output_paths::check(arguments.out.as_deref(), "--out", PICTURES)?;
    output_paths::check(arguments.preview.as_deref(), "--preview", FIGURES)?;
    ensure!(
        arguments.colour.is_none() || arguments.how != BlurMode::Mosaic,
        "--colour is for --how fill"
    );
    let photos = photos::find(&arguments.photos)?;
    let mut output_paths = OutputPaths::new(&photos);
    let destinations = Destinations::new(arguments, &photos, &mut output_paths)?;
    let previews = output_paths.paths_for(&arguments.preview, "--preview", FIGURES)?;
    let model = model::open_for_photos(&arguments.input, global, messages)?;
    let classes = classes(&arguments.class, model.labels())?;
    let segmenter = Segmenter::new(model, arguments.map.options_or_stride(OUTPUT_STRIDE))?;
    let (numbers, photos) = if arguments.resume {
        destinations.missing(&photos, messages)
    } else {
        ((0..photos.len()).collect(), photos.clone())
    };
    let job = Job { arguments, classes, destinations, previews, numbers };
    let workers = job.workers(&segmenter, photos.len(), messages);
    let labels = segmenter.model().labels();
    answer_photos(
        &photos,
        workers,
        (arguments.format, messages),
        answer::header(arguments.format),
        |out, photo, answer| match arguments.format {
            Format::Json => answer.write_json(out, photo, segmenter.model()),
            Format::Csv => answer.write_csv(out, photo, labels),
            Format::Text => answer.write_text(out, photo, labels),
        },
    )
}

/// The work for each photo.
struct Job<'a> {
    arguments: &'a Arguments,
    classes: Vec<usize>,
    destinations: Destinations,
    previews: Option<Vec<PathBuf>>,
    /// The photos' indices among all that were named.
    numbers: Vec<usize>,
}

impl Job<'_> {
    /// The work of each thread: decode, map, blur, write.
    fn workers(
        &self,
        segmenter: &Segmenter,
        photos: usize,
        messages: Messages,
    ) -> Vec<impl FnMut(usize, &Photo) -> Result<Answer> + Send> {
        let work_split =
            WorkSplit::new(segmenter.model().network().run_options().pool.threads(), photos);
        let worker = |_| {
            let segmenter = if work_split.workers == 1 {
                segmenter.clone()
            } else {
                segmenter.with_threads(work_split.threads)
            };
            move |number: usize, photo: &Photo| {
                let (picture, file) =
                    photo.open_with_file(&self.arguments.photos.open_options())?;
                let map = with_progress(&segmenter, &picture, photos, messages)
                    .with_context(|| photo.name().to_owned())?;
                let mask = Mask::new(&map, &self.classes, &self.options());
                drop(map);
                let number = self.numbers[number];
                let path = self.write(number, &picture, file, &mask, segmenter.model().labels());
                let path = path.with_context(|| photo.name().to_owned())?;
                let size = [picture.width(), picture.height()];
                Ok(Answer { size, path, share: mask.share(), areas: mask.areas().to_vec() })
            }
        };
        (0..work_split.workers).map(worker).collect()
    }

    fn options(&self) -> BlurOptions {
        let Arguments { how, colour, min_probability, margin, feather, block, .. } =
            *self.arguments;
        let how = match (how, colour) {
            (BlurMode::Fill(_), Some(colour)) => BlurMode::Fill(colour),
            (how, _) => how,
        };
        BlurOptions { mode: how, min_probability, margin, feather, block }
    }

    /// Writes the photo and its preview; returns the photo's path if it was written.
    fn write(
        &self,
        number: usize,
        picture: &Picture,
        file: Vec<u8>,
        mask: &Mask,
        labels: &Labels,
    ) -> Result<Option<PathBuf>> {
        if let Some(paths) = &self.previews {
            draw::blur_preview(picture, mask, labels).save(&paths[number])?;
        }
        let unchanged = self.arguments.dry_run || (self.arguments.in_place && mask.is_empty());
        let Some(path) = self.destinations.path(number).filter(|_| !unchanged) else {
            return Ok(None);
        };
        let kind =
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
                PictureFormat::Png
            } else {
                PictureFormat::Jpeg
            };
        let bytes = match mask.is_empty() && picture.format() == Some(kind) {
            true => file,
            false => {
                let metadata = Metadata::from_bytes(&file).without_thumbnails();
                mask.apply(picture).encode_with(
                    kind,
                    &metadata,
                    self.arguments.photos.turns_upright(),
                )?
            }
        };
        self.destinations.write(number, &bytes)?;
        Ok(Some(path.to_owned()))
    }
}

/// The selected classes.
fn classes(names: &[String], labels: &Labels) -> Result<Vec<usize>> {
    let mut classes = Vec::new();
    for name in names {
        classes.extend(labels.find(name)?.iter().map(|label| label.index));
    }
    Ok(classes)
}

fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = text.trim_start_matches('#');
    let level =
        |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let levels = (digits.len() == 6).then(|| Some([level(0)?, level(2)?, level(4)?])).flatten();
    levels.ok_or_else(|| {
        "give red, green and blue as two hexadecimal digits each, such as ff8000".into()
    })
}
