//! Python's exceptions.

use std::error::Error;

use lorgnette::error_chain;
use lorgnette::evaluate::EvaluateError;
use lorgnette::export::ExportError;
use lorgnette::net::{self, Choice};
use lorgnette::train::TrainError;
use lorgnette_library::Error as LibraryError;
use pyo3::create_exception;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    lorgnette,
    LorgnetteError,
    PyRuntimeError,
    "A model, a photo or a library that cannot be used. The text says why, and what to do."
);

/// The results of fallible calls of the library.
pub(crate) trait OrRaise<T> {
    /// Returns the value, or the exception of the error.
    ///
    /// # Errors
    /// [`LorgnetteError`]; `KeyboardInterrupt` for a cancelled call.
    fn or_raise(self) -> PyResult<T>;
}

impl<T, E: Error + 'static> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| exception(&error))
    }
}

/// Returns the exception of an error and its causes.
fn exception(error: &(dyn Error + 'static)) -> PyErr {
    if let Some(lorgnette::Error::Cancelled) = error.downcast_ref() {
        return PyKeyboardInterrupt::new_err(());
    }
    LorgnetteError::new_err(message(error))
}

/// The text of an error and its causes, with the argument that helps.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    error_chain(error) + &hint(error).unwrap_or_default()
}

/// The exception for an argument of a wrong value.
pub(crate) fn wrong_value(error: impl ToString) -> PyErr {
    PyValueError::new_err(error.to_string())
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
        return match error {
            TrainError::HasModel { .. } => {
                Some(": resume=True goes on with it, overwrite=True replaces it".into())
            }
            TrainError::HasOtherFiles { .. } => {
                Some(": name a new folder, or overwrite=True writes among them".into())
            }
            TrainError::Model(error) => hint_of_model(error),
            _ => None,
        };
    }
    match error.downcast_ref::<ExportError>() {
        Some(ExportError::OtherLabels { .. }) => {
            return Some(", or say replace_labels=True".into());
        }
        Some(ExportError::Model(error)) => return hint_of_model(error),
        _ => {}
    }
    match error.downcast_ref::<LibraryError>()? {
        LibraryError::Missing { name } => {
            Some(format!(": make it with lorgnette.Library.create({name:?})"))
        }
        LibraryError::OlderVersion { .. } => Some(": index() brings it up to date".into()),
        LibraryError::Network(error) => hint_of_model(error),
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
        ModelError::UnknownInputSize { .. } => ": give size, such as size=(224, 224)",
        ModelError::UnsuitableOutput { .. } => "; name another by output",
        ModelError::ExtraInput { .. } => ": run() can feed it",
        ModelError::UnknownFeatures { .. } => "; name a node by end_point",
        ModelError::NoPeople { .. } => " by blur(photo, \"face\")",
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
