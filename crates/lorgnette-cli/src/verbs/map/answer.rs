//! Results of `map` as text, JSON and CSV.

use std::io::{self, Write};

use lorgnette::dense::{Axis, LegendEntry};
use lorgnette::{Labels, Region, SegmentationMap, Segmenter};
use serde::Serialize;

use super::Table;
use crate::arguments::Format;
use crate::bar::{BAR, bar};
use crate::photos::Photo;
use crate::stream::{write_csv_lines, write_json};

/// The result for a photo.
pub(super) struct Answer {
    pub(super) map: SegmentationMap,
    pub(super) regions: Vec<Region>,
}

/// Maximum lines of text per photo and kind.
const MAX_LINES: usize = 12;

/// The JSON of a result.
#[derive(Serialize)]
struct AnswerJson<'a> {
    photo: &'a str,
    width: usize,
    height: usize,
    model: &'a str,
    rows: usize,
    columns: usize,
    stride: Number,
    /// Positions of the cells: centre of the first cell, and the receptive field, down and across.
    first: [f64; 2],
    field: [f64; 2],
    cells: Vec<Vec<usize>>,
    legend: Vec<EntryJson<'a>>,
    regions: Vec<RegionJson<'a>>,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    index: usize,
    synset: Option<&'a str>,
    name: &'a str,
    cells: usize,
    share: f32,
    mean_probability: f32,
}

#[derive(Serialize)]
struct RegionJson<'a> {
    index: usize,
    synset: Option<&'a str>,
    name: &'a str,
    #[serde(rename = "box")]
    bounds: [usize; 4],
    place: &'a str,
    cells: usize,
    share: f32,
    probability: f32,
    peak_probability: f32,
}

/// A number that is written without a fraction if it is an integer.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Integer(u64),
    Fraction(f64),
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        if value.fract() == 0.0 { Self::Integer(value as u64) } else { Self::Fraction(value) }
    }
}

/// The header of all results.
pub(super) fn header(format: Format, table: Table) -> &'static str {
    match (format, table) {
        (Format::Csv, Table::Regions) => {
            "photo,index,synset,name,left,top,right,bottom,cells,share,probability,peak_probability\n"
        }
        (Format::Csv, Table::Legend) => "photo,index,synset,name,cells,share,mean_probability\n",
        (Format::Csv, Table::Cells) => "photo,row,column,y,x,index,synset,name,probability\n",
        _ => "",
    }
}

impl Answer {
    pub(super) fn write_json(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        segmenter: &Segmenter,
    ) -> io::Result<()> {
        let Self { map, regions } = self;
        let labels = segmenter.model().labels();
        let (rows, columns) = (map.row_axis(), map.column_axis());
        let pair = |value: fn(&Axis) -> f64| [value(rows), value(columns)];
        write_json(
            out,
            &AnswerJson {
                photo: photo.name(),
                width: map.width(),
                height: map.height(),
                model: segmenter.model().name(),
                rows: map.rows(),
                columns: map.columns(),
                stride: rows.stride.into(),
                first: pair(|axis| axis.first),
                field: pair(|axis| axis.field),
                cells: map.labels().chunks(map.columns()).map(<[usize]>::to_vec).collect(),
                legend: map.legend().iter().map(|entry| EntryJson::new(entry, labels)).collect(),
                regions: regions
                    .iter()
                    .map(|region| RegionJson::new(region, map, labels))
                    .collect(),
            },
        )
    }

    pub(super) fn write_csv(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        labels: &Labels,
        table: Table,
    ) -> io::Result<()> {
        write_csv_lines(out, |lines| {
            let Self { map, regions } = self;
            match table {
                Table::Regions => {
                    for region in regions {
                        let RegionJson {
                            index,
                            synset,
                            name,
                            bounds: [x0, y0, x1, y1],
                            cells,
                            share,
                            probability,
                            peak_probability,
                            ..
                        } = RegionJson::new(region, map, labels);
                        let (place, how) =
                            ((x0, y0, x1, y1), (cells, share, probability, peak_probability));
                        lines.serialize((photo.name(), index, synset, name, place, how))?;
                    }
                }
                Table::Legend => {
                    for entry in map.legend() {
                        let EntryJson { index, synset, name, cells, share, mean_probability } =
                            EntryJson::new(&entry, labels);
                        lines.serialize((
                            photo.name(),
                            index,
                            synset,
                            name,
                            cells,
                            share,
                            mean_probability,
                        ))?;
                    }
                }
                Table::Cells => {
                    for (cell, class) in map.labels().into_iter().enumerate() {
                        let (row, column) = (cell / map.columns(), cell % map.columns());
                        let (y, x) = (map.row_axis().centre(row), map.column_axis().centre(column));
                        let (synset, name) = named(labels, class);
                        let probability = map.probability(row, column, class);
                        lines.serialize((
                            photo.name(),
                            row,
                            column,
                            y,
                            x,
                            class,
                            synset,
                            name,
                            probability,
                        ))?;
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn write_text(
        &self,
        out: &mut dyn Write,
        photo: &Photo,
        labels: &Labels,
        is_first: bool,
    ) -> io::Result<()> {
        let Self { map, regions } = self;
        let (space, stride) = (if is_first { "" } else { "\n" }, map.row_axis().stride);
        let (name, rows, columns, width, height) =
            (photo.name(), map.rows(), map.columns(), map.width(), map.height());
        writeln!(
            out,
            "{space}{name}: {width} x {height} pixels, {rows} x {columns} cells, one every {stride} pixels"
        )?;
        let legend = map.legend();
        for entry in legend.iter().take(MAX_LINES) {
            let (share, name) = (100.0 * entry.share, named(labels, entry.class).1);
            writeln!(out, "{share:>7.2} %  {:<BAR$}  {name}", bar(entry.share))?;
        }
        write_more(out, legend.len(), "classes")?;
        for region in regions.iter().take(MAX_LINES) {
            let [x0, y0, x1, y1] = region.bounds;
            let (place, name) = (region.location(width, height), named(labels, region.class).1);
            let (mean, peak) = (100.0 * region.mean_probability, 100.0 * region.peak_probability);
            writeln!(
                out,
                "  {place:<13}  {x0},{y0} to {x1},{y1}  {mean:.0} % (at most {peak:.0} %)  {name}"
            )?;
        }
        write_more(out, regions.len(), "regions")
    }
}

fn write_more(out: &mut dyn Write, all: usize, noun: &str) -> io::Result<()> {
    if all > MAX_LINES {
        writeln!(out, "          and {} more {noun}: --format json has them", all - MAX_LINES)
    } else {
        Ok(())
    }
}

impl<'a> EntryJson<'a> {
    fn new(entry: &LegendEntry, labels: &'a Labels) -> Self {
        let LegendEntry { class, cells, share, mean_probability } = *entry;
        let (synset, name) = named(labels, class);
        Self { index: class, synset, name, cells, share, mean_probability }
    }
}

impl<'a> RegionJson<'a> {
    fn new(region: &Region, map: &SegmentationMap, labels: &'a Labels) -> Self {
        let (synset, name) = named(labels, region.class);
        Self {
            index: region.class,
            synset,
            name,
            bounds: region.bounds,
            place: region.location(map.width(), map.height()),
            cells: region.cells,
            share: region.share,
            probability: region.mean_probability,
            peak_probability: region.peak_probability,
        }
    }
}

fn named(labels: &Labels, class: usize) -> (Option<&str>, &str) {
    labels.get(class).map_or((None, ""), |label| (label.synset, label.name))
}
