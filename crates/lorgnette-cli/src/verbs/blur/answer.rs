//! The report on a blurred photo.

use std::io::{self, Write};
use std::path::PathBuf;

use lorgnette::blur::Area;
use lorgnette::{Labels, Model};
use serde::Serialize;

use crate::arguments::Format;
use crate::photos::Photo;
use crate::stream::{write_csv_lines, write_json};

/// The result for a photo.
pub(super) struct Answer {
    pub(super) size: [usize; 2],
    /// The path of the blurred photo, if it was written.
    pub(super) path: Option<PathBuf>,
    pub(super) share: f32,
    pub(super) areas: Vec<Area>,
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    photo: &'a str,
    width: usize,
    height: usize,
    model: &'a str,
    out: Option<String>,
    share: f32,
    blurred: Vec<AreaJson<'a>>,
}

#[derive(Serialize)]
struct AreaJson<'a> {
    index: usize,
    synset: Option<&'a str>,
    name: &'a str,
    #[serde(rename = "box")]
    bounds: [usize; 4],
    share: f32,
    probability: f32,
    peak_probability: f32,
}

/// The header of all results.
pub(super) fn header(format: Format) -> &'static str {
    match format {
        Format::Csv => {
            "photo,out,index,synset,name,left,top,right,bottom,share,probability,peak_probability\n"
        }
        _ => "",
    }
}

impl Answer {
    pub(super) fn write_json(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        model: &Model,
    ) -> io::Result<()> {
        let [width, height] = self.size;
        let blurred = self.areas.iter().map(|area| AreaJson::new(area, model.labels())).collect();
        let path = self.path.as_ref().map(|path| path.display().to_string());
        write_json(
            out,
            &AnswerJson {
                photo: photo.name(),
                width,
                height,
                model: model.name(),
                out: path,
                share: self.share,
                blurred,
            },
        )
    }

    pub(super) fn write_csv(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        labels: &Labels,
    ) -> io::Result<()> {
        write_csv_lines(out, |lines| {
            let path = self.path.as_ref().map(|path| path.display().to_string());
            for area in &self.areas {
                let AreaJson { index, synset, name, bounds, share, probability, peak_probability } =
                    AreaJson::new(area, labels);
                let numbers = (bounds, share, probability, peak_probability);
                lines.serialize((photo.name(), &path, index, synset, name, numbers))?;
            }
            Ok(())
        })
    }

    pub(super) fn write_text(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        labels: &Labels,
    ) -> io::Result<()> {
        let (name, share) = (photo.name(), 100.0 * self.share);
        let path =
            self.path.as_ref().map_or_else(String::new, |path| format!(" → {}", path.display()));
        match self.areas.len() {
            0 => writeln!(out, "{name}: nothing found{path}")?,
            _ => writeln!(out, "{name}: {share:.1} % blurred{path}")?,
        }
        for area in &self.areas {
            let AreaJson { name, bounds: [x0, y0, x1, y1], peak_probability, .. } =
                AreaJson::new(area, labels);
            writeln!(
                out,
                "  {x0},{y0} to {x1},{y1}  {name}, at most {:.0} %",
                100.0 * peak_probability
            )?;
        }
        Ok(())
    }
}

impl<'a> AreaJson<'a> {
    fn new(area: &Area, labels: &'a Labels) -> Self {
        let Area { class, bounds, share, mean_probability, peak_probability } = *area;
        let (synset, name) =
            labels.get(class).map_or((None, ""), |label| (label.synset, label.name));
        Self {
            index: class,
            synset,
            name,
            bounds,
            share,
            probability: mean_probability,
            peak_probability,
        }
    }
}
