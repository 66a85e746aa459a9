//! The drawings and arrays that `map` writes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lorgnette::draw::{self, Overlay};
use lorgnette::net::tensor::DType;
use lorgnette::net::{MapPadding, Tensor, npy, write_atomically};
use lorgnette::{Drawing, Model, Picture, SegmentationMap, Segmenter};

use super::{Arguments, rounded};
use crate::output_paths::{self, ARRAYS, FIGURES, JSON, OutputPaths};
use crate::photos::Photo;

/// Their paths, if there are any.
pub(super) struct Drawings {
    pictures: Option<Vec<PathBuf>>,
    overlays: Option<Vec<PathBuf>>,
    heats: Vec<Heat>,
    arrays: Option<Vec<PathBuf>>,
    legend: bool,
}

/// The heat maps of one class.
struct Heat {
    name: String,
    classes: Vec<usize>,
    paths: Vec<PathBuf>,
}

/// Rejects unsuitable paths before anything is opened.
pub(super) fn check(arguments: &Arguments) -> Result<()> {
    output_paths::check(arguments.picture.as_deref(), "--picture", FIGURES)?;
    output_paths::check(arguments.overlay.as_deref(), "--overlay", FIGURES)?;
    output_paths::check(arguments.npy.as_deref(), "--npy", ARRAYS)?;
    output_paths::check_file(arguments.coco.as_deref(), "--coco", JSON)?;
    heats(arguments).try_for_each(|(_, out)| output_paths::check(Some(out), "--heat", FIGURES))
}

/// The requested classes and paths.
fn heats(arguments: &Arguments) -> impl Iterator<Item = (&str, &Path)> {
    arguments.heat.as_chunks().0.iter().map(|[class, out]| (class.as_str(), Path::new(out)))
}

impl Drawings {
    pub(super) fn new(arguments: &Arguments, photos: &[Photo], model: &Model) -> Result<Self> {
        let mut output_paths = OutputPaths::new(photos);
        if let Some(path) = &arguments.coco {
            output_paths.one_file(path, "--coco")?;
        }
        let pictures = output_paths.paths_for(&arguments.picture, "--picture", FIGURES)?;
        let overlays = output_paths.copies_for(&arguments.overlay, "--overlay")?;
        let arrays = output_paths.paths_for(&arguments.npy, "--npy", ARRAYS)?;
        let mut heat = |(name, out): (&str, &Path)| {
            let found = model.labels().find(name)?;
            let paths = output_paths.copies(out, "--heat")?;
            let name = match found[..] {
                [label] => label.name.to_owned(),
                _ => format!("{name}: {} classes", found.len()),
            };
            Ok(Heat { name, classes: found.iter().map(|label| label.index).collect(), paths })
        };
        let heats = heats(arguments).map(&mut heat).collect::<Result<_>>()?;
        Ok(Self { pictures, overlays, heats, arrays, legend: !arguments.no_legend })
    }

    /// Writes the drawings of one photo.
    pub(super) fn draw(
        &self,
        number: usize,
        picture: &Picture,
        map: &SegmentationMap,
        segmenter: &Segmenter,
    ) -> Result<()> {
        let labels = segmenter.model().labels();
        let title = Path::new(picture.name()).file_name().unwrap_or_default().to_string_lossy();
        let note = note(map, segmenter);
        let save = |paths: &Option<Vec<PathBuf>>, drawing: &dyn Fn() -> Drawing| match paths {
            Some(paths) => drawing().save(&paths[number]),
            None => Ok(()),
        };
        save(&self.pictures, &|| draw::map(map, labels, [&title, &note]))?;
        save(&self.overlays, &|| {
            let overlay = Overlay::new(picture, map, labels);
            if self.legend {
                overlay.drawing([&title, &note])
            } else {
                Drawing::from_picture(overlay.picture())
            }
        })?;
        for Heat { name, classes, paths } in &self.heats {
            let drawing = match self.legend {
                true => draw::heat(picture, map, classes, [name, &format!("{title} · {note}")]),
                false => Drawing::from_picture(draw::heat_picture(picture, map, classes)),
            };
            drawing.save(&paths[number])?;
        }
        self.arrays.as_ref().map_or(Ok(()), |paths| write_arrays(map, &paths[number]))
    }
}

/// The options of the map, in a line.
fn note(map: &SegmentationMap, segmenter: &Segmenter) -> String {
    let (rows, columns, stride) = (map.rows(), map.columns(), rounded(map.row_axis().stride));
    let padding = if segmenter.options().padding == MapPadding::Valid {
        ", none across the border"
    } else {
        ""
    };
    format!(
        "{} · {rows} × {columns} cells, one every {stride} pixels{padding}",
        segmenter.model().name()
    )
}

/// Writes scores to `path`, and labels to a second file.
fn write_arrays(map: &SegmentationMap, path: &Path) -> Result<()> {
    let scores = map.scores().context(
        "its map is too large to keep all scores: leave --npy away, or take a coarser map",
    )?;
    let shape = [map.rows(), map.columns()];
    let scores = Tensor::from_f32(&[shape[0], shape[1], map.classes()], scores.to_vec());
    let label = |class: usize| if class == map.unknown_class() { -1 } else { class as i64 };
    let labels: Vec<i64> = map.labels().into_iter().map(label).collect();
    let labels = Tensor::from_i64(DType::I32, &shape, &labels);
    let write = |path: &Path, tensor: &Tensor| {
        write_atomically(path, &npy::write(tensor))
            .with_context(|| format!("{}: cannot be written", path.display()))
    };
    write(path, &scores)?;
    write(&path.with_extension("labels.npy"), &labels)
}
