//! Networks on AMX beside themselves without it. Where the CPU has no AMX, its instructions are executed in software.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::sync::Arc;

use lorgnette_kernels::formats::has_bf16;
use lorgnette_kernels::{Formats, Level, Precision};
use lorgnette_net::zoo::{self, MadeUp};
use lorgnette_net::{Network, Options, Tensor};
use lorgnette_oracle::tolerance::{ACTIVATION, SCORES_BF16, relative_error};
use lorgnette_oracle::{amx, made_up};

/// The scores of a network with made-up weights for a made-up picture, and the kernels that computed them.
fn scores(name: &str, level: Level, precision: Precision) -> (Vec<f32>, Vec<String>) {
    let net = zoo::find(name).unwrap();
    let formats = Formats { precision, ..Formats::default() };
    let network = Network::of_net(net, Arc::new(MadeUp), Options { level, formats, ..Options::default() }).unwrap();
    let ports = network.ports().unwrap();
    let shape = [1, net.side, net.side, net.channels];
    let picture = Tensor::from_f32(&shape, made_up::image(&shape));
    let plan = network.plan(&[(&ports.input.name, &shape)], &[&ports.logits]).unwrap();
    let kernels = plan.report(&[]).into_iter().map(|step| step.kernel).collect();
    let scores = network.run(&[(&ports.input.name, &picture)], &[&ports.logits]).unwrap();
    (scores[0].to_f32().to_vec(), kernels)
}

#[test]
fn a_network_gives_the_same_answers_on_tiles() {
    if !has_bf16() {
        return println!("skipped: this CPU has none of what AMX is beside");
    }
    if amx::emulate() {
        lorgnette_kernels::assume_amx();
    }
    for name in ["cifarnet", "mobilenet_v1_025", "mobilenet_v3_small"] {
        let (wanted, kernels) = scores(name, Level::Avx512, Precision::Float32);
        let on_tiles = |kernels: &[String]| kernels.iter().filter(|kernel| kernel.contains("amx")).count();
        assert_eq!(on_tiles(&kernels), 0, "{name}: {kernels:?}");
        for (precision, tolerance) in [(Precision::Float32, ACTIVATION), (Precision::Bf16, SCORES_BF16)] {
            let (found, kernels) = scores(name, Level::Amx, precision);
            assert!(on_tiles(&kernels) > 0, "{name}, {precision}: {kernels:?}");
            let error = relative_error(&wanted, &found);
            println!("{name}, {precision}: {} of {} steps, {error:e}", on_tiles(&kernels), kernels.len());
            assert!(error > 0.0 && error <= tolerance, "{name}, {precision}: {error:e}");
        }
    }
}
