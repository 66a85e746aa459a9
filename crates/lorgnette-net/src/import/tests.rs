//! Graphs that TensorFlow does not run on CPUs: channels-first images, compared with the same graph
//! channels last.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use crate::proto::{
    AttrValue, Dim, GraphDef, ListValue, NodeDef, TensorProto, TensorShapeProto, Value,
};
use crate::tensor::Tensor;
use crate::{LoadOptions, Network, RunOptions};

fn node(name: &str, op: &str, inputs: &[&str], attributes: Vec<(&str, Value)>) -> NodeDef {
    let attr: BTreeMap<_, _> = attributes
        .into_iter()
        .map(|(key, value)| (key.to_owned(), AttrValue { value: Some(value) }))
        .collect();
    NodeDef {
        name: name.into(),
        op: op.into(),
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        attr,
        ..NodeDef::default()
    }
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect()
}

fn constant(name: &str, shape: &[i64]) -> NodeDef {
    let dim = shape.iter().map(|&size| Dim { size }).collect();
    let values = numbers(shape.iter().product::<i64>() as usize);
    let float_val = values.iter().map(|v| v + if name == "variance" { 1.5 } else { 0.0 }).collect();
    let tensor_shape = Some(TensorShapeProto { dim, unknown_rank: false });
    let tensor = TensorProto { dtype: 1, tensor_shape, float_val, ..TensorProto::default() };
    node(name, "Const", &[], vec![("value", Value::Tensor(Box::new(tensor)))])
}

/// Builds convolution, bias, batch norm, activation and pool in either layout.
fn network(format: &'static str) -> Network {
    let layout = || ("data_format", Value::S(Bytes::from_static(format.as_bytes())));
    let pair = |y: i64, x: i64| {
        let i = if format == "NCHW" { vec![1, 1, y, x] } else { vec![1, y, x, 1] };
        Value::List(ListValue { i, ..ListValue::default() })
    };
    let same = || ("padding", Value::S(Bytes::from_static(b"SAME")));
    let nodes = vec![
        node("input", "Placeholder", &[], vec![("dtype", Value::Type(1))]),
        constant("filter", &[3, 2, 3, 4]),
        node(
            "conv",
            "Conv2D",
            &["input", "filter"],
            vec![layout(), ("strides", pair(2, 1)), same()],
        ),
        constant("bias", &[4]),
        node("bias_add", "BiasAdd", &["conv", "bias"], vec![layout()]),
        constant("gamma", &[4]),
        constant("mean", &[4]),
        constant("variance", &[4]),
        node(
            "norm",
            "FusedBatchNormV3",
            &["bias_add", "gamma", "bias", "mean", "variance"],
            vec![layout(), ("epsilon", Value::F(0.001)), ("is_training", Value::B(false))],
        ),
        node("relu", "Relu", &["norm"], vec![]),
        node(
            "pool",
            "MaxPool",
            &["relu"],
            vec![layout(), ("ksize", pair(2, 3)), ("strides", pair(1, 2)), same()],
        ),
    ];
    let bytes = GraphDef { node: nodes, versions: None }.encode_to_vec();
    Network::from_bytes(bytes, format, LoadOptions::default(), RunOptions::with_threads(Some(1)))
        .unwrap()
}

#[test]
fn channels_first_is_channels_last_turned_round() {
    let shape = [2, 5, 6, 3];
    let last = numbers(shape.iter().product());
    let first = to_channels_first(shape, &last);
    let run = |network: &Network, shape: &[usize], values: Vec<f32>| {
        let input = Tensor::from_f32(shape, values);
        network.run(&[("input", &input)], &["pool"]).unwrap().remove(0)
    };
    let wanted = run(&network("NHWC"), &shape, last);
    let found = run(&network("NCHW"), &[2, 3, 5, 6], first);
    let of: [usize; 4] = wanted.shape().try_into().unwrap();
    assert_eq!(found.shape(), [of[0], of[3], of[1], of[2]]);
    assert_eq!(found.to_f32(), to_channels_first(of, &wanted.to_f32()));
}

/// Converts images to channels first.
fn to_channels_first([batch, height, width, channels]: [usize; 4], x: &[f32]) -> Vec<f32> {
    let mut turned = Vec::with_capacity(x.len());
    for picture in x.chunks(height * width * channels).take(batch) {
        for c in 0..channels {
            turned.extend(picture.iter().skip(c).step_by(channels));
        }
    }
    turned
}
