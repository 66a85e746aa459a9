//! A photo's map: a class for every place.

use lorgnette::{Labels, MapAnswer, Picture, RegionOptions, SegmentationMap, draw};
use numpy::{IntoPyArray as _, PyArray2, PyArray3, PyArrayMethods as _};
use pyo3::prelude::*;

use crate::error::OrRaise as _;
use crate::model::{json, pixels};

/// A class for every place of a photo.
#[pyclass(frozen, module = "lorgnette._lorgnette")]
#[derive(Debug)]
pub(crate) struct Map {
    answer: MapAnswer,
    map: SegmentationMap,
    picture: Picture,
    labels: Labels,
}

impl Map {
    /// Creates the map of `picture` by `model`.
    pub(crate) fn new(
        model: &lorgnette::Model,
        picture: Picture,
        map: SegmentationMap,
        regions: &RegionOptions,
    ) -> Self {
        let answer = MapAnswer::new(picture.name(), model, &map, &map.regions(regions));
        Self { answer, map, picture, labels: model.labels().clone() }
    }
}

#[pymethods]
impl Map {
    /// The answer as JSON.
    #[getter]
    fn json(&self) -> String {
        json(&self.answer)
    }

    /// The best class of each cell, -1 where none is probable enough: int64 `[rows, columns]`.
    #[getter]
    fn classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let unknown = self.map.unknown_class();
        let known = |class| if class == unknown { -1 } else { class as i64 };
        let classes: Vec<i64> = self.map.labels().into_iter().map(known).collect();
        classes.into_pyarray(py).reshape([self.map.rows(), self.map.columns()])
    }

    /// The probability of each class in each cell: float32 `[rows, columns, classes]`.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let map = &self.map;
        let values = py.detach(|| {
            let mut values = Vec::with_capacity(map.rows() * map.columns() * map.classes());
            for row in 0..map.rows() {
                for column in 0..map.columns() {
                    let classes = 0..map.classes();
                    values.extend(classes.map(|class| map.probability(row, column, class)));
                }
            }
            values
        });
        values.into_pyarray(py).reshape([map.rows(), map.columns(), map.classes()])
    }

    /// The photo: uint8 `[height, width, 3]`.
    #[getter]
    fn photo<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        pixels(py, &self.picture)
    }

    /// The map over the photo: uint8 `[height, width, 3]`.
    #[pyo3(signature = (opacity=None))]
    fn overlay<'py>(
        &self,
        py: Python<'py>,
        opacity: Option<f32>,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let picture = py.detach(|| self.drawn_over(opacity).picture());
        pixels(py, &picture)
    }

    /// How probable classes are, over the photo: uint8 `[height, width, 3]`.
    fn heat<'py>(&self, py: Python<'py>, class: &str) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let found = self.labels.find(class).or_raise()?;
        let classes: Vec<usize> = found.iter().map(|label| label.index).collect();
        let picture = py.detach(|| draw::heat_picture(&self.picture, &self.map, &classes));
        pixels(py, &picture)
    }

    /// The map with its legend, over the photo or alone: uint8 `[height, width, 3]`.
    fn drawing<'py>(
        &self,
        py: Python<'py>,
        over_photo: bool,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let caption = [self.picture.name(), self.answer.model.as_str()];
        let picture = py.detach(|| {
            let drawing = match over_photo {
                true => self.drawn_over(None).drawing(caption),
                false => draw::map(&self.map, &self.labels, caption),
            };
            drawing.picture(1.0)
        });
        pixels(py, &picture)
    }
}

impl Map {
    fn drawn_over(&self, opacity: Option<f32>) -> draw::Overlay<'_> {
        let overlay = draw::Overlay::new(&self.picture, &self.map, &self.labels);
        opacity.map_or(overlay, |opacity| overlay.with_opacity(opacity))
    }
}
