//! Every operator of ONNX that is read, one small model each, against what ONNX Runtime computed.
//! `.ci/run onnx_import` makes the models again and compares through the program.

#[path = "support/levels.rs"]
mod levels;
#[path = "support/operations.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use levels::levels;
use lorgnette_kernels::Level;
use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor, npy};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};
use support::{Files, difference_of};

/// A folder with all models, as the program finds them: their weights then stay in the files.
fn folder(files: &Files) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_imports");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let is_model = |name: &&String| !name.ends_with(".npy");
    for name in files.keys().filter(is_model) {
        std::fs::write(folder.join(name), &files[name]).unwrap();
    }
    folder
}

#[test]
fn every_operator_gives_onnx_runtimes_answer_on_every_level() {
    let (files, cases) = support::archive("onnx_imports.tar.gz");
    assert!(cases.len() > 900, "the fixture is whole");
    let folder = folder(&files);
    let mut failures = Vec::new();
    for level in levels() {
        let run = RunOptions { level, ..RunOptions::default() };
        for case in &cases {
            if let Err(what) = difference_of(&folder.join(&case.graph), case, &files, &run) {
                failures.push(format!("{} ({level}): {what}", case.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// The best level that is not executed in software.
fn options() -> RunOptions {
    let mut levels = Level::available().into_iter().filter(|&level| level != Level::Amx);
    RunOptions { level: levels.next_back().unwrap(), ..RunOptions::with_threads(Some(1)) }
}

/// The values of `[n, c, h, w]` as `[n, h, w, c]`.
fn channels_last(tensor: &Tensor) -> Tensor {
    let &[n, c, h, w] = tensor.shape() else { panic!("a picture") };
    let values = tensor.to_f32();
    let mut turned = Vec::with_capacity(values.len());
    for pixel in 0..n * h * w {
        let (picture, place) = (pixel / (h * w), pixel % (h * w));
        turned.extend((0..c).map(|channel| values[(picture * c + channel) * h * w + place]));
    }
    Tensor::from_f32(&[n, h, w, c], turned)
}

#[test]
fn pictures_are_fed_and_fetched_in_either_order() {
    let (files, cases) = support::archive("onnx_imports.tar.gz");
    let case = cases.iter().find(|case| case.name == "conv/strides").unwrap();
    let network = Network::from_bytes(
        files[&case.graph].clone(),
        "m.onnx",
        LoadOptions::default(),
        options(),
    )
    .unwrap();
    assert_eq!(network.channels_first_inputs(), ["x"]);
    let picture = npy::read(&files[&case.feeds["x"]]).unwrap();
    let first = network.run(&[("x", &picture)], &["y"]).unwrap();
    let last = network
        .run(&[("x/channels_last", &channels_last(&picture))], &["y/channels_last"])
        .unwrap();
    assert_eq!(last[0].shape(), channels_last(&first[0]).shape());
    assert_eq!(last[0].to_f32(), channels_last(&first[0]).to_f32());
}

#[test]
fn all_unknown_operators_are_named_at_once() {
    let (files, cases) = support::archive("onnx_imports.tar.gz");
    let case = cases.iter().find(|case| case.name == "network/feature_pyramid").unwrap();
    let mut model = files[&case.graph].clone();
    let places: Vec<usize> =
        (0..model.len() - 4).filter(|&at| &model[at..at + 4] == b"Relu").collect();
    assert_eq!(places.len(), 2);
    places.iter().for_each(|&at| model[at] = b'X');
    let network = Network::from_bytes(model, "m.onnx", LoadOptions::default(), options()).unwrap();
    let error = network.run(&[], &["y"]).unwrap_err().to_string();
    assert!(error.contains("2 nodes") && error.contains("Xelu 'r1'"), "{error}");
    assert!(error.contains("Xelu 'r2'"), "{error}");
}

#[test]
fn values_in_another_file_must_all_be_there() {
    let (files, _) = support::archive("onnx_imports.tar.gz");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_external");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let name = "conv_external_data.onnx";
    std::fs::write(folder.join(name), &files[name]).unwrap();
    let data = &files["conv_external_data.onnx.data"];
    std::fs::write(folder.join("conv_external_data.onnx.data"), &data[..data.len() - 1]).unwrap();
    let network = Network::open(&folder.join(name), LoadOptions::default(), options()).unwrap();
    let picture = Tensor::from_f32(&[1, 4, 5, 5], vec![0.0; 100]);
    let error = network.run(&[("x", &picture)], &["y"]).unwrap_err().to_string();
    assert!(
        error.contains("conv_external_data.onnx.data") && error.contains("not whole"),
        "{error}"
    );
}

#[test]
fn what_is_exported_opens_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx_again");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["lenet", "mobilenet_v1_025", "mobilenet_v3_small", "inception_v1"] {
        let net = zoo::find(name).unwrap();
        let network = Network::from_architecture(
            net,
            Arc::new(RandomWeights),
            LoadOptions::default(),
            options(),
        )
        .unwrap();
        let signature = network.signature().unwrap();
        let path = folder.join(format!("{name}.onnx"));
        let answers = [signature.logits.as_str(), signature.probabilities.as_deref().unwrap()];
        let notes = [("lorgnette.preprocessing".to_owned(), net.preprocessing.to_owned())];
        network.write_onnx(&path, &answers, [net.side; 2], &notes).unwrap();
        let again = Network::open(&path, LoadOptions::default(), options()).unwrap();
        assert_eq!(again.name(), name);
        assert_eq!(again.metadata("lorgnette.preprocessing"), Some(net.preprocessing));
        assert_eq!(again.channels_first_inputs(), [""; 0]);
        let found = again.signature().unwrap();
        assert_eq!(found.input.name, signature.input.name, "{name}");
        let shape = [2, net.side, net.side, net.channels];
        let pictures = Tensor::from_f32(&shape, made_up::image(&shape));
        let wanted = network.run(&[(&signature.input.name, &pictures)], &answers).unwrap();
        let found = again.run(&[(&found.input.name, &pictures)], &answers).unwrap();
        for (wanted, found) in wanted.iter().zip(&found) {
            assert_eq!(wanted.shape(), found.shape(), "{name}");
            let error = relative_error(&wanted.to_f32(), &found.to_f32());
            assert!(error <= ACTIVATION, "{name} is off by {error:e}");
        }
    }
}

#[test]
fn centerface_gives_onnx_runtimes_answers_at_several_sizes() {
    let Some(shared) = lorgnette_oracle::folder() else { return };
    let (files, cases) = support::archive("centerface.tar.gz");
    assert!(cases.len() > 2, "the fixture is whole");
    let model = shared.join("faces/centerface.onnx");
    let network = Network::open(&model, LoadOptions::default(), options()).unwrap();
    assert_eq!(network.channels_first_inputs(), ["input.1"]);
    for case in &cases {
        let difference = difference_of(&model, case, &files, &options());
        difference.unwrap_or_else(|what| panic!("{}: {what}", case.name));
    }
}
