//! Photos for a library, analysed as `lorgnette fleet run` does, whoever distributes them.

use std::path::PathBuf;

use lorgnette::ModelOptions;
use lorgnette::faces::{FaceDetector, FaceOptions};
use lorgnette::picture::OpenOptions;
use lorgnette_library::fleet::{self, FleetWorker, LoadedPhoto};
use lorgnette_library::{FaceAnalyser, ModelRecord, NetworkAnalyser};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::OrRaise as _;
use crate::model::Model;
use crate::photo::OpenArguments;

/// Analyses photos on one thread.
#[pyclass(frozen, module = "lorgnette._lorgnette")]
#[derive(Debug)]
pub(crate) struct FleetAnalyser {
    analyser: fleet::FleetAnalyser,
    network: NetworkAnalyser,
    detector: Option<FaceAnalyser>,
}

/// A photo: its path or URI, its modification time, its content.
type Listed = (String, Option<i64>, Option<PyBackedBytes>);

#[pymethods]
impl FleetAnalyser {
    /// Analyses photos with `model`, and searches for faces if `faces`.
    #[new]
    fn new(
        py: Python<'_>,
        model: &Model,
        map_side: usize,
        faces: bool,
        open: OpenArguments,
    ) -> PyResult<Self> {
        py.detach(|| {
            let network = NetworkAnalyser::new(model.inner(), map_side).or_raise()?;
            let open = open.options_for(network.min_decode_size());
            let record = ModelRecord::new(&network, &open).or_raise()?;
            let (mut detector, mut face_record) = (None, None);
            if faces {
                // The network's precision is chosen for it alone.
                let numerics = ModelOptions::default().numerics;
                let options = ModelOptions { numerics, ..model.opened().options().clone() };
                let faces = FaceDetector::embedded(&options, FaceOptions::default()).or_raise()?;
                let faces = FaceAnalyser::new(faces);
                let whole = OpenOptions { min_decode_size: None, ..open.clone() };
                face_record = Some(faces.record(&whole).or_raise()?);
                detector = Some(faces);
            }
            let level = model.inner().network().run_options().level.name().to_owned();
            let analyser = fleet::FleetAnalyser { model: record, faces: face_record, level, open };
            Ok(Self { analyser, network, detector })
        })
    }

    /// Returns a part as the bytes of a Parquet file, with a row for each photo. `missing` is the
    /// error of photos without content.
    fn part<'py>(
        &self,
        py: Python<'py>,
        photos: Vec<Listed>,
        missing: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let part = py.detach(|| {
            let mut loaded = Vec::with_capacity(photos.len());
            for (name, modified, contents) in photos {
                let contents = contents.map(|bytes| bytes.to_vec());
                let contents = contents.ok_or_else(|| missing.to_owned());
                loaded.push(LoadedPhoto { path: PathBuf::from(name), modified, contents });
            }
            let (network, faces) = (self.network.clone(), self.detector.clone());
            let faces = faces.map(|faces| Box::new(faces) as Box<_>);
            let mut worker = FleetWorker { network: Box::new(network), faces };
            self.analyser.part(loaded, &mut worker).or_raise()
        })?;
        Ok(PyBytes::new(py, &part))
    }
}
