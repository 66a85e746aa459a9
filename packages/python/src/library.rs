//! Libraries of photos: indexing and search.

use std::path::{Path, PathBuf};

use lorgnette_library::answer::HitAnswer;
use lorgnette_library::search::{self, SearchOptions};
use lorgnette_library::{IndexOptions, IndexRequest};
use pyo3::prelude::*;

use crate::error::{LorgnetteError, OrRaise as _};
use crate::model::{Model, json};
use crate::photo::OpenArguments;
use crate::work::interruptible;

/// A library of photos in one SQLite file.
#[pyclass(frozen, module = "lorgnette._lorgnette")]
#[derive(Debug)]
pub(crate) struct Library {
    path: PathBuf,
}

#[pymethods]
impl Library {
    /// Opens a library; with `create`, makes it if there is none.
    #[new]
    fn new(path: PathBuf, create: bool) -> PyResult<Self> {
        if create {
            lorgnette_library::Library::create(&path).or_raise()?;
        } else {
            lorgnette_library::Library::open_read_only(&path).or_raise()?;
        }
        Ok(Self { path })
    }

    /// The library's file.
    #[getter]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Number of photos.
    fn photos(&self, py: Python<'_>) -> PyResult<usize> {
        py.detach(|| {
            let library = lorgnette_library::Library::open_read_only(&self.path).or_raise()?;
            Ok(library.statistics(None, 0).or_raise()?.present)
        })
    }

    /// Analyses the new and changed photos in folders. Returns the counts as JSON, and a line for
    /// each photo or folder that failed.
    fn index(
        &self,
        py: Python<'_>,
        folders: Vec<PathBuf>,
        model: &Model,
        options: (usize, bool),
        open: OpenArguments,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(String, Vec<String>)> {
        let (map_side, retry) = options;
        let open = open.options(model.inner());
        let options = IndexOptions { open, retry, ..IndexOptions::default() };
        let request = IndexRequest { library: self.path.clone(), folders, map_side, options };
        interruptible(py, progress.as_ref(), |watch| {
            let (summary, failed) = request.run(model.inner(), watch).or_raise()?;
            Ok((json(&summary), failed))
        })
    }

    /// Searches. Returns the number of photos that match, and the best `limit` as JSON.
    fn search(
        &self,
        py: Python<'_>,
        query: &str,
        limit: usize,
        min_probability: Option<f64>,
    ) -> PyResult<(usize, String)> {
        py.detach(|| {
            let library = lorgnette_library::Library::open_read_only(&self.path).or_raise()?;
            let vocabulary = &search::vocabulary(&library, None).or_raise()?;
            // The error points at the word.
            let query = vocabulary
                .parse(query)
                .map_err(|error| LorgnetteError::new_err(error.to_string()))?;
            let vocabulary = Some(vocabulary);
            let mut options = SearchOptions { limit, vocabulary, ..SearchOptions::default() };
            options.min_probability = min_probability.unwrap_or(options.min_probability);
            let results = library.search(&query, &options).or_raise()?;
            let hits: Vec<HitAnswer<'_>> =
                results.hits.iter().map(|hit| HitAnswer::new(hit, false)).collect();
            Ok((results.total, json(&hits)))
        })
    }
}
