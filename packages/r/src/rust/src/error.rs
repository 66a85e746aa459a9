//! Errors: the library's sentences, with the argument of R that helps.

use std::error::Error;
use std::fmt;

use lorgnette::error_chain;
use lorgnette::evaluate::EvaluateError;
use lorgnette::export::ExportError;
use lorgnette::net::{self, Choice};
use lorgnette::train::TrainError;
use lorgnette_library::Error as LibraryError;

/// The reason why a call failed, as the R condition says it.
#[derive(Clone, Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// Creates the failure with this sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failure> for savvy::Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure)
    }
}

/// The results of fallible calls of the library.
pub(crate) trait OrFail<T> {
    /// Returns the value, or the failure with the error's sentence.
    fn or_fail(self) -> Result<T, Failure>;
}

impl<T, E: Error + 'static> OrFail<T> for Result<T, E> {
    fn or_fail(self) -> Result<T, Failure> {
        self.map_err(|error| Failure(message(&error)))
    }
}

/// The text of an error and its causes, with the argument that helps.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    error_chain(error) + &hint(error).unwrap_or_default()
}

/// The argument that mends an error. Errors of the libraries name none.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<lorgnette::Error>() {
        return hint_of_model(error);
    }
    if let Some(error) = error.downcast_ref::<net::Error>() {
        return hint_of_network(error).map(str::to_owned);
    }
    if let Some(EvaluateError::Model(error)) = error.downcast_ref() {
        return hint_of_model(error);
    }
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return hint_of_training(error);
    }
    match error.downcast_ref::<ExportError>() {
        Some(ExportError::OtherLabels { .. }) => {
            return Some(", or say replace_labels = TRUE".into());
        }
        Some(ExportError::Model(error)) => return hint_of_model(error),
        _ => {}
    }
    match error.downcast_ref::<LibraryError>()? {
        LibraryError::Missing { name } => {
            Some(format!(": make it with lg_library({name:?}, create = TRUE)"))
        }
        LibraryError::OlderVersion { .. } => Some(": lg_index() brings it up to date".into()),
        LibraryError::Network(error) => hint_of_model(error),
        _ => None,
    }
}

fn hint_of_training(error: &TrainError) -> Option<String> {
    match error {
        TrainError::HasModel { .. } => {
            Some(": resume = TRUE goes on with it, overwrite = TRUE replaces it".into())
        }
        TrainError::HasOtherFiles { .. } => {
            Some(": name a new folder, or overwrite = TRUE writes among them".into())
        }
        TrainError::Model(error) => hint_of_model(error),
        _ => None,
    }
}

fn hint_of_model(error: &lorgnette::Error) -> Option<String> {
    use lorgnette::Error as ModelError;
    let hint = match error {
        ModelError::NotInstalled { model, .. } => {
            return Some(format!(": `lorgnette models pull {model}` in a shell fetches it"));
        }
        ModelError::Network(error) => hint_of_network(error)?,
        ModelError::UnknownInputSize { .. } => ": give size, such as size = c(224, 224)",
        ModelError::UnsuitableOutput { .. } => "; name another by output",
        ModelError::ExtraInput { .. } => ": lg_run() can feed it",
        ModelError::UnknownFeatures { .. } => "; name a node by end_point",
        ModelError::NoPeople { .. } => " by lg_blur(model, photo, \"face\")",
        _ => return None,
    };
    Some(hint.into())
}

fn hint_of_network(error: &net::Error) -> Option<&'static str> {
    Some(match error {
        net::Error::Unknown { kind: "model", .. } => {
            "; give a path, or a name that `lorgnette models list` shows in a shell"
        }
        net::Error::Ambiguous { choice: Choice::Input, .. } => "; name one by input",
        net::Error::Ambiguous { choice: Choice::Output, .. } => "; name one by output",
        net::Error::Ambiguous { choice: Choice::Checkpoint, .. } => "; name it by checkpoint",
        net::Error::UnknownArchitecture { .. } => ", or name the network by net",
        net::Error::NoCache { .. } => ", or set the environment variable LORGNETTE_HOME",
        _ => return None,
    })
}
