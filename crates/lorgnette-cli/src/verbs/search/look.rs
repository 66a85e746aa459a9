//! Looking at the photo that others are to be like.

use std::path::Path;

use lorgnette_library::search::Look;
use lorgnette_library::{Error, Library};

use crate::arguments::{Global, InputArguments};
use crate::messages::{Messages, in_full};
use crate::verbs::library::similar;

/// Knows the photos of the library, and shows others to the network.
pub(super) struct NetworkLook<'a> {
    pub(super) input: &'a InputArguments,
    pub(super) global: &'a Global,
    pub(super) messages: Messages,
}

impl Look for NetworkLook<'_> {
    fn features(&self, library: &Library, photo: &Path) -> Result<(i64, Vec<f32>), Error> {
        let seen = similar::features(photo, self.input, library, self.global, self.messages);
        let (model, features) = seen.map_err(|error| Error::Request(in_full(&error)))?;
        Ok((model.id, features))
    }
}
