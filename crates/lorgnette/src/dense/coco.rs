//! Regions as annotations in COCO's format (<https://cocodataset.org/#format-data>).

use std::collections::BTreeSet;

use serde::Serialize;

use super::refined::RefinedRegion;
use super::region::Region;
use super::segmentation_map::SegmentationMap;
use crate::labels::{Label, Labels};

/// A data set: photos, classes, annotations.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coco {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
    #[serde(skip)]
    category_ids: BTreeSet<usize>,
}

#[derive(Clone, Debug, Serialize)]
struct Image {
    id: usize,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Category {
    id: usize,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    synset: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    /// Left, top, width, height.
    bbox: [usize; 4],
    /// Pixels.
    area: usize,
    segmentation: RunLengthMask,
    iscrowd: u8,
    score: f32,
}

/// A mask as run lengths, column by column from the left, beginning with pixels outside it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct RunLengthMask {
    /// Height and width.
    size: [usize; 2],
    counts: Vec<usize>,
    /// Sum of the counts so far.
    #[serde(skip)]
    end: usize,
}

impl Coco {
    /// Adds a photo and its regions. A category's id is the network's output index.
    pub fn add(&mut self, photo: &str, map: &SegmentationMap, regions: &[Region], labels: &Labels) {
        let image_id = self.images.len() + 1;
        let (width, height) = (map.width(), map.height());
        self.images.push(Image { id: image_id, file_name: photo.into(), width, height });
        for region in regions {
            self.add_category(region.class, labels.get(region.class));
            let [x0, y0, x1, y1] = region.bounds;
            let segmentation = RunLengthMask::new(map, region);
            self.annotations.push(Annotation {
                id: self.annotations.len() + 1,
                image_id,
                category_id: region.class,
                bbox: [x0, y0, x1 - x0, y1 - y0],
                area: segmentation.area(),
                segmentation,
                iscrowd: 0,
                score: region.mean_probability,
            });
        }
    }

    fn add_category(&mut self, class: usize, label: Option<Label<'_>>) {
        if self.category_ids.insert(class) {
            let name = label.map_or_else(|| format!("class {class}"), |label| label.name.into());
            self.categories.push(Category {
                id: class,
                name,
                synset: label.and_then(|l| l.synset).map(str::to_owned),
            });
        }
    }
}

impl RunLengthMask {
    fn new(map: &SegmentationMap, region: &Region) -> Self {
        match map.outline(region.area[0]) {
            Some(outline) => Self::from_outline(map, outline),
            None => Self::from_cells(map, region),
        }
    }

    fn from_outline(map: &SegmentationMap, outline: &RefinedRegion) -> Self {
        let mut mask = Self { size: [map.height(), map.width()], counts: vec![0], end: 0 };
        let [left, top, right, bottom] = outline.bounds();
        for x in left..right {
            let mut start = None;
            for y in top..=bottom {
                let is_inside = y < bottom && outline.contains(x, y);
                match start {
                    None if is_inside => start = Some(y),
                    Some(first) if !is_inside => {
                        mask.extend(x * map.height(), [first, y]);
                        start = None;
                    }
                    _ => {}
                }
            }
        }
        mask.finish();
        mask
    }

    fn from_cells(map: &SegmentationMap, region: &Region) -> Self {
        let (rows, columns) = (map.row_axis(), map.column_axis());
        let mut mask = Self { size: [map.height(), map.width()], counts: vec![0], end: 0 };
        for column in 0..columns.cells {
            let [left, right] = columns.pixels(column..=column);
            let cells = region.area.iter().filter(|&&cell| cell % columns.cells == column);
            let runs: Vec<[usize; 2]> =
                cells.map(|cell| cell / columns.cells).map(|row| rows.pixels(row..=row)).collect();
            if !runs.is_empty() {
                (left..right)
                    .for_each(|x| runs.iter().for_each(|run| mask.extend(x * map.height(), *run)));
            }
        }
        mask.finish();
        mask
    }

    /// Adds a run of one column of pixels, which begins at `start`. Pixels before the end of the
    /// last run are in it: cells of a photo smaller than the map overlap.
    fn extend(&mut self, start: usize, [top, bottom]: [usize; 2]) {
        let (from, to) = ((start + top).max(self.end), start + bottom);
        if from >= to {
            return;
        }
        match from - self.end {
            0 if self.counts.len() > 1 => {
                *self.counts.last_mut().expect("it has several") += to - from;
            }
            gap => {
                if self.counts.len() > 1 {
                    self.counts.push(0);
                }
                *self.counts.last_mut().expect("it has one") += gap;
                self.counts.push(to - from);
            }
        }
        self.end = to;
    }

    fn finish(&mut self) {
        let rest = self.size[0] * self.size[1] - self.end;
        if rest > 0 {
            self.counts.push(rest);
        }
    }

    fn area(&self) -> usize {
        self.counts.iter().skip(1).step_by(2).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::RunLengthMask;

    #[test]
    fn a_mask_is_runs_down_the_columns() {
        let mut mask = RunLengthMask { size: [4, 3], counts: vec![0], end: 0 };
        mask.extend(0, [1, 3]);
        mask.extend(4, [0, 2]);
        mask.extend(8, [2, 4]);
        mask.finish();
        assert_eq!((mask.counts.as_slice(), mask.area()), ([1, 2, 1, 2, 4, 2].as_slice(), 6));
    }

    #[test]
    fn runs_that_overlap_are_one() {
        let mut mask = RunLengthMask { size: [4, 2], counts: vec![0], end: 0 };
        for run in [[0, 2], [1, 3], [1, 2]] {
            mask.extend(0, run);
        }
        mask.extend(4, [0, 1]);
        mask.finish();
        assert_eq!((mask.counts.as_slice(), mask.area()), ([0, 3, 1, 1, 3].as_slice(), 4));
    }

    #[test]
    fn runs_that_touch_are_one() {
        let mut mask = RunLengthMask { size: [2, 3], counts: vec![0], end: 0 };
        for start in [0, 2] {
            mask.extend(start, [0, 2]);
        }
        mask.finish();
        assert_eq!(mask.counts, [0, 4, 2]);
    }
}
