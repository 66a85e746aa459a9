//! Networks in fewer bits beside themselves in float32, with made-up weights: how far the scores
//! are off, as a share of the largest.
//!
//! What is quick runs always. All networks, the table of docs/speed.md, take minutes:
//!
//! ```text
//! cargo test --release -p lorgnette-net --test formats -- --include-ignored --nocapture
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette_kernels::{Level, NumericOptions, Precision, WeightFormat};
use lorgnette_net::zoo::{self, ARCHITECTURES, Architecture, RandomWeights};
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{SCORES_BF16, SCORES_F16, SCORES_INT8, relative_error};

fn numerics(precision: Precision, weights: WeightFormat) -> NumericOptions {
    NumericOptions { compute: precision, weight_storage: weights, ..NumericOptions::default() }
}

/// What is compared with float32, and how far off it may be.
fn trials() -> impl Iterator<Item = (NumericOptions, f32)> {
    let float32 = |weights| numerics(Precision::Float32, weights);
    let all = [
        (numerics(Precision::Bf16, WeightFormat::Float32), SCORES_BF16),
        (float32(WeightFormat::Bf16), SCORES_BF16),
        (float32(WeightFormat::F16), SCORES_F16),
        (float32(WeightFormat::Int8), SCORES_INT8),
    ];
    all.into_iter().filter(|(numerics, _)| numerics.compute.is_available(Level::best()))
}

fn network(net: &'static Architecture, numerics: NumericOptions) -> Network {
    Network::from_architecture(
        net,
        Arc::new(RandomWeights),
        LoadOptions::default(),
        RunOptions { numerics, ..RunOptions::default() },
    )
    .unwrap()
}

/// The scores for so many made-up pictures, and what all weights take packed.
fn scores(network: &Network, net: &Architecture, pictures: usize) -> (Vec<f32>, usize) {
    let signature = network.signature().unwrap();
    let [height, width] = [net.side, net.side];
    let shape = [pictures, height, width, net.channels];
    let picture = Tensor::from_f32(&shape, made_up::image(&shape));
    let scores = network.run(&[(&signature.input.name, &picture)], &[&signature.logits]).unwrap();
    (scores[0].to_f32().to_vec(), network.packed_bytes())
}

fn check(net: &'static Architecture) {
    let (wanted, all) = scores(&network(net, NumericOptions::default()), net, 1);
    let mut line = format!("{:<32} {:>6.1} MB", net.name, all as f64 / 1e6);
    for (numerics, tolerance) in trials() {
        let (found, bytes) = scores(&network(net, numerics), net, 1);
        let error = relative_error(&wanted, &found);
        line += &format!(
            "   {}/{} {error:.1e} {:>6.1} MB",
            numerics.compute,
            numerics.weight_storage,
            bytes as f64 / 1e6
        );
        assert!(error <= tolerance, "{}, {numerics:?}: {error}", net.name);
        assert!(bytes <= all, "{}, {numerics:?}: fewer bits take more memory", net.name);
    }
    println!("{line}");
}

#[test]
fn small_networks_are_near_in_fewer_bits() {
    ["lenet", "cifarnet", "mobilenet_v1_025", "mobilenet_v3_small"]
        .into_iter()
        .for_each(|name| check(zoo::find(name).unwrap()));
}

#[test]
#[ignore = "minutes, and gigabytes: see the top of the file"]
fn all_networks_are_near_in_fewer_bits() {
    ARCHITECTURES.iter().for_each(check);
}

/// A picture's scores are the same to the last bit alone, among others, and on any number of
/// threads.
#[test]
fn company_changes_nothing_in_any_format() {
    let net = zoo::find("mobilenet_v1_025").unwrap();
    for (numerics, _) in trials() {
        let network = network(net, numerics);
        let (alone, _) = scores(&network, net, 1);
        let (among, _) = scores(&network, net, 5);
        assert_eq!(alone, among[..alone.len()], "{numerics:?}");
        let one = RunOptions {
            pool: Arc::new(lorgnette_kernels::ThreadPool::new(1)),
            ..network.run_options().clone()
        };
        assert_eq!(alone, scores(&network.with_run_options(one), net, 1).0, "{numerics:?}");
    }
}

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A plan file is read back in the formats it was made in, gives the same bits, and is smaller.
#[test]
fn plan_files_keep_their_formats() {
    let net = zoo::find("lenet").unwrap();
    let mut lengths = Vec::new();
    for (numerics, _) in trials().chain([(NumericOptions::default(), 0.0)]) {
        let made = network(net, numerics);
        let (wanted, _) = scores(&made, net, 1);
        let path =
            temporary(&format!("formats-{}-{}.plan", numerics.compute, numerics.weight_storage));
        made.write_plan_file(&path).unwrap();
        let read = Network::open(&path, LoadOptions::default(), RunOptions::default()).unwrap();
        assert_eq!(read.run_options().numerics, numerics);
        assert_eq!(scores(&read, net, 1).0, wanted, "{numerics:?}");
        lengths.push(path.metadata().unwrap().len());
        let other = RunOptions {
            numerics: self::numerics(Precision::Auto, WeightFormat::F16),
            ..RunOptions::default()
        };
        let refused = Network::open(&path, LoadOptions::default(), other).unwrap_err().to_string();
        assert!(refused.contains("when the model is converted"), "{refused}");
    }
    let float32 = lengths.pop().unwrap();
    assert!(lengths.iter().all(|&length| length < float32), "{lengths:?} {float32}");
}

/// Features in other numbers are other features: caches must not mix them.
#[test]
fn fingerprints_tell_formats_apart() {
    let net = zoo::find("lenet").unwrap();
    let print = |numerics| {
        network(net, numerics).fingerprint("fc3").unwrap_or_else(|error| panic!("{error}"))
    };
    let exact = print(NumericOptions::default());
    assert!(trials().all(|(numerics, _)| print(numerics) != exact));
}
