//! Hints behind the messages of errors: the verb or the option that mends them. Errors of the
//! libraries name no options.

use std::error::Error;

use lorgnette::Error as ModelError;
use lorgnette::dataset::Note;
use lorgnette::evaluate::EvaluateError;
use lorgnette::export::ExportError;
use lorgnette::net::error::UnsupportedNode;
use lorgnette::net::{self, Choice, PlanFileOption};
use lorgnette::pull::PullError;
use lorgnette::train::TrainError;
use lorgnette_library::{DatabaseErrorKind, Error as LibraryError};

/// Returns the end of the error's message that names the verb or option to use; empty if there is
/// none.
pub(crate) fn hint(error: &anyhow::Error) -> String {
    error.chain().find_map(hint_of_cause).unwrap_or_default()
}

fn hint_of_cause(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<LibraryError>() {
        return hint_of_library(error);
    }
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return hint_of_training(error);
    }
    if let Some(error) = cause.downcast_ref::<EvaluateError>() {
        return hint_of_evaluation(error);
    }
    if let Some(error) = cause.downcast_ref::<ExportError>() {
        return hint_of_export(error);
    }
    if let Some(error) = cause.downcast_ref::<ModelError>() {
        return hint_of_model(error);
    }
    cause.downcast_ref::<net::Error>().and_then(hint_of_network)
}

fn hint_of_library(error: &LibraryError) -> Option<String> {
    match error {
        LibraryError::Missing { name } => {
            Some(format!(": make it with `lorgnette index FOLDER --library {name}`"))
        }
        LibraryError::OlderVersion { .. } => {
            Some(": bring it up to date with `lorgnette index`".into())
        }
        LibraryError::UnknownClass(_) => Some(" (--new-name adds a name of your own)".into()),
        LibraryError::Database(error) if error.kind() == DatabaseErrorKind::Corrupt => {
            Some(": `lorgnette library verify` says where".into())
        }
        LibraryError::Network(error) => hint_of_model(error),
        _ => None,
    }
}

fn hint_of_training(error: &TrainError) -> Option<String> {
    match error {
        TrainError::HasModel { .. } => {
            Some(": --resume goes on with it, --overwrite replaces it".into())
        }
        TrainError::HasOtherFiles { .. } => {
            Some(": name a new folder, or --overwrite to write among them".into())
        }
        TrainError::Model(error) => hint_of_model(error),
        _ => None,
    }
}

fn hint_of_evaluation(error: &EvaluateError) -> Option<String> {
    match error {
        EvaluateError::NotTrained => {
            Some(": --split is for models that `lorgnette train` made".into())
        }
        EvaluateError::Model(error) => hint_of_model(error),
        _ => None,
    }
}

fn hint_of_export(error: &ExportError) -> Option<String> {
    match error {
        ExportError::OtherLabels { .. } => Some(", or say --overwrite".into()),
        ExportError::Model(error) => hint_of_model(error),
        _ => None,
    }
}

/// The hint for an error of a model.
pub(crate) fn hint_of_model(error: &ModelError) -> Option<String> {
    Some(match error {
        ModelError::NotInstalled { model, .. } => {
            format!(": fetch it with `lorgnette models pull {model}`")
        }
        ModelError::UnknownInputSize { .. } => ": give --size, such as --size 224".into(),
        ModelError::UnsuitableOutput { .. } => "; name another with --output".into(),
        ModelError::NoPeople { .. } => " (--faces)".into(),
        ModelError::ExtraInput { .. } => ": `lorgnette run` can feed it".into(),
        ModelError::UnknownFeatures { .. } => "; name a node with --end-point".into(),
        ModelError::Pull(_) => return hint_of_pull(error),
        ModelError::Network(error) => return hint_of_network(error),
        _ => return None,
    })
}

/// The hint for an error of pulling a model.
pub(crate) fn hint_of_pull(error: &ModelError) -> Option<String> {
    match error {
        ModelError::Pull(PullError::AllSourcesFailed { name, .. }) => {
            Some(format!(",\nor give it to `lorgnette models pull {name} --from FILE`"))
        }
        _ => None,
    }
}

fn hint_of_network(error: &net::Error) -> Option<String> {
    Some(match error {
        net::Error::Unknown { kind: "model", .. } => KNOWN_MODELS.into(),
        net::Error::Ambiguous { choice, .. } => match choice {
            Choice::Input => "; name one with --input".into(),
            Choice::Output => "; name one with --output".into(),
            Choice::Checkpoint => "; name it with --checkpoint".into(),
            Choice::Signature => "; name one with --signature".into(),
            _ => return None,
        },
        net::Error::UnknownArchitecture { .. } => ", or name the network with --net".into(),
        net::Error::NoCache { .. } => ", or set LORGNETTE_HOME".into(),
        net::Error::FixedByPlanFile { option, .. } => match option {
            PlanFileOption::Net => " (--net)".into(),
            PlanFileOption::Zoo => " (--net-option)".into(),
            PlanFileOption::Checkpoint => " (--checkpoint)".into(),
            PlanFileOption::UseEma => " (--no-ema)".into(),
            PlanFileOption::Numerics => " (--precision, --weights)".into(),
            _ => return None,
        },
        net::Error::DecodesPhotos { .. } => " (--input)".into(),
        net::Error::Unsupported(nodes) if nodes.iter().any(is_variable) => {
            "\n--checkpoint names a checkpoint".into()
        }
        _ => return None,
    })
}

fn is_variable(node: &UnsupportedNode) -> bool {
    ["Variable", "VariableV2", "VarHandleOp"].contains(&node.op.as_str())
}

/// Returns a note about a dataset, with the option that helps.
pub(crate) fn with_hint(note: &Note) -> String {
    match note {
        Note::LabelNumbers { rule, .. } | Note::NumberedOutputs { rule, .. } if rule.is_guess() => {
            format!("{note}; --first-label 0 or 1 says it")
        }
        Note::NestedPhotos { .. } => format!("{note}: --nested takes them"),
        Note::Unbalanced { .. } => {
            format!("{note}; --class-weights balanced lets each class count the same")
        }
        _ => note.to_string(),
    }
}

/// The models that the user may name.
const KNOWN_MODELS: &str = "; known are mobilenet_v1_1.0_224 (embedded), the names of \
                            `lorgnette models list`, and the paths of frozen TensorFlow graphs \
                            (.pb) and of TF-Slim checkpoints";
