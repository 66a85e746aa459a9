//! A few layers at every level and with one and two threads. `GItem/s` are GFLOP/s.
//!
//!     cargo bench -p lorgnette-bench --bench kernels

use divan::Bencher;
use divan::counter::ItemsCount;
use lorgnette_bench::layers::{self, Layer};
use lorgnette_bench::trial::Trial;
use lorgnette_kernels::{Level, NumericOptions, ThreadPool};

fn main() {
    divan::main();
}

/// One layer of each kind.
fn sample_layers() -> Vec<Layer> {
    let names = [
        "conv 3x3/1 56x56x256->256",
        "conv 7x7/2 224x224x3->64",
        "conv 1x1/1 14x14x512->512",
        "conv 1x7/1 17x17x192->192",
        "conv 7x7/1 7x7x512->4096",
        "depthwise 3x3/1 112x112x32->32",
        "depthwise 3x3/2 14x14x512->512",
    ];
    let networks = ["vgg_16", "resnet_v1_50", "inception_v3", "mobilenet_v1"];
    let layers_of = |network| {
        layers::for_network(network, Level::best(), NumericOptions::default())
            .expect("a network of the zoo")
    };
    let mut sample: Vec<Layer> = networks
        .into_iter()
        .flat_map(layers_of)
        .filter(|layer| names.contains(&layer.to_string().as_str()))
        .collect();
    sample.sort_by_key(ToString::to_string);
    sample.dedup_by_key(|layer| layer.to_string());
    sample
}

/// A layer at a level, as divan prints it.
struct Setting(Layer, Level);

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

fn settings() -> impl Iterator<Item = Setting> {
    sample_layers()
        .into_iter()
        .flat_map(|layer| Level::available().into_iter().map(move |level| Setting(layer, level)))
}

#[divan::bench(args = settings(), consts = [1, 2])]
fn layer<const THREADS: usize>(bencher: Bencher<'_, '_>, Setting(layer, level): &Setting) {
    let pool = ThreadPool::new(THREADS);
    let mut trial = Trial::new(layer, *level, NumericOptions::default(), &pool);
    bencher.counter(ItemsCount::new(layer.flops())).bench_local(|| trial.run(&pool));
}
