//! Dense maps: the rewritten networks against the networks themselves, and where their cells are.

use std::sync::Arc;

use lorgnette_net::zoo::{self, ARCHITECTURES, Architecture, RandomWeights};
use lorgnette_net::{
    DenseOptions, DenseSession, LoadOptions, MapPadding, Network, RunOptions, Tensor,
};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{ACTIVATION, relative_error};

fn network(net: &'static Architecture) -> Network {
    Network::from_architecture(
        net,
        Arc::new(RandomWeights),
        LoadOptions::default(),
        RunOptions::default(),
    )
    .unwrap()
}

fn picture(net: &Architecture, [height, width]: [usize; 2]) -> Tensor {
    let shape = [1, height, width, net.channels];
    Tensor::from_f32(&shape, made_up::image(&shape))
}

fn map(
    network: &Network,
    net: &Architecture,
    dense: DenseOptions,
    size: [usize; 2],
) -> (DenseSession, Tensor) {
    let mut found = network
        .dense_session(dense, [net.side; 2], size)
        .unwrap_or_else(|error| panic!("{}: {error}", net.name));
    let picture = picture(net, size);
    let session = &mut found.session;
    let input = session.inputs()[0].name.clone();
    session.input_mut(&input).unwrap().copy_from_slice(&picture.to_f32());
    session.run().unwrap();
    let scores = session.output_at(0).unwrap().to_vec();
    let shape = session.outputs()[0].fact.shape.clone();
    (found, Tensor::from_f32(&shape, scores))
}

const VALID: DenseOptions = DenseOptions::new(MapPadding::Valid);
const SAME: DenseOptions = DenseOptions::new(MapPadding::Same);

/// One window, nothing around it: the map's only cell is the network's answer. A larger picture
/// gives a larger map.
fn check_network(net: &'static Architecture) {
    let network = network(net);
    let signature = network.signature().unwrap();
    let side = [net.side; 2];
    let (_, dense) = map(&network, net, VALID, side);
    let whole =
        network.run(&[(&signature.input.name, &picture(net, side))], &[&signature.logits]).unwrap();
    assert_eq!(dense.shape()[..3], [1, 1, 1], "{}", net.name);
    let off = relative_error(&whole[0].to_f32(), &dense.to_f32());
    println!("{:<36} {off:.1e}", net.name);
    assert!(off <= ACTIVATION, "{}: {off}", net.name);
}

#[test]
fn a_map_of_one_window_is_the_answer_of_the_network() {
    for name in [
        "mobilenet_v1_025",
        "mobilenet_v3_small",
        "lenet",
        "cifarnet",
        "resnet_v1_50",
        "nasnet_cifar",
    ] {
        check_network(zoo::find(name).unwrap());
    }
}

/// Scores are linear in the mean over the features: those of single positions have the scores of
/// the mean as their mean.
#[test]
fn a_narrow_mean_answers_for_a_part_of_the_window() {
    for (name, cells) in [("mobilenet_v1_025", 7), ("resnet_v1_50", 7)] {
        let net = zoo::find(name).unwrap();
        let (network, side) = (network(net), [net.side; 2]);
        let scores = |max_mean_side| {
            let (_, map) = map(&network, net, DenseOptions { max_mean_side, ..VALID }, side);
            (map.shape()[1], map.to_f32())
        };
        let (one, whole) = scores(None);
        let (all, each) = scores(Some(1));
        assert_eq!((one, all, scores(Some(3)).0), (1, cells, cells - 2), "{name}");
        let classes = whole.len();
        let mean = |class: usize| {
            each.iter().skip(class).step_by(classes).sum::<f32>() / (cells * cells) as f32
        };
        let means: Vec<f32> = (0..classes).map(mean).collect();
        let off = relative_error(&whole, &means);
        assert!(off <= ACTIVATION, "{name}: {off}");
        assert_ne!(each[..classes], each[classes..2 * classes], "{name}: each cell has its own");
        assert_eq!(scores(Some(99)), (one, whole), "{name}: no wider than it was trained with");
    }
}

#[test]
fn a_second_mean_has_the_scores_of_a_narrow_one() {
    for (name, has_mean) in [("mobilenet_v1_025", true), ("resnet_v1_50", true), ("lenet", false)] {
        let net = zoo::find(name).unwrap();
        let (network, size) = (network(net), [net.side + 32, net.side + 65]);
        let second_mean_side = Some(3);
        let (both, first) = map(&network, net, DenseOptions { second_mean_side, ..SAME }, size);
        let (_, wide) = map(&network, net, SAME, size);
        assert_eq!(first.to_f32(), wide.to_f32(), "{name}: the first output stays");
        assert_eq!(both.session.outputs().len(), 1 + usize::from(has_mean), "{name}");
        if has_mean {
            let max_mean_side = second_mean_side;
            let (_, narrow) = map(&network, net, DenseOptions { max_mean_side, ..SAME }, size);
            let second = both.session.output_at(1).unwrap();
            let off = relative_error(&narrow.to_f32(), second);
            assert!(off <= ACTIVATION, "{name}: {off}");
            assert_ne!(second, first.to_f32(), "{name}");
        }
        let (valid, _) = map(&network, net, DenseOptions { second_mean_side, ..VALID }, size);
        assert_eq!(valid.session.outputs().len(), 1, "{name}: its cells would be others");
    }
}

/// Scores are linear in the mean over the features: those of a tapered one are the mean of those of a
/// shorter one over three by three cells, where there are as many.
#[test]
fn a_mean_that_tapers_is_a_mean_of_shorter_ones() {
    for name in ["mobilenet_v1_025", "resnet_v1_50"] {
        let net = zoo::find(name).unwrap();
        let (network, size) = (network(net), [net.side, net.side + 64]);
        let scores = |dense: DenseOptions| map(&network, net, dense, size).1;
        let tapered = scores(DenseOptions { tapers: true, ..SAME });
        let short = scores(DenseOptions { max_mean_side: Some(5), ..SAME });
        assert_eq!(tapered.shape(), short.shape(), "{name}");
        let [_, rows, columns, classes] = tapered.shape()[..] else { panic!("{name}") };
        let (tapered, short) = (tapered.to_f32(), short.to_f32());
        let at = |row: usize, column: usize| (row * columns + column) * classes;
        let mean = |row: usize, column: usize, class: usize| {
            let around =
                (row - 1..row + 2).flat_map(|row| (column - 1..column + 2).map(move |c| (row, c)));
            around.map(|(row, column)| short[at(row, column) + class]).sum::<f32>() / 9.0
        };
        for row in 1..rows - 1 {
            for column in 1..columns - 1 {
                let expected: Vec<f32> =
                    (0..classes).map(|class| mean(row, column, class)).collect();
                let off = relative_error(&expected, &tapered[at(row, column)..][..classes]);
                assert!(off <= ACTIVATION, "{name}: {row}, {column}: {off}");
            }
        }
        let one = DenseOptions { max_mean_side: Some(1), ..SAME };
        let tapered_one = scores(DenseOptions { tapers: true, ..one });
        assert_eq!(scores(one).to_f32(), tapered_one.to_f32(), "{name}: one cell cannot taper");
        let valid = scores(DenseOptions { tapers: true, ..VALID });
        assert_eq!(
            valid.to_f32(),
            scores(VALID).to_f32(),
            "{name}: nothing tapers without padding"
        );
    }
}

#[test]
#[ignore = "minutes; .ci/run does it"]
fn a_map_of_one_window_is_the_answer_of_every_network() {
    ARCHITECTURES.iter().for_each(check_network);
}

#[test]
#[ignore = "minutes; .ci/run does it"]
fn every_network_gives_maps_at_every_output_stride() {
    for net in ARCHITECTURES {
        let network = network(net);
        let size = [net.side + 64, net.side + 97];
        let mut cells = 0;
        for output_stride in [None, Some(16), Some(8)] {
            let dense = DenseOptions { output_stride, ..SAME };
            let found = network.dense_session(dense, [net.side; 2], size);
            let found =
                found.unwrap_or_else(|error| panic!("{} at {output_stride:?}: {error}", net.name));
            let shape = &found.session.outputs()[0].fact.shape;
            println!("{:<36} {output_stride:?}: {:?}, {:?}", net.name, &shape[1..3], found.rows);
            assert!(output_stride.is_none_or(|stride| found.rows.stride <= stride), "{}", net.name);
            assert!(shape[1] * shape[2] >= cells, "{}: a finer map has no fewer cells", net.name);
            cells = shape[1] * shape[2];
        }
    }
}

#[test]
fn the_tutorial_s_map_of_vgg_16_is_where_it_says() {
    let net = zoo::find("vgg_16").unwrap();
    let load = LoadOptions {
        zoo: zoo::ZooOptions { num_classes: Some(2), ..Default::default() },
        ..LoadOptions::default()
    };
    let run = RunOptions::default();
    let network = Network::from_architecture(net, Arc::new(RandomWeights), load, run).unwrap();
    let found = network.dense_session(VALID, [224; 2], [768, 1024]).unwrap();
    let shape = &found.session.outputs()[0].fact.shape;
    assert_eq!(shape[..3], [1, 18, 26]);
    assert_eq!((found.rows.stride, found.rows.size, found.rows.start), (32, 404, -90));
    assert_eq!((found.columns.centre(0), found.columns.centre(25)), (112.0, 912.0));
    let same = network.dense_session(SAME, [224; 2], [768, 1024]).unwrap();
    assert_eq!(same.session.outputs()[0].fact.shape[..3], [1, 24, 32]);
    assert_eq!(same.rows.centre(0), 16.0);
}

/// TF-Slim's networks without their global pool are maps already, at whatever stride;
/// `oracle/slim_checkpoints.py` compares ours of these options with TensorFlow's.
#[test]
fn output_stride_is_that_of_tf_slim() {
    let net = zoo::find("resnet_v1_50").unwrap();
    let open = |output_stride| {
        let options = zoo::ZooOptions {
            global_pool: Some(false),
            spatial_squeeze: false,
            num_classes: Some(5),
            output_stride,
            ..Default::default()
        };
        Network::from_architecture(
            net,
            Arc::new(RandomWeights),
            LoadOptions { zoo: options, ..LoadOptions::default() },
            RunOptions::default(),
        )
        .unwrap()
    };
    let size = [97, 161];
    for output_stride in [32, 16, 8] {
        let own = open(Some(output_stride));
        let signature = own.signature().unwrap();
        let own = &own
            .run(&[(&signature.input.name, &picture(net, size))], &[&signature.logits])
            .unwrap()[0];
        let dense = DenseOptions { output_stride: Some(output_stride), ..SAME };
        let (_, ours) = map(&open(None), net, dense, size);
        assert_eq!(ours.shape(), own.shape());
        assert!(relative_error(&own.to_f32(), &ours.to_f32()) <= ACTIVATION);
    }
}
