//! Networks of the zoo quantised to int8, beside the networks they were made from.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lorgnette_net::head::{HEAD_LOGITS, Head, Layer, OutputKind};
use lorgnette_net::quantize::{
    Comparison, QuantizeOptions, QuantizedModel, Quantizer, RangeRule, quantize_trained,
    quantize_with_ranges,
};
use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{
    DType, DenseOptions, Error, LoadOptions, MapPadding, Network, RunOptions, Tensor,
};
use lorgnette_oracle::made_up;

const SIDE: usize = 96;
const SHAPE: [usize; 4] = [1, SIDE, SIDE, 3];

fn run() -> RunOptions {
    RunOptions::with_threads(Some(2))
}

fn network(name: &str) -> Network {
    let net = zoo::find(name).unwrap();
    Network::from_architecture(net, Arc::new(RandomWeights), LoadOptions::default(), run()).unwrap()
}

/// Made-up pictures, each with its own brightness.
fn pictures() -> Vec<Vec<f32>> {
    let image = made_up::image(&SHAPE);
    (1..=4).map(|i| image.iter().map(|x| x * i as f32 / 4.0).collect()).collect()
}

fn quantizer(network: &Network) -> Quantizer {
    let signature = network.signature().unwrap();
    let end = signature.probabilities.unwrap();
    let mut quantizer = Quantizer::new(network, &[&end], [SIDE; 2]).unwrap();
    pictures().iter().for_each(|picture| quantizer.observe(picture));
    quantizer
}

/// The signal-to-noise ratio of each layer.
fn ratios(quantizer: &mut Quantizer, quantized: &QuantizedModel) -> Vec<f64> {
    let name = "quantized.tflite";
    let network =
        Network::from_bytes(quantized.bytes.clone(), name, LoadOptions::default(), run()).unwrap();
    let mut comparison = Comparison::new(&quantized.layers);
    let input = network.signature().unwrap().input.name;
    let mut session = network.session(&[(&input, &SHAPE)], &comparison.names()).unwrap();
    for picture in pictures() {
        quantizer.compare(&mut session, &mut comparison, &picture).unwrap();
    }
    comparison.signal_to_noise()
}

/// The index of the scores among the layers.
fn scores(quantizer: &Quantizer, quantized: &QuantizedModel) -> usize {
    let name = quantizer.score_name();
    quantized.layers.iter().position(|layer| layer.name == name).unwrap()
}

#[test]
fn a_quantised_network_answers_as_the_network_does() {
    // Depthwise layers, shortcuts, squeeze and excitation, concatenations, norms before layers.
    for name in ["mobilenet_v1_025", "mobilenet_v3_small", "resnet_v2_50", "inception_v3"] {
        let network = network(name);
        let mut quantizer = quantizer(&network);
        let quantized = quantizer.quantize(&QuantizeOptions::default()).unwrap();
        assert!(quantized.layers.iter().all(|layer| !layer.is_float), "{name}");
        let ratios = ratios(&mut quantizer, &quantized);
        let (first, last) = (ratios[0], ratios[scores(&quantizer, &quantized)]);
        assert!(first > 25.0, "{name}: {first} dB at its first layer");
        assert!(last > 8.0, "{name}: {last} dB at its scores");
    }
}

#[test]
fn layers_that_are_kept_in_float_are_exact_where_nothing_before_them_is_not() {
    let network = network("mobilenet_v1_025");
    let mut quantizer = quantizer(&network);
    let all = quantizer.quantize(&QuantizeOptions::default()).unwrap();
    let with_weights = all.layers.iter().filter(|layer| layer.has_weights());
    let keep_float: BTreeSet<String> = with_weights.map(|layer| layer.name.clone()).collect();
    let options = QuantizeOptions { keep_float: keep_float.clone(), ..QuantizeOptions::default() };
    let floats = quantizer.quantize(&options).unwrap();
    assert!(floats.layers.iter().filter(|layer| layer.has_weights()).all(|layer| layer.is_float));
    // The picture alone is rounded.
    let (int8, float) = (ratios(&mut quantizer, &all), ratios(&mut quantizer, &floats));
    let at = scores(&quantizer, &all);
    assert!(float[at] > int8[at] + 5.0, "{float:?}\n{int8:?}");
    assert!(floats.bytes.len() > 2 * all.bytes.len());
}

#[test]
fn an_equalised_network_computes_the_same() {
    let network = network("resnet_v1_50");
    let quantizer = quantizer(&network);
    let mut equalized = quantizer.equalized().unwrap().expect("its layers have ReLU between them");
    let mut quantizer = quantizer;
    let scores = quantizer.score_name().to_owned();
    for picture in pictures() {
        quantizer.observe(&picture);
        equalized.observe(&picture);
        let (plain, equal) = (quantizer.value(&scores).unwrap(), equalized.value(&scores).unwrap());
        let largest = plain.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        for (a, b) in plain.iter().zip(equal) {
            assert!((a - b).abs() <= 1e-4 * largest, "{a} and {b}");
        }
    }
}

#[test]
fn ranges_are_chosen_as_asked() {
    let network = network("mobilenet_v1_025");
    let quantizer = quantizer(&network);
    let bytes = |range: RangeRule| {
        quantizer.quantize(&QuantizeOptions { range, ..QuantizeOptions::default() }).unwrap().bytes
    };
    let whole = bytes(RangeRule::Whole);
    assert_eq!(whole, bytes(RangeRule::Whole), "the same bytes every time");
    assert_ne!(whole, bytes(RangeRule::Percentile(99.0)));
    assert_ne!(whole, bytes(RangeRule::LeastError));
}

#[test]
fn ranges_as_text_give_the_same_bytes() {
    for (name, shape) in [("mobilenet_v1_025", SHAPE), ("lenet", [1, 28, 28, 1])] {
        let (network, size) = (network(name), [shape[1], shape[2]]);
        let end = network.signature().unwrap().probabilities.unwrap();
        let mut quantizer = Quantizer::new(&network, &[&end], size).unwrap();
        quantizer.observe(&made_up::image(&shape));
        let options = QuantizeOptions::default();
        let text = quantizer.ranges(options.range);
        let again = quantize_with_ranges(&network, &[&end], size, &text, &options).unwrap();
        assert!(again.bytes == quantizer.quantize(&options).unwrap().bytes, "{name}");
        // Without the means biases are not corrected.
        let short: String = text
            .lines()
            .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ") + "\n")
            .collect();
        let plain = quantize_with_ranges(&network, &[&end], size, &short, &options).unwrap();
        assert!(plain.bytes != again.bytes, "{name}");
    }
    let network = network("mobilenet_v1_025");
    let end = network.signature().unwrap().logits;
    for text in ["input", "input 0", "input 0 high"] {
        let options = QuantizeOptions::default();
        let refused = quantize_with_ranges(&network, &[&end], [SIDE; 2], text, &options);
        assert!(refused.unwrap_err().to_string().contains("'input' has no range"));
    }
}

/// A file of `fake_quant`, which `oracle/fake_quant.py` makes.
fn fake_quant(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_quant");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_graph_of_quantisation_aware_training_becomes_what_tensorflow_s_converter_makes_of_it() {
    const SIZE: [usize; 2] = [32; 2];
    for name in ["mobilenet_v1_quant", "mobilenet_v2_quant"] {
        let open = |bytes: Vec<u8>, name: &str| {
            Network::from_bytes(bytes, name, LoadOptions::default(), run()).unwrap()
        };
        let network = open(fake_quant(&format!("{name}.pb")), "trained.pb");
        let end = network.signature().unwrap().probabilities.unwrap();
        let options = QuantizeOptions::default();
        let ours = quantize_trained(&network, &[&end], SIZE, [-1.0, 1.0], &options);
        let ours = ours.unwrap().expect("the graph has ranges");
        assert!(ours.layers.iter().all(|layer| !layer.is_float), "{:?}", ours.layers);
        let theirs = open(fake_quant(&format!("{name}.tflite")), "theirs.tflite");
        let ours = open(ours.bytes, "ours.tflite");
        let shape = [1, SIZE[0], SIZE[1], 3];
        for seed in 1..4 {
            let levels: Vec<i64> = (0..32 * 32 * 3).map(|i| i * seed * 37 % 256).collect();
            let picture = Tensor::from_i64(DType::U8, &shape, &levels);
            let [ours, theirs] = [&ours, &theirs].map(|network| {
                let signature = network.signature().unwrap();
                let fetches = [signature.logits.as_str(), &signature.probabilities.unwrap()];
                let outputs = network.run(&[(&signature.input.name, &picture)], &fetches).unwrap();
                outputs.iter().flat_map(Tensor::to_i64).collect::<Vec<_>>()
            });
            assert_eq!(ours, theirs, "{name}");
        }
    }
    let plain = network("mobilenet_v1_025");
    let end = plain.signature().unwrap().logits;
    let none = quantize_trained(&plain, &[&end], [SIDE; 2], [-1.0, 1.0], &Default::default());
    assert!(none.unwrap().is_none());
}

/// The logits of a network for a picture, and the kernels that compute them.
fn logits(network: &Network, name: &str, picture: &[f32]) -> (Vec<f32>, Vec<String>) {
    let input = network.signature().unwrap().input.name;
    let mut session = network.session(&[(&input, &SHAPE)], &[name]).unwrap();
    session.input_mut(&input).unwrap().copy_from_slice(picture);
    session.run().unwrap();
    let kernels = session.plan().report(&[]).into_iter().map(|step| step.kernel).collect();
    (session.output_at(0).unwrap().to_vec(), kernels)
}

#[test]
fn an_onnx_file_of_a_quantised_network_is_the_same_network_of_integers() {
    // Depthwise layers, shortcuts, norms and paddings before layers, concatenations, pools.
    for name in ["mobilenet_v1_025", "resnet_v2_50", "inception_v3"] {
        let network = network(name);
        let quantized = quantizer(&network).quantize(&QuantizeOptions::default()).unwrap();
        let (load, run) = (LoadOptions::default(), run());
        let network = Network::from_bytes(quantized.bytes, "a.tflite", load, run.clone()).unwrap();
        let end = network.signature().unwrap().logits;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.onnx");
        network.write_onnx(&path, &[&end], [SIDE; 2], &[]).unwrap();
        let onnx = Network::open(&path, LoadOptions::default(), run).unwrap();
        for picture in pictures().into_iter().skip(2) {
            let (expected, _) = logits(&network, &end, &picture);
            let (found, kernels) = logits(&onnx, &end, &picture);
            // ONNX rounds halves to even, of the picture first.
            let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs();
                assert!(error <= 0.05 * largest, "{name}: {found} and {expected}");
            }
            assert!(expected.iter().any(|x| *x != expected[0]), "{name}: {expected:?}");
            let is_float = |kernel: &&String| {
                (kernel.contains("direct") || kernel.contains("depthwise"))
                    && !kernel.contains("integers")
            };
            assert_eq!(kernels.iter().find(is_float), None, "{name}");
        }
    }
}

/// A quantised network that was opened from its file.
fn opened(quantized: QuantizedModel) -> Network {
    let load = LoadOptions::default();
    Network::from_bytes(quantized.bytes, "quantized.tflite", load, run()).unwrap()
}

#[test]
fn a_plan_file_has_the_packed_weights_of_a_quantised_network_and_no_others() {
    // The last layer of the second is fully connected.
    for name in ["mobilenet_v1_025", "nasnet_mobile"] {
        let quantized = quantizer(&network(name)).quantize(&QuantizeOptions::default()).unwrap();
        let length = quantized.bytes.len() as u64;
        let network = opened(quantized);
        let end = network.signature().unwrap().logits;
        let pictures = pictures();
        let answers = |network: &Network| -> Vec<_> {
            pictures.iter().map(|picture| logits(network, &end, picture)).collect()
        };
        let expected = answers(&network);
        let map_of = |network: &Network| map(network, MapPadding::Valid, &pictures[0], [SIDE; 2]);
        let expected_map = map_of(&network);
        let packed = network.packed_bytes();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.plan");
        network.write_plan_file(&path).unwrap();
        drop(network);
        assert!(path.metadata().unwrap().len() < length * 5 / 4, "{name}: {length} bytes before");
        if packed == 0 {
            println!("not tried: {} packs no weights of integers", run().level);
        }
        let opened = Network::open(&path, LoadOptions::default(), run()).unwrap();
        assert_eq!(opened.packed_bytes(), packed, "{name}: the file has all");
        assert_eq!(answers(&opened), expected, "{name}");
        // A map, for which a fully connected layer is a convolution, has the same weights.
        assert_eq!(map_of(&opened), expected_map, "{name}");
        assert_eq!(opened.packed_bytes(), packed, "{name}: nothing is packed again");
    }
}

/// The map of a picture of some size, and its shape.
fn map(
    network: &Network,
    padding: MapPadding,
    picture: &[f32],
    size: [usize; 2],
) -> (Vec<usize>, Vec<f32>) {
    let dense = DenseOptions::new(padding);
    let mut dense = network.dense_session(dense, [SIDE; 2], size).unwrap();
    let input = dense.session.inputs()[0].name.clone();
    dense.session.input_mut(&input).unwrap().copy_from_slice(picture);
    dense.session.run().unwrap();
    let shape = dense.session.outputs()[0].fact.shape.clone();
    (shape, dense.session.output_at(0).unwrap().to_vec())
}

#[test]
fn a_map_of_a_quantised_network_is_its_answer_for_every_place() {
    for name in ["mobilenet_v1_025", "inception_v3"] {
        let network = network(name);
        let quantized = quantizer(&network).quantize(&QuantizeOptions::default()).unwrap();
        let quantized =
            Network::from_bytes(quantized.bytes, "map.tflite", LoadOptions::default(), run())
                .unwrap();
        // A map of one window is the answer, but for the rounding of the mean before the scores.
        let picture = pictures().pop().unwrap();
        let (_, found) = map(&quantized, MapPadding::Valid, &picture, [SIDE; 2]);
        let signature = quantized.signature().unwrap();
        let tensor = Tensor::from_f32(&SHAPE, picture);
        let mut session =
            quantized.session(&[(&signature.input.name, &SHAPE)], &[&signature.logits]).unwrap();
        session.input_mut(&signature.input.name).unwrap().copy_from_slice(&tensor.to_f32());
        session.run().unwrap();
        let answer = session.output_at(0).unwrap();
        let largest = answer.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        for (found, answer) in found.iter().zip(answer) {
            assert!((found - answer).abs() < 0.05 * largest, "{name}: {found} and {answer}");
        }
        let size = [SIDE + 64, SIDE + 32];
        let picture = made_up::image(&[1, size[0], size[1], 3]);
        let shape = |network: &Network| map(network, MapPadding::Same, &picture, size).0;
        assert_eq!(shape(&quantized), shape(&network), "{name}");
    }
}

/// The logits of a head of two classes on the features of a network.
fn with_head(network: &Network, picture: &[f32]) -> Vec<f32> {
    let features = network.signature().unwrap().features.unwrap();
    let input = network.signature().unwrap().input.name;
    let picture = Tensor::from_f32(&SHAPE, picture.to_vec());
    let found = network.run(&[(&input, &picture)], &[&features]).unwrap().remove(0);
    let inputs = *found.shape().last().unwrap();
    let weights = Tensor::from_f32(&[inputs, 2], made_up::image(&[inputs, 2]));
    let last = Layer { weights, biases: Tensor::from_f32(&[2], vec![0.5, -0.5]) };
    let head = Head { features, hidden: None, last, answer: OutputKind::Softmax };
    let headed = network.with_head("two", head, [SIDE; 2]).unwrap();
    let input = headed.signature().unwrap().input.name;
    headed.run(&[(&input, &picture)], &[HEAD_LOGITS]).unwrap()[0].to_f32()
}

#[test]
fn a_head_reads_the_features_of_a_quantised_network() {
    let network = network("mobilenet_v1_025");
    let quantized = quantizer(&network).quantize(&QuantizeOptions::default()).unwrap();
    let quantized =
        Network::from_bytes(quantized.bytes, "base.tflite", LoadOptions::default(), run()).unwrap();
    for picture in pictures() {
        let (real, found) = (with_head(&network, &picture), with_head(&quantized, &picture));
        for (real, found) in real.iter().zip(&found) {
            assert!((real - found).abs() < 0.35 * real.abs().max(1.0), "{real} and {found}");
        }
    }
}

#[test]
fn what_is_quantised_already_is_refused() {
    let network = network("mobilenet_v1_025");
    let quantized = quantizer(&network).quantize(&QuantizeOptions::default()).unwrap();
    let again = Network::from_bytes(quantized.bytes, "again.tflite", LoadOptions::default(), run())
        .unwrap();
    let fetch = again.signature().unwrap().logits;
    let refused = Quantizer::new(&again, &[&fetch], [SIDE; 2]).unwrap_err();
    assert!(matches!(&refused, Error::Input(what) if what.contains("already")), "{refused}");
}
