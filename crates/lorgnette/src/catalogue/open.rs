//! Opening of published models.

use std::path::{Path, PathBuf};

use super::Entry;
use crate::error::{Error, Result};
use crate::model::{Model, ModelOptions};
use crate::model_store::ModelStore;

impl Entry {
    /// Opens its file at `path`, at the model's own input side unless `options` state another, and
    /// under its own name.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_file(&self, path: &Path, options: &ModelOptions) -> Result<Model> {
        let mut options = options.clone();
        options.size.get_or_insert([self.side(); 2]);
        options.net.get_or_insert_with(|| self.net.name.to_owned());
        match Model::open_named(&self.name, path, &options) {
            Err(Error::Network(error)) => {
                Model::open_named(&self.name, &ema_checkpoint(error)?, &options)
            }
            opened => opened,
        }
    }

    /// Opens it from the model store; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open(&self, model_store: &ModelStore, options: &ModelOptions) -> Option<Result<Model>> {
        let options = ModelOptions { model_store: Some(model_store.clone()), ..options.clone() };
        Some(self.open_file(&model_store.installed(self)?, &options))
    }
}

/// Chooses the EMA checkpoint of an archive with several: MobileNet V3's archives have `ema` and
/// `pristine`. Passes other errors through.
pub(crate) fn ema_checkpoint(error: lorgnette_net::Error) -> lorgnette_net::Result<PathBuf> {
    let lorgnette_net::Error::Ambiguous { candidates, .. } = &error else { return Err(error) };
    let paths = candidates.iter().map(PathBuf::from);
    let mut ema_checkpoint = paths.filter(|path| path.iter().any(|part| part == "ema"));
    match (ema_checkpoint.next(), ema_checkpoint.next()) {
        (Some(path), None) => Ok(path),
        _ => Err(error),
    }
}
