//! What a value is kept as between layers changes no answer: whoever reads it takes it as it
//! wishes.
//!
//! A value that is fetched is float32, and with it all that it is made of in one piece. So the same
//! network with all of its steps fetched is one in which nothing is kept as bf16, and its scores
//! must be the same bits.

use std::sync::Arc;

use lorgnette_kernels::{Level, NumericOptions, Precision};
use lorgnette_net::zoo::{self, ARCHITECTURES, Architecture, RandomWeights};
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor};
use lorgnette_oracle::made_up;

/// The scores, and the bytes of activations that they took.
fn scores(
    network: &Network,
    net: &Architecture,
    shape: &[usize],
    besides: &[String],
) -> (Vec<f32>, usize) {
    let signature = network.signature().unwrap();
    let picture = Tensor::from_f32(shape, made_up::image(shape));
    let fetches: Vec<&str> =
        [signature.logits.as_str()].into_iter().chain(besides.iter().map(String::as_str)).collect();
    let scores = network.run(&[(&signature.input.name, &picture)], &fetches).unwrap();
    let plan = network.plan(&[(&signature.input.name, shape)], &fetches).unwrap();
    assert!(scores[0].to_f32().iter().all(|score| score.is_finite()), "{}", net.name);
    (scores[0].to_f32().to_vec(), plan.activation_bytes(1))
}

/// The nodes whose values a plan's steps write.
fn steps(network: &Network, shape: &[usize]) -> Vec<String> {
    let signature = network.signature().unwrap();
    let plan = network.plan(&[(&signature.input.name, shape)], &[&signature.logits]).unwrap();
    let mut names: Vec<String> = plan.report(&[]).into_iter().map(|step| step.name).collect();
    names.dedup();
    names.retain(|name| *name != signature.logits);
    names
}

fn check(net: &'static Architecture) {
    for precision in [Precision::Auto, Precision::Bf16] {
        if !precision.is_available(Level::best()) {
            continue;
        }
        let numerics = NumericOptions { compute: precision, ..NumericOptions::default() };
        let network = Network::from_architecture(
            net,
            Arc::new(RandomWeights),
            LoadOptions::default(),
            RunOptions { numerics, ..RunOptions::default() },
        )
        .unwrap();
        let shape = [1, net.side, net.side, net.channels];
        let (kept, bytes) = scores(&network, net, &shape, &[]);
        let (fetched, all) = scores(&network, net, &shape, &steps(&network, &shape));
        assert_eq!(kept, fetched, "{}, {precision}", net.name);
        println!(
            "{:<32} {precision:<5} {:>6.1} MB of {:.1}",
            net.name,
            bytes as f64 / 1e6,
            all as f64 / 1e6
        );
    }
}

#[test]
fn small_networks_do_not_notice() {
    for name in ["cifarnet", "mobilenet_v1_025", "mobilenet_v3_small", "nasnet_cifar"] {
        check(zoo::find(name).unwrap());
    }
}

#[test]
#[ignore = "a minute and a half, and gigabytes"]
fn no_network_notices() {
    ARCHITECTURES.iter().for_each(check);
}
