//! An indexing as host languages ask for it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lorgnette::parallel::WorkSplit;
use lorgnette::watch::Watch;
use lorgnette::{Model, Progress};

use super::{Analysers, Event, IndexOptions, Summary, index};
use crate::analyse::{ModelRecord, NetworkAnalyser};
use crate::error::Result;
use crate::library::Library;

/// An indexing of folders by a model, with the options that host languages have.
#[derive(Clone, Debug)]
pub struct IndexRequest {
    /// The library's file, which is made if there is none.
    pub library: PathBuf,
    /// The folders; none for those indexed before.
    pub folders: Vec<PathBuf>,
    /// Side in pixels of the square that has the area at which photos are mapped; 0 for no map.
    pub map_side: usize,
    /// How photos are found and opened.
    pub options: IndexOptions,
}

impl IndexRequest {
    /// Analyses the new and changed photos. `watch` counts photos. Returns a line for each photo or
    /// folder that failed too.
    ///
    /// # Errors
    /// As [`index`].
    pub fn run(&self, model: &Model, watch: &Watch) -> Result<(Summary, Vec<String>)> {
        let mut library = Library::create(&self.library)?;
        let network = NetworkAnalyser::new(model, self.map_side)?;
        let model_record = ModelRecord::new(&network, &self.options.open)?;
        let WorkSplit { workers, .. } = WorkSplit::new(model.threads(), usize::MAX);
        let analysers = Analysers { model: &model_record, workers: network.workers(workers) };
        let mut failed = Vec::new();
        let mut observer = observer(watch, &mut failed);
        let summary = index(&mut library, &self.folders, analysers, &self.options, &mut observer)?;
        drop(observer);
        Ok((summary, failed))
    }
}

/// Counts photos, and collects a line for each failure.
fn observer<'a>(
    watch: &'a Watch,
    failed: &'a mut Vec<String>,
) -> impl FnMut(&Event<'_>) -> ControlFlow<()> + 'a {
    let mut progress = Progress { done: 0, total: 0 };
    move |event| {
        match event {
            Event::Started { photos } => progress.total = *photos,
            Event::Done { error, .. } => {
                failed.extend(error.map(str::to_owned));
                progress.done += 1;
            }
            Event::Inaccessible { path, error } => {
                failed.push(format!("{}: {error}", path.display()));
            }
            _ => {}
        }
        watch.set(progress);
        watch.flow()
    }
}
