//! `lorgnette blur`: photos with all regions of given classes blurred.

mod answer;
mod destination;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::blur::{BlurMode, BlurOptions, Blurrer, Mask};
use lorgnette::picture::PictureFormat;
use lorgnette::{BlurAnswer, Picture, draw};

use self::destination::Destinations;
use crate::Outcome;
use crate::arguments::{Format, Global, InputArguments, PhotoArguments, share};
use crate::messages::Messages;
use crate::model;
use crate::output_paths::{self, FIGURES, OutputPaths, PICTURES};
use crate::photos::{self, Photo};
use crate::stream::{WorkSplit, answer_photos, write_json};
use crate::verbs::map::{MapArguments, observe_tiles};

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
    let blurrer =
        Blurrer::new(model, &arguments.class, arguments.map.options(), arguments.blur_options())?;
    let (numbers, photos) = if arguments.resume {
        destinations.missing(&photos, messages)
    } else {
        ((0..photos.len()).collect(), photos.clone())
    };
    let job = Job { arguments, destinations, previews, numbers };
    let workers = job.workers(&blurrer, photos.len(), messages);
    answer_photos(
        &photos,
        workers,
        (arguments.format, messages),
        answer::header(arguments.format),
        |out, _, answer| match arguments.format {
            Format::Json => write_json(out, answer),
            Format::Csv => answer::write_csv(out, answer),
            Format::Text => answer::write_text(out, answer),
        },
    )
}

impl Arguments {
    /// The library's options.
    fn blur_options(&self) -> BlurOptions {
        let mode = match (self.how, self.colour) {
            (BlurMode::Fill(_), Some(colour)) => BlurMode::Fill(colour),
            (mode, _) => mode,
        };
        let Self { min_probability, margin, feather, block, .. } = *self;
        BlurOptions { mode, min_probability, margin, feather, block }
    }
}

/// The work for each photo.
struct Job<'a> {
    arguments: &'a Arguments,
    destinations: Destinations,
    previews: Option<Vec<PathBuf>>,
    /// The photos' indices among all that were named.
    numbers: Vec<usize>,
}

impl Job<'_> {
    /// The work of each thread: decode, map, blur, write.
    fn workers(
        &self,
        blurrer: &Blurrer,
        photos: usize,
        messages: Messages,
    ) -> Vec<impl FnMut(usize, &Photo) -> Result<BlurAnswer> + Send> {
        let work_split = WorkSplit::new(blurrer.segmenter().model().threads(), photos);
        let mut workers = Vec::with_capacity(work_split.workers);
        for blurrer in work_split.copies(blurrer, Blurrer::with_threads) {
            workers.push(move |number: usize, photo: &Photo| {
                let (picture, file) =
                    photo.open_with_file(&self.arguments.photos.open_options())?;
                let mask = blurrer
                    .mask_observed(&picture, &mut observe_tiles(photos, messages))
                    .with_context(|| photo.name().to_owned())?;
                let path = self
                    .write(self.numbers[number], &picture, file, &mask, &blurrer)
                    .with_context(|| photo.name().to_owned())?;
                let model = blurrer.segmenter().model();
                Ok(BlurAnswer::new(&picture, model, &mask, path.as_deref()))
            });
        }
        workers
    }

    /// Writes the photo and its preview; returns the photo's path if it was written.
    fn write(
        &self,
        number: usize,
        picture: &Picture,
        file: Vec<u8>,
        mask: &Mask,
        blurrer: &Blurrer,
    ) -> Result<Option<PathBuf>> {
        if let Some(paths) = &self.previews {
            let labels = blurrer.segmenter().model().labels();
            draw::blur_preview(picture, mask, labels).save(&paths[number])?;
        }
        let unchanged = self.arguments.dry_run || (self.arguments.in_place && mask.is_empty());
        let Some(path) = self.destinations.path(number).filter(|_| !unchanged) else {
            return Ok(None);
        };
        let is_png =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        let format = if is_png { PictureFormat::Png } else { PictureFormat::Jpeg };
        let auto_oriented = self.arguments.photos.turns_upright();
        let bytes = mask.apply_to_file(picture, file, format, auto_oriented)?;
        self.destinations.write(number, &bytes)?;
        Ok(Some(path.to_owned()))
    }
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
