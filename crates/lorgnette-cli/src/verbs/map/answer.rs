//! Results of `map` as text and CSV.

use std::io::{self, Write};

use lorgnette::answer::{LegendAnswer, RegionAnswer, UNKNOWN};
use lorgnette::{Labels, MapAnswer, Region, SegmentationMap};
use lorgnette_library::printable;

use super::{Table, rounded};
use crate::arguments::Format;
use crate::bar::{BAR, bar};
use crate::stream::write_csv_lines;

/// The result for a photo.
pub(super) struct Answer {
    pub(super) answer: MapAnswer,
    pub(super) map: SegmentationMap,
    pub(super) regions: Vec<Region>,
}

/// Maximum lines of text per photo and kind.
const MAX_LINES: usize = 12;

/// The header of all results.
pub(super) fn header(format: Format, table: Table) -> &'static str {
    match (format, table) {
        (Format::Csv, Table::Regions) => {
            "photo,index,synset,name,left,top,right,bottom,\
             cells,share,probability,peak_probability\n"
        }
        (Format::Csv, Table::Legend) => "photo,index,synset,name,cells,share,mean_probability\n",
        (Format::Csv, Table::Cells) => "photo,row,column,y,x,index,synset,name,probability\n",
        _ => "",
    }
}

impl Answer {
    pub(super) fn write_csv(
        &self,
        out: &mut dyn Write,
        labels: &Labels,
        table: Table,
    ) -> io::Result<()> {
        write_csv_lines(out, |lines| match table {
            Table::Regions => {
                self.answer.regions.iter().try_for_each(|region| self.write_region(lines, region))
            }
            Table::Legend => {
                self.answer.legend.iter().try_for_each(|entry| self.write_entry(lines, entry))
            }
            Table::Cells => self.write_cells(lines, labels),
        })
    }

    fn write_region(&self, lines: &mut Lines, region: &RegionAnswer) -> csv::Result<()> {
        let RegionAnswer { index, synset, name, bounds, cells, .. } = region;
        let numbers = (cells, region.share, region.probability, region.peak_probability);
        lines.serialize((&self.answer.photo, index, synset, name, bounds, numbers))
    }

    fn write_entry(&self, lines: &mut Lines, entry: &LegendAnswer) -> csv::Result<()> {
        lines.serialize((&self.answer.photo, entry))
    }

    fn write_cells(&self, lines: &mut Lines, labels: &Labels) -> csv::Result<()> {
        let map = &self.map;
        for (row, classes) in self.answer.cells.iter().enumerate() {
            for (column, &class) in classes.iter().enumerate() {
                let centre = (map.row_axis().centre(row), map.column_axis().centre(column));
                let (synset, name) = match class {
                    None => (None, UNKNOWN),
                    Some(class) => {
                        labels.get(class).map_or((None, ""), |label| (label.synset, label.name))
                    }
                };
                let probability = map.best_probability(row, column);
                let photo = &self.answer.photo;
                lines.serialize((photo, row, column, centre, class, synset, name, probability))?;
            }
        }
        Ok(())
    }

    pub(super) fn write_text(&self, out: &mut dyn Write, is_first: bool) -> io::Result<()> {
        let MapAnswer { photo, width, height, rows, columns, stride, .. } = &self.answer;
        let space = if is_first { "" } else { "\n" };
        let stride = rounded(*stride);
        let photo = printable(photo);
        writeln!(
            out,
            "{space}{photo}: {width} x {height} pixels, {rows} x {columns} cells, \
             one every {stride} pixels"
        )?;
        let MapAnswer { legend, regions, .. } = &self.answer;
        for LegendAnswer { name, share, .. } in legend.iter().take(MAX_LINES) {
            writeln!(out, "{:>7.2} %  {:<BAR$}  {name}", 100.0 * share, bar(*share))?;
        }
        write_more(out, legend.len(), "classes")?;
        for region in regions.iter().take(MAX_LINES) {
            let RegionAnswer { place, bounds: [x0, y0, x1, y1], name, .. } = region;
            let (mean, peak) = (100.0 * region.probability, 100.0 * region.peak_probability);
            writeln!(
                out,
                "  {place:<13}  at {x0},{y0} to {x1},{y1}  \
                 {mean:.0} % (at most {peak:.0} %)  {name}"
            )?;
        }
        write_more(out, regions.len(), "regions")
    }
}

/// Lines of CSV in memory.
type Lines = csv::Writer<Vec<u8>>;

fn write_more(out: &mut dyn Write, all: usize, noun: &str) -> io::Result<()> {
    if all > MAX_LINES {
        writeln!(out, "          and {} more {noun}: --format json has them", all - MAX_LINES)
    } else {
        Ok(())
    }
}
