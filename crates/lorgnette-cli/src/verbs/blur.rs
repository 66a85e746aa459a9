//! `lorgnette blur`: photos with all regions of given classes blurred.

mod answer;
mod destination;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::blur::{BlurMode, BlurOptions, Blurrer, Mask};
use lorgnette::faces::MIN_PROBABILITY;
use lorgnette::picture::{PictureFormat, has_photo_extension};
use lorgnette::{BlurAnswer, Model, Picture, draw};

use self::destination::Destinations;
use crate::Outcome;
use crate::arguments::{Format, Global, InputArguments, PhotoArguments, share};
use crate::messages::Messages;
use crate::model;
use crate::output_paths::{self, FIGURES, OutputPaths, PICTURES};
use crate::photos::{self, Photo};
use crate::stream::{OutputOptions, WorkSplit, answer_photos, write_json};
use crate::verbs::faces::FaceArguments;
use crate::verbs::map::{MapArguments, observe_tiles};

/// Blur faces, or everything of a class, in photos
///
/// A photo is searched at a pyramid of scales, from the whole of it in one look to enlarged ones.
/// What is hidden is probable, or stands out: its class has a score there that hardly any other
/// place of the photo has. Enlarged scales look only where something may.
/// Each photo's line says at which scales it was searched, and where something was found.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    photos: PhotoArguments,

    /// Blur every face, with a margin around it
    #[arg(long)]
    faces: bool,

    /// A class to blur: a name, synset or index, or a more general name (dog, vehicle), or face;
    /// may be given several times, and more names may follow
    #[arg(long, required_unless_present = "faces", value_name = "NAME")]
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

    /// Blur only where the classes together, or faces, are at least so probable [default of faces:
    /// 0.2]
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    min_probability: f32,

    /// Pixels to blur beyond what was found [default: 32, or a fifth of a face]
    #[arg(long, value_name = "N")]
    margin: Option<usize>,

    /// Pixels over which it fades beyond that [default: half the margin]
    #[arg(long, value_name = "N")]
    feather: Option<usize>,

    /// Side of a mosaic's squares; a blur's deviation is a quarter of it [default: 32, or a
    /// thirtieth of the photo, or a sixth of the largest face]
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    /// Exit with 1 if a photo was looked at less than it should be, or nothing was found in it
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    map: MapArguments,

    #[command(flatten)]
    face: FaceArguments,

    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    input: InputArguments,
}

const EXAMPLES: &str = "\
A copy holds one picture. Its orientation, colour profile, resolution and time
are written anew; thumbnails, previews, makers' notes, XMP, IPTC, gain maps and
films behind the photo are left out, for these may show it as it was. A photo in
which nothing is found keeps its pixels. The output folder gets the photos' own
folders. Look at the copies before you publish them: networks make mistakes.

Examples:
  lorgnette blur party.jpg --faces --out party-blurred.jpg
  lorgnette blur street.jpg --class 'school bus' --out street-blurred.jpg
  lorgnette blur holidays/ --faces --class dog cat --out blurred/ --how fill
  lorgnette blur holidays/ --class n02119789 --dry-run --preview looks/";

/// Blurs the photos.
pub(crate) fn run(
    mut arguments: Arguments,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    arguments.sort_names();
    let arguments = &arguments;
    output_paths::check(arguments.out.as_deref(), "--out", PICTURES)?;
    output_paths::check(arguments.preview.as_deref(), "--preview", FIGURES)?;
    ensure!(
        arguments.colour.is_none() || arguments.how != BlurMode::Mosaic,
        "--colour is for --how fill"
    );
    let photos = photos::find(&arguments.photos, messages)?;
    ensure!(!photos.is_empty(), "name a photo, or a folder of photos");
    let mut output_paths = OutputPaths::new(&photos);
    let destinations = Destinations::new(arguments, &photos, &mut output_paths)?;
    let previews = output_paths.paths_for(&arguments.preview, "--preview", FIGURES)?;
    let model = model::open_for_photos(&arguments.input, global, messages)?;
    let blurrer = arguments.blurrer(model, global)?;
    let (numbers, photos) = if arguments.resume {
        destinations.missing(&photos, messages)
    } else {
        ((0..photos.len()).collect(), photos.clone())
    };
    let job = Job { arguments, destinations, previews, numbers };
    let workers = job.workers(&blurrer, photos.len(), messages);
    let mut warned = false;
    let outcome = answer_photos(
        &photos,
        workers,
        OutputOptions {
            format: arguments.format,
            header: answer::header(arguments.format),
            messages,
        },
        |out, _, answer| {
            for warning in &answer.warnings {
                messages.note(&format_args!("{}: {warning}", answer.photo));
                warned = true;
            }
            if arguments.strict && answer.blurred.is_empty() {
                messages.note(&format_args!("{}: nothing found, nothing hidden", answer.photo));
                warned = true;
            }
            match arguments.format {
                Format::Json => write_json(out, answer),
                Format::Csv => answer::write_csv(out, answer),
                Format::Text => answer::write_text(out, answer),
            }
        },
    )?;
    Ok(match outcome {
        Outcome::Done if warned && arguments.strict => Outcome::SomeFailed,
        outcome => outcome,
    })
}

impl Arguments {
    /// Takes the names behind `--class NAME` for classes that are neither files nor look like them.
    fn sort_names(&mut self) {
        if self.class.is_empty() {
            return;
        }
        let photos = std::mem::take(&mut self.photos.photos);
        let (names, photos) = photos.into_iter().partition(|path| is_name(path));
        let names: Vec<PathBuf> = names;
        self.class.extend(names.into_iter().filter_map(|name| name.to_str().map(str::to_owned)));
        self.photos.photos = photos;
    }

    /// The blurrer of the classes and faces.
    fn blurrer(&self, model: Model, global: &Global) -> Result<Blurrer> {
        let blurrer = Blurrer::new(model, &self.class, self.map.options(), self.blur_options())
            .map_err(model::with_path(&global.model_ref(None)?))?;
        // Names may say faces, too; --faces has the options.
        if !self.faces && !blurrer.blurs_faces() {
            return Ok(blurrer);
        }
        Ok(blurrer.with_faces(&self.face.open(MIN_PROBABILITY, global)?))
    }

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
                    .write(self.numbers[number], &picture, &file, &mask, &blurrer)
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
        file: &[u8],
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

/// True if no file has this path, and it could be a class's name.
fn is_name(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let looks_like_path = text.contains(['/', '\\', '*', '?', '[']) || has_photo_extension(path);
    text != "-" && !looks_like_path && path.symlink_metadata().is_err()
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
