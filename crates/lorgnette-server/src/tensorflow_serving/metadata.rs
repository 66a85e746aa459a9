//! Metadata and states as JSON.

use crate::json::quoted;
use crate::registry::VersionStatus;
use crate::served::Served;

use super::{Signature, TensorInfo, signatures};

/// The types of tensors that occur, by TensorFlow's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataType {
    Float = 1,
    Uint8 = 4,
    String = 7,
}

impl DataType {
    /// The name in TensorFlow's protocols.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Float => "DT_FLOAT",
            Self::Uint8 => "DT_UINT8",
            Self::String => "DT_STRING",
        }
    }
}

/// The signatures of a model as TensorFlow Serving answers `/metadata`.
pub(super) fn metadata(served: &Served) -> String {
    let signatures: Vec<String> = signatures(served).iter().map(signature).collect();
    let spec = format!(
        "{{\n \"name\": {},\n \"signature_name\": \"\",\n \"version\": \"{}\"\n }}\n",
        quoted(&served.name),
        served.version,
    );
    let signatures = format!("{{\n{}\n }}\n", signatures.join(",\n"));
    format!(
        "{{\n\"model_spec\":{spec},\n\"metadata\": {{\"signature_def\": {{\n \
         \"signature_def\": {signatures}}}\n}}\n}}\n"
    )
}

fn signature(signature: &Signature) -> String {
    format!(
        "  {}: {{\n   \"inputs\": {},\n   \"outputs\": {},\n   \"method_name\": {}\n  }}",
        quoted(signature.name),
        tensors(&signature.inputs),
        tensors(&signature.outputs),
        quoted(signature.method.name())
    )
}

fn tensors(tensors: &[TensorInfo]) -> String {
    let tensors: Vec<String> = tensors.iter().map(tensor).collect();
    format!("{{\n{}\n   }}", tensors.join(",\n"))
}

fn tensor(tensor: &TensorInfo) -> String {
    let dims: Vec<String> = tensor
        .shape
        .iter()
        .map(|size| format!("{{ \"size\": \"{size}\", \"name\": \"\" }}"))
        .collect();
    format!(
        "    {}: {{\n     \"dtype\": \"{}\",\n     \"tensor_shape\": {{\n      \"dim\": [{}],\
         \n      \"unknown_rank\": false\n     }},\n     \"name\": {}\n    }}",
        quoted(&tensor.alias),
        tensor.data_type.name(),
        dims.join(", "),
        quoted(&tensor.tensor)
    )
}

/// The states of a model's versions. Versions are strings, as 64-bit integers are in proto3's JSON.
pub(super) fn status(statuses: &[VersionStatus]) -> String {
    let versions: Vec<String> = statuses
        .iter()
        .map(|status| {
            let fault = status.fault.as_ref();
            format!(
                "  {{\n   \"version\": \"{}\",\n   \"state\": \"{}\",\n   \"status\": {{\n    \
                 \"error_code\": \"{}\",\n    \"error_message\": {}\n   }}\n  }}",
                status.version,
                status.state.name(),
                fault.map_or("OK", |fault| fault.code.name()),
                quoted(fault.map_or("", |fault| &fault.message))
            )
        })
        .collect();
    format!("{{\n \"model_version_status\": [\n{}\n ]\n}}\n", versions.join(",\n"))
}
