//! Networks in fewer bits beside themselves in float32, with made-up weights: how far the scores are off, as a share of the
//! largest.
//!
//! What is quick runs always. All networks, the table of docs/speed.md, take minutes:
//!
//! ```text
//! cargo test --release -p lorgnette-net --test formats -- --include-ignored --nocapture
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lorgnette_kernels::{Formats, Level, Precision, WeightFormat};
use lorgnette_net::zoo::{self, MadeUp, NETS, Net};
use lorgnette_net::{Network, Options, Tensor};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{SCORES_BF16, SCORES_F16, SCORES_INT8, relative_error};

fn formats(precision: Precision, weights: WeightFormat) -> Formats {
    Formats { precision, weights }
}

/// What is compared with float32, and how far off it may be.
fn trials() -> impl Iterator<Item = (Formats, f32)> {
    let float32 = |weights| formats(Precision::Float32, weights);
    let all = [
        (formats(Precision::Bf16, WeightFormat::Float32), SCORES_BF16),
        (float32(WeightFormat::Bf16), SCORES_BF16),
        (float32(WeightFormat::F16), SCORES_F16),
        (float32(WeightFormat::Int8), SCORES_INT8),
    ];
    all.into_iter().filter(|(formats, _)| formats.precision.is_available(Level::best()))
}

fn network(net: &'static Net, formats: Formats) -> Network {
    Network::of_net(net, Arc::new(MadeUp), Options { formats, ..Options::default() }).unwrap()
}

/// The scores for so many made-up pictures, and what all weights take packed.
fn scores(network: &Network, net: &Net, pictures: usize) -> (Vec<f32>, usize) {
    let ports = network.ports().unwrap();
    let [height, width] = [net.side, net.side];
    let shape = [pictures, height, width, net.channels];
    let picture = Tensor::from_f32(&shape, made_up::image(&shape));
    let scores = network.run(&[(&ports.input.name, &picture)], &[&ports.logits]).unwrap();
    (scores[0].to_f32().to_vec(), network.packed_bytes())
}

fn check(net: &'static Net) {
    let (wanted, all) = scores(&network(net, Formats::default()), net, 1);
    let mut line = format!("{:<32} {:>6.1} MB", net.name, all as f64 / 1e6);
    for (formats, tolerance) in trials() {
        let (found, bytes) = scores(&network(net, formats), net, 1);
        let error = relative_error(&wanted, &found);
        line += &format!("   {}/{} {error:.1e} {:>6.1} MB", formats.precision, formats.weights, bytes as f64 / 1e6);
        assert!(error <= tolerance, "{}, {formats:?}: {error}", net.name);
        assert!(bytes <= all, "{}, {formats:?}: fewer bits take more memory", net.name);
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
    NETS.iter().for_each(check);
}

/// A picture's scores are the same to the last bit alone, among others, and on any number of threads.
#[test]
fn company_changes_nothing_in_any_format() {
    let net = zoo::find("mobilenet_v1_025").unwrap();
    for (formats, _) in trials() {
        let network = network(net, formats);
        let (alone, _) = scores(&network, net, 1);
        let (among, _) = scores(&network, net, 5);
        assert_eq!(alone, among[..alone.len()], "{formats:?}");
        let one = Options { pool: Arc::new(lorgnette_kernels::Pool::new(1)), ..network.options().clone() };
        assert_eq!(alone, scores(&network.with_options(one), net, 1).0, "{formats:?}");
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
    for (formats, _) in trials().chain([(Formats::default(), 0.0)]) {
        let made = network(net, formats);
        let (wanted, _) = scores(&made, net, 1);
        let path = temporary(&format!("formats-{}-{}.plan", formats.precision, formats.weights));
        made.write_plan_file(&path).unwrap();
        let read = Network::open(&path, Options::default()).unwrap();
        assert_eq!(read.options().formats, formats);
        assert_eq!(scores(&read, net, 1).0, wanted, "{formats:?}");
        lengths.push(path.metadata().unwrap().len());
        let other = Options { formats: self::formats(Precision::Auto, WeightFormat::F16), ..Options::default() };
        let refused = Network::open(&path, other).unwrap_err().to_string();
        assert!(refused.contains("when the model is converted"), "{refused}");
    }
    let float32 = lengths.pop().unwrap();
    assert!(lengths.iter().all(|&length| length < float32), "{lengths:?} {float32}");
}

/// Features in other numbers are other features: caches must not mix them.
#[test]
fn fingerprints_tell_formats_apart() {
    let net = zoo::find("lenet").unwrap();
    let print = |formats| network(net, formats).fingerprint("LeNet/fc3").unwrap_or_else(|error| panic!("{error}"));
    let exact = print(Formats::default());
    assert!(trials().all(|(formats, _)| print(formats) != exact));
}
