//! Models by their path: networks, and the folders of trained models.

use std::path::Path;

use crate::error::Result;
use crate::model::{Model, ModelOptions};
use crate::trained::TrainedModel;

impl Model {
    /// Opens a TensorFlow graph, frozen or with a checkpoint (`.pb`, `.meta`); a TF-Slim checkpoint
    /// by any path (a prefix, a `.ckpt`, `.index` or `.data-…` file); a folder or an archive of
    /// these; or the folder of a [trained model](crate::trained). Class names come from label files
    /// in the same folder, if there are any.
    ///
    /// Writes nothing but the files of archives, into the options' model store. In place of a plan
    /// file that no longer fits, the model it was made from is opened;
    /// [`refresh_plan_file`](Self::refresh_plan_file) replaces it.
    ///
    /// # Errors
    /// If the path leads to no model, or its preprocessing or input size cannot be determined.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self> {
        if TrainedModel::is_in(path) {
            return TrainedModel::read(path)?.open(path, options);
        }
        Self::open_network(path, options)
    }
}
