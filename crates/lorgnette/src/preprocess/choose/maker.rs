//! Programs that make graphs, by the names that they give to nodes.

use std::path::Path;

use lorgnette_net::Network;
use lorgnette_net::file::read_regular_text;
use lorgnette_net::import::{InputCandidate, Signature};

use super::super::{ChannelOrder, Preprocessing};
use super::{PreprocessRule, Style};

fn made(style: Style, maker: &'static str, node: &str) -> (Style, PreprocessRule) {
    (style, PreprocessRule::Maker { maker, node: node.to_owned() })
}

/// Azure Custom Vision's classifiers: `Placeholder` to `loss` (or `model_outputs`), blue, green,
/// red, 0 to 255 (its own sample, `predict.py`).
pub(super) fn custom_vision(
    network: &Network,
    signature: &Signature,
) -> Option<(Style, PreprocessRule)> {
    let output = signature.probabilities.as_deref().unwrap_or(&signature.logits);
    let is_its_output = matches!(output, "loss" | "model_outputs");
    if signature.input.name != "Placeholder" || !is_its_output || network.net().is_some() {
        return None;
    }
    let style = Style { order: ChannelOrder::Bgr, ..Style::new(Preprocessing::Raw) };
    Some(made(style, "Azure Custom Vision", output))
}

/// The side of the pictures of Teachable Machine's models.
const TEACHABLE_SIDE: usize = 224;

/// Exports of Teachable Machine: `keras_model.h5`, `model_unquant.tflite`, `model.tflite` or the
/// SavedModel `model.savedmodel`, with a `labels.txt` of lines such as `0 Class 1`. Its snippet for
/// Python divides by 127.5; its own library for browsers, by 127.
pub(super) fn teachable_machine(
    network: &Network,
    signature: &Signature,
) -> Option<(Style, PreprocessRule)> {
    /// Maximum bytes of its labels.
    const MAX_BYTES: u64 = 1 << 20;
    const FILES: [&str; 3] = ["keras_model.h5", "model_unquant.tflite", "model.tflite"];
    let file = network.file()?;
    let folder = file.parent()?;
    let file_name = file.file_name()?.to_str()?;
    if let Some(made) = teachable_machine_js(folder, file_name) {
        return Some(made);
    }
    let is_saved_model = folder.ends_with("model.savedmodel");
    if !is_saved_model && !FILES.contains(&file_name) {
        return None;
    }
    let shape = signature.input.shape.as_ref()?;
    if shape.get(1..)? != [Some(TEACHABLE_SIDE), Some(TEACHABLE_SIDE), Some(3)] {
        return None;
    }
    let folders = [Some(folder), folder.parent().filter(|_| is_saved_model)];
    let mut labels = folders.into_iter().flatten().map(|folder| folder.join("labels.txt"));
    let text = labels.find_map(|labels| read_regular_text(&labels, MAX_BYTES).ok())?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    let is_numbered = |(number, line): (usize, &str)| {
        line.split_once(' ').is_some_and(|(own, _)| own.parse() == Ok(number))
    };
    if text.trim().is_empty() || !lines.all(is_numbered) {
        return None;
    }
    let maker = "Teachable Machine (v / 127.5 - 1 as in its snippet; its library divides by 127)";
    Some(made(Style::new(Preprocessing::TeachableMachine), maker, file_name))
}

/// Teachable Machine's export for TensorFlow.js, which its own library runs: the largest square
/// around the centre, v / 127 - 1.
fn teachable_machine_js(folder: &Path, file_name: &str) -> Option<(Style, PreprocessRule)> {
    /// Maximum bytes of its description.
    const MAX_BYTES: u64 = 1 << 20;
    const LIBRARY: &str = "@teachablemachine/image";
    if file_name != "model.json" {
        return None;
    }
    let description = read_regular_text(&folder.join("metadata.json"), MAX_BYTES).ok()?;
    let description: serde_json::Value = serde_json::from_str(&description).ok()?;
    if description["packageName"] != LIBRARY && description.get("tmVersion").is_none() {
        return None;
    }
    let style = Style {
        mean: Some([127.0; 3]),
        scale: Some(1.0 / 127.0),
        ..Style::new(Preprocessing::TeachableMachine)
    };
    let maker = "Teachable Machine (v / 127 - 1 as in its library; its snippet for Python divides \
                 by 127.5)";
    Some(made(style, maker, file_name))
}

/// Graphs of retrain.py, and the 2015 graph without its decoder: the whole picture, (v - 128) /
/// 128.
pub(super) fn retrained(
    network: &Network,
    signature: &Signature,
) -> Option<(Style, PreprocessRule)> {
    let style = Style::new(Preprocessing::Inception2015);
    let is_sign = |name: &&str| {
        name.ends_with("BottleneckInputPlaceholder")
            || name.starts_with("final_training_ops/")
            || name.starts_with("final_retrain_ops/")
    };
    if let Some(node) = network.node_names().find(is_sign) {
        return Some(made(style, "retrain.py", node));
    }
    // Others who took retrain.py's name scale as its MobileNets do.
    if let Some(node) = network.node_names().find(|name| *name == "final_result") {
        return Some(made(Style::new(Preprocessing::Symmetric), "a script like retrain.py", node));
    }
    // The node where the 2015 graph takes resized and centred images.
    (signature.input.name == "Mul").then(|| made(style, "Google's Inception of 2015", "Mul"))
}

/// Beginning of the makers of [`KERAS`].
const KERAS_NAME: &str = "Keras";
const PYTORCH: &str = "PyTorch";

/// Returns the sign by which a maker is known, if its networks are not all trained alike.
pub(super) fn sign_of_guess(maker: &str) -> Option<&'static str> {
    if maker.starts_with(KERAS_NAME) {
        Some("the names of its layers")
    } else if maker == PYTORCH {
        Some("the program that wrote it")
    } else {
        None
    }
}

/// Names of layers by which networks of `keras.applications` are known, and how they want pictures.
/// The first sign that fits counts, so longer ones come first.
const KERAS: &[(&str, Preprocessing, &str)] = &[
    ("conv2_block1_preact_bn", Preprocessing::Symmetric, "Keras (ResNet V2)"),
    ("conv2_block1_0_bn", Preprocessing::Torch, "Keras (DenseNet)"),
    ("conv2_block1_1_conv", Preprocessing::Caffe, "Keras (ResNet)"),
    ("res2a_branch2a", Preprocessing::Caffe, "Keras (ResNet)"),
    ("block1_conv1_bn", Preprocessing::Symmetric, "Keras (Xception)"),
    ("block1_conv1", Preprocessing::Caffe, "Keras (VGG)"),
    ("conv_dw_1", Preprocessing::Symmetric, "Keras (MobileNet)"),
    ("expanded_conv_depthwise", Preprocessing::Symmetric, "Keras (MobileNet V2)"),
    ("mixed_5b", Preprocessing::Symmetric, "Keras (Inception ResNet V2)"),
    ("mixed0", Preprocessing::Symmetric, "Keras (Inception V3)"),
    ("normal_conv_1_0", Preprocessing::Symmetric, "Keras (NASNet)"),
];

/// Networks of `keras.applications`.
pub(super) fn keras(network: &Network) -> Option<(Style, PreprocessRule)> {
    let has_scope = |name: &str, sign: &str| name.split('/').any(|scope| scope == sign);
    KERAS.iter().find_map(|&(sign, preprocessing, maker)| {
        let node = network.node_names().find(|name| has_scope(name, sign))?;
        Some(made(Style::new(preprocessing), maker, node))
    })
}

/// ONNX files that PyTorch wrote: most of its networks for colour pictures are trained as
/// Torchvision's and timm's.
pub(super) fn pytorch(
    network: &Network,
    input: &InputCandidate,
) -> Option<(Style, PreprocessRule)> {
    /// The name that both exporters of `torch.onnx` give themselves.
    const PRODUCER: &str = "pytorch";
    let producer = network.producer().filter(|producer| *producer == PRODUCER)?;
    let channels = input.shape.as_ref().and_then(|shape| shape.last().copied().flatten());
    (channels != Some(1)).then(|| made(Style::new(Preprocessing::Torch), PYTORCH, producer))
}
