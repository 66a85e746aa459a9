//! TensorFlow Lite files, one small one for each operator, against what LiteRT's reference kernels
//! computed. `.ci/run` makes the files anew and compares again through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use std::path::Path;

use lorgnette_net::{DType, LoadOptions, Network, RunOptions, Tensor, npy};
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};

/// Opens a file of the archive that has no answers.
fn open(name: &str) -> Network {
    let (files, _) = support::archive("tflite.tar.gz");
    let (load, run) = (LoadOptions::default(), RunOptions::default());
    Network::from_bytes(files[name].clone(), name, load, run).unwrap()
}

#[test]
fn unknown_operators_are_named_all_together_when_a_fetch_needs_them() {
    let network = open("unknown_operators.tflite");
    let plan = |fetches: &[&str]| network.plan(&[("input", &[1, 2, 2, 3])], fetches);
    assert!(plan(&["known"]).is_ok());
    let message = plan(&["second", "third"]).unwrap_err().to_string();
    for part in ["custom operator Fancy 'first'", "NON_MAX_SUPPRESSION_V5 'third'"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn quantised_operators_that_are_not_known_are_named_all_together() {
    let network = open("unknown_quantised.tflite");
    let plan = |fetches: &[&str]| network.plan(&[("input", &[1, 4])], fetches);
    assert!(plan(&["known"]).is_ok());
    let message = plan(&["second"]).unwrap_err().to_string();
    for part in ["ABS 'first': its values are quantised", "MAXIMUM 'second': its values are"] {
        assert!(message.contains(part), "{message}");
    }
    let plan = open("integers_of_16_bits.tflite").plan(&[("input", &[1, 3])], &["output"]);
    let message = plan.unwrap_err().to_string();
    assert!(message.contains("HARD_SWISH 'output': it is not known of int16"), "{message}");
}

/// Inputs and outputs are the integers of the file; a session has the real numbers they stand for.
#[test]
fn a_session_of_a_quantised_network_takes_and_gives_real_numbers() {
    let network = open("real_numbers.tflite");
    let mut session = network.session(&[("input", &[1, 4])], &["output"]).unwrap();
    assert_eq!(session.inputs()[0].fact.dtype, DType::U8);
    // Steps of ½ around 128, and what is nearest to a step, or beyond the type's range.
    session.input_mut("input").unwrap().copy_from_slice(&[-1.0, 0.0, 3.3, 1000.0]);
    session.run().unwrap();
    assert_eq!(session.output("output").unwrap(), [0.0, 0.0, 3.5, 6.0]);
    let stored = Tensor::from_i64(DType::U8, &[1, 4], &[126, 128, 135, 255]);
    let output = network.run(&[("input", &stored)], &["output"]).unwrap().remove(0);
    assert_eq!((output.dtype(), output.to_i64()), (DType::U8, vec![128, 128, 135, 140]));
}

/// The bytes of a small quantised network's answers.
fn answers(network: &Network) -> Vec<i64> {
    let picture: Vec<i64> = (0..16 * 16 * 3).map(|i| i * 37 % 256).collect();
    let picture = Tensor::from_i64(DType::U8, &[1, 16, 16, 3], &picture);
    let fetches = ["logits", "probabilities"];
    let outputs = network.run(&[("input", &picture)], &fetches).unwrap();
    outputs.iter().flat_map(Tensor::to_i64).collect()
}

#[test]
fn a_plan_file_of_a_quantised_network_has_its_bytes() {
    let network = open("quantised_separable_uint8.tflite");
    let expected = answers(&network);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("separable.plan");
    network.write_plan_file(&path).unwrap();
    let network = Network::open(&path, LoadOptions::default(), RunOptions::default()).unwrap();
    assert_eq!(answers(&network), expected);
}

#[test]
fn a_quantised_network_is_not_exported_to_formats_without_its_operations() {
    let network = open("quantised_separable_uint8.tflite");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("separable.pb");
    let frozen = network.write_frozen(&path, &["probabilities"], [16, 16], &[]);
    let message = frozen.unwrap_err().to_string();
    for part in ["LiteConv2D 'layer_0'", "LiteSoftmax 'probabilities'"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!path.exists());
}

/// Its signature is that of the float network, and its features are real numbers.
#[test]
fn a_quantised_network_has_a_signature() {
    let signature = open("quantised_separable_uint8.tflite").signature().unwrap();
    let scale = signature.input.quantization.unwrap();
    assert_eq!((scale.scale, scale.zero_point), (1.0 / 128.0, 128));
    assert_eq!(signature.logits, "flat");
    assert_eq!(signature.probabilities.as_deref(), Some("probabilities"));
    assert_eq!(signature.features.as_deref(), Some("pooled"));
}

/// The weights alone are integers; LiteRT rounds each layer's input to 8 bits.
#[test]
fn a_dynamic_range_network_gives_litert_s_numbers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dynamic_range");
    let array = |name: &str| npy::read(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    let network = std::fs::read(folder.join("network.tflite")).unwrap();
    let (load, run) = (LoadOptions::default(), RunOptions::default());
    let network = Network::from_bytes(network, "network.tflite", load, run).unwrap();
    let (picture, expected) = (array("input.npy"), array("output.npy").to_f32());
    let name = network.signature().unwrap().input.name;
    let end = network.signature().unwrap().logits;
    let found = network.run(&[(&name, &picture)], &[&end]).unwrap().remove(0).to_f32();
    let error = relative_error(&expected, &found);
    assert!(error < ACTIVATION, "{error}");
    // Without the rounding it would be off by a thousandth.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("floats.pb");
    network.write_frozen(&path, &[&end], [24, 24], &[]).unwrap();
    let floats = Network::open(&path, LoadOptions::default(), RunOptions::default()).unwrap();
    let found = floats.run(&[(&name, &picture)], &[&end]).unwrap().remove(0).to_f32();
    let error = relative_error(&expected, &found);
    assert!((1e-4..0.05).contains(&error), "{error}");
}

#[test]
fn every_operator_gives_litert_s_answer_on_every_level() {
    let (files, cases) = support::archive("tflite.tar.gz");
    assert!(cases.len() > 150, "the fixture is whole");
    support::check_all(&files, &cases, &levels::levels());
}
