//! Features of the photo of `like PHOTO`.

use std::path::Path;

use lorgnette_library::search::FeatureProvider;
use lorgnette_library::{Error, Library};

use crate::arguments::{Global, InputArguments};
use crate::messages::Messages;
use crate::verbs::library::similar;

/// Reads features from the library, or computes them with the network.
pub(super) struct NetworkFeatures<'a> {
    pub(super) input: &'a InputArguments,
    pub(super) global: &'a Global,
    pub(super) messages: Messages,
}

impl FeatureProvider for NetworkFeatures<'_> {
    fn features(&self, library: &Library, photo: &Path) -> Result<(i64, Vec<f32>), Error> {
        let computed = similar::features(photo, self.input, library, self.global, self.messages);
        let (model, features) =
            computed.map_err(|error| Error::Request(lorgnette::error_chain(error.as_ref())))?;
        Ok((model.id, features))
    }
}
