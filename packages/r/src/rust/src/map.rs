//! A photo's map: a class for every place.

use lorgnette::{draw, Labels, MapAnswer, Picture, SegmentationMap, Segmenter};
use savvy::{savvy, NotAvailableValue as _, OwnedIntegerSexp, OwnedListSexp, Sexp};

use crate::answers::{
    columns, take_array, to_r, value, Field, Kind, BOTTOM, INDEX, LEFT, NAME, PEAK_PROBABILITY,
    PROBABILITY, RIGHT, SHARE, SYNSET, TOP,
};
use crate::arrays::{self, pixels};
use crate::error::OrFail as _;

const CELLS: Field = Field::new("cells", "/cells", Kind::Whole);
/// Columns of a legend.
const LEGEND: [Field; 6] = [
    INDEX,
    SYNSET,
    NAME,
    CELLS,
    SHARE,
    Field::new("mean_probability", "/mean_probability", Kind::Number),
];
/// Columns of regions.
const REGIONS: [Field; 12] = [
    INDEX,
    SYNSET,
    NAME,
    LEFT,
    TOP,
    RIGHT,
    BOTTOM,
    Field::new("place", "/place", Kind::Text),
    CELLS,
    SHARE,
    PROBABILITY,
    PEAK_PROBABILITY,
];

/// A class for every place of a photo.
/// @noRd
#[savvy]
#[derive(Debug)]
pub struct PhotoMap {
    answer: MapAnswer,
    map: SegmentationMap,
    picture: Picture,
    labels: Labels,
}

impl PhotoMap {
    /// Creates the map of `picture` by `segmenter`.
    pub(crate) fn new(segmenter: &Segmenter, picture: Picture, map: SegmentationMap) -> Self {
        let regions = map.regions(&segmenter.region_options());
        let model = segmenter.model();
        let answer = MapAnswer::new(picture.name(), model, &map, &regions);
        Self { answer, map, picture, labels: model.labels().clone() }
    }
}

#[savvy]
impl PhotoMap {
    /// The answer: its figures, the data frames `legend` and `regions`, and the matrix `classes`.
    fn facts(&self) -> savvy::Result<Sexp> {
        let mut answer = value(&self.answer);
        let legend = take_array(&mut answer, "legend");
        let regions = take_array(&mut answer, "regions");
        // The matrix `classes` has them.
        take_array(&mut answer, "cells");
        let mut list = OwnedListSexp::new(4, true)?;
        list.set_value(0, to_r(&answer)?)?;
        list.set_name(0, "answer")?;
        list.set_value(1, columns(&legend, &LEGEND)?)?;
        list.set_name(1, "legend")?;
        list.set_value(2, columns(&regions, &REGIONS)?)?;
        list.set_name(2, "regions")?;
        list.set_value(3, self.classes()?)?;
        list.set_name(3, "classes")?;
        Ok(list.into())
    }

    /// The probability of each class in each cell: `[rows, columns, classes]`.
    fn probabilities(&self) -> savvy::Result<Sexp> {
        let map = &self.map;
        let shape = [map.rows(), map.columns(), map.classes()];
        let mut values = Vec::with_capacity(shape.iter().product());
        for row in 0..map.rows() {
            for column in 0..map.columns() {
                values.extend((0..map.classes()).map(|class| map.probability(row, column, class)));
            }
        }
        Ok(arrays::to_r(&values, &shape)?.into())
    }

    /// How probable classes are, over the photo.
    fn heat(&self, class: &str) -> savvy::Result<Sexp> {
        let found = self.labels.find(class).or_fail()?;
        let classes: Vec<usize> = found.iter().map(|label| label.index).collect();
        Ok(pixels(&draw::heat_picture(&self.picture, &self.map, &classes))?.into())
    }

    /// The map with its legend, over the photo or alone.
    fn drawing(&self, over_photo: bool) -> savvy::Result<Sexp> {
        let caption = [self.picture.name(), self.answer.model.as_str()];
        let drawing = match over_photo {
            true => {
                let overlay = draw::Overlay::new(&self.picture, &self.map, &self.labels);
                overlay.drawing(caption)
            }
            false => draw::map(&self.map, &self.labels, caption),
        };
        Ok(pixels(&drawing.picture(1.0))?.into())
    }
}

impl PhotoMap {
    /// The best class of each cell, from 1, `NA` where none is probable enough: a matrix.
    fn classes(&self) -> savvy::Result<OwnedIntegerSexp> {
        let (rows, columns) = (self.map.rows(), self.map.columns());
        let mut classes = OwnedIntegerSexp::new(rows * columns)?;
        for (cell, class) in self.map.labels().into_iter().enumerate() {
            let (row, column) = (cell / columns, cell % columns);
            let known = class != self.map.unknown_class();
            let number = if known { class as i32 + 1 } else { i32::na() };
            classes[row + column * rows] = number;
        }
        classes.set_dim(&[rows, columns])?;
        Ok(classes)
    }
}
