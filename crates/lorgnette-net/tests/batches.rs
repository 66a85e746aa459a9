//! A picture's answer does not depend on the batch it is in, on how a batch goes through the
//! network, or on threads.

use std::sync::Arc;

use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{LoadOptions, Network, RunOptions};

/// Numbers from -1 to 1 (Marsaglia's xorshift).
fn noise(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The values of two nodes for a batch: the scores, and a map from within.
fn answers(network: &Network, within: &str, shape: [usize; 4], pictures: &[f32]) -> [Vec<f32>; 2] {
    let signature = network.signature().unwrap();
    let input = signature.input.name.as_str();
    let mut session = network.session(&[(input, &shape)], &[&signature.logits, within]).unwrap();
    assert_eq!(session.output_shape(&signature.logits).unwrap()[0], shape[0]);
    session.input_mut(input).unwrap().copy_from_slice(pictures);
    session.run().unwrap();
    [signature.logits.as_str(), within].map(|name| session.output(name).unwrap().to_vec())
}

/// MobileNet's and LeNet's batches go through picture by picture; AlexNet's stay together, for its
/// fully connected weights are large.
#[test]
fn a_picture_in_a_batch_has_the_bits_of_one_alone() {
    let cases = [
        (
            "mobilenet_v1_025",
            "MobilenetV1/MobilenetV1/Conv2d_3_pointwise/Relu6",
            [64, 64, 3],
            &[1, 2, 3][..],
        ),
        ("lenet", "LeNet/pool1/MaxPool", [28, 28, 1], &[1, 2, 3]),
        ("alexnet_v2", "alexnet_v2/pool1/MaxPool", [224, 224, 3], &[2]),
    ];
    for (name, within, [height, width, channels], threads) in cases {
        let pixels = height * width * channels;
        let pictures = noise(5 * pixels);
        for &threads in threads {
            let network = Network::from_architecture(
                zoo::find(name).unwrap(),
                Arc::new(RandomWeights),
                LoadOptions::default(),
                RunOptions::with_threads(Some(threads)),
            )
            .unwrap();
            // Two by two and one that is left over, or three and two.
            let together = answers(&network, within, [5, height, width, channels], &pictures);
            let mut apart = [Vec::new(), Vec::new()];
            for picture in pictures.chunks(pixels) {
                let alone = answers(&network, within, [1, height, width, channels], picture);
                apart.iter_mut().zip(alone).for_each(|(all, alone)| all.extend(alone));
            }
            assert!(together == apart, "{name} on {threads} threads");
        }
    }
}
