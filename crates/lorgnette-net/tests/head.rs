//! Heads: what a network with one answers, by hand and as a map, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use lorgnette_net::head::{HEAD_ANSWER, HEAD_LOGITS, Head, Layer, OutputKind};
use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{
    DenseOptions, DenseSession, LoadOptions, MapPadding, Network, RunOptions, Tensor,
};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};

fn network(name: &str) -> Network {
    Network::from_architecture(
        zoo::find(name).unwrap(),
        Arc::new(RandomWeights),
        LoadOptions::default(),
        RunOptions::default(),
    )
    .unwrap()
}

fn layer(inputs: usize, outputs: usize) -> Layer {
    let weights = made_up::image(&[1, inputs, outputs, 1]).into_iter().map(|v| v * 0.1).collect();
    let biases = (0..outputs).map(|k| k as f32 * 0.1).collect();
    Layer {
        weights: Tensor::from_f32(&[inputs, outputs], weights),
        biases: Tensor::from_f32(&[outputs], biases),
    }
}

/// `x · weights + biases`, in float64.
fn product(x: &[f32], layer: &Layer) -> Vec<f32> {
    let (weights, biases) = (layer.weights.to_f32(), layer.biases.to_f32());
    let sum = |k: usize| -> f64 {
        x.iter()
            .enumerate()
            .map(|(i, &x)| f64::from(x) * f64::from(weights[i * biases.len() + k]))
            .sum()
    };
    (0..biases.len()).map(|k| (sum(k) + f64::from(biases[k])) as f32).collect()
}

fn mean_over_places(features: &Tensor) -> Vec<f32> {
    let (values, channels) = (features.to_f32(), *features.shape().last().unwrap());
    let places = values.len() / channels;
    (0..channels)
        .map(|c| values.iter().skip(c).step_by(channels).sum::<f32>() / places as f32)
        .collect()
}

fn picture(side: usize) -> Tensor {
    let shape = [1, side, side, 3];
    Tensor::from_f32(&shape, made_up::image(&shape))
}

/// The features by the network, the layers by hand; then both together.
fn check(net: &str, end_point: Option<&str>, hidden: Option<usize>, answer: OutputKind) {
    let network = network(net);
    let side = network.net().unwrap().side;
    let signature = network.signature().unwrap();
    let features = end_point.map_or_else(|| signature.features.clone().unwrap(), str::to_owned);
    let picture = picture(side);
    let values = mean_over_places(
        &network.run(&[(&signature.input.name, &picture)], &[&features]).unwrap()[0],
    );
    let hidden = hidden.map(|units| layer(values.len(), units));
    let last = layer(hidden.as_ref().map_or(values.len(), |layer| layer.biases.len()), 5);
    let inner = match &hidden {
        Some(layer) => product(&values, layer).into_iter().map(|v| v.max(0.0)).collect(),
        None => values,
    };
    let wanted = product(&inner, &last);
    let head = Head { features: features.clone(), hidden, last, answer };
    let headed = network.with_head("flowers", head, [side; 2]).unwrap();
    assert_eq!(headed.signature().unwrap().features.as_deref(), Some(features.as_str()));
    let found = headed
        .run(&[(&signature.input.name, &picture)], &[HEAD_ANSWER, &features, HEAD_LOGITS])
        .unwrap();
    let off = relative_error(&wanted, &found[2].to_f32());
    assert!(off <= ACTIVATION, "{net}: {off}");
    let sum: f32 = found[0].to_f32().iter().sum();
    match answer {
        OutputKind::Softmax => assert!((sum - 1.0).abs() < 1e-5),
        OutputKind::Sigmoid => {
            let wanted: Vec<f32> = wanted.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
            assert!(relative_error(&wanted, &found[0].to_f32()) <= ACTIVATION);
        }
    }
    check_map(&headed, side, &found[2]);
}

/// A map of one window is the network's answer.
fn check_map(headed: &Network, side: usize, logits: &Tensor) {
    let dense = DenseOptions::new(MapPadding::Valid);
    let DenseSession { mut session, .. } =
        headed.dense_session(dense, [side; 2], [side; 2]).unwrap();
    let input = session.inputs()[0].name.clone();
    session.input_mut(&input).unwrap().copy_from_slice(&picture(side).to_f32());
    session.run().unwrap();
    assert_eq!(session.outputs()[0].fact.shape, [1, 1, 1, 5]);
    assert!(relative_error(&logits.to_f32(), session.output_at(0).unwrap()) <= ACTIVATION);
    let larger = headed.dense_session(dense, [side; 2], [side + 64, side + 96]).unwrap();
    assert!(larger.session.outputs()[0].fact.shape[1..3].iter().all(|&n| n > 1));
}

#[test]
fn a_head_reads_the_features() {
    check("mobilenet_v1_025", None, None, OutputKind::Softmax);
    check("mobilenet_v1_025", None, Some(7), OutputKind::Sigmoid);
}

#[test]
fn a_head_reads_the_mean_of_a_map() {
    check("mobilenet_v1_025", Some("Conv2d_11_pointwise"), None, OutputKind::Softmax);
    check("resnet_v1_50", None, None, OutputKind::Softmax);
}

#[test]
fn a_frozen_graph_with_a_head_is_read_again() {
    let network = network("mobilenet_v1_025");
    let features = network.signature().unwrap().features.unwrap();
    let head = Head {
        features,
        hidden: Some(layer(256, 3)),
        last: layer(3, 4),
        answer: OutputKind::Softmax,
    };
    let headed = network.with_head("four", head, [128; 2]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("four.pb");
    headed.write_frozen(&path, &[HEAD_LOGITS, HEAD_ANSWER], [128; 2], &[]).unwrap();
    let again = Network::open(&path, LoadOptions::default(), RunOptions::default()).unwrap();
    let answer = |network: &Network| {
        let signature = network.signature().unwrap();
        assert_eq!(
            (signature.logits.as_str(), signature.probabilities.as_deref()),
            (HEAD_LOGITS, Some(HEAD_ANSWER))
        );
        network.run(&[(&signature.input.name, &picture(128))], &[HEAD_ANSWER]).unwrap()[0].to_f32()
    };
    assert!(relative_error(&answer(&headed), &answer(&again)) <= ACTIVATION);
    // A head on what a head reads: training goes on from an exported model.
    let features = again.signature().unwrap().features.unwrap();
    let second = Head { features, hidden: None, last: layer(3, 2), answer: OutputKind::Softmax };
    let signature = again.signature().unwrap();
    let two = again.with_head("two", second.clone(), [128; 2]).unwrap();
    let answer = two.run(&[(&signature.input.name, &picture(128))], &[HEAD_ANSWER]).unwrap();
    assert_eq!(answer[0].shape(), [1, 2]);
    // But names would stand for two things if both had a hidden layer.
    let third = Head { hidden: Some(layer(3, 3)), ..second };
    let message = again.with_head("three", third, [128; 2]).unwrap_err().to_string();
    assert!(message.contains("final_training_ops/hidden"), "{message}");
}

#[test]
fn a_head_that_does_not_fit_is_refused() {
    let network = network("mobilenet_v1_025");
    let features = network.signature().unwrap().features.unwrap();
    let head = |features: &str, last| Head {
        features: features.into(),
        hidden: None,
        last,
        answer: OutputKind::Softmax,
    };
    let message =
        network.with_head("x", head(&features, layer(255, 4)), [128; 2]).unwrap_err().to_string();
    assert!(message.contains("255 inputs") && message.contains("256"), "{message}");
    assert!(network.with_head("x", head("no_such", layer(256, 4)), [128; 2]).is_err());
    let torn = Layer { biases: Tensor::from_f32(&[3], vec![0.0; 3]), ..layer(256, 4) };
    assert!(network.with_head("x", head(&features, torn), [128; 2]).is_err());
}

#[test]
fn a_fingerprint_is_of_weights_and_operations() {
    let network = network("mobilenet_v1_025");
    let features = network.signature().unwrap().features.unwrap();
    let print = |network: &Network, fetch: &str| network.fingerprint(fetch).unwrap();
    let first = print(&network, &features);
    assert_eq!(
        first,
        print(&network.with_run_options(RunOptions::with_threads(Some(1))), &features)
    );
    assert_ne!(first, print(&network, "Conv2d_11_pointwise"));
    let mut variables: BTreeMap<String, Tensor> = network
        .net()
        .unwrap()
        .build(&RandomWeights, &Default::default())
        .unwrap()
        .graph
        .nodes()
        .iter()
        .filter_map(value)
        .collect();
    let net = network.net().unwrap();
    let same = Network::from_architecture(
        net,
        Arc::new(variables.clone()),
        LoadOptions::default(),
        RunOptions::default(),
    )
    .unwrap();
    assert_eq!(first, print(&same, &features));
    let changed = variables.get_mut("MobilenetV1/Conv2d_0/weights").unwrap();
    let (shape, mut values) = (changed.shape().to_vec(), changed.to_f32());
    values[5] += 1e-3;
    *changed = Tensor::from_f32(&shape, values);
    let other = Network::from_architecture(
        net,
        Arc::new(variables),
        LoadOptions::default(),
        RunOptions::default(),
    )
    .unwrap();
    assert_ne!(first, print(&other, &features));
}

fn value(node: &lorgnette_net::graph::Node) -> Option<(String, Tensor)> {
    match &node.op {
        lorgnette_net::graph::Op::Const(tensor) => Some((node.name.clone(), tensor.clone())),
        lorgnette_net::graph::Op::Variable(stored) => {
            Some((node.name.clone(), stored.read().unwrap()))
        }
        _ => None,
    }
}
