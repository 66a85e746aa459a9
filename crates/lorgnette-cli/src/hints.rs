//! Hints behind the messages of errors: the verb or the option that mends them. Errors of the
//! libraries name no options.

use std::error::Error;

use lorgnette::train::TrainError;
use lorgnette::{Error as ModelError, net};

use crate::library_errors;

/// Returns the end of the error's message that names the verb or option to use; empty if there is
/// none.
pub(crate) fn hint(error: &anyhow::Error) -> String {
    error.chain().find_map(hint_of_cause).unwrap_or_default()
}

fn hint_of_cause(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<lorgnette_library::Error>() {
        return library_errors::hint(error);
    }
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return hint_of_training(error);
    }
    if let Some(error) = cause.downcast_ref::<ModelError>() {
        return hint_of_model(error);
    }
    cause.downcast_ref::<net::Error>().and_then(hint_of_network)
}

fn hint_of_training(error: &TrainError) -> Option<String> {
    match error {
        TrainError::Model(error) => hint_of_model(error),
        _ => None,
    }
}

/// The hint for an error of a model.
pub(crate) fn hint_of_model(error: &ModelError) -> Option<String> {
    match error {
        ModelError::NotInstalled { model, .. } => {
            Some(format!(": fetch it with `lorgnette models pull {model}`"))
        }
        ModelError::Network(error) => hint_of_network(error),
        _ => None,
    }
}

fn hint_of_network(error: &net::Error) -> Option<String> {
    match error {
        net::Error::Unknown { kind: "model", .. } => Some(KNOWN_MODELS.into()),
        _ => None,
    }
}

/// The models that the user may name.
const KNOWN_MODELS: &str = "; known are mobilenet_v1_1.0_224 (embedded), the names of \
                            `lorgnette models list`, and the paths of frozen TensorFlow graphs \
                            (.pb) and of TF-Slim checkpoints";
